//! Person-owned fields of investigations. Each change raises `version` by one.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::{log, rules};
use crate::model::command::{CommandError, CommandOutcome, InvestigationPatch, NewInvestigation};
use crate::model::event::truncate;
use crate::model::investigation::{CloseReason, EventLink, Investigation, Status};
use crate::model::suspect::Verdict;
use crate::model::{Severity, Timestamp};
use crate::store::error::Fault;
use crate::store::investigation_index;
use crate::store::read::investigations::{exists, investigation};
use crate::store::write::findings::add_links;

/// What a change needs to know of the row.
struct Current {
    status: Status,
    version: u64,
    root_cause: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PersonVerdict<'a> {
    pub suspect_id: &'a str,
    pub verdict: Verdict,
    pub comment: Option<&'a str>,
}

pub(super) fn create(tx: &Transaction<'_>, id: &str, new: &NewInvestigation, who: &str, now: Timestamp) -> Result<CommandOutcome, Fault> {
    rules::check_new(id, new)?;
    if exists(tx, id)? {
        return Err(CommandError::Conflict { reason: format!("there is an investigation with id {id} already") }.into());
    }
    // The default of the request's type is no severity of an investigation: it stands for "not given".
    let impact_severity = if new.impact_severity == Severity::Info { Severity::Medium } else { new.impact_severity };
    tx.prepare_cached(
        "INSERT INTO investigations (id, detected_at, started_at, impact_severity, severity_by_person, priority, priority_by_person, \
         title, person_title, description, status, service_affected, component_affected, environment, assigned_to, tags, created_by, \
         created_at, updated_at) VALUES (?1, ?2, ?3, ?4, 1, ?5, 1, ?6, ?6, ?7, 'open', ?8, ?9, ?10, ?11, ?12, ?13, ?2, ?2)",
    )?
    .execute(params![
        id,
        now.nanos(),
        new.started_at.unwrap_or(now).nanos(),
        impact_severity as u8,
        new.priority as u8,
        new.title,
        new.description,
        non_empty(new.service_affected.as_deref()),
        non_empty(new.component_affected.as_deref()),
        non_empty(new.environment.as_deref()),
        non_empty(new.assigned_to.as_deref()),
        serde_json::to_string(&new.tags)?,
        who,
    ])?;
    log(tx, Some(id), now, who, "opened", &new.title)?;
    investigation_index::refresh(tx, id)?;
    Ok(CommandOutcome::Investigation(Box::new(read(tx, id)?)))
}

pub(super) fn patch(
    tx: &Transaction<'_>,
    id: &str,
    patch: &InvestigationPatch,
    expected: Option<u64>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let current = current(tx, id, expected)?;
    rules::check_patch(patch)?;
    let status = patch.status.unwrap_or(current.status);
    let has_root_cause = patch.root_cause.as_deref().or(current.root_cause.as_deref()).is_some_and(|text| !text.trim().is_empty());
    rules::check_transition(current.status, status, has_root_cause)?;
    if patch.root_cause.is_some() && !has_root_cause && status == Status::Resolved {
        return Err(rules::invalid("root_cause", "cannot be emptied while resolved").into());
    }
    if *patch == InvestigationPatch::default() {
        return Ok(CommandOutcome::Investigation(Box::new(read(tx, id)?)));
    }
    update_fields(tx, id, patch, now)?;
    if status != current.status {
        set_status(tx, id, status, None, now)?;
        log(tx, Some(id), now, who, "status", &format!("{} → {}", current.status.as_str(), status.as_str()))?;
    }
    log_fields(tx, id, patch, who, now)?;
    investigation_index::refresh(tx, id)?;
    Ok(CommandOutcome::Investigation(Box::new(read(tx, id)?)))
}

fn update_fields(tx: &Transaction<'_>, id: &str, patch: &InvestigationPatch, now: Timestamp) -> Result<(), Fault> {
    tx.prepare_cached(
        "UPDATE investigations SET person_title = coalesce(?2, person_title), title = coalesce(?2, title), \
         description = coalesce(?3, description), impact_severity = coalesce(?4, impact_severity), \
         severity_by_person = severity_by_person OR ?4 IS NOT NULL, priority = coalesce(?5, priority), \
         priority_by_person = priority_by_person OR ?5 IS NOT NULL, assigned_to = nullif(coalesce(?6, assigned_to), ''), \
         root_cause = nullif(coalesce(?7, root_cause), ''), remediation = nullif(coalesce(?8, remediation), ''), \
         lessons_learned = nullif(coalesce(?9, lessons_learned), ''), \
         component_affected = nullif(coalesce(?10, component_affected), ''), tags = coalesce(?11, tags), \
         version = version + 1, updated_at = max(updated_at, ?12) WHERE id = ?1",
    )?
    .execute(params![
        id,
        patch.title,
        patch.description,
        patch.impact_severity.map(|severity| severity as u8),
        patch.priority.map(|priority| priority as u8),
        patch.assigned_to,
        patch.root_cause,
        patch.remediation,
        patch.lessons_learned,
        patch.component_affected,
        patch.tags.as_ref().map(serde_json::to_string).transpose()?,
        now.nanos(),
    ])?;
    Ok(())
}

