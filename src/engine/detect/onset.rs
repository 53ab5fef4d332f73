//! When did a share change, and is it back? The most likely change point over the newest buckets, and the instant inside its bucket.
//!
//! With the share before (p₀) and after (p₁) known, each bucket of k hits in n cases speaks for "after" by its log-likelihood
//! ratio; the onset is the bucket from which on the sum is greatest (CUSUM of log-likelihood ratios: Page, Biometrika 1954;
//! as an estimate of the change point: Hinkley, Biometrika 1970). One odd request long before does not move it, because the
//! normal buckets between speak against it. A bucket that was hit only in part tells by how much of its share is already
//! there how late in it the change came. From the onset on, the same sum says whether the newest buckets speak for "before"
//! again.

use crate::model::{Bucket, Timestamp};

/// Log-likelihood ratio from which a bucket before the change point counts as hit in part (p ≈ .05 for one parameter).
const PART_EVIDENCE: f64 = 1.92;
/// A bucket that shows at least this part of the change was hit from its start on.
const WHOLE: f64 = 0.85;

/// Buckets behind the first changed one that say how much of a change there is.
const NEXT: usize = 2;
/// Log-likelihood ratio from which buckets after the last one that speaks for "after" say that it is over (20 to 1).
const END_EVIDENCE: f64 = 3.0;

/// Cases and hits of one bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    pub bucket: Bucket,
    pub cases: f64,
    pub hits: f64,
}

/// Hits of cases, before and now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    pub hits_before: f64,
    pub cases_before: f64,
    pub hits_now: f64,
    pub cases_now: f64,
}

/// When a share changed, and since when it is back, if it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    pub onset: Timestamp,
    pub ended: Option<Timestamp>,
}

impl Period {
    /// Where nothing better is known.
    pub fn at(now: Bucket) -> Self {
        Self { onset: now.start(), ended: None }
    }

    /// The same, `seconds` earlier: before what is booked late was booked.
    pub fn earlier_by(self, seconds: i64) -> Self {
        Self { onset: self.onset.plus_seconds(-seconds), ended: self.ended.map(|ended| ended.plus_seconds(-seconds)) }
    }
}

/// First instant at which `counts` (ordered by bucket) show the share of now, and the first after it from which on they show
/// the share of before; `None` without any count.
pub fn period(counts: &[Count], shares: &Shares) -> Option<Period> {
    let (before, after) = (half_counted(shares.hits_before, shares.cases_before), half_counted(shares.hits_now, shares.cases_now));
    let first = change_point(counts, before, after)?;
    Some(Period { onset: onset(counts, first, before, after), ended: end(counts.get(first..).unwrap_or_default(), before, after) })
}

fn onset(counts: &[Count], first: usize, before: f64, after: f64) -> Timestamp {
    let next = counts.iter().skip(first + 1).take(NEXT);
    let (hits, cases) = next.fold((0.0, 0.0), |(hits, cases), count| (hits + count.hits, cases + count.cases));
    // The share of now may hold some of before, or come of a change that still grows: the next buckets are nearer to it.
    let later = half_counted(hits, cases);
    let after = if cases >= 3.0 && (later - before) / (after - before) >= 0.5 { later } else { after };
    let part = part_hit(&counts[first], before, after);
    let earlier = first.checked_sub(1).map(|index| &counts[index]);
    let adjacent = earlier.filter(|earlier| earlier.bucket.0 + 1 == counts[first].bucket.0 && part >= WHOLE);
    if let Some(earlier) = adjacent {
        let part = part_hit(earlier, before, after);
        if part > 0.0 && gain(earlier, before, before + part * (after - before)) >= PART_EVIDENCE {
            return within(earlier.bucket, part);
        }
    }
    if part >= WHOLE { counts[first].bucket.start() } else { within(counts[first].bucket, part) }
}

/// End of the last bucket that speaks for `after`, if those behind it clearly speak for `before`.
fn end(counts: &[Count], before: f64, after: f64) -> Option<Timestamp> {
    let mut best = (f64::NEG_INFINITY, Timestamp::default());
    let mut sum = 0.0;
    for count in counts {
        sum += gain(count, before, after);
        if sum >= best.0 {
            best = (sum, count.bucket.end());
        }
    }
    (best.0 - sum >= END_EVIDENCE).then_some(best.1)
}

