//! Owned partitions, and the batch being filled from them. No I/O: the consumer's thread feeds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::placement::Placement;
use crate::kafka::context::TopicPartition;
use crate::kafka::native::{Delivery, TopicId};
use crate::kafka::options::BatchOptions;
use crate::model::position::PartitionKey;
use crate::model::record::{BatchPartition, HeaderRef, MAX_BATCH_SPAN_S, RecordBatch, RecordRef};
use crate::model::{Source, Timestamp};

/// A partition we own and how far its records are packed.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) key: PartitionKey,
    /// Id of the topic it was placed in, where the cluster tells one.
    pub(super) topic_id: Option<TopicId>,
    pub(super) next_offset: i64,
    /// Gap found when it was placed, not told yet.
    missed: u64,
    pub(super) at_end: bool,
    /// Paused in librdkafka.
    pub(super) held: bool,
    /// False where librdkafka may have lost our position: a jump has to be there on a second reading to be believed.
    is_sure: bool,
    /// Its last news was an error.
    failing: bool,
    /// False until the first record or end: until then its queue may have to be forwarded again.
    pub(super) heard: bool,
    /// Its place in the open batch.
    index: Option<u16>,
}

#[derive(Debug)]
pub(super) struct Packer {
    options: BatchOptions,
    owned: Vec<Owned>,
    by_name: BTreeMap<TopicPartition, usize>,
    batch: RecordBatch,
    opened_at: Option<Timestamp>,
    /// Partitions came or went since somebody asked.
    changed: bool,
    /// The partition of the last record: records come in runs of one.
    last: Option<(usize, i32, usize)>,
}

impl Packer {
    pub(super) fn new(connector: Arc<str>, source: Source, options: BatchOptions) -> Self {
        let batch = RecordBatch::new(connector, source);
        Self { options, owned: Vec::new(), by_name: BTreeMap::new(), batch, opened_at: None, changed: false, last: None }
    }

    pub(super) fn owned(&self) -> &[Owned] {
        &self.owned
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&Owned> {
        self.by_name.get(&(topic.to_owned(), partition)).and_then(|slot| self.owned.get(*slot))
    }

    /// Takes a partition in. The open batch must be sealed.
    pub(super) fn add(&mut self, key: PartitionKey, topic_id: Option<TopicId>, placement: Placement) {
        debug_assert!(self.is_empty());
        let next_offset = placement.fetch_offset;
        self.remove(&key.topic, key.partition);
        self.owned.push(Owned {
            key,
            topic_id,
            next_offset,
            missed: placement.missed,
            at_end: false,
            held: false,
            is_sure: true,
            failing: false,
            heard: false,
            index: None,
        });
        self.reindex();
    }

    /// Lets a partition go. The open batch must be sealed.
    pub(super) fn remove(&mut self, topic: &str, partition: i32) -> Option<Owned> {
        debug_assert!(self.is_empty());
        let slot = self.by_name.get(&(topic.to_owned(), partition)).copied()?;
        let owned = self.owned.remove(slot);
        self.reindex();
        Some(owned)
    }

    /// True when partitions came or went since the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) const fn set_changed(&mut self) {
        self.changed = true;
    }

    pub(super) fn set_held(&mut self, slot: usize, held: bool) {
        if let Some(owned) = self.owned.get_mut(slot) {
            owned.held = held;
            owned.is_sure = false;
        }
    }

    /// librdkafka was sent to our positions for reasons of its own.
    pub(super) fn doubt_all(&mut self) {
        self.owned.iter_mut().for_each(|owned| owned.is_sure = false);
    }

    pub(super) fn set_topic_id(&mut self, slot: usize, topic_id: TopicId) {
        if let Some(owned) = self.owned.get_mut(slot) {
            owned.topic_id = Some(topic_id);
        }
    }

