//! Dead letters decoded again: with the settings of now, under the record's own position, and only what was bad in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::letters::fingerprint;
use crate::engine::decode::{DecodeOptions, Decoder, shown};
use crate::engine::entities::Aliases;
use crate::model::dead_letter::{DryRun, LetterFailure, LetterRecord, Rejection, RejectionClass, ReplayOutcome};
use crate::model::observation::ObservationBatch;
use crate::model::record::{BatchPartition, RecordBatch};
use crate::model::source_record::Fetched;
use crate::model::{Source, Timestamp};

/// Items shown of a dry run; the rest is counted.
const PREVIEW_ITEMS: usize = 20;

/// Decodes letters again. Keeps a decoder a connector, for what each has told the stages already.
#[derive(Debug, Default)]
pub struct Redecoder {
    sources: BTreeMap<Arc<str>, (Source, DecodeOptions)>,
    decoders: BTreeMap<Arc<str>, Decoder>,
    /// `None` while only the settings' own hold.
    aliases: Option<Arc<Aliases>>,
}

impl Redecoder {
    /// Connectors as they are configured now.
    pub fn new(sources: impl IntoIterator<Item = (Arc<str>, Source, DecodeOptions)>) -> Self {
        let sources = sources.into_iter().map(|(name, source, options)| (name, (source, options))).collect();
        Self { sources, decoders: BTreeMap::new(), aliases: None }
    }

    /// As [`Decoder::use_aliases`], for all connectors.
    pub fn use_aliases(&mut self, aliases: Arc<Aliases>) {
        self.aliases = Some(aliases);
    }

    /// What the letter's record is now: a batch of one. `edited` stands in the place of its value; a record that was bad in
    /// part keeps its good items, so only its bad ones are read again.
    ///
    /// # Errors
    /// A connector that is no longer configured.
    pub fn decode(&mut self, letter: &LetterRecord, edited: Option<&[u8]>, now: Timestamp) -> Result<ObservationBatch, LetterFailure> {
        let Some((name, (source, options))) = self.sources.get_key_value(letter.connector.as_str()) else {
            return Err(not_configured(letter));
        };
        let decoder = self.decoders.entry(name.clone()).or_insert_with(|| Decoder::new(options.clone()));
        if let Some(aliases) = &self.aliases {
            decoder.use_aliases(Arc::clone(aliases));
        }
        let only = (!letter.bad_items.is_empty()).then_some(letter.bad_items.as_slice());
        Ok(decoder.decode_items(Arc::new(batch_of(letter, name.clone(), *source, edited)), only, now))
    }

    /// As [`Redecoder::decode`], unless `refusal` says why what came out must not go on. The names it defines do not go on
    /// either, so the next letter tells them again.
    ///
    /// # Errors
    /// A connector that is no longer configured; the refusal.
    pub fn decode_unless(
        &mut self,
        letter: &LetterRecord,
        edited: Option<&[u8]>,
        now: Timestamp,
        refusal: impl FnOnce(&ObservationBatch) -> Option<LetterFailure>,
    ) -> Result<ObservationBatch, LetterFailure> {
        let decoded = self.decode(letter, edited, now)?;
        match refusal(&decoded) {
            Some(failure) => {
                self.forget(&letter.connector);
                Err(failure)
            }
            None => Ok(decoded),
        }
    }

    /// Forgets a decoder that panicked.
    pub fn forget(&mut self, connector: &str) {
        self.decoders.remove(connector);
    }
}

fn batch_of(letter: &LetterRecord, connector: Arc<str>, source: Source, edited: Option<&[u8]>) -> RecordBatch {
    let mut batch = RecordBatch::new(connector, source);
    let offset = letter.position.offset;
    batch.partitions.push(BatchPartition {
        key: letter.position.partition.clone(),
        next_offset: offset.saturating_add(1),
        end_offset: -1,
        absent: 0,
        missed: 0,
        at_end: false,
    });
    let headers: Vec<_> = letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    batch.push(0, offset, letter.timestamp, letter.key.as_deref(), edited.or(letter.value.as_deref()), &headers);
    batch
}