fn log_fields(tx: &Transaction<'_>, id: &str, patch: &InvestigationPatch, who: &str, now: Timestamp) -> Result<(), Fault> {
    if let Some(assignee) = &patch.assigned_to {
        log(tx, Some(id), now, who, "assigned", assignee)?;
    }
    let join = |tags: &BTreeSet<String>| tags.iter().cloned().collect::<Vec<_>>().join(", ");
    let edits = [
        ("title", patch.title.clone()),
        ("description", patch.description.clone()),
        ("impact_severity", patch.impact_severity.map(|severity| severity.as_str().to_owned())),
        ("priority", patch.priority.map(|priority| priority.as_str().to_owned())),
        ("root_cause", patch.root_cause.clone()),
        ("remediation", patch.remediation.clone()),
        ("lessons_learned", patch.lessons_learned.clone()),
        ("component_affected", patch.component_affected.clone()),
        ("tags", patch.tags.as_ref().map(join)),
    ];
    for (field, value) in edits {
        if let Some(value) = value {
            log(tx, Some(id), now, who, "edited", &format!("{field}: {}", truncate(&value, 300)))?;
        }
    }
    Ok(())
}

/// Why investigations are closed, and what follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing<'a> {
    pub reason: CloseReason,
    pub comment: Option<&'a str>,
    /// Until then, what opened them opens nothing; only of false alarms, and not of a time that is over.
    pub mute_until: Option<Timestamp>,
}

/// All or none: one id that cannot be closed leaves every one as it was.
pub(super) fn close(
    tx: &Transaction<'_>,
    ids: &[String],
    closing: &Closing<'_>,
    expected: Option<u64>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let &Closing { reason, comment, mute_until } = closing;
    let mut faults = rules::Faults::default();
    if mute_until.is_some_and(|until| until <= now) {
        faults.add("mute_until", "is over already");
    }
    if ids.is_empty() || ids.len() > rules::BULK_LIMIT {
        faults.add("ids", format!("1 to {} of them", rules::BULK_LIMIT));
    }
    if expected.is_some() && ids.len() > 1 {
        faults.add("If-Match", "only for a single investigation");
    }
    faults.at_most("comment", comment.unwrap_or_default(), rules::COMMENT_CHARS_LIMIT);
    faults.verdict()?;
    let ids: BTreeSet<&String> = ids.iter().collect();
    for id in &ids {
        if current(tx, id, expected)?.status == Status::Closed {
            return Err(CommandError::Conflict { reason: format!("investigation {id} is closed already") }.into());
        }
        set_status(tx, id, Status::Closed, Some(reason), now)?;
        raise_version(tx, id, now)?;
        let muted = mute_until.map(|until| format!("; what opened it is muted until {until}")).unwrap_or_default();
        let said = comment.filter(|comment| !comment.trim().is_empty()).map(|comment| format!(": {comment}")).unwrap_or_default();
        let detail = format!("closed as {}{muted}{said}", reason.as_str());
        log(tx, Some(id), now, who, "closed", &detail)?;
    }
    Ok(CommandOutcome::Closed { ids: ids.into_iter().cloned().collect() })
}

pub(super) fn reopen(
    tx: &Transaction<'_>,
    id: &str,
    reason: &str,
    expected: Option<u64>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    let mut faults = rules::Faults::default();
    faults.required("reason", reason, rules::COMMENT_CHARS_LIMIT);
    faults.verdict()?;
    let current = current(tx, id, expected)?;
    if !current.status.may_become(Status::Open) {
        return Err(CommandError::Conflict { reason: "it is open already".into() }.into());
    }
    set_status(tx, id, Status::Open, None, now)?;
    raise_version(tx, id, now)?;
    log(tx, Some(id), now, who, "reopened", reason)?;
    Ok(CommandOutcome::Investigation(Box::new(read(tx, id)?)))
}

