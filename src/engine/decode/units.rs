//! Times in a wrong unit: implausible as they are read, plausible in another.

use crate::model::Timestamp;
use crate::model::observation::WrongUnit;

/// Before this, three years after the epoch, lies no telemetry, but what was written in too large a unit.
const IMPLAUSIBLE: Timestamp = Timestamp::from_seconds(3 * 31_536_000);
/// A time is plausible within this of its record's Kafka time, seconds: a month.
const NEAR_S: f64 = 30.0 * 86_400.0;

/// How many times too small or too large a number is, in words of what is meant by it.
const SMALLER: [(i64, &str); 3] = [
    (1_000, "a thousand times too small"),
    (1_000_000, "a million times too small"),
    (1_000_000_000, "a thousand million times too small"),
];
const LARGER: [(i64, &str); 2] = [(1_000, "a thousand times too large"), (1_000_000, "a million times too large")];

/// True of times worth a second look; cheap.
pub(super) fn is_suspect(time: Timestamp) -> bool {
    time < IMPLAUSIBLE
}

/// What is wrong with the unit of an implausible time; `None` where no unit makes it plausible.
pub(super) fn judge(time: Timestamp, kafka_time: Timestamp) -> Option<&'static str> {
    let is_near = |nanos: Option<i64>| nanos.is_some_and(|nanos| Timestamp::from_nanos(nanos).seconds_since(kafka_time).abs() < NEAR_S);
    if is_near(Some(time.nanos())) {
        return None;
    }
    let smaller = SMALLER.iter().find(|(factor, _)| is_near(time.nanos().checked_mul(*factor)));
    let larger = || LARGER.iter().find(|(factor, _)| is_near(time.nanos().checked_div(*factor)));
    smaller.or_else(larger).map(|(_, words)| *words)
}

/// The field that holds an item's time in a format with a unit of its own.
pub(super) fn field_of(format: &str) -> &'static str {
    match format {
        "otlp_proto" | "otlp_json" => "timeUnixNano (startTimeUnixNano, endTimeUnixNano), nanoseconds",
        "jaeger_json" => "startTime and duration, microseconds",
        "zipkin_json" => "timestamp and duration, microseconds",
        "prometheus_remote_write" => "timestamp, milliseconds",
        _ => "its time",
    }
}

/// Adds a finding to those of a batch.
pub(super) fn add(all: &mut Vec<WrongUnit>, format: &'static str, wrong: &'static str, items: u64) {
    match all.iter_mut().find(|known| (known.format, known.wrong) == (format, wrong)) {
        Some(known) => known.items += items,
        None => all.push(WrongUnit { format, field: field_of(format), wrong, items }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_another_unit_is_known_by_the_records_own() {
        let now = Timestamp::from_seconds(1_795_442_530);
        let read_as_nanos = |number: i64| Timestamp::from_nanos(number);
        assert_eq!(judge(read_as_nanos(1_795_442_530_000), now), Some("a million times too small"));
        assert_eq!(judge(read_as_nanos(1_795_442_530), now), Some("a thousand million times too small"));
        assert_eq!(judge(read_as_nanos(1_795_442_530_000_000), now), Some("a thousand times too small"));
        assert_eq!(judge(now, now), None);
        assert_eq!(judge(Timestamp::from_seconds(86_400), now), None, "a time of 1970 that is no other in any unit");
        assert!(is_suspect(read_as_nanos(1_795_442_530_000)) && !is_suspect(now));
    }
}
