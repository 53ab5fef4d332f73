//! A circuit breaker: closed, open, half-open. Three states, three functions.
//!
//! Source: M. Nygard, "Release It!", 2nd ed. 2018, chapter 5.

use crate::model::Timestamp;
use crate::model::connector::{BreakerState, BreakerView};

const FIRST_OPEN_S: i64 = 10;
const MAX_OPEN_S: i64 = 300;

/// Opens after `threshold` failures in a row; stays open 10 s, doubling to 5 min while probes fail.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    threshold: u32,
    failures: u32,
    state: State,
    open_s: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { since: Timestamp, until: Timestamp },
    HalfOpen,
}

impl CircuitBreaker {
    pub const fn new(threshold: u32) -> Self {
        Self { threshold, failures: 0, state: State::Closed, open_s: FIRST_OPEN_S }
    }

    /// May an attempt be made now? An open breaker whose time is over lets one probe through.
    pub fn allows(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Closed | State::HalfOpen => true,
            State::Open { until, .. } if now >= until => {
                self.state = State::HalfOpen;
                true
            }
            State::Open { .. } => false,
        }
    }

    pub fn succeeded(&mut self) {
        *self = Self::new(self.threshold);
    }

    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            State::Closed if self.failures >= self.threshold => self.open(now),
            State::HalfOpen => {
                self.open_s = (self.open_s * 2).min(MAX_OPEN_S);
                self.open(now);
            }
            State::Closed | State::Open { .. } => {}
        }
    }

    fn open(&mut self, now: Timestamp) {
        self.state = State::Open { since: now, until: now.plus_seconds(self.open_s) };
    }

    pub fn view(&self) -> BreakerView {
        let (state, opened_at, retry_at) = match self.state {
            State::Closed => (BreakerState::Closed, None, None),
            State::Open { since, until } => (BreakerState::Open, Some(since), Some(until)),
            State::HalfOpen => (BreakerState::HalfOpen, None, None),
        };
        BreakerView { state, failures: self.failures, opened_at, retry_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn it_opens_after_the_threshold_and_probes_once_its_time_is_over() {
        let mut breaker = CircuitBreaker::new(3);
        (0..2).for_each(|_| breaker.failed(at(0)));
        assert!(breaker.allows(at(0)));
        breaker.failed(at(0));
        assert!(!breaker.allows(at(9)));
        assert!(breaker.allows(at(10)));
        assert_eq!(breaker.view().state, BreakerState::HalfOpen);
    }

    #[test]
    fn failed_probes_double_the_wait_up_to_five_minutes() {
        let mut breaker = CircuitBreaker::new(1);
        let mut now = at(0);
        breaker.failed(now);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let retry_at = breaker.view().retry_at.unwrap_or(now);
            waits.push(retry_at.seconds_since(now) as i64);
            now = retry_at;
            assert!(breaker.allows(now));
            breaker.failed(now);
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_success_closes_it_and_forgets() {
        let mut breaker = CircuitBreaker::new(1);
        breaker.failed(at(0));
        assert!(breaker.allows(at(10)));
        breaker.succeeded();
        assert_eq!(breaker.view(), BreakerView::default());
    }
}
