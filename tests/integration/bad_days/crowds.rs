//! A producer that invents service names: memory stays bounded, what is let go is said, and every line counts.

use std::collections::BTreeSet;
use std::time::Duration;

use whydunit::app::WATERMARK_HEADER;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use super::{PATIENCE, assert_books_balance, books, items_in_buckets, of_kind, records_read};
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};

const TOPIC: &str = "crowds.logs";
const START: Timestamp = Timestamp::from_seconds(1_763_388_000);
/// Services that the one shard keeps.
const KEPT: usize = 100;
const BUCKETS: u32 = 10;
/// Lines of new services a second.
const NEW: u32 = 33;

/// Seconds in which `checkout` fails once each, and `new` services a second that nobody has heard of say one line each, too.
/// Returns how many lines that are; nothing more comes before second `until`.
fn send(server: &KafkaServer, seconds: std::ops::Range<u32>, new: u32, until: u32) -> u32 {
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    let send = |at: Timestamp, level: &str, service: &str| {
        let value =
            serde_json::json!({ "@timestamp": at, "message": "order refused", "level": level, "service.name": service }).to_string();
        let value = Some(value.as_bytes());
        producer.send(&OutgoingRecord { topic: TOPIC, partition: Some(0), key: None, value, headers: &[], timestamp: Some(at) }).unwrap();
    };
    for second in seconds.clone() {
        let at = START.plus_seconds(i64::from(second));
        send(at, "error", "checkout");
        for number in 0..new {
            send(at.plus_millis(i64::from(number) * 10), "info", &format!("pod-{second}-{number}"));
        }
    }
    let until = START.plus_seconds(i64::from(until));
    let headers = [(WATERMARK_HEADER.to_owned(), until.to_string().into_bytes())];
    let timestamp = Some(START.plus_seconds(500));
    producer.send(&OutgoingRecord { topic: TOPIC, partition: Some(0), key: None, value: None, headers: &headers, timestamp }).unwrap();
    producer.flush(PATIENCE).unwrap();
    seconds.len() as u32 * (1 + new)
}

fn wait_for_watermark(run: &Run, second: i64) {
    run.wait_until("its buckets are closed", PATIENCE, |run| {
        let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(Timestamp::parse);
        watermark.is_some_and(|watermark| watermark >= START.plus_seconds(second))
    });
}

/// Things of one kind that were let go, by the metric.
fn evicted(run: &Run, kind: &str) -> f64 {
    let metrics = run.ops_text("/metrics");
    let label = format!("kind=\"{kind}\"");
    let line = metrics.lines().find(|line| line.starts_with("whydunit_evicted_total{") && line.contains(&label));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn a_flood_of_new_services_is_bounded_counted_and_said_and_the_service_in_trouble_keeps_its_place() {
    let server = KafkaServer::shared();
    server.create_topic(TOPIC, 1, &[]);
    let home = Home::new(&format!(
        "[kafka]\nbrokers = \"{}\"\n[detect]\nmax_entities = {KEPT}\n[pipeline]\nhistory_teaches_s = 0\nshards = 1\ncheckpoint_interval_s = \
         1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[connectors.logs]\nsource = \"logs\"\ntopics = \
         [\"{TOPIC}\"]\nstart = \"earliest\"\n",
        server.brokers()
    ));
    let run = home.run();
    let mut lines = send(server, 0..30, 0, 30);
    wait_for_watermark(&run, 30);
    lines += send(server, 30..BUCKETS * 15, NEW, 600);
    run.wait_until("everything is read", PATIENCE, |run| records_read(run) > u64::from(lines));
    wait_for_watermark(&run, 570);
    let (services, items) = (evicted(&run, "services"), evicted(&run, "items"));
    println!("{services} services let go, {items} lines of new services counted together");
    assert!(services > 0.0 && items > 0.0);
    let health = run.api("/api/v1/health").to_string();
    assert!(health.contains("services were forgotten") && health.contains("detect.max_entities"), "{health}");
    assert!(health.contains("counted together"), "{health}");
    run.terminate_within(Duration::from_secs(10));
    assert!(home.command("verify").output().unwrap().status.success());

    let export = home.export();
    assert_books_balance(&books(&export));
    assert_eq!(items_in_buckets(&export, "logs"), u64::from(lines), "what was stored stays stored");
    let rows: Vec<(i64, String, u64)> = of_kind(&export, "bucket_row")
        .map(|row| (row["bucket"].as_i64().unwrap(), row["entity"]["service"].as_str().unwrap().to_owned(), row["items"].as_u64().unwrap()))
        .collect();
    for bucket in rows.iter().map(|(bucket, ..)| *bucket).collect::<BTreeSet<_>>() {
        let services = rows.iter().filter(|row| row.0 == bucket).count();
        assert!(services <= 2 * KEPT + 1, "{services} services in one bucket");
    }
    let of = |service: &str| rows.iter().filter(|row| row.1 == service).map(|row| row.2).collect::<Vec<_>>();
    assert_eq!(of("checkout"), [15; BUCKETS as usize], "known before the flood grew, it counts for itself to the end");
    assert_eq!(of("(other services)").iter().sum::<u64>() as f64, items);
}
