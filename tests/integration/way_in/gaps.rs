//! Offsets without records: counted, each for what it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use rdkafka::producer::Producer;

use super::feed::{DEADLINE, Feed, Writer, config, unique};
use crate::support::kafka::KafkaServer;

#[test]
fn aborted_transactions_and_control_records_are_absent() {
    let server = KafkaServer::shared();
    let topic = unique("transactions");
    server.create_topic(&topic, 1, &[]);
    let writer = Writer::with(server, &[("transactional.id", &topic)]);
    let producer = writer.producer();
    producer.init_transactions(DEADLINE).unwrap();
    for (round, commit) in [(0, true), (1, false), (2, true), (3, false)] {
        producer.begin_transaction().unwrap();
        writer.numbers(&topic, 1, round * 10..round * 10 + 10);
        if commit { producer.commit_transaction(DEADLINE).unwrap() } else { producer.abort_transaction(DEADLINE).unwrap() }
    }

    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("the end", |feed| feed.at_end(&topic, 1));
    let kept: Vec<String> = (0..10).chain(20..30).map(|number| number.to_string()).collect();
    assert_eq!(feed.values(), kept);
    let book = &feed.books[&(topic, 0)];
    // Two aborted tens and a marker after each of four transactions; the last ones stand at the end, where no record follows.
    assert_eq!((book.next_offset, book.records, book.absent, book.missed), (44, 20, 24, 0));
}

#[test]
fn an_open_transaction_is_read_when_it_is_committed() {
    let server = KafkaServer::shared();
    let topic = unique("open");
    server.create_topic(&topic, 1, &[]);
    let writer = Writer::with(server, &[("transactional.id", &topic)]);
    writer.producer().init_transactions(DEADLINE).unwrap();
    writer.producer().begin_transaction().unwrap();
    writer.numbers(&topic, 1, 0..10);
    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("what can be read", |feed| feed.at_end(&topic, 1));
    assert_eq!(feed.seen.len(), 0);
    writer.producer().commit_transaction(DEADLINE).unwrap();
    feed.until("the records", |feed| feed.seen.len() == 10 && feed.books[&(topic.clone(), 0)].next_offset == 11);
}

#[test]
fn compacted_records_are_absent() {
    let server = KafkaServer::shared();
    let topic = unique("compacted");
    let compaction = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "100"),
        ("delete.retention.ms", "0"),
    ];
    server.create_topic(&topic, 1, &compaction);
    let writer = Writer::new(server);
    // The same key again and again, until the cleaner has been there: readers then find fewer records than offsets.
    let deadline = std::time::Instant::now() + DEADLINE;
    let mut written = 0;
    loop {
        for _ in 0..50 {
            writer.send(&topic, 0, "the same", Some(&written.to_string()));
            written += 1;
        }
        writer.flush();
        let mut feed = Feed::start(config(server, &[&topic]));
        feed.until("the end", |feed| feed.at_end(&topic, 1));
        let book = &feed.books[&(topic.clone(), 0)];
        assert_eq!(book.next_offset, written, "a record less, an absent offset more");
        assert_eq!(feed.values().last(), Some(&(written - 1).to_string()));
        if book.absent > 0 {
            assert_eq!(book.missed, 0);
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the broker did not compact");
        feed.stop();
    }
}

#[test]
fn what_retention_removed_while_we_were_away_is_missed() {
    let server = KafkaServer::shared();
    let topic = unique("retention");
    server.create_topic(&topic, 1, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 1, 0..100);
    let config = config(server, &[&topic]);
    let mut feed = Feed::start(config.clone());
    feed.until("the first part", |feed| feed.seen.len() >= 100);
    let stored = std::sync::Arc::clone(&feed.stored);
    feed.stop();
    writer.numbers(&topic, 1, 100..200);
    server.delete_records(&topic, 0, 150);

    let mut feed = Feed::resume(config, stored);
    feed.until("what is left", |feed| feed.at_end(&topic, 1));
    assert_eq!(feed.values(), (150..200).map(|number| number.to_string()).collect::<Vec<_>>());
    let book = &feed.books[&(topic, 0)];
    assert_eq!((book.next_offset, book.missed, book.absent), (200, 50, 0));
    assert_eq!((feed.notices.len(), feed.troubles.len()), (1, 0));
    assert!(feed.notices[0].message.contains("50 offsets (100 to 149)"), "{:?}", feed.notices);
}

#[test]
fn what_retention_removes_under_a_paused_consumer_is_missed() {
    let server = KafkaServer::shared();
    let topic = unique("overtaken");
    server.create_topic(&topic, 1, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 1, 0..10);
    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("the first part", |feed| feed.at_end(&topic, 1));
    feed.control.pause();
    feed.settle();
    writer.numbers(&topic, 1, 10..100);
    server.delete_records(&topic, 0, 70);
    feed.control.resume();
    feed.until("what is left", |feed| feed.books[&(topic.clone(), 0)].next_offset >= 100);
    assert_eq!(feed.values(), (0..10).chain(70..100).map(|number| number.to_string()).collect::<Vec<_>>());
    let book = &feed.books[&(topic.clone(), 0)];
    assert_eq!((book.missed, book.absent), (60, 0));
    // And it goes on as before.
    writer.numbers(&topic, 1, 100..200);
    feed.until("the next", |feed| feed.seen.len() >= 140);
}

#[test]
fn a_topic_made_anew_is_another_life() {
    let server = KafkaServer::shared();
    let topic = unique("anew");
    server.create_topic(&topic, 1, &[]);
    Writer::new(server).numbers(&topic, 1, 0..100);
    let config = config(server, &[&topic]);
    let mut feed = Feed::start(config.clone());
    feed.until("the first life", |feed| feed.seen.len() >= 100);
    let stored = std::sync::Arc::clone(&feed.stored);
    feed.stop();
    server.delete_topic(&topic);
    server.create_topic(&topic, 1, &[]);
    Writer::new(server).numbers(&topic, 1, 0..30);

    let mut feed = Feed::resume(config, stored);
    feed.until("the second life", |feed| feed.seen.len() >= 30);
    assert_eq!(feed.values(), (0..30).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(feed.books[&(topic, 0)].incarnation, 1);
}

#[test]
fn a_topic_made_anew_between_two_looks_of_a_running_consumer_is_read_from_its_beginning_however_long_it_is() {
    let server = KafkaServer::shared();
    let topic = unique("swapped");
    server.create_topic(&topic, 1, &[]);
    Writer::new(server).numbers(&topic, 1, 0..10);
    let mut config = config(server, &[&topic]);
    // Long enough that nobody sees the moment without a topic.
    config.options.metadata_refresh_ms = 15_000;
    let mut feed = Feed::start(config);
    feed.until("the first life", |feed| feed.at_end(&topic, 1));
    feed.control.pause();
    feed.settle();
    server.delete_topic(&topic);
    server.create_topic(&topic, 1, &[]);
    // More than was read: the old offset lies inside the new log.
    Writer::new(server).numbers(&topic, 1, 100..200);
    feed.control.resume();
    feed.until("the second life", |feed| {
        let book = &feed.books[&(topic.clone(), 0)];
        book.incarnation == 1 && book.next_offset == 100
    });
    let values = feed.values();
    assert!((100..200).all(|number| values.contains(&number.to_string())));
    assert!(feed.notices.iter().any(|notice| notice.message.contains("made anew")), "{:?}", feed.notices);
}
