//! A topic that is not what the settings say stops its own connector, and nothing else.

use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};

use super::{PATIENCE, assert_books_balance, books};
use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};
use crate::support::seed::seed;

fn settings(brokers: &str, connectors: &[(&str, &str)], cap_mib: u32) -> String {
    let mut text = format!(
        "[kafka]\nbrokers = \"{brokers}\"\n[dead_letters]\nmax_mib_per_connector = {cap_mib}\n[pipeline]\nhistory_teaches_s = \
         0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n"
    );
    for (name, topic) in connectors {
        text += &format!("[connectors.{name}]\nsource = \"logs\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n");
    }
    text
}

fn connector(run: &Run, name: &str) -> serde_json::Value {
    run.api(&format!("/api/v1/connectors/{name}"))
}

fn read_of(run: &Run, name: &str) -> u64 {
    connector(run, name)["records_total"].as_u64().unwrap_or_default()
}

/// Paused by itself, for a reason with this word.
fn is_paused(run: &Run, name: &str, word: &str) -> bool {
    let connector = connector(run, name);
    connector["state"] == "paused" && connector["because"].as_str().is_some_and(|because| because.contains(word))
}

/// Records of `bytes` random bytes, `count` of them, at most so many a second; returns when the first was sent.
fn send_garbage(server: &KafkaServer, topic: &str, count: usize, bytes: usize, rate: usize) -> Instant {
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let mut value = vec![0; bytes];
    let began = Instant::now();
    for number in 0..count {
        let due = Duration::from_secs_f64(number as f64 / rate as f64);
        if let Some(wait) = due.checked_sub(began.elapsed()).filter(|wait| *wait > Duration::from_millis(2)) {
            std::thread::park_timeout(wait);
        }
        random.fill_bytes(&mut value);
        producer.send(&OutgoingRecord { topic, partition: None, key: None, value: Some(&value), headers: &[], timestamp: None }).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    began
}

fn send_lines(server: &KafkaServer, topic: &str, count: usize, rate: usize) {
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    let began = Instant::now();
    for number in 0..count {
        let due = Duration::from_secs_f64(number as f64 / rate as f64);
        if let Some(wait) = due.checked_sub(began.elapsed()).filter(|wait| *wait > Duration::from_millis(2)) {
            std::thread::park_timeout(wait);
        }
        let value = serde_json::json!({ "message": format!("order {number} packed"), "level": "info", "service.name": "cart" }).to_string();
        producer
            .send(&OutgoingRecord { topic, partition: None, key: None, value: Some(value.as_bytes()), headers: &[], timestamp: None })
            .unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Bytes of the database with its log.
fn database_bytes(home: &Home) -> u64 {
    let names = ["", "-wal", "-shm"].map(|end| format!("{}{end}", home.database().display()));
    names.iter().filter_map(|name| std::fs::metadata(name).ok()).map(|file| file.len()).sum()
}

#[test]
fn a_topic_of_foreign_binary_records_pauses_its_connector_within_seconds_and_the_other_reads_on() {
    let server = KafkaServer::shared();
    server.create_topic("foreign.bin", 2, &[]);
    server.create_topic("foreign.good", 2, &[]);
    let home = Home::new(&settings(&server.brokers(), &[("foreign", "foreign.bin"), ("good", "foreign.good")], 1_024));
    let run = home.run();
    run.wait_until("both are there", PATIENCE, |run| {
        ["foreign", "good"].iter().all(|name| connector(run, name)["assigned_partitions"] == 2)
    });
    std::thread::scope(|scope| {
        scope.spawn(|| send_lines(server, "foreign.good", 3_000, 500));
        let sent = scope.spawn(|| send_garbage(server, "foreign.bin", 60_000, 300, 20_000));
        let began = Instant::now();
        run.wait_until("it is paused", PATIENCE, |run| is_paused(run, "foreign", "connectors.foreign.format"));
        println!("paused {:?} after the first foreign record, at 20,000 a second", began.elapsed());
        sent.join().unwrap();
    });
    run.wait_until("the other has read all", PATIENCE, |run| read_of(run, "good") == 3_000);
    let (foreign, good) = (connector(&run, "foreign"), connector(&run, "good"));
    let read = foreign["records_total"].as_u64().unwrap();
    println!("foreign: {read} read, {}; good: {} a second, behind by {}", foreign["because"], good["rate_history"], good["lag_records"]);
    println!("database: {:.1} MB", database_bytes(&home) as f64 / 1e6);
    assert!((10_000..20_000).contains(&read), "{read}");
    assert!(database_bytes(&home) < 50_000_000);
    assert_eq!(good["state"], "running");
    assert_eq!(run.order("/api/v1/connectors/foreign/resume"), 202);
    run.wait_until("resumed, it looks at ten thousand more", PATIENCE, |run| {
        read_of(run, "foreign") >= read + 10_000 && is_paused(run, "foreign", "connectors.foreign.format")
    });
    let read = read_of(&run, "foreign");
    run.terminate();
    let books = books(&home.export());
    assert_books_balance(&books);
    assert_eq!(books["records_rejected"], read, "nothing between the two pauses is missed or read twice");
}

#[test]
fn a_wrong_topic_stays_paused_over_a_kill_until_somebody_resumes_it_or_the_settings_change() {
    let server = KafkaServer::shared();
    server.create_topic("paused.bin", 1, &[]);
    send_garbage(server, "paused.bin", 60_000, 100, 1_000_000);
    let reads = |format: &str| {
        let text = settings(&server.brokers(), &[("paused", "paused.bin")], 1_024);
        if format.is_empty() { text } else { format!("{text}format = \"{format}\"\n") }
    };
    let home = Home::new(&reads(""));
    let is_foreign = |run: &Run| is_paused(run, "paused", "connectors.paused.format");
    let run = home.run();
    run.wait_until("it is paused", PATIENCE, is_foreign);
    let (since, read) = (connector(&run, "paused")["since"].clone(), read_of(&run, "paused"));
    run.wait_until("the books have what was read", PATIENCE, |run| {
        run.api("/api/v1/ledger")["sums"]["records_rejected"].as_u64() == Some(read)
    });
    run.killed();
    let run = home.run();
    run.wait_until("it is paused still", PATIENCE, is_foreign);
    assert_eq!((read_of(&run, "paused"), &connector(&run, "paused")["since"]), (0, &since), "nothing is read to find out again");
    assert_eq!(run.order("/api/v1/connectors/paused/resume"), 202);
    run.wait_until("resumed, it reads and pauses again", PATIENCE, |run| read_of(run, "paused") >= 10_000 && is_foreign(run));
    run.terminate_within(Duration::from_secs(10));
    home.settings(&reads("json_logs"));
    let run = home.run();
    run.wait_until("with other settings it reads", PATIENCE, |run| read_of(run, "paused") >= 10_000 && is_foreign(run));
    run.terminate_within(Duration::from_secs(10));
    assert_books_balance(&books(&home.export()));
}

#[test]
fn a_connector_stops_at_the_cap_of_its_dead_letters_over_a_restart_and_goes_on_once_they_are_discarded() {
    let server = KafkaServer::shared();
    server.create_topic("capped.bin", 1, &[]);
    let connectors = [("capped", "capped.bin")];
    let home = Home::new(&settings(&server.brokers(), &connectors, 1));
    // Letters of 100,000 bytes: the cap of 1 MiB is reached with the eleventh. What is on its way by then is still read, and on a
    // busy machine that may be some dozens.
    const LETTERS: usize = 240;
    send_garbage(server, "capped.bin", LETTERS, 100_000, 1_000);
    let run = home.run();
    run.wait_until("it is paused", PATIENCE, |run| is_paused(run, "capped", "max_mib_per_connector"));
    let first = read_of(&run, "capped");
    assert!((11..LETTERS as u64).contains(&first), "{first} were read");
    run.terminate();
    let run = home.run();
    run.wait_until("it is paused again", PATIENCE, |run| is_paused(run, "capped", "max_mib_per_connector"));
    assert_eq!(read_of(&run, "capped"), 0, "what waited before counts");
    let discard = serde_json::json!({ "connector": "capped", "reason": "sent by a test" });
    // What was on its way when it was paused has come since.
    assert!(run.post("/api/v1/dead-letters/discard", &discard)["count"].as_u64() >= Some(first));
    run.wait_until("it goes on and stops again", PATIENCE, |run| {
        read_of(run, "capped") >= 11 && is_paused(run, "capped", "max_mib_per_connector")
    });
    run.terminate();
    home.settings(&settings(&server.brokers(), &connectors, 1_024));
    let run = home.run();
    run.wait_until("with a larger cap the rest is read", PATIENCE, |run| {
        let capped = connector(run, "capped");
        capped["records_total"].as_u64() > Some(0) && capped["lag_records"] == 0
    });
    run.terminate();
    let books = books(&home.export());
    assert_books_balance(&books);
    assert_eq!(books["records_rejected"], LETTERS as u64);
}
