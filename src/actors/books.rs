//! One connector's books, shared with its feed: what the connector has taken in is where the feed reads on.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::resilience::offset_ledger::OffsetLedger;
use crate::model::ports::{StoredOffset, StoredOffsets};

/// Ahead of the last checkpoint while the pipeline lives, as its stages are; a rebuild restores both from the snapshot.
#[derive(Debug, Default)]
pub struct Books(Mutex<OffsetLedger>);

impl Books {
    pub fn new(ledger: OffsetLedger) -> Self {
        Self(Mutex::new(ledger))
    }

    /// Somebody panicked between lock and unlock: what they say cannot be relied on.
    pub fn is_torn(&self) -> bool {
        self.0.is_poisoned()
    }

    /// Torn books take the pipeline down, and are made anew with it.
    pub fn lock(&self) -> MutexGuard<'_, OffsetLedger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredOffsets for Books {
    fn stored(&self, _connector: &str, cluster: &str, topic: &str, partition: i32) -> Option<StoredOffset> {
        self.lock().stored(cluster, topic, partition)
    }
}
