//! What was stored against what was sent, and against what an undisturbed run stores. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::numbers::{COMPACTED, COMPACTED_SERVICE, EVENT_SERVICES, LINE_SERVICES, Sent};

/// The canonical export, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Export {
    lines: Vec<(String, Value)>,
}

/// What is wrong, and how much.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub lost: u64,
    pub doubled: u64,
    pub problems: Vec<String>,
}

/// Problems of one kind that are written out.
const SHOWN: usize = 5;

impl Export {
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        Self { lines: lines.map(|mut line| (line["kind"].as_str().unwrap_or_default().to_owned(), line["value"].take())).collect() }
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |(of, _)| of == kind).map(|(_, value)| value)
    }

    /// Numbered events stored, by external id.
    pub fn numbered_events(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for event in self.of_kind("event").filter(|event| text(event, "service").starts_with(EVENT_SERVICES) || is_of_forge(event)) {
            *counts.entry(text(event, "source_id")).or_default() += 1;
        }
        counts
    }

    /// Failing counted lines by service and message: the counts of the events they are folded into.
    fn failures(&self) -> BTreeMap<(String, String), u64> {
        let mut counts = BTreeMap::new();
        let is_fold = |event: &&Value| matches!(text(event, "event_type"), "error_burst" | "new_error_pattern");
        for event in self.of_kind("event").filter(is_fold).filter(|event| text(event, "service").starts_with(LINE_SERVICES)) {
            let key = (text(event, "service").to_owned(), text(event, "title").to_owned());
            *counts.entry(key).or_default() += event["count"].as_u64().unwrap_or_default();
        }
        counts
    }

    /// All counted lines by service: the items of their buckets.
    fn lines_by_service(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for row in self.of_kind("bucket_row") {
            let service = text(&row["entity"], "service");
            if service.starts_with(LINE_SERVICES) {
                *counts.entry(service.to_owned()).or_default() += row["items"].as_u64().unwrap_or_default();
            }
        }
        counts
    }

    /// Items that came too late for their bucket: where there are any, which bucket counts them depends on when they were read.
    pub fn late(&self) -> u64 {
        self.of_kind("bucket_row").filter_map(|row| row["late"].as_u64()).sum()
    }

    pub fn investigations(&self) -> usize {
        self.of_kind("findings").count()
    }

    pub fn sum(&self, name: &str) -> u64 {
        self.of_kind("ledger").filter_map(|row| row["sums"][name].as_u64()).sum()
    }

    /// As text, without what depends on how often something was read or on when the broker compacted.
    pub fn comparable(&self) -> String {
        let mut lines = String::new();
        for (kind, value) in &self.lines {
            let mut value = value.clone();
            let is_compacted = match kind.as_str() {
                "ledger" => text(&value["partition"], "topic") == COMPACTED,
                "event" => text(&value, "service") == COMPACTED_SERVICE,
                "bucket_row" => text(&value["entity"], "service") == COMPACTED_SERVICE,
                _ => false,
            };
            if is_compacted {
                continue;
            }
            // How often it was told on the way: a change whose source is read a step later is considered a step later.
            if kind == "findings" {
                value["revision"] = 0.into();
            }
            if kind == "ledger" {
                let seen_before = number(&value["sums"], "records_seen_before");
                value["sums"]["records_read"] = (number(&value["sums"], "records_read") - seen_before).into();
                value["sums"]["records_seen_before"] = 0.into();
            }
            lines += &format!("{kind} {value}\n");
        }
        lines
    }
}

/// Holds what is stored against what was sent; `ends` are the broker's.
pub fn judge(export: &Export, sent: &Sent, ends: &BTreeMap<(String, i32), i64>) -> Verdict {
    let mut verdict = Verdict::default();
    events(export, sent, &mut verdict);
    sums(&sent.failures, &export.failures(), "failing lines of", &mut verdict);
    sums(&sent.lines, &export.lines_by_service(), "lines of", &mut verdict);
    books(export, ends, &mut verdict);
    verdict
}

fn events(export: &Export, sent: &Sent, verdict: &mut Verdict) {
    let stored = export.numbered_events();
    let lost: Vec<&String> = sent.once.iter().filter(|id| !stored.contains_key(id.as_str())).collect();
    let doubled: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
    let aborted: Vec<_> = stored.keys().filter(|id| sent.never.contains(**id)).collect();
    let known = |id: &str| [&sent.once, &sent.at_most_once, &sent.never].iter().any(|ids: &&BTreeSet<String>| ids.contains(id));
    let strange: Vec<_> = stored.keys().filter(|id| !known(id)).collect();
    verdict.lost += lost.len() as u64;
    verdict.doubled += doubled.iter().map(|(_, count)| **count - 1).sum::<u64>();
    verdict.tell("events lost", &lost);
    verdict.tell("events doubled", &doubled);
    verdict.tell("events of aborted transactions", &aborted);
    verdict.tell("events that nobody sent", &strange);
}

