//! Where to start reading a partition: a decision over what we stored and what the broker has.

/// What the broker has of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Offset of the oldest record it still has.
    pub(super) low: i64,
    /// Offset after its newest readable record.
    pub(super) high: i64,
}

/// Where a partition's reading starts, and what that means for the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) incarnation: u32,
    /// First offset the books account for.
    pub(super) from_offset: i64,
    /// Offset to fetch; above `from_offset` by what retention removed.
    pub(super) fetch_offset: i64,
    pub(super) missed: u64,
}

/// `stored` is (incarnation, next offset); `fresh` the offset a partition without one starts at.
///
/// A log that ends below our offset is another log: the topic was deleted and made anew (or cut by an unclean election), so
/// all of it is unread.
pub(super) fn place(stored: Option<(u32, i64)>, extent: Extent, fresh: i64) -> Placement {
    match stored {
        None => at(0, fresh.clamp(extent.low, extent.high.max(extent.low))),
        Some((incarnation, next)) if ends_below(extent, next) => place_anew(incarnation, extent),
        Some((incarnation, next)) if next < extent.low => {
            Placement { incarnation, from_offset: next, fetch_offset: extent.low, missed: next.abs_diff(extent.low) }
        }
        Some((incarnation, next)) => at(incarnation, next),
    }
}

/// The start of another life of the topic: all of it is unread.
pub(super) const fn place_anew(incarnation: u32, extent: Extent) -> Placement {
    at(incarnation.saturating_add(1), extent.low)
}

/// True when the broker's log ends below the offset we would read next.
pub(super) const fn ends_below(extent: Extent, next: i64) -> bool {
    extent.high < next
}

const fn at(incarnation: u32, offset: i64) -> Placement {
    Placement { incarnation, from_offset: offset, fetch_offset: offset, missed: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent { low: 100, high: 200 };

    #[test]
    fn a_stored_offset_wins_over_the_start() {
        assert_eq!(place(Some((3, 150)), EXTENT, 200), at(3, 150));
    }

    #[test]
    fn everything_read_waits_at_the_end() {
        assert_eq!(place(Some((0, 200)), EXTENT, 100), at(0, 200));
    }

    #[test]
    fn a_partition_never_read_begins_at_the_start_inside_what_the_broker_has() {
        assert_eq!(place(None, EXTENT, 170), at(0, 170));
        assert_eq!(place(None, EXTENT, 5), at(0, 100));
        assert_eq!(place(None, EXTENT, 900), at(0, 200));
    }

    #[test]
    fn what_retention_removed_is_counted() {
        let placement = place(Some((1, 40)), EXTENT, 0);
        assert_eq!(placement, Placement { incarnation: 1, from_offset: 40, fetch_offset: 100, missed: 60 });
    }

    #[test]
    fn a_log_that_ends_below_our_offset_is_another_life_of_the_topic() {
        assert_eq!(place(Some((1, 500)), EXTENT, 200), at(2, 100));
    }
}
