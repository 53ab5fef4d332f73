//! Alertmanager's webhook.

use serde_json::{Value, json};

use super::*;
use crate::model::Severity;

fn alert(status: &str, labels: Value, extra: Value) -> Value {
    let mut alert = json!({"status": status, "labels": labels, "annotations": {"summary": "p99 above 1 s"}, "startsAt": "2026-11-23T14:00:00.5Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus:9090/graph?g0.expr=x", "fingerprint": "c4ca4238a0b92382"});
    alert.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    alert
}

fn webhook(alerts: Value) -> Value {
    json!({"version": "4", "groupKey": "{}:{alertname=\"SlowCart\"}", "truncatedAlerts": 2, "status": "firing", "receiver": "whydunit",
        "groupLabels": {"alertname": "SlowCart"}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093", "alerts": alerts})
}

fn labels() -> Value {
    json!({"alertname": "SlowCart", "severity": "page", "service": "cart", "env": "production", "instance": "10.0.0.7:9100"})
}

#[test]
fn firing_and_resolved_are_two_steps_of_one_life() {
    let resolved = alert("resolved", labels(), json!({"endsAt": "2026-11-23T14:09:00Z"}));
    let events = events(Source::Manual, &webhook(json!([alert("firing", labels(), json!({})), resolved])));
    let (firing, resolved) = (&events[0], &events[1]);
    assert_eq!((firing.event_type.as_str(), firing.source, firing.severity), ("alert", Source::Manual, Severity::Critical));
    assert_eq!((firing.title.as_str(), resolved.title.as_str()), ("SlowCart: p99 above 1 s", "Resolved: SlowCart: p99 above 1 s"));
    assert_eq!(
        (firing.service.as_deref(), firing.environment.as_deref(), firing.host.as_deref()),
        (Some("cart"), Some("production"), Some("10.0.0.7"))
    );
    assert_eq!((firing.timestamp, resolved.timestamp), (time("2026-11-23T14:00:00.5Z"), time("2026-11-23T14:09:00Z")));
    assert_eq!(firing.source_id.as_deref(), Some(format!("c4ca4238a0b92382/{}/firing", time("2026-11-23T14:00:00.5Z")).as_str()));
    assert_eq!((&firing.fingerprint, firing.id == resolved.id), (&resolved.fingerprint, false));
    assert_eq!((&firing.data["status"], &resolved.data["status"]), (&json!("firing"), &json!("resolved")));
    assert_eq!(
        (&firing.data["generator_url"], &firing.data["truncated_alerts"]),
        (&json!("http://prometheus:9090/graph?g0.expr=x"), &json!(2))
    );
    assert_eq!((&firing.data["labels"]["severity"], firing.data.get("ends_at")), (&json!("page"), None));
}

#[test]
fn an_alert_sent_again_is_one_event_and_one_that_starts_anew_another() {
    let of = |extra: Value| events(Source::Manual, &webhook(json!([alert("firing", labels(), extra)]))).remove(0);
    assert_eq!(of(json!({})).id, of(json!({})).id);
    assert_ne!(of(json!({})).id, of(json!({"startsAt": "2026-11-23T15:00:00Z"})).id);
    let (one, other) = (of(json!({"fingerprint": null})), of(json!({"fingerprint": "", "labels": {"alertname": "Other"}})));
    assert_ne!(one.id, other.id, "without a fingerprint the labels tell alerts apart");
}

#[test]
fn severities_are_read_from_the_label_in_any_words() {
    for (name, severity) in [
        ("critical", Severity::Critical),
        ("P1", Severity::Critical),
        ("error", Severity::High),
        ("warning", Severity::Medium),
        ("info", Severity::Info),
        ("none", Severity::Info),
        ("purple", Severity::High),
    ] {
        let alert = alert("firing", json!({"alertname": "A", "severity": name}), json!({}));
        assert_eq!(events(Source::Manual, &webhook(json!([alert])))[0].severity, severity, "{name}");
    }
    let without = alert("firing", json!({"alertname": "A"}), json!({}));
    assert_eq!(events(Source::Manual, &webhook(json!([without])))[0].severity, Severity::High);
}

#[test]
fn whose_alert_it_is_follows_from_its_labels() {
    for (labels, service) in [
        (json!({"alertname": "A", "app": "cart", "job": "kubernetes-pods"}), Some("cart")),
        (json!({"alertname": "A", "pod": "cart-6d4cf56db6-x7k2p", "container": "app"}), Some("cart")),
        (json!({"alertname": "A", "job": "shop/cart"}), Some("cart")),
        (json!({"alertname": "A", "job": "kube-state-metrics", "service": "kube-state-metrics", "deployment": "cart"}), Some("cart")),
        (json!({"alertname": "A", "job": "kube-state-metrics", "service": "kube-state-metrics"}), None),
        (json!({"alertname": "A"}), None),
    ] {
        let event = event(Source::Manual, &webhook(json!([alert("firing", labels.clone(), json!({}))])));
        assert_eq!(event.service.as_deref(), service, "{labels}");
    }
}

#[test]
fn a_bad_alert_does_not_take_the_others_with_it() {
    let bad = alert("firing", labels(), json!({"startsAt": "yesterday"}));
    let batch = decode_json(Source::Manual, &webhook(json!([bad, alert("firing", labels(), json!({})), {"status": "firing"}])));
    assert_eq!((batch.events.len(), batch.rejections[0].items.as_slice()), (1, [0, 2].as_slice()));
    assert!(batch.rejections[0].reason.contains("startsAt"), "{:?}", batch.rejections);
    let none = decode_json(Source::Manual, &webhook(json!([])));
    assert_eq!(only_reason(&none), (RejectionClass::NoItems, "alertmanager without a single item"));
    assert_eq!(decode_values(Source::Manual, "alertmanager", &[br#"{"alerts":7}"#]).rejections[0].reason, "alerts: must be a list");
}

#[test]
fn alerts_as_prometheus_posts_them_are_read_too() {
    let posted = json!([{"labels": labels(), "annotations": {}, "startsAt": "2026-11-23T14:00:00Z", "generatorURL": "http://p"}]);
    let event = event(Source::Manual, &posted);
    assert_eq!((event.title.as_str(), &event.data["status"]), ("SlowCart of cart", &json!("firing")));
}
