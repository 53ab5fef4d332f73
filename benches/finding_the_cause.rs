//! What does finding the cause cost at 50, 500 and 5,000 services: an item, the close of a bucket, a ranking, the state of a service?
//!
//! The engine's stages in one thread, without decoding and without a disk: traces are joined, counted, judged, correlated. In every
//! bucket each service has two traces (four spans of its own, six log lines) and three metric points. A quarter of an hour passes; then
//! one service becomes slow and fails; then one in ten does, each by itself, so that there are as many investigations. 200 changes with
//! diffs are candidates of each. Printed are the mean cost of an item, the closes of a bucket while all is well and in both kinds of
//! trouble, and the bytes of state a service in a snapshot. Last comes a ranking: the step of the investigator while all of 500 services
//! belong to one investigation.
//!
//! Times are CPU times of the thread: neighbours on the machine do not count. `WHYDUNIT_BENCH_BUCKETS` changes the quarter of an hour,
//! `WHYDUNIT_BENCH_SERVICES` the sizes (`50,500,5000`). About a minute. Of the closes with one fault the worst is the first with an
//! investigation: there the diffs are read, once each.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use whydunit::engine::correlate::{CorrelateOptions, Investigator};
use whydunit::engine::detect::{DetectOptions, Detector, InPieces, ShardInput, TraceJoin};
use whydunit::model::entity::ServiceName;
use whydunit::model::observation::{
    Definition, LogLine, LogText, MetricPoint, ObservationBatch, PointKind, Span, SpanId, SpanKind, TraceId,
};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::{BatchPartition, RecordBatch};
use whydunit::model::signal::{ClosedBucket, EdgeCount, EntityLoad, Facts, Family, Signal};
use whydunit::model::snapshot::StateEntry;
use whydunit::model::{Bucket, EntityKey, Event, Severity, Source, Symbol, Timestamp, symbol};

const ENVIRONMENT: &str = "production";
const START_S: i64 = 1_780_000_005;
/// A quarter of an hour, of which five minutes are learning; then three minutes each of one fault and of many.
const QUIET_BUCKETS: i64 = 60;
const FAULT_BUCKETS: i64 = 12;
const CHANGES: usize = 200;
/// The second service of a trace is this many further.
const NEXT: usize = 7;

fn service(number: usize) -> String {
    format!("service-{number:04}")
}

fn entity(number: usize) -> EntityKey {
    EntityKey::new(ENVIRONMENT, &service(number))
}

/// Texts of all that the items name.
fn definitions(services: usize) -> Vec<Definition> {
    let fixed = [
        ENVIRONMENT,
        "Serve",
        "Call",
        "takes a request",
        "is done",
        "failed because its pool is exhausted",
        "%",
        "cpu.used",
        "memory.used",
        "queue.length",
    ];
    let names = fixed.map(str::to_owned).into_iter().chain((0..services).map(service));
    names.map(|text| Definition { symbol: symbol(&text), text: text.into() }).collect()
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    One,
    Many,
}

impl Trouble {
    fn strikes(self, service: usize) -> bool {
        match self {
            Self::None => false,
            Self::One => service == 3,
            Self::Many => service % 10 == 3,
        }
    }
}

struct Load {
    services: usize,
    random: ChaCha8Rng,
}

impl Load {
    /// All items of a bucket, as one batch.
    fn batch(&mut self, bucket: Bucket, trouble: Trouble, definitions: Vec<Definition>) -> ObservationBatch {
        let mut records = RecordBatch::new("bench".into(), Source::Traces);
        let key = PartitionKey { cluster: "c".into(), topic: "t".into(), incarnation: 0, partition: 0 };
        records.partitions.push(BatchPartition { key, next_offset: bucket.0 + 1, end_offset: -1, absent: 0, missed: 0, at_end: false });
        records.push(0, bucket.0, None, None, Some(&bucket.0.to_le_bytes()), &[]);
        let mut batch = ObservationBatch::empty(Arc::new(records));
        batch.record_formats = vec!["otlp_proto"];
        batch.definitions = definitions;
        batch.newest = vec![Some(bucket.end())];
        for number in 0..self.services {
            let fails = trouble.strikes(number);
            for _ in 0..2 {
                self.trace(&mut batch, bucket, number, fails);
            }
            for (metric, level) in [("cpu.used", if fails { 95.0 } else { 20.0 }), ("memory.used", 60.0), ("queue.length", 3.0)] {
                let value = level + 2.0 * self.random.random::<f64>();
                batch.points.push(point(number, metric, bucket.start().plus_seconds(3), value));
            }
        }
        batch
    }

