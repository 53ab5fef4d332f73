//! OTLP/JSON → the same facts as protobuf. The top key says what a record carries, whatever its source.

use std::borrow::Cow;

use super::facts::{Resource, ResourceFacts, Scalar};
use super::json_types::{
    AnyJson, Block, Body, Enumerated, List, LogJson, MetricJson, Number, Pair, PointJson, PointsJson, ResourceJson, SpanJson,
};
use super::log::LogFacts;
use super::metric::{Metric, PointFacts, is_cumulative, sum_kind, without_data};
use super::proto_metrics::book;
use super::span::{Exception, SpanFacts};
use crate::engine::decode::ids;
use crate::engine::decode::json_logs::not_json;
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::observation::{PointKind, SpanId, TraceId};

const KINDS: [(&str, i64); 5] = [("INTERNAL", 1), ("SERVER", 2), ("CLIENT", 3), ("PRODUCER", 4), ("CONSUMER", 5)];
const STATUS: [(&str, i64); 2] = [("OK", 1), ("ERROR", 2)];
const TEMPORALITIES: [(&str, i64); 2] = [("DELTA", 1), ("CUMULATIVE", 2)];
const SEVERITIES: [(&str, i64); 6] = [("TRACE", 1), ("DEBUG", 5), ("INFO", 9), ("WARN", 13), ("ERROR", 17), ("FATAL", 21)];
/// Characters of a structured log body that are kept as text.
const MAX_BODY: usize = 4_000;

pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let body: Body<'_> = serde_json::from_slice(value).map_err(not_json)?;
    if body.logs.is_none() && body.spans.is_none() && body.metrics.is_none() {
        return Err(Refusal::unknown("no OTLP/JSON: none of resourceLogs, resourceSpans, resourceMetrics"));
    }
    each_block(&body.logs, sink, |scope, resource, sink| each(&scope.records, |record| log(record, resource, sink)));
    each_block(&body.spans, sink, |scope, resource, sink| each(&scope.spans, |item| span(item, resource, sink)));
    each_block(&body.metrics, sink, |scope, resource, sink| each(&scope.metrics, |item| metric(item, resource, sink)));
    Ok(())
}

fn each<T>(list: &List<T>, act: impl FnMut(&T)) {
    list.iter().flatten().for_each(act);
}

fn each_block<S>(blocks: &List<Block<'_, S>>, sink: &mut RecordSink<'_>, mut act: impl FnMut(&S, &Resource<'_>, &mut RecordSink<'_>)) {
    for block in blocks.iter().flatten() {
        let resource = resource(block.resource.as_ref(), sink);
        each(&block.scopes, |scope| act(scope, &resource, sink));
    }
}

fn resource<'r, 's: 'r>(resource: Option<&'r ResourceJson<'_>>, sink: &mut RecordSink<'s>) -> Resource<'r> {
    let own = sink.service_attributes();
    let mut facts = ResourceFacts::asking(own);
    if let Some(resource) = resource {
        attributes(&resource.attributes, |key, value| facts.attribute(key, value));
    }
    facts.resolve(sink)
}

fn attributes<'a>(pairs: &'a List<Pair<'_>>, mut act: impl FnMut(&'a [u8], Scalar<'a>)) {
    for pair in pairs.iter().flatten() {
        act(pair.key.as_bytes(), pair.value.as_ref().map_or(Scalar::Other, scalar));
    }
}

fn scalar<'a>(any: &'a AnyJson<'_>) -> Scalar<'a> {
    if let Some(text) = &any.string_value {
        Scalar::Text(text.as_bytes())
    } else if let Some(value) = any.bool_value {
        Scalar::Bool(value)
    } else if let Some(value) = any.int_value {
        Scalar::Integer(value.signed())
    } else if let Some(value) = any.double_value {
        Scalar::Float(value.float())
    } else {
        Scalar::Other
    }
}

fn bytes<'a>(text: &'a Option<Cow<'_, str>>) -> &'a [u8] {
    text.as_ref().map_or(&[], |text| text.as_bytes())
}

/// Nanoseconds; what is no such number becomes one that is refused as impossible.
fn nanos(number: Option<Number>) -> u64 {
    number.map_or(0, |number| number.unsigned().unwrap_or(u64::MAX))
}

fn named(value: &Option<Enumerated<'_>>, names: &[(&str, i64)]) -> i64 {
    value.as_ref().map_or(0, |value| value.number(names))
}

fn trace(text: &Option<Cow<'_, str>>) -> Option<TraceId> {
    text.as_ref().filter(|text| is_hex(text, 32)).map(|text| ids::trace_id(text))
}

fn span_id(text: &Option<Cow<'_, str>>) -> Option<SpanId> {
    text.as_ref().filter(|text| is_hex(text, 16)).map(|text| ids::span_id(text))
}

/// OTLP/JSON writes ids in hexadecimal, unlike protobuf's own JSON mapping (base64).
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn span(item: &SpanJson<'_>, resource: &Resource<'_>, sink: &mut RecordSink<'_>) {
    let mut facts = SpanFacts {
        trace: trace(&item.trace_id),
        span: span_id(&item.span_id),
        parent: span_id(&item.parent_span_id).unwrap_or_default(),
        name: bytes(&item.name),
        kind: named(&item.kind, &KINDS),
        start_ns: nanos(item.start_time_unix_nano),
        end_ns: nanos(item.end_time_unix_nano),
        ..SpanFacts::default()
    };
    if let Some(status) = &item.status {
        facts.status_code = named(&status.code, &STATUS);
        facts.status_message = bytes(&status.message);
    }
    attributes(&item.attributes, |key, value| facts.attribute(key, value));
    for event in item.events.iter().flatten().filter(|event| event.name.as_deref() == Some("exception")) {
        facts.exception = Exception::default();
        attributes(&event.attributes, |key, value| facts.exception.attribute(key, value));
    }
    match facts.finish(resource, sink) {
        Ok(span) => sink.span(span),
        Err(refusal) => sink.refuse_item(refusal),
    }
}

