//! OTLP protobuf: metrics.

use super::facts::Resource;
use super::metric::{Metric, PointFacts, is_cumulative, sum_kind, without_data};
use super::proto::attribute;
use super::wire::{Broken, Fields, Wire};
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::observation::{MetricPoint, PointKind};

/// One metric with its points.
pub(super) fn scope_metrics(message: &[u8], resource: &Resource<'_>, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let (mut name, mut unit): (&[u8], &[u8]) = (&[], &[]);
    let mut data = None;
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => name = wire.bytes("name")?,
            3 => unit = wire.bytes("unit")?,
            5 | 7 | 9 | 10 | 11 => data = Some((number, wire.bytes("a metric's data")?)),
            _ => {}
        }
    }
    let before = sink.items();
    if let Some((number, data)) = data {
        let metric = Metric::new(name, unit, resource, sink);
        points(number, data, metric.as_ref(), sink)?;
    }
    if sink.items() == before {
        sink.refuse_item(without_data(name));
    }
    Ok(())
}

fn points(number: u32, data: &[u8], metric: Result<&Metric<'_>, &Refusal>, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let (temporality, monotonic) = if matches!(number, 7 | 9 | 10) { aggregation(data)? } else { (0, false) };
    let kind = if number == 7 { sum_kind(temporality, monotonic) } else { PointKind::Gauge };
    let mut fields = Fields::new(data);
    while let Some((at, wire)) = fields.next()? {
        if at != 1 {
            continue;
        }
        let mut facts = PointFacts::default();
        let point = wire.bytes("data_points")?;
        match number {
            5 | 7 => number_point(point, &mut facts)?,
            9 => distribution_point(point, 9, 10, &mut facts)?,
            10 => distribution_point(point, 1, 10, &mut facts)?,
            _ => distribution_point(point, 7, 8, &mut facts)?,
        }
        let point = match metric {
            Err(refusal) => Err(refusal.clone()),
            Ok(metric) if matches!(number, 5 | 7) => facts.number(metric, kind, sink),
            Ok(metric) => facts.mean(metric, is_cumulative(temporality), sink),
        };
        book(point, sink);
    }
    Ok(())
}

pub(super) fn book(point: Result<MetricPoint, Refusal>, sink: &mut RecordSink<'_>) {
    match point {
        Ok(point) => sink.point(point),
        Err(refusal) => sink.refuse_item(refusal),
    }
}

/// Temporality, and whether a sum only rises; a distribution has no third field that is a number.
fn aggregation(data: &[u8]) -> Result<(i64, bool), Broken> {
    let (mut temporality, mut monotonic) = (0, false);
    let mut fields = Fields::new(data);
    while let Some((number, wire)) = fields.next()? {
        match number {
            2 => temporality = wire.varint("aggregation_temporality")? as i64,
            3 => monotonic = wire.varint("is_monotonic")? != 0,
            _ => {}
        }
    }
    Ok((temporality, monotonic))
}

fn number_point<'a>(message: &'a [u8], facts: &mut PointFacts<'a>) -> Result<(), Broken> {
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            3 => facts.time_ns = wire.fixed64("time_unix_nano")?,
            4 => facts.value = Some(f64::from_bits(wire.fixed64("as_double")?)),
            6 => facts.value = Some(wire.fixed64("as_int")? as i64 as f64),
            7 => {
                let (key, value) = attribute(wire.bytes("attributes")?)?;
                facts.attribute(key, value);
            }
            8 => facts.flags = wire.varint("flags")?,
            _ => {}
        }
    }
    Ok(())
}

/// A histogram's, exponential histogram's or summary's point: they differ in where attributes and flags stand.
fn distribution_point<'a>(message: &'a [u8], attributes: u32, flags: u32, facts: &mut PointFacts<'a>) -> Result<(), Broken> {
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (3, wire) => facts.time_ns = wire.fixed64("time_unix_nano")?,
            (4, wire) => facts.count = wire.fixed64("count")?,
            (5, wire) => facts.sum = Some(f64::from_bits(wire.fixed64("sum")?)),
            (number, Wire::Bytes(pair)) if number == attributes => {
                let (key, value) = attribute(pair)?;
                facts.attribute(key, value);
            }
            (number, Wire::Varint(value)) if number == flags => facts.flags = value,
            _ => {}
        }
    }
    Ok(())
}
