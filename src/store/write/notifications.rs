//! The outbox: what people are to be told, made with what it tells of, and what came of telling it.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::model::Timestamp;
use crate::model::investigation::EngineFindings;
use crate::model::notification::{DeliveryOutcome, DeliveryResult, DeliveryState, Notification};
use crate::model::ports::Tell;
use crate::store::error::Fault;

/// Makes what a revision that is being stored is worth telling, with a delivery for each channel.
pub(super) fn make(
    tx: &Transaction<'_>,
    tell: &dyn Tell,
    findings: &EngineFindings,
    now: Timestamp,
) -> Result<Option<Notification>, Fault> {
    let last: Option<Notification> = tx
        .prepare_cached("SELECT content FROM notifications WHERE investigation_id = ? ORDER BY n DESC LIMIT 1")?
        .query_row([&findings.id], |row| row.get::<_, String>(0))
        .optional()?
        .map(|content| serde_json::from_str(&content))
        .transpose()?;
    let Some(news) = tell.news(last.as_ref(), findings, now) else { return Ok(None) };
    let content = serde_json::to_string(&news)?;
    let seq: i64 = tx
        .prepare_cached(
            "INSERT INTO notifications (id, investigation_id, n, kind, made_at, content) VALUES (?, ?, ?, ?, ?, ?) RETURNING seq",
        )?
        .query_row(params![news.id, news.investigation_id, news.n, news.kind.as_str(), now.nanos(), content], |row| row.get(0))?;
    let mut put = tx.prepare_cached(
        "INSERT INTO deliveries (notification, channel, investigation_id, state, attempts, next_attempt_at) VALUES (?, ?, ?, ?, 0, ?)",
    )?;
    for channel in tell.channels() {
        put.execute(params![seq, channel, news.investigation_id, DeliveryState::Waiting.as_str(), now.nanos()])?;
    }
    Ok(Some(news))
}

/// Books outcomes in one durable transaction. What was delivered or given up stays so; one whose notification is gone is passed over.
pub(super) fn book(connection: &mut Connection, outcomes: &[DeliveryOutcome]) -> Result<(), Fault> {
    let tx = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for DeliveryOutcome { seq, channel, attempts, at, result } in outcomes {
        let (state, next, error, ended) = match result {
            DeliveryResult::Delivered => (DeliveryState::Delivered, None, None, Some(*at)),
            DeliveryResult::Failed { error, next_attempt_at } => (DeliveryState::Waiting, Some(*next_attempt_at), Some(error), None),
            DeliveryResult::GivenUp { error } => (DeliveryState::GivenUp, None, Some(error), Some(*at)),
        };
        tx.prepare_cached(
            "UPDATE deliveries SET state = ?3, attempts = ?4, next_attempt_at = ?5, last_error = coalesce(?6, last_error), ended_at = ?7 \
             WHERE notification = ?1 AND channel = ?2 AND state = 'waiting'",
        )?
        .execute(params![
            seq,
            channel,
            state.as_str(),
            attempts,
            next.map(Timestamp::nanos),
            error,
            ended.map(Timestamp::nanos)
        ])?;
    }
    tx.commit()?;
    Ok(())
}

/// Removes what was told of an investigation; returns the bytes.
pub(super) fn remove(tx: &Transaction<'_>, investigation_id: &str) -> Result<u64, Fault> {
    let bytes: u64 = tx
        .prepare_cached("SELECT coalesce(sum(length(content)), 0) FROM notifications WHERE investigation_id = ?")?
        .query_row([investigation_id], |row| row.get(0))?;
    tx.prepare_cached("DELETE FROM deliveries WHERE notification IN (SELECT seq FROM notifications WHERE investigation_id = ?)")?
        .execute([investigation_id])?;
    tx.prepare_cached("DELETE FROM notifications WHERE investigation_id = ?")?.execute([investigation_id])?;
    Ok(bytes)
}
