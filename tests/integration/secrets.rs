//! Secrets planted in all that comes in are found nowhere: not in the database, not in what is logged, not in an answer, not in an export.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Read as _;
use std::time::Duration;

use serde_json::{Value, json};
use whydunit::clock;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};

const PATIENCE: Duration = Duration::from_secs(120);

/// What is planted: each holds what must be found nowhere, and is written as a producer would write it.
const SECRETS: [(&str, &str); 8] = [
    ("hunter2PlantedPassword", "password=hunter2PlantedPassword"),
    ("plantedBearerTokenA1b2c3", "Authorization: Bearer plantedBearerTokenA1b2c3"),
    ("plantedSessionCookie77", "Cookie: sid=plantedSessionCookie77"),
    ("AKIAPLANTEDKEY123456", "AKIAPLANTEDKEY123456"),
    ("4111 1111 1111 1111", "card 4111 1111 1111 1111"),
    ("planted.person@shop.example.com", "for planted.person@shop.example.com"),
    ("plantedUrlPassword9", "postgres://shop:plantedUrlPassword9@db/shop"),
    ("EMP-424242", "EMP-424242"),
];

fn settings(more: &str) -> String {
    format!(
        "[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [telemetry]\nlog = \"debug\"\n[redact]\nexpressions = [\"EMP-[0-9]{{6}}\"]\n{more}"
    )
}

/// A body sent to one path over HTTP, or a record of the topic `<prefix>.<source>`.
struct Planted {
    source: &'static str,
    path: &'static str,
    body: String,
}

fn planted(secret: &str, number: usize, now: Timestamp) -> Vec<Planted> {
    let at = now.to_string();
    let nanos = now.nanos().to_string();
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "cart" } }] });
    let log = |severity: &str| {
        let attributes = json!([{ "key": "exception.stacktrace", "value": { "stringValue": format!("E: {secret}\n\tat shop.Cart.pay(Cart.java:12)") } },
            { "key": "exception.message", "value": { "stringValue": secret } }, { "key": "exception.type", "value": { "stringValue": "E" } }]);
        json!({ "timeUnixNano": nanos, "severityText": severity, "body": { "stringValue": format!("{severity} refused {secret}") }, "attributes": attributes })
    };
    let logs =
        json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [log("INFO"), log("WARN"), log("ERROR")] }] }] });
    let span = json!({ "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": format!("GET {secret}"), "kind": 2,
        "startTimeUnixNano": nanos, "endTimeUnixNano": nanos, "status": { "code": 2, "message": secret },
        "attributes": [{ "key": "peer.service", "value": { "stringValue": secret } }] });
    let spans = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] });
    let point = json!({ "timeUnixNano": nanos, "asDouble": 1.0, "attributes": [{ "key": "route", "value": { "stringValue": secret } }] });
    let metrics = json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [{ "name": format!("queue {secret}"), "gauge": { "dataPoints": [point] } }] }] }] });
    let push = json!({ "ref": "refs/heads/main", "before": "a", "after": "b", "repository": { "name": "cart", "full_name": "shop/cart" },
        "sender": { "login": "ann" }, "commits": [{ "id": format!("{number:040x}"), "message": format!("rotate\n\n{secret}"), "timestamp": at,
        "author": { "name": "ann" }, "modified": [format!("conf/{secret}")] }] });
    let alerts = json!({ "version": "4", "groupKey": "g", "status": "firing", "receiver": "r", "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "", "alerts": [{ "status": "firing", "labels": { "alertname": "A", "service": "cart", "told": secret },
        "annotations": { "summary": secret }, "startsAt": at, "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": format!("f{number}") }] });
    let note =
        json!({ "type": "note", "title": secret, "timestamp": at, "service": "cart", "tags": [secret], "data": { "description": secret } });
    let broken = json!({ "type": "note", "title": "t", "timestamp": format!("never {secret}") });
    let of = |source, path, body: Value| Planted { source, path, body: body.to_string() };
    vec![
        of("logs", "/v1/logs", logs),
        Planted { source: "logs", path: "/ingest/logs", body: format!("{at} ERROR cart: {secret}") },
        of("traces", "/v1/traces", spans),
        of("metrics", "/v1/metrics", metrics),
        of("git", "/ingest/git", push),
        of("ci", "/ingest/ci", alerts),
        of("manual", "/ingest/manual", note),
        of("manual", "/ingest/manual", broken),
        Planted { source: "manual", path: "/ingest/manual", body: format!("\u{1}\u{2} no note {secret}") },
    ]
}

fn send(run: &Run, path: &str, body: &str) {
    let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
    let request = ureq::post(format!("{}{path}", run.url())).config().http_status_as_error(false).build();
    let answer = request.header("content-type", kind).send(body.as_bytes()).unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
}

