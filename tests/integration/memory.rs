//! The store keeps what it was given: once, whole, through crashes, full disks and hostile questions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ahead;
mod books;
mod crashes;
mod letters;
mod people;
mod received;
mod search;
mod speed;
pub mod things;

use std::sync::Arc;

use things::{at, event, findings, letter, row};
use whydunit::model::ports::{StoreError, StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::{DeadLetterQuery, EventQuery, InvestigationQuery, TimeRange};
use whydunit::model::snapshot::{Checkpoint, StateDelta, StateEntry};
use whydunit::model::{Event, Severity};
use whydunit::store::{Options, open_reader, open_writer};

use crate::support::seed::seed;

/// A database in a folder of its own.
struct Database {
    folder: tempfile::TempDir,
}

impl Database {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> Options {
        Options::file(self.folder.path().join("whydunit.db"))
    }
}

fn batch_of(events: Vec<Event>) -> WriteBatch {
    WriteBatch { events, ..WriteBatch::default() }
}

fn whole_batch() -> WriteBatch {
    let entry = StateEntry { key: b"entity".to_vec(), value: Some(Arc::new(7_u32)) };
    WriteBatch {
        events: vec![event("a", 10), event("b", 20)],
        findings: vec![findings("inv-1", 1)],
        letters: vec![letter(5)],
        rows: vec![row("checkout", 0, 100, 3)],
        checkpoint: Some(Checkpoint {
            epoch: 3,
            ledger: vec![things::ledger_row(6)],
            deltas: vec![StateDelta { stage: "detection/0".into(), entries: vec![entry] }],
            closed_through: Some(row("checkout", 0, 100, 3).bucket),
        }),
        ..WriteBatch::default()
    }
}

fn export(reader: &dyn StoreReader) -> String {
    let mut out = Vec::new();
    reader.export(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_written_twice_is_stored_once() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let first = writer.write(&whole_batch(), at(100)).unwrap();
    assert_eq!((first.events_stored, first.letters_stored, first.opened), (2, 1, 1));
    let reader = open_reader(&database.options()).unwrap();
    let before = export(&reader);
    let again = writer.write(&whole_batch(), at(200)).unwrap();
    assert_eq!((again.events_stored, again.events_seen_before), (0, 2));
    assert_eq!((again.letters_stored, again.letters_seen_before), (0, 1));
    assert!(again.investigations.is_empty() && again.opened == 0);
    assert_eq!(export(&reader), before);
    let ids: Vec<String> = reader.events(&EventQuery::default()).unwrap().items.into_iter().map(|event| event.id).collect();
    assert_eq!(ids, ["b", "a"], "newest first");
}

#[test]
fn an_event_comes_back_as_it_was_given() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let mut given = things::full_event("full", 40);
    writer.write(&batch_of(vec![given.clone()]), at(100)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    assert_eq!(reader.event("full").unwrap().unwrap(), given);
    given.investigation_ids.clear();
    assert_eq!(reader.event("missing").unwrap(), None);
}

#[test]
fn a_detected_event_grows_and_never_shrinks() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let grown = Event { count: 9, last_seen: at(19), severity: Severity::Critical, title: "now ninefold".into(), ..event("a", 10) };
    assert_eq!(writer.write(&batch_of(vec![event("a", 10)]), at(1)).unwrap().events_stored, 1);
    assert_eq!(writer.write(&batch_of(vec![grown.clone()]), at(2)).unwrap().events_stored, 1);
    assert_eq!(writer.write(&batch_of(vec![event("a", 10)]), at(3)).unwrap().events_seen_before, 1);
    let reader = open_reader(&database.options()).unwrap();
    assert_eq!(reader.event("a").unwrap().unwrap(), grown);
    let critical = EventQuery { severity: vec![Severity::Critical], ..EventQuery::default() };
    assert_eq!(reader.events(&critical).unwrap().total, 1);
    let high = EventQuery { severity: vec![Severity::High], ..EventQuery::default() };
    assert_eq!(reader.events(&high).unwrap().total, 0);
    let found = EventQuery { text: Some("ninefold".into()), ..EventQuery::default() };
    assert_eq!(reader.events(&found).unwrap().total, 1);
}

#[test]
fn one_external_id_is_one_event_whatever_its_position() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let first = Event { source_id: Some("run/1/attempt/1".into()), ..event("a", 10) };
    let second = Event { id: "b".into(), ..first.clone() };
    let report = writer.write(&batch_of(vec![first, second]), at(1)).unwrap();
    assert_eq!((report.events_stored, report.events_seen_before), (1, 1));
}

