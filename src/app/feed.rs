//! Feeds without a broker: the same messages as the Kafka consumer's, from records in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::actors::connector::Feed;
use crate::model::ports::{AssignedPartition, FeedControl, FeedMessage, StoredOffsets};
use crate::model::position::PartitionKey;
use crate::model::record::{BatchPartition, RecordBatch};
use crate::model::{Source, Timestamp};

/// Records a batch holds at most.
const BATCH_RECORDS: usize = 500;
/// Event time a batch spans at most, seconds: what is much further ahead than the open bucket could not be booked.
const BATCH_SPAN_S: f64 = 600.0;
/// Batches between the feed and its connector.
const CHANNEL: usize = 4;
const CLUSTER: &str = "in-process";

/// One record for an in-process feed.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryRecord {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp: Timestamp,
}

/// One topic of one partition, whole.
#[derive(Clone, Debug)]
pub struct MemoryTopic {
    pub connector: Arc<str>,
    pub source: Source,
    pub topic: Arc<str>,
    pub records: Arc<Vec<MemoryRecord>>,
}

#[derive(Debug, Default)]
struct Control {
    stopped: AtomicBool,
}

impl FeedControl for Control {
    fn pause(&self) {}
    fn resume(&self) {}
    fn commit(&self, _: &[(PartitionKey, i64)]) {}
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl MemoryTopic {
    fn key(&self) -> PartitionKey {
        PartitionKey { cluster: CLUSTER.into(), topic: self.topic.clone(), incarnation: 0, partition: 0 }
    }

    /// Reads on from the stored offset to the end, then ends. Needs a tokio runtime.
    pub fn open(&self, offsets: &dyn StoredOffsets) -> Feed {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let control = Arc::new(Control::default());
        let start = offsets.stored(&self.connector, CLUSTER, &self.topic, 0).map_or(0, |stored| stored.next_offset);
        tokio::spawn(self.clone().send_all(start, sender, control.clone()));
        (receiver, control)
    }

    async fn send_all(self, start: i64, sender: mpsc::Sender<FeedMessage>, control: Arc<Control>) {
        let end_offset = self.records.len() as i64;
        let assigned = AssignedPartition { key: self.key(), start_offset: start, end_offset, topic_id: None };
        // A closed channel means the connector is gone; so is the need for this feed.
        if sender.send(FeedMessage::Assigned(vec![assigned])).await.is_err() {
            return;
        }
        let rest = self.records.get(usize::try_from(start).unwrap_or(0)..).unwrap_or_default();
        let mut first = start;
        for records in batches(rest) {
            if control.stopped.load(Ordering::Relaxed) {
                return;
            }
            let batch = self.batch(records, first, end_offset);
            first += records.len() as i64;
            if sender.send(FeedMessage::Batch(batch)).await.is_err() {
                return;
            }
        }
        // Nobody to tell when the connector is gone.
        let _ = sender.send(FeedMessage::Ended { reason: None }).await;
    }

    fn batch(&self, records: &[MemoryRecord], first: i64, end_offset: i64) -> RecordBatch {
        let mut batch = RecordBatch::new(self.connector.clone(), self.source);
        let next_offset = first + records.len() as i64;
        batch.partitions.push(BatchPartition {
            key: self.key(),
            next_offset,
            end_offset,
            absent: 0,
            missed: 0,
            at_end: next_offset >= end_offset,
        });
        for (index, record) in records.iter().enumerate() {
            let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
            batch.push(0, first + index as i64, Some(record.timestamp), record.key.as_deref(), record.value.as_deref(), &headers);
        }
        batch
    }
}

/// Records cut where a batch is full or would span too long.
fn batches(mut records: &[MemoryRecord]) -> impl Iterator<Item = &[MemoryRecord]> {
    std::iter::from_fn(move || {
        let from = records.first()?.timestamp;
        let near = |record: &&MemoryRecord| record.timestamp.seconds_since(from).abs() <= BATCH_SPAN_S;
        let (batch, rest) = records.split_at(records.iter().take(BATCH_RECORDS).take_while(near).count());
        records = rest;
        Some(batch)
    })
}

/// A feed that ends once `wanted` records have come.
pub fn until_records((mut messages, control): Feed, wanted: usize) -> Feed {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let stop = control.clone();
    tokio::spawn(async move {
        let mut came = 0;
        while came < wanted {
            let Some(message) = messages.recv().await else { return };
            if let FeedMessage::Batch(batch) = &message {
                came += batch.records.len();
            }
            // A closed channel means the connector is gone; so is the need for this feed.
            if sender.send(message).await.is_err() {
                return;
            }
        }
        stop.stop();
        let _ = sender.send(FeedMessage::Ended { reason: None }).await;
    });
    (receiver, control)
}
