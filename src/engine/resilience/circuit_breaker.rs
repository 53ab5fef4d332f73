//! A circuit breaker: closed, open, half-open. Three states, three functions.
//!
//! What it counts. A **failure** of a connector: its feed could not start, or ended with an error; the feed reports a trouble
//! that it goes on trying to get over (a topic that is missing is none: the broker answers); its stage died. A **success**:
//! partitions were assigned; a batch was read, decoded and handed on; a trouble was over; while half-open, a second in which
//! the feed had partitions and no trouble. Records that cannot be decoded are neither: what they say of a connector is
//! judged by [`super::wrong_topic`].
//!
//! Source: M. Nygard, "Release It!", 2nd ed. 2018, chapter 5.

use std::collections::VecDeque;

use crate::model::Timestamp;
use crate::model::connector::{BreakerState, BreakerTransition, BreakerView};

const FIRST_OPEN_S: i64 = 10;
const MAX_OPEN_S: i64 = 300;
/// Width of a step of the window, seconds, and how many steps it has: a minute.
const STEP_S: i64 = 10;
const STEPS: i64 = 6;
/// Calls in the window below which their share of failures says nothing.
const MIN_CALLS: u32 = 10;
/// Successes in a row that close a half-open breaker: so many batches it lets through before it is decided.
const PROBES: u32 = 3;
/// Transitions kept.
const HISTORY: usize = 20;

/// Opens after `threshold` failures in a row, or when half of at least 10 calls of the last minute failed; stays open 10 s,
/// doubling to 5 min while probes fail. Half-open, three successes in a row close it and one failure opens it again.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    threshold: u32,
    failures: u32,
    calls: VecDeque<Step>,
    state: State,
    open_s: i64,
    history: VecDeque<BreakerTransition>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    number: i64,
    good: u32,
    bad: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// Without `until` only a person closes it.
    Open {
        since: Timestamp,
        until: Option<Timestamp>,
    },
    HalfOpen {
        successes: u32,
    },
}

impl CircuitBreaker {
    pub const fn new(threshold: u32) -> Self {
        Self { threshold, failures: 0, calls: VecDeque::new(), state: State::Closed, open_s: FIRST_OPEN_S, history: VecDeque::new() }
    }

    /// May an attempt be made now? An open breaker whose time is over lets a few through.
    pub fn allows(&mut self, now: Timestamp) -> bool {
        match self.state {
            State::Closed | State::HalfOpen { .. } => true,
            State::Open { until: Some(until), .. } if now >= until => {
                self.change(State::HalfOpen { successes: 0 }, now, "its time is over", None);
                true
            }
            State::Open { .. } => false,
        }
    }

    pub fn succeeded(&mut self, now: Timestamp) {
        self.failures = 0;
        match self.state {
            State::Closed => self.count(now, false),
            State::HalfOpen { successes } if successes + 1 >= PROBES => {
                self.close(now, &format!("{PROBES} successes in a row"), None);
            }
            State::HalfOpen { successes } => self.state = State::HalfOpen { successes: successes + 1 },
            State::Open { .. } => {}
        }
    }

