//! What one would write without whydunit: the library's parse into structs with the fields that decoding reads. Each returns the
//! number of items.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A time in the way of the crate that parses it.
fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<jiff::Timestamp, D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(rename = "@timestamp", deserialize_with = "time")]
    timestamp: jiff::Timestamp,
    #[serde(rename = "log.level", borrow)]
    level: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(rename = "service.name", borrow)]
    service: Cow<'a, str>,
    #[serde(rename = "service.environment", borrow)]
    environment: Cow<'a, str>,
    #[serde(rename = "host.name", borrow)]
    host: Cow<'a, str>,
}

pub(super) fn json_line(value: &[u8]) -> u64 {
    let line: JsonLine<'_> = serde_json::from_slice(value).unwrap();
    black_box((line.timestamp, line.level == "error", line.message.len(), line.service.len(), line.environment.len(), line.host.len()));
    1
}

#[derive(Deserialize)]
struct GelfLine<'a> {
    #[serde(borrow)]
    host: Cow<'a, str>,
    #[serde(borrow)]
    short_message: Cow<'a, str>,
    timestamp: f64,
    level: u8,
    #[serde(rename = "_service", borrow)]
    service: Cow<'a, str>,
}

pub(super) fn gelf(value: &[u8]) -> u64 {
    let line: GelfLine<'_> = serde_json::from_slice(value).unwrap();
    black_box((line.host.len(), line.short_message.len(), line.timestamp, line.level, line.service.len()));
    1
}

pub(super) fn syslog(value: &[u8]) -> u64 {
    let line = syslog_loose::parse_message(std::str::from_utf8(value).unwrap(), syslog_loose::Variant::RFC5424);
    black_box((line.severity, line.timestamp, line.hostname, line.appname, line.msg.len()));
    1
}

pub(super) fn logfmt(value: &[u8]) -> u64 {
    let pairs = logfmt::parse(std::str::from_utf8(value).unwrap());
    black_box(pairs.len());
    1
}

pub(super) fn otlp_spans(value: &[u8]) -> u64 {
    count_spans(&ExportTraceServiceRequest::decode(value).unwrap())
}

pub(super) fn otlp_spans_json(value: &[u8]) -> u64 {
    count_spans(&serde_json::from_slice(value).unwrap())
}

fn count_spans(request: &ExportTraceServiceRequest) -> u64 {
    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len() as u64).sum()
}

pub(super) fn otlp_logs(value: &[u8]) -> u64 {
    count_logs(&ExportLogsServiceRequest::decode(value).unwrap())
}

pub(super) fn otlp_logs_json(value: &[u8]) -> u64 {
    count_logs(&serde_json::from_slice(value).unwrap())
}

fn count_logs(request: &ExportLogsServiceRequest) -> u64 {
    request.resource_logs.iter().flat_map(|resource| &resource.scope_logs).map(|scope| scope.log_records.len() as u64).sum()
}

pub(super) fn otlp_metrics(value: &[u8]) -> u64 {
    let request = ExportMetricsServiceRequest::decode(value).unwrap();
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let points = scopes.flat_map(|scope| &scope.metrics).map(|metric| match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len() as u64,
        _ => 0,
    });
    points.sum()
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Instant {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tag {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(int32, tag = "2")]
    pub v_type: i32,
    #[prost(string, tag = "3")]
    pub v_str: String,
    #[prost(bool, tag = "4")]
    pub v_bool: bool,
    #[prost(int64, tag = "5")]
    pub v_int64: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Process {
    #[prost(string, tag = "1")]
    pub service_name: String,
    #[prost(message, repeated, tag = "2")]
    pub tags: Vec<Tag>,
}

/// `Span` of Jaeger's api_v2.
#[derive(Clone, PartialEq, Message)]
pub(super) struct JaegerSpan {
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub operation_name: String,
    #[prost(message, optional, tag = "6")]
    pub start_time: Option<Instant>,
    #[prost(message, optional, tag = "7")]
    pub duration: Option<Instant>,
    #[prost(message, repeated, tag = "8")]
    pub tags: Vec<Tag>,
    #[prost(message, optional, tag = "10")]
    pub process: Option<Process>,
}

pub(super) fn jaeger_proto(value: &[u8]) -> u64 {
    black_box(JaegerSpan::decode(value).unwrap());
    1
}

#[derive(Deserialize)]
struct JsonTag<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonProcess<'a> {
    #[serde(borrow)]
    service_name: Cow<'a, str>,
    #[serde(borrow)]
    tags: Vec<JsonTag<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JaegerJson<'a> {
    #[serde(rename = "traceID", borrow)]
    trace_id: Cow<'a, str>,
    #[serde(rename = "spanID", borrow)]
    span_id: Cow<'a, str>,
    #[serde(borrow)]
    operation_name: Cow<'a, str>,
    start_time: u64,
    duration: u64,
    #[serde(borrow)]
    tags: Vec<JsonTag<'a>>,
    #[serde(borrow)]
    process: JsonProcess<'a>,
}

