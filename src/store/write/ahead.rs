//! What is stored ahead of the checkpoint in force.
//!
//! A restart goes on from the checkpoint: what came after it is read, counted and judged again. Most of it comes again as it was,
//! under the same key. Two things may not, and are taken care of here:
//! - Bucket rows and events of detectors: an item later than its bucket is counted in whichever is open when it is read, and that
//!   may be another one this time. So what buckets beyond the checkpoint made is removed before anything is made again.
//! - Events and letters of records that the broker has removed meanwhile: they stay, and the books are told of them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::events::EventIndex;
use super::meta;
use super::prune::environments;
use crate::model::Event;
use crate::model::position::{PartitionKey, Position};
use crate::model::signal::DetectedEvent;
use crate::model::snapshot::{Ahead, AheadLetter, Checkpoint};
use crate::store::error::Fault;

const CLOSED_THROUGH: &str = "closed_through";
/// Nothing is closed yet.
const NONE: &str = "none";

/// Remembers which bucket made an event.
pub(super) fn note_detected(tx: &Transaction<'_>, made: &DetectedEvent) -> Result<(), Fault> {
    tx.prepare_cached("INSERT OR REPLACE INTO detected_ahead (event_id, bucket) VALUES (?, ?)")?
        .execute(params![made.event.id, made.bucket.0])?;
    Ok(())
}

/// Remembers an item whose record the books are not past. One that a replay read is booked by the replays.
pub(super) fn note_item(tx: &Transaction<'_>, event: &Event) -> Result<(), Fault> {
    let Some(item) = &event.provenance else { return Ok(()) };
    let Position { partition: PartitionKey { cluster, topic, incarnation, partition }, offset } = &item.position;
    tx.prepare_cached(
        "INSERT OR IGNORE INTO items_ahead (connector, cluster, topic, incarnation, partition, \"offset\", event_id) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (SELECT 1 FROM ledger WHERE connector = ?1 AND cluster = ?2 AND topic = ?3 \
         AND incarnation = ?4 AND partition = ?5 AND next_offset > ?6) AND NOT EXISTS (SELECT 1 FROM letters WHERE connector = ?1 \
         AND cluster = ?2 AND topic = ?3 AND incarnation = ?4 AND partition = ?5 AND \"offset\" = ?6 AND whole)",
    )?
    .execute(params![item.connector, &**cluster, &**topic, incarnation, partition, offset, event.id])?;
    Ok(())
}

/// A checkpoint is in force: what it covers is ahead no more.
pub(super) fn pass(tx: &Transaction<'_>, checkpoint: &Checkpoint) -> Result<(), Fault> {
    let closed = checkpoint.closed_through.map_or_else(|| NONE.to_owned(), |bucket| bucket.0.to_string());
    tx.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")?.execute([CLOSED_THROUGH, &closed])?;
    if let Some(bucket) = checkpoint.closed_through {
        tx.prepare_cached("DELETE FROM detected_ahead WHERE bucket <= ?")?.execute([bucket.0])?;
    }
    let mut passed = tx.prepare_cached(
        "DELETE FROM items_ahead WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ? AND \"offset\" < ?",
    )?;
    for row in &checkpoint.ledger {
        let PartitionKey { cluster, topic, incarnation, partition } = &row.partition;
        passed.execute(params![row.connector, &**cluster, &**topic, incarnation, partition, row.next_offset])?;
    }
    Ok(())
}

/// Last bucket that the checkpoint in force has closed, below all when it closed none; `None` where it does not say.
pub(super) fn closed_through(connection: &Connection) -> Result<Option<i64>, Fault> {
    if meta(connection, "epoch")?.is_none() {
        return Ok(Some(i64::MIN));
    }
    let found = meta(connection, CLOSED_THROUGH)?;
    Ok(found.and_then(|text| if text == NONE { Some(i64::MIN) } else { text.parse().ok() }))
}

/// Removes what buckets beyond the checkpoint have made; it is made again. Links of people to such an event stay, and lead to it
/// again when it is.
pub(super) fn roll_back(tx: &Transaction<'_>, index: &mut EventIndex) -> Result<(), Fault> {
    // A checkpoint of an older version.
    let Some(closed) = closed_through(tx)? else { return Ok(()) };
    for environment in environments(tx)? {
        tx.execute("DELETE FROM bucket_rows WHERE environment = ? AND bucket > ?", params![environment, closed])?;
        for source in crate::model::Source::ALL {
            let of_source = params![environment, source.as_str(), closed];
            tx.execute("DELETE FROM bucket_totals WHERE environment = ? AND source = ? AND bucket > ?", of_source)?;
        }
    }
    let made: Vec<String> = tx
        .prepare("SELECT event_id FROM detected_ahead WHERE bucket > ?")?
        .query_map([closed], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in made {
        let place: Option<(i64, i64)> = tx
            .prepare_cached("SELECT seq, dim FROM events WHERE id = ?")?
            .query_row([&id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((seq, dim)) = place {
            index.remove(tx, seq, dim)?;
        }
        tx.prepare_cached("DELETE FROM event_links WHERE event_id = ? AND linked_by = 'whydunit'")?.execute([&id])?;
    }
    index.write_counts(tx)?;
    tx.execute("DELETE FROM detected_ahead", [])?;
    Ok(())
}

/// Records that are stored and not booked.
pub(super) fn records(connection: &Connection) -> Result<Vec<Ahead>, Fault> {
    let mut found: BTreeMap<(String, PartitionKey, i64), Ahead> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT connector, cluster, topic, incarnation, partition, \"offset\", count(*), -1 FROM items_ahead \
         GROUP BY connector, cluster, topic, incarnation, partition, \"offset\" \
         UNION ALL SELECT l.connector, l.cluster, l.topic, l.incarnation, l.partition, l.\"offset\", 0, iif(l.whole, 0, l.items_bad) \
         FROM letters l LEFT JOIN ledger b ON b.connector = l.connector AND b.cluster = l.cluster AND b.topic = l.topic \
         AND b.incarnation = l.incarnation AND b.partition = l.partition WHERE b.next_offset IS NULL OR b.next_offset <= l.\"offset\"",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (connector, cluster, topic): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let partition = PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(3)?, partition: row.get(4)? };
        let (offset, items, letter): (i64, u64, i64) = (row.get(5)?, row.get(6)?, row.get(7)?);
        let fresh = || Ahead { connector: connector.clone(), partition: partition.clone(), offset, items: 0, letter: None };
        let ahead = found.entry((connector.clone(), partition.clone(), offset)).or_insert_with(fresh);
        ahead.items += items;
        ahead.letter = match u64::try_from(letter) {
            Err(_) => ahead.letter,
            Ok(0) => Some(AheadLetter::Whole),
            Ok(items) => Some(AheadLetter::Items(items)),
        };
    }
    Ok(found.into_values().collect())
}
