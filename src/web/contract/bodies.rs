//! Bodies of writes: each type shows its schema and reads itself field by field.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::Fields;
use crate::model::command::{InvestigationPatch, NewInvestigation};
use crate::model::investigation::{CloseReason, Priority, Status};
use crate::model::suspect::Verdict;
use crate::model::{Event, Severity, Source, Timestamp};
use crate::web::rejection::Problem;

pub const TITLE_CHARS_MAX: usize = 300;
pub const DESCRIPTION_CHARS_MAX: usize = 20_000;
pub const NOTE_CHARS_MAX: usize = 20_000;
pub const PROSE_CHARS_MAX: usize = 2_000;
pub const NAME_CHARS_MAX: usize = 200;
pub const ID_CHARS_MAX: usize = 300;
pub const TYPE_CHARS_MAX: usize = 100;
pub const TAGS_MAX: usize = 50;
pub const TAG_CHARS_MAX: usize = 100;
pub const BULK_IDS_MAX: usize = 100;
pub const DATA_BYTES_MAX: usize = 64 << 10;
pub const METADATA_BYTES_MAX: usize = 16 << 10;

pub const STATUSES: &[&str] = &["open", "in_progress", "resolved", "closed"];
pub const SEVERITIES: &[&str] = &["info", "low", "medium", "high", "critical"];
/// An investigation is never just information.
pub const IMPACTS: &[&str] = &["low", "medium", "high", "critical"];
pub const PRIORITIES: &[&str] = &["p0", "p1", "p2", "p3"];
pub const CLOSE_REASONS: &[&str] = &["false_alarm", "duplicate"];
pub const VERDICTS: &[&str] = &["suspect", "confirmed", "refuted"];

fn parse_verdict(text: &str) -> Option<Verdict> {
    match text {
        "suspect" => Some(Verdict::Suspect),
        "confirmed" => Some(Verdict::Confirmed),
        "refuted" => Some(Verdict::Refuted),
        _ => None,
    }
}

fn parse_impact(text: &str) -> Option<Severity> {
    Severity::parse(text).filter(|severity| *severity != Severity::Info)
}

/// What a person saw or did, told by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewEvent {
    /// 1 to 300 characters.
    #[schema(min_length = 1, max_length = 300)]
    pub title: String,
    /// When it happened; now when absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub timestamp: Option<Timestamp>,
    /// `note` when absent; `deployment`, `config_change`, `feature_flag` … count as changes.
    #[schema(max_length = 100)]
    pub event_type: Option<String>,
    /// `info` when absent.
    pub severity: Option<Severity>,
    #[schema(max_length = 200)]
    pub service: Option<String>,
    #[schema(max_length = 200)]
    pub environment: Option<String>,
    #[schema(max_length = 200)]
    pub host: Option<String>,
    #[schema(max_length = 200)]
    pub trace_id: Option<String>,
    #[schema(max_length = 200)]
    pub correlation_id: Option<String>,
    /// An id of yours: the same one twice is the same event.
    #[schema(max_length = 200)]
    pub source_id: Option<String>,
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// At most 64 KiB.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub data: serde_json::Value,
    /// At most 16 KiB.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub metadata: serde_json::Value,
}

impl NewEvent {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let body = Self {
            title: fields.text("title", TITLE_CHARS_MAX),
            timestamp: fields.time("timestamp"),
            event_type: fields.optional_text("event_type", TYPE_CHARS_MAX),
            severity: fields.choice("severity", Severity::parse, SEVERITIES),
            service: named(&mut fields, "service"),
            environment: named(&mut fields, "environment"),
            host: named(&mut fields, "host"),
            trace_id: named(&mut fields, "trace_id"),
            correlation_id: named(&mut fields, "correlation_id"),
            source_id: named(&mut fields, "source_id"),
            tags: fields.texts("tags", TAGS_MAX, TAG_CHARS_MAX).unwrap_or_default(),
            data: fields.object("data", DATA_BYTES_MAX),
            metadata: fields.object("metadata", METADATA_BYTES_MAX),
        };
        if body.event_type.as_deref().is_some_and(|kind| kind.is_empty() || !kind.bytes().all(is_type_byte)) {
            fields.fault("event_type", "may hold only a-z, 0-9, `_`, `.` and `-`");
        }
        fields.finish()?;
        Ok(body)
    }

    /// The event, with the id to use when the source names none.
    pub fn event(self, fresh_id: String, now: Timestamp) -> Event {
        let event_type = self.event_type.as_deref().unwrap_or("note");
        let id = self.source_id.as_deref().map_or(fresh_id, |own| Event::id_of_source(Source::Manual, event_type, own));
        let severity = self.severity.unwrap_or_default();
        let event = Event::new(id, self.timestamp.unwrap_or(now), Source::Manual, event_type, severity, &self.title);
        Event {
            observed_at: now,
            service: self.service,
            environment: self.environment,
            host: self.host,
            trace_id: self.trace_id,
            correlation_id: self.correlation_id,
            source_id: self.source_id,
            tags: self.tags,
            data: self.data,
            metadata: self.metadata,
            ..event
        }
    }
}

