//! Stories of an on-call engineer, over the made-up shop.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use super::{CorrelateOptions, Investigator};
use crate::engine::detect::tests::drive::Pipeline;
use crate::engine::detect::tests::traffic::{ENVIRONMENT, Fault, Item, START_S, Shop, entity, name, shop};
use crate::model::command::{Action, Command, InboxRow};
use crate::model::investigation::{CloseReason, EngineFindings};
use crate::model::observation::{LogLine, LogText, SpanId, TraceId};
use crate::model::suspect::{SuspectKind, Verdict};
use crate::model::{Event, Severity, Source, Timestamp};

const FAULT_AT_S: i64 = 600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START_S + seconds)
}

fn run(fault: Fault, minutes: i64, events: &[Event]) -> Pipeline {
    let mut pipeline = Pipeline::new(1, None);
    pipeline.forward(events);
    pipeline.run(&shop(21, minutes, fault, FAULT_AT_S), 500, 0, 1);
    pipeline
}

fn ids(pipeline: &Pipeline) -> BTreeSet<String> {
    pipeline.findings.iter().map(|findings| findings.id.clone()).collect()
}

fn last(pipeline: &Pipeline) -> &EngineFindings {
    pipeline.findings.iter().rev().find(|findings| findings.recovered_at.is_none()).expect("an investigation was opened")
}

fn first_service(findings: &EngineFindings) -> &str {
    &findings.suspects.iter().find(|suspect| suspect.kind == SuspectKind::Service).unwrap().entity
}

fn deployment(service: &str, seconds: i64, diff: Option<&str>) -> Event {
    let id = format!("deployment-{service}-{seconds}");
    let mut event = Event::new(id, at(seconds), Source::Ci, "deployment", Severity::Info, &format!("{service} deployed"));
    event.service = Some(service.to_owned());
    event.environment = Some(ENVIRONMENT.to_owned());
    event.data = serde_json::json!({ "sha": format!("{service}{seconds}abcdef"), "author": "noor", "message": "tune", "diff": diff });
    event
}

const POOL_DIFF: &str = "@@ -1,2 +1,2 @@\n pool:\n-  max_connections: 40\n+  max_connections: 8\n";

#[test]
fn failing_payments_open_one_investigation_that_names_payment() {
    let pipeline = run(Fault::Failing(0.6), 14, &[]);
    assert_eq!(ids(&pipeline).len(), 1);
    let findings = last(&pipeline);
    assert_eq!(first_service(findings), "payment", "{:#?}", findings.suspects);
    let opened_s = findings.detected_at.seconds_since(at(FAULT_AT_S));
    assert!((0.0..=90.0).contains(&opened_s), "opened {opened_s} s after the fault");
    let onset_s = findings.started_at.seconds_since(at(FAULT_AT_S));
    assert!(onset_s.abs() <= 30.0, "onset {onset_s} s off");
    assert!(findings.hot_services.contains(&"checkout".to_owned()), "{:?}", findings.hot_services);
}

#[test]
fn a_slow_way_into_catalog_is_blamed_on_catalog() {
    let pipeline = run(Fault::SlowHop, 14, &[]);
    assert_eq!(first_service(last(&pipeline)), "catalog");
}

#[test]
fn a_starved_payment_is_blamed_on_payment() {
    let pipeline = run(Fault::Starved, 14, &[]);
    assert_eq!(first_service(last(&pipeline)), "payment");
}

#[test]
fn a_quiet_shop_opens_nothing() {
    for seed in [1, 2, 3] {
        let mut pipeline = Pipeline::new(1, None);
        pipeline.run(&shop(seed, 40, Fault::None, 0), 500, 0, 1);
        assert_eq!(
            ids(&pipeline),
            BTreeSet::new(),
            "seed {seed}: {:?}",
            pipeline.findings.first().map(|findings| &findings.opened_because)
        );
    }
}

#[test]
fn the_deployment_that_lowered_the_pool_outranks_none_and_a_harmless_neighbour() {
    let changes = [deployment("catalog", 300, Some("@@ @@\n-// old words\n+// new words\n")), deployment("payment", 540, Some(POOL_DIFF))];
    let pipeline = run(Fault::Failing(0.6), 14, &changes);
    let findings = last(&pipeline);
    let changes: Vec<_> = findings.suspects.iter().filter(|suspect| suspect.kind != SuspectKind::Service).collect();
    assert_eq!(changes[0].event_id.as_deref(), Some("deployment-payment-540"), "{changes:#?}");
    assert_eq!(changes[0].diff_hint.as_deref(), Some("max_connections: 40 → 8"));
    assert!(findings.headline.contains("by noor"), "{}", findings.headline);
    assert!(pipeline.findings.iter().flat_map(|findings| &findings.new_links).any(|link| link.event_id == "deployment-payment-540"));
}

