//! Jaeger's spans: protobuf written by an encoder of its own from the published message definitions, JSON by hand.

use proptest::prelude::*;
use prost::Message;
use serde_json::json;

use super::*;
use crate::model::observation::{Span, SpanId, SpanKind, TraceId};

#[derive(Clone, PartialEq, Message)]
struct PbTime {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PbTag {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(int32, tag = "2")]
    v_type: i32,
    #[prost(string, tag = "3")]
    v_str: String,
    #[prost(bool, tag = "4")]
    v_bool: bool,
    #[prost(int64, tag = "5")]
    v_int64: i64,
    #[prost(double, tag = "6")]
    v_float64: f64,
}

#[derive(Clone, PartialEq, Message)]
struct PbLog {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<PbTime>,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<PbTag>,
}

#[derive(Clone, PartialEq, Message)]
struct PbReference {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(int32, tag = "3")]
    ref_type: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PbProcess {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(message, repeated, tag = "2")]
    tags: Vec<PbTag>,
}

#[derive(Clone, PartialEq, Message)]
struct PbSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    operation_name: String,
    #[prost(message, repeated, tag = "4")]
    references: Vec<PbReference>,
    #[prost(uint32, tag = "5")]
    flags: u32,
    #[prost(message, optional, tag = "6")]
    start_time: Option<PbTime>,
    #[prost(message, optional, tag = "7")]
    duration: Option<PbTime>,
    #[prost(message, repeated, tag = "8")]
    tags: Vec<PbTag>,
    #[prost(message, repeated, tag = "9")]
    logs: Vec<PbLog>,
    #[prost(message, optional, tag = "10")]
    process: Option<PbProcess>,
}

#[derive(Clone, PartialEq, Message)]
struct PbBatch {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<PbSpan>,
    #[prost(message, optional, tag = "2")]
    process: Option<PbProcess>,
}

fn text_tag(key: &str, value: &str) -> PbTag {
    PbTag { key: key.to_owned(), v_str: value.to_owned(), ..PbTag::default() }
}

fn bool_tag(key: &str, value: bool) -> PbTag {
    PbTag { key: key.to_owned(), v_type: 1, v_bool: value, ..PbTag::default() }
}

fn process(service: &str) -> PbProcess {
    PbProcess {
        service_name: service.to_owned(),
        tags: vec![text_tag("hostname", "cart-7f"), text_tag("deployment.environment", "prod"), text_tag("service.version", "1.4")],
    }
}

fn failed_call() -> PbSpan {
    PbSpan {
        trace_id: vec![0x11; 16],
        span_id: vec![0x22; 8],
        operation_name: "POST /pay".to_owned(),
        references: vec![
            PbReference { trace_id: vec![0x99; 16], span_id: vec![0x98; 8], ref_type: 0 },
            PbReference { trace_id: vec![0x11; 16], span_id: vec![0x44; 8], ref_type: 1 },
            PbReference { trace_id: vec![0x11; 16], span_id: vec![0x33; 8], ref_type: 0 },
        ],
        flags: 1,
        start_time: Some(PbTime { seconds: 1_795_442_530, nanos: 214_000_000 }),
        duration: Some(PbTime { seconds: 0, nanos: 5_000_000 }),
        tags: vec![text_tag("span.kind", "client"), bool_tag("error", true), text_tag("peer.service", "payment")],
        logs: vec![PbLog {
            timestamp: None,
            fields: vec![text_tag("event", "error"), text_tag("message", "connection refused"), text_tag("error.kind", "IOException")],
        }],
        process: Some(process("cart")),
    }
}

fn assert_is_failed_call(batch: &ObservationBatch, span: &Span) {
    assert_eq!(
        (span.trace, span.span, span.parent),
        (TraceId(0x1111_1111_1111_1111_1111_1111_1111_1111), SpanId(0x2222_2222_2222_2222), SpanId(0x3333_3333_3333_3333))
    );
    assert_eq!((span.start.nanos(), span.end.nanos()), (1_795_442_530_214_000_000, 1_795_442_530_219_000_000));
    assert_eq!((span.kind, span.failed), (SpanKind::Client, true));
    let texts =
        [span.entity.service, span.entity.environment, span.host, span.operation, span.peer, span.version].map(|name| text(batch, name));
    assert_eq!(texts, ["cart", "prod", "cart-7f", "POST /pay", "payment", "1.4"]);
    assert_eq!(span.message.as_deref(), Some("IOException: connection refused"));
}

