//! Brokers die, pipelines stall, members come and go: nothing is lost, and it is said what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use whydunit::kafka::trouble::class;
use whydunit::kafka::{KafkaError, Options};

use super::feed::{Feed, PATIENT_SESSION_MS, Writer, config, config_of, unique};
use super::in_process::{Cluster, TOPIC};
use crate::support::kafka::KafkaServer;

fn sorted(feed: &Feed) -> Vec<i32> {
    let mut values: Vec<i32> = feed.values().iter().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    values
}

#[test]
fn a_killed_broker_that_comes_back_costs_nothing() {
    let mut server = KafkaServer::start();
    server.create_topic("killed", 4, &[]);
    Writer::new(&server).numbers("killed", 4, 0..2_000);
    let mut feed = Feed::start(config(&server, &["killed"]));
    feed.until("the first part", |feed| feed.seen.len() >= 2_000 && feed.at_end("killed", 4));

    server.kill();
    feed.until("the trouble", |feed| feed.has_trouble(class::BROKER_UNREACHABLE));
    assert!(feed.troubles[0].message.contains(&server.brokers()), "{:?}", feed.troubles);
    server.restart();
    Writer::new(&server).numbers("killed", 4, 2_000..4_000);
    feed.until("the second part", |feed| feed.seen.len() >= 4_000);
    feed.until("the recovery", |feed| feed.troubles.iter().any(|trouble| trouble.class == class::BROKER_UNREACHABLE && trouble.recovered));
    assert_eq!(sorted(&feed), (0..4_000).collect::<Vec<_>>());
    feed.stop();
}

#[test]
fn a_leader_that_moves_and_brokers_that_come_and_go_cost_nothing() {
    let cluster = Cluster::start();
    let mut feed = Feed::start(cluster.config());
    for round in 0..6 {
        let (leader, other) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        cluster.mock(|mock| mock.partition_leader(TOPIC, 0, Some(leader)).unwrap());
        cluster.write();
        cluster.mock(|mock| mock.broker_down(other).unwrap());
        let written = cluster.write() as usize;
        feed.until("what the new leader has", |feed| feed.seen.len() >= written);
        cluster.mock(|mock| mock.broker_up(other).unwrap());
    }
    assert_eq!(sorted(&feed), (0..cluster.written.get()).collect::<Vec<_>>());
    assert!(feed.books.values().all(|book| book.absent == 0 && book.missed == 0), "{:?}", feed.books);
}

#[test]
#[ignore = "half a minute: two brokers"]
fn a_leader_that_dies_and_comes_back_costs_nothing() {
    let first = KafkaServer::start_with(None, "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500");
    let mut second = first.join();
    let topic = "led";
    first.create_assigned_topic(topic, &[&[2, 1], &[1, 2]]);
    let writer = Writer::with(&first, &[("acks", "all")]);
    writer.numbers(topic, 2, 0..2_000);
    let mut feed = Feed::start(config(&first, &[topic]));
    feed.until("the first part", |feed| feed.seen.len() >= 1_000);
    second.kill();
    writer.numbers(topic, 2, 2_000..4_000);
    feed.until("what the other leader has", |feed| feed.seen.len() >= 4_000);
    second.restart();
    first.elect_preferred_leaders(topic);
    writer.numbers(topic, 2, 4_000..6_000);
    feed.until("everything", |feed| feed.seen.len() >= 6_000);
    assert_eq!(sorted(&feed), (0..6_000).collect::<Vec<_>>());
    assert!(feed.books.values().all(|book| book.absent == 0 && book.missed == 0), "{:?}", feed.books);
}

#[test]
fn a_broker_that_is_not_there_yet_is_waited_for() {
    let mut server = KafkaServer::start();
    server.create_topic("early", 1, &[]);
    Writer::new(&server).numbers("early", 1, 0..10);
    server.stop();
    let mut feed = Feed::start(config(&server, &["early"]));
    feed.until("the trouble", |feed| feed.has_trouble(class::BROKER_UNREACHABLE));
    server.restart();
    feed.until("the records", |feed| feed.seen.len() >= 10 && feed.troubles.last().is_some_and(|trouble| trouble.recovered));
}

