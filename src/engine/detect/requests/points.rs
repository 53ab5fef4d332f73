//! What one series of a request metric told in one bucket.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::observation::RequestCount;
use crate::model::{EntityKey, Symbol, Timestamp};

/// Points of one series kept of one bucket.
const MAX_POINTS: usize = 64;

/// One series of a request metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestSeries {
    pub metric: Symbol,
    pub series: u64,
    pub cumulative: bool,
    pub failed: bool,
    pub callee: Option<EntityKey>,
}

impl RequestSeries {
    pub const fn of(metric: Symbol, series: u64, count: &RequestCount) -> Self {
        Self { metric, series, cumulative: count.cumulative, failed: count.failed, callee: count.callee }
    }
}

/// Requests and nanoseconds of one series by time: one point an instant, whatever order they come in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestPoints(pub(super) BTreeMap<Timestamp, (u64, u64)>);

impl RequestPoints {
    pub fn add(&mut self, at: Timestamp, count: &RequestCount) {
        let new = (count.requests, count.duration_ns);
        let kept = self.0.entry(at).or_insert(new);
        *kept = (*kept).min(new);
        if self.0.len() > MAX_POINTS {
            self.0.pop_last();
        }
    }

    pub fn merge(&mut self, other: Self) {
        for (at, (requests, duration_ns)) in other.0 {
            self.add(at, &RequestCount { requests, duration_ns, failed: false, cumulative: false, callee: None });
        }
    }
}

/// A series' newest point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub at: Timestamp,
    pub requests: u64,
    pub duration_ns: u64,
}
