//! How long a service waits for one it calls, and whether it gives up sooner than it used to.
//!
//! Calls given up at a limit of the caller's own all last as long as that limit. Whose fault that is, the durations before
//! tell: where as large a share of the calls took that long before and was answered, the callee is as quick as ever and the
//! caller has become impatient; where more calls than before last that long, the callee has become slow, and this says
//! nothing. A callee that answers with an error at once does not do so after the same time, call after call.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::heat::Heat;
use super::limits::{HOT, LAG_BUCKETS, MIN_BASELINE, MIN_RECENT, WINDOWS};
use super::onset::{self, Count, Period, Shares};
use super::share::fade;
use super::slow;
use super::surprise;
use crate::model::Bucket;

/// Ratio of neighbouring fine bins: timers are exact, answers are not.
const FINE_RATIO: f64 = 1.02;
/// Fine bins that calls given up at one limit fall into, and the least part of them that must.
const LIMIT_BINS: u16 = 3;
const CONCENTRATED: f64 = 0.8;
/// Share of the calls that lasted as long as the limit before: with fewer the limit is no news.
const REACHED_BEFORE: f64 = 0.02;
/// Timers are set in milliseconds: what ends sooner was turned away, not given up.
const LEAST_LIMIT_MS: f64 = 2.0;
/// Of the calls longer than the limit this part may still be answered: instances that know no such limit yet.
const STILL_PATIENT: f64 = 0.5;

/// Fine bin of a duration.
pub fn fine_bin_of(duration_ns: u64) -> u16 {
    let ms = (duration_ns as f64 / 1e6).max(0.1);
    // 0.1 ms to days: the logarithm lies between 0 and 1,500.
    ((ms / 0.1).ln() / FINE_RATIO.ln()).min(f64::from(u16::MAX)) as u16
}

fn fine_ms(bin: u16) -> f64 {
    0.1 * FINE_RATIO.powi(i32::from(bin))
}

/// Calls of one bucket, one a trace: how long each lasted, and how long those lasted that the caller saw fail without an
/// answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitCount {
    pub took: BTreeMap<u16, u32>,
    pub unanswered: BTreeMap<u16, u32>,
}

impl WaitCount {
    pub fn add(&mut self, took_ns: u64, unanswered: bool) {
        *self.took.entry(slow::bin_of(took_ns)).or_default() += 1;
        if unanswered {
            *self.unanswered.entry(fine_bin_of(took_ns)).or_default() += 1;
        }
    }
}

/// Baseline and newest buckets of the calls along one edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    took: BTreeMap<u16, f64>,
    unanswered: f64,
    decayed_to: Bucket,
    ring: VecDeque<(Bucket, WaitCount)>,
    pub heat: Heat,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WaitVerdict {
    pub limit_ms: f64,
    /// Share of the calls that lasted as long before.
    pub reached_before: f64,
    pub given_up_before: f64,
    pub cases_before: f64,
    pub given_up_now: f64,
    pub cases_now: f64,
    pub surprise: f64,
    pub window_buckets: i64,
    /// Event time as booked.
    pub period: Period,
}

fn at_least(bins: &BTreeMap<u16, f64>, least: u16) -> f64 {
    bins.range(least..).map(|(_, count)| count).sum()
}

impl Wait {
    pub fn push(&mut self, bucket: Bucket, count: WaitCount) {
        if !count.took.is_empty() {
            self.ring.push_back((bucket, count));
        }
    }

    pub fn last_bucket(&self) -> Option<Bucket> {
        self.ring.back().map(|(bucket, _)| *bucket)
    }

    /// Moves what has waited long enough into the baseline; what was seen while suspected is dropped.
    pub fn roll(&mut self, now: Bucket) {
        if self.heat.is_new_normal(now) {
            *self = Self { ring: std::mem::take(&mut self.ring), ..Self::default() };
        }
        while let Some((bucket, _)) = self.ring.front() {
            if now.0 - bucket.0 < LAG_BUCKETS {
                break;
            }
            let tainted = self.heat.taints(*bucket);
            if let Some((_, count)) = self.ring.pop_front().filter(|_| !tainted) {
                self.absorb(&count, now);
            }
        }
    }

    fn absorb(&mut self, count: &WaitCount, now: Bucket) {
        let factor = fade(now.0 - self.decayed_to.0);
        if factor < 1.0 {
            self.unanswered *= factor;
            self.took.values_mut().for_each(|count| *count *= factor);
            self.took.retain(|_, count| *count > 1e-3);
        }
        self.decayed_to = now;
        for (bin, count) in &count.took {
            *self.took.entry(*bin).or_default() += f64::from(*count);
        }
        self.unanswered += count.unanswered.values().map(|count| f64::from(*count)).sum::<f64>();
    }

    /// Whether the caller gives up sooner than it used to. Call after [`Wait::roll`].
    pub fn judge(&self, now: Bucket) -> Option<WaitVerdict> {
        let cases: f64 = self.took.values().sum();
        if cases < MIN_BASELINE || self.last_bucket().is_none_or(|bucket| now.0 - bucket.0 >= LAG_BUCKETS) {
            return None;
        }
        let verdicts = WINDOWS.into_iter().filter_map(|buckets| self.judge_window(now, buckets, cases));
        let mut best = verdicts.reduce(|best, next| if next.surprise > best.surprise { next } else { best })?;
        best.period = self.period_of(now, &best);
        Some(best)
    }

