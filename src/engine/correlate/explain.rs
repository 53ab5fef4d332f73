//! Why an event is in an investigation, or why it is not: the rules of linking, applied to what is stored of both.
//!
//! Linked are what detectors found of services that belong, from the onset to the recovery; the changes that are most suspect; and
//! alerts. The rules themselves stand in `case`, `opening_cases` and `investigator`; here they are only said.

use super::findings::{CANDIDATE_S, CONSIDERED};
use super::investigator::is_alert;
use crate::engine::rank::minutes;
use crate::model::explanation::{About, Check, Explanation};
use crate::model::investigation::{EngineFindings, EventLink, Investigation};
use crate::model::suspect::SuspectKind;
use crate::model::{Bucket, Event, Timestamp};

/// Explains from what is stored: `link` is how the event is linked to this investigation, if it is.
pub fn explain(event: &Event, link: Option<&EventLink>, investigation: &Investigation) -> Explanation {
    let checks = investigation.findings.as_ref().map(|findings| checks(event, findings)).unwrap_or_default();
    let because = match (link, checks.iter().find(|check| !check.holds)) {
        (Some(link), _) if link.linked_by == "whydunit" => format!("Linked by whydunit: {}.", link.reason.trim_end_matches('.')),
        (Some(link), _) => format!("Linked by {}: {}.", link.linked_by, link.reason.trim_end_matches('.')),
        (None, Some(check)) => check.sentence.clone(),
        (None, None) if investigation.findings.is_none() => {
            "A person opened this investigation and whydunit has found nothing for it yet: only people link events to it.".to_owned()
        }
        (None, None) => "Nothing that is kept says why: by its time and service it may belong. Link it by hand if it does.".to_owned(),
    };
    Explanation {
        investigation_id: investigation.id.clone(),
        event_id: event.id.clone(),
        belongs: link.is_some(),
        because,
        link: link.cloned(),
        checks,
        elsewhere: event.investigation_ids.iter().filter(|id| **id != investigation.id).cloned().collect(),
    }
}

/// What kind of thing an event is to an investigation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Found,
    Change,
    Alert,
    Other,
}

fn role(event: &Event) -> Role {
    match event {
        _ if event.is_change() => Role::Change,
        _ if is_alert(event) => Role::Alert,
        _ if event.is_found() => Role::Found,
        _ => Role::Other,
    }
}

fn checks(event: &Event, findings: &EngineFindings) -> Vec<Check> {
    let role = role(event);
    let mut checks = vec![of_kind(event, role)];
    if role != Role::Other {
        checks.extend([of_environment(event, role, findings), of_time(event, role, findings)]);
    }
    match role {
        Role::Found => checks.push(of_service(event, findings)),
        Role::Change => checks.push(of_suspicion(event, findings)),
        Role::Alert | Role::Other => {}
    }
    checks
}

fn check(about: About, holds: bool, sentence: String) -> Check {
    Check { about, holds, sentence }
}

fn of_environment(event: &Event, role: Role, findings: &EngineFindings) -> Check {
    let ours = &findings.environment;
    let (holds, sentence) = match &event.environment {
        None if role == Role::Change => (true, "It names no environment, so it may be of any.".to_owned()),
        None => (false, format!("It names no environment; this investigation is of {ours}.")),
        Some(theirs) if theirs == ours => (true, format!("It is of {ours}, as the investigation is.")),
        Some(theirs) => (false, format!("It is of {theirs}; this investigation is of {ours}.")),
    };
    check(About::Environment, holds, sentence)
}

fn of_kind(event: &Event, role: Role) -> Check {
    let kind = event.event_type.replace('_', " ");
    let (holds, sentence) = match role {
        Role::Found => (true, "A detector found it: such events are linked where their service belongs.".to_owned()),
        Role::Change => (true, format!("A {kind} changes what runs: it may be the cause.")),
        Role::Alert => (true, "It tells of trouble: whydunit opens an investigation for it, or links it to one.".to_owned()),
        Role::Other => {
            (false, format!("A {kind} is no finding of a detector, no change of what runs and no alert: whydunit links none by itself."))
        }
    };
    check(About::Kind, holds, sentence)
}

fn of_time(event: &Event, role: Role, findings: &EngineFindings) -> Check {
    let (at, onset) = (event.timestamp, findings.started_at);
    let onset_said = format!("the onset at {}", clock(onset));
    let over = findings.recovered_at.filter(|recovered| at > *recovered);
    let earliest = match role {
        Role::Change => onset.plus_seconds(-CANDIDATE_S),
        _ => onset.plus_seconds(-Bucket::SECONDS),
    };
    let (holds, sentence) = match role {
        Role::Change if at < earliest => {
            (false, format!("It happened {} before {onset_said}: changes are considered for a day.", span(at, onset)))
        }
        Role::Change if at > onset => (true, format!("It happened {} after {onset_said}, which speaks against it.", span(onset, at))),
        Role::Change => (true, format!("It happened {} before {onset_said}.", span(at, onset))),
        _ if at < earliest => (false, format!("It was over {} before {onset_said}.", span(at, onset))),
        _ => match over {
            Some(recovered) => (false, format!("It came {} after the recovery at {}.", span(recovered, at), clock(recovered))),
            None => (true, format!("It lies between {onset_said} and {}.", findings.recovered_at.map_or("now".to_owned(), clock))),
        },
    };
    check(About::Time, holds, sentence)
}

