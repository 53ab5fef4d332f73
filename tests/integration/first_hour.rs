//! The first hour with a Kafka of one's own: what is on it, what a record becomes, a note on the timeline, a record looked at again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use serde_json::{Value, json};
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run, binary};

const PATIENCE: Duration = Duration::from_secs(120);
/// Records of each topic.
const RECORDS: i64 = 30;

type Headers = Vec<(String, Vec<u8>)>;

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_763_388_000 + second)
}

fn spans(second: i64) -> Vec<u8> {
    let end = u64::try_from(at(second).nanos()).unwrap();
    let name = KeyValue {
        key: "service.name".into(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue("cart".into())) }),
        ..KeyValue::default()
    };
    let span = Span {
        trace_id: vec![7; 16],
        span_id: (second + 1).to_be_bytes().to_vec(),
        name: "GET /cart".into(),
        start_time_unix_nano: end - 5_000_000,
        end_time_unix_nano: end,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes: vec![name], ..Resource::default() });
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }] }.encode_to_vec()
}

/// What a producer of each of ten kinds writes: topic, source, format, record.
fn kinds(second: i64) -> Vec<(&'static str, &'static str, &'static str, Vec<u8>, Headers)> {
    let now = at(second);
    let nanos = now.nanos();
    let text = |value: Value| value.to_string().into_bytes();
    let otlp_line =
        json!({ "timeUnixNano": nanos.to_string(), "severityNumber": 9, "body": { "stringValue": format!("cart {second} loaded") } });
    let service = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "cart" } }] });
    let push = json!({
        "ref": "refs/heads/main", "before": "0".repeat(40), "after": format!("{second:040}"),
        "repository": { "name": "cart", "full_name": "shop/cart" }, "pusher": { "name": "ada" },
        "commits": [{ "id": format!("{second:040}"), "message": "smaller pool", "timestamp": now, "author": { "name": "ada" } }]
    });
    let alert = json!({ "status": "firing", "labels": { "alertname": "Latency", "service": "cart", "n": second.to_string() }, "annotations": {},
        "startsAt": now, "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": format!("{second:016x}") });
    vec![
        ("otlp-traces", "traces", "otlp_proto", spans(second), vec![]),
        (
            "otlp-logs",
            "logs",
            "otlp_json",
            text(json!({ "resourceLogs": [{ "resource": service, "scopeLogs": [{ "logRecords": [otlp_line] }] }] })),
            vec![],
        ),
        (
            "json-logs",
            "logs",
            "json_logs",
            text(json!({ "@timestamp": now, "level": "info", "service": "cart", "message": format!("cart {second} loaded") })),
            vec![],
        ),
        ("syslog", "logs", "syslog", format!("<134>1 {now} host-1 cart 7 - - cart {second} loaded").into_bytes(), vec![]),
        ("logfmt", "logs", "logfmt", format!("ts={now} level=info service=cart msg=\"cart {second} loaded\"").into_bytes(), vec![]),
        ("telegraf", "metrics", "influx_line", format!("cpu,host=host-1,service=cart usage_idle={second}.5 {nanos}").into_bytes(), vec![]),
        (
            "prometheus",
            "metrics",
            "prometheus_json",
            text(
                json!({ "labels": { "__name__": "queue_length", "job": "cart" }, "name": "queue_length", "timestamp": now, "value": second.to_string() }),
            ),
            vec![],
        ),
        (
            "zipkin",
            "traces",
            "zipkin_json",
            text(
                json!([{ "traceId": "5af7183fb1d4cf5f", "id": format!("{:016x}", second + 1), "name": "get /cart", "kind": "SERVER", "timestamp": nanos / 1_000, "duration": 5_000, "localEndpoint": { "serviceName": "cart" } }]),
            ),
            vec![],
        ),
        ("github", "git", "github", text(push), vec![("X-GitHub-Event".to_owned(), b"push".to_vec())]),
        (
            "alertmanager",
            "manual",
            "alertmanager",
            text(
                json!({ "version": "4", "groupKey": "{}", "status": "firing", "receiver": "whydunit", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [alert] }),
            ),
            vec![],
        ),
    ]
}

fn producer(server: &KafkaServer) -> Producer {
    Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap()
}

