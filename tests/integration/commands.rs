//! The binary as a person starts it, on a real broker and a real database file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod process;

use std::time::{Duration, Instant};

use process::{Home, binary};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;
use whydunit::simulator::{self, Shop};

use crate::support::kafka::KafkaServer;
use crate::support::seed::seed;

const PATIENCE: Duration = Duration::from_secs(120);

/// 14:00 UTC on a working day that is over: a broker takes nothing from the future.
const START: i64 = 1_763_388_000;
const HISTORY_S: u32 = 900;

/// Writes the whole life of a shop whose payment breaks, closed by control records, to topics of that prefix.
fn write_shop(server: &KafkaServer, prefix: &str) {
    let options = simulator::Options {
        fault: Some("bad-deploy".to_owned()),
        history_s: HISTORY_S,
        fault_age_s: 180,
        rate: 4.0,
        ..Default::default()
    };
    let mut shop = Shop::new(options, Timestamp::from_seconds(START)).unwrap();
    let end = Timestamp::from_seconds(START + i64::from(HISTORY_S));
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    for (_, topic) in simulator::TOPICS {
        server.create_topic(&format!("{prefix}.{topic}"), 2, &[]);
    }
    for record in shop.step(end) {
        let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
        let topic = format!("{prefix}.{}", record.topic);
        let (key, value, timestamp) = (record.key.as_deref(), Some(record.value.as_slice()), Some(record.timestamp));
        producer.send(&OutgoingRecord { topic: &topic, partition: None, key, value, headers: &headers, timestamp }).unwrap();
    }
    let until = end.plus_seconds(60).to_string();
    for (topic, partition) in simulator::TOPICS.iter().flat_map(|(_, topic)| [(topic, 0), (topic, 1)]) {
        let topic = format!("{prefix}.{topic}");
        let headers = [(whydunit::app::WATERMARK_HEADER, Some(until.as_bytes()))];
        let record =
            OutgoingRecord { topic: &topic, partition: Some(partition), key: None, value: None, headers: &headers, timestamp: Some(end) };
        producer.send(&record).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// Settings of a run over the shop's topics that ends when everything is read.
fn settings(server: &KafkaServer, prefix: &str) -> String {
    let mut text = format!(
        "[kafka]\nbrokers = \"{}\"\n[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n",
        server.brokers()
    );
    for (source, topic) in simulator::TOPICS {
        let name = source.as_str();
        text += &format!("[connectors.{name}]\nsource = \"{name}\"\ntopics = [\"{prefix}.{topic}\"]\nstart = \"earliest\"\n");
    }
    text
}

/// Everything is closed up to the control records.
fn read_to_the_end(run: &process::Run) -> bool {
    let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(Timestamp::parse);
    watermark.is_some_and(|watermark| watermark >= Timestamp::from_seconds(START + i64::from(HISTORY_S) + 45))
}

fn export(home: &Home) -> String {
    let output = home.command("export").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_process_killed_again_and_again_comes_to_the_same_result() {
    let server = KafkaServer::shared();
    write_shop(server, "killed");
    let undisturbed = Home::new(&settings(server, "killed"));
    let run = undisturbed.run();
    run.wait_until("everything is read", PATIENCE, read_to_the_end);
    let investigations = run.api("/api/v1/investigations");
    if investigations.as_array().unwrap().is_empty() {
        panic!("nothing was found, so nothing is compared: {}", run.killed());
    }
    run.terminate();
    let expected = export(&undisturbed);

    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let killed = Home::new(&settings(server, "killed"));
    let mut kills = 0;
    loop {
        let run = killed.run();
        let patience = if kills < 10 { Duration::from_millis(random.random_range(100..1_200)) } else { PATIENCE };
        if run.within(patience, read_to_the_end) {
            run.terminate();
            break;
        }
        run.kill();
        kills += 1;
        assert!(kills <= 11, "not read to the end in {PATIENCE:?}");
    }
    println!("killed {kills} times");
    assert!(kills > 0, "never killed");
    let found = export(&killed);
    let differing: Vec<_> = expected.lines().zip(found.lines()).filter(|(a, b)| a != b).take(3).collect();
    assert!(expected == found, "{} and {} lines; first differences: {differing:#?}", expected.lines().count(), found.lines().count());
}

#[test]
fn a_second_process_on_one_database_refuses_to_start() {
    let home = Home::new(&settings(KafkaServer::shared(), "nothing-here"));
    let first = home.run();
    let second = home.command("run").output().unwrap();
    assert!(!second.status.success());
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(message.contains("whydunit.db"), "{message}");
    first.terminate();
}

#[test]
fn a_broker_that_is_not_there_is_waited_for_and_said() {
    let mut server = KafkaServer::start();
    server.create_topic("late.logs", 1, &[]);
    server.stop();
    let text = format!(
        "[kafka]\nbrokers = \"{}\"\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[connectors.logs]\nsource = \"logs\"\ntopics = [\"late.logs\"]\n",
        server.brokers()
    );
    let home = Home::new(&text);
    let run = home.run();
    run.wait_until("the trouble is said", PATIENCE, |run| {
        let ready = run.ops("/readyz");
        ready["status"] == "degraded" && ready["reasons"].to_string().contains("logs")
    });
    server.restart();
    run.wait_until("it runs", PATIENCE, |run| run.api("/api/v1/connectors")[0]["state"] == "running");
    run.terminate();
}

#[test]
fn a_signal_drains_and_ends_within_ten_seconds() {
    let server = KafkaServer::shared();
    write_shop(server, "drained");
    let home = Home::new(&settings(server, "drained"));
    let run = home.run();
    run.wait_until("something is read", PATIENCE, |run| run.api("/api/v1/connectors").to_string().contains("\"last_record_at\":\""));
    let began = Instant::now();
    run.terminate();
    assert!(began.elapsed() < Duration::from_secs(10), "took {:?}", began.elapsed());
    assert!(export(&home).lines().count() > 0);
}

#[test]
fn wrong_settings_are_named_before_a_port_opens() {
    for (text, key) in [
        ("[kafka]\nbrokerss = \"x:1\"\n", "kafka.brokerss"),
        ("[web]\nlisten = \"0.0.0.0:8080\"\n", "web.listen"),
        ("[kafka.properties]\n\"ssl.ca.loction\" = \"/ca.pem\"\n", "ssl.ca.loction"),
        ("[connectors.logs]\nsource = \"lugs\"\ntopics = [\"a\"]\n", "connectors.logs.source"),
        ("[correlate]\nweak = 9.0\n", "correlate.weak"),
        ("[pipeline]\nshards = 0\n", "pipeline.shards"),
    ] {
        let output = Home::new(text).command("run").output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(key), "{key}: {message}");
    }
}

#[test]
fn secrets_are_masked_where_settings_are_shown() {
    let text = "[kafka.properties]\n\"sasl.password\" = \"hunter2hunter2\"\n[web]\ntoken = \"0123456789abcdef0123456789abcdef\"\n";
    let output = Home::new(text).command("check").output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("sasl.password") && !shown.contains("hunter2") && !shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn the_environment_goes_over_the_file() {
    let home = Home::new("[kafka]\nbrokers = \"file:9092\"\n");
    let mut command = home.command("check");
    command.env("WHYDUNIT__KAFKA__BROKERS", "environment:9092").env("WHYDUNIT__KAFKA__PROPERTIES__SASL_PASSWORD", "from-the-environment");
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("environment:9092") && shown.contains("sasl.password"), "{shown}");
    assert!(!shown.contains("from-the-environment"), "{shown}");
}

#[test]
fn the_version_names_the_kafka_client_and_what_it_can_do() {
    let output = binary().arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    for feature in ["librdkafka", "ssl", "zstd", "sasl_scram"] {
        assert!(version.contains(feature), "{version}");
    }
}

#[test]
fn the_demo_finds_the_broken_service_and_the_commit() {
    let output = binary().args(["demo", "--once", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let suspects = found["findings"]["suspects"].as_array().unwrap();
    let first = |kind: &str| suspects.iter().find(|suspect| suspect["kind"] == kind).unwrap();
    assert_eq!(first("service")["entity"], "payment");
    assert!(first("change")["entity"].as_str().unwrap().starts_with("9c41e07b"), "{}", first("change"));
}
