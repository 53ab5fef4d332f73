//! What a topic seems to hold, from a sample of its records.

use serde::Serialize;

use super::guess::{Sample, guess};
use super::json_logs::UNKNOWN_SERVICE;
use super::{DecodeOptions, decode_one};
use crate::model::observation::ObservationBatch;
use crate::model::{Source, Symbol, Timestamp, symbol};

/// A topic is mixed when at least this share of its records are of another source.
const MIXED: f64 = 0.05;
/// Below this share of records that can be read, a connector would only make dead letters.
const READABLE: f64 = 0.5;

/// What a sample says of a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Finding {
    pub topic: String,
    pub partitions: u32,
    pub records: u64,
    /// `None` where there was nothing to look at, or nothing that can be read.
    pub source: Option<Source>,
    /// Records by format, as a connector of that source reads them, most first.
    pub formats: Vec<(String, u64)>,
    /// Records that seem to be of other sources.
    pub others: Vec<(Source, u64)>,
    /// Records that connector would read, if only in part.
    pub decoded: u64,
    pub items: u64,
    /// Items that name no service, of those sources whose items should.
    pub without_service: u64,
    /// Items that name no time and are given their record's Kafka time.
    pub without_time: u64,
    pub skew: Option<Skew>,
    /// Why the first record that cannot be read cannot.
    pub reason: Option<String>,
}

/// Times of items less the Kafka times of their records, seconds: negative where items come late, positive where clocks are ahead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Skew {
    pub median_s: f64,
    /// A tenth of the items is below.
    pub low_s: f64,
    /// A tenth is above.
    pub high_s: f64,
}

impl Finding {
    /// True where a connector can be configured.
    pub fn is_readable(&self) -> bool {
        self.source.is_some() && self.decoded as f64 >= READABLE * self.records as f64
    }

    /// True where enough records are of another source that somebody should know.
    pub fn is_mixed(&self) -> bool {
        let others: u64 = self.others.iter().map(|(_, records)| records).sum();
        others as f64 >= MIXED * self.records as f64 && others > 0
    }
}

/// Judges a topic by a sample of its records.
pub fn discover(options: &DecodeOptions, topic: &str, partitions: u32, samples: &[Sample<'_>], now: Timestamp) -> Finding {
    let mut finding = Finding { topic: topic.to_owned(), partitions, records: samples.len() as u64, ..Finding::default() };
    let guesses: Vec<Source> = samples
        .iter()
        .filter_map(|sample| {
            let (source, batch) = guess(options, sample, now);
            (batch.items() > 0).then_some(source)
        })
        .collect();
    let mut counts: Vec<(Source, u64)> =
        Source::ALL.iter().map(|source| (*source, of(&guesses, *source))).filter(|(_, n)| *n > 0).collect();
    counts.sort_by_key(|(source, records)| (std::cmp::Reverse(*records), *source));
    let source = counts.first().map_or(Source::Logs, |(source, _)| *source);
    finding.source = counts.first().map(|(source, _)| *source);
    finding.others = counts.into_iter().skip(1).collect();
    let mut offsets_s = Vec::new();
    for sample in samples {
        look(&mut finding, options, source, sample, now, &mut offsets_s);
    }
    finding.formats.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    finding.skew = skew_of(offsets_s);
    finding
}

fn of(guesses: &[Source], source: Source) -> u64 {
    guesses.iter().filter(|guess| **guess == source).count() as u64
}

/// Adds what one record says when a connector of that source reads it.
fn look(finding: &mut Finding, options: &DecodeOptions, source: Source, sample: &Sample<'_>, now: Timestamp, offsets_s: &mut Vec<f64>) {
    let batch = decode_one(options.clone(), source, sample, now);
    if let Some(rejection) = batch.rejections.first() {
        finding.reason.get_or_insert_with(|| rejection.reason.clone());
    }
    if batch.items() == 0 {
        return;
    }
    finding.decoded += 1;
    if let Some(format) = batch.record_formats.first() {
        match finding.formats.iter_mut().find(|(name, _)| name == format) {
            Some((_, records)) => *records += 1,
            None => finding.formats.push(((*format).to_owned(), 1)),
        }
    }
    finding.items += batch.items() as u64;
    finding.without_service += without_service(&batch);
    // What cannot be dated without its record's Kafka time has no time of its own.
    let timeless = Sample { kafka_time: None, ..sample.clone() };
    let dated = decode_one(options.clone(), source, &timeless, now);
    finding.without_time += (batch.items() - dated.items().min(batch.items())) as u64;
    if let Some(kafka_time) = sample.kafka_time {
        offsets_s.extend(times(&dated).map(|time| time.seconds_since(kafka_time)));
    }
}

/// Commits and alerts may be about no service; telemetry without one can blame nobody.
fn without_service(batch: &ObservationBatch) -> u64 {
    let unknown: Symbol = symbol(UNKNOWN_SERVICE);
    let entities = batch.logs.iter().map(|line| line.entity).chain(batch.points.iter().map(|point| point.entity));
    let entities = entities.chain(batch.spans.iter().map(|span| span.entity));
    let events = batch.events.iter().filter(|event| event.service.is_none()).count();
    (entities.filter(|entity| entity.service == unknown || entity.service.is_none()).count() + events) as u64
}

fn times(batch: &ObservationBatch) -> impl Iterator<Item = Timestamp> + '_ {
    let lines = batch.logs.iter().map(|line| line.timestamp).chain(batch.points.iter().map(|point| point.timestamp));
    lines.chain(batch.spans.iter().map(|span| span.end)).chain(batch.events.iter().map(|event| event.timestamp))
}

