//! Dead letters, bucket rows, ledger and the stages' state.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::dead_letter::{DeadLetter, LetterStatus};
use crate::model::ledger::{LedgerRow, LedgerSums};
use crate::model::ports::StoreError;
use crate::model::position::PartitionKey;
use crate::model::signal::BucketRow;
use crate::model::snapshot::{Checkpoint, Snapshot};
use crate::store::error::Fault;

/// Version of the state entries' encoding; a snapshot of another version is refused, not misread.
pub(in crate::store) const SNAPSHOT_FORMAT: u32 = 2;

/// `true` when the letter is new. One position has one letter; a repeat raises its attempts.
pub(in crate::store) fn store_letter(tx: &Transaction<'_>, letter: &DeadLetter) -> Result<bool, Fault> {
    let partition = &letter.position.partition;
    let bytes = letter.key.as_ref().map_or(0, Vec::len) + letter.value.as_ref().map_or(0, Vec::len);
    let known: Option<i64> = tx
        .prepare_cached("SELECT n FROM letters WHERE cluster = ? AND topic = ? AND incarnation = ? AND partition = ? AND \"offset\" = ?")?
        .query_row(
            params![&*partition.cluster, &*partition.topic, partition.incarnation, partition.partition, letter.position.offset],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(n) = known {
        tx.prepare_cached(
            "UPDATE letters SET attempts = max(attempts, ?2), first_failed_at = min(first_failed_at, ?3), \
             last_failed_at = max(last_failed_at, ?4) WHERE n = ?1",
        )?
        .execute(params![n, letter.attempts, letter.first_failed_at.nanos(), letter.last_failed_at.nanos()])?;
        return Ok(false);
    }
    tx.prepare_cached(
        "INSERT INTO letters (id, connector, cluster, topic, incarnation, partition, \"offset\", error_class, error_message, format, \
         bad_items, attempts, first_failed_at, last_failed_at, fingerprint, status, bytes) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        letter.id,
        letter.connector,
        &*partition.cluster,
        &*partition.topic,
        partition.incarnation,
        partition.partition,
        letter.position.offset,
        letter.error_class.as_str(),
        letter.error_message,
        letter.format,
        serde_json::to_string(&letter.bad_items)?,
        letter.attempts,
        letter.first_failed_at.nanos(),
        letter.last_failed_at.nanos(),
        letter.fingerprint,
        LetterStatus::Waiting.as_str(),
        bytes as i64,
    ])?;
    let n = tx.last_insert_rowid();
    let headers = postcard::to_stdvec(&letter.headers).map_err(|error| StoreError::Other(error.to_string()))?;
    tx.prepare_cached("INSERT INTO letter_records (n, key, value, headers) VALUES (?, ?, ?, ?)")?.execute(params![
        n,
        letter.key,
        letter.value,
        headers
    ])?;
    Ok(true)
}

/// Replaces rows, and brings the sums over services up to date.
pub(in crate::store) fn store_rows(tx: &Transaction<'_>, rows: &[BucketRow]) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO bucket_rows (environment, bucket, source, service, items, failing, in_events, late) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET items = excluded.items, failing = excluded.failing, in_events = excluded.in_events, late = excluded.late",
    )?;
    let mut touched = BTreeSet::new();
    for row in rows {
        touched.insert((row.entity.environment.as_str(), row.bucket.0, row.source.as_str()));
        statement.execute(params![
            row.entity.environment,
            row.bucket.0,
            row.source.as_str(),
            row.entity.service,
            row.items,
            row.failing,
            row.in_events,
            row.late
        ])?;
    }
    let mut totals = tx.prepare_cached(
        "INSERT OR REPLACE INTO bucket_totals (environment, bucket, source, items, failing) \
         SELECT environment, bucket, source, sum(items), sum(failing) FROM bucket_rows WHERE environment = ? AND bucket = ? AND source = ?",
    )?;
    for key in touched {
        totals.execute(key)?;
    }
    Ok(())
}

