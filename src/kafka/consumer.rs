//! One connector's consumer: a thread that turns partitions into batches on a bounded channel.
//!
//! The thread never waits for the pipeline. While the channel is full it goes on polling, so that the group keeps its
//! partitions, and stops fetching; nothing is taken from librdkafka that has no place to go.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError as NativeError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::client::{consumer_config, is_for_another_host};
use super::context::{Context, Note};
use super::error::KafkaError;
use super::lives::Lives;
use super::native::{DataQueue, PartitionEvent};
use super::options::{Options, SourceOptions};
use super::packer::Packer;
use super::rebalance::Unplaced;
use super::trouble::{Troubles, WRONG_HOST, class, classify, is_connection_error, is_tls_error, is_unclear, topic_in};
use crate::clock;
use crate::model::Timestamp;
use crate::model::ports::{FeedControl, FeedMessage, FeedTrouble, StoredOffsets};
use crate::model::position::PartitionKey;

/// Wait for the first record while nothing is there; bounds how long commands wait.
const IDLE_WAIT: Duration = Duration::from_millis(50);
/// Wait between looks at a full channel.
const FULL_WAIT: Duration = Duration::from_millis(2);
/// The same once the partitions are paused.
const HELD_WAIT: Duration = Duration::from_millis(20);
/// A channel full for this long pauses the partitions: fetched records are given back, the broker is left alone. Not sooner:
/// they have to be fetched again, and until then librdkafka's own bounds hold.
const PAUSE_AFTER_MS: i64 = 2_000;
/// Between two looks whether a trouble is over.
const PROBE_EVERY_MS: i64 = 1_000;
const PROBE_WAIT: Duration = Duration::from_millis(500);
/// On the way out, how long the last messages may wait for room.
const FAREWELL_MS: i64 = 2_000;

/// Everything one consumer needs to know.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    pub connector: Arc<str>,
    pub source: SourceOptions,
    pub options: Options,
    /// Consumer group, see [`super::client::group_id`].
    pub group: String,
    /// Static member id: the same after a restart, another one for every process that shares the group.
    pub instance: String,
}

/// What the handle and the thread share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    paused: AtomicBool,
    stop: AtomicBool,
    /// Newest offsets to publish; a later call replaces an earlier one, so this is bounded by the partitions.
    commits: Mutex<BTreeMap<PartitionKey, i64>>,
}

struct Handle(Arc<Shared>);

impl FeedControl for Handle {
    fn pause(&self) {
        self.0.paused.store(true, Ordering::SeqCst);
    }

    fn resume(&self) {
        self.0.paused.store(false, Ordering::SeqCst);
    }

    fn commit(&self, next_offsets: &[(PartitionKey, i64)]) {
        let mut commits = self.0.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.extend(next_offsets.iter().cloned());
    }

    fn stop(&self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

/// Starts a connector's consumer on its own thread. Messages come in order on the receiver, which closes when the feed has
/// ended: after [`FeedControl::stop`], when the receiver is dropped, or for a permanent trouble (`Ended` says which).
///
/// A broker that is not there is no error: it is reported as a trouble and tried again.
///
/// # Errors
/// Settings that cannot work, named one by one; or what librdkafka says against them as a whole.
pub fn start(
    config: ConsumerConfig,
    offsets: Arc<dyn StoredOffsets>,
) -> Result<(mpsc::Receiver<FeedMessage>, Arc<dyn FeedControl>), KafkaError> {
    let mut problems = config.options.validate();
    problems.extend(config.source.validate());
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let native = consumer_config(&config.options, &config.source, &config.group, &config.instance);
    let consumer: BaseConsumer<Context> = native.create_with_context(Context::default())?;
    let topics: Vec<&str> = config.source.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)?;
    let shared = Arc::new(Shared::default());
    let (sender, receiver) = mpsc::channel(config.options.batch.queue as usize);
    let handle: Arc<dyn FeedControl> = Arc::new(Handle(Arc::clone(&shared)));
    let name = format!("kafka {}", config.connector);
    std::thread::Builder::new()
        .name(name)
        .spawn(move || {
            if let Some(reader) = Reader::new(config, consumer, offsets, shared, sender) {
                reader.run();
            }
        })
        .map_err(|error| KafkaError::Thread(error.to_string()))?;
    Ok((receiver, handle))
}

/// The thread's state. `data` stands before `consumer`: it is dropped first.
pub(super) struct Reader {
    pub(super) config: ConsumerConfig,
    pub(super) data: DataQueue,
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    pub(super) offsets: Arc<dyn StoredOffsets>,
    shared: Arc<Shared>,
    sender: mpsc::Sender<FeedMessage>,
    /// What the channel had no room for, in order. Records are only taken while it is empty.
    pub(super) outbox: VecDeque<FeedMessage>,
    pub(super) packer: Packer,
    /// Assigned partitions whose start is not known yet.
    pub(super) unplaced: Vec<Unplaced>,
    pub(super) place_at: Timestamp,
    pub(super) lives: Lives,
    /// When to look at the topics' ids again.
    pub(super) lives_at: Timestamp,
    pub(super) cluster: Option<Arc<str>>,
    /// Topics and their partition counts when we first looked: what appears later is read from its beginning.
    pub(super) known: Option<BTreeMap<String, i32>>,
    pub(super) started_at: Timestamp,
    troubles: Troubles,
    probe_at: Timestamp,
    /// Why the last connection failed: the reason behind "all brokers down".
    connection_error: String,
    full_since: Option<Timestamp>,
    pub(super) held: bool,
    ended: Option<String>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("connector", &self.config.connector).finish_non_exhaustive()
    }
}