fn skew_of(mut offsets_s: Vec<f64>) -> Option<Skew> {
    offsets_s.sort_by(f64::total_cmp);
    let at = |share: f64| offsets_s.get(((offsets_s.len().saturating_sub(1)) as f64 * share).round() as usize).copied();
    Some(Skew { median_s: at(0.5)?, low_s: at(0.1)?, high_s: at(0.9)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKA_TIME: Timestamp = Timestamp::from_seconds(1_795_442_530);

    fn found(values: &[&str]) -> Finding {
        let sample = |value: &&'static str| Sample { value: Some(value.as_bytes()), headers: Vec::new(), kafka_time: Some(KAFKA_TIME) };
        let owned: Vec<&'static str> = values.iter().map(|value| &*Box::leak(value.to_string().into_boxed_str())).collect();
        let samples: Vec<Sample<'_>> = owned.iter().map(sample).collect();
        discover(&DecodeOptions::default(), "t", 3, &samples, KAFKA_TIME)
    }

    #[test]
    fn a_topic_is_told_with_what_its_records_lack() {
        let finding = found(&[
            r#"{"message":"a","service":"cart","ts":1795442525}"#,
            r#"{"message":"b","ts":1795442525}"#,
            r#"{"message":"c","service":"cart"}"#,
            "\u{1}",
        ]);
        assert_eq!((finding.source, finding.records, finding.decoded, finding.items), (Some(Source::Logs), 4, 3, 3));
        assert_eq!((finding.without_service, finding.without_time), (1, 1));
        assert_eq!(finding.formats, [("json_logs".to_owned(), 3)]);
        assert_eq!(finding.skew, Some(Skew { median_s: -5.0, low_s: -5.0, high_s: -5.0 }));
        assert!(finding.is_readable() && !finding.is_mixed() && finding.reason.is_some());
    }

    #[test]
    fn a_mixed_topic_is_said_to_be_one() {
        let finding = found(&[
            r#"{"message":"a","level":"info"}"#,
            r#"{"message":"b","level":"info"}"#,
            r#"{"labels":{"job":"cart"},"name":"up","timestamp":"2026-11-23T14:02:10Z","value":"1"}"#,
        ]);
        assert_eq!((finding.source, finding.others.as_slice()), (Some(Source::Logs), [(Source::Metrics, 1)].as_slice()));
        assert!(finding.is_mixed());
    }

    #[test]
    fn a_topic_without_anything_readable_has_no_source() {
        assert_eq!(found(&[]).source, None);
        let finding = found(&["\u{1}", "\u{2}"]);
        assert!(finding.source.is_none() && !finding.is_readable() && finding.reason.is_some());
    }
}
