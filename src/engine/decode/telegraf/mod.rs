//! Telegraf's metrics: Influx line protocol and JSON. Each field of a metric is a point, named `measurement_field` as Telegraf's
//! own Prometheus output names it; a boolean is 1 or 0; a text measures nothing and is a bad item.
//!
//! Neither spelling says what is a running total: the totals of Telegraf's usual inputs are known by name. Fields of Telegraf's
//! Prometheus input go by Prometheus's names.

mod json;
mod line;
mod line_protocol;

pub(super) use line_protocol::is_line_protocol;

use std::borrow::Cow;

use super::json_logs::limited;
use super::labels::Labels;
use super::prometheus;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::Timestamp;
use crate::model::observation::{MetricPoint, PointKind};

/// Influx line protocol, as Telegraf writes it.
pub(super) const LINE: Format =
    &WireFormat { name: "influx_line", header: None, sign: Sign::Tree, reader: Reader::Bytes(line_protocol::decode) };
pub(super) const JSON: Format = &WireFormat { name: "telegraf_json", header: None, sign: Sign::Tree, reader: Reader::Bytes(json::decode) };

/// Fields of Telegraf's inputs that are totals since some start; a `*` stands for any ending.
const TOTALS: [(&str, &[&str]); 9] = [
    ("cpu", &["time_*"]),
    ("diskio", &["reads", "writes", "read_bytes", "write_bytes", "read_time", "write_time", "io_time", "weighted_io_time", "merged_*"]),
    ("docker_container_blkio", &["io_*"]),
    ("docker_container_cpu", &["usage_total", "usage_in_*", "usage_system", "throttling_*"]),
    ("docker_container_net", &["rx_*", "tx_*"]),
    ("kernel", &["context_switches", "interrupts", "processes_forked"]),
    ("net", &["bytes_*", "packets_*", "err_*", "drop_*"]),
    ("swap", &["in", "out"]),
    ("system", &["uptime"]),
];

/// What a field says.
#[derive(Clone, Debug, PartialEq)]
enum FieldValue {
    Number(f64),
    /// Neither number nor boolean: what it is.
    Other(&'static str),
    /// Broken: the reason.
    Bad(String),
}

/// One metric as either spelling gives it.
struct Metric<'a> {
    measurement: Cow<'a, str>,
    tags: &'a [(Cow<'a, str>, Cow<'a, str>)],
    fields: Vec<(Cow<'a, str>, FieldValue)>,
    timestamp: Timestamp,
}

impl Metric<'_> {
    /// Books each field as an item.
    fn book(&self, sink: &mut RecordSink<'_>) {
        let mut labels = Labels::asking(sink.service_attributes());
        for (key, value) in self.tags {
            labels.label(key.as_bytes(), value.as_bytes());
        }
        let spread = Spread::of(&self.fields);
        for (key, value) in &self.fields {
            match self.point(key, value, &labels, spread, sink) {
                Ok(point) => sink.point(point),
                Err(refusal) => sink.refuse_item(refusal),
            }
        }
    }

    fn point(
        &self,
        key: &str,
        value: &FieldValue,
        labels: &Labels<'_>,
        spread: Spread,
        sink: &mut RecordSink<'_>,
    ) -> Result<MetricPoint, Refusal> {
        let measurement = self.measurement.as_ref();
        let name = || format!("{:?} of {:?}", limited(key), limited(measurement));
        let value = match value {
            FieldValue::Number(value) => *value,
            // The default configuration writes it beside `uptime`, in words.
            FieldValue::Other(_) if (measurement, key) == ("system", "uptime_format") => {
                return Ok(prometheus::bare_point("system_uptime_format", "", labels, self.timestamp, sink));
            }
            FieldValue::Other(kind) => {
                return Err(Refusal::field(format!("field {} is {kind}: only numbers and booleans measure", name())));
            }
            FieldValue::Bad(reason) => return Err(Refusal::field(format!("field {}: {reason}", name()))),
        };
        match (measurement, key) {
            // Metric version 2 of the Prometheus input, and of remote write.
            ("prometheus" | "prometheus_remote_write", name) => return prometheus::point(name, labels, value, self.timestamp, sink),
            // Version 1.
            (name, "counter") => return self.number(name, PointKind::CumulativeSum, value, labels, sink),
            (name, "gauge" | "value") => return self.number(name, PointKind::Gauge, value, labels, sink),
            (name, "sum" | "count") if spread != Spread::None => {
                return prometheus::point(&format!("{name}_{key}"), labels, value, self.timestamp, sink);
            }
            (name, bound) if spread != Spread::None && bound.parse::<f64>().is_ok() => {
                let mut labels = *labels;
                let label: &[u8] = if spread == Spread::Histogram { b"le" } else { b"quantile" };
                labels.label(label, bound.as_bytes());
                let kind = if spread == Spread::Histogram { PointKind::Empty } else { PointKind::Gauge };
                return self.number(name, kind, value, &labels, sink);
            }
            _ => {}
        }
        let kind = if is_total(measurement, key) { PointKind::CumulativeSum } else { PointKind::Gauge };
        self.number(&format!("{measurement}_{key}"), kind, value, labels, sink)
    }

    fn number(
        &self,
        name: &str,
        kind: PointKind,
        value: f64,
        labels: &Labels<'_>,
        sink: &mut RecordSink<'_>,
    ) -> Result<MetricPoint, Refusal> {
        let value = if kind == PointKind::Empty { 0.0 } else { prometheus::finite(name, value)? };
        Ok(MetricPoint { kind, value, ..prometheus::bare_point(name, "", labels, self.timestamp, sink) })
    }
}

/// Whether fields named by numbers are bounds of a histogram's buckets or a summary's quantiles: version 1 of the Prometheus input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    None,
    Histogram,
    Summary,
}

impl Spread {
    fn of(fields: &[(Cow<'_, str>, FieldValue)]) -> Self {
        let has = |name: &str| fields.iter().any(|(key, _)| key == name);
        if !has("sum") || !has("count") {
            Self::None
        } else if has("+Inf") {
            Self::Histogram
        } else if fields.iter().any(|(key, _)| key.parse::<f64>().is_ok()) {
            Self::Summary
        } else {
            Self::None
        }
    }
}

fn is_total(measurement: &str, key: &str) -> bool {
    let matches = |pattern: &&str| pattern.strip_suffix('*').map_or(*pattern == key, |front| key.starts_with(front));
    TOTALS.iter().any(|(name, patterns)| *name == measurement && patterns.iter().any(matches))
}
