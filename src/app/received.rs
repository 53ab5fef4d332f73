//! Feeds of what came without Kafka: the same messages as the Kafka consumer's, from records in the database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::actors::connector::Feed;
use crate::actors::recorder::Intake;
use crate::model::Source;
use crate::model::ports::{AssignedPartition, FeedControl, FeedMessage, FeedTrouble, StoreError, StoreReader, StoredOffsets};
use crate::model::position::PartitionKey;
use crate::model::received::{self, ReceivedPage};
use crate::model::record::{BatchPartition, MAX_BATCH_SPAN_S, RecordBatch};

/// Records and bytes that a batch holds at most, as a batch of the Kafka consumer by default; one record may be larger.
const BATCH_RECORDS: u32 = 500;
const BATCH_BYTES: u64 = 1 << 20;
/// Batches between the feed and its connector.
const CHANNEL: usize = 2;
/// News is told; this only catches what was not.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pause before the store is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const UNREADABLE: &str = "store_unreadable";

/// What came over HTTP for one source.
#[derive(Clone)]
pub struct ReceivedQueue {
    source: Source,
    connector: Arc<str>,
    key: PartitionKey,
    reader: Arc<dyn StoreReader>,
    intake: Intake,
}

impl fmt::Debug for ReceivedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedQueue").field("connector", &self.connector).finish_non_exhaustive()
    }
}

/// What the connector wants of its feed.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    paused: bool,
    held_back: bool,
    stopped: bool,
}

#[derive(Debug)]
struct Control {
    gate: watch::Sender<Gate>,
    key: PartitionKey,
}

impl FeedControl for Control {
    fn pause(&self) {
        self.gate.send_modify(|gate| gate.paused = true);
    }

    fn resume(&self) {
        self.gate.send_modify(|gate| gate.paused = false);
    }

    fn hold_back(&self, partitions: &[PartitionKey]) {
        let held_back = partitions.contains(&self.key);
        self.gate.send_if_modified(|gate| std::mem::replace(&mut gate.held_back, held_back) != held_back);
    }

    /// The recorder itself removes what a checkpoint is past.
    fn commit(&self, _: &[(PartitionKey, i64)]) {}

    fn stop(&self) {
        self.gate.send_modify(|gate| gate.stopped = true);
    }
}

impl ReceivedQueue {
    pub fn new(source: Source, reader: Arc<dyn StoreReader>, intake: Intake) -> Self {
        Self { source, connector: received::connector_of(source).into(), key: received::partition_of(source), reader, intake }
    }

    /// Reads on from the stored offset, and goes on with what comes. Needs a tokio runtime.
    ///
    /// # Errors
    /// A store that cannot be read now.
    pub fn open(&self, offsets: &dyn StoredOffsets) -> Result<Feed, FeedTrouble> {
        let stored = offsets.stored(&self.connector, &self.key.cluster, &self.key.topic, self.key.partition);
        let start = stored.map_or(0, |stored| stored.next_offset);
        let page = self.reader.received(&self.connector, start, 0, 0).map_err(|error| unreadable(&error))?;
        let assigned = AssignedPartition { key: self.key.clone(), start_offset: start, end_offset: page.end_offset, topic_id: None };
        let (sender, receiver) = mpsc::channel(CHANNEL);
        let gate = watch::Sender::new(Gate::default());
        tokio::spawn(self.clone().read_on(assigned, sender, gate.subscribe()));
        Ok((receiver, Arc::new(Control { gate, key: self.key.clone() })))
    }

    /// A closed channel means that the connector is gone; so is the need for this feed.
    async fn read_on(self, assigned: AssignedPartition, sender: mpsc::Sender<FeedMessage>, mut gate: watch::Receiver<Gate>) {
        let mut news = self.intake.news();
        let mut next = assigned.start_offset;
        if sender.send(FeedMessage::Assigned(vec![assigned])).await.is_err() {
            return;
        }
        let mut is_troubled = false;
        loop {
            match gate.wait_for(|gate| gate.stopped || !(gate.paused || gate.held_back)).await {
                Ok(gate) if !gate.stopped => {}
                _ => return,
            }
            news.mark_unchanged();
            let message = match self.page(next).await {
                Ok(page) => {
                    if std::mem::take(&mut is_troubled) && sender.send(FeedMessage::Trouble(readable())).await.is_err() {
                        return;
                    }
                    if page.records.is_empty() {
                        if idle(&mut news, &mut gate).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    let batch = self.batch(&page, next);
                    next = batch.partitions.first().map_or(next, |partition| partition.next_offset);
                    FeedMessage::Batch(batch)
                }
                Err(error) => {
                    tokio::time::sleep(RETRY_AFTER).await;
                    if std::mem::replace(&mut is_troubled, true) {
                        continue;
                    }
                    FeedMessage::Trouble(unreadable(&error))
                }
            };
            if sender.send(message).await.is_err() {
                return;
            }
        }
    }

    async fn page(&self, from: i64) -> Result<ReceivedPage, StoreError> {
        let (reader, connector) = (self.reader.clone(), self.connector.clone());
        let read = tokio::task::spawn_blocking(move || reader.received(&connector, from, BATCH_RECORDS, BATCH_BYTES));
        read.await.unwrap_or_else(|error| Err(StoreError::Other(error.to_string())))
    }

    /// The first of a page's records that lie near each other in time. Offsets without a row are booked as missed: it was lost.
    fn batch(&self, page: &ReceivedPage, next: i64) -> RecordBatch {
        let mut batch = RecordBatch::new(self.connector.clone(), self.source);
        let Some(first) = page.records.first() else { return batch };
        let near = |record: &&received::ReceivedRecord| record.received_at.seconds_since(first.received_at).abs() < MAX_BATCH_SPAN_S;
        let records: Vec<_> = page.records.iter().take_while(near).collect();
        let next_offset = records.last().map_or(next, |last| last.offset + 1);
        let without = next_offset.abs_diff(next).saturating_sub(records.len() as u64);
        let missed = first.offset.abs_diff(next);
        batch.partitions.push(BatchPartition {
            key: self.key.clone(),
            next_offset,
            end_offset: page.end_offset,
            absent: without.saturating_sub(missed),
            missed,
            at_end: next_offset >= page.end_offset,
        });
        for record in records {
            let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
            batch.push(0, record.offset, Some(record.received_at), None, Some(&record.value), &headers);
        }
        batch
    }
}

/// Waits until there may be something; an error when nobody has the handle any more.
async fn idle(news: &mut watch::Receiver<u64>, gate: &mut watch::Receiver<Gate>) -> Result<(), watch::error::RecvError> {
    tokio::select! {
        biased;
        changed = gate.changed() => changed,
        changed = news.changed() => changed,
        () = tokio::time::sleep(LOOK_EVERY) => Ok(()),
    }
}

fn unreadable(error: &StoreError) -> FeedTrouble {
    FeedTrouble::passing(UNREADABLE, format!("what came over HTTP cannot be read from the database now: {error}; tried again"))
}

fn readable() -> FeedTrouble {
    FeedTrouble { recovered: true, ..FeedTrouble::passing(UNREADABLE, "the database can be read again".to_owned()) }
}
