//! One investigation with what belongs to it: verdicts, notes, activity.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row};

use super::dims;
use crate::model::Timestamp;
use crate::model::investigation::{Activity, CloseReason, EngineFindings, EventLink, Investigation, Note, Priority, Status};
use crate::model::suspect::{Suspect, Verdict};
use crate::store::error::Fault;

const COLUMNS: &str = "id, title, description, status, close_reason, impact_severity, priority, detected_at, started_at, recovered_at, \
     resolved_at, closed_at, root_cause, remediation, lessons_learned, component_affected, service_affected, environment, tags, \
     confidence, created_by, assigned_to, created_at, updated_at, version, revision, findings, \
     (SELECT count(*) FROM event_links l WHERE l.investigation_id = i.id), \
     (SELECT count(*) FROM notes n WHERE n.investigation_id = i.id AND n.deleted_at IS NULL)";

const NOTE_COLUMNS: &str = "id, investigation_id, author, body, event_id, at, parent_id, created_at, updated_at, version";

pub(in crate::store) fn exists(connection: &Connection, id: &str) -> Result<bool, Fault> {
    Ok(connection.prepare_cached("SELECT 1 FROM investigations WHERE id = ?")?.exists([id])?)
}

pub(in crate::store) fn investigation(connection: &Connection, id: &str) -> Result<Option<Investigation>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM investigations i WHERE id = ?");
    let found = connection.prepare_cached(&sql)?.query_row([id], |row| Ok(from_row(row))).optional()?;
    let Some(found) = found else { return Ok(None) };
    let mut found = found?;
    if let Some(findings) = &mut found.findings {
        merge_verdicts(connection, findings)?;
    }
    Ok(Some(found))
}

pub(super) fn event_link(connection: &Connection, investigation_id: &str, event_id: &str) -> Result<Option<EventLink>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT event_id, confidence, reason, linked_by, linked_at FROM event_links WHERE investigation_id = ? AND event_id = ?",
    )?;
    let link = statement.query_row([investigation_id, event_id], |row| {
        let linked_at = Timestamp::from_nanos(row.get(4)?);
        Ok(EventLink { event_id: row.get(0)?, confidence: row.get(1)?, reason: row.get(2)?, linked_by: row.get(3)?, linked_at })
    });
    Ok(link.optional()?)
}

/// The newest ranking that was made at or before `at`, as the engine made it.
pub(super) fn suspects_at(connection: &Connection, investigation_id: &str, at: Timestamp) -> Result<Option<Vec<Suspect>>, Fault> {
    if !exists(connection, investigation_id)? {
        return Ok(None);
    }
    let mut statement = connection
        .prepare_cached("SELECT suspects FROM rankings WHERE investigation_id = ? AND updated_at <= ? ORDER BY revision DESC LIMIT 1")?;
    let found: Option<String> = statement.query_row(rusqlite::params![investigation_id, at.nanos()], |row| row.get(0)).optional()?;
    Ok(Some(found.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default()))
}

/// People's verdicts lie apart from the engine's suspects, so that a new ranking keeps them.
fn merge_verdicts(connection: &Connection, findings: &mut EngineFindings) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached("SELECT suspect_id, verdict, comment, who FROM verdicts WHERE investigation_id = ?")?;
    let mut rows = statement.query([&findings.id])?;
    while let Some(row) = rows.next()? {
        let suspect_id: String = row.get(0)?;
        let verdict = match row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)? {
            "confirmed" => Verdict::Confirmed,
            "refuted" => Verdict::Refuted,
            _ => Verdict::Suspect,
        };
        for suspect in findings.suspects.iter_mut().filter(|suspect| suspect.id == suspect_id) {
            suspect.verdict = verdict;
            suspect.verdict_comment = row.get(2)?;
            suspect.verdict_by = row.get(3)?;
        }
    }
    Ok(())
}

