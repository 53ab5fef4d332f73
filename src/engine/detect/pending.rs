//! Counts of one entity in one bucket that is still open. Nothing here depends on the order of arrival.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::{CallSums, EdgeSums, ShapeKey};
use super::input::BatchInfo;
use super::limits::{
    MAX_CALLERS, MAX_EDGES, MAX_EXEMPLARS, MAX_OPERATIONS, MAX_ORDERED_LINES, MAX_REQUEST_SERIES, MAX_SERIES, MAX_SHAPES, MAX_WAITS,
};
use super::metric::{SeriesKey, SeriesPoints};
use super::requests::{RequestPoints, RequestSeries};
use super::slow;
use super::wait::WaitCount;
use crate::model::observation::{LogLine, LogText, MetricPoint, PointKind};
use crate::model::position::Position;
use crate::model::{EntityKey, Severity, Symbol, Timestamp};

/// Error templates told apart while a bucket is open.
const MAX_OPEN_ERRORS: usize = 500;

/// Exact counts of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceCount {
    pub items: u64,
    pub failing: u64,
    pub late: u64,
}

/// A log line kept as an example, with where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exemplar {
    pub hash: u64,
    pub at: Timestamp,
    pub host: Symbol,
    pub trace: u128,
    pub span: u64,
    pub text: LogText,
    pub connector: String,
    pub position: Option<Position>,
    pub item: u32,
    pub format: String,
}

/// Equal error lines, folded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorFold {
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    pub severity: Severity,
    /// Those with the smallest hash, ordered by it.
    pub exemplars: Vec<Exemplar>,
}

/// A line without a trace, to be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamLine {
    pub at: Timestamp,
    pub order: (u64, i64, u32),
    pub template: Symbol,
}

/// Cases of one context: traces, and in how many each template followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShapeCount {
    pub cases: u32,
    pub next: BTreeMap<Symbol, u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HopCount {
    pub cases: u32,
    pub failed: u32,
    pub gaps: BTreeMap<u16, u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationCount {
    /// Traces that entered here, and those with a failed request.
    pub cases: u32,
    pub failed_cases: u32,
    /// Traces among them that lack spans.
    pub torn_cases: u32,
    pub requests: u64,
    pub failed: u64,
    pub duration_ns: u64,
    /// Own time a trace.
    pub own: BTreeMap<u16, u32>,
    pub message: Option<Box<str>>,
}

/// All of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub logs: SourceCount,
    pub metrics: SourceCount,
    pub traces: SourceCount,
    pub errors: BTreeMap<Symbol, ErrorFold>,
    /// Lines without a trace by host.
    pub streams: BTreeMap<Symbol, Vec<StreamLine>>,
    pub stream_lines: u32,
    pub shapes: BTreeMap<ShapeKey, ShapeCount>,
    pub hop: HopCount,
    /// Calls that were answered without a server span.
    pub unseen: HopCount,
    /// Time between client and server by caller, as a log histogram.
    pub hops_from: BTreeMap<EntityKey, BTreeMap<u16, u32>>,
    pub operations: BTreeMap<Symbol, OperationCount>,
    pub edges: BTreeMap<EntityKey, EdgeSums>,
    pub waits: BTreeMap<EntityKey, WaitCount>,
    pub points: BTreeMap<SeriesKey, SeriesPoints>,
    pub requests: BTreeMap<RequestSeries, RequestPoints>,
}

/// The entry of `key`, if it belongs to the `limit` smallest keys: which ones are kept does not depend on order.
fn bounded<K: Ord + Copy, V: Default>(map: &mut BTreeMap<K, V>, key: K, limit: usize) -> Option<&mut V> {
    if map.len() >= limit && !map.contains_key(&key) {
        match map.last_key_value() {
            Some((last, _)) if *last > key => {
                map.pop_last();
            }
            _ => return None,
        }
    }
    Some(map.entry(key).or_default())
}

impl Pending {
    pub fn count_line(&mut self, line: LogLine, at: Timestamp, late: bool, batch: &BatchInfo) {
        self.logs.items += 1;
        self.logs.late += u64::from(late);
        if line.trace.is_none() {
            self.order(&line, at, batch);
        }
        if line.severity >= Severity::High {
            self.logs.failing += 1;
            self.fold_error(line, at, batch);
        }
    }

    fn order(&mut self, line: &LogLine, at: Timestamp, batch: &BatchInfo) {
        self.stream_lines = self.stream_lines.saturating_add(1);
        if self.stream_lines > MAX_ORDERED_LINES {
            self.streams = BTreeMap::new();
            return;
        }
        let (partition, offset) = batch.order(line.record);
        self.streams.entry(line.host).or_default().push(StreamLine { at, order: (partition, offset, line.item), template: line.template });
    }

