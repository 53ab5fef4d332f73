//! Jaeger protobuf, as Jaeger and the collector's `jaeger_proto` write it to Kafka: one `Span` a record; and `Batch`, spans of one
//! process. Field numbers are those of jaeger-idl's api_v2/model.proto.

use super::log::LogFields;
use super::parents::Parents;
use crate::engine::decode::ids;
use crate::engine::decode::otlp::facts::Scalar;
use crate::engine::decode::otlp::wire::{Broken, Fields, Wire};
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::engine::decode::tagged_span::TaggedSpan;
use crate::model::observation::{Span, SpanId, TraceId};

const NANOS: i64 = 1_000_000_000;
/// `SpanRefType.CHILD_OF`.
const CHILD_OF: u64 = 0;

/// True for a span or a batch of them, and never for an OTLP request: that is a list of messages in field 1 alone, none of which has
/// a field 6, the start time of a span.
pub(in crate::engine::decode) fn is_proto(value: &[u8]) -> bool {
    begins_span(value) || is_batch(value)
}

/// 16 bytes of trace id, then 8 bytes of span id.
fn begins_span(value: &[u8]) -> bool {
    let mut fields = Fields::new(value);
    let trace = fields.next();
    let span = fields.next();
    matches!((trace, span), (Ok(Some((1, Wire::Bytes(trace)))), Ok(Some((2, Wire::Bytes(span))))) if trace.len() == 16 && span.len() == 8)
}

/// One of its spans is one.
fn is_batch(value: &[u8]) -> bool {
    let mut blocks = Fields::new(value);
    while let Ok(Some((number, wire))) = blocks.next() {
        match (number, wire) {
            (1, Wire::Bytes(block)) if begins_span(block) && has_start(block) => return true,
            (1 | 2, Wire::Bytes(_)) => {}
            _ => return false,
        }
    }
    false
}

fn has_start(span: &[u8]) -> bool {
    let mut fields = Fields::new(span);
    std::iter::from_fn(|| fields.next().ok().flatten()).any(|field| matches!(field, (6, Wire::Bytes(_))))
}

pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    if begins_span(value) || !is_batch(value) {
        let span = span(value, None, sink)?;
        book(span, sink);
        return Ok(());
    }
    let mut process = None;
    let mut fields = Fields::new(value);
    while let Some((number, wire)) = fields.next()? {
        if number == 2 {
            process = Some(wire.bytes("process")?);
        }
    }
    let mut fields = Fields::new(value);
    while let Some((number, wire)) = fields.next()? {
        if number == 1 {
            // A broken span ends where it says: the others are as good as before.
            let span = wire.bytes("spans").map_err(Refusal::from).and_then(|message| span(message, process, sink));
            book(span.unwrap_or_else(Err).map_err(|refusal| refusal.placed_in(value)), sink);
        }
    }
    Ok(())
}

fn book(span: Result<Span, Refusal>, sink: &mut RecordSink<'_>) {
    match span {
        Ok(span) => sink.span(span),
        Err(refusal) => sink.refuse_item(refusal),
    }
}

/// The outer result tells of broken protobuf, the inner one of a span that cannot be one.
fn span(message: &[u8], of_batch: Option<&[u8]>, sink: &mut RecordSink<'_>) -> Result<Result<Span, Refusal>, Refusal> {
    let mut span = TaggedSpan::asking(sink.service_attributes());
    let (mut start_ns, mut duration_ns) = (None, None);
    let mut own_process = None;
    let mut parents = Parents::default();
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => span.facts.trace = ids::trace_bytes(wire.bytes("trace_id")?),
            2 => span.facts.span = ids::span_bytes(wire.bytes("span_id")?),
            3 => span.facts.name = wire.bytes("operation_name")?,
            4 => reference(wire.bytes("references")?, &mut parents)?,
            6 => start_ns = nanos(wire.bytes("start_time")?)?,
            7 => duration_ns = nanos(wire.bytes("duration")?)?,
            8 => {
                let (key, value) = key_value(wire.bytes("tags")?)?;
                span.tag(key, value);
            }
            9 => {
                if let Some(exception) = log(wire.bytes("logs")?)?.exception() {
                    span.facts.exception = exception;
                }
            }
            10 => own_process = Some(wire.bytes("process")?),
            _ => {}
        }
    }
    if let Some(process) = own_process.or(of_batch) {
        read_process(process, &mut span)?;
    }
    span.facts.parent = parents.of(span.facts.trace);
    Ok(span.times(start_ns, duration_ns, ["start_time", "duration"]).and_then(|()| span.finish(sink)))
}

fn reference(message: &[u8], parents: &mut Parents) -> Result<(), Refusal> {
    let (mut trace, mut span, mut kind) = (TraceId::default(), SpanId::default(), CHILD_OF);
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => trace = ids::trace_bytes(wire.bytes("a reference's trace_id")?).unwrap_or_default(),
            2 => span = ids::span_bytes(wire.bytes("a reference's span_id")?).unwrap_or_default(),
            3 => kind = wire.varint("a reference's ref_type")?,
            _ => {}
        }
    }
    parents.reference(kind == CHILD_OF, trace, span);
    Ok(())
}

/// Nanoseconds of a `Timestamp` or `Duration`; `None` when negative or out of range.
fn nanos(message: &[u8]) -> Result<Option<u64>, Broken> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => seconds = wire.varint("seconds")? as i64,
            2 => nanos = wire.varint("nanos")? as i64,
            _ => {}
        }
    }
    let sum = seconds.checked_mul(NANOS).and_then(|sum| sum.checked_add(nanos));
    Ok(sum.and_then(|sum| u64::try_from(sum).ok()))
}

/// A tag: its value stands where its type says.
fn key_value(message: &[u8]) -> Result<(&[u8], Scalar<'_>), Broken> {
    let mut key: &[u8] = &[];
    let mut kind = 0;
    let (mut text, mut yes, mut integer, mut float): (&[u8], bool, i64, f64) = (&[], false, 0, 0.0);
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => key = wire.bytes("a tag's key")?,
            2 => kind = wire.varint("a tag's v_type")?,
            3 => text = wire.bytes("a tag's v_str")?,
            4 => yes = wire.varint("a tag's v_bool")? != 0,
            5 => integer = wire.varint("a tag's v_int64")? as i64,
            6 => float = f64::from_bits(wire.fixed64("a tag's v_float64")?),
            _ => {}
        }
    }
    let value = match kind {
        0 => Scalar::Text(text),
        1 => Scalar::Bool(yes),
        2 => Scalar::Integer(integer),
        3 => Scalar::Float(float),
        _ => Scalar::Other,
    };
    Ok((key, value))
}

fn log(message: &[u8]) -> Result<LogFields<'_>, Broken> {
    let mut log = LogFields::default();
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        if number == 2 {
            let (key, value) = key_value(wire.bytes("a log's fields")?)?;
            log.field(key, value);
        }
    }
    Ok(log)
}

fn read_process<'a>(message: &'a [u8], span: &mut TaggedSpan<'a>) -> Result<(), Refusal> {
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => span.service(wire.bytes("process.service_name")?),
            2 => {
                let (key, value) = key_value(wire.bytes("process.tags")?)?;
                span.process_tag(key, value);
            }
            _ => {}
        }
    }
    Ok(())
}
