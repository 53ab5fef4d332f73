//! The books of the sources: what each has taken in, and where it reads on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::kept::Kept;
use crate::engine::resilience::offset_ledger::OffsetLedger;
use crate::model::ledger::{LedgerRow, LedgerSums};
use crate::model::ports::{StoredOffset, StoredOffsets};
use crate::model::position::PartitionKey;

/// One connector's, shared with its feed: what the connector has taken in is where the feed reads on. Ahead of the last checkpoint
/// while the pipeline lives, as its stages are; a rebuild restores both from the snapshot.
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

/// Those of a queue inside the database: the inbox, the replays.
#[derive(Debug)]
pub struct QueueBooks(Mutex<LedgerRow>);

impl QueueBooks {
    /// As the last checkpoint left them in `rows`, or fresh.
    pub fn restore(name: &str, rows: &[LedgerRow]) -> Self {
        let fresh = || LedgerRow {
            connector: name.to_owned(),
            partition: PartitionKey { cluster: "local".into(), topic: name.into(), incarnation: 0, partition: 0 },
            first_offset: 0,
            next_offset: 0,
            topic_id: None,
            sums: LedgerSums::default(),
        };
        Self(Mutex::new(rows.iter().find(|row| row.connector == name).cloned().unwrap_or_else(fresh)))
    }

    pub fn lock(&self) -> MutexGuard<'_, LedgerRow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The books of any source, as a checkpoint reads them.
#[derive(Clone, Debug)]
pub enum SourceBooks {
    Connector(Arc<Kept>),
    Queue(Arc<QueueBooks>),
}

impl SourceBooks {
    /// `None` where they are torn.
    pub fn rows(&self) -> Option<Vec<LedgerRow>> {
        match self {
            Self::Connector(kept) => kept.rows(),
            Self::Queue(books) => Some(vec![books.lock().clone()]),
        }
    }
}