#[test]
fn thousands_of_events_of_one_instant_are_all_kept() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let events: Vec<Event> = (0..3_000).map(|n| event(&format!("id-{n}"), 10)).collect();
    assert_eq!(writer.write(&batch_of(events), at(1)).unwrap().events_stored, 3_000);
    let reader = open_reader(&database.options()).unwrap();
    assert_eq!(reader.events(&EventQuery::default()).unwrap().total, 3_000);
}

#[test]
fn the_export_is_the_same_for_two_orders_of_writing() {
    let seed = seed();
    let (one, other) = (Database::new(), Database::new());
    let mut events: Vec<Event> = (0..200).map(|n| things::random_event(seed, n)).collect();
    // Versions of the same event: the export must not tell which came last.
    events.extend((0..50).map(|n| Event { count: 2 + n, ..things::random_event(seed, n) }));
    let rows: Vec<_> = (0..40).map(|n| row("checkout", n, 10 * n as u64, 1)).collect();
    let letters: Vec<_> = (0..20).map(letter).collect();
    let exports: Vec<String> = [(&one, false), (&other, true)]
        .into_iter()
        .map(|(database, shuffled)| {
            let (mut events, mut rows, mut letters) = (events.clone(), rows.clone(), letters.clone());
            if shuffled {
                things::shuffle(seed, &mut events);
                things::shuffle(seed, &mut rows);
                things::shuffle(seed, &mut letters);
            }
            let mut writer = open_writer(&database.options()).unwrap();
            for (index, chunk) in events.chunks(if shuffled { 7 } else { 50 }).enumerate() {
                writer.write(&batch_of(chunk.to_vec()), at(1_000 + index as i64)).unwrap();
            }
            let findings = vec![findings("inv-1", 2), findings("inv-2", 1)];
            writer.write(&WriteBatch { findings, letters, rows, ..WriteBatch::default() }, at(if shuffled { 1 } else { 2 })).unwrap();
            export(&open_reader(&database.options()).unwrap())
        })
        .collect();
    assert!(exports[0].lines().count() >= 262, "{}", exports[0].lines().count());
    assert!(exports[0] == exports[1], "the exports of seed {seed} differ");
}

#[test]
fn only_a_newer_revision_replaces_what_the_engine_found() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let write = |writer: &mut dyn StoreWriter, findings| {
        writer.write(&WriteBatch { findings: vec![findings], ..WriteBatch::default() }, at(500)).unwrap()
    };
    assert_eq!(write(&mut writer, findings("inv-1", 5)).investigations, [("inv-1".to_owned(), 5, 1)]);
    let older = whydunit::model::investigation::EngineFindings { headline: "stale".into(), ..findings("inv-1", 4) };
    assert!(write(&mut writer, older).investigations.is_empty());
    let newer = whydunit::model::investigation::EngineFindings { headline: "fresh".into(), ..findings("inv-1", 6) };
    assert_eq!(write(&mut writer, newer).investigations.len(), 1);
    let reader = open_reader(&database.options()).unwrap();
    let stored = reader.investigation("inv-1").unwrap().unwrap();
    assert_eq!((stored.title.as_str(), stored.revision, stored.version), ("fresh", 6, 1));
    assert_eq!(stored.created_by, "whydunit");
    let summary = &reader.investigations(&InvestigationQuery::default()).unwrap().items[0];
    assert_eq!(summary.first_suspect.as_ref().unwrap().entity, "deploy 42");
}