pub(super) fn jaeger_json(value: &[u8]) -> u64 {
    let span: JaegerJson<'_> = serde_json::from_slice(value).unwrap();
    let tags = span.tags.iter().chain(&span.process.tags).map(|tag| tag.key.len() + tag.value.get().len()).sum::<usize>();
    black_box((span.trace_id.len(), span.span_id.len(), span.operation_name.len(), span.start_time, span.duration, tags));
    black_box(span.process.service_name.len());
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZipkinEndpoint<'a> {
    #[serde(borrow)]
    service_name: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ZipkinSpan<'a> {
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    timestamp: u64,
    duration: u64,
    #[serde(borrow)]
    local_endpoint: ZipkinEndpoint<'a>,
    #[serde(borrow)]
    tags: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

pub(super) fn zipkin(value: &[u8]) -> u64 {
    let spans: Vec<ZipkinSpan<'_>> = serde_json::from_slice(value).unwrap();
    for span in &spans {
        black_box((span.trace_id.len(), span.id.len(), span.name.len(), span.kind.len(), span.timestamp, span.duration));
        black_box((span.local_endpoint.service_name.len(), span.tags.len()));
    }
    spans.len() as u64
}

pub(super) fn influx(value: &[u8]) -> u64 {
    let lines = influxdb_line_protocol::parse_lines(std::str::from_utf8(value).unwrap());
    lines.map(|line| line.unwrap().field_set.len() as u64).sum()
}

#[derive(Deserialize)]
struct TelegrafMetric<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    tags: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow)]
    fields: BTreeMap<Cow<'a, str>, f64>,
    timestamp: i64,
}

#[derive(Deserialize)]
struct TelegrafBatch<'a> {
    #[serde(borrow)]
    metrics: Vec<TelegrafMetric<'a>>,
}

pub(super) fn telegraf_json(value: &[u8]) -> u64 {
    let batch: TelegrafBatch<'_> = serde_json::from_slice(value).unwrap();
    let fields = batch.metrics.iter().map(|metric| {
        black_box((metric.name.len(), metric.tags.len(), metric.timestamp));
        metric.fields.len() as u64
    });
    fields.sum()
}

#[derive(Deserialize)]
struct PrometheusSample<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

pub(super) fn prometheus_json(value: &[u8]) -> u64 {
    let sample: PrometheusSample<'_> = serde_json::from_slice(value).unwrap();
    black_box((sample.timestamp.len(), sample.value.parse::<f64>().unwrap(), sample.name.len(), sample.labels.len()));
    1
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

pub(super) fn remote_write(value: &[u8]) -> u64 {
    let request = WriteRequest::decode(snap::raw::Decoder::new().decompress_vec(value).unwrap().as_slice()).unwrap();
    request.timeseries.iter().map(|series| series.samples.len() as u64).sum()
}

pub(super) fn json_value(value: &[u8]) -> u64 {
    black_box(serde_json::from_slice::<serde_json::Value>(value).unwrap());
    1
}