#[test]
fn an_address_nobody_has_is_named() {
    let mut feed = Feed::start(config_of("no-such-host.invalid:9092", &["logs"]));
    feed.until("the trouble", |feed| feed.has_trouble(class::BROKER_UNREACHABLE));
    assert!(feed.troubles[0].message.contains("no-such-host.invalid"), "{:?}", feed.troubles);
    let began = Instant::now();
    feed.stop();
    println!("ended in {:?}", began.elapsed());
}

#[test]
fn a_topic_that_is_not_there_is_named_and_read_once_it_is() {
    let server = KafkaServer::shared();
    let topic = unique("later");
    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("the trouble", |feed| feed.has_trouble(class::UNKNOWN_TOPIC));
    assert!(feed.troubles[0].message.contains(&topic), "{:?}", feed.troubles);
    server.create_topic(&topic, 2, &[]);
    Writer::new(server).numbers(&topic, 2, 0..20);
    feed.until("the records", |feed| feed.seen.len() >= 20);
    feed.until("the recovery", |feed| feed.troubles.iter().any(|trouble| trouble.recovered));
}

#[test]
fn a_stalled_pipeline_keeps_its_partitions_and_loses_nothing() {
    let server = KafkaServer::shared();
    let topic = unique("stalled");
    server.create_topic(&topic, 3, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 3, 0..30_000);
    let mut config = config(server, &[&topic]);
    config.options.batch.queue = 2;
    config.options.session_timeout_ms = 4_000;
    config.options.properties.set("max.poll.interval.ms", "4000");
    let mut feed = Feed::start(config);
    feed.until("the beginning", |feed| !feed.seen.is_empty());
    // Longer than session and poll interval allow for a consumer that waits on its pipeline.
    let stall = Instant::now() + Duration::from_secs(8);
    while Instant::now() < stall {
        std::thread::park_timeout(stall.saturating_duration_since(Instant::now()));
    }
    writer.numbers(&topic, 3, 30_000..31_000);
    feed.until("everything", |feed| feed.seen.len() >= 31_000);
    assert_eq!(sorted(&feed), (0..31_000).collect::<Vec<_>>());
    assert_eq!((feed.assigned, feed.revoked), (1, 0));
}

#[test]
fn a_pause_at_the_end_of_a_partition_skips_nothing() {
    let server = KafkaServer::shared();
    let topic = unique("paused");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    let mut feed = Feed::start(config(server, &[&topic]));
    for round in 0..5 {
        let (first, second) = (round * 20, round * 20 + 10);
        writer.numbers(&topic, 2, first..second);
        feed.until("what came before the pause", |feed| feed.seen.len() as i32 >= second && feed.at_end(&topic, 2));
        feed.control.pause();
        feed.settle();
        writer.numbers(&topic, 2, second..second + 10);
        feed.during(Duration::from_millis(200));
        assert_eq!(feed.seen.len() as i32, second, "records came while paused");
        feed.control.resume();
    }
    feed.until("the last", |feed| feed.seen.len() >= 100);
    assert_eq!(sorted(&feed), (0..100).collect::<Vec<_>>());
    assert!(feed.books.values().all(|book| book.absent == 0 && book.missed == 0), "{:?}", feed.books);
}

#[test]
fn two_members_share_and_the_second_leaves_its_partitions_to_the_first() {
    let server = KafkaServer::shared();
    let topic = unique("shared");
    server.create_topic(&topic, 4, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 4, 0..400);
    let mut config = config(server, &[&topic]);
    config.options.session_timeout_ms = PATIENT_SESSION_MS;
    let mut first = Feed::start(config.clone());
    first.until("all of it", |feed| feed.seen.len() >= 400);
    config.instance = "two".to_owned();
    let mut second = Feed::resume(config, Arc::clone(&first.stored));
    second.until("its share", |feed| feed.owned.len() == 2 && feed.at_end(&topic, 2));
    first.until("what is left", |feed| feed.owned.len() == 2);
    // The group moves only what has to move.
    assert_eq!((first.revoked, second.seen.len()), (1, 0));
    writer.numbers(&topic, 4, 400..800);
    first.until("half", |feed| feed.seen.len() >= 600);
    second.until("the other half", |feed| feed.seen.len() >= 200);

    // A static member that stops keeps its place for a session; after that the first gets all.
    let gone = second.stop();
    writer.numbers(&topic, 4, 800..1_200);
    first.until("everything after", |feed| feed.owned.len() == 4 && feed.seen.len() >= 1_000);
    let mut values = sorted(&first);
    values.extend(sorted(&gone));
    values.sort_unstable();
    assert_eq!(values, (0..1_200).collect::<Vec<_>>());
}

