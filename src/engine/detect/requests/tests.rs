//! Request metrics of one service, judged step by step.

use super::*;
use crate::model::observation::RequestCount;

/// Requests, failed, mean milliseconds of one interval.
type Load = (u64, u64, u64);

const USUAL: Load = (1_000, 2, 40);

struct Service {
    requests: Requests,
    bucket: Bucket,
    totals: [(u64, u64); 2],
}

impl Service {
    fn new() -> Self {
        Self { requests: Requests::default(), bucket: Bucket(100_000), totals: [(0, 0); 2] }
    }

    /// Sends an interval's points, every `interval` buckets, and asks.
    fn send(&mut self, (all, failed, mean_ms): Load, interval: i64, cumulative: bool) -> (Vec<Finding>, RequestClose) {
        self.bucket = Bucket(self.bucket.0 + interval);
        let mut points: BTreeMap<RequestSeries, RequestPoints> = BTreeMap::new();
        for (index, requests) in [all - failed, failed].into_iter().enumerate() {
            let total = &mut self.totals[index];
            let duration_ns = requests * mean_ms * 1_000_000;
            *total = if cumulative { (total.0 + requests, total.1 + duration_ns) } else { (requests, duration_ns) };
            let count = RequestCount { requests: total.0, duration_ns: total.1, failed: index == 1, cumulative, callee: None };
            points.entry(RequestSeries::of(symbol("d"), index as u64, &count)).or_default().add(self.bucket.start(), &count);
        }
        let close = self.requests.close(self.bucket, &points, false);
        (self.requests.judge(self.bucket), close)
    }

    fn learned(interval: i64, cumulative: bool) -> Self {
        let mut service = Self::new();
        for step in 0..30 {
            let (all, failed, mean_ms) = USUAL;
            let (found, _) = service.send((all + step % 5, failed + step % 2, mean_ms + step % 3), interval, cumulative);
            assert!(found.is_empty(), "{found:?}");
        }
        service
    }
}

#[test]
fn one_slow_point_opens_nothing_and_two_tell_since_when() {
    for cumulative in [false, true] {
        let mut service = Service::learned(20, cumulative);
        let before = service.bucket.start();
        let (found, first) = service.send((1_000, 2, 200), 20, cumulative);
        assert!(found.iter().all(|finding| finding.surprise < HOT && finding.rank_surprise >= STRONG), "{found:?}");
        assert!((150.0..170.0).contains(&first.excess.seconds), "{first:?}");
        let (found, _) = service.send((1_000, 2, 200), 20, cumulative);
        assert_eq!(found.len(), 1);
        assert!(found[0].kind == Kind::SlowRequests && found[0].surprise >= STRONG, "{found:?}");
        assert_eq!(found[0].period.onset, before);
    }
}

#[test]
fn failures_are_judged_by_how_they_usually_come_and_go() {
    let mut calm = Service::learned(20, false);
    calm.send((1_000, 80, 40), 20, false);
    assert!(calm.send((1_000, 80, 40), 20, false).0.iter().any(|finding| finding.surprise >= STRONG));
    let mut bursty = Service::new();
    for step in 0..40 {
        bursty.send((1_000, if step % 7 == 0 { 90 } else { 1 }, 40), 20, false);
    }
    bursty.send((1_000, 80, 40), 20, false);
    let (found, _) = bursty.send((1_000, 80, 40), 20, false);
    assert!(found.iter().all(|finding| finding.surprise < STRONG), "{found:?}");
}

#[test]
fn a_level_that_lasts_is_the_new_normal() {
    let mut service = Service::learned(20, false);
    let loud: Vec<bool> = (0..30).map(|_| service.send((1_000, 2, 200), 20, false).0.iter().any(|found| found.surprise >= HOT)).collect();
    assert!(loud[1] && !loud[29], "{loud:?}");
    service.send((1_000, 2, 900), 20, false);
    assert!(service.send((1_000, 2, 900), 20, false).0.iter().any(|found| found.surprise >= STRONG), "it is learned anew");
}

#[test]
fn a_service_that_sends_spans_is_judged_by_them() {
    let mut service = Service::learned(4, false);
    service.requests.close(service.bucket, &BTreeMap::new(), true);
    let (_, close) = service.send((1_000, 500, 900), 4, false);
    assert_eq!((close.requests, close.excess), (0, Excess::default()));
}

#[test]
fn the_same_points_twice_or_out_of_order_count_once() {
    let count = |requests| RequestCount { requests, duration_ns: 5, failed: false, cumulative: false, callee: None };
    let (mut one, mut other) = (RequestPoints::default(), RequestPoints::default());
    let at = Timestamp::from_seconds;
    [(at(1), 3), (at(2), 4), (at(1), 3)].into_iter().for_each(|(at, requests)| one.add(at, &count(requests)));
    [(at(2), 4), (at(1), 3)].into_iter().for_each(|(at, requests)| other.add(at, &count(requests)));
    assert_eq!(one, other);
}

#[test]
fn counts_and_durations_told_by_two_series_are_judged_as_if_told_by_one() {
    let mut requests = Requests::default();
    let mut totals = (0_u64, 0_u64);
    let mut send = |step: i64, mean_ms: u64| {
        let bucket = Bucket(100_000 + 20 * step);
        totals = (totals.0 + 1_000 + step as u64 % 5, totals.1 + 1_000 * (mean_ms + step as u64 % 3) * 1_000_000);
        let told = |requests, duration_ns| RequestCount { requests, duration_ns, failed: false, cumulative: true, callee: None };
        let mut points: BTreeMap<RequestSeries, RequestPoints> = BTreeMap::new();
        for (metric, count) in [("d_count", told(totals.0, 0)), ("d_sum", told(0, totals.1))] {
            points.entry(RequestSeries::of(symbol(metric), 7, &count)).or_default().add(bucket.start(), &count);
        }
        let close = requests.close(bucket, &points, false);
        (requests.judge(bucket), close.requests)
    };
    for step in 0..30 {
        let (found, count) = send(step, 40);
        assert!(found.is_empty() && (step == 0 || count == 1_000 + step as u64 % 5), "{found:?}");
    }
    send(30, 200);
    let (found, _) = send(31, 200);
    assert_eq!(found.len(), 1);
    assert!(found[0].kind == Kind::SlowRequests && found[0].surprise >= STRONG, "{found:?}");
}
