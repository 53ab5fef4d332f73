//! What a detector says of an entity: how surprising, by which numbers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entity::{EntityKey, ServiceName};
use super::time::{Bucket, Timestamp};
use super::{Event, Source};

/// Kinds of evidence that are independent enough to confirm each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    LogShape,
    Latency,
    Metric,
    Failures,
    Throughput,
}

impl Family {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogShape => "log shape",
            Self::Latency => "latency",
            Self::Metric => "metric",
            Self::Failures => "failures",
            Self::Throughput => "throughput",
        }
    }
}

/// One surprising key of one entity over its most surprising recent window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Signal {
    pub service: ServiceName,
    pub family: Family,
    /// Detector: `log_shape`, `new_error`, `hop_gap`, `self_time`, `slow_requests`, `failures`, `failing_calls`, `gives_up`, `metric`,
    /// `metric_profile`, `drift`, `pointed_at`.
    pub detector: String,
    /// What inside the entity: a template, an operation, a metric, a callee.
    pub key: String,
    /// −log10 p, at most 300.
    pub surprise: f64,
    /// −log10 p over the whole run, without the extra doubt that opening asks for; what ranking goes by.
    #[serde(default)]
    pub rank_surprise: f64,
    /// Width of the window judged, seconds.
    pub window_s: u32,
    /// First instant at which the key was out of its baseline in the current run.
    #[schema(value_type = String, format = DateTime)]
    pub onset: Timestamp,
    /// From when on the key showed its baseline again, while the newest windows still hold the anomaly.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// Log lines that changed just after a deployment of their own service: by themselves no sign of trouble.
    #[serde(default)]
    pub after_deployment: bool,
    pub facts: Facts,
    /// The facts as one sentence.
    pub sentence: String,
    /// The stored event that carries this signal.
    pub event_id: String,
    pub host: Option<String>,
    /// Recent values of the key for a chart, oldest first; may be empty.
    pub series: Vec<SeriesPoint>,
    /// Unit of `series` and of `facts`' values.
    pub unit: String,
}

/// A signal of a service that lines of another one make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointed {
    /// Whose lines.
    pub by: String,
    pub signal: Signal,
}

/// The numbers behind a signal. Shares are `hits` of `cases`; values are means or medians in `unit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Facts {
    pub hits_before: f64,
    pub cases_before: f64,
    pub hits_now: f64,
    pub cases_now: f64,
    pub value_before: Option<f64>,
    pub value_now: Option<f64>,
    pub threshold: Option<f64>,
    /// Excess mass: extra seconds or extra failed requests in the window.
    pub excess: Option<f64>,
    /// Robust z of a metric.
    pub z: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesPoint {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub value: f64,
}

/// Calls between two services in one bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeCount {
    pub caller: ServiceName,
    pub callee: ServiceName,
    pub calls: u64,
    pub failed: u64,
    /// Sum of client-side durations, nanoseconds.
    pub duration_ns: u64,
}

/// Exact counts of one source of one entity in one bucket: where folded items end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BucketRow {
    pub bucket: Bucket,
    pub source: Source,
    pub entity: ServiceName,
    /// Items folded into this row.
    pub items: u64,
    /// Of these, errors: lines of high severity and above, failed spans.
    pub failing: u64,
    /// Of the items, those already counted in a stored event.
    pub in_events: u64,
    /// Items that came after their own bucket had closed and were booked into this one.
    pub late: u64,
}

/// An event that the close of a bucket made of many items. Until a checkpoint has closed that bucket, a restart makes it again.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectedEvent {
    pub bucket: Bucket,
    pub event: Event,
}

/// Service statistics of a bucket that ranking needs beside signals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityLoad {
    pub entity: ServiceName,
    pub requests: u64,
    pub failed: u64,
    pub duration_ns: u64,
    /// Requests, failures and seconds above what the baseline expects; zero while normal.
    pub excess_failures: f64,
    pub excess_seconds: f64,
    /// Seconds between its points, where its requests are known by metrics slower than a bucket; else 0.
    pub interval_s: u32,
}

/// All a detection shard says of one closed bucket.
#[derive(Clone, Debug, Default)]
pub struct ClosedBucket {
    pub bucket: Bucket,
    /// Folded and detected events, ready to store.
    pub events: Vec<Event>,
    pub signals: Vec<Signal>,
    /// What callers say of others, who may live in another shard.
    pub pointed: Vec<Pointed>,
    pub rows: Vec<BucketRow>,
    pub edges: Vec<EdgeCount>,
    pub loads: Vec<EntityLoad>,
    /// Services still learning and until when.
    pub learning: Vec<(ServiceName, Timestamp)>,
}

/// Used where maps go by entity and names are needed later.
pub type NamedEntity = (EntityKey, ServiceName);
