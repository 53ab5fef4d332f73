//! Metrics and traces.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use whydunit::model::Source;

use super::bare::{JaegerSpan, Label, Process, Sample, Tag, TimeSeries, WriteRequest};
use super::lines::{message, service, time};
use super::{Case, bare};

/// Items of an OTLP record.
const ITEMS: u64 = 50;
const START_NS: u64 = 1_795_442_400_000_000_000;

pub(super) const CASES: &[Case] = &[
    Case {
        format: "otlp_proto (traces)",
        source: Source::Traces,
        record: spans_proto,
        bare: Some(("prost, owned structs", bare::otlp_spans)),
    },
    Case { format: "otlp_proto (logs)", source: Source::Logs, record: logs_proto, bare: Some(("prost, owned structs", bare::otlp_logs)) },
    Case {
        format: "otlp_proto (metrics)",
        source: Source::Metrics,
        record: metrics_proto,
        bare: Some(("prost, owned structs", bare::otlp_metrics)),
    },
    Case {
        format: "otlp_json (traces)",
        source: Source::Traces,
        record: |n| serde_json::to_vec(&spans(n)).unwrap(),
        bare: Some(("serde_json, owned structs", bare::otlp_spans_json)),
    },
    Case {
        format: "otlp_json (logs)",
        source: Source::Logs,
        record: |n| serde_json::to_vec(&logs(n)).unwrap(),
        bare: Some(("serde_json, owned structs", bare::otlp_logs_json)),
    },
    Case { format: "jaeger_proto", source: Source::Traces, record: jaeger_proto, bare: Some(("prost, owned structs", bare::jaeger_proto)) },
    Case {
        format: "jaeger_json",
        source: Source::Traces,
        record: jaeger_json,
        bare: Some(("serde_json, borrowed structs", bare::jaeger_json)),
    },
    Case { format: "zipkin_json", source: Source::Traces, record: zipkin, bare: Some(("serde_json, borrowed structs", bare::zipkin)) },
    Case { format: "influx_line", source: Source::Metrics, record: influx, bare: Some(("influxdb-line-protocol", bare::influx)) },
    Case {
        format: "telegraf_json",
        source: Source::Metrics,
        record: telegraf_json,
        bare: Some(("serde_json, borrowed structs", bare::telegraf_json)),
    },
    Case {
        format: "prometheus_json",
        source: Source::Metrics,
        record: prometheus_json,
        bare: Some(("serde_json, borrowed structs", bare::prometheus_json)),
    },
    Case {
        format: "prometheus_remote_write",
        source: Source::Metrics,
        record: remote_write,
        bare: Some(("snap and prost, owned structs", bare::remote_write)),
    },
];

