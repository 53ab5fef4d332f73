//! Feeds without a broker: the same messages as the Kafka consumer's, from records in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc;

use crate::actors::connector::Feed;
use crate::model::ports::{AssignedPartition, FeedControl, FeedMessage, StoredOffsets};
use crate::model::position::PartitionKey;
use crate::model::record::{BatchPartition, RecordBatch};
use crate::model::{Source, Timestamp};

/// Records a batch holds at most.
const BATCH_RECORDS: usize = 500;
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

/// How a feed hands its records over.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Records a batch holds at most.
    pub batch_records: usize,
    /// Batches of random lengths, with random pauses before them, so that feeds interleave at random; `None`: full batches, no
    /// pauses.
    pub random: Option<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch_records: BATCH_RECORDS, random: None }
    }
}

/// Other stages go first so many times at most before a batch of random pace.
const MAX_PAUSES: u64 = 12;

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
        self.open_at(offsets, Pace::default())
    }

    /// The same at a pace of one's own.
    pub fn open_at(&self, offsets: &dyn StoredOffsets, pace: Pace) -> Feed {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let control = Arc::new(Control::default());
        let start = offsets.stored(&self.connector, CLUSTER, &self.topic, 0).map_or(0, |stored| stored.next_offset);
        tokio::spawn(self.clone().send_all(start, pace, sender, control.clone()));
        (receiver, control)
    }

    async fn send_all(self, start: i64, pace: Pace, sender: mpsc::Sender<FeedMessage>, control: Arc<Control>) {
        let end_offset = self.records.len() as i64;
        let assigned = AssignedPartition { key: self.key(), start_offset: start, end_offset, topic_id: None };
        // A closed channel means the connector is gone; so is the need for this feed.
        if sender.send(FeedMessage::Assigned(vec![assigned])).await.is_err() {
            return;
        }
        // A stream of its own for every topic.
        let mut random = pace.random.map(|seed| ChaCha8Rng::seed_from_u64(seed ^ xxhash_rust::xxh3::xxh3_64(self.connector.as_bytes())));
        let mut next = usize::try_from(start).unwrap_or(0);
        while next < self.records.len() {
            let mut most = pace.batch_records.max(1);
            if let Some(random) = &mut random {
                most = 1 + (random.next_u64() % most as u64) as usize;
                for _ in 0..random.next_u64() % MAX_PAUSES {
                    tokio::task::yield_now().await;
                }
            }
            if control.stopped.load(Ordering::Relaxed) {
                return;
            }
            let records = &self.records[next..self.records.len().min(next + most)];
            let batch = self.batch(records, next as i64, end_offset);
            next += records.len();
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
