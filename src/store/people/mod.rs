//! What people ask for: each command in one transaction, with a line of activity, and, where the pipeline must know of
//! it, a row in the inbox.

pub(super) mod aliases;
mod investigations;
mod letters;
mod notes;
mod rules;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use xxhash_rust::xxh3::xxh3_64;

use super::error::Fault;
use crate::model::Timestamp;
use crate::model::command::{Action, Command, CommandError, CommandOutcome};

/// How long an idempotency key is remembered.
const REMEMBER_NS: i64 = 24 * 3_600 * 1_000_000_000;

pub(super) fn execute(connection: &mut Connection, command: &Command, now: Timestamp) -> Result<CommandOutcome, Fault> {
    check_command(command)?;
    let tx = Transaction::new(connection, TransactionBehavior::Immediate)?;
    if let Some(outcome) = remembered(&tx, command, now)? {
        return Ok(outcome);
    }
    let outcome = perform(&tx, command, now)?;
    if goes_to_inbox(&command.action) {
        tx.prepare_cached("INSERT INTO inbox (at, command) VALUES (?, ?)")?
            .execute(params![now.nanos(), serde_json::to_string(command)?])?;
    }
    remember(&tx, command, &outcome, now)?;
    tx.commit()?;
    Ok(outcome)
}

fn check_command(command: &Command) -> Result<(), CommandError> {
    let mut faults = rules::Faults::default();
    faults.required("who", &command.who, 200);
    if let Some(key) = &command.idempotency_key {
        faults.required("Idempotency-Key", key, 255);
    }
    faults.verdict()
}

fn perform(tx: &Transaction<'_>, command: &Command, now: Timestamp) -> Result<CommandOutcome, Fault> {
    let who = command.who.as_str();
    let expected = command.expected_version;
    match &command.action {
        Action::CreateEvent { event } => {
            rules::check_event(event)?;
            log(tx, None, now, who, "event", &event.title)?;
            Ok(CommandOutcome::Event(event.clone()))
        }
        Action::CreateInvestigation { id, new } => investigations::create(tx, id, new, who, now),
        Action::PatchInvestigation { id, patch } => investigations::patch(tx, id, patch, expected, who, now),
        Action::CloseInvestigations { ids, reason, comment, mute_until } => {
            let closing = investigations::Closing { reason: *reason, comment: comment.as_deref(), mute_until: *mute_until };
            investigations::close(tx, ids, &closing, expected, who, now)
        }
        Action::ReopenInvestigation { id, reason } => investigations::reopen(tx, id, reason, expected, who, now),
        Action::LinkEvent { id, event_id, reason } => investigations::link(tx, id, event_id, reason, expected, who, now),
        Action::SetVerdict { id, suspect_id, verdict, comment } => {
            let verdict = investigations::PersonVerdict { suspect_id, verdict: *verdict, comment: comment.as_deref() };
            investigations::set_verdict(tx, id, verdict, expected, who, now)
        }
        Action::AddNote { note } => notes::add(tx, note, who, now),
        Action::EditNote { investigation_id, note_id, body } => notes::edit(tx, investigation_id, note_id, body, expected, who, now),
        Action::DeleteNote { investigation_id, note_id } => notes::delete(tx, investigation_id, note_id, expected, who, now),
        Action::DiscardDeadLetters { select, reason } => letters::discard(tx, select, reason, who, now),
        Action::RestoreDeadLetters { select } => letters::restore(tx, select, who, now),
        Action::RevealDeadLetter { id } => letters::reveal(tx, id, who, now),
        Action::SteerConnector { name, order, reason } => {
            log(tx, None, now, who, &format!("connector_{}", order.as_str()), &format!("{name}: {reason}"))?;
            Ok(CommandOutcome::Done)
        }
        Action::SetAlias { name, service, reason } => aliases::set(tx, name, service, reason, who, now),
        Action::RemoveAlias { name } => aliases::remove(tx, name, who, now),
        Action::ReplayDeadLetters { select, edited } => letters::replay(tx, select, edited.as_deref(), who, now),
    }
}

