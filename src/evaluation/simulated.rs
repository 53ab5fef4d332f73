//! Simulated episodes: what was broken, what was seen of it, and how well the two agree.
//!
//! The caller runs the simulator and the pipeline; this place knows neither. It takes what was to be found
//! ([`SimulatedEpisode`]) and what was found ([`SimulatedOutcome`]) and gives back a [`SimulatedReport`].

mod calibration;
mod score;
mod table;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use calibration::{Bin, Calibration};
pub use score::{ChangeFigures, Part, SeedScore, SimulatedEndToEnd, SimulatedReport, TwoFaults, score_simulated};

use super::changes::RankedChange;
use super::runner::RankedService;
use crate::model::Timestamp;

/// The ranking of a told fault is read this long after its onset, seconds.
pub const TOLD_AFTER_S: i64 = 120;
/// And that of one found unaided.
pub const FOUND_AFTER_S: i64 = 180;

/// One fault of an episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimulatedFault {
    pub kind: String,
    /// Services and hosts that are right answers; the first one is to blame.
    pub names: Vec<String>,
    /// Commit behind it; `None`: no change is.
    pub change: Option<String>,
    pub onset: Timestamp,
    /// How many times as bad as normal.
    pub strength: f64,
    /// Share of requests hit.
    pub share: f64,
}

/// Something harmless at a known time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BesideFault {
    pub kind: String,
    pub what: String,
    /// Seconds after the start.
    pub from_s: f64,
    pub until_s: f64,
}

/// What there was to find; without faults: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimulatedEpisode {
    pub seed: u64,
    pub services: usize,
    pub records: usize,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub faults: Vec<SimulatedFault>,
    pub beside: Vec<BesideFault>,
}

/// What an investigation said at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    pub at: Timestamp,
    /// Services, hosts and outsiders.
    pub suspects: Vec<RankedService>,
    /// Changes and "no change".
    pub changes: Vec<RankedChange>,
    /// Of the first suspect being the cause, 0 to 1.
    pub confidence: f64,
}

/// One investigation that was opened and not merged into another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub opened_at: Timestamp,
    pub because: String,
    /// What it said, oldest first.
    pub views: Vec<View>,
}

impl Seen {
    /// The newest view up to `at`, else the oldest there is.
    fn at(&self, at: Timestamp) -> Option<&View> {
        self.views.iter().rev().find(|view| view.at <= at).or(self.views.first())
    }
}

/// What was found in an episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimulatedOutcome {
    /// Opened unaided, in the order of their opening.
    pub seen: Vec<Seen>,
    /// What the strongest investigation says [`TOLD_AFTER_S`] after the onset, when told then that something is wrong; `None`
    /// when this was not tried, empty when it said nothing.
    pub told: Option<View>,
}

/// What came of one seed. An episode that could not be run is a miss.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedResult {
    pub episode: SimulatedEpisode,
    pub outcome: Result<SimulatedOutcome, String>,
}
