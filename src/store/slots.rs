//! Places of events in time. Pure.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::Timestamp;

/// Width of a slot: a quarter of an hour.
const SLOT_NS: i64 = 900 * 1_000_000_000;

/// Slot of a place.
pub(super) const fn slot_of(seq: i64) -> i64 {
    seq.div_euclid(SLOT_NS)
}

/// First place of a slot.
pub(super) const fn slot_start(slot: i64) -> i64 {
    slot.saturating_mul(SLOT_NS)
}

/// Last place of a slot.
pub(super) const fn slot_end(slot: i64) -> i64 {
    slot.saturating_add(1).saturating_mul(SLOT_NS).saturating_sub(1)
}

/// Places where an event may lie, best first: its own instant, then, where others share that, a few nanoseconds on, in
/// ever wider steps by its id's hash. With a thousand events at one instant it is moved by microseconds, with a million
/// by milliseconds.
pub(super) fn candidate_seqs(timestamp: Timestamp, id: &str) -> impl Iterator<Item = i64> {
    const LAST_WIDTH_BITS: u32 = 40;
    let hash = xxh3_64(id.as_bytes());
    // Room for the widest step before the end of time.
    let base = timestamp.nanos().min(i64::MAX - (1 << LAST_WIDTH_BITS));
    std::iter::once(base).chain((0..64).map(move |attempt| {
        let width_bits = (6 + 4 * (attempt / 2)).min(LAST_WIDTH_BITS);
        let step = hash.rotate_left(attempt.wrapping_mul(7) % 64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - width_bits);
        base + step as i64
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn twenty_thousand_events_of_one_instant_find_places_within_milliseconds() {
        let instant = Timestamp::from_seconds(1_774_274_530);
        let mut taken = HashSet::new();
        for n in 0..20_000 {
            let place = candidate_seqs(instant, &format!("id-{n}")).find(|seq| !taken.contains(seq)).unwrap();
            assert!((place - instant.nanos()) < 5_000_000, "{}", place - instant.nanos());
            taken.insert(place);
        }
    }

    #[test]
    fn the_ends_of_time_have_places_too() {
        for time in [Timestamp::MIN, Timestamp::from_nanos(i64::MAX), Timestamp::from_nanos(-1)] {
            assert!(candidate_seqs(time, "x").all(|seq| seq >= time.nanos().min(i64::MAX - (1 << 40))));
        }
        assert_eq!(slot_of(-1), -1);
        assert!(slot_start(slot_of(i64::MAX)) <= slot_end(slot_of(i64::MAX)));
    }
}
