//! Observations → signals and events, in event-time buckets.
//!
//! Two layers, each sharded: a [`TraceJoin`] shard holds whole traces, a [`Detector`] shard holds whole entities.

use serde::{Deserialize, Serialize};

use crate::model::observation::ObservationBatch;
use crate::model::signal::ClosedBucket;
use crate::model::snapshot::StateEntry;
use crate::model::{Bucket, Event};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectOptions {
    /// A key opens nothing before it has been seen this long, seconds of event time.
    pub learning_s: u32,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self { learning_s: 300 }
    }
}

/// What one trace-join shard gets of a batch.
#[derive(Clone, Debug, Default)]
pub struct ShardInput {}

impl ShardInput {
    /// Splits a batch over `shards` (traced items by trace, others by entity) and sets its one-to-one events apart.
    pub fn split(batch: ObservationBatch, shards: usize) -> (Vec<Self>, Vec<Event>) {
        ((0..shards).map(|_| Self::default()).collect(), batch.events)
    }
}

impl ShardInput {
    pub fn is_empty(&self) -> bool {
        true
    }
}

/// What one detector shard gets: items that survived the join at once, features of traces as they finish.
#[derive(Clone, Debug, Default)]
pub struct DetectorInput {}

impl DetectorInput {
    /// Splits by entity over `shards`.
    pub fn split(self, shards: usize) -> Vec<Self> {
        (0..shards).map(|_| Self::default()).collect()
    }

    pub fn is_empty(&self) -> bool {
        true
    }

    /// Adds what another input holds, after what this one holds.
    pub fn append(&mut self, _other: Self) {}
}

/// Joins spans and log lines of traces.
#[derive(Debug)]
pub struct TraceJoin {}

impl TraceJoin {
    pub fn new(_options: &DetectOptions) -> Self {
        Self {}
    }

    pub fn observe(&mut self, _input: ShardInput) -> DetectorInput {
        DetectorInput::default()
    }

    /// Finishes traces up to the end of `bucket`; their features are booked into the buckets in which they finish.
    pub fn close(&mut self, _bucket: Bucket) -> DetectorInput {
        DetectorInput::default()
    }

    /// Changed state since the last call.
    pub fn delta(&mut self) -> Vec<StateEntry> {
        Vec::new()
    }

    pub fn restore(&mut self, _key: &[u8], _value: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// Aggregates, keeps baselines, and judges closed buckets of its entities.
#[derive(Debug)]
pub struct Detector {}

impl Detector {
    pub fn new(_options: &DetectOptions) -> Self {
        Self {}
    }

    pub fn observe(&mut self, _input: DetectorInput) {}

    /// Closes one bucket. Called for every bucket in order, once the watermark and all trace-join shards have passed it.
    pub fn close(&mut self, bucket: Bucket) -> ClosedBucket {
        ClosedBucket { bucket, ..ClosedBucket::default() }
    }

    pub fn delta(&mut self) -> Vec<StateEntry> {
        Vec::new()
    }

    pub fn restore(&mut self, _key: &[u8], _value: &[u8]) -> Result<(), String> {
        Ok(())
    }
}
