//! State of stages as it goes into a checkpoint.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::Bucket;
use super::ledger::LedgerRow;
use super::position::PartitionKey;

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

/// What one stage changed since the last checkpoint, or a piece of it. `stage` is its name and shard: `detection/0`.
#[derive(Clone, Debug, Default)]
pub struct StateDelta {
    pub stage: String,
    pub entries: Vec<StateEntry>,
}

/// Some of a checkpoint's state, written ahead of the checkpoint that puts it into force.
#[derive(Clone, Debug)]
pub struct StatePart {
    pub epoch: u64,
    pub deltas: Vec<StateDelta>,
}

/// Offsets and the state that stands for them; in force together.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    pub epoch: u64,
    /// Last bucket whose rows and events it covers; those of later buckets are made again from its state.
    pub closed_through: Option<Bucket>,
    pub ledger: Vec<LedgerRow>,
    pub deltas: Vec<StateDelta>,
}

impl Checkpoint {
    /// Takes in what an older checkpoint changed that this one did not change again.
    pub fn absorb(&mut self, mut older: Vec<StateDelta>) {
        let ours = self.deltas.iter().flat_map(|delta| delta.entries.iter().map(move |entry| (delta.stage.as_str(), entry.key.as_slice())));
        let changed: BTreeSet<(&str, &[u8])> = ours.collect();
        for delta in &mut older {
            delta.entries.retain(|entry| !changed.contains(&(delta.stage.as_str(), entry.key.as_slice())));
        }
        older.retain(|delta| !delta.entries.is_empty());
        self.deltas.extend(older);
    }

    /// Takes `entries` state entries out, or all that are left when they are no more than that.
    pub fn take_part(&mut self, entries: usize) -> StatePart {
        let mut part = StatePart { epoch: self.epoch, deltas: Vec::new() };
        let mut room = entries;
        while room > 0
            && let Some(last) = self.deltas.last_mut()
        {
            let taken = last.entries.split_off(last.entries.len().saturating_sub(room));
            room -= taken.len();
            part.deltas.push(StateDelta { stage: last.stage.clone(), entries: taken });
            if last.entries.is_empty() {
                self.deltas.pop();
            }
        }
        part
    }
}

/// A record that was read and stored before a crash, and that the books do not know of. It is read again, and then is nothing
/// new; but a broker may have removed it meanwhile, and then this is what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    pub connector: String,
    pub partition: PartitionKey,
    pub offset: i64,
    /// Items stored as an event each.
    pub items: u64,
    /// Its dead letter, when it has one.
    pub letter: Option<AheadLetter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AheadLetter {
    /// The whole record could not be read.
    Whole,
    /// So many items of it.
    Items(u64),
}

/// What a restart loads: every stage's entries, and the books.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub epoch: u64,
    pub ledger: Vec<LedgerRow>,
    /// What is stored of records beyond the books, as far as it is made of one record each.
    pub ahead: Vec<Ahead>,
    /// (stage, key, value), ordered.
    pub entries: Vec<(String, Vec<u8>, Vec<u8>)>,
}

impl Snapshot {
    /// Entries of one stage, in key order.
    pub fn of_stage<'a>(&'a self, stage: &'a str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.entries.iter().filter(move |(name, _, _)| name == stage).map(|(_, key, value)| (key.as_slice(), value.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_newer_change_of_a_key_stands_over_an_older_one() {
        let entry = |key: u8, value: u32| StateEntry { key: vec![key], value: Some(Arc::new(value)) };
        let delta = |stage: &str, entries| StateDelta { stage: stage.to_owned(), entries };
        let mut newer = Checkpoint { epoch: 2, deltas: vec![delta("a", vec![entry(1, 20)])], ..Checkpoint::default() };
        newer.deltas.push(delta("a", vec![entry(3, 21)]));
        newer.absorb(vec![delta("a", vec![entry(1, 10), entry(2, 11), entry(3, 13)]), delta("b", vec![entry(1, 12)])]);
        let found: Vec<(&str, u8, Vec<u8>)> = newer
            .deltas
            .iter()
            .flat_map(|delta| {
                delta.entries.iter().map(|entry| (&*delta.stage, entry.key[0], entry.value.as_ref().unwrap().encode().unwrap()))
            })
            .collect();
        assert_eq!(found, [("a", 1, vec![20]), ("a", 3, vec![21]), ("a", 2, vec![11]), ("b", 1, vec![12])]);
    }

    #[test]
    fn a_checkpoint_is_taken_apart_without_losing_an_entry() {
        let entries = |stage: &str, count: u8| StateDelta {
            stage: stage.to_owned(),
            entries: (0..count).map(|n| StateEntry { key: vec![n], value: None }).collect(),
        };
        let mut checkpoint =
            Checkpoint { epoch: 7, deltas: vec![entries("a", 5), entries("empty", 0), entries("b", 4)], ..Checkpoint::default() };
        let (mut parts, mut keys) = (Vec::new(), Vec::new());
        while !checkpoint.deltas.is_empty() {
            let part = checkpoint.take_part(3);
            parts.push((part.epoch, part.deltas.iter().map(|delta| delta.entries.len()).sum::<usize>()));
            keys.extend(
                part.deltas.into_iter().flat_map(|delta| delta.entries.into_iter().map(move |entry| (delta.stage.clone(), entry.key))),
            );
        }
        assert_eq!(parts, [(7, 3), (7, 3), (7, 3)]);
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 9);
    }
}