pub(super) fn link(
    tx: &Transaction<'_>,
    id: &str,
    event_id: &str,
    reason: &str,
    expected: Option<u64>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    current(tx, id, expected)?;
    let mut faults = rules::Faults::default();
    faults.at_most("reason", reason, rules::COMMENT_CHARS_LIMIT);
    faults.verdict()?;
    if !tx.prepare_cached("SELECT 1 FROM events WHERE id = ?")?.exists([event_id])? {
        return Err(CommandError::NotFound { what: "event", id: event_id.to_owned() }.into());
    }
    let link =
        EventLink { event_id: event_id.to_owned(), confidence: 1.0, reason: reason.to_owned(), linked_by: who.to_owned(), linked_at: now };
    add_links(tx, id, std::slice::from_ref(&link))?;
    log(tx, Some(id), now, who, "linked", event_id)?;
    Ok(CommandOutcome::Investigation(Box::new(read(tx, id)?)))
}

pub(super) fn set_verdict(
    tx: &Transaction<'_>,
    id: &str,
    person: PersonVerdict<'_>,
    expected: Option<u64>,
    who: &str,
    now: Timestamp,
) -> Result<CommandOutcome, Fault> {
    current(tx, id, expected)?;
    let mut faults = rules::Faults::default();
    faults.at_most("comment", person.comment.unwrap_or_default(), rules::COMMENT_CHARS_LIMIT);
    faults.verdict()?;
    let known = read(tx, id)?.findings.is_some_and(|findings| findings.suspects.iter().any(|suspect| suspect.id == person.suspect_id));
    let decided = tx
        .prepare_cached("SELECT 1 FROM verdicts WHERE investigation_id = ? AND suspect_id = ?")?
        .exists(params![id, person.suspect_id])?;
    if !known && !decided {
        return Err(CommandError::NotFound { what: "suspect", id: person.suspect_id.to_owned() }.into());
    }
    let word = match person.verdict {
        Verdict::Suspect => "suspect",
        Verdict::Confirmed => "confirmed",
        Verdict::Refuted => "refuted",
    };
    if person.verdict == Verdict::Suspect {
        // Back to the engine's own opinion.
        tx.prepare_cached("DELETE FROM verdicts WHERE investigation_id = ? AND suspect_id = ?")?.execute([id, person.suspect_id])?;
    } else {
        tx.prepare_cached(
            "INSERT OR REPLACE INTO verdicts (investigation_id, suspect_id, verdict, comment, who, at) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![id, person.suspect_id, word, person.comment, who, now.nanos()])?;
    }
    raise_version(tx, id, now)?;
    let comment = person.comment.map(|comment| format!(" ({comment})")).unwrap_or_default();
    log(tx, Some(id), now, who, "verdict", &format!("{}: {word}{comment}", person.suspect_id))?;
    Ok(CommandOutcome::Investigation(Box::new(read(tx, id)?)))
}

fn set_status(tx: &Transaction<'_>, id: &str, status: Status, reason: Option<CloseReason>, now: Timestamp) -> Result<(), Fault> {
    tx.prepare_cached(
        "UPDATE investigations SET status = ?2, close_reason = ?3, \
         resolved_at = CASE ?2 WHEN 'resolved' THEN ?4 WHEN 'closed' THEN resolved_at END, \
         closed_at = CASE ?2 WHEN 'closed' THEN ?4 END WHERE id = ?1",
    )?
    .execute(params![id, status.as_str(), reason.map(CloseReason::as_str), now.nanos()])?;
    Ok(())
}

fn raise_version(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<(), Fault> {
    tx.prepare_cached("UPDATE investigations SET version = version + 1, updated_at = max(updated_at, ?) WHERE id = ?")?
        .execute(params![now.nanos(), id])?;
    Ok(())
}

fn current(tx: &Transaction<'_>, id: &str, expected: Option<u64>) -> Result<Current, Fault> {
    let found = tx
        .prepare_cached("SELECT status, version, root_cause FROM investigations WHERE id = ?")?
        .query_row([id], |row| {
            let status: String = row.get(0)?;
            Ok(Current { status: Status::parse(&status).unwrap_or_default(), version: row.get(1)?, root_cause: row.get(2)? })
        })
        .optional()?;
    let Some(found) = found else { return Err(CommandError::NotFound { what: "investigation", id: id.to_owned() }.into()) };
    match expected {
        Some(expected) if expected != found.version => Err(CommandError::Stale { expected, actual: found.version }.into()),
        _ => Ok(found),
    }
}

fn read(tx: &Transaction<'_>, id: &str) -> Result<Investigation, Fault> {
    investigation(tx, id)?.ok_or_else(|| CommandError::NotFound { what: "investigation", id: id.to_owned() }.into())
}

fn non_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}
