//! GitLab's webhooks, as its documentation describes them.

use serde_json::{Value, json};

use super::*;
use crate::model::Severity;

const SHA: &str = "279484c09fbe69ededfced8c1bb6e6d24616b468";

fn project() -> Value {
    json!({"id": 30, "name": "Cart", "path_with_namespace": "shop/cart", "web_url": "https://gitlab.example.com/shop/cart"})
}

#[test]
fn a_push_is_one_event_a_commit() {
    let push = json!({"object_kind": "push", "before": "a".repeat(40), "after": SHA, "ref": "refs/heads/main", "user_username": "ann",
        "project": project(), "total_commits_count": 40, "commits": [
            {"id": SHA, "message": "Lower the pool\n\nIt was too large.", "timestamp": "2026-11-23T15:00:00+01:00",
             "author": {"name": "Ann"}, "added": [], "modified": ["pool.go"], "removed": []},
            {"id": "b".repeat(40), "message": "Merge branch 'pool' into 'main'", "timestamp": "2026-11-23T15:01:00+01:00", "author": {"name": "Ann"}},
            {"message": "no id"}]});
    let batch = decode_json(Source::Git, &push);
    assert_eq!((batch.events.len(), batch.rejections[0].items.as_slice()), (2, [2].as_slice()));
    let first = &batch.events[0];
    assert_eq!((first.event_type.as_str(), first.title.as_str(), first.service.as_deref()), ("commit", "Lower the pool", Some("cart")));
    assert_eq!(first.timestamp, time("2026-11-23T14:00:00Z"));
    assert_eq!((&first.data["branch"], &first.data["repository"], &first.data["sha"]), (&json!("main"), &json!("shop/cart"), &json!(SHA)));
    assert_eq!((&first.data["merge"], &batch.events[1].data["merge"]), (&json!(false), &json!(true)));
    assert_eq!((&first.data["files"], &first.data["commits_of_push"]), (&json!(["pool.go"]), &json!(40)));
}

#[test]
fn branches_and_tags_appear_and_go() {
    let zeros = "0".repeat(40);
    for (kind, git_ref, before, after, event_type) in [
        ("push", "refs/heads/pool", SHA, zeros.as_str(), "branch_deleted"),
        ("push", "refs/heads/pool", zeros.as_str(), SHA, "branch_created"),
        ("push", "refs/heads/pool", "aaa", "bbb", "push"),
        ("tag_push", "refs/tags/v1", zeros.as_str(), SHA, "tag_created"),
        ("tag_push", "refs/tags/v1", SHA, zeros.as_str(), "tag_deleted"),
    ] {
        let body = json!({"object_kind": kind, "ref": git_ref, "before": before, "after": after, "project": project(), "commits": [], "user_name": "Ann"});
        let event = event(Source::Git, &body);
        assert_eq!((event.event_type.as_str(), event.timestamp, event.service.as_deref()), (event_type, KAFKA_TIME, Some("cart")));
    }
}

#[test]
fn a_merge_request_is_a_pull_request() {
    let request = |action: &str| {
        event(
            Source::Git,
            &json!({"object_kind": "merge_request", "user": {"username": "ann"}, "project": project(), "object_attributes": {
            "iid": 7, "title": "Lower the pool", "source_branch": "pool", "target_branch": "main", "action": action, "state": "opened",
            "created_at": "2026-11-23 13:00:00 UTC", "updated_at": "2026-11-23 14:00:00 UTC", "merge_commit_sha": SHA,
            "url": "https://gitlab.example.com/shop/cart/-/merge_requests/7", "last_commit": {"id": "aaa", "author": {"name": "Bob"}}}}),
        )
    };
    let merged = request("merge");
    assert_eq!(
        (merged.event_type.as_str(), merged.title.as_str()),
        ("pull_request_merged", "Merge request !7 of cart merged: Lower the pool")
    );
    assert_eq!(
        (merged.timestamp, &merged.data["sha"], &merged.data["head_sha"]),
        (time("2026-11-23T14:00:00Z"), &json!(SHA), &json!("aaa"))
    );
    assert_eq!(
        (&merged.data["author"], &merged.data["pull_request"], &merged.data["branch"]),
        (&json!("Bob"), &json!("7"), &json!("pool"))
    );
    assert_eq!(merged.source_id.as_deref(), Some("shop/cart/merge_request/7/merged"));
    let opened = request("open");
    assert_eq!((opened.event_type.as_str(), opened.timestamp), ("pull_request_opened", time("2026-11-23T13:00:00Z")));
    assert_eq!(request("approved").event_type, "pull_request_approved");
}