    fn fold_error(&mut self, line: LogLine, at: Timestamp, batch: &BatchInfo) {
        let fresh = || ErrorFold { count: 0, first: at, last: at, severity: line.severity, exemplars: Vec::new() };
        let key = self.error_key(line.template);
        self.errors.entry(key).or_insert_with(fresh).add(line, at, batch);
    }

    /// Under which template an error line is counted. The largest keys are folded together under none, whichever came first.
    fn error_key(&mut self, template: Symbol) -> Symbol {
        if self.errors.len() < MAX_OPEN_ERRORS || self.errors.contains_key(&template) {
            return template;
        }
        match self.errors.last_key_value() {
            Some((last, _)) if *last > template => {
                if let Some((_, displaced)) = self.errors.pop_last() {
                    match self.errors.get_mut(&Symbol::NONE) {
                        Some(kept) => kept.merge(displaced),
                        None => drop(self.errors.insert(Symbol::NONE, displaced)),
                    }
                }
                template
            }
            _ => Symbol::NONE,
        }
    }

    pub fn count_span(&mut self, failed: bool, late: bool) {
        self.traces.items += 1;
        self.traces.failing += u64::from(failed);
        self.traces.late += u64::from(late);
    }

    pub fn count_point(&mut self, point: &MetricPoint, at: Timestamp, late: bool) {
        self.metrics.items += 1;
        self.metrics.late += u64::from(late);
        if let Some(count) = &point.requests {
            let key = RequestSeries::of(point.metric, point.series, count);
            if let Some(points) = bounded(&mut self.requests, key, MAX_REQUEST_SERIES) {
                points.add(at, count);
            }
            return;
        }
        // Nothing was measured: its 0 is no value, and no series begins with it.
        if point.kind == PointKind::Empty {
            return;
        }
        let key = SeriesKey { host: point.host, metric: point.metric, series: point.series };
        if self.points.len() >= MAX_SERIES && !self.points.contains_key(&key) {
            match self.points.last_key_value() {
                Some((last, _)) if *last > key => {
                    self.points.pop_last();
                }
                _ => return,
            }
        }
        self.points.entry(key).or_insert_with(|| SeriesPoints::new(point.kind, point.unit)).add(at, point.value);
    }

    pub fn count_shape(&mut self, key: ShapeKey, next: &[Symbol]) {
        let Some(shape) = bounded(&mut self.shapes, key, MAX_SHAPES) else { return };
        shape.cases += 1;
        for template in next {
            *shape.next.entry(*template).or_default() += 1;
        }
    }

    pub fn count_hop(&mut self, gap_ns: u64, failed: bool, unseen: bool) {
        let hop = if unseen { &mut self.unseen } else { &mut self.hop };
        hop.cases += 1;
        hop.failed += u32::from(failed);
        *hop.gaps.entry(slow::bin_of(gap_ns)).or_default() += 1;
    }

    pub fn count_hop_from(&mut self, caller: EntityKey, gap_ns: u64) {
        if let Some(gaps) = bounded(&mut self.hops_from, caller, MAX_CALLERS) {
            *gaps.entry(slow::bin_of(gap_ns)).or_default() += 1;
        }
    }

    pub fn count_calls(&mut self, operation: Symbol, sums: CallSums) {
        let Some(count) = bounded(&mut self.operations, operation, MAX_OPERATIONS) else { return };
        if sums.requests > 0 {
            count.cases += 1;
            count.failed_cases += u32::from(sums.failed > 0);
            count.torn_cases += u32::from(sums.torn);
        }
        count.requests += u64::from(sums.requests);
        count.failed += u64::from(sums.failed);
        count.duration_ns = count.duration_ns.saturating_add(sums.duration_ns);
        *count.own.entry(slow::bin_of(sums.own_ns)).or_default() += 1;
        if let Some(message) = sums.message
            && count.message.as_ref().is_none_or(|kept| message < *kept)
        {
            count.message = Some(message);
        }
    }

    pub fn count_edge(&mut self, callee: EntityKey, sums: EdgeSums) {
        let Some(edge) = bounded(&mut self.edges, callee, MAX_EDGES) else { return };
        edge.calls += sums.calls;
        edge.failed += sums.failed;
        edge.duration_ns = edge.duration_ns.saturating_add(sums.duration_ns);
    }

