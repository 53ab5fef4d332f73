//! What the shop wrote, read back with the crates that define the formats.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::super::OutRecord;
use crate::model::{Source, Timestamp};

#[derive(Clone, Debug)]
pub struct ReadSpan {
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub kind: i32,
    pub name: String,
    pub service: String,
    pub version: String,
    pub host: String,
    pub peer: String,
    pub start: i64,
    pub end: i64,
    pub failed: bool,
    pub message: String,
    pub exceptions: usize,
}

impl ReadSpan {
    pub fn millis(&self) -> f64 {
        (self.end - self.start) as f64 / 1e6
    }
}

#[derive(Clone, Debug)]
pub struct ReadLine {
    pub at: i64,
    pub service: String,
    pub level: String,
    pub message: String,
    pub trace: String,
    pub span: String,
}

#[derive(Clone, Debug)]
pub struct ReadPoint {
    pub at: i64,
    pub service: String,
    pub host: String,
    pub metric: String,
    pub value: f64,
}

/// Everything of one run; fails the test on a record that cannot be read or holds nothing.
#[derive(Debug, Default)]
pub struct Written {
    pub spans: Vec<ReadSpan>,
    pub lines: Vec<ReadLine>,
    pub points: Vec<ReadPoint>,
    pub webhooks: Vec<(i64, String, serde_json::Value)>,
}

pub fn read(records: &[OutRecord]) -> Written {
    let mut written = Written::default();
    for record in records {
        let before = written.len();
        let sent = record.timestamp.nanos();
        match record.source {
            Source::Traces => read_spans(&record.value, &mut written),
            Source::Metrics => read_points(&record.value, &mut written),
            Source::Logs if record.value[0] == b'{' => read_json_line(&record.value, &mut written),
            Source::Logs => read_otlp_lines(&record.value, &mut written),
            Source::Git | Source::Ci | Source::Manual => {
                let event = record.headers.iter().find(|(name, _)| name == "X-GitHub-Event");
                let event = event.map_or("manual".to_owned(), |(_, value)| String::from_utf8(value.clone()).unwrap());
                written.webhooks.push((sent, event, serde_json::from_slice(&record.value).unwrap()));
            }
        }
        assert!(written.len() > before, "a record without items: {record:?}");
    }
    written
}

impl Written {
    fn len(&self) -> usize {
        self.spans.len() + self.lines.len() + self.points.len() + self.webhooks.len()
    }

    pub fn by_id(&self) -> BTreeMap<(&[u8], &[u8]), &ReadSpan> {
        self.spans.iter().map(|span| ((span.trace.as_slice(), span.id.as_slice()), span)).collect()
    }
}

fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key).and_then(|attribute| attribute.value.clone());
    match found.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        _ => String::new(),
    }
}

fn of_resource(resource: Option<&Resource>, key: &str) -> String {
    resource.map(|resource| attribute(&resource.attributes, key)).unwrap_or_default()
}

fn read_spans(value: &[u8], written: &mut Written) {
    for group in ExportTraceServiceRequest::decode(value).unwrap().resource_spans {
        let named = |key| of_resource(group.resource.as_ref(), key);
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let status = span.status.unwrap_or_default();
            written.spans.push(ReadSpan {
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                kind: span.kind,
                name: span.name,
                service: named("service.name"),
                version: named("service.version"),
                host: named("host.name"),
                peer: attribute(&span.attributes, "peer.service"),
                start: span.start_time_unix_nano as i64,
                end: span.end_time_unix_nano as i64,
                failed: status.code == 2,
                message: status.message,
                exceptions: span.events.len(),
            });
        }
    }
}

fn read_points(value: &[u8], written: &mut Written) {
    for group in ExportMetricsServiceRequest::decode(value).unwrap().resource_metrics {
        let named = |key| of_resource(group.resource.as_ref(), key);
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let points = match metric.data.unwrap() {
                metric::Data::Gauge(gauge) => gauge.data_points,
                metric::Data::Sum(sum) => sum.data_points,
                other => panic!("unexpected {other:?}"),
            };
            for point in points {
                let value = match point.value.unwrap() {
                    number_data_point::Value::AsDouble(value) => value,
                    number_data_point::Value::AsInt(value) => value as f64,
                };
                assert!(value.is_finite(), "{} is {value}", metric.name);
                written.points.push(ReadPoint {
                    at: point.time_unix_nano as i64,
                    service: named("service.name"),
                    host: named("host.name"),
                    metric: metric.name.clone(),
                    value,
                });
            }
        }
    }
}

fn read_json_line(value: &[u8], written: &mut Written) {
    let line: serde_json::Value = serde_json::from_slice(value).unwrap();
    let text = |dotted: &str| {
        let nested = dotted.split('.').try_fold(&line, |place, key| place.get(key));
        line.get(dotted).or(nested).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    let at = Timestamp::parse(&text("@timestamp")).unwrap();
    written.lines.push(ReadLine {
        at: at.nanos(),
        service: text("service.name"),
        level: text("log.level"),
        message: text("message"),
        trace: text("trace.id"),
        span: text("span.id"),
    });
}

fn read_otlp_lines(value: &[u8], written: &mut Written) {
    for group in ExportLogsServiceRequest::decode(value).unwrap().resource_logs {
        let service = of_resource(group.resource.as_ref(), "service.name");
        for line in group.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let Some(Value::StringValue(message)) = line.body.and_then(|body| body.value) else { panic!("a line without body") };
            written.lines.push(ReadLine {
                at: line.time_unix_nano as i64,
                service: service.clone(),
                level: line.severity_text,
                message,
                trace: hex(&line.trace_id),
                span: hex(&line.span_id),
            });
        }
    }
}
