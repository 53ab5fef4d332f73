//! Argo CD's notifications with our template, and its applications.

use serde_json::{Value, json};

use super::*;
use crate::model::Severity;

const SHA: &str = "9c41e07b44aa9c41e07b44aa9c41e07b44aa9c41";

fn sync(phase: &str) -> Value {
    json!({"producer": "argocd", "event": "sync", "app": "cart", "namespace": "argocd", "project": "shop", "environment": "production",
        "phase": phase, "sync_status": "Synced", "health": "Healthy", "revision": SHA, "target_revision": "main",
        "repository": "https://github.com/shop/deploy.git", "path": "apps/cart", "images": ["docker.io/envoy:1.30", "ghcr.io/shop/cart:1.4.2"],
        "started_at": "2026-11-23T14:02:00Z", "finished_at": if phase == "Running" { "<no value>" } else { "2026-11-23T14:02:40Z" },
        "message": "one or more objects failed to apply", "author": "ann", "url": "https://argocd.example.com/applications/argocd/cart"})
}

#[test]
fn the_phases_of_a_sync_are_steps_of_one_deployment() {
    let (running, done, failed) = (sync("Running"), sync("Succeeded"), sync("Failed"));
    let (running, done, failed) = (event(Source::Ci, &running), event(Source::Ci, &done), event(Source::Ci, &failed));
    assert_eq!(
        (done.event_type.as_str(), done.source, done.severity, failed.severity),
        ("deployment", Source::Ci, Severity::Info, Severity::High)
    );
    assert_eq!((done.service.as_deref(), done.environment.as_deref()), (Some("cart"), Some("production")));
    assert_eq!((running.timestamp, done.timestamp), (time("2026-11-23T14:02:00Z"), time("2026-11-23T14:02:40Z")));
    assert_eq!(
        (done.title.as_str(), failed.title.as_str()),
        (
            "Deployment of cart 1.4.2 to production: succeeded",
            "Deployment of cart 1.4.2 to production: failed (one or more objects failed to apply)"
        )
    );
    assert_eq!(done.source_id, Some(format!("argocd/cart/{SHA}/{}/succeeded", time("2026-11-23T14:02:00Z"))));
    assert!(running.id != done.id && done.is_change());
    for (key, value) in
        [("sha", SHA), ("version", "1.4.2"), ("branch", "main"), ("repository", "shop/deploy"), ("author", "ann"), ("project", "shop")]
    {
        assert_eq!(done.data[key], json!(value), "{key}");
    }
    assert_eq!(done.data["images"].as_array().unwrap().len(), 2);
}

#[test]
fn an_application_as_the_cluster_holds_it_says_the_same() {
    let application = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "cart", "namespace": "argocd", "labels": {"environment": "production"}},
        "spec": {"project": "shop", "source": {"repoURL": "git@github.com:shop/deploy.git", "path": "apps/cart", "targetRevision": "HEAD"}},
        "status": {"sync": {"status": "Synced", "revision": SHA}, "health": {"status": "Healthy"}, "summary": {"images": ["ghcr.io/shop/cart:1.4.2"]},
            "operationState": {"phase": "Succeeded", "startedAt": "2026-11-23T14:02:00Z", "finishedAt": "2026-11-23T14:02:40Z",
                "syncResult": {"revision": SHA}, "operation": {"initiatedBy": {"username": "ann"}}}}});
    let notified = event(Source::Ci, &sync("Succeeded"));
    for body in [application.clone(), json!({"type": "MODIFIED", "object": application}), json!({"app": application})] {
        let event = event(Source::Ci, &body);
        assert_eq!((&event.id, &event.title, &event.environment), (&notified.id, &notified.title, &notified.environment));
        assert_eq!(
            (&event.data["repository"], &event.data["author"], event.data.get("branch")),
            (&json!("shop/deploy"), &json!("ann"), None)
        );
    }
}

#[test]
fn a_change_of_health_is_no_deployment() {
    let mut body = sync("Succeeded");
    body["event"] = json!("health");
    body["health"] = json!("Degraded");
    body["at"] = json!("2026-11-23T14:10:00Z");
    let event = event(Source::Ci, &body);
    assert_eq!(
        (event.event_type.as_str(), event.severity, event.title.as_str()),
        ("health_degraded", Severity::High, "Application cart is degraded")
    );
    assert_eq!((event.timestamp, event.is_change()), (time("2026-11-23T14:10:00Z"), false));
}

#[test]
fn what_a_notification_lacks_is_named() {
    for (body, word) in [
        (json!({"producer": "argocd"}), "app is missing"),
        (json!({"producer": "argocd", "app": "cart", "event": "sync"}), "phase is missing"),
        (json!({"producer": "argocd", "app": "cart", "event": "health"}), "health is missing"),
        (json!({"producer": "argocd", "app": "cart"}), "neither phase nor health"),
        (json!({"producer": "argocd", "app": "cart", "event": "party", "phase": "Running"}), "party"),
        (json!({"producer": "argocd", "app": "cart", "phase": "Running", "started_at": "?"}), "started_at"),
    ] {
        let batch = decode_json(Source::Ci, &body);
        assert!(only_reason(&batch).1.contains(word), "{:?}", batch.rejections);
    }
}

#[test]
fn the_template_we_ship_writes_what_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/argocd-notifications.yaml");
    let template = std::fs::read_to_string(path).unwrap();
    for key in [
        "producer",
        "event",
        "app",
        "phase",
        "health",
        "revision",
        "images",
        "started_at",
        "finished_at",
        "sync_status",
        "repository",
        "at",
    ] {
        assert!(template.contains(&format!("\"{key}\":")), "{key}");
    }
}
