//! Recorded rows → OTLP protobuf records as an OpenTelemetry Collector writes them to Kafka.

mod kinds;
mod logs;
mod metrics;
mod traces;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::feed::FeedRecord;
use super::pack::Pod;
use crate::model::{Source, Timestamp};

pub use kinds::{Kind, kinds};
pub(super) use logs::level_number;
pub use logs::{LogItem, logs};
pub use metrics::metrics;
pub use traces::{SpanItem, spans};

/// Items in one record.
const ITEMS_MAX: usize = 50;
/// Time in one record: the default timeout of the Collector's batch processor.
const WINDOW_NS: i64 = 200_000_000;

/// Something with a time and a place, to be sent with its neighbours.
trait Item {
    fn time_ns(&self) -> i64;
    fn pod(&self) -> &Pod;
}

/// Cuts items, sorted by time, into the batches of each pod's exporter, in order of the pods' names.
fn batches<T: Item>(items: Vec<T>) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    // Pod → index of its open batch.
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    for item in items {
        if let Some(index) = open.get(&*item.pod().name).copied() {
            let batch = &mut batches[index];
            let started_ns = batch.first().map_or(i64::MIN, Item::time_ns);
            if batch.len() < ITEMS_MAX && item.time_ns().saturating_sub(started_ns) <= WINDOW_NS {
                batch.push(item);
                continue;
            }
        }
        open.insert(item.pod().name.to_string(), batches.len());
        batches.push(vec![item]);
    }
    batches
}

fn record(topic: &'static str, source: Source, pod: &Pod, newest_ns: i64, request: &impl Message) -> FeedRecord {
    FeedRecord {
        topic,
        source,
        key: Some(pod.name.as_bytes().to_vec()),
        value: request.encode_to_vec(),
        headers: Vec::new(),
        timestamp: Timestamp::from_nanos(newest_ns),
    }
}

pub(super) fn resource(pod: &Pod, environment: &str) -> Resource {
    let mut attributes =
        vec![attribute("service.name", &pod.service), attribute("host.name", &pod.name), attribute("k8s.pod.name", &pod.name)];
    if !environment.is_empty() {
        attributes.push(attribute("deployment.environment.name", environment));
    }
    Resource { attributes, ..Resource::default() }
}

pub(super) fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(text(value)), ..KeyValue::default() }
}

pub(super) fn text(value: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }
}

/// OTLP times are unsigned; recorded ones lie after the year 2000.
pub(super) fn unsigned(time_ns: i64) -> u64 {
    u64::try_from(time_ns).unwrap_or_default()
}

pub(super) fn trace_bytes(trace: u128) -> Vec<u8> {
    if trace == 0 { Vec::new() } else { trace.to_be_bytes().to_vec() }
}

pub(super) fn span_bytes(span: u64) -> Vec<u8> {
    if span == 0 { Vec::new() } else { span.to_be_bytes().to_vec() }
}
