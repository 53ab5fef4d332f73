//! `whydunit evaluate`: how often are we right?

use std::path::PathBuf;

use anyhow::Context as _;

use crate::app::evaluate::{self, Options};
use crate::evaluation::feed::Disorder;
use crate::evaluation::{ChangePack, EpisodeOptions, GraphPack, Pack, RecordedPack};
use crate::kafka;
use crate::telemetry::tracing_setup;

/// Runs every labelled incident of a pack, and as many quiet stretches, through a pipeline of its own with a store in memory,
/// and scores the investigations against the labels: were they opened in time, whom do they name, how many does no fault
/// explain. Each incident is run twice: unaided, and told at the label that something is wrong.
///
/// Of a pack of changes it asks instead which change each investigation names first, or none; of issues on a call graph whom
/// the investigation names that the alarm is about, and how often somebody is blamed for nothing.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder or .tar.zst of the pack.
    #[arg(value_name = "PACK")]
    pack: PathBuf,
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
    /// Holds one factor of the ranking of changes at 1, to see what it is worth.
    #[arg(long, value_name = "FACTOR", value_enum)]
    without: Option<Factor>,
    /// Incidents run side by side; default: one a processor.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// A factor of the ranking of changes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Factor {
    Time,
    Scope,
    Diff,
    Words,
}

impl Factor {
    const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Scope => "scope",
            Self::Diff => "diff",
            Self::Words => "words",
        }
    }
}

/// # Errors
/// A pack that cannot be read, a file that cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.load()?;
    settings.validate()?;
    let quiet = tracing_setup::Options { log: "error".to_owned(), ..settings.telemetry.clone() };
    let _tracing = tracing_setup::install(&quiet);
    let pack = RecordedPack::open(&arguments.pack)?;
    eprintln!("{}", pack.report().to_text());
    let disorder = if arguments.disorder { Disorder::ROUGH } else { Disorder::NONE };
    let options = Options {
        episodes: EpisodeOptions { seed: arguments.seed, disorder, ..EpisodeOptions::default() },
        decode: settings.decode,
        detect: settings.detect,
        correlate: evaluate::without(settings.correlate, arguments.without.map(Factor::name)),
        shards: settings.pipeline.shards,
        kafka: arguments.brokers.clone().map(|brokers| kafka::Options { brokers, ..settings.kafka }),
        threads: arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
    };
    let (text, json) = match &pack {
        RecordedPack::Services(pack) => services(pack, &options)?,
        RecordedPack::Changes(pack) => changes(pack, &options)?,
        RecordedPack::Graph(pack) => graph(pack, &options)?,
    };
    println!("{text}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, json).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// The report as text and as JSON.
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

fn graph(pack: &GraphPack, options: &Options) -> anyhow::Result<(String, String)> {
    let bar = super::progress::bar(evaluate::graph_runs(pack) as u64);
    let report = evaluate::graph(pack, options, &|run| {
        bar.set_message(run.to_owned());
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok((report.to_text(), serde_json::to_string_pretty(&report)?))
}
