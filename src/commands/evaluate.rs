//! `whydunit evaluate`: how often are we right?

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::app::evaluate::{self, Options, Without, metric, quiet_days};
use crate::evaluation::feed::Disorder;
use crate::evaluation::{ChangePack, EpisodeOptions, GraphPack, HeldOut, MetricPack, Pack, RecordedPack};
use crate::kafka;
use crate::telemetry::tracing_setup;

/// Runs every labelled incident of a pack, and as many quiet stretches, through a pipeline of its own with a store in memory,
/// and scores the investigations against the labels: were they opened in time, whom do they name, how many does no fault
/// explain. Each incident is run twice: unaided, and told at the label that something is wrong.
///
/// Of a pack of changes it asks instead which change each investigation names first, or none; of issues on a call graph whom the
/// investigation names that the alarm is about, and how often somebody is blamed for nothing; of labelled series how early and how
/// rightly the detector of metrics is alarmed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder or .tar.zst of the pack; not needed for a set that is made.
    #[arg(value_name = "PACK", required_unless_present = "set")]
    pack: Option<PathBuf>,
    /// Judges a set that is made, or another side of a pack.
    #[arg(long, value_name = "NAME")]
    set: Option<Set>,
    /// Seeds of the simulator, from A to B.
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
    /// Choose the opening thresholds on all services but one and judge on that one, and the same by kind of fault. Runs the pack 18
    /// times; for packs of faults in services.
    #[arg(long, conflicts_with = "brokers")]
    held_out: bool,
    /// Also write the scores as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Records come at their times, so many times as fast as they did (1, 20): by a simulated clock, or with --brokers by the real
    /// one. `max`: as fast as they are taken. The verdicts should be the same.
    #[arg(long, value_name = "X|max", default_value = "max", value_parser = speed)]
    speed: Speed,
    /// Write the records to this Kafka (host:port) and read them from there, instead of from memory.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Holds one factor of the ranking of changes at 1, to see what it is worth.
    #[arg(long, value_name = "FACTOR", value_enum)]
    without: Option<Factor>,
    /// Incidents run side by side; default: one a processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// `None`: as fast as possible. A type of its own, since clap takes an `Option` for an argument that may be absent.
#[derive(Clone, Copy, Debug)]
struct Speed(Option<f64>);

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed(None));
    }
    let speed = text.parse().ok().filter(|speed| (0.1..=1e6).contains(speed));
    speed.map(|speed| Speed(Some(speed))).ok_or_else(|| "a number from 0.1 to 1000000, or max".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Set {
    /// Drawn call graphs of 5 to 200 services, with drawn faults.
    Simulator,
    /// Made series of one metric: the threshold is chosen on half of their families and judged on the other half.
    MetricSuite,
    /// The whole days of metrics of a pack of services: what opens although nothing is wrong?
    QuietDays,
}

/// A factor of the ranking of changes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Factor {
    Time,
    Scope,
    Diff,
    Words,
}

impl From<Factor> for Without {
    fn from(factor: Factor) -> Self {
        match factor {
            Factor::Time => Self::Time,
            Factor::Scope => Self::Scope,
            Factor::Diff => Self::Diff,
            Factor::Words => Self::Words,
        }
    }
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
        correlate: evaluate::without(settings.correlate, arguments.without.map(Without::from)),
        shards: settings.pipeline.shards,
        kafka: arguments.brokers.clone().map(|brokers| kafka::Options { brokers, ..settings.kafka }),
        speed: arguments.speed.0,
        unaided_only: false,
        threads: arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
    };
    let pack = || RecordedPack::open(arguments.pack.as_deref().unwrap_or_else(|| Path::new("")));
    let (text, json) = match arguments.set {
        Some(Set::Simulator) => simulated(&arguments.seeds, &options)?,
        Some(Set::MetricSuite) => metric_suite(arguments.seed, &options)?,
        Some(Set::QuietDays) => match pack()? {
            RecordedPack::Services(pack) => quiet_days(&pack, &options)?,
            other => anyhow::bail!("{}: not a pack of services, whose whole days of metrics are needed", other.set()),
        },
        None => {
            let pack = pack()?;
            eprintln!("{}", pack.report().to_text());
            match &pack {
                RecordedPack::Services(pack) if arguments.held_out => held_out(pack, &options)?,
                RecordedPack::Services(pack) => services(pack, &options)?,
                RecordedPack::Changes(pack) => changes(pack, &options)?,
                RecordedPack::Graph(pack) => graph(pack, &options)?,
                RecordedPack::Metrics(pack) => metrics(pack, &options)?,
            }
        }
    };
    println!("{text}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// The report as text and as JSON.
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

fn held_out(pack: &Pack, options: &Options) -> anyhow::Result<(String, String)> {
    let bar = super::progress::bar((evaluate::episodes(pack, options)? * evaluate::TRIALS) as u64);
    let tables = evaluate::held_out_tables(pack, options, &|episode| {
        bar.set_message(episode.to_owned());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    let text: Vec<String> = tables.iter().map(HeldOut::to_text).collect();
    Ok((text.join("\n"), serde_json::to_string_pretty(&tables)?))
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

fn metrics(pack: &MetricPack, options: &Options) -> anyhow::Result<(String, String)> {
    let report = with_bar(pack.series.len() as u64, |done| metric::recorded_series(pack, options, done))?;
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}

fn metric_suite(seed: u64, options: &Options) -> anyhow::Result<(String, String)> {
    let report = with_bar(metric::SUITE_SEEDS, |done| metric::suite(seed, options, done))?;
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}

fn quiet_days(pack: &Pack, options: &Options) -> anyhow::Result<(String, String)> {
    let report = with_bar(pack.metrics.len() as u64, |done| quiet_days::quiet_days(pack, options, done))?;
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}

fn with_bar<T>(length: u64, run: impl FnOnce(&dyn Fn(&str)) -> Result<T, String>) -> anyhow::Result<T> {
    let bar = super::progress::bar(length);
    let result = run(&|what| {
        bar.set_message(what.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    result.map_err(anyhow::Error::msg)
}

fn graph(pack: &GraphPack, options: &Options) -> anyhow::Result<(String, String)> {
    let bar = super::progress::bar(evaluate::graph_runs(pack) as u64);
    let report = evaluate::graph(pack, options, &|run| {
        bar.set_message(run.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}
