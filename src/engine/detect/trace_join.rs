//! Joins spans and log lines of traces, drops duplicates, and lets finished traces go as features.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::DetectOptions;
use super::features::{self, TraceLine, TraceSpan};
use super::input::{BatchInfo, DetectorInput, SeenBefore, ShardInput, SpanCount};
use super::keyed_state::{Changed, InPieces, KeyedState};
use super::limits::{FINISHED_BUCKETS, MAX_TRACE_ITEMS, TRACE_GRACE_S, TRACE_IDLE_S};
use super::probe::{InHand, Step};
use crate::model::event::truncate;
use crate::model::observation::{LogLine, Span, TraceId};
use crate::model::snapshot::{Encode, StateEntry};
use crate::model::{Bucket, Timestamp};

/// A trace still open, or finished so lately that duplicates and stragglers of it may come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Trace {
    spans: Vec<TraceSpan>,
    lines: Vec<TraceLine>,
    /// Content hashes of its items that name a span.
    seen: BTreeSet<u64>,
    /// Longer than the limit: counted, but without features.
    overlong: bool,
    finished: Option<Bucket>,
}

impl Trace {
    fn items(&self) -> usize {
        self.spans.len() + self.lines.len()
    }

    /// When it finishes, judged by what happened before `end`: its root's end and the grace, or idle.
    fn finish_before(&self, end: Timestamp) -> Option<Timestamp> {
        let ends = self.spans.iter().filter(|span| span.end < end);
        let root = ends.clone().filter(|span| span.parent.is_none()).map(|span| span.end).max();
        let newest = ends.map(|span| span.end).chain(self.lines.iter().map(|line| line.timestamp).filter(|at| *at < end)).max()?;
        let at = match root {
            Some(root) => root.plus_seconds(TRACE_GRACE_S).min(newest.plus_seconds(TRACE_IDLE_S)),
            None => newest.plus_seconds(TRACE_IDLE_S),
        };
        (at < end).then_some(at)
    }
}

/// Joins spans and log lines of traces.
#[derive(Debug, Default)]
pub struct TraceJoin {
    max_items: usize,
    traces: KeyedState<TraceId, Trace>,
    /// Finished traces by the bucket in which they are forgotten.
    forget: BTreeMap<Bucket, Vec<TraceId>>,
    open_items: usize,
    evicted_traces: u64,
    in_hand: InHand,
}

impl TraceJoin {
    pub fn new(options: &DetectOptions) -> Self {
        Self { max_items: options.max_trace_items as usize, in_hand: InHand::of(Step::Join, options), ..Self::default() }
    }

    /// The record that is being joined.
    pub const fn in_hand(&self) -> &InHand {
        &self.in_hand
    }

    pub const fn max_items(&self) -> usize {
        self.max_items
    }

    /// Traces let go unfinished because too many were open.
    pub fn evicted_traces(&self) -> u64 {
        self.evicted_traces
    }

    pub fn open_traces(&self) -> usize {
        self.traces.len()
    }

    /// Keeps traced items for their traces and passes what was not seen before on for counting.
    pub fn observe(&mut self, input: ShardInput) -> DetectorInput {
        let Some(batch) = input.batch else { return DetectorInput { definitions: input.definitions, ..DetectorInput::default() } };
        let mut seen_before = vec![0u64; batch.records.partitions.len()];
        let mut drop_one = |record: u32| {
            if let Some(count) = batch.partition_of(record).and_then(|partition| seen_before.get_mut(usize::from(partition))) {
                *count += 1;
            }
        };
        self.in_hand.batch(&batch);
        let mut logs = input.logs;
        logs.retain(|line| {
            self.in_hand.record(line.record);
            let fresh = line.trace.is_none() || self.keep_line(line, &batch);
            if !fresh {
                drop_one(line.record);
            }
            fresh
        });
        let mut spans = Vec::with_capacity(input.spans.len());
        for span in input.spans {
            self.in_hand.record(span.record);
            let count = SpanCount { record: span.record, end: span.end, entity: span.entity, failed: span.failed };
            if span.trace.is_none() || self.keep_span(span, &batch) {
                spans.push(count);
            } else {
                drop_one(count.record);
            }
        }
        self.in_hand.nothing();
        let dropped = batch.records.partitions.iter().zip(seen_before).filter(|(_, items)| *items > 0);
        let seen_before = dropped
            .map(|(partition, items)| SeenBefore {
                connector: Arc::clone(&batch.records.connector),
                partition: partition.key.clone(),
                items,
            })
            .collect();
        DetectorInput {
            definitions: input.definitions,
            logs,
            points: input.points,
            spans,
            features: Vec::new(),
            seen_before,
            batch: Some(batch),
        }
    }

