//! Telemetry that did not come: a matter of the collectors' health, never evidence of an incident.
//!
//! Where spans are lost, the time of a lost call is booked as its caller's own, and a call whose server span is lost looks as
//! if it had spent all its time on the way. Where lines are lost, requests look as if they had ended before their lines. Both
//! show by themselves: traces in which nothing failed lack a parent, answered calls lack the server span that their
//! callee always wrote, and a service that serves writes no line at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::{HOT, LAG_BUCKETS, MAX_SURPRISE, MIN_BASELINE};
use super::share::{Share, ShareCell, ShareRule};
use crate::model::{Bucket, Symbol};

/// The event of a torn trace.
const TORN: Symbol = Symbol(1);
/// A small rise counts, when it at least doubles: as for failures.
const RULE: ShareRule = ShareRule { effect: 0.02, ratio: 2.0, phi_floor: 1.0, min_hits: 3.0, cap: MAX_SURPRISE };
/// A bucket without lines is no chance when it would be one less often than this.
const MUTE_BY_CHANCE: f64 = 1e-3;
/// Least share of requests without lines assumed: nothing is known better than that.
const LEAST_SILENT: f64 = 0.01;

/// What is known of the telemetry of one entity that did not come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// Share of torn traces among those that passed here.
    torn: Share,
    /// Newest bucket in which requests were served and no line was written.
    mute: Option<Bucket>,
}

impl Missing {
    /// Takes the traces of a bucket. True while more of them are torn than ever before.
    pub fn spans(&mut self, now: Bucket, cases: u32, torn: u32) -> bool {
        let hits = if torn > 0 { BTreeMap::from([(TORN, torn)]) } else { BTreeMap::new() };
        self.torn.push(ShareCell { bucket: now, cases, hits });
        self.torn.roll(now);
        let Some(verdict) = self.torn.judge(now, &RULE) else { return false };
        self.torn.heat.note(now, verdict.surprise, verdict.period.onset);
        verdict.surprise >= HOT
    }

    /// Takes the requests of a bucket in which no line was written: for each kind how many there were, and the usual share of
    /// those without any line. True when that is no chance.
    pub fn lines(&mut self, now: Bucket, silent: impl Iterator<Item = (u32, f64)>) -> bool {
        let (cases, chance) = silent.fold((0.0, 1.0), |(all, chance): (f64, f64), (cases, usual)| {
            (all + f64::from(cases), chance * usual.max(LEAST_SILENT).powf(f64::from(cases)))
        });
        let mute = cases >= MIN_BASELINE && chance < MUTE_BY_CHANCE;
        if mute {
            self.mute = Some(now);
        }
        mute
    }

    /// Takes a bucket as one without lines.
    pub fn note_mute(&mut self, now: Bucket) {
        self.mute = Some(now);
    }

    /// True right after a bucket without lines.
    pub fn ended_mute(&self, now: Bucket) -> bool {
        self.mute.is_some_and(|mute| mute.0 + 1 == now.0)
    }

    /// True while a bucket without lines lies in the windows that are judged.
    pub fn is_mute(&self, now: Bucket) -> bool {
        self.mute.is_some_and(|mute| now.0 - mute.0 <= LAG_BUCKETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_of_torn_traces_is_seen_at_once_and_a_steady_share_never() {
        let mut missing = Missing::default();
        let steady = (0..60).any(|bucket| missing.spans(Bucket(bucket), 20, u32::from(bucket % 3 == 0)));
        assert!(!steady, "every sixtieth trace has always been torn");
        assert!(missing.spans(Bucket(60), 20, 8) || missing.spans(Bucket(61), 20, 8));
        let after: Vec<bool> = (62..80).map(|bucket| missing.spans(Bucket(bucket), 20, 0)).collect();
        assert!(after[0] && !after[17], "until the windows have passed: {after:?}");
    }

    #[test]
    fn silence_counts_only_where_requests_used_to_write() {
        let mut missing = Missing::default();
        assert!(!missing.lines(Bucket(1), [(30, 1.0)].into_iter()), "they never write");
        assert!(!missing.lines(Bucket(2), [(2, 0.0)].into_iter()), "too few to tell");
        assert!(!missing.lines(Bucket(3), [(8, 0.5)].into_iter()), "may be chance");
        assert!(!missing.is_mute(Bucket(3)));
        assert!(missing.lines(Bucket(4), [(5, 0.0), (30, 1.0)].into_iter()));
        assert!(missing.is_mute(Bucket(12)) && !missing.is_mute(Bucket(13)));
    }
}
