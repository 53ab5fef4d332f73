//! Who called whom, by hour.

use rusqlite::{Transaction, params};

use crate::model::Bucket;
use crate::model::topology::{EdgeHour, hour_of};
use crate::store::error::Fault;

/// Rows that one transaction of retention removes.
pub(super) const ROWS_AT_ONCE: u32 = 1_000;

/// Replaces the rows of their hours: what is made again after a crash says the same of an hour, or more. What error texts name
/// replaces no calls.
pub(super) fn store(tx: &Transaction<'_>, edges: &[EdgeHour]) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO edge_hours (environment, hour, caller, callee, first, last, calls, failed, duration_ns, mentions) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET first = excluded.first, last = excluded.last, \
         calls = excluded.calls, failed = excluded.failed, duration_ns = excluded.duration_ns, mentions = excluded.mentions \
         WHERE excluded.calls > 0 OR edge_hours.calls = 0",
    )?;
    for edge in edges {
        statement.execute(params![
            edge.caller.environment,
            edge.hour().0,
            edge.caller.service,
            edge.callee,
            edge.first.0,
            edge.last.0,
            edge.calls,
            edge.failed,
            edge.duration_ns.min(i64::MAX as u64),
            edge.mentions
        ])?;
    }
    Ok(())
}

/// Removes some of the hours that ended before a bucket. Returns how many rows.
pub(super) fn remove(tx: &Transaction<'_>, environment: &str, before: Bucket) -> Result<u64, Fault> {
    let mut statement = tx.prepare_cached(
        "DELETE FROM edge_hours WHERE (environment, hour, caller, callee) IN \
         (SELECT environment, hour, caller, callee FROM edge_hours WHERE environment = ? AND hour < ? LIMIT ?)",
    )?;
    Ok(statement.execute(params![environment, hour_of(before).0, ROWS_AT_ONCE])? as u64)
}
