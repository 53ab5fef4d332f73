//! One metric series: a robust z against its own last unsuspected values, measured by what this series shows anyway.
//!
//! S = |z|/2.5, divided by how far above 4 the series' own largest recent |z| lies: what jumps often must jump further.
//! One step alone stays below "strong", and below "weak" where steps are far apart: a bucket's close is no second look at it.
//! Two steps in a row on the same side say what the lesser of them says.
//!
//! Resources (CPU, memory, pools …) are bounded and mostly calm, so that a large z means something after ten steps. Rates,
//! counts and latency quantiles are not: two steps of a series seen n times cannot be rarer than (1/n)², so that their S is
//! at most 2·log10(n). Once a series has been judged often enough to know how often it shows which z, two steps say no more than
//! 1.5 times the −log10 of that share, whatever it measures: the second is some news after the first, but not as much. On made
//! series nothing is wrong with, S ≥ 4 is then as rare as it says (2 in 10,000 steps; without it, 90).
//!
//! Beside the jump, its [`Profile`] says how unlike its past the series has become over minutes and hours.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::heat::Heat;
use super::limits::{HOT, LAG_BUCKETS, MAX_METRIC_SURPRISE, NEW_NORMAL_BUCKETS, STRONG};
use super::profile::{Grade, OwnQuantiles, Profile};
use crate::model::observation::PointKind;
use crate::model::{Bucket, Symbol, Timestamp, symbol};

/// Steps of the baseline of a series slower than a bucket, and of a faster one.
const BASELINE_SLOW: usize = 30;
const BASELINE_FAST: usize = 60;
/// Steps before a series is judged.
const MIN_STEPS: usize = 10;
/// Steps that wait before they join the baseline.
const LAG_SLOW: usize = 2;
const LAG_FAST: usize = LAG_BUCKETS as usize;
/// Values kept for charts.
const KEPT_VALUES: usize = 40;
/// z per unit of surprise.
const Z_PER_SURPRISE: f64 = 2.5;
/// The scale is at least this part of the median: smaller changes are not worth waking anybody.
const RELATIVE_FLOOR: f64 = 0.10;
/// |z| that every series may show unpunished.
const FREE_Z: f64 = 4.0;
/// Fading of a series' own largest |z| a step: half in 34 steps.
const OWN_Z_FADE: f64 = 0.98;
/// Judgements after which a series knows how often it shows which z.
const MATURE: u32 = 100;
/// What two steps in a row say, in terms of one.
const TWO_STEPS: f64 = 1.5;
/// Surprise of a first movement after a flat history, whose scale is unknown; and the most a fall may say.
const UNSCALED: f64 = 6.0;

/// True for a metric whose name says that it measures a resource of its own rather than a symptom.
pub fn is_resource(metric: &str) -> bool {
    const WORDS: [&str; 16] = [
        "cpu",
        "memory",
        "heap",
        "rss",
        "gc",
        "disk",
        "volume",
        "inode",
        "thread",
        "goroutine",
        "pool",
        "connection",
        "descriptor",
        "throttl",
        "swap",
        "oom",
    ];
    // A node's figures belong to all of its pods alike.
    let lower = metric.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word)) && !lower.contains("node")
}

/// What the judgement of a step must know of the series' surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// Series of the entity: the more are looked at, the more one must show.
    pub peers: usize,
    pub is_resource: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesKey {
    pub host: Symbol,
    pub metric: Symbol,
    pub series: u64,
}

/// Points of one bucket, ordered by time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoints {
    pub kind: PointKind,
    pub unit: Symbol,
    pub points: Vec<(Timestamp, f64)>,
}

impl SeriesPoints {
    /// Points of one series kept of one bucket; more are thinned to the earliest.
    const MAX_POINTS: usize = 64;

    pub fn new(kind: PointKind, unit: Symbol) -> Self {
        Self { kind, unit, points: Vec::new() }
    }

    /// Newest time and mean of a level's points; `None` of anything but a level.
    pub fn level(&self) -> Option<(Timestamp, f64)> {
        let &(at, _) = self.points.last().filter(|_| self.kind == PointKind::Gauge)?;
        Some((at, self.points.iter().map(|(_, value)| value).sum::<f64>() / self.points.len() as f64))
    }

