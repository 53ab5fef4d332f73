//! Old things go, some at a time, announced and counted; the books close over what is gone.

use std::collections::BTreeMap;

use whydunit::actors::retention::Retention;
use whydunit::actors::status::StatusBoard;
use whydunit::engine::resilience::retention::RetentionOptions;
use whydunit::model::ports::{PipelineStatus as _, StoreReader as _, StoreWriter as _};
use whydunit::model::query::InvestigationQuery;
use whydunit::model::retention::{Removal, Removed};
use whydunit::model::{Bucket, Timestamp};
use whydunit::store::{SqliteWriter, open_reader, open_writer};

use super::good::{Copy, at};

const DAY_S: i64 = 86_400;
/// Later than everything in the good database, whatever the clock of the machine that made it says.
const FAR_S: i64 = 4_000_000_000;

/// Removes all of it; how many transactions that took, and what is gone.
fn remove_all(writer: &mut SqliteWriter, removal: Removal) -> (u32, Removed) {
    let (mut steps, mut sum) = (0, Removed::default());
    loop {
        sum.add(writer.remove(&removal, at(0)).unwrap());
        steps += 1;
        if !sum.more {
            return (steps, sum);
        }
    }
}

#[test]
fn whatever_retention_removes_the_books_close_and_each_transaction_is_small() {
    let copy = Copy::new();
    // An open one keeps what it needs.
    copy.spoil("UPDATE investigations SET status = 'closed', closed_at = updated_at");
    let mut writer = open_writer(&copy.options()).unwrap();
    let cut = at(300);
    let removals = [
        ("dead_letters", Removal::Letters { before: Timestamp::from_seconds(FAR_S) }),
        ("bucket_rows", Removal::Rows { before: Bucket::of(cut) }),
        ("events", Removal::Events { before: cut }),
    ];
    for (kind, removal) in removals {
        writer.holdings(at(0)).unwrap();
        let (steps, removed) = remove_all(&mut writer, removal);
        println!("{kind}: {removed:?} in {steps} transactions");
        assert!(removed.count > 0 && removed.bytes > 0, "{kind}: {removed:?}");
        assert!(removed.count <= u64::from(steps) * 2_000, "{kind}: {removed:?} in {steps} transactions");
        let verdict = copy.verify();
        assert!(verdict.closes, "after {kind}: {:#?}", verdict.holes);
        let holdings = writer.holdings(at(0)).unwrap();
        let total = holdings.removed.iter().find(|total| total.kind == kind).unwrap();
        assert_eq!((total.removed, total.bytes), (removed.count, removed.bytes));
        assert_eq!(remove_all(&mut writer, removal).1.count, 0, "nothing is removed twice");
    }
    assert_eq!(copy.number("SELECT count(*) FROM letters"), 0);
    assert_eq!(copy.number("SELECT count(*) FROM letter_records"), 0);
    assert!(copy.number("SELECT count(*) FROM bucket_rows") > 0 && copy.number("SELECT count(*) FROM events") > 0, "the young stay");
    drop(writer);
    // Removed and booked, and a hole all the same.
    assert!(copy.spoil("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events JOIN event_dims USING (dim) WHERE source IN ('git', 'ci', 'manual'))") > 0);
    assert!(!copy.verify().closes);
}

#[test]
fn evidence_and_charts_of_an_open_investigation_stay_and_go_once_it_is_closed() {
    let copy = Copy::new();
    let far = Timestamp::from_seconds(FAR_S);
    let linked = "SELECT count(*) FROM event_links l JOIN events e ON e.id = l.event_id";
    let named = "SELECT count(*) FROM investigations i, json_tree(i.findings) t JOIN events e ON e.id = t.value WHERE t.key = 'event_id'";
    let (links, evidence) = (copy.number(linked), copy.number(named));
    assert!(links > 0 && evidence > 0, "no investigation has evidence, so nothing is shown");
    let mut writer = open_writer(&copy.options()).unwrap();
    writer.holdings(at(0)).unwrap();
    assert!(remove_all(&mut writer, Removal::Events { before: far }).1.count > 0);
    remove_all(&mut writer, Removal::Rows { before: Bucket::of(far) });
    assert_eq!((copy.number(linked), copy.number(named)), (links, evidence));
    assert!(copy.number("SELECT count(*) FROM bucket_rows") > 0, "what its charts show");
    assert!(copy.verify().closes, "{:#?}", copy.verify().holes);
    assert_eq!(remove_all(&mut writer, Removal::Charts { before: far }).1.count, 0, "it is open");
    drop(writer);

    copy.spoil("UPDATE investigations SET status = 'closed', closed_at = updated_at");
    let before = open_reader(&copy.options()).unwrap().investigations(&InvestigationQuery::default()).unwrap().items;
    let mut writer = open_writer(&copy.options()).unwrap();
    writer.holdings(at(0)).unwrap();
    remove_all(&mut writer, Removal::Events { before: far });
    remove_all(&mut writer, Removal::Rows { before: Bucket::of(far) });
    assert!(remove_all(&mut writer, Removal::Charts { before: far }).1.bytes > 0);
    assert_eq!((copy.number(linked), copy.number("SELECT count(*) FROM bucket_rows")), (0, 0));
    let reader = open_reader(&copy.options()).unwrap();
    let after = reader.investigations(&InvestigationQuery::default()).unwrap().items;
    assert_eq!(
        after.iter().map(|item| (&item.id, &item.title)).collect::<Vec<_>>(),
        before.iter().map(|item| (&item.id, &item.title)).collect::<Vec<_>>()
    );
    let pruned = after.iter().find_map(|item| reader.investigation(&item.id).unwrap()?.findings).unwrap();
    assert!(!pruned.suspects.is_empty() && !pruned.headline.is_empty(), "its summary stays");
    assert!(pruned.signals.is_empty() && pruned.graph.nodes.is_empty(), "its charts are gone");
    assert!(copy.verify().closes, "{:#?}", copy.verify().holes);
}