#[test]
fn a_deployment_after_the_onset_is_not_the_cause() {
    let pipeline = run(Fault::Failing(0.6), 16, &[deployment("payment", FAULT_AT_S + 180, Some(POOL_DIFF))]);
    let findings = last(&pipeline);
    let first = findings.suspects.iter().find(|suspect| suspect.kind != SuspectKind::Service).unwrap();
    assert_eq!(first.kind, SuspectKind::None, "{first:#?}");
}

#[test]
fn nothing_opens_while_history_teaches_however_often_it_is_restarted_meanwhile() {
    for restart_every in [0, 1] {
        let mut pipeline = Pipeline::new(1, Some(at(3_600)));
        pipeline.restart_every = restart_every;
        pipeline.run(&shop(21, 14, Fault::Failing(0.6), FAULT_AT_S), 500, 0, 1);
        assert!(pipeline.findings.is_empty(), "restarted every {restart_every} buckets");
    }
}

fn write(pipeline: &mut Pipeline, action: Action) {
    let command = Command { who: "noor".to_owned(), idempotency_key: None, expected_version: None, action };
    pipeline.investigator.command(&InboxRow { id: 1, command, at: at(0) });
}

#[test]
fn a_false_alarm_stays_silent_until_it_has_been_quiet() {
    let shop = shop(21, 20, Fault::Failing(0.6), FAULT_AT_S);
    let mut pipeline = Pipeline::new(1, None);
    let mut early = Shop { items: shop.items.clone(), definitions: shop.definitions.clone() };
    early.items.retain(|item| item.at() < at(780));
    pipeline.run(&early, 500, 0, 1);
    let id = last(&pipeline).id.clone();
    write(
        &mut pipeline,
        Action::CloseInvestigations { ids: vec![id.clone()], reason: CloseReason::FalseAlarm, comment: None, mute_until: None },
    );
    let said = pipeline.findings.len();
    let mut late = shop;
    late.items.retain(|item| item.at() >= at(880));
    pipeline.run(&late, 500, 0, 1);
    assert_eq!(pipeline.findings.len(), said, "a closed investigation says nothing more, and no second one opens beside it");
}

/// Investigations opened when a fault that was called a false alarm comes again, after more than half an hour without it.
fn opened_again(mute_until_s: Option<i64>, reopened: bool) -> usize {
    let during = |fault: Fault, from_s: i64, to_s: i64| {
        let mut shop = shop(21, 59, fault, FAULT_AT_S);
        shop.items.retain(|item| (at(from_s)..at(to_s)).contains(&item.at()));
        shop
    };
    let mut pipeline = Pipeline::new(1, None);
    pipeline.run(&during(Fault::Failing(0.6), 0, 780), 500, 0, 1);
    let first = last(&pipeline).id.clone();
    let (ids, mute_until) = (vec![first.clone()], mute_until_s.map(at));
    write(&mut pipeline, Action::CloseInvestigations { ids, reason: CloseReason::FalseAlarm, comment: None, mute_until });
    if reopened {
        write(&mut pipeline, Action::ReopenInvestigation { id: first.clone(), reason: "it was none".to_owned() });
    }
    // A mute outlives the process.
    let mut restored = Investigator::new(&CorrelateOptions::default(), None);
    for entry in pipeline.investigator.delta() {
        entry.value.iter().for_each(|value| restored.restore(&entry.key, &value.encode().unwrap()).unwrap());
    }
    pipeline.investigator = restored;
    pipeline.run(&during(Fault::None, 880, 3_000), 500, 0, 1);
    pipeline.run(&during(Fault::Failing(0.6), 3_100, 3_500), 500, 0, 1);
    self::ids(&pipeline).into_iter().filter(|id| *id != first).count()
}

#[test]
fn what_was_a_false_alarm_can_be_muted_until_a_given_time() {
    assert_eq!(opened_again(None, false), 1, "the same again is news");
    assert_eq!(opened_again(Some(3_600), false), 0);
    assert_eq!(opened_again(Some(2_000), false), 1, "the mute was over");
    assert_eq!(opened_again(Some(3_600), true), 1, "reopening takes the mute back");
}

