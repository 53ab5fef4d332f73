//! What a metric's points say → [`MetricPoint`]s.

use super::facts::{Resource, Scalar, SeriesHash, define, utf8};
use super::requests::{RequestFacts, Role};
use crate::engine::decode::instant;
use crate::engine::decode::json_logs::limited;
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::Symbol;
use crate::model::observation::{MetricPoint, PointKind};

/// A point of this flag says that its series ended or was not measured.
const NO_RECORDED_VALUE: u64 = 1;
/// `AGGREGATION_TEMPORALITY_DELTA`.
const DELTA: i64 = 1;

/// A metric's name and unit, and where its points come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric<'r> {
    pub(super) resource: &'r Resource<'r>,
    name: Symbol,
    unit: Symbol,
    role: Role,
}

impl<'r> Metric<'r> {
    pub(super) fn new(name: &[u8], unit: &[u8], resource: &'r Resource<'r>, sink: &mut RecordSink<'_>) -> Result<Self, Refusal> {
        if name.is_empty() {
            return Err(Refusal::field("a metric without a name"));
        }
        let name = utf8(name, "a metric's name")?;
        let role = Role::of(name, std::str::from_utf8(unit).unwrap_or_default());
        let name = sink.symbols.define(limited(name));
        Ok(Self { resource, name, unit: define((!unit.is_empty()).then_some(unit), sink), role })
    }
}

/// How a sum is to be judged: a running total by its rate; one that may fall (a queue's length) by its level.
pub(super) fn sum_kind(temporality: i64, monotonic: bool) -> PointKind {
    match (temporality, monotonic) {
        (DELTA, _) => PointKind::DeltaSum,
        (_, true) => PointKind::CumulativeSum,
        (_, false) => PointKind::Gauge,
    }
}

/// True when a distribution's points hold all since some start.
pub(super) const fn is_cumulative(temporality: i64) -> bool {
    temporality != DELTA
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PointFacts<'a> {
    pub(super) time_ns: u64,
    pub(super) flags: u64,
    pub(super) series: SeriesHash,
    /// Of a number.
    pub(super) value: Option<f64>,
    /// Of a histogram or summary.
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) requests: RequestFacts<'a>,
}

impl<'a> PointFacts<'a> {
    #[inline]
    pub(super) fn attribute(&mut self, key: &[u8], value: Scalar<'a>) {
        self.series.attribute(key, value);
        self.requests.attribute(key, value);
    }

    /// A gauge's or sum's point.
    #[inline]
    pub(super) fn number(&self, metric: &Metric<'_>, kind: PointKind, sink: &mut RecordSink<'_>) -> Result<MetricPoint, Refusal> {
        if self.flags & NO_RECORDED_VALUE != 0 {
            return self.point(metric, PointKind::Empty, 0.0, sink);
        }
        let value = self.value.ok_or_else(|| Refusal::field("a point without a value"))?;
        let mut point = self.point(metric, kind, value, sink)?;
        if let PointKind::DeltaSum | PointKind::CumulativeSum = kind {
            let cumulative = kind == PointKind::CumulativeSum;
            // Told by the collector of two others: it is the caller's.
            if let Some((client, count)) = self.requests.calls(metric.role, value, cumulative, point.entity, sink) {
                (point.entity, point.requests) = (client, Some(count));
            }
        }
        Ok(point)
    }

    /// A histogram's or summary's point: the mean of what it counted.
    pub(super) fn mean(&self, metric: &Metric<'_>, cumulative: bool, sink: &RecordSink<'_>) -> Result<MetricPoint, Refusal> {
        match self.sum {
            Some(sum) if self.count > 0 && self.flags & NO_RECORDED_VALUE == 0 => {
                let point = self.point(metric, PointKind::HistogramMean, sum / self.count as f64, sink)?;
                Ok(MetricPoint { requests: self.requests.requests(metric.role, self.count, sum, cumulative), ..point })
            }
            _ => self.point(metric, PointKind::Empty, 0.0, sink),
        }
    }

    #[inline]
    fn point(&self, metric: &Metric<'_>, kind: PointKind, value: f64, sink: &RecordSink<'_>) -> Result<MetricPoint, Refusal> {
        let timestamp = match self.time_ns {
            0 => sink.kafka_time.ok_or_else(|| Refusal::field("no timeUnixNano, nor a Kafka timestamp"))?,
            nanos => instant::of_unix_nanos(nanos).ok_or_else(|| Refusal::field("timeUnixNano lies after the year 2262"))?,
        };
        if !value.is_finite() {
            return Err(Refusal::field(format!("a value of {value}")));
        }
        let Metric { resource, name, unit, .. } = *metric;
        let series = self.series.of(resource.host);
        Ok(MetricPoint {
            record: 0,
            item: 0,
            timestamp,
            entity: resource.entity,
            host: resource.host,
            metric: name,
            unit,
            series,
            kind,
            value,
            requests: None,
        })
    }
}

/// The reason for a metric that carries no point at all.
pub(super) fn without_data(name: &[u8]) -> Refusal {
    Refusal::field(format!("metric {:?} without data", super::facts::lossy(name, 100)))
}
