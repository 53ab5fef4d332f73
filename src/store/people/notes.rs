//! Notes of an investigation.

use rusqlite::{Transaction, params};

use super::{log, rules};
use crate::model::Timestamp;
use crate::model::command::{CommandError, CommandOutcome};
use crate::model::event::truncate;
use crate::model::investigation::Note;
use crate::store::error::Fault;
use crate::store::read::investigations::{exists, note};

pub(super) fn add(tx: &Transaction<'_>, new: &Note, who: &str, now: Timestamp) -> Result<CommandOutcome, Fault> {
    rules::check_note(new)?;
    if !exists(tx, &new.investigation_id)? {
        return Err(CommandError::NotFound { what: "investigation", id: new.investigation_id.clone() }.into());
    }
    if let Some(parent) = &new.parent_id {
        current(tx, &new.investigation_id, parent, None).map_err(|_| rules::invalid("parent_id", "no such note here"))?;
    }
    let id = if new.id.is_empty() { uuid::Uuid::now_v7().to_string() } else { new.id.clone() };
    if tx.prepare_cached("SELECT 1 FROM notes WHERE id = ?")?.exists([&id])? {
        return Err(CommandError::Conflict { reason: format!("there is a note with id {id} already") }.into());
    }
    let author = if new.author.is_empty() { who.to_owned() } else { truncate(&new.author, 200) };
    let stored = Note { id, author, created_at: now, updated_at: now, version: 1, ..new.clone() };
    tx.prepare_cached(
        "INSERT INTO notes (id, investigation_id, author, body, event_id, at, parent_id, created_at, updated_at, version) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
    )?
    .execute(params![
        stored.id,
        stored.investigation_id,
        stored.author,
        stored.body,
        stored.event_id,
        stored.at.map(Timestamp::nanos),
        stored.parent_id,
        now.nanos(),
        now.nanos()
    ])?;
    log(tx, Some(&stored.investigation_id), now, who, "note", &truncate(&stored.body, 300))?;
    Ok(CommandOutcome::Note(Box::new(stored)))
}

pub(super) fn edit(
    tx: &Transaction<'_>,
    investigation_id: &str,
    note_id: &str,
    body: &str,
    expected: Option<u64>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let before = current(tx, investigation_id, note_id, expected)?;
    let after = Note { body: body.to_owned(), updated_at: now, version: before.version + 1, ..before };
    rules::check_note(&after)?;
    tx.prepare_cached("UPDATE notes SET body = ?, updated_at = ?, version = ? WHERE id = ?")?.execute(params![
        body,
        now.nanos(),
        after.version,
        note_id
    ])?;
    log(tx, Some(investigation_id), now, who, "note_edited", &truncate(body, 300))?;
    Ok(CommandOutcome::Note(Box::new(after)))
}

pub(super) fn delete(
    tx: &Transaction<'_>,
    investigation_id: &str,
    note_id: &str,
    expected: Option<u64>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let before = current(tx, investigation_id, note_id, expected)?;
    tx.prepare_cached("UPDATE notes SET deleted_at = ?, version = version + 1 WHERE id = ?")?.execute(params![now.nanos(), note_id])?;
    log(tx, Some(investigation_id), now, who, "note_deleted", &truncate(&before.body, 300))?;
    Ok(CommandOutcome::Done)
}

fn current(tx: &Transaction<'_>, investigation_id: &str, note_id: &str, expected: Option<u64>) -> Result<Note, Fault> {
    let found = note(tx, note_id)?.filter(|note| note.investigation_id == investigation_id);
    let Some(found) = found else { return Err(CommandError::NotFound { what: "note", id: note_id.to_owned() }.into()) };
    match expected {
        Some(expected) if expected != found.version => Err(CommandError::Stale { expected, actual: found.version }.into()),
        _ => Ok(found),
    }
}