    fn trace(&mut self, id: TraceId) -> &mut Trace {
        self.traces.edit(id, Trace::default)
    }

    /// False when the line was seen before.
    fn keep_line(&mut self, line: &LogLine, batch: &BatchInfo) -> bool {
        let trace = self.trace(line.trace);
        if !line.span.is_none() && !trace.seen.insert(hash_of_line(line, batch)) {
            return false;
        }
        if trace.finished.is_none() && !trace.overlong {
            let (partition, offset) = batch.order(line.record);
            trace.lines.push(TraceLine {
                timestamp: batch.booked_at(line.record, line.timestamp),
                order: (partition, offset, line.item),
                entity: line.entity,
                span: line.span,
                template: line.template,
            });
            self.count_item(line.trace);
        }
        true
    }

    /// False when the span was seen before.
    fn keep_span(&mut self, span: Span, batch: &BatchInfo) -> bool {
        let id = span.trace;
        let trace = self.trace(id);
        if !span.span.is_none() && !trace.seen.insert(hash_of_span(&span)) {
            return false;
        }
        if trace.finished.is_none() && !trace.overlong {
            let end = batch.booked_at(span.record, span.end);
            trace.spans.push(TraceSpan {
                span: span.span,
                parent: span.parent,
                start: span.start.min(end),
                end,
                entity: span.entity,
                operation: span.operation,
                peer: span.peer,
                kind: span.kind,
                failed: span.failed,
                message: span.message.map(|message| truncate(&message, 300).into_boxed_str()),
            });
            self.count_item(id);
        }
        true
    }

    fn count_item(&mut self, id: TraceId) {
        self.open_items += 1;
        let trace = self.trace(id);
        if trace.items() > MAX_TRACE_ITEMS {
            let items = trace.items();
            // The last visible item decides when it ends; one of each kind is enough for that.
            trace.overlong = true;
            trace.spans.truncate(1);
            trace.lines.truncate(1);
            self.open_items = self.open_items.saturating_sub(items - self.traces.get(id).map_or(0, Trace::items));
        }
    }

    /// Finishes traces up to the end of `bucket`; their features are booked into it.
    pub fn close(&mut self, bucket: Bucket) -> DetectorInput {
        let mut due: Vec<TraceId> = self
            .traces
            .iter()
            .filter(|(_, trace)| trace.finished.is_none() && trace.finish_before(bucket.end()).is_some())
            .map(|(id, _)| id)
            .collect();
        due.sort_unstable();
        let mut features = Vec::new();
        for id in due {
            features.extend(self.finish(id, bucket).into_iter().map(|feature| (bucket, feature)));
        }
        self.forget_finished(bucket);
        self.evict();
        DetectorInput { features, ..DetectorInput::default() }
    }