/// A share that is never 0 or 1.
fn half_counted(hits: f64, cases: f64) -> f64 {
    (hits.max(0.0) + 0.5) / (cases.max(0.0) + 1.0)
}

/// How much more likely the count is under `after` than under `before`, as a natural logarithm.
fn gain(count: &Count, before: f64, after: f64) -> f64 {
    count.hits * (after / before).ln() + (count.cases - count.hits) * ((1.0 - after) / (1.0 - before)).ln()
}

/// Index from which on the counts speak most for `after`; of equal ones the latest.
fn change_point(counts: &[Count], before: f64, after: f64) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    let mut sum = 0.0;
    for (index, count) in counts.iter().enumerate().rev() {
        sum += gain(count, before, after);
        if best.is_none_or(|(most, _)| sum > most) {
            best = Some((sum, index));
        }
    }
    best.map(|(_, index)| index)
}

/// Part of the change that a bucket shows, 0 to 1.
fn part_hit(count: &Count, before: f64, after: f64) -> f64 {
    if count.cases <= 0.0 || (after - before).abs() < f64::EPSILON {
        return 1.0;
    }
    ((count.hits / count.cases - before) / (after - before)).clamp(0.0, 1.0)
}

/// The instant from which `part` of a bucket is left.
fn within(bucket: Bucket, part: f64) -> Timestamp {
    bucket.end().plus_millis(-(part * (Bucket::SECONDS * 1_000) as f64) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(hits: &[u32]) -> Vec<Count> {
        hits.iter().enumerate().map(|(index, hits)| Count { bucket: Bucket(index as i64), cases: 20.0, hits: f64::from(*hits) }).collect()
    }

    fn onset_s(hits: &[u32], before: (f64, f64)) -> f64 {
        let now = Shares { hits_before: before.0, cases_before: before.1, hits_now: 12.0, cases_now: 20.0 };
        period(&counts(hits), &now).expect("counts").onset.seconds_since(Timestamp::EPOCH)
    }

    #[test]
    fn a_step_begins_with_its_first_whole_bucket() {
        assert_eq!(onset_s(&[0, 0, 0, 12, 11, 13], (1.0, 400.0)), 45.0);
    }

    #[test]
    fn a_bucket_hit_in_part_says_how_late_in_it_the_change_came() {
        let onset_s = onset_s(&[0, 0, 0, 4, 12, 12], (1.0, 400.0));
        assert!((54.0..=56.0).contains(&onset_s), "{onset_s}");
    }

    #[test]
    fn one_odd_request_long_before_is_not_the_onset() {
        assert_eq!(onset_s(&[0, 1, 0, 0, 0, 12, 12], (1.0, 400.0)), 75.0);
    }

    #[test]
    fn a_share_that_falls_has_an_onset_too() {
        let now = Shares { hits_before: 380.0, cases_before: 400.0, hits_now: 0.0, cases_now: 20.0 };
        assert_eq!(period(&counts(&[19, 18, 20, 0, 0]), &now).map(|period| period.onset), Some(Bucket(3).start()));
    }

    #[test]
    fn nothing_counted_has_no_onset() {
        assert_eq!(period(&[], &Shares { hits_before: 0.0, cases_before: 10.0, hits_now: 5.0, cases_now: 5.0 }), None);
    }

    #[test]
    fn what_shows_its_baseline_again_has_ended() {
        let ended = |hits: &[u32]| {
            let now = Shares { hits_before: 1.0, cases_before: 400.0, hits_now: 36.0, cases_now: 80.0 };
            period(&counts(hits), &now).expect("counts").ended
        };
        assert_eq!(ended(&[0, 0, 12, 12, 12, 0, 0]), Some(Bucket(5).start()));
        assert_eq!(ended(&[0, 0, 12, 12, 12, 11]), None);
        assert_eq!(ended(&[0, 0, 12, 12, 12]), None, "no news is no recovery");
    }
}
