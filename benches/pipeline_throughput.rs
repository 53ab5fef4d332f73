//! How much of a bare loop's speed is left when its records go through the whole pipeline to a durable checkpoint?
//!
//! A million JSON log records on a real broker: 40 services of 50 templates, 2 % errors in bursts, no trace ids, 20 minutes of
//! event time. The loop takes records in batches from librdkafka, parses each into a borrowed struct and counts by service
//! and second. The pipeline is production's, every detector on, its store a file with `synchronous = full`. Both read the
//! same topic in turn, five pairs. `WHYDUNIT_BENCH_RECORDS` and `WHYDUNIT_BENCH_PAIRS` make it smaller.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, clippy::duplicate_mod)]
mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::{Actor, Arbiter, System};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys as sys;
use serde::Deserialize;
use support::kafka::KafkaServer;
use tokio::sync::oneshot;
use whydunit::actors::kept::Guards;
use whydunit::actors::status::StatusBoard;
use whydunit::actors::supervisor::{self, Ending, Supervisor};
use whydunit::app::WATERMARK_HEADER;
use whydunit::app::doors::SharedDoors;
use whydunit::app::feed::until_records;
use whydunit::app::pipeline::{self, PipelineParts, Placement, SourcePart};
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::kafka::{self, ConsumerConfig, SourceOptions, Start};
use whydunit::model::live::LiveUpdate;
use whydunit::model::ports::{FeedTrouble, Publish, StoreReader};
use whydunit::model::{Source, Timestamp};
use whydunit::store;

const TOPIC: &str = "bench.logs";
const PARTITIONS: i32 = 6;
const SERVICES: usize = 40;
const TEMPLATES: usize = 50;
const START: i64 = 1_763_388_000;
const EVENT_TIME_S: i64 = 1_200;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Writes the workload; returns how many records it has, control records included.
fn write_workload(server: &KafkaServer, records: usize) -> usize {
    server.create_topic(TOPIC, PARTITIONS, &[("retention.ms", "-1")]);
    let producer = Producer::new(&kafka::Options { brokers: server.brokers(), ..kafka::Options::default() }, None).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut value = String::new();
    for index in 0..records {
        let at = Timestamp::from_millis(START * 1_000 + index as i64 * EVENT_TIME_S * 1_000 / records as i64);
        let (service, template) = (random.random_range(0..SERVICES), random.random_range(0..TEMPLATES));
        // Bursts: every second in ten has five times the errors, the others half.
        let error = random.random_range(0..1_000) < if at.seconds() % 10 == 0 { 110 } else { 10 };
        value.clear();
        line(&mut value, at, service, template, error, random.random_range(0..1_000_000));
        send(&producer, (index % PARTITIONS as usize) as i32, Some(value.as_bytes()), &[], at);
    }
    let until = Timestamp::from_seconds(START + EVENT_TIME_S + 60).to_string();
    for partition in 0..PARTITIONS {
        let last = Timestamp::from_seconds(START + EVENT_TIME_S);
        send(&producer, partition, None, &[(WATERMARK_HEADER.to_owned(), until.clone().into_bytes())], last);
    }
    producer.flush(Duration::from_secs(120)).unwrap();
    records + PARTITIONS as usize
}

fn line(out: &mut String, at: Timestamp, service: usize, template: usize, error: bool, id: u32) {
    use std::fmt::Write;
    let level = if error { "error" } else { "info" };
    write!(
        out,
        "{{\"@timestamp\":\"{at}\",\"log.level\":\"{level}\",\"message\":\"step {template:02} of order {id} done by worker {} in {} ms, queue {} \
         items\",\"service.name\":\"service-{service:02}\",\"service.version\":\"1.4.2\",\"service.environment\":\"production\",\
         \"host.name\":\"node-{}\",\"process.thread.name\":\"worker-{}\",\"log.logger\":\"com.example.orders.OrderStep\",\"ecs.version\":\"8.11.0\"}}",
        id % 17,
        id % 900,
        id % 40,
        service % 8,
        id % 16
    )
    .unwrap();
}

