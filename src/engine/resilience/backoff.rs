//! Exponential backoff with full jitter.
//!
//! Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").

use xxhash_rust::xxh3::xxh3_64;

/// Delays of 1, 2, 4, 8 … at most 30 seconds, each drawn between nothing and that bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    seed: u64,
    attempt: u32,
}

const BASE_MS: u64 = 1_000;
const MAX_MS: u64 = 30_000;

impl Backoff {
    pub const fn new(seed: u64) -> Self {
        Self { seed, attempt: 0 }
    }

    /// One that goes on after so many attempts.
    pub const fn after(seed: u64, attempt: u32) -> Self {
        Self { seed, attempt }
    }

    /// Attempts since the last success.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The next delay in milliseconds, from 0 to the attempt's bound.
    pub fn next_delay_ms(&mut self) -> u64 {
        let bound = Self::bound_ms(self.attempt);
        let draw = xxh3_64(&[self.seed.to_le_bytes(), u64::from(self.attempt).to_le_bytes()].concat());
        self.attempt = self.attempt.saturating_add(1);
        draw % (bound + 1)
    }

    pub fn succeeded(&mut self) {
        self.attempt = 0;
    }

    fn bound_ms(attempt: u32) -> u64 {
        BASE_MS.checked_shl(attempt.min(16)).unwrap_or(MAX_MS).min(MAX_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_under_a_doubling_bound_of_at_most_thirty_seconds() {
        let mut backoff = Backoff::new(7);
        for bound in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert!(backoff.next_delay_ms() <= bound);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_delays_and_success_starts_over() {
        let (mut a, mut b) = (Backoff::new(42), Backoff::new(42));
        let first: Vec<_> = (0..5).map(|_| a.next_delay_ms()).collect();
        let second: Vec<_> = (0..5).map(|_| b.next_delay_ms()).collect();
        assert_eq!(first, second);
        a.succeeded();
        assert_eq!(a.next_delay_ms(), first[0]);
    }
}
