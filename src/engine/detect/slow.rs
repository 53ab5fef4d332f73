//! Durations of a key: a decayed log histogram, and the share of recent values above what it calls slow.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::heat::Heat;
use super::limits::{HOT_RING_BUCKETS, LAG_BUCKETS, LOOK_BACK_BUCKETS, MIN_BASELINE, MIN_RECENT, WINDOWS};
use super::onset::{self, Count, Period, Shares};
use super::share::fade;
use super::surprise;
use crate::model::{Bucket, Timestamp};

/// Ratio of neighbouring bins.
const RATIO: f64 = 1.1;
/// Lower edge of bin 0, milliseconds.
const LOWEST_MS: f64 = 0.1;
/// Values of the last bin and above lie together: more than five hours.
const LAST_BIN: u16 = 200;
/// Least change of the slow share.
const EFFECT: f64 = 0.25;

/// Bin of a duration.
pub fn bin_of(duration_ns: u64) -> u16 {
    let ms = duration_ns as f64 / 1e6;
    if ms <= LOWEST_MS {
        return 0;
    }
    // Finite and positive: the logarithm lies between 0 and 400.
    ((ms / LOWEST_MS).ln() / RATIO.ln()).min(f64::from(LAST_BIN)) as u16
}

/// Upper edge of a bin, milliseconds.
pub fn upper_ms(bin: u16) -> f64 {
    LOWEST_MS * RATIO.powi(i32::from(bin) + 1)
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SlowCell {
    bucket: Bucket,
    bins: Vec<(u16, u32)>,
}

/// Baseline and newest buckets of one key's durations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    cases: f64,
    bins: BTreeMap<u16, f64>,
    decayed_to: Bucket,
    ring: VecDeque<SlowCell>,
    pub heat: Heat,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SlowVerdict {
    pub threshold_ms: f64,
    pub slow_before: f64,
    pub cases_before: f64,
    pub slow_now: f64,
    pub cases_now: f64,
    pub median_before_ms: f64,
    pub median_now_ms: f64,
    pub surprise: f64,
    pub rank_surprise: f64,
    pub window_buckets: i64,
    /// Event time as booked.
    pub period: Period,
}

fn quantile<'a>(bins: impl Iterator<Item = (u16, f64)> + Clone + 'a, share: f64) -> u16 {
    let total: f64 = bins.clone().map(|(_, count)| count).sum();
    let mut seen = 0.0;
    for (bin, count) in bins.clone() {
        seen += count;
        if seen >= share * total {
            return bin;
        }
    }
    bins.last().map_or(0, |(bin, _)| bin)
}

impl Slow {
    /// Adds the counts of a bucket that closes; `bins` ordered.
    pub fn push(&mut self, bucket: Bucket, bins: Vec<(u16, u32)>) {
        if !bins.is_empty() {
            self.ring.push_back(SlowCell { bucket, bins });
        }
    }

    pub fn is_live(&self, now: Bucket) -> bool {
        self.ring.back().is_some_and(|cell| now.0 - cell.bucket.0 < LAG_BUCKETS)
    }

    /// As [`super::share::Share::roll`].
    pub fn roll(&mut self, now: Bucket) {
        if self.heat.is_new_normal(now) {
            self.cases = 0.0;
            self.bins.clear();
            self.heat = Heat::default();
        }
        while let Some(cell) = self.ring.front() {
            let age = now.0 - cell.bucket.0;
            if age < LAG_BUCKETS || (self.heat.taints(cell.bucket) && self.heat.is_hot(now) && age < HOT_RING_BUCKETS) {
                break;
            }
            let tainted = self.heat.taints(cell.bucket);
            if let Some(cell) = self.ring.pop_front().filter(|_| !tainted) {
                self.absorb(&cell, now);
            }
        }
    }

    fn absorb(&mut self, cell: &SlowCell, now: Bucket) {
        let factor = fade(now.0 - self.decayed_to.0);
        if factor < 1.0 {
            self.cases *= factor;
            self.bins.values_mut().for_each(|count| *count *= factor);
            self.bins.retain(|_, count| *count > 1e-3);
        }
        self.decayed_to = now;
        for &(bin, count) in &cell.bins {
            self.cases += f64::from(count);
            *self.bins.entry(bin).or_default() += f64::from(count);
        }
    }

