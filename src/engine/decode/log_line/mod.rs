//! What log formats have in common: the fields found in a record → a log line.
//!
//! A line needs a message and a time; the time may be the record's Kafka time where the line names none. Shippers wrap what
//! an application wrote: a message that is itself a JSON object or logfmt is read once more, and what it says of its time, level,
//! trace and message counts more than what the wrapper says. Of several names of a service the most telling one is taken,
//! wherever it stands.

use std::borrow::Cow;

use serde::de::DeserializeSeed;

use super::json_logs::{Layouts, LineSeed};
use super::sink::{RecordSink, Refusal};
use super::template::{self, Ids};
use super::{ids, instant, level, logfmt, stack, text, workload};
use crate::model::event::truncate;
use crate::model::observation::{LogLine, LogText, SpanId, TraceId};
use crate::model::{Severity, Symbol, Timestamp};

pub(super) mod fields;
mod line;
mod names;

use fields::{Fields, Slot};
pub(super) use line::{Line, Scalar};
pub(super) use names::SHORT_MESSAGE;

/// Service of a line that names none.
pub(super) const UNKNOWN_SERVICE: &str = "unknown";
/// Characters kept of a message.
pub(super) const MAX_MESSAGE: usize = 2_000;
/// Characters kept of a name: service, environment, host.
pub(super) const MAX_NAME: usize = 200;
/// Lines inside messages are read this deep: a shipper's wrapper, a container runtime's, the application's own.
const MAX_WRAPPERS: u8 = 2;

/// Reads log records; the table of names is built once.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    pub(super) fields: Fields,
    pub(super) layouts: Layouts,
    path: String,
}

impl LineReader {
    /// `own`: names of a service that go before those known.
    pub(super) fn asking(own: &[String]) -> Self {
        Self { fields: Fields::asking(own), ..Self::default() }
    }

    /// Reads one JSON object into a line.
    pub(super) fn read_json<'de, R: serde_json::de::Read<'de>>(
        &mut self,
        deserializer: &mut serde_json::Deserializer<R>,
        line: &mut Line<'de>,
    ) -> serde_json::Result<()> {
        self.path.clear();
        LineSeed { fields: &self.fields, line, path: &mut self.path, added_rank: 0 }.deserialize(deserializer)
    }

    /// A log line from its fields, which are taken: a line is large, and is not moved about. `record` and `item` are the sink's to number.
    pub(super) fn build(&mut self, line: &mut Line<'_>, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
        self.build_inside(line, 0, sink)
    }

    fn build_inside(&mut self, line: &mut Line<'_>, wrappers: u8, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
        let exception = line.take_text(Slot::ExceptionMessage);
        let message = line.take(Slot::Message).map(Scalar::into_text).or_else(|| exception.clone());
        let Some(message) = message.map(without_line_end) else {
            let keys = line.keys;
            return Err(Refusal::field(format!("no message: none of message, msg, log, text, body, event among its {keys} keys")));
        };
        if wrappers < MAX_WRAPPERS
            && let Some(inner) = self.inside(&message)
        {
            if let Some(exception) = exception {
                line.set(Slot::ExceptionMessage, 0, Scalar::Text(exception));
            }
            return self.build_inside(&mut inner.over(std::mem::take(line)), wrappers + 1, sink);
        }
        finish(line, &message, exception, sink)
    }

    /// The line that a message holds, when it is one.
    fn inside<'m>(&self, message: &'m str) -> Option<Line<'m>> {
        let text = message.trim();
        let mut line = Line::default();
        if text.starts_with('{') && text.ends_with('}') {
            let mut path = String::new();
            let seed = LineSeed { fields: &self.fields, line: &mut line, path: &mut path, added_rank: 0 };
            let mut deserializer = serde_json::Deserializer::from_str(text);
            seed.deserialize(&mut deserializer).ok()?;
            deserializer.end().ok()?;
        } else if logfmt::starts(text.as_bytes()) {
            logfmt::read(text, &self.fields, &mut line);
        } else {
            return None;
        }
        (line.peek(Slot::Message).is_some() || line.peek(Slot::ExceptionMessage).is_some()).then_some(line)
    }
}

