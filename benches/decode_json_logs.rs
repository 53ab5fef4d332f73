//! How much of a bare parsing loop's speed is left when JSON log records become observations?
//!
//! The bare loop parses the same records into a struct that borrows from them and counts lines and errors. Both run in turn on
//! one thread; the ratio of their CPU times is the median of five pairs. Run: `cargo bench --bench decode_json_logs` (records as first argument).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
#[cfg(not(target_os = "linux"))]
use std::time::Instant;

use serde::Deserialize;
use whydunit::engine::decode::{DecodeOptions, Decoder};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::{BatchPartition, RecordBatch};
use whydunit::model::{Source, Timestamp};

const SERVICES: u64 = 40;
const TEMPLATES: u64 = 50;
const BATCH: usize = 500;
const WORDS: [&str; 10] = ["order", "payment", "cache", "lookup", "stock", "cart", "session", "price", "route", "mail"];

#[derive(Deserialize)]
struct BareLine<'a> {
    #[serde(rename = "@timestamp", borrow)]
    timestamp: Cow<'a, str>,
    #[serde(rename = "log.level", borrow)]
    level: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(rename = "service.name", borrow)]
    service: Cow<'a, str>,
    #[serde(rename = "host.name", borrow)]
    host: Cow<'a, str>,
}

/// About 350 bytes, ECS-like, 2 % errors.
fn record(n: u64) -> String {
    let (service, template) = (n % SERVICES, n / 7 % TEMPLATES);
    let level = if n.is_multiple_of(50) { "error" } else { "info" };
    let word = |at: u64| WORDS[(template * 3 + at) as usize % WORDS.len()];
    format!(
        concat!(
            r#"{{"@timestamp":"2026-11-23T14:{:02}:{:02}.{:03}Z","log.level":"{}","message":"{} {} step {} finished for customer {} after {} ms","#,
            r#""ecs.version":"8.11.0","service.name":"service-{:02}","service.environment":"production","host.name":"node-{}","#,
            r#""process.thread.name":"worker-{}","log.logger":"com.shop.{}.Handler","event.dataset":"service-{:02}.log","data_stream.type":"logs"}}"#
        ),
        n / 60_000 % 60,
        n / 1_000 % 60,
        n % 1_000,
        level,
        word(0),
        word(1),
        word(2),
        n * 7_919 % 1_000_000,
        n % 900,
        service,
        n % 6,
        n % 16,
        word(1),
        service
    )
}

fn batches(records: u64) -> Vec<Arc<RecordBatch>> {
    let numbers: Vec<u64> = (0..records).collect();
    numbers
        .chunks(BATCH)
        .map(|chunk| {
            let mut batch = RecordBatch::new(Arc::from("logs"), Source::Logs);
            let key = PartitionKey { cluster: Arc::from("bench"), topic: Arc::from("logs"), incarnation: 0, partition: 0 };
            batch.partitions.push(BatchPartition { key, next_offset: 0, end_offset: -1, absent: 0, missed: 0, at_end: false });
            let kafka_time = Timestamp::parse("2026-11-23T15:00:00Z");
            for n in chunk {
                batch.push(0, *n as i64, kafka_time, None, Some(record(*n).as_bytes()), &[]);
            }
            Arc::new(batch)
        })
        .collect()
}

/// Time this thread has spent on a processor: neighbours on the machine do not count.
#[cfg(target_os = "linux")]
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// (lines, errors), and how long it took.
fn bare_loop(batches: &[Arc<RecordBatch>]) -> ((u64, u64), Duration) {
    let start = cpu_time();
    let (mut lines, mut errors, mut bytes) = (0, 0, 0);
    for batch in batches {
        for record in &batch.records {
            let line: BareLine<'_> = serde_json::from_slice(batch.value(record).unwrap()).unwrap();
            lines += 1;
            errors += u64::from(line.level == "error");
            bytes += line.timestamp.len() + line.message.len() + line.service.len() + line.host.len();
        }
    }
    std::hint::black_box(bytes);
    ((lines, errors), cpu_time() - start)
}

fn decode(batches: &[Arc<RecordBatch>]) -> ((u64, u64), Duration) {
    let mut decoder = Decoder::new(DecodeOptions::default());
    let start = cpu_time();
    let (mut lines, mut errors) = (0, 0);
    for batch in batches {
        let decoded = decoder.decode(Arc::clone(batch), Timestamp::EPOCH);
        assert!(decoded.rejections.is_empty());
        lines += decoded.logs.len() as u64;
        errors += decoded.logs.iter().filter(|line| line.text.is_some()).count() as u64;
    }
    ((lines, errors), cpu_time() - start)
}

fn main() {
    let records = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(200_000);
    let batches = batches(records);
    let bytes: usize = batches.iter().map(|batch| batch.arena.len()).sum();
    println!("{records} records of {} bytes on average", bytes as u64 / records);
    let mut ratios: Vec<f64> = (0..5)
        .map(|_| {
            let (bare, bare_time) = bare_loop(&batches);
            let (decoded, decode_time) = decode(&batches);
            assert_eq!(bare, (records, records.div_ceil(50)));
            assert_eq!(decoded, bare);
            let rate = |time: Duration| records as f64 / time.as_secs_f64() / 1e6;
            println!("bare loop {:.2} M/CPU s, decode {:.2} M/CPU s", rate(bare_time), rate(decode_time));
            bare_time.as_secs_f64() / decode_time.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("decode / bare loop: {:.2} (median of five pairs)", ratios[2]);
}
