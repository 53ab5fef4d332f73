//! Whether a key is out of its baseline, since when, and what was said of it.

use serde::{Deserialize, Serialize};

use super::limits::{HOT, LAG_BUCKETS, LOOK_BACK_BUCKETS, MAX_RUN_BUCKETS, NEW_NORMAL_BUCKETS};
use crate::model::{Bucket, Timestamp};

/// The current run of a key outside its baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heat {
    /// First bucket of the run.
    pub since: Option<Bucket>,
    /// Newest bucket at which it was hot.
    pub last: Option<Bucket>,
    /// First instant out of the baseline.
    pub onset: Timestamp,
    /// Surprise of the newest event that told of it, and that event's bucket.
    pub told: Option<(f64, Bucket)>,
}

impl Heat {
    /// Notes one judgement.
    pub fn note(&mut self, bucket: Bucket, surprise: f64, onset: Timestamp) {
        if self.last.is_some_and(|last| bucket.0 - last.0 > LAG_BUCKETS) {
            *self = Self::default();
        }
        if surprise < HOT {
            return;
        }
        let since = *self.since.get_or_insert(bucket);
        // The first close has seen little of it; what the next ones say is better, until the buckets before the run are gone.
        if bucket.0 - since.0 < LAG_BUCKETS {
            self.onset = onset;
        }
        self.last = Some(bucket);
    }

    /// The window of the whole run, in buckets, once that is longer than the others: what goes on and on is less and less of a chance.
    pub fn run_window(&self, now: Bucket) -> Option<i64> {
        let since = self.since.filter(|_| self.is_hot(now))?;
        let run = now.0 - since.0 + LOOK_BACK_BUCKETS;
        (run > LAG_BUCKETS).then_some(run.min(MAX_RUN_BUCKETS))
    }

    /// First bucket in which the current run, or one that begins now, may have had its onset.
    pub fn looks_from(&self, now: Bucket) -> Bucket {
        let seen = self.since.filter(|_| self.is_hot(now)).unwrap_or(now);
        Bucket(seen.0 - LAG_BUCKETS + 1)
    }

    /// True when an event should be stored: the run starts, or its surprise has doubled since the last one.
    pub fn tell(&mut self, bucket: Bucket, surprise: f64) -> bool {
        let tell = self.told.is_none_or(|(told, _)| surprise >= 2.0 * told);
        if tell {
            self.told = Some((surprise, bucket));
        }
        tell
    }

    /// True when a cell of `bucket` was seen while the key was suspected, and must not teach the baseline.
    pub fn taints(&self, bucket: Bucket) -> bool {
        self.last.is_some_and(|last| last >= bucket)
    }

    /// True while the run goes on.
    pub fn is_hot(&self, now: Bucket) -> bool {
        self.last.is_some_and(|last| now.0 - last.0 < LAG_BUCKETS)
    }

    /// True when the key has been hot so long that what it shows now is normal.
    pub fn is_new_normal(&self, now: Bucket) -> bool {
        matches!((self.since, self.last), (Some(since), Some(last)) if last.0 - since.0 >= NEW_NORMAL_BUCKETS && now.0 - last.0 < LAG_BUCKETS)
    }
}
