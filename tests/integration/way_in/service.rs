//! The whole service on a real broker, when its consumers have a bad day: what it says of it, and what it keeps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use serde_json::{Value, json};
use whydunit::kafka::ConsumerConfig;
use whydunit::model::Timestamp;

use super::feed::{Feed, PATIENT_SESSION_MS, Writer, config, unique};
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};

const PATIENCE: Duration = Duration::from_secs(120);

/// Settings with one connector of logs a topic, each named as its topic and in a group of that name.
fn settings(server: &KafkaServer, topics: &[&str]) -> String {
    let mut text = format!(
        "[kafka]\nbrokers = \"{}\"\nsession_timeout_ms = {PATIENT_SESSION_MS}\nmetadata_refresh_ms = 500\n\
         [pipeline]\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n",
        server.brokers()
    );
    for topic in topics {
        text += &format!("[connectors.{topic}]\nsource = \"logs\"\ntopics = [\"{topic}\"]\ngroup = \"{topic}\"\nstart = \"earliest\"\n");
    }
    text
}

fn write_lines(writer: &Writer, topic: &str, partitions: i32, range: std::ops::Range<i32>) {
    for number in range {
        let line = json!({ "@timestamp": Timestamp::from_seconds(1_763_388_000 + i64::from(number)), "message": "parcel packed", "log.level": "info", "service.name": "cart" });
        writer.send(topic, number % partitions, "k", Some(&line.to_string()));
    }
    writer.flush();
}

fn connector(run: &Run, name: &str) -> Value {
    run.api(&format!("/api/v1/connectors/{name}"))
}

fn read(run: &Run, name: &str) -> u64 {
    connector(run, name)["records_total"].as_u64().unwrap_or(0)
}

/// Rows of the books, one a partition and life of its topic.
fn books(home: &Home, topic: &str) -> Vec<Value> {
    let output = home.command("export").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|line| line["kind"] == "ledger");
    rows.map(|line| line["value"].clone()).filter(|row| row["partition"]["topic"] == topic).collect()
}

fn sum(rows: &[Value], of: &str) -> u64 {
    rows.iter().map(|row| row["sums"][of].as_u64().unwrap()).sum()
}

fn assert_books(rows: &[Value], decoded: u64) {
    assert_eq!(sum(rows, "records_decoded"), decoded, "{rows:?}");
    assert_eq!(sum(rows, "items_folded") + sum(rows, "items_stored"), decoded, "{rows:?}");
    for row in rows {
        let field = |name: &str| row["sums"][name].as_i64().unwrap();
        let offsets = row["next_offset"].as_i64().unwrap() - row["first_offset"].as_i64().unwrap();
        assert_eq!(field("records_read"), field("records_decoded") + field("records_seen_before") + field("records_rejected"), "{row}");
        assert_eq!(offsets, field("records_read") - field("records_seen_before") + field("absent") + field("missed"), "{row}");
    }
}

#[test]
fn what_happened_to_a_topic_while_nobody_looked_is_noticed_counted_and_said() {
    let server = KafkaServer::shared();
    let topic = unique("unwatched");
    server.create_topic(&topic, 1, &[]);
    write_lines(&Writer::new(server), &topic, 1, 0..100);
    let home = Home::new(&settings(server, &[&topic]));
    let run = home.run();
    run.wait_until("the first part", PATIENCE, |run| read(run, &topic) == 100);
    run.terminate();

    // Retention passes us by.
    write_lines(&Writer::new(server), &topic, 1, 100..200);
    server.delete_records(&topic, 0, 150);
    let run = home.run();
    run.wait_until("what is left", PATIENCE, |run| read(run, &topic) == 50);
    let says = |run: &Run, words: &[&str]| {
        let told = connector(run, &topic)["last_error"].to_string();
        words.iter().all(|word| told.contains(word))
    };
    run.wait_until("the gap is said", PATIENCE, |run| says(run, &["50 offsets (100 to 149)", "retention"]));
    assert_eq!(connector(&run, &topic)["state"], "running");
    let is_missed = |line: &str| line.starts_with("whydunit_records_total") && line.contains("outcome=\"missed\"");
    run.wait_until("and counted", PATIENCE, |run| run.ops_text("/metrics").lines().any(|line| is_missed(line) && line.ends_with(" 50")));
    run.terminate();

    // The topic is deleted and made anew, and grows beyond where we stood.
    server.delete_topic(&topic);
    server.create_topic(&topic, 1, &[]);
    write_lines(&Writer::new(server), &topic, 1, 200..500);
    let run = home.run();
    run.wait_until("the whole new topic", PATIENCE, |run| read(run, &topic) == 300);
    run.wait_until("the new topic is said", PATIENCE, |run| says(run, &["deleted and made anew"]));
    run.terminate();

    let rows = books(&home, &topic);
    assert_books(&rows, 450);
    assert_eq!(sum(&rows, "missed"), 50);
    let lives: Vec<(i64, i64)> =
        rows.iter().map(|row| (row["partition"]["incarnation"].as_i64().unwrap(), row["next_offset"].as_i64().unwrap())).collect();
    assert_eq!(lives, [(0, 200), (1, 300)]);
    assert_ne!(rows[0]["topic_id"], rows[1]["topic_id"]);
}