const fn is_type_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
}

/// A name of at most 200 characters; the empty text counts as absent.
fn named(fields: &mut Fields, field: &str) -> Option<String> {
    fields.optional_text(field, NAME_CHARS_MAX).filter(|text| !text.trim().is_empty())
}

pub fn new_investigation(mut fields: Fields) -> Result<NewInvestigation, Problem> {
    let body = NewInvestigation {
        title: fields.text("title", TITLE_CHARS_MAX),
        description: fields.optional_text("description", DESCRIPTION_CHARS_MAX).unwrap_or_default(),
        impact_severity: fields.choice("impact_severity", parse_impact, IMPACTS).unwrap_or(Severity::Medium),
        priority: fields.choice("priority", Priority::parse, PRIORITIES).unwrap_or_default(),
        service_affected: named(&mut fields, "service_affected"),
        component_affected: named(&mut fields, "component_affected"),
        environment: named(&mut fields, "environment"),
        assigned_to: named(&mut fields, "assigned_to"),
        tags: fields.texts("tags", TAGS_MAX, TAG_CHARS_MAX).unwrap_or_default(),
        started_at: fields.time("started_at"),
    };
    fields.finish()?;
    Ok(body)
}

pub fn investigation_patch(mut fields: Fields) -> Result<InvestigationPatch, Problem> {
    let unassign = fields.is_null("assigned_to");
    let body = InvestigationPatch {
        title: fields.optional_text("title", TITLE_CHARS_MAX),
        description: fields.optional_text("description", DESCRIPTION_CHARS_MAX),
        status: fields.choice("status", Status::parse, STATUSES),
        impact_severity: fields.choice("impact_severity", parse_impact, IMPACTS),
        priority: fields.choice("priority", Priority::parse, PRIORITIES),
        assigned_to: if unassign { Some(String::new()) } else { fields.optional_text("assigned_to", NAME_CHARS_MAX) },
        root_cause: fields.optional_text("root_cause", PROSE_CHARS_MAX),
        remediation: fields.optional_text("remediation", PROSE_CHARS_MAX),
        lessons_learned: fields.optional_text("lessons_learned", PROSE_CHARS_MAX),
        component_affected: fields.optional_text("component_affected", NAME_CHARS_MAX),
        tags: fields.texts("tags", TAGS_MAX, TAG_CHARS_MAX),
    };
    if unassign {
        // `null` reads as absent everywhere else; here it says something.
        drop(fields.take("assigned_to"));
    }
    if body.title.as_deref().is_some_and(|title| title.trim().is_empty()) {
        fields.fault("title", "must not be empty");
    }
    fields.finish()?;
    if body == InvestigationPatch::default() {
        return Err(Problem::invalid(vec![("body".to_owned(), "changes nothing: give at least one field".to_owned())]));
    }
    Ok(body)
}

/// Closing without a root cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CloseRequest {
    pub reason: CloseReason,
    #[schema(max_length = 2000)]
    pub comment: Option<String>,
    /// Of a false alarm: until this event time, what opened it (`findings.opened_by`) opens nothing. Reopening takes it back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub mute_until: Option<Timestamp>,
}

impl CloseRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let (reason, comment) = close_reason(&mut fields);
        let mute_until = mute_until(&mut fields, reason);
        fields.finish()?;
        Ok(Self { reason, comment, mute_until })
    }
}

fn close_reason(fields: &mut Fields) -> (CloseReason, Option<String>) {
    let text = fields.text("reason", NAME_CHARS_MAX);
    let reason = CloseReason::parse(&text);
    if reason.is_none() && !text.is_empty() {
        fields.fault("reason", format!("must be one of {}", CLOSE_REASONS.join(", ")));
    }
    // Where it is wrong, a fault is noted and this value goes nowhere.
    (reason.unwrap_or(CloseReason::FalseAlarm), fields.optional_text("comment", PROSE_CHARS_MAX))
}

fn mute_until(fields: &mut Fields, reason: CloseReason) -> Option<Timestamp> {
    let until = fields.time("mute_until")?;
    if reason != CloseReason::FalseAlarm {
        fields.fault("mute_until", "only of a false alarm");
    }
    Some(until)
}

