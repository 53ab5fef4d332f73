//! Retention in the running service: what is old goes by itself, and everybody can see what and why.

use std::time::Duration;

use serde_json::{Value, json};
use whydunit::app::WATERMARK_HEADER;
use whydunit::clock;
use whydunit::kafka::producer::OutgoingRecord;
use whydunit::model::Timestamp;

use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};
use crate::support::shop::patient_producer;

const PATIENCE: Duration = Duration::from_secs(120);
const DAY_S: i64 = 86_400;
const OLD: usize = 120;
const YOUNG: usize = 30;

fn settings(brokers: &str) -> String {
    format!(
        "[kafka]\nbrokers = \"{brokers}\"\n[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[retention]\nmax_age_days = 30\ninterval_s = \
         1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[connectors.notes]\nsource = \"manual\"\ntopics = \
         [\"aged.notes\"]\nstart = \"earliest\"\n[connectors.logs]\nsource = \"logs\"\ntopics = [\"aged.logs\"]\nstart = \"earliest\"\n"
    )
}

fn notes(age_s: i64, count: usize) -> impl Iterator<Item = Value> {
    let at = clock::now().plus_seconds(-age_s);
    (0..count).map(move |n| json!({ "type": "note", "title": format!("note {n}, {age_s} s old"), "timestamp": at, "severity": "info" }))
}

fn stored(run: &Run) -> Option<usize> {
    let events = run.api("/api/v1/events?source=manual&per_page=100");
    let more = run.api("/api/v1/events?source=manual&per_page=100&page=2");
    Some(events.as_array()?.len() + more.as_array()?.len())
}

#[test]
fn what_is_too_old_goes_by_itself_once_time_is_known_and_it_is_told_how_much() {
    let server = KafkaServer::shared();
    for topic in ["aged.notes", "aged.logs"] {
        server.create_topic(topic, 1, &[]);
    }
    let producer = patient_producer(server);
    let send = |topic: &str, value: Option<&[u8]>, headers: &[(String, Vec<u8>)]| {
        let partition = Some(0);
        producer.send(&OutgoingRecord { topic, partition, key: None, value, headers, timestamp: None }).unwrap();
    };
    for note in notes(40 * DAY_S, OLD).chain(notes(10 * DAY_S, YOUNG)) {
        send("aged.notes", Some(note.to_string().as_bytes()), &[]);
    }
    producer.flush(PATIENCE).unwrap();
    let home = Home::new(&settings(&server.brokers()));
    let run = home.run();
    run.wait_until("all notes are stored", PATIENCE, |run| stored(run) == Some(OLD + YOUNG));
    run.wait_until("retention has looked", PATIENCE, |run| run.api("/api/v1/health")["retention"]["used_bytes"].as_u64() > Some(0));
    assert_eq!(stored(&run), Some(OLD + YOUNG), "nothing has said yet what time it is");

    // A line of today, and that nothing older follows.
    let line =
        json!({ "@timestamp": clock::now().plus_seconds(-60), "message": "order packed", "log.level": "info", "service.name": "cart" });
    send("aged.logs", Some(line.to_string().as_bytes()), &[]);
    let now: Timestamp = clock::now();
    send("aged.logs", None, &[(WATERMARK_HEADER.to_owned(), now.to_string().into_bytes())]);
    producer.flush(PATIENCE).unwrap();
    run.wait_until("the old ones are gone", PATIENCE, |run| stored(run) == Some(YOUNG));
    run.wait_until("it is told how many", PATIENCE, |run| {
        let told = run.api("/api/v1/health")["retention"]["removed"].clone();
        let events = told.as_array().and_then(|kinds| kinds.iter().find(|kind| kind["kind"] == "events").cloned());
        events.is_some_and(|events| events["removed"] == OLD)
    });
    assert_eq!(run.metric("whydunit_retention_removed_total{kind=\"events\""), Some(OLD as f64));
    let verdict = home.command("verify").output().unwrap();
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    run.terminate();
}