    /// Keeps points ordered and one per instant, whatever order they come in.
    pub fn add(&mut self, at: Timestamp, value: f64) {
        match self.points.binary_search_by(|(time, _)| time.cmp(&at)) {
            Ok(index) => {
                if let Some(point) = self.points.get_mut(index).filter(|point| value < point.1) {
                    point.1 = value;
                }
            }
            Err(index) => self.points.insert(index, (at, value)),
        }
        self.points.truncate(Self::MAX_POINTS);
    }
}

/// State of one series in a snapshot: about .9 KB after a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    kind: PointKind,
    pub unit: Symbol,
    /// Unsuspected values, oldest first.
    baseline: VecDeque<f32>,
    /// Unsuspected values that wait.
    waiting: VecDeque<f32>,
    /// Newest values, suspected or not.
    #[serde(with = "super::packed_points")]
    values: VecDeque<(Timestamp, f32)>,
    /// Last total of a cumulative sum.
    total: Option<(Timestamp, f64)>,
    last_at: Option<Timestamp>,
    /// Steps seen.
    steps: u32,
    /// Usual gap between points, milliseconds: a slow median.
    gap_ms: f64,
    /// Largest |z| the series shows anyway, fading.
    own_z: f64,
    /// Largest |z| of the current run.
    run_z: f64,
    /// Of |z|, and of how many.
    own: OwnQuantiles,
    judged: u32,
    profile: Profile,
    /// What the profile says of the last step.
    grade: Grade,
    /// First of the steps in a row that are far off.
    suspected_since: Option<Timestamp>,
    /// Signed z and surprise of the last step, and the last bucket it counts in.
    last: Option<(f64, f64, Bucket)>,
    verdict: Option<MetricVerdict>,
    pub heat: Heat,
    pub profile_heat: Heat,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricVerdict {
    pub value: f64,
    pub median: f64,
    pub z: f64,
    /// For opening, and for ranking what is open.
    pub surprise: f64,
    pub rank_surprise: f64,
    pub at: Timestamp,
    pub window_s: u32,
}

/// The more series are looked at, the more one must show.
fn penalty(around: Surroundings) -> f64 {
    (around.peers.max(1) as f64).log10()
}

impl Series {
    pub fn new(kind: PointKind, unit: Symbol) -> Self {
        Self {
            kind,
            unit,
            baseline: VecDeque::new(),
            waiting: VecDeque::new(),
            values: VecDeque::new(),
            total: None,
            last_at: None,
            steps: 0,
            gap_ms: 0.0,
            own_z: 0.0,
            run_z: 0.0,
            own: OwnQuantiles::default(),
            judged: 0,
            profile: Profile::default(),
            grade: Grade::default(),
            suspected_since: None,
            last: None,
            verdict: None,
            heat: Heat::default(),
            profile_heat: Heat::default(),
        }
    }

    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    fn is_slow(&self) -> bool {
        self.gap_ms > (Bucket::SECONDS * 1_500) as f64
    }

    /// Takes the points of a bucket that closes.
    pub fn close(&mut self, now: Bucket, points: &SeriesPoints, around: Surroundings) {
        let Some(&(newest, _)) = points.points.last() else { return };
        self.learn_gap(&points.points);
        let value = self.step_value(&points.points);
        self.last_at = Some(newest);
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        self.steps = self.steps.saturating_add(1);
        self.judge(now, newest, value, around);
        self.grade = self.profile.step(newest.nanos().div_euclid(1_000_000_000), value);
        self.grade.surprise = (self.grade.surprise - penalty(around)).max(0.0);
        self.values.push_back((newest, value as f32));
        while self.values.len() > KEPT_VALUES {
            self.values.pop_front();
        }
    }

    fn learn_gap(&mut self, points: &[(Timestamp, f64)]) {
        let mut previous = self.last_at;
        for &(at, _) in points {
            if let Some(gap_ms) = previous.map(|previous| at.seconds_since(previous) * 1e3).filter(|gap| *gap > 0.0) {
                // A step towards each gap, in its logarithm: a running median.
                let step = if self.gap_ms == 0.0 { gap_ms } else { self.gap_ms * if gap_ms > self.gap_ms { 1.2 } else { 1.0 / 1.2 } };
                self.gap_ms = if (gap_ms / step).ln().abs() < 0.2 { gap_ms } else { step };
            }
            previous = Some(at);
        }
    }

