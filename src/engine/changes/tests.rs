//! Stories of changes, from the events that producers send of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};

use super::{change_with, changes};
use crate::model::change::{Change, LifeStepKind as Kind};
use crate::model::{Event, Severity, Source, Timestamp};

const HEAD: &str = "9c41e07b44aa00000000000000000000000000aa";
const MERGE: &str = "51b0c1d2e3f400000000000000000000000000bb";
const OLD: &str = "0d0e0f10111200000000000000000000000000cc";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(1_763_388_000 + 60 * minute)
}

fn event(id: &str, minute: i64, event_type: &str, service: &str, data: Value) -> Event {
    let mut event = Event::new(id.to_owned(), at(minute), Source::Ci, event_type, Severity::Info, &format!("{event_type} {id}"));
    event.service = Some(service.to_owned());
    event.environment = data.get("environment").and_then(Value::as_str).map(str::to_owned);
    event.data = data;
    event
}

fn commit(id: &str, minute: i64, sha: &str) -> Event {
    event(
        id,
        minute,
        "commit",
        "cart",
        json!({"sha": sha, "repository": "shop/cart", "branch": "main", "merge": false, "message": format!("Change {id}"), "author": "ann"}),
    )
}

fn deployment(id: &str, minute: i64, sha: &str, step: &str) -> Event {
    event(id, minute, "deployment", "cart", json!({"sha": sha, "repository": "shop/cart", "step": step, "environment": "production"}))
}

fn steps(change: &Change) -> Vec<Kind> {
    change.life.iter().map(|step| step.step).collect()
}

fn ids(change: &Change) -> Vec<&str> {
    change.event_ids.iter().map(String::as_str).collect()
}

#[test]
fn a_merged_pull_request_is_one_change_from_its_commits_to_its_deployment() {
    let branch = |id: &str, minute: i64, sha: &str| {
        event(
            id,
            minute,
            "commit",
            "cart",
            json!({"sha": sha, "repository": "shop/cart", "branch": "pool", "message": format!("Pool {id}"), "author": "ann"}),
        )
    };
    let events = [
        branch("c1", 0, OLD),
        branch("c2", 1, HEAD),
        event(
            "p1",
            2,
            "pull_request_opened",
            "cart",
            json!({"sha": HEAD, "head_sha": HEAD, "repository": "shop/cart", "branch": "pool", "target_branch": "main", "pull_request": "12", "message": "Smaller pool"}),
        ),
        event(
            "p2",
            5,
            "pull_request_merged",
            "cart",
            json!({"sha": MERGE, "head_sha": HEAD, "repository": "shop/cart", "branch": "pool", "target_branch": "main", "pull_request": "12", "message": "Smaller pool", "author": "ann"}),
        ),
        event(
            "m",
            5,
            "commit",
            "cart",
            json!({"sha": MERGE, "repository": "shop/cart", "branch": "main", "merge": true, "message": "Merge pull request #12 from shop/pool"}),
        ),
        event("b", 8, "build_succeeded", "cart", json!({"sha": MERGE, "run_id": "77", "repository": "shop/cart", "branch": "main"})),
        event(
            "a",
            9,
            "artifact_published",
            "cart",
            json!({"run_id": "77", "repository": "shop/cart", "artifact": "ghcr.io/shop/cart:1.4.2"}),
        ),
        event(
            "d1",
            11,
            "deployment",
            "cart",
            json!({"image": "ghcr.io/shop/cart:1.4.2", "environment": "production", "step": "in_progress"}),
        ),
        event("d2", 12, "deployment", "cart", json!({"image": "ghcr.io/shop/cart:1.4.2", "environment": "production", "step": "success"})),
    ];
    let found = changes(&events);
    assert_eq!(found.len(), 1, "{found:#?}");
    let change = &found[0];
    assert_eq!(steps(change), [Kind::Committed, Kind::Proposed, Kind::Merged, Kind::Built, Kind::Published, Kind::Deployed]);
    assert_eq!((change.title.as_str(), change.pull_request.as_deref(), change.state), ("Smaller pool", Some("12"), Kind::Deployed));
    assert_eq!(change.commits, [OLD, HEAD]);
    assert_eq!(change.merge_commit.as_deref(), Some(MERGE));
    assert_eq!(change.author.as_deref(), Some("ann"));
    assert!(change.event_ids.len() == 9 && change_with(&events, "b").as_ref() == Some(change));
}

