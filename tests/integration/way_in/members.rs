//! Rebalances: partitions move and come back, and every member reads on where its own data stands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use super::feed::{Feed, Writer, config, unique};
use crate::support::kafka::KafkaServer;

fn sorted(feed: &Feed) -> Vec<i32> {
    let mut values: Vec<i32> = feed.values().iter().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    values
}

/// librdkafka counts an end as a record read, and goes back to what it counted whenever a rebalance pauses a partition.
#[test]
fn the_first_record_after_a_rebalance_is_read_where_a_partition_stood_at_its_end() {
    let server = KafkaServer::shared();
    let topic = unique("at-its-end");
    server.create_topic(&topic, 1, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 1, 0..10);
    let mut feed = Feed::start(config(server, &[&topic]));
    for round in 1..=4 {
        feed.until("every end", |feed| feed.seen.len() as i32 == 9 + round && feed.at_end(&topic, round as usize));
        server.add_partitions(&topic, round as usize + 1);
        feed.until("the new partition", |feed| feed.at_end(&topic, round as usize + 1));
        // One record, and nothing behind it that would show the jump.
        writer.numbers(&topic, 1, 9 + round..10 + round);
        feed.until("the record", |feed| feed.seen.len() as i32 == 10 + round);
    }
    assert_eq!(sorted(&feed), (0..14).collect::<Vec<_>>());
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
    config.options.session_timeout_ms = 1_500;
    let mut first = Feed::start(config.clone());
    write(400);
    first.until("the first part", |feed| feed.seen.len() == 400);

    // What the group published is not what counts: somebody has put it far ahead.
    let ahead: Vec<_> = first.owned.values().map(|key| (key.clone(), 100)).collect();
    first.control.commit(&ahead);
    config.instance = "two".to_owned();
    let mut second = Feed::start(config);
    second.until("its share, from the beginning of its own data", |feed| feed.owned.len() == 2 && feed.seen.len() == 200);
    first.until("what is left", |feed| feed.owned.len() == 2);
    write(400);
    second.until("its share of the second part", |feed| feed.seen.len() == 400);
    let stored_by_second: Vec<_> = second.owned.values().map(|key| (key.clone(), 200)).collect();
    second.control.commit(&stored_by_second);
    second.during(Duration::from_millis(100));
    second.stop();

    // They come back to the first with what only the second had read.
    let all = write(400);
    first.until("everything", |feed| feed.owned.len() == 4 && feed.seen.len() == all as usize);
    assert_eq!(sorted(&first), (0..all).collect::<Vec<_>>());
    assert!(first.books.values().all(|book| book.absent == 0 && book.missed == 0), "{:?}", first.books);
}