fn not_configured(letter: &LetterRecord) -> LetterFailure {
    let message = format!(
        "connector `{}` is not configured any more, so nothing says how to read its records; configure it and replay again",
        letter.connector
    );
    failure(
        &letter.connector,
        &Rejection {
            record: 0,
            class: RejectionClass::UnknownFormat,
            reason: message,
            format: "auto",
            items: letter.bad_items.clone(),
            attempts: 1,
        },
    )
}

/// A letter whose payload was not kept, with what a broker has at its position; `None` where there never was one to ask.
///
/// # Errors
/// Why it cannot be had, and what to do.
pub fn refilled(letter: &LetterRecord, fetched: Option<Fetched>) -> Result<LetterRecord, LetterFailure> {
    const NOT_KEPT: &str = "its bytes were not kept (dead_letters.store_payloads = false)";
    let why = match fetched {
        Some(Fetched::Record(record)) => {
            let (key, value, headers) = (record.key, record.value, record.headers);
            return Ok(LetterRecord { key, value, headers, ..letter.clone() });
        }
        Some(Fetched::Removed { first_offset, .. }) => {
            format!("{NOT_KEPT}, and retention has removed it from the topic, which begins at offset {first_offset} now; send it again")
        }
        Some(Fetched::Absent) => format!("{NOT_KEPT}, and nothing stands at its offset any more; send it again"),
        Some(Fetched::Elsewhere(reason)) => format!("{NOT_KEPT}, and it is not where it was: {reason}"),
        Some(Fetched::Unreachable(reason)) => format!("{NOT_KEPT}, and the broker was not reached; replay it again: {reason}"),
        None => format!("{NOT_KEPT}, and it did not come from a broker; send it again, or replay it with an edited value"),
    };
    let class = RejectionClass::Tombstone;
    let rejection = Rejection { record: 0, class, reason: why, format: "auto", items: letter.bad_items.clone(), attempts: 1 };
    Err(failure(&letter.connector, &rejection))
}

/// A rejection as the failure of a letter of that connector.
pub fn failure(connector: &str, rejection: &Rejection) -> LetterFailure {
    LetterFailure {
        class: rejection.class,
        message: crate::model::event::truncate(&rejection.reason, 1_000),
        format: rejection.format.to_owned(),
        fingerprint: fingerprint(connector, rejection),
        bad_items: rejection.items.clone(),
    }
}

/// What a replay came to, from what its record was decoded to.
pub fn outcome(replay: i64, letter: &LetterRecord, decoded: &ObservationBatch, at: Timestamp) -> ReplayOutcome {
    let failure = decoded.rejections.first().map(|rejection| failure(&letter.connector, rejection));
    ReplayOutcome { replay, letter_id: letter.id.clone(), at, items_read: decoded.items() as u64, failure }
}