#[test]
fn rebalances_at_the_end_of_partitions_skip_nothing() {
    let server = KafkaServer::shared();
    let topic = unique("restless");
    server.create_topic(&topic, 1, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 1, 0..10);
    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("the end", |feed| feed.seen.len() >= 10 && feed.at_end(&topic, 1));
    // Every new partition is a rebalance that pauses the first, which stands at its end, while records come to it one by one.
    for round in 0..3 {
        server.add_partitions(&topic, round + 2);
        for number in 0..40 {
            let value = 10 + round as i32 * 40 + number;
            writer.send(&topic, 0, "k", Some(&value.to_string()));
            writer.flush();
            feed.during(Duration::from_millis(5));
        }
    }
    feed.until("all", |feed| feed.owned.len() == 4 && feed.books[&(topic.clone(), 0)].next_offset >= 130);
    assert_eq!(feed.books[&(topic.clone(), 0)].absent, 0);
    assert_eq!(sorted(&feed), (0..130).collect::<Vec<_>>());
}

#[test]
fn a_second_process_with_the_same_identity_fences_the_first() {
    let server = KafkaServer::shared();
    let topic = unique("fenced");
    server.create_topic(&topic, 1, &[]);
    Writer::new(server).numbers(&topic, 1, 0..10);
    let config = config(server, &[&topic]);
    let mut first = Feed::start(config.clone());
    first.until("the records", |feed| feed.seen.len() >= 10);
    let mut second = Feed::start(config);
    second.until("the records", |feed| feed.seen.len() >= 10);
    first.until("the trouble", |feed| feed.has_trouble(class::FENCED));
    assert!(first.troubles.last().unwrap().permanent);
    let reason = first.until_ended().expect("the feed ended with a reason");
    assert!(reason.contains("another process"), "{reason}");
}

#[test]
fn a_restarted_process_gets_its_partitions_at_once() {
    let server = KafkaServer::shared();
    let topic = unique("reborn");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 2, 0..10);
    let mut config = config(server, &[&topic]);
    // Longer than anything here is waited for.
    config.options.session_timeout_ms = 600_000;
    let mut feed = Feed::start(config.clone());
    feed.until("the records", |feed| feed.seen.len() >= 10);
    let stored = Arc::clone(&feed.stored);
    feed.stop();
    writer.numbers(&topic, 2, 10..20);
    let mut feed = Feed::resume(config, stored);
    feed.until("the next records, before the old session ends", |feed| feed.seen.len() >= 10);
}

#[test]
fn settings_that_cannot_work_are_named_before_anything_starts() {
    let mut config = config_of("kafka:9092", &["logs", "bad topic", "^(", "logs"]);
    config.options.batch.max_records = 0;
    config.options.properties.set("fetch.min.byte", "1").set("fetch.min.bytes", "many").set("auto.offset.reset", "latest");
    let offsets = Arc::new(super::feed::Stored::default());
    let Err(KafkaError::Settings { problems }) = whydunit::kafka::start(config, offsets) else { panic!("these settings cannot work") };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for part in [
        "batch.max_records: 0 is not between",
        "properties.\"fetch.min.byte\": No such configuration property",
        "properties.\"fetch.min.bytes\": Invalid value",
        "properties.\"auto.offset.reset\": cannot be changed",
        "topics[1]: `bad topic` contains ` `",
        "topics[2]: `^(` is not a regular expression",
        "topics[3]: `logs` is named twice",
    ] {
        assert!(told.iter().any(|problem| problem.contains(part)), "{part} not in {told:#?}");
    }
    assert_eq!(problems.len(), 7, "{told:#?}");
    assert!(Options::default().validate().is_empty());
}
