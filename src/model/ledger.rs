//! The books: what became of every record read and every item decoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dead_letter::REPLAY;
use super::position::PartitionKey;

/// Connector name of what people wrote, in the books.
pub const INBOX: &str = "inbox";

/// Sums of one partition since its first record. Balances twice:
/// `records_read = records_decoded + records_seen_before + records_rejected` and
/// `items_decoded = items_stored + items_folded + items_seen_before`; rejected items lie in dead letters.
///
/// An offset is booked once a checkpoint is past it. A record that was read and stored before a crash, and that the broker has
/// removed before it could be read again, is booked as what became of it then (decoded and stored, or dead-lettered), not as absent
/// or missed: its event, or its letter with its bytes, is there. Its items that are only counted are counted once it is booked; of
/// such a record they are gone with it, like those of any record that was removed unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerSums {
    pub records_read: u64,
    pub records_decoded: u64,
    pub records_seen_before: u64,
    pub records_rejected: u64,
    /// Offsets without a record: compacted, control, aborted.
    pub absent: u64,
    /// Offsets that retention removed before they were read.
    pub missed: u64,
    pub items_decoded: u64,
    pub items_stored: u64,
    pub items_folded: u64,
    pub items_seen_before: u64,
    pub items_rejected: u64,
}

/// One partition's books and the next offset they stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerRow {
    pub connector: String,
    pub partition: PartitionKey,
    /// First offset these sums account for.
    pub first_offset: i64,
    pub next_offset: i64,
    /// Id of the topic these offsets belong to, where the broker told it.
    #[schema(value_type = Option<String>)]
    pub topic_id: Option<Arc<str>>,
    pub sums: LedgerSums,
}

/// What the sums do not account for, as read less accounted; all zero where the books close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unaccounted {
    /// Records read that were neither decoded, nor seen before, nor dead-lettered.
    pub records: i64,
    /// Items decoded that were neither stored, nor folded, nor seen before.
    pub items: i64,
    /// Offsets passed that were neither a record, nor absent, nor missed.
    pub offsets: i64,
}

/// All books, by connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ledger {
    /// Every balance of every partition closes.
    pub closes: bool,
    pub sums: LedgerSums,
    pub connectors: Vec<ConnectorBooks>,
}

/// The books of one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectorBooks {
    /// Name of a connector; `inbox` holds what people wrote, `replay` the dead letters decoded again.
    pub connector: String,
    pub closes: bool,
    pub sums: LedgerSums,
    pub partitions: Vec<PartitionBooks>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionBooks {
    #[serde(flatten)]
    pub row: LedgerRow,
    pub unaccounted: Unaccounted,
}

impl Ledger {
    /// Sums rows up by connector, in the order of their names.
    pub fn of(rows: Vec<LedgerRow>) -> Self {
        let mut connectors: BTreeMap<String, ConnectorBooks> = BTreeMap::new();
        for row in rows {
            let fresh = || ConnectorBooks { connector: row.connector.clone(), closes: true, ..ConnectorBooks::default() };
            let books = connectors.entry(row.connector.clone()).or_insert_with(fresh);
            let unaccounted = row.unaccounted();
            books.closes &= unaccounted == Unaccounted::default();
            books.sums = books.sums.and(&row.sums);
            books.partitions.push(PartitionBooks { row, unaccounted });
        }
        let connectors: Vec<_> = connectors.into_values().collect();
        Self {
            closes: connectors.iter().all(|books| books.closes),
            sums: connectors.iter().fold(LedgerSums::default(), |sums, books| sums.and(&books.sums)),
            connectors,
        }
    }
}

