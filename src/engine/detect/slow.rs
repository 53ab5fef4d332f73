//! Durations of a key: a decayed log histogram, and the share of recent values above what it calls slow.
//!
//! Three questions are put to it. Are many slow, a quarter more than before above max(1.5·q95, q95 + 10 ms)? Are some far
//! slower than anything before, above max(3·q95, q95 + 30 ms), not in one stall but in bucket after bucket? Have all shifted,
//! so that the upper quarter of before holds most of now, measured by the key's own dispersion between buckets?
//!
//! More calls make a service slow, too. A shift under more calls, or a small one, is a hint for ranking and opens nothing; and
//! own time that is longer under far more calls opens nothing by itself for five minutes, in which whoever scales it may act.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::heat::Heat;
use super::limits::{HOT, HOT_RING_BUCKETS, LAG_BUCKETS, LOOK_BACK_BUCKETS, MIN_BASELINE, MIN_RECENT, STRONG, WINDOWS};
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
/// Least change of the slow share …
const EFFECT: f64 = 0.25;
/// … and of the share of those far slower; how many at least, in how many buckets of a window: one stall is no change. Stalls
/// take several requests at once, so that fewer of them are independent.
const FAR_EFFECT: f64 = 0.05;
const FAR_HITS: f64 = 5.0;
const FAR_BUCKETS: usize = 3;
const FAR_PHI: f64 = 2.0;
/// Least change of the share above the quarter of before, of the median as a ratio and in milliseconds, that is a shift.
const SHIFT_EFFECT: f64 = 0.3;
const SHIFT_RATIO: f64 = 1.3;
const SHIFT_MS: f64 = 2.0;
/// What a shift must be, at least, to matter to anybody: half as long again and some milliseconds, or twice as long. A smaller
/// one is a hint.
const MATERIAL_RATIO: f64 = 1.5;
const MATERIAL_MS: f64 = 5.0;
const DOUBLED: f64 = 2.0;
/// Calls beside those of before from which load may have shifted them, and from which it may have made many of them slow: a
/// queue that is half full answers within 1.5 times the time at 1.3 times the load.
const MORE_LOAD: f64 = 1.2;
const FAR_MORE_LOAD: f64 = 1.3;
/// Standard deviations of a count that they must be more by.
const MORE_LOAD_DEVIATIONS: f64 = 2.0;
/// Buckets of slowness under more calls that open nothing (5 min): an autoscaler's measuring, starting and warming up.
const PATIENCE_BUCKETS: i64 = 20;
/// Buckets of baseline before its dispersion is known.
const MIN_DISPERSION: f64 = 8.0;

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
    /// Σ χ² of the share above the upper quartile, bucket by bucket, and of how many buckets.
    dispersion: f64,
    dispersed: f64,
    /// Buckets that had any.
    buckets: f64,
    decayed_to: Bucket,
    ring: VecDeque<SlowCell>,
    pub heat: Heat,
}

/// What counts as slow: values above a bin.
#[derive(Clone, Copy, Debug)]
struct Level {
    above: u16,
    threshold_ms: f64,
    /// How many of the baseline are.
    before: f64,
    effect: f64,
    hits: f64,
    buckets: usize,
    phi: f64,
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

    pub fn last_bucket(&self) -> Option<Bucket> {
        self.ring.back().map(|cell| cell.bucket)
    }

    pub fn is_live(&self, now: Bucket) -> bool {
        self.ring.back().is_some_and(|cell| now.0 - cell.bucket.0 < LAG_BUCKETS)
    }

    /// As [`super::share::Share::roll`].
    pub fn roll(&mut self, now: Bucket) {
        if self.heat.is_new_normal(now) {
            *self = Self { ring: std::mem::take(&mut self.ring), ..Self::default() };
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
            for sum in [&mut self.cases, &mut self.dispersion, &mut self.dispersed, &mut self.buckets] {
                *sum *= factor;
            }
            self.bins.values_mut().for_each(|count| *count *= factor);
            self.bins.retain(|_, count| *count > 1e-3);
        }
        self.decayed_to = now;
        self.disperse(cell);
        self.buckets += 1.0;
        for &(bin, count) in &cell.bins {
            self.cases += f64::from(count);
            *self.bins.entry(bin).or_default() += f64::from(count);
        }
    }

