//! What was learned of who calls whom: what error texts add to it, and how it is handed out minute by minute so that it can be asked
//! for later.

use std::collections::{BTreeMap, BTreeSet};

use super::investigator::Investigator;
use super::mentions::KnownNames;
use crate::model::Bucket;
use crate::model::entity::ServiceName;
use crate::model::topology::EdgeHour;

/// Buckets of a minute: how often edges are told. Hours begin with one.
const MINUTE_BUCKETS: i64 = 4;

impl Investigator {
    /// Learns from a bucket's error texts which services know of which others. To be called when all of the bucket's services are
    /// known, so that the order of shards cannot matter.
    pub(super) fn take_mentions(&mut self, bucket: Bucket, texts: Vec<(ServiceName, String)>) {
        let environments: BTreeSet<String> = texts.iter().map(|(name, _)| name.environment.clone()).collect();
        let known = |environment: &String| KnownNames::new(self.nodes_of(environment).map(|node| node.name.service.as_str()));
        let known: BTreeMap<&String, KnownNames<'_>> = environments.iter().map(|environment| (environment, known(environment))).collect();
        let named = |(name, text): (ServiceName, String)| {
            let services = known.get(&name.environment)?.named_in(&text, &name.service);
            (!services.is_empty()).then(|| (services.into_iter().map(str::to_owned).collect::<Vec<_>>(), name))
        };
        let mentions: Vec<(Vec<String>, ServiceName)> = texts.into_iter().filter_map(named).collect();
        for (services, by) in mentions {
            let node = self.node(&by);
            services.iter().for_each(|service| node.take_mention(bucket, service));
        }
    }

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
    use crate::engine::correlate::node::Node;
    use crate::model::signal::{BucketRow, ClosedBucket, EdgeCount};
    use crate::model::topology::HOUR_BUCKETS;
    use crate::model::{Event, Severity, Source};

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

    /// An error text of web in a bucket, in which cart and stock wrote a line, too.
    fn says(bucket: Bucket, text: &str) -> ClosedBucket {
        let event = |service: &str, text: &str| {
            let mut event =
                Event::new(format!("{service} {}", bucket.0), bucket.start(), Source::Logs, "error_burst", Severity::High, text);
            (event.environment, event.service) = (Some("prod".to_owned()), Some(service.to_owned()));
            event.data = serde_json::json!({ "exemplars": [{ "message": text }] });
            event
        };
        let row = |service: &str| BucketRow {
            bucket,
            source: Source::Logs,
            entity: ServiceName { environment: "prod".to_owned(), service: service.to_owned() },
            items: 1,
            failing: 1,
            in_events: 1,
            late: 0,
        };
        let rows = ["web", "cart", "stock"].map(row).to_vec();
        ClosedBucket { bucket, events: vec![event("web", text)], rows, ..ClosedBucket::default() }
    }

    #[test]
    fn what_error_texts_name_is_told_until_a_call_is_seen_and_forgotten_with_the_time() {
        let mut investigator = Investigator::new(&CorrelateOptions::default(), None);
        let start = HOUR_BUCKETS * 480_000;
        for bucket in (start..start + 4).map(Bucket) {
            investigator.step(vec![says(bucket, "call to cart failed; lookup stock: no such host")]);
        }
        let rows = |investigator: &Investigator, next: i64| -> Vec<(String, u64, u64)> {
            investigator.edges_before(Bucket(next)).into_iter().map(|row| (row.callee, row.calls, row.mentions)).collect()
        };
        assert_eq!(rows(&investigator, start + 4), [("cart".to_owned(), 0, 4), ("stock".to_owned(), 0, 4)]);
        let named = |investigator: &Investigator, bucket: i64| -> Vec<String> {
            investigator.graph("prod", Bucket(bucket)).named("web").cloned().collect()
        };
        assert_eq!(named(&investigator, start + 4), ["cart", "stock"]);
        for bucket in (start + 4..start + 8).map(Bucket) {
            let both = vec![calls(bucket, 5), says(bucket, "call to cart failed")];
            investigator.step(both);
        }
        assert_eq!(rows(&investigator, start + 8), [("cart".to_owned(), 20, 0)], "the call is the better knowledge");
        assert_eq!(named(&investigator, start + 8), ["stock"]);
        // Four mentions weigh less than a twentieth after six and a half half-lives.
        assert_eq!(named(&investigator, start + 8 + 6 * 120), ["stock"]);
        assert!(named(&investigator, start + 8 + 7 * 120).is_empty());
    }

    #[test]
    fn services_named_are_bounded_and_the_least_named_go_first() {
        let mut node = Node::new(ServiceName { environment: "prod".to_owned(), service: "web".to_owned() });
        for index in 0..1_200 {
            let times = if index == 7 { 2 } else { 1 };
            (0..times).for_each(|_| node.take_mention(Bucket(1_000), &format!("service-{index:04}")));
        }
        assert!(node.has_too_many_callees());
        node.forget_edges(Bucket(1_000));
        let left: Vec<&String> = node.named(Bucket(1_000)).collect();
        assert_eq!((left.len(), left.last().map(|name| name.as_str())), (1_000, Some("service-0999")));
    }
}
