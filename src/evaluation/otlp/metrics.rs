//! Scrapes → `ExportMetricsServiceRequest`.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};

use super::{record, resource, unsigned};
use crate::evaluation::feed::{FeedRecord, METRICS_TOPIC};
use crate::evaluation::pack::MetricRow;
use crate::model::Source;

/// One record a scrape; every value is a gauge under its column's name and unit. Blank cells are no points.
pub fn metrics<'a>(rows: impl IntoIterator<Item = &'a MetricRow>, environment: &str) -> Vec<FeedRecord> {
    rows.into_iter().filter_map(|row| scrape(row, environment)).collect()
}

fn scrape(row: &MetricRow, environment: &str) -> Option<FeedRecord> {
    let metrics: Vec<Metric> = row
        .columns
        .iter()
        .zip(&row.values)
        .filter_map(|(column, value)| {
            let point = NumberDataPoint {
                time_unix_nano: unsigned(row.time_ns),
                value: Some(number_data_point::Value::AsDouble((*value)?)),
                ..NumberDataPoint::default()
            };
            Some(Metric {
                name: column.name.clone(),
                unit: column.unit.clone(),
                data: Some(metric::Data::Gauge(Gauge { data_points: vec![point] })),
                ..Metric::default()
            })
        })
        .collect();
    if metrics.is_empty() {
        return None;
    }
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource(&row.pod, environment)), scope_metrics, ..ResourceMetrics::default() }];
    Some(record(METRICS_TOPIC, Source::Metrics, &row.pod, row.time_ns, &ExportMetricsServiceRequest { resource_metrics }))
}
