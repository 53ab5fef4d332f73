//! Keyed state that checkpoints take over a little at a time.
//!
//! At a checkpoint [`KeyedState::freeze`] only notes that one began. What had changed by then is handed over in pieces, between
//! other work; a value that changes meanwhile is handed over first, as it was. So the pieces together are the state of one
//! moment, however many there are and whatever lies between them.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::snapshot::StateEntry;

/// A stage's state as checkpoints take it over.
pub trait InPieces {
    /// The moment whose state is handed over from here on; all of the one before must have been.
    fn freeze(&mut self);

    /// Hands over about `at_most` more entries of what had changed by then, and whether that is all.
    fn hand_over(&mut self, at_most: usize) -> (Vec<StateEntry>, bool);
}

/// A changed value as it was when the checkpoint began; `None` for one that was gone.
pub type Changed<K, V> = (K, Option<Arc<V>>);

#[derive(Debug)]
pub struct KeyedState<K, V> {
    slots: FxHashMap<K, Slot<V>>,
    /// Rises at every freeze.
    era: u64,
    /// Keys changed in this era; some more than once.
    changed: Vec<K>,
    /// Keys changed in the era before that are not handed over yet.
    due: Vec<K>,
    /// Of the keys removed since the freeze, while some are due.
    gone: FxHashSet<K>,
    handed_over: Vec<Changed<K, V>>,
}

#[derive(Debug)]
struct Slot<V> {
    value: Arc<V>,
    /// In which it changed last.
    era: u64,
}

impl<K, V> Default for KeyedState<K, V> {
    fn default() -> Self {
        Self {
            slots: FxHashMap::default(),
            era: 1,
            changed: Vec::new(),
            due: Vec::new(),
            gone: FxHashSet::default(),
            handed_over: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Hash + Ord, V: Clone> KeyedState<K, V> {
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn get(&self, key: K) -> Option<&V> {
        self.slots.get(&key).map(|slot| &*slot.value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.slots.iter().map(|(key, slot)| (*key, &*slot.value))
    }

    /// The value of `key` to be changed; `fresh` where there is none.
    pub fn edit(&mut self, key: K, fresh: impl FnOnce() -> V) -> &mut V {
        let Self { slots, era, changed, due, gone, handed_over } = self;
        let slot = slots.entry(key).or_insert_with(|| {
            // It may have been removed before the freeze, and be due.
            if !due.is_empty() && !gone.contains(&key) {
                handed_over.push((key, None));
            }
            changed.push(key);
            Slot { value: Arc::new(fresh()), era: *era }
        });
        if slot.era < *era {
            if !due.is_empty() && slot.era + 1 == *era {
                handed_over.push((key, Some(Arc::clone(&slot.value))));
            }
            changed.push(key);
            slot.era = *era;
        }
        Arc::make_mut(&mut slot.value)
    }

    pub fn remove(&mut self, key: K) -> Option<Arc<V>> {
        let slot = self.slots.remove(&key)?;
        if slot.era < self.era {
            self.changed.push(key);
        }
        if !self.due.is_empty() {
            self.gone.insert(key);
            if slot.era + 1 == self.era {
                self.handed_over.push((key, Some(Arc::clone(&slot.value))));
            }
        }
        Some(slot.value)
    }

    /// As a checkpoint left it.
    pub fn restore(&mut self, key: K, value: V) {
        self.slots.insert(key, Slot { value: Arc::new(value), era: 0 });
    }

    /// The moment whose state is handed over from here on; all of the one before must have been.
    pub fn freeze(&mut self) {
        self.era += 1;
        self.due = std::mem::take(&mut self.changed);
    }

    /// Hands over `at_most` more, ordered by key, and whether that is all. A key may come more than once, always the same.
    pub fn hand_over(&mut self, at_most: usize) -> (Vec<Changed<K, V>>, bool) {
        for key in self.due.drain(self.due.len().saturating_sub(at_most)..) {
            match self.slots.get(&key) {
                // Changed since, and handed over as it was before.
                Some(slot) if slot.era == self.era => {}
                Some(slot) => self.handed_over.push((key, Some(Arc::clone(&slot.value)))),
                None if self.gone.contains(&key) => {}
                None => self.handed_over.push((key, None)),
            }
        }
        if self.due.is_empty() {
            self.gone = FxHashSet::default();
        }
        let mut piece = self.handed_over.split_off(self.handed_over.len().saturating_sub(at_most));
        piece.sort_unstable_by_key(|(key, _)| *key);
        piece.dedup_by_key(|(key, _)| *key);
        (piece, self.due.is_empty() && self.handed_over.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SEEDS: u64 = 2_000;

    /// A store: what was handed over up to the last checkpoint.
    #[derive(Default)]
    struct Kept(BTreeMap<u8, u32>);

    impl Kept {
        fn take(&mut self, piece: Vec<Changed<u8, u32>>) {
            for (key, value) in piece {
                match value {
                    Some(value) => self.0.insert(key, *value),
                    None => self.0.remove(&key),
                };
            }
        }
    }

    fn change(state: &mut KeyedState<u8, u32>, random: &mut ChaCha8Rng) {
        let key = random.random_range(0..12);
        if random.random_bool(0.3) {
            state.remove(key);
        } else {
            *state.edit(key, || 0) = random.random();
        }
    }

    fn values(state: &KeyedState<u8, u32>) -> BTreeMap<u8, u32> {
        state.iter().map(|(key, value)| (key, *value)).collect()
    }

    #[test]
    fn pieces_with_changes_between_them_are_the_state_of_the_moment_it_was_frozen() {
        for seed in 0..SEEDS {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let (mut state, mut kept) = (KeyedState::default(), Kept::default());
            for _ in 0..8 {
                (0..random.random_range(0..20)).for_each(|_| change(&mut state, &mut random));
                state.freeze();
                let frozen = values(&state);
                let mut whole = false;
                while !whole {
                    let piece;
                    (piece, whole) = state.hand_over(random.random_range(1..4));
                    kept.take(piece);
                    (0..random.random_range(0..4)).for_each(|_| change(&mut state, &mut random));
                }
                assert_eq!(kept.0, frozen, "seed {seed}");
                if random.random_bool(0.3) {
                    // A restart forgets what came after.
                    state = KeyedState::default();
                    frozen.into_iter().for_each(|(key, value)| state.restore(key, value));
                }
            }
        }
    }

    #[test]
    fn a_piece_is_no_larger_than_asked_for_whatever_changes_meanwhile() {
        let mut state = KeyedState::default();
        (0..100_u32).for_each(|key| *state.edit(key, || 0) = key);
        state.freeze();
        (0..100).for_each(|key| *state.edit(key, || 0) += 1);
        let mut pieces = Vec::new();
        while pieces.last().is_none_or(|(_, whole)| !whole) {
            pieces.push(state.hand_over(30));
        }
        assert_eq!(pieces.iter().map(|(piece, _)| piece.len()).collect::<Vec<_>>(), [30, 30, 30, 10]);
        state.freeze();
        let (piece, whole) = state.hand_over(1_000);
        assert_eq!((piece.len(), whole), (100, true), "what changed meanwhile is the next one's");
    }
}
