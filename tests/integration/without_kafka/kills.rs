//! `kill -9` while requests come: what was answered with success is stored, once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};

use prost::Message as _;
use serde_json::{Value, json};
use whydunit::clock;

use super::bodies::{GZIP, JSON, PROTOBUF, gzipped, log_json, log_request};
use super::{PATIENCE, assert_closes, booked, send, settings, try_send};
use crate::support::process::Home;

const SENDERS: usize = 8;
const KILLS: u64 = 4;
/// Answers of success between two kills.
const BETWEEN: u64 = 150;

/// What a sender knows of its requests: number → whether it was answered with success.
#[derive(Default)]
struct Requests {
    answered: Mutex<BTreeMap<u64, bool>>,
    next: AtomicU64,
    successes: AtomicU64,
    is_over: AtomicBool,
}

/// Lines of a request: so many that a part of it would show.
const fn lines(number: u64) -> usize {
    1 + (number % 7) as usize
}

impl Requests {
    /// Sends numbered requests, none of them twice: lines of a service of their own, and every third an event.
    fn send_on(&self, address: &RwLock<String>) {
        while !self.is_over.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let (service, at) = (format!("numbered-{number}"), clock::now());
            let protobuf = || log_request(&service, lines(number), at).encode_to_vec();
            let (path, headers, body): (_, &[(&str, &str)], _) = match number % 3 {
                0 => ("/v1/logs", &[PROTOBUF, GZIP], gzipped(&protobuf())),
                1 => ("/v1/logs", &[JSON], log_json(&service, lines(number), at)),
                _ => ("/ingest/manual", &[JSON], note(number).to_string().into_bytes()),
            };
            let address = address.read().unwrap().clone();
            let status = try_send(&address, path, headers, &body).map(|answer| answer.status);
            assert!(matches!(status, None | Some(200 | 429 | 503)), "{status:?}");
            self.answered.lock().unwrap().insert(number, status == Some(200));
            if status == Some(200) {
                self.successes.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn note(number: u64) -> Value {
    json!({ "type": "note", "title": format!("number {number}"), "timestamp": clock::now(), "source_id": format!("note/{number}") })
}

#[test]
fn killed_while_requests_come_it_has_stored_each_answered_one_exactly_once() {
    let home = Home::new(&settings(""));
    let requests = Requests::default();
    let first = home.run();
    let address = RwLock::new(first.address().to_owned());
    let run = std::thread::scope(|scope| {
        // Also when something below fails: nobody sends for ever.
        let _over = Over(&requests.is_over);
        let mut run = first;
        for _ in 0..SENDERS {
            scope.spawn(|| requests.send_on(&address));
        }
        for kill in 1..=KILLS {
            run.wait_until("requests are answered", PATIENCE, |_| requests.successes.load(Ordering::SeqCst) >= kill * BETWEEN);
            if kill.is_multiple_of(2) {
                // Not only what came since the start is read again: some of it is booked, and removed.
                let before = booked(&run, "http-logs", "records_read");
                run.wait_until("a checkpoint", PATIENCE, |run| booked(run, "http-logs", "records_read") > before);
            }
            // In the midst of requests; the next process has another port.
            run.killed();
            run = home.run();
            *address.write().unwrap() = run.address().to_owned();
        }
        run.wait_until("requests are answered", PATIENCE, |_| requests.successes.load(Ordering::SeqCst) >= (KILLS + 1) * BETWEEN);
        run
    });
    let answered = requests.answered.into_inner().unwrap();
    // A line of later closes the buckets of all.
    let now = clock::now();
    let later = now.plus_seconds(90);
    assert_eq!(send(&run, "/v1/logs", &[JSON], &log_json("the-end", 1, later)).status, 200);
    run.wait_until("all buckets are closed", PATIENCE, |run| {
        let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(whydunit::model::Timestamp::parse);
        watermark.is_some_and(|watermark| watermark > now)
    });
    run.terminate();
    assert_closes(&home);
    judge(&home, &answered);
}

fn judge(home: &Home, answered: &BTreeMap<u64, bool>) {
    let (mut items, mut notes) = (BTreeMap::<u64, u64>::new(), BTreeMap::<u64, u64>::new());
    let number = |text: &str, prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.parse::<u64>().ok());
    for line in home.export().lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let (kind, value) = (&value["kind"], &value["value"]);
        if kind == "bucket_row"
            && let Some(number) = value["entity"]["service"].as_str().and_then(|service| number(service, "numbered-"))
        {
            *items.entry(number).or_default() += value["items"].as_u64().unwrap();
        }
        if kind == "event"
            && let Some(number) = value["source_id"].as_str().and_then(|id| number(id, "note/"))
        {
            *notes.entry(number).or_default() += 1;
        }
    }
    let successes = answered.values().filter(|success| **success).count();
    println!("{} requests, {successes} answered with success", answered.len());
    for (number, success) in answered {
        let (found, all) = match number % 3 {
            2 => (notes.remove(number).unwrap_or_default(), 1),
            _ => (items.remove(number).unwrap_or_default(), lines(*number) as u64),
        };
        let is_right = if *success { found == all } else { found == all || found == 0 };
        assert!(is_right, "request {number}, answered with success: {success}, has {found} of {all}");
    }
    assert!(items.is_empty() && notes.is_empty(), "stored and never sent: {items:?} {notes:?}");
}
