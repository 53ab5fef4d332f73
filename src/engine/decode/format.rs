//! Wire formats by name, and which one a record is in: header, then magic bytes, then shape.

use super::otlp::wire;
use super::sink::Refusal;
use crate::model::Source;
use crate::model::record::{RecordBatch, RecordRef};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OtlpProto,
    OtlpJson,
    JsonLogs,
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
    pub(super) const ALL: [Self; 11] = [
        Self::OtlpProto,
        Self::OtlpJson,
        Self::JsonLogs,
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
            Self::JsonLogs => "json_logs",
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

/// What tells formats apart before a record is parsed.
pub(super) fn detect(batch: &RecordBatch, record: &RecordRef, value: &[u8]) -> Result<Format, Refusal> {
    if !record.headers.is_empty()
        && let Some(format) = of_headers(batch, record)
    {
        return Ok(format);
    }
    of_bytes(batch.source, value)
}

/// Format that the headers name; a content type that only says "JSON" says nothing of the shape.
fn of_headers(batch: &RecordBatch, record: &RecordRef) -> Option<Format> {
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
        "application/x-protobuf" | "application/protobuf" if is_telemetry => Some(Format::OtlpProto),
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
    let is_telemetry = source.drives_watermark();
    // 0x0a opens protobuf's field 1 and is a line feed in JSON: the lengths decide.
    if is_telemetry && value.first() == Some(&0x0a) && wire::is_list_of_field_1(value) {
        return Ok(Format::OtlpProto);
    }
    match (first, source) {
        (Some(b'{'), _) => of_object(source, value),
        (Some(b'['), Source::Logs) => Ok(Format::JsonLogs),
        (Some(b'['), Source::Git | Source::Ci | Source::Manual) => Ok(Format::Change),
        _ => Err(Refusal::unknown(format!(
            "neither JSON nor OTLP protobuf: starts with {}; known formats: {}",
            excerpt(value),
            super::format_names()
        ))),
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
        let refusal = of_bytes(Source::Logs, b"hello").err().map(|refusal| refusal.reason).unwrap_or_default();
        assert!(refusal.contains("\"hello\""), "{refusal}");
        let refusal = of_bytes(Source::Metrics, &[0xff, 0x00]).err().map(|refusal| refusal.reason).unwrap_or_default();
        assert!(refusal.contains("bytes `ff 00`"), "{refusal}");
    }
}