fn text(value: String) -> Option<AnyValue> {
    Some(AnyValue { value: Some(any_value::Value::StringValue(value)) })
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

fn resource(n: u64) -> Option<Resource> {
    let attributes = vec![
        attribute("service.name", format!("service-{:02}", service(n))),
        attribute("service.version", "1.4.2".to_owned()),
        attribute("deployment.environment.name", "production".to_owned()),
        attribute("host.name", format!("node-{}", n % 6)),
        attribute("k8s.pod.name", format!("service-{:02}-6d5f8c7b9d-x2x4z", service(n))),
        attribute("telemetry.sdk.language", "java".to_owned()),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn start_ns(n: u64, item: u64) -> u64 {
    START_NS + n * 1_000_000 + item * 1_000
}

fn trace_id(n: u64) -> [u8; 16] {
    (u128::from(n + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()
}

fn span_id(n: u64, item: u64) -> [u8; 8] {
    ((n * ITEMS + item + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()
}

fn spans(n: u64) -> ExportTraceServiceRequest {
    let span = |item: u64| Span {
        trace_id: trace_id(n * 10 + item / 5).to_vec(),
        span_id: span_id(n, item).to_vec(),
        parent_span_id: if item.is_multiple_of(5) { Vec::new() } else { span_id(n, item - 1).to_vec() },
        name: format!("GET /orders/{{id}}/{}", item % 7),
        kind: 2 + (item % 2) as i32,
        start_time_unix_nano: start_ns(n, item),
        end_time_unix_nano: start_ns(n, item) + 3_000_000 + item * 70_000,
        attributes: vec![
            attribute("http.request.method", "GET".to_owned()),
            attribute("url.path", format!("/orders/{}", n * 31 + item)),
            attribute("http.route", "/orders/{id}".to_owned()),
            attribute("server.address", "orders".to_owned()),
        ],
        status: Some(Status { code: if (n * ITEMS + item).is_multiple_of(50) { 2 } else { 0 }, ..Status::default() }),
        ..Span::default()
    };
    let scope = ScopeSpans { spans: (0..ITEMS).map(span).collect(), ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: resource(n), scope_spans: vec![scope], ..ResourceSpans::default() }],
    }
}

fn logs(n: u64) -> ExportLogsServiceRequest {
    let line = |item: u64| {
        let error = (n * ITEMS + item).is_multiple_of(50);
        LogRecord {
            time_unix_nano: start_ns(n, item),
            observed_time_unix_nano: start_ns(n, item) + 1_000,
            severity_number: if error { 17 } else { 9 },
            severity_text: if error { "ERROR" } else { "INFO" }.to_owned(),
            body: text(message(n * ITEMS + item)),
            attributes: vec![attribute("thread.name", format!("worker-{}", item % 16)), attribute("code.function", "handle".to_owned())],
            trace_id: trace_id(n * 10 + item / 5).to_vec(),
            span_id: span_id(n, item).to_vec(),
            ..LogRecord::default()
        }
    };
    let scope = ScopeLogs { log_records: (0..ITEMS).map(line).collect(), ..ScopeLogs::default() };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: resource(n), scope_logs: vec![scope], ..ResourceLogs::default() }],
    }
}

fn metrics(n: u64) -> ExportMetricsServiceRequest {
    let point = |item: u64| NumberDataPoint {
        attributes: vec![attribute("state", ["idle", "user", "system", "iowait", "steal"][(item % 5) as usize].to_owned())],
        start_time_unix_nano: START_NS,
        time_unix_nano: start_ns(n, 0),
        value: Some(number_data_point::Value::AsDouble((n * 7 + item) as f64 / 3.0)),
        ..NumberDataPoint::default()
    };
    let metric = |item: u64| Metric {
        name: format!("system.cpu.{item}"),
        description: "Share of time".to_owned(),
        unit: "1".to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points: (0..5).map(|at| point(item * 5 + at)).collect() })),
        ..Metric::default()
    };
    let scope = ScopeMetrics { metrics: (0..ITEMS / 5).map(metric).collect(), ..ScopeMetrics::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: resource(n), scope_metrics: vec![scope], ..ResourceMetrics::default() }],
    }
}

fn spans_proto(n: u64) -> Vec<u8> {
    spans(n).encode_to_vec()
}

fn logs_proto(n: u64) -> Vec<u8> {
    logs(n).encode_to_vec()
}

fn metrics_proto(n: u64) -> Vec<u8> {
    metrics(n).encode_to_vec()
}

/// One span, as Jaeger writes them.
fn jaeger_proto(n: u64) -> Vec<u8> {
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), v_str: value.to_owned(), ..Tag::default() };
    let time = |ns: u64| instant(ns);
    JaegerSpan {
        trace_id: trace_id(n / 5).to_vec(),
        span_id: span_id(n, 0).to_vec(),
        operation_name: format!("GET /orders/{{id}}/{}", n % 7),
        start_time: Some(time(start_ns(n, 0))),
        duration: Some(time(3_000_000 + n % 50 * 70_000)),
        tags: vec![tag("http.method", "GET"), tag("span.kind", "server"), tag("http.url", "/orders/77")],
        process: Some(Process {
            service_name: format!("service-{:02}", service(n)),
            tags: vec![tag("hostname", &format!("node-{}", n % 6))],
        }),
    }
    .encode_to_vec()
}

