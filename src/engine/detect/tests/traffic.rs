//! A shop of six services as observations: spans, log lines, points. Same seed, same items.

use std::sync::Arc;

use crate::model::observation::{Definition, LogLine, LogText, MetricPoint, ObservationBatch, PointKind, Span, SpanId, SpanKind, TraceId};
use crate::model::position::PartitionKey;
use crate::model::record::{BatchPartition, RecordBatch};
use crate::model::{EntityKey, Severity, Source, Symbol, Timestamp, symbol};

pub const ENVIRONMENT: &str = "prod";
pub const START_S: i64 = 1_780_000_005;

/// A seeded stream of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    /// Payment fails this share of its requests and logs why.
    Failing(f64),
    /// Calls into catalog take 400 ms more between client and server.
    SlowHop,
    /// Payment burns CPU and answers slowly.
    Starved,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Line(LogLine),
    Point(MetricPoint),
    Span(Span),
}

impl Item {
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Line(line) => line.timestamp,
            Self::Point(point) => point.timestamp,
            Self::Span(span) => span.end,
        }
    }
}

#[derive(Default)]
pub struct Shop {
    pub items: Vec<Item>,
    pub definitions: Vec<Definition>,
}

struct Request<'a> {
    shop: &'a mut Shop,
    chance: &'a mut Chance,
    trace: TraceId,
    fault: Fault,
}

pub fn name(shop: &mut Shop, text: &str) -> Symbol {
    if !shop.definitions.iter().any(|definition| &*definition.text == text) {
        shop.definitions.push(Definition { symbol: symbol(text), text: text.into() });
    }
    symbol(text)
}

pub fn entity(shop: &mut Shop, service: &str) -> EntityKey {
    EntityKey { environment: name(shop, ENVIRONMENT), service: name(shop, service) }
}

impl Request<'_> {
    fn line(&mut self, service: &str, span: SpanId, at: Timestamp, template: &str, severity: Severity) {
        let text = (severity >= Severity::Medium).then(|| Box::new(LogText { message: template.to_owned(), ..LogText::default() }));
        let line = LogLine {
            record: 0,
            item: 0,
            timestamp: at,
            entity: entity(self.shop, service),
            host: name(self.shop, &format!("{service}-0")),
            severity,
            template: name(self.shop, template),
            trace: self.trace,
            span,
            text,
        };
        self.shop.items.push(Item::Line(line));
    }

    #[allow(clippy::too_many_arguments)]
    fn span(
        &mut self,
        service: &str,
        operation: &str,
        kind: SpanKind,
        parent: SpanId,
        span: SpanId,
        start: Timestamp,
        end: Timestamp,
        failed: bool,
    ) {
        let span = Span {
            record: 0,
            item: 0,
            trace: self.trace,
            span,
            parent,
            start,
            end,
            entity: entity(self.shop, service),
            host: name(self.shop, &format!("{service}-0")),
            operation: name(self.shop, operation),
            peer: Symbol::NONE,
            version: Symbol::NONE,
            kind,
            failed,
            message: failed.then(|| "pool of 8 exhausted".into()),
        };
        self.shop.items.push(Item::Span(span));
    }

    fn id(&mut self) -> SpanId {
        SpanId(self.chance.next() | 1)
    }

    /// Serves a request at `service`, starting at `at`; returns when it ended and whether it failed.
    fn serve(&mut self, service: &str, parent: SpanId, at: Timestamp) -> (Timestamp, bool) {
        let span = self.id();
        let operation = format!("{service}/Serve");
        self.line(service, span, at.plus_nanos(11_111), &format!("{service} takes a request"), Severity::Info);
        let mut now = at.plus_nanos(2_000_000 + self.chance.below(3_000_000) as i64);
        let mut failed = false;
        let callees: &[&str] = match service {
            "web" => &["checkout", "catalog"],
            "checkout" => &["cart", "payment"],
            "payment" => &["bank"],
            _ => &[],
        };
        for callee in callees {
            let (ended, callee_failed) = self.call(service, span, callee, now);
            now = ended.plus_nanos(100_000);
            failed |= callee_failed;
        }
        if service == "payment" {
            match self.fault {
                Fault::Failing(share) if self.chance.unit() < share => failed = true,
                Fault::Starved => now = now.plus_millis(200 + self.chance.below(100) as i64),
                _ => {}
            }
        }
        let (template, severity) = match failed {
            true if service == "payment" => ("no connection from the pool within 300 ms".to_owned(), Severity::High),
            true => (format!("{service} failed because a call failed"), Severity::High),
            false => (format!("{service} is done"), Severity::Info),
        };
        self.line(service, span, now.plus_nanos(-22_222), &template, severity);
        self.span(service, &operation, SpanKind::Server, parent, span, at, now, failed);
        (now, failed)
    }

    fn call(&mut self, service: &str, parent: SpanId, callee: &str, at: Timestamp) -> (Timestamp, bool) {
        let client = self.id();
        let wire = 300_000 + self.chance.below(400_000) as i64;
        let (ended, failed) = self.serve(callee, client, at.plus_nanos(wire));
        let slow = if callee == "catalog" && self.fault == Fault::SlowHop { 400_000_000 } else { 0 };
        let back = ended.plus_nanos(wire + slow);
        self.span(service, &format!("call {callee}"), SpanKind::Client, parent, client, at, back, failed);
        (back, failed)
    }
}