    /// "Slow" is above max(1.5·q95, q95 + 10 ms) of the baseline; only more slowness is evidence.
    pub fn judge(&self, now: Bucket) -> Option<SlowVerdict> {
        if self.cases < MIN_BASELINE || !self.is_live(now) {
            return None;
        }
        let base = self.bins.iter().map(|(bin, count)| (*bin, *count));
        let q95_ms = upper_ms(quantile(base.clone(), 0.95));
        let threshold_ms = (1.5 * q95_ms).max(q95_ms + 10.0);
        let threshold_bin = bin_of((threshold_ms * 1e6) as u64);
        let slow_before: f64 = base.clone().filter(|(bin, _)| *bin > threshold_bin).map(|(_, count)| count).sum();
        let median_before_ms = upper_ms(quantile(base, 0.5));
        let mut best: Option<SlowVerdict> = None;
        for buckets in WINDOWS {
            let recent = self.sum(|cell| now.0 - cell.bucket.0 < buckets);
            let Some((slow_now, cases_now)) = self.excess(&recent, threshold_bin, slow_before) else { continue };
            let surprise = surprise::of_shares(slow_before, self.cases, slow_now, cases_now, 1.0);
            if best.as_ref().is_none_or(|best| surprise > best.surprise) {
                best = Some(SlowVerdict {
                    threshold_ms,
                    slow_before,
                    cases_before: self.cases,
                    slow_now,
                    cases_now,
                    median_before_ms,
                    median_now_ms: upper_ms(quantile(recent.iter().map(|(bin, count)| (*bin, *count)), 0.5)),
                    surprise,
                    rank_surprise: surprise,
                    window_buckets: buckets,
                    period: Period::at(now),
                });
            }
        }
        let mut best = best?;
        best.rank_surprise = best.rank_surprise.max(self.since_onset(now, threshold_bin, slow_before));
        best.period = self.period_of(now, threshold_bin, &best);
        Some(best)
    }

    fn sum(&self, wanted: impl Fn(&SlowCell) -> bool) -> BTreeMap<u16, f64> {
        let mut bins = BTreeMap::new();
        for cell in self.ring.iter().filter(|cell| wanted(cell)) {
            for &(bin, count) in &cell.bins {
                *bins.entry(bin).or_default() += f64::from(count);
            }
        }
        bins
    }

    /// (slow, all) of a window when it is large and slow enough.
    fn excess(&self, recent: &BTreeMap<u16, f64>, threshold_bin: u16, slow_before: f64) -> Option<(f64, f64)> {
        let cases: f64 = recent.values().sum();
        let slow: f64 = recent.iter().filter(|(bin, _)| **bin > threshold_bin).map(|(_, count)| count).sum();
        (cases >= MIN_RECENT && slow / cases - slow_before / self.cases >= EFFECT).then_some((slow, cases))
    }

    fn since_onset(&self, now: Bucket, threshold_bin: u16, slow_before: f64) -> f64 {
        let Some(since) = self.heat.since.filter(|_| self.heat.is_hot(now)) else { return 0.0 };
        let recent = self.sum(|cell| cell.bucket.0 >= since.0 - LOOK_BACK_BUCKETS);
        self.excess(&recent, threshold_bin, slow_before)
            .map_or(0.0, |(slow, cases)| surprise::of_shares(slow_before, self.cases, slow, cases, 1.0))
    }

    /// Instant at which the slow share of now began.
    fn period_of(&self, now: Bucket, threshold_bin: u16, verdict: &SlowVerdict) -> Period {
        let from = self.heat.looks_from(now);
        let count = |cell: &SlowCell| {
            let all: u32 = cell.bins.iter().map(|(_, count)| count).sum();
            let slow: u32 = cell.bins.iter().filter(|(bin, _)| *bin > threshold_bin).map(|(_, count)| count).sum();
            Count { bucket: cell.bucket, cases: f64::from(all), hits: f64::from(slow) }
        };
        let counts: Vec<Count> = self.ring.iter().filter(|cell| cell.bucket >= from).map(count).collect();
        let (hits_before, cases_before, hits_now, cases_now) =
            (verdict.slow_before, verdict.cases_before, verdict.slow_now, verdict.cases_now);
        onset::period(&counts, &Shares { hits_before, cases_before, hits_now, cases_now }).unwrap_or(Period::at(now))
    }

    /// Median of each kept bucket in milliseconds, oldest first.
    pub fn series(&self) -> Vec<(Timestamp, f64)> {
        let median = |cell: &SlowCell| upper_ms(quantile(cell.bins.iter().map(|(bin, count)| (*bin, f64::from(*count))), 0.5));
        self.ring.iter().map(|cell| (cell.bucket.start(), median(cell))).collect()
    }
}