#[test]
fn a_span_in_protobuf_tells_all_that_an_otlp_span_tells() {
    let batch = decode_values(Source::Traces, "auto", &[&failed_call().encode_to_vec()]);
    assert_eq!(batch.record_formats, ["jaeger_proto"]);
    assert_is_failed_call(&batch, &batch.spans[0]);
}

#[test]
fn a_batch_gives_its_process_to_spans_without_one_and_keeps_the_good_ones() {
    let bare = PbSpan { process: None, ..failed_call() };
    let endless = PbSpan { duration: None, ..bare.clone() };
    let idless = PbSpan { span_id: vec![], ..bare.clone() };
    let other = PbSpan { process: Some(process("web")), ..bare.clone() };
    let batch = PbBatch { spans: vec![endless, bare, idless, other], process: Some(process("cart")) };
    let batch = decode_values(Source::Traces, "auto", &[&batch.encode_to_vec()]);
    assert_eq!(batch.record_formats, ["jaeger_proto"]);
    assert_eq!(batch.rejections[0].items, [0, 2]);
    assert!(batch.rejections[0].reason.contains("duration"), "{:?}", batch.rejections);
    assert_is_failed_call(&batch, &batch.spans[0]);
    assert_eq!(text(&batch, batch.spans[1].entity.service), "web");
}

#[test]
fn a_batch_without_a_process_is_no_otlp_request() {
    let batch = PbBatch { spans: vec![PbSpan { process: None, ..failed_call() }], process: None };
    let batch = decode_values(Source::Traces, "auto", &[&batch.encode_to_vec()]);
    assert_eq!((batch.record_formats[0], batch.spans.len()), ("jaeger_proto", 1));
    assert_eq!(text(&batch, batch.spans[0].entity.service), "unknown");
}

#[test]
fn an_otlp_request_is_no_batch_even_when_its_blocks_are_as_long_as_ids() {
    // A resource of 16 bytes and a scope of 8, as if they were ids.
    let resource = [[0x0a, 14, 0x0a, 1, b'k', 0x12, 9, 0x0a, 7].as_slice(), b"valuesx"].concat();
    assert_eq!(resource.len(), 16);
    let scope = [0x0a, 6, 0x0a, 4, b'n', b'a', b'm', b'e'];
    let block = [[0x0a, 16].as_slice(), &resource, &[0x12, 8], &scope].concat();
    let value = [[0x0a, block.len() as u8].as_slice(), &block].concat();
    let batch = decode_values(Source::Traces, "auto", &[&value]);
    assert_eq!(batch.record_formats, ["otlp_proto"]);
    assert_eq!(only_reason(&batch).0, RejectionClass::NoItems);
}

#[test]
fn failures_are_known_by_the_error_tag_or_opentelemetrys_status() {
    let failed = |tags: Vec<PbTag>| {
        let span = PbSpan { tags, logs: vec![], ..failed_call() };
        let batch = decode_values(Source::Traces, "jaeger_proto", &[&span.encode_to_vec()]);
        (batch.spans[0].failed, batch.spans[0].message.clone().map(String::from))
    };
    let status = |code: i64| PbTag { key: "http.status_code".to_owned(), v_type: 2, v_int64: code, ..PbTag::default() };
    let message = |text: &str| (true, Some(text.to_owned()));
    assert_eq!(failed(vec![text_tag("error", "true")]), (true, None));
    assert_eq!(failed(vec![text_tag("error", "timeout")]), message("timeout"));
    assert_eq!(failed(vec![bool_tag("error", false), status(503)]), (false, None));
    assert_eq!(failed(vec![status(503)]), message("HTTP 503"));
    assert_eq!(failed(vec![text_tag("span.kind", "server"), status(404)]), (false, None));
    assert_eq!(failed(vec![text_tag("otel.status_code", "ERROR"), text_tag("otel.status_description", "boom")]), message("boom"));
    assert_eq!(failed(vec![text_tag("otel.status_code", "OK"), bool_tag("error", true)]), (false, None));
    assert_eq!(failed(vec![]), (false, None));
}

