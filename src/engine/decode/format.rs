//! Which wire format a record is in: header, then magic bytes, then shape.

use super::otlp::wire;
use super::sink::Refusal;
use super::wire_format::{Format, Sign};
use super::{DecodeOptions, FORMATS, cloudevents, event_shape, json_logs, otlp, shape};
use crate::model::Source;
use crate::model::received::FORMAT_HEADER;
use crate::model::record::{RecordBatch, RecordRef};

/// The format a record is read in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chosen {
    Wire(Format),
    /// Index into [`DecodeOptions::described`].
    Described(usize),
}

impl Chosen {
    pub(super) fn named(options: &DecodeOptions) -> Option<Self> {
        let described = || options.described.iter().position(|format| format.name == options.format).map(Self::Described);
        super::format_named(&options.format).map(Self::Wire).or_else(described)
    }

    /// What a record tells: its headers first, then what settings describe, which knows more than the shapes we know.
    pub(super) fn of(options: &DecodeOptions, batch: &RecordBatch, record: &RecordRef, value: &[u8]) -> Result<Self, Refusal> {
        if options.described.is_empty() {
            return detect(batch, record, value).map(Self::Wire);
        }
        if let Some(format) = of_headers(batch, record, value) {
            return Ok(Self::Wire(format));
        }
        let described = options.described.iter().position(|format| format.source == batch.source && format.is_of(value));
        described.map_or_else(|| detect(batch, record, value).map(Self::Wire), |index| Ok(Self::Described(index)))
    }

    pub(super) fn name(self, options: &DecodeOptions) -> &'static str {
        match self {
            Self::Wire(format) => format.name,
            Self::Described(index) => options.described.get(index).map_or("auto", |format| format.name),
        }
    }
}

/// What tells formats apart before a record is parsed. A few bytes decide, so nothing is remembered of the record before: to be
/// certain of the same answer one would have to look at the same bytes.
pub(super) fn detect(batch: &RecordBatch, record: &RecordRef, value: &[u8]) -> Result<Format, Refusal> {
    of_headers(batch, record, value).map_or_else(|| of_bytes(batch.source, value), Ok)
}

/// Format that the headers name; a content type that only says "JSON" says nothing of the shape.
pub(super) fn of_headers(batch: &RecordBatch, record: &RecordRef, value: &[u8]) -> Option<Format> {
    if record.headers.is_empty() {
        return None;
    }
    let named = batch.header(record, FORMAT_HEADER).and_then(|name| std::str::from_utf8(name).ok());
    if let Some(format) = named.and_then(super::format_named) {
        return Some(format);
    }
    let has_own = |format: &&Format| format.header.is_some_and(|header| batch.header(record, header).is_some());
    if let Some(format) = FORMATS.iter().find(has_own) {
        return Some(format);
    }
    let content_type = batch.header(record, "content-type").and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    let is_telemetry = batch.source.drives_watermark();
    if !is_telemetry && is_binary_event(batch, record) {
        return Some(cloudevents::WIRE);
    }
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-protobuf" | "application/protobuf" if is_telemetry => Some(shape::of_protobuf(batch.source, value)),
        "application/cloudevents+json" | "application/cloudevents-batch+json" if !is_telemetry => Some(cloudevents::WIRE),
        _ => None,
    }
}

/// True for a CloudEvent whose attributes stand in the headers; one in structured mode may repeat them there.
pub(super) fn is_binary_event(batch: &RecordBatch, record: &RecordRef) -> bool {
    batch.header(record, "ce_type").is_some()
        && !batch.header(record, "content-type").is_some_and(|value| value.starts_with(b"application/cloudevents"))
}

fn of_bytes(source: Source, value: &[u8]) -> Result<Format, Refusal> {
    let first = value.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    let by_structure = match source {
        Source::Metrics => shape::of_metrics(value),
        Source::Traces => shape::of_traces(value),
        _ => None,
    };
    if let Some(format) = by_structure {
        return Ok(format);
    }
    // 0x0a opens protobuf's field 1 and is a line feed in JSON: the lengths decide.
    if source == Source::Logs && value.first() == Some(&0x0a) && wire::is_list_of_field_1(value) {
        return Ok(otlp::PROTO);
    }
    match (first, source) {
        (Some(b'{'), _) => of_object(source, value),
        (_, Source::Logs) => of_log(value),
        (Some(b'['), Source::Git | Source::Ci | Source::Manual) => Ok(event_shape::CHANGE),
        _ => Err(Refusal::unknown(format!(
            "of no known structure: starts with {}; known formats: {}",
            excerpt(value),
            super::format_names()
        ))),
    }
}

/// A log record that is no JSON object.
fn of_log(value: &[u8]) -> Result<Format, Refusal> {
    let value = value.trim_ascii_start();
    // `[` opens a list of lines, and the date of many a logger.
    if let Some((b'[', rest)) = value.split_first()
        && matches!(rest.trim_ascii_start().first(), Some(b'{' | b'[' | b']' | b'"') | None)
    {
        return Ok(json_logs::WIRE);
    }
    let format = FORMATS.iter().find(|format| matches!(format.sign, Sign::Line(starts) if starts(value)));
    format.copied().ok_or_else(|| {
        Refusal::unknown(format!(
            "neither JSON, OTLP protobuf, syslog, logfmt, compressed nor text (UTF-8 without control characters): starts with {}; known \
             formats: {}",
            excerpt(value),
            super::format_names()
        ))
    })
}

