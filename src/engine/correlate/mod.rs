//! Events and signals → investigations.

use serde::{Deserialize, Serialize};

use crate::model::command::InboxRow;
use crate::model::investigation::EngineFindings;
use crate::model::signal::ClosedBucket;
use crate::model::snapshot::StateEntry;
use crate::model::suspect::Suspect;
use crate::model::{Event, Timestamp};

pub mod watermark;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrelateOptions {
    /// Surprise from which one signal alone opens an investigation, −log10 p.
    pub strong: f64,
    /// Surprise from which a signal counts at all, −log10 p.
    pub weak: f64,
    /// Closes in a row for which the opening rule must hold.
    pub persist: u32,
    /// A component without a signal this long has recovered, seconds of event time.
    pub quiet_s: u32,
}

impl Default for CorrelateOptions {
    fn default() -> Self {
        Self { strong: 8.0, weak: 4.0, persist: 2, quiet_s: 120 }
    }
}

/// Opens, joins, ranks and quietens investigations; steps once per closed bucket.
#[derive(Debug)]
pub struct Investigator {}

impl Investigator {
    /// Before `teach_until` (event time) baselines learn and nothing opens; `None` when history may open.
    pub fn new(_options: &CorrelateOptions, _teach_until: Option<Timestamp>) -> Self {
        Self {}
    }

    /// Keeps what is needed of one-to-one events (changes, alerts, manual events) for their buckets.
    pub fn forward(&mut self, _events: &[Event]) {}

    /// A person's write that changes what the engine does: closing, reopening, verdict.
    pub fn command(&mut self, _row: &InboxRow) {}

    /// One bucket, closed by all shards. Findings that changed, each with its new revision.
    pub fn step(&mut self, _closed: Vec<ClosedBucket>) -> Vec<EngineFindings> {
        Vec::new()
    }

    /// Told that something is broken since `since`: a ranking at once from what is known, gates dropped.
    pub fn rank_told(&self, _environment: &str, _since: Timestamp) -> Vec<Suspect> {
        Vec::new()
    }

    pub fn delta(&mut self) -> Vec<StateEntry> {
        Vec::new()
    }

    pub fn restore(&mut self, _key: &[u8], _value: &[u8]) -> Result<(), String> {
        Ok(())
    }
}