/// Every answer that the API gives to a GET, those to single things included.
fn answers(run: &Run) -> Vec<(String, String)> {
    let get = |path: &str| {
        let request = ureq::get(format!("{}{path}", run.url())).config().http_status_as_error(false).build();
        let mut answer = request.call().unwrap();
        (path.to_owned(), answer.body_mut().read_to_string().unwrap_or_default())
    };
    let document: Value = serde_json::from_str(&get("/api/v1/openapi.json").1).unwrap();
    let paths = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods.get("get").is_some());
    let mut found = Vec::new();
    let ids = |path: &str, run: &Run| -> Vec<String> {
        let list = run.api(&format!("{path}?per_page=100"));
        list.as_array().into_iter().flatten().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
    };
    for (path, _) in paths.filter(|(path, _)| !path.ends_with("/stream")) {
        match path.split_once("/{id}") {
            Some((list, rest)) if !rest.contains('{') => {
                ids(list, run).iter().for_each(|id| found.push(get(&format!("{list}/{id}{rest}"))));
            }
            Some(_) => {}
            None if path.contains('{') => {}
            None => found.push(get(path)),
        }
    }
    found
}

/// What the page's stream has told so far: it replays what came since its beginning, then waits.
fn streamed(run: &Run) -> Vec<u8> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(3))).build().into();
    let mut bytes = Vec::new();
    if let Ok(mut answer) = agent.get(format!("{}/api/v1/stream", run.url())).header("last-event-id", "0").call() {
        let _ = answer.body_mut().as_reader().read_to_end(&mut bytes);
    }
    bytes
}

/// Names of the secrets that stand in the bytes.
fn found_in(bytes: &[u8]) -> Vec<&'static str> {
    let holds = |secret: &str| memchr::memmem::find(bytes, secret.as_bytes()).is_some();
    SECRETS.iter().map(|(secret, _)| *secret).filter(|secret| holds(secret)).collect()
}

fn assert_clean(place: &str, bytes: &[u8]) {
    let found = found_in(bytes);
    let around = found.first().and_then(|secret| {
        let at = memchr::memmem::find(bytes, secret.as_bytes())?;
        Some(String::from_utf8_lossy(&bytes[at.saturating_sub(300)..bytes.len().min(at + 100)]).into_owned())
    });
    assert!(found.is_empty(), "{place} has {found:?}: …{}…", around.unwrap_or_default());
}

fn write_by_hand(run: &Run, secret: &str) {
    let made = run.post("/api/v1/investigations", &json!({ "title": format!("why {secret}"), "description": secret }));
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    run.post(&format!("/api/v1/investigations/{id}/notes"), &json!({ "body": format!("seen {secret}") }));
    run.post("/api/v1/events", &json!({ "title": format!("told {secret}"), "service": "cart", "tags": [secret] }));
}

fn letters(run: &Run) -> Vec<Value> {
    run.api("/api/v1/dead-letters?per_page=100").as_array().cloned().unwrap_or_default()
}

