#![allow(clippy::unwrap_used, clippy::expect_used)]

mod breaking;
mod drawing;
mod reading;
mod scenarios;
mod shape;

use std::collections::BTreeMap;
use std::time::Instant;

use xxhash_rust::xxh3::Xxh3;

use super::*;
use crate::model::{Source, Timestamp};

fn start() -> Timestamp {
    Timestamp::parse("2026-11-23T13:40:00Z").unwrap()
}

fn options(fault: Option<&str>) -> Options {
    Options { fault: fault.map(str::to_owned), ..Options::default() }
}

/// Everything a shop writes in `seconds`, in steps of `step_ms`.
fn run(options: Options, seconds: i64, step_ms: i64) -> Vec<OutRecord> {
    let mut shop = Shop::new(options, start()).unwrap();
    let mut all = Vec::new();
    let mut until = start();
    while until < start().plus_seconds(seconds) {
        until = until.plus_millis(step_ms).min(start().plus_seconds(seconds));
        all.extend(shop.step(until));
    }
    all
}

fn fingerprint(records: &[OutRecord]) -> u64 {
    let mut hasher = Xxh3::new();
    for record in records {
        hasher.update(record.topic.as_bytes());
        hasher.update(&record.timestamp.nanos().to_le_bytes());
        hasher.update(record.key.as_deref().unwrap_or_default());
        for (name, value) in &record.headers {
            hasher.update(name.as_bytes());
            hasher.update(value);
        }
        hasher.update(&(record.value.len() as u64).to_le_bytes());
        hasher.update(&record.value);
    }
    hasher.digest()
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_every_step_size() {
    let run_with = |step_ms| fingerprint(&run(Options { history_s: 200, fault_age_s: 60, ..options(Some("bad-deploy")) }, 200, step_ms));
    let expected = run_with(1000);
    assert_eq!(run_with(1000), expected);
    assert_eq!(run_with(70), expected);
    assert_eq!(run_with(200_000), expected);
}

#[test]
fn another_seed_gives_another_shop() {
    let seeded = |seed| fingerprint(&run(Options { seed, ..options(None) }, 60, 1000));
    assert_ne!(seeded(1), seeded(2));
}

#[test]
fn twenty_minutes_at_the_default_rate_stay_small_and_quick() {
    let begin = Instant::now();
    let records = run(options(Some("bad-deploy")), 1200, 1000);
    let took = begin.elapsed().as_secs_f64();
    let mut by_topic: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for record in &records {
        let entry = by_topic.entry(record.topic).or_default();
        entry.0 += 1;
        entry.1 += record.size_bytes();
    }
    for (topic, (count, bytes)) in &by_topic {
        println!("{topic}: {count} records, {:.2} MB", *bytes as f64 / 1e6);
    }
    let total: usize = by_topic.values().map(|(_, bytes)| bytes).sum();
    println!("{} records, {:.1} MB in {took:.2} s: {:.0} records/s", records.len(), total as f64 / 1e6, records.len() as f64 / took);
    assert!(total < 40_000_000, "{total} bytes");
    for (_, topic) in TOPICS {
        assert!(by_topic.contains_key(topic), "nothing on {topic}");
    }
}

#[test]
fn records_come_in_the_order_of_their_timestamps() {
    let records = run(options(None), 300, 1000);
    assert!(records.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
    assert!(records.iter().all(|record| record.timestamp >= start() && record.timestamp < start().plus_seconds(300)));
    assert!(records.iter().any(|record| record.source == Source::Traces));
}

/// The shop's bytes are what scenarios, the demo and figures in the README stand on.
#[test]
fn the_shop_writes_the_bytes_it_always_wrote() {
    let written = |options: Options| fingerprint(&run(Options { history_s: 240, fault_age_s: 120, ..options }, 240, 1000));
    let mut all = Xxh3::new();
    all.update(&written(options(None)).to_le_bytes());
    for fault in catalog() {
        all.update(&written(options(Some(&fault.name))).to_le_bytes());
        let severe = Options { strength: Some(5.0), share: Some(0.5), ..options(Some(&fault.name)) };
        all.update(&written(severe).to_le_bytes());
    }
    all.update(&written(Options { fault_lasts_s: Some(60), ..options(Some("bad-deploy")) }).to_le_bytes());
    assert_eq!(all.digest(), 9_719_750_066_632_159_218);
}
