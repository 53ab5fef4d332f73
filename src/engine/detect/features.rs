//! A finished trace → facts that do not depend on when or in which order its items came. Pure.
//!
//! A trace counts once per context, whatever loops it has: repeated calls inside one request are not independent cases.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::observation::{SpanId, SpanKind};
use crate::model::{EntityKey, Symbol, Timestamp, symbol};

/// A span as the join keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceSpan {
    pub span: SpanId,
    pub parent: SpanId,
    pub start: Timestamp,
    pub end: Timestamp,
    pub entity: EntityKey,
    pub operation: Symbol,
    pub peer: Symbol,
    pub kind: SpanKind,
    pub failed: bool,
    /// Of a failed span, at most 300 characters.
    pub message: Option<Box<str>>,
}

/// A log line as the join keeps it. Ordered by time, then by where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TraceLine {
    pub timestamp: Timestamp,
    pub order: (u64, i64, u32),
    pub entity: EntityKey,
    pub span: SpanId,
    pub template: Symbol,
}

/// Where a log-shape share belongs: what came before, in which operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShapeKey {
    /// Operation of the span; [`Symbol::NONE`] where lines have no span.
    pub scope: Symbol,
    pub previous: Symbol,
    /// False for lines without a trace id, ordered by time instead.
    pub traced: bool,
}

/// Calls of one operation of a service inside one trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallSums {
    pub requests: u32,
    pub failed: u32,
    pub duration_ns: u64,
    /// Time spent inside the service itself.
    pub own_ns: u64,
    pub message: Option<Box<str>>,
    /// Nothing failed in the trace, yet a parent is missing: spans were lost.
    pub torn: bool,
}

/// Calls along one edge, as the caller saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeSums {
    pub calls: u64,
    pub failed: u64,
    pub duration_ns: u64,
}

/// One fact of one finished trace about one entity.
#[derive(Clone, Debug, PartialEq)]
pub enum Feature {
    /// Distinct templates that followed in this context.
    Shape {
        entity: EntityKey,
        key: ShapeKey,
        next: Vec<Symbol>,
    },
    /// Mean time between client and server spans of calls into this entity, and whether a call failed on the way.
    Hop {
        callee: EntityKey,
        gap_ns: u64,
        failed: bool,
        /// Answered, without a server span.
        unseen: bool,
    },
    /// The same of the calls of one caller.
    HopFrom {
        callee: EntityKey,
        caller: EntityKey,
        gap_ns: u64,
    },
    /// Calls of an operation; `Symbol::NONE` for calls that only the caller saw.
    Calls {
        entity: EntityKey,
        operation: Symbol,
        sums: CallSums,
    },
    Edge {
        caller: EntityKey,
        callee: EntityKey,
        sums: EdgeSums,
    },
    /// How long the caller waited for a callee: the longest call, or the longest of those that failed without an answer.
    Wait {
        caller: EntityKey,
        callee: EntityKey,
        took_ns: u64,
        unanswered: bool,
    },
}

impl Feature {
    /// The entity whose detector counts it.
    pub fn entity(&self) -> EntityKey {
        match self {
            Self::Shape { entity, .. } | Self::Calls { entity, .. } => *entity,
            Self::Hop { callee, .. } | Self::HopFrom { callee, .. } => *callee,
            Self::Edge { caller, .. } | Self::Wait { caller, .. } => *caller,
        }
    }
}

/// Stands for the start of a span.
pub fn start_symbol() -> Symbol {
    symbol("^")
}

/// Stands for the end of a span.
pub fn end_symbol() -> Symbol {
    symbol("$")
}

fn duration_ns(span: &TraceSpan) -> u64 {
    u64::try_from(span.end.nanos().saturating_sub(span.start.nanos())).unwrap_or(0)
}

/// Ordered: what went unanswered counts before what lasted longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct WaitSums {
    unanswered: bool,
    took_ns: u64,
}

#[derive(Default)]
struct HopSums {
    gap_ns: u64,
    calls: u64,
    failed: bool,
}

/// Accumulates the features of one trace.
#[derive(Default)]
struct Collector {
    shapes: BTreeMap<(EntityKey, ShapeKey), BTreeSet<Symbol>>,
    /// By callee, and whether without server spans.
    hops: BTreeMap<(EntityKey, bool), HopSums>,
    /// By callee and caller.
    hops_from: BTreeMap<(EntityKey, EntityKey), HopSums>,
    calls: BTreeMap<(EntityKey, Symbol), CallSums>,
    edges: BTreeMap<(EntityKey, EntityKey), EdgeSums>,
    waits: BTreeMap<(EntityKey, EntityKey), WaitSums>,
}

