//! A resource that grows and grows: a leak, a filling disk. The judgement of single steps follows such a level and says nothing.
//!
//! The whole history of a series is kept in at most 64 values, each the mean of as many points as that takes. It drifts when nearly
//! every later value lies above nearly every earlier one (Kendall's tau against time; Mann, Econometrica 1945) and it has grown by
//! half at least. The onset is where a one-sided CUSUM over the first quarter's level and spread begins to rise (Page,
//! Biometrika 1954).

use serde::{Deserialize, Serialize};

use crate::model::{Bucket, Timestamp};

/// Values kept; of more every two become one.
const MAX_VALUES: usize = 64;
/// Values from which it is judged.
const MIN_VALUES: usize = 24;
/// Least tau of the values since the onset, and least growth over the level before it.
const MIN_TAU: f64 = 0.8;
const MIN_GROWTH: f64 = 0.5;
/// Slack and alarm of the CUSUM, and the most one value may add, in deviations.
const SLACK: f64 = 1.0;
const ALARM: f64 = 10.0;
const CLIP: f64 = 10.0;
/// A verdict holds this long after the last point that bore it out (5 min).
const KEPT_BUCKETS: i64 = 20;
/// The spread of the level is at least this part of it.
const RELATIVE_FLOOR: f64 = 0.05;

/// History of one series: about 350 bytes in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Time of the first point in each value, and its mean.
    #[serde(with = "super::packed_points")]
    values: Vec<(Timestamp, f32)>,
    /// Points a value.
    points: u32,
    /// Points of the value that is not full yet: first time, number, sum.
    open: Option<(Timestamp, u32, f64)>,
    /// What it said last, and when: what ends in a crash is remembered for a while.
    said: Option<(Bucket, DriftVerdict)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftVerdict {
    pub onset: Timestamp,
    pub before: f64,
    pub now: f64,
    pub tau: f64,
}

impl Drift {
    fn add(&mut self, at: Timestamp, value: f64) {
        self.points = self.points.max(1);
        let (first, count, sum) = self.open.take().unwrap_or((at, 0, 0.0));
        if count + 1 < self.points {
            self.open = Some((first, count + 1, sum + value));
            return;
        }
        self.values.push((first, ((sum + value) / f64::from(count + 1)) as f32));
        if self.values.len() >= MAX_VALUES {
            self.values = self.values.chunks(2).map(mean).collect();
            self.points = self.points.saturating_mul(2);
        }
    }

    /// Takes the mean of a closing bucket's points.
    pub fn close(&mut self, now: Bucket, at: Timestamp, value: f64) {
        self.add(at, value);
        if let Some(verdict) = self.judge() {
            self.said = Some((now, verdict));
        }
    }

    /// What it says, or said a moment ago.
    pub fn verdict(&self, now: Bucket) -> Option<DriftVerdict> {
        self.said.filter(|(said, _)| now.0 - said.0 <= KEPT_BUCKETS).map(|(_, verdict)| verdict)
    }

    pub fn last_at(&self) -> Option<Timestamp> {
        self.values.last().map(|(at, _)| *at)
    }

    /// What it says, while its newest values still grow.
    fn judge(&self) -> Option<DriftVerdict> {
        if self.values.len() < MIN_VALUES {
            return None;
        }
        let (head, _) = self.values.split_at(self.values.len() / 4);
        let mut level: Vec<f64> = head.iter().map(|(_, value)| f64::from(*value)).collect();
        level.sort_by(f64::total_cmp);
        let before = level[level.len() / 2];
        let mut off: Vec<f64> = level.iter().map(|value| (value - before).abs()).collect();
        off.sort_by(f64::total_cmp);
        let scale = (1.4826 * off[off.len() / 2]).max(RELATIVE_FLOOR * before.abs()).max(1e-9);
        let onset = self.rise(before, scale)?;
        let since = &self.values[onset..];
        let now = since.last().map(|(_, value)| f64::from(*value))?;
        let tau = tau(since);
        let grown = now - before >= MIN_GROWTH * before.abs() && since.len() >= MIN_VALUES / 2;
        (grown && tau >= MIN_TAU).then(|| DriftVerdict { onset: since[0].0, before, now, tau })
    }

    /// Index from which the last rise of the CUSUM began.
    fn rise(&self, before: f64, scale: f64) -> Option<usize> {
        let (mut sum, mut began) = (0.0_f64, 0);
        for (index, (_, value)) in self.values.iter().enumerate() {
            if sum == 0.0 {
                began = index;
            }
            sum = (sum + ((f64::from(*value) - before) / scale).clamp(-CLIP, CLIP) - SLACK).max(0.0);
        }
        (sum >= ALARM).then_some(began)
    }

    pub fn series(&self) -> Vec<(Timestamp, f64)> {
        self.values.iter().map(|(at, value)| (*at, f64::from(*value))).collect()
    }
}

fn mean(pair: &[(Timestamp, f32)]) -> (Timestamp, f32) {
    let sum: f32 = pair.iter().map(|(_, value)| value).sum();
    (pair[0].0, sum / pair.len() as f32)
}

/// Pairs in order less pairs out of order, of all pairs.
fn tau(values: &[(Timestamp, f32)]) -> f64 {
    let (mut sum, mut pairs) = (0_i64, 0_i64);
    for (index, (_, earlier)) in values.iter().enumerate() {
        for (_, later) in &values[index + 1..] {
            pairs += 1;
            sum += i64::from(later > earlier) - i64::from(later < earlier);
        }
    }
    sum as f64 / pairs.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(value: impl Fn(i64) -> f64, points: i64) -> Option<DriftVerdict> {
        let mut drift = Drift::default();
        (0..points).for_each(|minute| drift.add(Timestamp::from_seconds(minute * 60), value(minute)));
        assert!(drift.values.len() < MAX_VALUES);
        drift.judge()
    }

    fn noise(minute: i64) -> f64 {
        ((minute * 7_919) % 13) as f64 - 6.0
    }

    #[test]
    fn memory_that_grows_for_hours_drifts_since_it_began_to() {
        let leak = |minute: i64| 200.0 + noise(minute) + 2.0 * (minute - 60).max(0) as f64;
        let verdict = judged(leak, 200).expect("a drift");
        let minute = verdict.onset.seconds_since(Timestamp::EPOCH) / 60.0;
        assert!((55.0..=75.0).contains(&minute) && verdict.now > 400.0, "{verdict:?}");
    }

    #[test]
    fn a_level_a_step_and_a_wave_do_not() {
        assert_eq!(judged(|minute| 200.0 + noise(minute), 200), None);
        assert_eq!(judged(|minute| if minute < 100 { 200.0 } else { 400.0 } + noise(minute), 200), None);
        assert_eq!(judged(|minute| 200.0 + 150.0 * (minute as f64 / 30.0).sin(), 200), None);
        assert_eq!(judged(|minute| 200.0 + minute as f64, 10), None, "too short");
    }
}
