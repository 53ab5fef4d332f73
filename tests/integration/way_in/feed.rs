//! A consumer under test and everything it said, checked as it comes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;
use whydunit::kafka::{ConsumerConfig, Options, SourceOptions};
use whydunit::model::Source;
use whydunit::model::ports::{FeedControl, FeedMessage, FeedTrouble, StoredOffset, StoredOffsets};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::RecordBatch;

use crate::support::kafka::KafkaServer;

/// A busy machine gets time; a condition that holds ends the wait at once.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A name no other test of this process has.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Offsets "kept with the data": what a restart goes on from.
#[derive(Default)]
pub struct Stored(pub Mutex<BTreeMap<(String, i32), StoredOffset>>);

impl Stored {
    /// As if a partition had been read up to an offset, in a topic whose id is not known.
    pub fn at(topic: &str, partition: i32, incarnation: u32, next_offset: i64) -> Self {
        let stored = StoredOffset { incarnation, next_offset, topic_id: None };
        Self(Mutex::new(BTreeMap::from([((topic.to_owned(), partition), stored)])))
    }
}

impl StoredOffsets for Stored {
    fn stored(&self, _connector: &str, _cluster: &str, topic: &str, partition: i32) -> Option<StoredOffset> {
        self.0.lock().unwrap().get(&(topic.to_owned(), partition)).cloned()
    }
}

/// A session that a member of a group keeps though the machine is busy, for tests that see it end.
pub const PATIENT_SESSION_MS: u32 = 6_000;
/// How often a condition is looked at that no message tells of.
const LOOK: Duration = Duration::from_millis(20);

/// A record as the pipeline would see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Seen {
    /// A number, as far as tests of values look.
    pub fn of(topic: &str, number: i32) -> Self {
        let value = Some(number.to_string().into_bytes());
        Self { topic: topic.to_owned(), partition: 0, offset: i64::from(number), timestamp_ms: None, key: None, value, headers: Vec::new() }
    }
}

/// The books of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    pub incarnation: u32,
    pub next_offset: i64,
    pub end_offset: i64,
    pub records: u64,
    pub absent: u64,
    pub missed: u64,
    pub at_end: bool,
}

pub struct Feed {
    runtime: Runtime,
    brokers: String,
    group: String,
    pub receiver: Receiver<FeedMessage>,
    pub control: Arc<dyn FeedControl>,
    pub stored: Arc<Stored>,
    pub seen: Vec<Seen>,
    pub books: BTreeMap<(String, i32), Book>,
    pub owned: BTreeMap<(String, i32), PartitionKey>,
    pub assigned: u32,
    pub revoked: u32,
    pub troubles: Vec<FeedTrouble>,
    pub notices: Vec<FeedTrouble>,
    pub ended: Option<Option<String>>,
}

/// A connector of logs with short waits, reading `topics` of `server`.
pub fn config(server: &KafkaServer, topics: &[&str]) -> ConsumerConfig {
    config_of(&server.brokers(), topics)
}

pub fn config_of(brokers: &str, topics: &[&str]) -> ConsumerConfig {
    let options = Options { brokers: brokers.to_owned(), metadata_refresh_ms: 500, ..Options::default() };
    ConsumerConfig {
        connector: Arc::from("logs"),
        source: SourceOptions::new(Source::Logs, topics),
        options,
        group: unique("group"),
        instance: "one".to_owned(),
    }
}

impl Feed {
    pub fn start(config: ConsumerConfig) -> Self {
        Self::resume(config, Arc::new(Stored::default()))
    }