/// A stranger in a connector's group; `instance` decides whether it shares or steals.
fn stranger(server: &KafkaServer, topic: &str, instance: &str) -> Feed {
    let config = ConsumerConfig { group: topic.to_owned(), instance: instance.to_owned(), ..config(server, &[topic]) };
    let mut config = config;
    config.options.session_timeout_ms = PATIENT_SESSION_MS;
    Feed::start(config)
}

#[test]
fn a_connector_that_is_robbed_stops_and_says_so_while_others_go_on_and_a_reset_resumes_it_exactly() {
    let server = KafkaServer::shared();
    let (robbed, other) = (unique("robbed"), unique("unharmed"));
    server.create_topic(&robbed, 4, &[]);
    server.create_topic(&other, 1, &[]);
    let writer = Writer::new(server);
    write_lines(&writer, &robbed, 4, 0..400);
    let home = Home::new(&settings(server, &[&robbed, &other]));
    let run = home.run();
    run.wait_until("the first part", PATIENCE, |run| read(run, &robbed) == 400);

    // Partitions go to another member of the group and come back: read on where the data stands, not where the process began.
    let mut member = stranger(server, &robbed, "another");
    member.until("its share", |feed| feed.owned.len() == 2 && feed.seen.len() == 200);
    run.wait_until("what is left", PATIENCE, |run| connector(run, &robbed)["assigned_partitions"] == 2);
    write_lines(&writer, &robbed, 4, 400..800);
    member.until("its share of the second part", |feed| feed.seen.len() == 400);
    member.stop();
    run.wait_until("all again", PATIENCE, |run| connector(run, &robbed)["assigned_partitions"] == 4);
    run.wait_until("what the other had read too", PATIENCE, |run| read(run, &robbed) == 800);

    // A process that claims to be this very member.
    let mut thief = stranger(server, &robbed, &format!("{robbed}-1"));
    run.wait_until("the theft is said", PATIENCE, |run| connector(run, &robbed)["state"] == "stopped");
    let status = connector(&run, &robbed);
    assert!(status["because"].as_str().unwrap().contains("another process"), "{status}");
    assert_eq!(run.ops("/readyz")["status"], "degraded");
    thief.until("what the thief reads", |feed| feed.owned.len() == 4);
    thief.stop();
    write_lines(&writer, &robbed, 4, 800..1_000);
    write_lines(&writer, &other, 1, 0..100);
    run.wait_until("the other connector", PATIENCE, |run| read(run, &other) == 100);
    assert_eq!((read(&run, &robbed), connector(&run, &other)["state"].clone()), (800, json!("running")));

    assert_eq!(run.order(&format!("/api/v1/connectors/{robbed}/reset")), 202);
    run.wait_until("the rest", PATIENCE, |run| read(run, &robbed) == 1_000 && connector(run, &robbed)["state"] == "running");
    assert_eq!((connector(&run, &robbed)["restarts"].clone(), connector(&run, &other)["restarts"].clone()), (json!(1), json!(0)));
    run.terminate();
    assert_books(&books(&home, &robbed), 1_000);
    assert_books(&books(&home, &other), 100);
}
