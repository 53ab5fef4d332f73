//! State of stages as it goes into a checkpoint.

use std::fmt;
use std::sync::Arc;

use super::ledger::LedgerRow;

/// Serialised on the recorder's thread, so that stages hand over an `Arc` and go on.
pub trait Encode: Send + Sync {
    fn encode(&self) -> Result<Vec<u8>, String>;
}

impl<T: serde::Serialize + Send + Sync> Encode for T {
    fn encode(&self) -> Result<Vec<u8>, String> {
        postcard::to_stdvec(self).map_err(|error| error.to_string())
    }
}

/// One changed piece of a stage's state; `value: None` removes it.
#[derive(Clone)]
pub struct StateEntry {
    pub key: Vec<u8>,
    pub value: Option<Arc<dyn Encode>>,
}

impl fmt::Debug for StateEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateEntry").field("key", &self.key).field("removed", &self.value.is_none()).finish()
    }
}

/// What one stage changed since the last checkpoint. `stage` is its name and shard: `detection/0`.
#[derive(Clone, Debug, Default)]
pub struct StateDelta {
    pub stage: String,
    pub entries: Vec<StateEntry>,
}

/// Offsets and the state that stands for them; committed in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    pub epoch: u64,
    pub ledger: Vec<LedgerRow>,
    pub deltas: Vec<StateDelta>,
}

/// What a restart loads: every stage's entries, and the books.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub epoch: u64,
    pub ledger: Vec<LedgerRow>,
    /// (stage, key, value), ordered.
    pub entries: Vec<(String, Vec<u8>, Vec<u8>)>,
}

impl Snapshot {
    /// Entries of one stage, in key order.
    pub fn of_stage<'a>(&'a self, stage: &'a str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.entries.iter().filter(move |(name, _, _)| name == stage).map(|(_, key, value)| (key.as_slice(), value.as_slice()))
    }
}
