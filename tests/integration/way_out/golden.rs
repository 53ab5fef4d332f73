//! Golden files of the contract: the OpenAPI document, and every kind of refusal. `UPDATE_GOLDEN=1` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use serde_json::{Value, json};
use whydunit::model::command::CommandError;
use whydunit::model::ports::StoreError;

use super::client::Answered;
use super::ports::{Running, start, start_with};

fn compare(file: &str, found: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract").join(file);
    let text = format!("{}\n", serde_json::to_string_pretty(found).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == text, "{file} is not what the code says; if the change is meant, run with UPDATE_GOLDEN=1 and read the diff");
}

#[test]
fn the_document_is_the_one_that_clients_were_built_from() {
    compare("openapi.json", &start().get("/openapi.json").json());
}

/// What a caller sees of a refusal, without the port.
fn shown(answer: &Answered) -> Value {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text);
    let mut shown = json!({ "status": answer.status, "problem": answer.json() });
    for name in ["allow", "retry-after", "www-authenticate"] {
        if answer.headers.contains_key(name) {
            shown[name] = json!(answer.header(name));
        }
    }
    shown
}

fn refusals_of_requests(web: &Running, all: &mut serde_json::Map<String, Value>) {
    let json_type = ("content-type", "application/json");
    let mut note = |name: &str, answer: Answered| drop(all.insert(name.to_owned(), shown(&answer)));
    note("unknown path", web.get("/nothing"));
    note("unknown version", web.send("GET", "//api/v2/events", &[], None));
    note("unknown investigation", web.get("/investigations/none"));
    note("events of an unknown investigation", web.get("/investigations/none/events"));
    note("unknown event", web.get("/events/none"));
    note("unknown dead letter", web.get("/dead-letters/none"));
    note("unknown connector", web.get("/connectors/none"));
    note("wrong method on a list", web.send("PUT", "/investigations", &[json_type], Some(b"{}")));
    note("wrong method on one", web.send("DELETE", "/investigations/known", &[], None));
    note("wrong method on a fixed name", web.send("DELETE", "/investigations/facets", &[], None));
    note("unknown parameter", web.get("/investigations?colour=red"));
    note("parameter where none is taken", web.get("/investigations/known?full=1"));
    note("bad values, several", web.get("/events?source=smoke&severity=dire&from=noon&page=0&per_page=101&sort=-A"));
    note("one value twice", web.get("/events?page=1&page=2"));
    note("a range that ends before it starts", web.get("/events?from=2026-03-23T14:00:00Z&to=2026-03-23T14:00:00Z"));
    note("page and cursor", web.get("/events?page=2&cursor=abc"));
    note("search without words", web.get("/events/search"));
    note("a sort the store does not know", web.get("/investigations?sort=nonsense"));
    note("bad percent-encoding", web.get("/events?service=%ff"));
    note("no content type", web.send("POST", "/events", &[], Some(b"{}")));
    note("other content type", web.send("POST", "/events", &[("content-type", "text/plain")], Some(b"{}")));
    note("empty body", web.post("/events", ""));
    note("bad JSON", web.post("/events", "{\n  \"title\": nope}"));
    note("not an object", web.post("/events", "[]"));
    note("too large", web.post("/events", &format!("{{\"title\":\"{}\"}}", "x".repeat(1 << 20))));
    note("bad If-Match", web.send("PATCH", "/investigations/known", &[json_type, ("if-match", "W/\"x\"")], Some(b"{}")));
    note("no If-Match", web.send("PATCH", "/investigations/known", &[json_type], Some(b"{\"priority\":\"p0\"}")));
    note("empty patch", web.write("PATCH", "/investigations/known", "{}"));
    note("bad name", web.send("GET", "/health", &[("x-whydunit-user", "whydunit")], None));
    note("bad idempotency key", web.send("POST", "/events", &[json_type, ("idempotency-key", "")], Some(b"{\"title\":\"t\"}")));
    note("foreign host", web.send("GET", "/events", &[("host", "evil.test")], None));
    note("foreign origin", web.send("POST", "/events", &[json_type, ("origin", "http://evil.test")], Some(b"{}")));
    note("missing asset", web.send("GET", "//assets/none.js", &[], None));
}

