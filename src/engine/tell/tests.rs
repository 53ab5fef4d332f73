//! What an on-call engineer is told, of revisions that the engine made.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use super::*;
use crate::engine::detect::tests::drive::Pipeline;
use crate::engine::detect::tests::traffic::{Fault, shop};
use crate::model::notification::{DeliveryResult, Outgoing};
use crate::model::suspect::Suspect;

fn telling() -> Telling {
    Telling { channels: vec!["webhook".to_owned()], page_url: "http://page".to_owned(), max_age_s: 3_600 }
}

/// Every revision of an incident.
fn revisions() -> Vec<EngineFindings> {
    static MADE: LazyLock<Vec<EngineFindings>> = LazyLock::new(|| {
        let mut pipeline = Pipeline::new(1, None);
        pipeline.run(&shop(21, 14, Fault::Failing(0.6), 600), 500, 0, 1);
        pipeline.findings
    });
    MADE.clone()
}

/// What is told of revisions, each stored as it comes.
fn tell(revisions: &[EngineFindings]) -> Vec<Notification> {
    let mut said: Vec<Notification> = Vec::new();
    for findings in revisions {
        said.extend(telling().news(said.last(), findings, findings.updated_at));
    }
    said
}

fn kinds(said: &[Notification]) -> Vec<NotificationKind> {
    said.iter().map(|notification| notification.kind).collect()
}

fn suspect(kind: SuspectKind, id: &str, entity: &str, rank: u32) -> Suspect {
    Suspect {
        id: id.to_owned(),
        rank,
        kind,
        entity: entity.to_owned(),
        service: None,
        event_id: None,
        at: None,
        author: None,
        score: 0.9,
        factors: Vec::new(),
        sentence: "it shows the strongest evidence".to_owned(),
        evidence: Vec::new(),
        counter_evidence: Vec::new(),
        diff_hint: None,
        verdict: Default::default(),
        verdict_comment: None,
        verdict_by: None,
        life: Vec::new(),
    }
}

/// A revision of the same investigation with this first service, so sure.
fn naming(service: &str, confidence: f64) -> EngineFindings {
    let mut findings = revisions().remove(0);
    findings.suspects = vec![suspect(SuspectKind::Service, &format!("service:{service}"), service, 1)];
    findings.confidence = confidence;
    findings
}

#[test]
fn an_incident_is_told_once_as_opened_and_few_times_more_however_many_revisions_it_has() {
    let revisions = revisions();
    let said = tell(&revisions);
    println!("{} revisions: {:?}", revisions.len(), said.iter().map(|told| (told.kind, &told.sentence)).collect::<Vec<_>>());
    assert!(revisions.len() > said.len() && said.len() <= 4, "{:?}", kinds(&said));
    assert_eq!(said[0].kind, NotificationKind::Opened);
    assert_eq!(said.iter().filter(|told| told.kind == NotificationKind::Opened).count(), 1);
    let last_named = said.iter().rev().find_map(|told| told.suspect.as_ref()).unwrap();
    assert_eq!(last_named.entity, "payment");
    assert_eq!(said[0].link, format!("http://page/investigations/{}", revisions[0].id));
}

#[test]
fn the_same_revision_told_again_is_the_same_notification() {
    let revisions = revisions();
    assert_eq!(tell(&revisions), tell(&revisions));
    let first = &tell(&revisions)[0];
    assert_eq!(telling().news(None, &revisions[0], revisions[0].updated_at).as_ref(), Some(first));
    assert_eq!(telling().news(Some(first), &revisions[0], revisions[0].updated_at), None, "it is told");
}

#[test]
fn a_guess_is_no_suspect_and_the_one_told_last_is_told_again_only_after_another() {
    let steps = [("a", 0.3), ("b", 0.4), ("a", 0.8), ("b", 0.4), ("a", 0.9), ("b", 0.7), ("a", 0.7)];
    let said = tell(&steps.map(|(service, confidence)| naming(service, confidence)));
    let named: Vec<_> = said.iter().map(|told| told.suspect.as_ref().map(|suspect| suspect.entity.as_str())).collect();
    assert_eq!(named, [None, Some("a"), Some("b"), Some("a")]);
    assert!(said[2].sentence.starts_with("First suspect now b (70 % sure), before a. "), "{}", said[2].sentence);
}