    pub(super) fn set_failing(&mut self, topic: &str, partition: i32) {
        let slot = self.by_name.get(&(topic.to_owned(), partition)).copied();
        if let Some(owned) = slot.and_then(|slot| self.owned.get_mut(slot)) {
            owned.failing = true;
        }
    }

    /// The name of a partition that was failing until now.
    pub(super) fn recovered(&mut self, slot: usize) -> Option<TopicPartition> {
        let owned = self.owned.get_mut(slot)?;
        std::mem::take(&mut owned.failing).then(|| (owned.key.topic.to_string(), owned.key.partition))
    }

    fn reindex(&mut self) {
        self.last = None;
        self.changed = true;
        self.by_name =
            self.owned.iter().enumerate().map(|(slot, owned)| ((owned.key.topic.to_string(), owned.key.partition), slot)).collect();
    }

    /// Topic handles of messages taken earlier may be reused by librdkafka: looked up anew after every refill.
    pub(super) fn forget_handles(&mut self) {
        self.last = None;
    }

    /// Which owned partition a delivery belongs to; `None` for one we no longer own.
    pub(super) fn slot_of(&mut self, delivery: &Delivery<'_>) -> Option<usize> {
        let (handle, partition) = (delivery.topic_handle(), delivery.partition());
        if let Some((last_handle, last_partition, slot)) = self.last
            && last_handle == handle
            && last_partition == partition
        {
            return Some(slot);
        }
        let slot = self.by_name.get(&(delivery.topic(), partition)).copied()?;
        self.last = Some((handle, partition, slot));
        Some(slot)
    }

    /// True for a jump where librdkafka may have lost our position: behind a partition's end, which it counts as a record read,
    /// after a pause, after a rebalance. Such a jump is believed when it is there on a second reading.
    pub(super) fn is_doubtful(&self, slot: usize, offset: i64) -> bool {
        self.owned.get(slot).is_some_and(|owned| !owned.is_sure && offset > owned.next_offset)
    }

    /// Copies a record into the batch. One below the next offset was packed before and is skipped.
    pub(super) fn record(&mut self, slot: usize, delivery: &Delivery<'_>, now: Timestamp) {
        let offset = delivery.offset();
        let Some(partition) = self.advance(slot, offset, 1, now) else { return };
        let key = delivery.key().map(|bytes| self.batch.push_bytes(bytes));
        let value = delivery.value().map(|bytes| self.batch.push_bytes(bytes));
        let mut headers = Vec::new();
        let batch = &mut self.batch;
        delivery.for_each_header(|name, value| {
            let name = batch.push_bytes(name.as_bytes());
            headers.push(HeaderRef { name, value: value.map(|bytes| batch.push_bytes(bytes)) });
        });
        self.batch.records.push(RecordRef { partition, offset, timestamp: delivery.timestamp(), key, value, headers });
    }

    /// Notes that a partition was read up to `offset`, its end.
    pub(super) fn end(&mut self, slot: usize, offset: i64, now: Timestamp) {
        let Some(owned) = self.owned.get_mut(slot) else { return };
        owned.heard = true;
        if owned.at_end && offset <= owned.next_offset {
            return;
        }
        let next_offset = owned.next_offset;
        if self.advance(slot, offset.max(next_offset), 0, now).is_some() {
            self.set_end(slot, true);
        }
    }

    /// Moves a partition to `offset + records`; offsets jumped over held no record. `None` when it is behind already.
    fn advance(&mut self, slot: usize, offset: i64, records: i64, now: Timestamp) -> Option<u16> {
        let owned = self.owned.get(slot)?;
        if offset < owned.next_offset {
            return None;
        }
        let absent = owned.next_offset.abs_diff(offset);
        let index = self.index_of(slot, now)?;
        let owned = self.owned.get_mut(slot)?;
        owned.heard = true;
        owned.is_sure = true;
        owned.next_offset = offset.saturating_add(records);
        let next_offset = owned.next_offset;
        let told = self.batch.partitions.get_mut(usize::from(index))?;
        told.next_offset = next_offset;
        told.absent += absent;
        if records > 0 {
            self.set_end(slot, false);
        }
        Some(index)
    }