    pub fn resume(config: ConsumerConfig, stored: Arc<Stored>) -> Self {
        let (brokers, group) = (config.options.brokers.clone(), config.group.clone());
        let (receiver, control) =
            whydunit::kafka::start(config, Arc::clone(&stored) as Arc<dyn StoredOffsets>).expect("settings that work");
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            brokers,
            group,
            receiver,
            control,
            stored,
            seen: Vec::new(),
            books: BTreeMap::new(),
            owned: BTreeMap::new(),
            assigned: 0,
            revoked: 0,
            troubles: Vec::new(),
            notices: Vec::new(),
            ended: None,
        }
    }

    /// Takes messages until `done` holds.
    #[track_caller]
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && self.ended.is_none(),
                "not seen: {what}; {} records, books {:?}, troubles {:?}, ended {:?}",
                self.seen.len(),
                self.books,
                self.troubles,
                self.ended
            );
            self.take(left.min(LOOK));
        }
    }

    /// Takes messages until `done` holds, or until the feed has ended: false.
    #[track_caller]
    pub fn until_or_end(&mut self, done: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + DEADLINE;
        while self.ended.is_none() {
            if done(self) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "neither done nor ended; {} records, troubles {:?}", self.seen.len(), self.troubles);
            self.take(left.min(LOOK));
        }
        false
    }

    /// Takes messages until the feed has ended by itself; its reason.
    #[track_caller]
    pub fn until_ended(&mut self) -> Option<String> {
        self.until_or_end(|_| false);
        self.ended.clone().flatten()
    }

    /// Publishes offsets to the group, and waits until the broker has them.
    #[track_caller]
    pub fn publish(&mut self, next_offsets: &[(PartitionKey, i64)]) {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("log_level", "0")
            .create()
            .unwrap();
        let mut wanted = TopicPartitionList::new();
        for (key, offset) in next_offsets {
            wanted.add_partition_offset(&key.topic, key.partition, Offset::Offset(*offset)).unwrap();
        }
        self.control.commit(next_offsets);
        self.until("the group's offsets", |_| client.committed_offsets(wanted.clone(), DEADLINE).is_ok_and(|found| found == wanted));
    }

    /// Waits until the consumer has obeyed what it was told, and takes what it had on its way until then. It publishes offsets before
    /// it looks whom to hold: once it has published twice, the turn in which it did so first is over.
    #[track_caller]
    pub fn settle(&mut self) {
        let key = self.owned.values().next().expect("a partition").clone();
        self.publish(&[(key.clone(), 1)]);
        self.publish(&[(key, 2)]);
        while self.take(Duration::ZERO) {}
    }

    /// Takes messages for as long as `time`: to see that something does not happen.
    pub fn during(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            if !self.take(left) {
                return;
            }
        }
    }

    /// One message, if one comes in time.
    pub fn take(&mut self, wait: Duration) -> bool {
        let message = self.runtime.block_on(async { tokio::time::timeout(wait, self.receiver.recv()).await });
        match message {
            Ok(Some(message)) => self.apply(message),
            Ok(None) => {
                self.ended.get_or_insert(None);
                return false;
            }
            Err(_) => return false,
        }
        true
    }

    fn apply(&mut self, message: FeedMessage) {
        match message {
            FeedMessage::Batch(batch) => self.batch(&batch),
            FeedMessage::Assigned(partitions) => {
                self.assigned += 1;
                for partition in partitions {
                    let name = (partition.key.topic.to_string(), partition.key.partition);
                    let book = self.books.entry(name.clone()).or_default();
                    if let Some(stored) = self.stored.stored("", "", &name.0, name.1)
                        && stored.incarnation == partition.key.incarnation
                    {
                        assert_eq!(partition.start_offset, stored.next_offset, "{name:?} does not go on where the stored offset stands");
                    }
                    let stored = StoredOffset {
                        incarnation: partition.key.incarnation,
                        next_offset: partition.start_offset,
                        topic_id: partition.topic_id,
                    };
                    self.stored.0.lock().unwrap().insert(name.clone(), stored);
                    // Read again from what is stored: the books go back to where that stands.
                    book.next_offset = partition.start_offset;
                    book.incarnation = partition.key.incarnation;
                    assert_eq!(self.owned.insert(name, partition.key), None, "assigned twice");
                }
            }
            FeedMessage::Revoked(keys) => {
                self.revoked += 1;
                for key in keys {
                    assert!(self.owned.remove(&(key.topic.to_string(), key.partition)).is_some(), "revoked without having been assigned");
                }
            }
            FeedMessage::Trouble(trouble) => self.troubles.push(trouble),
            FeedMessage::Notice(notice) => self.notices.push(notice),
            FeedMessage::Ended { reason } => self.ended = Some(reason),
        }
    }

    /// Every batch balances: what its partitions went forward is what it holds, what was absent and what was missed.
    fn batch(&mut self, batch: &RecordBatch) {
        let mut records = vec![0_u64; batch.partitions.len()];
        for record in &batch.records {
            records[usize::from(record.partition)] += 1;
            let position = batch.position(record);
            self.seen.push(Seen {
                topic: position.partition.topic.to_string(),
                partition: position.partition.partition,
                offset: position.offset,
                timestamp_ms: record.timestamp.map(|time| time.millis()),
                key: batch.key(record).map(<[u8]>::to_vec),
                value: batch.value(record).map(<[u8]>::to_vec),
                headers: batch.headers(record).map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect(),
            });
        }
        for (partition, records) in batch.partitions.iter().zip(records) {
            let name = (partition.key.topic.to_string(), partition.key.partition);
            assert_eq!(self.owned.get(&name), Some(&partition.key), "data of a partition that is not ours");
            let book = self.books.get_mut(&name).expect("assigned before its data");
            let expected = book.next_offset + (records + partition.absent + partition.missed) as i64;
            assert_eq!(partition.next_offset, expected, "the books of {name:?} do not balance: {partition:?}");
            book.next_offset = partition.next_offset;
            book.end_offset = partition.end_offset;
            book.records += records;
            book.absent += partition.absent;
            book.missed += partition.missed;
            book.at_end = partition.at_end;
            if let Some(stored) = self.stored.0.lock().unwrap().get_mut(&name) {
                stored.next_offset = partition.next_offset;
            }
        }
    }

    pub fn values(&self) -> Vec<String> {
        self.seen.iter().map(|seen| String::from_utf8_lossy(seen.value.as_deref().unwrap_or_default()).into_owned()).collect()
    }

    /// True when all partitions of a topic were read to their end.
    pub fn at_end(&self, topic: &str, partitions: usize) -> bool {
        self.books.iter().filter(|((name, _), book)| name == topic && book.at_end).count() == partitions
    }

    pub fn has_trouble(&self, class: &str) -> bool {
        self.troubles.iter().any(|trouble| trouble.class == class)
    }

    /// Stops the feed and takes what it still had.
    pub fn stop(mut self) -> Self {
        self.control.stop();
        let deadline = Instant::now() + DEADLINE;
        while self.take(deadline.saturating_duration_since(Instant::now())) {}
        assert!(self.ended.is_some(), "the feed did not end");
        self
    }
}

