//! Which of the formats of changes and alerts a JSON value is in, told once on the parsed value.

use serde_json::Value;

use super::change::parse;
use super::format::Format;
use super::sink::{RecordSink, Refusal};
use super::{alertmanager, argocd, cloudevents, github, gitlab, kubernetes, manual};
use cloudevents::cdevents;

/// What the headers of a record say of its shape.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints<'h> {
    /// `X-GitHub-Event`.
    pub(super) github: Option<&'h str>,
    /// `X-Gitlab-Event`.
    pub(super) gitlab: Option<&'h str>,
}

/// Reads a record in one format, or in that of its shape where the format is [`Format::Change`]. A list holds many, each by itself.
/// Returns the format it turned out to be.
pub(super) fn decode(format: Format, hints: Hints<'_>, value: &[u8], sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    let body = match parse(value) {
        Ok(body) => body,
        Err(refusal) => return (Err(refusal), name_of(format)),
    };
    let Value::Array(items) = &body else { return decode_object(format, hints, &body, sink) };
    let mut name = None;
    for item in items {
        let (outcome, format) = decode_object(format, hints, item, sink);
        name.get_or_insert(format);
        if let Err(refusal) = outcome {
            sink.refuse_item(refusal);
        }
    }
    (Ok(()), name.unwrap_or(name_of(format)))
}

/// A record that could not be read was tried as our own event, if as anything.
fn name_of(format: Format) -> &'static str {
    if format == Format::Change { Format::Manual.as_str() } else { format.as_str() }
}

fn decode_object(format: Format, hints: Hints<'_>, body: &Value, sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    let format = if format == Format::Change { of_object(body) } else { format };
    let outcome = match format {
        // Both names stand for both: one envelope carries either.
        Format::CloudEvents | Format::CdEvents if !cdevents::is_event(body) => return cloudevents::decode_body(body, sink),
        Format::CloudEvents | Format::CdEvents => return (cdevents::decode_body(body, sink), cdevents::FORMAT),
        Format::Github => github::decode_body(hints.github, body, sink),
        Format::Gitlab => gitlab::decode_body(hints.gitlab, body, sink),
        Format::Kubernetes => kubernetes::decode_body(body, sink),
        Format::Alertmanager => alertmanager::decode_body(body, sink),
        Format::ArgoCd => argocd::decode_body(body, sink),
        _ => manual::decode_body(body, sink),
    };
    (outcome, name_of(format))
}

fn of_object(body: &Value) -> Format {
    if cdevents::is_event(body) {
        return Format::CdEvents;
    }
    if cloudevents::is_structured(body) {
        return Format::CloudEvents;
    }
    of_foreign(body).unwrap_or_else(|| if github::is_webhook(body) { Format::Github } else { Format::Manual })
}

/// The format of what may also stand in an envelope; `None` for our own event, and for all else.
pub(super) fn of_foreign(body: &Value) -> Option<Format> {
    if !body.is_object() {
        None
    } else if gitlab::is_webhook(body) {
        Some(Format::Gitlab)
    } else if argocd::is_notification(body) {
        Some(Format::ArgoCd)
    } else if kubernetes::is_event(body) {
        Some(Format::Kubernetes)
    } else if alertmanager::is_webhook(body) {
        Some(Format::Alertmanager)
    } else if github::is_read(body) {
        Some(Format::Github)
    } else {
        None
    }
}

/// Reads what an envelope carries.
pub(super) fn decode_foreign(format: Format, body: &Value, sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    decode_object(format, Hints::default(), body, sink)
}
