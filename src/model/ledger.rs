//! The books: what became of every record read and every item decoded.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::position::PartitionKey;

/// Sums of one partition since its first record. Balances twice:
/// `records_read = records_decoded + records_seen_before + records_rejected` and
/// `items_decoded = items_stored + items_folded + items_seen_before`; rejected items lie in dead letters.
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

impl LedgerSums {
    /// The same sums with `items` of those booked as stored counted as seen before: their events belong to other positions.
    pub const fn with_duplicates(mut self, items: u64) -> Self {
        self.items_stored = self.items_stored.saturating_sub(items);
        self.items_seen_before += items;
        self
    }
}
