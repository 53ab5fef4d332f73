//! An incident's telemetry and context as the bytes their producers write.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use serde_json::{Map, Value, json};

use crate::evaluation::feed::{CI_TOPIC, FeedRecord, GIT_TOPIC, LOGS_TOPIC, MANUAL_TOPIC, METRICS_TOPIC, TRACES_TOPIC};
use crate::evaluation::otlp::{self, Kind, level_number};
use crate::evaluation::pack::{ChangeCase, ContextEvent, LogEntry, Pod, Point, SpanEntry, SpanRow};
use crate::model::{Source, Timestamp};

/// Repository that commits name when nothing says which one it was.
const REPOSITORY: &str = "recorded";

pub(super) fn records(case: &ChangeCase, environment: &str) -> Vec<FeedRecord> {
    let mut records: Vec<FeedRecord> = case.logs.iter().map(|entry| log(entry, environment)).collect();
    records.extend(points(&case.points, environment));
    records.extend(spans(&case.spans, environment));
    records.extend(case.commits.iter().map(push));
    records.extend(case.deploys.iter().enumerate().map(|(index, deploy)| deployment(case, index, deploy, environment)));
    records.extend(case.flags.iter().map(|flag| feature_flag(flag, environment)));
    records.extend(case.statuses.iter().enumerate().map(|(index, status)| provider_status(case, index, status)));
    records.push(alert(case, environment));
    records
}

fn record(topic: &'static str, source: Source, at: Timestamp, key: &str, value: Vec<u8>) -> FeedRecord {
    FeedRecord { topic, source, key: Some(key.as_bytes().to_vec()), value, headers: Vec::new(), timestamp: at }
}

fn resource(service: &str, environment: &str) -> Resource {
    let mut attributes = vec![otlp::attribute("service.name", service)];
    if !environment.is_empty() {
        attributes.push(otlp::attribute("deployment.environment.name", environment));
    }
    Resource { attributes, ..Resource::default() }
}

fn attributes(fields: &Map<String, Value>) -> Vec<KeyValue> {
    let value = |value: &Value| match value {
        Value::Null => None,
        Value::Bool(flag) => Some(any_value::Value::BoolValue(*flag)),
        Value::String(text) => Some(any_value::Value::StringValue(text.clone())),
        Value::Number(number) => {
            number.as_i64().map(any_value::Value::IntValue).or_else(|| number.as_f64().map(any_value::Value::DoubleValue))
        }
        other => Some(any_value::Value::StringValue(other.to_string())),
    };
    let pair = |(key, field): (&String, &Value)| {
        let value = AnyValue { value: Some(value(field)?) };
        Some(KeyValue { key: key.clone(), value: Some(value), ..KeyValue::default() })
    };
    fields.iter().filter_map(pair).collect()
}

/// A trace id in hexadecimal is itself, any other text stands for its hash.
fn trace_id(text: &str) -> u128 {
    u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32).unwrap_or_else(|| xxhash_rust::xxh3::xxh3_128(text.as_bytes()).max(1))
}

fn span_id(text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16).unwrap_or_else(|| xxhash_rust::xxh3::xxh3_64(text.as_bytes()).max(1))
}

fn log(entry: &LogEntry, environment: &str) -> FeedRecord {
    let line = LogRecord {
        time_unix_nano: otlp::unsigned(entry.at.nanos()),
        observed_time_unix_nano: otlp::unsigned(entry.at.nanos()),
        severity_number: level_number(&entry.level).unwrap_or_default().into(),
        severity_text: entry.level.clone(),
        body: Some(otlp::text(&entry.message)),
        attributes: attributes(&entry.attributes),
        trace_id: if entry.trace.is_empty() { Vec::new() } else { otlp::trace_bytes(trace_id(&entry.trace)) },
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: vec![line], ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource: Some(resource(&entry.service, environment)), scope_logs, ..ResourceLogs::default() }];
    record(LOGS_TOPIC, Source::Logs, entry.at, &entry.service, ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}

/// One record for all points of a service at one time.
fn points(points: &[Point], environment: &str) -> Vec<FeedRecord> {
    let mut scrapes: BTreeMap<(Timestamp, &str), Vec<Metric>> = BTreeMap::new();
    for point in points {
        let value = NumberDataPoint {
            time_unix_nano: otlp::unsigned(point.at.nanos()),
            value: Some(number_data_point::Value::AsDouble(point.value)),
            ..NumberDataPoint::default()
        };
        let data = Some(metric::Data::Gauge(Gauge { data_points: vec![value] }));
        scrapes.entry((point.at, &point.service)).or_default().push(Metric { name: point.metric.clone(), data, ..Metric::default() });
    }
    let to_record = |((at, service), metrics): ((Timestamp, &str), Vec<Metric>)| {
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics =
            vec![ResourceMetrics { resource: Some(resource(service, environment)), scope_metrics, ..ResourceMetrics::default() }];
        record(METRICS_TOPIC, Source::Metrics, at, service, ExportMetricsServiceRequest { resource_metrics }.encode_to_vec())
    };
    scrapes.into_iter().map(to_record).collect()
}

fn spans(entries: &[SpanEntry], environment: &str) -> Vec<FeedRecord> {
    let rows: Vec<SpanRow> = entries
        .iter()
        .map(|entry| SpanRow {
            end_ns: entry.end.nanos(),
            start_ns: entry.start.nanos(),
            trace: trace_id(&entry.trace),
            span: span_id(&entry.span),
            parent: span_id(&entry.parent),
            pod: Arc::new(Pod { name: entry.service.as_str().into(), service: entry.service.as_str().into() }),
            operation: entry.name.as_str().into(),
        })
        .collect();
    let kinds = otlp::kinds(&rows.iter().collect::<Vec<_>>());
    entries.iter().zip(&rows).zip(kinds).map(|((entry, row), kind)| span(entry, row, kind, environment)).collect()
}

