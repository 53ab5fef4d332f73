//! A night's work through the API, with the real store behind it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use whydunit::model::command::{Command, CommandError, CommandOutcome};
use whydunit::model::entity::ServiceName;
use whydunit::model::ports::{BoxFuture, Commands, StoreWriter, WriteBatch};
use whydunit::model::topology::EdgeHour;
use whydunit::model::{Bucket, Timestamp};
use whydunit::store::{Options, open_reader, open_writer};

use super::ports::{Memory, Running, event, findings, now, start_with_clock};

/// Executes commands at once.
struct Direct(Arc<Mutex<dyn StoreWriter>>);

impl Commands for Direct {
    fn submit(&self, command: Command) -> BoxFuture<Result<CommandOutcome, CommandError>> {
        let writer = self.0.clone();
        Box::pin(async move { writer.lock().unwrap().execute(&command, now()) })
    }
}

/// A clock that goes on by a second each time somebody looks.
fn ticking() -> Timestamp {
    static LOOKS: AtomicI64 = AtomicI64::new(0);
    now().plus_seconds(LOOKS.fetch_add(1, Ordering::SeqCst))
}

/// A server on a database of its own; the folder goes with it.
fn start() -> (Running, tempfile::TempDir) {
    start_with(&WriteBatch { events: vec![event()], ..WriteBatch::default() })
}

/// The same, with this in it.
fn start_with(first: &WriteBatch) -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::file(folder.path().join("whydunit.db"));
    let mut writer = open_writer(&options).unwrap();
    writer.write(first, now()).unwrap();
    let reader = Arc::new(open_reader(&options).unwrap());
    let web = start_with_clock(Arc::new(Memory::default()), reader, Arc::new(Direct(Arc::new(Mutex::new(writer)))), ticking, |_| {});
    (web, folder)
}

fn send(web: &Running, method: &str, path: &str, etag: &str, key: &str, body: &Value) -> super::client::Answered {
    let headers = [("content-type", "application/json"), ("if-match", etag), ("idempotency-key", key), ("x-whydunit-user", "ana")];
    web.send(method, path, &headers, Some(body.to_string().as_bytes()))
}

#[test]
fn an_investigation_is_opened_worked_on_by_two_and_resolved() {
    let (web, _folder) = start();
    let opened = send(&web, "POST", "/investigations", "*", "k1", &json!({"title": "checkout is slow", "priority": "p1"}));
    assert_eq!(opened.status, 201, "{}", opened.text);
    let path = opened.header("location").trim_start_matches("/api/v1").to_owned();
    let again = send(&web, "POST", "/investigations", "*", "k1", &json!({"title": "checkout is slow", "priority": "p1"}));
    assert_eq!((again.status, again.json()["id"].clone()), (201, opened.json()["id"].clone()), "a repeat is no second investigation");
    assert_eq!(web.get("/investigations").json().as_array().unwrap().len(), 1);

    let first = opened.header("etag").to_owned();
    let assigned = send(&web, "PATCH", &path, &first, "k2", &json!({"assigned_to": "ana"}));
    assert_eq!(assigned.status, 200, "{}", assigned.text);
    let stale = send(&web, "PATCH", &path, &first, "k3", &json!({"assigned_to": "ben"}));
    assert_eq!(stale.status, 412, "{}", stale.text);

    let linked = send(&web, "POST", &format!("{path}/events"), "*", "k4", &json!({"event_id": "known"}));
    assert_eq!(linked.status, 200, "{}", linked.text);
    assert_eq!(web.get(&format!("{path}/events")).json()[0]["id"], "known");
    let why = web.get(&format!("{path}/explain?event=known")).json();
    assert_eq!((&why["belongs"], &why["because"]), (&true.into(), &"Linked by ana: linked by hand.".into()), "{why}");
    assert_eq!(web.get(&format!("{path}/explain?event=none")).status, 404);
    assert_eq!(web.get(&format!("{path}/explain")).fields(), ["event"]);
    let note = send(&web, "POST", &format!("{path}/notes"), "*", "k5", &json!({"body": "the pool is small", "event_id": "known"}));
    assert_eq!(note.status, 201, "{}", note.text);
    let note_path = note.header("location").trim_start_matches("/api/v1").to_owned();
    let edited = send(&web, "PATCH", &note_path, note.header("etag"), "k6", &json!({"body": "the pool is too small"}));
    assert_eq!((edited.status, edited.json()["body"].as_str().unwrap()), (200, "the pool is too small"));

    let early = send(&web, "PATCH", &path, "*", "k7", &json!({"status": "closed"}));
    assert!(matches!(early.status, 409 | 422), "{}", early.text);
    let resolved = send(&web, "POST", &format!("{path}/resolve"), "*", "k8", &json!({"root_cause": "pool of 8"}));
    assert_eq!((resolved.status, resolved.json()["status"].as_str().unwrap()), (200, "resolved"), "{}", resolved.text);
    let reopened = send(&web, "POST", &format!("{path}/reopen"), "*", "k9", &json!({"reason": "it is back"}));
    assert_eq!(reopened.json()["status"], "open", "{}", reopened.text);
    let closed = send(&web, "POST", "/investigations/close", "*", "k10", &json!({"ids": [opened.json()["id"]], "reason": "duplicate"}));
    assert_eq!(closed.status, 200, "{}", closed.text);
    assert_eq!(web.get("/investigations?status=closed&q=slow").json()[0]["close_reason"], "duplicate");
    let activity = web.get(&format!("{path}/activity")).json();
    assert!(activity.as_array().unwrap().iter().all(|line| line["who"] == "ana"), "{activity}");
}

