//! What the alarms of many series come to, as figures and as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::score::{Score, score};
use super::{MetricSeries, Said, rested};
use crate::evaluation::feed::Random;
use crate::evaluation::score::poisson_rate;

/// Surprise from which the profile of a metric is alarmed: among those that halves of the suite choose, 2.0 to 2.4 (`--set metric-suite`), and
/// the only one that is used on recorded series.
pub const THRESHOLD: f64 = 2.2;
/// Thresholds tried on the suite.
const THRESHOLDS: std::ops::RangeInclusive<u32> = 20..=35;
/// Resamplings behind an interval.
const RESAMPLES: usize = 1_000;

/// One series with what was said of it, or why it could not be run.
pub type Judged<'a> = (&'a MetricSeries, &'a Said);

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// 0 to 100 and below, after the Numenta Anomaly Benchmark's standard profile.
    pub score: f64,
    pub windows: usize,
    pub windows_found: usize,
    pub false_points: usize,
    pub false_per_1000: f64,
}

impl Figures {
    fn of(score: &Score) -> Self {
        Self {
            score: score.value().unwrap_or_default(),
            windows: score.windows,
            windows_found: score.found,
            false_points: score.false_points,
            false_per_1000: 1_000.0 * score.false_points as f64 / score.quiet_points.max(1) as f64,
        }
    }
}

/// The part of a report that is about metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MetricFigures {
    #[serde(flatten)]
    pub all: Figures,
    pub threshold: f64,
    /// 95 %, by drawing series anew.
    pub interval: [f64; 2],
    /// The same with the events that are stored.
    pub as_emitted: Figures,
    pub by_family: BTreeMap<String, Figures>,
}

/// Openings where nothing is wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quiet {
    pub openings: u64,
    pub hours: f64,
    pub false_per_hour: f64,
    /// 95 %.
    pub interval: Option<[f64; 2]>,
}

impl Quiet {
    pub fn of(openings: u64, hours: f64) -> Self {
        let false_per_hour = if hours > 0.0 { openings as f64 / hours } else { 0.0 };
        Self { openings, hours, false_per_hour, interval: poisson_rate(openings, hours) }
    }

    pub fn to_text(&self) -> String {
        let interval = self.interval.map_or_else(String::new, |[low, high]| format!("  [{low:.4}, {high:.4}]"));
        format!("{} openings in {:.1} quiet hours: {:.4} an hour{interval}\n", self.openings, self.hours, self.false_per_hour)
    }
}

/// A report on recorded series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricReport {
    pub set: String,
    pub n: usize,
    pub metric: MetricFigures,
}

/// A report on the suite: each half of the families with the threshold that is best on the other half.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuiteReport {
    pub set: String,
    pub n: usize,
    pub metric: MetricFigures,
    /// Threshold chosen on each half, and used on the other.
    pub thresholds: [f64; 2],
    pub by_threshold: Vec<(f64, f64)>,
    /// Windows found of windows, by kind of anomaly.
    pub by_kind: BTreeMap<&'static str, (usize, usize)>,
    /// The suite's series without anomalies.
    pub quiet: Quiet,
}

fn score_of((series, said): &Judged<'_>, threshold: f64) -> Score {
    score(series.points.len(), &series.windows, &said.alarms(threshold))
}

fn sum(scores: impl Iterator<Item = Score>) -> Score {
    scores.fold(Score::default(), |mut sum, score| {
        sum.add(&score);
        sum
    })
}

