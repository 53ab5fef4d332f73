//! Begins anew with what the stages had learned, and keeps everything else: positions, events, counts, investigations.

use rusqlite::{Transaction, params};

use super::checkpoint::ledger_rows;
use super::events::EventIndex;
use crate::model::{Bucket, Timestamp};
use crate::store::error::Fault;

/// Removes the stages' state but for how far buckets are closed. What it had counted in open buckets is gone: it is booked as
/// removed, and returned. Rows and events of buckets after `closed` go too: they are made again from what is read again.
pub(super) fn forget_state(tx: &Transaction<'_>, index: &mut EventIndex, closed: Option<Bucket>, now: Timestamp) -> Result<u64, Fault> {
    let last = closed.map_or(i64::MIN, |bucket| bucket.0);
    let from = closed.map_or(Timestamp::MIN, Bucket::end);
    let ahead: Vec<(i64, i64)> = tx
        .prepare(
            "SELECT e.seq, e.dim FROM event_dims d JOIN events e ON e.dim = d.dim WHERE d.source = 'logs' \
             AND d.event_type IN ('error_burst', 'new_error_pattern') AND e.seq >= ?",
        )?
        .query_map([from.nanos()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (seq, dim) in ahead {
        index.remove(tx, seq, dim)?;
    }
    index.write_counts(tx)?;
    tx.execute("DELETE FROM bucket_rows WHERE bucket > ?", [last])?;
    tx.execute("DELETE FROM bucket_totals WHERE bucket > ?", [last])?;
    let folded: u64 = ledger_rows(tx)?.iter().map(|(row, _)| row.sums.items_folded).sum();
    let kept: u64 = tx.query_row(
        "SELECT (SELECT coalesce(sum(items), 0) FROM bucket_rows) + (SELECT coalesce(sum(items), 0) FROM pruned_services)",
        [],
        |row| row.get(0),
    )?;
    let forgotten = folded.saturating_sub(kept);
    if forgotten > 0 {
        tx.execute(
            "INSERT INTO pruned_services (environment, service, items) VALUES ('', '', ?) ON CONFLICT DO UPDATE SET items = items + excluded.items",
            [forgotten],
        )?;
        tx.execute(
            "INSERT INTO pruned (kind, removed, bytes, last_at) VALUES ('open_buckets', ?, 0, ?) \
             ON CONFLICT DO UPDATE SET removed = removed + excluded.removed, last_at = excluded.last_at",
            params![forgotten, now.nanos()],
        )?;
    }
    // Kept: the clocks of the detectors (key `c`) and the watermark, or late records would be counted into buckets that are over.
    tx.execute("DELETE FROM state WHERE stage <> 'watermark' AND NOT (stage LIKE 'detection/%' AND key = x'63')", [])?;
    tx.execute("DELETE FROM meta WHERE key = 'snapshot_format'", [])?;
    Ok(forgotten)
}