#[test]
fn a_change_that_outranks_nothing_we_can_see_comes_before_the_service_and_its_other_events_are_no_news() {
    let with = |suspects: &[(SuspectKind, &str, &str, u32)]| {
        let mut findings = naming("cart", 0.8);
        findings.suspects.extend(suspects.iter().map(|(kind, id, entity, rank)| suspect(*kind, id, entity, *rank)));
        findings
    };
    let none = with(&[(SuspectKind::None, "none", "nothing we can see", 1), (SuspectKind::Change, "change:1", "cart 1.2", 2)]);
    let commit = with(&[(SuspectKind::Change, "change:1", "cart 1.2", 1), (SuspectKind::None, "none", "nothing we can see", 2)]);
    let deployment = with(&[(SuspectKind::Change, "change:2", "cart 1.2", 1)]);
    let said = tell(&[none, commit, deployment]);
    let named: Vec<_> = said.iter().filter_map(|told| told.suspect.as_ref()).map(|suspect| suspect.id.as_str()).collect();
    assert_eq!(named, ["service:cart", "change:1"]);
}

#[test]
fn an_end_is_told_of_what_was_told_and_a_return_as_opened_again() {
    let open = naming("cart", 0.8);
    let over = EngineFindings { recovered_at: Some(open.started_at.plus_seconds(720)), ..open.clone() };
    let said = tell(&[open.clone(), over.clone(), over.clone(), open.clone(), over.clone()]);
    use NotificationKind::{Opened, Recovered};
    assert_eq!(kinds(&said), [Opened, Recovered, Opened, Recovered]);
    assert!(said[1].sentence.starts_with("Recovered after 12 min: "), "{}", said[1].sentence);
    assert!(said[2].sentence.starts_with("Again: "));
    assert!(said.iter().enumerate().all(|(index, told)| told.n as usize == index + 1));
    assert_eq!(kinds(&tell(&[over])), [], "of what was over when it was first heard of, nobody is told");
}

#[test]
fn what_is_merged_is_told_once_and_then_no_more() {
    let open = naming("cart", 0.8);
    let merged = EngineFindings { merged_into: Some("older".to_owned()), ..open.clone() };
    assert_eq!(kinds(&tell(&[open.clone(), merged.clone(), merged, open])), [NotificationKind::Opened, NotificationKind::Merged]);
}

#[test]
fn history_opens_nobodys_eyes_and_what_is_caught_up_with_and_goes_on_does() {
    let findings = naming("cart", 0.8);
    let later = |seconds| findings.updated_at.plus_seconds(seconds);
    assert_eq!(telling().news(None, &findings, later(3_601)), None);
    let still = EngineFindings { updated_at: later(7_000), ..findings.clone() };
    assert_eq!(telling().news(None, &still, later(7_200)).map(|told| told.kind), Some(NotificationKind::Opened));
}

#[test]
fn what_an_alert_is_known_by_stays_what_it_was_at_the_opening() {
    let open = naming("cart", 0.8);
    let worse = EngineFindings {
        impact_severity: crate::model::Severity::Critical,
        service_affected: "checkout".to_owned(),
        started_at: open.started_at.plus_seconds(-30),
        ..naming("payment", 0.8)
    };
    let said = tell(&[open, worse]);
    let known_by = |told: &Notification| (told.severity_at_opening, told.service.clone(), told.environment.clone(), told.started_at);
    assert_eq!(known_by(&said[0]), known_by(&said[1]));
    assert_eq!(said[1].severity, crate::model::Severity::Critical);
}

#[test]
fn suspects_that_never_settle_are_told_a_bounded_number_of_times_and_the_end_still_is() {
    let mut revisions: Vec<_> = (0..200).map(|step| naming(if step % 2 == 0 { "a" } else { "b" }, 0.8)).collect();
    let last = revisions[0].clone();
    revisions.push(EngineFindings { recovered_at: Some(last.updated_at), ..last });
    let said = tell(&revisions);
    assert_eq!(said.len() as u32, MAX_SUSPECTS + 1);
    assert_eq!(said.last().unwrap().kind, NotificationKind::Recovered);
}

#[test]
fn a_delivery_is_tried_within_half_a_minute_and_given_up_after_its_day() {
    let notification = tell(&revisions()).remove(0);
    let made_at = notification.at;
    let outgoing = |attempts| Outgoing { seq: 1, notification: notification.clone(), content: String::new(), made_at, attempts };
    let day = 86_400;
    for attempts in [0, 1, 5, 100] {
        let now = made_at.plus_seconds(day - 31);
        match retry::after_failure(&outgoing(attempts), "refused", now, day as u32) {
            DeliveryResult::Failed { next_attempt_at, .. } => assert!((0.0..=30.0).contains(&next_attempt_at.seconds_since(now))),
            other => panic!("{other:?}"),
        }
        let given_up = retry::after_failure(&outgoing(attempts), "refused", made_at.plus_seconds(day + 1), day as u32);
        assert!(matches!(given_up, DeliveryResult::GivenUp { .. }), "{given_up:?}");
    }
}