#[test]
fn a_refuted_suspect_goes_last() {
    let mut pipeline = run(Fault::Failing(0.6), 13, &[]);
    let id = last(&pipeline).id.clone();
    let action = Action::SetVerdict { id, suspect_id: "service:payment".to_owned(), verdict: Verdict::Refuted, comment: None };
    write(&mut pipeline, action);
    let next = pipeline.next.unwrap();
    pipeline.close_until(next.end());
    assert_ne!(first_service(pipeline.findings.last().unwrap()), "payment");
}

#[test]
fn the_charts_of_an_investigation_that_goes_on_still_show_the_rise() {
    // Twenty minutes after the onset: a detector alone remembers six.
    let mut pipeline = run(Fault::Failing(0.6), 30, &[]);
    let id = last(&pipeline).id.clone();
    let action = Action::SetVerdict { id, suspect_id: "service:payment".to_owned(), verdict: Verdict::Refuted, comment: None };
    write(&mut pipeline, action);
    let next = pipeline.next.unwrap();
    pipeline.close_until(next.end());
    let findings = pipeline.findings.last().unwrap();
    let failures = findings.signals.iter().find(|signal| signal.detector == "failures").expect("a signal of failures");
    let values = |from: i64, to: i64| -> Vec<f64> {
        failures.series.iter().filter(|point| point.at >= at(from) && point.at < at(to)).map(|point| point.value).collect()
    };
    let (before, after, newest) = (values(FAULT_AT_S - 120, FAULT_AT_S), values(FAULT_AT_S + 15, FAULT_AT_S + 120), values(1_680, 1_800));
    assert!(before.len() >= 4 && after.len() >= 4 && newest.len() >= 4, "{before:?} {after:?} {newest:?}");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert!(mean(&before) < 10.0 && mean(&after) > 30.0, "{before:?} {after:?}");
    assert!(failures.series.len() <= 72);
}

#[test]
fn an_alert_opens_at_once_and_ranks_what_is_known() {
    let mut alert = Event::new("alert-1".to_owned(), at(FAULT_AT_S + 5), Source::Manual, "alert", Severity::High, "Users report failures");
    alert.environment = Some(ENVIRONMENT.to_owned());
    let pipeline = run(Fault::Failing(0.6), 13, &[alert]);
    let first = pipeline.findings.first().unwrap();
    assert!(first.detected_at.seconds_since(at(FAULT_AT_S + 5)) <= 30.0);
    assert!(first.opened_because.contains("Users report failures"));
    assert_eq!(first_service(last(&pipeline)), "payment");
    assert_eq!(ids(&pipeline).len(), 1);
}

#[test]
fn when_it_is_quiet_again_the_investigation_has_recovered_by_itself() {
    let mut broken = shop(21, 13, Fault::Failing(0.6), FAULT_AT_S);
    let healthy = shop(21, 24, Fault::None, 0);
    broken.items.retain(|item| item.at() < at(720));
    broken.items.extend(healthy.items.into_iter().filter(|item| item.at() >= at(720)));
    let mut pipeline = Pipeline::new(1, None);
    pipeline.run(&broken, 500, 0, 1);
    let findings = pipeline.findings.last().unwrap();
    let recovered_s = findings.recovered_at.expect("recovered").seconds_since(at(720));
    assert!((0.0..=240.0).contains(&recovered_s), "recovered {recovered_s} s after the fault ended");
    assert_eq!(ids(&pipeline).len(), 1);
}

#[test]
fn told_to_look_it_ranks_without_an_investigation() {
    let mut pipeline = Pipeline::new(1, Some(at(36_000)));
    pipeline.run(&shop(21, 13, Fault::Failing(0.6), FAULT_AT_S), 500, 0, 1);
    assert_eq!(pipeline.investigator.rank_told(ENVIRONMENT, at(FAULT_AT_S))[0].entity, "payment");
}

#[test]
fn changes_that_wait_for_their_time_push_out_none_whose_time_it_is() {
    let mut events = vec![deployment("payment", FAULT_AT_S - 20, Some(POOL_DIFF))];
    // A forge's topic is read far ahead of the logs: it does not wait for them.
    events.extend((0..600).map(|number| deployment("frontend", 10_000 + number, None)));
    let pipeline = run(Fault::Failing(0.6), 14, &events);
    let suspects = &last(&pipeline).suspects;
    assert!(suspects.iter().any(|suspect| suspect.kind == SuspectKind::Change), "{suspects:#?}");
}

