//! Bad input and bad days, on the real service: the binary as a process, a real broker, a real database file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crowds;
mod disk;
mod flood;
mod growing;
mod input;
mod kills;
mod start_and_stop;
mod wrong_topic;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::Run;

/// A busy machine gets time; a condition that holds ends the wait at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// Records that all connectors have read since the process began.
fn records_read(run: &Run) -> u64 {
    let connectors = run.api("/api/v1/connectors");
    connectors.as_array().map_or(0, |all| all.iter().filter_map(|one| one["records_total"].as_u64()).sum())
}

/// Sums over all partitions of the books in an export, by the name of the sum.
fn books(export: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for row in of_kind(export, "ledger") {
        for (name, count) in row["sums"].as_object().unwrap() {
            *sums.entry(name.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    sums
}

/// Asserts that what was read is what was decoded, known already or rejected, and what was decoded is what was stored.
fn assert_books_balance(books: &BTreeMap<String, u64>) {
    assert_eq!(books["records_read"], books["records_decoded"] + books["records_seen_before"] + books["records_rejected"], "{books:?}");
    assert_eq!(books["items_decoded"], books["items_stored"] + books["items_folded"] + books["items_seen_before"], "{books:?}");
}

/// Lines of one kind in an export.
fn of_kind<'a>(export: &'a str, kind: &'a str) -> impl Iterator<Item = Value> + 'a {
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(move |line| line["kind"] == kind).map(|mut line| line["value"].take())
}

/// Items that the rows of the buckets count, of one source.
fn items_in_buckets(export: &str, source: &str) -> u64 {
    of_kind(export, "bucket_row").filter(|row| row["source"] == source).map(|row| row["items"].as_u64().unwrap()).sum()
}
