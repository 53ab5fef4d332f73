//! The books of one-to-one items: what is stored and what was seen before, the same whatever is read twice and in which order.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::model::command::{Action, Command, LetterSelection};
use whydunit::model::dead_letter::DeadLetter;
use whydunit::model::event::Provenance;
use whydunit::model::ledger::{LedgerRow, LedgerSums};
use whydunit::model::ports::{StoreReader, StoreWriter, WriteBatch};
use whydunit::model::position::{PartitionKey, Position};
use whydunit::model::signal::DetectedEvent;
use whydunit::model::snapshot::Checkpoint;
use whydunit::model::{Bucket, Event, Severity, Source};
use whydunit::store::{SqliteWriter, open_reader, open_writer};

use super::things::{at, letter, seed};
use super::{Database, batch_of, export};

fn key(partition: i32) -> PartitionKey {
    PartitionKey { cluster: "c1".into(), topic: "manual".into(), incarnation: 0, partition }
}

/// The item at one position; `title` is its content.
fn item(partition: i32, offset: i64, source_id: &str, title: &str) -> Event {
    let id = Event::id_of_source(Source::Manual, "note", source_id);
    let mut event = Event::new(id, at(10), Source::Manual, "note", Severity::Info, title);
    event.source_id = Some(source_id.into());
    let position = Position { partition: key(partition), offset };
    event.provenance = Some(Provenance { connector: "manual".into(), position, format: "manual".into() });
    event
}

/// As made by the close of a bucket.
fn made(event: Event) -> DetectedEvent {
    DetectedEvent { bucket: Bucket::of(event.timestamp), event }
}

/// The books as a connector keeps them: every item read counts as stored.
fn row(partition: i32, next_offset: i64) -> LedgerRow {
    let read = next_offset as u64;
    let sums = LedgerSums { records_read: read, records_decoded: read, items_decoded: read, items_stored: read, ..LedgerSums::default() };
    LedgerRow { connector: "manual".into(), partition: key(partition), first_offset: 0, next_offset, topic_id: None, sums }
}

fn checkpoint(writer: &mut SqliteWriter, epoch: u64, next_offsets: &[i64]) {
    let ledger = next_offsets.iter().enumerate().map(|(partition, next)| row(partition as i32, *next)).collect();
    let batch = WriteBatch { checkpoint: Some(Checkpoint { epoch, ledger, ..Checkpoint::default() }), ..WriteBatch::default() };
    writer.write(&batch, at(0)).unwrap();
}

/// (items stored, items seen before) of each partition, once the books have passed.
fn books(database: &Database) -> Vec<(u64, u64)> {
    let ledger = open_reader(&database.options()).unwrap().ledger().unwrap();
    let sums = ledger.iter().map(|row| row.sums);
    sums.inspect(|sums| assert_eq!(sums.items_decoded, sums.items_stored + sums.items_folded + sums.items_seen_before))
        .map(|sums| (sums.items_stored, sums.items_seen_before))
        .collect()
}

#[test]
fn an_item_that_names_an_event_again_is_seen_before() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    writer.write(&batch_of(vec![item(0, 0, "a", "x"), item(0, 1, "b", "x"), item(0, 2, "a", "x")]), at(0)).unwrap();
    checkpoint(&mut writer, 1, &[3]);
    assert_eq!(books(&database), [(2, 1)]);
    // Long after the books have passed the first, and in another partition.
    writer.write(&batch_of(vec![item(1, 0, "b", "x")]), at(0)).unwrap();
    checkpoint(&mut writer, 2, &[3, 1]);
    assert_eq!(books(&database), [(2, 1), (0, 1)]);
}

