//! A small producer, for `simulate`, `replay`, the demo and for telling people.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as NativeError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use super::client::base_config;
use super::context::log;
use super::error::KafkaError;
use super::options::{Options, SourceOptions};
use crate::model::Timestamp;
use crate::model::ports::{BoxFuture, Produce, Produced};

/// How long a record may be on its way.
const DELIVERY_WAIT: Duration = Duration::from_secs(30);
/// How much longer than that a single one is waited for: librdkafka looks once a second.
const VERDICT_WAIT: Duration = Duration::from_secs(2);
/// Wait for room in the queue before it is looked at again.
const ROOM_WAIT: Duration = Duration::from_millis(20);

/// One record to write.
#[derive(Clone, Debug, Default)]
pub struct OutgoingRecord<'a> {
    pub topic: &'a str,
    /// `None`: by the key, or any.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(String, Vec<u8>)],
    /// `None`: now.
    pub timestamp: Option<Timestamp>,
}

impl<'a> OutgoingRecord<'a> {
    /// A record as simulator, recorded packs and replays keep it; its partition goes by its key.
    pub const fn new(
        topic: &'a str,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a [(String, Vec<u8>)],
        timestamp: Timestamp,
    ) -> Self {
        Self { topic, partition: None, key, value, headers, timestamp: Some(timestamp) }
    }
}

/// Writes in order, each record once, on a thread of its own. At most 50,000 records or 64 MiB wait in it.
pub struct Producer {
    inner: ThreadedProducer<Deliveries>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("in_flight", &self.in_flight()).finish()
    }
}

impl Producer {
    /// # Errors
    /// What librdkafka says against the settings.
    pub fn new(options: &Options, source: Option<&SourceOptions>) -> Result<Self, KafkaError> {
        Self::within(options, source, DELIVERY_WAIT)
    }

