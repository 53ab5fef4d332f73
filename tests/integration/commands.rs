//! The binary as a person starts it, on a real broker and a real database file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, binary};
use crate::support::shop::{settings, write_shop};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_second_process_on_one_database_refuses_to_start() {
    let home = Home::new(&settings(KafkaServer::shared(), "nothing-here", ""));
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
fn a_signal_drains_and_ends() {
    let server = KafkaServer::shared();
    write_shop(server, "drained");
    let home = Home::new(&settings(server, "drained", ""));
    let run = home.run();
    run.wait_until("something is read", PATIENCE, |run| run.api("/api/v1/connectors").to_string().contains("\"last_record_at\":\""));
    println!("drained and ended in {:?}", run.terminate());
    assert!(home.export().lines().count() > 0);
}

#[test]
fn health_says_ready_or_what_is_wrong_and_what_to_do() {
    let home = Home::new("[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n");
    let health = |url: &str| {
        let output = binary().args(["health", "--url", url]).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let run = home.run();
    run.wait_until("it is ready", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    assert_eq!(health(&run.ops_url()), (true, "ready\n".to_owned()));

    let other = rusqlite::Connection::open(home.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    run.post("/api/v1/events", &serde_json::json!({ "title": "nobody can write this down" }));
    run.wait_until("it waits", PATIENCE, |run| run.ops("/readyz")["status"] == "not_ready");
    let (well, said) = health(&run.ops_url());
    assert!(!well && said.contains("not ready: ") && said.contains("another program holds"), "{said}");
    other.execute_batch("ROLLBACK").unwrap();

    let (page_only, said) = health(&run.url());
    assert!(!page_only && said.contains("not as whydunit does"), "{said}");
    let url = run.ops_url();
    run.terminate();
    let (well, said) = health(&url);
    assert!(!well && said.contains("no whydunit answers") && said.contains("--config FILE"), "{said}");
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