    /// A request to one service, which calls another.
    fn trace(&mut self, batch: &mut ObservationBatch, bucket: Bucket, number: usize, fails: bool) {
        let at = bucket.start().plus_millis(self.random.random_range(0..2_000));
        let callee = (number + NEXT) % self.services;
        let slow = if fails { 900_000_000 } else { 0 };
        let took = self.random.random_range(4_000_000..9_000_000);
        let trace = TraceId(self.random.random::<u128>() | 1);
        let ids: [u64; 3] = std::array::from_fn(|_| self.random.random::<u64>() | 1);
        let ends = [at.plus_nanos(3 * took + slow), at.plus_nanos(2 * took), at.plus_nanos(took)];
        let spans = [
            (number, "Serve", SpanKind::Server, 0, ids[0], ends[0]),
            (number, "Call", SpanKind::Client, ids[0], ids[1], ends[1]),
            (callee, "Serve", SpanKind::Server, ids[1], ids[2], ends[2]),
        ];
        for (number, operation, kind, parent, id, end) in spans {
            let failed = fails && parent == 0;
            batch.spans.push(Span {
                record: 0,
                item: 0,
                trace,
                span: SpanId(id),
                parent: SpanId(parent),
                start: at,
                end,
                entity: entity(number),
                host: Symbol::NONE,
                operation: symbol(operation),
                peer: Symbol::NONE,
                version: Symbol::NONE,
                kind,
                failed,
                message: failed.then(|| "its pool is exhausted".into()),
            });
        }
        for (number, id, at) in [(number, ids[0], at), (callee, ids[2], at.plus_nanos(took / 2))] {
            batch.logs.push(line(number, trace, SpanId(id), at.plus_nanos(1_000), "takes a request", Severity::Info));
        }
        let (template, severity) =
            if fails { ("failed because its pool is exhausted", Severity::High) } else { ("is done", Severity::Info) };
        batch.logs.push(line(number, trace, SpanId(ids[0]), ends[0].plus_nanos(-1_000), template, severity));
    }
}

fn line(number: usize, trace: TraceId, span: SpanId, timestamp: Timestamp, template: &str, severity: Severity) -> LogLine {
    let text = (severity >= Severity::Medium).then(|| Box::new(LogText { message: template.to_owned(), ..LogText::default() }));
    let (entity, template) = (entity(number), symbol(template));
    LogLine { record: 0, item: 0, timestamp, entity, host: Symbol::NONE, severity, template, trace, span, text }
}

fn point(number: usize, metric: &str, timestamp: Timestamp, value: f64) -> MetricPoint {
    MetricPoint {
        record: 0,
        item: 0,
        timestamp,
        entity: entity(number),
        host: Symbol::NONE,
        metric: symbol(metric),
        unit: symbol("%"),
        series: 7,
        kind: PointKind::Gauge,
        value,
        requests: None,
    }
}