/// What the pipeline reads like records of one more partition.
const fn goes_to_inbox(action: &Action) -> bool {
    match action {
        Action::PatchInvestigation { patch, .. } => patch.status.is_some(),
        Action::CreateEvent { .. }
        | Action::CreateInvestigation { .. }
        | Action::CloseInvestigations { .. }
        | Action::ReopenInvestigation { .. }
        | Action::SetVerdict { .. } => true,
        _ => false,
    }
}

/// One line of activity.
fn log(tx: &Transaction<'_>, investigation_id: Option<&str>, now: Timestamp, who: &str, what: &str, detail: &str) -> Result<(), Fault> {
    tx.prepare_cached("INSERT INTO activity (investigation_id, at, who, what, detail) VALUES (?, ?, ?, ?, ?)")?.execute(params![
        investigation_id,
        now.nanos(),
        who,
        what,
        detail
    ])?;
    Ok(())
}

/// The outcome of the same request made before, within a day.
fn remembered(tx: &Transaction<'_>, command: &Command, now: Timestamp) -> Result<Option<CommandOutcome>, Fault> {
    let Some(key) = &command.idempotency_key else { return Ok(None) };
    let found: Option<(i64, String)> = tx
        .prepare_cached("SELECT command_hash, outcome FROM idempotency WHERE who = ? AND key = ? AND at > ?")?
        .query_row(params![command.who, key, now.nanos().saturating_sub(REMEMBER_NS)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        None => Ok(None),
        Some((hash, outcome)) if hash == hash_of(command)? => Ok(Some(serde_json::from_str(&outcome)?)),
        Some(_) => {
            let reason = format!("Idempotency-Key {key} was used for another request within the last 24 hours");
            Err(CommandError::Conflict { reason }.into())
        }
    }
}

fn remember(tx: &Transaction<'_>, command: &Command, outcome: &CommandOutcome, now: Timestamp) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM idempotency WHERE at <= ?")?.execute([now.nanos().saturating_sub(REMEMBER_NS)])?;
    let Some(key) = &command.idempotency_key else { return Ok(()) };
    tx.prepare_cached("INSERT OR REPLACE INTO idempotency (who, key, at, command_hash, outcome) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![command.who, key, now.nanos(), hash_of(command)?, serde_json::to_string(outcome)?])?;
    Ok(())
}

/// Ids and times that the server gives anew to each request do not make it another request.
fn hash_of(command: &Command) -> Result<i64, Fault> {
    let mut action = command.action.clone();
    match &mut action {
        Action::CreateEvent { event } => {
            if event.source_id.is_none() {
                event.id.clear();
                event.fingerprint.clear();
            }
            // A time that the request did not give is that of its reading.
            if event.timestamp == event.observed_at {
                (event.timestamp, event.first_seen, event.last_seen) = (Timestamp::EPOCH, Timestamp::EPOCH, Timestamp::EPOCH);
            }
            event.observed_at = Timestamp::EPOCH;
        }
        Action::CreateInvestigation { id, .. } => id.clear(),
        Action::AddNote { note } => {
            note.id.clear();
            (note.created_at, note.updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
        }
        _ => {}
    }
    Ok(xxh3_64(serde_json::to_string(&(&action, command.expected_version))?.as_bytes()) as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::model::command::NewInvestigation;

    #[test]
    fn a_retry_with_a_fresh_server_side_id_is_the_same_request() {
        let command = |id: &str| Command {
            who: "ada".into(),
            idempotency_key: Some("k".into()),
            expected_version: None,
            action: Action::CreateInvestigation {
                id: id.into(),
                new: Box::new(NewInvestigation { title: "t".into(), ..Default::default() }),
            },
        };
        assert_eq!(hash_of(&command("1")).unwrap(), hash_of(&command("2")).unwrap());
    }
}
