//! What must hold after a run.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::broker::Compacted;
use crate::difference;
use crate::run::Outcome;
use crate::workload::{Slot, World};

/// One export, by kind of line.
struct Export {
    lines: BTreeMap<String, Vec<String>>,
}

impl Export {
    fn read(text: &str) -> Self {
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("a JSON line");
            lines.entry(value["kind"].as_str().unwrap_or_default().to_owned()).or_default().push(value["value"].to_string());
        }
        Self { lines }
    }

    fn of(&self, kind: &str) -> &[String] {
        self.lines.get(kind).map_or(&[], Vec::as_slice)
    }

    /// Events made of one item each.
    fn one_to_one(&self) -> Vec<String> {
        let is_meant = |event: &Value| ["git", "ci", "manual"].iter().any(|source| event["source"] == *source);
        self.values("event").filter(is_meant).map(|event| event.to_string()).collect()
    }

    fn values(&self, kind: &str) -> impl Iterator<Item = Value> {
        self.of(kind).iter().map(|line| serde_json::from_str(line).expect("a JSON line"))
    }
}

/// Number of investigations in an export.
pub fn investigations(export: &str) -> usize {
    Export::read(export).of("findings").len()
}

/// Faults of one run, each in a line. `undisturbed` is the export of the same world's run without faults.
pub fn judge(world: &World, outcome: &Outcome, undisturbed: Option<&str>) -> Vec<String> {
    let export = Export::read(&outcome.export);
    let mut found = Vec::new();
    found.extend(books(world, &export, &outcome.compacted));
    if let Some(undisturbed) = undisturbed {
        let undisturbed = Export::read(undisturbed);
        if !outcome.compacted.is_empty() {
            found.extend(nothing_new("dead letter", undisturbed.of("dead_letter"), export.of("dead_letter")));
            let ids = |events: Vec<String>| events.iter().map(|event| id_of(event)).collect::<Vec<_>>();
            found.extend(nothing_new("event of one item", &ids(undisturbed.one_to_one()), &ids(export.one_to_one())));
            return found;
        }
        let kinds: &[&str] = if world.late { &["dead_letter"] } else { &["dead_letter", "event", "bucket_row", "findings"] };
        for kind in kinds {
            found.extend(difference::between(kind, undisturbed.of(kind), export.of(kind)));
        }
        if world.late {
            found.extend(difference::between("event of one item", &undisturbed.one_to_one(), &export.one_to_one()));
            found.extend(sums_over_buckets(&undisturbed, &export));
        }
    }
    found
}

/// Where records are removed before they are read for good, things may be missing; nothing is made of what is not there.
fn nothing_new(kind: &str, expected: &[String], actual: &[String]) -> Option<String> {
    actual.iter().find(|line| !expected.contains(line)).map(|line| format!("{kind}: not expected: {line}"))
}

fn id_of(event: &str) -> String {
    let event: Value = serde_json::from_str(event).expect("a JSON line");
    event["id"].to_string()
}

/// Where late items are, the bucket they are counted in differs from run to run; the sums over buckets do not.
fn sums_over_buckets(expected: &Export, actual: &Export) -> Vec<String> {
    let sums = |export: &Export| {
        let mut sums: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        for row in export.values("bucket_row") {
            let sum = sums.entry(format!("{} of {}", row["source"], row["entity"])).or_default();
            for (sum, field) in sum.iter_mut().zip(["items", "failing", "in_events"]) {
                *sum += row[field].as_u64().unwrap_or_default();
            }
        }
        sums
    };
    let (expected, actual) = (sums(expected), sums(actual));
    let names = expected.keys().chain(actual.keys().filter(|name| !expected.contains_key(*name)));
    let of = |sums: &BTreeMap<String, [u64; 3]>, name: &String| sums.get(name).copied().unwrap_or_default();
    let differing = names.filter(|name| of(&expected, name) != of(&actual, name));
    differing
        .map(|name| format!("{name}: {:?} items, failing, in events over all buckets, not {:?}", of(&actual, name), of(&expected, name)))
        .collect()
}

