//! What travels between the splitting of a batch, the trace join and the detectors.

use std::sync::{Arc, OnceLock};

use super::features::Feature;
use super::limits::MAX_SKEW_S;
use crate::model::observation::{Definition, LogLine, MetricPoint, ObservationBatch, Span};
use crate::model::position::{PartitionKey, Position};
use crate::model::record::RecordBatch;
use crate::model::{Bucket, EntityKey, Event, Timestamp};

/// A batch's records with what is asked of them often.
#[derive(Debug)]
pub struct BatchInfo {
    pub records: Arc<RecordBatch>,
    /// Stable hash of each partition's key: orders lines of different partitions.
    partition_hashes: Vec<u64>,
    content_hashes: Vec<OnceLock<u64>>,
    formats: Vec<&'static str>,
    /// Newest event time of each partition that may advance the watermark.
    newest: Vec<Option<Timestamp>>,
}

impl BatchInfo {
    fn new(batch: &mut ObservationBatch) -> Self {
        let hash = |key: &PartitionKey| {
            let text = format!("{}\0{}\0{}\0{}", key.cluster, key.topic, key.incarnation, key.partition);
            xxhash_rust::xxh3::xxh3_64(text.as_bytes())
        };
        Self {
            records: Arc::clone(&batch.records),
            partition_hashes: batch.records.partitions.iter().map(|partition| hash(&partition.key)).collect(),
            content_hashes: (0..batch.records.records.len()).map(|_| OnceLock::new()).collect(),
            formats: std::mem::take(&mut batch.record_formats),
            newest: batch.newest.clone(),
        }
    }

    /// Format a record was read as.
    pub fn format(&self, record: u32) -> &'static str {
        self.formats.get(record as usize).copied().unwrap_or("unknown")
    }

    /// Event time an item is booked by: its own, or its record's Kafka time when it claims to be far ahead of that.
    pub fn booked_at(&self, record: u32, timestamp: Timestamp) -> Timestamp {
        match self.records.records.get(record as usize).and_then(|record| record.timestamp) {
            Some(kafka) if timestamp > kafka.plus_seconds(MAX_SKEW_S) => kafka,
            _ => timestamp,
        }
    }

    /// How far the watermark comes at least once all partitions are as far as this record's is with this batch.
    pub fn newest_of(&self, record: u32) -> Option<Timestamp> {
        self.newest.get(usize::from(self.partition_of(record)?)).copied().flatten()
    }

    pub fn position(&self, record: u32) -> Option<Position> {
        let record = self.records.records.get(record as usize)?;
        let partition = self.records.partitions.get(usize::from(record.partition))?;
        Some(Position { partition: partition.key.clone(), offset: record.offset })
    }

    /// (partition, offset) as a total order.
    pub fn order(&self, record: u32) -> (u64, i64) {
        let Some(record) = self.records.records.get(record as usize) else { return (0, 0) };
        (self.partition_hashes.get(usize::from(record.partition)).copied().unwrap_or(0), record.offset)
    }

    /// Hash of a record's value bytes.
    pub fn content_hash(&self, record: u32) -> u64 {
        let compute = || {
            let value = self.records.records.get(record as usize).and_then(|record| self.records.value(record));
            xxhash_rust::xxh3::xxh3_64(value.unwrap_or_default())
        };
        self.content_hashes.get(record as usize).map_or(0, |hash| *hash.get_or_init(compute))
    }

    /// Index of a record's partition in the batch.
    pub fn partition_of(&self, record: u32) -> Option<u16> {
        self.records.records.get(record as usize).map(|record| record.partition)
    }
}

/// What one trace-join shard gets of a batch.
#[derive(Clone, Debug, Default)]
pub struct ShardInput {
    pub(super) batch: Option<Arc<BatchInfo>>,
    pub(super) definitions: Vec<Definition>,
    pub(super) logs: Vec<LogLine>,
    pub(super) points: Vec<MetricPoint>,
    pub(super) spans: Vec<Span>,
}

impl ShardInput {
    /// Splits a batch over `shards` (traced items by trace, others by entity) and sets its one-to-one events apart.
    pub fn split(mut batch: ObservationBatch, shards: usize) -> (Vec<Self>, Vec<Event>) {
        let shards = shards.max(1);
        let info = Arc::new(BatchInfo::new(&mut batch));
        let events = std::mem::take(&mut batch.events);
        let mut inputs: Vec<Self> = (0..shards).map(|_| Self { batch: Some(Arc::clone(&info)), ..Self::default() }).collect();
        if let [only] = inputs.as_mut_slice() {
            only.definitions = batch.definitions;
            only.logs = batch.logs;
            only.points = batch.points;
            only.spans = batch.spans;
            return (inputs, events);
        }
        // Every join hands them on to every detector: each then knows a name before any join can bring something of it, and before
        // a bucket closes that it is in.
        inputs.iter_mut().for_each(|input| input.definitions.clone_from(&batch.definitions));
        for line in batch.logs {
            let shard = if line.trace.is_none() { line.entity.shard(shards) } else { line.trace.shard(shards) };
            inputs[shard].logs.push(line);
        }
        for point in batch.points {
            inputs[point.entity.shard(shards)].points.push(point);
        }
        for span in batch.spans {
            let shard = if span.trace.is_none() { span.entity.shard(shards) } else { span.trace.shard(shards) };
            inputs[shard].spans.push(span);
        }
        (inputs, events)
    }

    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty() && self.logs.is_empty() && self.points.is_empty() && self.spans.is_empty()
    }
}

/// Items of one partition that the join dropped as duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBefore {
    pub connector: Arc<str>,
    pub partition: PartitionKey,
    pub items: u64,
}

/// A span as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SpanCount {
    pub record: u32,
    pub end: Timestamp,
    pub entity: EntityKey,
    pub failed: bool,
}

/// What one detector shard gets: items that survived the join at once, features of traces as they finish.
#[derive(Clone, Debug, Default)]
pub struct DetectorInput {
    pub(super) batch: Option<Arc<BatchInfo>>,
    pub(super) definitions: Vec<Definition>,
    pub(super) logs: Vec<LogLine>,
    pub(super) points: Vec<MetricPoint>,
    pub(super) spans: Vec<SpanCount>,
    /// Features of traces that finished in a bucket.
    pub(super) features: Vec<(Bucket, Feature)>,
    /// Duplicates dropped by the join; take them before [`DetectorInput::split`], which drops them.
    pub seen_before: Vec<SeenBefore>,
}

impl DetectorInput {
    /// Splits by entity over `shards`.
    pub fn split(self, shards: usize) -> Vec<Self> {
        let shards = shards.max(1);
        if shards == 1 {
            return vec![self];
        }
        let mut inputs: Vec<Self> =
            (0..shards).map(|_| Self { batch: self.batch.clone(), definitions: self.definitions.clone(), ..Self::default() }).collect();
        for line in self.logs {
            inputs[line.entity.shard(shards)].logs.push(line);
        }
        for point in self.points {
            inputs[point.entity.shard(shards)].points.push(point);
        }
        for span in self.spans {
            inputs[span.entity.shard(shards)].spans.push(span);
        }
        for (bucket, feature) in self.features {
            inputs[feature.entity().shard(shards)].features.push((bucket, feature));
        }
        inputs
    }

    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
            && self.logs.is_empty()
            && self.points.is_empty()
            && self.spans.is_empty()
            && self.features.is_empty()
            && self.seen_before.is_empty()
    }

    /// Items counted in this input: lines, points and spans.
    pub fn items(&self) -> usize {
        self.logs.len() + self.points.len() + self.spans.len()
    }
}
