//! The books of one connector: what became of every record, by partition.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::engine::detect::SeenBefore;
use crate::model::ledger::{LedgerRow, LedgerSums};
use crate::model::observation::ObservationBatch;
use crate::model::ports::{AssignedPartition, StoredOffset};
use crate::model::position::{PartitionKey, Position};
use crate::model::record::RecordBatch;

/// Sums by partition; the next offset of each is where reading goes on.
#[derive(Clone, Debug, Default)]
pub struct OffsetLedger {
    rows: BTreeMap<PartitionKey, LedgerRow>,
}

impl OffsetLedger {
    /// The books as the last checkpoint left them.
    pub fn restore(rows: impl IntoIterator<Item = LedgerRow>) -> Self {
        Self { rows: rows.into_iter().map(|row| (row.partition.clone(), row)).collect() }
    }

    /// Opens a partition's books where reading of it starts, and keeps which topic that is.
    pub fn assigned(&mut self, connector: &str, partition: &AssignedPartition) {
        let row = self.rows.entry(partition.key.clone()).or_insert_with(|| fresh(connector, &partition.key, partition.start_offset));
        if let Some(topic_id) = &partition.topic_id {
            row.topic_id = Some(topic_id.clone());
        }
    }

    /// Where the newest incarnation of a partition stands.
    pub fn stored(&self, cluster: &str, topic: &str, partition: i32) -> Option<StoredOffset> {
        let is_meant = |key: &PartitionKey| &*key.cluster == cluster && &*key.topic == topic && key.partition == partition;
        let row = self.rows.values().filter(|row| is_meant(&row.partition)).max_by_key(|row| row.partition.incarnation)?;
        Some(StoredOffset { incarnation: row.partition.incarnation, next_offset: row.next_offset, topic_id: row.topic_id.clone() })
    }

    /// Takes out of a batch what was read before, as a feed delivers it again after a rebalance or a start of its own, and books
    /// it as that. What is left begins at each partition's next offset.
    pub fn recognise(&mut self, batch: &mut RecordBatch) {
        let records = records_by_partition(batch);
        let mut next_offsets = Vec::with_capacity(batch.partitions.len());
        for (partition, records) in batch.partitions.iter().zip(&records) {
            let start = partition.next_offset.saturating_sub_unsigned(records + partition.absent + partition.missed);
            let known = self.rows.get(&partition.key).map(|row| row.next_offset);
            next_offsets.push(known.filter(|next| start < *next));
        }
        if next_offsets.iter().all(Option::is_none) {
            return;
        }
        let is_new =
            |partition: u16, offset: i64| next_offsets.get(usize::from(partition)).copied().flatten().is_none_or(|next| offset >= next);
        batch.records.retain(|record| is_new(record.partition, record.offset));
        let left = records_by_partition(batch);
        for (index, next) in next_offsets.iter().enumerate().filter_map(|(index, next)| Some((index, (*next)?))) {
            let Some(partition) = batch.partitions.get_mut(index) else { continue };
            let start = partition.next_offset.saturating_sub_unsigned(records[index] + partition.absent + partition.missed);
            // Retention's gap lies where the batch begins; what else has no record follows it.
            partition.missed = partition.missed.saturating_sub(start.abs_diff(next));
            let fresh = u64::try_from(partition.next_offset - next).unwrap_or(0);
            partition.absent = fresh.saturating_sub(left[index] + partition.missed);
            if let Some(row) = self.rows.get_mut(&partition.key) {
                row.sums.records_read += records[index] - left[index];
                row.sums.records_seen_before += records[index] - left[index];
            }
        }
    }

    /// Books what came of one batch.
    pub fn book(&mut self, booking: &Booking) {
        for added in &booking.rows {
            let row =
                self.rows.entry(added.partition.clone()).or_insert_with(|| LedgerRow { sums: LedgerSums::default(), ..added.clone() });
            row.next_offset = row.next_offset.max(added.next_offset);
            row.sums = row.sums.and(&added.sums);
        }
    }

    pub fn rows(&self) -> Vec<LedgerRow> {
        self.rows.values().cloned().collect()
    }
}

/// What one decoded batch adds to the books.
#[derive(Clone, Debug)]
pub struct Booking {
    /// Of each partition, the offsets the batch went forward and what became of them.
    rows: Vec<LedgerRow>,
}

