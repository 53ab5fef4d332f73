//! What producers of a small shop send: requests with their lines and spans, metrics, changes, notes, and what nobody can read.

use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use whydunit::model::{Source, Timestamp};

use crate::workload::{Expect, Record, START};

const SERVICES: [&str; 4] = ["gateway", "cart", "payment", "stock"];
const ENVIRONMENT: &str = "production";

/// A record on its way to a partition.
#[derive(Clone, Debug)]
pub struct Sent {
    pub source: Source,
    /// When it lies in its partition, milliseconds of event time.
    pub at_ms: i64,
    /// Records of one key lie in one partition.
    pub key: Option<u64>,
    pub record: Record,
}

struct Traffic<'r> {
    random: &'r mut ChaCha8Rng,
    sent: Vec<Sent>,
    /// Service that breaks, and when.
    fault: Option<(usize, i64)>,
}

pub fn draw(random: &mut ChaCha8Rng) -> Vec<Sent> {
    let end_ms = random.random_range(210_000..330_000);
    let onset = end_ms - random.random_range(50_000..90_000);
    let fault = random.random_bool(0.8).then(|| (random.random_range(1..SERVICES.len()), onset));
    let pace_ms = random.random_range(1_200..2_500);
    let mut traffic = Traffic { random, sent: Vec::new(), fault };
    let mut at_ms = 0;
    while at_ms < end_ms {
        at_ms += traffic.random.random_range(pace_ms / 2..pace_ms * 3 / 2);
        traffic.request(at_ms);
        traffic.now_and_then(at_ms);
    }
    for at_ms in (0..end_ms).step_by(10_000) {
        (0..SERVICES.len()).for_each(|service| traffic.metrics(at_ms, service));
    }
    traffic.changes(end_ms);
    traffic.sent
}

/// Word of a record that panics the step which joins it, or counts it, or that the disk refuses.
pub const POISON: [&str; 3] = ["poison for the join", "poison for the detector", "poison for the store"];

/// Records that fail by themselves after they were decoded, each time they come.
pub fn add_poison(random: &mut ChaCha8Rng, sent: &mut Vec<Sent>) {
    let end_ms = sent.iter().map(|sent| sent.at_ms).max().unwrap_or_default();
    for number in 0..random.random_range(1..5_usize) {
        let at_ms = random.random_range(0..end_ms);
        let word = POISON[number % POISON.len()];
        let (source, value) = match number % POISON.len() {
            2 => (
                Source::Manual,
                json!({ "type": "note", "title": format!("{word} {number}"), "timestamp": time(at_ms), "service": "cart",
                "environment": ENVIRONMENT }),
            ),
            kind => {
                let mut line = json!({ "@timestamp": time(at_ms), "message": format!("{word} {number}"), "log.level": "info",
                    "service.name": "cart", "service.environment": ENVIRONMENT });
                if kind == 0 {
                    line["trace.id"] = json!(format!("{:032x}", random.next_u64() | 1));
                    line["span.id"] = json!(format!("{:016x}", random.next_u64() | 1));
                }
                (Source::Logs, line)
            }
        };
        let expect = Expect { rejected: true, ..Expect::default() };
        let record = Record { key: None, value: Some(bytes(&value)), headers: Vec::new(), timestamp: time(at_ms), expect };
        sent.push(Sent { source, at_ms, key: None, record });
    }
}

/// Lines of jobs that write little, each so long after its time that its bucket is closed: booked into whichever bucket is open
/// when it is read, it is often the only item of its service there.
pub fn add_late(random: &mut ChaCha8Rng, sent: &mut Vec<Sent>) {
    let end_ms = sent.iter().map(|sent| sent.at_ms).max().unwrap_or_default();
    for number in 0..random.random_range(40..120) {
        let at_ms = random.random_range(60_000..end_ms);
        let level = if random.random_bool(0.5) { "error" } else { "info" };
        let line = json!({ "@timestamp": time(at_ms - random.random_range(40_000..60_000)), "message": format!("job {number} was late"),
            "log.level": level, "service.name": format!("job-{}", random.random_range(0..12)), "service.environment": ENVIRONMENT });
        let record = Record {
            key: None,
            value: Some(bytes(&line)),
            headers: Vec::new(),
            timestamp: time(at_ms),
            expect: Expect { folded: 1, ..Expect::default() },
        };
        sent.push(Sent { source: Source::Logs, at_ms, key: None, record });
    }
}

