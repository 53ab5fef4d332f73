//! Samples of Prometheus: remote write 1.0, and the JSON of prometheus-kafka-adapter.
//!
//! A sample says nothing of its kind, its name does: `_total`, `_sum` and `_count` are totals since some start, `_bucket` (with a
//! label `le`) repeats in parts what `_sum` and `_count` say and is counted, not judged; the rest are levels. A `_count` and a
//! `_sum` of request durations are two series that say requests and nanoseconds of the same service.
//!
//! A staleness marker and a quantile of an empty interval (NaN) measured nothing, and so did every NaN of the JSON, which may be such a
//! marker; any other NaN and infinity is a bad item.

mod json;
mod remote_write;
mod snappy;

pub(super) use json::time as json_time;
pub(super) use remote_write::{is_compressed_write_request, is_write_request};

use super::json_logs::limited;
use super::labels::Labels;
use super::otlp::requests::Role;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::observation::{MetricPoint, PointKind};
use crate::model::{Symbol, Timestamp};

/// Of prometheus-kafka-adapter.
pub(super) const JSON: Format =
    &WireFormat { name: "prometheus_json", header: None, sign: Sign::Tree, reader: Reader::Bytes(json::decode) };
/// Version 1.0.
pub(super) const REMOTE_WRITE: Format =
    &WireFormat { name: "prometheus_remote_write", header: None, sign: Sign::Tree, reader: Reader::Bytes(remote_write::decode) };

/// Prometheus's staleness marker: a NaN of exactly these bits.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// What part of its family a series is, as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A level.
    Level,
    Total,
    /// Observations of a histogram or summary.
    Count,
    /// Their values together.
    Sum,
    Bucket,
}

impl Part {
    /// The part, and the family's name without it.
    fn of<'n>(name: &'n str, labels: &Labels<'_>) -> (Self, &'n str) {
        if let Some(family) = name.strip_suffix("_bucket").filter(|_| labels.is_bucket) {
            (Self::Bucket, family)
        } else if let Some(family) = name.strip_suffix("_count") {
            (Self::Count, family)
        } else if let Some(family) = name.strip_suffix("_sum") {
            (Self::Sum, family)
        } else if let Some(family) = name.strip_suffix("_total") {
            (Self::Total, family)
        } else {
            (Self::Level, name)
        }
    }

    const fn kind(self) -> PointKind {
        match self {
            Self::Level => PointKind::Gauge,
            Self::Total | Self::Count | Self::Sum => PointKind::CumulativeSum,
            Self::Bucket => PointKind::Empty,
        }
    }
}

/// One sample of a series.
pub(super) fn point(
    name: &str,
    labels: &Labels<'_>,
    value: f64,
    timestamp: Timestamp,
    sink: &mut RecordSink<'_>,
) -> Result<MetricPoint, Refusal> {
    let (part, family) = Part::of(name, labels);
    let measured_nothing = value.to_bits() == STALE || (value.is_nan() && labels.is_quantile);
    let kind = if measured_nothing { PointKind::Empty } else { part.kind() };
    let unit = if part == Part::Count { "" } else { unit(family) };
    let mut point = bare_point(name, unit, labels, timestamp, sink);
    point.kind = kind;
    if kind == PointKind::Empty {
        return Ok(point);
    }
    point.value = finite(name, value)?;
    // Counts are not negative; the casts cut what is.
    point.requests = match part {
        Part::Count => labels.requests.requests(Role::of(family, ""), value.round() as u64, 0.0, true),
        Part::Sum => labels.requests.requests(Role::of(family, ""), 0, value, true),
        Part::Total => {
            let calls = labels.requests.calls(Role::of(name, ""), value, true, point.entity, sink);
            calls.map(|(client, count)| {
                point.entity = client;
                count
            })
        }
        Part::Level | Part::Bucket => None,
    };
    Ok(point)
}

/// A native histogram, or any distribution told as a whole: the mean of what it counted since its start.
fn mean_point(
    name: &str,
    labels: &Labels<'_>,
    count: f64,
    sum: f64,
    timestamp: Timestamp,
    sink: &mut RecordSink<'_>,
) -> Result<MetricPoint, Refusal> {
    let mut point = bare_point(name, unit(name), labels, timestamp, sink);
    if sum.to_bits() == STALE || count == 0.0 {
        return Ok(point);
    }
    point.kind = PointKind::HistogramMean;
    point.value = finite(name, sum / count)?;
    point.requests = labels.requests.requests(Role::of(name, ""), count.round() as u64, sum, true);
    Ok(point)
}

/// A point of a series, so far empty.
pub(super) fn bare_point(name: &str, unit: &str, labels: &Labels<'_>, timestamp: Timestamp, sink: &mut RecordSink<'_>) -> MetricPoint {
    let origin = labels.origin(name.starts_with("container_") || name.starts_with("kube_"), sink);
    MetricPoint {
        record: 0,
        item: 0,
        timestamp,
        entity: origin.entity,
        host: origin.host,
        metric: sink.symbols.define(limited(name)),
        unit: if unit.is_empty() { Symbol::NONE } else { sink.symbols.define(unit) },
        series: origin.series,
        kind: PointKind::Empty,
        value: 0.0,
        requests: None,
    }
}

pub(super) fn finite(name: &str, value: f64) -> Result<f64, Refusal> {
    if value.is_finite() { Ok(value) } else { Err(Refusal::field(format!("value of {:?} is {value}: no finite number", limited(name)))) }
}

/// Unit (UCUM) that a family's name ends with, by Prometheus's convention.
fn unit(family: &str) -> &'static str {
    const UNITS: [(&str, &str); 6] =
        [("_milliseconds", "ms"), ("_seconds", "s"), ("_bytes", "By"), ("_ratio", "1"), ("_celsius", "Cel"), ("_percent", "%")];
    UNITS.iter().find(|(ending, _)| family.ends_with(ending)).map_or("", |(_, unit)| unit)
}
