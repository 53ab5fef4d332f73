//! Pictures of stored data: timeline, graph, analytics.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Severity, Source, Timestamp};

/// Services and calls around an investigation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceGraph {
    pub nodes: Vec<GraphNode>,
    pub edges: Vec<GraphEdge>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GraphNode {
    pub service: String,
    /// 0 when nothing is odd here.
    pub score: f64,
    /// Strongest surprise.
    pub surprise: f64,
    /// Extra failed requests or extra seconds that its callees do not explain.
    pub own_excess: f64,
    pub own_excess_unit: String,
    /// Seconds after the investigation's onset at which it turned hot.
    pub delay_s: Option<f64>,
    pub hot: bool,
    /// Short words for the node: "level", "own 15,079 failures".
    pub label: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GraphEdge {
    pub caller: String,
    pub callee: String,
    /// Calls in the investigation's window so far.
    pub calls: u64,
    pub failed: u64,
    /// Mean client-side duration, milliseconds.
    pub mean_ms: f64,
    /// The failure travels along it.
    pub hot: bool,
    pub label: String,
    /// No call was seen: error texts of the caller name the callee.
    #[serde(default)]
    #[schema(required)]
    pub weak: bool,
}

/// Bucketed counts in source lanes with single marks where they are few.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    pub step_s: u32,
    pub lanes: Vec<Lane>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub onset: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub detected_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lane {
    /// `changes git ci metrics logs traces manual people`.
    pub lane: String,
    /// Items over the whole range, folded repeats included.
    pub total: u64,
    /// Non-empty steps, oldest first.
    pub bars: Vec<Bar>,
    /// Single events, at most 200 a lane, most severe first when cut.
    pub marks: Vec<Mark>,
    pub marks_cut: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bar {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub items: u64,
    pub failing: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Mark {
    pub event_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// For builds: how long they ran.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// When whydunit read or found it; of what people did, when they wrote it down.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    pub severity: Severity,
    pub source: Option<Source>,
    pub event_type: String,
    pub title: String,
    pub service: Option<String>,
    pub linked: bool,
}

/// Counts of events by one field's values, most first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Facet {
    pub field: String,
    pub values: Vec<FacetValue>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FacetValue {
    pub value: String,
    pub count: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnalyticsSummary {
    pub investigations_total: u64,
    pub by_status: Vec<FacetValue>,
    pub by_severity: Vec<FacetValue>,
    pub by_service: Vec<FacetValue>,
    pub events_by_source: Vec<FacetValue>,
    /// Opened a day, oldest first, last 30 days with data.
    pub opened_per_day: Vec<FacetValue>,
    /// Median seconds from onset to detection.
    pub median_detect_s: Option<f64>,
    /// Median seconds from detection to resolution.
    pub median_resolve_s: Option<f64>,
    pub false_alarms: u64,
    /// Of these, by the detectors whose signals opened them; two detectors may have opened one.
    pub false_alarms_by_detector: Vec<FacetValue>,
    pub dead_letters_waiting: u64,
}
