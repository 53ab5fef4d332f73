//! `whydunit discover`: what is on a Kafka, and settings to read it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::app::discover::{Finding, Skew, seen, settings_text, survey};

/// Looks at the newest records of every topic and says what they seem to be; writes settings that `check` accepts and `run` reads.
///
/// For each topic: the source, the formats, how many records can be read, items without a service or a time of their own, and how far
/// the items' times lie from their records' Kafka times. Joins no consumer group, commits nothing, changes nothing on the broker.
///
///     whydunit discover --brokers broker-1:9092 --write whydunit.toml
///     whydunit check --config whydunit.toml && whydunit run --config whydunit.toml
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// host:port, several separated by commas; kafka.brokers of the settings when absent. TLS and login come from the settings.
    #[arg(long)]
    brokers: Option<String>,
    /// Only this topic; may be given again.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Records looked at of each topic.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    records: u32,
    /// Write settings for what was found.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long, requires = "write")]
    force: bool,
    /// One JSON value a topic instead of a table.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// Settings that cannot work, brokers that do not let us in, a file that is there already.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut settings = arguments.settings.load()?;
    if let Some(brokers) = &arguments.brokers {
        settings.kafka.brokers.clone_from(brokers);
    }
    settings.validate()?;
    if let Some(file) = arguments.write.as_deref().filter(|file| !arguments.force && file.exists()) {
        anyhow::bail!("{} is there already; name another file, or add --force to write over it", file.display());
    }
    let bar = super::progress::bar(0);
    let mut total = None;
    let findings = survey(&settings, &arguments.topics, arguments.records as usize, |topics| match total {
        None => {
            total = Some(topics);
            bar.set_length(topics);
        }
        Some(_) => bar.inc(topics),
    })?;
    bar.finish_and_clear();
    if arguments.json {
        print_json(&findings)?
    } else {
        print_table(&findings)?
    }
    if let Some(file) = &arguments.write {
        write(file, &settings_text(&settings, &findings), arguments.force)?;
        let readable = findings.iter().filter(|finding| finding.is_readable()).count();
        eprintln!("{readable} of {} topics are read by {}; next: whydunit check --connect --config {0}", findings.len(), file.display());
    }
    Ok(())
}

fn write(file: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!force);
    let mut out = options.open(file).with_context(|| format!("writing {}", file.display()))?;
    out.write_all(text.as_bytes()).with_context(|| format!("writing {}", file.display()))
}

fn print_table(findings: &[Finding]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if findings.is_empty() {
        writeln!(out, "no topics, or none that may be seen")?;
        return Ok(());
    }
    let width = findings.iter().map(|finding| finding.topic.len()).max().unwrap_or(0).clamp(5, 60);
    writeln!(
        out,
        "{:<width$}  {:<8}  {:<28}  {:>7}  {:>8}  {:>10}  {:>7}  clocks against Kafka",
        "topic", "source", "formats", "records", "readable", "no service", "no time"
    )?;
    for finding in findings {
        let Finding { topic, records, decoded, items, without_service, without_time, .. } = finding;
        let source = match finding.source {
            Some(source) => source.as_str(),
            None if *records == 0 => "empty",
            None => "unknown",
        };
        let share =
            |part: u64, whole: u64| if whole == 0 { "–".to_owned() } else { format!("{:.0} %", 100.0 * part as f64 / whole as f64) };
        let formats = finding.formats.iter().map(|(name, records)| format!("{name} {records}")).collect::<Vec<_>>().join(", ");
        writeln!(
            out,
            "{topic:<width$}  {source:<8}  {formats:<28}  {records:>7}  {:>8}  {:>10}  {:>7}  {}",
            share(*decoded, *records),
            share(*without_service, *items),
            share(*without_time, *items),
            finding.skew.map(skew).unwrap_or_default()
        )?;
    }
    for finding in findings.iter().filter(|finding| finding.reason.is_some() || finding.is_mixed()) {
        writeln!(out, "{}: {}", finding.topic, seen(finding))?;
    }
    Ok(())
}

/// `3.2 s behind (1.0 to 8.1)`.
fn skew(skew: Skew) -> String {
    let Skew { median_s, low_s, high_s } = skew;
    let side = if median_s > 0.0 { "ahead" } else { "behind" };
    let spread = if median_s > 0.0 { (low_s, high_s) } else { (-high_s, -low_s) };
    format!("{} {side} ({} to {})", seconds(median_s.abs()), seconds(spread.0), seconds(spread.1))
}

fn seconds(seconds: f64) -> String {
    match seconds.abs() {
        small if small < 120.0 => format!("{seconds:.1} s"),
        middle if middle < 7_200.0 => format!("{:.0} min", seconds / 60.0),
        large if large < 172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} d", seconds / 86_400.0),
    }
}

fn print_json(findings: &[Finding]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for finding in findings {
        writeln!(out, "{}", serde_json::to_string(finding)?)?;
    }
    Ok(())
}