fn collector_json() -> serde_json::Value {
    json!({
        "traceId": "EREREREREREREREREREREQ==",
        "spanId": "IiIiIiIiIiI=",
        "operationName": "POST /pay",
        "references": [{ "traceId": "EREREREREREREREREREREQ==", "spanId": "MzMzMzMzMzM=" }],
        "flags": 1,
        "startTime": "2026-11-23T14:02:10.214Z",
        "duration": "0.005s",
        "tags": [
            { "key": "span.kind", "vStr": "client" },
            { "key": "error", "vType": "BOOL", "vBool": true },
            { "key": "peer.service", "vType": "STRING", "vStr": "payment" },
        ],
        "logs": [{ "timestamp": "2026-11-23T14:02:10.215Z", "fields": [
            { "key": "event", "vStr": "exception" },
            { "key": "exception.type", "vStr": "IOException" },
            { "key": "exception.message", "vStr": "connection refused" },
        ] }],
        "process": { "serviceName": "cart", "tags": [
            { "key": "hostname", "vStr": "cart-7f" },
            { "key": "environment", "vStr": "prod" },
            { "key": "service.version", "vStr": "1.4" },
        ] },
    })
}

#[test]
fn the_json_of_the_collector_says_the_same() {
    let batch = decode_json(Source::Traces, &collector_json());
    assert_eq!(batch.record_formats, ["jaeger_json"]);
    assert_is_failed_call(&batch, &batch.spans[0]);
    let mut span = collector_json();
    let process = span.as_object_mut().unwrap().remove("process").unwrap();
    let batch = decode_json(Source::Traces, &json!({ "spans": [span, { "traceId": "x" }], "process": process }));
    assert_is_failed_call(&batch, &batch.spans[0]);
    assert_eq!(batch.rejections[0].items, [1]);
}

#[test]
fn an_answer_of_jaegers_api_gives_all_spans_of_all_its_traces() {
    let span = |id: &str, process: &str, tags: serde_json::Value| {
        json!({
            "traceID": "11111111111111111111111111111111", "spanID": id, "operationName": "POST /pay", "flags": 1,
            "references": [{ "refType": "CHILD_OF", "traceID": "11111111111111111111111111111111", "spanID": "3333333333333333" }],
            "startTime": 1_795_442_530_214_000_u64, "duration": 5000, "processID": process, "warnings": null, "tags": tags,
            "logs": [{ "timestamp": 1_795_442_530_215_000_u64, "fields": [
                { "key": "event", "type": "string", "value": "error" },
                { "key": "error.object", "type": "string", "value": "connection refused" },
                { "key": "error.kind", "type": "string", "value": "IOException" },
            ] }],
        })
    };
    let tags = json!([
        { "key": "span.kind", "type": "string", "value": "client" },
        { "key": "error", "type": "bool", "value": true },
        { "key": "peer.service", "type": "string", "value": "payment" },
        { "key": "http.status_code", "type": "int64", "value": 500 },
    ]);
    let host = json!([
        { "key": "hostname", "type": "string", "value": "cart-7f" },
        { "key": "env", "type": "string", "value": "prod" },
        { "key": "version", "type": "string", "value": "1.4" },
    ]);
    let processes = json!({ "p1": { "serviceName": "cart", "tags": host }, "p2": { "serviceName": "web", "tags": [] } });
    let first = json!({ "traceID": "11111111111111111111111111111111", "processes": processes, "spans": [
        span("2222222222222222", "p1", tags),
        span("5", "p2", json!([])),
        span("6", "p9", json!([])),
    ] });
    let answer = json!({ "data": [first, { "traceID": "2", "spans": [], "processes": {} }], "total": 0, "errors": null });
    let batch = decode_json(Source::Traces, &answer);
    assert_eq!((batch.record_formats[0], batch.spans.len()), ("jaeger_json", 3));
    assert_is_failed_call(&batch, &batch.spans[0]);
    let services: Vec<&str> = batch.spans.iter().map(|span| text(&batch, span.entity.service)).collect();
    assert_eq!(services, ["cart", "web", "unknown"]);
}

