//! CloudEvents 1.0, structured (`{"specversion", "id", "source", "type", …, "data"}`) and binary (`ce_*` headers of the Kafka record,
//! the value is the data), and CDEvents with or without this envelope.
//!
//! An envelope around what another format reads (a webhook, a Kubernetes event) is opened. Any other is an event by itself: its type
//! in lower case is the event's type, `data` may name `title`, `severity`, `service` and `environment`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::change::{at, bounded, first_line, id_text, parse, text, time};
use super::draft::Draft;
use super::event_shape;
use super::level;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::event::truncate;
use crate::model::{Event, Severity, Source, Timestamp};

pub(super) mod cdevents;
mod purl;

pub(super) const FORMAT: &str = "cloudevents";
pub(super) const WIRE: Format = &WireFormat { name: FORMAT, header: None, sign: Sign::Tree, reader: Reader::Envelope };

/// Characters of data that is no JSON, kept.
const MAX_EXCERPT: usize = 2_000;

/// The attributes of an event, and what it carries.
#[derive(Debug)]
pub(super) struct Envelope<'v> {
    id: Cow<'v, str>,
    source: Cow<'v, str>,
    kind: Cow<'v, str>,
    subject: Option<Cow<'v, str>>,
    time: Option<Timestamp>,
    data: Cow<'v, Value>,
}

/// True for an event in structured mode.
pub(super) fn is_structured(body: &Value) -> bool {
    ["specversion", "type", "source"].iter().all(|key| text(body, &[key]).is_some())
}

/// Reads an event in structured mode. Returns the format that it turned out to be.
pub(super) fn decode_body(body: &Value, sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    match structured(body) {
        Ok(envelope) => envelope.decode(sink),
        Err(refusal) => (Err(refusal), FORMAT),
    }
}

/// Reads a record in binary mode: `header` gives the value of one.
pub(super) fn decode_binary<'h>(
    header: impl Fn(&str) -> Option<&'h [u8]>,
    value: &[u8],
    sink: &mut RecordSink<'_>,
) -> (Result<(), Refusal>, &'static str) {
    match binary(header, value) {
        Ok(envelope) => envelope.decode(sink),
        Err(refusal) => (Err(refusal), FORMAT),
    }
}

fn structured(body: &Value) -> Result<Envelope<'_>, Refusal> {
    let required = |key: &str| text(body, &[key]).map(Cow::Borrowed).ok_or_else(|| Refusal::field(format!("{key} is missing")));
    let data = match (at(body, &["data"]), text(body, &["data_base64"])) {
        (Some(data), _) => Cow::Borrowed(data),
        (None, Some(encoded)) => {
            let bytes = STANDARD.decode(encoded).map_err(|error| Refusal::field(format!("data_base64: {error}")))?;
            Cow::Owned(loose_data(&bytes))
        }
        (None, None) => Cow::Owned(Value::Null),
    };
    Ok(Envelope {
        id: id_text(body, &["id"]).map(Cow::Owned).ok_or_else(|| Refusal::field("id is missing"))?,
        source: required("source")?,
        kind: required("type")?,
        subject: text(body, &["subject"]).map(Cow::Borrowed),
        time: time(body, &["time"])?,
        data,
    })
}

fn binary<'h>(header: impl Fn(&str) -> Option<&'h [u8]>, value: &[u8]) -> Result<Envelope<'static>, Refusal> {
    let attribute = |name: &str| {
        let value = header(name).map(String::from_utf8_lossy);
        value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let required = |name: &str| attribute(name).map(Cow::Owned).ok_or_else(|| Refusal::field(format!("header {name} is missing or empty")));
    let at = match attribute("ce_time") {
        Some(text) => time(&serde_json::json!({ "ce_time": text }), &["ce_time"])?,
        None => None,
    };
    let content_type = attribute("content-type").unwrap_or_default();
    let is_json = content_type.split(';').next().is_some_and(|name| name.trim().ends_with("json"));
    Ok(Envelope {
        id: required("ce_id")?,
        source: required("ce_source")?,
        kind: required("ce_type")?,
        subject: attribute("ce_subject").map(Cow::Owned),
        time: at,
        data: Cow::Owned(if is_json { parse(value)? } else { loose_data(value) }),
    })
}

/// Data without a content type that says what it is: JSON if it can be read so, else text, else how much there is of it.
fn loose_data(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(truncate(text, MAX_EXCERPT)),
        Err(_) => Value::String(format!("{} bytes that are no text", bytes.len())),
    })
}

impl Envelope<'_> {
    fn decode(&self, sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
        if cdevents::is_type(&self.kind) {
            return (cdevents::decode_envelope(self, sink), cdevents::FORMAT);
        }
        if let Some(format) = event_shape::of_foreign(&self.data) {
            return event_shape::decode_foreign(format, &self.data, sink);
        }
        let outcome = self.plain_event(sink).map(|event| sink.event(event, FORMAT));
        (outcome, FORMAT)
    }

    /// An event of which nothing is known but what its envelope says.
    fn plain_event(&self, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
        let data = &*self.data;
        let at = self.time.or(sink.kafka_time).ok_or_else(|| Refusal::field("no time, nor a Kafka timestamp"))?;
        let source = match sink.source {
            Source::Git | Source::Ci => sink.source,
            _ => Source::Manual,
        };
        let told = ["title", "summary", "message", "description", "name"].iter().find_map(|key| text(data, &[key]));
        let told = told.or_else(|| data.as_str()).map(first_line).filter(|line| !line.is_empty());
        let title = match (told, self.subject.as_deref()) {
            (Some(told), _) => told.to_owned(),
            (None, Some(subject)) => format!("{}: {subject}", self.kind),
            (None, None) => format!("{} from {}", self.kind, self.source),
        };
        let name = |key: &str| id_text(data, &[key]).or_else(|| id_text(data, &[key, "name"])).or_else(|| id_text(data, &[key, "id"]));
        let severity = text(data, &["severity"]).map(str::to_ascii_lowercase);
        let severity = severity.and_then(|name| Severity::parse(&name).or_else(|| level::of_name(&name))).unwrap_or(Severity::Info);
        let mut draft = Draft::new(at, source, &self.kind, severity, &title)
            .of_service(name("service").as_deref())
            .in_environment(name("environment").as_deref())
            .on_host(name("host").as_deref())
            .with_source_id(&format!("{} {}", self.source, self.id));
        for key in
            ["sha", "branch", "ref", "repository", "pull_request", "run_id", "artifact", "image", "version", "author", "message", "url"]
        {
            draft.fact(key, id_text(data, &[key]).as_deref());
        }
        draft.data.put_diff(super::change::diff_of(&[data]));
        draft.data.put_files(super::change::names(data, "files"));
        draft.fact("event_source", Some(&self.source));
        draft.fact("subject", self.subject.as_deref());
        draft.data.put_attached("payload", &bounded(data, 12 * 1024));
        Ok(draft.into_event())
    }
}
