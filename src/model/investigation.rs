//! An investigation: what belongs together, who works on it, what is suspected.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::signal::{Family, Signal};
use super::suspect::Suspect;
use super::view::ServiceGraph;
use super::{Severity, Timestamp};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Open,
    InProgress,
    Resolved,
    Closed,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Open, Self::InProgress, Self::Resolved, Self::Closed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in_progress",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// open → in_progress → resolved → closed; open → resolved; any → open (reopen). Closing an open one needs a
    /// [`CloseReason`] other than a root cause.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Open, Self::InProgress | Self::Resolved)
                | (Self::InProgress, Self::Resolved)
                | (Self::Resolved, Self::Closed)
                | (Self::InProgress | Self::Resolved | Self::Closed, Self::Open)
        )
    }
}

/// Why an investigation was closed without a root cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    FalseAlarm,
    Duplicate,
}

impl CloseReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FalseAlarm => "false_alarm",
            Self::Duplicate => "duplicate",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "false_alarm" => Some(Self::FalseAlarm),
            "duplicate" => Some(Self::Duplicate),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    P0,
    P1,
    #[default]
    P2,
    P3,
}

impl Priority {
    pub const ALL: [Self; 4] = [Self::P0, Self::P1, Self::P2, Self::P3];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P0 => "p0",
            Self::P1 => "p1",
            Self::P2 => "p2",
            Self::P3 => "p3",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == text)
    }
}

/// A detector's key at a service, whose signal had a part in opening an investigation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Opener {
    pub service: String,
    pub detector: String,
    pub key: String,
}

/// What the engine owns of an investigation. Replaced as a whole with each `revision`; people never write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EngineFindings {
    /// UUID v8 of (environment, first service, onset bucket).
    pub id: String,
    /// Counts the engine's changes, from 1.
    pub revision: u64,
    pub environment: String,
    /// What is wrong, as a sentence without the cause: "checkout is failing for 14 % of requests".
    pub symptom: String,
    /// The whole sentence of the header, with onset and first suspects.
    pub headline: String,
    /// "payment owns 15,079 of 15,319 extra failures; what it calls explains 240."
    pub where_sentence: String,
    pub impact_severity: Severity,
    /// The service where the symptom was first seen.
    pub service_affected: String,
    /// Services with evidence, most suspect first.
    pub hot_services: Vec<String>,
    pub services_total: u32,
    /// Event time of the bucket close at which it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub detected_at: Timestamp,
    /// Onset of the earliest symptom.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Quiet since; "recovered by itself". Not a status.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recovered_at: Option<Timestamp>,
    /// The older investigation that turned out to be of the same fault and took this one in; nothing more is said here.
    #[serde(default)]
    pub merged_into: Option<String>,
    /// Event time of the newest bucket this revision has seen.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// 0 to 1, of the first suspect being the cause.
    pub confidence: f64,
    /// Why it was opened: families and strengths.
    pub opened_because: String,
    pub opened_families: Vec<Family>,
    /// Whose signals opened it, or were able to while it went on; nobody's when it was told. What a false alarm is counted for, and
    /// can mute.
    #[serde(default)]
    pub opened_by: Vec<Opener>,
    /// Services first, then changes, then none; each kind with ranks of its own.
    pub suspects: Vec<Suspect>,
    /// Strongest signals, at most 40, strongest first.
    pub signals: Vec<Signal>,
    pub graph: ServiceGraph,
    /// Said on the page while some of it is still learning.
    pub learning: Vec<String>,
    /// Events that belong, with why. Only what is new since the last revision.
    #[serde(default)]
    pub new_links: Vec<EventLink>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventLink {
    pub event_id: String,
    /// 0 to 1.
    pub confidence: f64,
    pub reason: String,
    /// `whydunit` or a person.
    pub linked_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub linked_at: Timestamp,
}

/// An investigation as the API shows it: the engine's findings and what people own, side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Investigation {
    pub id: String,
    /// A person's title where one was given, else the engine's headline.
    pub title: String,
    pub description: String,
    pub status: Status,
    pub close_reason: Option<CloseReason>,
    pub impact_severity: Severity,
    pub priority: Priority,
    #[schema(value_type = String, format = DateTime)]
    pub detected_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recovered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    pub root_cause: Option<String>,
    pub remediation: Option<String>,
    pub lessons_learned: Option<String>,
    pub component_affected: Option<String>,
    pub service_affected: Option<String>,
    pub environment: Option<String>,
    pub tags: BTreeSet<String>,
    pub related_investigation_ids: Vec<String>,
    pub event_count: u64,
    pub note_count: u64,
    pub confidence: f64,
    pub created_by: String,
    pub assigned_to: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// ETag of what people own.
    pub version: u64,
    /// Counts the engine's changes; 0 when a person opened it.
    pub revision: u64,
    /// What the engine found; absent for one that a person opened and nothing was found for yet.
    /// Its `suspects` carry people's verdicts.
    pub findings: Option<EngineFindings>,
}

/// One row of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InvestigationSummary {
    pub id: String,
    pub title: String,
    pub symptom: String,
    pub status: Status,
    pub close_reason: Option<CloseReason>,
    pub impact_severity: Severity,
    pub priority: Priority,
    pub service_affected: Option<String>,
    pub environment: Option<String>,
    pub hot_services: u32,
    pub services_total: u32,
    /// First change if it outranks "none", else first service.
    pub first_suspect: Option<SuspectSummary>,
    pub confidence: f64,
    pub assigned_to: Option<String>,
    pub tags: BTreeSet<String>,
    #[schema(value_type = String, format = DateTime)]
    pub detected_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recovered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    pub created_by: String,
    pub version: u64,
    pub revision: u64,
    /// Failing items a bucket over the two hours up to `updated_at`, 60 values, oldest first, for the sparkline.
    pub spark: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SuspectSummary {
    pub kind: super::suspect::SuspectKind,
    pub entity: String,
    pub detail: String,
    pub score: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    pub id: String,
    pub investigation_id: String,
    pub author: String,
    /// Markdown, at most 20,000 characters.
    pub body: String,
    pub event_id: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    pub parent_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    pub version: u64,
}

/// One recorded change of an investigation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    pub id: i64,
    pub investigation_id: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub who: String,
    /// `opened`, `status`, `assigned`, `verdict`, `note`, `edited`, `reopened` …
    pub what: String,
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_investigation_goes_forward_or_back_to_open_and_nowhere_else() {
        let allowed: Vec<_> = Status::ALL
            .into_iter()
            .flat_map(|from| Status::ALL.into_iter().filter(move |to| from.may_become(*to)).map(move |to| (from, to)))
            .collect();
        assert_eq!(allowed.len(), 7);
        assert!(!Status::Open.may_become(Status::Closed));
        assert!(Status::Closed.may_become(Status::Open));
    }
}
