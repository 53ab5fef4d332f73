//! What a record seems to be when nobody says its source: it is decoded as each, and the most telling reading is taken.

use super::{DecodeOptions, decode_one};
use crate::model::observation::ObservationBatch;
use crate::model::{Source, Timestamp};

/// A record on its own.
#[derive(Clone, Debug, Default)]
pub struct Sample<'r> {
    pub value: Option<&'r [u8]>,
    pub headers: Vec<(&'r str, Option<&'r [u8]>)>,
    pub kafka_time: Option<Timestamp>,
}

/// The order among readings that are as telling as each other: what anything may be called comes last.
const ORDER: [Source; 6] = [Source::Logs, Source::Metrics, Source::Traces, Source::Manual, Source::Git, Source::Ci];

/// The source whose reading of a record tells most, and that reading. What cannot be read at all counts as logs, which take most.
pub fn guess(options: &DecodeOptions, sample: &Sample<'_>, now: Timestamp) -> (Source, ObservationBatch) {
    let mut best: Option<(u64, Source, ObservationBatch)> = None;
    for source in ORDER {
        let batch = decode_one(options.clone(), source, sample, now);
        let fit = fit(source, &batch, sample.value.unwrap_or_default());
        if best.as_ref().is_none_or(|(most, _, _)| fit > *most) {
            best = Some((fit, source, batch));
        }
    }
    match best {
        Some((_, source, batch)) => (source, batch),
        None => (Source::Logs, decode_one(options.clone(), Source::Logs, sample, now)),
    }
}

/// How telling a reading is: nothing where the record was rejected, more for formats that only few bytes can be.
fn fit(source: Source, batch: &ObservationBatch, value: &[u8]) -> u64 {
    let (Some(counts), Some(format)) = (batch.counts.first(), batch.record_formats.first()) else { return 0 };
    let items = counts.items_decoded + counts.items_rejected;
    if counts.records_decoded == 0 || counts.items_decoded == 0 {
        return 0;
    }
    let own = u64::from(is_own(source, batch));
    (telling(format, value) * 2 + own) * 1_000 * counts.items_decoded / items.max(1)
}

/// Bytes that are one of these may hardly be another; the others take what they are given.
fn telling(format: &str, value: &[u8]) -> u64 {
    match format {
        "text" => 1,
        "logfmt" => 3,
        // `cpu,host=a usage=0.5` and `user=7 usage=0.5` both are lines of Influx; only the first begins as they do.
        "influx_line" if first_word(value).contains(&b'=') => 2,
        "manual" if has_title(value) => 5,
        "manual" => 2,
        "json_logs" | "telegraf_json" | "prometheus_json" | "zipkin_json" | "jaeger_json" => 4,
        "influx_line" | "cloudevents" => 5,
        _ => 6,
    }
}

fn first_word(value: &[u8]) -> &[u8] {
    value.trim_ascii_start().split(|byte| matches!(byte, b',' | b' ')).next().unwrap_or_default()
}

/// Our own event by its own name of its title; a log line has a message.
fn has_title(value: &[u8]) -> bool {
    memchr::memmem::find(value, b"\"title\"").is_some()
}

/// What came out is what this source is for.
fn is_own(source: Source, batch: &ObservationBatch) -> bool {
    match source {
        Source::Logs => !batch.logs.is_empty(),
        Source::Metrics => !batch.points.is_empty(),
        Source::Traces => !batch.spans.is_empty(),
        Source::Git | Source::Ci | Source::Manual => batch.events.iter().any(|event| event.source == source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seems(value: &[u8], headers: &[(&'static str, &'static str)]) -> (Source, &'static str) {
        let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
        let now = Timestamp::from_seconds(1_795_442_530);
        let sample = Sample { value: Some(value), headers, kafka_time: Some(now) };
        let (source, batch) = guess(&DecodeOptions::default(), &sample, now);
        (source, batch.record_formats[0])
    }

    #[test]
    fn a_record_tells_by_itself_what_it_is() {
        let push = br#"{"ref":"refs/heads/main","before":"a","after":"b","repository":{"name":"cart","full_name":"shop/cart"},"commits":[{"id":"0123456789012345678901234567890123456789","message":"x","timestamp":"2026-11-23T14:02:10Z","author":{"name":"a"}}]}"#;
        let cases: [(&[u8], (Source, &str)); 13] = [
            (b"no seats left", (Source::Logs, "text")),
            (br#"{"message":"no seats left","level":"error"}"#, (Source::Logs, "json_logs")),
            (br#"{"version":"1.1","host":"a","short_message":"b"}"#, (Source::Logs, "gelf")),
            (b"level=error msg=\"no seats\" service=seat", (Source::Logs, "logfmt")),
            (b"duration=5 count=7", (Source::Logs, "logfmt")),
            (b"<34>Oct 11 22:14:15 mymachine su: failed", (Source::Logs, "syslog")),
            (b"cpu,host=a usage_idle=98.5 1795442530000000000", (Source::Metrics, "influx_line")),
            (
                br#"{"labels":{"job":"cart"},"name":"up","timestamp":"2026-11-23T14:02:10Z","value":"1"}"#,
                (Source::Metrics, "prometheus_json"),
            ),
            (
                br#"{"labels":{"__name__":"up","job":"cart"},"name":"up","timestamp":"2026-11-23T14:02:10Z","value":"NaN"}"#,
                (Source::Metrics, "prometheus_json"),
            ),
            (
                br#"[{"traceId":"1","id":"2","name":"get","timestamp":1795442530000000,"duration":5,"localEndpoint":{"serviceName":"a"}}]"#,
                (Source::Traces, "zipkin_json"),
            ),
            (br#"{"type":"note","title":"rolled back","message":"why"}"#, (Source::Manual, "manual")),
            (push, (Source::Git, "github")),
            (
                br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795442530000000000","body":{"stringValue":"x"}}]}]}]}"#,
                (Source::Logs, "otlp_json"),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(seems(value, &[]), expected, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_logs_with_its_reason() {
        assert_eq!(seems(b"\x00\x01", &[]).0, Source::Logs);
    }
}
