//! What a log record says → a [`LogLine`].

use std::borrow::Cow;

use super::facts::{Resource, Scalar, lossy, utf8};
use super::span::Exception;
use crate::engine::decode::json_logs::{MAX_MESSAGE, MAX_NAME};
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::engine::decode::{ids, instant, level, stack, template};
use crate::model::event::truncate;
use crate::model::observation::{LogLine, LogText, SpanId, TraceId};
use crate::model::{Severity, Timestamp};

#[derive(Clone, Debug, Default)]
pub(super) struct LogFacts<'a> {
    pub(super) time_ns: u64,
    pub(super) observed_ns: u64,
    pub(super) severity_number: i64,
    pub(super) severity_text: &'a [u8],
    pub(super) body: Option<Cow<'a, [u8]>>,
    pub(super) event_name: &'a [u8],
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) exception: Exception<'a>,
    pub(super) request_id: Option<&'a [u8]>,
    pub(super) correlation_id: Option<&'a [u8]>,
    pub(super) http_status: Option<i64>,
}

impl<'a> LogFacts<'a> {
    pub(super) fn attribute(&mut self, key: &[u8], value: Scalar<'a>) {
        match key {
            b"http.request.id" | b"request.id" | b"request_id" => self.request_id = value.text(),
            b"correlation.id" | b"correlation_id" => self.correlation_id = value.text(),
            b"http.response.status_code" | b"http.status_code" => self.http_status = value.integer(),
            _ => self.exception.attribute(key, value),
        }
    }

    #[inline]
    pub(super) fn finish(&self, resource: &Resource<'_>, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
        let timestamp = self.time(sink)?;
        let message = self.message()?;
        let severity = self.severity(message);
        let (template, found) = sink.symbols.template(message);
        let (mut trace, mut span) = (self.trace, self.span);
        if trace.is_none() {
            let found = if found.trace.is_some() { found } else { template::find_ids(message) };
            trace = found.trace.map_or(trace, ids::trace_id);
            span = if span.is_none() { found.span.map_or(span, ids::span_id) } else { span };
        }
        let text = (severity >= Severity::Medium).then(|| Box::new(self.text(message, resource)));
        Ok(LogLine { record: 0, item: 0, timestamp, entity: resource.entity, host: resource.host, severity, template, trace, span, text })
    }

    /// When it happened, else when it was first observed, else the record's Kafka time.
    #[inline]
    fn time(&self, sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
        match (self.time_ns, self.observed_ns) {
            (0, 0) => sink
                .kafka_time
                .ok_or_else(|| Refusal::field("no time: neither timeUnixNano nor observedTimeUnixNano nor a Kafka timestamp")),
            (0, nanos) | (nanos, _) => instant::of_unix_nanos(nanos).ok_or_else(|| Refusal::field("timeUnixNano lies after the year 2262")),
        }
    }

    #[inline]
    fn message(&self) -> Result<&str, Refusal> {
        let bytes = match &self.body {
            Some(body) => body.as_ref(),
            None if !self.event_name.is_empty() => self.event_name,
            None => self.exception.message.ok_or_else(|| Refusal::field("no body, event name or exception message"))?,
        };
        utf8(bytes, "body")
    }

    fn severity(&self, message: &str) -> Severity {
        let severity = level::of_otlp_number(self.severity_number)
            .or_else(|| level::of_name(std::str::from_utf8(self.severity_text).ok()?))
            .or_else(|| level::of_message(message))
            .unwrap_or_default();
        level::raised(severity, message)
    }

    fn text(&self, message: &str, resource: &Resource<'_>) -> LogText {
        let stack = self.exception.stack.map(String::from_utf8_lossy);
        let exception_type = match self.exception.kind {
            Some(kind) => Some(lossy(kind, MAX_NAME)),
            None => stack.as_deref().and_then(stack::exception_type).or_else(|| stack::exception_type(message)).map(str::to_owned),
        };
        LogText {
            message: truncate(message, MAX_MESSAGE),
            exception_type,
            stack: stack.map(|stack| stack::fold(&stack)),
            request_id: self.request_id.map(|id| lossy(id, MAX_NAME)),
            correlation_id: self.correlation_id.map(|id| lossy(id, MAX_NAME)),
            http_status: self.http_status.and_then(|status| u16::try_from(status).ok()).filter(|status| (100..600).contains(status)),
            version: resource.version_text.map(|version| lossy(version, MAX_NAME)),
        }
    }
}
