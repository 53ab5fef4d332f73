//! `whydunit decode`: what a record becomes, without a Kafka and without a database.

use std::io::{Read as _, Write as _};

use anyhow::Context as _;
use serde_json::Value;

use crate::app::Sample;
use crate::app::samples::{self, Reading};
use crate::clock;
use crate::model::Source;
use crate::settings::Settings;

/// Shows what records become: one JSON line an item (event, log line, metric point, span), with the format recognised.
///
/// A record that cannot be read prints its reason as `{"rejected": …}`, and the exit code is 1. Without --source the source whose
/// reading tells most is taken and said. A record without a time of its own is given the present one, as a broker would.
///
/// A file is one record:                whydunit decode event.json
/// Each line of a topic's dump is one:  kcat -C -e -t app.logs | whydunit decode --source logs --lines -
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// Source whose connector would read them: git, ci, logs, metrics, traces or manual.
    #[arg(long, value_parser = parse_source)]
    source: Option<Source>,
    /// Wire format, as a connector's `format` setting: auto, or one by name.
    #[arg(long)]
    format: Option<String>,
    /// A header that each record has, NAME=VALUE; may be given again.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// Take each line as a record; a line without anything in it is passed over.
    #[arg(long)]
    lines: bool,
    /// Files with records; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

fn parse_source(text: &str) -> Result<Source, String> {
    Source::parse(text).ok_or_else(|| format!("there are {}", Source::ALL.map(Source::as_str).join(", ")))
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// # Errors
/// Files that cannot be opened, settings that cannot work, records that cannot be read.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut settings = arguments.settings.load()?;
    if let Some(format) = &arguments.format {
        settings.decode.format.clone_from(format);
    }
    settings.validate()?;
    let reading = Reading { source: arguments.source, format: arguments.format.clone() };
    let (mut records, mut rejected) = (0_u64, 0_u64);
    for file in &arguments.files {
        let bytes = read(file)?;
        let several = if arguments.lines { lines(&bytes) } else { vec![(None, bytes.as_slice())] };
        for (line, value) in several {
            records += 1;
            let is_read = show(&settings, &reading, arguments, &Place { file, line }, value)?;
            rejected += u64::from(!is_read);
        }
    }
    anyhow::ensure!(rejected == 0, "{rejected} of {records} records cannot be read, or not whole; each says why");
    Ok(())
}

/// Where a record stands among the files.
struct Place<'a> {
    file: &'a str,
    line: Option<usize>,
}

fn show(settings: &Settings, reading: &Reading, arguments: &Arguments, place: &Place<'_>, value: &[u8]) -> anyhow::Result<bool> {
    let headers = arguments.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
    let sample = Sample { value: Some(value), headers, kafka_time: Some(clock::now()) };
    let (mut shown, is_read) = samples::decode(settings, reading, &sample);
    let mut out = std::io::stdout().lock();
    for item in &mut shown {
        if let Value::Object(fields) = item {
            if arguments.files.len() > 1 {
                fields.insert("file".to_owned(), place.file.into());
            }
            fields.extend(place.line.map(|line| ("line".to_owned(), line.into())));
        }
        writeln!(out, "{item}")?;
    }
    Ok(is_read)
}

fn read(file: &str) -> anyhow::Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("reading standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("reading {file}"))
}

fn lines(bytes: &[u8]) -> Vec<(Option<usize>, &[u8])> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n')).map(|(number, line)| (number, line.strip_suffix(b"\r").unwrap_or(line)));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(number, line)| (Some(number), line)).collect()
}