    fn set_end(&mut self, slot: usize, at_end: bool) {
        let Some(owned) = self.owned.get_mut(slot) else { return };
        owned.at_end = at_end;
        owned.is_sure = !at_end;
        if let Some(told) = owned.index.and_then(|index| self.batch.partitions.get_mut(usize::from(index))) {
            told.at_end = at_end;
        }
    }

    /// The partition's place in the open batch, made if it has none yet.
    fn index_of(&mut self, slot: usize, now: Timestamp) -> Option<u16> {
        let owned = self.owned.get_mut(slot)?;
        if let Some(index) = owned.index {
            return Some(index);
        }
        let index = u16::try_from(self.batch.partitions.len()).ok()?;
        self.batch.partitions.push(BatchPartition {
            key: owned.key.clone(),
            next_offset: owned.next_offset,
            end_offset: -1,
            absent: 0,
            missed: std::mem::take(&mut owned.missed),
            at_end: owned.at_end,
        });
        owned.index = Some(index);
        self.opened_at.get_or_insert(now);
        Some(index)
    }

    /// Puts partitions with an untold gap into the batch, so that it is told though no record follows.
    pub(super) fn tell_gaps(&mut self, now: Timestamp) {
        for slot in 0..self.owned.len() {
            if self.owned.get(slot).is_some_and(|owned| owned.missed > 0) {
                self.index_of(slot, now);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batch.partitions.is_empty()
    }

    /// True when a bound of records, bytes or Kafka time is reached.
    pub(super) fn is_full(&self) -> bool {
        self.spans_a_day()
            || self.batch.records.len() >= self.options.max_records as usize
            || self.batch.arena.len() >= self.options.max_bytes as usize
            || self.batch.partitions.len() >= usize::from(u16::MAX)
    }

    /// Whether the newest record was written a day before or after the oldest one.
    fn spans_a_day(&self) -> bool {
        let time = |record: Option<&RecordRef>| record.and_then(|record| record.timestamp);
        let ends = time(self.batch.records.first()).zip(time(self.batch.records.last()));
        ends.is_some_and(|(first, last)| last.seconds_since(first).abs() >= MAX_BATCH_SPAN_S)
    }

    /// When the open batch has to go at the latest.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        self.opened_at.map(|opened| opened.plus_millis(i64::from(self.options.max_wait_ms)))
    }

    /// Closes the batch. `end_offset` asks for a partition's last seen end.
    pub(super) fn seal(&mut self, end_offset: impl Fn(&PartitionKey) -> Option<i64>) -> Option<RecordBatch> {
        if self.is_empty() {
            return None;
        }
        // Batches are about as large as the one before: growing one step by step copies it twice over.
        let successor = self.batch.successor();
        let mut batch = std::mem::replace(&mut self.batch, successor);
        self.opened_at = None;
        for owned in &mut self.owned {
            owned.index = None;
        }
        for told in &mut batch.partitions {
            told.end_offset = end_offset(&told.key).map_or(-1, |end| end.max(told.next_offset));
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn key(partition: i32) -> PartitionKey {
        PartitionKey { cluster: Arc::from("c"), topic: Arc::from("t"), incarnation: 0, partition }
    }

    /// Partition 0 from offset 10, partition 1 from offset 0 with 5 offsets missed before.
    fn packer() -> Packer {
        let mut packer = Packer::new(Arc::from("logs"), Source::Logs, BatchOptions::default());
        let placed = |from_offset, fetch_offset, missed| Placement {
            incarnation: 0,
            from_offset,
            fetch_offset,
            missed,
            is_other_topic: false,
            is_cut: false,
        };
        packer.add(key(0), None, placed(10, 10, 0));
        packer.add(key(1), None, placed(0, 5, 5));
        packer
    }

    fn told(packer: &mut Packer) -> Vec<(i32, i64, u64, u64, bool)> {
        let batch = packer.seal(|_| Some(7)).unwrap();
        batch.partitions.iter().map(|p| (p.key.partition, p.next_offset, p.absent, p.missed, p.at_end)).collect()
    }

    #[test]
    fn offsets_jumped_over_are_absent_and_never_counted_twice() {
        let mut packer = packer();
        packer.advance(0, 10, 1, NOW);
        packer.advance(0, 14, 1, NOW);
        assert_eq!(told(&mut packer), [(0, 15, 3, 0, false)]);
        packer.advance(0, 15, 1, NOW);
        assert_eq!(told(&mut packer), [(0, 16, 0, 0, false)]);
    }

    #[test]
    fn a_batch_is_full_when_it_spans_a_day() {
        let mut packer = packer();
        for (offset, hours, is_full) in [(10, 0, false), (11, 23, false), (12, 24, true)] {
            let partition = packer.advance(0, offset, 1, NOW).unwrap();
            packer.batch.push(partition, offset, Some(NOW.plus_seconds(3_600 * hours)), None, None, &[]);
            assert_eq!(packer.is_full(), is_full, "after {hours} h");
        }
    }

    #[test]
    fn a_record_that_comes_again_is_not_packed_again() {
        let mut packer = packer();
        assert!(packer.advance(0, 10, 1, NOW).is_some());
        assert!(packer.advance(0, 10, 1, NOW).is_none());
        assert!(packer.advance(0, 3, 1, NOW).is_none());
    }

    #[test]
    fn the_end_is_told_once_with_what_was_absent_before_it() {
        let mut packer = packer();
        packer.end(0, 12, NOW);
        assert_eq!(told(&mut packer), [(0, 12, 2, 0, true)]);
        packer.end(0, 12, NOW);
        assert!(packer.is_empty());
        packer.advance(0, 12, 1, NOW);
        assert_eq!(told(&mut packer), [(0, 13, 0, 0, false)]);
    }

    #[test]
    fn a_jump_is_doubtful_only_where_librdkafka_may_have_lost_our_position() {
        let mut packer = packer();
        assert!(!packer.is_doubtful(0, 11), "not at the end: compacted or aborted");
        packer.end(0, 12, NOW);
        assert!(!packer.is_doubtful(0, 12));
        assert!(packer.is_doubtful(0, 13));
        packer.advance(0, 12, 1, NOW);
        assert!(!packer.is_doubtful(0, 14));
        packer.set_held(0, true);
        packer.set_held(0, false);
        assert!(packer.is_doubtful(0, 14));
        assert!(!packer.is_doubtful(0, 13), "the next one is no jump");
        packer.advance(0, 13, 1, NOW);
        packer.doubt_all();
        assert!(packer.is_doubtful(0, 15));
    }

    #[test]
    fn a_gap_is_told_without_waiting_for_a_record() {
        let mut packer = packer();
        packer.tell_gaps(NOW);
        assert_eq!(told(&mut packer), [(1, 5, 0, 5, false)]);
        packer.tell_gaps(NOW);
        assert!(packer.is_empty());
    }

    #[test]
    fn a_batch_is_due_after_its_longest_wait_and_its_end_is_never_behind_it() {
        let mut packer = packer();
        assert_eq!(packer.due_at(), None);
        packer.advance(0, 10, 1, NOW);
        packer.advance(1, 5, 1, NOW.plus_millis(30));
        assert_eq!(packer.due_at(), Some(NOW.plus_millis(50)));
        let batch = packer.seal(|_| Some(7)).unwrap();
        assert_eq!(batch.partitions.iter().map(|p| p.end_offset).collect::<Vec<_>>(), [11, 7]);
        assert_eq!(packer.due_at(), None);
    }
}
