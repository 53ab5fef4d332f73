//! Numbered records: what is sent is known to the last one, so that what is stored can be counted against it.
//!
//! Half are one-to-one events that carry their number as external id: manual events (also in a topic that grows, in one that is
//! compacted and in one written by transactions, every third of them aborted), pushes and builds. Half are lines of few templates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use serde_json::{Value, json};
use whydunit::app::WATERMARK_HEADER;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use crate::support::kafka::KafkaServer;
use crate::support::shop::{DELIVERY_PATIENCE, at, patient_producer};

pub const MANUAL: &str = "numbers.manual";
pub const GIT: &str = "numbers.git";
pub const CI: &str = "numbers.ci";
/// Gets partitions while it is read.
pub const GROWING: &str = "numbers.growing";
pub const COMPACTED: &str = "numbers.compacted";
pub const TRANSACTIONAL: &str = "numbers.transactional";
pub const LINES: &str = "numbers.lines";

/// Type of the events that end a partition, after which nothing comes.
pub const END_TYPE: &str = "campaign_end";
/// Services of numbered events; nothing else is told of them.
pub const EVENT_SERVICES: &str = "numbered-";
/// Of the compacted topic: which of its records are found depends on when they are read.
pub const COMPACTED_SERVICE: &str = "numbered-compacted";
/// Services of counted lines.
pub const LINE_SERVICES: &str = "counted-";

/// Numbered events are told of a time so long before the shop's: none is a suspect, since whether a change is considered at a
/// bucket's close depends on whether its source was read by then.
const BEFORE_S: i64 = 10 * 86_400;
const LINE_PARTITIONS: i32 = 3;
const COMPACTED_KEYS: u64 = 4;
/// One line in so many is no error.
const INFO_EVERY: u64 = 4;
const FAILURES: [&str; 5] = [
    "parcel could not be weighed",
    "label printer does not answer",
    "address was refused by the carrier",
    "stock of the warehouse is out of step",
    "invoice could not be rendered",
];
const INFO: &str = "parcel handed over";

/// What was sent and has to be found.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// External ids of events stored exactly once.
    pub once: BTreeSet<String>,
    /// Stored at most once: a later record of their key was sent to a compacted topic, or their transaction's end is not known.
    pub at_most_once: BTreeSet<String>,
    /// Of aborted transactions: never stored.
    pub never: BTreeSet<String>,
    /// Failing lines by service and message.
    pub failures: BTreeMap<(String, String), u64>,
    /// All lines by service.
    pub lines: BTreeMap<String, u64>,
}

impl Sent {
    pub fn events(&self) -> usize {
        self.once.len() + self.at_most_once.len()
    }

    pub fn lines(&self) -> u64 {
        self.lines.values().sum()
    }

    /// Counts a line that Kafka holds once more than it was sent: a producer whose broker is killed may write a batch twice,
    /// idempotent or not, once the broker has forgotten it.
    fn doubled(&mut self, body: &Value) {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (service, message) = (text("service.name"), text("message"));
        *self.lines.entry(service.clone()).or_default() += 1;
        if message != INFO {
            *self.failures.entry((service, message)).or_default() += 1;
        }
    }

    /// Reads all lines back from Kafka with a client that is not ours, and counts those it holds more than once. How many.
    ///
    /// # Panics
    /// When one is missing there.
    pub fn read_back(&mut self, server: &KafkaServer, patience: Duration) -> u64 {
        let mut config = server.client();
        let consumer: BaseConsumer = config.set("group.id", "read-back").create().expect("a client");
        let (mut partitions, mut left) = (TopicPartitionList::new(), 0);
        for partition in 0..LINE_PARTITIONS {
            partitions.add_partition_offset(LINES, partition, Offset::Beginning).expect("an offset");
            left += consumer.fetch_watermarks(LINES, partition, patience).expect("the broker answers").1;
        }
        consumer.assign(&partitions).expect("partitions");
        let (mut seen, mut again) = (BTreeSet::new(), 0);
        while left > 0 {
            let record = consumer.poll(patience).expect("a record in time").expect("a record");
            left -= 1;
            let Some(number) = record.key() else { continue };
            if !seen.insert(number.to_owned()) {
                again += 1;
                self.doubled(&serde_json::from_slice(record.payload().expect("a body")).expect("a line"));
            }
        }
        assert_eq!(seen.len() as u64 + again, self.lines(), "Kafka holds every line that was sent");
        again
    }

    pub fn add(&mut self, other: Self) {
        self.once.extend(other.once);
        self.at_most_once.extend(other.at_most_once);
        self.never.extend(other.never);
        self.failures.extend(other.failures);
        self.lines.extend(other.lines);
    }
}

pub fn create_topics(server: &KafkaServer) {
    for topic in [MANUAL, GIT, CI, GROWING, TRANSACTIONAL] {
        server.create_topic(topic, 2, &[]);
    }
    server.create_topic(LINES, LINE_PARTITIONS, &[]);
    let compaction = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "500"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "500"),
        ("delete.retention.ms", "0"),
    ];
    server.create_topic(COMPACTED, 1, &compaction);
}

