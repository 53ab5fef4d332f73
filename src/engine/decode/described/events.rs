//! Changes, builds and other events of a described format: put into the words of our own event, and read as one.

use serde_json::{Map, Value};

use super::Item;
use crate::engine::decode::manual;
use crate::engine::decode::sink::{RecordSink, Refusal};

/// Field of the description, under its name in our own event but for those that [`own_name`] changes.
pub(super) const FIELDS: &[&str] = &[
    "time",
    "title",
    "event_type",
    "severity",
    "service",
    "environment",
    "host",
    "source_id",
    "fingerprint",
    "trace_id",
    "span_id",
    "request_id",
    "correlation_id",
    "tags",
    "files",
    "diff",
];

/// Facts of a change, by the names all formats use.
pub(super) const FACTS: &[&str] = &[
    "sha",
    "before_sha",
    "branch",
    "ref",
    "repository",
    "pull_request",
    "run_id",
    "artifact",
    "image",
    "version",
    "author",
    "message",
    "description",
    "url",
];

pub(super) fn read(item: &Item<'_>, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    item.required("title")?;
    let (mut body, mut data) = (Map::new(), Map::new());
    for (field, value) in item.fields() {
        if FACTS.contains(&field) {
            // Ids are texts, whatever their producer sends.
            let fact = if value.is_number() { value.to_string().into() } else { value.clone() };
            data.insert(field.to_owned(), fact);
        } else {
            body.insert(own_name(field).to_owned(), value.clone());
        }
    }
    body.insert("data".to_owned(), data.into());
    let event = manual::event(&Value::Object(body), sink).map_err(|refusal| located(refusal, item))?;
    sink.event(event, item.format.name);
    Ok(())
}

fn own_name(field: &str) -> &str {
    match field {
        "time" => "timestamp",
        "event_type" => "type",
        other => other,
    }
}

/// The reason with the pointer of the field it is about.
fn located(refusal: Refusal, item: &Item<'_>) -> Refusal {
    let about = FIELDS.iter().find(|field| item.field(field).is_some() && refusal.reason.contains(own_name(field)));
    match about {
        Some(field) => Refusal { reason: format!("{} ({field} stands at {})", refusal.reason, item.pointer(field)), ..refusal },
        None => refusal,
    }
}
