//! Commits, deployments, builds and our own events.

use serde_json::{Value, json};

use super::*;
use crate::model::{Event, Severity};

fn repository() -> Value {
    json!({"name": "cart", "full_name": "shop/cart", "pushed_at": 1795442520})
}

#[test]
fn a_push_is_one_event_a_commit_and_merges_are_marked() {
    let push = json!({"ref": "refs/heads/main", "repository": repository(), "pusher": {"name": "ann"}, "commits": [
        {"id": "aaa111", "message": "Lower the pool\n\nlong text", "timestamp": "2026-11-23T14:00:00+01:00",
         "author": {"name": "Ann", "username": "ann"}, "added": ["a.go"], "removed": [], "modified": ["pool.go"]},
        {"id": "bbb222", "message": "Merge pull request #7 from shop/fix", "timestamp": "2026-11-23T14:01:00Z", "author": {"name": "Bob"}},
        {"message": "no id"}]});
    let batch = decode_json(Source::Git, &push);
    assert_eq!(batch.events.len(), 2);
    let first = &batch.events[0];
    assert_eq!((first.event_type.as_str(), first.title.as_str(), first.source), ("commit", "Lower the pool", Source::Git));
    assert_eq!((first.service.as_deref(), first.environment.as_deref()), (Some("cart"), None));
    assert_eq!(first.timestamp, Timestamp::parse("2026-11-23T13:00:00Z").unwrap());
    assert_eq!(first.data["files"], json!(["a.go", "pool.go"]));
    assert_eq!((&first.data["merge"], &batch.events[1].data["merge"]), (&json!(false), &json!(true)));
    assert_eq!(first.id, Event::id_of_source(Source::Git, "commit", first.source_id.as_deref().unwrap()));
    assert_eq!((batch.rejections[0].items.as_slice(), batch.counts[0].items_rejected), ([2].as_slice(), 1));
    assert_eq!(batch.newest, [None]);
}

#[test]
fn a_forced_push_without_commits_is_still_seen() {
    let push = json!({"ref": "refs/heads/main", "before": "b", "after": "a", "forced": true, "commits": [], "repository": repository()});
    let event = &events(Source::Git, &push)[0];
    assert_eq!((event.event_type.as_str(), event.title.as_str()), ("push", "Forced main of shop/cart"));
}

#[test]
fn a_deployment_and_its_statuses_are_steps_of_one_life() {
    let deployment = json!({"id": 7, "sha": "aaa111bbb222ccc", "environment": "production", "creator": {"login": "ann"}, "description": "pool",
        "created_at": "2026-11-23T14:00:00Z", "payload": "{\"diff\": \"-max: 40\\n+max: 8\", \"ticket\": 9}"});
    let created = json!({"action": "created", "deployment": deployment, "repository": repository()});
    let status = json!({"deployment": deployment, "repository": repository(),
        "deployment_status": {"id": 70, "state": "failure", "created_at": "2026-11-23T14:03:00Z"}});
    let (created, failed) = (events(Source::Ci, &created).remove(0), events(Source::Ci, &status).remove(0));
    assert_eq!((created.event_type.as_str(), created.environment.as_deref()), ("deployment", Some("production")));
    assert_eq!(created.source_id.as_deref(), Some("shop/cart/deployment/7/created"));
    assert_eq!(failed.source_id.as_deref(), Some("shop/cart/deployment/7/status/70/failure"));
    assert_eq!((created.severity, failed.severity), (Severity::Info, Severity::High));
    assert_eq!(created.data["diff"], "-max: 40\n+max: 8");
    assert_eq!(created.data["payload"], json!({"ticket": 9}));
    assert_eq!((&created.data["sha"], &created.data["author"]), (&json!("aaa111bbb222ccc"), &json!("ann")));
    assert!(created.is_change() && created.title.contains("cart") && created.title.contains("production"), "{}", created.title);
}

