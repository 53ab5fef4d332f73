//! `whydunit replay`: recorded incidents on a Kafka.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::WATERMARK_HEADER;
use crate::evaluation::{FeedRecord, Pack, ReplayOptions, feed};
use crate::kafka::{self, producer};
use crate::model::Timestamp;

/// Writes a pack of recorded incidents as OTLP to the topics replay.logs, replay.metrics and replay.traces, which are created
/// where they are missing. Event time is kept; quiet traffic is put before each fault.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder or .tar.zst of the pack.
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// host:port of the brokers, several separated by commas.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Same seed, same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much faster than it happened: a number, or max.
    #[arg(long, value_name = "X", default_value = "max", value_parser = speed)]
    speed: Speed,
    /// Environment the records name.
    #[arg(long, default_value = "recorded")]
    environment: String,
    /// Play only this case of the pack, with the metrics of the half hour before it; may be given several times.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Partitions of topics that are created.
    #[arg(long, default_value_t = 1)]
    partitions: i32,
}

/// Event time after the last record at which everything is closed: long enough for an investigation to go quiet.
const AFTER_THE_LAST_S: i64 = 300;

#[derive(Clone, Copy, Debug)]
enum Speed {
    Max,
    Times(f64),
}

fn speed(text: &str) -> Result<Speed, String> {
    match text {
        "max" => Ok(Speed::Max),
        _ => text
            .trim_end_matches('x')
            .parse()
            .ok()
            .filter(|times: &f64| times.is_finite() && *times > 0.0)
            .map(Speed::Times)
            .ok_or_else(|| "a number above 0, or max".to_owned()),
    }
}

/// # Errors
/// A pack that cannot be read, brokers that do not answer, records they do not take.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let pack = Pack::open(&arguments.pack)?;
    eprintln!("{}", pack.report.to_text());
    let unknown: Vec<&str> = arguments.cases.iter().filter(|case| !pack.cases.contains_key(*case)).map(String::as_str).collect();
    let known = || pack.cases.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    anyhow::ensure!(unknown.is_empty(), "{} has no case {}; it has {}", pack.set, unknown.join(", "), known());
    let kafka = kafka::Options { brokers: arguments.brokers.clone(), ..kafka::Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let topics = [feed::LOGS_TOPIC, feed::METRICS_TOPIC, feed::TRACES_TOPIC];
    runtime.block_on(producer::create_topics(&kafka, None, &topics, arguments.partitions)).context("creating the topics")?;
    let producer = producer::Producer::new(&kafka, None)?;
    let options = ReplayOptions {
        seed: arguments.seed,
        environment: arguments.environment.clone(),
        cases: arguments.cases.clone(),
        ..ReplayOptions::default()
    };
    let bar = indicatif::ProgressBar::new_spinner();
    let mut sent = 0_u64;
    let mut previous: Option<Timestamp> = None;
    for record in pack.replay_stream(options) {
        wait(arguments.speed, previous, record.timestamp);
        previous = Some(record.timestamp);
        send(&producer, &record)?;
        sent += 1;
        if sent.is_multiple_of(1_000) {
            bar.set_message(format!("{sent} records, at {}", record.timestamp));
            bar.tick();
        }
    }
    if let Some(last) = previous {
        end(&producer, &topics, arguments.partitions, last)?;
    }
    producer.flush(Duration::from_secs(60))?;
    bar.finish_and_clear();
    match previous {
        Some(last) => eprintln!("{sent} records written, the last of {last}"),
        None => eprintln!("no record written"),
    }
    Ok(())
}

/// Nothing follows: whoever reads may close every bucket without waiting.
fn end(producer: &producer::Producer, topics: &[&str], partitions: i32, last: Timestamp) -> anyhow::Result<()> {
    let headers = [(WATERMARK_HEADER.to_owned(), last.plus_seconds(AFTER_THE_LAST_S).to_string().into_bytes())];
    for (topic, partition) in topics.iter().flat_map(|topic| (0..partitions).map(move |partition| (*topic, partition))) {
        let record = producer::OutgoingRecord::new(topic, None, None, &headers, last);
        producer.send(&producer::OutgoingRecord { partition: Some(partition), ..record })?;
    }
    Ok(())
}

/// Event time that passed between two records, divided by the speed; at most a minute, since days of a pack lie apart.
fn wait(speed: Speed, previous: Option<Timestamp>, next: Timestamp) {
    if let (Speed::Times(times), Some(previous)) = (speed, previous) {
        let seconds = next.seconds_since(previous).clamp(0.0, 60.0) / times;
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }
}

fn send(producer: &producer::Producer, record: &FeedRecord) -> anyhow::Result<()> {
    let FeedRecord { topic, key, value, headers, timestamp, .. } = record;
    producer.send(&producer::OutgoingRecord::new(topic, key.as_deref(), Some(value), headers, *timestamp))?;
    Ok(())
}