/// Closing several at once; all or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BulkCloseRequest {
    /// 1 to 100 ids.
    #[schema(min_items = 1, max_items = 100)]
    pub ids: Vec<String>,
    pub reason: CloseReason,
    #[schema(max_length = 2000)]
    pub comment: Option<String>,
    /// As for one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub mute_until: Option<Timestamp>,
}

impl BulkCloseRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let ids: Vec<_> = fields.texts("ids", BULK_IDS_MAX, ID_CHARS_MAX).unwrap_or_default().into_iter().collect();
        let (reason, comment) = close_reason(&mut fields);
        let mute_until = mute_until(&mut fields, reason);
        let empty = ids.is_empty();
        match fields.finish() {
            Ok(()) if empty => Err(Problem::invalid(vec![("ids".to_owned(), "needs at least one id".to_owned())])),
            Ok(()) => Ok(Self { ids, reason, comment, mute_until }),
            Err(problem) => Err(problem),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReopenRequest {
    /// Why; kept with the activity.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

impl ReopenRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let body = Self { reason: fields.text("reason", PROSE_CHARS_MAX) };
        fields.finish()?;
        Ok(body)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolveRequest {
    #[schema(min_length = 1, max_length = 2000)]
    pub root_cause: String,
    #[schema(max_length = 2000)]
    pub remediation: Option<String>,
    #[schema(max_length = 2000)]
    pub lessons_learned: Option<String>,
}

impl ResolveRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let body = Self {
            root_cause: fields.text("root_cause", PROSE_CHARS_MAX),
            remediation: fields.optional_text("remediation", PROSE_CHARS_MAX),
            lessons_learned: fields.optional_text("lessons_learned", PROSE_CHARS_MAX),
        };
        fields.finish()?;
        Ok(body)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AssignRequest {
    /// Empty or `null` unassigns.
    #[schema(max_length = 200, required = true)]
    pub assigned_to: Option<String>,
}

impl AssignRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let unassign = fields.is_null("assigned_to");
        let assigned_to = fields.take("assigned_to");
        match assigned_to {
            None if !unassign => fields.fault("assigned_to", "is required; empty or null unassigns"),
            Some(serde_json::Value::String(name)) if name.chars().count() <= NAME_CHARS_MAX && !name.contains('\0') => {
                fields.finish()?;
                return Ok(Self { assigned_to: Some(name) });
            }
            Some(_) => fields.fault("assigned_to", format!("must be a text of at most {NAME_CHARS_MAX} characters")),
            None => {}
        }
        fields.finish()?;
        Ok(Self { assigned_to: None })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LinkRequest {
    pub event_id: String,
    /// Why it belongs; `linked by hand` when absent.
    #[schema(max_length = 2000)]
    pub reason: Option<String>,
}

impl LinkRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let body = Self { event_id: fields.text("event_id", ID_CHARS_MAX), reason: fields.optional_text("reason", PROSE_CHARS_MAX) };
        fields.finish()?;
        Ok(body)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerdictRequest {
    /// `suspect` takes a verdict back.
    pub verdict: Verdict,
    #[schema(max_length = 2000)]
    pub comment: Option<String>,
}

impl VerdictRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let text = fields.text("verdict", NAME_CHARS_MAX);
        let verdict = parse_verdict(&text);
        if verdict.is_none() && !text.is_empty() {
            fields.fault("verdict", format!("must be one of {}", VERDICTS.join(", ")));
        }
        let comment = fields.optional_text("comment", PROSE_CHARS_MAX);
        fields.finish()?;
        Ok(Self { verdict: verdict.unwrap_or_default(), comment })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewNote {
    /// Markdown.
    #[schema(min_length = 1, max_length = 20000)]
    pub body: String,
    /// The event it is about.
    pub event_id: Option<String>,
    /// The time it is about.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// The note it answers.
    pub parent_id: Option<String>,
}

impl NewNote {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let body = Self {
            body: fields.text("body", NOTE_CHARS_MAX),
            event_id: fields.optional_text("event_id", ID_CHARS_MAX),
            at: fields.time("at"),
            parent_id: fields.optional_text("parent_id", ID_CHARS_MAX),
        };
        fields.finish()?;
        Ok(body)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NoteEdit {
    /// Markdown.
    #[schema(min_length = 1, max_length = 20000)]
    pub body: String,
}

impl NoteEdit {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let body = Self { body: fields.text("body", NOTE_CHARS_MAX) };
        fields.finish()?;
        Ok(body)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiscardRequest {
    /// Why nobody will need it.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

impl DiscardRequest {
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let body = Self { reason: fields.text("reason", PROSE_CHARS_MAX) };
        fields.finish()?;
        Ok(body)
    }
}

/// What a bulk close closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Closed {
    pub ids: Vec<String>,
}