impl Traffic<'_> {
    fn push(&mut self, source: Source, at_ms: i64, value: Vec<u8>, expect: Expect) {
        let record = Record { key: None, value: Some(value), headers: Vec::new(), timestamp: time(at_ms), expect };
        self.sent.push(Sent { source, at_ms, key: None, record });
    }

    /// Delivers the last record once more, a little later.
    fn repeat(&mut self, expect: Expect, same_partition: bool) {
        let key = same_partition.then(|| self.random.next_u64());
        let Some(last) = self.sent.last_mut() else { return };
        last.key = key;
        let mut again = last.clone();
        again.record.expect = expect;
        again.at_ms += 1_000;
        self.sent.push(again);
    }

    fn request(&mut self, at_ms: i64) {
        let trace = (u128::from(self.random.next_u64()) << 64) | u128::from(self.random.next_u64() | 1);
        let failed = self.fault.is_some_and(|(_, onset)| at_ms >= onset) && self.random.random_bool(0.8);
        let broken = if failed { self.fault.map(|(service, _)| service) } else { None };
        let depth = if failed { SERVICES.len() } else { self.random.random_range(2..=SERVICES.len()) };
        for service in 0..depth {
            let is_failed = broken.is_some_and(|broken| service <= broken);
            self.span(trace, service, depth, at_ms, is_failed);
            self.line(trace, service, at_ms + 10 * service as i64, broken == Some(service));
        }
    }

    fn span(&mut self, trace: u128, service: usize, depth: usize, at_ms: i64, failed: bool) {
        let (own_ms, start_ms) = (self.random.random_range(5..40), at_ms + 10 * service as i64);
        let end_ms = at_ms + 400 - 20 * service as i64 + own_ms;
        let status = if failed { json!({ "code": 2, "message": format!("{} failed", SERVICES[service]) }) } else { json!({}) };
        let id = |number: usize| format!("{:016x}", (trace as u64).wrapping_add(number as u64) | 1 << 60);
        let parent = if service > 0 { id(2 * service - 1) } else { String::new() };
        let span = |number: usize, parent: &str, kind: u32, name: String| {
            json!({ "traceId": format!("{trace:032x}"), "spanId": id(number), "parentSpanId": parent, "name": name, "kind": kind,
                "startTimeUnixNano": time(start_ms).nanos().to_string(), "endTimeUnixNano": time(end_ms).nanos().to_string(), "status": status })
        };
        let mut spans = vec![span(2 * service, &parent, 2, format!("handle {}", SERVICES[service]))];
        if service + 1 < depth {
            spans.push(span(2 * service + 1, &id(2 * service), 3, format!("call {}", SERVICES[service + 1])));
        }
        let items = spans.len() as u64;
        let value = json!({ "resourceSpans": [{ "resource": resource(service), "scopeSpans": [{ "spans": spans }] }] });
        self.push(Source::Traces, end_ms, bytes(&value), Expect { folded: items, ..Expect::default() });
        if self.random.random_bool(0.02) {
            self.repeat(Expect { folded: items, repeats: items, ..Expect::default() }, false);
        }
    }

    fn line(&mut self, trace: u128, service: usize, at_ms: i64, failed: bool) {
        let traced = self.random.random_bool(0.5);
        let number = self.random.random_range(100..10_000);
        let (level, message) = match failed {
            true => ("error", format!("cannot take order {number}: connection to the database refused")),
            false => ("info", format!("order {number} taken in {} ms", self.random.random_range(3..90))),
        };
        let mut line = json!({ "@timestamp": time(at_ms), "message": message, "log.level": level, "service.name": SERVICES[service],
            "service.environment": ENVIRONMENT });
        if traced {
            line["trace.id"] = json!(format!("{trace:032x}"));
            line["span.id"] = json!(format!("{:016x}", (trace as u64).wrapping_add(2 * service as u64) | 1 << 60));
        }
        self.push(Source::Logs, at_ms, bytes(&line), Expect { folded: 1, ..Expect::default() });
        // Of a line in two partitions the one read first is kept, with its position: which that is differs from run to run.
        if traced && self.random.random_bool(0.02) {
            self.repeat(Expect { folded: 1, repeats: 1, ..Expect::default() }, true);
        }
    }

    fn metrics(&mut self, at_ms: i64, service: usize) {
        let heat = if self.fault.is_some_and(|(broken, onset)| broken == service && at_ms >= onset) { 4.0 } else { 1.0 };
        let is_bad = self.random.random_bool(0.03);
        let nanos = time(at_ms).nanos().to_string();
        let mut points = vec![json!({ "timeUnixNano": nanos, "asDouble": heat * f64::from(self.random.random_range(20..24)) })];
        if is_bad {
            points.push(json!({ "timeUnixNano": nanos, "asDouble": "NaN", "attributes": [attribute("pool", "second")] }));
        }
        let total = (at_ms / 100) as f64;
        let sum = json!({ "name": "requests", "sum": { "aggregationTemporality": 2, "isMonotonic": true,
            "dataPoints": [{ "timeUnixNano": nanos, "startTimeUnixNano": time(0).nanos().to_string(), "asDouble": total }] } });
        let metrics = json!([{ "name": "pool.used", "gauge": { "dataPoints": points } }, sum]);
        let value = json!({ "resourceMetrics": [{ "resource": resource(service), "scopeMetrics": [{ "metrics": metrics }] }] });
        self.push(Source::Metrics, at_ms, bytes(&value), Expect { folded: 2, bad: u64::from(is_bad), ..Expect::default() });
    }

    /// What nobody can read, and lines that claim to be from the future.
    fn now_and_then(&mut self, at_ms: i64) {
        if self.random.random_bool(0.04) {
            let source = Source::ALL[self.random.random_range(0..Source::ALL.len())];
            let mut garbage = vec![0xff; self.random.random_range(1..60)];
            self.random.fill_bytes(&mut garbage[1..]);
            let value = match self.random.random_range(0..4) {
                0 => None,
                1 => Some(Vec::new()),
                _ => Some(garbage),
            };
            self.push(source, at_ms, Vec::new(), Expect { rejected: true, ..Expect::default() });
            if let Some(last) = self.sent.last_mut() {
                last.record.value = value;
                last.record.key = Some(b"k".to_vec());
                last.record.headers = vec![("from", b"somewhere".to_vec())];
            }
        }
        if self.random.random_bool(0.01) {
            let ahead = time(at_ms).plus_seconds(315_360_000);
            let line = json!({ "@timestamp": ahead, "message": "from the future", "log.level": "info", "service.name": "stock",
                "service.environment": ENVIRONMENT });
            self.push(Source::Logs, at_ms, bytes(&line), Expect { folded: 1, ..Expect::default() });
        }
    }

    /// One-to-one: commits, builds, notes and alerts, some sent twice.
    fn changes(&mut self, end_ms: i64) {
        for number in 0..self.random.random_range(4..14) {
            let (source, kind) = [
                (Source::Git, "commit"),
                (Source::Ci, "deployment"),
                (Source::Ci, "build_failed"),
                (Source::Manual, "config_change"),
                (Source::Manual, "note"),
                (Source::Manual, "alert"),
            ][self.random.random_range(0..6)];
            let near_onset = self.fault.map(|(_, onset)| onset - 20_000).filter(|_| self.random.random_bool(0.3));
            let at_ms = near_onset.unwrap_or_else(|| self.random.random_range(0..end_ms));
            let service = SERVICES[self.random.random_range(0..SERVICES.len())];
            let mut event = json!({ "type": kind, "title": format!("{kind} {number} of {service}"), "timestamp": time(at_ms), "service": service,
                "environment": ENVIRONMENT, "data": { "sha": format!("{number:040x}"), "message": "smaller pool" } });
            let named = self.random.random_bool(0.6);
            if named {
                event["source_id"] = json!(format!("{kind}/{number}"));
            }
            let expect = Expect { one_to_one: 1, ..Expect::default() };
            self.push(source, at_ms, bytes(&event), expect);
            if named && self.random.random_bool(0.4) {
                self.repeat(Expect { repeats: 1, ..expect }, false);
            }
        }
    }
}

fn time(at_ms: i64) -> Timestamp {
    Timestamp::from_seconds(START).plus_millis(at_ms)
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn attribute(key: &str, text: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": text } })
}

fn resource(service: usize) -> Value {
    json!({ "attributes": [attribute("service.name", SERVICES[service]), attribute("deployment.environment.name", ENVIRONMENT)] })
}