    /// The bucket's value: mean of a gauge, rate a second of a sum.
    fn step_value(&mut self, points: &[(Timestamp, f64)]) -> Option<f64> {
        let sum: f64 = points.iter().map(|(_, value)| value).sum();
        match self.kind {
            PointKind::Gauge | PointKind::HistogramMean => Some(sum / points.len() as f64),
            PointKind::DeltaSum => {
                let span_s = points.last()?.0.seconds_since(self.last_at?);
                (span_s > 0.0).then(|| sum / span_s)
            }
            PointKind::CumulativeSum => {
                let &(at, total) = points.last()?;
                let before = self.total.replace((at, total));
                let (since, earlier) = before?;
                let span_s = at.seconds_since(since);
                // A total that falls was reset.
                (span_s > 0.0 && total >= earlier).then(|| (total - earlier) / span_s)
            }
            PointKind::Empty => None,
        }
    }

    fn judge(&mut self, now: Bucket, at: Timestamp, value: f64, around: Surroundings) {
        self.verdict = None;
        let mut suspected = false;
        if self.baseline.len() >= MIN_STEPS {
            let (median, scale) = self.level_and_scale(around);
            let (z, off) = self.score(value, median, scale, around);
            let rarity = self.own.exponent(z.abs(), self.judged);
            self.judged = self.judged.saturating_add(1);
            // One in ten has the exponent 0.
            let most = self.most(z, around);
            let most = if self.judged > MATURE { most.min(TWO_STEPS * (1.0 + rarity)) } else { most };
            let surprise = off.min(most);
            let steps = self.is_slow();
            let lives = if steps { (1.5 * self.gap_ms / (Bucket::SECONDS * 1_000) as f64) as i64 } else { 1 };
            let before = self.last.filter(|(_, _, until)| *until >= Bucket(now.0 - 1));
            let confirmed = before.filter(|(earlier, _, _)| earlier * z > 0.0).map_or(0.0, |(_, earlier, _)| earlier.min(surprise));
            let alone = if steps { HOT } else { STRONG } - 0.1;
            let said = confirmed.max(surprise.min(alone));
            let rank_surprise = confirmed.max(surprise.min(STRONG - 0.1));
            self.last = Some((z, surprise, Bucket(now.0 + lives)));
            // However little so short a history lets it claim, what is far off must not teach the baseline.
            suspected = off >= HOT;
            self.suspected_since = suspected.then(|| self.suspected_since.unwrap_or(at));
            let window_s = if steps { (2.0 * self.gap_ms / 1e3) as u32 } else { 30 };
            self.verdict = Some(MetricVerdict { value, median, z, surprise: said, rank_surprise, at, window_s });
            self.habituate(z, suspected);
        }
        let lasts = self.suspected_since.is_some_and(|since| at.seconds_since(since) >= (NEW_NORMAL_BUCKETS * Bucket::SECONDS) as f64);
        if !suspected || lasts || self.heat.is_new_normal(now) {
            self.learn(value, suspected);
        }
    }

    /// Median and robust scale of the baseline; a scale of 0 is unknown.
    fn level_and_scale(&self, around: Surroundings) -> (f64, f64) {
        let mut sorted: Vec<f32> = self.baseline.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        let at = |share: usize| f64::from(sorted[(sorted.len() * share / 4).min(sorted.len() - 1)]);
        let (median, spread) = (at(2), at(3) - at(1));
        let floor = self.material(around);
        let largest = sorted.iter().fold(0.0f64, |largest, value| largest.max(f64::from(value.abs())));
        let ratio_floor = if self.unit == symbol("1") && largest <= 1.0 { 0.01 } else { 0.0 };
        (median, (spread / 1.349).max(RELATIVE_FLOOR * median.abs()).max(0.05 * largest).max(floor).max(ratio_floor))
    }

