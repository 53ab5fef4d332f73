//! CDEvents and other CloudEvents, in structured and binary mode.

use serde_json::{Value, json};

use super::*;
use crate::model::Severity;

const ARTIFACT: &str = "pkg:oci/cart@sha256%3A0b31b1c02ff458ad?repository_url=ghcr.io/shop/cart";

fn cdevent(kind: &str, subject: Value) -> Value {
    json!({"context": {"version": "0.4.1", "id": "271069a8", "source": "/ci/shop", "type": format!("dev.cdevents.{kind}.0.2.0"),
        "timestamp": "2026-11-23T14:02:10.214Z"}, "subject": subject})
}

fn deployed(predicate: &str) -> Value {
    cdevent(
        &format!("service.{predicate}"),
        json!({"id": "cart", "source": "/cluster/a", "type": "service", "content": {"environment": {"id": "production"}, "artifactId": ARTIFACT}}),
    )
}

fn binary(kind: &str, content_type: Option<&str>, value: &[u8]) -> ObservationBatch {
    let mut headers: Vec<(&str, Option<&[u8]>)> = vec![
        ("ce_specversion", Some(b"1.0")),
        ("ce_id", Some(b"42")),
        ("ce_source", Some(b"/shop/orders")),
        ("ce_type", Some(kind.as_bytes())),
        ("ce_time", Some(b"2026-11-23T14:02:10Z")),
        ("ce_subject", Some(b"order/7")),
    ];
    if let Some(content_type) = content_type {
        headers.push(("content-type", Some(content_type.as_bytes())));
    }
    let batch = decode_value(DecodeOptions::default(), Source::Ci, Some(value), &headers, KAFKA_TIME);
    assert_books(&batch);
    batch
}

#[test]
fn a_service_deployed_upgraded_or_rolled_back_is_a_change() {
    for (predicate, event_type, severity) in [
        ("deployed", "deployment", Severity::Info),
        ("upgraded", "deployment", Severity::Info),
        ("rolledback", "rollback", Severity::Medium),
    ] {
        let event = event(Source::Ci, &deployed(predicate));
        assert_eq!((event.event_type.as_str(), event.severity, event.source), (event_type, severity, Source::Ci));
        assert_eq!((event.service.as_deref(), event.environment.as_deref()), (Some("cart"), Some("production")));
        assert_eq!(event.timestamp, time("2026-11-23T14:02:10.214Z"));
        assert_eq!((&event.data["artifact"], &event.data["version"]), (&json!(ARTIFACT), &json!("sha256:0b31b1c02ff458ad")));
        assert_eq!(event.data["image"], json!("ghcr.io/shop/cart@sha256:0b31b1c02ff458ad"));
        assert!(event.is_change());
        assert_eq!(event.provenance.as_ref().unwrap().format, "cdevents");
    }
    let title = event(Source::Ci, &deployed("rolledback")).title;
    assert_eq!(title, "Service cart rolled back in production to cart@sha256:0b31b1c02ff4");
    assert_ne!(event(Source::Ci, &deployed("deployed")).id, event(Source::Ci, &deployed("upgraded")).id);
}

#[test]
fn every_other_subject_and_predicate_keeps_its_name() {
    let repository = json!({"id": "shop/cart", "source": "https://git.example.com"});
    for (kind, content, event_type, source, service) in [
        ("change.merged", json!({"repository": repository}), "change_merged", Source::Git, Some("cart")),
        ("branch.deleted", json!({"repository": repository}), "branch_deleted", Source::Git, Some("cart")),
        ("build.finished", json!({"artifactId": ARTIFACT}), "build_finished", Source::Ci, Some("cart")),
        (
            "taskrun.finished",
            json!({"taskName": "test", "outcome": "failure", "pipelineRun": {"id": "12"}}),
            "taskrun_finished",
            Source::Ci,
            None,
        ),
        ("ticket.created", json!({"summary": "Disk is full"}), "ticket_created", Source::Manual, None),
        ("volcano.erupted", json!({}), "volcano_erupted", Source::Ci, None),
    ] {
        let event = event(Source::Ci, &cdevent(kind, json!({"id": "s-1", "content": content})));
        assert_eq!((event.event_type.as_str(), event.source, event.service.as_deref()), (event_type, source, service), "{kind}");
        assert_eq!(event.severity, if kind == "taskrun.finished" { Severity::Medium } else { Severity::Info });
    }
    assert!(event(Source::Git, &cdevent("change.merged", json!({"id": "7", "content": {}}))).is_change());
    let custom =
        json!({"context": {"id": "1", "source": "s", "type": "dev.cdeventsx.mytool-flag.turned_on.0.1.0"}, "subject": {"id": "pool"}});
    assert_eq!(event(Source::Ci, &custom).event_type, "mytool-flag_turnedon");
}