fn log(record: &LogJson<'_>, resource: &Resource<'_>, sink: &mut RecordSink<'_>) {
    let mut facts = LogFacts {
        time_ns: nanos(record.time_unix_nano),
        observed_ns: nanos(record.observed_time_unix_nano),
        severity_number: severity_number(&record.severity_number),
        severity_text: bytes(&record.severity_text),
        body: record.body.as_ref().and_then(body),
        event_name: bytes(&record.event_name),
        trace: trace(&record.trace_id).unwrap_or_default(),
        span: span_id(&record.span_id).unwrap_or_default(),
        ..LogFacts::default()
    };
    attributes(&record.attributes, |key, value| facts.attribute(key, value));
    match facts.finish(resource, sink) {
        Ok(line) => sink.log(line),
        Err(refusal) => sink.refuse_item(refusal),
    }
}

/// `SEVERITY_NUMBER_WARN2` is four steps of a level at most: the level is enough.
fn severity_number(value: &Option<Enumerated<'_>>) -> i64 {
    match value {
        Some(Enumerated::Name(name)) => {
            let level = name.trim_end_matches(|c: char| c.is_ascii_digit());
            Enumerated::Name(Cow::Borrowed(level)).number(&SEVERITIES)
        }
        Some(Enumerated::Number(number)) => *number,
        None => 0,
    }
}

fn body<'a>(any: &'a AnyJson<'_>) -> Option<Cow<'a, [u8]>> {
    if let Some(text) = &any.string_value {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    if let Some(map) = &any.kvlist_value {
        let mut message = None;
        attributes(&map.values, |key, value| {
            if matches!(key, b"message" | b"msg" | b"log" | b"body") && message.is_none() {
                message = value.text();
            }
        });
        if let Some(message) = message {
            return Some(Cow::Borrowed(message));
        }
    }
    let mut out = String::new();
    write_any(any, &mut out);
    (!out.is_empty()).then(|| Cow::Owned(out.into_bytes()))
}

/// Writes a value as text. Nesting is bounded by the JSON reader.
fn write_any(any: &AnyJson<'_>, out: &mut String) {
    if out.len() >= MAX_BODY {
        return;
    }
    if let Some(map) = &any.kvlist_value {
        for pair in map.values.iter().flatten() {
            separate(out);
            out.push_str(&pair.key);
            out.push('=');
            pair.value.iter().for_each(|value| write_any(value, out));
        }
    } else if let Some(list) = &any.array_value {
        for value in list.values.iter().flatten() {
            separate(out);
            write_any(value, out);
        }
    } else {
        match scalar(any) {
            Scalar::Text(text) => out.push_str(&String::from_utf8_lossy(text)),
            Scalar::Integer(value) => out.push_str(&value.to_string()),
            Scalar::Float(value) => out.push_str(&value.to_string()),
            Scalar::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Scalar::Other if any.bytes_value.is_some() => out.push_str("bytes"),
            Scalar::Other => {}
        }
    }
}

fn separate(out: &mut String) {
    if !out.is_empty() && !out.ends_with([' ', '=']) {
        out.push(' ');
    }
}

fn metric(item: &MetricJson<'_>, resource: &Resource<'_>, sink: &mut RecordSink<'_>) {
    let before = sink.items();
    let metric = Metric::new(bytes(&item.name), bytes(&item.unit), resource, sink);
    if let Some(points) = &item.gauge {
        numbers(points, PointKind::Gauge, metric.as_ref(), sink);
    } else if let Some(points) = &item.sum {
        let kind = sum_kind(named(&points.aggregation_temporality, &TEMPORALITIES), points.is_monotonic.unwrap_or(false));
        numbers(points, kind, metric.as_ref(), sink);
    } else if let Some(points) = item.histogram.as_ref().or(item.exponential_histogram.as_ref()).or(item.summary.as_ref()) {
        let cumulative = is_cumulative(named(&points.aggregation_temporality, &TEMPORALITIES));
        for point in points.data_points.iter().flatten() {
            let facts = point_facts(point);
            let point = metric.as_ref().map_err(|refusal| (*refusal).clone()).and_then(|metric| facts.mean(metric, cumulative, sink));
            book(point, sink);
        }
    }
    if sink.items() == before {
        sink.refuse_item(without_data(bytes(&item.name)));
    }
}

fn numbers(points: &PointsJson<'_>, kind: PointKind, metric: Result<&Metric<'_>, &Refusal>, sink: &mut RecordSink<'_>) {
    for point in points.data_points.iter().flatten() {
        let point = metric.map_err(Refusal::clone).and_then(|metric| point_facts(point).number(metric, kind, sink));
        book(point, sink);
    }
}

fn point_facts<'a>(point: &'a PointJson<'_>) -> PointFacts<'a> {
    let mut facts = PointFacts {
        time_ns: nanos(point.time_unix_nano),
        flags: nanos(point.flags),
        value: point.as_double.or(point.as_int).map(Number::float),
        count: nanos(point.count),
        sum: point.sum.map(Number::float),
        ..PointFacts::default()
    };
    attributes(&point.attributes, |key, value| facts.attribute(key, value));
    facts
}