/// Deployments of the day before, each with a diff of a setting and of a program.
fn changes(services: usize, until: Timestamp) -> Vec<Event> {
    let change = |number: usize| {
        let name = service(number * 3 % services);
        let code: String =
            (0..40).map(|line| format!("-    total := price{line} * count\n+    total := price{line} * count + fee{number}\n")).collect();
        let diff = format!(
            "diff --git a/{name}/config.yaml b/{name}/config.yaml\n--- a/{name}/config.yaml\n+++ b/{name}/config.yaml\n@@ -1,3 +1,3 @@\n \
             pool:\n-  max_connections: 40\n+  max_connections: 8\ndiff --git a/{name}/order.go b/{name}/order.go\n--- a/{name}/order.go\n\
             +++ b/{name}/order.go\n@@ -1,40 +1,40 @@ func total\n{code}"
        );
        let at = until.plus_seconds(-400 * number as i64 - 30);
        let mut event = Event::new(format!("change-{number}"), at, Source::Ci, "deployment", Severity::Info, "deploy");
        event.environment = Some(ENVIRONMENT.to_owned());
        event.data = json!({
            "sha": format!("{number:07x}abcdef"), "message": "Tune the pool, add the fee", "diff": diff,
            "files": [format!("{name}/config.yaml"), format!("{name}/order.go")],
        });
        event.service = Some(name);
        event
    };
    (0..CHANGES).map(change).collect()
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.cast_unsigned(), u32::try_from(spent.tv_nsec).unwrap())
}

/// What it gives, and how long it takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = cpu_time();
    let given = work();
    (given, cpu_time() - began)
}

fn main() {
    let setting = |name: &str| std::env::var(name).ok();
    let buckets: i64 = setting("WHYDUNIT_BENCH_BUCKETS").and_then(|text| text.parse().ok()).unwrap_or(QUIET_BUCKETS);
    let sizes = setting("WHYDUNIT_BENCH_SERVICES").unwrap_or_else(|| "50,500,5000".to_owned());
    for services in sizes.split(',').filter_map(|text| text.parse().ok()) {
        run(services, buckets);
    }
    ranking();
}

/// How long the closes of one phase took: traces finished, counts judged, correlated.
#[derive(Default)]
struct Closes(Vec<[Duration; 3]>);

impl Closes {
    /// Median and worst in milliseconds, and the parts of all.
    fn said(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let mut whole: Vec<Duration> = self.0.iter().map(|parts| parts.iter().sum()).collect();
        whole.sort();
        let part = |index: usize| ms(self.0.iter().map(|parts| parts[index]).sum()) / self.0.len() as f64;
        format!(
            "median {:.1} ms, worst {:.1} ms (means: traces {:.1}, judging {:.1}, investigator {:.1})",
            ms(whole[whole.len() / 2]),
            ms(whole[whole.len() - 1]),
            part(0),
            part(1),
            part(2)
        )
    }
}

fn run(services: usize, buckets: i64) {
    let options = DetectOptions::default();
    let (mut join, mut detector) = (TraceJoin::new(&options), Detector::new(&options));
    let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
    let mut load = Load { services, random: ChaCha8Rng::seed_from_u64(1) };
    let first = Bucket::of(Timestamp::from_seconds(START_S));
    investigator.forward(&changes(services, Bucket(first.0 + buckets).start()));
    let (mut items, mut counting) = (0, Duration::ZERO);
    println!("{services} services:");
    for (trouble, buckets, name) in [
        (Trouble::None, 0..buckets, "all is well"),
        (Trouble::One, buckets..buckets + FAULT_BUCKETS, "one service fails"),
        (Trouble::Many, buckets + FAULT_BUCKETS..buckets + 2 * FAULT_BUCKETS, "one service in ten fails"),
    ] {
        let (mut closes, mut opened) = (Closes::default(), 0);
        for number in buckets {
            let bucket = Bucket(first.0 + number);
            let definitions = if number == 0 { definitions(services) } else { Vec::new() };
            let batch = load.batch(bucket, trouble, definitions);
            items += batch.items();
            let (inputs, _) = ShardInput::split(batch, 1);
            counting += timed(|| inputs.into_iter().for_each(|input| detector.observe(join.observe(input)))).1;
            // Traces finish some seconds after their ends: all of a bucket's are there a bucket later.
            let closing = Bucket(bucket.0 - 1);
            let ((), traces) = timed(|| detector.observe(join.close(closing)));
            let (closed, judging) = timed(|| detector.close(closing));
            let (findings, correlating) = timed(|| investigator.step(vec![closed]));
            opened += findings.iter().filter(|findings| findings.revision <= 1).count();
            closes.0.push([traces, judging, correlating]);
        }
        assert_eq!(opened > 0, trouble != Trouble::None, "{services} services, {name}: {opened} opened");
        println!("  {name}: close of a bucket {}; {opened} investigations opened", closes.said());
    }
    let (entries, whole) = {
        detector.freeze();
        detector.hand_over(usize::MAX)
    };
    assert!(whole);
    println!(
        "  {:.0} ns an item; state of a service: {} bytes for detection, {} for investigation",
        counting.as_nanos() as f64 / items as f64,
        bytes(&entries, b'e') / services,
        bytes(&investigator.delta(), b's') / services
    );
}

