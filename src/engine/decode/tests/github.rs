//! GitHub's webhooks beside pushes and deployments: pull requests, jobs, checks, releases, tags.

use serde_json::{Value, json};

use super::*;
use crate::model::Severity;

fn with(extra: Value) -> Value {
    let mut body =
        json!({"repository": {"name": "cart", "full_name": "shop/cart", "pushed_at": "2026-11-23T14:00:00Z"}, "sender": {"login": "ann"}});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

fn pull(action: &str, merged_at: Value) -> Value {
    with(json!({"action": action, "number": 7, "pull_request": {
        "number": 7, "title": "Lower the pool", "body": "It was too large.", "user": {"login": "bob"}, "merged": !merged_at.is_null(),
        "merged_at": merged_at, "closed_at": "2026-11-23T14:05:01Z", "created_at": "2026-11-23T13:00:00Z", "updated_at": "2026-11-23T14:05:02Z",
        "merge_commit_sha": "c0ffee".repeat(6), "html_url": "https://github.com/shop/cart/pull/7", "changed_files": 2,
        "head": {"ref": "pool", "sha": "aaa111"}, "base": {"ref": "main", "sha": "bbb222"}}}))
}

#[test]
fn a_merged_pull_request_is_a_change_that_its_deployment_can_be_tied_to() {
    let merged = event(Source::Git, &pull("closed", json!("2026-11-23T14:05:00Z")));
    assert_eq!((merged.event_type.as_str(), merged.source, merged.service.as_deref()), ("pull_request_merged", Source::Git, Some("cart")));
    assert_eq!(merged.title, "Pull request #7 of cart merged: Lower the pool");
    assert_eq!(merged.timestamp, time("2026-11-23T14:05:00Z"));
    assert_eq!(merged.source_id.as_deref(), Some("shop/cart/pull/7/merged"));
    assert!(merged.is_change());
    for (key, value) in
        [("sha", "c0ffee".repeat(6)), ("head_sha", "aaa111".into()), ("branch", "pool".into()), ("target_branch", "main".into())]
    {
        assert_eq!(merged.data[key], json!(value), "{key}");
    }
    assert_eq!(
        (&merged.data["author"], &merged.data["pull_request"], &merged.data["repository"]),
        (&json!("bob"), &json!("7"), &json!("shop/cart"))
    );
    let closed = event(Source::Git, &pull("closed", Value::Null));
    assert_eq!((closed.event_type.as_str(), closed.is_change(), &closed.data["sha"]), ("pull_request_closed", false, &json!("aaa111")));
}

#[test]
fn two_labels_put_on_at_once_are_two_steps() {
    let labelled = |name: &str| {
        let mut body = pull("labeled", Value::Null);
        body["label"] = json!({ "name": name });
        event(Source::Git, &body)
    };
    let (bug, again, urgent) = (labelled("bug"), labelled("bug"), labelled("urgent"));
    assert_eq!(bug.event_type, "pull_request_labeled");
    assert_eq!(bug.id, again.id);
    assert_ne!(bug.id, urgent.id);
}

#[test]
fn a_review_of_a_pull_request_is_not_read_as_one() {
    let mut body = pull("submitted", Value::Null);
    body["review"] = json!({"state": "approved"});
    let batch = decode_json(Source::Git, &body);
    assert_eq!(only_reason(&batch).0, RejectionClass::UnknownFormat);
}

#[test]
fn a_ping_is_refused_by_name() {
    let batch = decode_json(Source::Git, &with(json!({"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {}})));
    assert_eq!(only_reason(&batch), (RejectionClass::NoItems, "GitHub's ping carries no event"));
}

#[test]
fn a_failed_job_names_its_failed_steps() {
    let job = with(json!({"action": "completed", "deployment": {"id": 3}, "workflow_job": {
        "id": 9_007_199_254_740_993_u64, "run_id": 5, "run_attempt": 2, "workflow_name": "ci", "name": "test", "head_sha": "aaa", "head_branch": "main",
        "conclusion": "failure", "started_at": "2026-11-23T14:00:00Z", "completed_at": "2026-11-23T14:02:00Z", "runner_name": "runner-1",
        "steps": [{"name": "build", "conclusion": "success"}, {"name": "go test", "conclusion": "failure"}]}}));
    let event = event(Source::Ci, &job);
    assert_eq!((event.event_type.as_str(), event.severity, event.host.as_deref()), ("job_failed", Severity::Medium, Some("runner-1")));
    assert_eq!(event.title, "Job test of cart on main: failed");
    assert_eq!(event.source_id.as_deref(), Some("shop/cart/job/9007199254740993/attempt/2/completed"));
    assert_eq!((&event.data["failed_steps"], &event.data["duration_s"]), (&json!(["go test"]), &json!(120.0)));
    assert_eq!((&event.data["run_id"], &event.data["sha"], &event.data["branch"]), (&json!("5"), &json!("aaa"), &json!("main")));
}

#[test]
fn checks_and_statuses_speak_of_their_commit() {
    let run = with(json!({"action": "completed", "check_run": {"id": 1, "name": "lint", "head_sha": "aaa", "conclusion": "timed_out",
        "completed_at": "2026-11-23T14:02:00Z", "check_suite": {"id": 2, "head_branch": "main", "before": "bbb"}, "app": {"name": "Linter"},
        "output": {"title": "3 problems"}, "pull_requests": [{"number": 7}]}}));
    let run = event(Source::Ci, &run);
    assert_eq!(
        (run.event_type.as_str(), run.severity, run.title.as_str()),
        ("check_failed", Severity::Medium, "Check lint of cart: failed")
    );
    assert_eq!(
        (&run.data["pull_request"], &run.data["before_sha"], &run.data["message"]),
        (&json!("7"), &json!("bbb"), &json!("3 problems"))
    );
    let suite = |updated: &str| {
        event(
            Source::Ci,
            &with(json!({"action": "completed", "check_suite": {"id": 2, "head_sha": "aaa", "head_branch": "main",
            "conclusion": "success", "updated_at": updated, "created_at": "2026-11-23T14:00:00Z", "app": {"name": "CI"}}})),
        )
    };
    let (first, again) = (suite("2026-11-23T14:02:00Z"), suite("2026-11-23T15:02:00Z"));
    assert_eq!((first.event_type.as_str(), first.title.as_str()), ("check_suite_succeeded", "Checks of cart on main by CI: succeeded"));
    assert_ne!(first.id, again.id, "a suite that is run again completes again");
    let status = with(
        json!({"id": 4, "sha": "aaa", "state": "failure", "context": "ci/build", "description": "exit 1", "target_url": null,
        "created_at": "2026-11-23T14:02:00+00:00", "branches": [{"name": "main"}], "commit": {"commit": {"message": "m", "author": {"name": "Bob"}}}}),
    );
    let status = event(Source::Ci, &status);
    assert_eq!((status.event_type.as_str(), status.title.as_str()), ("status_failed", "Status ci/build of cart aaa: failed (exit 1)"));
    assert_eq!((&status.data["branch"], &status.data["author"]), (&json!("main"), &json!("Bob")));
}

#[test]
fn of_the_actions_of_one_publication_only_one_is_the_release() {
    let release = |action: &str| {
        event(
            Source::Git,
            &with(json!({"action": action, "release": {"id": 3, "tag_name": "v1.4.2", "name": "", "target_commitish": "main",
            "author": {"login": "ann"}, "created_at": "2026-11-23T14:00:00Z", "published_at": "2026-11-23T14:01:00Z", "body": "Smaller pool"}})),
        )
    };
    let published = release("published");
    assert_eq!((published.event_type.as_str(), published.title.as_str()), ("release", "Release v1.4.2 of cart: published"));
    assert_eq!(
        (&published.data["version"], &published.data["ref"], &published.data["branch"]),
        (&json!("v1.4.2"), &json!("refs/tags/v1.4.2"), &json!("main"))
    );
    assert_eq!(published.timestamp, time("2026-11-23T14:01:00Z"));
    assert!(published.is_change());
    for action in ["created", "released", "deleted", "edited"] {
        let event = release(action);
        assert_eq!((event.event_type.as_str(), event.is_change()), (format!("release_{action}").as_str(), false));
    }
    assert_eq!(release("deleted").timestamp, KAFKA_TIME, "when it was published is not when it was deleted");
}

#[test]
fn a_tag_that_appears_or_goes_is_no_change_of_what_runs() {
    let created = event(Source::Git, &with(json!({"ref": "v1.4.2", "ref_type": "tag", "master_branch": "main", "pusher_type": "user"})));
    assert_eq!((created.event_type.as_str(), created.title.as_str()), ("tag_created", "Created tag v1.4.2 of shop/cart"));
    assert_eq!((created.timestamp, &created.data["version"]), (time("2026-11-23T14:00:00Z"), &json!("v1.4.2")));
    let zeros = "0".repeat(40);
    let gone =
        with(json!({"ref": "refs/tags/v1", "before": "aaa", "after": zeros, "deleted": true, "commits": [], "pusher": {"name": "ann"}}));
    let gone = event(Source::Git, &gone);
    assert_eq!((gone.event_type.as_str(), gone.is_change()), ("tag_deleted", false));
    assert_eq!((gone.data.get("sha"), &gone.data["before_sha"]), (None, &json!("aaa")));
}

#[test]
fn what_a_newer_deployment_replaced_is_not_deployed_again() {
    let status = |state: &str| {
        with(json!({"deployment": {"id": 7, "sha": "aaa", "environment": "production", "payload": {"image": "ghcr.io/shop/cart:1.4"}},
            "workflow_run": {"id": 12}, "check_run": {"id": 13},
            "deployment_status": {"id": 70, "state": state, "created_at": "2026-11-23T14:03:00Z"}}))
    };
    let (live, replaced) = (event(Source::Ci, &status("success")), event(Source::Ci, &status("inactive")));
    assert_eq!((live.event_type.as_str(), live.environment.as_deref()), ("deployment", Some("production")));
    assert_eq!(
        (&live.data["image"], &live.data["run_id"], &live.data["environment"]),
        (&json!("ghcr.io/shop/cart:1.4"), &json!("12"), &json!("production"))
    );
    assert_eq!((replaced.event_type.as_str(), replaced.is_change()), ("deployment_inactive", false));
}

#[test]
fn a_missing_part_is_named() {
    for (body, field) in [
        (with(json!({"action": "opened", "pull_request": {"title": "x"}})), "pull_request.number"),
        (with(json!({"action": "completed", "check_run": {"name": "lint"}})), "check_run.id"),
        (with(json!({"action": "published", "release": {"tag_name": "v1"}})), "release.id"),
        (with(json!({"action": "queued", "workflow_job": {"id": 1, "created_at": "soon"}})), "created_at"),
    ] {
        let batch = decode_json(Source::Ci, &body);
        let (class, reason) = only_reason(&batch);
        assert!(class == RejectionClass::InvalidField && reason.contains(field), "{reason}");
    }
}