#[test]
fn a_pipeline_is_a_build_that_names_its_failed_jobs() {
    let pipeline = |status: &str, finished: Value| {
        json!({"object_kind": "pipeline", "project": project(), "user": {"username": "ann"}, "merge_request": {"iid": 7},
            "object_attributes": {"id": 31, "ref": "main", "tag": false, "sha": SHA, "before_sha": "0".repeat(40), "source": "push",
                "status": status, "created_at": "2026-11-23 14:00:00 UTC", "finished_at": finished, "duration": 63},
            "commit": {"id": SHA, "message": "Lower the pool", "author": {"name": "Bob"}},
            "builds": [{"name": "lint", "status": "failed", "allow_failure": true, "started_at": "2026-11-23 14:00:20 UTC"},
                       {"name": "test", "status": "failed", "allow_failure": false, "started_at": "2026-11-23 14:00:10 UTC"}]})
    };
    let failed = event(Source::Ci, &pipeline("failed", json!("2026-11-23 14:01:03 UTC")));
    assert_eq!((failed.event_type.as_str(), failed.severity, failed.source), ("build_failed", Severity::Medium, Source::Ci));
    assert_eq!((failed.title.as_str(), failed.timestamp), ("Pipeline of cart on main: failed", time("2026-11-23T14:01:03Z")));
    assert_eq!((&failed.data["failed_jobs"], &failed.data["duration_s"]), (&json!(["test"]), &json!(63.0)));
    assert_eq!((&failed.data["run_id"], &failed.data["sha"], &failed.data["branch"]), (&json!("31"), &json!(SHA), &json!("main")));
    assert_eq!((&failed.data["pull_request"], failed.data.get("before_sha")), (&json!("7"), None));
    let running = event(Source::Ci, &pipeline("running", Value::Null));
    assert_eq!((running.event_type.as_str(), running.timestamp), ("build_started", time("2026-11-23T14:00:10Z")));
    assert_ne!(running.id, failed.id);
}

#[test]
fn a_job_finds_its_project_by_the_address() {
    let job = json!({"object_kind": "build", "ref": "main", "tag": false, "before_sha": "aaa", "sha": SHA, "build_id": 1977, "build_name": "test",
        "build_stage": "test", "build_status": "failed", "build_created_at": "2026-11-23 14:00:00 UTC", "build_started_at": "2026-11-23 14:00:10 UTC",
        "build_finished_at": "2026-11-23 14:01:00 UTC", "build_duration": 50.5, "build_failure_reason": "script_failure", "pipeline_id": 31,
        "project_id": 30, "project_name": "Shop / Cart", "user": {"name": "Ann"}, "commit": {"id": 31, "sha": SHA, "message": "m", "author_name": "Bob"},
        "repository": {"name": "cart", "homepage": "https://gitlab.example.com/shop/cart"}, "environment": {"name": "staging"}});
    let job = event(Source::Ci, &job);
    assert_eq!((job.event_type.as_str(), job.title.as_str()), ("job_failed", "Job test of cart on main: failed (script failure)"));
    assert_eq!((job.timestamp, job.environment.as_deref()), (time("2026-11-23T14:01:00Z"), Some("staging")));
    assert_eq!((&job.data["repository"], &job.data["run_id"], &job.data["job_id"]), (&json!("shop/cart"), &json!("31"), &json!("1977")));
    assert_eq!((&job.data["duration_s"], job.source_id.as_deref()), (&json!(50.5), Some("shop/cart/job/1977/failed")));
}

