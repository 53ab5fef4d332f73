//! Intervals of request metrics and a call graph as the bytes an OpenTelemetry collector writes: durations as its span metrics
//! connector does, calls as its service graph connector does.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::json;

use crate::evaluation::feed::{FeedRecord, MANUAL_TOPIC, METRICS_TOPIC};
use crate::evaluation::otlp;
use crate::evaluation::pack::{GraphIssue, Interval, RequestLoad};
use crate::model::{Source, Timestamp};

const DURATION: &str = "traces.span.metrics.duration";
const CALLS: &str = "traces_service_graph_request_total";
/// Of whom the calls are told.
const CONNECTOR: &str = "service graph";
/// Where nothing tells how wide intervals are.
const USUAL_WIDTH_S: i64 = 300;

/// Seconds from interval to interval: the usual gap.
pub(super) fn width_s(intervals: &[Interval]) -> i64 {
    let mut gaps: Vec<i64> =
        intervals.windows(2).map(|pair| pair[1].starts_at.seconds() - pair[0].starts_at.seconds()).filter(|gap_s| *gap_s > 0).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(USUAL_WIDTH_S)
}

/// One record a service, sent when the interval is over, and one for the calls.
pub(super) fn records(interval: &Interval, width_s: i64, calls: &[(String, String)], environment: &str) -> Vec<FeedRecord> {
    let ends_at = interval.starts_at.plus_seconds(width_s);
    let span = (interval.starts_at, ends_at);
    let mut records: Vec<FeedRecord> =
        interval.loads.iter().map(|(service, load)| record(service, ends_at, vec![durations(span, load)], environment)).collect();
    if !calls.is_empty() {
        records.push(record(CONNECTOR, ends_at, vec![calls_of(span, calls)], environment));
    }
    records
}

fn record(service: &str, at: Timestamp, metrics: Vec<Metric>, environment: &str) -> FeedRecord {
    let mut attributes = vec![otlp::attribute("service.name", service)];
    if !environment.is_empty() {
        attributes.push(otlp::attribute("deployment.environment.name", environment));
    }
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    FeedRecord {
        topic: METRICS_TOPIC,
        source: Source::Metrics,
        key: Some(service.as_bytes().to_vec()),
        value: ExportMetricsServiceRequest { resource_metrics }.encode_to_vec(),
        headers: Vec::new(),
        timestamp: at,
    }
}

/// Only the mean is recorded: good and failed requests took as long.
fn durations((from, until): (Timestamp, Timestamp), load: &RequestLoad) -> Metric {
    let point = |requests: u64, status: &str| HistogramDataPoint {
        attributes: vec![otlp::attribute("span.kind", "SPAN_KIND_SERVER"), otlp::attribute("status.code", status)],
        start_time_unix_nano: otlp::unsigned(from.nanos()),
        time_unix_nano: otlp::unsigned(until.nanos()),
        count: requests,
        sum: Some(requests as f64 * load.latency_s),
        ..HistogramDataPoint::default()
    };
    let failed = load.failed.min(load.requests);
    let parts = [(load.requests - failed, "STATUS_CODE_UNSET"), (failed, "STATUS_CODE_ERROR")];
    let data_points = parts.into_iter().filter(|(requests, _)| *requests > 0).map(|(requests, status)| point(requests, status)).collect();
    let histogram = Histogram { data_points, aggregation_temporality: AggregationTemporality::Delta.into() };
    Metric { name: DURATION.to_owned(), unit: "s".to_owned(), data: Some(metric::Data::Histogram(histogram)), ..Metric::default() }
}

/// Who calls whom is known, how often is not: each call counts once an interval.
fn calls_of((from, until): (Timestamp, Timestamp), calls: &[(String, String)]) -> Metric {
    let point = |(client, server): &(String, String)| NumberDataPoint {
        attributes: vec![otlp::attribute("client", client), otlp::attribute("server", server)],
        start_time_unix_nano: otlp::unsigned(from.nanos()),
        time_unix_nano: otlp::unsigned(until.nanos()),
        value: Some(number_data_point::Value::AsInt(1)),
        ..NumberDataPoint::default()
    };
    let sum = Sum {
        data_points: calls.iter().map(point).collect(),
        aggregation_temporality: AggregationTemporality::Delta.into(),
        is_monotonic: true,
    };
    Metric { name: CALLS.to_owned(), data: Some(metric::Data::Sum(sum)), ..Metric::default() }
}

pub(super) fn alarm(issue: &GraphIssue, environment: &str) -> FeedRecord {
    let body = json!({
        "type": "alert",
        "title": format!("{} of {} is out of bounds", issue.metric, issue.alarmed),
        "timestamp": issue.alarm_at,
        "service": issue.alarmed,
        "environment": environment,
        "severity": "high",
        "source_id": format!("alarm/{}", issue.name),
        "data": { "metric": issue.metric },
    });
    FeedRecord {
        topic: MANUAL_TOPIC,
        source: Source::Manual,
        key: None,
        value: body.to_string().into_bytes(),
        headers: Vec::new(),
        timestamp: issue.alarm_at,
    }
}
