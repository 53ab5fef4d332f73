//! The stages' state and the books.
//!
//! State comes in parts, each in a transaction with whatever else there is to write, under its checkpoint's epoch. It is in force
//! once the checkpoint itself is stored: `meta.epoch` and the books move in that last transaction. A crash before it leaves the
//! checkpoint before, whole; parts of one that was never finished are removed when the snapshot is loaded.

use std::collections::VecDeque;

use rusqlite::{Connection, Transaction, params};

use super::events::EventIndex;
use super::{ahead, meta};
use crate::model::ledger::{LedgerRow, LedgerSums};
use crate::model::ports::StoreError;
use crate::model::position::PartitionKey;
use crate::model::snapshot::{Checkpoint, Snapshot, StateDelta};
use crate::store::error::Fault;

/// Version of the state entries' encoding; a snapshot of another version is refused, not misread.
const SNAPSHOT_FORMAT: u32 = 6;
/// Rows out of force removed by one transaction.
const REMOVED_AT_ONCE: usize = 500;

/// A state entry as it is stored; no value removes the key.
#[derive(Debug)]
pub(super) struct EncodedEntry<'a> {
    stage: &'a str,
    key: &'a [u8],
    value: Option<Vec<u8>>,
}

/// Serialises entries. Called before the transaction begins, so that no lock is held meanwhile.
pub(super) fn encode(deltas: &[StateDelta]) -> Result<Vec<EncodedEntry<'_>>, StoreError> {
    let entries = deltas.iter().flat_map(|delta| delta.entries.iter().map(move |entry| (delta.stage.as_str(), entry)));
    entries
        .map(|(stage, entry)| {
            let value = entry.value.as_ref().map(|value| value.encode()).transpose();
            let value = value.map_err(|reason| StoreError::Other(format!("state of {stage}: {reason}")))?;
            Ok(EncodedEntry { stage, key: &entry.key, value })
        })
        .collect()
}

/// State rows that a newer one replaces.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// Replaced once the checkpoint being written is in force.
    soon: Vec<i64>,
    /// Out of force; removed a few at a time.
    now: VecDeque<i64>,
}

impl Replaced {
    /// Called when a checkpoint has come into force durably.
    pub fn in_force(&mut self) {
        self.now.extend(self.soon.drain(..));
    }

    /// Removes some rows; which, [`Replaced::removed`] is told after the commit.
    pub fn remove_some(&self, tx: &Transaction<'_>) -> Result<usize, Fault> {
        let mut remove = tx.prepare_cached("DELETE FROM state WHERE n = ?")?;
        let some = self.now.len().min(REMOVED_AT_ONCE);
        for n in self.now.iter().take(some) {
            remove.execute([n])?;
        }
        Ok(some)
    }

    pub fn removed(&mut self, rows: usize) {
        self.now.drain(..rows);
    }
}

/// Writes a part of a checkpoint's state; returns its bytes.
pub(super) fn store_state(tx: &Transaction<'_>, epoch: u64, entries: &[EncodedEntry<'_>], replaced: &mut Replaced) -> Result<u64, Fault> {
    let mut older = tx.prepare_cached("SELECT n FROM state WHERE stage = ? AND key = ? AND epoch < ?")?;
    let mut put = tx.prepare_cached(
        "INSERT INTO state (stage, key, epoch, value) VALUES (?, ?, ?, ?) \
         ON CONFLICT (stage, key, epoch) DO UPDATE SET value = excluded.value RETURNING n",
    )?;
    let mut bytes = 0;
    for entry in entries {
        let known = replaced.soon.len();
        let mut rows = older.query(params![entry.stage, entry.key, epoch])?;
        while let Some(row) = rows.next()? {
            replaced.soon.push(row.get(0)?);
        }
        if entry.value.is_none() && replaced.soon.len() == known {
            continue;
        }
        let n: i64 = put.query_row(params![entry.stage, entry.key, epoch, entry.value], |row| row.get(0))?;
        match &entry.value {
            Some(value) => bytes += (entry.key.len() + value.len()) as u64,
            // Behind what it removes: as long as one of those is there, so is this.
            None => replaced.soon.push(n),
        }
    }
    Ok(bytes)
}

/// Puts a checkpoint into force, whose state has been written.
pub(super) fn put_in_force(tx: &Transaction<'_>, checkpoint: &Checkpoint) -> Result<(), Fault> {
    checkpoint.ledger.iter().try_for_each(|row| store_ledger_row(tx, row))?;
    let mut meta = tx.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")?;
    meta.execute(params!["epoch", checkpoint.epoch.to_string()])?;
    meta.execute(params!["snapshot_format", SNAPSHOT_FORMAT.to_string()])?;
    Ok(())
}