#[test]
fn an_incident_is_told_and_resolved() {
    let incident = |predicate: &str| {
        let content = json!({"description": "Response time above 100 ms", "environment": {"id": "production"}, "service": {"id": "cart"}});
        event(Source::Manual, &cdevent(&format!("incident.{predicate}"), json!({"id": "incident-1", "content": content})))
    };
    let (detected, resolved) = (incident("detected"), incident("resolved"));
    assert_eq!(
        (detected.event_type.as_str(), detected.severity, &detected.data["status"]),
        ("incident_detected", Severity::High, &json!("detected"))
    );
    assert_eq!(detected.title, "Incident incident-1 of cart detected in production: Response time above 100 ms");
    assert_eq!((resolved.severity, &resolved.data["status"]), (Severity::Info, &json!("resolved")));
}

#[test]
fn the_same_cdevent_is_one_event_bare_structured_and_binary() {
    let bare = deployed("deployed");
    let structured = json!({"specversion": "1.0", "id": "271069a8", "source": "/ci/shop", "type": "dev.cdevents.service.deployed.0.2.0",
        "time": "2026-11-23T14:02:10Z", "datacontenttype": "application/json", "data": bare});
    let binary = binary("dev.cdevents.service.deployed.0.2.0", Some("application/json"), bare.to_string().as_bytes());
    let (bare, structured) = (event(Source::Ci, &bare), event(Source::Ci, &structured));
    assert_eq!(binary.record_formats, ["cdevents"]);
    assert_eq!((&bare.id, &bare.data), (&structured.id, &structured.data));
    assert_eq!((&bare.id, &bare.data), (&binary.events[0].id, &binary.events[0].data));
}

