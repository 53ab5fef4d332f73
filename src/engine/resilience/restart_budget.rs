//! How often a pipeline may be rebuilt before the process gives up.

use std::collections::VecDeque;

use crate::model::Timestamp;

/// At most `limit` restarts in any `window_s` seconds.
#[derive(Clone, Debug)]
pub struct RestartBudget {
    limit: usize,
    window_s: i64,
    restarts: VecDeque<Timestamp>,
}

impl RestartBudget {
    pub const fn new(limit: usize, window_s: i64) -> Self {
        Self { limit, window_s, restarts: VecDeque::new() }
    }

    /// Takes one restart; false when the budget is used up.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let oldest_kept = now.plus_seconds(-self.window_s);
        while self.restarts.front().is_some_and(|restart| *restart <= oldest_kept) {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= self.limit {
            return false;
        }
        self.restarts.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_restart_within_a_minute_is_refused_and_later_ones_are_not() {
        let mut budget = RestartBudget::new(5, 60);
        for second in 0..5 {
            assert!(budget.take(Timestamp::from_seconds(second)));
        }
        assert!(!budget.take(Timestamp::from_seconds(59)));
        assert!(budget.take(Timestamp::from_seconds(60)));
    }
}