#[test]
fn a_build_starts_and_ends_with_its_duration() {
    let run = |action: &str, conclusion: Value| {
        json!({"action": action, "repository": repository(), "workflow_run": {"id": 9, "run_attempt": 2, "name": "test", "head_branch": "main",
            "head_sha": "aaa", "conclusion": conclusion, "run_started_at": "2026-11-23T14:00:00Z", "updated_at": "2026-11-23T14:01:30Z"}})
    };
    let cases = [
        ("requested", Value::Null, "build_queued"),
        ("in_progress", Value::Null, "build_started"),
        ("completed", json!("success"), "build_succeeded"),
        ("completed", json!("timed_out"), "build_failed"),
        ("completed", json!("cancelled"), "build_cancelled"),
    ];
    for (action, conclusion, event_type) in cases {
        let event = &events(Source::Ci, &run(action, conclusion))[0];
        assert_eq!(event.event_type, event_type);
        assert_eq!(event.source_id.as_deref(), Some(format!("shop/cart/run/9/attempt/2/{action}").as_str()));
        if action == "completed" {
            assert_eq!(event.data["duration_s"], json!(90.0));
        }
    }
}

#[test]
fn our_own_event_keeps_what_ranking_reads() {
    let event = &events(
        Source::Manual,
        &json!({"type": "config_change", "title": "pool.max 40 → 8", "timestamp": "2026-11-23T14:02:10Z",
        "service": "cart", "environment": "production", "tags": ["pool", ""], "source_id": "change/17", "colour": "blue",
        "sha": "abc", "data": {"patch": "-40\n+8", "author": "ann", "files": ["pool.yaml"], "risk": 2}}),
    )[0];
    assert_eq!((event.event_type.as_str(), event.severity, event.source), ("config_change", Severity::Info, Source::Manual));
    assert_eq!(event.data, json!({"sha": "abc", "author": "ann", "diff": "-40\n+8", "files": ["pool.yaml"], "files_total": 1, "risk": 2}));
    assert_eq!(event.tags.iter().collect::<Vec<_>>(), ["pool"]);
    assert_eq!(event.id, Event::id_of_source(Source::Manual, "config_change", "change/17"));
    let provenance = event.provenance.as_ref().unwrap();
    assert_eq!((provenance.connector.as_str(), provenance.position.offset, provenance.format.as_str()), ("test", 0, "manual"));
}

#[test]
fn our_own_event_needs_only_a_title() {
    let event = &events(Source::Manual, &json!({"title": "paged"}))[0];
    assert_eq!((event.event_type.as_str(), event.timestamp, event.source_id.as_deref()), ("note", KAFKA_TIME, None));
    assert_eq!(event.id, event.provenance.as_ref().unwrap().position.item_id(0));
    assert_eq!(events(Source::Manual, &json!({"type": "alert", "title": "p99"}))[0].severity, Severity::High);
    for (body, word) in [
        (json!({}), "title"),
        (json!({"title": "x", "severity": "purple"}), "purple"),
        (json!({"title": "x", "timestamp": "?"}), "timestamp"),
    ] {
        let batch = decode_json(Source::Manual, &body);
        assert!(only_reason(&batch).1.contains(word), "{:?}", batch.rejections);
    }
    let batch = decode_json(Source::Manual, &json!([{"title": "a"}, 5, {"title": "c"}]));
    assert_eq!((batch.events.len(), batch.rejections[0].items.as_slice()), (2, [1].as_slice()));
}

#[test]
fn data_stays_within_its_limit_whatever_is_sent() {
    let long = "ü\n\"".repeat(40_000);
    let files: Vec<String> = (0..5_000).map(|n| format!("{n}/{}", "f".repeat(300))).collect();
    let body = json!({"title": long, "message": long, "description": long, "author": long, "data": {"diff": long, "files": files, "x": long, "y": [long]},
        "metadata": {"a": long}, "tags": (0..500).map(|n| format!("{n}{}", &long[..400])).collect::<Vec<_>>()});
    let event = &events(Source::Manual, &body)[0];
    assert!(event.data.to_string().len() <= 64 * 1024, "{}", event.data.to_string().len());
    assert!(event.metadata.to_string().len() <= 16 * 1024);
    assert!(event.title.chars().count() <= 300 && event.tags.len() <= 50);
    assert!(event.data["diff"].as_str().unwrap().len() > 10_000);
}