/// Looks everywhere while it runs, then into the files once it has ended.
fn assert_found_nowhere(home: &Home, run: Run) {
    let answers = answers(&run);
    assert!(answers.len() > 40 && answers.iter().any(|(_, text)| text.contains("[redacted")), "{}", answers.len());
    answers.iter().for_each(|(path, text)| assert_clean(path, text.as_bytes()));
    let stream = streamed(&run);
    assert!(!stream.is_empty());
    assert_clean("the stream", &stream);
    let said = run.said();
    assert_clean("standard error", said.as_bytes());
    run.terminate();
    assert_clean("the export", home.export().as_bytes());
    let folder = home.database().parent().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("whydunit.db")) {
            assert_clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

fn booked(run: &Run, connector: &str) -> u64 {
    let ledger = run.api("/api/v1/ledger");
    let books = ledger["connectors"].as_array().and_then(|books| books.iter().find(|books| books["connector"] == connector).cloned());
    books.and_then(|books| books["sums"]["records_read"].as_u64()).unwrap_or_default()
}

#[test]
fn secrets_sent_over_http_are_found_nowhere() {
    let home = Home::new(&settings("[dead_letters]\nstore_payloads = false\n"));
    let run = home.run();
    let mut sent = std::collections::BTreeMap::<&str, u64>::new();
    for (number, (_, secret)) in SECRETS.iter().enumerate() {
        for Planted { source, path, body } in planted(secret, number + 1, clock::now()) {
            send(&run, path, &body);
            *sent.entry(source).or_default() += 1;
        }
        write_by_hand(&run, secret);
    }
    for (source, count) in &sent {
        run.wait_until(&format!("{source} is read"), PATIENCE, |run| booked(run, &format!("http-{source}")) == *count);
    }
    run.wait_until("the letters", PATIENCE, |run| letters(run).len() == 2 * SECRETS.len());
    let letter = letters(&run).remove(0);
    assert_eq!((letter["payload"].as_str(), letter["value_sha256"].as_str().map(str::len)), (Some("not_kept"), Some(64)), "{letter}");
    assert!(letter["value_bytes"].as_u64().unwrap() > 10, "{letter}");
    let dry = run.post(&format!("/api/v1/dead-letters/{}/dry-run", letter["id"].as_str().unwrap()), &json!({}));
    assert!(dry["error_message"].as_str().unwrap().contains("did not come from a broker"), "{dry}");
    assert_found_nowhere(&home, run);
}

fn kafka_settings(server: &KafkaServer, prefix: &str, more: &str) -> String {
    let connectors = ["logs", "traces", "metrics", "git", "ci", "manual"]
        .map(|source| format!("[connectors.{source}]\nsource = \"{source}\"\ntopics = [\"{prefix}.{source}\"]\nstart = \"earliest\"\n"));
    format!("[kafka]\nbrokers = \"{}\"\n{}{more}", server.brokers(), settings(&connectors.concat()))
}

/// Writes all that is planted; how many records.
fn write(server: &KafkaServer, prefix: &str) -> u64 {
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    let now = clock::now();
    let mut count = 0;
    for (number, (_, secret)) in SECRETS.iter().enumerate() {
        for Planted { source, body, .. } in planted(secret, number + 1, now) {
            let topic = format!("{prefix}.{source}");
            let headers = [("x-planted".to_owned(), secret.as_bytes().to_vec())];
            let (key, value) = (Some(secret.as_bytes()), Some(body.as_bytes()));
            producer.send(&OutgoingRecord { topic: &topic, partition: None, key, value, headers: &headers, timestamp: Some(now) }).unwrap();
            count += 1;
        }
    }
    producer.flush(PATIENCE).unwrap();
    count
}

fn read_all(run: &Run, count: u64) {
    let sum = |run: &Run| ["logs", "traces", "metrics", "git", "ci", "manual"].iter().map(|name| booked(run, name)).sum::<u64>();
    run.wait_until("all is read", PATIENCE, |run| sum(run) == count);
    run.wait_until("the letters", PATIENCE, |run| letters(run).len() == 2 * SECRETS.len());
}

#[test]
fn secrets_in_topics_are_found_nowhere_and_letters_are_replayed_from_the_broker() {
    let server = KafkaServer::shared();
    let home = Home::new(&kafka_settings(server, "planted-apart", "[dead_letters]\nstore_payloads = false\n"));
    let count = write(server, "planted-apart");
    let run = home.run();
    read_all(&run, count);
    // The note whose time cannot be read is no better for being read again, but it is read: its reason is its own.
    let broken = letters(&run).into_iter().find(|letter| letter["error_class"] == "invalid_field").unwrap();
    let path = format!("/api/v1/dead-letters/{}", broken["id"].as_str().unwrap());
    let dry = run.post(&format!("{path}/dry-run"), &json!({}));
    assert_eq!(dry["error_class"], "invalid_field", "{dry}");
    run.post(&format!("{path}/replay"), &json!({}));
    run.wait_until("it failed again", PATIENCE, |run| run.api(&path)["replay_count"] == 1 && run.api(&path)["status"] == "waiting");
    assert_eq!(run.api(&path)["error_class"], "invalid_field");
    assert_found_nowhere(&home, run);
}

#[test]
fn bytes_of_a_dead_letter_are_hidden_until_somebody_asks_and_that_is_logged() {
    let server = KafkaServer::shared();
    let home = Home::new(&kafka_settings(server, "planted-kept", ""));
    let count = write(server, "planted-kept");
    let run = home.run();
    read_all(&run, count);
    for (path, text) in answers(&run) {
        assert_clean(&path, text.as_bytes());
    }
    let letter = letters(&run).remove(0);
    let id = letter["id"].as_str().unwrap();
    assert_eq!((letter["payload"].as_str(), letter["value_base64"].is_null()), (Some("hidden"), true), "{letter}");
    let shown = run.post(&format!("/api/v1/dead-letters/{id}/reveal"), &json!({}));
    assert!(shown["payload"] == "shown" && !found_in(shown.to_string().as_bytes()).is_empty(), "{shown}");
    let line = run.wait_for_line(PATIENCE, |line| line.contains("asked for the bytes of a dead letter") && line.contains(id));
    assert!(line.is_some(), "{}", run.said());
    assert_clean("standard error", run.said().as_bytes());
    assert_eq!(run.post("/api/v1/dead-letters/none/reveal", &json!({}))["status"], 404);
    run.terminate();
    assert_clean("the export", home.export().as_bytes());
    // This is what `store_payloads = true` keeps, and all that it keeps.
    assert!(!found_in(&std::fs::read(home.database()).unwrap()).is_empty(), "letters keep their bytes for a replay");
}
