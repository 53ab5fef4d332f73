//! The simulated broker: partitions that outlive the process, behind the same messages as the Kafka consumer's.
//!
//! A feed reads its partitions in any order, in batches of any size, and asks for stored offsets where the Kafka consumer does:
//! when it is opened and whenever a partition is assigned anew. What lies in the channel to the connector at that moment is on
//! its way and not yet in anybody's books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use whydunit::actors::connector::Feed;
use whydunit::model::ports::{FeedControl, FeedTrouble, StoredOffsets};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::{BatchPartition, RecordBatch};

use crate::consumer::{Consumer, Owned};
use crate::faults::{Fault, Injector, Seam};
use crate::mutations::Mutation;
use crate::workload::{PartitionLog, Slot, World};

const CLUSTER: &str = "simulated";
/// Batches between a feed and its connector.
const CHANNEL: usize = 4;

pub struct Broker {
    pub world: Arc<World>,
    pub injector: Arc<Injector>,
    pub mutation: Option<Mutation>,
    state: Mutex<State>,
    /// How many of the world's inbox events were answered. The broker's topics end no sooner than people have written.
    pub written: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// Current incarnation by partition.
    lives: Vec<usize>,
    /// Next offsets published, by partition and incarnation.
    committed: BTreeMap<(usize, usize), i64>,
    /// One past the last offset that any feed was given, by partition and incarnation.
    delivered: BTreeMap<(usize, usize), i64>,
    compacts_when_down: bool,
    compacted: Compacted,
}

/// Records that are there no more: partition, incarnation, offset.
pub type Compacted = BTreeSet<(usize, usize, i64)>;

/// What the feed's handle and its task share.
#[derive(Default)]
pub struct Control {
    pub paused: AtomicBool,
    pub stopped: AtomicBool,
    pub held_back: Mutex<Vec<PartitionKey>>,
}

struct Handle {
    broker: Arc<Broker>,
    control: Arc<Control>,
}

impl FeedControl for Handle {
    fn pause(&self) {
        self.control.paused.store(true, Ordering::Relaxed);
    }

    fn resume(&self) {
        self.control.paused.store(false, Ordering::Relaxed);
    }

    fn hold_back(&self, partitions: &[PartitionKey]) {
        if !self.broker.injector.is_dead() {
            assert!(self.broker.injector.pass(Seam::HoldBack).is_none(), "holding partitions back panics, on purpose");
        }
        if self.broker.injector.style.holds_back {
            *self.control.held_back.lock().unwrap_or_else(PoisonError::into_inner) = partitions.to_vec();
        }
    }

    fn commit(&self, next_offsets: &[(PartitionKey, i64)]) {
        if self.broker.injector.is_dead() {
            return;
        }
        assert!(self.broker.injector.pass(Seam::Commit).is_none(), "publishing offsets panics, on purpose");
        let mut state = self.broker.state();
        for (key, next_offset) in next_offsets {
            if let Some(partition) = self.broker.partition_of(key) {
                let life =
                    if self.broker.mutation == Some(Mutation::NewLifeIgnored) { state.lives[partition] } else { key.incarnation as usize };
                state.committed.insert((partition, life), *next_offset);
            }
        }
    }

    fn stop(&self) {
        self.control.stopped.store(true, Ordering::Relaxed);
    }
}