#[test]
fn dead_letters_keep_their_bytes_and_count_their_attempts() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let again = whydunit::model::dead_letter::DeadLetter { attempts: 3, last_failed_at: at(900), ..letter(5) };
    let letters = vec![letter(5), again, letter(6)];
    writer.write(&WriteBatch { letters, ..WriteBatch::default() }, at(1)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    let page = reader.dead_letters(&DeadLetterQuery::default()).unwrap();
    assert_eq!(page.total, 2);
    let view = reader.dead_letter(&letter(5).id).unwrap().unwrap();
    assert_eq!((view.attempts, view.last_failed_at, view.first_failed_at), (3, at(900), letter(5).first_failed_at));
    assert_eq!(view.value_base64.as_deref(), Some("/wBub3QganNvbg=="));
    assert!(view.headers.iter().any(|header| header.name == "__connect.errors.offset" && header.value.as_deref() == Some("5")));
    assert!(view.headers.iter().any(|header| header.name == "own" && header.value.as_deref() == Some("header")));
    let groups = reader.dead_letter_groups().unwrap();
    assert_eq!((groups.len(), groups[0].count, groups[0].waiting), (1, 2, 2));
}

#[test]
fn the_timeline_shows_counts_marks_and_people() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let deploy = Event { event_type: "deployment".into(), source: whydunit::model::Source::Ci, ..event("deploy", 300) };
    let deploy = Event { observed_at: at(301), ..deploy };
    let mut found = findings("inv-1", 1);
    found.new_links = vec![things::link("deploy")];
    let rows = (0..40).map(|bucket| row("checkout", bucket, 100, bucket as u64 / 10)).collect();
    let batch = WriteBatch { events: vec![deploy, event("a", 330)], findings: vec![found], rows, ..WriteBatch::default() };
    writer.write(&batch, at(1_000)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    let timeline = reader.timeline("inv-1", TimeRange::default(), None).unwrap().unwrap();
    let names: Vec<&str> = timeline.lanes.iter().map(|lane| lane.lane.as_str()).collect();
    assert_eq!(names, ["changes", "git", "ci", "metrics", "logs", "traces", "manual", "people"]);
    let logs = &timeline.lanes[4];
    assert_eq!((logs.total, logs.bars.iter().map(|bar| bar.failing).sum::<u64>()), (4_000, 60));
    assert_eq!(logs.marks.len(), 1);
    let changes = &timeline.lanes[0];
    let deployed = changes.marks.iter().find(|mark| mark.event_id.as_deref() == Some("deploy")).unwrap();
    assert!(deployed.linked);
    assert_eq!(deployed.seen_at.seconds_since(deployed.at), 1.0, "read a second after it happened");
    assert_eq!(timeline.lanes[7].marks[0].event_type, "opened");
    assert!(reader.timeline("none", TimeRange::default(), None).unwrap().is_none());
    let spark = &reader.investigations(&InvestigationQuery::default()).unwrap().items[0].spark;
    assert_eq!((spark.len(), spark.iter().sum::<u64>()), (60, 60));
}

#[test]
fn analytics_counts_what_is_there() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    writer.write(&whole_batch(), at(100)).unwrap();
    let summary = open_reader(&database.options()).unwrap().analytics(TimeRange::default()).unwrap();
    assert_eq!((summary.investigations_total, summary.dead_letters_waiting), (1, 1));
    assert_eq!(summary.by_severity[0].value, "high");
    assert_eq!(summary.events_by_source[0].count, 2);
    assert_eq!(summary.median_detect_s, Some(60.0));
    assert_eq!(summary.opened_per_day.len(), 1);
}

#[test]
fn an_unknown_order_is_refused_by_name() {
    let database = Database::new();
    let _writer = open_writer(&database.options()).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    let mut query = EventQuery::default();
    query.paging.sort = "seq; DROP TABLE events".into();
    assert!(matches!(reader.events(&query), Err(StoreError::BadQuery { field, .. }) if field == "sort"));
}

#[test]
fn in_memory_a_reader_sees_what_the_writer_wrote_and_keeps_it_over_a_crash() {
    let options = Options::memory("memory-story");
    let mut writer = open_writer(&options).unwrap();
    writer.write(&whole_batch(), at(100)).unwrap();
    let reader = open_reader(&options).unwrap();
    drop(writer);
    let mut writer = open_writer(&options).unwrap();
    assert_eq!(writer.load_snapshot().unwrap().epoch, 3);
    assert_eq!(reader.events(&EventQuery::default()).unwrap().total, 2);
    assert_eq!(writer.write(&whole_batch(), at(100)).unwrap().events_seen_before, 2);
}
