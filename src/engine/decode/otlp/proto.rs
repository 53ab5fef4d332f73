//! OTLP protobuf: resources, spans and log records as a borrowed walk. Field numbers are those of opentelemetry-proto 1.x.
//!
//! Strings that are not used are not checked to be UTF-8, unlike a full protobuf decoder.

use std::borrow::Cow;

use super::facts::{Resource, ResourceFacts, Scalar};
use super::log::LogFacts;
use super::proto_metrics;
use super::span::{Exception, SpanFacts, span, trace};
use super::wire::{Broken, Fields, Wire};
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::Source;

/// Characters of a structured log body that are kept as text.
const MAX_BODY: usize = 4_000;
/// Nesting of a structured log body that is written out.
const MAX_DEPTH: usize = 8;

/// Logs, metrics and traces look alike on the wire: the source says which it is.
pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let scope_items: fn(&[u8], &Resource<'_>, &mut RecordSink<'_>) -> Result<(), Refusal> = match sink.source {
        Source::Logs => scope_logs,
        Source::Metrics => proto_metrics::scope_metrics,
        Source::Traces => scope_spans,
        other => {
            return Err(Refusal::unknown(format!("OTLP protobuf on a source of {}: only logs, metrics, traces carry it", other.as_str())));
        }
    };
    let mut blocks = Fields::new(value);
    while let Some((number, wire)) = blocks.next()? {
        if number == 1 {
            resource_block(wire.bytes("a resource block")?, scope_items, sink)?;
        }
    }
    Ok(())
}

/// One resource and its scopes. The resource may stand behind them, so it is looked for first.
fn resource_block(
    block: &[u8],
    scope_items: fn(&[u8], &Resource<'_>, &mut RecordSink<'_>) -> Result<(), Refusal>,
    sink: &mut RecordSink<'_>,
) -> Result<(), Refusal> {
    let mut facts = ResourceFacts::asking(sink.service_attributes());
    let mut fields = Fields::new(block);
    while let Some((number, wire)) = fields.next()? {
        if number == 1 {
            attributes(wire.bytes("resource")?, 1, |key, value| facts.attribute(key, value))?;
        }
    }
    let resource = facts.resolve(sink);
    let mut fields = Fields::new(block);
    while let Some((number, wire)) = fields.next()? {
        if number == 2 {
            let mut scope = Fields::new(wire.bytes("a scope block")?);
            while let Some((number, wire)) = scope.next()? {
                if number == 2 {
                    scope_items(wire.bytes("an item")?, &resource, sink)?;
                }
            }
        }
    }
    Ok(())
}

/// Calls `each` for every attribute in a message whose attributes have the field number `number`.
fn attributes<'a>(message: &'a [u8], number: u32, mut each: impl FnMut(&'a [u8], Scalar<'a>)) -> Result<(), Broken> {
    let mut fields = Fields::new(message);
    while let Some((at, wire)) = fields.next()? {
        if at == number {
            let (key, value) = attribute(wire.bytes("attributes")?)?;
            each(key, value);
        }
    }
    Ok(())
}

/// A key and its value.
#[inline]
pub(super) fn attribute(pair: &[u8]) -> Result<(&[u8], Scalar<'_>), Broken> {
    let (key, value) = key_value(pair)?;
    Ok((key, value.map_or(Ok(Scalar::Other), scalar)?))
}

#[inline]
fn key_value(pair: &[u8]) -> Result<(&[u8], Option<&[u8]>), Broken> {
    let mut key: &[u8] = &[];
    let mut value = None;
    let mut fields = Fields::new(pair);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => key = wire.bytes("an attribute's key")?,
            2 => value = Some(wire.bytes("an attribute's value")?),
            _ => {}
        }
    }
    Ok((key, value))
}

#[inline]
fn scalar(any: &[u8]) -> Result<Scalar<'_>, Broken> {
    let mut value = Scalar::Other;
    let mut fields = Fields::new(any);
    while let Some((number, wire)) = fields.next()? {
        value = match (number, wire) {
            (1, Wire::Bytes(text)) => Scalar::Text(text),
            (2, Wire::Varint(value)) => Scalar::Bool(value != 0),
            (3, Wire::Varint(value)) => Scalar::Integer(value as i64),
            (4, Wire::Fixed64(bits)) => Scalar::Float(f64::from_bits(bits)),
            (5..=7, Wire::Bytes(_)) => Scalar::Other,
            (1..=7, _) => return Err(Broken::wrong("an attribute's value")),
            _ => value,
        };
    }
    Ok(value)
}

fn scope_spans(message: &[u8], resource: &Resource<'_>, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let mut facts = SpanFacts::default();
    read_span(message, &mut facts)?;
    match facts.finish(resource, sink) {
        Ok(span) => sink.span(span),
        Err(refusal) => sink.refuse_item(refusal),
    }
    Ok(())
}

fn read_span<'a>(message: &'a [u8], facts: &mut SpanFacts<'a>) -> Result<(), Broken> {
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => facts.trace = trace(wire.bytes("trace_id")?),
            2 => facts.span = span(wire.bytes("span_id")?),
            4 => facts.parent = span(wire.bytes("parent_span_id")?).unwrap_or_default(),
            5 => facts.name = wire.bytes("name")?,
            6 => facts.kind = wire.varint("kind")? as i64,
            7 => facts.start_ns = wire.fixed64("start_time_unix_nano")?,
            8 => facts.end_ns = wire.fixed64("end_time_unix_nano")?,
            9 => {
                let (key, value) = attribute(wire.bytes("attributes")?)?;
                facts.attribute(key, value);
            }
            11 => {
                if let Some(exception) = exception_event(wire.bytes("events")?)? {
                    facts.exception = exception;
                }
            }
            15 => status(wire.bytes("status")?, facts)?,
            _ => {}
        }
    }
    Ok(())
}

