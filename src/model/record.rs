//! Records as they come from Kafka: bytes, headers, position; many in one allocation.

use std::ops::Range;
use std::sync::Arc;

use super::position::{PartitionKey, Position};
use super::{Source, Timestamp};

/// Seconds of Kafka time that a batch spans at most, a day: between two batches buckets can close.
pub const MAX_BATCH_SPAN_S: f64 = 86_400.0;

/// A batch of records of one connector. Payloads lie in one arena; a [`RecordRef`] holds ranges into it.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    pub connector: Arc<str>,
    pub source: Source,
    /// Partitions of this batch; a record names its own by index.
    pub partitions: Vec<BatchPartition>,
    pub arena: Vec<u8>,
    pub records: Vec<RecordRef>,
}

/// What a batch says of one of its partitions. A batch without records may still carry progress (end reached).
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPartition {
    pub key: PartitionKey,
    /// Offset after the last one this batch accounts for: the next to read.
    pub next_offset: i64,
    /// Offset after the broker's last record, as last seen; −1 when unknown.
    pub end_offset: i64,
    /// Offsets below `next_offset` that held no record (compacted, control, aborted) since the last batch.
    pub absent: u64,
    /// Offsets the broker no longer had when we came to them.
    pub missed: u64,
    /// True when the last poll stood at the partition's end.
    pub at_end: bool,
}

/// One record, as ranges into its batch's arena.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordRef {
    /// Index into [`RecordBatch::partitions`].
    pub partition: u16,
    pub offset: i64,
    /// The record's Kafka timestamp.
    pub timestamp: Option<Timestamp>,
    pub key: Option<Range<u32>>,
    /// `None` is a tombstone.
    pub value: Option<Range<u32>>,
    pub headers: Vec<HeaderRef>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HeaderRef {
    pub name: Range<u32>,
    pub value: Option<Range<u32>>,
}

impl RecordBatch {
    pub fn new(connector: Arc<str>, source: Source) -> Self {
        Self { connector, source, partitions: Vec::new(), arena: Vec::new(), records: Vec::new() }
    }

    /// An empty one with room for as many records as this one has, and somewhat more bytes.
    #[must_use]
    pub fn successor(&self) -> Self {
        let mut successor = Self::new(Arc::clone(&self.connector), self.source);
        successor.arena.reserve(self.arena.len() + self.arena.len() / 8);
        successor.records.reserve(self.records.len());
        successor
    }

    /// Copies `bytes` into the arena. The arena stays below 4 GiB: a batch is bounded far under that.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(bytes);
        start..self.arena.len() as u32
    }

    /// Appends a record; `partition` is an index into `partitions`.
    pub fn push(
        &mut self,
        partition: u16,
        offset: i64,
        timestamp: Option<Timestamp>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        let key = key.map(|bytes| self.push_bytes(bytes));
        let value = value.map(|bytes| self.push_bytes(bytes));
        let headers = headers
            .iter()
            .map(|(name, value)| HeaderRef { name: self.push_bytes(name.as_bytes()), value: value.map(|bytes| self.push_bytes(bytes)) })
            .collect();
        self.records.push(RecordRef { partition, offset, timestamp, key, value, headers });
    }

    pub fn bytes(&self, range: &Range<u32>) -> &[u8] {
        self.arena.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    pub fn key(&self, record: &RecordRef) -> Option<&[u8]> {
        record.key.as_ref().map(|range| self.bytes(range))
    }

    pub fn value(&self, record: &RecordRef) -> Option<&[u8]> {
        record.value.as_ref().map(|range| self.bytes(range))
    }

    pub fn headers<'a>(&'a self, record: &'a RecordRef) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        record.headers.iter().map(|header| {
            let name = std::str::from_utf8(self.bytes(&header.name)).unwrap_or_default();
            (name, header.value.as_ref().map(|range| self.bytes(range)))
        })
    }

    pub fn header<'a>(&'a self, record: &'a RecordRef, name: &str) -> Option<&'a [u8]> {
        self.headers(record).find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }

    pub fn position(&self, record: &RecordRef) -> Position {
        Position { partition: self.partitions[usize::from(record.partition)].key.clone(), offset: record.offset }
    }

    /// Bytes this batch keeps alive, for byte budgets.
    pub fn size_bytes(&self) -> usize {
        self.arena.len() + self.records.len() * size_of::<RecordRef>()
    }
}
