//! `whydunit simulate`: the shop's records on any Kafka.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::clock;
use crate::kafka::{self, producer};
use crate::model::Timestamp;
use crate::simulator::{self, OutRecord, Shop};

/// Writes the records of a shop of about fifteen services that breaks on purpose: logs (JSON and OTLP), metrics and traces
/// (OTLP), GitHub webhooks. First some history at full speed, then live until Ctrl-C.
///
/// Topics: shop.logs shop.metrics shop.traces shop.git shop.ci shop.manual; they are created where they are missing.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// host:port of the brokers, several separated by commas.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// User requests a second; each becomes several spans and log lines.
    #[arg(long, default_value_t = 8.0)]
    rate: f64,
    /// What breaks; without it nothing does. See --list.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Same seed, same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds of history before now.
    #[arg(long, value_name = "SECONDS", default_value_t = 1_200)]
    history: u32,
    /// Seconds before the history's end at which the fault begins.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    fault_age: u32,
    /// Stop after this many seconds of live traffic; default: at Ctrl-C.
    #[arg(long, value_name = "SECONDS")]
    live: Option<u64>,
    /// Partitions of topics that are created.
    #[arg(long, default_value_t = 3)]
    partitions: i32,
    /// Print the faults there are, and stop.
    #[arg(long)]
    list: bool,
}

/// Live records are made this often.
const STEP: Duration = Duration::from_millis(200);

/// # Errors
/// An unknown fault, brokers that do not answer, records they do not take.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        for fault in simulator::catalog() {
            println!("{:<22} {}", fault.name, fault.summary);
        }
        return Ok(());
    }
    let now = clock::now();
    let options = simulator::Options {
        seed: arguments.seed,
        rate: arguments.rate,
        fault: arguments.fault.clone(),
        history_s: arguments.history,
        fault_age_s: arguments.fault_age,
        ..simulator::Options::default()
    };
    let mut shop = Shop::new(options, now.plus_seconds(-i64::from(arguments.history)))?;
    let kafka = kafka::Options { brokers: arguments.brokers.clone(), ..kafka::Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let topics = simulator::TOPICS.map(|(_, topic)| topic);
    runtime.block_on(producer::create_topics(&kafka, None, &topics, arguments.partitions)).context("creating the topics")?;
    let producer = producer::Producer::new(&kafka, None)?;
    history(&mut shop, &producer, now, i64::from(arguments.history))?;
    runtime.block_on(live(&mut shop, &producer, arguments.live))
}

fn history(shop: &mut Shop, producer: &producer::Producer, now: Timestamp, seconds: i64) -> anyhow::Result<()> {
    let bar = super::progress::bar(seconds.unsigned_abs());
    bar.set_message("s of history");
    for second in (1..=seconds).rev() {
        send(producer, &shop.step(now.plus_seconds(1 - second)))?;
        bar.inc(1);
    }
    producer.flush(Duration::from_secs(30))?;
    bar.finish();
    Ok(())
}

async fn live(shop: &mut Shop, producer: &producer::Producer, seconds: Option<u64>) -> anyhow::Result<()> {
    eprintln!("live; Ctrl-C ends it");
    let began = Instant::now();
    let mut ticks = tokio::time::interval(STEP);
    loop {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => break,
            _ = ticks.tick() => send(producer, &shop.step(clock::now()))?,
        }
        if seconds.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds)) {
            break;
        }
    }
    producer.flush(Duration::from_secs(10))?;
    Ok(())
}

fn send(producer: &producer::Producer, records: &[OutRecord]) -> anyhow::Result<()> {
    for record in records {
        let OutRecord { topic, key, value, headers, timestamp, .. } = record;
        producer.send(&producer::OutgoingRecord::new(topic, key.as_deref(), Some(value), headers, *timestamp))?;
    }
    Ok(())
}
