//! How much of a bare library parse's speed is left when records of each format become observations?
//!
//! For each format the bare loop gives the same records to the library one would take (serde_json, prost, …), into structs with the
//! fields that decoding reads, and counts the items; what it must count is what decoding counts. Both run in turn on one thread; a
//! ratio is that of their CPU times, the median of five pairs. Run: `cargo bench --bench decode` (a format's name as argument: only those
//! that contain it).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;
#[cfg(not(target_os = "linux"))]
use std::time::Instant;

use whydunit::engine::decode::{DecodeOptions, Decoder};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::{BatchPartition, RecordBatch};
use whydunit::model::{Source, Timestamp};

mod bare;
mod changes;
mod lines;
mod telemetry;

/// Bytes of values each format gets, so that all run about as long.
const BYTES: usize = 16 << 20;
const BATCH: usize = 500;
const PAIRS: usize = 5;
/// Kafka time of all records, and that of reading them: 2026-11-23T15:00:00Z, an hour behind their own.
const KAFKA_TIME: Timestamp = Timestamp::from_seconds(1_795_446_000);

/// The library, and a parse with it that returns the number of items.
type Bare = (&'static str, fn(&[u8]) -> u64);

/// One format: what makes its records, and what else could read them.
struct Case {
    format: &'static str,
    source: Source,
    record: fn(u64) -> Vec<u8>,
    /// `None` where there is nothing to compare with.
    bare: Option<Bare>,
}

fn batches(case: &Case) -> Vec<Arc<RecordBatch>> {
    let mut batches = Vec::new();
    let (mut n, mut bytes) = (0, 0);
    while bytes < BYTES {
        let mut batch = RecordBatch::new(Arc::from("bench"), case.source);
        let key = PartitionKey { cluster: Arc::from("bench"), topic: Arc::from("bench"), incarnation: 0, partition: 0 };
        batch.partitions.push(BatchPartition { key, next_offset: 0, end_offset: -1, absent: 0, missed: 0, at_end: false });
        for _ in 0..BATCH {
            let value = (case.record)(n);
            batch.push(0, n as i64, Some(KAFKA_TIME), None, Some(&value), &[]);
            n += 1;
            bytes += value.len();
            if bytes >= BYTES {
                break;
            }
        }
        batches.push(Arc::new(batch));
    }
    batches
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

/// Items, and how long it took.
fn parse(batches: &[Arc<RecordBatch>], bare: fn(&[u8]) -> u64) -> (u64, Duration) {
    let start = cpu_time();
    let mut items = 0;
    for batch in batches {
        items += batch.records.iter().map(|record| bare(batch.value(record).unwrap())).sum::<u64>();
    }
    (items, cpu_time() - start)
}

/// As a connector decodes: the format is found, not named.
fn decode(case: &Case, batches: &[Arc<RecordBatch>]) -> (u64, Duration) {
    let mut decoder = Decoder::new(DecodeOptions::default());
    let start = cpu_time();
    let mut items = 0;
    for batch in batches {
        let decoded = decoder.decode(Arc::clone(batch), KAFKA_TIME);
        assert!(decoded.rejections.is_empty(), "{}: {:?}", case.format, decoded.rejections[0]);
        assert!(decoded.formats.iter().all(|(format, _)| case.format.starts_with(format)), "{}: {:?}", case.format, decoded.formats);
        items += decoded.items() as u64;
    }
    (items, cpu_time() - start)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(case: &Case) {
    let batches = batches(case);
    let records: usize = batches.iter().map(|batch| batch.records.len()).sum();
    let bytes: usize = batches.iter().map(|batch| batch.arena.len()).sum();
    let (mut ratios, mut seconds, mut items) = (Vec::new(), Vec::new(), 0);
    for _ in 0..PAIRS {
        let bare = case.bare.map(|(_, bare)| parse(&batches, bare));
        let (decoded, time) = decode(case, &batches);
        items = decoded;
        seconds.push(time.as_secs_f64());
        if let Some((counted, bare_time)) = bare {
            assert_eq!(counted, decoded, "{}: the bare parse counts other items", case.format);
            ratios.push(bare_time.as_secs_f64() / time.as_secs_f64());
        }
    }
    let seconds = median(seconds);
    let against = match case.bare {
        Some((library, _)) => format!("{:>5.2}  {library}", median(ratios)),
        None => "    –  no library reads it".to_owned(),
    };
    println!(
        "{:<24} {:>6} {:>10.0} {:>10.0} {:>7.0}  {against}",
        case.format,
        bytes / records,
        records as f64 / seconds,
        items as f64 / seconds,
        bytes as f64 / seconds / 1e6,
    );
}

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("{:<24} {:>6} {:>10} {:>10} {:>7}  decode / bare parse", "a CPU second:", "bytes", "records", "items", "MB");
    for case in telemetry::CASES.iter().chain(lines::CASES).chain(changes::CASES) {
        if case.format.contains(&only) {
            run(case);
        }
    }
}