/// Returns the bytes of state written.
pub(in crate::store) fn store_checkpoint(tx: &Transaction<'_>, checkpoint: &Checkpoint) -> Result<u64, Fault> {
    let mut bytes = 0;
    let mut put = tx.prepare_cached(
        "INSERT INTO state (stage, key, value) VALUES (?, ?, ?) ON CONFLICT (stage, key) DO UPDATE SET value = excluded.value",
    )?;
    let mut remove = tx.prepare_cached("DELETE FROM state WHERE stage = ? AND key = ?")?;
    for delta in &checkpoint.deltas {
        for entry in &delta.entries {
            match &entry.value {
                Some(value) => {
                    let value = value.encode().map_err(|reason| StoreError::Other(format!("state of {}: {reason}", delta.stage)))?;
                    bytes += (entry.key.len() + value.len()) as u64;
                    put.execute(params![delta.stage, entry.key, value])?;
                }
                None => {
                    remove.execute(params![delta.stage, entry.key])?;
                }
            }
        }
    }
    checkpoint.ledger.iter().try_for_each(|row| store_ledger_row(tx, row))?;
    let mut meta = tx.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")?;
    meta.execute(params!["epoch", checkpoint.epoch.to_string()])?;
    meta.execute(params!["snapshot_format", SNAPSHOT_FORMAT.to_string()])?;
    Ok(bytes)
}

fn store_ledger_row(tx: &Transaction<'_>, row: &LedgerRow) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO ledger (connector, cluster, topic, incarnation, partition, first_offset, next_offset, sums) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        row.connector,
        &*row.partition.cluster,
        &*row.partition.topic,
        row.partition.incarnation,
        row.partition.partition,
        row.first_offset,
        row.next_offset,
        serde_json::to_string(&row.sums)?
    ])?;
    Ok(())
}

pub(in crate::store) fn load_snapshot(connection: &rusqlite::Connection) -> Result<Snapshot, Fault> {
    if let Some(found) = meta(connection, "snapshot_format")?.and_then(|text| text.parse().ok())
        && found != SNAPSHOT_FORMAT
    {
        let advice = "start the whydunit version that wrote it, or begin with a new database and let it read from Kafka again".to_owned();
        return Err(StoreError::SnapshotVersion { found, known: SNAPSHOT_FORMAT, advice }.into());
    }
    let epoch = meta(connection, "epoch")?.and_then(|text| text.parse().ok()).unwrap_or_default();
    let entries = connection
        .prepare_cached("SELECT stage, key, value FROM state ORDER BY stage, key")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Snapshot { epoch, ledger: ledger(connection)?, entries })
}

pub(in crate::store) fn ledger(connection: &rusqlite::Connection) -> Result<Vec<LedgerRow>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT connector, cluster, topic, incarnation, partition, first_offset, next_offset, sums FROM ledger \
         ORDER BY connector, cluster, topic, incarnation, partition",
    )?;
    let mut rows = statement.query([])?;
    let mut ledger = Vec::new();
    while let Some(row) = rows.next()? {
        let sums: LedgerSums = serde_json::from_str(row.get_ref(7)?.as_str().map_err(rusqlite::Error::from)?)?;
        let (cluster, topic): (String, String) = (row.get(1)?, row.get(2)?);
        ledger.push(LedgerRow {
            connector: row.get(0)?,
            partition: PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(3)?, partition: row.get(4)? },
            first_offset: row.get(5)?,
            next_offset: row.get(6)?,
            sums,
        });
    }
    Ok(ledger)
}

pub(in crate::store) fn meta(connection: &rusqlite::Connection, key: &str) -> Result<Option<String>, Fault> {
    Ok(connection.prepare_cached("SELECT value FROM meta WHERE key = ?")?.query_row([key], |row| row.get(0)).optional()?)
}