/// `minutes` of the shop, broken from `fault_at_s` seconds after its start.
pub fn shop(seed: u64, minutes: i64, fault: Fault, fault_at_s: i64) -> Shop {
    let mut shop = Shop::default();
    let mut chance = Chance(seed);
    let start = Timestamp::from_seconds(START_S);
    let end = start.plus_seconds(60 * minutes);
    let mut at = start;
    while at < end {
        at = at.plus_nanos(100_000_000 + chance.below(400_000_000) as i64);
        let broken = at >= start.plus_seconds(fault_at_s);
        let trace = TraceId(u128::from(chance.next()) << 64 | u128::from(chance.next() | 1));
        let fault = if broken { fault } else { Fault::None };
        Request { shop: &mut shop, chance: &mut chance, trace, fault }.serve("web", SpanId::default(), at);
    }
    points(&mut shop, &mut chance, start, end, fault, fault_at_s);
    shop.items.sort_by_key(Item::at);
    shop
}

fn points(shop: &mut Shop, chance: &mut Chance, start: Timestamp, end: Timestamp, fault: Fault, fault_at_s: i64) {
    for service in ["web", "checkout", "catalog", "cart", "payment", "bank"] {
        let mut at = start.plus_seconds(1);
        while at < end {
            let starved = service == "payment" && fault == Fault::Starved && at >= start.plus_seconds(fault_at_s);
            let value = if starved { 95.0 } else { 10.0 } + chance.unit() * 4.0;
            let point = MetricPoint {
                record: 0,
                item: 0,
                timestamp: at,
                entity: entity(shop, service),
                host: name(shop, &format!("{service}-0")),
                metric: name(shop, "process.cpu.utilization"),
                unit: name(shop, "%"),
                series: 7,
                kind: PointKind::Gauge,
                value,
                requests: None,
            };
            shop.items.push(Item::Point(point));
            at = at.plus_seconds(15);
        }
    }
}

/// One batch of items; an item's offset is its number, however the items are batched.
pub fn batch(definitions: &[Definition], items: &[(usize, Item)]) -> ObservationBatch {
    let mut records = RecordBatch::new("made-up".into(), Source::Logs);
    let key = PartitionKey { cluster: "cluster".into(), topic: "shop".into(), incarnation: 0, partition: 0 };
    let next_offset = items.iter().map(|(offset, _)| *offset as i64 + 1).max().unwrap_or(0);
    records.partitions.push(BatchPartition { key, next_offset, end_offset: -1, absent: 0, missed: 0, at_end: false });
    for (offset, _) in items {
        records.push(0, *offset as i64, None, None, Some(&offset.to_le_bytes()), &[]);
    }
    let mut batch = ObservationBatch::empty(Arc::new(records));
    batch.definitions = definitions.to_vec();
    for (index, (offset, item)) in items.iter().enumerate() {
        let record = index as u32;
        // Stretches of two formats: what is said of an item must not depend on its neighbours.
        batch.record_formats.push(if offset / 100 % 2 == 0 { "otlp_proto" } else { "json_logs" });
        match item.clone() {
            Item::Line(line) => batch.logs.push(LogLine { record, ..line }),
            Item::Point(point) => batch.points.push(MetricPoint { record, ..point }),
            Item::Span(span) => batch.spans.push(Span { record, ..span }),
        }
    }
    batch
}