    fn judge_window(&self, now: Bucket, buckets: i64, cases: f64) -> Option<WaitVerdict> {
        let (mut took, mut unanswered): (BTreeMap<u16, f64>, BTreeMap<u16, f64>) = Default::default();
        for (_, count) in self.ring.iter().filter(|(bucket, _)| now.0 - bucket.0 < buckets) {
            count.took.iter().for_each(|(bin, count)| *took.entry(*bin).or_default() += f64::from(*count));
            count.unanswered.iter().for_each(|(bin, count)| *unanswered.entry(*bin).or_default() += f64::from(*count));
        }
        let cases_now: f64 = took.values().sum();
        let (limit, given_up_now) = limit_of(&unanswered)?;
        if cases_now < MIN_RECENT || given_up_now < MIN_RECENT || fine_ms(limit) < LEAST_LIMIT_MS {
            return None;
        }
        let bin = slow::bin_of((fine_ms(limit) * 1e6) as u64);
        let (before, reached) = (at_least(&self.took, bin), at_least(&took, bin));
        let reached_before = before / cases;
        let answered = at_least(&took, bin + 1) - given_up_now.min(at_least(&took, bin + 1));
        let slower = reached / cases_now > reached_before && surprise::of_shares(before, cases, reached, cases_now, 1.0) >= HOT;
        if reached_before < REACHED_BEFORE || slower || answered > STILL_PATIENT * reached_before * cases_now {
            return None;
        }
        Some(WaitVerdict {
            limit_ms: fine_ms(limit),
            reached_before,
            given_up_before: self.unanswered,
            cases_before: cases,
            given_up_now,
            cases_now,
            surprise: surprise::of_shares(self.unanswered.min(cases), cases, given_up_now, cases_now, 1.0),
            window_buckets: buckets,
            period: Period::at(now),
        })
    }

    fn period_of(&self, now: Bucket, verdict: &WaitVerdict) -> Period {
        let from = self.heat.looks_from(now);
        let sum = |counts: &BTreeMap<u16, u32>| counts.values().map(|count| f64::from(*count)).sum();
        let count =
            |(bucket, count): &(Bucket, WaitCount)| Count { bucket: *bucket, cases: sum(&count.took), hits: sum(&count.unanswered) };
        let counts: Vec<Count> = self.ring.iter().filter(|(bucket, _)| *bucket >= from).map(count).collect();
        let shares = Shares {
            hits_before: verdict.given_up_before,
            cases_before: verdict.cases_before,
            hits_now: verdict.given_up_now,
            cases_now: verdict.cases_now,
        };
        onset::period(&counts, &shares).unwrap_or(Period::at(now))
    }
}

/// The limit at which calls were given up, if nearly all of the unanswered ones lasted equally long, and how many did.
fn limit_of(unanswered: &BTreeMap<u16, f64>) -> Option<(u16, f64)> {
    let all: f64 = unanswered.values().sum();
    let together = |first: u16| unanswered.range(first..first.saturating_add(LIMIT_BINS)).map(|(_, count)| count).sum::<f64>();
    let most = unanswered.keys().map(|first| (*first, together(*first))).reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    (most.1 >= CONCENTRATED * all).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Twenty buckets of calls that last 40 to 160 ms, then `broken` for four.
    fn wait(broken: impl Fn(u64) -> (u64, bool)) -> Option<WaitVerdict> {
        let mut wait = Wait::default();
        for bucket in 0..24 {
            let mut count = WaitCount::default();
            for call in 0..12u64 {
                let usual = (40 + (call * 7 + bucket * 5) % 12 * 10) * MS;
                let (took, unanswered) = if bucket < 20 { (usual, false) } else { broken(usual) };
                count.add(took, unanswered);
            }
            wait.roll(Bucket(bucket as i64));
            wait.push(Bucket(bucket as i64), count);
        }
        wait.roll(Bucket(23));
        wait.judge(Bucket(23))
    }

    #[test]
    fn a_caller_that_gives_up_sooner_than_the_callee_ever_answered_is_impatient() {
        let verdict = wait(|usual| if usual > 100 * MS { (100 * MS, true) } else { (usual, false) }).expect("a verdict");
        assert!((95.0..=105.0).contains(&verdict.limit_ms) && verdict.surprise >= 8.0, "{verdict:?}");
        assert!((300.0 - verdict.period.onset.seconds_since(crate::model::Timestamp::EPOCH)).abs() <= 15.0, "{verdict:?}");
    }

    #[test]
    fn a_limit_below_every_answer_is_impatience_and_a_door_shut_at_once_is_not() {
        let verdict = wait(|_| (30 * MS, true)).expect("a verdict");
        assert!(verdict.reached_before > 0.99 && verdict.surprise >= 8.0, "{verdict:?}");
        assert_eq!(wait(|_| (MS, true)), None, "it was turned away");
    }

    #[test]
    fn a_callee_that_became_slow_until_its_callers_timed_out_is_not_the_callers_impatience() {
        assert_eq!(wait(|_| (2_000 * MS, true)), None, "nobody ever waited that long before");
        assert_eq!(wait(|usual| if usual > 60 * MS { (150 * MS, true) } else { (usual, false) }), None, "more calls last that long now");
    }

    #[test]
    fn errors_answered_after_any_time_are_no_limit() {
        assert_eq!(wait(|usual| (usual, usual > 80 * MS)), None);
    }
}
