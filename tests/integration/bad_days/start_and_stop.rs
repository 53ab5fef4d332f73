//! Starts that cannot succeed say why; ends come in time, whatever is away.

use std::net::TcpListener;
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};

use super::{PATIENCE, assert_books_balance, books, items_in_buckets, records_read};
use crate::support::kafka::KafkaServer;
use crate::support::process::Home;

fn settings(brokers: &str, topic: &str, more: &str) -> String {
    format!(
        "[kafka]\nbrokers = \"{brokers}\"\nmetadata_refresh_ms = 1000\n{more}[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \
         \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[connectors.logs]\nsource = \"logs\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n"
    )
}

/// Ends with an error before it says that it listens; its message.
fn refusal(home: &Home, environment: &[(&str, &str)]) -> String {
    let output = home.command("run").envs(environment.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && !said.contains("page at"), "{said}");
    said
}

fn send_lines(server: &KafkaServer, topic: &str, count: u32) {
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    for number in 0..count {
        let value = serde_json::json!({ "message": format!("order {number} packed"), "level": "info", "service.name": "cart" }).to_string();
        producer
            .send(&OutgoingRecord { topic, partition: None, key: None, value: Some(value.as_bytes()), headers: &[], timestamp: None })
            .unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn a_place_that_cannot_hold_the_database_is_named() {
    let home = Home::new(&settings("127.0.0.1:1", "logs", ""));
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere/whydunit.db");
    for (path, words) in [
        (Path::new(""), "store.path: is empty"),
        (folder.path(), "is a folder"),
        (&nowhere, "there is no folder"),
        (Path::new("/proc/self/whydunit.db"), "cannot be written"),
    ] {
        let said = refusal(&home, &[("WHYDUNIT__STORE__PATH", path.to_str().unwrap())]);
        assert!(said.contains("store.path") && said.contains(words), "{}: {said}", path.display());
    }
    let foreign = folder.path().join("foreign.db");
    std::fs::write(&foreign, [0x5a; 8_192]).unwrap();
    let said = refusal(&home, &[("WHYDUNIT__STORE__PATH", foreign.to_str().unwrap())]);
    assert!(said.contains("foreign.db") && said.contains("backup"), "{said}");
}

#[test]
fn what_is_misspelt_is_told_with_what_was_meant() {
    let said = refusal(&Home::new("[kafka]\nbrokerz = \"x:1\"\n"), &[]);
    assert!(said.contains("kafka.brokerz") && said.contains("did you mean `brokers`?"), "{said}");
    let said = refusal(&Home::new(&settings("127.0.0.1:1", "logs", "")), &[("WHYDUNIT_KAFKA__BROKERS", "x:1")]);
    assert!(said.contains("WHYDUNIT__KAFKA__BROKERS"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new(&settings("127.0.0.1:1", "logs", ""));
    for (variable, key) in [("WHYDUNIT__WEB__LISTEN", "web.listen"), ("WHYDUNIT__OPS__LISTEN", "ops.listen")] {
        let said = refusal(&home, &[(variable, &address)]);
        assert!(said.contains(key) && said.contains(&address), "{said}");
    }
}

#[test]
fn a_signal_ends_it_while_no_broker_is_there_or_one_is_that_never_answers() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = mute.local_addr().unwrap().to_string();
    for brokers in ["127.0.0.1:1", &address] {
        let home = Home::new(&settings(brokers, "logs", ""));
        let run = home.run();
        run.wait_until("it says so", PATIENCE, |run| {
            let ready = run.ops("/readyz");
            let reasons = ready["reasons"].to_string();
            ready["status"] == "degraded" && reasons.contains("connector logs") && reasons.contains("since 20")
        });
        let took = run.terminate();
        println!("{brokers}: ended after {took:?}");
    }
}

#[test]
fn a_signal_the_moment_it_says_where_its_page_is_ends_it_well() {
    let home = Home::new(&settings("127.0.0.1:1", "logs", ""));
    for _ in 0..5 {
        home.run().terminate();
    }
}

#[test]
fn a_broker_and_then_a_topic_that_come_later_are_waited_for_and_read_within_seconds() {
    let mut server = KafkaServer::start();
    server.stop();
    let home = Home::new(&settings(&server.brokers(), "later.logs", ""));
    let run = home.run();
    let says = |run: &crate::support::process::Run, word: &str| {
        let ready = run.ops("/readyz").to_string();
        let because = run.api("/api/v1/connectors")[0]["because"].to_string();
        ready.contains("degraded") && ready.contains(word) && ready.contains("since 20") && because.contains(word)
    };
    run.wait_until("it says that no broker answers", PATIENCE, |run| says(run, &server.brokers()));
    server.restart();
    run.wait_until("it says that the topic is missing", PATIENCE, |run| says(run, "later.logs"));
    server.create_topic("later.logs", 3, &[]);
    send_lines(&server, "later.logs", 100);
    let began = Instant::now();
    run.wait_until("its records are read", PATIENCE, |run| records_read(run) == 100);
    println!("read {:?} after the topic had records", began.elapsed());
    run.wait_until("all is well", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    run.terminate();
    let books = books(&home.export());
    assert_books_balance(&books);
    assert_eq!(books["records_read"], 100);
}

#[test]
fn stopped_for_longer_than_its_session_lasts_it_reads_nothing_twice_and_nothing_not_at_all() {
    let server = KafkaServer::shared();
    server.create_topic("stopped.logs", 2, &[]);
    let text = settings(&server.brokers(), "stopped.logs", "session_timeout_ms = 1000\n");
    let home = Home::new(&(text + "group = \"stopped\"\n"));
    let run = home.run();
    send_lines(server, "stopped.logs", 100);
    run.wait_until("the first are read", PATIENCE, |run| records_read(run) == 100);
    run.signal(Signal::STOP);
    server.wait_for_members("stopped", 0);
    send_lines(server, "stopped.logs", 100);
    run.signal(Signal::CONT);
    run.wait_until("the others are read", PATIENCE, |run| records_read(run) >= 200);
    // What would be read twice lies before what comes once it is a member again.
    server.wait_for_members("stopped", 1);
    send_lines(server, "stopped.logs", 100);
    run.wait_until("and the last", PATIENCE, |run| records_read(run) >= 300);
    run.terminate();
    let export = home.export();
    let books = books(&export);
    assert_books_balance(&books);
    assert_eq!((books["records_read"], books["missed"]), (300, 0));
    assert!(items_in_buckets(&export, "logs") <= 300);
}

#[test]
fn a_broker_that_hangs_is_said_and_read_on_from_where_it_was_once_it_answers() {
    let server = KafkaServer::start();
    server.create_topic("hanging.logs", 2, &[]);
    let home = Home::new(&settings(&server.brokers(), "hanging.logs", "session_timeout_ms = 1000\n"));
    let run = home.run();
    send_lines(&server, "hanging.logs", 100);
    run.wait_until("the first are read", PATIENCE, |run| records_read(run) == 100);
    server.hang(true);
    run.wait_until("it says so", PATIENCE, |run| {
        let ready = run.ops("/readyz");
        ready["status"] == "degraded" && ready["reasons"].to_string().contains("connector logs")
    });
    println!("{}", run.ops("/readyz"));
    server.hang(false);
    send_lines(&server, "hanging.logs", 100);
    run.wait_until("the others are read", PATIENCE, |run| records_read(run) >= 200);
    run.wait_until("all is well", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    run.terminate();
    let books = books(&home.export());
    assert_books_balance(&books);
    assert_eq!((books["records_read"], books["missed"]), (200, 0));
}

#[test]
fn a_topic_that_is_missing_beside_one_that_is_read_is_said() {
    let server = KafkaServer::shared();
    server.create_topic("half.there", 1, &[]);
    let text =
        settings(&server.brokers(), "half.there", "").replace("[\"half.there\"]", "[\"half.there\", \"half.missing\", \"half.gone\"]");
    let home = Home::new(&text);
    let run = home.run();
    send_lines(server, "half.there", 50);
    let names = |run: &crate::support::process::Run, missing: &[&str]| {
        let (ready, connector) = (run.ops("/readyz"), run.api("/api/v1/connectors")[0].clone());
        let because = connector["because"].as_str().unwrap_or_default().to_owned();
        ready["status"] == "degraded"
            && connector["state"] == "running"
            && missing.iter().all(|topic| because.contains(topic) && ready.to_string().contains(topic))
    };
    run.wait_until("one is read and two are said to be missing", PATIENCE, |run| {
        records_read(run) == 50 && names(run, &["half.missing", "half.gone"])
    });
    server.create_topic("half.missing", 1, &[]);
    send_lines(server, "half.missing", 50);
    run.wait_until("two are read and one is said to be missing", PATIENCE, |run| records_read(run) == 100 && names(run, &["half.gone"]));
    server.create_topic("half.gone", 1, &[]);
    run.wait_until("all is well", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    run.terminate();
}
