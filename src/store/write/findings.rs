//! What the engine found, into the rows of investigations. People's fields are not touched.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::investigation::{CloseReason, EngineFindings, EventLink, Priority, Status, SuspectSummary};
use crate::model::suspect::{Suspect, SuspectKind};
use crate::model::{Severity, Timestamp};
use crate::store::error::Fault;
use crate::store::{investigation_index, spark};

/// What a revision did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Revised {
    pub changed: bool,
    pub opened: bool,
    pub version: u64,
}

/// Replaces the engine's columns when the revision is newer; its links are added in any case.
pub(in crate::store) fn store(tx: &Transaction<'_>, findings: &EngineFindings, now: Timestamp) -> Result<Revised, Fault> {
    let before: Option<(u64, u64)> = tx
        .prepare_cached("SELECT revision, version FROM investigations WHERE id = ?")?
        .query_row([&findings.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    add_links(tx, &findings.id, &findings.new_links)?;
    match before {
        Some((revision, version)) if revision >= findings.revision => Ok(Revised { changed: false, opened: false, version }),
        Some((_, version)) => {
            update(tx, findings, now)?;
            let merged = merge(tx, findings, now)?;
            finish(tx, findings)?;
            Ok(Revised { changed: true, opened: false, version: version + u64::from(merged) })
        }
        None => {
            open(tx, findings, now)?;
            update(tx, findings, now)?;
            finish(tx, findings)?;
            Ok(Revised { changed: true, opened: true, version: 1 })
        }
    }
}

fn open(tx: &Transaction<'_>, findings: &EngineFindings, now: Timestamp) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT INTO investigations (id, detected_at, started_at, impact_severity, priority, title, status, created_by, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'whydunit', ?8, ?8)",
    )?
    .execute(params![
        findings.id,
        findings.detected_at.nanos(),
        findings.started_at.nanos(),
        findings.impact_severity as u8,
        priority_of(findings.impact_severity) as u8,
        findings.headline,
        Status::Open.as_str(),
        now.nanos()
    ])?;
    tx.prepare_cached("INSERT INTO activity (investigation_id, at, who, what, detail) VALUES (?, ?, 'whydunit', 'opened', ?)")?
        .execute(params![findings.id, findings.detected_at.nanos(), findings.opened_because])?;
    Ok(())
}

fn update(tx: &Transaction<'_>, findings: &EngineFindings, now: Timestamp) -> Result<(), Fault> {
    let first_suspect = first_suspect(&findings.suspects).map(|suspect| serde_json::to_string(&suspect)).transpose()?;
    let stored = serde_json::to_string(&EngineFindings { new_links: Vec::new(), ..findings.clone() })?;
    tx.prepare_cached(
        "UPDATE investigations SET revision = ?2, headline = ?3, symptom = ?4, environment = ?5, detected_at = ?6, started_at = ?7, \
         recovered_at = ?8, engine_updated_at = ?9, confidence = ?10, hot_services = ?11, services_total = ?12, first_suspect = ?13, \
         spark = ?19, findings = ?14, impact_severity = CASE WHEN severity_by_person THEN impact_severity ELSE ?15 END, \
         priority = CASE WHEN priority_by_person THEN priority ELSE ?16 END, \
         service_affected = CASE WHEN created_by = 'whydunit' THEN ?17 ELSE coalesce(service_affected, ?17) END, \
         title = coalesce(person_title, ?3), updated_at = max(updated_at, ?18) WHERE id = ?1",
    )?
    .execute(params![
        findings.id,
        findings.revision,
        findings.headline,
        findings.symptom,
        findings.environment,
        findings.detected_at.nanos(),
        findings.started_at.nanos(),
        findings.recovered_at.map(Timestamp::nanos),
        findings.updated_at.nanos(),
        findings.confidence,
        serde_json::to_string(&findings.hot_services)?,
        findings.services_total,
        first_suspect,
        stored,
        findings.impact_severity as u8,
        priority_of(findings.impact_severity) as u8,
        findings.service_affected,
        now.nanos(),
        serde_json::to_string(&spark::draw(tx, findings)?)?,
    ])?;
    Ok(())
}

/// One that was merged into another is closed as its duplicate, unless somebody has taken it up; both name each other.
/// True when it was closed by this.
fn merge(tx: &Transaction<'_>, findings: &EngineFindings, now: Timestamp) -> Result<bool, Fault> {
    let Some(older) = &findings.merged_into else { return Ok(false) };
    let closed = tx
        .prepare_cached(
            "UPDATE investigations SET status = ?2, close_reason = ?3, closed_at = ?4, version = version + 1 \
             WHERE id = ?1 AND status = ?5 AND assigned_to IS NULL",
        )?
        .execute(params![findings.id, Status::Closed.as_str(), CloseReason::Duplicate.as_str(), now.nanos(), Status::Open.as_str()])?;
    let mut say =
        tx.prepare_cached("INSERT INTO activity (investigation_id, at, who, what, detail) VALUES (?, ?, 'whydunit', 'merged', ?)")?;
    say.execute(params![findings.id, findings.updated_at.nanos(), format!("merged into {older}")])?;
    say.execute(params![older, findings.updated_at.nanos(), format!("took in {}", findings.id)])?;
    Ok(closed > 0)
}

fn finish(tx: &Transaction<'_>, findings: &EngineFindings) -> Result<(), Fault> {
    keep_ranking(tx, findings)?;
    investigation_index::refresh(tx, &findings.id)
}

/// A ranking is kept when it differs from the one before it.
fn keep_ranking(tx: &Transaction<'_>, findings: &EngineFindings) -> Result<(), Fault> {
    let suspects = serde_json::to_string(&findings.suspects)?;
    let last: Option<String> = tx
        .prepare_cached("SELECT suspects FROM rankings WHERE investigation_id = ? ORDER BY revision DESC LIMIT 1")?
        .query_row([&findings.id], |row| row.get(0))
        .optional()?;
    if last.as_deref() != Some(suspects.as_str()) {
        tx.prepare_cached("INSERT OR REPLACE INTO rankings (investigation_id, revision, updated_at, suspects) VALUES (?, ?, ?, ?)")?
            .execute(params![findings.id, findings.revision, findings.updated_at.nanos(), suspects])?;
    }
    Ok(())
}

/// A person's link is not replaced by the engine's.
pub(in crate::store) fn add_links(tx: &Transaction<'_>, investigation_id: &str, links: &[EventLink]) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO event_links (investigation_id, event_id, confidence, reason, linked_by, linked_at) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET confidence = excluded.confidence, reason = excluded.reason, linked_by = excluded.linked_by, \
         linked_at = excluded.linked_at WHERE event_links.linked_by = 'whydunit' OR excluded.linked_by <> 'whydunit'",
    )?;
    for link in links {
        statement.execute(params![
            investigation_id,
            link.event_id,
            link.confidence,
            link.reason,
            link.linked_by,
            link.linked_at.nanos()
        ])?;
    }
    Ok(())
}

pub(in crate::store) const fn priority_of(severity: Severity) -> Priority {
    match severity {
        Severity::Critical => Priority::P0,
        Severity::High => Priority::P1,
        Severity::Medium => Priority::P2,
        Severity::Low | Severity::Info => Priority::P3,
    }
}

/// The first change if it outranks "none", else the first service, else whatever stands first.
fn first_suspect(suspects: &[Suspect]) -> Option<SuspectSummary> {
    let first_of = |kind: SuspectKind| suspects.iter().filter(|suspect| suspect.kind == kind).min_by_key(|suspect| suspect.rank);
    let none_score = first_of(SuspectKind::None).map_or(0.0, |none| none.score);
    let change = first_of(SuspectKind::Change).filter(|change| change.score > none_score);
    let chosen = change.or_else(|| first_of(SuspectKind::Service)).or_else(|| suspects.first())?;
    Some(SuspectSummary {
        kind: chosen.kind,
        entity: chosen.entity.clone(),
        detail: chosen.diff_hint.clone().unwrap_or_else(|| chosen.sentence.clone()),
        score: chosen.score,
    })
}
