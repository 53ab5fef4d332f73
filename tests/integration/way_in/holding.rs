//! Partitions that must wait for slower ones: they wait alone, and go on exactly where they stood.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use whydunit::actors::pace::Pace;
use whydunit::engine::correlate::watermark::{Progress, WatermarkTracker};
use whydunit::kafka::ConsumerConfig;
use whydunit::model::Timestamp;
use whydunit::model::position::PartitionKey;

use super::feed::{DEADLINE, Feed, PATIENT_SESSION_MS, Seen, Writer, config, unique};
use crate::support::kafka::KafkaServer;

/// Little is under way between broker and test.
fn in_small_steps(mut config: ConsumerConfig) -> ConsumerConfig {
    config.options.batch.max_records = 100;
    config.options.batch.queue = 2;
    config
}

fn key_of(feed: &Feed, topic: &str, partition: i32) -> PartitionKey {
    feed.owned[&(topic.to_owned(), partition)].clone()
}

fn count(feed: &Feed, partition: i32) -> usize {
    feed.seen.iter().filter(|seen| seen.partition == partition).count()
}

fn assert_each_once(feed: &Feed, expected: i32) {
    let mut values: Vec<i32> = feed.values().iter().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    assert!(values == (0..expected).collect::<Vec<_>>(), "{} records instead of {expected}, or some twice", values.len());
    assert!(feed.books.values().all(|book| book.absent == 0 && book.missed == 0), "{:?}", feed.books);
}

#[test]
fn a_partition_held_back_waits_alone_and_goes_on_exactly_where_it_stood() {
    let server = KafkaServer::shared();
    let topic = unique("held");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 2, 0..20_000);
    let mut feed = Feed::start(in_small_steps(config(server, &[&topic])));
    feed.until("the beginning", |feed| feed.seen.len() >= 300);
    feed.control.hold_back(&[key_of(&feed, &topic, 0)]);
    feed.settle();
    feed.until("all of the other partition", |feed| count(feed, 1) == 10_000);
    let held_at = count(&feed, 0);
    assert!(held_at < 10_000, "it was read to its end");
    writer.numbers(&topic, 2, 20_000..20_100);
    feed.until("what came to the other partition meanwhile", |feed| count(feed, 1) == 10_050);
    feed.during(Duration::from_millis(200));
    assert_eq!(count(&feed, 0), held_at, "records came of a partition that is held");
    feed.control.hold_back(&[]);
    feed.until("everything", |feed| feed.seen.len() >= 20_100);
    assert_each_once(&feed, 20_100);
}

#[test]
fn a_partition_held_back_at_its_end_skips_nothing() {
    let server = KafkaServer::shared();
    let topic = unique("held-at-end");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("both partitions", |feed| feed.owned.len() == 2);
    for round in 0..5 {
        let (first, second) = (round * 20, round * 20 + 10);
        writer.numbers(&topic, 2, first..second);
        feed.until("the end", |feed| feed.seen.len() as i32 >= second && feed.at_end(&topic, 2));
        feed.control.hold_back(&[key_of(&feed, &topic, round % 2)]);
        feed.settle();
        writer.numbers(&topic, 2, second..second + 10);
        feed.until("the partition that is not held", |feed| feed.seen.len() as i32 >= second + 5);
        feed.during(Duration::from_millis(100));
        assert_eq!(feed.seen.len() as i32, second + 5, "records came of a partition that is held");
        feed.control.hold_back(&[]);
    }
    feed.until("the last", |feed| feed.seen.len() >= 100);
    assert_each_once(&feed, 100);
}

#[test]
fn a_partition_taken_away_while_it_was_held_is_read_when_it_comes_back() {
    let server = KafkaServer::shared();
    let topic = unique("held-away");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    writer.numbers(&topic, 2, 0..20);
    let mut config = config(server, &[&topic]);
    config.options.session_timeout_ms = PATIENT_SESSION_MS;
    let mut first = Feed::start(config.clone());
    first.until("all", |feed| feed.at_end(&topic, 2));
    first.control.hold_back(&[key_of(&first, &topic, 0), key_of(&first, &topic, 1)]);
    first.settle();

    config.instance = "two".to_owned();
    let mut second = Feed::start(config);
    second.until("its share", |feed| feed.at_end(&topic, 1));
    first.until("what is left", |feed| feed.owned.len() == 1);
    first.control.hold_back(&[]);
    writer.numbers(&topic, 2, 20..40);
    second.stop();
    first.until("both again, each to its end", |feed| feed.owned.len() == 2 && feed.seen.len() >= 40);
    assert_each_once(&first, 40);
}

