//! When to try again to tell.

use crate::engine::resilience::backoff::Backoff;
use crate::model::Timestamp;
use crate::model::notification::{DeliveryResult, Outgoing};

/// Failures in a row after which a channel's breaker opens.
pub const BREAKER_THRESHOLD: u32 = 5;
/// Longest reason kept, characters: what a receiver answers is not ours.
const MAX_ERROR_CHARS: usize = 500;

/// What is to be done after a failure: tried again within 30 s, or given up once that would be later than `give_up_after_s` after
/// it was made.
pub fn after_failure(outgoing: &Outgoing, error: &str, now: Timestamp, give_up_after_s: u32) -> DeliveryResult {
    let error = crate::model::event::truncate(error, MAX_ERROR_CHARS);
    let seed = xxhash_rust::xxh3::xxh3_64(outgoing.notification.id.as_bytes());
    let delay_ms = Backoff::after(seed, outgoing.attempts).next_delay_ms();
    let next_attempt_at = now.plus_millis(i64::try_from(delay_ms).unwrap_or(i64::MAX));
    if next_attempt_at.seconds_since(outgoing.made_at) > f64::from(give_up_after_s) {
        DeliveryResult::GivenUp { error }
    } else {
        DeliveryResult::Failed { error, next_attempt_at }
    }
}
