//! JSON log lines: ECS (flat and nested), Fluent Bit, Vector, and what loggers of many languages write.
//!
//! One object is one line; an array of objects or several objects in a row (NDJSON) are as many lines. A line needs a message and a
//! time; the time may be the record's Kafka time where the line names none.

use std::borrow::Cow;

use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

use super::sink::{RecordSink, Refusal};
use super::template::{self, Ids};
use super::{ids, instant, level, stack};
use crate::model::event::truncate;
use crate::model::observation::{LogLine, LogText, SpanId, TraceId};
use crate::model::{Severity, Symbol, Timestamp};

mod fields;
mod line;

use fields::{Fields, Recent, Slot};
use line::{Line, LineSeed, Scalar};

/// Service of a line that names none.
pub(super) const UNKNOWN_SERVICE: &str = "unknown";
/// Characters kept of a message.
pub(super) const MAX_MESSAGE: usize = 2_000;
/// Characters kept of a name: service, environment, host.
pub(super) const MAX_NAME: usize = 200;

/// Reads JSON log records; the table of names is built once.
#[derive(Debug, Default)]
pub(super) struct JsonLogs {
    fields: Fields,
    recent: Recent,
    path: String,
}

impl JsonLogs {
    pub(super) fn decode(&mut self, value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
        // Checked once as a whole, which is faster than text by text.
        let text = std::str::from_utf8(value).map_err(|error| Refusal::malformed(format!("not UTF-8: {error}")))?;
        let first = value.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'[') => {
                let lines: Vec<&RawValue> = serde_json::from_str(text).map_err(not_json)?;
                self.decode_many(&lines, sink);
                Ok(())
            }
            Some(b'{') => {
                let mut line = Line::default();
                let mut deserializer = serde_json::Deserializer::from_str(text);
                self.read(&mut deserializer, &mut line).map_err(not_json)?;
                if deserializer.end().is_err() {
                    let lines: Vec<&RawValue> =
                        serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().map_err(not_json)?;
                    self.decode_many(&lines, sink);
                    return Ok(());
                }
                let line = build(&mut line, sink)?;
                sink.log(line);
                Ok(())
            }
            _ => Err(Refusal::malformed(format!("not a JSON object: starts with {}", super::format::excerpt(value)))),
        }
    }

    /// Several lines in one record: a bad one does not take the others with it.
    fn decode_many(&mut self, lines: &[&RawValue], sink: &mut RecordSink<'_>) {
        for raw in lines {
            let mut line = Line::default();
            let mut deserializer = serde_json::Deserializer::from_str(raw.get());
            let outcome = self.read(&mut deserializer, &mut line).map_err(not_json).and_then(|()| build(&mut line, sink));
            match outcome {
                Ok(line) => sink.log(line),
                Err(refusal) => sink.refuse_item(refusal),
            }
        }
    }

    fn read<'de, R: serde_json::de::Read<'de>>(
        &mut self,
        deserializer: &mut serde_json::Deserializer<R>,
        line: &mut Line<'de>,
    ) -> serde_json::Result<()> {
        self.path.clear();
        self.recent.start_line();
        LineSeed { fields: &self.fields, line, path: &mut self.path, added_rank: 0, recent: Some(&mut self.recent) }
            .deserialize(deserializer)
    }
}

pub(super) fn not_json(error: serde_json::Error) -> Refusal {
    Refusal::malformed(format!("not JSON of this shape: {error}"))
}

/// A log line from its fields. `record` and `item` are the sink's to number.
fn build(line: &mut Line<'_>, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
    let exception = line.take_text(Slot::ExceptionMessage);
    let message = line.take(Slot::Message).map(Scalar::into_text).or_else(|| exception.clone());
    let Some(message) = message else {
        let keys = line.keys;
        return Err(Refusal::field(format!("no message: none of message, msg, log, text, body, event among its {keys} keys")));
    };
    let timestamp = time(line, sink)?;
    let severity = severity(line, &message);
    let service = name(line.take_text(Slot::Service), UNKNOWN_SERVICE);
    let environment = name(line.take_text(Slot::Environment), &sink.options.default_environment);
    let entity = sink.symbols.entity(&environment, &service);
    let host = line.take_text(Slot::Host).map_or(Symbol::NONE, |host| sink.symbols.define(limited(&host)));
    let (template, found) = sink.symbols.template(&message);
    let (trace, span) = trace_ids(line, &message, found);
    let text = (severity >= Severity::Medium).then(|| Box::new(text(line, &message, exception)));
    Ok(LogLine { record: 0, item: 0, timestamp, entity, host, severity, template, trace, span, text })
}