/// A feed driven as a connector drives it: what comes moves the watermark, and that decides who waits.
struct Paced {
    feed: Feed,
    watermark: Arc<Mutex<WatermarkTracker>>,
    pace: Pace,
    connector: Arc<str>,
    looked_at: usize,
    furthest_ahead_s: i64,
    late: usize,
}

impl Paced {
    fn start(config: ConsumerConfig) -> Self {
        let feed = Feed::start(config);
        let watermark = Arc::new(Mutex::new(WatermarkTracker::default()));
        let pace = Pace::new(watermark.clone());
        let connector: Arc<str> = "logs".into();
        pace.started(&connector, feed.control.clone());
        Self { feed, watermark, pace, connector, looked_at: 0, furthest_ahead_s: 0, late: 0 }
    }

    fn newest(&self, partition: i32) -> Option<Timestamp> {
        let times = self.feed.seen.iter().rev().filter(|seen| seen.partition == partition).filter_map(|seen| seen.timestamp_ms);
        times.take(1).next().map(Timestamp::from_millis)
    }

    /// Takes messages until `done` holds; wall time is `now_s`.
    fn until(&mut self, what: &str, now_s: i64, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(self.feed.take(left), "not seen: {what}; {} records, books {:?}", self.feed.seen.len(), self.feed.books);
            self.look(Timestamp::from_seconds(now_s));
        }
    }

    fn look(&mut self, now: Timestamp) {
        let fresh = &self.feed.seen[self.looked_at..];
        self.looked_at = self.feed.seen.len();
        let mut watermark = self.watermark.lock().unwrap();
        let closed = watermark.closed_through().map(|bucket| bucket.end());
        self.late += fresh.iter().filter_map(time_of).filter(|time| closed.is_some_and(|closed| *time < closed)).count();
        let keys: Vec<(PartitionKey, bool)> =
            self.feed.owned.iter().map(|(name, key)| (key.clone(), self.feed.books[name].at_end)).collect();
        for (key, at_end) in keys {
            let times = || fresh.iter().filter(|seen| seen.partition == key.partition).filter_map(time_of);
            let progress = Progress { partition: &key, oldest: times().min(), newest: times().max(), at_end, now };
            watermark.progress(&self.connector, true, &progress);
        }
        let _ = watermark.advance(now);
        drop(watermark);
        self.pace.keep_all();
        if let (Some(fast), Some(slow)) = (self.newest(0), self.newest(1)) {
            self.furthest_ahead_s = self.furthest_ahead_s.max(fast.seconds_since(slow) as i64);
        }
    }
}

fn time_of(seen: &Seen) -> Option<Timestamp> {
    seen.timestamp_ms.map(Timestamp::from_millis)
}

/// Partition 0 covers five hours, partition 1 five minutes, with as many records each.
#[test]
fn of_two_very_uneven_partitions_the_fast_one_waits_and_all_is_read_once() {
    const RECORDS: i32 = 15_000;
    const START_MS: i64 = 1_763_388_000_000;
    let server = KafkaServer::shared();
    let topic = unique("uneven");
    server.create_topic(&topic, 2, &[]);
    let writer = Writer::new(server);
    for number in 0..RECORDS * 2 {
        let step = i64::from(number / 2);
        let record = Seen {
            topic: topic.clone(),
            partition: number % 2,
            offset: 0,
            timestamp_ms: Some(START_MS + if number % 2 == 0 { step * 1_200 } else { step * 20 }),
            key: None,
            value: Some(number.to_string().into_bytes()),
            headers: Vec::new(),
        };
        writer.send_whole(&topic, number % 2, &record);
    }
    writer.flush();

    let mut paced = Paced::start(in_small_steps(config(server, &[&topic])));
    paced.until("the slow partition", 0, |paced| count(&paced.feed, 1) == RECORDS as usize);
    // Two minutes, and what was under way: two batches in the channel, one packed, one in hand.
    let bound_s = 130 + 4 * 100 * 12 / 10;
    assert!(paced.furthest_ahead_s <= bound_s, "{} s ahead, more than {bound_s}", paced.furthest_ahead_s);
    assert!(paced.furthest_ahead_s > 60, "it was never far ahead, so nothing was held");
    assert!(count(&paced.feed, 0) < 2_000, "the fast partition did not wait");

    // The slow one is at its end and silent: it keeps nobody waiting.
    paced.feed.until("the slow partition's end", |feed| feed.books[&(topic.clone(), 1)].at_end);
    paced.look(Timestamp::from_seconds(0));
    paced.look(Timestamp::from_seconds(31));
    paced.until("everything", 31, |paced| paced.feed.seen.len() == RECORDS as usize * 2);
    assert_eq!(paced.late, 0);
    assert_each_once(&paced.feed, RECORDS * 2);
}
