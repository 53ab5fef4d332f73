//! Metrics that count requests, and calls between services.

use serde_json::json;

use super::*;
use crate::model::observation::RequestCount;

fn attribute(key: &str, value: &str) -> serde_json::Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn metric(service: &str, metric: serde_json::Value) -> serde_json::Value {
    let resource = json!({ "attributes": [attribute("service.name", service), attribute("deployment.environment.name", "prod")] });
    json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{ "metrics": [metric] }] }] })
}

#[test]
fn a_histogram_of_request_durations_counts_requests_and_those_that_failed() {
    let point = |count: u64, sum: f64, attributes: serde_json::Value| json!({ "timeUnixNano": "1795442531000000000", "count": count.to_string(), "sum": sum, "attributes": attributes });
    let points = [
        point(90, 4.5, json!([{ "key": "http.response.status_code", "value": { "intValue": "200" } }])),
        point(10, 2.0, json!([attribute("error.type", "503")])),
    ];
    let histogram = json!({ "aggregationTemporality": 2, "dataPoints": points });
    let batch = decode_json(
        Source::Metrics,
        &metric("cart", json!({ "name": "http.server.request.duration", "unit": "s", "histogram": histogram })),
    );
    let counts: Vec<RequestCount> = batch.points.iter().filter_map(|point| point.requests.as_deref().copied()).collect();
    let count = |requests, duration_ns, failed| RequestCount { requests, duration_ns, failed, cumulative: true, callee: None };
    assert_eq!(counts, [count(90, 4_500_000_000, false), count(10, 2_000_000_000, true)]);
    assert_ne!(batch.points[0].series, batch.points[1].series);
}

#[test]
fn spans_of_the_other_side_and_other_durations_count_no_requests() {
    let of = |name: &str, kind: &str| {
        let point =
            json!({ "timeUnixNano": "1795442531000000000", "count": "5", "sum": 1.0, "attributes": [attribute("span.kind", kind)] });
        let histogram = json!({ "aggregationTemporality": 1, "dataPoints": [point] });
        let batch = decode_json(Source::Metrics, &metric("cart", json!({ "name": name, "unit": "s", "histogram": histogram })));
        assert_eq!(batch.points.len(), 1, "it is a point all the same");
        batch.points[0].requests.is_some()
    };
    assert!(of("traces.span.metrics.duration", "SPAN_KIND_SERVER"));
    assert!(!of("traces.span.metrics.duration", "SPAN_KIND_CLIENT"));
    assert!(!of("db.client.operation.duration", "SPAN_KIND_SERVER"));
}

#[test]
fn calls_that_a_service_graph_counts_are_the_callers() {
    let point = json!({
        "timeUnixNano": "1795442531000000000",
        "asInt": "7",
        "attributes": [attribute("client", "web"), attribute("server", "cart")],
    });
    let sum = json!({ "aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point] });
    let batch = decode_json(Source::Metrics, &metric("collector", json!({ "name": "traces_service_graph_request_total", "sum": sum })));
    let point = &batch.points[0];
    let count = point.requests.as_deref().copied().unwrap();
    assert_eq!((text(&batch, point.entity.service), count.requests, count.failed, count.cumulative), ("web", 7, false, false));
    let callee = count.callee.unwrap();
    assert_eq!((text(&batch, callee.service), text(&batch, callee.environment)), ("cart", "prod"));
}
