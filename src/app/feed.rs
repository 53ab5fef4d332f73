//! Feeds without a broker: the same messages as the Kafka consumer's, from records in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::actors::connector::Feed;
use crate::model::ports::{AssignedPartition, FeedControl, FeedMessage, StoredOffsets};
use crate::model::position::PartitionKey;
use crate::model::record::{BatchPartition, MAX_BATCH_SPAN_S, RecordBatch};
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

/// When records of a recording come: each at its time after the first, so much faster. Those that lie together come together, as a
/// broker's do.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    started: Instant,
    first: Timestamp,
    speed: f64,
}

/// Between two looks of a paced feed for records whose time has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Pace {
    /// From now on, what happened from `first` on comes at `speed` times its own speed. Needs a tokio runtime.
    pub fn starting(first: Timestamp, speed: f64) -> Self {
        Self { started: Instant::now(), first, speed }
    }

    fn is_due(&self, at: Timestamp) -> bool {
        at.seconds_since(self.first) <= self.started.elapsed().as_secs_f64() * self.speed
    }

    /// Waits on a thread of its own, by the wall clock.
    pub fn sleep(&self, until: Timestamp) {
        let due = Duration::from_secs_f64((until.seconds_since(self.first) / self.speed).max(0.0));
        std::thread::sleep(due.saturating_sub(self.started.elapsed()));
    }

    /// Waits until something is due. How many of the first records are, at least one of those there are; a record comes no sooner than
    /// those before it.
    async fn wait(&self, records: &[MemoryRecord]) -> usize {
        let Some(first) = records.first() else { return 0 };
        let after_s = (first.timestamp.seconds_since(self.first) / self.speed).max(0.0);
        let looks = (after_s / LOOK_EVERY.as_secs_f64()).ceil();
        tokio::time::sleep_until(self.started + LOOK_EVERY.mul_f64(looks)).await;
        records.iter().skip(1).take_while(|record| self.is_due(record.timestamp)).count() + 1
    }
}

/// How a feed hands its records over.
#[derive(Clone, Copy, Debug)]
pub struct Interleaving {
    /// Records a batch holds at most.
    pub batch_records: usize,
    /// Batches of random lengths, with random pauses before them, so that feeds interleave at random; `None`: full batches, no
    /// pauses.
    pub random: Option<u64>,
}

impl Default for Interleaving {
    fn default() -> Self {
        Self { batch_records: BATCH_RECORDS, random: None }
    }
}

/// Other stages go first so many times at most before a batch of random length.
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

    /// Reads on from the stored offset to the end, as fast as it is taken or at a pace, then ends. Needs a tokio runtime.
    pub fn open(&self, offsets: &dyn StoredOffsets, pace: Option<Pace>, interleaving: Interleaving) -> Feed {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let control = Arc::new(Control::default());
        let start = offsets.stored(&self.connector, CLUSTER, &self.topic, 0).map_or(0, |stored| stored.next_offset);
        tokio::spawn(self.clone().send_all(start, pace, interleaving, sender, control.clone()));
        (receiver, control)
    }

    async fn send_all(
        self,
        start: i64,
        pace: Option<Pace>,
        interleaving: Interleaving,
        sender: mpsc::Sender<FeedMessage>,
        control: Arc<Control>,
    ) {
        let all = self.records.len();
        let mut next = usize::try_from(start).unwrap_or(0).min(all);
        // A paced feed knows nothing yet of what comes later.
        let end_offset = if pace.is_some() { start } else { all as i64 };
        let assigned = AssignedPartition { key: self.key(), start_offset: start, end_offset, topic_id: None };
        // A closed channel means the connector is gone; so is the need for this feed.
        if sender.send(FeedMessage::Assigned(vec![assigned])).await.is_err() {
            return;
        }
        // A stream of its own for every topic.
        let stream = xxhash_rust::xxh3::xxh3_64(self.connector.as_bytes());
        let mut random = interleaving.random.map(|seed| ChaCha8Rng::seed_from_u64(seed ^ stream));
        while next < all {
            let mut most = interleaving.batch_records.max(1);
            if let Some(random) = &mut random {
                most = 1 + (random.next_u64() % most as u64) as usize;
                for _ in 0..random.next_u64() % MAX_PAUSES {
                    tokio::task::yield_now().await;
                }
            }
            let end = match &pace {
                Some(pace) => next + pace.wait(&self.records[next..]).await,
                None => all,
            };
            if control.stopped.load(Ordering::Relaxed) {
                return;
            }
            let through = next + batch_length(&self.records[next..end], most);
            let batch = self.batch(&self.records[next..through], next as i64, end as i64);
            next = through;
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

/// Records of the next batch: at most so many, and no more of event time than the consumer's batches hold.
fn batch_length(records: &[MemoryRecord], most: usize) -> usize {
    let Some(first) = records.first() else { return 0 };
    let near = |record: &&MemoryRecord| record.timestamp.seconds_since(first.timestamp).abs() < MAX_BATCH_SPAN_S;
    records.iter().take(most).take_while(near).count()
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