    pub fn failed(&mut self, now: Timestamp, why: &str) {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            State::Closed => {
                self.count(now, true);
                if self.failures >= self.threshold {
                    self.open(now, &format!("{} failures in a row, the last: {why}", self.failures));
                } else if let Some((bad, calls)) = self.too_many_failed() {
                    self.open(now, &format!("{bad} of {calls} calls failed within a minute, the last: {why}"));
                }
            }
            State::HalfOpen { .. } => {
                self.open_s = (self.open_s * 2).min(MAX_OPEN_S);
                self.open(now, &format!("a probe failed: {why}"));
            }
            State::Open { .. } => {}
        }
    }

    /// Opens it: for a while when whydunit itself decides so, until it is reset when a person does (`by`) or nothing but a
    /// person can help (`until_reset`).
    pub fn trip(&mut self, now: Timestamp, why: &str, by: Option<&str>, until_reset: bool) {
        let until = (!until_reset && by.is_none()).then(|| now.plus_seconds(self.open_s));
        let since = match self.state {
            State::Open { since, .. } => since,
            State::Closed | State::HalfOpen { .. } => now,
        };
        self.change(State::Open { since, until }, now, why, by);
    }

    /// Closes it and forgets what failed.
    pub fn reset(&mut self, now: Timestamp, why: &str, by: Option<&str>) {
        self.failures = 0;
        self.close(now, why, by);
    }

    fn open(&mut self, now: Timestamp, why: &str) {
        self.change(State::Open { since: now, until: Some(now.plus_seconds(self.open_s)) }, now, why, None);
    }

    fn close(&mut self, now: Timestamp, why: &str, by: Option<&str>) {
        self.calls.clear();
        self.open_s = FIRST_OPEN_S;
        if self.state != State::Closed {
            self.change(State::Closed, now, why, by);
        }
    }

    fn change(&mut self, state: State, now: Timestamp, why: &str, by: Option<&str>) {
        let from = self.state();
        self.state = state;
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let (why, by) = (why.to_owned(), by.map(str::to_owned));
        self.history.push_back(BreakerTransition { at: now, from, to: self.state(), why, by });
    }

    fn count(&mut self, now: Timestamp, failed: bool) {
        let number = now.seconds().div_euclid(STEP_S);
        self.calls.retain(|step| step.number > number - STEPS);
        if self.calls.back().is_none_or(|step| step.number != number) {
            self.calls.push_back(Step { number, good: 0, bad: 0 });
        }
        if let Some(step) = self.calls.back_mut() {
            step.good = step.good.saturating_add(u32::from(!failed));
            step.bad = step.bad.saturating_add(u32::from(failed));
        }
    }

    /// (failed, all) calls of the window when at least half of enough failed.
    fn too_many_failed(&self) -> Option<(u32, u32)> {
        let bad: u32 = self.calls.iter().map(|step| step.bad).sum();
        let calls = self.calls.iter().fold(bad, |sum, step| sum.saturating_add(step.good));
        (calls >= MIN_CALLS && bad >= calls - bad).then_some((bad, calls))
    }

    pub const fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// When an open breaker lets the next attempt through.
    pub const fn retry_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Open { until, .. } => until,
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    pub fn view(&self) -> BreakerView {
        let opened_at = match self.state {
            State::Open { since, .. } => Some(since),
            State::Closed | State::HalfOpen { .. } => None,
        };
        BreakerView {
            state: self.state(),
            failures: self.failures,
            opened_at,
            retry_at: self.retry_at(),
            history: self.history.iter().rev().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn opened(now: i64) -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new(1);
        breaker.failed(at(now), "refused");
        breaker
    }

    #[test]
    fn it_opens_after_the_threshold_and_probes_once_its_time_is_over() {
        let mut breaker = CircuitBreaker::new(3);
        (0..2).for_each(|_| breaker.failed(at(0), "refused"));
        assert!(breaker.allows(at(0)));
        breaker.failed(at(0), "refused");
        assert!(!breaker.allows(at(9)));
        assert!(breaker.allows(at(10)));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }

    #[test]
    fn it_opens_when_half_of_the_calls_of_a_minute_fail_though_never_three_in_a_row() {
        let mut breaker = CircuitBreaker::new(3);
        for second in 0..4 {
            breaker.succeeded(at(second));
            breaker.failed(at(second), "cut");
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "eight calls say nothing yet");
        breaker.succeeded(at(5));
        breaker.failed(at(5), "cut");
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.view().history[0].why.starts_with("5 of 10 calls failed"), "{:?}", breaker.view());
    }

    #[test]
    fn what_failed_more_than_a_minute_ago_counts_no_more() {
        let mut breaker = CircuitBreaker::new(100);
        (0..9).for_each(|_| breaker.failed(at(0), "cut"));
        (0..9).for_each(|_| breaker.succeeded(at(70)));
        breaker.failed(at(70), "cut");
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn failed_probes_double_the_wait_up_to_five_minutes() {
        let mut now = at(0);
        let mut breaker = opened(0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let retry_at = breaker.retry_at().unwrap_or(now);
            waits.push(retry_at.seconds_since(now) as i64);
            now = retry_at;
            assert!(breaker.allows(now));
            breaker.failed(now, "refused");
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn three_successes_in_a_row_close_it_and_one_failure_among_them_does_not() {
        let mut breaker = opened(0);
        assert!(breaker.allows(at(10)));
        breaker.succeeded(at(10));
        breaker.succeeded(at(11));
        breaker.failed(at(11), "cut");
        assert!(!breaker.allows(at(30)) && breaker.allows(at(31)));
        (0..3).for_each(|_| breaker.succeeded(at(31)));
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.failed(at(32), "refused");
        assert_eq!(breaker.retry_at(), Some(at(42)), "the wait begins anew");
    }

    #[test]
    fn what_a_person_tripped_stays_open_until_it_is_reset_and_both_are_remembered() {
        let mut breaker = CircuitBreaker::new(5);
        breaker.trip(at(0), "maintenance", Some("ada"), false);
        assert!(!breaker.allows(at(100_000)));
        breaker.reset(at(100_001), "done", Some("ada"));
        assert!(breaker.allows(at(100_001)));
        let told: Vec<_> = breaker.view().history.iter().map(|step| (step.to, step.why.clone(), step.by.clone())).collect();
        let ada = || Some("ada".to_owned());
        assert_eq!(told, [(BreakerState::Closed, "done".to_owned(), ada()), (BreakerState::Open, "maintenance".to_owned(), ada())]);
    }

    #[test]
    fn its_history_is_bounded() {
        let mut breaker = CircuitBreaker::new(5);
        for second in 0..100 {
            breaker.trip(at(second), "again", None, false);
            breaker.reset(at(second), "again", None);
        }
        assert_eq!(breaker.view().history.len(), HISTORY);
    }
}
