//! The in-process broker and our own producer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use whydunit::kafka::{InProcessBroker, Options, OutgoingRecord, Producer, create_topics};
use whydunit::model::Timestamp;

use super::feed::{DEADLINE, Feed, config_of, unique};
use crate::support::kafka::{KafkaServer, block_on};

fn write(producer: &Producer, topic: &str, range: std::ops::Range<i32>) {
    for number in range {
        let value = number.to_string();
        producer
            .send(&OutgoingRecord {
                topic,
                partition: Some(number % 2),
                value: Some(value.as_bytes()),
                headers: &[("n".to_owned(), value.clone().into_bytes())],
                timestamp: Some(Timestamp::from_millis(1_700_000_000_000)),
                ..OutgoingRecord::default()
            })
            .unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

#[test]
fn the_in_process_broker_serves_the_demo() {
    let broker = InProcessBroker::start().unwrap();
    broker.create_topic("demo", 2).unwrap();
    let options = Options { brokers: broker.brokers().to_owned(), ..Options::default() };
    let producer = Producer::new(&options, None).unwrap();
    let mut feed = Feed::start(config_of(&options.brokers, &["demo"]));
    for round in 0..5 {
        write(&producer, "demo", round * 1_000..(round + 1) * 1_000);
        feed.until("this round", |feed| feed.seen.len() as i32 >= (round + 1) * 1_000);
    }
    assert_eq!(feed.seen.len(), 5_000);
    feed.stop();
}

#[test]
fn our_producer_makes_topics_once_and_writes_in_order() {
    let server = KafkaServer::shared();
    let topic = unique("made");
    let options = Options { brokers: server.brokers(), ..Options::default() };
    block_on(create_topics(&options, None, &[&topic], 2)).unwrap();
    block_on(create_topics(&options, None, &[&topic], 2)).unwrap();
    write(&Producer::new(&options, None).unwrap(), &topic, 0..100);
    let mut feed = Feed::start(config_of(&options.brokers, &[&topic]));
    feed.until("all", |feed| feed.seen.len() >= 100);
    assert_eq!(feed.seen[0].timestamp_ms, Some(1_700_000_000_000));
    assert_eq!(feed.seen[0].headers.len(), 1);
}

#[test]
fn what_cannot_be_delivered_is_an_error_and_not_silence() {
    let server = KafkaServer::shared();
    let mut options = Options { brokers: server.brokers(), ..Options::default() };
    options.properties.set("delivery.timeout.ms", "2000");
    let producer = Producer::new(&options, None).unwrap();
    let sent = producer.send(&OutgoingRecord { topic: "not-there", value: Some(b"x"), ..OutgoingRecord::default() });
    let error = sent.and_then(|()| producer.flush(DEADLINE)).unwrap_err().to_string();
    assert!(error.contains("not-there"), "{error}");
}