fn sums<K: Ord + std::fmt::Debug>(sent: &BTreeMap<K, u64>, stored: &BTreeMap<K, u64>, what: &str, verdict: &mut Verdict) {
    let keys: BTreeSet<&K> = sent.keys().chain(stored.keys()).collect();
    let count = |counts: &BTreeMap<K, u64>, key: &K| counts.get(key).copied().unwrap_or_default();
    let wrong: Vec<String> = keys
        .into_iter()
        .map(|key| (key, count(sent, key), count(stored, key)))
        .filter(|(_, sent, stored)| sent != stored)
        .inspect(|(_, sent, stored)| {
            verdict.lost += sent.saturating_sub(*stored);
            verdict.doubled += stored.saturating_sub(*sent);
        })
        .map(|(key, sent, stored)| format!("{what} {key:?}: {sent} sent, {stored} stored"))
        .collect();
    verdict.tell("sums differ", &wrong);
}

/// Each partition's books close, and reach the end of what lies in it.
fn books(export: &Export, ends: &BTreeMap<(String, i32), i64>, verdict: &mut Verdict) {
    let mut open = Vec::new();
    let mut booked = BTreeSet::new();
    for row in export.of_kind("ledger") {
        let sum = |name: &str| number(&row["sums"], name);
        let key = (text(&row["partition"], "topic").to_owned(), number(&row["partition"], "partition") as i32);
        let offsets = number(row, "next_offset") - number(row, "first_offset");
        let closes = sum("records_read") == sum("records_decoded") + sum("records_seen_before") + sum("records_rejected")
            && sum("items_decoded") == sum("items_stored") + sum("items_folded") + sum("items_seen_before")
            && offsets == sum("records_decoded") + sum("records_rejected") + sum("absent") + sum("missed");
        let is_ours = ends.get(&key).is_none_or(|end| number(row, "next_offset") == *end && number(row, "first_offset") == 0);
        if !closes || !is_ours || sum("missed") > 0 || sum("records_rejected") > 0 {
            open.push(format!("{row}, the partition ends at {:?}", ends.get(&key)));
        }
        booked.insert(key);
    }
    let missing: Vec<_> = ends.keys().filter(|key| !booked.contains(*key)).collect();
    verdict.tell("books that do not close", &open);
    verdict.tell("partitions without books", &missing);
}

impl Verdict {
    fn tell(&mut self, what: &str, cases: &[impl std::fmt::Debug]) {
        if !cases.is_empty() {
            self.problems.push(format!("{} {what}: {:?}", cases.len(), &cases[..cases.len().min(SHOWN)]));
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_default()
}

/// Pushes and builds of the numbered repository.
fn is_of_forge(event: &Value) -> bool {
    text(event, "source_id").starts_with("shop/numbered/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: &str) -> Value {
        json!({ "kind": "event", "value": { "service": "numbered-manual", "source_id": id, "event_type": "note" } })
    }

    fn fold(count: u64) -> Value {
        json!({ "kind": "event", "value": { "service": "counted-1", "title": "failed", "event_type": "error_burst", "count": count } })
    }

    fn row(read: u64, decoded: u64, next_offset: i64) -> Value {
        let sums = json!({ "records_read": read, "records_decoded": decoded, "records_seen_before": 0, "records_rejected": 0, "absent": 1,
            "missed": 0, "items_decoded": decoded, "items_stored": decoded, "items_folded": 0, "items_seen_before": 0 });
        let partition = json!({ "topic": "t", "partition": 0 });
        json!({ "kind": "ledger", "value": { "partition": partition, "first_offset": 0, "next_offset": next_offset, "sums": sums } })
    }

    fn judged(lines: &[Value]) -> Verdict {
        let mut sent = Sent::default();
        sent.once.extend(["a".to_owned(), "b".to_owned()]);
        sent.never.insert("aborted".to_owned());
        sent.at_most_once.insert("maybe".to_owned());
        sent.failures.insert(("counted-1".to_owned(), "failed".to_owned()), 7);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        judge(&Export::parse(&text), &sent, &BTreeMap::from([(("t".to_owned(), 0), 3)]))
    }

    #[test]
    fn what_is_as_it_was_sent_is_no_problem() {
        for more in [vec![], vec![event("maybe")]] {
            let mut lines = vec![event("a"), event("b"), fold(3), fold(4), row(2, 2, 3)];
            lines.extend(more);
            let verdict = judged(&lines);
            assert_eq!((verdict.lost, verdict.doubled, verdict.problems), (0, 0, Vec::<String>::new()));
        }
    }

    #[test]
    fn each_thing_that_can_be_wrong_is_noticed() {
        let good = [event("a"), event("b"), fold(7), row(2, 2, 3)];
        let with = |index: usize, other: Option<Value>| {
            let mut lines = good.to_vec();
            lines.remove(index);
            lines.extend(other);
            judged(&lines)
        };
        let and = |other: Value| judged(&[good.as_slice(), &[other]].concat());
        assert_eq!(with(0, None).lost, 1);
        assert_eq!(and(event("a")).doubled, 1);
        assert_eq!(with(2, Some(fold(6))).lost, 1);
        assert_eq!(with(2, Some(fold(9))).doubled, 2);
        for verdict in
            [and(event("aborted")), and(event("strange")), with(3, None), with(3, Some(row(3, 2, 3))), with(3, Some(row(1, 1, 2)))]
        {
            assert_eq!(verdict.problems.len(), 1, "{:?}", verdict.problems);
        }
    }
}
