//! The consumer's thread: takes records from librdkafka, packs them, hands them over; what comes between stands beside.

mod growth;
mod holding;
mod packer;
mod placement;
mod rebalance;
mod reporting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::consumer::{ConsumerConfig, Shared};
use super::context::{Context, Note};
use super::native::{DataQueue, PartitionEvent, Pending};
use super::trouble::Troubles;
use crate::clock;
use crate::model::Timestamp;
use crate::model::ports::{FeedMessage, StoredOffsets};
use crate::model::position::PartitionKey;
use growth::Growth;
use packer::Packer;
use rebalance::Unplaced;

/// Wait for the first record while nothing is there; bounds how long commands wait.
const IDLE_WAIT: Duration = Duration::from_millis(50);
/// Wait between looks at a full channel.
const FULL_WAIT: Duration = Duration::from_millis(2);
/// The same once the partitions are paused.
const HELD_WAIT: Duration = Duration::from_millis(20);
/// On the way out, how long the last messages may wait for room.
const FAREWELL_MS: i64 = 2_000;

/// The thread's state. `data` stands before `consumer`: it is dropped first.
pub(super) struct Reader {
    config: ConsumerConfig,
    data: DataQueue,
    consumer: Arc<BaseConsumer<Context>>,
    offsets: Arc<dyn StoredOffsets>,
    shared: Arc<Shared>,
    sender: mpsc::Sender<FeedMessage>,
    /// What the channel had no room for, in order. Records are only taken while it is empty.
    outbox: VecDeque<FeedMessage>,
    packer: Packer,
    /// Assigned partitions whose start is not known yet.
    unplaced: Vec<Unplaced>,
    place_at: Timestamp,
    /// Tries to place partitions that failed, since all were placed.
    placing_failed: u32,
    /// When to look again whether topics were made anew or have grown.
    topics_at: Timestamp,
    topics_asked: Option<Pending>,
    growth: Growth,
    /// Said already that this cluster tells no topic ids.
    told_no_topic_ids: bool,
    cluster: Option<Arc<str>>,
    /// Topics and their partition counts when we first looked: what appears later is read from its beginning.
    known: Option<BTreeMap<String, i32>>,
    started_at: Timestamp,
    troubles: Troubles,
    probe_at: Timestamp,
    /// Why the last connection failed: the reason behind "all brokers down".
    connection_error: String,
    full_since: Option<Timestamp>,
    /// All partitions are held: the pipeline is busy, or somebody asked.
    held: bool,
    /// Partitions that wait for slower ones.
    held_back: BTreeSet<PartitionKey>,
    ended: Option<String>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("connector", &self.config.connector).finish_non_exhaustive()
    }
}

impl Reader {
    /// `None` when librdkafka has no memory for a queue.
    pub(super) fn new(
        config: ConsumerConfig,
        consumer: BaseConsumer<Context>,
        offsets: Arc<dyn StoredOffsets>,
        shared: Arc<Shared>,
        sender: mpsc::Sender<FeedMessage>,
    ) -> Option<Self> {
        let consumer = Arc::new(consumer);
        let now = clock::now();
        let data = DataQueue::new(Arc::clone(&consumer), config.options.batch.max_records as usize)?;
        let packer = Packer::new(Arc::clone(&config.connector), config.source.source, config.options.batch);
        Some(Self {
            config,
            data,
            consumer,
            offsets,
            shared,
            sender,
            outbox: VecDeque::new(),
            packer,
            unplaced: Vec::new(),
            place_at: now,
            placing_failed: 0,
            topics_at: now,
            topics_asked: None,
            growth: Growth::default(),
            told_no_topic_ids: false,
            cluster: None,
            known: None,
            started_at: now,
            troubles: Troubles::default(),
            probe_at: now,
            connection_error: String::new(),
            full_since: None,
            held: false,
            held_back: BTreeSet::new(),
            ended: None,
        })
    }

    pub(super) fn run(mut self) {
        let mut idle = true;
        while !self.shared.is_stopped() && self.ended.is_none() && !self.sender.is_closed() {
            self.poll_events(if idle { Duration::from_millis(1) } else { Duration::ZERO });
            self.publish_commits();
            self.place();
            self.probe();
            if self.troubles.only_missing_topics() {
                self.watch_topics();
            }
            self.deliver();
            self.hold_or_go_on();
            idle = self.step();
        }
        self.farewell();
    }

    /// Reads for one batch at most; true when there was nothing to do.
    fn step(&mut self) -> bool {
        if !self.outbox.is_empty() {
            self.poll_events(if self.held { HELD_WAIT } else { FULL_WAIT });
            return false;
        }
        if self.held || self.packer.owned().is_empty() {
            self.poll_events(IDLE_WAIT);
            return true;
        }
        let read = self.fill();
        let now = clock::now();
        if self.packer.is_full() || self.packer.due_at().is_some_and(|due| now >= due) {
            self.seal();
            self.deliver();
        }
        !read
    }

