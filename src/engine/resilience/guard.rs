//! Whether one connector may read: its breaker, backoff and restart budget, and what made it pause. Outlives its stage and
//! every rebuild of the pipeline.

use super::backoff::Backoff;
use super::circuit_breaker::CircuitBreaker;
use super::letter_budget::LetterBudget;
use super::restart_budget::RestartBudget;
use super::wrong_topic::TopicWatch;
use crate::model::Timestamp;
use crate::model::connector::BreakerState;

/// Failures in a row that open the breaker.
const FAILURES_IN_A_ROW: u32 = 5;
/// Restarts of a connector's stage within [`BUDGET_WINDOW_S`] after which its breaker opens.
const BUDGET: usize = 5;
const BUDGET_WINDOW_S: i64 = 60;

#[derive(Clone, Debug)]
pub struct Guard {
    pub breaker: CircuitBreaker,
    pub backoff: Backoff,
    pub topic: TopicWatch,
    pub letters: LetterBudget,
    pub pause: Option<Pause>,
    /// Whether the pause that a process before this one left was looked for.
    pub recalled: bool,
    restarts: RestartBudget,
}

/// Why a connector does not read although it could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pause {
    ByPerson,
    /// Its topic is not what the settings say; a person lets it go on.
    WrongTopic(String),
    /// Its dead letters have reached their cap; it goes on by itself when there is room.
    LettersFull(String),
}

impl Pause {
    pub fn sentence(&self) -> &str {
        match self {
            Self::ByPerson => "paused by a person",
            Self::WrongTopic(sentence) | Self::LettersFull(sentence) => sentence,
        }
    }
}

impl Guard {
    /// `name` seeds the jitter, so that connectors do not try again in step.
    pub fn new(name: &str, letters_cap: u64) -> Self {
        let seed = u64::from(name.bytes().map(u32::from).sum::<u32>());
        Self {
            breaker: CircuitBreaker::new(FAILURES_IN_A_ROW),
            backoff: Backoff::new(seed),
            topic: TopicWatch::default(),
            letters: LetterBudget::new(letters_cap),
            pause: None,
            recalled: false,
            restarts: RestartBudget::new(BUDGET, BUDGET_WINDOW_S),
        }
    }

    /// The stage died. Returns how long to wait before it is built again, milliseconds; once built it waits for its breaker.
    pub fn stage_died(&mut self, now: Timestamp, reason: &str) -> u64 {
        self.breaker.failed(now, reason);
        if !self.restarts.take(now) && self.breaker.state() != BreakerState::Open {
            let why = format!("restarted {BUDGET} times within {BUDGET_WINDOW_S} s, the last time because {reason}");
            self.breaker.trip(now, &why, None, false);
        }
        if self.breaker.state() == BreakerState::Open { 0 } else { self.backoff.next_delay_ms() }
    }

    pub fn succeeded(&mut self, now: Timestamp) {
        self.breaker.succeeded(now);
        self.backoff.succeeded();
    }

    /// A feed failed. When to try again; `None` when only a person can say so.
    pub fn failed(&mut self, now: Timestamp, reason: &str) -> Option<Timestamp> {
        self.breaker.failed(now, reason);
        let delay_ms = i64::try_from(self.backoff.next_delay_ms()).unwrap_or(i64::MAX);
        match self.breaker.state() {
            BreakerState::Open => self.breaker.retry_at(),
            BreakerState::Closed | BreakerState::HalfOpen => Some(now.plus_millis(delay_ms)),
        }
    }

    /// A person lets it try again.
    pub fn reset(&mut self, now: Timestamp, why: &str, by: Option<&str>) {
        self.breaker.reset(now, why, by);
        self.backoff.succeeded();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_dies_again_and_again_between_batches_that_go_well_opens_its_breaker() {
        let mut guard = Guard::new("logs", 1);
        for second in 0..5 {
            guard.stage_died(Timestamp::from_seconds(second), "it panicked");
            (0..9).for_each(|_| guard.succeeded(Timestamp::from_seconds(second)));
            assert_eq!(guard.breaker.state(), BreakerState::Closed);
        }
        guard.stage_died(Timestamp::from_seconds(5), "it panicked");
        assert_eq!(guard.breaker.retry_at(), Some(Timestamp::from_seconds(15)));
        assert!(guard.breaker.view().history[0].why.contains("restarted 5 times"));
    }
}