#[test]
fn what_is_read_again_after_a_crash_is_stored_once_and_not_seen_before() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let items = vec![item(0, 0, "a", "x"), item(0, 1, "a", "x")];
    for _ in 0..3 {
        writer.write(&batch_of(items.clone()), at(0)).unwrap();
        drop(writer);
        writer = open_writer(&database.options()).unwrap();
        assert_eq!(writer.load_snapshot().unwrap().ledger, []);
    }
    checkpoint(&mut writer, 1, &[2]);
    assert_eq!(books(&database), [(1, 1)]);
    let raw = writer.load_snapshot().unwrap().ledger;
    assert_eq!(raw, [row(0, 2)], "connectors go on with their own sums, to which the store adds once");
    checkpoint(&mut writer, 2, &[2]);
    assert_eq!(books(&database), [(1, 1)]);
}

#[test]
fn of_two_contents_the_kept_one_is_stored_and_its_books_follow_it() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let grown = Event { count: 5, ..item(1, 0, "a", "larger") };
    writer.write(&batch_of(vec![item(0, 0, "a", "small")]), at(0)).unwrap();
    checkpoint(&mut writer, 1, &[1, 0]);
    assert_eq!(books(&database), [(1, 0), (0, 0)]);
    writer.write(&batch_of(vec![grown.clone()]), at(0)).unwrap();
    writer.write(&batch_of(vec![grown]), at(0)).unwrap();
    checkpoint(&mut writer, 2, &[1, 1]);
    assert_eq!(books(&database), [(0, 1), (1, 0)]);
}

#[test]
fn a_letter_decoded_again_that_names_a_known_event_is_a_duplicate_of_the_replays_once_however_often_a_crash_repeats_it() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let position = Position { partition: key(0), offset: 1 };
    let bad = DeadLetter { id: "bad".into(), connector: "manual".into(), position, ..letter(1) };
    let batch = WriteBatch { letters: vec![bad], ..batch_of(vec![item(0, 0, "a", "x")]) };
    writer.write(&batch, at(0)).unwrap();
    let sums =
        LedgerSums { records_read: 2, records_decoded: 1, records_rejected: 1, items_decoded: 1, items_stored: 1, ..LedgerSums::default() };
    let read = LedgerRow { sums, ..row(0, 2) };
    let force = |writer: &mut SqliteWriter, epoch: u64, ledger: Vec<LedgerRow>| {
        writer
            .write(&WriteBatch { checkpoint: Some(Checkpoint { epoch, ledger, ..Checkpoint::default() }), ..WriteBatch::default() }, at(0))
            .unwrap();
    };
    force(&mut writer, 1, vec![read.clone()]);
    let action = Action::ReplayDeadLetters { select: LetterSelection::One("bad".into()), edited: None };
    writer.execute(&Command { who: "ada".into(), idempotency_key: None, expected_version: None, action }, at(0)).unwrap();
    for _ in 0..3 {
        writer.write(&batch_of(vec![item(0, 1, "a", "x")]), at(0)).unwrap();
        drop(writer);
        writer = open_writer(&database.options()).unwrap();
        writer.load_snapshot().unwrap();
    }
    let sums = LedgerSums { records_read: 1, records_decoded: 1, items_decoded: 1, items_stored: 1, ..LedgerSums::default() };
    let partition = PartitionKey { cluster: "local".into(), topic: "replay".into(), incarnation: 0, partition: 0 };
    let replays = LedgerRow { connector: "replay".into(), partition, first_offset: 0, next_offset: 2, topic_id: None, sums };
    force(&mut writer, 2, vec![read, replays]);
    assert_eq!(books(&database), [(1, 0), (0, 1)], "the partition's own item is stored, the replay's was seen before");
}

#[test]
fn detected_events_have_no_part_in_the_books() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let detected = vec![made(item(0, 0, "a", "x")), made(item(0, 5, "a", "x"))];
    writer.write(&WriteBatch { detected, ..WriteBatch::default() }, at(0)).unwrap();
    checkpoint(&mut writer, 1, &[0]);
    assert_eq!(books(&database), [(0, 0)]);
}

