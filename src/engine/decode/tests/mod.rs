//! Whole records through the decoder, as a connector gives them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::test_runner::{Config as ProptestConfig, RngSeed};

use super::*;
use crate::model::Symbol;
use crate::model::observation::LogLine;

mod alerts;
mod argocd;
mod changes;
mod cloudevents;
mod described;
mod gelf;
mod github;
mod gitlab;
mod jaeger;
mod json_layouts;
mod json_lines;
mod kubernetes;
mod logfmt;
mod lookalikes;
mod otlp_oracle;
mod packed;
mod payloads;
mod plain_text;
mod prometheus;
mod properties;
mod requests;
mod secrets;
mod seeds;
mod skewed_clocks;
mod syslog;
mod telegraf;
mod text_properties;
mod wrapped;
mod zipkin;

/// Kafka time of every test record unless a test says otherwise: 2026-11-23T14:02:11Z.
const KAFKA_TIME: Timestamp = Timestamp::from_seconds(1_795_442_531);

/// Settings of a random test: its seed is printed, and `WHYDUNIT_SEED` runs it again.
pub(super) fn seeded(cases: u32) -> ProptestConfig {
    let given = std::env::var("WHYDUNIT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
    println!("rerun with WHYDUNIT_SEED={seed}");
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

fn record_batch(source: Source, partitions: u16) -> RecordBatch {
    let mut batch = RecordBatch::new(Arc::from("test"), source);
    for partition in 0..partitions {
        let key = PartitionKey { cluster: Arc::from("c"), topic: Arc::from("t"), incarnation: 0, partition: i32::from(partition) };
        batch.partitions.push(BatchPartition { key, next_offset: 0, end_offset: -1, absent: 0, missed: 0, at_end: false });
    }
    batch
}

fn decode_value(
    options: DecodeOptions,
    source: Source,
    value: Option<&[u8]>,
    headers: &[(&str, Option<&[u8]>)],
    kafka_time: Timestamp,
) -> ObservationBatch {
    let sample = guess::Sample { value, headers: headers.to_vec(), kafka_time: Some(kafka_time) };
    decode_one(options, source, &sample, kafka_time)
}

fn decode_values(source: Source, format: &str, values: &[&[u8]]) -> ObservationBatch {
    let mut batch = record_batch(source, 1);
    for (offset, value) in values.iter().enumerate() {
        batch.push(0, offset as i64, Some(KAFKA_TIME), None, Some(value), &[]);
    }
    let options = DecodeOptions { format: format.to_owned(), ..DecodeOptions::default() };
    let decoded = Decoder::new(options).decode(Arc::new(batch), KAFKA_TIME);
    assert_books(&decoded);
    decoded
}

fn decode_json(source: Source, value: &serde_json::Value) -> ObservationBatch {
    decode_values(source, "auto", &[value.to_string().as_bytes()])
}

/// The only line of the only record, and the format it was read as.
fn only_line(batch: &ObservationBatch) -> (&LogLine, &'static str) {
    assert!(batch.rejections.is_empty(), "{:?}", batch.rejections);
    assert_eq!(batch.logs.len(), 1, "{:?}", batch.logs);
    (&batch.logs[0], batch.record_formats[0])
}

fn decode_text(value: &str) -> ObservationBatch {
    decode_values(Source::Logs, "auto", &[value.as_bytes()])
}

/// The message of a line that carries its text.
fn message(line: &LogLine) -> &str {
    &line.text.as_ref().expect("a line of a warning or worse").message
}

/// The events of a record that is read whole.
fn events(source: Source, value: &serde_json::Value) -> Vec<crate::model::Event> {
    let batch = decode_json(source, value);
    assert!(batch.rejections.is_empty(), "{:?}", batch.rejections);
    batch.events
}

/// The only event of a record that is read whole.
fn event(source: Source, value: &serde_json::Value) -> crate::model::Event {
    let mut events = events(source, value);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn only_reason(batch: &ObservationBatch) -> (RejectionClass, &str) {
    assert_eq!(batch.rejections.len(), 1, "{:?}", batch.rejections);
    (batch.rejections[0].class, &batch.rejections[0].reason)
}

/// The text behind a symbol of a batch.
fn text(batch: &ObservationBatch, name: Symbol) -> &str {
    if name.is_none() {
        return "";
    }
    &batch.definitions.iter().find(|definition| definition.symbol == name).expect("every symbol is defined").text
}

/// The accounting rule, for the first batch of a decoder: every record in one book, every item numbered and kept or named bad,
/// every symbol defined.
fn assert_books(batch: &ObservationBatch) {
    let sum = |of: fn(&crate::model::observation::DecodeCounts) -> u64| batch.counts.iter().map(of).sum::<u64>();
    assert_eq!(sum(|counts| counts.records_read), batch.records.records.len() as u64);
    for counts in &batch.counts {
        assert_eq!(counts.records_read, counts.records_decoded + counts.records_rejected);
    }
    let whole = batch.rejections.iter().filter(|rejection| rejection.items.is_empty()).count();
    assert_eq!(sum(|counts| counts.records_rejected), whole as u64);
    assert_eq!(sum(|counts| counts.items_decoded), batch.items() as u64);
    assert_eq!(sum(|counts| counts.items_rejected), batch.rejections.iter().map(|rejection| rejection.items.len() as u64).sum::<u64>());
    assert_eq!(batch.formats.iter().map(|(_, count)| count).sum::<u64>(), sum(|counts| counts.records_decoded));
    assert_eq!(batch.record_formats.len(), batch.records.records.len());
    let letters: BTreeSet<u32> = batch.rejections.iter().map(|rejection| rejection.record).collect();
    assert_eq!(letters.len(), batch.rejections.len(), "one rejection a record");
    assert!(batch.rejections.iter().all(|rejection| !rejection.reason.is_empty()));
    assert_items_are_numbered(batch);
    assert_symbols_are_defined(batch);
    assert!(batch.points.iter().all(|point| point.value.is_finite()));
}

fn assert_items_are_numbered(batch: &ObservationBatch) {
    let mut items: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let kept = (batch.logs.iter().map(|line| (line.record, line.item)))
        .chain(batch.points.iter().map(|point| (point.record, point.item)))
        .chain(batch.spans.iter().map(|span| (span.record, span.item)));
    let bad = batch.rejections.iter().flat_map(|rejection| rejection.items.iter().map(|item| (rejection.record, *item)));
    for (record, item) in kept.chain(bad) {
        assert!(items.entry(record).or_default().insert(item), "item {item} of record {record} twice");
    }
    if batch.events.is_empty() {
        assert!(items.values().all(|numbers| numbers.iter().copied().eq(0..numbers.len() as u32)), "{items:?}");
    }
}

fn assert_symbols_are_defined(batch: &ObservationBatch) {
    let defined: BTreeSet<Symbol> = batch.definitions.iter().map(|definition| definition.symbol).collect();
    let used = (batch.logs.iter().flat_map(|line| [line.entity.environment, line.entity.service, line.host, line.template]))
        .chain(batch.points.iter().flat_map(|point| [point.entity.environment, point.entity.service, point.host, point.metric, point.unit]))
        .chain(
            batch
                .spans
                .iter()
                .flat_map(|span| [span.entity.environment, span.entity.service, span.host, span.operation, span.peer, span.version]),
        );
    for name in used {
        assert!(name.is_none() || defined.contains(&name));
    }
    assert_eq!(defined.len(), batch.definitions.len(), "each text once");
}

#[test]
fn unknown_formats_are_refused_by_name() {
    let options = DecodeOptions { format: "avro".to_owned(), ..DecodeOptions::default() };
    let reason = options.validate().unwrap_err();
    assert!(reason.contains("avro") && reason.contains("otlp_proto") && reason.contains("auto"), "{reason}");
    for name in format_names().split(", ") {
        assert_eq!(DecodeOptions { format: name.to_owned(), ..DecodeOptions::default() }.validate(), Ok(()));
    }
    assert!(DecodeOptions { max_record_bytes: 0, ..DecodeOptions::default() }.validate().is_err());
}

#[test]
fn tombstones_empty_and_oversized_records_are_letters_of_their_class() {
    let mut batch = record_batch(Source::Logs, 1);
    batch.push(0, 0, Some(KAFKA_TIME), Some(b"key"), None, &[]);
    batch.push(0, 1, Some(KAFKA_TIME), None, Some(b""), &[]);
    batch.push(0, 2, Some(KAFKA_TIME), None, Some(br#"{"message":"long enough"}"#), &[]);
    let options = DecodeOptions { max_record_bytes: 8, ..DecodeOptions::default() };
    let decoded = Decoder::new(options).decode(Arc::new(batch), KAFKA_TIME);
    assert_books(&decoded);
    let classes: Vec<_> = decoded.rejections.iter().map(|rejection| rejection.class).collect();
    assert_eq!(classes, [RejectionClass::Tombstone, RejectionClass::Empty, RejectionClass::TooLarge]);
}

#[test]
fn counts_and_newest_times_are_kept_by_partition() {
    let mut batch = record_batch(Source::Logs, 3);
    batch.push(0, 0, Some(KAFKA_TIME), None, Some(br#"{"message":"a","ts":1795442500}"#), &[]);
    batch.push(2, 0, Some(KAFKA_TIME), None, Some(br#"{"message":"b","ts":1795442510}"#), &[]);
    batch.push(2, 1, Some(KAFKA_TIME), None, Some(br#"{"message":"c","ts":1795442505}"#), &[]);
    batch.push(2, 2, Some(KAFKA_TIME), None, Some(b"\x01 not json"), &[]);
    let decoded = Decoder::new(DecodeOptions::default()).decode(Arc::new(batch), KAFKA_TIME);
    assert_books(&decoded);
    let read: Vec<u64> = decoded.counts.iter().map(|counts| counts.records_read).collect();
    assert_eq!(read, [1, 0, 3]);
    assert_eq!(decoded.newest, [Some(Timestamp::from_seconds(1_795_442_500)), None, Some(Timestamp::from_seconds(1_795_442_510))]);
}

#[test]
fn a_clock_running_ahead_moves_no_watermark() {
    let ahead = format!(r#"{{"message":"from tomorrow","ts":{}}}"#, KAFKA_TIME.seconds() + 301);
    let decoded = decode_values(Source::Logs, "auto", &[ahead.as_bytes(), br#"{"message":"now","ts":1795442531}"#]);
    assert_eq!((decoded.logs.len(), decoded.skewed), (2, 1));
    assert_eq!(decoded.newest, [Some(KAFKA_TIME)]);
}

#[test]
fn a_record_whose_kafka_time_is_ten_years_ahead_moves_no_watermark_either_and_its_event_says_so() {
    let ahead = KAFKA_TIME.plus_seconds(10 * 365 * 86_400);
    let value = format!(r#"{{"title":"from the future","timestamp":"{ahead}"}}"#);
    for (source, control) in [(Source::Manual, false), (Source::Logs, false), (Source::Logs, true)] {
        let mut batch = record_batch(source, 1);
        let until = ahead.to_string();
        let headers = [(WATERMARK_HEADER, Some(until.as_bytes()))];
        let value = if source == Source::Manual { value.clone() } else { value.replace("title", "message") };
        batch.push(0, 0, Some(ahead), None, Some(value.as_bytes()), if control { &headers } else { &[] });
        let decoded = Decoder::new(DecodeOptions::default()).decode(Arc::new(batch), KAFKA_TIME);
        assert!(decoded.newest[0].is_none_or(|newest| newest <= KAFKA_TIME.plus_seconds(86_400)), "{:?}", decoded.newest);
        assert_eq!(decoded.skewed, u64::from(!control));
        assert_eq!(decoded.items(), usize::from(!control));
        assert!(decoded.events.iter().all(|event| event.tags.contains("skewed")), "{:?}", decoded.events);
    }
}

#[test]
fn a_partition_index_out_of_range_does_not_panic() {
    let mut batch = record_batch(Source::Manual, 1);
    batch.push(7, 0, Some(KAFKA_TIME), None, Some(br#"{"title":"x"}"#), &[]);
    let decoded = Decoder::new(DecodeOptions::default()).decode(Arc::new(batch), KAFKA_TIME);
    assert_eq!(decoded.events.len(), 1);
    assert_eq!(decoded.events[0].provenance, None);
}

#[test]
fn a_second_batch_sends_only_new_texts() {
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut names = Vec::new();
    for message in ["first line", "first line", "second line"] {
        let mut batch = record_batch(Source::Logs, 1);
        batch.push(0, 0, Some(KAFKA_TIME), None, Some(format!(r#"{{"message":"{message}"}}"#).as_bytes()), &[]);
        let decoded = decoder.decode(Arc::new(batch), KAFKA_TIME);
        names.push(decoded.definitions.iter().map(|definition| definition.text.to_string()).collect::<Vec<_>>());
    }
    assert_eq!(names, [vec!["default", "unknown", "first line"], vec![], vec!["second line"]]);
}

#[test]
fn headers_name_the_format() {
    let header: &[(&str, Option<&[u8]>)] = &[("X-GitHub-Event", Some(b"star"))];
    let batch = decode_value(DecodeOptions::default(), Source::Ci, Some(b"{\"title\":\"x\"}"), header, KAFKA_TIME);
    assert_eq!(only_reason(&batch).0, RejectionClass::UnknownFormat);
    assert!(only_reason(&batch).1.contains("\"star\" is not read"), "{:?}", batch.rejections);
    let header: &[(&str, Option<&[u8]>)] = &[("content-type", Some(b"application/x-protobuf"))];
    let batch = decode_value(DecodeOptions::default(), Source::Logs, Some(b"{}"), header, KAFKA_TIME);
    assert_eq!(batch.rejections[0].format, "otlp_proto");
}
