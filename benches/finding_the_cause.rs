//! What does finding the cause cost at 50, 500 and 5,000 services: an item, the close of a bucket, the state of a service?
//!
//! The engine's stages in one thread, without decoding and without a disk: traces are joined, counted, judged, correlated. In every
//! bucket each service has two traces (four spans, six log lines) and three metric points; an hour passes, then one service in ten
//! becomes slow and fails. Printed are the mean cost of an item, the median and the worst close of a bucket while all is well, the
//! worst one with the fault (in which investigations are opened and ranked), and the bytes of state a service in a snapshot.
//! `WHYDUNIT_BENCH_BUCKETS` changes the hour. How long a ranking alone takes says `benches/ranking.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::engine::correlate::{CorrelateOptions, Investigator};
use whydunit::engine::detect::{DetectOptions, Detector, InPieces, ShardInput, TraceJoin};
use whydunit::model::observation::{
    Definition, LogLine, LogText, MetricPoint, ObservationBatch, PointKind, Span, SpanId, SpanKind, TraceId,
};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::{BatchPartition, RecordBatch};
use whydunit::model::{Bucket, EntityKey, Severity, Source, Symbol, Timestamp, symbol};

const ENVIRONMENT: &str = "production";
const START_S: i64 = 1_780_000_005;
const FAULT_BUCKETS: i64 = 12;
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

struct Load {
    services: usize,
    random: ChaCha8Rng,
}

impl Load {
    /// All items of a bucket, as one batch.
    fn batch(&mut self, bucket: Bucket, broken: bool, definitions: Vec<Definition>) -> ObservationBatch {
        let mut records = RecordBatch::new("bench".into(), Source::Traces);
        let key = PartitionKey { cluster: "c".into(), topic: "t".into(), incarnation: 0, partition: 0 };
        records.partitions.push(BatchPartition { key, next_offset: bucket.0 + 1, end_offset: -1, absent: 0, missed: 0, at_end: false });
        records.push(0, bucket.0, None, None, Some(&bucket.0.to_le_bytes()), &[]);
        let mut batch = ObservationBatch::empty(Arc::new(records));
        batch.record_formats = vec!["otlp_proto"];
        batch.definitions = definitions;
        batch.newest = vec![Some(bucket.end())];
        for number in 0..self.services {
            let fails = broken && number % 10 == 3;
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

fn main() {
    let buckets: i64 = std::env::var("WHYDUNIT_BENCH_BUCKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(240);
    for services in [50, 500, 5_000] {
        run(services, buckets);
    }
}

fn run(services: usize, buckets: i64) {
    let options = DetectOptions::default();
    let (mut join, mut detector) = (TraceJoin::new(&options), Detector::new(&options));
    let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
    let mut load = Load { services, random: ChaCha8Rng::seed_from_u64(1) };
    let first = Bucket::of(Timestamp::from_seconds(START_S));
    let (mut items, mut counting, mut opened) = (0, Duration::ZERO, 0);
    let (mut quiet, mut broken): (Vec<Duration>, Vec<Duration>) = Default::default();
    for number in 0..buckets + FAULT_BUCKETS {
        let bucket = Bucket(first.0 + number);
        let definitions = if number == 0 { definitions(services) } else { Vec::new() };
        let batch = load.batch(bucket, number >= buckets, definitions);
        items += batch.items();
        let (inputs, _) = ShardInput::split(batch, 1);
        let began = Instant::now();
        for input in inputs {
            detector.observe(join.observe(input));
        }
        counting += began.elapsed();
        let began = Instant::now();
        // Traces finish some seconds after their ends: all of a bucket's are there a bucket later.
        let closing = Bucket(bucket.0 - 1);
        detector.observe(join.close(closing));
        opened += investigator.step(vec![detector.close(closing)]).iter().filter(|findings| findings.revision <= 1).count();
        if number >= buckets { &mut broken } else { &mut quiet }.push(began.elapsed());
    }
    assert!(opened > 0, "the fault opens an investigation");
    quiet.sort();
    let worst = broken.iter().max().copied().unwrap_or_default();
    let (entries, bytes) = snapshot(&mut detector);
    println!(
        "{services:>5} services: {:>5.0} ns an item; close of a bucket {:>9.2?} at the median ({:.1} µs a service), worst {:>9.2?}; \
         with the fault at worst {worst:>9.2?}; state of a service {} bytes of {entries} entries",
        counting.as_nanos() as f64 / items as f64,
        quiet[quiet.len() / 2],
        quiet[quiet.len() / 2].as_secs_f64() * 1e6 / services as f64,
        quiet[quiet.len() - 1],
        bytes / services,
    );
}

/// Entries and bytes of all that the detector would put into a snapshot.
fn snapshot(detector: &mut Detector) -> (usize, usize) {
    detector.freeze();
    let (entries, whole) = detector.hand_over(usize::MAX);
    assert!(whole);
    let bytes = entries.iter().filter_map(|entry| entry.value.as_ref()).map(|value| value.encode().unwrap().len()).sum();
    (entries.len(), bytes)
}