/// The books against what lies in the partitions, and against what is stored.
fn books(world: &World, export: &Export, compacted: &Compacted) -> Vec<String> {
    let mut found = Vec::new();
    let ledger: Vec<Value> = export.values("ledger").collect();
    let mut sums = Sums::default();
    let mut expected = Sums::default();
    for (index, log) in world.partitions.iter().enumerate() {
        let connector = world.connector_of(log);
        for (life, slots) in log.lives.iter().enumerate() {
            let name = format!("{} {}/{}#{life}", connector.name, log.topic, log.partition);
            let row = ledger.iter().find(|row| {
                row["connector"] == *connector.name
                    && row["partition"]["topic"] == *log.topic
                    && row["partition"]["partition"] == log.partition
                    && row["partition"]["incarnation"] == life
            });
            let Some(row) = row else {
                if !slots.is_empty() {
                    found.push(format!("{name}: no books"));
                }
                continue;
            };
            if row["next_offset"] != slots.len() {
                found.push(format!("{name}: read to {}, not to {}", row["next_offset"], slots.len()));
            }
            let (actual, wanted) = (Sums::of_row(&row["sums"]), Sums::of_slots(slots));
            sums.add(&actual);
            expected.add(&wanted);
            let gone = compacted.range((index, life, 0)..(index, life + 1, 0)).count() as u64;
            let faults = if gone == 0 { actual.compare(&wanted) } else { actual.close_over(gone, &wanted) };
            found.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        }
    }
    let of_a_record = |event: &Value| !event["provenance"].is_null() && event["provenance"]["connector"] != "inbox";
    let stored = export.values("event").filter(of_a_record);
    let one_to_one = stored.filter(|event| ["git", "ci", "manual"].iter().any(|source| event["source"] == *source)).count() as u64;
    let rows: u64 = export.values("bucket_row").filter_map(|row| row["items"].as_u64()).sum();
    if sums.folded != rows {
        found.push(format!("{} items are folded by the books, {rows} in bucket rows", sums.folded));
    }
    if !compacted.is_empty() {
        return found;
    }
    let repeated = expected.repeated_items + expected.repeated_events;
    if sums.seen_before != repeated {
        found.push(format!("{} items are seen before by the books, {repeated} were sent twice", sums.seen_before));
    }
    if one_to_one + expected.repeated_events != expected.stored {
        found.push(format!(
            "{one_to_one} one-to-one events are stored; {} were sent, {} of them twice",
            expected.stored, expected.repeated_events
        ));
    }
    found
}

/// Books of one partition or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    read: u64,
    decoded: u64,
    rejected: u64,
    records_seen_before: u64,
    absent: u64,
    missed: u64,
    items: u64,
    bad: u64,
    stored: u64,
    folded: u64,
    seen_before: u64,
    /// Only in what is expected: items that were delivered before.
    repeated_items: u64,
    repeated_events: u64,
}

impl Sums {
    fn of_row(sums: &Value) -> Self {
        let sum = |name: &str| sums[name].as_u64().unwrap_or_default();
        Self {
            read: sum("records_read"),
            decoded: sum("records_decoded"),
            rejected: sum("records_rejected"),
            records_seen_before: sum("records_seen_before"),
            absent: sum("absent"),
            missed: sum("missed"),
            items: sum("items_decoded"),
            bad: sum("items_rejected"),
            stored: sum("items_stored"),
            folded: sum("items_folded"),
            seen_before: sum("items_seen_before"),
            ..Self::default()
        }
    }

    fn of_slots(slots: &[Slot]) -> Self {
        let mut sums = Self::default();
        for slot in slots {
            let record = match slot {
                Slot::Absent => {
                    sums.absent += 1;
                    continue;
                }
                Slot::Missed => {
                    sums.missed += 1;
                    continue;
                }
                Slot::Record(record) => record,
            };
            let expect = record.expect;
            sums.read += 1;
            sums.rejected += u64::from(expect.rejected);
            sums.decoded += u64::from(!expect.rejected);
            sums.items += expect.folded + expect.one_to_one;
            sums.bad += expect.bad;
            sums.stored += expect.one_to_one;
            sums.folded += expect.folded;
            if expect.one_to_one > 0 {
                sums.repeated_events += expect.repeats;
            } else {
                sums.repeated_items += expect.repeats;
            }
        }
        sums
    }

    fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.decoded += other.decoded;
        self.rejected += other.rejected;
        self.records_seen_before += other.records_seen_before;
        self.absent += other.absent;
        self.missed += other.missed;
        self.items += other.items;
        self.bad += other.bad;
        self.stored += other.stored;
        self.folded += other.folded;
        self.seen_before += other.seen_before;
        self.repeated_items += other.repeated_items;
        self.repeated_events += other.repeated_events;
    }

    /// Of a partition from which the broker has removed up to `gone` records that were delivered: each is absent, or was read and
    /// stored before.
    fn close_over(&self, gone: u64, wanted: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut holds = |what: &str, holds: bool| {
            if !holds {
                found.push(format!("{what}: {self:?}, with {gone} records of {wanted:?} removed"));
            }
        };
        let read = self.read - self.records_seen_before;
        holds("records accounted for", self.decoded + self.rejected == read);
        holds("items accounted for", self.stored + self.folded + self.seen_before == self.items);
        holds("offsets accounted for", read + self.absent == wanted.read + wanted.absent && self.missed == wanted.missed);
        holds("records removed", (wanted.absent..=wanted.absent + gone).contains(&self.absent));
        found
    }

    /// Where these books differ from what lies in the partition, or do not close.
    fn compare(&self, wanted: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut same = |what: &str, actual: u64, wanted: u64| {
            if actual != wanted {
                found.push(format!("{what}: {actual}, not {wanted}"));
            }
        };
        same("records read but for those seen before", self.read - self.records_seen_before, wanted.read);
        same("records decoded", self.decoded, wanted.decoded);
        same("records dead-lettered", self.rejected, wanted.rejected);
        same("offsets absent", self.absent, wanted.absent);
        same("offsets missed", self.missed, wanted.missed);
        same("items decoded", self.items, wanted.items);
        same("items dead-lettered", self.bad, wanted.bad);
        same("records accounted for", self.decoded + self.rejected + self.records_seen_before, self.read);
        same("items accounted for", self.stored + self.folded + self.seen_before, self.items);
        found
    }
}
