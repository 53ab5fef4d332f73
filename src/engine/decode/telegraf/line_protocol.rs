//! Records of Influx line protocol, one metric a line.
//!
//! Timestamps are nanoseconds unless the output is told otherwise; what would lie in 1970 as nanoseconds is taken as microseconds,
//! milliseconds or seconds, by its magnitude. A line without one happened at the record's Kafka time.

use super::line::{Line, Lines};
use super::{FieldValue, Metric};
use crate::engine::decode::instant;
use crate::engine::decode::sink::{RecordSink, Refusal};
use crate::model::Timestamp;

/// Lines looked at to know the format: one that can be read is enough.
const LOOKED_AT: usize = 8;

pub(in crate::engine::decode) fn decode(value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let mut lines = Lines::new(value);
    while let Some(line) = lines.next() {
        match line {
            Ok(line) => book(line, sink),
            Err(broken) => sink.refuse_item(Refusal::malformed(format!("no line protocol: {} at byte {}", broken.reason, broken.at))),
        }
    }
    Ok(())
}

fn book(line: Line<'_>, sink: &mut RecordSink<'_>) {
    match time(&line, sink) {
        Ok(timestamp) => {
            let Line { measurement, tags, fields, .. } = line;
            Metric { measurement, tags: &tags, fields, timestamp }.book(sink);
        }
        Err(refusal) => line.fields.iter().for_each(|_| sink.refuse_item(refusal.clone())),
    }
}

fn time(line: &Line<'_>, sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
    match &line.timestamp {
        None => sink.kafka_time.ok_or_else(|| Refusal::field("no timestamp, nor a Kafka timestamp")),
        Some(Ok(value)) => instant::of_integer(*value).ok_or_else(|| Refusal::field(format!("timestamp {value} is no time after 1970"))),
        Some(Err(text)) => Err(Refusal::field(format!("timestamp {text:?} is no whole number"))),
    }
}

/// True when one of the first lines is a metric all of whose values can be read. A measurement with `=` in it is rather a log line
/// of `key=value` pairs.
pub(in crate::engine::decode) fn is_line_protocol(value: &[u8]) -> bool {
    let mut lines = Lines::new(value);
    std::iter::from_fn(|| lines.next())
        .take(LOOKED_AT)
        .flatten()
        .any(|line| !line.measurement.contains('=') && !line.fields.iter().any(|(_, value)| matches!(value, FieldValue::Bad(_))))
}
