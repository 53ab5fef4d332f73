//! Which change is suspected, told by its whole life.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::candidates::Candidates;
use super::changes::{Change, ChangeContext, rank_changes};
use super::evidence::Wording;
use super::graph::CallGraph;
use super::outside::Outside;
use super::sentences::change_suspects;
use crate::model::change::LifeStepKind as Kind;
use crate::model::suspect::{Suspect, SuspectKind};
use crate::model::{Event, Severity, Source, Timestamp};

const OWN: &str = "9c41e07b44aa00000000000000000000000000aa";
const MERGE: &str = "51b0c1d2e3f400000000000000000000000000bb";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(1_763_388_000 + 60 * minute)
}

fn change(id: &str, minute: i64, event_type: &str, service: &str, data: Value) -> Change {
    let mut event = Event::new(id.to_owned(), at(minute), Source::Ci, event_type, Severity::Info, &format!("{event_type} {id}"));
    event.service = Some(service.to_owned());
    event.data = data;
    Change::of_event(&event).expect("an event of a change")
}

/// Suspected changes when `hot` shows symptoms from minute 10 on.
fn suspects(changes: &[Change], hot: &[&str]) -> Vec<Suspect> {
    let hot: Vec<String> = hot.iter().map(|service| (*service).to_owned()).collect();
    let (graph, wording, outside, drifts) = (CallGraph::default(), Wording::of(std::iter::empty()), Outside::default(), BTreeMap::new());
    let context =
        ChangeContext { without: None, onset: at(10), drifts: &drifts, hot: &hot, graph: &graph, wording: &wording, outside: &outside };
    let changes: Vec<&Change> = changes.iter().collect();
    let candidates = Candidates::of(&changes);
    let ranked = rank_changes(&candidates, &context);
    change_suspects(&ranked, &candidates, &context).into_iter().filter(|suspect| suspect.kind == SuspectKind::Change).collect()
}

#[test]
fn two_services_deployed_with_the_same_version_are_two_suspects() {
    let deployed = |id: &str, service: &str| change(id, 5, "deployment", service, json!({"version": "1.0.0"}));
    let found = suspects(&[deployed("d1", "cart"), deployed("d2", "payment")], &["payment"]);
    let ids: Vec<_> = found.iter().map(|suspect| suspect.event_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["d2", "d1"], "{found:#?}");
    assert!(found[0].score > found[1].score, "the one of the service with the symptoms comes first");
}

#[test]
fn the_deployment_of_a_merge_commit_is_suspected_under_the_commit_that_it_brought() {
    let changes = [
        change("c", 1, "commit", "cart", json!({"sha": OWN, "repository": "shop/cart", "branch": "pool", "files": ["src/pool.rs"]})),
        change(
            "p",
            3,
            "pull_request_merged",
            "cart",
            json!({"sha": MERGE, "head_sha": OWN, "repository": "shop/cart", "branch": "pool", "pull_request": "7", "message": "Smaller pool"}),
        ),
        change(
            "m",
            3,
            "commit",
            "cart",
            json!({"sha": MERGE, "repository": "shop/cart", "merge": true, "message": "Merge pull request #7 from pool"}),
        ),
        change("b", 4, "build_succeeded", "cart", json!({"sha": MERGE, "repository": "shop/cart"})),
        change("d", 8, "deployment", "cart", json!({"sha": MERGE, "step": "success"})),
    ];
    let found = suspects(&changes, &["cart"]);
    assert_eq!(found.len(), 1, "{found:#?}");
    let suspect = &found[0];
    assert_eq!((suspect.event_id.as_deref(), suspect.entity.as_str(), suspect.at), (Some("d"), "9c41e07b of cart", Some(at(8))));
    let life: Vec<Kind> = suspect.life.iter().map(|step| step.step).collect();
    assert_eq!(life, [Kind::Committed, Kind::Merged, Kind::Built, Kind::Deployed]);
}

#[test]
fn a_merge_commit_is_no_suspect_but_what_was_deployed_of_it_is() {
    let merge = || change("m", 3, "commit", "cart", json!({"sha": MERGE, "merge": true, "message": "Merge branch 'pool'"}));
    assert_eq!(suspects(&[merge()], &["cart"]).len(), 0);
    let found = suspects(&[merge(), change("d", 8, "deployment", "cart", json!({"sha": MERGE}))], &["cart"]);
    assert_eq!(found.iter().map(|suspect| suspect.event_id.as_deref()).collect::<Vec<_>>(), [Some("d")]);
}

#[test]
fn a_build_alone_is_no_suspect() {
    assert_eq!(suspects(&[change("b", 4, "build_failed", "cart", json!({"sha": OWN}))], &["cart"]), []);
}

#[test]
fn what_a_rule_says_goes_before_what_folders_are_called() {
    let data = |services: Value| json!({"sha": OWN, "repository": "shop/mono", "services": services, "files": ["services/cart/pool.rs"]});
    let ruled = suspects(&[change("c", 5, "commit", "mono", data(json!(["basket"])))], &["basket"]);
    assert!(ruled[0].evidence.iter().any(|evidence| evidence.sentence == "it belongs to basket, which shows the symptoms"), "{ruled:#?}");
    let folder = suspects(&[change("c", 5, "commit", "mono", data(json!(["basket"])))], &["cart"]);
    assert!(folder[0].counter_evidence.iter().any(|evidence| evidence.sentence.starts_with("none of the services")), "{folder:#?}");
    let guessed = suspects(&[change("c", 5, "commit", "mono", data(json!([])))], &["cart"]);
    assert!(guessed[0].evidence.iter().any(|evidence| evidence.sentence.contains("belongs to cart")), "{guessed:#?}");
}
