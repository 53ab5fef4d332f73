//! Requests, failures and durations of a service as its request metrics tell them, where it sends no spans.
//!
//! A step is what all its series told within one interval: the usual gap between two points of a series, learned. Each step is
//! judged against the steps before: its mean duration by the median and the median absolute deviation, its failures by a 2×2
//! G-test with the overdispersion of the earlier steps, over 1, 2 and 4 steps (2, 4 and 8 of a series at least as fast as a
//! bucket). The reference is the greater of the baseline and what was last: who was slow before is no news. The newest steps lag; once
//! a step is suspected the reference stands still and nothing is learned, until the new level has lasted. One step alone
//! opens nothing: two closes are two points.

mod points;

use std::collections::{BTreeMap, VecDeque};

use self::points::Seen;
pub use self::points::{RequestPoints, RequestSeries};

use serde::{Deserialize, Serialize};

use super::features::EdgeSums;
use super::finding::{Finding, Kind, Subject};
use super::heat::Heat;
use super::limits::{
    HINT, HOT, LAG_BUCKETS, MAX_METRIC_SURPRISE, MAX_REQUEST_SERIES, MIN_RECENT, NEW_NORMAL_BUCKETS, SPANS_KNOWN_BUCKETS, STRONG,
};
use super::load::Excess;
use super::onset::Period;
use super::surprise;
use crate::model::signal::Facts;
use crate::model::{Bucket, EntityKey, Symbol, Timestamp, symbol};

/// Steps of the baseline, and how many it must have before anything is judged.
const BASELINE: usize = 60;
const MIN_STEPS: usize = 10;
/// Steps that wait before they join the baseline, of series slower than a bucket and of others.
const LAG_SLOW: usize = 2;
const LAG_FAST: usize = LAG_BUCKETS as usize;
/// Newest steps kept: the lag, and what is charted.
const KEPT: usize = 16;
const WINDOWS_SLOW: [usize; 3] = [1, 2, 4];
const WINDOWS_FAST: [usize; 3] = [2, 4, 8];
/// A level that has lasted so many steps, and half an hour, is the new normal.
const NEW_NORMAL_STEPS: usize = 6;
/// Scale of a mean duration is at least this part of it.
const RELATIVE_FLOOR: f64 = 0.05;
/// z per unit of surprise, and the z that every series may show unpunished: as for other metrics.
const Z_PER_SURPRISE: f64 = 2.5;
const FREE_Z: f64 = 4.0;
/// Deviations from which a step's excess counts.
const ANOMALOUS_Z: f64 = 3.0;
/// A residual counts at most this in the overdispersion: one outage is not how it always is.
const RESIDUAL_CAP: f64 = 5.0;
/// To open, failures must rise by so much, and at least double.
const OPENING_RISE: f64 = 0.02;

/// How far one side of a step, its durations or its failures, is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Off {
    z: f64,
    surprise: f64,
    /// Large enough an effect to open.
    material: bool,
    /// Mean duration or failure share that was expected.
    reference: f64,
}