#[test]
fn what_may_be_read_again_stays() {
    let copy = Copy::new();
    // As if the last checkpoint had been before all of it.
    copy.spoil("UPDATE ledger SET next_offset = 0 WHERE connector LIKE 'manual-%'");
    let events = "SELECT count(*) FROM events WHERE provenance LIKE '%\"manual-a\"%'";
    let letters = "SELECT count(*) FROM letters WHERE connector = 'manual-a'";
    let before = (copy.number(events), copy.number(letters));
    let mut writer = open_writer(&copy.options()).unwrap();
    writer.holdings(at(0)).unwrap();
    let far = Timestamp::from_seconds(FAR_S);
    assert!(remove_all(&mut writer, Removal::Events { before: far }).1.count > 0);
    assert!(remove_all(&mut writer, Removal::Letters { before: far }).1.count > 0);
    assert_eq!((copy.number(events), copy.number(letters)), before);
}

#[test]
fn a_file_that_holds_less_becomes_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let options = whydunit::store::Options::file(folder.path().join("whydunit.db"));
    let mut writer = open_writer(&options).unwrap();
    let events = (0..3_000).map(|n| crate::memory::things::random_event(7, n)).collect::<Vec<_>>();
    for chunk in events.chunks(500) {
        writer.write(&whydunit::model::ports::WriteBatch { events: chunk.to_vec(), ..Default::default() }, at(0)).unwrap();
    }
    writer.compact_log().unwrap();
    let full = std::fs::metadata(options.path().unwrap()).unwrap().len();
    writer.holdings(at(0)).unwrap();
    let detected = remove_all(&mut writer, Removal::Events { before: Timestamp::from_seconds(FAR_S) }).1.count;
    let (steps, freed) = remove_all(&mut writer, Removal::Space);
    writer.compact_log().unwrap();
    let small = std::fs::metadata(options.path().unwrap()).unwrap().len();
    println!("{detected} events removed, {full} bytes became {small} in {steps} steps");
    assert!(small * 2 < full && freed.bytes > 0, "{full} bytes became {small}");
}

#[test]
fn a_pass_announces_removes_and_rests_between_its_small_steps() {
    let copy = Copy::new();
    copy.spoil("UPDATE investigations SET status = 'closed', closed_at = updated_at");
    let mut writer = open_writer(&copy.options()).unwrap();
    let letters = copy.number("SELECT count(*) FROM letters");
    let failed = Timestamp::from_nanos(copy.number("SELECT max(last_failed_at) FROM letters"));
    let status = std::sync::Arc::new(StatusBoard::default());
    let options = RetentionOptions { max_age_days: 1, ..RetentionOptions::default() };
    let mut retention = Retention::new(options, status.clone()).unwrap();
    let interval = std::time::Duration::from_secs(60);

    // A day before the letters are thirty days old.
    status.watermark(Some(at(600)));
    let now = failed.plus_seconds(30 * DAY_S - 3_600);
    assert_eq!(retention.step(&mut writer, now), interval, "nothing is due");
    let told = status.health().retention;
    let letters_next = told.next.iter().find(|next| next.kind == "dead_letters").unwrap();
    assert_eq!(letters_next.count, Some(letters as u64), "announced an hour before: {told:#?}");
    assert_eq!(copy.number("SELECT count(*) FROM letters"), letters, "and still there");

    // And a day and a half on by the records' own time.
    status.watermark(Some(at(3 * DAY_S / 2)));
    let now = failed.plus_seconds(30 * DAY_S + 3_600);
    let mut steps = 0;
    while retention.step(&mut writer, now) < interval {
        steps += 1;
        assert!(steps < 1_000, "it does not end");
    }
    let removed: BTreeMap<String, u64> =
        status.health().retention.removed.iter().map(|total| (total.kind.clone(), total.removed)).collect();
    println!("{steps} steps: {removed:?}");
    assert_eq!(removed["dead_letters"], letters as u64);
    assert!(removed["events"] > 0 && removed["bucket_rows"] > 0 && steps > 3, "{removed:?} in {steps} steps");
    drop(writer);
    assert!(copy.verify().closes, "{:#?}", copy.verify().holes);
}
