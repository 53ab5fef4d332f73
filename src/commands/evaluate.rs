//! `whydunit evaluate`: how often are we right?

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::app::evaluate::{self, Options};
use crate::evaluation::feed::Disorder;
use crate::evaluation::{ChangePack, EpisodeOptions, Pack, RecordedPack};
use crate::kafka;
use crate::telemetry::tracing_setup;

/// Runs every labelled incident of a pack, and as many quiet stretches, through a pipeline of its own with a store in memory,
/// and scores the investigations against the labels: were they opened in time, whom do they name, how many does no fault
/// explain. Each incident is run twice: unaided, and told at the label that something is wrong.
///
/// Of a pack of changes it asks instead which change each investigation names first, or none.
///
/// `--set simulator` needs no pack: each seed is a call graph of its own with faults of its own.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder or .tar.zst of the pack.
    #[arg(value_name = "PACK", required_unless_present = "set")]
    pack: Option<PathBuf>,
    /// A set that is made, not recorded.
    #[arg(long, value_name = "NAME", conflicts_with = "pack")]
    set: Option<Set>,
    /// Seeds of the made set, from A to B.
    #[arg(long, value_name = "A..B", default_value = "1..20", value_parser = seeds, requires = "set")]
    seeds: RangeInclusive<u64>,
    #[command(flatten)]
    settings: super::SettingsFrom,
    /// Seed of the quiet traffic drawn before each fault.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// With 5 % duplicates and 10 s of shuffling: the verdicts should stay.
    #[arg(long)]
    disorder: bool,
    /// Also write the scores as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the records to this Kafka (host:port) and read them from there, instead of from memory.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Incidents run side by side; default: one a processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// Sets that are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Set {
    /// Drawn call graphs of 5 to 200 services, with drawn faults.
    Simulator,
}

/// `A..B`, both included.
fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let wrong = || format!("{text}: give two whole numbers, the smaller one first, like 1..200");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let (first, last) = (first.parse().map_err(|_| wrong())?, last.trim_start_matches('=').parse().map_err(|_| wrong())?);
    if first > last || last == u64::MAX { Err(wrong()) } else { Ok(first..=last) }
}

/// # Errors
/// A pack that cannot be read, a file that cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    settings.validate()?;
    let quiet = tracing_setup::Options { log: "error".to_owned(), ..settings.telemetry.clone() };
    let _tracing = tracing_setup::install(&quiet);
    let disorder = if arguments.disorder { Disorder::ROUGH } else { Disorder::NONE };
    let options = Options {
        episodes: EpisodeOptions { seed: arguments.seed, disorder, ..EpisodeOptions::default() },
        decode: settings.decode,
        detect: settings.detect,
        correlate: settings.correlate,
        shards: settings.pipeline.shards,
        kafka: arguments.brokers.clone().map(|brokers| kafka::Options { brokers, ..settings.kafka }),
        threads: arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
    };
    let (text, json) = match (arguments.set, &arguments.pack) {
        (Some(Set::Simulator), _) => simulated(&arguments.seeds, &options)?,
        (None, Some(pack)) => recorded(pack, &options)?,
        (None, None) => anyhow::bail!("name a pack, or a set with --set"),
    };
    println!("{text}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// The report as text and as JSON.
fn recorded(pack: &Path, options: &Options) -> anyhow::Result<(String, String)> {
    let pack = RecordedPack::open(pack)?;
    eprintln!("{}", pack.report().to_text());
    match &pack {
        RecordedPack::Services(pack) => services(pack, options),
        RecordedPack::Changes(pack) => changes(pack, options),
    }
}

fn simulated(seeds: &RangeInclusive<u64>, options: &Options) -> anyhow::Result<(String, String)> {
    let bar = super::progress::bar(seeds.end() - seeds.start() + 1);
    let report = evaluate::simulator::simulated(seeds.clone(), options, &|seed| {
        bar.set_message(seed.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}

fn services(pack: &Pack, options: &Options) -> anyhow::Result<(String, String)> {
    let bar = super::progress::bar(evaluate::episodes(pack, options)? as u64);
    let report = evaluate::evaluate(pack, options, &|episode| {
        bar.set_message(episode.to_owned());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}

fn changes(pack: &ChangePack, options: &Options) -> anyhow::Result<(String, String)> {
    let bar = super::progress::bar(pack.cases.len() as u64);
    let report = evaluate::changes(pack, options, &|incident| {
        bar.set_message(incident.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}
