//! Log lines of a described format.

use std::borrow::Cow;

use serde_json::Value;

use super::{Item, kind};
use crate::engine::decode::instant;
use crate::engine::decode::log_line::fields::Slot;
use crate::engine::decode::log_line::{Line, LineReader, Scalar};
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::event::truncate;

pub(super) const FIELDS: &[(&str, Slot)] = &[
    ("time", Slot::Time),
    ("message", Slot::Message),
    ("severity", Slot::Level),
    ("service", Slot::Service),
    ("environment", Slot::Environment),
    ("host", Slot::Host),
    ("version", Slot::Version),
    ("trace_id", Slot::Trace),
    ("span_id", Slot::Span),
    ("exception_type", Slot::ExceptionType),
    ("exception_message", Slot::ExceptionMessage),
    ("stack", Slot::Stack),
    ("request_id", Slot::RequestId),
    ("correlation_id", Slot::CorrelationId),
    ("http_status", Slot::HttpStatus),
];

pub(super) fn read(item: &Item<'_>, reader: &mut LineReader, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let mut line = Line::default();
    item.required("message")?;
    for (field, value) in item.fields() {
        line.keys += 1;
        let Some((_, slot)) = FIELDS.iter().find(|(name, _)| *name == field) else { continue };
        let scalar = scalar(value).ok_or_else(|| Refusal::field(format!("{field}: {} at {}", kind(value), item.pointer(field))))?;
        if *slot == Slot::Time && !is_time(&scalar) {
            let reason = format!("time: unreadable {:?} at {}", truncate(&value.to_string(), 60), item.pointer(field));
            return Err(Refusal::field(reason));
        }
        line.set(*slot, 0, scalar);
    }
    let line = reader.build(&mut line, sink)?;
    sink.log(line);
    Ok(())
}

fn is_time(scalar: &Scalar<'_>) -> bool {
    match scalar {
        Scalar::Text(text) => instant::of_text(text).is_some(),
        Scalar::Integer(number) => instant::of_integer(*number).is_some(),
        Scalar::Float(number) => instant::of_float(*number).is_some(),
    }
}

fn scalar(value: &Value) -> Option<Scalar<'_>> {
    match value {
        Value::String(text) => Some(Scalar::Text(Cow::Borrowed(text))),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(Scalar::Integer(whole)),
            (None, _) if number.is_u64() => Some(Scalar::Text(Cow::Owned(number.to_string()))),
            (None, float) => float.map(Scalar::Float),
        },
        Value::Bool(flag) => Some(Scalar::Text(Cow::Borrowed(if *flag { "true" } else { "false" }))),
        _ => None,
    }
}