/// What the letter would become, for a person.
pub fn dry_run(decoded: Result<&ObservationBatch, &LetterFailure>) -> DryRun {
    let batch = match decoded {
        Ok(batch) => batch,
        Err(failure) => {
            let (error_class, error_message) = (Some(failure.class), Some(failure.message.clone()));
            return DryRun { format: failure.format.clone(), error_class, error_message, ..DryRun::default() };
        }
    };
    let rejection = batch.rejections.first();
    DryRun {
        format: batch
            .formats
            .first()
            .map(|(format, _)| *format)
            .or(rejection.map(|rejection| rejection.format))
            .unwrap_or("auto")
            .to_owned(),
        items: batch.items() as u64,
        preview: shown::items(batch).take(PREVIEW_ITEMS).collect(),
        error_class: rejection.map(|rejection| rejection.class),
        error_message: rejection.map(|rejection| rejection.reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::{PartitionKey, Position};

    fn letter(value: &str, bad_items: Vec<u32>) -> LetterRecord {
        let partition = PartitionKey { cluster: "c".into(), topic: "t".into(), incarnation: 0, partition: 3 };
        LetterRecord {
            id: "l".to_owned(),
            connector: "logs".to_owned(),
            position: Position { partition, offset: 41 },
            timestamp: Some(Timestamp::from_seconds(1_700_000_000)),
            key: None,
            value: Some(value.as_bytes().to_vec()),
            headers: Vec::new(),
            bad_items,
        }
    }

    fn redecoder(format: &str) -> Redecoder {
        let options = DecodeOptions { format: format.to_owned(), ..DecodeOptions::default() };
        Redecoder::new([(Arc::from("logs"), Source::Logs, options)])
    }

    const LINE: &str = r#"{"message":"payment refused","level":"error","service":"cart"}"#;

    #[test]
    fn a_letter_is_read_once_the_setting_is_right() {
        let at = Timestamp::from_seconds(0);
        let wrong = redecoder("otlp_proto").decode(&letter(LINE, vec![]), None, at).unwrap();
        let still = outcome(1, &letter(LINE, vec![]), &wrong, at);
        assert!(still.items_read == 0 && still.failure.is_some());
        let right = redecoder("auto").decode(&letter(LINE, vec![]), None, at).unwrap();
        let read = outcome(2, &letter(LINE, vec![]), &right, at);
        assert_eq!((read.items_read, read.failure), (1, None));
        assert_eq!(right.logs[0].timestamp, Timestamp::from_seconds(1_700_000_000), "the record's own Kafka time");
        assert_eq!(right.records.position(&right.records.records[0]), letter(LINE, vec![]).position);
    }

    #[test]
    fn an_edited_value_stands_in_for_the_records_own() {
        let decoded = redecoder("auto").decode(&letter("not a line {", vec![]), Some(LINE.as_bytes()), Timestamp::from_seconds(0)).unwrap();
        let seen = dry_run(Ok(&decoded));
        assert_eq!((seen.format.as_str(), seen.items, seen.error_class), ("json_logs", 1, None));
        assert_eq!(seen.preview[0]["message"], "payment refused");
        assert_eq!(seen.preview[0]["service"], "cart");
    }

    #[test]
    fn a_name_first_seen_in_a_letter_that_is_refused_is_told_with_the_next_one() {
        let (mut redecoder, at) = (redecoder("auto"), Timestamp::from_seconds(0));
        let refused = failure("logs", &crate::engine::decode::panicked(0, "on purpose"));
        let first = redecoder.decode_unless(&letter(LINE, vec![]), None, at, |_| Some(refused.clone()));
        assert_eq!(first.unwrap_err(), refused);
        let next = redecoder.decode_unless(&letter(LINE, vec![]), None, at, |_| None).unwrap();
        assert!(next.definitions.iter().any(|definition| &*definition.text == "cart"));
    }

    #[test]
    fn only_the_bad_items_of_a_partly_bad_record_are_read_again() {
        let point = |value: &str| format!(r#"{{"timeUnixNano":"1700000000000000000","asDouble":{value}}}"#);
        let points = [point("1"), point("2"), point("3")].join(",");
        let metrics = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeMetrics":[{{"metrics":[{{"name":"queue","gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#
        );
        let mut redecoder = Redecoder::new([(Arc::from("logs"), Source::Metrics, DecodeOptions::default())]);
        let decoded = redecoder.decode(&letter(&metrics, vec![1]), None, Timestamp::from_seconds(0)).unwrap();
        assert_eq!(decoded.points.iter().map(|point| (point.item, point.value)).collect::<Vec<_>>(), [(1, 2.0)]);
        assert_eq!(decoded.counts[0].items_decoded, 1);
    }

    #[test]
    fn a_connector_that_is_gone_is_named() {
        let failure = Redecoder::default().decode(&letter(LINE, vec![]), None, Timestamp::from_seconds(0)).unwrap_err();
        assert!(failure.message.contains("connector `logs`"), "{}", failure.message);
    }
}