fn ran(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn discover_names_ten_topics_and_its_settings_read_them_all() {
    // A broker of its own: every topic on it is looked at.
    let server = KafkaServer::start();
    let producer = producer(&server);
    server.create_topic("nothing-yet", 1, &[]);
    for (topic, ..) in kinds(0) {
        server.create_topic(topic, 3, &[]);
    }
    for second in 0..RECORDS {
        for (topic, _, _, value, headers) in kinds(second) {
            producer.send(&OutgoingRecord::new(topic, None, Some(&value), &headers, at(second + 2))).unwrap();
        }
    }
    producer.flush(PATIENCE).unwrap();

    let home = Home::new("");
    let file = home.database().with_file_name("found.toml");
    let ask = || {
        let mut command = binary();
        command.args(["discover", "--json", "--brokers", &server.brokers(), "--write"]).arg(&file);
        command
    };
    let found = ran(&ask().output().unwrap());
    let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), 11, "{found:?}");
    for (topic, source, format, ..) in kinds(0) {
        let finding = found.iter().find(|finding| finding["topic"] == topic).unwrap();
        assert_eq!((&finding["source"], &finding["formats"][0][0]), (&json!(source), &json!(format)), "{finding}");
        assert_eq!(
            (&finding["records"], &finding["decoded"], &finding["without_time"]),
            (&json!(RECORDS), &json!(RECORDS), &json!(0)),
            "{finding}"
        );
        let skew = finding["skew"]["median_s"].as_f64().unwrap();
        assert!((-2.1..=-1.9).contains(&skew), "{finding}");
    }
    let refused = ask().output().unwrap();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--force"), "a file is not written over");

    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"nothing-yet\": empty"), "{text}");
    home.settings(&format!("{text}\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n"));
    ran(&home.command("check").arg("--connect").output().unwrap());
    let run = home.run();
    let read = |run: &Run| {
        let connectors = run.api("/api/v1/connectors");
        connectors.as_array().into_iter().flatten().map(|connector| connector["records_total"].as_i64().unwrap_or(0)).sum::<i64>()
    };
    run.wait_until("all is read", PATIENCE, |run| read(run) == RECORDS * 10);
    let rejected: Vec<_> =
        run.api("/api/v1/connectors").as_array().unwrap().iter().map(|connector| connector["rejected_total"].clone()).collect();
    assert!(rejected.iter().all(|rejected| *rejected == json!(0)), "{rejected:?}");
    // What a clock is like is shown with the connector that read of it.
    let clock = |run: &Run| {
        let connector = run.api("/api/v1/connectors/metrics");
        connector["clock_skew"].as_array()?.iter().find(|skew| skew["host"] == "host-1").cloned()
    };
    run.wait_until("clocks are told", PATIENCE, |run| clock(run).is_some());
    let skew = clock(&run).unwrap();
    assert!((-2.5..=-1.5).contains(&skew["skew_s"].as_f64().unwrap()), "{skew}");
    run.terminate();
}