    fn finish(&mut self, id: TraceId, bucket: Bucket) -> Vec<features::Feature> {
        let end = bucket.end();
        let trace = self.trace(id);
        let (mut spans, mut lines) = (std::mem::take(&mut trace.spans), std::mem::take(&mut trace.lines));
        trace.finished = Some(bucket);
        let overlong = trace.overlong;
        self.open_items = self.open_items.saturating_sub(spans.len() + lines.len());
        self.forget.entry(Bucket(bucket.0 + FINISHED_BUCKETS)).or_default().push(id);
        if overlong {
            return Vec::new();
        }
        // What lies beyond the bucket may or may not have been read yet: it never counts.
        spans.retain(|span| span.end < end);
        lines.retain(|line| line.timestamp < end);
        features::of_trace(spans, lines)
    }

    fn forget_finished(&mut self, bucket: Bucket) {
        let keep = self.forget.split_off(&Bucket(bucket.0 + 1));
        for id in std::mem::replace(&mut self.forget, keep).into_values().flatten() {
            self.traces.remove(id);
        }
    }

    /// Lets the stalest open traces go until the rest fits.
    fn evict(&mut self) {
        if self.open_items <= self.max_items {
            return;
        }
        let newest = |trace: &Trace| trace.spans.iter().map(|span| span.end).chain(trace.lines.iter().map(|line| line.timestamp)).max();
        let mut open: Vec<_> =
            self.traces.iter().filter(|(_, trace)| trace.finished.is_none()).map(|(id, trace)| (newest(trace), id)).collect();
        open.sort_unstable();
        for (_, id) in open {
            if self.open_items <= self.max_items {
                break;
            }
            if let Some(trace) = self.traces.remove(id) {
                self.open_items = self.open_items.saturating_sub(trace.items());
                self.evicted_traces += 1;
            }
        }
    }

    /// Takes back one entry of a snapshot.
    pub fn restore(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let id: [u8; 16] = key.try_into().map_err(|_| format!("trace state: key of {} bytes instead of 16", key.len()))?;
        let id = TraceId(u128::from_be_bytes(id));
        let trace: Trace = postcard::from_bytes(value).map_err(|error| format!("trace state: {error}"))?;
        match trace.finished {
            Some(bucket) => self.forget.entry(Bucket(bucket.0 + FINISHED_BUCKETS)).or_default().push(id),
            None => self.open_items += trace.items(),
        }
        self.traces.restore(id, trace);
        Ok(())
    }
}

impl InPieces for TraceJoin {
    fn freeze(&mut self) {
        self.traces.freeze();
    }

    fn hand_over(&mut self, at_most: usize) -> (Vec<StateEntry>, bool) {
        let (piece, whole) = self.traces.hand_over(at_most);
        let entry = |(id, trace): Changed<TraceId, Trace>| StateEntry {
            key: id.0.to_be_bytes().to_vec(),
            value: trace.map(|trace| trace as Arc<dyn Encode>),
        };
        (piece.into_iter().map(entry).collect(), whole)
    }
}

fn hash_of_span(span: &Span) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(b"span");
    for part in [span.span.0, span.parent.0, span.entity.service.0, span.operation.0, span.kind as u64] {
        hash.update(&part.to_le_bytes());
    }
    hash.update(&span.start.nanos().to_le_bytes());
    hash.update(&span.end.nanos().to_le_bytes());
    hash.digest()
}

/// Equal for equal lines. Where the clock is coarser than a microsecond, lines of one template may share an instant
/// and still differ: there the record's bytes decide too.
fn hash_of_line(line: &LogLine, batch: &BatchInfo) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(b"line");
    for part in [line.span.0, line.entity.service.0, line.template.0, line.host.0, line.severity as u64] {
        hash.update(&part.to_le_bytes());
    }
    hash.update(&line.timestamp.nanos().to_le_bytes());
    if let Some(text) = &line.text {
        hash.update(text.message.as_bytes());
    }
    if line.timestamp.nanos() % 1_000 == 0 {
        hash.update(&batch.content_hash(line.record).to_le_bytes());
        hash.update(&line.item.to_le_bytes());
    }
    hash.digest()
}
