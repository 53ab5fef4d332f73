//! Items that name an event which another item has made.
//!
//! Of all items with one id, one owns the event: the one whose content is kept, and of those with that content the one at the
//! first position. The others are duplicates and count as seen before, whatever the order in which they were read. An item that
//! comes from its event's own position again is no duplicate: it was read a second time, after a crash, and counts once.
//!
//! A duplicate beyond its partition's next offset may be read again and is remembered by its position; when the books pass it, a
//! number is enough.

use rusqlite::{Transaction, params};

use crate::model::Event;
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

fn forget(tx: &Transaction<'_>, item: &Provenance, event_id: &str) -> Result<(), Fault> {
    let Position { partition: PartitionKey { cluster, topic, incarnation, partition }, offset } = &item.position;
    tx.prepare_cached(
        "DELETE FROM duplicates WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ? AND \"offset\" = ? \
         AND event_id = ?",
    )?
    .execute(params![item.connector, &**cluster, &**topic, incarnation, partition, offset, event_id])?;
    Ok(())
}