/// Writes numbers, each once, in the order of event time.
pub struct Numbers {
    producer: Producer,
    next: u64,
    sent: Sent,
    /// Newest number of each key of the compacted topic.
    newest: BTreeMap<u64, String>,
    growing: Arc<AtomicI32>,
}

impl Numbers {
    pub fn new(server: &KafkaServer, growing: Arc<AtomicI32>) -> Self {
        Self { producer: patient_producer(server), next: 0, sent: Sent::default(), newest: BTreeMap::new(), growing }
    }

    /// 36 records of one second of event time.
    pub fn write_second(&mut self, second: u32) {
        for _ in 0..6 {
            let number = self.number();
            self.event(MANUAL, (number % 2) as i32, None, "numbered-manual", second, number);
        }
        for _ in 0..4 {
            let number = self.number();
            let partition = (number % self.growing.load(Ordering::SeqCst).unsigned_abs() as u64) as i32;
            self.event(GROWING, partition, None, "numbered-growing", second, number);
        }
        for _ in 0..2 {
            let number = self.number();
            self.compacted(second, number);
        }
        for _ in 0..2 {
            let number = self.number();
            self.webhook(GIT, push(number, second), format!("shop/numbered/commit/{number:040x}"), second);
            self.webhook(CI, build(number, second), format!("shop/numbered/run/{number}/attempt/1/completed"), second);
        }
        for _ in 0..20 {
            let number = self.number();
            self.line(second, number);
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn event(&mut self, topic: &str, partition: i32, key: Option<&str>, service: &str, second: u32, number: u64) {
        let id = format!("{topic}/{number}");
        self.send(topic, partition, key, &note(&id, service, second, "note"), at(second));
        self.sent.once.insert(id);
    }

    fn compacted(&mut self, second: u32, number: u64) {
        let key = number % COMPACTED_KEYS;
        self.event(COMPACTED, 0, Some(&format!("key-{key}")), COMPACTED_SERVICE, second, number);
        if let Some(superseded) = self.newest.insert(key, format!("{COMPACTED}/{number}")) {
            self.sent.once.remove(&superseded);
            self.sent.at_most_once.insert(superseded);
        }
    }

    fn webhook(&mut self, topic: &str, body: Value, id: String, second: u32) {
        self.send(topic, (self.next % 2) as i32, None, &body, at(second));
        self.sent.once.insert(id);
    }

    fn line(&mut self, second: u32, number: u64) {
        let service = format!("{LINE_SERVICES}{}", number % 5);
        let failure = (!number.is_multiple_of(INFO_EVERY)).then(|| FAILURES[(number / 7 % FAILURES.len() as u64) as usize]);
        let time = at(second).plus_millis((number % 20) as i64 * 50);
        let level = if failure.is_some() { "error" } else { "info" };
        let body = json!({ "@timestamp": time, "message": failure.unwrap_or(INFO), "log.level": level, "service.name": service });
        // The key tells it from its equals when Kafka is read back.
        self.send(LINES, (number % LINE_PARTITIONS as u64) as i32, Some(&number.to_string()), &body, time);
        if let Some(failure) = failure {
            *self.sent.failures.entry((service.clone(), failure.to_owned())).or_default() += 1;
        }
        *self.sent.lines.entry(service).or_default() += 1;
    }

    fn send(&self, topic: &str, partition: i32, key: Option<&str>, body: &Value, at: Timestamp) {
        let value = body.to_string();
        let (key, value, timestamp) = (key.map(str::as_bytes), Some(value.as_bytes()), Some(at));
        let record = |partition| OutgoingRecord { topic, partition: Some(partition), key, value, headers: &[], timestamp };
        // A partition so new that the producer has not heard of it: its record goes to another one.
        self.producer.send(&record(partition)).or_else(|_| self.producer.send(&record(0))).unwrap();
    }

    pub fn flush(&self) {
        self.producer.flush(DELIVERY_PATIENCE).unwrap();
    }

    /// Ends every partition: lines with a watermark, the others with an event.
    pub fn end(mut self, second: u32) -> Sent {
        self.flush();
        let until = at(second).plus_seconds(60).to_string();
        for partition in 0..LINE_PARTITIONS {
            let headers = [(WATERMARK_HEADER.to_owned(), until.clone().into_bytes())];
            let timestamp = Some(at(second));
            let record = OutgoingRecord { topic: LINES, partition: Some(partition), key: None, value: None, headers: &headers, timestamp };
            self.producer.send(&record).unwrap();
        }
        let growing = self.growing.load(Ordering::SeqCst);
        for (topic, partitions) in [(MANUAL, 2), (GIT, 2), (CI, 2), (GROWING, growing), (COMPACTED, 1)] {
            for partition in 0..partitions {
                let id = format!("{topic}/end/{partition}");
                let key = (topic == COMPACTED).then_some("end");
                self.send(topic, partition, key, &note(&id, "numbered-end", second, END_TYPE), at(second));
                self.sent.once.insert(id);
            }
        }
        self.flush();
        self.sent
    }
}

fn told_of(second: u32) -> Timestamp {
    at(second).plus_seconds(-BEFORE_S)
}

fn note(id: &str, service: &str, second: u32, event_type: &str) -> Value {
    json!({
        "type": event_type, "title": format!("number {id}"), "timestamp": told_of(second), "service": service,
        "environment": "production", "severity": "info", "source_id": id,
    })
}

fn repository() -> Value {
    json!({ "id": 1, "name": "numbered-forge", "full_name": "shop/numbered" })
}

fn push(number: u64, second: u32) -> Value {
    let sha = format!("{number:040x}");
    let commit = json!({ "id": sha, "message": format!("Number {number}"), "timestamp": told_of(second), "author": { "name": "Ada", "username": "ada" },
        "added": [], "removed": [], "modified": ["numbers.txt"] });
    json!({ "ref": "refs/heads/main", "before": format!("{:040x}", number - 1), "after": sha, "commits": [commit],
        "pusher": { "name": "ada" }, "repository": repository(), "sender": { "login": "ada" } })
}

fn build(number: u64, second: u32) -> Value {
    json!({ "action": "completed", "repository": repository(), "sender": { "login": "ada" }, "workflow_run": {
        "id": number, "name": "build", "run_attempt": 1, "event": "push", "status": "completed", "conclusion": "success",
        "head_branch": "main", "head_sha": format!("{number:040x}"), "run_started_at": told_of(second), "updated_at": told_of(second) } })
}

/// Writes numbers in transactions, every third of which it aborts.
pub struct Transactions {
    config: rdkafka::ClientConfig,
    /// Polls on a thread of its own: an abort waits for deliveries and does not serve them.
    producer: ThreadedProducer<DefaultProducerContext>,
    next: u64,
    sent: Sent,
    pub committed: u32,
    pub aborted: u32,
}

/// How a transaction ended.
enum End {
    Committed,
    Aborted,
    /// The broker may or may not have heard of its end.
    Unknown,
}

const ONE_TRY: Duration = Duration::from_secs(10);

impl Transactions {
    pub fn new(server: &KafkaServer) -> Self {
        let mut config = server.client();
        config.set("transactional.id", "numbers").set("transaction.timeout.ms", "60000").set("linger.ms", "5");
        let producer = connect(&config);
        Self { config, producer, next: 0, sent: Sent::default(), committed: 0, aborted: 0 }
    }

    /// Four records of one second, in both partitions.
    pub fn write_second(&mut self, second: u32) {
        let numbers: Vec<u64> = (self.next..self.next + 4).collect();
        self.next += 4;
        let commit = !(self.next / 4).is_multiple_of(3);
        self.transaction(second, &numbers, commit);
    }

    fn transaction(&mut self, second: u32, numbers: &[u64], commit: bool) {
        let ids: Vec<String> = numbers.iter().map(|number| format!("{TRANSACTIONAL}/{number}")).collect();
        match self.write(second, &ids, "note", commit) {
            End::Committed => {
                self.committed += 1;
                self.sent.once.extend(ids);
            }
            End::Aborted => {
                self.aborted += 1;
                self.sent.never.extend(ids);
            }
            End::Unknown => {
                self.sent.at_most_once.extend(ids);
                self.producer = connect(&self.config);
            }
        }
    }

    fn write(&self, second: u32, ids: &[String], event_type: &str, commit: bool) -> End {
        if until_it_works(|| self.producer.begin_transaction()).is_err() {
            return End::Unknown;
        }
        for (index, id) in ids.iter().enumerate() {
            let value = note(id, "numbered-transactional", second, event_type).to_string();
            let mut record = BaseRecord::<str, str>::to(TRANSACTIONAL).partition((index % 2) as i32).payload(&value);
            record.timestamp = Some(at(second).millis());
            self.producer.send(record).map_err(|(error, _)| error).expect("room in the producer's queue");
        }
        if commit {
            // What it could not deliver shows when it commits.
            let _ = self.producer.flush(ONE_TRY);
            match until_it_works(|| self.producer.commit_transaction(ONE_TRY)) {
                Ok(()) => return End::Committed,
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {}
                Err(_) => return End::Unknown,
            }
        }
        match until_it_works(|| self.producer.abort_transaction(ONE_TRY)) {
            Ok(()) => End::Aborted,
            Err(_) => End::Unknown,
        }
    }

    /// Ends both partitions.
    pub fn end(mut self, second: u32) -> (Sent, u32, u32) {
        let ids = [format!("{TRANSACTIONAL}/end/0"), format!("{TRANSACTIONAL}/end/1")];
        while !matches!(self.write(second, &ids, END_TYPE, true), End::Committed) {
            self.producer = connect(&self.config);
        }
        self.sent.once.extend(ids);
        (self.sent, self.committed, self.aborted)
    }
}

/// A producer whose unfinished transactions are aborted.
fn connect(config: &rdkafka::ClientConfig) -> ThreadedProducer<DefaultProducerContext> {
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a producer");
    until_it_works(|| producer.init_transactions(ONE_TRY)).expect("transactions");
    producer
}

/// Tries again what may be tried again.
fn until_it_works(act: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    loop {
        match act() {
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
            result => return result,
        }
    }
}