fn status<'a>(message: &'a [u8], facts: &mut SpanFacts<'a>) -> Result<(), Broken> {
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            2 => facts.status_message = wire.bytes("status.message")?,
            3 => facts.status_code = wire.varint("status.code")? as i64,
            _ => {}
        }
    }
    Ok(())
}

fn exception_event(message: &[u8]) -> Result<Option<Exception<'_>>, Broken> {
    let mut name: &[u8] = &[];
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        if number == 2 {
            name = wire.bytes("event name")?;
        }
    }
    if name != b"exception" {
        return Ok(None);
    }
    let mut exception = Exception::default();
    attributes(message, 3, |key, value| exception.attribute(key, value))?;
    Ok(Some(exception))
}

fn scope_logs(message: &[u8], resource: &Resource<'_>, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let mut facts = LogFacts::default();
    read_log(message, &mut facts)?;
    match facts.finish(resource, sink) {
        Ok(line) => sink.log(line),
        Err(refusal) => sink.refuse_item(refusal),
    }
    Ok(())
}

fn read_log<'a>(message: &'a [u8], facts: &mut LogFacts<'a>) -> Result<(), Broken> {
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => facts.time_ns = wire.fixed64("time_unix_nano")?,
            2 => facts.severity_number = wire.varint("severity_number")? as i64,
            3 => facts.severity_text = wire.bytes("severity_text")?,
            5 => facts.body = body(wire.bytes("body")?)?,
            6 => {
                let (key, value) = attribute(wire.bytes("attributes")?)?;
                facts.attribute(key, value);
            }
            9 => facts.trace = trace(wire.bytes("trace_id")?).unwrap_or_default(),
            10 => facts.span = span(wire.bytes("span_id")?).unwrap_or_default(),
            11 => facts.observed_ns = wire.fixed64("observed_time_unix_nano")?,
            12 => facts.event_name = wire.bytes("event_name")?,
            _ => {}
        }
    }
    Ok(())
}

/// A text body as it stands; a structured one as its message, else written out as `key=value` pairs; an empty structure is none.
fn body(any: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Broken> {
    let mut fields = Fields::new(any);
    let mut body = None;
    while let Some((number, wire)) = fields.next()? {
        body = match (number, wire) {
            (1, Wire::Bytes(text)) => Some(Cow::Borrowed(text)),
            (6, Wire::Bytes(map)) => map_body(map)?,
            (1..=7, _) => {
                let mut out = Vec::new();
                write_any(any, &mut out, MAX_DEPTH)?;
                return Ok((!out.is_empty()).then_some(Cow::Owned(out)));
            }
            _ => body,
        };
    }
    Ok(body)
}

fn map_body(map: &[u8]) -> Result<Option<Cow<'_, [u8]>>, Broken> {
    let mut message = None;
    attributes(map, 1, |key, value| {
        if matches!(key, b"message" | b"msg" | b"log" | b"body") && message.is_none() {
            message = value.text();
        }
    })?;
    if let Some(message) = message {
        return Ok(Some(Cow::Borrowed(message)));
    }
    let mut out = Vec::new();
    write_map(map, &mut out, MAX_DEPTH)?;
    Ok((!out.is_empty()).then_some(Cow::Owned(out)))
}

fn write_map(map: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Broken> {
    let mut fields = Fields::new(map);
    while let Some((number, wire)) = fields.next()? {
        if number == 1 && out.len() < MAX_BODY {
            let (key, value) = key_value(wire.bytes("a map's entry")?)?;
            separate(out);
            out.extend_from_slice(key);
            out.push(b'=');
            write_any(value.unwrap_or_default(), out, depth - 1)?;
        }
    }
    Ok(())
}

/// Writes a value as text, nesting and length bounded.
fn write_any(any: &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), Broken> {
    if depth == 0 || out.len() >= MAX_BODY {
        out.push(b'*');
        return Ok(());
    }
    let mut fields = Fields::new(any);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Bytes(text)) => out.extend_from_slice(text),
            (2, Wire::Varint(value)) => out.extend_from_slice(if value != 0 { b"true" } else { b"false" }),
            (3, Wire::Varint(value)) => out.extend_from_slice((value as i64).to_string().as_bytes()),
            (4, Wire::Fixed64(bits)) => out.extend_from_slice(f64::from_bits(bits).to_string().as_bytes()),
            (5, Wire::Bytes(list)) => {
                let mut values = Fields::new(list);
                while let Some((_, wire)) = values.next()? {
                    separate(out);
                    write_any(wire.bytes("a list's value")?, out, depth - 1)?;
                }
            }
            (6, Wire::Bytes(map)) => write_map(map, out, depth)?,
            (7, Wire::Bytes(_)) => out.extend_from_slice(b"bytes"),
            _ => {}
        }
    }
    Ok(())
}

fn separate(out: &mut Vec<u8>) {
    if out.last().is_some_and(|last| !matches!(last, b' ' | b'=')) {
        out.push(b' ');
    }
}