fn store_ledger_row(tx: &Transaction<'_>, row: &LedgerRow) -> Result<(), Fault> {
    let LedgerRow { connector, partition, first_offset, next_offset, topic_id, sums } = row;
    let PartitionKey { cluster, topic, incarnation, partition } = partition;
    tx.prepare_cached(
        "INSERT INTO ledger (connector, cluster, topic, incarnation, partition, first_offset, next_offset, sums, topic_id) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET first_offset = excluded.first_offset, \
         next_offset = excluded.next_offset, sums = excluded.sums, topic_id = excluded.topic_id",
    )?
    .execute(params![
        connector,
        &**cluster,
        &**topic,
        incarnation,
        partition,
        first_offset,
        next_offset,
        serde_json::to_string(sums)?,
        topic_id.as_deref()
    ])?;
    // What lies before the next offset is never read again: from here on a number is enough.
    let booked = tx
        .prepare_cached(
            "DELETE FROM duplicates WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ? AND \"offset\" < ?",
        )?
        .execute(params![connector, &**cluster, &**topic, incarnation, partition, next_offset])?;
    if booked > 0 {
        tx.prepare_cached(
            "UPDATE ledger SET duplicates = duplicates + ? \
             WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ?",
        )?
        .execute(params![booked, connector, &**cluster, &**topic, incarnation, partition])?;
    }
    Ok(())
}

/// What was in force last. Removes what is not: parts of a checkpoint that was never finished, rows replaced since, and what buckets
/// made that the checkpoint had not closed.
pub(super) fn load_snapshot(connection: &mut Connection, index: &mut EventIndex) -> Result<Snapshot, Fault> {
    if let Some(found) = meta(connection, "snapshot_format")?.and_then(|text| text.parse().ok())
        && found != SNAPSHOT_FORMAT
    {
        let advice = "start the whydunit version that wrote it; or `whydunit run --forget-state`, which keeps positions, events, counts and \
                      investigations and learns baselines anew; or begin with a new database, which reads Kafka from each connector's `start`"
            .to_owned();
        return Err(StoreError::SnapshotVersion { found, known: SNAPSHOT_FORMAT, advice }.into());
    }
    let epoch: u64 = meta(connection, "epoch")?.and_then(|text| text.parse().ok()).unwrap_or_default();
    let tx = connection.transaction()?;
    tx.execute("DELETE FROM state WHERE epoch > ?", [epoch])?;
    tx.execute(
        "DELETE FROM state WHERE EXISTS (SELECT 1 FROM state newer \
         WHERE newer.stage = state.stage AND newer.key = state.key AND newer.epoch > state.epoch)",
        [],
    )?;
    tx.execute("DELETE FROM state WHERE value IS NULL", [])?;
    ahead::roll_back(&tx, index)?;
    tx.commit()?;
    let entries = connection
        .prepare_cached("SELECT stage, key, value FROM state ORDER BY stage, key")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    let ledger = ledger_rows(connection)?.into_iter().map(|(row, _)| row).collect();
    Ok(Snapshot { epoch, ledger, ahead: ahead::records(connection)?, entries })
}

/// The books for people: items whose event belongs to another position count as seen before.
pub(in crate::store) fn ledger(connection: &Connection) -> Result<Vec<LedgerRow>, Fault> {
    let rows = ledger_rows(connection)?.into_iter();
    Ok(rows.map(|(row, duplicates)| LedgerRow { sums: row.sums.with_duplicates(duplicates), ..row }).collect())
}

/// The books as the connectors keep them, each partition with how many of the items stored were duplicates.
pub(in crate::store) fn ledger_rows(connection: &Connection) -> Result<Vec<(LedgerRow, u64)>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT connector, cluster, topic, incarnation, partition, first_offset, next_offset, sums, duplicates, topic_id FROM ledger \
         ORDER BY connector, cluster, topic, incarnation, partition",
    )?;
    let mut rows = statement.query([])?;
    let mut ledger = Vec::new();
    while let Some(row) = rows.next()? {
        let sums: LedgerSums = serde_json::from_str(row.get_ref(7)?.as_str().map_err(rusqlite::Error::from)?)?;
        let (cluster, topic): (String, String) = (row.get(1)?, row.get(2)?);
        let partition = PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(3)?, partition: row.get(4)? };
        let topic_id = row.get::<_, Option<String>>(9)?.map(Into::into);
        let found = LedgerRow { connector: row.get(0)?, partition, first_offset: row.get(5)?, next_offset: row.get(6)?, topic_id, sums };
        ledger.push((found, row.get(8)?));
    }
    Ok(ledger)
}