#[test]
fn a_cdevent_that_is_only_its_content_is_known_by_its_envelope() {
    let batch = binary("dev.cdevents.service.removed.0.2.0", Some("application/json"), br#"{"environment":{"id":"production"}}"#);
    let event = &batch.events[0];
    assert_eq!(
        (event.event_type.as_str(), event.service.as_deref(), event.environment.as_deref()),
        ("service_removed", Some("7"), Some("production"))
    );
}

#[test]
fn a_cloudevent_of_another_kind_is_an_event_by_itself() {
    let body = json!({"specversion": "1.0", "id": "42", "source": "/shop/flags", "type": "com.example.Flag.Turned", "subject": "pool",
        "time": "2026-11-23T14:02:10Z", "data": {"title": "Pool turned off", "service": {"name": "cart"}, "environment": "production",
            "severity": "warning", "sha": "aaa", "limit": 8}});
    let event = event(Source::Manual, &body);
    assert_eq!(
        (event.event_type.as_str(), event.title.as_str(), event.source),
        ("com.example.flag.turned", "Pool turned off", Source::Manual)
    );
    assert_eq!(
        (event.service.as_deref(), event.environment.as_deref(), event.severity),
        (Some("cart"), Some("production"), Severity::Medium)
    );
    assert_eq!((event.timestamp, event.source_id.as_deref()), (time("2026-11-23T14:02:10Z"), Some("/shop/flags 42")));
    assert_eq!(
        (&event.data["event_source"], &event.data["subject"], &event.data["sha"]),
        (&json!("/shop/flags"), &json!("pool"), &json!("aaa"))
    );
    assert_eq!(event.data["payload"]["limit"], json!(8));
}

#[test]
fn a_binary_event_may_carry_anything() {
    let json = binary("com.example.order", Some("application/json; charset=utf-8"), br#"{"message":"late\nvery"}"#);
    assert_eq!((json.events[0].title.as_str(), json.record_formats[0]), ("late", "cloudevents"));
    assert_eq!(binary("com.example.order", Some("text/plain"), b"plain words").events[0].title, "plain words");
    let bytes = binary("com.example.order", None, &[0xff, 0xfe]);
    assert_eq!(bytes.events[0].data["payload"], json!("2 bytes that are no text"));
    let broken = binary("com.example.order", Some("application/json"), b"{\"a\":");
    assert_eq!(only_reason(&broken).0, RejectionClass::Malformed);
}

#[test]
fn an_envelope_around_a_webhook_is_opened() {
    let push = json!({"ref": "refs/heads/main", "repository": {"name": "cart", "full_name": "shop/cart"}, "pusher": {"name": "ann"},
        "commits": [{"id": "aaa", "message": "Lower the pool", "timestamp": "2026-11-23T14:00:00Z"}]});
    let wrapped = json!({"specversion": "1.0", "id": "1", "source": "shop/cart", "type": "dev.knative.source.github.push", "data": push});
    let (bare, opened) = (event(Source::Git, &push), event(Source::Git, &wrapped));
    assert_eq!((&bare.id, bare.event_type.as_str()), (&opened.id, "commit"));
    let encoded = json!({"specversion": "1.0", "id": "1", "source": "x", "type": "y",
        "data_base64": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, push.to_string())});
    assert_eq!(event(Source::Git, &encoded).id, bare.id);
}

#[test]
fn a_batch_of_cloudevents_keeps_its_good_ones() {
    let good = json!({"specversion": "1.0", "id": "1", "source": "a", "type": "b"});
    let header: &[(&str, Option<&[u8]>)] = &[("content-type", Some(b"application/cloudevents-batch+json"))];
    let value = json!([good, {"specversion": "1.0", "source": "a", "type": "b"}, 5]).to_string();
    let batch = decode_value(DecodeOptions::default(), Source::Ci, Some(value.as_bytes()), header, KAFKA_TIME);
    assert_books(&batch);
    assert_eq!((batch.events.len(), batch.rejections[0].items.as_slice()), (1, [1, 2].as_slice()));
    assert!(batch.rejections[0].reason.contains("id is missing"), "{:?}", batch.rejections);
}

#[test]
fn what_an_envelope_lacks_is_named() {
    let without_id = json!({"context": {"source": "s", "type": "dev.cdevents.build.started.0.2.0"}, "subject": {"id": "b"}});
    let cases = [
        (without_id, "context.id"),
        (json!({"context": {"id": "1", "source": "s", "type": "dev.cdevents.build"}, "subject": {"id": "b"}}), "no subject and predicate"),
        (json!({"context": {"id": "1", "source": "s", "type": "dev.cdevents.build.started.0.2.0"}}), "subject.id"),
        (json!({"specversion": "1.0", "id": "1", "source": "a", "type": "b", "time": "?"}), "time"),
        (json!({"specversion": "1.0", "id": "1", "source": "a", "type": "b", "data_base64": "%"}), "data_base64"),
    ];
    for (body, word) in cases {
        assert!(only_reason(&decode_json(Source::Ci, &body)).1.contains(word), "{word}: {body}");
    }
    let header: &[(&str, Option<&[u8]>)] = &[("ce_type", Some(b"x")), ("ce_source", Some(b"y"))];
    let batch = decode_value(DecodeOptions::default(), Source::Ci, Some(b"{}"), header, KAFKA_TIME);
    assert_eq!(only_reason(&batch), (RejectionClass::InvalidField, "header ce_id is missing or empty"));
}