    /// Least scale by the unit: a hundredth of the whole, or of one processor (`m`: thousandths of one).
    fn material(&self, around: Surroundings) -> f64 {
        const ANY: [(&str, f64); 2] = [("%", 1.0), ("percent", 1.0)];
        const PROCESSORS: [(&str, f64); 3] = [("m", 10.0), ("{cpu}", 0.01), ("{core}", 0.01)];
        let resource = PROCESSORS.iter().filter(|_| around.is_resource);
        ANY.iter().chain(resource).find(|(unit, _)| self.unit == symbol(unit)).map_or(0.0, |(_, floor)| *floor)
    }

    /// Deviations, and how surprising they would be of a series known for long.
    fn score(&self, value: f64, median: f64, scale: f64, around: Surroundings) -> (f64, f64) {
        let off = value - median;
        if scale <= 0.0 {
            return if off == 0.0 { (0.0, 0.0) } else { (off.signum() * FREE_Z * Z_PER_SURPRISE, UNSCALED) };
        }
        let z = (off / scale).clamp(-1e6, 1e6);
        let surprise = (z.abs() / Z_PER_SURPRISE) * FREE_Z / self.own_z.max(FREE_Z) - penalty(around);
        (z, if z < 0.0 { surprise / 2.0 } else { surprise }.max(0.0))
    }

    /// The most that a step may claim.
    fn most(&self, z: f64, around: Surroundings) -> f64 {
        let most = if around.is_resource { MAX_METRIC_SURPRISE } else { 2.0 * f64::from(self.steps.max(1)).log10() };
        if z < 0.0 { UNSCALED.min(most) } else { most }
    }

    /// What a series shows anyway grows at once with unsuspected steps, and once, at most doubling, with a suspected run.
    fn habituate(&mut self, z: f64, suspected: bool) {
        if suspected {
            self.run_z = self.run_z.max(z.abs());
            return;
        }
        self.own_z = (self.own_z * OWN_Z_FADE).max(z.abs());
        if self.run_z > 0.0 {
            self.own_z = self.own_z.max(self.run_z.min(2.0 * self.own_z.max(FREE_Z)));
            self.run_z = 0.0;
        }
    }

    fn learn(&mut self, value: f64, anew: bool) {
        if anew {
            self.baseline.clear();
            self.waiting.clear();
            self.heat = Heat::default();
            self.suspected_since = None;
        }
        let (limit, lag) = if self.is_slow() { (BASELINE_SLOW, LAG_SLOW) } else { (BASELINE_FAST, LAG_FAST) };
        self.waiting.push_back(value as f32);
        while self.waiting.len() > lag {
            self.baseline.extend(self.waiting.pop_front());
        }
        while self.baseline.len() > limit {
            self.baseline.pop_front();
        }
    }

    /// What the newest step says, while it still counts.
    pub fn verdict(&self, now: Bucket) -> Option<&MetricVerdict> {
        let (_, _, until) = self.last?;
        self.verdict.as_ref().filter(|_| until >= now)
    }

    /// What the profile says, while it still counts.
    pub fn grade(&self, now: Bucket) -> Option<Grade> {
        let (_, _, until) = self.last?;
        Some(self.grade).filter(|_| until >= now)
    }

    /// The newest value.
    pub fn value(&self) -> Option<f64> {
        self.values.back().map(|(_, value)| f64::from(*value))
    }

    /// Seconds between its points, as a window of `points` of them.
    pub fn window_s(&self, points: u32) -> u32 {
        (self.gap_ms.max((Bucket::SECONDS * 1_000) as f64) * f64::from(points) / 1e3) as u32
    }

    /// First of the values that lead without a gap to the newest one, all off by at least a fifth of its distance.
    pub fn onset(&self, verdict: &MetricVerdict) -> Timestamp {
        let off = verdict.value - verdict.median;
        let leads = self.values.iter().rev().take_while(|(_, value)| (f64::from(*value) - verdict.median) / off >= 0.2);
        leads.last().map_or(verdict.at, |(at, _)| *at)
    }

    pub fn series(&self) -> Vec<(Timestamp, f64)> {
        self.values.iter().map(|(at, value)| (*at, f64::from(*value))).collect()
    }
}