impl Booking {
    /// Call before the batch is taken apart.
    pub fn of(batch: &ObservationBatch) -> Self {
        let stored = one_to_one_by_partition(batch);
        let records = records_by_partition(&batch.records);
        let partitions = batch.records.partitions.iter().enumerate();
        let rows = partitions.map(|(index, partition)| {
            let counts = batch.counts.get(index).copied().unwrap_or_default();
            let OneToOne { stored, repeated } = stored.get(index).copied().unwrap_or_default();
            let offsets = records.get(index).copied().unwrap_or_default() + partition.absent + partition.missed;
            let sums = LedgerSums {
                records_read: counts.records_read,
                records_decoded: counts.records_decoded,
                records_rejected: counts.records_rejected,
                absent: partition.absent,
                missed: partition.missed,
                items_decoded: counts.items_decoded,
                items_rejected: counts.items_rejected,
                items_stored: stored,
                items_seen_before: repeated,
                items_folded: counts.items_decoded.saturating_sub(stored + repeated),
                ..LedgerSums::default()
            };
            let first = fresh(&batch.records.connector, &partition.key, partition.next_offset.saturating_sub_unsigned(offsets));
            LedgerRow { next_offset: partition.next_offset, sums, ..first }
        });
        Self { rows: rows.collect() }
    }
}

/// Moves items that a later stage found to be duplicates from folded to seen before.
pub fn count_seen_before(rows: &mut [LedgerRow], seen_before: &[SeenBefore]) {
    for seen in seen_before {
        let row = rows.iter_mut().find(|row| *row.connector == *seen.connector && row.partition == seen.partition);
        if let Some(row) = row {
            row.sums.items_seen_before += seen.items;
            row.sums.items_folded = row.sums.items_folded.saturating_sub(seen.items);
        }
    }
}

fn fresh(connector: &str, partition: &PartitionKey, offset: i64) -> LedgerRow {
    LedgerRow {
        connector: connector.to_owned(),
        partition: partition.clone(),
        first_offset: offset,
        next_offset: offset,
        topic_id: None,
        sums: LedgerSums::default(),
    }
}

/// Aligned with the batch's partitions.
fn records_by_partition(batch: &RecordBatch) -> Vec<u64> {
    let mut counts = vec![0; batch.partitions.len()];
    for record in &batch.records {
        if let Some(count) = counts.get_mut(usize::from(record.partition)) {
            *count += 1;
        }
    }
    counts
}

/// Items of one partition that make an event each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OneToOne {
    stored: u64,
    /// Named an event that an earlier item of the same record had named. Across records only the store can tell.
    repeated: u64,
}