    /// How far a bucket's share above the upper quartile lies from the baseline's.
    fn disperse(&mut self, cell: &SlowCell) {
        let all: f64 = cell.bins.iter().map(|(_, count)| f64::from(*count)).sum();
        if self.cases < 4.0 * MIN_BASELINE || all < MIN_RECENT {
            return;
        }
        let quartile = self.quantile(0.75);
        let above: f64 = cell.bins.iter().filter(|(bin, _)| *bin > quartile).map(|(_, count)| f64::from(*count)).sum();
        let share = (self.above(quartile) / self.cases).clamp(0.01, 0.99);
        self.dispersion += (above - all * share).powi(2) / (all * share * (1.0 - share));
        self.dispersed += 1.0;
    }

    fn quantile(&self, share: f64) -> u16 {
        quantile(self.bins.iter().map(|(bin, count)| (*bin, *count)), share)
    }

    /// How many of the baseline lie above a bin.
    fn above(&self, bin: u16) -> f64 {
        self.bins.range(bin.saturating_add(1)..).map(|(_, count)| count).sum()
    }

    fn level(&self, threshold_ms: f64) -> Level {
        let above = bin_of((threshold_ms * 1e6) as u64);
        Level { above, threshold_ms, before: self.above(above), effect: EFFECT, hits: 0.0, buckets: 1, phi: 1.0 }
    }

    /// Only more slowness is evidence.
    pub fn judge(&self, now: Bucket) -> Option<SlowVerdict> {
        if self.cases < MIN_BASELINE || !self.is_live(now) {
            return None;
        }
        let q95_ms = upper_ms(self.quantile(0.95));
        let slow = self.level((1.5 * q95_ms).max(q95_ms + 10.0));
        let far = Level {
            effect: FAR_EFFECT,
            hits: FAR_HITS,
            buckets: FAR_BUCKETS,
            phi: FAR_PHI,
            ..self.level((3.0 * q95_ms).max(q95_ms + 30.0))
        };
        let verdicts = [slow, far].into_iter().filter_map(|level| Some((self.judge_level(now, &level)?, level)));
        let best = verdicts.reduce(|best, next| if next.0.surprise > best.0.surprise { next } else { best });
        let Some((mut best, level)) = best else { return self.shift(now) };
        best.rank_surprise = best.rank_surprise.max(self.since_onset(now, &level));
        best.period = self.period_of(now, &level, &best);
        Some(best)
    }

    /// The same of time spent in the service itself, where load is an excuse, but not for long.
    pub fn judge_own(&self, now: Bucket) -> Option<SlowVerdict> {
        let mut verdict = self.judge(now)?;
        let is_late = self.heat.since.is_some_and(|since| self.heat.is_hot(now) && now.0 - since.0 >= PATIENCE_BUCKETS);
        if !is_late && self.is_busier(now, verdict.window_buckets, FAR_MORE_LOAD) {
            verdict.surprise = verdict.surprise.min(STRONG - 0.1);
        }
        Some(verdict)
    }

    /// The most surprising window at one level.
    fn judge_level(&self, now: Bucket, level: &Level) -> Option<SlowVerdict> {
        let mut best: Option<SlowVerdict> = None;
        for buckets in WINDOWS.into_iter().chain(self.heat.run_window(now)) {
            if buckets > LAG_BUCKETS && best.as_ref().is_none_or(|best| best.surprise < HOT) {
                break;
            }
            let wanted = |cell: &SlowCell| now.0 - cell.bucket.0 < buckets;
            let recent = self.sum(wanted);
            let Some((slow_now, cases_now)) = self.excess(&recent, level) else { continue };
            let hit = |cell: &&SlowCell| wanted(cell) && cell.bins.iter().any(|(bin, _)| *bin > level.above);
            if level.buckets > 1 && self.ring.iter().filter(hit).count() < level.buckets {
                continue;
            }
            let surprise = surprise::of_shares(level.before, self.cases, slow_now, cases_now, level.phi);
            if best.as_ref().is_none_or(|best| surprise > best.surprise) {
                best = Some(SlowVerdict {
                    threshold_ms: level.threshold_ms,
                    slow_before: level.before,
                    cases_before: self.cases,
                    slow_now,
                    cases_now,
                    median_before_ms: upper_ms(self.quantile(0.5)),
                    median_now_ms: upper_ms(quantile(recent.iter().map(|(bin, count)| (*bin, *count)), 0.5)),
                    surprise,
                    rank_surprise: surprise,
                    window_buckets: buckets,
                    period: Period::at(now),
                });
            }
        }
        best
    }