#[test]
fn a_missing_or_impossible_field_is_named() {
    for (field, value, named) in [
        ("traceId", json!(null), "traceId"),
        ("traceId", json!("AAAAAAAAAAAAAAAAAAAAAA=="), "traceId"),
        ("spanId", json!("AAAAAAAAAAA="), "spanId"),
        ("spanId", json!("IiI="), "spanId"),
        ("startTime", json!(null), "startTime"),
        ("startTime", json!("yesterday"), "startTime"),
        ("startTime", json!(-5), "startTime"),
        ("startTime", json!(9_223_372_036_854_775_807_i64), "startTime"),
        ("duration", json!("-1s"), "duration"),
        ("duration", json!("5 minutes"), "duration"),
        ("duration", json!("99999999999s"), "duration"),
        ("duration", json!(null), "duration"),
    ] {
        let mut span = collector_json();
        span[field] = value.clone();
        let batch = decode_json(Source::Traces, &span);
        assert_eq!(batch.spans.len(), 0, "{field} = {value}");
        assert!(only_reason(&batch).1.contains(named), "{field} = {value}: {:?}", batch.rejections);
    }
}

#[test]
fn times_from_1970_to_2262_are_kept() {
    for (start, duration, nanos) in [
        ("1970-01-01T00:00:00.000000001Z", "0s", 1_i64),
        ("2262-04-11T23:47:16.854775807Z", "0s", i64::MAX),
        ("2026-11-23T14:02:10Z", "0.000000001s", 1_795_442_530_000_000_000),
    ] {
        let mut span = collector_json();
        (span["startTime"], span["duration"]) = (json!(start), json!(duration));
        let batch = decode_json(Source::Traces, &span);
        assert_eq!(batch.spans[0].start.nanos(), nanos, "{start}: {:?}", batch.rejections);
    }
}

#[test]
fn every_truncation_of_a_span_is_refused_or_is_a_shorter_span() {
    let whole = failed_call().encode_to_vec();
    for end in 1..whole.len() {
        let batch = decode_values(Source::Traces, "auto", &[&whole[..end]]);
        // What ends between two fields is whole as far as anybody can tell.
        assert_eq!(batch.spans.len() + batch.rejections.len(), 1, "cut at {end}");
        assert!(end < 30 || batch.record_formats[0] == "jaeger_proto", "cut at {end}: {:?}", batch.rejections);
    }
    let json = collector_json().to_string();
    for end in 1..json.len() {
        let batch = decode_values(Source::Traces, "auto", &[&json.as_bytes()[..end]]);
        assert_eq!((batch.items(), batch.rejections.len()), (0, 1), "cut at {end}");
    }
}

proptest! {
    #![proptest_config(seeded(200))]

    #[test]
    fn what_is_encoded_is_decoded(
        trace in 1_u128.., id in 1_u64.., parent in any::<u64>(), name in ".{1,20}", service in "[a-z]{1,10}",
        seconds in 1_i64..9_000_000_000, nanos in 0..1_000_000_000, took_s in 0_i64..10_000, took_ns in 0..1_000_000_000, failed in any::<bool>(),
    ) {
        let span = PbSpan {
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            operation_name: name.clone(),
            references: vec![PbReference { trace_id: trace.to_be_bytes().to_vec(), span_id: parent.to_be_bytes().to_vec(), ref_type: 0 }],
            start_time: Some(PbTime { seconds, nanos }),
            duration: Some(PbTime { seconds: took_s, nanos: took_ns }),
            tags: vec![bool_tag("error", failed)],
            process: Some(PbProcess { service_name: service.clone(), tags: vec![] }),
            ..PbSpan::default()
        };
        let batch = decode_values(Source::Traces, "auto", &[&span.encode_to_vec()]);
        let read = &batch.spans[0];
        prop_assert_eq!((read.trace, read.span, read.parent, read.failed), (TraceId(trace), SpanId(id), SpanId(parent), failed));
        prop_assert_eq!(read.start.nanos(), seconds * 1_000_000_000 + i64::from(nanos));
        prop_assert_eq!(read.end.nanos() - read.start.nanos(), took_s * 1_000_000_000 + i64::from(took_ns));
        prop_assert_eq!(text(&batch, read.operation), name);
        prop_assert_eq!(text(&batch, read.entity.service), service);
    }

    #[test]
    fn a_span_with_a_wrong_byte_gives_a_value(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for value in [failed_call().encode_to_vec(), PbBatch { spans: vec![failed_call(); 2], process: None }.encode_to_vec()] {
            let mut value = value;
            let at = at.index(value.len());
            value[at] = byte;
            for format in ["auto", "jaeger_proto", "otlp_proto"] {
                decode_values(Source::Traces, format, &[&value]);
            }
        }
    }
}
