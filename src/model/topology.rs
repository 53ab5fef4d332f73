//! Who calls whom, learned from spans and request metrics and, weakly, from names in error texts, as it was at any time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entity::ServiceName;
use super::{Bucket, Timestamp};

/// Buckets of an hour.
pub const HOUR_BUCKETS: i64 = 3_600 / Bucket::SECONDS;

/// Calls from one service to another in one hour of event time, as far as its buckets are closed; or, where none was seen, error
/// texts of the one that name the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeHour {
    pub caller: ServiceName,
    /// Its name; callers and callees share an environment.
    pub callee: String,
    /// First and newest bucket with calls, or mentions; both lie in the same hour.
    pub first: Bucket,
    pub last: Bucket,
    pub calls: u64,
    pub failed: u64,
    /// Sum of client-side durations, nanoseconds.
    pub duration_ns: u64,
    /// Error texts of the caller that name the callee, of those kept as examples; 0 where calls were seen.
    pub mentions: u64,
}

impl EdgeHour {
    /// First bucket of its hour.
    pub const fn hour(&self) -> Bucket {
        hour_of(self.first)
    }
}

/// First bucket of the hour of event time in which a bucket lies.
pub const fn hour_of(bucket: Bucket) -> Bucket {
    Bucket(bucket.0.div_euclid(HOUR_BUCKETS) * HOUR_BUCKETS)
}

/// Services and the calls between them, as they were at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Topology {
    /// The time asked for, or that of the newest call or mention known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// By environment and name.
    pub services: Vec<TopologyService>,
    /// Most called first, weak ones last.
    pub edges: Vec<TopologyEdge>,
    /// True when only the most called edges are here.
    pub edges_cut: bool,
}

/// A service that calls or is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopologyService {
    pub environment: String,
    pub service: String,
    /// Calls a second that others made to it, and that it made.
    pub calls_in_per_second: f64,
    pub calls_out_per_second: f64,
    /// Share of the calls made to it that failed, 0 to 1; 0 for one that nobody calls.
    pub failed_share: f64,
}

/// Calls from one service to another: means since the start of the hour before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopologyEdge {
    pub environment: String,
    pub caller: String,
    pub callee: String,
    pub calls_per_second: f64,
    /// 0 to 1.
    pub failed_share: f64,
    /// Mean client-side duration, milliseconds.
    pub mean_ms: f64,
    /// No call was seen: error texts of the caller name the callee. Its rates are 0.
    pub weak: bool,
    /// Of a weak edge, error texts that named the callee since the start of the hour before, of those kept as examples; else 0.
    pub mentions: u64,
    /// The newest call, or mention, known at that time.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_begins_on_the_hour_also_before_the_epoch() {
        let noon = Bucket::of(Timestamp::from_seconds(12 * 3_600));
        assert_eq!(hour_of(Bucket(noon.0 + HOUR_BUCKETS - 1)), noon);
        assert_eq!(hour_of(Bucket(-1)), Bucket(-HOUR_BUCKETS));
    }
}
