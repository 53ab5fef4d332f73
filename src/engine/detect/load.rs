//! Requests, failures and seconds of one operation against its own baseline: what mass balance adds up.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::limits::{LAG_BUCKETS, MIN_BASELINE, MIN_RECENT, NEW_NORMAL_BUCKETS};
use super::share::fade;
use crate::model::Bucket;

/// Standard deviations from which a bucket's load is anomalous and its excess counts.
const ANOMALOUS_Z: f64 = 3.0;
/// Buckets of baseline before seconds are judged.
const MIN_BUCKETS: f64 = 4.0;
/// The mean's spread is at least this part of it.
const RELATIVE_FLOOR: f64 = 0.05;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadCell {
    pub bucket: Bucket,
    pub requests: u64,
    pub failed: u64,
    pub duration_ns: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadBaseline {
    requests: f64,
    failed: f64,
    seconds: f64,
    /// Weight, Σ mean and Σ mean² over buckets.
    buckets: f64,
    means: f64,
    squares: f64,
    decayed_to: Bucket,
    waiting: VecDeque<LoadCell>,
    hot_since: Option<Bucket>,
    hot_last: Option<Bucket>,
}

/// Failures and seconds above what the baseline expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    pub failures: f64,
    pub seconds: f64,
}

impl LoadBaseline {
    /// Judges one bucket and lets it wait for the baseline; anomalous buckets, and those that waited when one came, never
    /// join, unless it has been so for half an hour.
    pub fn close(&mut self, cell: LoadCell) -> Excess {
        let now = cell.bucket;
        self.roll(now);
        let excess = self.excess(&cell);
        if excess != Excess::default() {
            if self.hot_last.is_none_or(|last| now.0 - last.0 > LAG_BUCKETS) {
                self.hot_since = Some(now);
            }
            self.hot_last = Some(now);
        }
        self.waiting.push_back(cell);
        excess
    }

    fn roll(&mut self, now: Bucket) {
        if let (Some(since), Some(last)) = (self.hot_since, self.hot_last)
            && last.0 - since.0 >= NEW_NORMAL_BUCKETS
        {
            *self = Self { waiting: std::mem::take(&mut self.waiting), ..Self::default() };
        }
        while let Some(cell) = self.waiting.front().copied().filter(|cell| now.0 - cell.bucket.0 >= LAG_BUCKETS) {
            self.waiting.pop_front();
            if self.hot_last.is_none_or(|last| last < cell.bucket) {
                self.absorb(cell, now);
            }
        }
    }

    fn absorb(&mut self, cell: LoadCell, now: Bucket) {
        let factor = fade(now.0 - self.decayed_to.0);
        for sum in [&mut self.requests, &mut self.failed, &mut self.seconds, &mut self.buckets, &mut self.means, &mut self.squares] {
            *sum *= factor;
        }
        self.decayed_to = now;
        let (requests, seconds) = (cell.requests as f64, cell.duration_ns as f64 / 1e9);
        if requests > 0.0 {
            let mean = seconds / requests;
            self.requests += requests;
            self.failed += cell.failed as f64;
            self.seconds += seconds;
            self.buckets += 1.0;
            self.means += mean;
            self.squares += mean * mean;
        }
    }

    fn excess(&self, cell: &LoadCell) -> Excess {
        let requests = cell.requests as f64;
        if self.requests < MIN_BASELINE || requests < MIN_RECENT {
            return Excess::default();
        }
        let expected = self.failed / self.requests;
        let share = cell.failed as f64 / requests;
        let likely = expected.max(0.5 / requests).min(1.0 - 0.5 / requests);
        let failure_z = (share - expected) / (likely * (1.0 - likely) / requests).sqrt();
        let mean_before = self.seconds / self.requests;
        let mean = cell.duration_ns as f64 / 1e9 / requests;
        let center = self.means / self.buckets.max(1e-9);
        let spread = (self.squares / self.buckets.max(1e-9) - center * center).max(0.0).sqrt();
        let slow_z = (mean - mean_before) / spread.max(RELATIVE_FLOOR * mean_before).max(1e-6);
        Excess {
            failures: if failure_z >= ANOMALOUS_Z { (share - expected) * requests } else { 0.0 },
            seconds: if slow_z >= ANOMALOUS_Z && self.buckets >= MIN_BUCKETS { (mean - mean_before) * requests } else { 0.0 },
        }
    }
}
