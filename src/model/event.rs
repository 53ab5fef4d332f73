//! An event: something that happened to somebody, worth a line on a page.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::position::{Position, derived_id};
use super::{Severity, Source, Timestamp};

/// Tag of an event whose time lies too far ahead of its record's to be believed.
pub const SKEWED: &str = "skewed";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Derived: see [`Event::id_of_source`] and `settled` rules in the crate's front page; UUIDv7 for manual events.
    pub id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// When whydunit read it.
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Timestamp,
    pub source: Source,
    /// `commit`, `deployment`, `build_failed`, `error_burst`, `new_error_pattern`, `metric_anomaly`, `slow_call`, `note` …
    pub event_type: String,
    pub severity: Severity,
    /// One readable line, at most 300 characters.
    pub title: String,
    pub service: Option<String>,
    pub environment: Option<String>,
    pub host: Option<String>,
    /// What folding and deduplication go by.
    pub fingerprint: String,
    /// Folded repeats, exact.
    pub count: u64,
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
    pub correlation_id: Option<String>,
    pub request_id: Option<String>,
    /// External id with its life-cycle step; (source, event_type, source_id) is unique.
    pub source_id: Option<String>,
    pub tags: BTreeSet<String>,
    /// Source-specific content, exemplars, the numbers behind a verdict; at most 64 KiB.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// What users attach; at most 16 KiB.
    #[schema(value_type = Object)]
    pub metadata: serde_json::Value,
    pub provenance: Option<Provenance>,
    /// Filled on reading.
    #[serde(default)]
    pub investigation_ids: Vec<String>,
}

/// The record an event was made from, or the first of its exemplars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    pub connector: String,
    #[serde(flatten)]
    pub position: Position,
    pub format: String,
}

impl Event {
    /// An event with nothing but its required fields.
    pub fn new(id: String, timestamp: Timestamp, source: Source, event_type: &str, severity: Severity, title: &str) -> Self {
        Self {
            fingerprint: id.clone(),
            id,
            timestamp,
            observed_at: timestamp,
            source,
            event_type: event_type.to_owned(),
            severity,
            title: truncate(title, 300),
            service: None,
            environment: None,
            host: None,
            count: 1,
            first_seen: timestamp,
            last_seen: timestamp,
            trace_id: None,
            span_id: None,
            correlation_id: None,
            request_id: None,
            source_id: None,
            tags: BTreeSet::new(),
            data: serde_json::Value::Null,
            metadata: serde_json::Value::Null,
            provenance: None,
            investigation_ids: Vec::new(),
        }
    }

    /// Id of an event that its source names: the same however often and wherever it is read.
    pub fn id_of_source(source: Source, event_type: &str, source_id: &str) -> String {
        derived_id(&format!("{}\0{event_type}\0{source_id}", source.as_str()))
    }

    /// True for events that a detector of ours made.
    pub fn is_found(&self) -> bool {
        matches!(
            self.event_type.as_str(),
            "log_shape_change" | "new_error_pattern" | "error_burst" | "slow_call" | "failing_calls" | "metric_anomaly"
        )
    }

    /// True for events that can be the cause of something: deployments, commits, flags, configuration.
    pub fn is_change(&self) -> bool {
        matches!(
            self.event_type.as_str(),
            "commit"
                | "push"
                | "deployment"
                | "pull_request_merged"
                | "change_merged"
                | "feature_flag"
                | "config_change"
                | "release"
                | "rollback"
        )
    }
}

/// The first `limit` characters of a text.
pub fn truncate(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}