fn send(producer: &Producer, partition: i32, value: Option<&[u8]>, headers: &[(String, Vec<u8>)], at: Timestamp) {
    let record = OutgoingRecord { topic: TOPIC, partition: Some(partition), key: None, value, headers, timestamp: Some(at) };
    producer.send(&record).unwrap();
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: &'a str,
    #[serde(rename = "log.level")]
    level: &'a str,
    #[serde(rename = "service.name")]
    service: &'a str,
    #[serde(rename = "service.environment")]
    _environment: &'a str,
    #[serde(rename = "host.name")]
    _host: &'a str,
    #[serde(borrow)]
    message: std::borrow::Cow<'a, str>,
}

/// Counts of the loop: lines, errors and bytes of message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    lines: u64,
    errors: u64,
    message_bytes: u64,
    cells: usize,
}

/// Polls and parses; the pipeline's yardstick.
fn bare_loop(server: &KafkaServer, records: usize) -> Counted {
    let mut config = server.client();
    config.set("group.id", "bare").set("enable.auto.commit", "false").set("fetch.queue.backoff.ms", "2").set("check.crcs", "true");
    config.set("queued.min.messages", "10000").set("queued.max.messages.kbytes", "16384").set("max.partition.fetch.bytes", "262144");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut partitions = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|partition| partitions.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap());
    consumer.assign(&partitions).unwrap();
    let mut counts: HashMap<(String, i64), (u64, u64)> = HashMap::new();
    let (mut read, mut counted) = (0, Counted::default());
    let mut messages = [std::ptr::null_mut(); 1_000];
    // SAFETY: the client outlives the queue handle, which is destroyed below.
    let queue = unsafe { sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
    while read < records {
        // SAFETY: `queue` is live and `messages` has room for its length.
        let came = unsafe { sys::rd_kafka_consume_batch_queue(queue, 100, messages.as_mut_ptr(), messages.len()) };
        for &message in &messages[..usize::try_from(came).unwrap()] {
            // SAFETY: librdkafka gave us this message; its payload lives until it is destroyed, after its last use.
            unsafe {
                if (*message).err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    read += 1;
                    if !(*message).payload.is_null() {
                        let value = std::slice::from_raw_parts((*message).payload.cast::<u8>(), (*message).len);
                        count(value, &mut counts, &mut counted);
                    }
                }
                sys::rd_kafka_message_destroy(message);
            }
        }
    }
    // SAFETY: the handle is ours and not used again.
    unsafe { sys::rd_kafka_queue_destroy(queue) };
    counted.cells = counts.len();
    counted
}

fn count(value: &[u8], counts: &mut HashMap<(String, i64), (u64, u64)>, counted: &mut Counted) {
    let line: Line<'_> = serde_json::from_slice(value).unwrap();
    let second = Timestamp::parse(line.timestamp).unwrap().seconds();
    let error = u64::from(line.level == "error");
    let key = (line.service.to_owned(), second);
    let cell = counts.entry(key).or_default();
    cell.0 += 1;
    cell.1 += error;
    counted.lines += 1;
    counted.errors += error;
    counted.message_bytes += line.message.len() as u64;
}

struct Nobody;

impl Publish for Nobody {
    fn publish(&self, _: LiveUpdate) {}
}

/// The whole pipeline into a fresh database file; returns (items in bucket rows, errors in them).
fn whole_pipeline(server: &KafkaServer, records: usize, database: &Path, group: &str) -> (u64, u64) {
    let options = store::Options::file(database);
    let writer = store::open_writer(&options).unwrap();
    let reader: Arc<dyn StoreReader> = Arc::new(store::open_reader(&options).unwrap());
    let config = ConsumerConfig {
        connector: "logs".into(),
        source: SourceOptions { start: Start::Earliest, ..SourceOptions::new(Source::Logs, &[TOPIC]) },
        options: kafka::Options { brokers: server.brokers(), ..kafka::Options::default() },
        group: group.to_owned(),
        instance: group.to_owned(),
    };
    let ending = System::new().block_on(run(config, records, writer, reader.clone()));
    assert_eq!(ending, Ending::Finished);
    let mut export = Vec::new();
    reader.export(&mut export).unwrap();
    totals(&String::from_utf8(export).unwrap())
}