/// A producer without frills.
pub struct Writer {
    producer: BaseProducer,
}

impl Writer {
    pub fn new(server: &KafkaServer) -> Self {
        Self::with(server, &[])
    }

    pub fn with(server: &KafkaServer, properties: &[(&str, &str)]) -> Self {
        let mut config = server.client();
        // Without idempotence a retry may overtake, and the order we check would not be the order written.
        config.set("linger.ms", "5").set("enable.idempotence", "true").set("queue.buffering.max.messages", "1000000");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        Self { producer: config.create().expect("a producer") }
    }

    pub fn producer(&self) -> &BaseProducer {
        &self.producer
    }

    /// Values `from..to` as text, `value % partitions` being the partition.
    pub fn numbers(&self, topic: &str, partitions: i32, range: std::ops::Range<i32>) {
        for number in range {
            self.send(topic, number % partitions, &format!("k{number}"), Some(&number.to_string()));
        }
        self.flush();
    }

    pub fn send(&self, topic: &str, partition: i32, key: &str, value: Option<&str>) {
        let mut record = BaseRecord::<str, str>::to(topic).partition(partition).key(key);
        record.payload = value;
        self.producer.send(record).map_err(|(error, _)| error).expect("room in the producer's queue");
    }

    pub fn send_whole(&self, topic: &str, partition: i32, seen: &Seen) {
        let headers =
            seen.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }));
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).headers(headers);
        record.key = seen.key.as_deref();
        record.payload = seen.value.as_deref();
        record.timestamp = seen.timestamp_ms;
        self.producer.send(record).map_err(|(error, _)| error).expect("room in the producer's queue");
    }

    pub fn flush(&self) {
        self.producer.flush(DEADLINE).expect("everything delivered");
    }
}
