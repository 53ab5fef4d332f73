//! Zipkin's spans, version 2 of its JSON: a list of spans, or one.
//!
//! Client and server may share one span id (B3's habit): then the server's half says `shared`. It gets an id of its own here,
//! with the client's half as its parent, and what the same record holds of its service below that id goes along with it.

use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::ids;
use super::json_leaf::{Leaf, Pairs, objects};
use super::json_logs::not_json;
use super::sink::{RecordSink, Refusal};
use super::tagged_span::{TaggedSpan, micros};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::observation::{Span, SpanId, TraceId};

/// Version 2.
pub(super) const WIRE: Format = &WireFormat { name: "zipkin_json", header: None, sign: Sign::Tree, reader: Reader::Bytes(decode) };

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanJson<'a> {
    #[serde(borrow, default)]
    trace_id: Leaf<'a>,
    #[serde(borrow, default)]
    id: Leaf<'a>,
    #[serde(borrow, default)]
    parent_id: Leaf<'a>,
    #[serde(borrow, default)]
    name: Leaf<'a>,
    #[serde(borrow, default)]
    kind: Leaf<'a>,
    /// Microseconds since the epoch.
    #[serde(borrow, default)]
    timestamp: Leaf<'a>,
    /// Microseconds.
    #[serde(borrow, default)]
    duration: Leaf<'a>,
    #[serde(borrow)]
    local_endpoint: Option<Endpoint<'a>>,
    #[serde(borrow)]
    remote_endpoint: Option<Endpoint<'a>>,
    #[serde(borrow, default)]
    tags: Pairs<'a>,
    #[serde(borrow, default)]
    shared: Leaf<'a>,
    /// Of version 1 only.
    #[serde(borrow, default)]
    binary_annotations: Leaf<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    #[serde(borrow, default)]
    service_name: Leaf<'a>,
    #[serde(borrow, default)]
    ipv4: Leaf<'a>,
    #[serde(borrow, default)]
    ipv6: Leaf<'a>,
}

impl SpanJson<'_> {
    fn service(&self) -> &str {
        self.local_endpoint.as_ref().and_then(|endpoint| endpoint.service_name.text()).unwrap_or_default()
    }

    fn trace_id(&self) -> TraceId {
        ids::trace_id(self.trace_id.text().unwrap_or_default())
    }

    fn id(&self) -> SpanId {
        ids::span_id(self.id.text().unwrap_or_default())
    }

    /// Messages are handed over in no time, says who leaves their duration out.
    fn duration_us(&self) -> Option<i64> {
        let is_message = matches!(self.kind.text(), Some("PRODUCER" | "CONSUMER"));
        if self.duration.is_null() && is_message { Some(0) } else { self.duration.integer() }
    }
}

/// The server's half of a shared span, by what its children know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shared<'r> {
    trace: TraceId,
    id: SpanId,
    service: &'r str,
}

pub(super) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let spans: Vec<Result<SpanJson<'_>, Refusal>> = objects(value)?.into_iter().map(parse).collect();
    let is_shared = |span: &&SpanJson<'_>| span.shared == Leaf::Bool(true);
    let mut shared: Vec<Shared<'_>> = spans
        .iter()
        .flatten()
        .filter(is_shared)
        .map(|span| Shared { trace: span.trace_id(), id: span.id(), service: span.service() })
        .collect();
    shared.sort_unstable();
    for json in &spans {
        match json.as_ref().map_err(Refusal::clone).and_then(|json| span(json, &shared, sink)) {
            Ok(span) => sink.span(span),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn parse(raw: &RawValue) -> Result<SpanJson<'_>, Refusal> {
    serde_json::from_str(raw.get()).map_err(not_json)
}

fn span(json: &SpanJson<'_>, shared: &[Shared<'_>], sink: &mut RecordSink<'_>) -> Result<Span, Refusal> {
    if !json.binary_annotations.is_null() {
        return Err(Refusal::unknown("a span of Zipkin's version 1 (binaryAnnotations): only version 2 is read"));
    }
    let (trace, id) = (json.trace_id(), json.id());
    if trace.is_none() || id.is_none() {
        return Err(Refusal::field(format!("{} is missing or zero", if trace.is_none() { "traceId" } else { "id" })));
    }
    let mut span = TaggedSpan::asking(sink.service_attributes());
    span.facts.trace = Some(trace);
    (span.facts.span, span.facts.parent) = place(json, trace, id, shared);
    span.facts.name = json.name.text().unwrap_or_default().as_bytes();
    span.kind(json.kind.scalar());
    span.times(micros(json.timestamp.integer()), micros(json.duration_us()), ["timestamp", "duration"])?;
    if let Some(remote) = &json.remote_endpoint {
        span.tag(b"peer.service", remote.service_name.scalar());
    }
    for (key, value) in &json.tags.0 {
        span.tag(key.as_bytes(), value.scalar());
        // A span's own version and service are not its process's.
        if key != "service.name" && key != "version" {
            span.process_tag(key.as_bytes(), value.scalar());
        }
    }
    if let Some(local) = &json.local_endpoint {
        span.service(local.service_name.text().unwrap_or_default().as_bytes());
        let address = if local.ipv4.is_null() { &local.ipv6 } else { &local.ipv4 };
        span.process_tag(b"service.instance.id", address.scalar());
    }
    span.finish(sink)
}

/// Id and parent.
fn place(json: &SpanJson<'_>, trace: TraceId, id: SpanId, shared: &[Shared<'_>]) -> (Option<SpanId>, SpanId) {
    if json.shared == Leaf::Bool(true) {
        return (Some(of_server(id)), id);
    }
    let parent = ids::span_id(json.parent_id.text().unwrap_or_default());
    let is_shared = shared.binary_search(&Shared { trace, id: parent, service: json.service() }).is_ok();
    (Some(id), if is_shared && !parent.is_none() { of_server(parent) } else { parent })
}

/// Id of the server's half of a shared span.
fn of_server(id: SpanId) -> SpanId {
    const SERVER: u64 = 0x7368_6172_6564;
    SpanId(xxh3_64_with_seed(&id.0.to_be_bytes(), SERVER).max(1))
}
