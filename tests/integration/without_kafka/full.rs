//! More comes than is read.

use std::process::Command;
use std::time::{Duration, Instant};

use whydunit::clock;

use super::bodies::{JSON, PROTOBUF, log_json, remote_write};
use super::{PATIENCE, assert_closes, send, settings, wait_booked};
use crate::support::process::{Home, Run};
use crate::support::small_disk::SmallDisk;

/// Longer than several waits between two tries to write.
const SOME_TRIES: Duration = Duration::from_secs(6);
/// An answer that waits for nothing, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

fn state(run: &Run, connector: &str) -> String {
    run.api(&format!("/api/v1/connectors/{connector}"))["state"].as_str().unwrap_or_default().to_owned()
}

/// Pauses the connector of logs: what comes waits.
fn hold(run: &Run) {
    run.wait_until("it runs", PATIENCE, |run| state(run, "http-logs") == "running");
    assert_eq!(run.order("/api/v1/connectors/http-logs/pause"), 202);
    run.wait_until("it is paused", PATIENCE, |run| state(run, "http-logs") == "paused");
}

#[test]
fn a_full_inbox_says_when_to_come_again_and_goes_on_once_it_is_read() {
    let home = Home::new(&settings("[ingest]\nmax_body_bytes = 262144\nmax_mib = 1\n"));
    let run = home.run();
    hold(&run);
    let body = log_json("cart", 1_000, clock::now());
    let (mut taken, mut refused) = (0, None);
    while refused.is_none() {
        let answer = send(&run, "/v1/logs", &[JSON], &body);
        if answer.status == 200 {
            taken += 1;
        } else {
            refused = Some(answer);
        }
        assert!(taken < 100, "one MiB has its end");
    }
    let refused = refused.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, "5"), "{}", refused.text());
    assert!(refused.text().contains("http-logs") && refused.text().contains("ingest.max_mib"), "{}", refused.text());
    assert_eq!(send(&run, "/ingest/logs", &[JSON], &body).header("content-type"), "application/problem+json");
    let others = [PROTOBUF, ("content-encoding", "snappy")];
    assert_eq!(send(&run, "/api/v1/write", &others, &remote_write(1, clock::now())).status, 204, "another source has room of its own");

    assert_eq!(run.order("/api/v1/connectors/http-logs/resume"), 202);
    run.wait_until("there is room again", PATIENCE, |run| send(run, "/v1/logs", &[JSON], &body).status == 200);
    wait_booked(&run, "http-logs", "records_read", taken + 1);
    wait_booked(&run, "http-logs", "items_decoded", (taken + 1) * 1_000);
    run.terminate();
    assert_closes(&home);
}

#[test]
fn while_the_disk_takes_no_writes_requests_are_told_to_come_again_and_nothing_answered_is_lost() {
    let home = Home::new(&settings(""));
    let run = home.run_with(&[("WHYDUNIT__STORE__MAX_SIZE_MIB", "1")]);
    hold(&run);
    let body = log_json("cart", 100, clock::now());
    let (mut taken, mut refused) = (0, None);
    while refused.is_none() {
        let answer = send(&run, "/v1/logs", &[JSON], &body);
        match answer.status {
            200 => taken += 1,
            _ => refused = Some(answer),
        }
        assert!(taken < 1_000, "one MiB has its end");
    }
    let refused = refused.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (503, "2"), "{}", refused.text());
    assert!(taken > 0 && refused.text().contains("nothing of this request is stored"), "{}", refused.text());
    assert!(!run.within(SOME_TRIES, |run| run.ops("/readyz")["status"] != "not_ready"), "not steadily: {}", run.ops("/readyz"));
    run.killed();

    let run = home.run();
    wait_booked(&run, "http-logs", "items_decoded", taken * 100);
    assert_eq!(send(&run, "/v1/logs", &[JSON], &body).status, 200);
    run.terminate();
    assert_closes(&home);
}

#[test]
fn on_a_full_disk_it_is_not_ready_until_it_has_written_again_and_says_so_at_once_to_whoever_sends() {
    let Some(disk) = SmallDisk::mount(16) else { return };
    let home = Home::with_database(&settings(""), tempfile::tempdir().unwrap(), disk.database());
    let run = home.run();
    run.wait_until("it is ready", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    let body = log_json("cart", 1_000, clock::now());
    assert_eq!(send(&run, "/v1/logs", &[JSON], &body).status, 200);
    disk.fill(0);
    let mut taken = 1;
    let refused = loop {
        let answer = send(&run, "/v1/logs", &[JSON], &body);
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
    };
    assert_eq!((refused.status, refused.header("retry-after")), (503, "2"), "{}", refused.text());
    // Nobody sends: nothing but the process itself can find out.
    assert!(!run.within(SOME_TRIES, |run| run.ops("/readyz")["status"] != "not_ready"), "not steadily: {}", run.ops("/readyz"));
    let ready = run.ops("/readyz").to_string();
    assert!(["disk full", "make room there", "since 20"].iter().all(|word| ready.contains(word)), "{ready}");
    for _ in 0..3 {
        let began = Instant::now();
        let answer = send(&run, "/v1/logs", &[JSON], &body);
        assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{}", answer.text());
        assert!(answer.text().contains("disk full") && began.elapsed() < AT_ONCE, "{:?}: {}", began.elapsed(), answer.text());
    }
    disk.make_room();
    run.wait_until("it is ready again", PATIENCE, |run| run.ops("/readyz")["status"] == "ready");
    assert_eq!(send(&run, "/v1/logs", &[JSON], &body).status, 200);
    wait_booked(&run, "http-logs", "items_decoded", (taken + 1) * 1_000);
    run.terminate();
    assert_closes(&home);
}

#[test]
fn what_was_taken_is_read_though_nothing_more_is() {
    let home = Home::new(&settings("[ingest]\nenabled = true\n"));
    let run = home.run();
    hold(&run);
    assert_eq!(send(&run, "/v1/logs", &[JSON], &log_json("cart", 7, clock::now())).status, 200);
    run.killed();

    let nothing_else = "[kafka]\nbrokers = \"127.0.0.1:1\"\n[connectors.logs]\nsource = \"logs\"\ntopics = [\"none\"]\n";
    home.settings(&settings(&format!("[ingest]\nenabled = false\n{nothing_else}")));
    let run = home.run();
    wait_booked(&run, "http-logs", "items_decoded", 7);
    let refused = send(&run, "/v1/logs", &[JSON], b"{}");
    assert!(refused.status == 404 && refused.text().contains("ingest.enabled"), "{}", refused.text());
    run.terminate();

    // Somebody relies on it: a Kafka connector that is added does not end it.
    home.settings(&settings(nothing_else));
    let run = home.run();
    assert_eq!(send(&run, "/v1/logs", &[JSON], &log_json("cart", 1, clock::now())).status, 200);
    run.terminate();
}

#[test]
fn with_nothing_to_read_and_nothing_taken_there_is_no_start() {
    let home = Home::new(&settings("[ingest]\nenabled = false\n"));
    let output = home.command("run").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("ingest.enabled"), "{said}");
}

#[test]
fn a_backup_holds_what_waits() {
    let home = Home::new(&settings(""));
    let run = home.run();
    hold(&run);
    assert_eq!(send(&run, "/v1/logs", &[JSON], &log_json("cart", 3, clock::now())).status, 200);
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("copy.db");
    let backup: &mut Command = &mut home.command("backup");
    let output = backup.arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    run.killed();

    let restored = Home::with_database(&settings(""), copy, file);
    let run = restored.run();
    wait_booked(&run, "http-logs", "items_decoded", 3);
    run.terminate();
}
