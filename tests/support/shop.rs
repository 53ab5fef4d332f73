//! The simulator's shop on a real broker, written whole or piece by piece.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;
use whydunit::simulator::{self, Shop};

use super::kafka::KafkaServer;
use super::process::Run;

/// 14:00 UTC on a working day that is over: a broker takes nothing from the future.
const START: i64 = 1_763_388_000;
/// Seconds of the shop's life.
pub const LIFE_S: u32 = 900;
const PARTITIONS: i32 = 2;

/// A shop whose payment breaks, and the topics of that prefix its records go to.
pub struct ShopFeed {
    shop: Shop,
    producer: Producer,
    prefix: String,
    /// Records written, the control records at the end among them.
    pub written: u64,
}

impl ShopFeed {
    /// `fault_age_s` is how long before its end the shop breaks; `topic_settings` go over the broker's.
    pub fn open(server: &KafkaServer, prefix: &str, fault_age_s: u32, topic_settings: &[(&str, &str)]) -> Self {
        let options =
            simulator::Options { fault: Some("bad-deploy".to_owned()), history_s: LIFE_S, fault_age_s, rate: 4.0, ..Default::default() };
        Self::open_with(server, prefix, options, topic_settings)
    }

    /// A shop of one's own.
    pub fn open_with(server: &KafkaServer, prefix: &str, options: simulator::Options, topic_settings: &[(&str, &str)]) -> Self {
        for (_, topic) in simulator::TOPICS {
            server.create_topic(&format!("{prefix}.{topic}"), PARTITIONS, topic_settings);
        }
        Self {
            shop: Shop::new(options, Timestamp::from_seconds(START)).unwrap(),
            producer: patient_producer(server),
            prefix: prefix.to_owned(),
            written: 0,
        }
    }

    /// Writes the shop's life up to this second of it.
    pub fn write_until(&mut self, second: u32) {
        for record in self.shop.step(at(second)) {
            let topic = format!("{}.{}", self.prefix, record.topic);
            let (key, value, timestamp) = (record.key.as_deref(), Some(record.value.as_slice()), Some(record.timestamp));
            self.producer
                .send(&OutgoingRecord { topic: &topic, partition: None, key, value, headers: &record.headers, timestamp })
                .unwrap();
            self.written += 1;
        }
        self.producer.flush(DELIVERY_PATIENCE).unwrap();
    }

    /// Writes the rest, and that nothing follows.
    pub fn write_to_the_end(&mut self) {
        self.write_to(LIFE_S);
    }

    /// Writes up to this second, and that nothing follows.
    pub fn write_to(&mut self, second: u32) {
        self.write_until(second);
        let end = at(second);
        let until = end.plus_seconds(60).to_string();
        for (topic, partition) in simulator::TOPICS.iter().flat_map(|(_, topic)| (0..PARTITIONS).map(move |partition| (topic, partition))) {
            let topic = format!("{}.{topic}", self.prefix);
            let headers = [(whydunit::app::WATERMARK_HEADER.to_owned(), until.clone().into_bytes())];
            let partition = Some(partition);
            let record = OutgoingRecord { topic: &topic, partition, key: None, value: None, headers: &headers, timestamp: Some(end) };
            self.producer.send(&record).unwrap();
            self.written += 1;
        }
        self.producer.flush(DELIVERY_PATIENCE).unwrap();
    }
}

/// How long a record may wait for a broker that is away.
pub const DELIVERY_PATIENCE: Duration = Duration::from_secs(300);

/// An idempotent producer that outlasts a broker's bad days.
pub fn patient_producer(server: &KafkaServer) -> Producer {
    let mut options = Options { brokers: server.brokers(), ..Options::default() };
    let patience_ms = DELIVERY_PATIENCE.as_millis().to_string();
    options.properties.set("delivery.timeout.ms", patience_ms).set("topic.metadata.refresh.interval.ms", "500");
    options.properties.set("reconnect.backoff.max.ms", "500");
    Producer::new(&options, None).unwrap()
}

/// The whole life at once.
pub fn write_shop(server: &KafkaServer, prefix: &str) {
    ShopFeed::open(server, prefix, 300, &[]).write_to_the_end();
}

/// Settings of a run over the shop's topics, all history open to investigations, `more` behind them.
pub fn settings(server: &KafkaServer, prefix: &str, more: &str) -> String {
    let mut text = format!(
        "[kafka]\nbrokers = \"{}\"\n[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n",
        server.brokers()
    );
    for (source, topic) in simulator::TOPICS {
        let name = source.as_str();
        text += &format!("[connectors.{name}]\nsource = \"{name}\"\ntopics = [\"{prefix}.{topic}\"]\nstart = \"earliest\"\n");
    }
    text + more
}

/// A second of the shop's life.
pub fn at(second: u32) -> Timestamp {
    Timestamp::from_seconds(START + i64::from(second))
}

/// Everything is closed up to the control records.
pub fn read_to_the_end(run: &Run) -> bool {
    closed_up_to(run, at(LIFE_S + 45))
}

/// Buckets are closed up to this event time.
pub fn closed_up_to(run: &Run, time: Timestamp) -> bool {
    let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(Timestamp::parse);
    watermark.is_some_and(|watermark| watermark >= time)
}