/// A line a second of each of three services that write no spans. After the fault, checkout and inventory write these instead.
fn only_logs(checkout: &str, inventory: &str) -> Shop {
    let mut shop = Shop::default();
    for second in 0..FAULT_AT_S + 300 {
        let fails = second >= FAULT_AT_S;
        let error = |text: &str, usual: &str| if fails { (text.to_owned(), Severity::High) } else { (usual.to_owned(), Severity::Info) };
        let lines = [
            ("checkout", error(checkout, "order placed for customer")),
            ("customer", ("address changed".to_owned(), Severity::Info)),
            ("inventory", error(inventory, "stock counted")),
        ];
        for (service, (text, severity)) in lines {
            let line = line(service, &text, severity, at(second), &mut shop);
            shop.items.push(Item::Line(line));
        }
    }
    shop
}

fn line(service: &str, text: &str, severity: Severity, at: Timestamp, shop: &mut Shop) -> LogLine {
    LogLine {
        record: 0,
        item: 0,
        timestamp: at,
        entity: entity(shop, service),
        host: name(shop, "node-1"),
        severity,
        template: name(shop, text),
        trace: TraceId::default(),
        span: SpanId::default(),
        text: (severity >= Severity::Medium).then(|| Box::new(LogText { message: text.to_owned(), ..LogText::default() })),
    }
}

#[test]
fn where_nobody_writes_spans_the_service_that_errors_name_is_found() {
    let mut pipeline = Pipeline::new(2, None);
    pipeline.restart_every = 7;
    pipeline.run(&only_logs("connect to inventory:8080 refused", "no space left on the device of the stock file"), 500, 0, 1);
    assert_eq!(ids(&pipeline).len(), 1, "{:?}", pipeline.findings.iter().map(|findings| &findings.headline).collect::<Vec<_>>());
    let findings = last(&pipeline);
    assert_eq!(findings.hot_services.iter().collect::<BTreeSet<_>>().len(), 2, "{:?}", findings.hot_services);
    assert_eq!(first_service(findings), "inventory", "{:#?}", findings.suspects);
    let edges: Vec<_> = findings.graph.edges.iter().map(|edge| (&*edge.caller, &*edge.callee, edge.calls, edge.weak)).collect();
    assert_eq!(edges, [("checkout", "inventory", 0, true)], "nothing of the customer, who is no service of theirs");
    let checkout = findings.suspects.iter().find(|suspect| suspect.entity == "checkout").unwrap();
    let counter: Vec<_> = checkout.counter_evidence.iter().map(|evidence| &*evidence.sentence).collect();
    assert!(counter.iter().any(|sentence| sentence.starts_with("error lines of checkout name inventory")), "{counter:?}");
}

#[test]
fn two_services_whose_errors_name_nobody_are_two_investigations() {
    let mut pipeline = Pipeline::new(1, None);
    pipeline.run(&only_logs("order of customer lost", "no space left on the device of the stock file"), 500, 0, 1);
    assert_eq!(ids(&pipeline).len(), 2);
}

#[test]
fn an_incident_that_another_system_detected_is_told_until_it_is_resolved() {
    let told = |event_type: &str, status: &str| {
        let mut event = Event::new("i".into(), at(0), Source::Manual, event_type, Severity::High, "Incident 7 of cart");
        event.data = serde_json::json!({ "status": status });
        super::investigator::is_alert(&event)
    };
    assert!(told("incident_detected", "detected") && told("alert", "firing"));
    assert!(!told("alert", "resolved") && !told("incident_resolved", "resolved") && !told("ticket_created", "created"));
}

#[test]
fn a_resolved_alert_closes_its_own_and_no_other() {
    let alert = |fingerprint: &str, service: &str, seconds: i64, status: &str| {
        let source_id = format!("{fingerprint}/start/{status}");
        let id = Event::id_of_source(Source::Manual, "alert", &source_id);
        let mut event = Event::new(id, at(seconds), Source::Manual, "alert", Severity::High, &format!("{service} is slow"));
        (event.service, event.environment, event.source_id) = (Some(service.to_owned()), Some(ENVIRONMENT.to_owned()), Some(source_id));
        event.data = serde_json::json!({ "status": status });
        event
    };
    let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
    investigator.forward(&[alert("a", "cart", 5, "firing"), alert("b", "search", 6, "firing"), alert("a", "cart", 40, "resolved")]);
    let mut newest = std::collections::BTreeMap::new();
    for step in 0..6 {
        let bucket = crate::model::Bucket::of(at(15 * step));
        let closed = crate::model::signal::ClosedBucket { bucket, ..Default::default() };
        newest.extend(investigator.step(vec![closed]).into_iter().map(|findings| (findings.service_affected.clone(), findings)));
    }
    assert_eq!(newest["cart"].recovered_at, Some(at(40)));
    assert_eq!(newest["search"].recovered_at, None);
}
