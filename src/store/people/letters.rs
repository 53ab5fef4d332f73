//! Decisions on dead letters.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Transaction, params, params_from_iter};

use super::{log, rules};
use crate::model::Timestamp;
use crate::model::command::{CommandError, CommandOutcome, LetterSelection};
use crate::model::dead_letter::LetterStatus;
use crate::store::error::Fault;

/// Letters one decision takes at most; what is left is told, and the next decision takes it.
const LETTERS_LIMIT: u32 = 100_000;
const EDITED_BYTES_LIMIT: usize = 10 * 1_024 * 1_024;

pub(super) fn discard(
    tx: &Transaction<'_>,
    select: &LetterSelection,
    reason: &str,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let mut faults = rules::Faults::default();
    faults.required("reason", reason, rules::COMMENT_CHARS_LIMIT);
    faults.verdict()?;
    must_be(tx, select, LetterStatus::Waiting)?;
    let (condition, value) = condition(select);
    let sql = format!(
        "UPDATE letters SET status = '{}', discard_reason = ? \
         WHERE n IN (SELECT n FROM letters WHERE status = '{}' AND {condition} LIMIT {LETTERS_LIMIT})",
        LetterStatus::Discarded.as_str(),
        LetterStatus::Waiting.as_str()
    );
    let count = tx.prepare_cached(&sql)?.execute(params_from_iter([Value::Text(reason.to_owned())].into_iter().chain(value)))? as u64;
    log(tx, None, now, who, "dead_letters_discarded", &format!("{count}, {}: {reason}", told(select)))?;
    Ok(CommandOutcome::Letters { count })
}

/// Letters that were discarded wait again.
pub(super) fn restore(tx: &Transaction<'_>, select: &LetterSelection, who: &str, now: Timestamp) -> Result<CommandOutcome, Fault> {
    must_be(tx, select, LetterStatus::Discarded)?;
    let (condition, value) = condition(select);
    let sql = format!(
        "UPDATE letters SET status = '{}', discard_reason = NULL \
         WHERE n IN (SELECT n FROM letters WHERE status = '{}' AND {condition} LIMIT {LETTERS_LIMIT})",
        LetterStatus::Waiting.as_str(),
        LetterStatus::Discarded.as_str()
    );
    let count = tx.prepare_cached(&sql)?.execute(params_from_iter(value))? as u64;
    log(tx, None, now, who, "dead_letters_restored", &format!("{count}, {}", told(select)))?;
    Ok(CommandOutcome::Letters { count })
}

/// Keeps that its bytes were asked for, and by whom.
pub(super) fn reveal(tx: &Transaction<'_>, id: &str, who: &str, now: Timestamp) -> Result<CommandOutcome, Fault> {
    if !tx.prepare_cached("SELECT 1 FROM letters WHERE id = ?")?.exists([id])? {
        return Err(CommandError::NotFound { what: "dead letter", id: id.to_owned() }.into());
    }
    log(tx, None, now, who, "dead_letter_revealed", id)?;
    Ok(CommandOutcome::Done)
}

/// Marks the letters and puts each in the line that the pipeline reads.
pub(super) fn replay(
    tx: &Transaction<'_>,
    select: &LetterSelection,
    edited: Option<&[u8]>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let mut faults = rules::Faults::default();
    if edited.is_some() && !matches!(select, LetterSelection::One(_)) {
        faults.add("value", "only one letter at a time can be edited");
    }
    if edited.is_some_and(|value| value.len() > EDITED_BYTES_LIMIT) {
        faults.add("value", format!("at most {EDITED_BYTES_LIMIT} bytes"));
    }
    faults.verdict()?;
    must_be(tx, select, LetterStatus::Waiting)?;
    let (condition, value) = condition(select);
    let last: i64 = tx.query_row("SELECT coalesce(max(id), 0) FROM replays", [], |row| row.get(0))?;
    let insert = format!(
        "INSERT INTO replays (letter, edited, at) SELECT n, ?, ? FROM letters WHERE status = '{}' AND {condition} ORDER BY n LIMIT {LETTERS_LIMIT}",
        LetterStatus::Waiting.as_str()
    );
    let given = [edited.map_or(Value::Null, |bytes| Value::Blob(bytes.to_vec())), Value::Integer(now.nanos())];
    let count = tx.prepare_cached(&insert)?.execute(params_from_iter(given.into_iter().chain(value)))? as u64;
    let mark =
        format!("UPDATE letters SET status = '{}' WHERE n IN (SELECT letter FROM replays WHERE id > ?)", LetterStatus::Replaying.as_str());
    tx.prepare_cached(&mark)?.execute([last])?;
    if count > 0 {
        keep_run(tx, select, edited.is_some(), who, now, last + 1)?;
    }
    log(tx, None, now, who, "dead_letters_replayed", &format!("{count}, {}", told(select)))?;
    Ok(CommandOutcome::Letters { count })
}

/// Keeps the decision, so that how far it is can be told. Its replays have the ids from `first` on.
fn keep_run(tx: &Transaction<'_>, select: &LetterSelection, is_edited: bool, who: &str, now: Timestamp, first: i64) -> Result<(), Fault> {
    let (letter, group, connector) = match select {
        LetterSelection::One(id) => (Some(id), None, None),
        LetterSelection::Group(fingerprint) => (None, Some(fingerprint), None),
        LetterSelection::Connector(name) => (None, None, Some(name)),
        LetterSelection::All => (None, None, None),
    };
    tx.prepare_cached(
        "INSERT INTO replay_runs (at, who, letter_id, fingerprint, connector, edited, first, last) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, min(id), max(id) FROM replays WHERE id >= ?7",
    )?
    .execute(params![now.nanos(), who, letter, group, connector, is_edited, first])?;
    Ok(())
}

/// One letter that is named must be there, and in this state; of many, those that are in it are taken.
fn must_be(tx: &Transaction<'_>, select: &LetterSelection, wanted: LetterStatus) -> Result<(), Fault> {
    let LetterSelection::One(id) = select else { return Ok(()) };
    let status: Option<String> =
        tx.prepare_cached("SELECT status FROM letters WHERE id = ?")?.query_row([id], |row| row.get(0)).optional()?;
    match status {
        None => Err(CommandError::NotFound { what: "dead letter", id: id.clone() }.into()),
        Some(status) if status != wanted.as_str() => {
            Err(CommandError::Conflict { reason: format!("this dead letter is {status}, not {}", wanted.as_str()) }.into())
        }
        Some(_) => Ok(()),
    }
}

fn condition(select: &LetterSelection) -> (&'static str, Option<Value>) {
    match select {
        LetterSelection::One(id) => ("id = ?", Some(Value::Text(id.clone()))),
        LetterSelection::Group(fingerprint) => ("fingerprint = ?", Some(Value::Text(fingerprint.clone()))),
        LetterSelection::Connector(name) => ("connector = ?", Some(Value::Text(name.clone()))),
        LetterSelection::All => ("true", None),
    }
}

fn told(select: &LetterSelection) -> String {
    match select {
        LetterSelection::One(id) => id.clone(),
        LetterSelection::Group(fingerprint) => format!("group {fingerprint}"),
        LetterSelection::Connector(name) => format!("connector {name}"),
        LetterSelection::All => "all that waited".to_owned(),
    }
}
