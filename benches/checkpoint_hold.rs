//! How long does a checkpoint hold the pipeline at 10,000 entities, and how many bytes does it write?
//!
//! The real stages and a real database file, from a feed in memory: every second each of 10,000 services has a log line, two
//! metric points and a span, and every second there is a checkpoint. `WHYDUNIT_BENCH_ENTITIES`, `WHYDUNIT_BENCH_SECONDS` and
//! `WHYDUNIT_BENCH_SHARDS` change it.
//!
//! Held is how long a record on its way waits that meets the longest of every stage: the step in which the sources are cut, then
//! a piece of a stage's changes, or what is behind the barrier waiting for another shard's. Spent is what all stages together spend
//! on it, between their messages. Gathered is when all is with the recorder, after the work that was queued before it and is done
//! meanwhile as ever.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Arbiter, System};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use whydunit::actors::connector::Feed;
use whydunit::actors::kept::Guards;
use whydunit::actors::status::StatusBoard;
use whydunit::actors::supervisor::{self, Ending, Supervisor};
use whydunit::app::doors::SharedDoors;
use whydunit::app::pipeline::{self, PipelineParts, Placement, SourcePart};
use whydunit::model::live::LiveUpdate;
use whydunit::model::ports::{AssignedPartition, FeedControl, FeedMessage, Publish, StoreReader};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::{BatchPartition, RecordBatch};
use whydunit::model::{Source, Timestamp};
use whydunit::store;

const START_S: i64 = 1_763_388_000;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Parts into which a second's records are cut.
const SLICES: usize = 20;
const BATCH_RECORDS: usize = 500;
const ITEMS_A_RECORD: usize = 50;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

// ---------------------------------------------------------------- the records

fn resource(service: usize) -> Option<Resource> {
    let text = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    let attributes = vec![
        text("service.name", format!("service-{service:05}")),
        text("deployment.environment.name", "production".to_owned()),
        text("host.name", format!("node-{}", service % 200)),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn log_line(service: usize, second: i64) -> Vec<u8> {
    let error = (service as i64 + second) % 50 == 0;
    format!(
        "{{\"@timestamp\":\"{}\",\"log.level\":\"{}\",\"message\":\"step {} of order {} done by worker {}\",\
         \"service.name\":\"service-{service:05}\",\"service.environment\":\"production\",\"host.name\":\"node-{}\"}}",
        Timestamp::from_seconds(START_S + second),
        if error { "error" } else { "info" },
        (service as i64 + second) % 20,
        second * 7 + service as i64,
        service % 16,
        service % 200
    )
    .into_bytes()
}

fn points(services: std::ops::Range<usize>, second: i64) -> Vec<u8> {
    let gauge = |name: &str, value: f64| Metric {
        name: name.to_owned(),
        data: Some(metric::Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint {
                time_unix_nano: ((START_S + second) * 1_000_000_000) as u64,
                value: Some(number_data_point::Value::AsDouble(value)),
                ..NumberDataPoint::default()
            }],
        })),
        ..Metric::default()
    };
    let of = |service: usize| {
        let wave = ((second + service as i64) % 17) as f64;
        let metrics = vec![gauge("process.cpu.utilization", 0.3 + wave / 100.0), gauge("process.memory.usage", 1e8 + wave * 1e6)];
        ResourceMetrics {
            resource: resource(service),
            scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }
    };
    ExportMetricsServiceRequest { resource_metrics: services.map(of).collect() }.encode_to_vec()
}