    /// Serves the main queue: rebalances, errors, logs. A record that comes this way was queued before its partition was
    /// forwarded; the partition is placed again, at the offset packed last, so that nothing is skipped.
    fn poll_events(&mut self, wait: Duration) {
        let mut stray = None;
        // An error is told as a note as well, with its reason.
        if let Some(Ok(message)) = self.consumer.poll(wait) {
            stray = Some((message.topic().to_owned(), message.partition()));
        }
        if let Some((topic, partition)) = stray {
            self.place_again(&topic, partition);
        }
        for note in self.consumer.context().take_notes() {
            match note {
                Note::Assign(partitions) => self.assigned(partitions),
                Note::Revoke(partitions) => self.revoked(&partitions),
                Note::Error(code, reason) => self.error(code, &reason),
            }
        }
    }

    /// Waits for a record, takes what is there, packs it until the batch is full. True when there was anything.
    fn fill(&mut self) -> bool {
        let mut now = clock::now();
        let mut wait = match self.packer.due_at() {
            Some(due) => IDLE_WAIT.min(Duration::from_nanos(u64::try_from(due.nanos() - now.nanos()).unwrap_or(0))),
            None => IDLE_WAIT,
        };
        if !self.data.has_taken() {
            self.packer.forget_handles();
        }
        let mut any = false;
        while !self.packer.is_full() {
            let told = {
                let Some(delivery) = self.data.next(wait) else { break };
                if wait > Duration::ZERO {
                    now = clock::now();
                }
                (wait, any) = (Duration::ZERO, true);
                let Some(slot) = self.packer.slot_of(&delivery) else { continue };
                match delivery.event() {
                    None | Some(PartitionEvent::End) if self.packer.is_doubtful(slot, delivery.offset()) => {
                        Some((delivery.name(), Some(PartitionEvent::OutOfRange)))
                    }
                    None => {
                        self.packer.record(slot, &delivery, now);
                        self.packer.recovered(slot).map(|name| (name, None))
                    }
                    Some(PartitionEvent::End) => {
                        self.packer.end(slot, delivery.offset(), now);
                        self.packer.recovered(slot).map(|name| (name, None))
                    }
                    Some(event) => Some((delivery.name(), Some(event))),
                }
            };
            if let Some((name, event)) = told {
                self.partition_told(&name, event);
                break;
            }
            if !self.data.has_taken() {
                break;
            }
        }
        any
    }

    /// Closes the open batch and puts it in line.
    fn seal(&mut self) {
        let data = &self.data;
        if let Some(batch) = self.packer.seal(|key| data.watermarks(&key.topic, key.partition).map(|(_, high)| high)) {
            self.outbox.push_back(FeedMessage::Batch(batch));
        }
    }

    /// Moves messages to the channel while it has room.
    fn deliver(&mut self) {
        while let Some(message) = self.outbox.pop_front() {
            match self.sender.try_send(message) {
                Ok(()) => self.full_since = None,
                Err(TrySendError::Full(message)) => {
                    self.outbox.push_front(message);
                    self.full_since.get_or_insert_with(clock::now);
                    return;
                }
                Err(TrySendError::Closed(_)) => self.outbox.clear(),
            }
        }
    }

    fn publish_commits(&self) {
        let commits = self.shared.take_commits();
        if commits.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (key, offset) in commits {
            // Only what we still own: another member may have gone further.
            if self.packer.get(&key.topic, key.partition).is_some_and(|owned| owned.key == key) {
                let _ = list.add_partition_offset(&key.topic, key.partition, Offset::Offset(offset));
            }
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(target: "kafka", connector = %self.config.connector, %error, "offsets not published");
        }
    }

    /// Hands over what is packed, says why it ended, and closes the channel before the client, which may take its time.
    fn farewell(mut self) {
        let permanent = self.ended.is_some();
        self.seal();
        self.outbox.push_back(FeedMessage::Ended { reason: self.ended.take() });
        let give_up_at = clock::now().plus_millis(FAREWELL_MS);
        self.deliver();
        // The reason of a permanent trouble is worth waiting for, unless we are told to stop.
        let patient = |shared: &Shared| permanent && !shared.is_stopped();
        while !self.outbox.is_empty() && !self.sender.is_closed() && (clock::now() < give_up_at || patient(&self.shared)) {
            self.poll_events(FULL_WAIT);
            self.deliver();
        }
        let Self { data, consumer, sender, .. } = self;
        drop(sender);
        consumer.context().close();
        drop(data);
        drop(consumer);
    }
}