#[test]
fn a_squashed_pull_request_has_one_commit_and_no_merge_commit() {
    let events = [
        event(
            "p",
            5,
            "pull_request_merged",
            "cart",
            json!({"sha": MERGE, "head_sha": HEAD, "repository": "shop/cart", "branch": "pool", "target_branch": "main", "pull_request": "12", "message": "Smaller pool"}),
        ),
        event(
            "c",
            5,
            "commit",
            "cart",
            json!({"sha": MERGE, "repository": "shop/cart", "branch": "main", "merge": false, "message": "Smaller pool (#12)"}),
        ),
        deployment("d", 9, &MERGE[..8], "success"),
    ];
    let found = changes(&events);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].commits.as_slice(), found[0].merge_commit.as_deref()), (&[MERGE.to_owned()][..], None));
}

#[test]
fn two_services_of_one_version_are_two_changes() {
    let deployed = |id: &str, service: &str| event(id, 3, "deployment", service, json!({"version": "1.0.0", "environment": "production"}));
    let built = |id: &str, service: &str| event(id, 1, "artifact_published", service, json!({"version": "v1.0.0"}));
    let found = changes(&[built("b1", "cart"), built("b2", "payment"), deployed("d1", "cart"), deployed("d2", "payment")]);
    assert_eq!(found.iter().map(ids).collect::<Vec<_>>(), [["b1", "d1"], ["b2", "d2"]]);
}

#[test]
fn a_tag_of_a_repository_stands_for_all_its_services() {
    let tag = event("t", 1, "release", "shop", json!({"version": "v2.0.0", "repository": "shop/mono", "sha": HEAD}));
    let deployed = |id: &str, service: &str| event(id, 3, "deployment", service, json!({"version": "2.0.0", "repository": "shop/mono"}));
    let found = changes(&[tag, deployed("d1", "cart"), deployed("d2", "payment")]);
    assert_eq!(found.iter().map(ids).collect::<Vec<_>>(), [["t", "d1", "d2"]]);
}

#[test]
fn a_version_built_twice_belongs_to_the_build_before_it() {
    let build = |id: &str, minute: i64, sha: &str| event(id, minute, "build_succeeded", "cart", json!({"sha": sha, "version": "1.0-rc1"}));
    let deployed = event("d", 6, "deployment", "cart", json!({"version": "1.0-rc1", "environment": "production"}));
    let found = changes(&[build("b1", 1, OLD), build("b2", 5, HEAD), deployed]);
    assert_eq!(found.iter().map(ids).collect::<Vec<_>>(), [vec!["b1"], vec!["b2", "d"]]);
}

#[test]
fn a_gitops_sync_carries_the_change_whose_image_it_brings_first() {
    let sync = |id: &str, minute: i64, sha: &str| {
        let data = json!({"sha": sha, "repository": "shop/deploy", "image": "ghcr.io/shop/cart:9c41e07", "phase": "Succeeded", "environment": "production"});
        event(id, minute, "deployment", "cart", data)
    };
    let events = [commit("c", 0, HEAD), sync("d1", 5, MERGE), sync("d2", 9, OLD)];
    let found = changes(&events);
    assert_eq!(found.iter().map(ids).collect::<Vec<_>>(), [vec!["c", "d1"], vec!["d2"]]);
}

#[test]
fn an_older_commit_deployed_again_rolls_the_newer_one_back() {
    let events = [
        commit("c1", 0, OLD),
        deployment("d1", 1, OLD, "success"),
        commit("c2", 2, HEAD),
        deployment("d2", 3, HEAD, "success"),
        deployment("d3", 9, OLD, "success"),
    ];
    let found = changes(&events);
    assert_eq!(steps(&found[0]), [Kind::Committed, Kind::Deployed]);
    assert_eq!(steps(&found[1]), [Kind::Committed, Kind::Deployed, Kind::RolledBack]);
    let last = found[1].life.last().unwrap();
    assert_eq!((last.at, last.event_id.as_str(), last.environment.as_deref()), (at(9), "d3", Some("production")));
    assert_eq!(found[1].state, Kind::RolledBack);
}