impl Broker {
    pub fn new(world: &Arc<World>, injector: &Arc<Injector>, mutation: Option<Mutation>) -> Arc<Self> {
        let state = State { lives: vec![0; world.partitions.len()], ..State::default() };
        Arc::new(Self {
            world: world.clone(),
            injector: injector.clone(),
            mutation,
            state: Mutex::new(state),
            written: AtomicUsize::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At the next start, some of what was delivered is gone.
    pub fn compact_when_down(&self) {
        self.state().compacts_when_down = true;
    }

    /// A process starts.
    pub fn started(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.compacts_when_down) {
            for ((partition, life), next) in state.delivered.clone() {
                let gone = (0..next).filter(|_| self.injector.chance(0.5)).map(|offset| (partition, life, offset));
                state.compacted.extend(gone);
            }
        }
    }

    pub fn compacted(&self) -> Compacted {
        self.state().compacted.clone()
    }

    fn partition_of(&self, key: &PartitionKey) -> Option<usize> {
        self.world.partitions.iter().position(|log| log.topic == key.topic && log.partition == key.partition)
    }

    pub fn people_are_done(&self) -> bool {
        self.written.load(Ordering::Relaxed) == self.world.inbox.len()
    }

    /// Starts a feed of one connector. Needs a tokio runtime.
    pub fn open(self: &Arc<Self>, connector: usize, offsets: Arc<dyn StoredOffsets>) -> Result<Feed, FeedTrouble> {
        let fault = self.injector.pass(Seam::Open);
        assert!(fault != Some(Fault::ConnectorPanicsAtStart), "opening a feed panics, on purpose");
        if fault == Some(Fault::FeedRefuses) {
            self.injector.tell(|| format!("!! feed {connector} refuses to start"));
            let message = "cannot start, on purpose".to_owned();
            return Err(FeedTrouble::passing("broker_unreachable", message));
        }
        let (sender, receiver) = tokio::sync::mpsc::channel(CHANNEL);
        let control = Arc::new(Control::default());
        let consumer = Consumer::new(self.clone(), connector, offsets, sender, control.clone());
        tokio::spawn(consumer.run());
        Ok((receiver, Arc::new(Handle { broker: self.clone(), control })))
    }

    pub fn log(&self, partition: usize) -> &PartitionLog {
        &self.world.partitions[partition]
    }

    pub fn key(&self, partition: usize, life: usize) -> PartitionKey {
        let log = self.log(partition);
        let incarnation = if self.mutation == Some(Mutation::NewLifeIgnored) { 0 } else { life as u32 };
        PartitionKey { cluster: CLUSTER.into(), topic: log.topic.clone(), incarnation, partition: log.partition }
    }

    /// Where a partition is read from, given what the books say: those of the running connector, which may be ahead of the
    /// database. What counts as published is only what was durable.
    pub fn place(&self, partition: usize, connector: &str, offsets: &dyn StoredOffsets) -> Owned {
        let log = self.log(partition);
        let stored = offsets.stored(connector, CLUSTER, &log.topic, log.partition);
        let stored = stored.map(|stored| (stored.incarnation, stored.next_offset));
        self.make_anew(partition);
        let life = self.state().lives[partition];
        let next = match stored {
            Some((_, next_offset)) if self.mutation == Some(Mutation::NewLifeIgnored) => next_offset,
            Some((incarnation, next_offset)) if incarnation as usize == life => next_offset,
            // Of an earlier life nothing is left.
            _ => 0,
        };
        Owned { partition, life, next, end_told: false, away_until: None }
    }

    /// The topic is deleted and made anew once all its records are read and their offsets published. True when it just was.
    pub fn make_anew(&self, partition: usize) -> bool {
        let lives = &self.log(partition).lives;
        let mut state = self.state();
        let life = state.lives[partition];
        let is_over = life + 1 < lives.len()
            && (lives[life].is_empty() || state.committed.get(&(partition, life)).is_some_and(|next| *next >= lives[life].len() as i64));
        state.lives[partition] += usize::from(is_over);
        is_over
    }

    /// Adds at most `limit` records of a partition to a batch.
    pub fn fill(&self, batch: &mut RecordBatch, owned: &mut Owned, limit: usize) {
        let log = self.log(owned.partition);
        let slots = &log.lives[owned.life];
        let is_last = owned.life + 1 == log.lives.len();
        let start = usize::try_from(owned.next).unwrap_or(0).min(slots.len());
        let taken = until_the_next_gap(&slots[start..(start + limit).min(slots.len())]);
        let index = batch.partitions.len() as u16;
        let next_offset = (start + taken.len()) as i64;
        let at_end = is_last && next_offset as usize == slots.len();
        let mut state = self.state();
        let key = (owned.partition, owned.life);
        let delivered = state.delivered.entry(key).or_default();
        *delivered = (*delivered).max(next_offset);
        let compacted = state.compacted.clone();
        drop(state);
        let is_gone = |offset: i64| compacted.contains(&(key.0, key.1, offset));
        let gone = (start as i64..).zip(taken).filter(|(offset, slot)| matches!(slot, Slot::Record(_)) && is_gone(*offset)).count() as u64;
        let count = |wanted: fn(&Slot) -> bool| taken.iter().filter(|slot| wanted(slot)).count() as u64;
        batch.partitions.push(BatchPartition {
            key: self.key(owned.partition, owned.life),
            next_offset,
            end_offset: if is_last { slots.len() as i64 } else { -1 },
            absent: gone + count(|slot| matches!(slot, Slot::Absent)),
            missed: count(|slot| matches!(slot, Slot::Missed)),
            at_end,
        });
        for (offset, slot) in (start as i64..).zip(taken) {
            let Slot::Record(record) = slot else { continue };
            if is_gone(offset) {
                continue;
            }
            let headers: Vec<_> = record.headers.iter().map(|(name, value)| (*name, Some(value.as_slice()))).collect();
            batch.push(index, offset, Some(record.timestamp), record.key.as_deref(), record.value.as_deref(), &headers);
        }
        owned.next = next_offset;
        owned.end_told |= at_end;
    }
}

/// Where retention has removed records, reading is placed anew: what it removed lies where a batch begins, never within one.
fn until_the_next_gap(slots: &[Slot]) -> &[Slot] {
    let is_missed = |slot: &Slot| matches!(slot, Slot::Missed);
    let gap = slots.iter().take_while(|slot| is_missed(slot)).count();
    let end = slots[gap..].iter().position(is_missed).map_or(slots.len(), |more| gap + more);
    &slots[..end]
}
