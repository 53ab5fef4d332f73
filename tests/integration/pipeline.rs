//! The whole pipeline on records in memory: production's decoding, stages and store.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::app::feed::{MemoryRecord, MemoryTopic};
use whydunit::app::recorded::{Run, Through, run, run_into, store_options};
use whydunit::engine::correlate::CorrelateOptions;
use whydunit::engine::decode::DecodeOptions;
use whydunit::engine::detect::DetectOptions;
use whydunit::model::command::{Command, CommandError, CommandOutcome};
use whydunit::model::ports::{StoreError, StoreWriter, WriteBatch, WriteReport};
use whydunit::model::snapshot::Snapshot;
use whydunit::model::{Source, Timestamp};
use whydunit::simulator::{self, Shop};
use whydunit::store;

use crate::support::seed::seed;

/// 14:00 on a working day.
const START: i64 = 1_763_388_000;

fn run_of(topics: Vec<MemoryTopic>, store: &str) -> Run {
    Run {
        topics,
        decode: DecodeOptions::default(),
        detect: DetectOptions::default(),
        correlate: CorrelateOptions::default(),
        shards: 1,
        store: store.to_owned(),
        through: Through::Memory,
    }
}

fn topic(source: Source, records: Vec<MemoryRecord>) -> MemoryTopic {
    MemoryTopic { connector: source.as_str().into(), source, topic: source.as_str().into(), records: Arc::new(records) }
}

fn record(value: Vec<u8>, second: i64) -> MemoryRecord {
    MemoryRecord { key: None, value: Some(value), headers: Vec::new(), timestamp: Timestamp::from_seconds(START + second) }
}

fn log_line(second: i64, message: &str) -> MemoryRecord {
    let line = serde_json::json!({
        "@timestamp": Timestamp::from_seconds(START + second), "message": message, "log.level": "info", "service.name": "cart"
    });
    record(line.to_string().into_bytes(), second)
}

/// The simulator's shop with its fault, as topics in memory.
fn broken_shop(fault: &str, seconds: u32) -> Vec<MemoryTopic> {
    let options = simulator::Options {
        fault: Some(fault.to_owned()),
        history_s: seconds,
        fault_age_s: 240,
        rate: 4.0,
        ..simulator::Options::default()
    };
    let mut shop = Shop::new(options, Timestamp::from_seconds(START)).expect("options that can be used");
    let records = shop.step(Timestamp::from_seconds(START + i64::from(seconds)));
    let of = |wanted: Source| {
        let records = records.iter().filter(|record| record.source == wanted);
        let record = |record: &simulator::OutRecord| MemoryRecord {
            key: record.key.clone(),
            value: Some(record.value.clone()),
            headers: record.headers.clone(),
            timestamp: record.timestamp,
        };
        topic(wanted, records.map(record).collect())
    };
    Source::ALL.into_iter().map(of).collect()
}

/// A store that panics at its n-th write, once.
struct PanicsOnce {
    inner: store::SqliteWriter,
    writes: Arc<AtomicU32>,
    at: u32,
}

impl StoreWriter for PanicsOnce {
    fn write(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, StoreError> {
        assert!(self.writes.fetch_add(1, Ordering::SeqCst) + 1 != self.at, "a disk stage that panics, on purpose");
        self.inner.write(batch, now)
    }

    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        self.inner.execute(command, now)
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        self.inner.load_snapshot()
    }
}

#[test]
fn a_stage_that_panics_is_rebuilt_and_the_result_is_the_same() {
    let topics = broken_shop("bad-deploy", 900);
    let undisturbed = run(&run_of(topics.clone(), "undisturbed")).expect("a run");
    let disturbed = run_of(topics, "disturbed");
    // A store in memory lives as long as one connection to it is open.
    let keeper = store::open_writer(&store_options(&disturbed)).expect("a store");
    let writes = Arc::new(AtomicU32::new(0));
    let (options, counted) = (store_options(&disturbed), writes.clone());
    let found =
        run_into(&disturbed, move || Ok(Box::new(PanicsOnce { inner: store::open_writer(&options)?, writes: counted.clone(), at: 3 })))
            .expect("a run that goes on");
    drop(keeper);
    assert!(writes.load(Ordering::SeqCst) > 3, "the panic was never reached");
    assert!(found.export == undisturbed.export, "what was found differs after a rebuild");
}

#[test]
fn what_is_found_does_not_depend_on_how_fast_the_records_come() {
    let topics = broken_shop("bad-deploy", 900);
    let at_once = run(&run_of(topics.clone(), "at once")).expect("a run");
    assert!(!at_once.findings.is_empty(), "the fault was not found");
    for speed in [20.0, 1.0] {
        let paced = Run { through: Through::Paced { speed }, ..run_of(topics.clone(), &format!("at {speed} times its speed")) };
        let found = run(&paced).expect("a run");
        assert!(found.export == at_once.export, "at {speed} times its speed something else is found");
    }
}