    pub fn count_wait(&mut self, callee: EntityKey, took_ns: u64, unanswered: bool) {
        if let Some(wait) = bounded(&mut self.waits, callee, MAX_WAITS) {
            wait.add(took_ns, unanswered);
        }
    }

    /// Takes in what was counted for another service: exact counts and error lines. What is told apart by operation, series or
    /// callee has no meaning for both together.
    pub fn take_in(&mut self, other: Self) {
        for (mine, theirs) in [(&mut self.logs, other.logs), (&mut self.metrics, other.metrics), (&mut self.traces, other.traces)] {
            mine.items += theirs.items;
            mine.failing += theirs.failing;
            mine.late += theirs.late;
        }
        for (template, fold) in other.errors {
            let key = self.error_key(template);
            match self.errors.entry(key) {
                std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(fold),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(fold);
                }
            }
        }
    }

    /// Adds the counts of an earlier bucket that never closed by itself; its items count as late here.
    pub fn merge_late(&mut self, other: Self) {
        for (mine, theirs) in [(&mut self.logs, other.logs), (&mut self.metrics, other.metrics), (&mut self.traces, other.traces)] {
            mine.items += theirs.items;
            mine.failing += theirs.failing;
            mine.late += theirs.items;
        }
        for (template, fold) in other.errors {
            match self.errors.entry(template) {
                std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(fold),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(fold);
                }
            }
        }
        for (key, points) in other.points {
            let mine = self.points.entry(key).or_insert_with(|| SeriesPoints::new(points.kind, points.unit));
            points.points.into_iter().for_each(|(at, value)| mine.add(at, value));
        }
        for (key, points) in other.requests {
            self.requests.entry(key).or_default().merge(points);
        }
    }
}

impl HopCount {
    /// Both together.
    pub fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.cases += other.cases;
        both.failed += other.failed;
        for (bin, count) in &other.gaps {
            *both.gaps.entry(*bin).or_default() += count;
        }
        both
    }
}

impl ErrorFold {
    fn add(&mut self, line: LogLine, at: Timestamp, batch: &BatchInfo) {
        self.count += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.severity = self.severity.max(line.severity);
        let (partition, offset) = batch.order(line.record);
        let hash = exemplar_hash(partition, offset, line.item);
        if self.exemplars.len() >= MAX_EXEMPLARS && self.exemplars.last().is_some_and(|largest| largest.hash <= hash) {
            return;
        }
        let exemplar = Exemplar {
            hash,
            at,
            host: line.host,
            trace: line.trace.0,
            span: line.span.0,
            text: line.text.map(|text| *text).unwrap_or_default(),
            connector: batch.records.connector.to_string(),
            position: batch.position(line.record),
            item: line.item,
            format: batch.format(line.record).to_owned(),
        };
        self.keep(exemplar);
    }

    fn keep(&mut self, exemplar: Exemplar) {
        let index = self.exemplars.partition_point(|kept| kept.hash < exemplar.hash);
        self.exemplars.insert(index, exemplar);
        self.exemplars.truncate(MAX_EXEMPLARS);
    }

    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.severity = self.severity.max(other.severity);
        other.exemplars.into_iter().for_each(|exemplar| self.keep(exemplar));
    }
}

fn exemplar_hash(partition: u64, offset: i64, item: u32) -> u64 {
    let mut bytes = [0u8; 20];
    bytes[..8].copy_from_slice(&partition.to_le_bytes());
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[16..].copy_from_slice(&item.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::symbol;

    #[test]
    fn a_point_that_measured_nothing_is_counted_and_is_no_value() {
        let point = |kind, value| MetricPoint {
            record: 0,
            item: 0,
            timestamp: Timestamp::from_seconds(1),
            entity: EntityKey { environment: symbol("prod"), service: symbol("cart") },
            host: Symbol::NONE,
            metric: symbol("queue_length"),
            unit: Symbol::NONE,
            series: 7,
            kind,
            value,
            requests: None,
        };
        let mut pending = Pending::default();
        pending.count_point(&point(PointKind::Empty, 0.0), Timestamp::from_seconds(1), false);
        assert!(pending.points.is_empty());
        pending.count_point(&point(PointKind::Gauge, 40.0), Timestamp::from_seconds(2), false);
        pending.count_point(&point(PointKind::Empty, 0.0), Timestamp::from_seconds(3), false);
        let levels: Vec<_> = pending.points.values().filter_map(SeriesPoints::level).collect();
        assert_eq!(levels, [(Timestamp::from_seconds(2), 40.0)]);
        assert_eq!(pending.metrics.items, 3);
    }
}
