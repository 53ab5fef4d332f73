//! Wire formats by name, and which one a record is in: header, then magic bytes, then shape.

use super::otlp::wire;
use super::shape;
use super::sink::Refusal;
use super::{cri, logfmt, syslog, text};
use crate::model::Source;
use crate::model::received::FORMAT_HEADER;
use crate::model::record::{RecordBatch, RecordRef};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OtlpProto,
    OtlpJson,
    /// `Span` and `Batch` of api_v2.
    JaegerProto,
    JaegerJson,
    /// Version 2.
    ZipkinJson,
    /// Influx line protocol, as Telegraf writes it.
    InfluxLine,
    TelegrafJson,
    /// Of prometheus-kafka-adapter.
    PrometheusJson,
    /// Version 1.0.
    PrometheusRemoteWrite,
    JsonLogs,
    Gelf,
    Syslog,
    Logfmt,
    Cri,
    Text,
    Github,
    Gitlab,
    CdEvents,
    CloudEvents,
    ArgoCd,
    Kubernetes,
    Alertmanager,
    Manual,
    /// One of those above from [`Format::Github`] on, as the parsed shape tells; never a setting.
    Change,
}

impl Format {
    pub(super) const ALL: [Self; 23] = [
        Self::OtlpProto,
        Self::OtlpJson,
        Self::JaegerProto,
        Self::JaegerJson,
        Self::ZipkinJson,
        Self::InfluxLine,
        Self::TelegrafJson,
        Self::PrometheusJson,
        Self::PrometheusRemoteWrite,
        Self::JsonLogs,
        Self::Gelf,
        Self::Syslog,
        Self::Logfmt,
        Self::Cri,
        Self::Text,
        Self::Github,
        Self::Gitlab,
        Self::CdEvents,
        Self::CloudEvents,
        Self::ArgoCd,
        Self::Kubernetes,
        Self::Alertmanager,
        Self::Manual,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::OtlpProto => "otlp_proto",
            Self::OtlpJson => "otlp_json",
            Self::JaegerProto => "jaeger_proto",
            Self::JaegerJson => "jaeger_json",
            Self::ZipkinJson => "zipkin_json",
            Self::InfluxLine => "influx_line",
            Self::TelegrafJson => "telegraf_json",
            Self::PrometheusJson => "prometheus_json",
            Self::PrometheusRemoteWrite => "prometheus_remote_write",
            Self::JsonLogs => "json_logs",
            Self::Gelf => "gelf",
            Self::Syslog => "syslog",
            Self::Logfmt => "logfmt",
            Self::Cri => "cri",
            Self::Text => "text",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::CdEvents => "cdevents",
            Self::CloudEvents => "cloudevents",
            Self::ArgoCd => "argocd",
            Self::Kubernetes => "kubernetes",
            Self::Alertmanager => "alertmanager",
            Self::Manual => "manual",
            Self::Change => "change",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// What tells formats apart before a record is parsed. A few bytes decide, so nothing is remembered of the record before: to be
/// certain of the same answer one would have to look at the same bytes.
pub(super) fn detect(batch: &RecordBatch, record: &RecordRef, value: &[u8]) -> Result<Format, Refusal> {
    if !record.headers.is_empty()
        && let Some(format) = of_headers(batch, record, value)
    {
        return Ok(format);
    }
    of_bytes(batch.source, value)
}

/// Format that the headers name; a content type that only says "JSON" says nothing of the shape.
fn of_headers(batch: &RecordBatch, record: &RecordRef, value: &[u8]) -> Option<Format> {
    let named = batch.header(record, FORMAT_HEADER).and_then(|name| std::str::from_utf8(name).ok());
    if let Some(format) = named.and_then(Format::parse) {
        return Some(format);
    }
    if batch.header(record, "x-github-event").is_some() {
        return Some(Format::Github);
    }
    if batch.header(record, "x-gitlab-event").is_some() {
        return Some(Format::Gitlab);
    }
    let content_type = batch.header(record, "content-type").and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    let is_telemetry = batch.source.drives_watermark();
    if !is_telemetry && is_binary_event(batch, record) {
        return Some(Format::CloudEvents);
    }
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-protobuf" | "application/protobuf" if is_telemetry => Some(shape::of_protobuf(batch.source, value)),
        "application/cloudevents+json" | "application/cloudevents-batch+json" if !is_telemetry => Some(Format::CloudEvents),
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
        return Ok(Format::OtlpProto);
    }
    match (first, source) {
        (Some(b'{'), _) => of_object(source, value),
        (_, Source::Logs) => of_log(value),
        (Some(b'['), Source::Git | Source::Ci | Source::Manual) => Ok(Format::Change),
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
    match value.first() {
        // `[` opens a list of lines, and the date of many a logger.
        Some(b'[') if matches!(value[1..].trim_ascii_start().first(), Some(b'{' | b'[' | b']' | b'"') | None) => Ok(Format::JsonLogs),
        Some(b'<' | b'0'..=b'9') if syslog::starts(value) => Ok(Format::Syslog),
        Some(b'0'..=b'9') if cri::starts(value) => Ok(Format::Cri),
        _ if !text::starts(value) => Err(Refusal::unknown(format!(
            "neither JSON, OTLP protobuf, syslog, logfmt, compressed nor text (UTF-8 without control characters): starts with {}; known \
             formats: {}",
            excerpt(value),
            super::format_names()
        ))),
        _ if logfmt::starts(value) => Ok(Format::Logfmt),
        _ => Ok(Format::Text),
    }
}

fn of_object(source: Source, value: &[u8]) -> Result<Format, Refusal> {
    let key = first_key(value).unwrap_or_default();
    let is_otlp =
        matches!(key, b"resourceLogs" | b"resource_logs" | b"resourceSpans" | b"resource_spans" | b"resourceMetrics" | b"resource_metrics");
    match source {
        _ if is_otlp => Ok(Format::OtlpJson),
        Source::Logs => Ok(Format::JsonLogs),
        Source::Metrics | Source::Traces => Ok(Format::OtlpJson),
        Source::Git | Source::Ci | Source::Manual => Ok(Format::Change),
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

    #[test]
    fn a_line_feed_before_json_is_not_protobuf() {
        assert_eq!(of_bytes(Source::Logs, b"\n{\"message\":\"x\"}"), Ok(Format::JsonLogs));
        assert_eq!(of_bytes(Source::Logs, &[0x0a, 0x02, 0x0a, 0x00]), Ok(Format::OtlpProto));
        assert_eq!(of_bytes(Source::Traces, b"{\"resourceSpans\":[]}"), Ok(Format::OtlpJson));
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
            (b"hello", Format::Text),
            ("Übergabe fehlgeschlagen".as_bytes(), Format::Text),
            (b"\tat shop.Cart.add(Cart.java:7)", Format::Text),
            (b"<34>Oct 11 22:14:15 mymachine su: failed", Format::Syslog),
            (b"<165>1 - - - - - -", Format::Syslog),
            (b"37 <34>Oct 11 22:14:15 mymachine su: fail", Format::Syslog),
            (b"<html><body>502</body></html>", Format::Text),
            (b"<3456>no priority has four digits", Format::Text),
            (b"34 <seats> are left", Format::Text),
            (b"level=info msg=\"cart loaded\"", Format::Logfmt),
            (b"level=info", Format::Text),
            (b"x == y", Format::Text),
            (b"[2026-11-23T14:02:10Z] WARN slow", Format::Text),
            (b"[ERROR] no seats", Format::Text),
            (b"[main] INFO started", Format::Text),
            (b"[]", Format::JsonLogs),
            (b" [ {\"message\":\"x\"} ]", Format::JsonLogs),
            (b"[[[[", Format::JsonLogs),
            (b"{\"version\":\"1.1\"}", Format::JsonLogs),
            (b"{", Format::JsonLogs),
            (b"2026-11-23T14:02:10.214Z stderr F boom", Format::Cri),
            (b"2026-11-23T14:02:10.214Z stderr boom", Format::Text),
            (b"2026-11-23 14:02:10,214 ERROR boom", Format::Text),
            (b"E1123 14:02:10.214 17 a.go:1] boom", Format::Text),
            (b"10.0.0.7 - - [23/Nov/2026:14:02:10 +0000] \"GET / HTTP/1.1\" 200 1", Format::Text),
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