fn spans(services: std::ops::Range<usize>, second: i64) -> Vec<u8> {
    let of = |service: usize| {
        let number = ((second as u128) << 64) | (service as u128 + 1);
        let end = ((START_S + second) * 1_000_000_000) as u64;
        let span = Span {
            trace_id: number.to_be_bytes().to_vec(),
            span_id: (service as u64 + 1).to_be_bytes().to_vec(),
            name: "GET /orders".to_owned(),
            kind: 2,
            start_time_unix_nano: end - 20_000_000 - (service as u64 % 13) * 1_000_000,
            end_time_unix_nano: end,
            ..Span::default()
        };
        ResourceSpans {
            resource: resource(service),
            scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    };
    ExportTraceServiceRequest { resource_spans: services.map(of).collect() }.encode_to_vec()
}

/// One source's records of one slice of a second.
fn records(source: Source, services: std::ops::Range<usize>, second: i64) -> Vec<Vec<u8>> {
    let parts = |encode: fn(std::ops::Range<usize>, i64) -> Vec<u8>| {
        services.clone().step_by(ITEMS_A_RECORD).map(|first| encode(first..(first + ITEMS_A_RECORD).min(services.end), second)).collect()
    };
    match source {
        Source::Metrics => parts(points),
        Source::Traces => parts(spans),
        _ => services.map(|service| log_line(service, second)).collect(),
    }
}

// ---------------------------------------------------------------- the feed

struct Nothing;

impl FeedControl for Nothing {
    fn pause(&self) {}
    fn resume(&self) {}
    fn commit(&self, _: &[(PartitionKey, i64)]) {}
    fn stop(&self) {}
}

/// A source at an even pace, one second of event time a second.
fn feed(source: Source, entities: usize, seconds: usize) -> Feed {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let key = PartitionKey { cluster: "bench".into(), topic: source.as_str().into(), incarnation: 0, partition: 0 };
        let assigned = AssignedPartition { key: key.clone(), start_offset: 0, end_offset: i64::MAX, topic_id: None };
        sender.send(FeedMessage::Assigned(vec![assigned])).await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / SLICES as u32);
        let mut offset = 0;
        for slice in 0..seconds * SLICES {
            tick.tick().await;
            let (second, part) = ((slice / SLICES) as i64, slice % SLICES);
            let services = entities * part / SLICES..entities * (part + 1) / SLICES;
            for values in records(source, services, second).chunks(BATCH_RECORDS) {
                let mut batch = RecordBatch::new(source.as_str().into(), source);
                let next_offset = offset + values.len() as i64;
                let partition = BatchPartition { key: key.clone(), next_offset, end_offset: -1, absent: 0, missed: 0, at_end: false };
                batch.partitions.push(partition);
                for value in values {
                    batch.push(0, offset, Some(Timestamp::from_seconds(START_S + second)), None, Some(value), &[]);
                    offset += 1;
                }
                sender.send(FeedMessage::Batch(batch)).await.unwrap();
            }
        }
        sender.send(FeedMessage::Ended { reason: None }).await.unwrap();
    });
    (receiver, Arc::new(Nothing))
}

// ---------------------------------------------------------------- what is measured

/// What the stages say of their checkpoints.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Figures>>);

#[derive(Debug, Default)]
struct Figures {
    held_ms: Vec<f64>,
    /// The same by stage: sources, joins, detections, investigator.
    stages_ms: [Vec<f64>; 4],
    spent_ms: Vec<f64>,
    gathered_ms: Vec<f64>,
    /// (bytes, entries, milliseconds from its first part to its end)
    written: Vec<(u64, u64, u64)>,
}

#[derive(Default)]
struct Fields(Vec<(&'static str, u64)>);

impl Fields {
    fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), value));
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Told {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut figures = self.0.lock().unwrap();
        if let Some(held_us) = fields.get("held_us") {
            figures.held_ms.push(held_us as f64 / 1e3);
            for (index, name) in ["sources_us", "joins_us", "detections_us", "investigator_us"].into_iter().enumerate() {
                figures.stages_ms[index].extend(fields.get(name).map(|us| us as f64 / 1e3));
            }
            figures.spent_ms.extend(fields.get("spent_us").map(|us| us as f64 / 1e3));
            figures.gathered_ms.extend(fields.get("gathered_us").map(|us| us as f64 / 1e3));
        }
        if let (Some(bytes), Some(entries), Some(took_ms)) = (fields.get("bytes"), fields.get("entries"), fields.get("took_ms")) {
            figures.written.push((bytes, entries, took_ms));
        }
    }
}

struct Nobody;

impl Publish for Nobody {
    fn publish(&self, _: LiveUpdate) {}
}

