//! The JSON of prometheus-kafka-adapter: one sample a record.
//!
//! ```json
//! {"labels": {"__name__": "up", "instance": "10.0.0.7:8080", "job": "cart"}, "name": "up", "timestamp": "2026-11-23T14:02:10Z",
//!  "value": "1"}
//! ```
//!
//! A list of samples and samples one after the other are read too. The adapter writes every NaN as `"NaN"`, so that a staleness marker,
//! which is a NaN of certain bits, looks like any other: all of them measured nothing.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::engine::decode::instant;
use crate::engine::decode::json_leaf::{Leaf, Pairs};
use crate::engine::decode::json_logs::not_json;
use crate::engine::decode::labels::Labels;
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::Timestamp;
use crate::model::observation::MetricPoint;

#[derive(Debug, Deserialize)]
struct SampleJson<'a> {
    #[serde(borrow, default)]
    name: Leaf<'a>,
    #[serde(borrow, default)]
    labels: Pairs<'a>,
    #[serde(borrow, default)]
    timestamp: Leaf<'a>,
    #[serde(borrow, default)]
    value: Leaf<'a>,
}

pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    for raw in crate::engine::decode::json_leaf::objects(value)? {
        match sample(raw, sink) {
            Ok(point) => sink.point(point),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn sample(raw: &RawValue, sink: &mut RecordSink<'_>) -> Result<MetricPoint, Refusal> {
    let sample: SampleJson<'_> = serde_json::from_str(raw.get()).map_err(not_json)?;
    let mut labels = Labels::asking(sink.service_attributes());
    let mut name = sample.name.text().filter(|name| !name.is_empty());
    for (key, value) in &sample.labels.0 {
        match (key.as_ref(), value.text()) {
            ("__name__", text) => name = name.or(text.filter(|text| !text.is_empty())),
            (key, Some(text)) => labels.label(key.as_bytes(), text.as_bytes()),
            (_, None) => {}
        }
    }
    let name = name.ok_or_else(|| Refusal::field("name is missing, in labels too"))?;
    let value = match &sample.value {
        Leaf::Null => return Err(Refusal::field("value is missing")),
        value => value.float().ok_or_else(|| Refusal::field(format!("value is no number but {}", value.kind())))?,
    };
    let value = if value.is_nan() { f64::from_bits(super::STALE) } else { value };
    let timestamp = time(&sample.timestamp, sink)?;
    super::point(name, &labels, value, timestamp, sink)
}

/// Text or a number whose magnitude tells the unit; without one the record's Kafka time.
pub(in crate::engine::decode) fn time(value: &Leaf<'_>, sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
    let time = match value {
        Leaf::Null => return sink.kafka_time.ok_or_else(|| Refusal::field("no timestamp, nor a Kafka timestamp")),
        Leaf::Text(text) => instant::of_text(text),
        Leaf::Integer(value) => instant::of_integer(*value),
        Leaf::Float(value) => instant::of_float(*value),
        Leaf::Bool(_) | Leaf::Nested => None,
    };
    time.ok_or_else(|| match value {
        Leaf::Text(text) => Refusal::field(format!("timestamp {:?} is no time", crate::model::event::truncate(text, 40))),
        _ => Refusal::field("timestamp is no time"),
    })
}