async fn run(config: ConsumerConfig, records: usize, writer: store::SqliteWriter, reader: Arc<dyn StoreReader>) -> Ending {
    let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
    let [connectors, shard, disk] = &arbiters;
    let first = Mutex::new(Some(writer));
    let status = Arc::new(StatusBoard::default());
    let open = move |offsets| {
        let refused = |error: kafka::KafkaError| FeedTrouble {
            class: "settings".to_owned(),
            message: error.to_string(),
            permanent: true,
            recovered: false,
            topic: None,
        };
        Ok(until_records(kafka::start(config.clone(), offsets).map_err(refused)?, records))
    };
    let parts = PipelineParts {
        store_payloads: true,
        broker_records: None,
        sources: vec![SourcePart { name: "logs".into(), source: Source::Logs, decode: Default::default(), open: Arc::new(open) }],
        shards: 1,
        replays_per_second: 1_000,
        retention: whydunit::engine::resilience::retention::RetentionOptions::keeps_all(),
        detect: Default::default(),
        correlate: Default::default(),
        teach_until: None,
        open_writer: Box::new(move || Ok(Box::new(first.lock().unwrap().take().expect("one build")))),
        reader,
        publish: Arc::new(Nobody),
        status: status.clone(),
        guards: Guards::default(),
        intake: Default::default(),
        aliases: Default::default(),
        placement: Placement { connectors: connectors.handle(), shards: vec![shard.handle()], disk: disk.handle() },
    };
    let (ended, ending) = oneshot::channel();
    let options = supervisor::Options {
        checkpoint_every: Duration::from_secs(5),
        beat_every: supervisor::Options::BEAT_EVERY,
        until_sources_end: true,
    };
    let build = Box::new(move |reports| pipeline::build(&parts, &reports));
    Supervisor::new(build, options, status, SharedDoors::default().0, ended).start();
    let ending = ending.await.unwrap();
    arbiters.iter().for_each(|arbiter| {
        arbiter.stop();
    });
    ending
}

fn totals(export: &str) -> (u64, u64) {
    let rows = export.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let (mut items, mut failing) = (0, 0);
    for row in rows {
        let row = row
            .as_object()
            .and_then(|fields| fields.values().find(|value| value.get("items").is_some() && value.get("failing").is_some()))
            .cloned();
        if let Some(row) = row {
            items += row["items"].as_u64().unwrap_or(0);
            failing += row["failing"].as_u64().unwrap_or(0);
        }
    }
    (items, failing)
}

/// CPU seconds of this process so far.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Largest resident memory since the last call, MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    // Only Linux forgets its peak when asked; elsewhere the figure is the largest of all.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}

fn timed<T>(act: impl FnOnce() -> T) -> (T, f64, f64) {
    let (began, cpu) = (Instant::now(), cpu_s());
    let value = act();
    (value, began.elapsed().as_secs_f64(), cpu_s() - cpu)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let lines = setting("WHYDUNIT_BENCH_RECORDS", 1_000_000);
    let pairs = setting("WHYDUNIT_BENCH_PAIRS", 5);
    let server = KafkaServer::shared();
    let records = write_workload(server, lines);
    let folder = tempfile::tempdir().unwrap();
    let millions = lines as f64 / 1e6;
    let mut ratios = Vec::new();
    for pair in 0..pairs {
        peak_mib();
        let (counted, loop_s, loop_cpu_s) = timed(|| bare_loop(server, records));
        let loop_mib = peak_mib();
        let database = folder.path().join(format!("{pair}.db"));
        let ((items, failing), pipeline_s, pipeline_cpu_s) =
            timed(|| whole_pipeline(server, records, &database, &format!("bench-{}-{pair}", std::process::id())));
        assert_eq!((counted.lines, counted.errors), (items, failing), "both must count the same");
        assert_eq!(items, lines as u64);
        let ratio = loop_s / pipeline_s;
        println!(
            "loop {:.0}/s, {:.2} CPU s a million, {loop_mib:.0} MiB · pipeline {:.0}/s, {:.2} CPU s a million, peak {:.0} MiB · ratio {ratio:.3}",
            lines as f64 / loop_s,
            loop_cpu_s / millions,
            lines as f64 / pipeline_s,
            pipeline_cpu_s / millions,
            peak_mib()
        );
        ratios.push(ratio);
    }
    println!("pipeline / bare loop, median of {pairs}: {:.3}", median(&mut ratios));
}
