//! Records that came without Kafka: kept until the books are past them.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::model::Source;
use crate::model::ports::StoreError;
use crate::model::received::{CLUSTER, NewRecord, ReceivedRemoved, connector_of};
use crate::store::error::Fault;

/// Rows and bytes that one transaction removes at most: some milliseconds.
const REMOVED_ROWS: u32 = 500;
const REMOVED_BYTES: u64 = 4 << 20;

/// Appends records, each at the next offset of its connector.
pub(super) fn store(tx: &Transaction<'_>, records: &[NewRecord]) -> Result<(), Fault> {
    for source in Source::ALL {
        let ours = records.iter().filter(|record| record.source == source);
        let (count, bytes) = ours.clone().fold((0_i64, 0_u64), |(count, bytes), record| (count + 1, bytes + record.size_bytes()));
        if count == 0 {
            continue;
        }
        let connector = connector_of(source);
        let end: i64 = tx
            .prepare_cached(
                "INSERT INTO received_queues (connector, next_offset, bytes) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET \
                 next_offset = next_offset + excluded.next_offset, bytes = bytes + excluded.bytes RETURNING next_offset",
            )?
            .query_row(params![connector, count, bytes], |row| row.get(0))?;
        let mut insert = tx
            .prepare_cached("INSERT INTO received (connector, \"offset\", received_at, bytes, headers, value) VALUES (?, ?, ?, ?, ?, ?)")?;
        for (offset, record) in (end - count..).zip(ours) {
            let headers = postcard::to_stdvec(&record.headers).map_err(|error| StoreError::Other(error.to_string()))?;
            insert.execute(params![connector, offset, record.received_at.nanos(), record.size_bytes(), headers, record.value])?;
        }
    }
    Ok(())
}

/// Key of [`probe`]'s row, which no reader looks for.
const PROBE: &str = "probe";

/// Writes a row of so many bytes, durably, and removes it. Its pages are free for what comes next; a row that could not be removed goes
/// with the next probe.
pub(super) fn probe(connection: &Connection, bytes: u64) -> Result<(), Fault> {
    connection.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?, zeroblob(?))")?.execute(params![PROBE, bytes])?;
    connection.prepare_cached("DELETE FROM meta WHERE key = ?")?.execute([PROBE])?;
    Ok(())
}

/// Bytes that are there, by connector.
pub(super) fn waiting(connection: &Connection) -> Result<Vec<(String, u64)>, Fault> {
    let mut statement = connection.prepare_cached("SELECT connector, bytes FROM received_queues ORDER BY connector")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes some rows that the books in force are past: they are never read again.
pub(super) fn remove_some(connection: &mut Connection) -> Result<ReceivedRemoved, Fault> {
    let passed: Vec<(String, i64)> = connection
        .prepare_cached(
            "SELECT q.connector, max(l.next_offset) FROM received_queues q JOIN ledger l ON l.connector = q.connector AND l.cluster = ? \
             WHERE q.bytes > 0 GROUP BY q.connector",
        )?
        .query_map([CLUSTER], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut removed = ReceivedRemoved::default();
    if passed.is_empty() {
        return Ok(removed);
    }
    let tx = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let (mut rows_left, mut bytes_left) = (REMOVED_ROWS, REMOVED_BYTES);
    for (connector, end) in passed {
        let rows: Vec<(i64, u64)> = tx
            .prepare_cached("SELECT n, bytes FROM received WHERE connector = ? AND \"offset\" < ? ORDER BY \"offset\" LIMIT ?")?
            .query_map(params![connector, end, rows_left + 1], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut bytes = 0;
        for (n, size) in rows {
            if rows_left == 0 || bytes_left == 0 {
                removed.more = true;
                break;
            }
            tx.prepare_cached("DELETE FROM received WHERE n = ?")?.execute([n])?;
            rows_left -= 1;
            bytes_left = bytes_left.saturating_sub(size);
            bytes += size;
        }
        if bytes > 0 {
            tx.prepare_cached("UPDATE received_queues SET bytes = bytes - ? WHERE connector = ?")?.execute(params![bytes, connector])?;
            removed.bytes.push((connector, bytes));
        }
    }
    tx.commit()?;
    Ok(removed)
}