fn refusals_of_fields(web: &Running, all: &mut serde_json::Map<String, Value>) {
    let long = "x".repeat(301);
    let mut note = |name: &str, answer: Answered| drop(all.insert(name.to_owned(), shown(&answer)));
    let event = json!({
        "title": "", "timestamp": "noon", "event_type": "A b", "severity": "dire", "service": 7, "tags": ["", 3, "t".repeat(101)],
        "data": [], "metadata": {"m": "x".repeat(17 << 10)}, "mood": "bad"
    });
    note("every field of an event", web.post("/events", &event.to_string()));
    let investigation = json!({ "title": long, "priority": "p9", "impact_severity": "info", "started_at": 3, "tags": "t" });
    note("fields of a new investigation", web.post("/investigations", &investigation.to_string()));
    note("a title that is missing", web.post("/investigations", "{}"));
    note("a title that is null", web.post("/investigations", "{\"title\":null}"));
    let patch = json!({ "title": " ", "status": "done", "root_cause": "x".repeat(2001), "version": 3 });
    note("fields of a patch", web.write("PATCH", "/investigations/known", &patch.to_string()));
    note("close without a reason", web.post("/investigations/known/close", "{}"));
    note("close for another reason", web.post("/investigations/known/close", "{\"reason\":\"bored\"}"));
    note("close nothing", web.post("/investigations/close", "{\"ids\":[],\"reason\":\"duplicate\"}"));
    note("resolve without a cause", web.post("/investigations/known/resolve", "{\"root_cause\":\"  \"}"));
    note("assign nobody named", web.post("/investigations/known/assign", "{}"));
    note("verdict", web.post("/investigations/known/suspects/none/verdict", "{\"verdict\":\"guilty\"}"));
    note("note without text", web.post("/investigations/known/notes", "{\"body\":\"\"}"));
    note("discard without a reason", web.send("DELETE", "/dead-letters/known", &[], None));
}

fn refusals_of_the_store(web: &Running, all: &mut serde_json::Map<String, Value>) {
    for (name, error) in [
        ("the writer knows no such thing", CommandError::NotFound { what: "investigation", id: "none".to_owned() }),
        ("stale", CommandError::Stale { expected: 3, actual: 5 }),
        ("conflict", CommandError::Conflict { reason: "resolving needs a root cause".to_owned() }),
        ("invalid to the writer", CommandError::Invalid { fields: vec![("status".to_owned(), "open cannot become closed".to_owned())] }),
        ("cannot be stored", CommandError::Unavailable("disk full".to_owned())),
    ] {
        *web.memory.command_error.lock().unwrap() = Some(error);
        all.insert(name.to_owned(), shown(&web.write("PATCH", "/investigations/known", "{\"priority\":\"p0\"}")));
    }
    type Fault = (&'static str, fn() -> StoreError);
    let errors: [Fault; 5] = [
        ("disk full on reading", || StoreError::DiskFull("/data/secret-path".to_owned())),
        ("busy", || StoreError::Busy("locked".to_owned())),
        ("damaged", || StoreError::Corrupt("page 7".to_owned())),
        ("bad query", || StoreError::BadQuery { field: "cursor".to_owned(), reason: "not one of ours".to_owned() }),
        ("a defect", || StoreError::Other("no such column: secret".to_owned())),
    ];
    for (name, error) in errors {
        *web.memory.read_error.lock().unwrap() = Some(error);
        let answer = web.get("/events");
        assert!(!answer.text.contains("secret"), "{name} tells what only the log may hold: {}", answer.text);
        all.insert(name.to_owned(), shown(&answer));
    }
}

#[test]
fn every_refusal_is_a_problem_that_says_what_to_do() {
    let web = start();
    let mut all = serde_json::Map::new();
    refusals_of_requests(&web, &mut all);
    refusals_of_fields(&web, &mut all);
    assert!(web.memory.commands.lock().unwrap().is_empty(), "a refused write reached the writer");
    refusals_of_the_store(&web, &mut all);
    let guarded = start_with(|options| options.token = Some("t".repeat(32)));
    all.insert("no token".to_owned(), shown(&guarded.get("/events")));
    compare("problems.json", &Value::Object(all));
}
