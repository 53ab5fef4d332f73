//! Events and signals → investigations.

use serde::{Deserialize, Serialize};

mod by_service;
mod case;
mod explain;
mod findings;
mod investigator;
mod links;
mod membership;
mod mentions;
mod merging;
mod mutes;
mod news;
mod node;
mod opening;
mod opening_cases;
mod picture;
mod sentences;
mod state;
mod topology;
pub mod watermark;

#[cfg(test)]
mod tests;

pub use crate::engine::rank::Without;
pub use explain::explain;
pub use investigator::Investigator;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrelateOptions {
    /// Services on which nothing opens by itself: whydunit's own telemetry must not start an investigation of whydunit.
    pub ignored_services: Vec<String>,
    /// Surprise from which one signal alone opens an investigation, −log10 p.
    pub strong: f64,
    /// Surprise from which a signal counts at all, −log10 p.
    pub weak: f64,
    /// Closes in a row for which the opening rule must hold.
    pub persist: u32,
    /// A component without a signal this long has recovered, seconds of event time.
    pub quiet_s: u32,
    /// For evaluations alone; no setting.
    #[serde(skip)]
    pub without: Option<Without>,
}

impl Default for CorrelateOptions {
    fn default() -> Self {
        Self { ignored_services: vec!["whydunit".to_owned()], strong: 8.0, weak: 4.0, persist: 2, quiet_s: 120, without: None }
    }
}