fn span(entry: &SpanEntry, row: &SpanRow, kind: Kind, environment: &str) -> FeedRecord {
    let kind = match kind {
        Kind::Internal => SpanKind::Internal,
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
    };
    let code = if entry.failed { StatusCode::Error } else { StatusCode::Ok };
    let span = Span {
        trace_id: otlp::trace_bytes(row.trace),
        span_id: otlp::span_bytes(row.span),
        parent_span_id: otlp::span_bytes(row.parent),
        name: entry.name.clone(),
        kind: kind.into(),
        start_time_unix_nano: otlp::unsigned(row.start_ns),
        end_time_unix_nano: otlp::unsigned(row.end_ns),
        attributes: attributes(&entry.attributes),
        status: Some(Status { message: entry.message.clone(), code: code.into() }),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource(&entry.service, environment)), scope_spans, ..ResourceSpans::default() }];
    record(TRACES_TOPIC, Source::Traces, entry.end, &entry.service, ExportTraceServiceRequest { resource_spans }.encode_to_vec())
}

fn webhook(topic: &'static str, source: Source, at: Timestamp, event: &str, body: &Value) -> FeedRecord {
    let headers = vec![("X-GitHub-Event".to_owned(), event.as_bytes().to_vec()), ("content-type".to_owned(), b"application/json".to_vec())];
    FeedRecord { headers, ..record(topic, source, at, REPOSITORY, body.to_string().into_bytes()) }
}

fn push(commit: &ContextEvent) -> FeedRecord {
    let author = commit.text("author");
    let body = json!({
        "ref": "refs/heads/main",
        "after": commit.text("sha"),
        "repository": { "name": REPOSITORY, "full_name": REPOSITORY },
        "pusher": { "name": author },
        "commits": [{
            "id": commit.text("sha"),
            "message": commit.text("message"),
            "timestamp": commit.at,
            "author": { "name": author, "username": author },
            "added": [],
            "removed": [],
            "modified": commit.fields.get("files_changed").cloned().unwrap_or_else(|| json!([])),
            "diff": commit.fields.get("diff").cloned().unwrap_or(Value::Null),
        }],
    });
    webhook(GIT_TOPIC, Source::Git, commit.at, "push", &body)
}

/// The deployed commit's message, files and diff travel with the deployment, as pipelines that attach them do.
fn deployment(case: &ChangeCase, index: usize, deploy: &ContextEvent, environment: &str) -> FeedRecord {
    let sha = deploy.text("commit_sha");
    let service = deploy.text("service");
    let commit = case.commits.iter().find(|commit| commit.text("sha") == sha);
    let field = |name: &str| commit.and_then(|commit| commit.fields.get(name)).cloned().unwrap_or(Value::Null);
    let body = json!({
        "action": "created",
        "repository": { "name": service, "full_name": service },
        "sender": { "login": field("author") },
        "deployment": {
            "id": index + 1,
            "sha": sha,
            "ref": deploy.text("version"),
            "environment": environment,
            "description": field("message"),
            "creator": { "login": field("author") },
            "created_at": deploy.at,
            "payload": {
                "message": field("message"),
                "files": field("files_changed"),
                "diff": field("diff"),
                "version": deploy.text("version"),
            },
        },
    });
    webhook(CI_TOPIC, Source::Ci, deploy.at, "deployment", &body)
}

fn feature_flag(flag: &ContextEvent, environment: &str) -> FeedRecord {
    let body = json!({
        "type": "feature_flag",
        "title": format!("{} {}", flag.text("flag"), flag.text("change")),
        "timestamp": flag.at,
        "service": flag.text("service"),
        "environment": environment,
        "source_id": format!("flag/{}/{}", flag.text("flag"), flag.at),
        "data": { "author": flag.text("actor"), "flag": flag.text("flag"), "change": flag.text("change") },
    });
    record(MANUAL_TOPIC, Source::Manual, flag.at, REPOSITORY, body.to_string().into_bytes())
}

fn provider_status(case: &ChangeCase, index: usize, status: &ContextEvent) -> FeedRecord {
    let title = ["title", "name"].into_iter().map(|field| status.text(field)).find(|text| !text.is_empty()).unwrap_or("trouble");
    let body = json!({
        "type": "provider_status",
        "title": title,
        "timestamp": status.at,
        "source_id": format!("status/{}/{index}", case.label.case),
        "data": { "status": status.text("status"), "impact": status.text("impact") },
    });
    record(MANUAL_TOPIC, Source::Manual, status.at, REPOSITORY, body.to_string().into_bytes())
}

fn alert(case: &ChangeCase, environment: &str) -> FeedRecord {
    let alert = &case.alert;
    let title = if alert.text("summary").is_empty() { alert.text("monitor") } else { alert.text("summary") };
    let body = json!({
        "type": "alert",
        "title": title,
        "timestamp": alert.at,
        "service": alert.text("service"),
        "environment": environment,
        "severity": "critical",
        "source_id": format!("alert/{}", case.label.case),
        "data": alert.fields,
    });
    record(MANUAL_TOPIC, Source::Manual, alert.at, REPOSITORY, body.to_string().into_bytes())
}
