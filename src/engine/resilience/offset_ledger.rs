//! The books of one connector: what became of every record, by partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::engine::detect::SeenBefore;
use crate::model::ledger::{LedgerRow, LedgerSums};
use crate::model::observation::ObservationBatch;
use crate::model::ports::{AssignedPartition, StoredOffset};
use crate::model::position::{PartitionKey, Position};
use crate::model::record::RecordBatch;
use crate::model::snapshot::{Ahead, AheadLetter};

/// Sums by partition; the next offset of each is where reading goes on.
#[derive(Clone, Debug, Default)]
pub struct OffsetLedger {
    rows: BTreeMap<PartitionKey, LedgerRow>,
    /// Records that were stored before a crash and are not booked yet, by offset.
    ahead: BTreeMap<PartitionKey, BTreeMap<i64, Ahead>>,
}

impl OffsetLedger {
    /// The books as the last checkpoint left them, and what is stored beyond them.
    pub fn restore(rows: impl IntoIterator<Item = LedgerRow>, ahead: impl IntoIterator<Item = Ahead>) -> Self {
        let mut ledger = Self { rows: rows.into_iter().map(|row| (row.partition.clone(), row)).collect(), ahead: BTreeMap::new() };
        for ahead in ahead {
            ledger.ahead.entry(ahead.partition.clone()).or_default().insert(ahead.offset, ahead);
        }
        ledger
    }

    /// Opens a partition's books where reading of it starts, and keeps which topic that is. What was stored of an earlier life of the
    /// topic can never be read again: it is booked now.
    pub fn assigned(&mut self, connector: &str, partition: &AssignedPartition) {
        let PartitionKey { cluster, topic, incarnation, partition: number } = &partition.key;
        let is_over = |key: &PartitionKey| {
            key.cluster == *cluster && key.topic == *topic && key.partition == *number && key.incarnation < *incarnation
        };
        let over: Vec<PartitionKey> = self.ahead.keys().filter(|key| is_over(key)).cloned().collect();
        for key in over {
            if let Some(end) = self.ahead.get(&key).and_then(|ahead| ahead.keys().next_back()).map(|last| last + 1) {
                let row = self.rows.entry(key.clone()).or_insert_with(|| fresh(connector, &key, end));
                pass_over(row, take_passed(&mut self.ahead, &key, end), end);
            }
        }
        let row = open(&mut self.rows, &mut self.ahead, connector, &partition.key, partition.start_offset);
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
        for (index, added) in booking.rows.iter().enumerate() {
            let start = added.first_offset;
            let row = open(&mut self.rows, &mut self.ahead, &added.connector, &added.partition, start);
            row.next_offset = row.next_offset.max(added.next_offset);
            row.sums = row.sums.and(&added.sums);
            let passed = take_passed(&mut self.ahead, &added.partition, added.next_offset);
            if !passed.is_empty() {
                let missed_end = start.saturating_add_unsigned(added.sums.missed);
                book_removed(&mut row.sums, passed, missed_end, &offsets_of(&booking.records, index));
            }
        }
    }

    pub fn rows(&self) -> Vec<LedgerRow> {
        self.rows.values().cloned().collect()
    }
}

/// What one decoded batch adds to the books.
#[derive(Clone, Debug)]
pub struct Booking {
    /// What the batch was decoded from: which offsets it has.
    records: Arc<RecordBatch>,
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
        Self { rows: rows.collect(), records: Arc::clone(&batch.records) }
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

/// The row of a partition; a new one begins where reading starts, or with what is stored from before that.
fn open<'a>(
    rows: &'a mut BTreeMap<PartitionKey, LedgerRow>,
    ahead: &mut BTreeMap<PartitionKey, BTreeMap<i64, Ahead>>,
    connector: &str,
    key: &PartitionKey,
    start: i64,
) -> &'a mut LedgerRow {
    rows.entry(key.clone()).or_insert_with(|| {
        let mut row = fresh(connector, key, start);
        pass_over(&mut row, take_passed(ahead, key, start), start);
        row
    })
}

/// What was stored of offsets before `end`.
fn take_passed(ahead: &mut BTreeMap<PartitionKey, BTreeMap<i64, Ahead>>, key: &PartitionKey, end: i64) -> BTreeMap<i64, Ahead> {
    let Some(of_partition) = ahead.get_mut(key) else { return BTreeMap::new() };
    let later = of_partition.split_off(&end);
    let passed = std::mem::replace(of_partition, later);
    if of_partition.is_empty() {
        ahead.remove(key);
    }
    passed
}

