//! Every route's good day.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use whydunit::model::command::Action;
use whydunit::model::connector::ConnectorOrder;

use super::ports::{KNOWN, start};

#[test]
fn an_engineer_lists_and_filters_and_is_told_where_the_next_page_is() {
    let web = start();
    let page = web.get("/investigations?status=open,in_progress&severity=high&service=checkout&q=pool&per_page=50&sort=-started_at");
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(page.json(), serde_json::json!([]));
    assert_eq!(page.header("x-total-count"), "10000");
    assert_eq!(page.header("x-total-count-exact"), "false");
    assert_eq!((page.header("x-page"), page.header("x-per-page")), ("1", "50"));
    assert_eq!(page.header("x-next-cursor"), "next/1 2");
    assert!(page.header("link").contains("cursor=next%2F1%202>; rel=\"next\""), "{}", page.header("link"));
    let asked = web.memory.queries.lock().unwrap().join("\n");
    for part in ["status: [Open, InProgress]", "severity: [High]", "\"checkout\"", "Some(\"pool\")", "\"started_at\"", "descending: true"] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
}

#[test]
fn every_read_answers() {
    let web = start();
    for path in [
        "/investigations",
        "/investigations/facets",
        "/investigations/known",
        "/investigations/known/events",
        "/investigations/known/timeline?from=2026-03-23T14:00:00Z&to=2026-03-23T15:00:00Z&step_s=60",
        "/investigations/known/suspects",
        "/investigations/known/graph",
        "/investigations/known/notes",
        "/investigations/known/activity",
        "/investigations/known/explain?event=known",
        "/events?source=git&type=commit&from=2026-03-23T14:00:00Z",
        "/events/search?q=pool",
        "/events/facets",
        "/events/known",
        "/connectors",
        "/connectors/known",
        "/dead-letters?error_class=no_items,panic",
        "/dead-letters/groups",
        "/dead-letters/replays",
        "/ledger",
        "/dead-letters/known",
        "/analytics/summary",
        "/health",
        "/openapi.json",
    ] {
        let answer = web.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        answer.json();
    }
    assert_eq!(web.get("/investigations/known").header("etag"), "\"7\"");
    assert_eq!(web.get("/investigations/known/suspects").json()[0]["id"], "service:payment");
    assert_eq!(web.get("/health").json()["version"], "0.0.0-test");
    assert_eq!(web.send("HEAD", "/investigations", &[], None).status, 200);
}

#[test]
fn every_write_reaches_the_writer_with_who_asked() {
    let web = start();
    for (method, path, body, status) in [
        ("POST", "/investigations", r#"{"title":"slow"}"#, 201),
        ("PATCH", "/investigations/known", r#"{"priority":"p0"}"#, 200),
        ("POST", "/investigations/known/close", r#"{"reason":"false_alarm"}"#, 200),
        ("POST", "/investigations/close", r#"{"ids":["known"],"reason":"duplicate"}"#, 200),
        ("POST", "/investigations/known/reopen", r#"{"reason":"it is back"}"#, 200),
        ("POST", "/investigations/known/resolve", r#"{"root_cause":"the pool"}"#, 200),
        ("POST", "/investigations/known/assign", r#"{"assigned_to":"ben"}"#, 200),
        ("POST", "/investigations/known/assign", r#"{"assigned_to":null}"#, 200),
        ("POST", "/investigations/known/events", r#"{"event_id":"e"}"#, 200),
        ("POST", "/investigations/known/suspects/service%3Apayment/verdict", r#"{"verdict":"refuted"}"#, 200),
        ("POST", "/investigations/known/notes", r#"{"body":"**seen**"}"#, 201),
        ("PATCH", "/investigations/known/notes/known", r#"{"body":"seen twice"}"#, 200),
        ("DELETE", "/investigations/known/notes/known", "", 204),
        ("POST", "/events", r#"{"title":"rolled back by hand","service":"payment","severity":"high"}"#, 202),
        ("DELETE", "/dead-letters/known?reason=a%20test", "", 204),
        ("POST", "/dead-letters/known/restore", "", 202),
        ("POST", "/dead-letters/restore", r#"{"fingerprint":"f"}"#, 202),
    ] {
        let before = web.memory.commands.lock().unwrap().len();
        let headers = [("content-type", "application/json"), ("if-match", "\"7\""), ("x-whydunit-user", "ana"), ("idempotency-key", "k-1")];
        let answer = web.send(method, path, &headers, Some(body.as_bytes()));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert_eq!(web.memory.commands.lock().unwrap().len(), before + 1, "{method} {path}");
        let command = web.last_command();
        assert_eq!((command.who.as_str(), command.idempotency_key.as_deref()), ("ana", Some("k-1")), "{method} {path}");
    }
    let verdict = web.memory.commands.lock().unwrap().iter().find_map(|command| match &command.action {
        Action::SetVerdict { id, suspect_id, .. } => Some((id.clone(), suspect_id.clone(), command.expected_version)),
        _ => None,
    });
    assert_eq!(verdict, Some((KNOWN.to_owned(), "service:payment".to_owned(), Some(7))));
}

#[test]
fn a_person_pauses_resumes_and_resets_a_connector() {
    let web = start();
    for order in ["pause", "resume", "reset"] {
        let answer = web.send("POST", &format!("/connectors/known/{order}"), &[], Some(b""));
        assert_eq!((answer.status, answer.json()["name"].as_str()), (202, Some(KNOWN)), "{order}: {}", answer.text);
        assert_eq!(web.send("POST", &format!("/connectors/other/{order}"), &[], Some(b"")).status, 404);
    }
    assert_eq!(web.memory.told.lock().unwrap()[0], "pause known");
}

#[test]
fn a_breaker_is_tripped_only_with_a_reason_and_who_asked_and_why_is_kept() {
    let web = start();
    let ada = [("content-type", "application/json"), ("x-whydunit-user", "ada")];
    let refused = web.send("POST", "/connectors/known/trip", &ada, Some(b"{}"));
    assert_eq!((refused.status, refused.json()["errors"][0]["field"].as_str()), (422, Some("reason")));
    let tripped = web.send("POST", "/connectors/known/trip", &ada, Some(br#"{"reason":"broker under repair"}"#));
    assert_eq!(tripped.status, 202);
    assert_eq!(web.send("POST", "/connectors/other/trip", &ada, Some(br#"{"reason":"broker under repair"}"#)).status, 404);
    assert_eq!(web.send("POST", "/connectors/known/reset", &ada, Some(br#"{"reason":"repaired"}"#)).status, 202);
    let kept: Vec<_> = web.memory.commands.lock().unwrap().iter().map(|command| command.action.clone()).collect();
    let order = |order, reason: &str| Action::SteerConnector { name: KNOWN.to_owned(), order, reason: reason.to_owned() };
    assert_eq!(kept, [order(ConnectorOrder::Trip, "broker under repair"), order(ConnectorOrder::Reset, "repaired")]);
    assert_eq!(*web.memory.told.lock().unwrap(), ["trip known: broker under repair", "reset known: repaired"]);
}