pub(super) fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    Ok(Status::parse(row.get_ref(column)?.as_str()?).unwrap_or_default())
}

pub(super) fn close_reason(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CloseReason>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.and_then(CloseReason::parse))
}

pub(super) fn priority(row: &Row<'_>, column: usize) -> rusqlite::Result<Priority> {
    Ok(Priority::ALL.get(row.get::<_, usize>(column)?).copied().unwrap_or_default())
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_nanos(row.get(column)?))
}

pub(super) fn time_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_nanos))
}

pub(super) fn tags(row: &Row<'_>, column: usize) -> Result<BTreeSet<String>, Fault> {
    Ok(serde_json::from_str(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)?)
}

fn from_row(row: &Row<'_>) -> Result<Investigation, Fault> {
    let findings: Option<String> = row.get(26)?;
    let findings: Option<EngineFindings> = findings.map(|text| serde_json::from_str(&text)).transpose()?;
    Ok(Investigation {
        id: row.get(0)?,
        title: row.get(1)?,
        description: row.get(2)?,
        status: status(row, 3)?,
        close_reason: close_reason(row, 4)?,
        impact_severity: dims::severity(row.get(5)?),
        priority: priority(row, 6)?,
        detected_at: time(row, 7)?,
        started_at: time(row, 8)?,
        recovered_at: time_or_none(row, 9)?,
        resolved_at: time_or_none(row, 10)?,
        closed_at: time_or_none(row, 11)?,
        root_cause: row.get(12)?,
        remediation: row.get(13)?,
        lessons_learned: row.get(14)?,
        component_affected: row.get(15)?,
        service_affected: row.get(16)?,
        environment: row.get(17)?,
        tags: tags(row, 18)?,
        related_investigation_ids: findings.iter().filter_map(|findings| findings.merged_into.clone()).collect(),
        confidence: row.get(19)?,
        created_by: row.get(20)?,
        assigned_to: row.get(21)?,
        created_at: time(row, 22)?,
        updated_at: time(row, 23)?,
        version: row.get(24)?,
        revision: row.get(25)?,
        findings,
        event_count: row.get(27)?,
        note_count: row.get(28)?,
    })
}

pub(super) fn notes(connection: &Connection, investigation_id: &str) -> Result<Vec<Note>, Fault> {
    let sql = format!("SELECT {NOTE_COLUMNS} FROM notes WHERE investigation_id = ? AND deleted_at IS NULL ORDER BY created_at, id");
    let mut statement = connection.prepare_cached(&sql)?;
    let notes = statement.query_map([investigation_id], note_from_row)?.collect::<Result<_, _>>()?;
    Ok(notes)
}

pub(in crate::store) fn note(connection: &Connection, id: &str) -> Result<Option<Note>, Fault> {
    let sql = format!("SELECT {NOTE_COLUMNS} FROM notes WHERE id = ? AND deleted_at IS NULL");
    Ok(connection.prepare_cached(&sql)?.query_row([id], note_from_row).optional()?)
}

fn note_from_row(row: &Row<'_>) -> rusqlite::Result<Note> {
    Ok(Note {
        id: row.get(0)?,
        investigation_id: row.get(1)?,
        author: row.get(2)?,
        body: row.get(3)?,
        event_id: row.get(4)?,
        at: time_or_none(row, 5)?,
        parent_id: row.get(6)?,
        created_at: time(row, 7)?,
        updated_at: time(row, 8)?,
        version: row.get(9)?,
    })
}

pub(super) fn activity(connection: &Connection, investigation_id: &str) -> Result<Vec<Activity>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT id, investigation_id, at, who, what, detail FROM activity WHERE investigation_id = ? ORDER BY id")?;
    let rows = statement.query_map([investigation_id], |row| {
        Ok(Activity {
            id: row.get(0)?,
            investigation_id: row.get(1)?,
            at: time(row, 2)?,
            who: row.get(3)?,
            what: row.get(4)?,
            detail: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
