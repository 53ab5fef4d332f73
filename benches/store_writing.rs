//! How many events a second does the store make durable and searchable, and how long does its slowest transaction take?
//!
//! Events of forty services with words, tags and trace ids of their own go into a fresh database file, `synchronous = full`, in
//! transactions of 5,000, 500 and 50. `WHYDUNIT_BENCH_EVENTS` changes how many.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::time::Instant;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::model::ports::{StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::EventQuery;
use whydunit::model::{Event, Severity, Source, Timestamp};
use whydunit::store::{Options, open_reader, open_writer};

const START_S: i64 = 1_774_274_400;
const WORDS: [&str; 10] = ["timeout", "refused", "deadlock", "pool", "exhausted", "certificate", "quota", "replica", "latency", "payload"];

fn event(random: &mut ChaCha8Rng, index: usize) -> Event {
    let at = Timestamp::from_millis(START_S * 1_000 + index as i64 / 2);
    let (source, event_type) =
        [(Source::Ci, "deployment"), (Source::Git, "commit"), (Source::Manual, "config_change"), (Source::Logs, "new_error_pattern")]
            [random.random_range(0..4)];
    let severity = Severity::ALL[random.random_range(0..Severity::ALL.len())];
    let mut word = || WORDS[random.random_range(0..WORDS.len())];
    let title = format!("{} {} of order {}", word(), word(), index % 100_000);
    let source_id = format!("change/{index}");
    let mut event = Event::new(Event::id_of_source(source, event_type, &source_id), at, source, event_type, severity, &title);
    event.source_id = Some(source_id);
    event.service = Some(format!("service-{}", random.random_range(0..40)));
    event.environment = Some("production".to_owned());
    event.data = serde_json::json!({ "message": format!("request {} failed: {title}", random.random_range(0..1_000_000)), "n": index });
    if random.random_range(0..10) == 0 {
        event.tags = [format!("tag-{}", random.random_range(0..20))].into();
    }
    if random.random_range(0..5) == 0 {
        event.trace_id = Some(format!("{:032x}", random.random::<u128>()));
    }
    event
}

/// Seconds this thread has spent on a core, where the system tells; the wall tells of its neighbours too.
fn core_s() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Writes them all and prints the figures.
fn write(database: &Path, events: usize, batch: usize) {
    let options = Options::file(database);
    let mut writer = open_writer(&options).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut millis = Vec::new();
    let (mut longest_log, mut core) = (0, 0.0);
    let log = database.with_extension("db-wal");
    for first in (0..events).step_by(batch) {
        let events = (first..(first + batch).min(events)).map(|index| event(&mut random, index)).collect();
        let batch = WriteBatch { events, ..WriteBatch::default() };
        let (began, core_before) = (Instant::now(), core_s());
        writer.write(&batch, Timestamp::from_seconds(START_S)).unwrap();
        millis.push(began.elapsed().as_secs_f64() * 1e3);
        core += core_s() - core_before;
        longest_log = longest_log.max(std::fs::metadata(&log).map_or(0, |file| file.len()));
    }
    let stored = open_reader(&options).unwrap().events(&EventQuery { text: Some("order".to_owned()), ..EventQuery::default() }).unwrap();
    assert!(stored.total >= events.min(10_000) as u64, "{} found by a word they all have", stored.total);
    let total_s = millis.iter().sum::<f64>() / 1e3;
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    println!(
        "{events} events, {batch} a transaction: {:.0}/s durable, {:.0} a second of core · transaction p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms · log at most {} MiB · load {}",
        events as f64 / total_s,
        events as f64 / core,
        at(0.5),
        at(0.99),
        at(1.0),
        longest_log >> 20,
        load()
    );
}

fn main() {
    let events = std::env::var("WHYDUNIT_BENCH_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let folder = tempfile::tempdir().unwrap();
    for batch in [5_000, 500, 50] {
        write(&folder.path().join(format!("{batch}.db")), events, batch);
    }
}