impl LedgerRow {
    /// What this row's sums and offsets leave open.
    pub fn unaccounted(&self) -> Unaccounted {
        let sums = &self.sums;
        // Rows of our own queues are numbered from 1, and every one is a record.
        let is_queue = self.connector == INBOX || self.connector == REPLAY;
        let passed = if is_queue { (self.next_offset - 1).max(0) } else { self.next_offset - self.first_offset };
        Unaccounted {
            records: signed(sums.records_read) - signed(sums.records_decoded + sums.records_seen_before + sums.records_rejected),
            items: signed(sums.items_decoded) - signed(sums.items_stored + sums.items_folded + sums.items_seen_before),
            offsets: passed - signed(sums.records_decoded + sums.records_rejected + sums.absent + sums.missed),
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl LedgerSums {
    /// Both together.
    pub const fn and(mut self, other: &Self) -> Self {
        self.records_read += other.records_read;
        self.records_decoded += other.records_decoded;
        self.records_seen_before += other.records_seen_before;
        self.records_rejected += other.records_rejected;
        self.absent += other.absent;
        self.missed += other.missed;
        self.items_decoded += other.items_decoded;
        self.items_stored += other.items_stored;
        self.items_folded += other.items_folded;
        self.items_seen_before += other.items_seen_before;
        self.items_rejected += other.items_rejected;
        self
    }

    /// The same sums with `items` of those booked as stored counted as seen before: their events belong to other positions.
    pub const fn with_duplicates(mut self, items: u64) -> Self {
        self.items_stored = self.items_stored.saturating_sub(items);
        self.items_seen_before += items;
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn row(connector: &str, partition: i32, next_offset: i64, sums: LedgerSums) -> LedgerRow {
        let partition = PartitionKey { cluster: "c".into(), topic: "logs".into(), incarnation: 0, partition };
        LedgerRow { connector: connector.to_owned(), partition, first_offset: 100, next_offset, topic_id: None, sums }
    }

    const SUMS: LedgerSums = LedgerSums {
        records_read: 12,
        records_decoded: 8,
        records_seen_before: 2,
        records_rejected: 2,
        absent: 3,
        missed: 7,
        items_decoded: 20,
        items_stored: 4,
        items_folded: 15,
        items_seen_before: 1,
        items_rejected: 5,
    };

    #[test]
    fn books_close_when_records_items_and_offsets_are_all_accounted_for() {
        assert_eq!(row("logs", 0, 120, SUMS).unaccounted(), Unaccounted::default());
        let lost = LedgerSums { records_decoded: 7, items_stored: 3, ..SUMS };
        assert_eq!(row("logs", 0, 120, lost).unaccounted(), Unaccounted { records: 1, items: 1, offsets: 1 });
        let doubled = LedgerSums { items_folded: 17, ..SUMS };
        assert_eq!(row("logs", 0, 121, doubled).unaccounted(), Unaccounted { records: 0, items: -2, offsets: 1 });
    }

    #[test]
    fn rows_of_our_own_queues_are_numbered_from_one() {
        let sums = LedgerSums { records_read: 3, records_decoded: 3, ..LedgerSums::default() };
        for connector in [INBOX, REPLAY] {
            let row = LedgerRow { first_offset: 0, ..row(connector, 0, 4, sums) };
            assert_eq!(row.unaccounted(), Unaccounted::default());
            let unread = LedgerRow { next_offset: 0, sums: LedgerSums::default(), ..row };
            assert_eq!(unread.unaccounted(), Unaccounted::default());
        }
    }

    #[test]
    fn one_open_partition_opens_its_connector_and_the_whole_but_no_other() {
        let open = LedgerSums { records_decoded: 7, ..SUMS };
        let ledger = Ledger::of(vec![row("logs", 0, 120, SUMS), row("logs", 1, 120, open), row("ci", 0, 120, SUMS)]);
        let closes: Vec<_> = ledger.connectors.iter().map(|books| (books.connector.as_str(), books.closes)).collect();
        assert_eq!(closes, [("ci", true), ("logs", false)]);
        assert!(!ledger.closes);
        assert_eq!((ledger.sums.records_read, ledger.sums.missed), (36, 21));
        assert_eq!(ledger.connectors[1].sums.records_read, 24);
        assert!(Ledger::of(Vec::new()).closes);
    }
}
