//! Log lines as loggers of many makes write them.

use serde_json::json;

use super::*;
use crate::model::Severity;
use crate::model::observation::{LogLine, SpanId, TraceId};

const TRACE: TraceId = TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c);
const SPAN: SpanId = SpanId(0xeee1_9b7e_c3c1_b174);

fn one(value: &serde_json::Value) -> (ObservationBatch, LogLine) {
    let batch = decode_json(Source::Logs, value);
    assert!(batch.rejections.is_empty(), "{:?}", batch.rejections);
    let line = batch.logs[0].clone();
    (batch, line)
}

#[test]
fn a_line_reads_the_same_flat_and_nested() {
    let flat = json!({"@timestamp": "2026-11-23T14:02:10.214Z", "log.level": "error", "message": "no seats left on D1345",
        "service.name": "seat", "service.version": "1.4.2", "service.environment": "production", "host.name": "node-3",
        "trace.id": "5b8efff798038103d269b633813fc60c", "span.id": "eee19b7ec3c1b174",
        "error.type": "SeatException", "error.stack_trace": "SeatException: none\n\tat Seat.find(Seat.java:1)",
        "http.request.id": "r-1", "http.response.status_code": 503});
    let nested = json!({"@timestamp": "2026-11-23T14:02:10.214Z", "log": {"level": "error", "logger": "x"}, "message": "no seats left on D1345",
        "service": {"name": "seat", "version": "1.4.2", "environment": "production"}, "host": {"name": "node-3", "ip": ["10.0.0.1"]},
        "trace": {"id": "5b8efff798038103d269b633813fc60c"}, "span": {"id": "eee19b7ec3c1b174"},
        "error": {"type": "SeatException", "stack_trace": "SeatException: none\n\tat Seat.find(Seat.java:1)"},
        "http": {"request": {"id": "r-1"}, "response": {"status_code": 503}}});
    let (batch, line) = one(&flat);
    assert_eq!(one(&nested).1, line);
    assert_eq!(text(&batch, line.entity.service), "seat");
    assert_eq!(text(&batch, line.entity.environment), "production");
    assert_eq!(text(&batch, line.host), "node-3");
    assert_eq!(text(&batch, line.template), "no seats left on *");
    assert_eq!((line.severity, line.trace, line.span), (Severity::High, TRACE, SPAN));
    let details = line.text.unwrap();
    assert_eq!(details.exception_type.as_deref(), Some("SeatException"));
    assert_eq!((details.http_status, details.request_id.as_deref(), details.version.as_deref()), (Some(503), Some("r-1"), Some("1.4.2")));
}

#[test]
fn loggers_of_many_makes_are_read() {
    let lines = [
        ("zap", json!({"level": "warn", "ts": 1795442530.214, "msg": "slow query", "service": "cart"})),
        ("pino", json!({"level": 40, "time": 1795442530214_i64, "msg": "slow query", "name": "x", "svc": "cart"})),
        ("python", json!({"levelname": "WARNING", "asctime": "2026-11-23 14:02:10,214", "message": "slow query", "app": "cart"})),
        ("serilog", json!({"@t": "2026-11-23T14:02:10.214Z", "@m": "slow query", "@l": "Warning", "Properties": {"service": "cart"}})),
        (
            "journald",
            json!({"PRIORITY": "4", "__REALTIME_TIMESTAMP": "1795442530214000", "MESSAGE": "slow query", "SYSLOG_IDENTIFIER": "cart"}),
        ),
        (
            "fluent bit",
            json!({"log": "slow query", "level": "W", "@timestamp": 1795442530.214,
            "kubernetes": {"pod_name": "cart-7d9", "labels": {"app.kubernetes.io/name": "cart"}, "container_name": "main"}}),
        ),
        (
            "otel flat",
            json!({"body": "slow query", "severity_number": 13, "timestamp": "1795442530214000000", "resource": {"attributes": {"service.name": "cart"}}}),
        ),
        ("capitals", json!({"Level": "WARN", "Timestamp": "2026-11-23T14:02:10.214Z", "Message": "slow query", "Service": "cart"})),
    ];
    for (make, value) in lines {
        let (batch, line) = one(&value);
        assert_eq!(line.timestamp, Timestamp::from_millis(1_795_442_530_214), "{make}");
        assert_eq!(line.severity, Severity::Medium, "{make}");
        assert_eq!(text(&batch, line.entity.service), "cart", "{make}");
        assert_eq!(line.text.unwrap().message, "slow query", "{make}");
    }
}

