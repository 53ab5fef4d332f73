//! Runs records from memory through a pipeline of its own: production's stages, a store in memory, no clock to wait for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Arbiter, System};
use tokio::sync::oneshot;

use super::doors::SharedDoors;
use super::feed::{self, MemoryTopic};
use super::pipeline::{self, OpenFeed, PipelineParts, Placement, SourcePart};
use crate::actors::kept::Guards;
use crate::actors::status::StatusBoard;
use crate::actors::supervisor::{self, Ending, Supervisor};
use crate::clock;
use crate::engine::correlate::CorrelateOptions;
use crate::engine::decode::DecodeOptions;
use crate::engine::detect::DetectOptions;
use crate::engine::resilience::retention::RetentionOptions;
use crate::kafka::{self, producer};
use crate::model::Timestamp;
use crate::model::command::{Command, CommandError, CommandOutcome};
use crate::model::entity::Alias;
use crate::model::investigation::EngineFindings;
use crate::model::live::LiveUpdate;
use crate::model::ports::{FeedTrouble, Publish, StoreError, StoreReader, StoreWriter, WriteBatch, WriteReport};
use crate::model::snapshot::Snapshot;
use crate::store;

/// A run is short: what a checkpoint would save is soon read again.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Longest wait until a Kafka has taken a topic's records.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// What one run is made of.
#[derive(Clone, Debug)]
pub struct Run {
    pub topics: Vec<MemoryTopic>,
    pub decode: DecodeOptions,
    pub detect: DetectOptions,
    pub correlate: CorrelateOptions,
    pub shards: usize,
    /// Name of the store in memory; two runs at a time need two names.
    pub store: String,
    pub through: Through,
}

/// Which way the records take to the connectors.
#[derive(Clone, Debug, Default)]
pub enum Through {
    /// From memory, behind the same messages as the Kafka consumer's.
    #[default]
    Memory,
    /// The same in batches of other lengths, so that the feeds interleave otherwise.
    Interleaved(feed::Interleaving),
    /// The same, each record at its time after the first, so many times as fast as it was, by a clock that waits for nobody.
    Paced { speed: f64 },
    /// Written to topics of their own on a Kafka, named `<prefix>.<topic>`, and read from there. With a speed each record is written at
    /// its time after the first, so many times as fast as it was, while it is read; else all are written before.
    Kafka { options: kafka::Options, prefix: String, speed: Option<f64> },
}

/// What a run found.
#[derive(Debug)]
pub struct Found {
    /// Every revision of every investigation, in the order of the engine.
    pub findings: Vec<EngineFindings>,
    pub dead_letters: u64,
    /// The canonical export of its store.
    pub export: Vec<u8>,
}

/// Runs to the end of all topics. Blocks; makes an actix system of its own on this thread.
///
/// # Errors
/// The reason when the pipeline could not go on.
pub fn run(run: &Run) -> Result<Found, String> {
    let options = store_options(run);
    let writer = store::open_writer(&options).map_err(|error| error.to_string())?;
    let first = Mutex::new(Some(writer));
    run_into(run, move || {
        let writer = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = writer.ok_or_else(|| StoreError::Other("a recorded run is not restarted".to_owned()))?;
        Ok(Box::new(writer) as Box<dyn StoreWriter>)
    })
}

/// The store in memory of a run.
pub fn store_options(run: &Run) -> store::Options {
    store::Options { readers: 1, check_on_open: false, ..store::Options::memory(&run.store) }
}

/// [`run`] with a writer of the caller's, opened again after each rebuild of the pipeline.
///
/// # Errors
/// The reason when the pipeline could not go on.
pub fn run_into(run: &Run, open: impl Fn() -> Result<Box<dyn StoreWriter>, StoreError> + Send + 'static) -> Result<Found, String> {
    let reader: Arc<dyn StoreReader> = Arc::new(store::open_reader(&store_options(run)).map_err(|error| error.to_string())?);
    let captured = Arc::new(Mutex::new(Captured::default()));
    let status = Arc::new(StatusBoard::default());
    let (parts_reader, parts_run, tee) = (reader.clone(), run.clone(), captured.clone());
    let pace = match run.through {
        Through::Paced { speed } | Through::Kafka { speed: Some(speed), .. } => Some((first_time(run), speed)),
        _ => None,
    };
    let is_simulated = matches!(run.through, Through::Paced { .. });
    // Where everything waits, time goes on by itself.
    let system = if is_simulated {
        let runtime = paused().map_err(|error| error.to_string())?;
        System::with_tokio_rt(|| runtime)
    } else {
        System::new()
    };
    let ending = system.block_on(async move {
        let _time = pace.filter(|_| is_simulated).map(|(first, _)| clock::start_at(first));
        let pace = pace.map(|(first, speed)| feed::Pace::starting(first, speed));
        let sources = match sources(&parts_run, pace).await {
            Ok(sources) => sources,
            Err(reason) => return Ending::Failed(reason),
        };
        let open_writer: pipeline::OpenWriter = Box::new(move || Ok(Box::new(Tee { inner: open()?, captured: tee.clone() })));
        let parts = parts(parts_run, sources, open_writer, parts_reader, status.clone());
        let (ended, ending) = oneshot::channel();
        let options = supervisor::Options {
            checkpoint_every: CHECKPOINT_EVERY,
            beat_every: supervisor::Options::BEAT_EVERY,
            until_sources_end: true,
        };
        let build = Box::new(move |reports| pipeline::build(&parts, &reports));
        Supervisor::new(build, options, status, SharedDoors::default().0, ended).start();
        ending.await.unwrap_or_else(|_| Ending::Failed("the supervisor is gone".to_owned()))
    });
    if let Ending::Failed(reason) = ending {
        return Err(reason);
    }
    let mut export = Vec::new();
    reader.export(&mut export).map_err(|error| error.to_string())?;
    let captured = std::mem::take(&mut *captured.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Found { findings: captured.findings, dead_letters: captured.letters, export })
}