impl Reader {
    fn new(
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
            lives: Lives::default(),
            lives_at: now,
            cluster: None,
            known: None,
            started_at: now,
            troubles: Troubles::default(),
            probe_at: now,
            connection_error: String::new(),
            full_since: None,
            held: false,
            ended: None,
        })
    }

    fn run(mut self) {
        let mut idle = true;
        while !self.shared.stop.load(Ordering::SeqCst) && self.ended.is_none() && !self.sender.is_closed() {
            self.poll_events(if idle { Duration::from_millis(1) } else { Duration::ZERO });
            self.publish_commits();
            self.place();
            self.probe();
            if self.troubles.is_empty() {
                self.watch_lives();
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
    pub(super) fn poll_events(&mut self, wait: Duration) {
        let mut stray = None;
        match self.consumer.poll(wait) {
            Some(Ok(message)) => stray = Some((message.topic().to_owned(), message.partition())),
            Some(Err(error @ NativeError::MessageConsumptionFatal(code))) => self.trouble(code, &error.to_string(), ""),
            Some(Err(_)) | None => {}
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

    fn error(&mut self, code: RDKafkaErrorCode, reason: &str) {
        if is_connection_error(code) {
            reason.clone_into(&mut self.connection_error);
        }
        if code == RDKafkaErrorCode::AllBrokersDown {
            // A login or a handshake that fails is why: told already.
            if self.troubles.is_on(class::AUTHENTICATION_FAILED) || self.troubles.is_on(class::TLS_FAILED) {
                return;
            }
            let reason = if self.connection_error.is_empty() { reason.to_owned() } else { self.connection_error.clone() };
            return self.trouble(code, &reason, "");
        }
        if is_tls_error(code, reason) && self.troubles.is_on(class::TLS_FAILED) {
            return;
        }
        let wrong_host =
            is_tls_error(code, reason) && is_unclear(reason) && is_for_another_host(&self.config.options, Some(&self.config.source));
        let reason = if wrong_host { format!("{reason} ({WRONG_HOST})") } else { reason.to_owned() };
        let subject = topic_in(&reason).unwrap_or_default().to_owned();
        self.trouble(code, &reason, &subject);
    }

    pub(super) fn trouble(&mut self, code: RDKafkaErrorCode, reason: &str, subject: &str) {
        let brokers = self.config.source.brokers.as_deref().unwrap_or(&self.config.options.brokers);
        if let Some(trouble) = classify(code, reason, brokers) {
            self.report(subject, trouble);
        }
    }

    pub(super) fn report(&mut self, subject: &str, trouble: FeedTrouble) {
        if self.troubles.is_empty() {
            self.probe_at = clock::now().plus_millis(PROBE_EVERY_MS);
        }
        if trouble.permanent {
            self.ended = Some(trouble.message.clone());
        }
        if let Some(trouble) = self.troubles.begin(subject, trouble) {
            self.outbox.push_back(FeedMessage::Trouble(trouble));
        }
    }

    pub(super) fn over(&mut self, is_over: impl Fn(&FeedTrouble, &str) -> bool) {
        if !self.troubles.is_empty() {
            let ended = self.troubles.end(is_over);
            self.outbox.extend(ended.into_iter().map(FeedMessage::Trouble));
        }
    }

    /// While something is wrong, asks the cluster now and then whether it still is.
    fn probe(&mut self) {
        let now = clock::now();
        if self.troubles.is_empty() || now < self.probe_at {
            return;
        }
        self.probe_at = now.plus_millis(PROBE_EVERY_MS);
        let Ok(metadata) = self.consumer.fetch_metadata(None, PROBE_WAIT) else { return };
        let topics: Vec<&str> = metadata.topics().iter().filter(|topic| topic.error().is_none()).map(|topic| topic.name()).collect();
        self.over(|trouble, subject| match trouble.class.as_str() {
            class::UNKNOWN_TOPIC => topics.contains(&subject),
            class::NOT_AUTHORIZED => false,
            _ => !trouble.permanent,
        });
    }

    /// Waits for a record, takes what is there, packs it until the batch is full. True when there was anything.
    fn fill(&mut self) -> bool {
        let now = clock::now();
        let wait = match self.packer.due_at() {
            Some(due) => IDLE_WAIT.min(Duration::from_nanos(u64::try_from(due.nanos() - now.nanos()).unwrap_or(0))),
            None => IDLE_WAIT,
        };
        if !self.data.has_taken() {
            self.packer.forget_handles();
        }
        let (mut wait, mut now, mut any) = (wait, now, false);
        while !self.packer.is_full() {
            let trouble = {
                let Some(delivery) = self.data.next(wait) else { break };
                if wait > Duration::ZERO {
                    now = clock::now();
                }
                (wait, any) = (Duration::ZERO, true);
                let Some(slot) = self.packer.slot_of(&delivery) else { continue };
                match delivery.event() {
                    None | Some(PartitionEvent::End) if self.packer.is_doubtful(slot, delivery.offset()) => {
                        Some((delivery.topic(), delivery.partition(), PartitionEvent::OutOfRange))
                    }
                    None => {
                        self.packer.record(slot, &delivery, now);
                        None
                    }
                    Some(PartitionEvent::End) => {
                        self.packer.end(slot, delivery.offset(), now);
                        None
                    }
                    Some(event) => Some((delivery.topic(), delivery.partition(), event)),
                }
            };
            if let Some((topic, partition, event)) = trouble {
                self.partition_event(&topic, partition, event);
                break;
            }
            if !self.data.has_taken() {
                break;
            }
        }
        any
    }

    fn partition_event(&mut self, topic: &str, partition: i32, event: PartitionEvent) {
        match event {
            PartitionEvent::End => {}
            PartitionEvent::OutOfRange => self.place_again(topic, partition),
            PartitionEvent::Failed(code, reason) => self.trouble(code, &format!("{topic}: {reason}"), topic),
        }
    }

    /// Closes the open batch and puts it in line.
    pub(super) fn seal(&mut self) {
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

    /// Pauses the partitions when asked to or when the pipeline has been busy for long, and lets them go on after.
    fn hold_or_go_on(&mut self) {
        // Fetching again from where we stopped has its price: not for a single free place.
        let stalled = self.held && self.sender.capacity() * 2 < self.sender.max_capacity();
        let stalling = self.full_since.is_some_and(|since| clock::now() >= since.plus_millis(PAUSE_AFTER_MS));
        let hold = stalled || stalling || self.shared.paused.load(Ordering::SeqCst);
        if hold == self.held {
            return;
        }
        self.held = hold;
        if hold {
            self.seal();
            self.data.discard();
        }
        let positions = self.positions();
        if let Err(error) = self.set_held(&positions, hold) {
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, hold, "partitions not paused or resumed");
            // Not known to hold: tried again at the next turn.
            self.held = !hold;
        }
    }

    /// Pausing makes librdkafka forget what it has fetched and go back to its own idea of our position, which after a
    /// partition's end is one too far. It is told ours instead.
    pub(super) fn set_held(&self, positions: &TopicPartitionList, hold: bool) -> Result<(), NativeError> {
        if positions.count() == 0 {
            return Ok(());
        }
        if !hold {
            return self.consumer.resume(positions);
        }
        self.consumer.pause(positions)?;
        self.consumer.seek_partitions(positions.clone(), Duration::ZERO).map(drop)
    }

    fn positions(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(self.packer.owned().len());
        for owned in self.packer.owned() {
            // Offsets are never negative here, so the list takes them.
            let _ = list.add_partition_offset(&owned.key.topic, owned.key.partition, Offset::Offset(owned.next_offset));
        }
        list
    }

    fn publish_commits(&self) {
        let commits = {
            let mut waiting = self.shared.commits.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.is_empty() {
                return;
            }
            std::mem::take(&mut *waiting)
        };
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
        let patient = |shared: &Shared| permanent && !shared.stop.load(Ordering::SeqCst);
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
