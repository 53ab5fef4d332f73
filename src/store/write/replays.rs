//! What came of dead letters decoded again.

use rusqlite::{Transaction, params};

use crate::model::dead_letter::{LetterStatus, REPLAY, ReplayOutcome};
use crate::model::snapshot::Checkpoint;
use crate::store::error::Fault;

/// `true` when the outcome is new. After a crash a replay is done again: its outcome counts once.
pub(super) fn store(tx: &Transaction<'_>, outcome: &ReplayOutcome) -> Result<bool, Fault> {
    let items = i64::try_from(outcome.items_read).unwrap_or(i64::MAX);
    let changed = match &outcome.failure {
        None => tx
            .prepare_cached(
                "UPDATE letters SET status = ?3, items_read = items_read + ?4, replay_count = replay_count + 1, last_replay = ?2 \
                 WHERE id = ?1 AND last_replay < ?2",
            )?
            .execute(params![outcome.letter_id, outcome.replay, LetterStatus::Replayed.as_str(), items])?,
        Some(failure) => tx
            .prepare_cached(
                "UPDATE letters SET status = ?3, items_read = items_read + ?4, replay_count = replay_count + 1, last_replay = ?2, \
                 attempts = attempts + 1, last_failed_at = max(last_failed_at, ?5), error_class = ?6, error_message = ?7, format = ?8, \
                 fingerprint = ?9, bad_items = ?10 WHERE id = ?1 AND last_replay < ?2",
            )?
            .execute(params![
                outcome.letter_id,
                outcome.replay,
                LetterStatus::Waiting.as_str(),
                items,
                outcome.at.nanos(),
                failure.class.as_str(),
                failure.message,
                failure.format,
                failure.fingerprint,
                serde_json::to_string(&failure.bad_items)?
            ])?,
    };
    Ok(changed > 0)
}

/// Removes the replays that the checkpoint has passed: nobody reads them again.
pub(super) fn forget_passed(tx: &Transaction<'_>, checkpoint: &Checkpoint) -> Result<(), Fault> {
    for row in checkpoint.ledger.iter().filter(|row| row.connector == REPLAY) {
        tx.prepare_cached("DELETE FROM replays WHERE id < ?")?.execute([row.next_offset])?;
    }
    Ok(())
}
