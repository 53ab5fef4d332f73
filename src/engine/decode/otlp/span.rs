//! What a span says → a finished [`Span`].

use super::facts::{Best, Resource, Scalar, define, lossy};
use crate::engine::decode::json_logs::limited;
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::engine::decode::{ids, instant};
use crate::model::observation::{Span, SpanId, SpanKind, TraceId};
use crate::model::{Symbol, Timestamp};

/// Characters kept of a failed span's message.
const MAX_MESSAGE: usize = 500;

#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::decode) struct SpanFacts<'a> {
    pub(in crate::engine::decode) trace: Option<TraceId>,
    pub(in crate::engine::decode) span: Option<SpanId>,
    /// `Some` of none for a root.
    pub(in crate::engine::decode) parent: SpanId,
    pub(in crate::engine::decode) name: &'a [u8],
    pub(in crate::engine::decode) kind: i64,
    pub(in crate::engine::decode) start_ns: u64,
    pub(in crate::engine::decode) end_ns: u64,
    pub(in crate::engine::decode) status_code: i64,
    pub(in crate::engine::decode) status_message: &'a [u8],
    pub(in crate::engine::decode) peer: Best<'a>,
    pub(in crate::engine::decode) http_status: i64,
    pub(in crate::engine::decode) error_type: Best<'a>,
    pub(in crate::engine::decode) exception: Exception<'a>,
}

/// Attributes of an `exception` event.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::decode) struct Exception<'a> {
    pub(in crate::engine::decode) kind: Option<&'a [u8]>,
    pub(in crate::engine::decode) message: Option<&'a [u8]>,
    pub(in crate::engine::decode) stack: Option<&'a [u8]>,
}

impl<'a> Exception<'a> {
    pub(in crate::engine::decode) fn attribute(&mut self, key: &[u8], value: Scalar<'a>) {
        match key {
            b"exception.type" => self.kind = value.text(),
            b"exception.message" => self.message = value.text(),
            b"exception.stacktrace" => self.stack = value.text(),
            _ => {}
        }
    }
}

impl<'a> SpanFacts<'a> {
    pub(in crate::engine::decode) fn attribute(&mut self, key: &[u8], value: Scalar<'a>) {
        match key {
            b"peer.service" => self.peer.offer(0, value),
            b"db.system.name" => self.peer.offer(1, value),
            b"db.system" => self.peer.offer(2, value),
            b"messaging.system" => self.peer.offer(3, value),
            b"server.address" => self.peer.offer(4, value),
            b"net.peer.name" => self.peer.offer(5, value),
            b"http.response.status_code" | b"http.status_code" => self.http_status = value.integer().unwrap_or_default(),
            b"error.type" => self.error_type.offer(0, value),
            _ => {}
        }
    }

    pub(in crate::engine::decode) fn finish(&self, resource: &Resource<'_>, sink: &mut RecordSink<'_>) -> Result<Span, Refusal> {
        let trace = self.trace.filter(|id| !id.is_none()).ok_or_else(|| Refusal::field("traceId must be 16 bytes and not zero"))?;
        let span = self.span.filter(|id| !id.is_none()).ok_or_else(|| Refusal::field("spanId must be 8 bytes and not zero"))?;
        let (start, end) = self.times()?;
        let kind = self.kind();
        let failed = self.failed(kind);
        let name = if self.name.is_empty() { b"unnamed".as_slice() } else { self.name };
        let calls_out = matches!(kind, SpanKind::Client | SpanKind::Producer);
        let peer = self.peer.get().filter(|_| calls_out);
        let peer = peer.map_or(Symbol::NONE, |name| sink.symbols.service(limited(&String::from_utf8_lossy(name))));
        Ok(Span {
            record: 0,
            item: 0,
            trace,
            span,
            parent: self.parent,
            start,
            end,
            entity: resource.entity,
            host: resource.host,
            operation: define(Some(name), sink),
            peer,
            version: resource.version,
            kind,
            failed,
            message: if failed { self.message() } else { None },
        })
    }

    fn times(&self) -> Result<(Timestamp, Timestamp), Refusal> {
        let start = instant::of_unix_nanos(self.start_ns).ok_or_else(|| Refusal::field("startTimeUnixNano is missing or impossible"))?;
        let end = instant::of_unix_nanos(self.end_ns).ok_or_else(|| Refusal::field("endTimeUnixNano is missing or impossible"))?;
        if end < start {
            return Err(Refusal::field("the span ends before it starts"));
        }
        Ok((start, end))
    }

    fn kind(&self) -> SpanKind {
        match self.kind {
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => SpanKind::Internal,
        }
    }

    /// By its status; where that is unset, by an HTTP status of 500 and above, or on the calling side 400 and above.
    fn failed(&self, kind: SpanKind) -> bool {
        let first_failing = if kind == SpanKind::Client { 400 } else { 500 };
        match self.status_code {
            2 => true,
            1 => false,
            _ => self.http_status >= first_failing,
        }
    }

    fn message(&self) -> Option<Box<str>> {
        let text = match (self.status_message, self.exception.kind, self.exception.message) {
            ([], Some(kind), Some(message)) => format!("{}: {}", lossy(kind, 200), lossy(message, MAX_MESSAGE)),
            ([], kind, message) => match message.or(kind).or(self.error_type.get()) {
                Some(text) => lossy(text, MAX_MESSAGE),
                None if self.http_status > 0 => format!("HTTP {}", self.http_status),
                None => return None,
            },
            (status, ..) => lossy(status, MAX_MESSAGE),
        };
        Some(text.into_boxed_str())
    }
}

/// A trace id's bytes: none when empty.
pub(in crate::engine::decode) fn trace(bytes: &[u8]) -> Option<TraceId> {
    if bytes.is_empty() { None } else { ids::trace_bytes(bytes) }
}

pub(in crate::engine::decode) fn span(bytes: &[u8]) -> Option<SpanId> {
    if bytes.is_empty() { None } else { ids::span_bytes(bytes) }
}
