//! What people may write: limits and status rules. Pure.

use std::collections::BTreeSet;

use crate::model::Event;
use crate::model::command::{CommandError, InvestigationPatch, NewInvestigation};
use crate::model::investigation::{Note, Status};

const DATA_BYTES_LIMIT: usize = 64 * 1_024;
const METADATA_BYTES_LIMIT: usize = 16 * 1_024;
pub(super) const COMMENT_CHARS_LIMIT: usize = 2_000;
pub(super) const BULK_LIMIT: usize = 100;

/// Collects what is wrong, field by field, so that a form can show it all at once.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(String, String)>);

impl Faults {
    pub fn add(&mut self, field: &str, reason: impl Into<String>) {
        self.0.push((field.to_owned(), reason.into()));
    }

    pub fn at_most(&mut self, field: &str, text: &str, chars: usize) {
        let found = text.chars().count();
        if found > chars {
            self.add(field, format!("at most {chars} characters, got {found}"));
        }
    }

    fn optional(&mut self, field: &str, text: Option<&str>, chars: usize) {
        if let Some(text) = text {
            self.at_most(field, text, chars);
        }
    }

    /// Not blank, and not too long.
    pub fn required(&mut self, field: &str, text: &str, chars: usize) {
        if text.trim().is_empty() {
            self.add(field, "required");
        }
        self.at_most(field, text, chars);
    }

    fn tags(&mut self, tags: &BTreeSet<String>) {
        if tags.len() > 50 {
            self.add("tags", format!("at most 50, got {}", tags.len()));
        }
        for tag in tags {
            if tag.trim().is_empty() || tag.chars().count() > 100 {
                self.add("tags", "each has 1 to 100 characters");
                return;
            }
        }
    }

    fn json(&mut self, field: &str, value: &serde_json::Value, bytes: usize) {
        let found = serde_json::to_string(value).map_or(usize::MAX, |text| text.len());
        if found > bytes {
            self.add(field, format!("at most {bytes} bytes of JSON, got {found}"));
        }
    }

    pub fn verdict(self) -> Result<(), CommandError> {
        if self.0.is_empty() { Ok(()) } else { Err(CommandError::Invalid { fields: self.0 }) }
    }
}

pub(super) fn invalid(field: &str, reason: impl Into<String>) -> CommandError {
    CommandError::Invalid { fields: vec![(field.to_owned(), reason.into())] }
}

pub(super) fn check_event(event: &Event) -> Result<(), CommandError> {
    let mut faults = Faults::default();
    faults.required("id", &event.id, 200);
    faults.required("title", &event.title, 300);
    faults.required("event_type", &event.event_type, 100);
    for (field, text) in [
        ("service", &event.service),
        ("environment", &event.environment),
        ("host", &event.host),
        ("trace_id", &event.trace_id),
        ("span_id", &event.span_id),
        ("correlation_id", &event.correlation_id),
        ("request_id", &event.request_id),
        ("source_id", &event.source_id),
    ] {
        faults.optional(field, text.as_deref(), 200);
    }
    faults.at_most("fingerprint", &event.fingerprint, 200);
    faults.tags(&event.tags);
    faults.json("data", &event.data, DATA_BYTES_LIMIT);
    faults.json("metadata", &event.metadata, METADATA_BYTES_LIMIT);
    faults.verdict()
}

pub(super) fn check_new(id: &str, new: &NewInvestigation) -> Result<(), CommandError> {
    let mut faults = Faults::default();
    faults.required("id", id, 200);
    faults.required("title", &new.title, 300);
    faults.at_most("description", &new.description, 20_000);
    faults.optional("service_affected", new.service_affected.as_deref(), 200);
    faults.optional("component_affected", new.component_affected.as_deref(), 200);
    faults.optional("environment", new.environment.as_deref(), 200);
    faults.optional("assigned_to", new.assigned_to.as_deref(), 200);
    faults.tags(&new.tags);
    faults.verdict()
}

pub(super) fn check_patch(patch: &InvestigationPatch) -> Result<(), CommandError> {
    let mut faults = Faults::default();
    if let Some(title) = &patch.title {
        faults.required("title", title, 300);
    }
    faults.optional("description", patch.description.as_deref(), 20_000);
    if patch.impact_severity == Some(crate::model::Severity::Info) {
        faults.add("impact_severity", "one of critical, high, medium, low");
    }
    faults.optional("assigned_to", patch.assigned_to.as_deref(), 200);
    faults.optional("root_cause", patch.root_cause.as_deref(), 2_000);
    faults.optional("remediation", patch.remediation.as_deref(), 2_000);
    faults.optional("lessons_learned", patch.lessons_learned.as_deref(), 2_000);
    faults.optional("component_affected", patch.component_affected.as_deref(), 200);
    if let Some(tags) = &patch.tags {
        faults.tags(tags);
    }
    faults.verdict()
}

pub(super) fn check_note(note: &Note) -> Result<(), CommandError> {
    let mut faults = Faults::default();
    faults.required("body", &note.body, 20_000);
    faults.at_most("id", &note.id, 200);
    faults.optional("event_id", note.event_id.as_deref(), 200);
    faults.optional("parent_id", note.parent_id.as_deref(), 200);
    faults.verdict()
}

/// A status change through a patch. Going back to open needs a reason, and so a request of its own.
pub(super) fn check_transition(from: Status, to: Status, has_root_cause: bool) -> Result<(), CommandError> {
    if from == to {
        return Ok(());
    }
    if !from.may_become(to) {
        return Err(CommandError::Conflict { reason: format!("an investigation that is {} cannot become {}", from.as_str(), to.as_str()) });
    }
    match to {
        Status::Open => Err(invalid("status", "reopening needs a reason: use reopen")),
        Status::Resolved if !has_root_cause => Err(invalid("root_cause", "required to resolve")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::model::{Severity, Source, Timestamp};

    #[test]
    fn every_broken_limit_is_named() {
        let mut event = Event::new("a".into(), Timestamp::EPOCH, Source::Manual, "note", Severity::Low, "");
        event.service = Some("s".repeat(201));
        event.tags = (0..51).map(|n| n.to_string()).collect();
        event.data = serde_json::json!("x".repeat(70_000));
        let CommandError::Invalid { fields } = check_event(&event).unwrap_err() else { panic!("another error") };
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["title", "service", "tags", "data"]);
    }

    #[test]
    fn only_the_allowed_steps_are_taken() {
        for from in Status::ALL {
            for to in Status::ALL {
                let allowed = from == to || (from.may_become(to) && to != Status::Open);
                assert_eq!(check_transition(from, to, true).is_ok(), allowed, "{from:?} to {to:?}");
            }
        }
        assert!(check_transition(Status::Open, Status::Resolved, false).is_err());
    }
}
