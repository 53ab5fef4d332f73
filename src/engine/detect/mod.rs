//! Observations → signals and events, in event-time buckets.
//!
//! Two layers, each sharded: a [`TraceJoin`] shard holds whole traces, a [`Detector`] shard holds whole entities. The
//! answer depends neither on batching, nor on the number of shards, nor on the order of arrival inside a bucket.

use serde::{Deserialize, Serialize};

mod crowd;
mod detector;
mod drift;
mod entity;
mod features;
mod finding;
mod heat;
mod input;
mod keyed_state;
pub mod limits;
mod load;
mod metric;
mod missing;
mod names;
mod onset;
mod packed_cells;
mod packed_points;
mod pending;
mod pointing;
pub mod probe;
mod profile;
mod requests;
mod sentences;
mod share;
mod slow;
mod still_open;
pub mod surprise;
mod trace_join;
mod wait;

#[cfg(test)]
pub(crate) mod tests;

pub use detector::Detector;
pub use input::{DetectorInput, SeenBefore, ShardInput};
pub use keyed_state::InPieces;
pub use metric::is_resource;
pub use sentences::{duration, number};
pub use still_open::StillOpen;
pub use trace_join::TraceJoin;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectOptions {
    /// A key opens nothing before its entity has been seen this long, seconds of event time.
    pub learning_s: u32,
    /// Services a shard keeps, about 5 KB each.
    pub max_entities: u32,
    /// Spans and log lines of open traces a shard keeps, about 100 bytes each.
    pub max_trace_items: u32,
    /// For simulations alone; no setting.
    #[serde(skip)]
    pub tripwire: Option<probe::Tripwire>,
    /// For evaluations alone; no setting.
    #[serde(skip)]
    pub watch: Option<probe::Watch>,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self {
            learning_s: 300,
            max_entities: limits::MAX_ENTITIES as u32,
            max_trace_items: limits::MAX_OPEN_ITEMS as u32,
            tripwire: None,
            watch: None,
        }
    }
}