fn name<'n>(given: Option<Cow<'n, str>>, otherwise: &'n str) -> Cow<'n, str> {
    match given {
        Some(Cow::Borrowed(text)) => Cow::Borrowed(limited(text)),
        Some(Cow::Owned(text)) => Cow::Owned(limited(&text).to_owned()),
        None => Cow::Borrowed(otherwise),
    }
}

/// The first characters of a name, as many as an event holds.
pub(super) fn limited(text: &str) -> &str {
    if text.len() <= MAX_NAME {
        return text;
    }
    text.char_indices().nth(MAX_NAME).map_or(text, |(end, _)| &text[..end])
}

fn time(line: &mut Line<'_>, sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
    let Some(value) = line.take(Slot::Time) else {
        return sink.kafka_time.ok_or_else(|| Refusal::field("no time: neither @timestamp, timestamp, time, ts nor a Kafka timestamp"));
    };
    let time = match &value {
        Scalar::Text(text) => instant::of_text(text),
        Scalar::Integer(number) => instant::of_integer(*number),
        Scalar::Float(number) => instant::of_float(*number),
    };
    time.ok_or_else(|| Refusal::field(format!("unreadable time {:?}", truncate(&value.into_text(), 60))))
}

fn severity(line: &mut Line<'_>, message: &str) -> Severity {
    let named = line.take(Slot::Level).and_then(|level| match &level {
        Scalar::Text(text) => level::of_name(text).or_else(|| level::of_number(level.integer()?)),
        Scalar::Integer(number) => level::of_number(*number),
        Scalar::Float(_) => None,
    });
    let severity = named
        .or_else(|| level::of_otlp_number(line.take(Slot::SeverityNumber)?.integer()?))
        .or_else(|| match line.peek(Slot::Status)? {
            Scalar::Text(text) => level::of_name(text),
            _ => None,
        })
        .or_else(|| level::of_message(message))
        .unwrap_or_default();
    level::raised(severity, message)
}

/// Ids of the line's own fields, else those its message carries.
fn trace_ids(line: &mut Line<'_>, message: &str, found: Ids<'_>) -> (TraceId, SpanId) {
    let trace = line.take_text(Slot::Trace).map_or(TraceId::default(), |text| ids::trace_id(&text));
    let span = line.take_text(Slot::Span).map_or(SpanId::default(), |text| ids::span_id(&text));
    if !trace.is_none() {
        return (trace, span);
    }
    let found = if found.trace.is_some() { found } else { template::find_ids(message) };
    let trace = found.trace.map_or(trace, ids::trace_id);
    let span = if span.is_none() { found.span.map_or(span, ids::span_id) } else { span };
    (trace, span)
}

fn text(line: &mut Line<'_>, message: &str, exception: Option<Cow<'_, str>>) -> LogText {
    let stack = line.take_text(Slot::Stack);
    let exception_type = line.take_text(Slot::ExceptionType).map(|name| limited(&name).to_owned()).or_else(|| {
        [stack.as_deref(), exception.as_deref(), Some(message)].into_iter().flatten().find_map(stack::exception_type).map(str::to_owned)
    });
    let status = line.take(Slot::HttpStatus).or_else(|| line.take(Slot::Status));
    LogText {
        message: truncate(message, MAX_MESSAGE),
        exception_type,
        stack: stack.map(|stack| stack::fold(&stack)),
        request_id: line.take_text(Slot::RequestId).map(|id| limited(&id).to_owned()),
        correlation_id: line.take_text(Slot::CorrelationId).map(|id| limited(&id).to_owned()),
        http_status: status.and_then(|status| u16::try_from(status.integer()?).ok()).filter(|status| (100..600).contains(status)),
        version: line.take_text(Slot::Version).map(|version| limited(&version).to_owned()),
    }
}
