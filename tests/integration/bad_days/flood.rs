//! A producer that sends a hundred times what it normally sends.

use std::time::{Duration, Instant};

use whydunit::kafka::producer::OutgoingRecord;

use super::{PATIENCE, assert_books_balance, books};
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};
use crate::support::shop::patient_producer;

/// Records a second of either topic on a normal day.
const NORMAL: usize = 200;
/// Seconds for which one of them sends a hundred times as much, as far as this machine can.
const FLOOD_S: usize = 8;
const FLOOD: usize = 100 * NORMAL * FLOOD_S;
const CALM: usize = 5 * NORMAL;
/// Bytes that pad a flooded line, so that what is not held back would be seen.
const PADDING: usize = 2_000;
/// More than the prefetch budget and all queues of this service hold, half of what is sent.
const GROWTH_MAX: u64 = (FLOOD * PADDING / 2) as u64;

fn settings(brokers: &str) -> String {
    let mut text = format!(
        "[kafka]\nbrokers = \"{brokers}\"\nsession_timeout_ms = 6000\n[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten \
         = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n"
    );
    for name in ["calm", "flooded"] {
        text += &format!("[connectors.{name}]\nsource = \"logs\"\ntopics = [\"flood.{name}\"]\nstart = \"earliest\"\n");
    }
    text
}

/// `count` lines at this rate at most.
fn send(server: &KafkaServer, name: &str, count: usize, rate: usize, padding: usize) {
    let producer = patient_producer(server);
    let (topic, padding) = (format!("flood.{name}"), "x".repeat(padding));
    let began = Instant::now();
    for number in 0..count {
        let due = Duration::from_secs_f64(number as f64 / rate as f64);
        if let Some(wait) = due.checked_sub(began.elapsed()).filter(|wait| *wait > Duration::from_millis(2)) {
            std::thread::park_timeout(wait);
        }
        let service = format!("{name}-{}", number % 20);
        let line =
            serde_json::json!({ "message": format!("order {number} packed"), "level": "info", "service.name": service, "body": padding });
        let value = line.to_string();
        let record =
            OutgoingRecord { topic: &topic, partition: None, key: None, value: Some(value.as_bytes()), headers: &[], timestamp: None };
        producer.send(&record).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn read_of(run: &Run, name: &str) -> u64 {
    run.api(&format!("/api/v1/connectors/{name}"))["records_total"].as_u64().unwrap_or_default()
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(run: &Run, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", run.id().as_raw_nonzero())).unwrap();
    let kib = status.lines().find_map(|found| found.strip_prefix(line)?.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap() << 10
}

#[test]
fn a_hundred_times_the_normal_rate_waits_in_kafka_costs_no_rebalance_and_delays_nobody_else() {
    let server = KafkaServer::shared();
    for name in ["calm", "flooded"] {
        server.create_topic(&format!("flood.{name}"), 2, &[]);
        send(server, name, NORMAL, usize::MAX, 0);
    }
    let home = Home::new(&settings(&server.brokers()));
    let run = home.run();
    run.wait_until("both are read", PATIENCE, |run| ["calm", "flooded"].iter().all(|name| read_of(run, name) == NORMAL as u64));
    let before = memory(&run, "VmRSS:");
    // It may fall behind by as much as Kafka holds: here by all of it.
    assert_eq!(run.order("/api/v1/connectors/flooded/pause"), 202);
    send(server, "flooded", FLOOD, 100 * NORMAL, PADDING);
    assert_eq!(run.order("/api/v1/connectors/flooded/resume"), 202);
    send(server, "calm", CALM, NORMAL, 0);
    run.wait_until("the calm one is read", PATIENCE, |run| read_of(run, "calm") == (NORMAL + CALM) as u64);
    println!("{} of {} of the flood are read with the calm one's last", read_of(&run, "flooded"), NORMAL + FLOOD);
    run.wait_until("all is read", PATIENCE, |run| read_of(run, "flooded") == (NORMAL + FLOOD) as u64);
    let grown = memory(&run, "VmHWM:").saturating_sub(before);
    println!("{} MiB sent, grown by {} MiB at the most", (FLOOD * PADDING) >> 20, grown >> 20);
    assert!(grown < GROWTH_MAX, "grown by {grown} bytes");
    for connector in run.api("/api/v1/connectors").as_array().unwrap() {
        assert_eq!((&connector["restarts"], &connector["state"]), (&0.into(), &"running".into()), "{connector}");
    }
    let said = run.said();
    assert!(said.contains("partitions assigned") && !said.contains("partitions taken away"), "no rebalance: {said}");
    run.terminate();
    let export = home.export();
    let books = books(&export);
    assert_books_balance(&books);
    assert_eq!(books["records_read"], (2 * NORMAL + CALM + FLOOD) as u64);
    assert_eq!(books["records_seen_before"], 0, "nothing is read twice");
    let verdict = home.command("verify").output().unwrap();
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
}
