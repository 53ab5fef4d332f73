//! Partitions that must wait: all of them while the pipeline is busy, single ones while slower ones catch up.
//!
//! Two ways of librdkafka make this delicate. Told a partition's end, it counts that as a record read, so that what it
//! takes for our position is one too far; and it goes back to that position whenever it pauses a partition, for us or, in a
//! rebalance, for itself. So its idea of our position is never used: whatever was paused is sent to the offset we packed
//! last, what it has fetched but we have not packed is dropped, and a jump in the first thing that follows is believed only
//! when it is there on a second reading. And a pause outlives the assignment: a partition that is given back after it was
//! taken away is told to go on.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError as NativeError;
use rdkafka::{Offset, TopicPartitionList};

use super::Reader;
use super::packer::Owned;
use crate::clock;

/// A channel full for this long pauses the partitions: fetched records are given back, the broker is left alone. Not sooner:
/// they have to be fetched again, and until then librdkafka's own bounds hold.
const PAUSE_AFTER_MS: i64 = 2_000;

impl Reader {
    /// Pauses partitions that must wait, and lets go those that need not any more.
    pub(super) fn hold_or_go_on(&mut self) {
        // Fetching again from where we stopped has its price: not for a single free place.
        let stalled = self.held && self.sender.capacity() * 2 < self.sender.max_capacity();
        let stalling = self.full_since.is_some_and(|since| clock::now() >= since.plus_millis(PAUSE_AFTER_MS));
        let held = stalled || stalling || self.shared.is_paused();
        let (wish, changed) = (self.shared.take_hold_back(), self.packer.take_changed());
        if wish.is_none() && held == self.held && !changed {
            return;
        }
        self.held = held;
        self.held_back = wish.unwrap_or_else(|| std::mem::take(&mut self.held_back));
        let (to_hold, to_let_go): (Vec<_>, Vec<_>) = (0..self.packer.owned().len())
            .filter(|slot| self.must_wait(*slot) != self.is_held(*slot))
            .partition(|slot| self.must_wait(*slot));
        if self.held {
            self.seal();
        }
        if !self.change(&to_hold, true) || !self.change(&to_let_go, false) {
            // Not known to have happened: tried again at the next turn.
            self.packer.set_changed();
        }
    }

    fn must_wait(&self, slot: usize) -> bool {
        self.held || self.packer.owned().get(slot).is_some_and(|owned| self.held_back.contains(&owned.key))
    }

    fn is_held(&self, slot: usize) -> bool {
        self.packer.owned().get(slot).is_some_and(|owned| owned.held)
    }

    /// Holds partitions or lets them go; false when librdkafka refuses.
    fn change(&mut self, slots: &[usize], hold: bool) -> bool {
        let positions = positions(slots.iter().filter_map(|slot| self.packer.owned().get(*slot)));
        if positions.count() == 0 {
            return true;
        }
        if let Err(error) = if hold { self.pause(&positions) } else { self.consumer.resume(&positions) } {
            tracing::warn!(target: "kafka", connector = %self.config.connector, %error, hold, "partitions not paused or resumed");
            return false;
        }
        if hold {
            self.data.discard_if(|topic, partition| positions.find_partition(topic, partition).is_some());
        }
        slots.iter().for_each(|slot| self.packer.set_held(*slot, hold));
        true
    }

    fn pause(&self, positions: &TopicPartitionList) -> Result<(), NativeError> {
        self.consumer.pause(positions)?;
        self.consumer.seek_partitions(positions.clone(), Duration::ZERO).map(drop)
    }

    /// At a rebalance librdkafka has paused what we keep: it is told our positions before the answer lets it go on. Nothing that
    /// was taken before is packed after.
    pub(super) fn keep_positions(&mut self) {
        self.data.discard();
        let kept = positions(self.packer.owned().iter());
        if kept.count() == 0 {
            return;
        }
        self.packer.doubt_all();
        if let Err(error) = self.consumer.seek_partitions(kept, Duration::ZERO) {
            // What is skipped shows as a jump, which is read twice.
            tracing::debug!(target: "kafka", connector = %self.config.connector, %error, "positions not kept over a rebalance");
        }
    }
}

/// Each partition with the offset to be read next.
fn positions<'o>(partitions: impl Iterator<Item = &'o Owned>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for owned in partitions {
        // Offsets are never negative here, so the list takes them.
        let _ = list.add_partition_offset(&owned.key.topic, owned.key.partition, Offset::Offset(owned.next_offset));
    }
    list
}
