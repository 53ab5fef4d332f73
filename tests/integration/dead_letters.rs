//! Records that could not be read, decoded again once the settings are right.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};

const PATIENCE: Duration = Duration::from_secs(120);
/// Of these, one in five is garbage.
const RECORDS: usize = 10_000;
const GARBAGE_EVERY: usize = 5;

fn settings(server: &KafkaServer, topic: &str, format: &str, rate: u32) -> String {
    format!(
        "[kafka]\nbrokers = \"{}\"\n[pipeline]\ncheckpoint_interval_s = 1\n[dead_letters]\nreplays_per_second = {rate}\n[web]\nlisten = \
         \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[connectors.notes]\nsource = \"manual\"\ntopics = [\"{topic}\"]\nstart = \
         \"earliest\"\nformat = \"{format}\"\n",
        server.brokers()
    )
}

fn write_mixed(server: &KafkaServer, topic: &str, records: usize) {
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    let at = Timestamp::from_seconds(1_763_388_000);
    for index in 0..records {
        let value = if index % GARBAGE_EVERY == 0 {
            format!("\u{1}\u{2}garbage {index}").into_bytes()
        } else {
            serde_json::json!({ "type": "note", "title": format!("note {index}"), "timestamp": at, "service": "cart" })
                .to_string()
                .into_bytes()
        };
        let record =
            OutgoingRecord { topic, partition: None, key: None, value: Some(&value), headers: &[], timestamp: Some(at.plus_seconds(1)) };
        producer.send(&record).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Letters by status, over all groups.
fn letters(run: &Run) -> BTreeMap<&'static str, u64> {
    let groups = run.api("/api/v1/dead-letters/groups");
    let sum = |field: &str| groups.as_array().into_iter().flatten().map(|group| group[field].as_u64().unwrap_or(0)).sum();
    ["count", "waiting", "replaying", "replayed"].into_iter().map(|field| (field, sum(field))).collect()
}

/// Titles of all stored notes, sorted.
fn stored_notes(home: &Home) -> Vec<String> {
    let output = home.command("export").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut titles: Vec<String> = lines.filter(|line| line["kind"] == "event").map(|line| title_of(&line).to_owned()).collect();
    titles.sort();
    titles
}

fn title_of(value: &serde_json::Value) -> &str {
    match value {
        serde_json::Value::Object(fields) => match fields.get("title") {
            Some(serde_json::Value::String(title)) => title,
            _ => fields.values().map(title_of).find(|title| !title.is_empty()).unwrap_or_default(),
        },
        _ => "",
    }
}

#[test]
fn ten_thousand_letters_are_replayed_after_the_setting_is_right_and_what_can_be_read_is_stored_once() {
    let (server, topic) = (KafkaServer::shared(), "letters.mixed");
    server.create_topic(topic, 3, &[]);
    write_mixed(server, topic, RECORDS);
    let home = Home::new(&settings(server, topic, "otlp_proto", 2_000));
    let run = home.run();
    run.wait_until("all are letters", PATIENCE, |run| letters(run)["waiting"] == RECORDS as u64);
    run.terminate();

    home.settings(&settings(server, topic, "auto", 2_000));
    let run = home.run();
    let answer = RefCell::new(serde_json::Value::Null);
    // The page is served before the pipeline takes writes.
    run.wait_until("the replay is taken", PATIENCE, |run| {
        let said = run.post("/api/v1/dead-letters/replay", &serde_json::json!({ "connector": "notes" }));
        answer.replace(said);
        answer.borrow()["status"] != 503
    });
    assert_eq!(answer.borrow()["count"], RECORDS as u64, "{answer:?}");
    run.wait_until("the replay is under way", PATIENCE, |run| letters(run)["replayed"] > 0);
    run.killed();

    let run = home.run();
    run.wait_until("the replay is over", PATIENCE, |run| letters(run)["replaying"] == 0);
    let garbage = (RECORDS / GARBAGE_EVERY) as u64;
    let after = letters(&run);
    assert_eq!((after["count"], after["waiting"], after["replayed"]), (RECORDS as u64, garbage, RECORDS as u64 - garbage));
    let waiting = run.api("/api/v1/dead-letters?status=waiting&per_page=1");
    assert_eq!(waiting[0]["replay_count"], 1, "a killed replay counts once: {waiting}");
    run.terminate();

    let mut sent: Vec<String> = (0..RECORDS).filter(|index| index % GARBAGE_EVERY != 0).map(|index| format!("note {index}")).collect();
    sent.sort();
    let stored = stored_notes(&home);
    let first = stored.iter().zip(&sent).find(|(stored, sent)| stored != sent);
    assert!(stored == sent, "{} notes are stored, {} were sent; they differ first at {first:?}", stored.len(), sent.len());
}

#[test]
fn one_letter_is_tried_edited_and_replayed_and_a_failed_replay_waits_again() {
    let (server, topic) = (KafkaServer::shared(), "letters.one");
    server.create_topic(topic, 1, &[]);
    write_mixed(server, topic, 2);
    let home = Home::new(&settings(server, topic, "auto", 500));
    let run = home.run();
    run.wait_until("the letter is there", PATIENCE, |run| letters(run)["waiting"] == 1);
    let letter = run.api("/api/v1/dead-letters");
    let path = format!("/api/v1/dead-letters/{}", letter[0]["id"].as_str().unwrap());

    let as_it_is = run.post(&format!("{path}/dry-run"), &serde_json::json!({}));
    assert_eq!((as_it_is["items"].as_u64(), as_it_is["error_class"].is_string()), (Some(0), true), "{as_it_is}");
    let edited = serde_json::json!({ "value_text": "{\"type\":\"note\",\"title\":\"mended\",\"timestamp\":\"2025-11-17T14:00:00Z\"}" });
    let mended = run.post(&format!("{path}/dry-run"), &edited);
    assert_eq!(mended["items"], 1, "{mended}");
    assert_eq!(mended["preview"][0]["event"]["title"], "mended");
    assert_eq!(letters(&run)["waiting"], 1, "a dry run changes nothing");

    run.post(&format!("{path}/replay"), &serde_json::json!({}));
    run.wait_until("it failed again", PATIENCE, |run| run.api(&path)["replay_count"] == 1 && run.api(&path)["status"] == "waiting");
    run.post(&format!("{path}/replay"), &edited);
    run.wait_until("it is replayed", PATIENCE, |run| run.api(&path)["status"] == "replayed");
    run.wait_until("its event is there", PATIENCE, |run| run.api("/api/v1/events?q=mended")[0]["title"] == "mended");
    let again = run.post(&format!("{path}/replay"), &edited);
    assert_eq!(again["status"], 409, "{again}");
    run.terminate();
}
