//! Metric points of a described format.

use serde_json::Value;

use super::{Item, kind};
use crate::engine::decode::change;
use crate::engine::decode::labels::Labels;
use crate::engine::decode::prometheus;
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::observation::PointKind;

/// `labels` is an object whose entries tell series of one metric apart; `kind` is gauge, counter or delta.
pub(super) const FIELDS: &[&str] = &["time", "name", "value", "unit", "kind", "service", "environment", "host", "labels"];

pub(super) fn read(item: &Item<'_>, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let name = text(item, "name")?.ok_or_else(|| Refusal::field(format!("name: nothing at {}", item.pointer("name"))))?;
    let value = number(item)?;
    let unreadable = || Refusal::field(format!("time: unreadable at {}", item.pointer("time")));
    let time = item.field("time").map_or(Ok(None), |value| change::time_of(value).map_err(|()| unreadable()))?;
    let time = time.or(sink.kafka_time).ok_or_else(|| Refusal::field("no time, nor a Kafka timestamp"))?;
    let named = [("service", text(item, "service")?), ("environment", text(item, "environment")?), ("host", text(item, "host")?)];
    let labels_of = item.field("labels").and_then(Value::as_object);
    let labelled: Vec<(&str, String)> = labels_of.into_iter().flatten().map(|(key, value)| (key.as_str(), plain(value))).collect();
    let mut labels = Labels::default();
    for (key, text) in named.iter().filter_map(|(key, text)| Some((*key, text.as_deref()?))) {
        labels.label(key.as_bytes(), text.as_bytes());
    }
    for (key, text) in &labelled {
        labels.label(key.as_bytes(), text.as_bytes());
    }
    let mut point = prometheus::point(&name, &labels, value, time, sink)?;
    if let Some(unit) = text(item, "unit")? {
        point.unit = sink.symbols.define(&unit);
    }
    match text(item, "kind")?.as_deref() {
        None => {}
        Some("gauge") => point.kind = PointKind::Gauge,
        Some("counter") => point.kind = PointKind::CumulativeSum,
        Some("delta") => point.kind = PointKind::DeltaSum,
        Some(other) => return Err(Refusal::field(format!("kind: {other:?} is none of gauge, counter, delta"))),
    }
    sink.point(point);
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text(item: &Item<'_>, field: &str) -> Result<Option<String>, Refusal> {
    match item.field(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(Refusal::field(format!("{field}: {} at {}", kind(other), item.pointer(field)))),
    }
}

fn number(item: &Item<'_>) -> Result<f64, Refusal> {
    let value = item.required("value")?;
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        _ => None,
    };
    number.ok_or_else(|| Refusal::field(format!("value: no number but {} at {}", kind(value), item.pointer("value"))))
}
