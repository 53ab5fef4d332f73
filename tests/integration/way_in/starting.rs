//! Where reading begins: stored offsets first, the start of the settings where there are none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use whydunit::kafka::Start;
use whydunit::model::Timestamp;

use super::feed::{Feed, Seen, Stored, Writer, config, unique};
use crate::support::kafka::KafkaServer;

#[test]
fn a_restart_goes_on_where_the_stored_offsets_stand() {
    let server = KafkaServer::shared();
    let topic = unique("restart");
    server.create_topic(&topic, 3, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 3, 0..300);
    let config = config(server, &[&topic]);
    let mut feed = Feed::start(config.clone());
    feed.until("the first part", |feed| feed.seen.len() >= 300);
    let stored = Arc::clone(&feed.stored);
    feed.stop();

    writer.numbers(&topic, 3, 300..600);
    let mut feed = Feed::resume(config, stored);
    feed.until("the second part", |feed| feed.seen.len() >= 300 && feed.at_end(&topic, 3));
    let mut values: Vec<i32> = feed.values().iter().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, (300..600).collect::<Vec<_>>());
}

#[test]
fn what_was_read_but_not_stored_is_read_again() {
    let server = KafkaServer::shared();
    let topic = unique("again");
    server.create_topic(&topic, 1, &[]);
    Writer::new(server).numbers(&topic, 1, 0..100);
    let config = config(server, &[&topic]);
    let mut feed = Feed::start(config.clone());
    feed.until("all", |feed| feed.seen.len() >= 100);
    // Published, but the store says otherwise: the broker's copy of our offsets must not count.
    let key = feed.owned.values().next().unwrap().clone();
    feed.publish(&[(key, 100)]);
    feed.stop();

    let mut feed = Feed::resume(config, Arc::new(Stored::at(&topic, 0, 4, 40)));
    feed.until("the rest", |feed| feed.at_end(&topic, 1));
    assert_eq!(feed.values(), (40..100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(feed.books[&(topic, 0)].incarnation, 4);
}

#[test]
fn latest_reads_only_what_comes_after_and_a_partition_added_later_from_its_beginning() {
    let server = KafkaServer::shared();
    let topic = unique("latest");
    server.create_topic(&topic, 1, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 1, 0..50);
    let mut config = config(server, &[&topic]);
    config.source.start = Start::Latest;
    let mut feed = Feed::start(config);
    feed.until("the end", |feed| feed.at_end(&topic, 1));
    writer.numbers(&topic, 1, 50..60);
    feed.until("the new ones", |feed| feed.seen.len() >= 10);
    assert_eq!(feed.values(), (50..60).map(|number| number.to_string()).collect::<Vec<_>>());

    // Written before the consumer can have seen the new partition.
    server.add_partitions(&topic, 2);
    Writer::new(server).numbers(&topic, 2, 60..80);
    feed.until("both partitions", |feed| feed.seen.len() >= 30);
    let added: Vec<i64> = feed.seen.iter().filter(|seen| seen.partition == 1).map(|seen| seen.offset).collect();
    assert_eq!(added, (0..10).collect::<Vec<_>>());
}

#[test]
fn a_time_starts_at_the_first_record_not_older() {
    let server = KafkaServer::shared();
    let topic = unique("time");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    let first_ms = 1_700_000_000_000;
    for number in 0..100_i64 {
        let seen = Seen {
            topic: topic.clone(),
            partition: 0,
            offset: number,
            timestamp_ms: Some(first_ms + number * 1_000),
            key: None,
            value: Some(number.to_string().into_bytes()),
            headers: Vec::new(),
        };
        writer.send_whole(&topic, 0, &seen);
        writer.flush();
    }
    let mut config = config(server, &[&topic]);
    config.source.start = Start::At(Timestamp::from_millis(first_ms + 69_500));
    let mut feed = Feed::start(config.clone());
    feed.until("the end", |feed| feed.at_end(&topic, 2));
    assert_eq!(feed.values(), (70..100).map(|number| number.to_string()).collect::<Vec<_>>());

    // All records are older than an hour: there is nothing to read, on either partition.
    config.source.start = "-1h".parse().unwrap();
    config.group = unique("group");
    let mut feed = Feed::start(config);
    feed.until("the end", |feed| feed.at_end(&topic, 2));
    assert_eq!(feed.seen.len(), 0);
    assert_eq!(feed.books[&(topic, 0)].next_offset, 100);
}

#[test]
fn a_pattern_finds_topics_made_later() {
    let server = KafkaServer::shared();
    let family = unique("family");
    let (first, second, other) = (format!("{family}.a"), format!("{family}.b"), format!("not.{family}.c"));
    server.create_topic(&first, 1, &[]);
    server.create_topic(&other, 1, &[]);
    let writer = Writer::new(server);
    writer.numbers(&first, 1, 0..5);
    writer.numbers(&other, 1, 0..5);
    let mut config = config(server, &[&format!("^{family}\\..*")]);
    config.source.start = Start::Earliest;
    let mut feed = Feed::start(config);
    feed.until("the first topic", |feed| feed.seen.len() >= 5);
    server.create_topic(&second, 2, &[]);
    writer.numbers(&second, 2, 0..10);
    feed.until("the second topic", |feed| feed.seen.len() >= 15 && feed.at_end(&second, 2));
    assert!(feed.seen.iter().all(|seen| seen.topic.starts_with(&family)));
    assert_eq!(feed.seen.len(), 15);
}

#[test]
fn all_compressions_are_read() {
    let server = KafkaServer::shared();
    let topic = unique("compressed");
    server.create_topic(&topic, 1, &[]);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let writer = Writer::with(server, &[("compression.codec", codec)]);
        for number in 0..200 {
            writer.send(&topic, 0, codec, Some(&format!("{codec} {number} {}", "long enough to be worth it ".repeat(20))));
        }
        writer.flush();
    }
    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("five times two hundred", |feed| feed.seen.len() >= 1_000);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        assert_eq!(feed.values().iter().filter(|value| value.starts_with(codec)).count(), 200, "{codec}");
    }
}