fn figures(judged: &[Judged<'_>], threshold: impl Fn(&MetricSeries) -> f64) -> MetricFigures {
    let scores: Vec<Score> = judged.iter().map(|one| score_of(one, threshold(one.0))).collect();
    let mut by_family: BTreeMap<String, Score> = BTreeMap::new();
    for ((series, _), score) in judged.iter().zip(&scores) {
        by_family.entry(series.family.clone()).or_default().add(score);
    }
    let emitted = judged.iter().map(|(series, said)| score(series.points.len(), &series.windows, &rested(&said.events)));
    MetricFigures {
        all: Figures::of(&sum(scores.iter().copied())),
        threshold: THRESHOLD,
        interval: interval(&scores),
        as_emitted: Figures::of(&sum(emitted)),
        by_family: by_family.into_iter().map(|(family, score)| (family, Figures::of(&score))).collect(),
    }
}

/// 95 % of the scores of as many series drawn anew (bootstrap: Efron, 1979).
fn interval(scores: &[Score]) -> [f64; 2] {
    let mut random = Random::named("series drawn anew");
    let mut draw = || sum((0..scores.len()).filter_map(|_| scores.get(random.below(scores.len() as u32) as usize).copied())).value();
    let mut values: Vec<f64> = (0..RESAMPLES).filter_map(|_| draw()).collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((share * values.len() as f64) as usize).copied().unwrap_or_default();
    [at(0.025), at(0.975)]
}

/// Recorded series, with the one threshold.
pub fn recorded(set: &str, judged: &[Judged<'_>]) -> MetricReport {
    MetricReport { set: set.to_owned(), n: judged.len(), metric: figures(judged, |_| THRESHOLD) }
}

fn thresholds() -> impl Iterator<Item = f64> {
    THRESHOLDS.map(|tenths| f64::from(tenths) / 10.0)
}

/// The suite; `families` in their order, every other one in the other half.
pub fn suite(judged: &[Judged<'_>], families: &[&str]) -> SuiteReport {
    let half = |family: &str| families.iter().position(|known| *known == family).unwrap_or_default() % 2;
    let value = |threshold: f64, wanted: Option<usize>| {
        let chosen = judged.iter().filter(|(series, _)| wanted.is_none_or(|wanted| half(&series.family) == wanted));
        sum(chosen.map(|one| score_of(one, threshold))).value().unwrap_or_default()
    };
    let best = |wanted: usize| {
        let values = thresholds().map(|threshold| (threshold, value(threshold, Some(wanted))));
        values.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(THRESHOLD, |(threshold, _)| threshold)
    };
    let chosen = [best(0), best(1)];
    let of_series = |series: &MetricSeries| chosen[1 - half(&series.family)];
    let mut by_kind: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    for (series, said) in judged {
        let alarms = said.alarms(of_series(series));
        for (kind, (first, last)) in series.kinds.iter().zip(&series.windows) {
            let (found, all) = by_kind.entry(kind).or_default();
            *found += usize::from(alarms.iter().any(|alarm| (first..=last).contains(&alarm)));
            *all += 1;
        }
    }
    let quiet = judged.iter().filter(|(series, _)| series.windows.is_empty());
    let hours = |series: &MetricSeries| match (series.points.first(), series.points.last()) {
        (Some((first, _)), Some((last, _))) => last.seconds_since(*first) / 3_600.0,
        _ => 0.0,
    };
    let (openings, hours) =
        quiet.fold((0, 0.0), |(openings, sum), (series, said)| (openings + said.openings.len() as u64, sum + hours(series)));
    SuiteReport {
        set: "metric-suite".to_owned(),
        n: judged.len(),
        metric: figures(judged, of_series),
        thresholds: chosen,
        by_threshold: thresholds().map(|threshold| (threshold, value(threshold, None))).collect(),
        by_kind,
        quiet: Quiet::of(openings, hours),
    }
}

fn line(text: &mut String, name: &str, figures: &Figures) {
    let Figures { score, windows, windows_found, false_points, false_per_1000 } = figures;
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{name:<34} {score:>7.1} {windows_found:>6} of {windows:<5} {false_points:>7} {false_per_1000:>10.2}");
}

fn table(text: &mut String, metric: &MetricFigures) {
    let _ = writeln!(text, "\n{:<34} {:>7} {:>15} {:>7} {:>10}", "", "score", "windows found", "false", "a 1,000");
    line(text, "all", &metric.all);
    let [low, high] = metric.interval;
    let _ = writeln!(text, "{:<34} [{low:.1}, {high:.1}]", "  95 %, series drawn anew");
    for (family, figures) in &metric.by_family {
        line(text, &format!("  {family}"), figures);
    }
    line(text, "events as stored", &metric.as_emitted);
}

impl MetricReport {
    pub fn to_text(&self) -> String {
        let mut text = format!("{}: {} series, threshold {THRESHOLD} (chosen on the suite)\n", self.set, self.n);
        table(&mut text, &self.metric);
        text
    }
}

impl SuiteReport {
    pub fn to_text(&self) -> String {
        let [even, odd] = self.thresholds;
        let mut text =
            format!("{}: {} series; threshold of one half {even}, of the other {odd}, each used on the other\n", self.set, self.n);
        table(&mut text, &self.metric);
        let by_threshold: Vec<String> = self.by_threshold.iter().map(|(threshold, score)| format!("{threshold:.1} {score:.1}")).collect();
        let _ = writeln!(text, "\none threshold for all: {}", by_threshold.join(" · "));
        let by_kind: Vec<String> = self.by_kind.iter().map(|(kind, (found, all))| format!("{kind} {found} of {all}")).collect();
        let _ = writeln!(text, "windows found by kind: {}", by_kind.join(" · "));
        text + "series without anomalies: " + &self.quiet.to_text()
    }
}