fn of_service(event: &Event, findings: &EngineFindings) -> Check {
    let Some(service) = &event.service else {
        return check(About::Service, false, "It names no service, so nothing says that it belongs.".to_owned());
    };
    if findings.hot_services.contains(service) {
        return check(About::Service, true, format!("{service} belongs: it shows evidence of this fault."));
    }
    let beside = findings.graph.edges.iter().find(|edge| edge.caller == *service || edge.callee == *service);
    let sentence = match beside {
        Some(edge) => {
            let (other, how) = if edge.caller == *service { (&edge.callee, "calls") } else { (&edge.caller, "is called by") };
            format!("{service} {how} {other}, but was not suspicious at two closes running while this went on.")
        }
        None => format!("{service} is no neighbour of a service that belongs on the graph shown here, so it may be another fault."),
    };
    check(About::Service, false, sentence)
}

fn of_suspicion(event: &Event, findings: &EngineFindings) -> Check {
    let changes = || findings.suspects.iter().filter(|suspect| suspect.kind == SuspectKind::Change);
    let mine = changes().find(|suspect| suspect.event_id.as_deref() == Some(&event.id));
    let named = |name: &str| event.data.get(name).and_then(serde_json::Value::as_str);
    let shown_as = || {
        let sha = named("sha").or_else(|| named("commit")).or_else(|| named("version")).filter(|sha| sha.len() >= 7)?;
        changes().find(|suspect| suspect.entity.contains(&sha[..sha.floor_char_boundary(7)]))
    };
    let (holds, sentence) = match (mine, shown_as()) {
        (Some(suspect), _) => {
            let place =
                format!("It is suspect number {} with {:.2}: {}", suspect.rank, suspect.score, suspect.sentence.trim_end_matches('.'));
            let is_near = suspect.rank as usize <= CONSIDERED;
            (is_near, if is_near { format!("{place}.") } else { format!("{place}; only the first {CONSIDERED} are linked.") })
        }
        (None, Some(suspect)) => {
            (false, format!("It is one change with {}, which is linked in its place as suspect number {}.", suspect.entity, suspect.rank))
        }
        (None, None) if event.observed_at > findings.updated_at && event.timestamp > findings.updated_at => {
            (false, "It came after the investigation was ranked last.".to_owned())
        }
        (None, None) => (false, "It was no candidate when the changes were ranked last: a merge of others, or known too late.".to_owned()),
    };
    check(About::Suspicion, holds, sentence)
}

fn span(from: Timestamp, to: Timestamp) -> String {
    minutes(to.seconds_since(from))
}

fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::investigation::Status;
    use crate::model::suspect::{Suspect, Verdict};
    use crate::model::view::{GraphEdge, ServiceGraph};
    use crate::model::{Severity, Source};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_763_388_000 + second)
    }

    fn investigation() -> Investigation {
        let suspect = |rank: u32, event_id: &str, entity: &str| Suspect {
            id: format!("change:{event_id}"),
            rank,
            kind: SuspectKind::Change,
            entity: entity.to_owned(),
            service: None,
            event_id: Some(event_id.to_owned()),
            at: None,
            author: None,
            score: 0.5 / f64::from(rank),
            factors: Vec::new(),
            sentence: "it went live 13 s before".to_owned(),
            evidence: Vec::new(),
            counter_evidence: Vec::new(),
            diff_hint: None,
            verdict: Verdict::Suspect,
            verdict_comment: None,
            verdict_by: None,
            life: Vec::new(),
        };
        let edge = GraphEdge {
            caller: "checkout".into(),
            callee: "payment".into(),
            calls: 9,
            failed: 1,
            mean_ms: 4.0,
            hot: true,
            label: String::new(),
            weak: false,
        };
        let findings = EngineFindings {
            id: "inv".into(),
            revision: 3,
            environment: "production".into(),
            symptom: String::new(),
            headline: String::new(),
            where_sentence: String::new(),
            impact_severity: Severity::High,
            service_affected: "payment".into(),
            hot_services: vec!["payment".into()],
            services_total: 4,
            detected_at: at(60),
            started_at: at(0),
            recovered_at: Some(at(600)),
            merged_into: None,
            updated_at: at(700),
            confidence: 0.5,
            opened_because: String::new(),
            opened_families: Vec::new(),
            opened_by: Vec::new(),
            suspects: vec![suspect(1, "c1", "9c41e07b of payment"), suspect(6, "c6", "0aa0aa0a of cart")],
            signals: Vec::new(),
            graph: ServiceGraph { nodes: Vec::new(), edges: vec![edge] },
            learning: Vec::new(),
            new_links: Vec::new(),
        };
        Investigation {
            id: "inv".into(),
            title: String::new(),
            description: String::new(),
            status: Status::Open,
            close_reason: None,
            impact_severity: Severity::High,
            priority: Default::default(),
            detected_at: at(60),
            started_at: at(0),
            recovered_at: None,
            resolved_at: None,
            closed_at: None,
            root_cause: None,
            remediation: None,
            lessons_learned: None,
            component_affected: None,
            service_affected: None,
            environment: Some("production".into()),
            tags: Default::default(),
            related_investigation_ids: Vec::new(),
            event_count: 1,
            note_count: 0,
            confidence: 0.5,
            created_by: "whydunit".into(),
            assigned_to: None,
            created_at: at(60),
            updated_at: at(60),
            version: 1,
            revision: 3,
            findings: Some(findings),
        }
    }

    fn event(event_type: &str, service: &str, second: i64) -> Event {
        let mut event = Event::new("e".into(), at(second), Source::Traces, event_type, Severity::Medium, "");
        event.environment = Some("production".into());
        event.service = Some(service.into());
        event
    }

    /// What is said of an event that is not linked, and what it is about.
    fn said(event: &Event) -> (Option<About>, String) {
        let found = explain(event, None, &investigation());
        assert!(!found.belongs);
        (found.checks.iter().find(|check| !check.holds).map(|check| check.about), found.because)
    }

    #[test]
    fn an_event_that_is_linked_says_who_linked_it_and_why() {
        let link = EventLink {
            event_id: "e".into(),
            confidence: 0.7,
            reason: "slow call of payment, which belongs".into(),
            linked_by: "whydunit".into(),
            linked_at: at(60),
        };
        let mut found = event("slow_call", "payment", 30);
        found.investigation_ids = vec!["inv".into(), "other".into()];
        let said = explain(&found, Some(&link), &investigation());
        assert_eq!(said.because, "Linked by whydunit: slow call of payment, which belongs.");
        assert_eq!((said.belongs, said.elsewhere.as_slice()), (true, ["other".to_owned()].as_slice()));
        assert!(said.checks.iter().all(|check| check.holds), "{:?}", said.checks);
    }

    #[test]
    fn the_first_rule_that_does_not_hold_is_why_an_event_is_left_out() {
        let mut staging = event("slow_call", "payment", 30);
        staging.environment = Some("staging".into());
        assert_eq!(said(&staging), (Some(About::Environment), "It is of staging; this investigation is of production.".into()));

        let (about, because) = said(&event("build_succeeded", "payment", 30));
        assert_eq!(about, Some(About::Kind));
        assert!(because.starts_with("A build succeeded is no finding of a detector"), "{because}");

        assert_eq!(
            said(&event("slow_call", "payment", -120)),
            (Some(About::Time), "It was over 2 min before the onset at 14:00:00.".into())
        );
        assert_eq!(said(&event("slow_call", "payment", 630)), (Some(About::Time), "It came 30 s after the recovery at 14:10:00.".into()));

        let (about, because) = said(&event("slow_call", "checkout", 30));
        assert_eq!(about, Some(About::Service));
        assert!(because.starts_with("checkout calls payment, but was not suspicious"), "{because}");
        let (about, because) = said(&event("slow_call", "search", 30));
        assert_eq!(about, Some(About::Service));
        assert!(because.starts_with("search is no neighbour"), "{because}");
    }

    #[test]
    fn a_change_is_told_its_place_among_the_suspects() {
        let mut change = event("deployment", "cart", -30);
        change.id = "c6".into();
        let (about, because) = said(&change);
        assert_eq!(about, Some(About::Suspicion));
        assert!(because.contains("suspect number 6") && because.contains("only the first 5 are linked"), "{because}");

        change.id = "c1".into();
        assert_eq!(said(&change).0, None, "it would be linked");

        change.id = "push-of-it".into();
        change.data = serde_json::json!({ "sha": "9c41e07b44aa" });
        let (_, because) = said(&change);
        assert!(because.contains("one change with 9c41e07b of payment"), "{because}");

        change.data = serde_json::Value::Null;
        change.timestamp = at(-2 * 86_400);
        assert_eq!(said(&change).0, Some(About::Time));
    }

    #[test]
    fn where_nothing_was_found_only_people_link() {
        let mut opened_by_hand = investigation();
        opened_by_hand.findings = None;
        let said = explain(&event("slow_call", "payment", 30), None, &opened_by_hand);
        assert!(said.because.starts_with("A person opened") && said.checks.is_empty());
    }
}
