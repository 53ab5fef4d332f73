//! What was learned of who calls whom, handed out minute by minute so that it can be asked for later.

use super::investigator::Investigator;
use crate::model::Bucket;
use crate::model::topology::EdgeHour;

/// Buckets of a minute: how often edges are told. Hours begin with one.
const MINUTE_BUCKETS: i64 = 4;

impl Investigator {
    /// To be asked before the step of `next`: where that begins another minute, what the hours of all edges called in the minute
    /// before have come to. Each replaces what was told of its hour.
    pub fn edges_before(&self, next: Bucket) -> Vec<EdgeHour> {
        let minute = |bucket: Bucket| bucket.0.div_euclid(MINUTE_BUCKETS);
        let Some(newest) = self.bucket.filter(|newest| minute(*newest) != minute(next)) else { return Vec::new() };
        let from = Bucket(minute(newest) * MINUTE_BUCKETS);
        self.nodes.values().flat_map(|node| node.edge_hours(from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::correlate::CorrelateOptions;
    use crate::model::entity::ServiceName;
    use crate::model::signal::{ClosedBucket, EdgeCount};
    use crate::model::topology::HOUR_BUCKETS;

    fn calls(bucket: Bucket, calls: u64) -> ClosedBucket {
        let name = |service: &str| ServiceName { environment: "prod".to_owned(), service: service.to_owned() };
        let edge = EdgeCount { caller: name("web"), callee: name("cart"), calls, failed: 1, duration_ns: 10 };
        ClosedBucket { bucket, edges: vec![edge], ..ClosedBucket::default() }
    }

    #[test]
    fn every_call_is_in_the_row_of_its_hour_however_the_minutes_lie() {
        let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
        let start = HOUR_BUCKETS * 480_000 - 6;
        let mut told = Vec::new();
        // Calls in twelve buckets around the full hour, with a hole of some minutes.
        for bucket in (start..start + 12).chain(start + 40..start + 42).chain([start + 60]).map(Bucket) {
            told.extend(investigator.edges_before(bucket));
            investigator.step(vec![calls(bucket, 5)]);
        }
        told.extend(investigator.edges_before(Bucket(start + 64)));
        let newest = |hour: i64| told.iter().rfind(|row| row.hour() == Bucket(hour)).cloned();
        let before = newest(start + 6 - HOUR_BUCKETS).expect("the hour before");
        assert_eq!((before.calls, before.failed, before.duration_ns), (30, 6, 60));
        assert_eq!((before.first, before.last), (Bucket(start), Bucket(start + 5)));
        let after = newest(start + 6).expect("the hour after");
        assert_eq!((after.calls, after.first, after.last), (45, Bucket(start + 6), Bucket(start + 60)));
    }
}