fn decode(arguments: &[&str], input: &str) -> (bool, Vec<Value>) {
    let mut child =
        binary().arg("decode").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn decode_shows_each_item_with_its_format_and_says_what_cannot_be_read() {
    let (ok, shown) = decode(&["-"], r#"{"message":"no seats left","level":"error","service":"seat","ts":"2026-11-23T14:02:10Z"}"#);
    assert!(ok);
    let line = &shown[0];
    assert_eq!((&line["format"], &line["source"], &line["source_assumed"]), (&json!("json_logs"), &json!("logs"), &json!(true)));
    assert_eq!((&line["service"], &line["severity"], &line["message"]), (&json!("seat"), &json!("high"), &json!("no seats left")));

    let (ok, shown) = decode(&["--source", "metrics", "--lines", "-"], "cpu,host=a idle=1.5\nnothing\n\ncpu,host=b idle=2.5\n");
    assert!(!ok, "one record cannot be read");
    assert_eq!(shown.len(), 3);
    assert_eq!((&shown[0]["metric"], &shown[0]["line"], &shown[2]["line"]), (&json!("cpu_idle"), &json!(1), &json!(4)));
    assert!(shown[1]["rejected"].as_str().is_some_and(|reason| reason.contains("nothing")) && shown[1]["line"] == 2, "{}", shown[1]);

    let (ok, shown) = decode(&["--source", "git", "--header", "X-GitHub-Event=star", "-"], "{}");
    assert!(!ok && shown[0]["rejected"].as_str().unwrap().contains("star") && shown[0]["format"] == "github", "{shown:?}");
}

fn web_settings(server: &KafkaServer, topic: &str) -> String {
    format!(
        "[kafka]\nbrokers = \"{}\"\n[pipeline]\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [connectors.notes]\nsource = \"manual\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n",
        server.brokers()
    )
}

#[test]
fn a_note_is_on_the_timeline_at_once_and_says_so_when_nobody_listens() {
    let server = KafkaServer::shared();
    server.create_topic("first-hour.notes", 1, &[]);
    let home = Home::new(&web_settings(server, "first-hour.notes"));
    let run = home.run();
    let note = |url: &str| {
        let mut command = home.command("note");
        command.args([
            "rolled back payments",
            "--service",
            "payments",
            "--at",
            "-5m",
            "--tag",
            "rollback",
            "--type",
            "rollback",
            "--url",
            url,
        ]);
        command.output().unwrap()
    };
    let told = ran(&note(&run.url()));
    let id = told.lines().next().unwrap();
    run.wait_until("it is listed", PATIENCE, |run| run.api(&format!("/api/v1/events/{id}"))["id"] == id);
    let event = run.api(&format!("/api/v1/events/{id}"));
    assert_eq!(
        (&event["title"], &event["service"], &event["event_type"]),
        (&json!("rolled back payments"), &json!("payments"), &json!("rollback"))
    );
    assert_eq!(event["tags"], json!(["rollback"]));
    let record = run.api(&format!("/api/v1/events/{id}/source-record"));
    assert_eq!(record["status"], "never_on_a_broker", "{record}");
    run.terminate();
    let refused = note("http://127.0.0.1:1");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("whydunit run") && said.contains("--url"), "{said}");
}

#[test]
fn an_events_record_is_read_again_until_retention_takes_it() {
    let server = KafkaServer::shared();
    let topic = "first-hour.records";
    server.create_topic(topic, 1, &[]);
    let producer = producer(server);
    let value =
        |n: i64| json!({ "type": "note", "title": format!("note {n}"), "timestamp": at(n), "service": "cart" }).to_string().into_bytes();
    let headers = vec![("from".to_owned(), b"a test".to_vec())];
    for n in 0..4 {
        producer.send(&OutgoingRecord::new(topic, Some(b"k"), Some(&value(n)), &headers, at(n))).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let home = Home::new(&web_settings(server, topic));
    let run = home.run();
    run.wait_until("all are listed", PATIENCE, |run| {
        run.api("/api/v1/events?type=note").as_array().is_some_and(|events| events.len() == 4)
    });
    let events = run.api("/api/v1/events?type=note");
    let id_of =
        |title: &str| events.as_array().unwrap().iter().find(|event| event["title"] == title).unwrap()["id"].as_str().unwrap().to_owned();
    let record = run.api(&format!("/api/v1/events/{}/source-record", id_of("note 1")));
    assert_eq!((&record["status"], &record["key_text"]), (&json!("read"), &json!("k")), "{record}");
    assert_eq!(record["value_text"].as_str().unwrap().as_bytes(), value(1), "byte for byte");
    assert_eq!((&record["headers"][0]["name"], &record["headers"][0]["value"]), (&json!("from"), &json!("a test")));
    assert_eq!((&record["provenance"]["offset"], &record["kafka_timestamp"]), (&json!(1), &json!(at(1))));

    server.delete_records(topic, 0, 3);
    let record = run.api(&format!("/api/v1/events/{}/source-record", id_of("note 1")));
    assert_eq!(record["status"], "removed", "{record}");
    let says = record["says"].as_str().unwrap();
    assert!(says.contains("offset 3") && says.contains(&at(3).to_string()), "{says}");
    run.terminate();
}

#[test]
fn a_format_described_in_settings_is_read_as_settings_say() {
    let server = KafkaServer::shared();
    let topic = "first-hour.described";
    server.create_topic(topic, 1, &[]);
    let producer = producer(server);
    for n in 0..3 {
        let value = json!({ "kind": "rollout", "what": format!("cart {n} is out"), "when": at(n), "app": "cart" }).to_string().into_bytes();
        producer.send(&OutgoingRecord::new(topic, None, Some(&value), &[], at(n))).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let described = "[formats.rollouts]\nsource = \"manual\"\nmatch = { \"/kind\" = \"rollout\" }\n[formats.rollouts.fields]\ntitle = \
                     \"/what\"\ntime = \"/when\"\nservice = \"/app\"\nevent_type = \"deployment\"\n";
    let home = Home::new(&format!("{}{described}", web_settings(server, topic)));
    ran(&home.command("check").output().unwrap());
    let run = home.run();
    run.wait_until("all are listed", PATIENCE, |run| {
        run.api("/api/v1/events?type=deployment&service=cart").as_array().is_some_and(|events| events.len() == 3)
    });
    assert_eq!(run.api("/api/v1/connectors/notes")["decode_mix"], json!([{ "format": "rollouts", "records": 3 }]));
    run.terminate();
    let wrong = Home::new(&described.replace("time =", "tyme ="));
    let refused = wrong.command("check").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("formats.rollouts.fields.tyme"), "{said}");
}
