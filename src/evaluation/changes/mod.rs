//! Which change caused it, or none: incidents with the commits, deployments and flags before them.
//!
//! Each incident is one run: its telemetry and context up to 180 s after the alert, in order of event time, the alert
//! among them. Commits come as GitHub pushes, deployments as GitHub deployments, flags and the alert as manual events.

mod bytes;
mod score;

use serde::{Deserialize, Serialize};

use super::feed::FeedRecord;
use super::pack::{ChangeCase, ChangeLabel, ChangePack};
use super::runner::{Progress, RankedService};
use crate::model::Timestamp;

pub use score::{ChangeCaseScore, ChangeResult, ChangesComparator, ChangesFigures, ChangesReport, score_changes};

/// The incident goes on this long after its alert.
const AFTER_ALERT_S: i64 = 180;

/// One incident as records, in order of event time.
#[derive(Clone, Debug)]
pub struct ChangeEpisode {
    pub label: ChangeLabel,
    pub environment: String,
    pub alert_at: Timestamp,
    pub ends_at: Timestamp,
    pub records: Vec<FeedRecord>,
}

/// A change under suspicion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankedChange {
    /// Commit id, whole or its first seven digits at least; `None` is "no change explains it".
    pub sha: Option<String>,
    pub score: f64,
    /// Factors of the score by their names.
    pub factors: Vec<(String, f64)>,
}

/// What was said of an incident at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeOutcome {
    pub changes: Vec<RankedChange>,
    pub services: Vec<RankedService>,
    /// When an investigation was first opened, by the alert or before it.
    pub opened_at: Option<Timestamp>,
    /// When it began, as the investigation knows.
    pub onset: Option<Timestamp>,
}

/// Runs the pipeline over one incident, from empty.
pub trait ChangeRun {
    fn run(&mut self, episode: &ChangeEpisode) -> Result<ChangeOutcome, String>;
}

/// An incident's records.
pub fn change_episode(case: &ChangeCase, environment: &str) -> ChangeEpisode {
    let ends_at = case.alert.at.plus_seconds(AFTER_ALERT_S);
    let mut records = bytes::records(case, environment);
    records.retain(|record| record.timestamp <= ends_at);
    records.sort_by(|a, b| (a.timestamp, a.topic, &a.value).cmp(&(b.timestamp, b.topic, &b.value)));
    ChangeEpisode { label: case.label.clone(), environment: environment.to_owned(), alert_at: case.alert.at, ends_at, records }
}

impl ChangePack {
    /// All incidents' records, each incident in its own time, the earliest first.
    pub fn replay_stream(&self, environment: &str) -> impl Iterator<Item = FeedRecord> {
        let mut episodes: Vec<ChangeEpisode> = self.cases.iter().map(|case| change_episode(case, environment)).collect();
        episodes.sort_by_key(|episode| episode.alert_at);
        let mut records: Vec<FeedRecord> = episodes.into_iter().flat_map(|episode| episode.records).collect();
        // Incidents of one day may overlap.
        records.sort_by_key(|record| record.timestamp);
        records.into_iter()
    }
}

/// Runs all incidents of a pack and scores them.
pub fn evaluate_changes(
    pack: &ChangePack,
    environment: &str,
    run: &mut dyn ChangeRun,
    progress: &mut dyn FnMut(Progress),
) -> ChangesReport {
    let total = pack.cases.len();
    let mut results = Vec::with_capacity(total);
    for (done, case) in pack.cases.iter().enumerate() {
        progress(Progress { done, total, label: &case.label.case });
        let outcome = run.run(&change_episode(case, environment));
        results.push(ChangeResult { label: case.label.clone(), alert_at: case.alert.at, outcome });
    }
    progress(Progress { done: total, total, label: "" });
    score_changes(&pack.set, &results)
}
