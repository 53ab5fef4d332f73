//! Which service, given latency, failures and the call graph: issues of a system whose requests are known by metrics.
//!
//! Each issue is run twice: twelve hours without an issue, moved so that they end where the issue's records begin, then these;
//! once unaided, once told by the alarm. The second half of the recording without an issue asks how often somebody is blamed for nothing.

mod bytes;
mod score;

use serde::{Deserialize, Serialize};

use super::feed::FeedRecord;
use super::pack::{GraphIssue, GraphPack, GraphScenario, Interval};
use super::runner::{Progress, RankedService};
use crate::model::Timestamp;

pub use score::{GraphCaseScore, GraphComparator, GraphFigures, GraphReport, score_graph};

/// Intervals without an issue before each issue.
const BASELINE_INTERVALS: usize = 144;
/// Quiet windows: so many intervals, one after the other.
pub const WINDOW_INTERVALS: usize = 5;
/// The run goes on this long after its last interval.
const AFTER_LAST_S: i64 = 60;

/// One run's records, in order of event time.
#[derive(Clone, Debug)]
pub struct GraphEpisode {
    pub id: String,
    pub environment: String,
    pub ends_at: Timestamp,
    pub records: Vec<FeedRecord>,
}

/// An investigation as a run left it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphFinding {
    pub opened_at: Timestamp,
    pub recovered_at: Option<Timestamp>,
    /// Opened by the alarm, or the one that the alarm joined.
    pub told: bool,
    pub services: Vec<RankedService>,
}

/// Runs the pipeline over one episode, from empty. Investigations at its end, strongest first.
pub trait GraphRun {
    fn run(&mut self, episode: &GraphEpisode) -> Result<Vec<GraphFinding>, String>;
}

/// What came of one issue.
#[derive(Clone, Debug)]
pub struct GraphResult {
    pub case: String,
    pub metric: String,
    pub root_cause: String,
    pub alarm_at: Timestamp,
    pub told: Result<Vec<GraphFinding>, String>,
    pub unaided: Result<Vec<GraphFinding>, String>,
}

/// What came of a recording without an issue.
#[derive(Clone, Debug)]
pub struct QuietResult {
    pub scenario: String,
    /// First and last instant of each window.
    pub windows: Vec<(Timestamp, Timestamp)>,
    pub findings: Result<Vec<GraphFinding>, String>,
}

/// An issue's records: told by its alarm, or not.
pub fn issue_episode(scenario: &GraphScenario, issue: &GraphIssue, told: bool, environment: &str) -> GraphEpisode {
    let quiet = &scenario.quiet[scenario.quiet.len().saturating_sub(BASELINE_INTERVALS)..];
    let width_s = bytes::width_s(&scenario.quiet);
    let starts_at = issue.intervals.first().map_or(issue.alarm_at, |first| first.starts_at);
    let shift_s = quiet.last().map_or(0, |last| starts_at.seconds() - last.starts_at.seconds() - width_s);
    let moved = quiet.iter().map(|interval| Interval { starts_at: interval.starts_at.plus_seconds(shift_s), ..interval.clone() });
    let intervals: Vec<Interval> = moved.chain(issue.intervals.iter().cloned()).collect();
    let alarm = told.then(|| bytes::alarm(issue, environment));
    let id = format!("{}/{}", issue.name, if told { "told" } else { "unaided" });
    episode(id, &intervals, width_s, &scenario.calls, alarm, environment)
}

/// A scenario's recording without an issue, whole.
pub fn quiet_episode(scenario: &GraphScenario, environment: &str) -> GraphEpisode {
    let width_s = bytes::width_s(&scenario.quiet);
    episode(format!("{}/noissue", scenario.name), &scenario.quiet, width_s, &scenario.calls, None, environment)
}

fn episode(
    id: String,
    intervals: &[Interval],
    width_s: i64,
    calls: &[(String, String)],
    alarm: Option<FeedRecord>,
    environment: &str,
) -> GraphEpisode {
    let mut records: Vec<FeedRecord> =
        intervals.iter().flat_map(|interval| bytes::records(interval, width_s, calls, environment)).collect();
    records.extend(alarm);
    records.sort_by(|a, b| (a.timestamp, a.topic, &a.key).cmp(&(b.timestamp, b.topic, &b.key)));
    let ends_at = records.last().map_or(Timestamp::EPOCH, |record| record.timestamp).plus_seconds(AFTER_LAST_S);
    GraphEpisode { id, environment: environment.to_owned(), ends_at, records }
}

/// Windows in the second half of a recording without an issue.
fn windows(scenario: &GraphScenario) -> Vec<(Timestamp, Timestamp)> {
    let width_s = bytes::width_s(&scenario.quiet);
    let half = &scenario.quiet[scenario.quiet.len() / 2..];
    let window = |window: &[Interval]| Some((window.first()?.starts_at, window.last()?.starts_at.plus_seconds(width_s)));
    half.chunks_exact(WINDOW_INTERVALS).filter_map(window).collect()
}

/// Runs of a pack, for progress.
pub fn runs(pack: &GraphPack) -> usize {
    2 * pack.issues().count() + pack.scenarios.len()
}

/// Runs all issues and quiet recordings of a pack and scores them.
pub fn evaluate_graph(pack: &GraphPack, environment: &str, run: &mut dyn GraphRun, progress: &mut dyn FnMut(Progress)) -> GraphReport {
    let total = runs(pack);
    let mut done = 0;
    let mut go = |episode: &GraphEpisode| {
        progress(Progress { done, total, label: &episode.id });
        done += 1;
        run.run(episode)
    };
    let mut issues = Vec::new();
    for (scenario, issue) in pack.issues() {
        issues.push(GraphResult {
            case: issue.name.clone(),
            metric: issue.metric.clone(),
            root_cause: issue.root_cause.clone(),
            alarm_at: issue.alarm_at,
            told: go(&issue_episode(scenario, issue, true, environment)),
            unaided: go(&issue_episode(scenario, issue, false, environment)),
        });
    }
    let quiet: Vec<QuietResult> = pack
        .scenarios
        .iter()
        .map(|scenario| QuietResult {
            scenario: scenario.name.clone(),
            windows: windows(scenario),
            findings: go(&quiet_episode(scenario, environment)),
        })
        .collect();
    score_graph(&pack.set, &issues, &quiet)
}