impl Off {
    fn is_suspected(&self) -> bool {
        self.surprise >= HOT
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Step {
    first: Bucket,
    last: Bucket,
    at: Timestamp,
    requests: u64,
    failed: u64,
    duration_ns: u64,
    slow: Off,
    failing: Off,
    /// Told so far of its excess.
    excess: Excess,
    /// The baseline has it, or never will.
    settled: bool,
}

impl Step {
    fn mean_ms(&self) -> f64 {
        self.duration_ns as f64 / 1e6 / self.requests.max(1) as f64
    }

    fn share(&self) -> f64 {
        self.failed as f64 / self.requests.max(1) as f64
    }
}

/// State of one service: about 100 bytes a series and 40 a step of the baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    series: BTreeMap<RequestSeries, Seen>,
    /// Usual gap between points of a series, milliseconds: a slow median.
    gap_ms: f64,
    /// Unsuspected steps, oldest first: requests, failed, mean duration in milliseconds.
    baseline: VecDeque<(u32, u32, f32)>,
    /// Newest steps, oldest first.
    steps: VecDeque<Step>,
    /// Suspected steps in a row.
    run: usize,
    run_since: Option<Bucket>,
    /// Newest bucket in which the service sent spans.
    spans: Option<Bucket>,
    pub slow_heat: Heat,
    pub failing_heat: Heat,
}

/// What a bucket's points add up to.
#[derive(Debug, Default)]
pub struct RequestClose {
    pub requests: u64,
    pub failed: u64,
    pub duration_ns: u64,
    pub excess: Excess,
    pub edges: BTreeMap<EntityKey, EdgeSums>,
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Requests {
    fn is_slow(&self) -> bool {
        self.gap_ms > (Bucket::SECONDS * 1_500) as f64
    }

    fn gap_buckets(&self) -> f64 {
        self.gap_ms / (Bucket::SECONDS * 1_000) as f64
    }

    /// Seconds between points of a series slower than a bucket; 0 for faster ones.
    pub fn interval_s(&self) -> u32 {
        if self.is_slow() { (self.gap_ms / 1e3).round() as u32 } else { 0 }
    }

    /// Buckets for which the newest step says how it is now.
    pub fn lives(&self) -> i64 {
        if self.is_slow() { (1.5 * self.gap_buckets()) as i64 } else { LAG_BUCKETS }
    }

    const fn windows(slow: bool) -> [usize; 3] {
        if slow { WINDOWS_SLOW } else { WINDOWS_FAST }
    }

    /// Takes a closing bucket's points; `spans` when the service sent some in it.
    pub fn close(&mut self, now: Bucket, points: &BTreeMap<RequestSeries, RequestPoints>, spans: bool) -> RequestClose {
        if spans {
            self.spans = Some(now);
        }
        let mut close = RequestClose::default();
        let mut newest: Option<Timestamp> = None;
        for (series, points) in points {
            let Some((at, requests, duration_ns)) = self.advance(series, points) else { continue };
            match series.callee {
                Some(callee) => {
                    let edge = close.edges.entry(callee).or_default();
                    if series.failed { edge.failed += requests } else { edge.calls += requests }
                }
                None => {
                    newest = newest.max(Some(at));
                    close.requests += requests;
                    close.failed += if series.failed { requests } else { 0 };
                    close.duration_ns = close.duration_ns.saturating_add(duration_ns);
                }
            }
        }
        self.bound();
        if self.spans.is_some_and(|last| now.0 - last.0 <= SPANS_KNOWN_BUCKETS) {
            // Spans say all of it, and more.
            return RequestClose::default();
        }
        if let Some(at) = newest.filter(|_| close.requests > 0) {
            close.excess = self.take(now, at, &close);
        }
        close
    }

    /// What a series told since its point before: newest time, requests, nanoseconds.
    fn advance(&mut self, series: &RequestSeries, points: &RequestPoints) -> Option<(Timestamp, u64, u64)> {
        let (&at, &(total, total_ns)) = points.0.last_key_value()?;
        let before = self.series.insert(*series, Seen { at, requests: total, duration_ns: total_ns });
        let mut previous = before.map(|seen| seen.at);
        for &next in points.0.keys() {
            self.learn_gap(previous, next);
            previous = Some(next);
        }
        if !series.cumulative {
            let sum = points.0.values().fold((0_u64, 0_u64), |sum, point| (sum.0 + point.0, sum.1.saturating_add(point.1)));
            return Some((at, sum.0, sum.1));
        }
        // A total that falls was reset; the first one counts since nobody knows when.
        let before = before.filter(|seen| seen.requests <= total && seen.duration_ns <= total_ns && seen.at < at)?;
        Some((at, total - before.requests, total_ns - before.duration_ns))
    }

    /// A step towards each gap, in its logarithm: a running median.
    fn learn_gap(&mut self, previous: Option<Timestamp>, at: Timestamp) {
        let Some(gap_ms) = previous.map(|previous| at.seconds_since(previous) * 1e3).filter(|gap_ms| *gap_ms > 0.0) else { return };
        let step = if self.gap_ms == 0.0 { gap_ms } else { self.gap_ms * if gap_ms > self.gap_ms { 1.2 } else { 1.0 / 1.2 } };
        self.gap_ms = if (gap_ms / step).ln().abs() < 0.2 { gap_ms } else { step };
    }

    /// Keeps the series that told something last; of equally old ones the smaller keys.
    fn bound(&mut self) {
        if self.series.len() <= MAX_REQUEST_SERIES {
            return;
        }
        let mut oldest: Vec<(Timestamp, std::cmp::Reverse<RequestSeries>)> =
            self.series.iter().map(|(key, seen)| (seen.at, std::cmp::Reverse(*key))).collect();
        oldest.sort_unstable();
        for (_, key) in oldest.into_iter().take(self.series.len() - MAX_REQUEST_SERIES) {
            self.series.remove(&key.0);
        }
    }

    /// Adds to the step that is going on, or begins the next one; judges it. Returns what of its excess is new.
    fn take(&mut self, now: Bucket, at: Timestamp, close: &RequestClose) -> Excess {
        let goes_on = self.steps.back().is_some_and(|step| ((now.0 - step.first.0) as f64) < 0.75 * self.gap_buckets().max(1.0));
        if !goes_on {
            self.settle();
            self.steps.push_back(Step { first: now, ..Step::default() });
        }
        let mut step = self.steps.pop_back().unwrap_or_default();
        step.last = now;
        step.at = step.at.max(at);
        step.requests += close.requests;
        step.failed += close.failed;
        step.duration_ns = step.duration_ns.saturating_add(close.duration_ns);
        step.slow = self.slow(&step).unwrap_or_default();
        step.failing = self.failing(&step).unwrap_or_default();
        let excess = self.excess_of(&step);
        let new = Excess {
            failures: (excess.failures - step.excess.failures).max(0.0),
            seconds: (excess.seconds - step.excess.seconds).max(0.0),
        };
        step.excess = Excess { failures: step.excess.failures + new.failures, seconds: step.excess.seconds + new.seconds };
        self.steps.push_back(step);
        new
    }

    fn excess_of(&self, step: &Step) -> Excess {
        let requests = step.requests as f64;
        let above = |off: &Off, value: f64| if off.z >= ANOMALOUS_Z { (value - off.reference).max(0.0) * requests } else { 0.0 };
        Excess { failures: above(&step.failing, step.share()), seconds: above(&step.slow, step.mean_ms()) / 1e3 }
    }

    /// Before a new step begins: the last one is decided, and what has waited long enough joins the baseline.
    fn settle(&mut self) {
        let Some(last) = self.steps.back() else { return };
        if last.slow.is_suspected() || last.failing.is_suspected() {
            self.run += 1;
            self.run_since.get_or_insert(last.first);
        } else {
            self.run = 0;
            self.run_since = None;
        }
        let lasted = self.run_since.map_or(0, |since| last.last.0 - since.0);
        if let Some(since) = self.run_since.filter(|_| self.run >= NEW_NORMAL_STEPS && lasted >= NEW_NORMAL_BUCKETS) {
            self.baseline.clear();
            // What was before teaches the new level nothing.
            self.steps.iter_mut().for_each(|step| {
                (step.slow, step.failing) = Default::default();
                step.settled = step.first < since;
            });
            (self.run, self.run_since) = (0, None);
        }
        let old = self.steps.len().saturating_sub(if self.is_slow() { LAG_SLOW } else { LAG_FAST });
        // While a run goes on nothing is learned.
        let waiting = self.steps.iter_mut().take(old).filter(|step| self.run == 0 && !step.settled);
        for step in waiting {
            step.settled = true;
            if !step.slow.is_suspected() && !step.failing.is_suspected() {
                let clip = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
                self.baseline.push_back((clip(step.requests), clip(step.failed), step.mean_ms() as f32));
            }
        }
        while self.baseline.len() > BASELINE {
            self.baseline.pop_front();
        }
        while self.steps.len() > KEPT {
            self.steps.pop_front();
        }
    }

    /// Newest steps before the one judged that nobody suspected: what was last.
    fn last_unsuspected(&self) -> impl Iterator<Item = &Step> {
        let lag = if self.is_slow() { LAG_SLOW } else { LAG_FAST };
        let before_run = self.steps.len().saturating_sub(self.run);
        self.steps.iter().take(before_run).rev().take(lag).filter(|step| !step.slow.is_suspected() && !step.failing.is_suspected())
    }

    fn slow(&self, step: &Step) -> Option<Off> {
        if self.baseline.len() < MIN_STEPS || step.requests == 0 {
            return None;
        }
        let means: Vec<f64> = self.baseline.iter().map(|(.., mean_ms)| f64::from(*mean_ms)).collect();
        let level = median(&mut means.clone());
        let spread = median(&mut means.iter().map(|mean_ms| (mean_ms - level).abs()).collect::<Vec<_>>());
        let scale = (1.4826 * spread).max(RELATIVE_FLOOR * level).max(1e-6);
        let own = means.iter().map(|mean_ms| (mean_ms - level).abs() / scale).fold(FREE_Z, f64::max);
        let mut recent: Vec<f64> = self.last_unsuspected().map(Step::mean_ms).collect();
        let reference = if recent.is_empty() { level } else { level.max(median(&mut recent)) };
        let z = ((step.mean_ms() - reference) / scale).clamp(-1e6, 1e6);
        let surprise = (z / Z_PER_SURPRISE * FREE_Z / own).clamp(0.0, MAX_METRIC_SURPRISE);
        Some(Off { z, surprise, material: true, reference })
    }

    fn failing(&self, step: &Step) -> Option<Off> {
        if self.baseline.len() < MIN_STEPS || (step.requests as f64) < MIN_RECENT {
            return None;
        }
        let sum = |of: fn(&(u32, u32, f32)) -> u32| self.baseline.iter().map(|step| f64::from(of(step))).sum::<f64>();
        let (requests, failed) = (sum(|step| step.0), sum(|step| step.1));
        let usual = failed / requests.max(1.0);
        let deviation = |share: f64, requests: f64| {
            let likely = share.max(0.5 / requests).min(1.0 - 0.5 / requests);
            (likely * (1.0 - likely) / requests).sqrt()
        };
        let residual = |&(requests, failed, _): &(u32, u32, f32)| {
            let requests = f64::from(requests.max(1));
            ((f64::from(failed) / requests - usual) / deviation(usual, requests).max(1e-9)).clamp(-RESIDUAL_CAP, RESIDUAL_CAP)
        };
        let phi = (self.baseline.iter().map(|step| residual(step).powi(2)).sum::<f64>() / self.baseline.len() as f64).max(1.0);
        let (recent, recent_failed) =
            self.last_unsuspected().fold((0.0, 0.0), |sum, step| (sum.0 + step.requests as f64, sum.1 + step.failed as f64));
        let reference = if recent > 0.0 { usual.max(recent_failed / recent) } else { usual };
        let now = step.requests as f64;
        let z = (step.share() - reference) / (phi.sqrt() * deviation(reference, now)).max(1e-9);
        let (mut surprise, mut material) = (0.0_f64, false);
        for window in Self::windows(self.is_slow()) {
            let earlier = self.steps.iter().rev().take(window - 1);
            let (cases, hits) =
                earlier.fold((now, step.failed as f64), |sum, step| (sum.0 + step.requests as f64, sum.1 + step.failed as f64));
            if hits < MIN_RECENT || hits / cases <= reference {
                continue;
            }
            surprise = surprise.max(surprise::of_shares(reference * requests, requests, hits, cases, phi));
            material |= hits / cases - reference >= OPENING_RISE && hits / cases >= 2.0 * reference;
        }
        Some(Off { z, surprise, material, reference })
    }

    /// What the newest steps say.
    pub fn judge(&mut self, now: Bucket) -> Vec<Finding> {
        let mut found = Vec::new();
        for kind in [Kind::SlowRequests, Kind::FailingRequests] {
            let Some(finding) = self.finding(kind, now) else { continue };
            let heat = if kind == Kind::SlowRequests { &mut self.slow_heat } else { &mut self.failing_heat };
            heat.note(now, finding.surprise, finding.period.onset);
            found.push(finding);
        }
        found
    }

    fn finding(&self, kind: Kind, now: Bucket) -> Option<Finding> {
        let of = |step: &Step| if kind == Kind::SlowRequests { step.slow } else { step.failing };
        let step = self.steps.back().filter(|step| now.0 - step.last.0 <= self.lives())?;
        let off = of(step);
        if off.surprise < HINT {
            return None;
        }
        let slow = self.is_slow();
        let before = self.steps.len().checked_sub(2).and_then(|index| self.steps.get(index)).map(of);
        let confirmed = before.filter(|before| before.material).map_or(0.0, |before| before.surprise.min(off.surprise));
        let alone = if slow { HOT } else { STRONG } - 0.1;
        let said = if off.material { confirmed.max(off.surprise.min(alone)) } else { off.surprise.min(HOT - 0.1) };
        let width_ms = self.gap_ms.max((Bucket::SECONDS * 1_000) as f64);
        let run = self.steps.iter().rev().take_while(|step| of(step).is_suspected()).last().unwrap_or(step);
        let onset = if slow { run.at.plus_millis(-(width_ms as i64)) } else { run.first.start() };
        let requests: f64 = self.baseline.iter().map(|(requests, ..)| f64::from(*requests)).sum();
        let facts = if kind == Kind::SlowRequests {
            Facts {
                cases_now: step.requests as f64,
                value_before: Some(off.reference),
                value_now: Some(step.mean_ms()),
                excess: Some(step.excess.seconds),
                z: Some(off.z),
                ..Facts::default()
            }
        } else {
            Facts {
                hits_before: off.reference * requests,
                cases_before: requests,
                hits_now: step.failed as f64,
                cases_now: step.requests as f64,
                excess: Some(step.excess.failures),
                z: Some(off.z),
                ..Facts::default()
            }
        };
        let value = |step: &Step| if kind == Kind::SlowRequests { step.mean_ms() } else { 100.0 * step.share() };
        Some(Finding {
            kind,
            subject: Subject::Requests,
            host: Symbol::NONE,
            surprise: said,
            rank_surprise: off.surprise,
            window_s: (width_ms / 1e3) as u32,
            period: Period { onset, ended: None },
            facts,
            series: self.steps.iter().map(|step| (step.at, value(step))).collect(),
            unit: symbol(if kind == Kind::SlowRequests { "ms" } else { "%" }),
            tell: false,
            told: None,
        })
    }

    pub fn symbols(&self, used: &mut std::collections::BTreeSet<Symbol>) {
        for key in self.series.keys() {
            used.insert(key.metric);
            used.extend(key.callee.iter().flat_map(|callee| [callee.environment, callee.service]));
        }
    }
}

#[cfg(test)]
mod tests;
