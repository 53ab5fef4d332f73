//! Series of one metric each, with the stretches in which something is wrong: made ones, and those of the Numenta Anomaly Benchmark.
//!
//! Each series goes through the pipeline as the gauge of a service of its own. Judged is what is said of it, point by point.

pub mod report;
pub mod score;
pub mod suite;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point};
use prost::Message as _;

use super::feed::{FeedRecord, METRICS_TOPIC};
use super::otlp;
use super::pack::Pod;
use crate::model::{Bucket, Source, Timestamp};

/// Name of the metric whatever a series measures: a name must tell nothing.
pub const METRIC: &str = "value";
/// Points after an alarm in which there is no other.
pub const REST_POINTS: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeries {
    pub name: String,
    pub family: String,
    pub points: Vec<(Timestamp, f64)>,
    /// First and last point of each window, in order.
    pub windows: Vec<(usize, usize)>,
    /// Kind of each anomaly in the same order, where it is known.
    pub kinds: Vec<&'static str>,
}

impl MetricSeries {
    /// Name of its service.
    pub fn service(&self) -> String {
        self.name.replace('/', ".")
    }

    /// Its last point at the close of `bucket`.
    pub fn point_at(&self, bucket: Bucket) -> Option<usize> {
        self.points.partition_point(|(at, _)| *at < bucket.end()).checked_sub(1)
    }
}

/// What was said of a series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Of each point: the largest surprise of the metric's profile, 0 where there was no signal.
    pub grades: Vec<f64>,
    /// Points at which an event was stored.
    pub events: Vec<usize>,
    /// Points at which an investigation was opened.
    pub openings: Vec<usize>,
}

impl Said {
    /// Points at which an alarm begins when a surprise of `threshold` is one.
    pub fn alarms(&self, threshold: f64) -> Vec<usize> {
        let over = self.grades.iter().enumerate().filter(|(_, grade)| **grade >= threshold);
        rested(&over.map(|(point, _)| point).collect::<Vec<_>>())
    }
}

/// Of points in order, those that are news: not within [`REST_POINTS`] of the last one that was.
pub fn rested(points: &[usize]) -> Vec<usize> {
    let mut news: Vec<usize> = Vec::new();
    for point in points {
        if news.last().is_none_or(|last| point - last > REST_POINTS) {
            news.push(*point);
        }
    }
    news
}

/// All series as OTLP, one record a point, in order of time.
pub fn records(series: &[&MetricSeries], environment: &str) -> Vec<FeedRecord> {
    let mut records: Vec<FeedRecord> = series.iter().flat_map(|series| records_of(series, environment)).collect();
    records.sort_by_key(|record| record.timestamp);
    records
}

fn records_of(series: &MetricSeries, environment: &str) -> impl Iterator<Item = FeedRecord> {
    let pod = Pod { name: series.service().into(), service: series.service().into() };
    series.points.iter().map(move |(at, value)| {
        let point = NumberDataPoint {
            time_unix_nano: otlp::unsigned(at.nanos()),
            value: Some(number_data_point::Value::AsDouble(*value)),
            ..NumberDataPoint::default()
        };
        let data = Some(metric::Data::Gauge(Gauge { data_points: vec![point] }));
        let scope_metrics =
            vec![ScopeMetrics { metrics: vec![Metric { name: METRIC.to_owned(), data, ..Metric::default() }], ..ScopeMetrics::default() }];
        let resource_metrics =
            vec![ResourceMetrics { resource: Some(otlp::resource(&pod, environment)), scope_metrics, ..ResourceMetrics::default() }];
        FeedRecord {
            topic: METRICS_TOPIC,
            source: Source::Metrics,
            key: Some(pod.name.as_bytes().to_vec()),
            value: ExportMetricsServiceRequest { resource_metrics }.encode_to_vec(),
            headers: Vec::new(),
            timestamp: *at,
        }
    })
}