#[test]
fn normal_lines_carry_no_text_and_warnings_of_timeouts_are_raised() {
    let (_, line) = one(&json!({"message": "order placed", "level": "info"}));
    assert_eq!((line.text, line.severity, line.timestamp), (None, Severity::Info, KAFKA_TIME));
    let (_, line) = one(&json!({"message": "upstream timed out", "level": "warn"}));
    assert_eq!(line.severity, Severity::High);
    let (_, line) = one(&json!({"message": "request", "status": "error"}));
    assert_eq!(line.severity, Severity::High);
    let (_, line) = one(&json!({"message": "request failed", "level": "error", "status": 502}));
    assert_eq!(line.text.unwrap().http_status, Some(502));
}

#[test]
fn ids_in_the_message_are_taken_when_the_line_has_none() {
    let message = "10:00:00.1 TraceID: 5b8efff798038103d269b633813fc60c SpanID: eee19b7ec3c1b174 Query seats";
    let (batch, line) = one(&json!({"message": message}));
    assert_eq!((line.trace, line.span, text(&batch, line.template)), (TRACE, SPAN, "Query seats"));
    let (_, line) = one(&json!({"message": message, "trace_id": "01"}));
    assert_eq!((line.trace, line.span), (TraceId(1), SpanId(0)));
}

#[test]
fn what_a_line_cannot_do_without_is_named() {
    let batch = decode_json(Source::Logs, &json!({"hello": "world"}));
    assert_eq!(only_reason(&batch).0, RejectionClass::InvalidField);
    assert!(only_reason(&batch).1.contains("no message"));
    let batch = decode_json(Source::Logs, &json!({"message": "x", "timestamp": "yesterday"}));
    assert!(only_reason(&batch).1.contains("yesterday"));
    let batch = decode_values(Source::Logs, "auto", &[br#"{"message": "x", "#]);
    assert_eq!(only_reason(&batch).0, RejectionClass::Malformed);
    let mut records = record_batch(Source::Logs, 1);
    records.push(0, 0, None, None, Some(br#"{"message":"x"}"#), &[]);
    let batch = Decoder::new(DecodeOptions::default()).decode(Arc::new(records), KAFKA_TIME);
    assert!(only_reason(&batch).1.contains("no time"));
}

#[test]
fn several_lines_in_one_record_are_as_many_items() {
    let ndjson = b"{\"message\":\"a\"}\n{\"nothing\":1}\n{\"message\":\"c\"}\n";
    let array = b"[{\"message\":\"a\"},{\"nothing\":1},{\"message\":\"c\"}]";
    for value in [ndjson.as_slice(), array] {
        let batch = decode_values(Source::Logs, "auto", &[value]);
        assert_eq!(batch.logs.iter().map(|line| line.item).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(batch.rejections[0].items, [1]);
        assert!(batch.rejections[0].reason.starts_with("item 1 of 3: "), "{}", batch.rejections[0].reason);
    }
    let batch = decode_values(Source::Logs, "auto", &[b"[]"]);
    assert_eq!(only_reason(&batch).0, RejectionClass::NoItems);
    let batch = decode_values(Source::Logs, "auto", &[b"{\"message\":\"a\"} trailing"]);
    assert_eq!(only_reason(&batch).0, RejectionClass::Malformed);
}

#[test]
fn escaped_texts_and_broken_utf8_are_told_apart() {
    let (batch, line) = one(&json!({"message": "line\nbreak \"quoted\" ü", "level": "error"}));
    assert_eq!(text(&batch, line.template), "line break quoted ü");
    let batch = decode_values(Source::Logs, "auto", &[b"{\"message\":\"\xff\"}"]);
    assert_eq!(only_reason(&batch).0, RejectionClass::Malformed);
}

#[test]
fn endless_texts_are_cut() {
    let long = "x".repeat(100_000);
    let (batch, line) = one(&json!({"message": long, "level": "error", "service": long, "host": long, "request_id": long}));
    assert_eq!(text(&batch, line.entity.service).len(), 200);
    let details = line.text.unwrap();
    assert_eq!((details.message.len(), details.request_id.unwrap().len()), (2_000, 200));
}
