//! The books of one connector: what became of every record, by partition.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::engine::detect::SeenBefore;
use crate::model::ledger::{LedgerRow, LedgerSums};
use crate::model::observation::ObservationBatch;
use crate::model::position::{PartitionKey, Position};

/// Sums by partition; the next offset of each is where a restart reads on.
#[derive(Clone, Debug, Default)]
pub struct OffsetLedger {
    rows: BTreeMap<PartitionKey, LedgerRow>,
}

impl OffsetLedger {
    /// The books as the last checkpoint left them.
    pub fn restore(rows: impl IntoIterator<Item = LedgerRow>) -> Self {
        Self { rows: rows.into_iter().map(|row| (row.partition.clone(), row)).collect() }
    }

    /// Books one decoded batch. Call before the batch is taken apart.
    pub fn book(&mut self, batch: &ObservationBatch) {
        let stored = one_to_one_by_partition(batch);
        for (index, partition) in batch.records.partitions.iter().enumerate() {
            let counts = batch.counts.get(index).copied().unwrap_or_default();
            let OneToOne { stored, repeated } = stored.get(index).copied().unwrap_or_default();
            let row = self.rows.entry(partition.key.clone()).or_insert_with(|| LedgerRow {
                connector: batch.records.connector.to_string(),
                partition: partition.key.clone(),
                first_offset: first_offset(batch, index).unwrap_or(partition.next_offset),
                next_offset: partition.next_offset,
                sums: LedgerSums::default(),
            });
            row.next_offset = row.next_offset.max(partition.next_offset);
            let sums = &mut row.sums;
            sums.records_read += counts.records_read;
            sums.records_decoded += counts.records_decoded;
            sums.records_rejected += counts.records_rejected;
            sums.absent += partition.absent;
            sums.missed += partition.missed;
            sums.items_decoded += counts.items_decoded;
            sums.items_rejected += counts.items_rejected;
            sums.items_stored += stored;
            sums.items_seen_before += repeated;
            sums.items_folded += counts.items_decoded.saturating_sub(stored + repeated);
        }
    }

    pub fn rows(&self) -> Vec<LedgerRow> {
        self.rows.values().cloned().collect()
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

fn first_offset(batch: &ObservationBatch, partition: usize) -> Option<i64> {
    batch.records.records.iter().find(|record| usize::from(record.partition) == partition).map(|record| record.offset)
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
