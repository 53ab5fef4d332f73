//! Which of the formats of changes and alerts a JSON value is in, told once on the parsed value.

use serde_json::Value;

use super::change::parse;
use super::cloudevents::cdevents;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use super::{FORMATS, cloudevents, github, manual};

/// One of the formats of changes, as the parsed shape tells; never a setting.
pub(super) const CHANGE: Format = &WireFormat { name: "change", header: None, sign: Sign::Tree, reader: Reader::Envelope };

/// Reads a record in one format, or in that of its shape where the format is [`CHANGE`]. A list holds many, each by itself.
/// `event` is what the format's own header says. Returns the format it turned out to be.
pub(super) fn decode(format: Format, event: Option<&str>, value: &[u8], sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    let body = match parse(value) {
        Ok(body) => body,
        Err(refusal) => return (Err(refusal), name_of(format)),
    };
    let Value::Array(items) = &body else { return decode_object(format, event, &body, sink) };
    let mut name = None;
    for item in items {
        let (outcome, format) = decode_object(format, event, item, sink);
        name.get_or_insert(format);
        if let Err(refusal) = outcome {
            sink.refuse_item(refusal);
        }
    }
    (Ok(()), name.unwrap_or(name_of(format)))
}

/// A record that could not be read was tried as our own event, if as anything.
fn name_of(format: Format) -> &'static str {
    if format == CHANGE { manual::WIRE.name } else { format.name }
}

fn decode_object(format: Format, event: Option<&str>, body: &Value, sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    let format = if format == CHANGE { of_object(body) } else { format };
    match format.reader {
        Reader::Object(read) => (read(event, body, sink), format.name),
        // Both names stand for both: one envelope carries either.
        _ if cdevents::is_event(body) => (cdevents::decode_body(body, sink), cdevents::FORMAT),
        _ => cloudevents::decode_body(body, sink),
    }
}

fn of_object(body: &Value) -> Format {
    if cdevents::is_event(body) {
        return cdevents::WIRE;
    }
    if cloudevents::is_structured(body) {
        return cloudevents::WIRE;
    }
    of_foreign(body).unwrap_or(if github::is_webhook(body) { github::WIRE } else { manual::WIRE })
}

/// The format of what may also stand in an envelope; `None` for our own event, and for all else.
pub(super) fn of_foreign(body: &Value) -> Option<Format> {
    let is_of = |format: &&Format| matches!(format.sign, Sign::Object(is_of) if is_of(body));
    body.is_object().then(|| FORMATS.iter().find(is_of).copied()).flatten()
}

/// Reads what an envelope carries.
pub(super) fn decode_foreign(format: Format, body: &Value, sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    decode_object(format, None, body, sink)
}
