//! What a service known by slow metrics exceeds by since the trouble began that somebody told of. Whoever was as bad in the interval
//! before does not explain it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::case::Case;
use crate::model::signal::EntityLoad;
use crate::model::{Bucket, Timestamp};

/// Intervals kept of one service.
const MAX_LOADS: usize = 64;
/// A point this many intervals old is no longer the one before.
const STALE_INTERVALS: f64 = 1.5;

/// One interval of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    pub bucket: Bucket,
    pub interval_s: u32,
    pub requests: f64,
    pub failures: f64,
    pub seconds: f64,
}

impl Load {
    pub fn of(bucket: Bucket, load: &EntityLoad) -> Self {
        Self {
            bucket,
            interval_s: load.interval_s,
            requests: load.requests as f64,
            failures: load.excess_failures,
            seconds: load.excess_seconds,
        }
    }
}

/// Extra failures and seconds after `since` beyond those that the interval before it had a request.
pub fn since(loads: &VecDeque<Load>, since: Timestamp) -> (f64, f64) {
    let is_before = |load: &&Load| load.bucket.start() <= since;
    let fresh = |load: &&Load| since.seconds_since(load.bucket.start()) <= STALE_INTERVALS * f64::from(load.interval_s);
    let before = loads.iter().rev().find(is_before).filter(fresh);
    let per_request = before.map_or((0.0, 0.0), |load| (load.failures / load.requests.max(1.0), load.seconds / load.requests.max(1.0)));
    loads.iter().filter(|load| !is_before(load)).fold((0.0, 0.0), |(failures, seconds), load| {
        let news = |excess: f64, usual: f64| (excess - usual * load.requests).max(0.0);
        (failures + news(load.failures, per_request.0), seconds + news(load.seconds, per_request.1))
    })
}

impl Case {
    /// Keeps an interval of a member.
    pub fn take_load(&mut self, service: &str, load: Load) {
        let loads = self.loads.entry(service.to_owned()).or_default();
        if loads.back().is_none_or(|last| last.bucket < load.bucket) {
            loads.push_back(load);
        }
        while loads.len() > MAX_LOADS {
            loads.pop_front();
        }
    }

    /// Extra failures and seconds of a member: all since the onset, or what is news.
    pub fn excess_of(&self, service: &str) -> (f64, f64) {
        let all = self.excess.get(service).copied().unwrap_or_default();
        let told = self.told_at.as_ref().zip(self.loads.get(service));
        told.map_or(all, |((at, named), loads)| {
            let onset = self.signals.get(named).and_then(|signals| signals.values().map(|signal| signal.onset).min());
            since(loads, onset.map_or(*at, |onset| onset.min(*at)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(seconds: &[f64]) -> VecDeque<Load> {
        let load = |(index, seconds): (usize, &f64)| Load {
            bucket: Bucket(20 * index as i64),
            interval_s: 300,
            requests: 100.0,
            seconds: *seconds,
            ..Load::default()
        };
        seconds.iter().enumerate().map(load).collect()
    }

    #[test]
    fn who_was_as_slow_before_is_no_news_and_who_turned_slow_is() {
        let told = Timestamp::from_seconds(650);
        assert_eq!(since(&loads(&[0.0, 0.0, 40.0, 40.0, 40.0]), told), (0.0, 0.0));
        assert_eq!(since(&loads(&[0.0, 0.0, 10.0, 40.0, 40.0]), told), (0.0, 60.0));
        assert_eq!(since(&loads(&[0.0, 0.0, 0.0, 40.0, 40.0]), told), (0.0, 80.0));
    }
}
