//! The broker dies and comes back, and a topic grows, while it is read: every line counts once.

use whydunit::app::{WATERMARK_HEADER, verify};
use whydunit::kafka;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;
use whydunit::store::{Options, open_reader};

use super::{PATIENCE, assert_books_balance, books, records_read};
use crate::support::kafka::KafkaServer;
use crate::support::process::Home;

const TOPIC: &str = "growing.logs";
const START: Timestamp = Timestamp::from_seconds(1_763_388_000);

/// Lines of 500 services, one a centisecond, nine of ten to the first partition.
fn send(server: &KafkaServer, lines: std::ops::Range<u32>, partitions: u32) {
    let producer = Producer::new(&kafka::Options { brokers: server.brokers(), ..kafka::Options::default() }, None).unwrap();
    for number in lines {
        let at = START.plus_millis(i64::from(number) * 10);
        let service = format!("service-{}", number % 500);
        let value = serde_json::json!({ "@timestamp": at, "message": "packed", "level": "info", "service.name": service }).to_string();
        let partition = if number % 10 == 0 { number / 10 % partitions } else { 0 };
        let (partition, value) = (Some(partition as i32), Some(value.as_bytes()));
        producer.send(&OutgoingRecord { topic: TOPIC, partition, key: None, value, headers: &[], timestamp: Some(at) }).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Nothing follows.
fn end(server: &KafkaServer, partitions: i32) {
    let producer = Producer::new(&kafka::Options { brokers: server.brokers(), ..kafka::Options::default() }, None).unwrap();
    let until = START.plus_seconds(600).to_string();
    for partition in 0..partitions {
        let headers = [(WATERMARK_HEADER.to_owned(), until.clone().into_bytes())];
        let timestamp = Some(START.plus_seconds(500));
        producer
            .send(&OutgoingRecord { topic: TOPIC, partition: Some(partition), key: None, value: None, headers: &headers, timestamp })
            .unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn a_broker_killed_and_a_topic_grown_while_it_is_read_cost_nothing() {
    let mut server = KafkaServer::start();
    server.create_topic(TOPIC, 4, &[]);
    let home = Home::new(&format!(
        "[kafka]\nbrokers = \"{}\"\nmetadata_refresh_ms = 1000\n[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \
         \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[connectors.logs]\nsource = \"logs\"\ntopics = [\"{TOPIC}\"]\nstart = \
         \"earliest\"\n",
        server.brokers()
    ));
    let run = home.run();
    send(&server, 0..10_000, 4);
    run.wait_until("it reads", PATIENCE, |run| records_read(run) > 0);
    server.kill();
    run.wait_until("it says that the broker is gone", PATIENCE, |run| {
        let ready = run.ops("/readyz").to_string();
        ready.contains("degraded") && ready.contains(&server.brokers()) && ready.contains("since 20")
    });
    server.restart();
    server.add_partitions(TOPIC, 10);
    send(&server, 10_000..20_000, 10);
    end(&server, 10);
    run.wait_until("everything is read", PATIENCE, |run| records_read(run) >= 20_010);
    run.wait_until("all is well", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    let resident_kib = || std::fs::read_to_string(format!("/proc/{}/status", run.id().as_raw_nonzero())).unwrap();
    println!("{}", resident_kib().lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default());
    run.wait_until("its buckets are closed", PATIENCE, |run| {
        let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(Timestamp::parse);
        watermark.is_some_and(|watermark| watermark >= START.plus_seconds(570))
    });
    run.terminate();
    let export = home.export();
    let books = books(&export);
    println!("{books:?}");
    assert_books_balance(&books);
    assert_eq!((books["records_read"], books["records_rejected"], books["missed"]), (20_010, 0, 0));
    let options = Options::file(home.database());
    let verdict = verify::database(&options).unwrap();
    assert!(verdict.closes, "{:#?}", verdict.holes);
    // What a partition held that was found after the others had been read counts late, in a bucket that may still be open.
    let folded = verify::facts(&open_reader(&options).unwrap(), true).unwrap().folded;
    println!("{folded:?}");
    assert_eq!(folded.in_rows + folded.open, 20_000);
}
