//! What can be asked of the store. All filters combine with AND; an empty list means "any".

use super::dead_letter::{LetterStatus, RejectionClass};
use super::investigation::{Priority, Status};
use super::{Severity, Source, Timestamp};

/// Inclusive start, exclusive end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Paging {
    /// From 1; ignored when `cursor` is given.
    pub page: u32,
    /// 1 to 100.
    pub per_page: u32,
    /// Opaque to callers; made by the store.
    pub cursor: Option<String>,
    /// Field name as in the JSON; checked by the store against what it can sort by.
    pub sort: String,
    pub descending: bool,
}

impl Default for Paging {
    fn default() -> Self {
        Self { page: 1, per_page: 20, cursor: None, sort: String::new(), descending: true }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Exact up to 10,000, else 10,000.
    pub total: u64,
    pub total_exact: bool,
    pub next_cursor: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct InvestigationQuery {
    pub status: Vec<Status>,
    pub severity: Vec<Severity>,
    pub priority: Vec<Priority>,
    pub service: Vec<String>,
    pub component: Vec<String>,
    pub environment: Vec<String>,
    pub assigned_to: Vec<String>,
    pub tag: Vec<String>,
    pub created: TimeRange,
    pub started: TimeRange,
    pub resolved: TimeRange,
    /// Words to find in title, symptom, description, suspects.
    pub text: Option<String>,
    pub paging: Paging,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventQuery {
    pub source: Vec<Source>,
    pub severity: Vec<Severity>,
    pub event_type: Vec<String>,
    pub service: Vec<String>,
    pub environment: Vec<String>,
    pub trace_id: Option<String>,
    pub tag: Vec<String>,
    pub investigation_id: Option<String>,
    pub time: TimeRange,
    pub text: Option<String>,
    pub paging: Paging,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeadLetterQuery {
    pub connector: Vec<String>,
    pub topic: Vec<String>,
    pub error_class: Vec<RejectionClass>,
    pub fingerprint: Option<String>,
    pub status: Vec<LetterStatus>,
    pub time: TimeRange,
    pub paging: Paging,
}