/// Features of a whole trace. `spans` and `lines` may come in any order.
pub fn of_trace(mut spans: Vec<TraceSpan>, mut lines: Vec<TraceLine>) -> Vec<Feature> {
    spans.sort_by_key(|span| (span.span, span.start, span.end, span.entity));
    lines.sort_unstable();
    let by_id: BTreeMap<SpanId, usize> = spans.iter().enumerate().map(|(index, span)| (span.span, index)).collect();
    let mut children: BTreeMap<SpanId, Vec<usize>> = BTreeMap::new();
    for (index, span) in spans.iter().enumerate() {
        if span.parent != span.span {
            children.entry(span.parent).or_default().push(index);
        }
    }
    let mut collector = Collector::default();
    for (index, span) in spans.iter().enumerate() {
        let kids = children.get(&span.span).map(Vec::as_slice).unwrap_or_default();
        let remote = collector.calls_out(span, kids, &spans);
        let entry = entry_of(index, &spans, &by_id);
        collector.own_time(span, kids, &spans, &spans[entry], remote);
        if entry == index {
            collector.entry(span);
        }
    }
    collector.log_shapes(&lines, &spans, &by_id);
    collector.into_features(is_torn(&spans, &by_id))
}

/// True when nothing failed and a parent is missing. One may: that of the whole trace, when it began where nobody writes spans.
fn is_torn(spans: &[TraceSpan], by_id: &BTreeMap<SpanId, usize>) -> bool {
    let roots = spans.iter().filter(|span| span.parent.is_none()).count();
    let orphans = spans.iter().filter(|span| !span.parent.is_none() && !by_id.contains_key(&span.parent)).count();
    orphans > usize::from(roots == 0) && !spans.iter().any(|span| span.failed)
}

/// First span of the service's part of the trace that `index` lies in. Cycles end the walk.
fn entry_of(index: usize, spans: &[TraceSpan], by_id: &BTreeMap<SpanId, usize>) -> usize {
    let mut entry = index;
    for _ in 0..spans.len() {
        match by_id.get(&spans[entry].parent) {
            Some(&parent) if parent != entry && spans[parent].entity == spans[entry].entity => entry = parent,
            _ => return entry,
        }
    }
    index
}

impl Collector {
    /// Hops and edges out of a span. True when it calls another service.
    fn calls_out(&mut self, span: &TraceSpan, kids: &[usize], spans: &[TraceSpan]) -> bool {
        let mut remote = false;
        for child in kids.iter().map(|&kid| &spans[kid]).filter(|child| child.entity != span.entity) {
            remote = true;
            let gap_ns = duration_ns(span).saturating_sub(duration_ns(child));
            let is_client = matches!(span.kind, SpanKind::Client | SpanKind::Producer);
            self.hop((child.entity, false), span.entity, gap_ns, is_client && span.failed && !child.failed);
            let failed = child.failed || (is_client && span.failed);
            self.edge(span.entity, child.entity, failed, if is_client { duration_ns(span) } else { duration_ns(child) });
            if span.kind == SpanKind::Client {
                self.wait(span, child.entity, span.failed && (!child.failed || child.end > span.end));
            }
        }
        let unseen = !remote && matches!(span.kind, SpanKind::Client | SpanKind::Producer) && !span.peer.is_none();
        if unseen && span.peer != span.entity.service {
            let callee = EntityKey { environment: span.entity.environment, service: span.peer };
            self.hop((callee, !span.failed), span.entity, duration_ns(span), span.failed);
            self.edge(span.entity, callee, span.failed, duration_ns(span));
            if span.kind == SpanKind::Client {
                self.wait(span, callee, span.failed);
            }
            let sums = self.calls.entry((callee, Symbol::NONE)).or_default();
            sums.requests += 1;
            sums.failed += u32::from(span.failed);
            sums.duration_ns = sums.duration_ns.saturating_add(duration_ns(span));
            sums.own_ns = sums.own_ns.saturating_add(duration_ns(span));
            keep_message(sums, span);
            return true;
        }
        remote
    }

