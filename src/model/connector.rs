//! How a connector fares.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::retention::RetentionView;
use super::{Source, Timestamp};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectorState {
    /// Not connected yet; trying.
    #[default]
    Connecting,
    Running,
    Paused,
    BackingOff,
    Open,
    HalfOpen,
    Stopped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    #[default]
    Closed,
    Open,
    HalfOpen,
}

impl BreakerState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BreakerView {
    pub state: BreakerState,
    pub failures: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub opened_at: Option<Timestamp>,
    /// When it lets the next try through; without one an open breaker waits for a person.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retry_at: Option<Timestamp>,
    /// Its last changes, newest first.
    pub history: Vec<BreakerTransition>,
}

/// A change of a breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakerTransition {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub from: BreakerState,
    pub to: BreakerState,
    pub why: String,
    /// Who asked for it; nobody when it changed by itself.
    pub by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConnectorStatus {
    pub name: String,
    pub source: Source,
    pub state: ConnectorState,
    pub brokers: String,
    pub topics: Vec<String>,
    pub group: String,
    pub format: String,
    pub breaker: BreakerView,
    pub assigned_partitions: u32,
    /// Records between our offset and the partitions' ends.
    pub lag_records: u64,
    /// Age of the newest record read when there is lag, seconds; 0 at the end.
    pub lag_seconds: f64,
    /// Records a second over the last 10 s.
    pub rate_in: f64,
    pub rate_stored: f64,
    pub rate_rejected: f64,
    /// Rates of the last 2 minutes in steps of 10 s, oldest first.
    pub rate_history: Vec<f64>,
    pub records_total: u64,
    pub items_total: u64,
    pub rejected_total: u64,
    pub bytes_total: u64,
    pub decode_mix: Vec<FormatShare>,
    /// Clocks of hosts against Kafka's, those farthest off first, at most 10.
    pub clock_skew: Vec<ClockSkew>,
    /// Items whose time is plausible only in another unit.
    pub wrong_unit_total: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_record_at: Option<Timestamp>,
    /// Newest event time read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event_at: Option<Timestamp>,
    pub last_error: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_error_at: Option<Timestamp>,
    /// Times its feed or its stage was started anew.
    pub restarts: u32,
    /// Its stage as the supervisor sees it; `None` before it was built.
    pub stage: Option<StageStatus>,
    /// Why it is not green, as a sentence; empty when it is.
    pub because: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}

impl ConnectorStatus {
    /// A connector that has not been started: nothing read, nothing known.
    pub fn new(name: impl Into<String>, source: Source) -> Self {
        Self {
            name: name.into(),
            source,
            state: ConnectorState::Connecting,
            brokers: String::new(),
            topics: Vec::new(),
            group: String::new(),
            format: "auto".to_owned(),
            breaker: BreakerView::default(),
            assigned_partitions: 0,
            lag_records: 0,
            lag_seconds: 0.0,
            rate_in: 0.0,
            rate_stored: 0.0,
            rate_rejected: 0.0,
            rate_history: Vec::new(),
            records_total: 0,
            items_total: 0,
            rejected_total: 0,
            bytes_total: 0,
            decode_mix: Vec::new(),
            clock_skew: Vec::new(),
            wrong_unit_total: 0,
            last_record_at: None,
            last_event_at: None,
            last_error: None,
            last_error_at: None,
            restarts: 0,
            stage: None,
            because: "connecting".to_owned(),
            since: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FormatShare {
    pub format: String,
    pub records: u64,
}

/// How far a clock lies from Kafka's, as a median over its last items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClockSkew {
    pub host: Option<String>,
    /// Where items name no host, their service stands for it.
    pub service: Option<String>,
    /// Item times less their records' Kafka times, seconds: above 0 the clock is ahead; below, it is behind or items are shipped late.
    pub skew_s: f64,
    /// Items it rests on; older ones count less.
    pub samples: u64,
}

/// What a person may tell a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectorOrder {
    Pause,
    Resume,
    /// Opens its breaker until it is reset.
    Trip,
    /// Closes its breaker and tries at once.
    Reset,
}

impl ConnectorOrder {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Trip => "trip",
            Self::Reset => "reset",
        }
    }
}

/// Who gives an order, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    pub who: String,
    /// Empty when none was given.
    pub reason: String,
}

/// A stage as the supervisor sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageStatus {
    pub name: String,
    pub alive: bool,
    pub restarts: u32,
    /// Why it was last built anew.
    pub last_reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// How the whole process fares: `/readyz` and the page's header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Serving and storing. A broken source alone does not unset it.
    pub ready: bool,
    /// True when something is broken but the rest goes on.
    pub degraded: bool,
    pub reasons: Vec<String>,
    /// Event time up to which buckets are closed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub watermark: Option<Timestamp>,
    /// Event time until which nothing can open because everything is still learning.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub learning_until: Option<Timestamp>,
    /// Since when there is work that no checkpoint holds; `None` while the last one holds all.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub unsaved_since: Option<Timestamp>,
    pub stages: Vec<StageStatus>,
    /// What is removed next, and what has gone.
    #[serde(default)]
    pub retention: RetentionView,
}

/// A pause that outlives the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPause {
    pub since: Timestamp,
    /// For a person, with what to change.
    pub reason: String,
    /// What the connector read then, as of [`ConnectorStatus::reads`]; when it is another, the pause is over.
    pub settings: String,
}

/// A connector pauses, or with no pause goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseChange {
    pub connector: String,
    pub pause: Option<KeptPause>,
}

impl ConnectorStatus {
    /// What its settings say it reads, in one line.
    pub fn reads(&self) -> String {
        format!("{} from {} of {} as {}", self.source.as_str(), self.topics.join(", "), self.brokers, self.format)
    }
}
