//! Spans described by tags: what Jaeger and Zipkin have in common → the facts of any span.
//! Names: OpenTracing's semantic conventions, and OpenTelemetry's mapping of its spans to both formats.

use super::otlp::facts::{ResourceFacts, Scalar};
use super::otlp::span::SpanFacts;
use super::sink::{RecordSink, Refusal};
use crate::model::observation::Span;

const NANOS_PER_MICRO: u64 = 1_000;
/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const OK: i64 = 1;
const ERROR: i64 = 2;

/// A span's facts as its tags are met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaggedSpan<'a> {
    pub(super) facts: SpanFacts<'a>,
    pub(super) process: ResourceFacts<'a>,
    /// What the tag `error` says; a status of OpenTelemetry goes before it.
    error: Option<bool>,
}

impl<'a> TaggedSpan<'a> {
    /// `own`: tags of a process that name its service, before those known.
    pub(super) fn asking(own: &'a [String]) -> Self {
        Self { process: ResourceFacts::asking(own), ..Self::default() }
    }

    pub(super) fn tag(&mut self, key: &[u8], value: Scalar<'a>) {
        match key {
            b"span.kind" => self.kind(value),
            b"error" => self.error(value),
            b"otel.status_code" => self.facts.status_code = status(value),
            b"otel.status_description" => self.facts.status_message = value.text().unwrap_or_default(),
            b"db.type" => self.facts.attribute(b"db.system", value),
            b"peer.hostname" => self.facts.attribute(b"net.peer.name", value),
            _ => self.facts.attribute(key, value),
        }
    }

    /// A tag of the process, or one of a span that may stand for it.
    pub(super) fn process_tag(&mut self, key: &[u8], value: Scalar<'a>) {
        let key = match key {
            b"hostname" => b"host.name".as_slice(),
            b"environment" | b"env" => b"deployment.environment",
            b"version" => b"service.version",
            key => key,
        };
        self.process.attribute(key, value);
    }

    pub(super) fn service(&mut self, name: &'a [u8]) {
        self.process.attribute(b"service.name", Scalar::Text(name));
    }

    /// `client` and `SPAN_KIND_CLIENT` alike.
    pub(super) fn kind(&mut self, value: Scalar<'a>) {
        const KINDS: [(&[u8], i64); 5] = [(b"internal", 1), (b"server", 2), (b"client", 3), (b"producer", 4), (b"consumer", 5)];
        let Some(text) = value.text() else { return };
        let is = |name: &[u8]| text.len() >= name.len() && text[text.len() - name.len()..].eq_ignore_ascii_case(name);
        if let Some((_, kind)) = KINDS.iter().find(|(name, _)| is(name)) {
            self.facts.kind = *kind;
        }
    }

    /// A boolean, or the message of the failure; that it is there at all says that it failed.
    fn error(&mut self, value: Scalar<'a>) {
        let Scalar::Text(text) = value else {
            self.error = Some(!matches!(value, Scalar::Bool(false) | Scalar::Integer(0)));
            return;
        };
        self.error = Some(!text.eq_ignore_ascii_case(b"false"));
        if !text.eq_ignore_ascii_case(b"true") && !text.eq_ignore_ascii_case(b"false") && self.facts.status_message.is_empty() {
            self.facts.status_message = text;
        }
    }

    /// Sets start and end. `names` are those of the two fields.
    pub(super) fn times(&mut self, start_ns: Option<u64>, duration_ns: Option<u64>, names: [&str; 2]) -> Result<(), Refusal> {
        let refuse = |name: &str| Refusal::field(format!("{name} is missing or impossible"));
        let start_ns = start_ns.filter(|start| (1..=i64::MAX as u64).contains(start)).ok_or_else(|| refuse(names[0]))?;
        let end_ns = duration_ns.and_then(|duration| start_ns.checked_add(duration)).filter(|end| i64::try_from(*end).is_ok());
        self.facts.start_ns = start_ns;
        self.facts.end_ns = end_ns.ok_or_else(|| refuse(names[1]))?;
        Ok(())
    }

    pub(super) fn finish(mut self, sink: &mut RecordSink<'_>) -> Result<Span, Refusal> {
        if self.facts.status_code == 0 {
            self.facts.status_code = self.error.map_or(0, |failed| if failed { ERROR } else { OK });
        }
        let resource = self.process.resolve(sink);
        self.facts.finish(&resource, sink)
    }
}

fn status(value: Scalar<'_>) -> i64 {
    match value {
        Scalar::Integer(code) => code,
        Scalar::Text(text) if text.to_ascii_uppercase().ends_with(b"ERROR") => ERROR,
        Scalar::Text(text) if text.to_ascii_uppercase().ends_with(b"OK") => OK,
        _ => 0,
    }
}

/// Nanoseconds of whole microseconds; `None` of what is negative or too large.
pub(super) fn micros(value: Option<i64>) -> Option<u64> {
    value.and_then(|micros| u64::try_from(micros).ok())?.checked_mul(NANOS_PER_MICRO)
}
