//! Crashes, full disks, second processes: the database is as it was, or as it should be, never between.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use whydunit::model::Event;
use whydunit::model::ports::{StoreError, StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::EventQuery;
use whydunit::model::snapshot::{Checkpoint, Encode, StateDelta, StateEntry, StatePart};
use whydunit::store::{Options, open_reader, open_writer};

use super::things::{at, event, ledger_row, random_event};
use super::{Database, batch_of, export, whole_batch};

/// A state entry that cannot be written.
struct Broken;

impl Encode for Broken {
    fn encode(&self) -> Result<Vec<u8>, String> {
        Err("out of ideas".into())
    }
}

fn checkpoint(epoch: u64, value: u32) -> Checkpoint {
    let entry = StateEntry { key: b"entity".to_vec(), value: Some(Arc::new(value)) };
    Checkpoint {
        epoch,
        ledger: vec![ledger_row(epoch as i64)],
        deltas: vec![StateDelta { stage: "detection/0".into(), entries: vec![entry] }],
        ..Checkpoint::default()
    }
}

#[test]
fn a_checkpoint_comes_back_and_removed_state_stays_away() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    assert_eq!(writer.load_snapshot().unwrap().epoch, 0);
    writer.write(&WriteBatch { checkpoint: Some(checkpoint(1, 7)), ..WriteBatch::default() }, at(0)).unwrap();
    let removal = StateEntry { key: b"entity".to_vec(), value: None };
    let added = StateEntry { key: b"other".to_vec(), value: Some(Arc::new(8_u32)) };
    let deltas = vec![StateDelta { stage: "detection/0".into(), entries: vec![removal, added] }];
    let second = Checkpoint { epoch: 2, ledger: vec![ledger_row(2)], deltas, ..Checkpoint::default() };
    writer.write(&WriteBatch { checkpoint: Some(second), ..WriteBatch::default() }, at(0)).unwrap();
    drop(writer);
    let snapshot = open_writer(&database.options()).unwrap().load_snapshot().unwrap();
    assert_eq!((snapshot.epoch, snapshot.ledger), (2, vec![ledger_row(2)]));
    assert_eq!(snapshot.entries, [("detection/0".to_owned(), b"other".to_vec(), vec![8])]);
}

/// What a restart finds: the epoch, and each entry's key and number.
fn restart(database: &Database) -> (u64, Vec<(Vec<u8>, u32)>) {
    let snapshot = open_writer(&database.options()).unwrap().load_snapshot().unwrap();
    let number = |value: &[u8]| postcard::from_bytes(value).unwrap();
    (snapshot.epoch, snapshot.entries.iter().map(|(_, key, value)| (key.clone(), number(value))).collect())
}

#[test]
fn a_checkpoint_written_in_parts_is_in_force_with_its_last_and_not_before() {
    let database = Database::new();
    let put = |key: &str, value: u32| StateEntry { key: key.into(), value: Some(Arc::new(value)) };
    let remove = |key: &str| StateEntry { key: key.into(), value: None };
    let part = |epoch: u64, entries: Vec<StateEntry>| WriteBatch {
        state: Some(StatePart { epoch, deltas: vec![StateDelta { stage: "detection/0".into(), entries }] }),
        ..WriteBatch::default()
    };
    let end = |epoch: u64| WriteBatch {
        checkpoint: Some(Checkpoint { epoch, ledger: vec![ledger_row(epoch as i64)], ..Checkpoint::default() }),
        ..WriteBatch::default()
    };
    let key = |text: &str| text.as_bytes().to_vec();
    let write = |batches: &[WriteBatch]| {
        let mut writer = open_writer(&database.options()).unwrap();
        writer.load_snapshot().unwrap();
        batches.iter().for_each(|batch| drop(writer.write(batch, at(0)).unwrap()));
    };
    write(&[part(1, vec![put("a", 1), put("b", 1)]), part(1, vec![put("c", 1)]), end(1)]);
    let first = (1, vec![(key("a"), 1), (key("b"), 1), (key("c"), 1)]);
    assert_eq!(restart(&database), first);
    // Broken off before its end: a change, a removal and something new are all without effect, now and when the same epoch is
    // taken again with other content.
    write(&[part(2, vec![put("a", 2), remove("b"), put("new", 2)])]);
    assert_eq!(restart(&database), first);
    write(&[part(2, vec![put("c", 3)]), end(2), batch_of(vec![event("later", 1)])]);
    assert_eq!(restart(&database), (2, vec![(key("a"), 1), (key("b"), 1), (key("c"), 3)]));
    write(&[part(3, vec![remove("b"), remove("never there")]), end(3), batch_of(vec![event("last", 1)])]);
    assert_eq!(restart(&database), (3, vec![(key("a"), 1), (key("c"), 3)]));
    write(&[part(4, vec![put("b", 4)]), end(4)]);
    assert_eq!(restart(&database), (4, vec![(key("a"), 1), (key("b"), 4), (key("c"), 3)]));
}

