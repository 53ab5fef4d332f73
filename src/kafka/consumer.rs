//! One connector's consumer: a thread that turns partitions into batches on a bounded channel.
//!
//! The thread never waits for the pipeline. While the channel is full it goes on polling, so that the group keeps its
//! partitions, and stops fetching; nothing is taken from librdkafka that has no place to go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc;

use super::client::consumer_config;
use super::context::Context;
use super::error::KafkaError;
use super::options::{Options, SourceOptions};
use super::reader::Reader;
use crate::model::ports::{FeedControl, FeedMessage, StoredOffsets};
use crate::model::position::PartitionKey;

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

/// What the handle and the thread share: wishes, of which the newest counts.
#[derive(Debug, Default)]
pub(super) struct Shared {
    paused: AtomicBool,
    stop: AtomicBool,
    /// Offsets to publish; bounded by the partitions.
    commits: Mutex<BTreeMap<PartitionKey, i64>>,
    /// Partitions that must not be read, until the thread has taken the wish.
    hold_back: Mutex<Option<BTreeSet<PartitionKey>>>,
}

impl Shared {
    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::SeqCst)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(super) fn take_commits(&self) -> BTreeMap<PartitionKey, i64> {
        std::mem::take(&mut *lock(&self.commits))
    }

    pub(super) fn take_hold_back(&self) -> Option<BTreeSet<PartitionKey>> {
        lock(&self.hold_back).take()
    }
}

/// Whole values are put and taken: a panic elsewhere leaves nothing half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        lock(&self.0.commits).extend(next_offsets.iter().cloned());
    }

    fn hold_back(&self, partitions: &[PartitionKey]) {
        *lock(&self.0.hold_back) = Some(partitions.iter().cloned().collect());
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
