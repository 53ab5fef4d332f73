//! What leaves for storing: observations, events, what people write.

use std::borrow::Cow;

use super::{Place, Redactor};
use crate::model::Event;
use crate::model::command::{Action, InvestigationPatch, NewInvestigation};
use crate::model::event::truncate;
use crate::model::observation::{LogText, ObservationBatch};
use crate::model::position::derived_id;

/// Characters of a title.
const MAX_TITLE: usize = 300;

impl Redactor {
    /// All texts of a decoded batch, but for definitions, which are redacted as they are made. Lines whose text is not kept cost
    /// nothing.
    pub fn redact_batch(&self, batch: &mut ObservationBatch) {
        if !self.is_on() {
            return;
        }
        batch.logs.iter_mut().filter_map(|line| line.text.as_deref_mut()).for_each(|text| self.log_text(text));
        for message in batch.spans.iter_mut().filter_map(|span| span.message.as_mut()) {
            if let Some(shown) = self.changed(message, Place::Prose) {
                *message = shown.into();
            }
        }
        batch.events.iter_mut().for_each(|event| self.redact_event(event));
        for rejection in &mut batch.rejections {
            self.change(&mut rejection.reason, Place::Prose);
        }
    }

    fn log_text(&self, text: &mut LogText) {
        let LogText { message, exception_type, stack, request_id, correlation_id, http_status: _, version } = text;
        self.change(message, Place::Prose);
        self.each([exception_type, stack, request_id, correlation_id, version]);
    }

    fn each<'t>(&self, texts: impl IntoIterator<Item = &'t mut Option<String>>) {
        for text in texts.into_iter().flatten() {
            self.change(text, Place::Prose);
        }
    }

    /// All texts of an event. What tells it from others stays different from them: a digest stands behind what was taken out.
    pub fn redact_event(&self, event: &mut Event) {
        if !self.is_on() {
            return;
        }
        if self.change(&mut event.title, Place::Prose) {
            event.title = truncate(&event.title, MAX_TITLE);
        }
        let Event { service, environment, host, trace_id, span_id, correlation_id, request_id, .. } = event;
        self.each([service, environment, host, trace_id, span_id, correlation_id, request_id]);
        if let Some(source_id) = &mut event.source_id {
            self.key(source_id);
        }
        self.key(&mut event.fingerprint);
        if event.tags.iter().any(|tag| matches!(self.redact(tag), Cow::Owned(_))) {
            event.tags = std::mem::take(&mut event.tags).into_iter().map(|tag| self.redact(&tag).into_owned()).collect();
        }
        self.redact_json(&mut event.data);
        self.redact_json(&mut event.metadata);
    }

    fn key(&self, key: &mut String) {
        if let Some(shown) = self.changed(key, Place::Prose) {
            *key = format!("{}#{}", truncate(&shown, 160), derived_id(key));
        }
    }

    /// What a person writes. Names that a person chose for others, such as who is assigned, stay.
    pub fn redact_action(&self, action: &mut Action) {
        let prose = |text: &mut String| {
            self.change(text, Place::Prose);
        };
        match action {
            Action::CreateEvent { event } => self.redact_event(event),
            Action::CreateInvestigation { new, .. } => {
                let NewInvestigation { title, description, service_affected, component_affected, environment, .. } = &mut **new;
                [title, description].into_iter().for_each(prose);
                self.each([service_affected, component_affected, environment]);
            }
            Action::PatchInvestigation { patch, .. } => {
                let InvestigationPatch { title, description, root_cause, remediation, lessons_learned, component_affected, .. } =
                    &mut **patch;
                self.each([title, description, root_cause, remediation, lessons_learned, component_affected]);
            }
            Action::CloseInvestigations { comment, .. } | Action::SetVerdict { comment, .. } => self.each([comment]),
            Action::ReopenInvestigation { reason, .. }
            | Action::LinkEvent { reason, .. }
            | Action::DiscardDeadLetters { reason, .. }
            | Action::SteerConnector { reason, .. }
            | Action::SetAlias { reason, .. } => prose(reason),
            Action::AddNote { note } => prose(&mut note.body),
            Action::EditNote { body, .. } => prose(body),
            Action::DeleteNote { .. }
            | Action::RevealDeadLetter { .. }
            | Action::RestoreDeadLetters { .. }
            | Action::RemoveAlias { .. }
            | Action::ReplayDeadLetters { .. } => {}
        }
    }
}
