//! Bodies as exporters write them.

use std::io::Write as _;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::json;
use whydunit::model::Timestamp;

pub const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const GZIP: (&str, &str) = ("content-encoding", "gzip");

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) })
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

/// Some lines of one service.
pub fn log_request(service: &str, lines: usize, at: Timestamp) -> ExportLogsServiceRequest {
    let line = LogRecord {
        time_unix_nano: u64::try_from(at.nanos()).unwrap(),
        severity_text: "INFO".to_owned(),
        severity_number: 9,
        body: text("parcel handed over"),
        ..LogRecord::default()
    };
    let resource = Resource { attributes: vec![attribute("service.name", service)], ..Resource::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![line; lines], ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }] }
}

/// The same in OTLP's JSON.
pub fn log_json(service: &str, lines: usize, at: Timestamp) -> Vec<u8> {
    let line = json!({ "timeUnixNano": at.nanos().to_string(), "severityNumber": 9, "severityText": "INFO", "body": { "stringValue": "parcel handed over" } });
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] });
    json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": vec![line; lines] }] }] }).to_string().into_bytes()
}

pub fn spans_json(service: &str, at: Timestamp) -> Vec<u8> {
    let span = json!({ "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "GET /", "kind": 2,
        "startTimeUnixNano": at.nanos().to_string(), "endTimeUnixNano": (at.nanos() + 1_000_000).to_string() });
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] }).to_string().into_bytes()
}

pub fn gauge_json(service: &str, at: Timestamp) -> Vec<u8> {
    let point = json!({ "timeUnixNano": at.nanos().to_string(), "asDouble": 4.5 });
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] });
    let metric = json!({ "name": "queue.depth", "unit": "1", "gauge": { "dataPoints": [point] } });
    json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [metric] }] }] }).to_string().into_bytes()
}

pub fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(body).unwrap();
    packer.finish().unwrap()
}

#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// A remote write of so many samples of one series, in a block of snappy.
pub fn remote_write(samples: i64, at: Timestamp) -> Vec<u8> {
    let label = |(name, value): (&str, &str)| Label { name: name.to_owned(), value: value.to_owned() };
    let labels = [("__name__", "queue_depth"), ("job", "shop")].map(label).to_vec();
    let samples = (0..samples).map(|number| Sample { value: 4.0, timestamp: at.millis() + number }).collect();
    let request = WriteRequest { timeseries: vec![TimeSeries { labels, samples }] };
    snap::raw::Encoder::new().compress_vec(&prost::Message::encode_to_vec(&request)).unwrap()
}

/// A push of one commit, as GitHub tells it.
pub fn push(sha: &str, at: Timestamp) -> Vec<u8> {
    let repository = json!({ "id": 1, "name": "forge", "full_name": "shop/forge" });
    let commit = json!({ "id": sha, "message": "Smaller pool & faster", "timestamp": at, "author": { "name": "Ada", "username": "ada" },
        "added": [], "removed": [], "modified": ["pool.txt"] });
    let push = json!({ "ref": "refs/heads/main", "before": "0".repeat(40), "after": sha, "commits": [commit],
        "pusher": { "name": "ada" }, "repository": repository, "sender": { "login": "ada" } });
    push.to_string().into_bytes()
}