#[test]
fn a_deployment_is_known_by_the_whole_hash() {
    let deployment = |status: &str| {
        event(
            Source::Ci,
            &json!({"object_kind": "deployment", "status": status, "status_changed_at": "2026-11-23 16:00:00 +0200", "deployment_id": 15,
            "deployable_id": 796, "environment": "production", "project": project(), "short_sha": &SHA[..8], "user": {"username": "ann"},
            "commit_url": format!("https://gitlab.example.com/shop/cart/-/commit/{SHA}"), "commit_title": "Lower the pool", "ref": "main"}),
        )
    };
    let (running, failed) = (deployment("running"), deployment("failed"));
    assert_eq!(
        (failed.event_type.as_str(), failed.severity, failed.environment.as_deref()),
        ("deployment", Severity::High, Some("production"))
    );
    assert_eq!((failed.timestamp, &failed.data["sha"], &failed.data["author"]), (time("2026-11-23T14:00:00Z"), &json!(SHA), &json!("ann")));
    assert_eq!(failed.title, "Deployment of cart 279484c09fbe to production: failed");
    assert_ne!(running.id, failed.id);
}

#[test]
fn releases_and_flags_are_changes() {
    let release = event(
        Source::Git,
        &json!({"object_kind": "release", "id": 1, "tag": "v1.4.2", "name": "1.4.2", "action": "create", "project": project(),
        "created_at": "2026-11-23 14:00:00 UTC", "released_at": "2026-11-23 14:00:01 UTC", "description": "d", "commit": {"id": SHA, "author": {"name": "Ann"}}}),
    );
    assert_eq!((release.event_type.as_str(), release.title.as_str()), ("release", "Release v1.4.2 of cart: published"));
    assert_eq!((&release.data["version"], &release.data["sha"], release.is_change()), (&json!("v1.4.2"), &json!(SHA), true));
    let flag = event(
        Source::Git,
        &json!({"object_kind": "feature_flag", "project": project(), "user": {"username": "ann"},
        "object_attributes": {"id": 6, "name": "new-pool", "active": true}}),
    );
    assert_eq!((flag.event_type.as_str(), flag.title.as_str()), ("feature_flag", "Feature flag new-pool of cart turned on"));
}

#[test]
fn the_header_says_the_kind_where_the_body_does_not() {
    let header: &[(&str, Option<&[u8]>)] = &[("X-Gitlab-Event", Some(b"Release Hook"))];
    let body = json!({"id": 1, "tag": "v1", "created_at": "2026-11-23 14:00:00 UTC", "project": project()}).to_string();
    let batch = decode_value(DecodeOptions::default(), Source::Ci, Some(body.as_bytes()), header, KAFKA_TIME);
    assert_eq!((batch.events[0].event_type.as_str(), batch.record_formats[0]), ("release", "gitlab"));
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    for (body, word) in [
        (json!({"object_kind": "wiki_page", "project": project()}), "wiki_page"),
        (json!({"object_kind": "pipeline", "project": project(), "object_attributes": {"status": "running"}}), "object_attributes.id"),
        (
            json!({"object_kind": "deployment", "project": project(), "deployment_id": 1, "status": "running", "status_changed_at": "now"}),
            "status_changed_at",
        ),
        (json!({"object_kind": "push", "project_id": 3, "commits": []}), "project.path_with_namespace"),
    ] {
        let batch = decode_json(Source::Git, &body);
        assert!(only_reason(&batch).1.contains(word), "{:?}", batch.rejections);
        assert_eq!(batch.rejections[0].format, "gitlab");
    }
}
