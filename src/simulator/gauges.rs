//! Metrics: every 15 s the collector of each node reads its pods and writes one OTLP export.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::chance::{wander, white};
use super::items::{Role, SpanItem};
use super::otlp::{resource, scope, text};
use super::topology::{Kind, Language, Plan, Service};
use super::world::{Place, SECOND, World, rhythm};

pub(super) const SCRAPE_INTERVAL: i64 = 15 * SECOND;

const CUMULATIVE: i32 = 2;

/// What a pod counted; `requests` and `errors` since its process began, the rest since the last scrape.
#[derive(Clone, Debug, Default)]
pub(super) struct PodCounters {
    requests: u64,
    errors: u64,
    lately: u64,
    busy_ns: i64,
    reads: u64,
    misses: u64,
}

/// Counters of all pods.
#[derive(Debug)]
pub(super) struct Counters {
    pods: Vec<PodCounters>,
}

impl Counters {
    pub fn new(pods: usize) -> Self {
        Self { pods: vec![PodCounters::default(); pods] }
    }

    /// Books a finished span with the pod that served it, and a store's answer with the store.
    pub fn count(&mut self, plan: &Plan, span: &SpanItem) {
        let own = &mut self.pods[span.process.pod];
        let callee = &plan.services[plan.operations[span.operation].service];
        match span.role {
            Role::Server | Role::Consumer => own.serve(span),
            Role::Internal if span.parent != 0 => own.misses += 1,
            Role::Client if callee.kind == Kind::Store => {
                own.reads += u64::from(&*plan.operations[span.operation].name == "GET");
                if let Some(peer) = span.peer {
                    self.pods[peer].serve(span);
                }
            }
            Role::Client | Role::Internal | Role::Producer => {}
        }
    }

    /// A new process counts from nothing.
    pub fn reset(&mut self, pod: usize) {
        self.pods[pod] = PodCounters::default();
    }
}

impl PodCounters {
    fn serve(&mut self, span: &SpanItem) {
        self.requests += 1;
        self.lately += 1;
        self.errors += u64::from(span.failure.is_some());
        self.busy_ns += span.end - span.start;
    }
}

/// All metrics of one node at one scrape.
pub(super) fn scrape(plan: &Plan, world: &World, counters: &mut Counters, node: usize, at: i64) -> Vec<u8> {
    let mut resource_metrics = vec![node_metrics(plan, world, node, at)];
    for (pod, _) in plan.pods.iter().enumerate().filter(|(pod, place)| place.node == node && !world.is_down(*pod, at)) {
        let points = Points { at, started: world.pods[pod].started, metrics: Vec::new() };
        resource_metrics.push(grouped(resource(plan, &world.pods[pod].process), pod_metrics(plan, world, counters, pod, points)));
    }
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn grouped(resource: Option<Resource>, metrics: Vec<Metric>) -> ResourceMetrics {
    let scope_metrics = vec![ScopeMetrics { scope: scope("shop/metrics"), metrics, ..ScopeMetrics::default() }];
    ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }
}

/// The machine itself, as a host agent sees it: no service.
fn node_metrics(plan: &Plan, world: &World, node: usize, at: i64) -> ResourceMetrics {
    let mut points = Points { at, started: at, metrics: Vec::new() };
    let noise = Noise { seed: world.seed, key: 0x40DE_0000 + node as u64 * 16, at };
    let usual = 0.34 * rhythm(at) * world.background.load(at) * noise.around(0, 0.12);
    let busy = world.background.busy(node, at);
    let usual = usual + busy * (1.0 - usual);
    let stolen = world.stolen_on_node(node, at);
    points.gauge("system.cpu.utilization", "1", (usual + stolen * (1.0 - usual)).min(0.995), vec![]);
    points.gauge("system.memory.utilization", "1", 0.61 * noise.around(1, 0.03), vec![]);
    points.gauge("system.network.errors", "{error}", (noise.around(2, 1.0) - 0.7).max(0.0).round(), vec![]);
    let attributes =
        vec![text("host.name", &plan.nodes[node]), text("os.type", "linux"), text("deployment.environment.name", "production")];
    grouped(Some(Resource { attributes, ..Resource::default() }), points.metrics)
}