/// Bytes of a snapshot's entries of one kind, by the first byte of their keys.
fn bytes(entries: &[StateEntry], kind: u8) -> usize {
    let mine = entries.iter().filter(|entry| entry.key.first() == Some(&kind));
    mine.filter_map(|entry| entry.value.as_ref()).map(|value| value.encode().unwrap().len()).sum()
}

const HOT_SERVICES: usize = 500;
const RANKINGS: i64 = 21;

/// A step of the investigator while all services belong to one investigation: each shows three signs, and calls three others and one
/// that all call.
fn ranking() {
    let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
    let first = Bucket::of(Timestamp::from_seconds(START_S));
    investigator.forward(&changes(HOT_SERVICES, first.start()));
    let mut steps = Vec::new();
    for number in 0..RANKINGS + 2 {
        let closed = all_hot(Bucket(first.0 + number), first.start());
        let (findings, step) = timed(|| investigator.step(vec![closed]));
        // It must hold at two closes running.
        if number >= 2 {
            assert_eq!(findings.first().map(|findings| findings.hot_services.len()).unwrap_or(HOT_SERVICES), HOT_SERVICES);
            steps.push(step);
        }
    }
    steps.sort();
    println!(
        "A step in which {HOT_SERVICES} services of one investigation and {CHANGES} changes are ranked: median {:.1} ms, worst {:.1} ms",
        steps[steps.len() / 2].as_secs_f64() * 1e3,
        steps[steps.len() - 1].as_secs_f64() * 1e3
    );
}

fn all_hot(bucket: Bucket, onset: Timestamp) -> ClosedBucket {
    let name = |number: usize| ServiceName { environment: ENVIRONMENT.to_owned(), service: service(number % HOT_SERVICES) };
    let mut closed = ClosedBucket { bucket, ..ClosedBucket::default() };
    for number in 0..HOT_SERVICES {
        for (place, detector) in ["self_time", "failures", "log_shape"].into_iter().enumerate() {
            let surprise = 10.0 + ((number * 7 + place * 13) % 60) as f64;
            closed.signals.push(signal(name(number), detector, surprise, onset.plus_seconds(number as i64 % 40)));
        }
        for callee in [0, number + 10, number + 17, number + 29].into_iter().filter(|callee| callee % HOT_SERVICES != number) {
            closed.edges.push(EdgeCount { caller: name(number), callee: name(callee), calls: 10, failed: 1, duration_ns: 1_000_000 });
        }
        closed.loads.push(EntityLoad {
            entity: name(number),
            requests: 100,
            failed: 20,
            duration_ns: 1_000_000_000,
            excess_failures: (number * 3 % 50) as f64,
            excess_seconds: (number * 11 % 70) as f64,
            interval_s: 0,
        });
    }
    closed
}

fn signal(service: ServiceName, detector: &str, surprise: f64, onset: Timestamp) -> Signal {
    Signal {
        family: if detector == "failures" { Family::Failures } else { Family::Latency },
        detector: detector.to_owned(),
        key: format!("{}/Serve", service.service),
        surprise,
        rank_surprise: surprise,
        window_s: 60,
        onset,
        ended: None,
        after_deployment: false,
        facts: Facts::default(),
        sentence: format!("{}: 30 of 40 requests waited for a connection, before 1 of 900", service.service),
        event_id: String::new(),
        host: None,
        series: Vec::new(),
        unit: String::new(),
        service,
    }
}
