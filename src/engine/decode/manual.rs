//! Our own event: what people, scripts and feeds without a format of their own send.
//!
//! ```json
//! {"type": "config_change", "title": "pool.max 40 → 8", "timestamp": "2026-11-23T14:02:10Z", "service": "cart",
//!  "environment": "production", "severity": "info", "tags": ["pool"], "source_id": "change/17",
//!  "data": {"diff": "…", "sha": "…", "author": "…", "message": "…", "files": ["…"]}}
//! ```
//!
//! Only `title` is required (a `summary` or `message` serves); unknown keys are ignored. An array holds several events.

use serde_json::Value;

use super::change::{Data, bounded, diff_of, first_line, id_text, text, time};
use super::level;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::event::truncate;
use crate::model::{Event, Severity, Source};

const FORMAT: &str = "manual";
pub(super) const WIRE: Format =
    &WireFormat { name: FORMAT, header: None, sign: Sign::Tree, reader: Reader::Object(|_, body, sink| decode_body(body, sink)) };
/// Facts of a change that may stand at the top instead of in `data`.
const FACTS: [&str; 8] = ["sha", "author", "message", "description", "version", "url", "repository", "ref"];

/// Reads one event.
pub(super) fn decode_body(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let event = event(body, sink)?;
    sink.event(event, FORMAT);
    Ok(())
}

/// The event that an object of our own event's keys says.
pub(super) fn event(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    if !body.is_object() {
        return Err(Refusal::malformed("an event must be a JSON object"));
    }
    let data = body.get("data").unwrap_or(&Value::Null);
    let title = ["title", "summary", "message"]
        .iter()
        .find_map(|key| text(body, &[key]))
        .or_else(|| text(data, &["message"]))
        .map(first_line)
        .ok_or_else(|| Refusal::field("title is missing"))?;
    let at = match time(body, &["timestamp"])?.map_or_else(|| time(body, &["time"]), |at| Ok(Some(at)))? {
        Some(at) => at,
        None => sink.kafka_time.ok_or_else(|| Refusal::field("no timestamp, nor a Kafka timestamp"))?,
    };
    let event_type = event_type(body)?;
    let severity = severity(body, &event_type)?;
    let mut event = Event::new(String::new(), at, source(sink.source), &event_type, severity, title);
    let name = |key: &str| id_text(body, &[key]);
    event.service = name("service");
    event.environment = name("environment").or_else(|| name("env"));
    event.host = name("host");
    event.source_id = id_text(body, &["source_id"]).or_else(|| name("id"));
    event.fingerprint = name("fingerprint").unwrap_or_default();
    event.trace_id = name("trace_id");
    event.span_id = name("span_id");
    event.correlation_id = name("correlation_id");
    event.request_id = name("request_id");
    event.tags = tags(body.get("tags"));
    event.metadata = body.get("metadata").map_or(Value::Null, |metadata| bounded(metadata, 16 * 1024));
    event.data = facts(body, data);
    Ok(event)
}

/// What comes over a git or ci connector is of that source; all else is manual.
fn source(connector: Source) -> Source {
    match connector {
        Source::Git | Source::Ci => connector,
        _ => Source::Manual,
    }
}

fn event_type(body: &Value) -> Result<String, Refusal> {
    let Some(name) = text(body, &["type"]).or_else(|| text(body, &["event_type"])) else { return Ok("note".to_owned()) };
    if name.chars().count() > 100 {
        return Err(Refusal::field("type: longer than 100 characters"));
    }
    Ok(name.to_ascii_lowercase().replace([' ', '-'], "_"))
}

fn severity(body: &Value, event_type: &str) -> Result<Severity, Refusal> {
    match body.get("severity") {
        None | Some(Value::Null) => Ok(if event_type == "alert" { Severity::High } else { Severity::Info }),
        Some(Value::String(name)) => {
            let name = name.trim().to_ascii_lowercase();
            Severity::parse(&name)
                .or_else(|| level::of_name(&name))
                .ok_or_else(|| Refusal::field(format!("severity: {:?} is none of critical, high, medium, low, info", truncate(&name, 40))))
        }
        Some(_) => Err(Refusal::field("severity: must be one of critical, high, medium, low, info")),
    }
}

/// A list of texts, or an object whose entries become `key:value`.
fn tags(value: Option<&Value>) -> std::collections::BTreeSet<String> {
    let short = |tag: String| truncate(tag.trim(), 100);
    let tags: Vec<String> = match value {
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).map(|tag| short(tag.to_owned())).collect(),
        Some(Value::Object(tags)) => tags
            .iter()
            .map(|(key, value)| short(format!("{key}:{}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))))
            .collect(),
        Some(Value::String(tags)) => tags.split(',').map(|tag| short(tag.to_owned())).collect(),
        _ => Vec::new(),
    };
    tags.into_iter().filter(|tag| !tag.is_empty()).take(50).collect()
}

/// The facts ranking reads under their known names, then what else `data` holds.
fn facts(body: &Value, given: &Value) -> Value {
    let mut data = Data::default();
    for key in FACTS {
        data.put_text(key, text(given, &[key]).or_else(|| text(body, &[key])));
    }
    let files = given.get("files").or_else(|| body.get("files")).and_then(Value::as_array);
    data.put_files(files.into_iter().flatten().filter_map(Value::as_str));
    data.put_diff(diff_of(&[given, body]));
    match given {
        Value::Object(map) => {
            let rest: serde_json::Map<String, Value> = map
                .iter()
                .filter(|(key, _)| !data.contains(key) && !matches!(key.as_str(), "diff" | "patch"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            if let Value::Object(rest) = bounded(&Value::Object(rest), 16 * 1024) {
                for (key, value) in rest {
                    data.put(&key, value);
                }
            }
        }
        Value::Null => {}
        other => data.put_attached("value", other),
    }
    data.into_value()
}
