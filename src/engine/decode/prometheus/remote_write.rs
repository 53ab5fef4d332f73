//! Prometheus remote write 1.0: a `WriteRequest` in protobuf, in one snappy block as it is sent, or as it is.
//! Field numbers are those of prometheus/prompb. Each sample is an item; a series without one takes a number too, as a bad item.

use super::{mean_point, point, snappy};
use crate::engine::decode::labels::Labels;
use crate::engine::decode::otlp::facts::utf8;
use crate::engine::decode::otlp::wire::{Broken, Fields, Wire};
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::Timestamp;
use crate::model::dead_letter::RejectionClass;
use crate::model::observation::MetricPoint;

/// First bytes of a request: series, metadata, and of remote write 2.0 its symbols.
const BEGINS: [u8; 3] = [0x0a, 0x1a, 0x22];
const NANOS_PER_MILLI: i64 = 1_000_000;

/// True for a snappy block that holds what may be a request.
pub(in crate::engine::decode) fn is_compressed_write_request(value: &[u8]) -> bool {
    snappy::is_block(value, &BEGINS)
}

/// True for a request that is not compressed: its blocks of field 1 have labels and, as field 2, samples, where OTLP has blocks of
/// metrics. All fields of those are messages or texts; a sample begins with a number. OTLP has no field 4, the native histograms.
pub(in crate::engine::decode) fn is_write_request(value: &[u8]) -> bool {
    let mut blocks = Fields::new(value);
    while let Ok(Some((1, Wire::Bytes(series)))) = blocks.next() {
        let mut fields = Fields::new(series);
        while let Ok(Some((number, wire))) = fields.next() {
            match (number, wire) {
                (2, Wire::Bytes(sample)) => {
                    return matches!(Fields::new(sample).next(), Ok(Some((1, Wire::Fixed64(_)) | (2, Wire::Varint(_)))));
                }
                (4, Wire::Bytes(_)) => return true,
                _ => {}
            }
        }
    }
    false
}

pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    if !is_compressed_write_request(value) && is_write_request(value) {
        return request(value, sink);
    }
    let length = snap::raw::decompress_len(value).map_err(|error| not_snappy(&error))?;
    let limit = sink.options.max_record_bytes as usize;
    if length > limit {
        let reason = format!("{length} bytes once decompressed, more than max_record_bytes = {limit}");
        return Err(Refusal::of(RejectionClass::TooLarge, reason));
    }
    let value = snap::raw::Decoder::new().decompress_vec(value).map_err(|error| not_snappy(&error))?;
    request(&value, sink).map_err(|refusal| refusal.placed_in(&value))
}

fn not_snappy(error: &snap::Error) -> Refusal {
    Refusal::malformed(format!("no remote write: neither a snappy block ({error}) nor a bare WriteRequest"))
}

fn request(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let mut metadata = 0_u32;
    let mut fields = Fields::new(value);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => series(wire.bytes("timeseries")?, sink),
            3 => metadata += 1,
            4 | 5 => {
                return Err(Refusal::unknown("a request of Prometheus remote write 2.0: set protobuf_message to prometheus.WriteRequest"));
            }
            _ => {}
        }
    }
    if sink.items() == 0 && metadata > 0 {
        return Err(Refusal::no_items(format!("metadata of {metadata} metrics without a sample")));
    }
    Ok(())
}

/// Books the samples of one series; broken, it is one bad item.
fn series(message: &[u8], sink: &mut RecordSink<'_>) {
    let before = sink.items();
    if let Err(refusal) = samples(message, sink) {
        sink.refuse_item(refusal);
    } else if sink.items() == before {
        sink.refuse_item(Refusal::field("a series without a sample"));
    }
}

fn samples(message: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let mut name: &[u8] = &[];
    let mut labels = Labels::asking(sink.service_attributes());
    let mut values = Vec::new();
    let mut exemplar = None;
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => match label(wire.bytes("labels")?)? {
                (b"__name__", value) => name = value,
                (key, value) => labels.label(key, value),
            },
            2 => values.push(Value::sample(wire.bytes("samples")?)?),
            3 => exemplar = Some(Value::exemplar(wire.bytes("exemplars")?)?),
            4 => values.push(Value::histogram(wire.bytes("histograms")?)?),
            _ => {}
        }
    }
    if values.is_empty() {
        // Prometheus sends exemplars as series of their own: examples of what others measured.
        values.extend(exemplar);
    }
    let name = match utf8(name, "__name__") {
        Ok("") => Err(Refusal::field("a series without the label __name__")),
        name => name,
    };
    for value in values {
        match name.clone().and_then(|name| value.point(name, &labels, sink)) {
            Ok(point) => sink.point(point),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn label(message: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => name = wire.bytes("a label's name")?,
            2 => value = wire.bytes("a label's value")?,
            _ => {}
        }
    }
    Ok((name, value))
}

#[derive(Clone, Copy, Debug)]
enum Measured {
    Number(f64),
    Distribution { count: f64, sum: f64 },
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    measured: Measured,
    /// Milliseconds since the epoch.
    at_ms: i64,
}

impl Value {
    fn sample(message: &[u8]) -> Result<Self, Broken> {
        let (mut value, mut at_ms) = (0.0, 0);
        let mut fields = Fields::new(message);
        while let Some((number, wire)) = fields.next()? {
            match number {
                1 => value = f64::from_bits(wire.fixed64("a sample's value")?),
                2 => at_ms = wire.varint("a sample's timestamp")? as i64,
                _ => {}
            }
        }
        Ok(Self { measured: Measured::Number(value), at_ms })
    }

    fn exemplar(message: &[u8]) -> Result<Self, Broken> {
        let mut at_ms = 0;
        let mut fields = Fields::new(message);
        while let Some((number, wire)) = fields.next()? {
            if number == 3 {
                at_ms = wire.varint("an exemplar's timestamp")? as i64;
            }
        }
        Ok(Self { measured: Measured::Nothing, at_ms })
    }

    fn histogram(message: &[u8]) -> Result<Self, Broken> {
        let (mut count, mut sum, mut at_ms) = (0.0, 0.0, 0);
        let mut fields = Fields::new(message);
        while let Some((number, wire)) = fields.next()? {
            match number {
                1 => count = wire.varint("a histogram's count_int")? as f64,
                2 => count = f64::from_bits(wire.fixed64("a histogram's count_float")?),
                3 => sum = f64::from_bits(wire.fixed64("a histogram's sum")?),
                15 => at_ms = wire.varint("a histogram's timestamp")? as i64,
                _ => {}
            }
        }
        Ok(Self { measured: Measured::Distribution { count, sum }, at_ms })
    }

    fn point(self, name: &str, labels: &Labels<'_>, sink: &mut RecordSink<'_>) -> Result<MetricPoint, Refusal> {
        let nanos = self.at_ms.checked_mul(NANOS_PER_MILLI).filter(|nanos| *nanos > 0);
        let at = nanos
            .map(Timestamp::from_nanos)
            .ok_or_else(|| Refusal::field(format!("timestamp {} ms is missing or impossible", self.at_ms)))?;
        match self.measured {
            Measured::Number(value) => point(name, labels, value, at, sink),
            Measured::Distribution { count, sum } => mean_point(name, labels, count, sum, at, sink),
            Measured::Nothing => Ok(super::bare_point(name, "", labels, at, sink)),
        }
    }
}