/// Books the lines of one record. The refusal of a single one is that of the record; of several a bad one does not take the
/// others with it.
pub(super) fn take<'t>(
    lines: &[Result<&'t str, Refusal>],
    sink: &mut RecordSink<'_>,
    mut read: impl FnMut(&'t str, &mut RecordSink<'_>) -> Result<LogLine, Refusal>,
) -> Result<(), Refusal> {
    let mut outcome = |line: &Result<&'t str, Refusal>, sink: &mut RecordSink<'_>| match line {
        Ok(text) => read(text, sink),
        Err(refusal) => Err(refusal.clone()),
    };
    if let [only] = lines {
        let line = outcome(only, sink)?;
        sink.log(line);
        return Ok(());
    }
    for line in lines {
        match outcome(line, sink) {
            Ok(line) => sink.log(line),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn finish(line: &mut Line<'_>, message: &str, exception: Option<Cow<'_, str>>, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
    let timestamp = time(line, sink)?;
    let severity = severity(line, message);
    let service = service(line);
    let environment = name(line.take_text(Slot::Environment), &sink.options.default_environment);
    let entity = sink.symbols.entity(&environment, &service);
    let host = line.take_text(Slot::Host).map_or(Symbol::NONE, |host| sink.symbols.define(limited(&host)));
    let (template, found) = sink.symbols.template(message);
    let (trace, span) = trace_ids(line, message, found);
    let text = (severity >= Severity::Medium).then(|| Box::new(text(line, message, exception)));
    Ok(LogLine { record: 0, item: 0, timestamp, entity, host, severity, template, trace, span, text })
}

/// Container runtimes keep the line feed that ended a line.
fn without_line_end(message: Cow<'_, str>) -> Cow<'_, str> {
    let ends = |text: &str| text.trim_end_matches(['\n', '\r']).len();
    match message {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..ends(text)]),
        Cow::Owned(mut text) => {
            text.truncate(ends(&text));
            Cow::Owned(text)
        }
    }
}

/// The service a line names; where it names only a container, the workload its pod's name was made from.
fn service<'a>(line: &mut Line<'a>) -> Cow<'a, str> {
    if line.rank(Slot::Service).is_none_or(|rank| rank >= fields::CONTAINER_RANK)
        && line.rank(Slot::Host).is_some_and(|rank| rank <= fields::LAST_POD_RANK)
        && let Some(Scalar::Text(pod)) = line.peek(Slot::Host)
        && let Some(workload) = Some(workload::of_pod(pod)).filter(|workload| *workload != pod)
    {
        return Cow::Owned(limited(workload).to_owned());
    }
    match name(line.take_text(Slot::Service), UNKNOWN_SERVICE) {
        // Docker's names of containers begin with a slash.
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('/').filter(|text| !text.is_empty()).unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(text.strip_prefix('/').filter(|text| !text.is_empty()).map(str::to_owned).unwrap_or(text)),
    }
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
    if let Some(time) = line.time {
        return Ok(time);
    }
    let Some(value) = line.take(Slot::Time) else {
        return sink.kafka_time.ok_or_else(|| Refusal::field("no time: neither @timestamp, timestamp, time, ts nor a Kafka timestamp"));
    };
    read_time(&value).ok_or_else(|| Refusal::field(format!("unreadable time {:?}", truncate(&value.into_text(), 60))))
}

fn read_time(value: &Scalar<'_>) -> Option<Timestamp> {
    match value {
        Scalar::Text(text) => instant::of_text(text),
        Scalar::Integer(number) => instant::of_integer(*number),
        Scalar::Float(number) => instant::of_float(*number),
    }
}

fn severity(line: &mut Line<'_>, message: &str) -> Severity {
    let named = line.severity.or_else(|| {
        line.take(Slot::Level).and_then(|level| match &level {
            Scalar::Text(text) => level::of_name(text).or_else(|| level::of_number(level.integer()?)),
            Scalar::Integer(number) => level::of_number(*number),
            Scalar::Float(_) => None,
        })
    });
    let severity = named
        .or_else(|| level::of_otlp_number(line.take(Slot::SeverityNumber)?.integer()?))
        .or_else(|| match line.peek(Slot::Status)? {
            Scalar::Text(text) => level::of_name(text),
            _ => None,
        })
        .or_else(|| text::severity(message))
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
    let stack = line.take_text(Slot::Stack).or_else(|| stack::inside(message).map(|(_, stack)| Cow::Owned(stack.to_owned())));
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
