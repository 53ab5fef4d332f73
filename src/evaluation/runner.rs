//! Runs every episode through whatever the caller gives, and scores what comes back.

use serde::{Deserialize, Serialize};

use super::EvaluationError;
use super::calendar::Calendar;
use super::episode::{Episode, EpisodeOptions, EpisodePlan, build, plans};
use super::pack::Pack;
use super::pool::QuietPool;
use super::score::{Report, score};
use crate::model::Timestamp;

/// A service under suspicion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedService {
    pub service: String,
    /// 0 or less means not suspected.
    pub score: f64,
}

/// One investigation as it was seen in an episode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Event time of the opening.
    pub opened_at: Timestamp,
    pub environment: String,
    /// Services when it was opened.
    pub at_opening: Vec<RankedService>,
    /// Services at the end of the episode, 180 s after the label.
    pub at_end: Vec<RankedService>,
    /// Why it was opened, for the list of false alarms.
    pub because: String,
}

/// All that was seen in one episode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeOutcome {
    /// Every investigation opened by the engine itself. Those of another environment are another episode's.
    pub openings: Vec<Opening>,
    /// Services 120 s after the label when the engine is told at the label that something is wrong; `None` when this
    /// was not tried.
    pub told: Option<Vec<RankedService>>,
}

/// Runs the pipeline over one episode, from empty.
pub trait EpisodeRun {
    fn run(&mut self, episode: &Episode) -> Result<EpisodeOutcome, String>;
}

/// What came of one episode. An episode that could not be run counts as a miss and says why.
#[derive(Clone, Debug)]
pub struct EpisodeResult {
    pub plan: EpisodePlan,
    pub outcome: Result<EpisodeOutcome, String>,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    pub done: usize,
    pub total: usize,
    /// Episode that comes next; empty at the end.
    pub label: &'a str,
}

/// Runs all episodes of a pack one after the other. To run them side by side, use [`plans`], [`build`] and [`score`].
pub fn evaluate(
    pack: &Pack,
    options: &EpisodeOptions,
    run: &mut dyn EpisodeRun,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, EvaluationError> {
    let pool = QuietPool::of(pack);
    let plans = plans(pack, options)?;
    let mut results = Vec::with_capacity(plans.len());
    let total = plans.len();
    for (done, plan) in plans.into_iter().enumerate() {
        progress(Progress { done, total, label: &plan.id });
        let episode = build(pack, &pool, &plan, options)?;
        results.push(EpisodeResult { outcome: run.run(&episode), plan });
    }
    progress(Progress { done: total, total, label: "" });
    Ok(score(&pack.set, &Calendar::of(pack), pack.services().len(), &results))
}
