//! Records that panic their shard, found in a shard of their own that nobody misses.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::input::BatchInfo;
use super::{DetectOptions, Detector, ShardInput, TraceJoin};
use crate::model::Bucket;
use crate::model::observation::ObservationBatch;
use crate::model::position::Position;
use crate::model::signal::ClosedBucket;

/// Called with the record's value before an item of it is counted: how a simulation makes an item that panics its shard, which no
/// item is known to do.
#[derive(Clone, Copy, Debug)]
pub struct Tripwire(pub fn(Step, &[u8]));

/// Two are as good as one.
impl PartialEq for Tripwire {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Sees every closed bucket before it goes on: how an evaluation judges signals that open nothing.
#[derive(Clone)]
pub struct Watch(pub Arc<dyn Fn(&ClosedBucket) + Send + Sync>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// Two are as good as one.
impl PartialEq for Watch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Where a record's items are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    #[default]
    Join,
    Detect,
}

/// The record whose item a shard has in hand: after a panic, the culprit.
#[derive(Debug, Default)]
pub struct InHand {
    step: Step,
    batch: Option<Arc<BatchInfo>>,
    record: u32,
    tripwire: Option<Tripwire>,
}

impl InHand {
    pub const fn of(step: Step, options: &DetectOptions) -> Self {
        Self { step, batch: None, record: 0, tripwire: options.tripwire }
    }

    pub(super) fn batch(&mut self, batch: &Arc<BatchInfo>) {
        self.batch = Some(Arc::clone(batch));
    }

    pub(super) fn record(&mut self, record: u32) {
        self.record = record;
        if let (Some(Tripwire(trip)), Some(batch)) = (self.tripwire, &self.batch) {
            let value = batch.records.records.get(record as usize).and_then(|record| batch.records.value(record));
            trip(self.step, value.unwrap_or_default());
        }
    }

    pub(super) fn nothing(&mut self) {
        self.batch = None;
    }

    /// Its connector and position.
    pub fn position(&self) -> Option<(Arc<str>, Position)> {
        let batch = self.batch.as_ref()?;
        Some((Arc::clone(&batch.records.connector), batch.position(self.record)?))
    }
}

/// What a panic said.
pub fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

/// Counts a batch in a shard that knows nothing and is thrown away, and closes the bucket it began.
///
/// # Errors
/// What a panic said.
pub fn survives(batch: &ObservationBatch, options: &DetectOptions) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| {
        let (mut join, mut detector) = (TraceJoin::new(options), Detector::new(options));
        let at = batch.logs.iter().map(|line| line.timestamp).chain(batch.points.iter().map(|point| point.timestamp));
        let first = at.chain(batch.spans.iter().map(|span| span.end)).min();
        let (inputs, _) = ShardInput::split(batch.clone(), 1);
        for input in inputs {
            detector.observe(join.observe(input));
        }
        if let Some(first) = first {
            let bucket = Bucket::of(first);
            detector.observe(join.close(bucket));
            detector.close(bucket);
        }
    }))
    .map_err(|panic| message_of(&*panic))
}

/// Records of a batch that panic a shard each by itself, and what each panic said.
pub fn culprits(batch: &ObservationBatch, options: &DetectOptions) -> Vec<(u32, String)> {
    if survives(batch, options).is_ok() {
        return Vec::new();
    }
    let records = 0..batch.records.records.len() as u32;
    records.filter_map(|record| Some((record, survives(&only(batch, record), options).err()?))).collect()
}

/// What a batch says of one of its records.
pub fn only(batch: &ObservationBatch, record: u32) -> ObservationBatch {
    let mut only = ObservationBatch::empty(Arc::clone(&batch.records));
    only.definitions.clone_from(&batch.definitions);
    only.record_formats.clone_from(&batch.record_formats);
    only.logs.extend(batch.logs.iter().filter(|line| line.record == record).cloned());
    only.points.extend(batch.points.iter().filter(|point| point.record == record).cloned());
    only.spans.extend(batch.spans.iter().filter(|span| span.record == record).cloned());
    only
}
