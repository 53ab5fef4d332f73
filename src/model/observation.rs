//! What decoding makes of records: small fixed-size facts, with texts sent once beside them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::connector::ClockSkew;
use super::dead_letter::Rejection;
use super::entity::{EntityKey, Symbol};
use super::record::RecordBatch;
use super::{Event, Severity, Timestamp};

/// The text behind a symbol. Sent with the first batch of a decoder that uses the symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub symbol: Symbol,
    pub text: Arc<str>,
}

/// W3C trace id as a number; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TraceId(pub u128);

/// W3C span id as a number; 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpanId(pub u64);

impl TraceId {
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Which of `shards` joins this trace.
    pub fn shard(self, shards: usize) -> usize {
        ((self.0 as u64 ^ (self.0 >> 64) as u64) % shards.max(1) as u64) as usize
    }
}

impl SpanId {
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// One log line.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// Index of its record in the batch.
    pub record: u32,
    /// Number of the item inside its record.
    pub item: u32,
    pub timestamp: Timestamp,
    pub entity: EntityKey,
    pub host: Symbol,
    pub severity: Severity,
    /// The message with its variables cut out.
    pub template: Symbol,
    pub trace: TraceId,
    pub span: SpanId,
    /// Texts of lines that may be stored: severity medium and above.
    pub text: Option<Box<LogText>>,
}

/// The parts of a log line that a stored event shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogText {
    /// At most 2,000 characters.
    pub message: String,
    pub exception_type: Option<String>,
    /// Folded to its top frames.
    pub stack: Option<String>,
    pub request_id: Option<String>,
    pub correlation_id: Option<String>,
    pub http_status: Option<u16>,
    /// Version of the deployed code, where the record says it.
    pub version: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PointKind {
    /// A level: judged by its value.
    Gauge,
    /// A total since some start: judged by its rate.
    CumulativeSum,
    /// A count of the interval: judged by its rate.
    DeltaSum,
    /// Mean of a histogram's or summary's interval.
    HistogramMean,
    /// Nothing measured (staleness marker, histogram of an empty interval): counted as an item, never judged; its value is 0.
    Empty,
}

/// One metric point.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPoint {
    pub record: u32,
    pub item: u32,
    pub timestamp: Timestamp,
    pub entity: EntityKey,
    pub host: Symbol,
    pub metric: Symbol,
    /// Unit as the producer says it (UCUM), or none.
    pub unit: Symbol,
    /// Hash of the attributes that tell series of one metric apart.
    pub series: u64,
    pub kind: PointKind,
    /// Finite; what is not is a rejection or a counted drop, decided in decode.
    pub value: f64,
    /// What it counts, when it is one of a request metric.
    pub requests: Option<Box<RequestCount>>,
}

/// Requests of a service, or calls of it to another, as a request metric counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestCount {
    pub requests: u64,
    /// Time they took together, nanoseconds; 0 of calls, where nobody asks for it.
    pub duration_ns: u64,
    /// All of them failed. Failed calls are among the calls that another series counts, failed requests are not.
    pub failed: bool,
    /// Since some start, not since the point before.
    pub cumulative: bool,
    /// Of calls: who is called.
    pub callee: Option<EntityKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpanKind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// One finished span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub record: u32,
    pub item: u32,
    pub trace: TraceId,
    pub span: SpanId,
    pub parent: SpanId,
    pub start: Timestamp,
    pub end: Timestamp,
    pub entity: EntityKey,
    pub host: Symbol,
    pub operation: Symbol,
    /// Who is called, where a client span says it (`peer.service`, `db.system`, `server.address`).
    pub peer: Symbol,
    pub version: Symbol,
    pub kind: SpanKind,
    pub failed: bool,
    /// Status message or exception of a failed span.
    pub message: Option<Box<str>>,
}

/// Exact counts of one partition in one batch; see [`crate::model::ledger`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeCounts {
    pub records_read: u64,
    pub records_decoded: u64,
    pub records_rejected: u64,
    pub items_decoded: u64,
    pub items_rejected: u64,
}

/// All that one batch of records says.
#[derive(Clone, Debug)]
pub struct ObservationBatch {
    pub records: Arc<RecordBatch>,
    pub definitions: Vec<Definition>,
    pub logs: Vec<LogLine>,
    pub points: Vec<MetricPoint>,
    pub spans: Vec<Span>,
    /// One-to-one with a record: commits, builds, deployments, alerts, manual events.
    pub events: Vec<Event>,
    pub rejections: Vec<Rejection>,
    /// Aligned with `records.partitions`.
    pub counts: Vec<DecodeCounts>,
    /// Records that could be read, by the format they were read as: the mix shown on the health page.
    pub formats: Vec<(&'static str, u64)>,
    /// The same record by record, aligned with `records.records`.
    pub record_formats: Vec<&'static str>,
    /// Newest event time of each partition that may advance the watermark, aligned with `records.partitions`.
    pub newest: Vec<Option<Timestamp>>,
    /// Items more than the allowed skew ahead of their record's Kafka time.
    pub skewed: u64,
    /// Items whose time is plausible only in another unit.
    pub wrong_units: Vec<WrongUnit>,
    /// How far the clocks of hosts lie from Kafka's, those farthest off first; `None` while nothing new is told.
    pub clocks: Option<Vec<ClockSkew>>,
}

/// Items of a format whose times must be in a wrong unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongUnit {
    pub format: &'static str,
    /// The field that holds the time, and the unit it should be in.
    pub field: &'static str,
    /// How far the numbers are off: "a million times too small".
    pub wrong: &'static str,
    pub items: u64,
}

impl ObservationBatch {
    pub fn empty(records: Arc<RecordBatch>) -> Self {
        let partitions = records.partitions.len();
        Self {
            records,
            definitions: Vec::new(),
            logs: Vec::new(),
            points: Vec::new(),
            spans: Vec::new(),
            events: Vec::new(),
            rejections: Vec::new(),
            counts: vec![DecodeCounts::default(); partitions],
            formats: Vec::new(),
            record_formats: Vec::new(),
            newest: vec![None; partitions],
            skewed: 0,
            wrong_units: Vec::new(),
            clocks: None,
        }
    }

    pub fn items(&self) -> usize {
        self.logs.len() + self.points.len() + self.spans.len() + self.events.len()
    }
}

impl ObservationBatch {
    /// Oldest event time of items of one partition of the batch, by index.
    pub fn oldest_by_partition(&self) -> Vec<Option<Timestamp>> {
        let mut oldest: Vec<Option<Timestamp>> = vec![None; self.records.partitions.len()];
        let mut note = |record: u32, at: Timestamp| {
            let Some(record) = self.records.records.get(record as usize) else { return };
            if let Some(slot) = oldest.get_mut(usize::from(record.partition)) {
                *slot = Some(slot.map_or(at, |old| old.min(at)));
            }
        };
        self.logs.iter().for_each(|line| note(line.record, line.timestamp));
        self.points.iter().for_each(|point| note(point.record, point.timestamp));
        self.spans.iter().for_each(|span| note(span.record, span.end));
        oldest
    }
}
