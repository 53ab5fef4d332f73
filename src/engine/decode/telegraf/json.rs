//! Telegraf's JSON: one metric, or a batch of them.
//!
//! ```json
//! {"fields": {"usage_idle": 91.5}, "name": "cpu", "tags": {"host": "web-1"}, "timestamp": 1795442530}
//! {"metrics": [{"fields": {}, "name": "", "tags": {}, "timestamp": 0}]}
//! ```
//!
//! Timestamps are seconds unless the output is told otherwise; their magnitude tells the unit.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{FieldValue, Metric};
use crate::engine::decode::json_leaf::{Leaf, Pairs, objects};
use crate::engine::decode::json_logs::not_json;
use crate::engine::decode::prometheus;
use crate::engine::decode::sink::{RecordSink, Refusal};

#[derive(Debug, Deserialize)]
struct MetricJson<'a> {
    #[serde(borrow, default)]
    name: Leaf<'a>,
    #[serde(borrow, default)]
    tags: Pairs<'a>,
    #[serde(borrow, default)]
    fields: Pairs<'a>,
    #[serde(borrow, default)]
    timestamp: Leaf<'a>,
    #[serde(borrow)]
    metrics: Option<Vec<&'a RawValue>>,
}

pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    for raw in objects(value)? {
        match parse(raw) {
            Ok(MetricJson { metrics: Some(metrics), .. }) => metrics.into_iter().for_each(|raw| match parse(raw) {
                Ok(metric) => book(&metric, sink),
                Err(refusal) => sink.refuse_item(refusal),
            }),
            Ok(metric) => book(&metric, sink),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn parse(raw: &RawValue) -> Result<MetricJson<'_>, Refusal> {
    serde_json::from_str(raw.get()).map_err(not_json)
}

/// Books a metric: its fields are the items; without any it is one bad item.
fn book(metric: &MetricJson<'_>, sink: &mut RecordSink<'_>) {
    let name = metric.name.text().filter(|name| !name.is_empty());
    let whole = match name {
        None => Err(Refusal::field("name is missing")),
        Some(name) if metric.fields.0.is_empty() => {
            Err(Refusal::field(format!("metric {:?} without fields", crate::model::event::truncate(name, 100))))
        }
        Some(name) => prometheus::json_time(&metric.timestamp, sink).map(|timestamp| (name, timestamp)),
    };
    let (name, timestamp) = match whole {
        Ok(whole) => whole,
        Err(refusal) => return (0..metric.fields.0.len().max(1)).for_each(|_| sink.refuse_item(refusal.clone())),
    };
    let tags: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        metric.tags.0.iter().filter_map(|(key, value)| Some((Cow::Borrowed(key.as_ref()), Cow::Borrowed(value.text()?)))).collect();
    let fields = metric.fields.0.iter().map(|(key, value)| (Cow::Borrowed(key.as_ref()), field(value))).collect();
    Metric { measurement: Cow::Borrowed(name), tags: &tags, fields, timestamp }.book(sink);
}

fn field(value: &Leaf<'_>) -> FieldValue {
    match value {
        Leaf::Bool(value) => FieldValue::Number(f64::from(*value)),
        Leaf::Integer(value) => FieldValue::Number(*value as f64),
        Leaf::Float(value) => FieldValue::Number(*value),
        other => FieldValue::Other(other.kind()),
    }
}