fn instant(ns: u64) -> bare::Instant {
    bare::Instant { seconds: (ns / 1_000_000_000) as i64, nanos: (ns % 1_000_000_000) as i32 }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn jaeger_json(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"traceID":"{}","spanID":"{}","operationName":"GET /orders/{}","references":[],"startTime":{},"duration":{},"#,
            r#""tags":[{{"key":"http.method","type":"string","value":"GET"}},{{"key":"span.kind","type":"string","value":"server"}}],"#,
            r#""process":{{"serviceName":"service-{:02}","tags":[{{"key":"hostname","type":"string","value":"node-{}"}}]}}}}"#
        ),
        hex(&trace_id(n / 5)),
        hex(&span_id(n, 0)),
        n % 7,
        start_ns(n, 0) / 1_000,
        3_000 + n % 50 * 70,
        service(n),
        n % 6
    )
    .into_bytes()
}

/// Ten spans.
fn zipkin(n: u64) -> Vec<u8> {
    let span = |item: u64| {
        format!(
            concat!(
                r#"{{"traceId":"{}","id":"{}","name":"get /orders/{}","kind":"SERVER","timestamp":{},"duration":{},"#,
                r#""localEndpoint":{{"serviceName":"service-{:02}","ipv4":"10.0.0.{}"}},"tags":{{"http.method":"GET","http.path":"/orders/77"}}}}"#
            ),
            hex(&trace_id(n)),
            hex(&span_id(n, item)),
            item % 7,
            start_ns(n, item) / 1_000,
            3_000 + item * 70,
            service(n),
            n % 200
        )
    };
    format!("[{}]", (0..10).map(span).collect::<Vec<_>>().join(",")).into_bytes()
}

/// Ten lines of four fields.
fn influx(n: u64) -> Vec<u8> {
    let line = |item: u64| {
        format!(
            "mem,host=node-{},service=service-{:02},cpu=cpu{item} free={}i,used_percent={:.3},active={}i,buffered={}i {}",
            n % 6,
            service(n),
            n * 4_096 + item,
            (n + item) as f64 % 100.0 / 1.7,
            n * 8_192,
            n * 512,
            start_ns(n, item)
        )
    };
    (0..10).map(line).collect::<Vec<_>>().join("\n").into_bytes()
}

/// Ten metrics of four fields.
fn telegraf_json(n: u64) -> Vec<u8> {
    let metric = |item: u64| {
        format!(
            r#"{{"fields":{{"free":{},"used_percent":{:.3},"active":{},"buffered":{}}},"name":"mem","tags":{{"host":"node-{}","service":"service-{:02}","cpu":"cpu{item}"}},"timestamp":{}}}"#,
            n * 4_096 + item,
            (n + item) as f64 % 100.0 / 1.7,
            n * 8_192,
            n * 512,
            n % 6,
            service(n),
            start_ns(n, item) / 1_000_000_000
        )
    };
    format!(r#"{{"metrics":[{}]}}"#, (0..10).map(metric).collect::<Vec<_>>().join(",")).into_bytes()
}

/// One sample.
fn prometheus_json(n: u64) -> Vec<u8> {
    format!(
        r#"{{"timestamp":"{}","value":"{:.3}","name":"node_memory_free","labels":{{"__name__":"node_memory_free","instance":"node-{}:9100","job":"node","service":"service-{:02}"}}}}"#,
        time(n),
        n as f64 / 3.0,
        n % 6,
        service(n)
    )
    .into_bytes()
}

/// A hundred series with one sample each.
fn remote_write(n: u64) -> Vec<u8> {
    let label = |name: &str, value: String| Label { name: name.to_owned(), value };
    let series = |item: u64| TimeSeries {
        labels: vec![
            label("__name__", format!("node_metric_{}", item % 20)),
            label("instance", format!("node-{}:9100", item / 20)),
            label("job", "node".to_owned()),
            label("service", format!("service-{:02}", service(n + item))),
        ],
        samples: vec![Sample { value: (n + item) as f64 / 3.0, timestamp: (start_ns(n, item) / 1_000_000) as i64 }],
    };
    let request = WriteRequest { timeseries: (0..100).map(series).collect() };
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
}