#[test]
fn a_write_that_fails_midway_leaves_the_checkpoint_before() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    writer.write(&WriteBatch { events: vec![event("a", 1)], checkpoint: Some(checkpoint(1, 7)), ..WriteBatch::default() }, at(0)).unwrap();
    let before = export(&open_reader(&database.options()).unwrap());
    let mut broken = checkpoint(2, 8);
    broken.deltas[0].entries.push(StateEntry { key: b"z".to_vec(), value: Some(Arc::new(Broken)) });
    let other_kind = Event { event_type: "never_seen".into(), ..event("b", 2) };
    let batch = WriteBatch { events: vec![other_kind.clone()], checkpoint: Some(broken), ..whole_batch() };
    let error = writer.write(&batch, at(0)).unwrap_err();
    assert!(error.to_string().contains("out of ideas"), "{error}");
    assert_eq!(export(&open_reader(&database.options()).unwrap()), before);
    assert_eq!(writer.load_snapshot().unwrap().epoch, 1);
    // What the writer had learned inside the failed transaction is forgotten.
    writer.write(&batch_of(vec![other_kind]), at(0)).unwrap();
    let found = EventQuery { event_type: vec!["never_seen".into()], ..EventQuery::default() };
    assert_eq!(open_reader(&database.options()).unwrap().events(&found).unwrap().total, 1);
}

#[test]
fn a_second_process_is_refused_by_name_and_let_in_afterwards() {
    let database = Database::new();
    let writer = open_writer(&database.options()).unwrap();
    let error = open_writer(&database.options()).unwrap_err();
    assert!(matches!(&error, StoreError::Busy(reason) if reason.contains("whydunit.db.lock")), "{error}");
    let id = writer.database_id().to_owned();
    drop(writer);
    assert_eq!(open_writer(&database.options()).unwrap().database_id(), id);
    let other = Database::new();
    assert_ne!(open_writer(&other.options()).unwrap().database_id(), id);
}

#[test]
fn a_full_disk_is_told_apart_and_nothing_is_half_written() {
    let database = Database::new();
    let small = Options { max_size_mib: 2, ..database.options() };
    let mut writer = open_writer(&small).unwrap();
    writer.write(&WriteBatch { events: vec![event("a", 1)], checkpoint: Some(checkpoint(1, 7)), ..WriteBatch::default() }, at(0)).unwrap();
    let big =
        |n: i64| Event { title: "x".repeat(300), data: serde_json::json!({ "dump": "y".repeat(3_000) }), ..event(&format!("big-{n}"), n) };
    let mut stored = 1;
    let error = loop {
        let events = (stored..stored + 50).map(big).collect();
        match writer.write(&WriteBatch { events, checkpoint: Some(checkpoint(stored as u64 + 1, 8)), ..WriteBatch::default() }, at(0)) {
            Ok(report) => stored += report.events_stored as i64,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "the limit never came");
    };
    assert!(matches!(error, StoreError::DiskFull(_)), "{error}");
    let reader = open_reader(&database.options()).unwrap();
    assert_eq!(reader.events(&EventQuery::default()).unwrap().total, stored as u64);
    assert_eq!(export(&reader).lines().filter(|line| line.contains("\"kind\":\"event\"")).count(), stored as usize);
    assert_eq!(writer.load_snapshot().unwrap().epoch, if stored == 1 { 1 } else { stored as u64 - 50 + 1 });
    // Space again: the same writer goes on after a restart with more room, the same batch fits.
    drop(writer);
    let mut writer = open_writer(&database.options()).unwrap();
    let events: Vec<Event> = (stored..stored + 50).map(big).collect();
    assert_eq!(writer.write(&batch_of(events), at(0)).unwrap().events_stored, 50);
}