#[test]
fn a_found_event_was_seen_when_it_was_first_stored_and_the_export_does_not_say_when() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let found = item(0, 0, "found", "x");
    let grown = Event { count: found.count + 5, ..found.clone() };
    let read = item(0, 5, "read", "x");
    let ids = [found.id.clone(), read.id.clone()];
    writer.write(&WriteBatch { detected: vec![made(found)], events: vec![read], ..WriteBatch::default() }, at(5_000)).unwrap();
    writer.write(&WriteBatch { detected: vec![made(grown)], ..WriteBatch::default() }, at(6_000)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    let [found, read] = ids.map(|id| reader.event(&id).unwrap().unwrap());
    assert_eq!((found.observed_at, found.count), (at(5_000), 6), "it grew, but was seen before");
    assert_eq!(read.observed_at, read.timestamp, "what a record says was seen when it was read");
    let mut export = Vec::new();
    reader.export(&mut export).unwrap();
    assert!(!String::from_utf8(export).unwrap().contains("observed_at"));
}

/// A topic of three partitions in which every event is named several times, some with another content.
struct Topic {
    partitions: Vec<Vec<Event>>,
}

impl Topic {
    fn random(random: &mut ChaCha8Rng) -> Self {
        let item = |random: &mut ChaCha8Rng, partition: i32, offset: i64| {
            let name = format!("change-{}", random.random_range(0..12));
            let content = ["x", "x", "x", "y"][random.random_range(0..4)];
            item(partition, offset, &name, content)
        };
        let partitions = (0..3).map(|partition| (0..20).map(|offset| item(random, partition, offset)).collect()).collect();
        Self { partitions }
    }

    /// Reads from the stored offsets to the end, partitions interleaved and checkpoints taken at random; breaks off after
    /// `transactions`. True when everything is read.
    fn read(&self, writer: &mut SqliteWriter, random: &mut ChaCha8Rng, mut transactions: usize) -> bool {
        let snapshot = writer.load_snapshot().unwrap();
        let stored: BTreeMap<i32, i64> = snapshot.ledger.iter().map(|row| (row.partition.partition, row.next_offset)).collect();
        let mut next: Vec<i64> = (0..3).map(|partition| stored.get(&partition).copied().unwrap_or(0)).collect();
        let mut epoch = snapshot.epoch;
        loop {
            let open: Vec<usize> = (0..3).filter(|partition| next[*partition] < self.partitions[*partition].len() as i64).collect();
            if transactions == 0 {
                return false;
            }
            transactions -= 1;
            if open.is_empty() || random.random_range(0..4) == 0 {
                epoch += 1;
                checkpoint(writer, epoch, &next);
                if open.is_empty() {
                    return true;
                }
                continue;
            }
            let partition = open[random.random_range(0..open.len())];
            let left = &self.partitions[partition][next[partition] as usize..];
            let taken = random.random_range(1..=left.len().min(6));
            writer.write(&batch_of(left[..taken].to_vec()), at(0)).unwrap();
            next[partition] += taken as i64;
        }
    }
}

#[test]
fn the_books_of_a_disturbed_run_are_those_of_an_undisturbed_one() {
    let seed = seed();
    println!("seed {seed} (WHYDUNIT_TEST_SEED)");
    for round in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed + round);
        let topic = Topic::random(&mut random);
        let undisturbed = Database::new();
        assert!(topic.read(&mut open_writer(&undisturbed.options()).unwrap(), &mut random, usize::MAX));
        let disturbed = Database::new();
        let mut crashes = 0;
        loop {
            let transactions = if crashes < 8 { random.random_range(1..12) } else { usize::MAX };
            // Dropped without a word: what it had stored since its last checkpoint is read again.
            if topic.read(&mut open_writer(&disturbed.options()).unwrap(), &mut random, transactions) {
                break;
            }
            crashes += 1;
        }
        let stored: u64 = books(&undisturbed).iter().map(|(stored, _)| stored).sum();
        let events = open_reader(&undisturbed.options()).unwrap().events(&Default::default()).unwrap().total;
        assert_eq!(stored, events, "each event is stored by exactly one item");
        assert_eq!(books(&disturbed), books(&undisturbed), "after {crashes} crashes, round {round}");
        assert_eq!(export(&open_reader(&disturbed.options()).unwrap()), export(&open_reader(&undisturbed.options()).unwrap()));
    }
}
