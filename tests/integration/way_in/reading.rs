//! Plain reading: everything, once, in order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::feed::{Feed, Seen, Writer, config, unique};
use crate::support::kafka::KafkaServer;

#[test]
fn ten_thousand_records_of_six_partitions_arrive_once_and_in_order() {
    let server = KafkaServer::shared();
    let topic = unique("in-order");
    server.create_topic(&topic, 6, &[]);
    Writer::new(server).numbers(&topic, 6, 0..10_000);

    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("all records and all ends", |feed| feed.seen.len() >= 10_000 && feed.at_end(&topic, 6));

    assert_eq!(feed.seen.len(), 10_000);
    for partition in 0..6 {
        let values: Vec<i32> = feed.seen.iter().filter(|seen| seen.partition == partition).map(number).collect();
        assert_eq!(values, (0..10_000).filter(|number| number % 6 == partition).collect::<Vec<_>>());
    }
    for book in feed.books.values() {
        assert_eq!((book.next_offset, book.end_offset, book.absent, book.missed), (book.records as i64, book.records as i64, 0, 0));
    }
    assert_eq!(feed.stop().ended, Some(None));
}

fn number(seen: &Seen) -> i32 {
    String::from_utf8(seen.value.clone().unwrap()).unwrap().parse().unwrap()
}

#[test]
fn keys_headers_timestamps_and_tombstones_come_as_they_were_written() {
    let server = KafkaServer::shared();
    let topic = unique("whole");
    server.create_topic(&topic, 1, &[]);
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let blank = Seen {
        topic: topic.clone(),
        partition: 0,
        offset: 0,
        timestamp_ms: Some(1_700_000_000_123),
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let written = [
        Seen { key: Some(b"key".to_vec()), value: Some(b"value".to_vec()), ..blank.clone() },
        Seen { offset: 1, key: Some(b"gone".to_vec()), ..blank.clone() },
        Seen { offset: 2, value: Some(Vec::new()), key: Some(Vec::new()), timestamp_ms: Some(1), ..blank.clone() },
        Seen {
            offset: 3,
            value: Some(vec![0, 159, 146, 150]),
            headers: vec![
                header("traceparent", Some(b"00-1")),
                header("empty", Some(b"")),
                header("null", None),
                header("traceparent", Some(b"00-2")),
            ],
            ..blank
        },
    ];
    let writer = Writer::new(server);
    for seen in &written {
        writer.send_whole(&topic, 0, seen);
    }
    writer.flush();

    let mut feed = Feed::start(config(server, &[&topic]));
    feed.until("four records", |feed| feed.seen.len() >= 4);
    assert_eq!(feed.seen, written);
}