    /// One that gives a record up after `wait`, where settings name no time of their own.
    fn within(options: &Options, source: Option<&SourceOptions>, wait: Duration) -> Result<Self, KafkaError> {
        let mut config = base_config(options, source);
        for (name, value) in [
            ("enable.idempotence", "true"),
            ("linger.ms", "5"),
            ("queue.buffering.max.messages", "50000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("delivery.timeout.ms", &wait.as_millis().to_string()),
        ] {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        }
        Ok(Self { inner: config.create_with_context(Deliveries::default())? })
    }

    /// Puts a record in line; waits while the queue is full.
    ///
    /// # Errors
    /// A record no broker takes (too large, unknown partition), or an earlier record that was not delivered.
    pub fn send(&self, record: &OutgoingRecord<'_>) -> Result<(), KafkaError> {
        self.check()?;
        let mut native = native(record);
        loop {
            match self.inner.send(native) {
                Ok(()) => return Ok(()),
                Err((NativeError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    native = returned;
                    // Waits for deliveries; a time-out only means that the queue is still busy.
                    let _ = self.inner.flush(ROOM_WAIT);
                    self.check()?;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Waits until everything is delivered.
    ///
    /// # Errors
    /// Records that were not delivered since the last call, or that are still on their way when the time is up.
    pub fn flush(&self, wait: Duration) -> Result<(), KafkaError> {
        let flushed = self.inner.flush(wait);
        self.check()?;
        flushed.map_err(|error| KafkaError::Delivery { undelivered: self.in_flight(), reason: error.to_string() })
    }

    /// Records sent and not yet confirmed.
    pub fn in_flight(&self) -> u64 {
        u64::try_from(self.inner.in_flight_count()).unwrap_or(0)
    }

    fn check(&self) -> Result<(), KafkaError> {
        let failed = std::mem::take(&mut *self.inner.context().failed());
        match failed.first {
            Some(reason) => Err(KafkaError::Delivery { undelivered: failed.count, reason }),
            None => Ok(()),
        }
    }
}

/// Writes single records, each waited for. Its client is made with the first, and made anew after a failure, so that no record that
/// was told as failed is written later.
#[derive(Clone, Debug)]
pub struct SingleProducer {
    options: Options,
    wait: Duration,
    producer: Arc<Mutex<Option<Producer>>>,
}

impl SingleProducer {
    /// `wait` is the longest that a record may take.
    pub fn new(options: &Options, wait: Duration) -> Self {
        Self { options: options.clone(), wait, producer: Arc::default() }
    }

    /// Holds the client meanwhile: one record at a time.
    fn with<T>(&self, work: impl FnOnce(&Producer) -> Result<T, KafkaError>) -> Result<T, String> {
        let mut kept = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let producer = match kept.take() {
            Some(producer) => producer,
            None => Producer::within(&self.options, None, self.wait).map_err(|error| error.to_string())?,
        };
        let done = work(&producer).map_err(|error| error.to_string())?;
        *kept = Some(producer);
        Ok(done)
    }
}

impl Produce for SingleProducer {
    fn brokers(&self) -> String {
        self.options.brokers.clone()
    }

    fn produce(&self, record: Produced) -> BoxFuture<Result<(), String>> {
        let this = self.clone();
        blocking(move || {
            let Produced { topic, key, value, headers } = &record;
            this.with(|producer| {
                producer.send(&OutgoingRecord {
                    topic,
                    key: Some(key.as_bytes()),
                    value: Some(value.as_bytes()),
                    headers,
                    ..OutgoingRecord::default()
                })?;
                producer.flush(this.wait + VERDICT_WAIT)
            })
        })
    }

    fn look(&self, topic: &str) -> BoxFuture<Result<usize, String>> {
        let (this, topic) = (self.clone(), topic.to_owned());
        blocking(move || {
            // Of all topics: asked for one, some brokers make it.
            let metadata = this.with(|producer| Ok(producer.inner.client().fetch_metadata(None, this.wait)?))?;
            let found = metadata.topics().iter().find(|found| found.name() == topic).map(|found| found.partitions().len());
            found.ok_or_else(|| {
                format!("topic `{topic}` is not there, or may not be described: create it, or grant Write and Describe on it")
            })
        })
    }
}

fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> BoxFuture<Result<T, String>> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(format!("the producer broke: {panic}")))
    })
}

fn native<'a>(record: &OutgoingRecord<'a>) -> BaseRecord<'a, [u8], [u8]> {
    let mut native = BaseRecord::to(record.topic);
    native.partition = record.partition;
    native.key = record.key;
    native.payload = record.value;
    // librdkafka reads 0 as "now".
    native.timestamp = record.timestamp.map(|time| time.millis().max(1));
    if !record.headers.is_empty() {
        let headers =
            record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        native.headers = Some(headers);
    }
    native
}

/// Makes the topics that are not there yet, each with `partitions` partitions and without an end to retention: Kafka counts
/// it from the records' own timestamps, so that replayed ones would be deleted as they come.
///
/// # Errors
/// The broker's reason, with the topic it is about.
pub async fn create_topics(options: &Options, source: Option<&SourceOptions>, topics: &[&str], partitions: i32) -> Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = base_config(options, source).create()?;
    // −1: the broker's default replication.
    let new: Vec<NewTopic<'_>> =
        topics.iter().map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(-1)).set("retention.ms", "-1")).collect();
    let wait = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30))).request_timeout(Some(Duration::from_secs(30)));
    for result in admin.create_topics(&new, &wait).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(KafkaError::Broker(format!("topic `{topic}` not made: {code}"))),
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Failed {
    count: u64,
    first: Option<String>,
}

#[derive(Debug, Default)]
struct Deliveries {
    failed: Mutex<Failed>,
}

impl Deliveries {
    fn failed(&self) -> MutexGuard<'_, Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: NativeError, reason: &str) {
        tracing::debug!(target: "kafka", %error, reason, "producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let mut failed = self.failed();
            failed.count += 1;
            let reason = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
            failed.first.get_or_insert_with(|| format!("{} partition {}: {reason}", message.topic(), message.partition()));
        }
    }
}