    /// True when the newest buckets hold so many times the calls that those before did.
    fn is_busier(&self, now: Bucket, window: i64, times: f64) -> bool {
        let recent = self.ring.iter().filter(|cell| now.0 - cell.bucket.0 < window);
        let calls = |cell: &SlowCell| cell.bins.iter().map(|(_, count)| f64::from(*count)).sum::<f64>();
        let (buckets, all) = recent.fold((0.0, 0.0), |(buckets, all), cell| (buckets + 1.0, all + calls(cell)));
        let expected = self.cases / self.buckets.max(1e-9) * buckets;
        all > times * expected && all - expected > MORE_LOAD_DEVIATIONS * expected.sqrt()
    }

    /// All of it has become slower.
    fn shift(&self, now: Bucket) -> Option<SlowVerdict> {
        if self.dispersed < MIN_DISPERSION {
            return None;
        }
        let quartile = self.quantile(0.75);
        let level = Level {
            above: quartile,
            before: self.above(quartile),
            effect: SHIFT_EFFECT,
            phi: self.dispersion / self.dispersed,
            ..self.level(upper_ms(quartile))
        };
        let mut verdict = self.judge_level(now, &level)?;
        let (before, later) = (verdict.median_before_ms, verdict.median_now_ms);
        if later < SHIFT_RATIO * before || later - before < SHIFT_MS {
            return None;
        }
        verdict.period = self.period_of(now, &level, &verdict);
        verdict.rank_surprise = verdict.surprise.min(STRONG - 0.1);
        let is_material = later >= MATERIAL_RATIO * before && later - before >= MATERIAL_MS || later >= DOUBLED * before;
        if !is_material || self.is_busier(now, verdict.window_buckets, MORE_LOAD) {
            verdict.surprise = verdict.surprise.min(HOT - 0.1);
            verdict.rank_surprise = verdict.surprise;
        }
        Some(verdict)
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
    fn excess(&self, recent: &BTreeMap<u16, f64>, level: &Level) -> Option<(f64, f64)> {
        let cases: f64 = recent.values().sum();
        let slow: f64 = recent.iter().filter(|(bin, _)| **bin > level.above).map(|(_, count)| count).sum();
        let is_more = slow >= level.hits && slow / cases - level.before / self.cases >= level.effect;
        (cases >= MIN_RECENT && is_more).then_some((slow, cases))
    }

    fn since_onset(&self, now: Bucket, level: &Level) -> f64 {
        let Some(since) = self.heat.since.filter(|_| self.heat.is_hot(now)) else { return 0.0 };
        let recent = self.sum(|cell| cell.bucket.0 >= since.0 - LOOK_BACK_BUCKETS);
        self.excess(&recent, level).map_or(0.0, |(slow, cases)| surprise::of_shares(level.before, self.cases, slow, cases, level.phi))
    }

    /// Instant at which the slow share of now began.
    fn period_of(&self, now: Bucket, level: &Level, verdict: &SlowVerdict) -> Period {
        let from = self.heat.looks_from(now);
        let count = |cell: &SlowCell| {
            let all: u32 = cell.bins.iter().map(|(_, count)| count).sum();
            let slow: u32 = cell.bins.iter().filter(|(bin, _)| *bin > level.above).map(|(_, count)| count).sum();
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A minute's quarter of calls, each as long as `took` says of its number.
    fn push(slow: &mut Slow, bucket: i64, calls: u64, took: impl Fn(u64) -> u64) {
        let mut bins: BTreeMap<u16, u32> = BTreeMap::new();
        (0..calls).for_each(|call| *bins.entry(bin_of(took(call))).or_default() += 1);
        slow.roll(Bucket(bucket));
        slow.push(Bucket(bucket), bins.into_iter().collect());
    }

    fn usual(bucket: i64, call: u64) -> u64 {
        (8 + (call * 7 + bucket as u64 * 5) % 9) * MS
    }

    /// Half an hour of calls of 8 to 16 ms, then `buckets` of others, judged at every close.
    fn judged_after(buckets: i64, calls: u64, now: impl Fn(i64, u64) -> u64) -> Option<SlowVerdict> {
        let mut slow = Slow::default();
        for bucket in 0..120 {
            push(&mut slow, bucket, 20, |call| usual(bucket, call));
        }
        let mut verdict = None;
        for bucket in 120..120 + buckets {
            push(&mut slow, bucket, calls, |call| now(bucket, call));
            verdict = slow.judge_own(Bucket(bucket));
            if let Some(verdict) = &verdict {
                slow.heat.note(Bucket(bucket), verdict.surprise, verdict.period.onset);
            }
        }
        verdict
    }

    fn judged(calls: u64, now: impl Fn(i64, u64) -> u64) -> Option<SlowVerdict> {
        judged_after(4, calls, now)
    }

    #[test]
    fn what_is_as_ever_is_no_evidence() {
        assert_eq!(judged(20, usual), None);
        assert_eq!(judged(60, usual), None);
    }

    #[test]
    fn calls_that_all_last_longer_may_open_though_few_are_slow_by_themselves() {
        let verdict = judged(20, |bucket, call| usual(bucket, call) * 17 / 10).expect("a shift");
        assert!(verdict.surprise >= STRONG && verdict.rank_surprise < STRONG, "{verdict:?}");
    }

    #[test]
    fn with_more_calls_or_little_longer_it_is_a_hint() {
        let busier = judged(40, |bucket, call| usual(bucket, call) * 17 / 10).expect("a shift");
        assert!(busier.surprise < HOT && busier.rank_surprise < HOT, "{busier:?}");
        let little = judged(20, |bucket, call| usual(bucket, call) * 14 / 10).expect("a shift");
        assert!(little.surprise < HOT, "{little:?}");
    }

    #[test]
    fn twice_as_long_matters_however_short_it_was() {
        let mut slow = Slow::default();
        let brief = |bucket: i64, call: u64| usual(bucket, call) / 5;
        for bucket in 0..120 {
            push(&mut slow, bucket, 20, |call| brief(bucket, call));
        }
        let mut longer = slow.clone();
        for bucket in 120..124 {
            push(&mut slow, bucket, 20, |call| brief(bucket, call) * 22 / 10);
            push(&mut longer, bucket, 20, |call| brief(bucket, call) * 17 / 10);
        }
        assert!(slow.judge_own(Bucket(123)).is_some_and(|verdict| verdict.surprise >= STRONG));
        assert!(longer.judge_own(Bucket(123)).is_none_or(|verdict| verdict.surprise < HOT), "a millisecond or two");
    }

    #[test]
    fn a_few_slower_calls_that_go_on_are_less_and_less_of_a_chance() {
        let some = |bucket, call| if call < 2 && bucket % 3 != 0 { 400 * MS } else { usual(bucket, call) };
        let soon = judged_after(8, 20, some).expect("some far slower");
        let later = judged_after(18, 20, some).expect("some far slower");
        assert!(soon.surprise >= HOT && soon.surprise < STRONG, "{soon:?}");
        assert!(later.surprise >= STRONG && later.window_buckets > LAG_BUCKETS, "{later:?}");
    }

    #[test]
    fn slowness_under_more_calls_opens_nothing_for_five_minutes() {
        let slow = |bucket, call| if call % 2 == 0 { 80 * MS } else { usual(bucket, call) };
        assert!(judged(20, slow).is_some_and(|verdict| verdict.surprise >= STRONG));
        let busier = judged(34, slow).expect("slow");
        assert!(busier.surprise < STRONG && busier.rank_surprise >= STRONG, "{busier:?}");
        assert!(judged_after(PATIENCE_BUCKETS, 34, slow).is_some_and(|verdict| verdict.surprise < STRONG));
        assert!(judged_after(PATIENCE_BUCKETS + 4, 34, slow).is_some_and(|verdict| verdict.surprise >= STRONG));
    }

    #[test]
    fn a_few_far_slower_calls_count_where_they_go_on_and_not_in_one_stall() {
        let some = |bucket, call| if call < 3 { 400 * MS } else { usual(bucket, call) };
        assert!(judged(20, some).is_some_and(|verdict| verdict.surprise >= STRONG));
        let stall = |bucket, call| if bucket == 122 && call < 8 { 400 * MS } else { usual(bucket, call) };
        assert_eq!(judged(20, stall), None);
    }
}
