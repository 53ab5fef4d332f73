//! A name that means another service from now on, told to a running process.

use serde_json::{Value, json};
use whydunit::clock;
use whydunit::model::Timestamp;

use super::bodies::{JSON, log_json};
use super::{PATIENCE, assert_closes, send, settings, wait_booked};
use crate::support::process::{Home, Run};

/// Sends a note of a service, and lines of it.
fn send_of(run: &Run, service: &str, note: &str, lines: usize, at: Timestamp) {
    let note = json!({ "type": "note", "title": note, "service": service, "timestamp": at, "source_id": format!("note/{note}") });
    assert_eq!(send(run, "/ingest/manual", &[JSON], note.to_string().as_bytes()).status, 200);
    assert_eq!(send(run, "/v1/logs", &[JSON], &log_json(service, lines, at)).status, 200);
}

/// The service whose event it is.
fn service_of(run: &Run, note: &str) -> String {
    let find = |run: &Run| {
        let events = run.api("/api/v1/events?source=manual");
        events.as_array().and_then(|events| events.iter().find(|event| event["title"] == note).cloned())
    };
    run.wait_until(&format!("the event {note}"), PATIENCE, |run| find(run).is_some());
    find(run).unwrap()["service"].as_str().unwrap_or_default().to_owned()
}

fn put(run: &Run, name: &str, who: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/api/v1/aliases/{name}", run.url());
    let request = ureq::put(url).header("x-whydunit-user", who).config().http_status_as_error(false).build();
    let mut answer = request.send_json(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or_default())
}

fn assert_told_by_ada(run: &Run) {
    let aliases = run.api("/api/v1/aliases");
    let alias = &aliases[0];
    let told = ["name", "service", "set_by", "reason", "origin"].map(|field| alias[field].as_str().unwrap_or_default().to_owned());
    assert_eq!(told, ["svc-a", "checkout", "ada", "renamed in March", "person"], "{aliases}");
    assert!(alias["in_force"] == true && alias["set_at"].as_str().is_some_and(|at| at.starts_with("20")), "{aliases}");
}

/// Lines counted under a service in closed buckets.
fn lines_of(home: &Home, service: &str) -> u64 {
    let export = home.export();
    let rows = export.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours =
        rows.filter(|row| row["kind"] == "bucket_row" && row["value"]["source"] == "logs" && row["value"]["entity"]["service"] == service);
    ours.filter_map(|row| row["value"]["items"].as_u64()).sum()
}

#[test]
fn lines_of_a_name_count_for_the_service_it_means_from_the_moment_somebody_says_so() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let start = clock::now().plus_seconds(-300);
    send_of(&run, "svc-a", "before", 3, start);
    assert_eq!(service_of(&run, "before"), "svc-a");
    wait_booked(&run, "http-logs", "items_decoded", 3);

    let refused = put(&run, "svc-a", "ada", &json!({ "service": "checkout" }));
    assert_eq!(refused.0, 422, "an alias needs its reason: {}", refused.1);
    assert_eq!(put(&run, "svc-a", "ada", &json!({ "service": "checkout", "reason": "renamed in March" })).0, 200);
    assert_told_by_ada(&run);
    send_of(&run, "svc-a", "after", 5, start.plus_seconds(30));
    assert_eq!(service_of(&run, "after"), "checkout");
    assert_eq!(service_of(&run, "before"), "svc-a", "what is stored stays");
    wait_booked(&run, "http-logs", "items_decoded", 8);
    run.terminate();

    let run = home.run();
    assert_told_by_ada(&run);
    send_of(&run, "svc-a", "after a restart", 7, start.plus_seconds(60));
    assert_eq!(service_of(&run, "after a restart"), "checkout");
    wait_booked(&run, "http-logs", "items_decoded", 15);
    // A line of later closes the buckets of all.
    assert_eq!(send(&run, "/v1/logs", &[JSON], &log_json("the-end", 1, start.plus_seconds(200))).status, 200);
    run.wait_until("their buckets are closed", PATIENCE, |run| {
        let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(Timestamp::parse);
        watermark.is_some_and(|watermark| watermark > start.plus_seconds(90))
    });
    run.terminate();
    assert_eq!((lines_of(&home, "svc-a"), lines_of(&home, "checkout")), (3, 12));
    assert_closes(&home);
}
