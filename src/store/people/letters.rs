//! Decisions on dead letters.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{log, rules};
use crate::model::Timestamp;
use crate::model::command::{CommandError, CommandOutcome};
use crate::model::dead_letter::LetterStatus;
use crate::store::error::Fault;

pub(super) fn discard(tx: &Transaction<'_>, id: &str, reason: &str, who: &str, now: Timestamp) -> Result<CommandOutcome, Fault> {
    let mut faults = rules::Faults::default();
    faults.required("reason", reason, rules::COMMENT_CHARS_LIMIT);
    faults.verdict()?;
    let status: Option<String> =
        tx.prepare_cached("SELECT status FROM letters WHERE id = ?")?.query_row([id], |row| row.get(0)).optional()?;
    let Some(status) = status else { return Err(CommandError::NotFound { what: "dead letter", id: id.to_owned() }.into()) };
    if status != LetterStatus::Waiting.as_str() {
        return Err(CommandError::Conflict { reason: format!("this dead letter is {status} already") }.into());
    }
    tx.prepare_cached("UPDATE letters SET status = ? WHERE id = ?")?.execute(params![LetterStatus::Discarded.as_str(), id])?;
    log(tx, None, now, who, "dead_letter_discarded", &format!("{id}: {reason}"))?;
    Ok(CommandOutcome::Done)
}