#[test]
fn every_read_of_an_empty_night_answers_and_every_unknown_thing_is_unknown() {
    let (web, _folder) = start();
    for path in [
        "/investigations?sort=-started_at&per_page=100&status=open&severity=high&q=pool%20OR%20%22*",
        "/investigations/facets?q=pool",
        "/events?sort=-severity&page=3",
        "/events/search?q=pool%20NOT",
        "/events/facets?source=git",
        "/events/known",
        "/dead-letters?sort=attempts",
        "/dead-letters/groups",
        "/analytics/summary?from=2020-01-01T00:00:00Z",
    ] {
        let answer = web.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    assert_eq!(web.get("/events?sort=nonsense").fields(), ["sort"]);
    assert_eq!(web.get("/events?q=(").fields(), ["q"]);
    assert_eq!(web.get("/events?cursor=nonsense").fields(), ["cursor"]);
    for path in ["/investigations/none", "/investigations/none/timeline", "/events/none", "/dead-letters/none"] {
        assert_eq!(web.get(path).status, 404, "{path}");
    }
    assert_eq!(send(&web, "PATCH", "/investigations/none", "*", "k", &json!({"priority": "p0"})).status, 404);
    assert_eq!(send(&web, "DELETE", "/dead-letters/none?reason=old", "*", "k2", &json!({})).status, 404);
}

#[test]
fn an_event_told_by_hand_is_taken_once() {
    let (web, _folder) = start();
    let body = json!({"title": "rolled back by hand", "timestamp": "2026-03-23T14:00:00Z", "event_type": "rollback"});
    let told = send(&web, "POST", "/events", "*", "e1", &body);
    let again = send(&web, "POST", "/events", "*", "e1", &body);
    assert_eq!((told.status, again.status), (202, 202), "{} {}", told.text, again.text);
    assert_eq!(told.json()["id"], again.json()["id"]);
    let other = send(&web, "POST", "/events", "*", "e1", &json!({"title": "something else"}));
    assert_eq!(other.status, 409, "{}", other.text);
}

#[test]
fn an_event_without_a_time_of_its_own_is_taken_once_too_however_late_it_is_repeated() {
    let (web, _folder) = start();
    for (key, body) in [("u1", json!({"title": "failover by hand"})), ("u2", json!({"title": "switched off", "source_id": "flag/7"}))] {
        let told = send(&web, "POST", "/events", "*", key, &body);
        let again = send(&web, "POST", "/events", "*", key, &body);
        assert_eq!((told.status, again.status), (202, 202), "{} {}", told.text, again.text);
        assert_eq!(told.json(), again.json(), "the first answer again");
    }
}

/// Calls between two bucket numbers of one hour.
fn calls(caller: &str, callee: &str, first: i64, last: i64, calls: u64) -> EdgeHour {
    let caller = ServiceName { environment: "prod".to_owned(), service: caller.to_owned() };
    let (first, last) = (Bucket(first), Bucket(last));
    EdgeHour { caller, callee: callee.to_owned(), first, last, calls, failed: calls / 10, duration_ns: calls * 20_000_000, mentions: 0 }
}

/// Error texts that name a service which is not seen to be called, between two bucket numbers of one hour.
fn mentions(caller: &str, callee: &str, first: i64, last: i64, mentions: u64) -> EdgeHour {
    EdgeHour { calls: 0, failed: 0, duration_ns: 0, mentions, ..calls(caller, callee, first, last, 0) }
}

#[test]
fn who_called_whom_is_told_as_it_was_at_any_time() {
    let hour = now().nanos() / 1_000_000_000 / 3_600 * 240;
    let edges = vec![
        calls("web", "cart", hour - 240, hour - 1, 7_200),
        calls("web", "cart", hour, hour + 79, 2_400),
        // A service that was taken out of use, and one that came later.
        calls("cart", "old-store", hour - 240, hour - 200, 300),
        calls("cart", "new-store", hour + 60, hour + 79, 600),
    ];
    let (web, _folder) = start_with(&WriteBatch { edges, ..WriteBatch::default() });
    let names = |at: &str| -> Vec<String> {
        let picture = web.get(&format!("/topology{at}"));
        assert_eq!(picture.status, 200, "{}", picture.text);
        let edges = picture.json()["edges"].as_array().unwrap().clone();
        edges.iter().map(|edge| format!("{}>{}", edge["caller"].as_str().unwrap(), edge["callee"].as_str().unwrap())).collect()
    };
    let at = |bucket: i64| format!("?environment=prod&at={}", Bucket(bucket).start());
    assert_eq!(names(&at(hour - 210)), ["web>cart", "cart>old-store"]);
    assert_eq!(names(&at(hour - 20)), ["web>cart"], "half an hour without a call");
    assert_eq!(names(&at(hour + 79)), ["web>cart", "cart>new-store"]);
    assert_eq!(names(""), ["web>cart", "cart>new-store"], "as it is now");
    assert!(names(&at(hour - 300)).is_empty(), "before anything was known");
    assert!(names("?environment=staging").is_empty());

    let now = web.get("/topology").json();
    assert_eq!(now["edges"][0]["calls_per_second"], json!(2.0), "9,600 calls in 320 buckets: {now}");
    assert_eq!((&now["edges"][0]["failed_share"], &now["edges"][0]["mean_ms"]), (&json!(0.1), &json!(20.0)));
    let cart = now["services"].as_array().unwrap().iter().find(|service| service["service"] == "cart").unwrap();
    assert_eq!((&cart["calls_in_per_second"], &cart["calls_out_per_second"]), (&json!(2.0), &json!(0.125)), "{cart}");
    assert_eq!(web.get("/topology?at=noon").fields(), ["at"]);
}

#[test]
fn what_error_texts_name_is_told_as_weak_where_no_call_was_seen() {
    let hour = now().nanos() / 1_000_000_000 / 3_600 * 240;
    let edges = vec![
        calls("web", "cart", hour, hour + 79, 2_400),
        // Named before its first call was seen, in the hour before and in the same hour; and the other way round.
        mentions("web", "cart", hour - 20, hour - 1, 5),
        mentions("web", "pay", hour, hour + 10, 2),
        calls("web", "pay", hour, hour + 79, 800),
        mentions("web", "pay", hour, hour + 79, 9),
        mentions("cart", "stock", hour - 4, hour - 1, 3),
        mentions("cart", "stock", hour, hour + 60, 4),
        mentions("cart", "old-store", hour - 240, hour - 200, 3),
    ];
    let (web, _folder) = start_with(&WriteBatch { edges, ..WriteBatch::default() });
    let edges = |at: &str| -> Vec<(String, bool, u64)> {
        let picture = web.get(&format!("/topology{at}"));
        assert_eq!(picture.status, 200, "{}", picture.text);
        let edges = picture.json()["edges"].as_array().unwrap().clone();
        edges
            .iter()
            .map(|edge| (edge["callee"].as_str().unwrap().to_owned(), edge["weak"] == true, edge["mentions"].as_u64().unwrap()))
            .collect()
    };
    let strong = |name: &str| (name.to_owned(), false, 0);
    assert_eq!(edges(""), [strong("cart"), strong("pay"), ("stock".to_owned(), true, 7)]);
    let at = format!("?environment=prod&at={}", Bucket(hour - 2).start());
    assert_eq!(edges(&at), [("stock".to_owned(), true, 3), ("cart".to_owned(), true, 5)], "before the first call was seen");
    let now = web.get("/topology").json();
    assert_eq!(now["edges"][0]["calls_per_second"], json!(2.0), "mentions are no calls, nor time: {now}");
    let stock = now["services"].as_array().unwrap().iter().find(|service| service["service"] == "stock").unwrap();
    assert_eq!(stock["calls_in_per_second"], json!(0.0), "{stock}");
}

#[test]
fn what_was_known_at_a_time_can_be_asked_for() {
    let ranked = |revision: u64, first: &str, after_s: i64| {
        let mut findings = findings();
        (findings.revision, findings.updated_at) = (revision, now().plus_seconds(after_s));
        findings.suspects[0].entity = first.to_owned();
        findings
    };
    let findings = vec![ranked(1, "checkout", 15), ranked(2, "payment", 60)];
    let (web, _folder) = start_with(&WriteBatch { findings, ..WriteBatch::default() });
    let first = |after_s: i64| {
        let at = now().plus_seconds(after_s);
        web.get(&format!("/investigations/known/suspects?at={at}")).json()[0]["entity"].as_str().map(str::to_owned)
    };
    assert_eq!(first(0), None, "nothing was known yet");
    assert_eq!(first(59).as_deref(), Some("checkout"));
    assert_eq!(first(60).as_deref(), Some("payment"));
    assert_eq!(web.get("/investigations/known/suspects").json()[0]["entity"], "payment");
    assert_eq!(web.get("/investigations/none/suspects?at=2026-03-23T14:00:00Z").status, 404);
}

#[test]
fn a_name_is_told_to_mean_a_service_and_taken_back_with_who_said_so() {
    let (web, _folder) = start();
    let put = |name: &str, service: &str| {
        send(
            &web,
            "PUT",
            &format!("/aliases/{name}"),
            "*",
            &format!("{name}>{service}"),
            &json!({"service": service, "reason": "renamed in May"}),
        )
    };
    assert_eq!(put("payments-svc", "payments").status, 200);
    assert_eq!(put("pay%2Fold", "payments-svc").status, 200);
    let round = put("payments", "pay/old");
    assert_eq!(round.status, 422, "{}", round.text);
    assert!(round.text.contains("payments → pay/old → payments-svc → payments"), "{}", round.text);
    let table: Value = serde_json::from_str(&web.get("/aliases").text).unwrap();
    let names: Vec<&str> = table.as_array().unwrap().iter().map(|alias| alias["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pay/old", "payments-svc"]);
    assert_eq!((&table[0]["set_by"], &table[0]["origin"], &table[0]["in_force"]), (&json!("ana"), &json!("person"), &json!(true)));
    assert_eq!(web.send("DELETE", "/aliases/payments-svc", &[], None).status, 204);
    assert_eq!(web.send("DELETE", "/aliases/payments-svc", &[], None).status, 404);
}

#[test]
fn a_change_is_found_with_its_life_by_any_of_its_events() {
    let step = |id: &str, seconds: i64, event_type: &str, data: Value| {
        let mut event = whydunit::model::Event::new(
            id.to_owned(),
            now().plus_seconds(seconds - 3_600),
            whydunit::model::Source::Ci,
            event_type,
            whydunit::model::Severity::Info,
            id,
        );
        event.service = Some("cart".to_owned());
        event.environment = data["environment"].as_str().map(str::to_owned);
        event.source_id = Some(format!("shop/{id}"));
        event.data = data;
        event
    };
    let sha = "9c41e07b44aa00000000000000000000000000aa";
    let commit = step("c", 0, "commit", json!({"sha": sha, "repository": "shop/cart", "author": "ann", "message": "Smaller pool"}));
    let live = step("d", 60, "deployment", json!({"sha": &sha[..8], "step": "success", "environment": "production"}));
    // The same webhook again: its position differs, its id does not.
    let events = vec![commit.clone(), live, commit];
    let (web, _folder) = start_with(&WriteBatch { events, ..WriteBatch::default() });
    let listed: Value = serde_json::from_str(&web.get("/changes?service=cart&author=ann").text).unwrap();
    assert_eq!(listed["changes"].as_array().map(Vec::len), Some(1), "{listed}");
    let change: Value = serde_json::from_str(&web.get("/changes/d").text).unwrap();
    assert_eq!((&change, &change["title"]), (&listed["changes"][0], &json!("Smaller pool")));
    let steps: Vec<&str> = change["life"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!((steps, &change["event_ids"]), (vec!["committed", "deployed"], &json!(["c", "d"])));
    assert_eq!(web.get("/changes/nobody").status, 404);
    assert_eq!(web.get("/changes?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").status, 400);
}