async fn run(entities: usize, seconds: usize, shards: usize, options: store::Options) -> Ending {
    let arbiters: Vec<Arbiter> = (0..shards + 2).map(|_| Arbiter::new()).collect();
    let handles: Vec<_> = arbiters.iter().map(Arbiter::handle).collect();
    let reader_options = options.clone();
    let writer = Mutex::new(Some(store::open_writer(&options).unwrap()));
    let reader: Arc<dyn StoreReader> = Arc::new(store::open_reader(&reader_options).unwrap());
    let status = Arc::new(StatusBoard::default());
    let sources = [Source::Logs, Source::Metrics, Source::Traces].map(|source| SourcePart {
        name: source.as_str().into(),
        source,
        decode: Default::default(),
        open: Arc::new(move |_| Ok(feed(source, entities, seconds))),
    });
    let parts = PipelineParts {
        store_payloads: true,
        broker_records: None,
        sources: sources.to_vec(),
        shards,
        detect: Default::default(),
        correlate: Default::default(),
        teach_until: None,
        open_writer: Box::new(move || Ok(Box::new(writer.lock().unwrap().take().expect("one build")))),
        reader,
        publish: Arc::new(Nobody),
        status: status.clone(),
        placement: Placement { connectors: handles[0].clone(), shards: handles[2..].to_vec(), disk: handles[1].clone() },
        replays_per_second: 1_000,
        retention: whydunit::engine::resilience::retention::RetentionOptions::keeps_all(),
        guards: Guards::default(),
        intake: Default::default(),
        aliases: Default::default(),
    };
    let (ended, ending) = oneshot::channel();
    let options =
        supervisor::Options { checkpoint_every: CHECKPOINT_EVERY, beat_every: supervisor::Options::BEAT_EVERY, until_sources_end: true };
    let build = Box::new(move |reports| pipeline::build(&parts, &reports));
    Supervisor::new(build, options, status, SharedDoors::default().0, ended).start();
    let ending = ending.await.unwrap();
    arbiters.iter().for_each(|arbiter| {
        arbiter.stop();
    });
    ending
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

fn main() {
    let (entities, seconds) = (setting("WHYDUNIT_BENCH_ENTITIES", 10_000), setting("WHYDUNIT_BENCH_SECONDS", 60));
    let shards = setting("WHYDUNIT_BENCH_SHARDS", 1);
    let told = Told::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(told.clone())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = store::Options::file(folder.path().join("checkpoint.db"));
    assert_eq!(System::new().block_on(run(entities, seconds, shards, options)), Ending::Finished);
    let mut figures = std::mem::take(&mut *told.0.lock().unwrap());
    let held = &mut figures.held_ms;
    println!(
        "{entities} entities, {shards} shards, {} checkpoints in {seconds} s: hold p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms · load {}",
        held.len(),
        quantile(held, 0.5),
        quantile(held, 0.99),
        quantile(held, 1.0),
        load()
    );
    let [sources, joins, detections, investigator] = &mut figures.stages_ms;
    println!(
        "of which p99 sources {:.2} ms, trace joins {:.1} ms, detections {:.1} ms, investigator {:.1} ms · spent p50 {:.0} ms, p99 {:.0} ms \
         · gathered within p50 {:.0} ms, p99 {:.0} ms",
        quantile(sources, 0.99),
        quantile(joins, 0.99),
        quantile(detections, 0.99),
        quantile(investigator, 0.99),
        quantile(&mut figures.spent_ms, 0.5),
        quantile(&mut figures.spent_ms, 0.99),
        quantile(&mut figures.gathered_ms, 0.5),
        quantile(&mut figures.gathered_ms, 0.99)
    );
    let mut bytes: Vec<f64> = figures.written.iter().map(|(bytes, _, _)| *bytes as f64).collect();
    let mut took: Vec<f64> = figures.written.iter().map(|(_, _, took_ms)| *took_ms as f64).collect();
    let mut entries: Vec<f64> = figures.written.iter().map(|(_, entries, _)| *entries as f64).collect();
    println!(
        "bytes a checkpoint p50 {:.2} MB, most {:.2} MB · {:.0} entries, {:.0} bytes an entity · written within p50 {:.0} ms, p99 {:.0} ms",
        quantile(&mut bytes, 0.5) / 1e6,
        quantile(&mut bytes, 1.0) / 1e6,
        quantile(&mut entries, 0.5),
        quantile(&mut bytes, 0.5) / entities as f64,
        quantile(&mut took, 0.5),
        quantile(&mut took, 0.99)
    );
}
