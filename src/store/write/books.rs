//! Dead letters and bucket rows.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::dead_letter::{DeadLetter, LetterStatus};
use crate::model::ports::StoreError;
use crate::model::signal::BucketRow;
use crate::store::error::Fault;

/// `true` when the letter is new. One position has one letter of each connector; a repeat raises its attempts.
pub(in crate::store) fn store_letter(tx: &Transaction<'_>, letter: &DeadLetter) -> Result<bool, Fault> {
    let partition = &letter.position.partition;
    let bytes = letter.key.as_ref().map_or(0, Vec::len) + letter.value.as_ref().map_or(0, Vec::len);
    let known: Option<i64> = tx
        .prepare_cached("SELECT n FROM letters WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ? AND \"offset\" = ?")?
        .query_row(
            params![
                letter.connector,
                &*partition.cluster,
                &*partition.topic,
                partition.incarnation,
                partition.partition,
                letter.position.offset
            ],
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
         bad_items, attempts, first_failed_at, last_failed_at, fingerprint, status, bytes, kafka_time, whole, items_bad) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        letter.timestamp.map(crate::model::Timestamp::nanos),
        letter.bad_items.is_empty(),
        letter.bad_items.len(),
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
