//! Items that name an event which another item has made.
//!
//! Of all items with one id, one owns the event: the one whose content is kept, and of those with that content the one at the
//! first position. The others are duplicates and count as seen before, whatever the order in which they were read. An item that
//! comes from its event's own position again is no duplicate: it was read a second time, after a crash, and counts once.
//!
//! A duplicate beyond its partition's next offset may be read again and is remembered by its position; when the books pass it, a
//! number is enough. An item of a dead letter that is decoded again is booked by the replays, so its duplicate is remembered by the
//! number of its replay until they have passed that.

use rusqlite::{Transaction, params};

use crate::model::Event;
use crate::model::dead_letter::REPLAY;
use crate::model::event::Provenance;
use crate::model::position::{PartitionKey, Position};
use crate::store::error::Fault;

/// Who read an item, and where: positions are ordered, so that the first is the same in every run.
pub(super) const fn place(provenance: &Provenance) -> (&String, &Position) {
    (&provenance.connector, &provenance.position)
}

/// Books an event's item against the owner known so far. `takes_over`: from now on the item is the owner.
pub(super) fn book(tx: &Transaction<'_>, event: &Event, owner: Option<&Provenance>, takes_over: bool) -> Result<(), Fault> {
    let Some(item) = &event.provenance else { return Ok(()) };
    match owner {
        Some(owner) if place(owner) == place(item) => Ok(()),
        Some(owner) if takes_over => {
            forget(tx, item, &event.id)?;
            add(tx, owner, &event.id)
        }
        None if takes_over => Ok(()),
        _ => add(tx, item, &event.id),
    }
}

fn add(tx: &Transaction<'_>, item: &Provenance, event_id: &str) -> Result<(), Fault> {
    if let Some(replay) = replay_of(tx, item)? {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO duplicates (connector, cluster, topic, incarnation, partition, \"offset\", event_id) \
             VALUES (?1, 'local', ?1, 0, 0, ?2, ?3)",
        )?
        .execute(params![REPLAY, replay, event_id])?;
        return Ok(());
    }
    let Position { partition: PartitionKey { cluster, topic, incarnation, partition }, offset } = &item.position;
    let passed = tx
        .prepare_cached(
            "UPDATE ledger SET duplicates = duplicates + 1 \
             WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ? AND next_offset > ?",
        )?
        .execute(params![item.connector, &**cluster, &**topic, incarnation, partition, offset])?;
    if passed == 0 {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO duplicates (connector, cluster, topic, incarnation, partition, \"offset\", event_id) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![item.connector, &**cluster, &**topic, incarnation, partition, offset, event_id])?;
    }
    Ok(())
}

/// The replay, not yet passed by its books, that an item was read by: its position has a letter, which nothing but a replay makes an
/// item of once the books of its partition are past it.
fn replay_of(tx: &Transaction<'_>, item: &Provenance) -> Result<Option<i64>, Fault> {
    let Position { partition: PartitionKey { cluster, topic, incarnation, partition }, offset } = &item.position;
    let mut statement = tx.prepare_cached(
        "SELECT max(r.id) FROM letters l JOIN replays r ON r.letter = l.n \
         WHERE l.connector = ?6 AND l.cluster = ?1 AND l.topic = ?2 AND l.incarnation = ?3 AND l.partition = ?4 AND l.\"offset\" = ?5 AND (l.whole OR EXISTS \
         (SELECT 1 FROM ledger b WHERE b.connector = ?6 AND b.cluster = ?1 AND b.topic = ?2 AND b.incarnation = ?3 AND b.partition = ?4 \
         AND b.next_offset > ?5))",
    )?;
    Ok(statement.query_row(params![&**cluster, &**topic, incarnation, partition, offset, item.connector], |row| row.get(0))?)
}

fn forget(tx: &Transaction<'_>, item: &Provenance, event_id: &str) -> Result<(), Fault> {
    if let Some(replay) = replay_of(tx, item)? {
        tx.prepare_cached("DELETE FROM duplicates WHERE connector = ? AND \"offset\" = ? AND event_id = ?")?
            .execute(params![REPLAY, replay, event_id])?;
        return Ok(());
    }
    let Position { partition: PartitionKey { cluster, topic, incarnation, partition }, offset } = &item.position;
    tx.prepare_cached(
        "DELETE FROM duplicates WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ? AND \"offset\" = ? \
         AND event_id = ?",
    )?
    .execute(params![item.connector, &**cluster, &**topic, incarnation, partition, offset, event_id])?;
    Ok(())
}