/// A topic of notes, `of` of them different, each told again and again and now and then in other words.
fn notes(connector: &str, count: i64, of: i64) -> MemoryTopic {
    let note = |n: i64| {
        let title = if n % 7 == 0 { format!("note {} in other words", n % of) } else { format!("note {}", n % of) };
        let at = Timestamp::from_seconds(START);
        let note = serde_json::json!({ "type": "note", "title": title, "timestamp": at, "service": "cart", "source_id": format!("note/{}", n % of) });
        record(note.to_string().into_bytes(), n / 10)
    };
    let records = Arc::new((0..count).map(note).collect());
    MemoryTopic { connector: connector.into(), source: Source::Manual, topic: connector.into(), records }
}

/// (decoded, stored, seen before) of all items in an export, and how many events it has.
fn books_of(export: &[u8]) -> ((u64, u64, u64), u64) {
    let lines = String::from_utf8(export.to_vec()).expect("JSON lines");
    let values: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let ledger: Vec<_> = values.iter().filter(|value| value["kind"] == "ledger").map(|value| &value["value"]["sums"]).collect();
    let sum = |name: &str| ledger.iter().map(|sums| sums[name].as_u64().expect("a number")).sum();
    let events = values.iter().filter(|value| value["kind"] == "event").count() as u64;
    ((sum("items_decoded"), sum("items_stored"), sum("items_seen_before")), events)
}

#[test]
fn items_that_name_an_event_again_are_seen_before_and_a_rebuild_counts_none_twice() {
    let topics = vec![notes("manual-a", 2_300, 700), notes("manual-b", 1_900, 900)];
    let undisturbed = run(&run_of(topics.clone(), "notes")).expect("a run");
    assert_eq!(books_of(&undisturbed.export), ((4_200, 900, 3_300), 900));
    for at in [2, 3, 5] {
        let disturbed = run_of(topics.clone(), &format!("notes, broken off at write {at}"));
        let keeper = store::open_writer(&store_options(&disturbed)).expect("a store");
        let writes = Arc::new(AtomicU32::new(0));
        let (options, counted) = (store_options(&disturbed), writes.clone());
        let found =
            run_into(&disturbed, move || Ok(Box::new(PanicsOnce { inner: store::open_writer(&options)?, writes: counted.clone(), at })))
                .expect("a run that goes on");
        drop(keeper);
        assert!(writes.load(Ordering::SeqCst) > at, "the panic was never reached");
        assert_eq!(books_of(&found.export), books_of(&undisturbed.export), "broken off at write {at}");
        assert!(found.export == undisturbed.export, "broken off at write {at}, the export differs");
    }
}

#[test]
fn the_number_of_shards_changes_nothing_that_is_found() {
    let topics = broken_shop("slow-database", 900);
    let one = run(&run_of(topics.clone(), "one shard")).expect("a run");
    let three = run(&Run { shards: 3, ..run_of(topics, "three shards") }).expect("a run");
    assert!(!one.findings.is_empty(), "nothing was found, so nothing was compared");
    assert!(one.export == three.export, "three shards found something else than one");
}

#[test]
fn random_bytes_among_good_records_all_become_letters_and_nothing_else_is_lost() {
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let mut garbage = || {
        let mut value = vec![0; random.random_range(64..=1_024)];
        random.fill_bytes(&mut value);
        value
    };
    let mut records = Vec::new();
    for index in 0..1_000 {
        records.push(log_line(index / 10, &format!("order {index} packed")));
        records.push(record(garbage(), index / 10));
    }
    let found = run(&run_of(vec![topic(Source::Logs, records)], "garbage")).expect("a run");
    let export = String::from_utf8(found.export).expect("JSON lines");
    assert_eq!(found.dead_letters, 1_000);
    let ledger = export.lines().find(|line| line.contains("records_read") && line.contains("\"logs\"")).expect("the books");
    let ledger: serde_json::Value = serde_json::from_str(ledger).expect("a JSON line");
    let sums = find(&ledger, "sums").expect("sums");
    assert_eq!(
        (sums["records_read"].as_u64(), sums["records_decoded"].as_u64(), sums["records_rejected"].as_u64()),
        (Some(2_000), Some(1_000), Some(1_000))
    );
    assert_eq!(sums["items_folded"].as_u64(), Some(1_000));
}

fn find<'a>(value: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    match value {
        serde_json::Value::Object(fields) => fields.get(key).or_else(|| fields.values().find_map(|value| find(value, key))),
        serde_json::Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}
