//! What a crash leaves stored beyond the last checkpoint: made again, or booked as what it was.

use whydunit::model::event::Provenance;
use whydunit::model::ports::{StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::EventQuery;
use whydunit::model::retention::Removal;
use whydunit::model::signal::{BucketRow, DetectedEvent};
use whydunit::model::snapshot::{Ahead, AheadLetter, Checkpoint};
use whydunit::model::{Bucket, Event, Severity, Source, Timestamp};
use whydunit::store::{SqliteWriter, open_reader, open_writer};

use super::things::{at, findings, ledger_row, letter, link, position, row};
use super::{Database, export};

/// The close of one bucket: a row, and an event that folds its error lines.
fn closed(bucket: i64, service: &str, items: u64) -> WriteBatch {
    let row = BucketRow { in_events: items, ..row(service, bucket, items, items) };
    let mut event = Event::new(format!("{service}/{bucket}"), at(bucket * 15), Source::Logs, "error_burst", Severity::High, "refused");
    event.count = items;
    event.service = Some(service.into());
    event.environment = Some("prod".into());
    let detected = vec![DetectedEvent { bucket: row.bucket, event }];
    WriteBatch { rows: vec![row], detected, ..WriteBatch::default() }
}

fn checkpoint(epoch: u64, closed: Option<i64>, next_offset: i64) -> WriteBatch {
    let closed_through = closed.map(|bucket| row("a", bucket, 0, 0).bucket);
    let checkpoint = Checkpoint { epoch, closed_through, ledger: vec![ledger_row(next_offset)], ..Checkpoint::default() };
    WriteBatch { checkpoint: Some(checkpoint), ..WriteBatch::default() }
}

fn write(writer: &mut SqliteWriter, batches: &[WriteBatch]) {
    batches.iter().for_each(|batch| drop(writer.write(batch, at(0)).unwrap()));
}

/// The next process.
fn restart(database: &Database, batches: &[WriteBatch]) {
    let mut writer = open_writer(&database.options()).unwrap();
    writer.load_snapshot().unwrap();
    write(&mut writer, batches);
}

#[test]
fn rows_and_events_of_buckets_that_no_checkpoint_closed_go_when_it_is_loaded_and_are_made_anew() {
    let [crashed, undisturbed] = [Database::new(), Database::new()];
    restart(&crashed, &[closed(1, "cart", 3), checkpoint(1, Some(1), 0), closed(2, "cart", 5), closed(2, "job", 1), closed(3, "job", 2)]);
    // This time a late item of `job` is booked one bucket later, and there is one item less of `cart` to fold.
    let again = [closed(2, "cart", 4), closed(3, "job", 3), checkpoint(2, Some(3), 0)];
    restart(&crashed, &again);
    restart(&undisturbed, &[&[closed(1, "cart", 3), checkpoint(1, Some(1), 0)], again.as_slice()].concat());
    restart(&crashed, &[]);
    let exports = [&crashed, &undisturbed].map(|database| export(&open_reader(&database.options()).unwrap()));
    assert_eq!(exports[0], exports[1]);
    let verdict = whydunit::app::verify::database(&crashed.options()).unwrap();
    assert!(verdict.holes.iter().all(|hole| !hole.found.contains("bucket") && !hole.found.contains("service")), "{:#?}", verdict.holes);
}

#[test]
fn before_the_first_checkpoint_everything_that_buckets_made_is_made_anew() {
    let database = Database::new();
    restart(&database, &[closed(1, "cart", 3)]);
    restart(&database, &[]);
    let reader = open_reader(&database.options()).unwrap();
    assert_eq!(reader.events(&EventQuery::default()).unwrap().total, 0);
    restart(&database, &[checkpoint(1, None, 0), closed(1, "cart", 3)]);
    restart(&database, &[]);
    assert_eq!(reader.events(&EventQuery::default()).unwrap().total, 0, "a checkpoint that has closed nothing covers none of it");
}

#[test]
fn an_event_that_is_made_again_is_linked_again_and_only_the_engines_link_goes_with_it() {
    let database = Database::new();
    let mut by_person = link("cart/2");
    by_person.linked_by = "ada".into();
    let mut found = findings("inv-1", 1);
    found.new_links = vec![link("cart/2")];
    let mut told = findings("inv-2", 1);
    told.new_links = vec![by_person];
    let batch = WriteBatch { findings: vec![found, told], ..closed(2, "cart", 5) };
    restart(&database, &[checkpoint(1, Some(1), 0), batch]);
    restart(&database, &[closed(2, "cart", 5)]);
    let reader = open_reader(&database.options()).unwrap();
    assert_eq!(reader.event("cart/2").unwrap().unwrap().investigation_ids, ["inv-2"]);
}

#[test]
fn retention_leaves_alone_what_a_restart_would_make_again() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    write(&mut writer, &[closed(1, "cart", 3), checkpoint(1, Some(1), 0), closed(2, "cart", 5)]);
    let far = Timestamp::from_seconds(4_000_000_000);
    let mut remove = |removal: Removal| {
        let mut count = 0;
        loop {
            let removed = writer.remove(&removal, at(0)).unwrap();
            count += removed.count;
            if !removed.more {
                return count;
            }
        }
    };
    assert_eq!(remove(Removal::Rows { before: Bucket::of(far) }), 1);
    assert_eq!(remove(Removal::Events { before: far }), 1);
    drop(writer);
    restart(&database, &[closed(2, "cart", 5), checkpoint(2, Some(2), 0)]);
    let verdict = whydunit::app::verify::database(&database.options()).unwrap();
    assert!(verdict.holes.iter().all(|hole| !hole.found.contains("service")), "{:#?}", verdict.holes);
}

/// An event made of item `item` of the record at `offset`.
fn read(offset: i64, item: u32) -> Event {
    let mut event = Event::new(position(offset).item_id(item), at(10), Source::Git, "commit", Severity::Info, "smaller pool");
    event.provenance = Some(Provenance { connector: "logs".into(), position: position(offset), format: "github".into() });
    event
}

#[test]
fn a_restart_learns_of_the_records_that_are_stored_and_not_booked() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let in_part = whydunit::model::dead_letter::DeadLetter { bad_items: vec![2, 4], ..letter(7) };
    let events = vec![read(1, 0), read(6, 0), read(6, 1), read(7, 0)];
    write(&mut writer, &[WriteBatch { events, letters: vec![letter(2), in_part, letter(8)], ..WriteBatch::default() }]);
    write(&mut writer, &[checkpoint(1, None, 5)]);
    drop(writer);
    let ahead = |offset: i64, items, letter| Ahead { connector: "logs".into(), partition: position(0).partition, offset, items, letter };
    let wanted = [ahead(6, 2, None), ahead(7, 1, Some(AheadLetter::Items(2))), ahead(8, 0, Some(AheadLetter::Whole))];
    let mut writer = open_writer(&database.options()).unwrap();
    assert_eq!(writer.load_snapshot().unwrap().ahead, wanted);
    // Read again, it is the same; once booked, it is forgotten.
    write(&mut writer, &[WriteBatch { events: vec![read(6, 0), read(6, 1)], ..WriteBatch::default() }]);
    assert_eq!(writer.load_snapshot().unwrap().ahead, wanted);
    write(&mut writer, &[checkpoint(2, None, 8)]);
    assert_eq!(writer.load_snapshot().unwrap().ahead, wanted[2..]);
}
