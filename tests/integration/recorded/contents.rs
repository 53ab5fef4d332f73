//! What records say, decoded by the messages' own crate.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use whydunit::evaluation::feed::{LOGS_TOPIC, METRICS_TOPIC, TRACES_TOPIC};
use whydunit::evaluation::{Episode, FeedRecord, Pack};

const AFTER_LABEL_NS: i64 = 180_000_000_000;

/// (trace, span, parent, pod, operation, start, end).
pub type SpanFields = (String, String, String, String, String, u64, u64);
/// (trace, span, pod, text, time).
pub type LogFields = (String, String, String, String, u64);
/// (pod, metric, unit, time, bits of the value).
pub type PointFields = (String, String, String, u64, u64);

/// What records say, field by field, and how often, so that bytes can be compared with rows.
#[derive(Debug, Default, PartialEq)]
pub struct Contents {
    pub spans: BTreeMap<SpanFields, u64>,
    pub logs: BTreeMap<LogFields, u64>,
    pub points: BTreeMap<PointFields, u64>,
}

impl Contents {
    pub fn of<'a>(records: impl IntoIterator<Item = &'a FeedRecord>) -> Self {
        let mut contents = Self::default();
        for record in records {
            match record.topic {
                TRACES_TOPIC => contents.add_spans(record),
                LOGS_TOPIC => contents.add_logs(record),
                METRICS_TOPIC => contents.add_points(record),
                other => panic!("unexpected topic {other}"),
            }
        }
        contents
    }

    fn add_spans(&mut self, record: &FeedRecord) {
        for resource in ExportTraceServiceRequest::decode(record.value.as_slice()).unwrap().resource_spans {
            let pod = attribute(resource.resource.as_ref(), "host.name");
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let ids = (hex(&span.trace_id), hex(&span.span_id), hex(&span.parent_span_id));
                let key = (ids.0, ids.1, ids.2, pod.clone(), span.name, span.start_time_unix_nano, span.end_time_unix_nano);
                *self.spans.entry(key).or_default() += 1;
            }
        }
    }

    fn add_logs(&mut self, record: &FeedRecord) {
        for resource in ExportLogsServiceRequest::decode(record.value.as_slice()).unwrap().resource_logs {
            let pod = attribute(resource.resource.as_ref(), "host.name");
            for log in resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
                let Some(Value::StringValue(text)) = log.body.and_then(|body| body.value) else { panic!("a line without text") };
                let key = (hex(&log.trace_id), hex(&log.span_id), pod.clone(), text, log.time_unix_nano);
                *self.logs.entry(key).or_default() += 1;
            }
        }
    }

    fn add_points(&mut self, record: &FeedRecord) {
        for resource in ExportMetricsServiceRequest::decode(record.value.as_slice()).unwrap().resource_metrics {
            let pod = attribute(resource.resource.as_ref(), "host.name");
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let Some(metric::Data::Gauge(gauge)) = metric.data else { panic!("not a gauge: {}", metric.name) };
                for point in gauge.data_points {
                    let Some(number_data_point::Value::AsDouble(value)) = point.value else { panic!("no double") };
                    let key = (pod.clone(), metric.name.clone(), metric.unit.clone(), point.time_unix_nano, value.to_bits());
                    *self.points.entry(key).or_default() += 1;
                }
            }
        }
    }

    /// What the pack's rows of one case say, up to the end of its episode.
    pub fn of_case(pack: &Pack, episode: &Episode) -> Self {
        let mut contents = Self::default();
        let recording = &pack.cases[&episode.plan.label.case];
        let end_ns = episode.plan.label.at().nanos() + AFTER_LABEL_NS;
        for row in recording.spans.iter().filter(|row| row.end_ns <= end_ns) {
            let parent = if row.parent == 0 { String::new() } else { format!("{:016x}", row.parent) };
            let ids = (format!("{:032x}", row.trace), format!("{:016x}", row.span), parent);
            let key = (ids.0, ids.1, ids.2, row.pod.name.to_string(), row.operation.to_string(), row.start_ns as u64, row.end_ns as u64);
            *contents.spans.entry(key).or_default() += 1;
        }
        for row in recording.logs.iter().filter(|row| row.time_ns <= end_ns) {
            let key = (
                format!("{:032x}", row.trace),
                format!("{:016x}", row.span),
                row.pod.name.to_string(),
                row.text.to_string(),
                row.time_ns as u64,
            );
            *contents.logs.entry(key).or_default() += 1;
        }
        contents.add_rows(pack, episode);
        contents
    }

    fn add_rows(&mut self, pack: &Pack, episode: &Episode) {
        let span = episode.plan.metrics_from.nanos()..=episode.plan.ends_at.nanos();
        for row in pack.metrics[&episode.plan.day].iter().filter(|row| span.contains(&row.time_ns)) {
            for (column, value) in row.columns.iter().zip(&row.values) {
                let Some(value) = value else { continue };
                let key = (row.pod.name.to_string(), column.name.clone(), column.unit.clone(), row.time_ns as u64, value.to_bits());
                *self.points.entry(key).or_default() += 1;
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(resource: Option<&Resource>, key: &str) -> String {
    let found = resource.unwrap().attributes.iter().find(|attribute| attribute.key == key).unwrap();
    match found.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}
