//! What is known of a pack's days beside its labels: evenings without a labelled fault, and CPU runs that nobody
//! labelled. Openings on the latter are not false alarms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pack::{MetricRow, Pack};
use crate::model::Timestamp;

/// Share of CPU from which a point belongs to a run, percent.
const STRESS_PERCENT: f64 = 40.0;
/// Points of a run.
const STRESS_POINTS: usize = 3;
/// The metric runs are looked for in.
const CPU_METRIC: &str = "CpuUsageRate";
/// Evenings begin this long after the day's last fault.
const AFTER_LAST_FAULT_S: i64 = 600;
/// Minutes without a point that end an evening.
const GAP_MINUTES: i64 = 3;
/// Shortest evening.
const EVENING_MINUTES: i64 = 40;

/// A run of high CPU on one service that no label explains, seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct StressRun {
    pub from_s: i64,
    pub to_s: i64,
    pub service: Arc<str>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Day {
    /// Injection seconds.
    pub labels: Vec<i64>,
    /// Injection seconds with the service that was broken.
    pub faults: Vec<(i64, String)>,
    pub stress: Vec<StressRun>,
    /// Stretches with metrics and without a labelled fault, seconds.
    pub evenings: Vec<(i64, i64)>,
}

/// All days of a pack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calendar {
    pub days: BTreeMap<String, Day>,
}

impl Calendar {
    pub fn of(pack: &Pack) -> Self {
        let day = |(name, rows): (&String, &Vec<MetricRow>)| {
            let labels = pack.label_times(name);
            let (stress, evenings) = (stress_runs(rows, &labels), evenings(rows, &labels));
            let faults = pack.labels.iter().filter(|label| label.day == *name);
            let faults = faults.map(|label| (label.inject_time_unix, label.root_cause_service.clone())).collect();
            (name.clone(), Day { labels, faults, stress, evenings })
        };
        Self { days: pack.metrics.iter().map(day).collect() }
    }

    /// A labelled fault was acting: from 75 s before a label to 7 minutes after it.
    pub fn known(&self, day: &str, at: Timestamp) -> bool {
        let acts = |label: &i64| within(at, label - 75, label + 420);
        self.days.get(day).is_some_and(|day| day.labels.iter().any(acts))
    }

    /// A labelled fault of this very service was acting then: what the metrics show of it is no false alarm, although the
    /// traffic around it was drawn from elsewhere.
    pub fn explains(&self, day: &str, at: Timestamp, service: Option<&str>) -> bool {
        let acts = |(label, broken): &(i64, String)| Some(broken.as_str()) == service && within(at, label - 75, label + 420);
        self.days.get(day).is_some_and(|day| day.faults.iter().any(acts))
    }

    /// An unlabelled CPU run was acting, or had ended less than 5 minutes ago.
    pub fn stressed(&self, day: &str, at: Timestamp) -> bool {
        let acts = |run: &StressRun| within(at, run.from_s - 65, run.to_s + 300);
        self.days.get(day).is_some_and(|day| day.stress.iter().any(acts))
    }
}

fn within(at: Timestamp, from_s: i64, to_s: i64) -> bool {
    Timestamp::from_seconds(from_s) <= at && at <= Timestamp::from_seconds(to_s)
}

fn stress_runs(rows: &[MetricRow], labels: &[i64]) -> Vec<StressRun> {
    let mut series: BTreeMap<&Arc<str>, Vec<(i64, f64)>> = BTreeMap::new();
    for row in rows {
        if let Some(percent) = row.value(CPU_METRIC) {
            series.entry(&row.pod.service).or_default().push((row.time_ns / 1_000_000_000, percent));
        }
    }
    let mut runs = Vec::new();
    for (service, points) in series {
        for run in points.chunk_by(|a, b| (a.1 >= STRESS_PERCENT) == (b.1 >= STRESS_PERCENT)) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let labelled = labels.iter().any(|label| (label - 5..=label + 420).contains(&first.0));
            if first.1 >= STRESS_PERCENT && run.len() >= STRESS_POINTS && !labelled {
                runs.push(StressRun { from_s: first.0, to_s: last.0, service: Arc::clone(service) });
            }
        }
    }
    runs.sort_by(|a, b| (a.from_s, a.to_s, &a.service).cmp(&(b.from_s, b.to_s, &b.service)));
    runs
}

fn evenings(rows: &[MetricRow], labels: &[i64]) -> Vec<(i64, i64)> {
    let Some(first) = rows.first() else { return Vec::new() };
    let begin_s = labels.iter().max().copied().unwrap_or(first.time_ns / 1_000_000_000) + AFTER_LAST_FAULT_S;
    let minutes: BTreeSet<i64> =
        rows.iter().map(|row| row.time_ns / 1_000_000_000).filter(|at_s| *at_s >= begin_s).map(|at_s| at_s / 60).collect();
    let minutes: Vec<i64> = minutes.into_iter().collect();
    minutes
        .chunk_by(|a, b| b - a <= GAP_MINUTES)
        .filter_map(|run| Some((*run.first()?, *run.last()?)))
        .filter(|(from, to)| to - from >= EVENING_MINUTES)
        .map(|(from, to)| (from * 60, to * 60))
        .collect()
}
