//! Zipkin's spans, version 2 of its JSON, written by hand from its API definition.

use serde_json::json;

use super::*;
use crate::model::observation::{SpanId, SpanKind, TraceId};

fn client() -> serde_json::Value {
    json!({
        "traceId": "5af7183fb1d4cf5f",
        "parentId": "6b221d5bc9e6496c",
        "id": "352bff9a74ca9ad2",
        "kind": "CLIENT",
        "name": "post /pay",
        "timestamp": 1_795_442_530_214_000_u64,
        "duration": 5000,
        "localEndpoint": { "serviceName": "cart", "ipv4": "10.0.0.7", "port": 8080 },
        "remoteEndpoint": { "serviceName": "payment", "ipv4": "10.0.0.9" },
        "tags": { "http.method": "POST", "error": "connection refused", "environment": "prod" },
    })
}

#[test]
fn a_list_of_spans_tells_who_called_whom_and_what_failed() {
    let server = json!({ "traceId": "5af7183fb1d4cf5f", "id": "6b221d5bc9e6496c", "kind": "SERVER", "timestamp": 1_795_442_530_210_000_u64,
        "duration": 12_000, "localEndpoint": { "serviceName": "cart" }, "tags": { "host.name": "cart-7f", "error": "false" } });
    let batch = decode_json(Source::Traces, &json!([client(), server]));
    assert_eq!((batch.record_formats[0], batch.rejections.len()), ("zipkin_json", 0));
    let [call, entry] = batch.spans.as_slice() else { panic!("{:?}", batch.spans) };
    assert_eq!(
        (call.trace, call.span, call.parent),
        (TraceId(0x5af7_183f_b1d4_cf5f), SpanId(0x352b_ff9a_74ca_9ad2), SpanId(0x6b22_1d5b_c9e6_496c))
    );
    assert_eq!((call.start.nanos(), call.end.nanos()), (1_795_442_530_214_000_000, 1_795_442_530_219_000_000));
    assert_eq!((call.kind, call.failed, call.message.as_deref()), (SpanKind::Client, true, Some("connection refused")));
    let texts = [call.entity.service, call.entity.environment, call.host, call.operation, call.peer].map(|name| text(&batch, name));
    assert_eq!(texts, ["cart", "prod", "10.0.0.7", "post /pay", "payment"]);
    assert_eq!((entry.kind, entry.failed, entry.parent), (SpanKind::Server, false, SpanId(0)));
    assert_eq!([entry.host, entry.operation].map(|name| text(&batch, name)), ["cart-7f", "unnamed"]);
}

#[test]
fn one_span_by_itself_is_read_too() {
    let batch = decode_json(Source::Traces, &client());
    assert_eq!((batch.record_formats[0], batch.spans.len()), ("zipkin_json", 1));
}

#[test]
fn an_error_tag_without_a_word_is_a_failure() {
    let mut span = client();
    span["tags"] = json!({ "error": "" });
    let batch = decode_json(Source::Traces, &span);
    assert!(batch.spans[0].failed && batch.spans[0].message.is_none());
    span["tags"] = json!({});
    assert!(!decode_json(Source::Traces, &span).spans[0].failed);
}

#[test]
fn the_halves_of_a_shared_span_are_two_spans_and_its_children_are_the_servers() {
    let half = |service: &str| {
        let mut half = client();
        half["localEndpoint"]["serviceName"] = json!(service);
        half
    };
    let mut server = half("payment");
    (server["kind"], server["shared"]) = (json!("SERVER"), json!(true));
    let child = |service: &str, id: &str| {
        let mut child = half(service);
        (child["id"], child["parentId"], child["kind"]) = (json!(id), json!("352bff9a74ca9ad2"), json!(null));
        child
    };
    let batch = decode_json(Source::Traces, &json!([child("payment", "7"), half("cart"), server, child("cart", "8")]));
    let [of_server, client, server, of_client] = batch.spans.as_slice() else { panic!("{:?}", batch.spans) };
    assert_eq!(client.span, SpanId(0x352b_ff9a_74ca_9ad2));
    assert_ne!(server.span, client.span);
    assert_eq!(server.parent, client.span);
    assert_eq!((of_server.parent, of_client.parent), (server.span, client.span));
    assert_eq!(of_server.kind, SpanKind::Internal);
}

#[test]
fn a_message_needs_no_duration_and_a_request_does() {
    for (kind, spans) in [("PRODUCER", 1), ("CONSUMER", 1), ("SERVER", 0)] {
        let mut span = client();
        span["kind"] = json!(kind);
        span.as_object_mut().unwrap().remove("duration");
        let batch = decode_json(Source::Traces, &json!([span]));
        assert_eq!(batch.spans.len(), spans, "{kind}");
        assert!(batch.rejections.iter().all(|rejection| rejection.reason.contains("duration")), "{:?}", batch.rejections);
    }
}

#[test]
fn a_bad_span_is_named_and_the_others_stay() {
    for (field, value, named) in [
        ("traceId", json!("0"), "traceId"),
        ("id", json!(null), "id is missing"),
        ("timestamp", json!(null), "timestamp"),
        ("timestamp", json!(0), "timestamp"),
        ("timestamp", json!(9_223_372_036_854_775_000_u64), "timestamp"),
        ("duration", json!(-1), "duration"),
        ("binaryAnnotations", json!([]), "version 1"),
        ("localEndpoint", json!("cart"), "not JSON of this shape"),
    ] {
        let mut span = client();
        span[field] = value.clone();
        let batch = decode_json(Source::Traces, &json!([client(), span, 7]));
        assert_eq!((batch.spans.len(), batch.rejections[0].items.as_slice()), (1, [1, 2].as_slice()), "{field} = {value}");
        assert!(batch.rejections[0].reason.contains(named), "{field} = {value}: {:?}", batch.rejections);
    }
}

#[test]
fn a_key_that_stands_twice_and_an_empty_list_are_refused() {
    let batch = decode_values(Source::Traces, "auto", &[br#"[{"traceId":"1","id":"2","id":"3","timestamp":1,"duration":1}]"#]);
    assert!(only_reason(&batch).1.contains("duplicate field `id`"), "{:?}", batch.rejections);
    let batch = decode_values(Source::Traces, "auto", &[b" [ ] "]);
    assert_eq!(only_reason(&batch).0, RejectionClass::NoItems);
}

#[test]
fn every_truncation_and_broken_text_is_refused() {
    let value = json!([client(), client()]).to_string().into_bytes();
    for end in 1..value.len() {
        let batch = decode_values(Source::Traces, "auto", &[&value[..end]]);
        assert_eq!((batch.items(), batch.rejections.len()), (0, 1), "cut at {end}");
    }
    let mut broken = value.clone();
    let name = broken.windows(4).position(|window| window == b"post").unwrap();
    broken[name] = 0xff;
    let batch = decode_values(Source::Traces, "auto", &[&broken]);
    assert_eq!(only_reason(&batch).0, RejectionClass::Malformed);
}
