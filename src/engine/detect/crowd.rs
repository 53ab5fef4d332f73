//! New services beyond what fits until the next bucket closes, counted together.
//!
//! Between two closes nothing is let go, so what comes new is bounded by itself: a shard holds at most twice the entities it keeps.
//! Beyond that, the new ones with the largest keys are counted as one service, whichever came first. That one is counted and stored
//! like any other, and never judged: what it shows is who happens to be in it.

use std::collections::BTreeSet;

use super::pending::Pending;
use crate::model::entity::symbol;
use crate::model::observation::Definition;
use crate::model::{EntityKey, Symbol};

/// Name of the service on the page, without its shard.
pub const OTHER_SERVICES: &str = "(other services)";

/// Which entities are new, and what stands for those that do not fit.
#[derive(Debug)]
pub struct Crowd {
    /// Entities in memory, at most.
    limit: usize,
    /// Of those in memory, which no close has counted yet.
    fresh: BTreeSet<EntityKey>,
    /// Counts for those that do not fit. Of this shard alone: a row has one writer.
    other: EntityKey,
    name: String,
    items: u64,
}

/// Where an item of an entity is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Own,
    /// In its own place, once this one has given up its.
    InPlaceOf(EntityKey),
    WithTheOthers,
}

impl Crowd {
    pub fn new(shard: usize, kept: usize) -> Self {
        let name = if shard == 0 { OTHER_SERVICES.to_owned() } else { format!("{OTHER_SERVICES} {shard}") };
        let other = EntityKey { environment: Symbol::NONE, service: symbol(&name) };
        Self { limit: kept.saturating_mul(2), fresh: BTreeSet::new(), other, name, items: 0 }
    }

    pub const fn other(&self) -> EntityKey {
        self.other
    }

    /// Its name, to be learned like any other.
    pub fn definition(&self) -> Definition {
        Definition { symbol: self.other.service, text: self.name.as_str().into() }
    }

    /// Items counted with the others so far.
    pub const fn items(&self) -> u64 {
        self.items
    }

    pub const fn counted(&mut self, items: u64) {
        self.items += items;
    }

    /// An entity that is not in memory, where `entities` are.
    pub fn place(&mut self, key: EntityKey, entities: usize) -> Place {
        if key == self.other {
            return Place::Own;
        }
        if entities < self.limit {
            self.fresh.insert(key);
            return Place::Own;
        }
        match self.fresh.last().copied().filter(|largest| *largest > key) {
            Some(largest) => {
                self.fresh.remove(&largest);
                self.fresh.insert(key);
                Place::InPlaceOf(largest)
            }
            None => Place::WithTheOthers,
        }
    }

    /// Counted by a close, or let go.
    pub fn settle(&mut self, key: EntityKey) {
        self.fresh.remove(&key);
    }

    /// Taken back from a snapshot, not counted by a close yet.
    pub fn restore(&mut self, key: EntityKey) {
        if key != self.other {
            self.fresh.insert(key);
        }
    }
}

/// Lines, points and spans in a bucket still open.
pub const fn items_of(pending: &Pending) -> u64 {
    pending.logs.items + pending.metrics.items + pending.traces.items
}