fn of_object(source: Source, value: &[u8]) -> Result<Format, Refusal> {
    let key = first_key(value).unwrap_or_default();
    let is_otlp =
        matches!(key, b"resourceLogs" | b"resource_logs" | b"resourceSpans" | b"resource_spans" | b"resourceMetrics" | b"resource_metrics");
    match source {
        _ if is_otlp => Ok(otlp::JSON),
        Source::Logs => Ok(json_logs::WIRE),
        Source::Metrics | Source::Traces => Ok(otlp::JSON),
        Source::Git | Source::Ci | Source::Manual => Ok(event_shape::CHANGE),
    }
}

/// The first key of a JSON object as it is written.
fn first_key(value: &[u8]) -> Option<&[u8]> {
    let open = value.iter().position(|&byte| byte == b'{')?;
    let rest = &value[open + 1..];
    let quote = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let rest = rest[quote..].strip_prefix(b"\"")?;
    rest.iter().take(64).position(|&byte| byte == b'"').map(|end| &rest[..end])
}

/// The first bytes of a value, readable and in quotes: letters are alike whatever stands there.
pub(super) fn excerpt(value: &[u8]) -> String {
    let head = &value[..value.len().min(16)];
    match std::str::from_utf8(head) {
        Ok(text) if !text.chars().any(char::is_control) => format!("{text:?}"),
        _ => format!("bytes `{}`", head.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decode::{cri, logfmt, syslog, text};

    #[test]
    fn a_line_feed_before_json_is_not_protobuf() {
        assert_eq!(of_bytes(Source::Logs, b"\n{\"message\":\"x\"}"), Ok(json_logs::WIRE));
        assert_eq!(of_bytes(Source::Logs, &[0x0a, 0x02, 0x0a, 0x00]), Ok(otlp::PROTO));
        assert_eq!(of_bytes(Source::Traces, b"{\"resourceSpans\":[]}"), Ok(otlp::JSON));
    }

    #[test]
    fn an_unknown_start_is_named_in_the_reason() {
        let refusal = of_bytes(Source::Metrics, b"hello").err().map(|refusal| refusal.reason).unwrap_or_default();
        assert!(refusal.contains("\"hello\""), "{refusal}");
        let refusal = of_bytes(Source::Metrics, &[0xff, 0x00]).err().map(|refusal| refusal.reason).unwrap_or_default();
        assert!(refusal.contains("bytes `ff 00`"), "{refusal}");
        let refusal = of_bytes(Source::Logs, b"hello\x01").err().map(|refusal| refusal.reason).unwrap_or_default();
        assert!(refusal.contains("bytes `68 65 6c 6c 6f 01`") && refusal.contains("syslog") && refusal.contains("text"), "{refusal}");
    }

    #[test]
    fn log_records_that_look_alike_are_told_apart() {
        let cases: [(&[u8], Format); 25] = [
            (b"hello", text::WIRE),
            ("Übergabe fehlgeschlagen".as_bytes(), text::WIRE),
            (b"\tat shop.Cart.add(Cart.java:7)", text::WIRE),
            (b"<34>Oct 11 22:14:15 mymachine su: failed", syslog::WIRE),
            (b"<165>1 - - - - - -", syslog::WIRE),
            (b"37 <34>Oct 11 22:14:15 mymachine su: fail", syslog::WIRE),
            (b"<html><body>502</body></html>", text::WIRE),
            (b"<3456>no priority has four digits", text::WIRE),
            (b"34 <seats> are left", text::WIRE),
            (b"level=info msg=\"cart loaded\"", logfmt::WIRE),
            (b"level=info", text::WIRE),
            (b"x == y", text::WIRE),
            (b"[2026-11-23T14:02:10Z] WARN slow", text::WIRE),
            (b"[ERROR] no seats", text::WIRE),
            (b"[main] INFO started", text::WIRE),
            (b"[]", json_logs::WIRE),
            (b" [ {\"message\":\"x\"} ]", json_logs::WIRE),
            (b"[[[[", json_logs::WIRE),
            (b"{\"version\":\"1.1\"}", json_logs::WIRE),
            (b"{", json_logs::WIRE),
            (b"2026-11-23T14:02:10.214Z stderr F boom", cri::WIRE),
            (b"2026-11-23T14:02:10.214Z stderr boom", text::WIRE),
            (b"2026-11-23 14:02:10,214 ERROR boom", text::WIRE),
            (b"E1123 14:02:10.214 17 a.go:1] boom", text::WIRE),
            (b"10.0.0.7 - - [23/Nov/2026:14:02:10 +0000] \"GET / HTTP/1.1\" 200 1", text::WIRE),
        ];
        for (value, format) in cases {
            assert_eq!(of_bytes(Source::Logs, value), Ok(format), "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn what_is_no_text_is_no_log_line_and_text_is_none_elsewhere() {
        for value in [b"\x00".as_slice(), b"\x01hello", b"caf\xe9", b"hello\x00", b"\xc2\x85", b" \n\t ", b"\x7f"] {
            assert!(of_bytes(Source::Logs, value).is_err(), "{value:?}");
        }
        for source in [Source::Metrics, Source::Traces, Source::Git, Source::Ci, Source::Manual] {
            assert!(of_bytes(source, b"hello").is_err() && of_bytes(source, b"<34>hello").is_err());
        }
    }
}