    fn hop(&mut self, key: (EntityKey, bool), caller: EntityKey, gap_ns: u64, failed: bool) {
        for hop in [self.hops.entry(key).or_default(), self.hops_from.entry((key.0, caller)).or_default()] {
            hop.gap_ns = hop.gap_ns.saturating_add(gap_ns);
            hop.calls += 1;
            hop.failed |= failed;
        }
    }

    fn edge(&mut self, caller: EntityKey, callee: EntityKey, failed: bool, duration_ns: u64) {
        let edge = self.edges.entry((caller, callee)).or_default();
        edge.calls += 1;
        edge.failed += u64::from(failed);
        edge.duration_ns = edge.duration_ns.saturating_add(duration_ns);
    }

    fn wait(&mut self, span: &TraceSpan, callee: EntityKey, unanswered: bool) {
        let wait = self.waits.entry((span.entity, callee)).or_default();
        *wait = (*wait).max(WaitSums { unanswered, took_ns: duration_ns(span) });
    }

    /// Time of spans that wait for nobody, booked on the operation through which the service was entered.
    fn own_time(&mut self, span: &TraceSpan, kids: &[usize], spans: &[TraceSpan], entry: &TraceSpan, remote: bool) {
        if remote {
            return;
        }
        let below: u64 = kids.iter().map(|&kid| duration_ns(&spans[kid])).fold(0, u64::saturating_add);
        let sums = self.calls.entry((entry.entity, entry.operation)).or_default();
        sums.own_ns = sums.own_ns.saturating_add(duration_ns(span).saturating_sub(below));
    }

    fn entry(&mut self, span: &TraceSpan) {
        let sums = self.calls.entry((span.entity, span.operation)).or_default();
        sums.requests += 1;
        sums.failed += u32::from(span.failed);
        sums.duration_ns = sums.duration_ns.saturating_add(duration_ns(span));
        keep_message(sums, span);
    }

    /// Which template follows which inside each span; a span without lines ends at its start.
    fn log_shapes(&mut self, lines: &[TraceLine], spans: &[TraceSpan], by_id: &BTreeMap<SpanId, usize>) {
        let mut streams: BTreeMap<(SpanId, EntityKey), Vec<Symbol>> = BTreeMap::new();
        for line in lines {
            // Lines of a span count where the span ran.
            let entity = by_id.get(&line.span).map_or(line.entity, |&index| spans[index].entity);
            streams.entry((line.span, entity)).or_default().push(line.template);
        }
        for span in spans {
            streams.entry((span.span, span.entity)).or_default();
        }
        for ((span, entity), templates) in streams {
            let scope = by_id.get(&span).map_or(Symbol::NONE, |&index| spans[index].operation);
            let mut previous = start_symbol();
            for template in templates.into_iter().chain([end_symbol()]) {
                if template != previous {
                    let key = ShapeKey { scope, previous, traced: true };
                    self.shapes.entry((entity, key)).or_default().insert(template);
                    previous = template;
                }
            }
        }
    }

    fn into_features(self, torn: bool) -> Vec<Feature> {
        let shapes = self.shapes.into_iter().map(|((entity, key), next)| Feature::Shape { entity, key, next: next.into_iter().collect() });
        let hops = self.hops.into_iter().map(|((callee, unseen), hop)| Feature::Hop {
            callee,
            gap_ns: hop.gap_ns / hop.calls.max(1),
            failed: hop.failed,
            unseen,
        });
        let from = self.hops_from.into_iter();
        let hops_from = from.map(|((callee, caller), hop)| Feature::HopFrom { callee, caller, gap_ns: hop.gap_ns / hop.calls.max(1) });
        let calls = self.calls.into_iter().map(|((entity, operation), sums)| {
            let sums = CallSums { torn, ..sums };
            Feature::Calls { entity, operation, sums }
        });
        let edges = self.edges.into_iter().map(|((caller, callee), sums)| Feature::Edge { caller, callee, sums });
        let waits = self.waits.into_iter().map(|((caller, callee), wait)| Feature::Wait {
            caller,
            callee,
            took_ns: wait.took_ns,
            unanswered: wait.unanswered,
        });
        shapes.chain(hops).chain(hops_from).chain(calls).chain(edges).chain(waits).collect()
    }
}

/// Keeps the smallest message, so that order does not matter.
fn keep_message(sums: &mut CallSums, span: &TraceSpan) {
    if let Some(message) = span.message.as_ref().filter(|_| span.failed)
        && sums.message.as_ref().is_none_or(|kept| message < kept)
    {
        sums.message = Some(message.clone());
    }
}