#[test]
fn an_older_commit_never_seen_deployed_rolls_back_too() {
    let found =
        changes(&[commit("c1", 0, OLD), commit("c2", 2, HEAD), deployment("d2", 3, HEAD, "success"), deployment("d3", 9, OLD, "success")]);
    assert_eq!(steps(&found[1]), [Kind::Committed, Kind::Deployed, Kind::RolledBack]);
}

#[test]
fn a_rollback_that_is_told_takes_back_what_runs() {
    let told = event("r", 9, "rollback", "cart", json!({"environment": "production"}));
    let found = changes(&[deployment("d1", 1, OLD, "success"), deployment("d2", 3, HEAD, "success"), told]);
    assert_eq!(steps(&found[1]), [Kind::Deployed, Kind::RolledBack]);
    assert_eq!(steps(&found[0]), [Kind::Deployed]);
}

#[test]
fn a_deployment_that_failed_says_so_and_one_under_way_too() {
    let found =
        changes(&[deployment("d1", 1, OLD, "in_progress"), deployment("d2", 3, OLD, "failure"), deployment("d3", 4, HEAD, "queued")]);
    assert_eq!(found.iter().map(steps).collect::<Vec<_>>(), [[Kind::DeploymentFailed], [Kind::Deploying]]);
}

#[test]
fn commits_that_a_push_brings_with_their_merge_are_deployed_with_it() {
    let pushed = |id: &str, sha: &str, is_merge: bool, message: &str| {
        event(
            id,
            1,
            "commit",
            "cart",
            json!({"sha": sha, "tip_sha": MERGE, "repository": "shop/cart", "branch": "main", "merge": is_merge, "message": message}),
        )
    };
    let events = [
        pushed("c1", OLD, false, "First"),
        pushed("c2", HEAD, false, "Second"),
        pushed("m", MERGE, true, "Merge branch 'pool'"),
        deployment("d", 4, MERGE, "success"),
    ];
    let found = changes(&events);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].title, "Second");
    assert_eq!(steps(&found[0]), [Kind::Committed, Kind::Merged, Kind::Deployed]);
}

#[test]
fn a_merge_alone_is_no_change_but_its_deployment_is() {
    let merge =
        event("m", 1, "commit", "cart", json!({"sha": MERGE, "repository": "shop/cart", "merge": true, "message": "Merge branch 'x'"}));
    assert_eq!(changes(std::slice::from_ref(&merge)), []);
    let mut live = deployment("d", 4, MERGE, "success");
    live.data["message"] = json!("Merge branch 'x'");
    let found = changes(&[merge, live]);
    assert_eq!((found.len(), found[0].id.as_str(), found[0].title.as_str()), (1, "d", "deployment d"));
}

#[test]
fn the_order_in_which_events_come_does_not_matter() {
    let mut events =
        vec![commit("c1", 0, OLD), deployment("d1", 1, OLD, "success"), commit("c2", 2, HEAD), deployment("d2", 3, &HEAD[..9], "success")];
    let found = changes(&events);
    events.reverse();
    assert_eq!(changes(&events), found);
    events.swap(0, 2);
    assert_eq!(changes(&events), found);
}

#[test]
fn every_event_of_a_life_is_read_as_a_step() {
    for event_type in crate::model::change::LIFE_EVENTS {
        let found = changes(&[event("e", 1, event_type, "cart", Value::Null)]);
        let told = event_type == "rollback";
        assert_eq!(found.len(), usize::from(!told), "{event_type}");
        assert!(
            super::Facts::of_event(&event("e", 1, event_type, "cart", Value::Null)).is_some_and(|facts| facts.step.is_some()),
            "{event_type}"
        );
    }
}
