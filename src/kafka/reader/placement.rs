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
    /// The topic was deleted and made anew.
    pub(super) is_other_topic: bool,
    /// The log ends below what was read of it, and nothing tells another topic.
    pub(super) is_cut: bool,
}

/// `stored` is (incarnation, next offset); `same_topic` whether the topic's id is the one those were read under, `None` when
/// one of the two ids is not known; `fresh` the offset a partition without a stored one starts at.
///
/// Another topic is new data from its beginning. So is, when ids are not known, a log that ends below our offset. The same
/// topic cut below our offset has lost records: what it has left was read, what comes takes the offsets of the lost.
pub(super) fn place(stored: Option<(u32, i64)>, same_topic: Option<bool>, extent: Extent, fresh: i64) -> Placement {
    let Some((incarnation, next)) = stored else {
        return at(0, fresh.clamp(extent.low, extent.high.max(extent.low)));
    };
    let next_incarnation = incarnation.saturating_add(1);
    match same_topic {
        Some(false) => Placement { is_other_topic: true, ..at(next_incarnation, extent.low) },
        Some(true) if extent.high < next => Placement { is_cut: true, ..at(next_incarnation, extent.high) },
        None if extent.high < next => Placement { is_cut: true, ..at(next_incarnation, extent.low) },
        _ if next < extent.low => Placement { fetch_offset: extent.low, missed: next.abs_diff(extent.low), ..at(incarnation, next) },
        _ => at(incarnation, next),
    }
}

const fn at(incarnation: u32, offset: i64) -> Placement {
    Placement { incarnation, from_offset: offset, fetch_offset: offset, missed: 0, is_other_topic: false, is_cut: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent { low: 100, high: 200 };

    #[test]
    fn a_stored_offset_wins_over_the_start() {
        assert_eq!(place(Some((3, 150)), Some(true), EXTENT, 200), at(3, 150));
        assert_eq!(place(Some((3, 150)), None, EXTENT, 200), at(3, 150));
    }

    #[test]
    fn everything_read_waits_at_the_end() {
        assert_eq!(place(Some((0, 200)), Some(true), EXTENT, 100), at(0, 200));
    }

    #[test]
    fn a_partition_never_read_begins_at_the_start_inside_what_the_broker_has() {
        assert_eq!(place(None, None, EXTENT, 170), at(0, 170));
        assert_eq!(place(None, None, EXTENT, 5), at(0, 100));
        assert_eq!(place(None, None, EXTENT, 900), at(0, 200));
    }

    #[test]
    fn what_retention_removed_is_counted() {
        let placement = place(Some((1, 40)), Some(true), EXTENT, 0);
        assert_eq!(placement, Placement { fetch_offset: 100, missed: 60, ..at(1, 40) });
    }

    #[test]
    fn another_topic_under_the_name_is_read_whole_wherever_our_offset_lies() {
        for next in [40, 150, 500] {
            assert_eq!(place(Some((1, next)), Some(false), EXTENT, 0), Placement { is_other_topic: true, ..at(2, 100) });
        }
    }

    #[test]
    fn a_log_that_ends_below_our_offset_is_another_topic_unless_it_is_known_to_be_the_same() {
        assert_eq!(place(Some((1, 500)), None, EXTENT, 200), Placement { is_cut: true, ..at(2, 100) });
        assert_eq!(place(Some((1, 500)), Some(true), EXTENT, 200), Placement { is_cut: true, ..at(2, 200) });
    }
}
