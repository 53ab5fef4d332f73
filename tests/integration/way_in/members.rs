//! Rebalances: partitions move and come back, and every member reads on where its own data stands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::feed::{DEADLINE, Feed, PATIENT_SESSION_MS, Writer, config, unique};
use crate::support::kafka::KafkaServer;

fn sorted(feed: &Feed) -> Vec<i32> {
    let mut values: Vec<i32> = feed.values().iter().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    values
}

/// Bytes of the assignment the group's coordinator gave its only member.
fn assignment_bytes(server: &KafkaServer, group: &str) -> usize {
    let client: BaseConsumer = server.client().create().unwrap();
    let groups = client.fetch_group_list(Some(group), DEADLINE).unwrap();
    groups.groups()[0].members().first().and_then(|member| member.assignment()).map_or(0, <[u8]>::len)
}

/// librdkafka counts an end as a record read, and goes back to what it counted whenever a rebalance pauses a partition. A record
/// that was fetched and not taken by then lies before that position.
#[test]
fn a_record_that_waits_behind_an_end_is_read_though_a_rebalance_comes_between() {
    let server = KafkaServer::shared();
    let topic = unique("behind-an-end");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 2, 0..20);
    let mut config = config(server, &[&topic]);
    config.options.metadata_refresh_ms = 100;
    config.options.batch.max_records = 10;
    config.options.batch.queue = 1;
    let mut feed = Feed::start(config.clone());
    feed.until("both ends", |feed| feed.seen.len() == 20 && feed.at_end(&topic, 2));

    // The pipeline takes nothing: what comes to partition 0 is fetched and waits in librdkafka.
    let before = assignment_bytes(server, &config.group);
    (20..1_020).for_each(|number| writer.send(&topic, 1, "k", Some(&number.to_string())));
    writer.flush();
    let deadline = Instant::now() + DEADLINE;
    while feed.receiver.is_empty() {
        assert!(Instant::now() < deadline, "nothing came");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    writer.send(&topic, 0, "k", Some("1020"));
    writer.flush();
    server.add_partitions(&topic, 3);
    while assignment_bytes(server, &config.group) <= before {
        assert!(Instant::now() < deadline, "the group gave no third partition");
    }
    feed.until("everything", |feed| feed.seen.len() >= 1_021 && feed.at_end(&topic, 3));
    assert_eq!(sorted(&feed), (0..1_021).collect::<Vec<_>>());
    assert!(feed.books.values().all(|book| book.absent == 0), "{:?}", feed.books);
}

#[test]
fn partitions_that_move_and_come_back_are_read_on_where_each_members_own_data_stands() {
    let server = KafkaServer::shared();
    let topic = unique("moving");
    server.create_topic(&topic, 4, &[]);
    let writer = Writer::new(server);
    let mut written = 0;
    let mut write = |count: i32| {
        writer.numbers(&topic, 4, written..written + count);
        written += count;
        written
    };
    let mut config = config(server, &[&topic]);
    config.options.session_timeout_ms = PATIENT_SESSION_MS;
    let mut first = Feed::start(config.clone());
    write(400);
    first.until("the first part", |feed| feed.seen.len() == 400);

    // What the group published is not what counts: somebody has put it far ahead.
    let ahead: Vec<_> = first.owned.values().map(|key| (key.clone(), 100)).collect();
    first.publish(&ahead);
    config.instance = "two".to_owned();
    let mut second = Feed::start(config);
    second.until("its share, from the beginning of its own data", |feed| feed.owned.len() == 2 && feed.seen.len() == 200);
    first.until("what is left", |feed| feed.owned.len() == 2);
    write(400);
    second.until("its share of the second part", |feed| feed.seen.len() == 400);
    let stored_by_second: Vec<_> = second.owned.values().map(|key| (key.clone(), 200)).collect();
    second.publish(&stored_by_second);
    second.stop();

    // They come back to the first with what only the second had read.
    let all = write(400);
    first.until("everything", |feed| feed.owned.len() == 4 && feed.seen.len() == all as usize);
    assert_eq!(sorted(&first), (0..all).collect::<Vec<_>>());
    assert!(first.books.values().all(|book| book.absent == 0 && book.missed == 0), "{:?}", first.books);
}