fn paused() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()
}

fn first_time(run: &Run) -> Timestamp {
    run.topics.iter().flat_map(|topic| topic.records.iter()).map(|record| record.timestamp).min().unwrap_or(Timestamp::EPOCH)
}

/// One source a topic; through Kafka, everything is written before anything is read.
async fn sources(run: &Run, pace: Option<feed::Pace>) -> Result<Vec<SourcePart>, String> {
    let mut sources = Vec::new();
    for topic in run.topics.iter().cloned() {
        let (name, source, decode) = (topic.connector.clone(), topic.source, run.decode.clone());
        let open: OpenFeed = match &run.through {
            Through::Memory | Through::Paced { .. } => Arc::new(move |offsets| Ok(topic.open(&*offsets, pace, Default::default()))),
            Through::Interleaved(interleaving) => {
                let interleaving = *interleaving;
                Arc::new(move |offsets| Ok(topic.open(&*offsets, None, interleaving)))
            }
            Through::Kafka { options, prefix, .. } => {
                through_kafka(&topic, options, prefix, pace).await.map_err(|error| error.to_string())?
            }
        };
        sources.push(SourcePart { name, source, decode, open });
    }
    Ok(sources)
}

/// Writes a topic's records, or begins to, and returns how to read exactly them.
async fn through_kafka(
    topic: &MemoryTopic,
    options: &kafka::Options,
    prefix: &str,
    pace: Option<feed::Pace>,
) -> Result<OpenFeed, kafka::KafkaError> {
    let name = format!("{prefix}.{}", topic.topic);
    producer::create_topics(options, None, &[&name], 1).await?;
    let producer = producer::Producer::new(options, None)?;
    let (written, topic_name) = (topic.records.clone(), name.clone());
    let write = move |pace: Option<feed::Pace>| {
        for record in written.iter() {
            if let Some(pace) = &pace {
                pace.sleep(record.timestamp);
            }
            let feed::MemoryRecord { key, value, headers, timestamp } = record;
            producer.send(&producer::OutgoingRecord::new(&topic_name, key.as_deref(), value.as_deref(), headers, *timestamp))?;
        }
        producer.flush(FLUSH_TIMEOUT)
    };
    match pace {
        None => write(None)?,
        // What cannot be written never comes, and whoever waits for it says so.
        Some(pace) => drop(std::thread::spawn(move || {
            write(Some(pace)).unwrap_or_else(|error| tracing::error!(%error, "a recording was not written to its end"));
        })),
    }
    let config = kafka::ConsumerConfig {
        connector: topic.connector.clone(),
        source: kafka::SourceOptions { start: kafka::Start::Earliest, ..kafka::SourceOptions::new(topic.source, &[&name]) },
        options: options.clone(),
        group: name.clone(),
        instance: name,
    };
    let records = topic.records.len();
    Ok(Arc::new(move |offsets| {
        let feed = kafka::start(config.clone(), offsets).map_err(|error| FeedTrouble {
            class: "settings".to_owned(),
            message: error.to_string(),
            permanent: true,
            recovered: false,
            topic: None,
        })?;
        Ok(feed::until_records(feed, records))
    }))
}

fn parts(
    run: Run,
    sources: Vec<SourcePart>,
    open_writer: pipeline::OpenWriter,
    reader: Arc<dyn StoreReader>,
    status: Arc<StatusBoard>,
) -> PipelineParts {
    PipelineParts {
        store_payloads: true,
        broker_records: None,
        sources,
        shards: run.shards,
        replays_per_second: 1_000,
        retention: RetentionOptions::keeps_all(),
        detect: run.detect,
        correlate: run.correlate,
        teach_until: None,
        open_writer,
        reader,
        publish: Arc::new(Nobody),
        status,
        aliases: Default::default(),
        guards: Guards::default(),
        intake: Default::default(),
        placement: Placement::single(Arbiter::current()),
    }
}

/// Live updates of a run that nobody watches.
struct Nobody;

impl Publish for Nobody {
    fn publish(&self, _: LiveUpdate) {}
}

#[derive(Debug, Default)]
struct Captured {
    findings: Vec<EngineFindings>,
    letters: u64,
}

/// A store that also keeps every revision of the findings, which the database folds into the newest.
struct Tee {
    inner: Box<dyn StoreWriter>,
    captured: Arc<Mutex<Captured>>,
}

impl StoreWriter for Tee {
    fn write(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, StoreError> {
        let report = self.inner.write(batch, now)?;
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        captured.findings.extend(batch.findings.iter().cloned());
        captured.letters += report.letters_stored;
        Ok(report)
    }

    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        self.inner.execute(command, now)
    }

    fn aliases(&mut self) -> Result<Vec<Alias>, StoreError> {
        self.inner.aliases()
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        self.inner.load_snapshot()
    }
}
