//! Jaeger in JSON: the protobuf messages' JSON form (the collector's `jaeger_json`: base64 ids, `startTime` in RFC 3339, `duration`
//! as `"0.005s"`), and what Jaeger's pages and its Elasticsearch indexes hold (hexadecimal ids, microseconds, `processes` by id).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::log::LogFields;
use super::parents::Parents;
use crate::engine::decode::json_leaf::{Leaf, Pairs, objects};
use crate::engine::decode::json_logs::not_json;
use crate::engine::decode::otlp::facts::Scalar;
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::engine::decode::tagged_span::{TaggedSpan, micros};
use crate::engine::decode::{ids, instant};
use crate::model::observation::{Span, SpanId, TraceId};

type Processes<'a> = Pairs<'a, ProcessJson<'a>>;

/// A span, a batch or trace (`spans`), or an answer of Jaeger's API (`data`), as its keys tell.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Top<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    spans: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    processes: Processes<'a>,
    #[serde(borrow, default, alias = "traceID")]
    trace_id: Leaf<'a>,
    #[serde(borrow, default, alias = "spanID")]
    span_id: Leaf<'a>,
    #[serde(borrow, default, rename = "parentSpanID", alias = "parentSpanId")]
    parent: Leaf<'a>,
    #[serde(borrow, default)]
    operation_name: Leaf<'a>,
    #[serde(borrow)]
    references: Option<Vec<ReferenceJson<'a>>>,
    #[serde(borrow, default)]
    start_time: Leaf<'a>,
    #[serde(borrow, default)]
    duration: Leaf<'a>,
    #[serde(borrow)]
    tags: Option<Vec<TagJson<'a>>>,
    #[serde(borrow)]
    logs: Option<Vec<LogJson<'a>>>,
    #[serde(borrow)]
    process: Option<ProcessJson<'a>>,
    #[serde(borrow, default, rename = "processID", alias = "processId")]
    process_id: Leaf<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceJson<'a> {
    #[serde(borrow, default, alias = "traceID")]
    trace_id: Leaf<'a>,
    #[serde(borrow, default, alias = "spanID")]
    span_id: Leaf<'a>,
    #[serde(borrow, default)]
    ref_type: Leaf<'a>,
}

#[derive(Debug, Deserialize)]
struct LogJson<'a> {
    #[serde(borrow)]
    fields: Option<Vec<TagJson<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProcessJson<'a> {
    #[serde(borrow, default)]
    service_name: Leaf<'a>,
    #[serde(borrow)]
    tags: Option<Vec<TagJson<'a>>>,
}

/// `{"key", "type", "value"}` or `{"key", "vType", "vStr" …}`, where a value that is false, 0 or empty may be left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagJson<'a> {
    #[serde(borrow, default)]
    key: Leaf<'a>,
    #[serde(borrow, default)]
    value: Leaf<'a>,
    #[serde(borrow, default)]
    v_type: Leaf<'a>,
    #[serde(borrow, default)]
    v_str: Leaf<'a>,
    #[serde(default)]
    v_bool: Option<bool>,
    #[serde(borrow, default)]
    v_int64: Leaf<'a>,
    #[serde(borrow, default)]
    v_float64: Leaf<'a>,
}

impl TagJson<'_> {
    fn key(&self) -> &[u8] {
        self.key.text().unwrap_or_default().as_bytes()
    }

    fn scalar(&self) -> Scalar<'_> {
        if !self.value.is_null() {
            return self.value.scalar();
        }
        match &self.v_type {
            Leaf::Text(name) if name == "BOOL" => Scalar::Bool(self.v_bool.unwrap_or(false)),
            Leaf::Integer(1) => Scalar::Bool(self.v_bool.unwrap_or(false)),
            Leaf::Text(name) if name == "INT64" => Scalar::Integer(self.v_int64.integer().unwrap_or(0)),
            Leaf::Integer(2) => Scalar::Integer(self.v_int64.integer().unwrap_or(0)),
            Leaf::Text(name) if name == "FLOAT64" => Scalar::Float(self.v_float64.float().unwrap_or(0.0)),
            Leaf::Integer(3) => Scalar::Float(self.v_float64.float().unwrap_or(0.0)),
            Leaf::Text(name) if name == "BINARY" => Scalar::Other,
            _ => Scalar::Text(self.v_str.text().unwrap_or_default().as_bytes()),
        }
    }
}

/// Where spans without a process of their own look for it.
#[derive(Clone, Copy, Debug, Default)]
struct Around<'r, 'a> {
    process: Option<&'r ProcessJson<'a>>,
    processes: Option<&'r Processes<'a>>,
}

impl<'r, 'a> Around<'r, 'a> {
    fn by_id(self, id: &str) -> Option<&'r ProcessJson<'a>> {
        self.processes?.0.iter().find(|(key, _)| key == id).map(|(_, process)| process)
    }
}

pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    for raw in objects(value)? {
        match parse(raw) {
            Ok(Top { data: Some(traces), .. }) => traces.into_iter().for_each(|raw| trace(raw, sink)),
            Ok(top) => spans(&top, Around::default(), sink),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn parse(raw: &RawValue) -> Result<Top<'_>, Refusal> {
    serde_json::from_str(raw.get()).map_err(not_json)
}

fn trace(raw: &RawValue, sink: &mut RecordSink<'_>) {
    match parse(raw) {
        Ok(top) => spans(&top, Around::default(), sink),
        Err(refusal) => sink.refuse_item(refusal),
    }
}

/// Books the spans of a batch or trace, or the one span that `top` is.
fn spans(top: &Top<'_>, around: Around<'_, '_>, sink: &mut RecordSink<'_>) {
    let Some(spans) = &top.spans else {
        return match span(top, around, sink) {
            Ok(span) => sink.span(span),
            Err(refusal) => sink.refuse_item(refusal),
        };
    };
    let around = Around { process: top.process.as_ref(), processes: Some(&top.processes) };
    for raw in spans {
        match parse(raw).and_then(|top| span(&top, around, sink)) {
            Ok(span) => sink.span(span),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
}

fn span(json: &Top<'_>, around: Around<'_, '_>, sink: &mut RecordSink<'_>) -> Result<Span, Refusal> {
    let mut span = TaggedSpan::asking(sink.service_attributes());
    span.facts.trace = Some(trace_id(&json.trace_id)).filter(|id| !id.is_none());
    span.facts.span = Some(span_id(&json.span_id)).filter(|id| !id.is_none());
    if span.facts.trace.is_none() || span.facts.span.is_none() {
        let name = if span.facts.trace.is_none() { "traceId" } else { "spanId" };
        return Err(Refusal::field(format!("{name} is missing, zero or no id")));
    }
    span.facts.name = json.operation_name.text().unwrap_or_default().as_bytes();
    span.facts.parent = parent(json, span.facts.trace);
    span.times(start_ns(&json.start_time), duration_ns(&json.duration), ["startTime", "duration"])?;
    for tag in json.tags.iter().flatten() {
        span.tag(tag.key(), tag.scalar());
    }
    for log in json.logs.iter().flatten() {
        let mut fields = LogFields::default();
        log.fields.iter().flatten().for_each(|field| fields.field(field.key(), field.scalar()));
        if let Some(exception) = fields.exception() {
            span.facts.exception = exception;
        }
    }
    let by_id = || json.process_id.text().and_then(|id| around.by_id(id));
    if let Some(process) = json.process.as_ref().or_else(by_id).or(around.process) {
        span.service(process.service_name.text().unwrap_or_default().as_bytes());
        process.tags.iter().flatten().for_each(|tag| span.process_tag(tag.key(), tag.scalar()));
    }
    span.finish(sink)
}

fn parent(json: &Top<'_>, trace: Option<TraceId>) -> SpanId {
    let mut parents = Parents::default();
    for reference in json.references.iter().flatten() {
        let follows = match &reference.ref_type {
            Leaf::Text(name) => name == "FOLLOWS_FROM",
            Leaf::Integer(number) => *number == 1,
            _ => false,
        };
        parents.reference(!follows, trace_id(&reference.trace_id), span_id(&reference.span_id));
    }
    let parent = parents.of(trace);
    if parent.is_none() { span_id(&json.parent) } else { parent }
}

/// Base64 of 16 bytes, which always ends with `=`; else hexadecimal.
fn trace_id(id: &Leaf<'_>) -> TraceId {
    match bytes(id) {
        Some(bytes) => ids::trace_bytes(&bytes).unwrap_or_default(),
        None => ids::trace_id(id.text().unwrap_or_default()),
    }
}

fn span_id(id: &Leaf<'_>) -> SpanId {
    match bytes(id) {
        Some(bytes) => ids::span_bytes(&bytes).unwrap_or_default(),
        None => ids::span_id(id.text().unwrap_or_default()),
    }
}

fn bytes(id: &Leaf<'_>) -> Option<Vec<u8>> {
    let text = id.text().filter(|text| text.ends_with('='))?;
    let text: Cow<'_, str> = if text.contains(['-', '_']) { text.replace('-', "+").replace('_', "/").into() } else { text.into() };
    STANDARD.decode(text.as_bytes()).ok()
}

/// RFC 3339, or microseconds.
fn start_ns(value: &Leaf<'_>) -> Option<u64> {
    match value {
        Leaf::Text(text) if text.contains('-') => instant::of_text(text).and_then(|time| u64::try_from(time.nanos()).ok()),
        value => micros(value.integer()),
    }
}

/// `"0.005s"`, or microseconds.
fn duration_ns(value: &Leaf<'_>) -> Option<u64> {
    let Some(seconds) = value.text().and_then(|text| text.strip_suffix('s')) else { return micros(value.integer()) };
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if fraction.len() > 9 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}