fn pod_metrics(plan: &Plan, world: &World, counters: &mut Counters, pod: usize, mut points: Points) -> Vec<Metric> {
    let service = &plan.services[plan.pods[pod].service];
    let at = points.at;
    let place = Place { service: plan.pods[pod].service, pod: Some(pod), caller: None };
    let noise = Noise { seed: world.seed, key: 0x90D0_0000 + pod as u64 * 16, at };
    let counted = &mut counters.pods[pod];
    let seconds = SCRAPE_INTERVAL as f64 / SECOND as f64;
    let rate = counted.lately as f64 / seconds;
    let stolen = world.stolen_cpu(plan, place, at);
    let own = (service.cpu + 0.012 * rate) * noise.around(0, 0.15);
    let on_node = world.stolen_on_node(plan.pods[pod].node, at) > 0.0;
    // A neighbour's work shows on the node and as throttling, not as the pod's own.
    let (used, throttled) = if on_node { (own * (1.0 - stolen), stolen) } else { (own + stolen * (1.0 - own), stolen * 0.9) };
    points.gauge("process.cpu.utilization", "1", used.clamp(0.001, 0.999), vec![]);
    points.gauge("container.cpu.throttled", "1", (throttled + 0.004 * (1.0 + noise.wander(1))).clamp(0.0, 1.0), vec![]);
    let memory = world.memory_mib(plan, pod, at) * noise.around(2, 0.02);
    points.gauge("process.memory.usage", "By", (memory.min(service.memory_limit_mib) * 1_048_576.0).round(), vec![]);
    let latency_ms = if counted.lately == 0 { 0.0 } else { counted.busy_ns as f64 / counted.lately as f64 / 1e6 };
    points.gauge("server.request.rate", "{request}/s", rate, vec![]);
    if counted.lately > 0 {
        points.gauge("server.request.duration.mean", "ms", latency_ms, vec![]);
    }
    points.total("server.requests", "{request}", counted.requests);
    points.total("server.errors", "{error}", counted.errors);
    kind_metrics(plan, world, pod, &noise, counted, &mut points);
    if let Some((demand, max)) = world.pool(plan, pod, at) {
        points.gauge("db.client.connection.count", "{connection}", demand.min(max).round(), vec![text("state", "used")]);
        points.gauge("db.client.connection.max", "{connection}", max, vec![]);
        points.gauge("db.client.connection.pending_requests", "{request}", (demand - max).max(0.0).round(), vec![]);
    }
    (counted.lately, counted.busy_ns, counted.reads, counted.misses) = (0, 0, 0, 0);
    points.metrics
}

/// What only some services have: collection pauses, queues, caches, stores.
fn kind_metrics(plan: &Plan, world: &World, pod: usize, noise: &Noise, counted: &PodCounters, points: &mut Points) {
    let service = &plan.services[plan.pods[pod].service];
    let at = points.at;
    if service.kind == Kind::Service && matches!(service.language, Language::Java | Language::Node | Language::Python) {
        points.gauge("runtime.gc.pause.mean", "ms", world.collection_pause_ms(plan, pod, at) * noise.around(4, 0.3), vec![]);
    }
    if service.queue {
        points.gauge("queue.depth", "{message}", (6.0 * rhythm(at) * noise.around(5, 0.6)).round(), vec![]);
    }
    if counted.reads >= 5 {
        points.gauge("cache.hit_ratio", "1", 1.0 - (counted.misses as f64 / counted.reads as f64).min(1.0), vec![]);
    }
    store_metrics(service, noise, points);
}

fn store_metrics(service: &Service, noise: &Noise, points: &mut Points) {
    match service.system.as_deref() {
        Some("postgresql") => {
            points.gauge("postgresql.backends", "{connection}", (96.0 * noise.around(6, 0.08)).round(), vec![]);
            points.gauge("postgresql.deadlocks", "{deadlock}", 0.0, vec![]);
            points.gauge("postgresql.buffer.hit_ratio", "1", (0.985 + 0.004 * noise.wander(7)).min(1.0), vec![]);
        }
        Some("redis") => {
            points.gauge("redis.clients.connected", "{client}", (48.0 * noise.around(6, 0.06)).round(), vec![]);
            points.gauge("redis.keyspace.hit_ratio", "1", (0.94 + 0.015 * noise.wander(7)).min(1.0), vec![]);
            points.gauge("redis.keys.evicted", "{key}", (3.0 * noise.around(8, 0.9)).round(), vec![]);
        }
        _ => {}
    }
}

/// Noise of one pod or node: each metric has its own number.
struct Noise {
    seed: u64,
    key: u64,
    at: i64,
}

impl Noise {
    fn wander(&self, metric: u64) -> f64 {
        wander(self.seed, self.key + metric, self.at, 90 * SECOND)
    }

    /// About 1: half wandering, half from one scrape to the next.
    fn around(&self, metric: u64, spread: f64) -> f64 {
        1.0 + spread * 0.5 * (self.wander(metric) + white(self.seed, self.key + metric + 0x1000_0000, self.at / SCRAPE_INTERVAL))
    }
}

struct Points {
    at: i64,
    started: i64,
    metrics: Vec<Metric>,
}

impl Points {
    fn gauge(&mut self, name: &str, unit: &str, value: f64, attributes: Vec<KeyValue>) {
        // Exporters print readings, not sums of noise: four digits behind the point are enough.
        let value = (value * 10_000.0).round() / 10_000.0;
        let point = self.point(number_data_point::Value::AsDouble(value), 0, attributes);
        self.push(name, unit, metric::Data::Gauge(Gauge { data_points: vec![point] }));
    }

    /// A total since the process began.
    fn total(&mut self, name: &str, unit: &str, value: u64) {
        let point = self.point(number_data_point::Value::AsInt(value as i64), self.started.max(0) as u64, vec![]);
        self.push(name, unit, metric::Data::Sum(Sum { data_points: vec![point], aggregation_temporality: CUMULATIVE, is_monotonic: true }));
    }

    fn point(&self, value: number_data_point::Value, start: u64, attributes: Vec<KeyValue>) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: self.at.max(0) as u64,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    fn push(&mut self, name: &str, unit: &str, data: metric::Data) {
        self.metrics.push(Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() });
    }
}