/// Aligned with the batch's partitions.
fn one_to_one_by_partition(batch: &ObservationBatch) -> Vec<OneToOne> {
    let mut counts = vec![OneToOne::default(); batch.records.partitions.len()];
    let mut named = FxHashSet::default();
    for event in &batch.events {
        let Some(provenance) = &event.provenance else { continue };
        let Position { partition: key, offset } = &provenance.position;
        if let Some(index) = batch.records.partitions.iter().position(|partition| partition.key == *key) {
            let is_first = named.insert((index, *offset, event.id.as_str()));
            counts[index].stored += u64::from(is_first);
            counts[index].repeated += u64::from(!is_first);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::sync::Arc;

    use super::*;
    use crate::model::Source;
    use crate::model::observation::DecodeCounts;
    use crate::model::record::BatchPartition;

    fn key() -> PartitionKey {
        PartitionKey { cluster: "c".into(), topic: "logs".into(), incarnation: 0, partition: 3 }
    }

    /// Offsets `missed`, then `records`, up to `next_offset`; what is neither is absent.
    fn batch(missed: std::ops::Range<i64>, records: &[i64], next_offset: i64) -> RecordBatch {
        let missed_count = missed.start.abs_diff(missed.end);
        let start = if missed.is_empty() { records.first().copied().unwrap_or(next_offset) } else { missed.start };
        let absent = start.abs_diff(next_offset) - missed_count - records.len() as u64;
        let mut batch = RecordBatch::new("logs".into(), Source::Logs);
        batch.partitions.push(BatchPartition { key: key(), next_offset, end_offset: -1, absent, missed: missed_count, at_end: false });
        for offset in records {
            batch.push(0, *offset, None, None, Some(b"x"), &[]);
        }
        batch
    }

    /// Reads a batch; the offsets that were new.
    fn read(ledger: &mut OffsetLedger, mut batch: RecordBatch) -> Vec<i64> {
        ledger.recognise(&mut batch);
        let offsets: Vec<i64> = batch.records.iter().map(|record| record.offset).collect();
        let mut decoded = ObservationBatch::empty(Arc::new(batch));
        let count = offsets.len() as u64;
        decoded.counts[0] = DecodeCounts { records_read: count, records_decoded: count, ..DecodeCounts::default() };
        ledger.book(&Booking::of(&decoded));
        offsets
    }

    fn assert_balanced(ledger: &OffsetLedger) -> LedgerSums {
        let row = &ledger.rows()[0];
        let sums = row.sums;
        assert_eq!(sums.records_read, sums.records_decoded + sums.records_seen_before + sums.records_rejected);
        let offsets = row.first_offset.abs_diff(row.next_offset);
        assert_eq!(offsets, sums.records_decoded + sums.records_rejected + sums.absent + sums.missed, "{row:?}");
        sums
    }

    #[test]
    fn what_comes_again_is_seen_before_and_only_the_rest_is_new() {
        let mut ledger = OffsetLedger::default();
        assert_eq!(read(&mut ledger, batch(0..0, &[10, 11, 12], 13)), [10, 11, 12]);
        assert_eq!(read(&mut ledger, batch(0..0, &[11, 12, 13, 14], 15)), [13, 14]);
        assert_eq!(read(&mut ledger, batch(0..0, &[10, 11], 12)), [0_i64; 0]);
        assert_eq!(read(&mut ledger, batch(0..0, &[15], 16)), [15]);
        let sums = assert_balanced(&ledger);
        assert_eq!((sums.records_read, sums.records_seen_before, sums.absent), (10, 4, 0));
    }

    #[test]
    fn offsets_without_a_record_are_not_counted_again_when_they_come_again() {
        let mut ledger = OffsetLedger::default();
        read(&mut ledger, batch(0..0, &[0, 4], 6));
        assert_eq!(assert_balanced(&ledger).absent, 4);
        // 0 and 4 again, then 7 with nothing at 6 and 8.
        assert_eq!(read(&mut ledger, batch(0..0, &[0, 4, 7], 9)), [7]);
        assert_eq!(assert_balanced(&ledger).absent, 6);
    }

    #[test]
    fn a_gap_that_retention_left_is_missed_once() {
        let mut ledger = OffsetLedger::default();
        read(&mut ledger, batch(0..0, &[0, 1], 2));
        read(&mut ledger, batch(2..50, &[50], 51));
        assert_eq!(assert_balanced(&ledger).missed, 48);
        read(&mut ledger, batch(2..50, &[50, 51], 52));
        assert_eq!(assert_balanced(&ledger).missed, 48);
        // Meanwhile retention went on: the new gap begins inside what was read.
        read(&mut ledger, batch(40..60, &[60], 61));
        let sums = assert_balanced(&ledger);
        assert_eq!((sums.missed, sums.records_decoded), (56, 5));
    }

    #[test]
    fn a_partition_opens_where_its_reading_starts_and_each_life_of_its_topic_has_books_of_its_own() {
        let mut ledger = OffsetLedger::default();
        let assigned = |incarnation, start_offset, topic_id: &str| AssignedPartition {
            key: PartitionKey { incarnation, ..key() },
            start_offset,
            end_offset: -1,
            topic_id: Some(topic_id.into()),
        };
        assert_eq!(ledger.stored("c", "logs", 3), None);
        ledger.assigned("logs", &assigned(0, 7, "first"));
        read(&mut ledger, batch(0..0, &[9], 10));
        assert_eq!(ledger.stored("c", "logs", 3), Some(StoredOffset { incarnation: 0, next_offset: 10, topic_id: Some("first".into()) }));
        ledger.assigned("logs", &assigned(1, 0, "second"));
        assert_eq!(ledger.stored("c", "logs", 3), Some(StoredOffset { incarnation: 1, next_offset: 0, topic_id: Some("second".into()) }));
        assert_eq!(ledger.stored("another cluster", "logs", 3), None);
    }
}