/// Moves a row to `end` over offsets that cannot be read any more: those stored are booked as what they were, the others are missed.
fn pass_over(row: &mut LedgerRow, passed: BTreeMap<i64, Ahead>, end: i64) {
    let Some(first) = passed.keys().next().copied() else { return };
    if row.next_offset == row.first_offset && row.sums == LedgerSums::default() {
        row.first_offset = first;
        row.next_offset = first;
    }
    row.sums.missed += u64::try_from(end - row.next_offset).unwrap_or(0);
    row.next_offset = row.next_offset.max(end);
    book_removed(&mut row.sums, passed, end, &FxHashSet::default());
}

/// A record that was stored before a crash, and that the broker has removed since: an offset without a record now, and yet it was
/// read. Booked as what became of it. Offsets before `missed_end` were missed, the others absent.
fn book_removed(sums: &mut LedgerSums, passed: BTreeMap<i64, Ahead>, missed_end: i64, here: &FxHashSet<i64>) {
    for (offset, ahead) in passed {
        if here.contains(&offset) {
            continue;
        }
        let gone = if offset < missed_end { &mut sums.missed } else { &mut sums.absent };
        *gone = gone.saturating_sub(1);
        sums.records_read += 1;
        match ahead.letter {
            Some(AheadLetter::Whole) => sums.records_rejected += 1,
            letter => {
                sums.records_decoded += 1;
                sums.items_decoded += ahead.items;
                sums.items_stored += ahead.items;
                sums.items_rejected += if let Some(AheadLetter::Items(items)) = letter { items } else { 0 };
            }
        }
    }
}

/// Offsets of the records that a batch has of one of its partitions.
fn offsets_of(batch: &RecordBatch, partition: usize) -> FxHashSet<i64> {
    batch.records.iter().filter(|record| usize::from(record.partition) == partition).map(|record| record.offset).collect()
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

    fn ahead(offset: i64, items: u64, letter: Option<AheadLetter>) -> Ahead {
        Ahead { connector: "logs".into(), partition: key(), offset, items, letter }
    }

    #[test]
    fn a_record_stored_before_a_crash_and_removed_by_the_broker_since_is_booked_as_what_became_of_it() {
        let stored = [
            ahead(2, 1, None),
            ahead(3, 3, None),
            ahead(4, 0, Some(AheadLetter::Whole)),
            ahead(5, 1, Some(AheadLetter::Items(2))),
            ahead(6, 1, None),
        ];
        let mut ledger = OffsetLedger::default();
        read(&mut ledger, batch(0..0, &[0, 1], 2));
        let mut ledger = OffsetLedger::restore(ledger.rows(), stored);
        // Of 2 to 7 the broker has 2 and 7; 2 comes again and is nothing new.
        assert_eq!(read(&mut ledger, batch(0..0, &[2, 7], 8)), [2, 7]);
        let sums = assert_balanced(&ledger);
        assert_eq!(sums.absent, 0);
        assert_eq!((sums.records_decoded, sums.records_rejected), (7, 1));
        assert_eq!((sums.items_decoded, sums.items_stored, sums.items_rejected), (5, 5, 2));
        assert_eq!(read(&mut ledger, batch(0..0, &[8, 10], 11)), [8, 10]);
        assert_eq!(assert_balanced(&ledger).absent, 1, "nothing is booked twice");
    }

    #[test]
    fn what_retention_took_before_it_was_booked_is_missed_but_for_what_is_stored() {
        let mut ledger = OffsetLedger::default();
        read(&mut ledger, batch(0..0, &[0, 1], 2));
        let mut ledger = OffsetLedger::restore(ledger.rows(), [ahead(3, 1, None), ahead(40, 1, None), ahead(51, 1, None)]);
        read(&mut ledger, batch(2..50, &[50], 53));
        let sums = assert_balanced(&ledger);
        assert_eq!((sums.missed, sums.absent, sums.records_decoded, sums.items_stored), (46, 1, 6, 3));
    }

    #[test]
    fn books_that_were_never_written_begin_with_what_is_stored() {
        let assigned = |incarnation, start_offset| AssignedPartition {
            key: PartitionKey { incarnation, ..key() },
            start_offset,
            end_offset: -1,
            topic_id: None,
        };
        // Killed before the first checkpoint, and then started at the end of the topic.
        let mut ledger = OffsetLedger::restore([], [ahead(4, 1, None), ahead(6, 1, None)]);
        ledger.assigned("logs", &assigned(0, 10));
        let sums = assert_balanced(&ledger);
        assert_eq!((ledger.rows()[0].first_offset, sums.records_decoded, sums.missed), (4, 2, 4));
        // Or the topic was made anew meanwhile.
        let mut ledger = OffsetLedger::restore([], [ahead(4, 1, None), ahead(6, 1, None)]);
        ledger.assigned("logs", &assigned(1, 0));
        let sums = assert_balanced(&ledger);
        assert_eq!((ledger.rows()[0].next_offset, sums.records_decoded, sums.missed), (7, 2, 1));
    }
}