#[test]
fn a_damaged_file_is_refused_with_the_way_to_restore() {
    let database = Database::new();
    let path = database.folder.path().join("whydunit.db");
    std::fs::write(&path, [0x5a; 8_192]).unwrap();
    let error = open_writer(&database.options()).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(reason) if reason.contains("backup")), "{error}");

    let database = Database::new();
    let path = database.folder.path().join("whydunit.db");
    let mut writer = open_writer(&database.options()).unwrap();
    writer.write(&batch_of((0..3_000).map(|n| event(&format!("id-{n}"), n)).collect()), at(0)).unwrap();
    writer.compact_log().unwrap();
    drop(writer);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 40_960].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = open_writer(&database.options()).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(reason) if reason.contains("backup")), "{error}");
}

#[test]
fn a_reader_of_nothing_is_told_so() {
    let database = Database::new();
    assert!(open_reader(&Options { busy_timeout_ms: 200, ..database.options() }).is_err());
}

/// Not a test of its own: what the killed process below runs.
#[test]
fn a_process_that_is_killed() {
    let Ok(path) = std::env::var("WHYDUNIT_TEST_KILLED_DATABASE") else { return };
    let mut writer = open_writer(&Options::file(path)).unwrap();
    let epoch = writer.load_snapshot().unwrap().epoch as i64;
    for epoch in epoch + 1.. {
        let events = (0..20).map(|n| event(&format!("{epoch}-{n}"), epoch * 20 + n)).collect();
        let mut whole = checkpoint(epoch as u64, epoch as u32);
        let other = StateEntry { key: b"other".to_vec(), value: Some(Arc::new(epoch as u32)) };
        whole.deltas[0].entries.push(other);
        let part = WriteBatch { events, state: Some(whole.take_part(1)), ..WriteBatch::default() };
        writer.write(&part, at(0)).unwrap();
        writer.write(&WriteBatch { checkpoint: Some(whole), ..WriteBatch::default() }, at(0)).unwrap();
        println!("\ncommitted {epoch}");
    }
}

#[test]
fn a_killed_process_leaves_whole_checkpoints_and_frees_the_lock() {
    let database = Database::new();
    let path = database.folder.path().join("whydunit.db");
    let mut told = 0;
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["memory::crashes::a_process_that_is_killed", "--exact", "--nocapture"])
            .env("WHYDUNIT_TEST_KILLED_DATABASE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut commits = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("committed ").map(|n| n.parse::<u64>().unwrap()));
        told = commits.nth(10 + round * 7).expect("the process wrote");
        child.kill().unwrap();
        child.wait().unwrap();
        let mut writer = open_writer(&database.options()).unwrap();
        let snapshot = writer.load_snapshot().unwrap();
        assert!(snapshot.epoch >= told, "what was said to be durable is: {} of {told}", snapshot.epoch);
        assert_eq!(snapshot.ledger[0].next_offset as u64, snapshot.epoch, "offsets and state are of one checkpoint");
        let numbers: Vec<u32> = snapshot.entries.iter().map(|(_, _, value)| postcard::from_bytes(value).unwrap()).collect();
        assert_eq!(numbers, [snapshot.epoch as u32; 2], "all parts of the state are of one checkpoint");
        let total = open_reader(&database.options()).unwrap().events(&EventQuery::default()).unwrap().total;
        assert_eq!(total % 20, 0, "no batch is there by half");
        assert!(total >= 20 * snapshot.epoch);
    }
    assert!(told > 0);
}

#[test]
fn the_log_is_emptied_while_writing_goes_on() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let log = database.folder.path().join("whydunit.db-wal");
    let mut longest = 0;
    for first in (0..16_000).step_by(40) {
        let events = (first..first + 40).map(|n| Event { data: serde_json::json!({ "dump": "y".repeat(2_000) }), ..random_event(1, n) });
        writer.write(&batch_of(events.collect()), at(0)).unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len() >> 20);
    }
    let size = std::fs::metadata(database.folder.path().join("whydunit.db")).unwrap().len() >> 20;
    println!("database {size} MiB, log {longest} MiB at most");
    assert!(size > 40, "the log is emptied beside the writer, not only when it closes: {size} MiB");
    assert!(longest < 64, "{longest} MiB of log");
}
