//! Events of a Kubernetes cluster.

use serde_json::{Value, json};

use super::*;
use crate::model::Severity;

fn core(reason: &str, kind: &str, count: u64) -> Value {
    json!({"kind": "Event", "apiVersion": "v1", "metadata": {"name": "cart.17a", "namespace": "shop", "uid": "3f1c"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart-6d4cf56db6-x7k2p", "uid": "9b0e"}, "reason": reason,
        "message": "Back-off pulling image \"ghcr.io/shop/cart:1.4.2\"\nagain", "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-11-23T14:00:00Z", "lastTimestamp": "2026-11-23T14:02:00Z", "count": count, "type": kind, "eventTime": null})
}

#[test]
fn a_warning_of_a_pod_belongs_to_its_workload() {
    let event = event(Source::Manual, &core("BackOff", "Warning", 3));
    assert_eq!((event.event_type.as_str(), event.severity, event.source), ("kubernetes_warning", Severity::High, Source::Manual));
    assert_eq!((event.service.as_deref(), event.host.as_deref()), (Some("cart"), Some("node-1")));
    assert_eq!(event.title, "BackOff of Pod shop/cart-6d4cf56db6-x7k2p: Back-off pulling image \"ghcr.io/shop/cart:1.4.2\"");
    assert_eq!((event.timestamp, event.source_id.as_deref()), (time("2026-11-23T14:02:00Z"), Some("3f1c/3")));
    assert_eq!(
        (&event.data["count"], &event.data["namespace"], &event.data["image"]),
        (&json!(3), &json!("shop"), &json!("ghcr.io/shop/cart:1.4.2"))
    );
    assert!(event.tags.contains("BackOff") && event.data["first_seen"].is_string());
}

#[test]
fn each_count_is_a_step_and_the_same_count_the_same_event() {
    let id = |count: u64| event(Source::Manual, &core("BackOff", "Warning", count)).id;
    assert_eq!(id(3), id(3));
    assert_ne!(id(3), id(4));
    let print = |reason: &str| event(Source::Manual, &core(reason, "Warning", 1)).fingerprint;
    assert_eq!(print("BackOff"), print("BackOff"));
    assert_ne!(print("BackOff"), print("Unhealthy"));
}

#[test]
fn severities_follow_the_type_and_the_reason() {
    for (reason, kind, severity) in [
        ("Pulled", "Normal", Severity::Info),
        ("NodeNotReady", "Normal", Severity::High),
        ("Unhealthy", "Warning", Severity::Medium),
        ("OOMKilling", "Warning", Severity::High),
    ] {
        assert_eq!(event(Source::Manual, &core(reason, kind, 1)).severity, severity, "{reason}");
    }
    let mut timeout = core("Unhealthy", "Warning", 1);
    timeout["message"] = json!("Readiness probe failed: context deadline exceeded");
    assert_eq!(event(Source::Manual, &timeout).severity, Severity::High);
}

#[test]
fn the_newer_kind_of_event_says_the_same_in_other_words() {
    let newer = json!({"kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "cart.17a", "namespace": "shop", "uid": "3f1c"},
        "eventTime": "2026-11-23T14:00:00.123456Z", "series": {"count": 5, "lastObservedTime": "2026-11-23T14:03:00.000000Z"},
        "reportingController": "default-scheduler", "reportingInstance": "x", "action": "Scheduling", "reason": "FailedScheduling",
        "regarding": {"kind": "StatefulSet", "namespace": "shop", "name": "kafka"}, "note": "0/3 nodes are available", "type": "Warning"});
    let event = event(Source::Manual, &newer);
    assert_eq!((event.service.as_deref(), event.severity, event.source_id.as_deref()), (Some("kafka"), Severity::High, Some("3f1c/5")));
    assert_eq!((event.timestamp, &event.data["component"]), (time("2026-11-23T14:03:00Z"), &json!("default-scheduler")));
    assert_eq!(event.title, "FailedScheduling of StatefulSet shop/kafka: 0/3 nodes are available");
}

#[test]
fn lines_of_a_watch_and_lists_hold_events() {
    let plain = event(Source::Manual, &core("BackOff", "Warning", 3));
    for kind in ["ADDED", "MODIFIED", "DELETED"] {
        assert_eq!(event(Source::Manual, &json!({"type": kind, "object": core("BackOff", "Warning", 3)})).id, plain.id);
    }
    let mut item = core("Pulled", "Normal", 1);
    item.as_object_mut().unwrap().remove("kind");
    let list =
        json!({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": [core("BackOff", "Warning", 3), item, {"reason": "x"}]});
    let batch = decode_json(Source::Manual, &list);
    assert_eq!((batch.events.len(), batch.rejections[0].items.as_slice(), batch.events[0].id == plain.id), (2, [2].as_slice(), true));
    for (line, word) in [
        (json!({"type": "BOOKMARK", "object": {"kind": "Event", "metadata": {"resourceVersion": "5"}}}), "bookmark"),
        (json!({"type": "ERROR", "object": {"kind": "Status", "message": "too old resource version"}}), "too old"),
        (json!({"kind": "EventList", "items": []}), "without a single item"),
    ] {
        let batch = decode_json(Source::Manual, &line);
        let (class, reason) = only_reason(&batch);
        assert!(class == RejectionClass::NoItems && reason.contains(word), "{reason}");
    }
}

#[test]
fn exporters_leave_the_kind_out_and_add_labels() {
    let exported = json!({"metadata": {"uid": "u"}, "reason": "Killing", "message": "m", "type": "Normal", "lastTimestamp": "2026-11-23T14:02:00Z",
        "involvedObject": {"kind": "Pod", "name": "x-0", "labels": {"app.kubernetes.io/name": "cart"}}, "clusterName": "eu-1"});
    let event = event(Source::Ci, &exported);
    assert_eq!((event.service.as_deref(), &event.data["cluster"], event.source_id.as_deref()), (Some("cart"), &json!("eu-1"), Some("u/1")));
    let node = json!({"kind": "Event", "apiVersion": "v1", "reason": "Rebooted", "type": "Warning", "involvedObject": {"kind": "Node", "name": "node-1"}});
    let event = super::event(Source::Ci, &node);
    assert_eq!((event.service.as_deref(), event.host.as_deref(), event.timestamp), (None, Some("node-1"), KAFKA_TIME));
}

#[test]
fn what_an_event_lacks_is_named() {
    for (body, field) in [
        (json!({"kind": "Event", "apiVersion": "v1", "reason": "x"}), "involvedObject"),
        (json!({"kind": "Event", "apiVersion": "v1", "reason": "x", "involvedObject": {}}), "involvedObject.name"),
        (json!({"kind": "Event", "apiVersion": "v1", "involvedObject": {"name": "x"}}), "reason"),
        (
            json!({"kind": "Event", "apiVersion": "v1", "reason": "x", "involvedObject": {"name": "x"}, "lastTimestamp": "?"}),
            "lastTimestamp",
        ),
    ] {
        let batch = decode_json(Source::Manual, &body);
        assert!(only_reason(&batch).1.contains(field), "{:?}", batch.rejections);
    }
}
