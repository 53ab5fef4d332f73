//! Where a format puts what it reads of one record: items, or the reason why an item or the record cannot be one.

use super::symbols::Symbols;
use super::{DecodeOptions, units};
use crate::engine::entities;
use crate::model::dead_letter::{Rejection, RejectionClass};
use crate::model::event::{Provenance, SKEWED};
use crate::model::observation::{LogLine, MetricPoint, ObservationBatch, Span};
use crate::model::record::RecordRef;
use crate::model::{Event, Source, Timestamp};

/// Why a record or an item was not decoded, for a person to act on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) class: RejectionClass,
    pub(super) reason: String,
    /// Address of the first byte that was not understood, where the format has no better place to name.
    pub(super) at: Option<usize>,
}

impl Refusal {
    pub(super) fn of(class: RejectionClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into(), at: None }
    }

    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::of(RejectionClass::Malformed, reason)
    }

    pub(super) fn field(reason: impl Into<String>) -> Self {
        Self::of(RejectionClass::InvalidField, reason)
    }

    pub(super) fn no_items(reason: impl Into<String>) -> Self {
        Self::of(RejectionClass::NoItems, reason)
    }

    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::of(RejectionClass::UnknownFormat, reason)
    }

    /// With the offset in `value` of what was not understood, where that lies inside.
    pub(super) fn placed_in(mut self, value: &[u8]) -> Self {
        let offset = self.at.take().and_then(|at| at.checked_sub(value.as_ptr().addr()));
        if let Some(offset) = offset.filter(|offset| *offset <= value.len()) {
            self.reason.push_str(&format!(", at byte {offset} of {}", value.len()));
        }
        self
    }
}

/// Lengths of a batch's lists before a record, to take back what a record put there.
#[derive(Clone, Copy, Debug)]
struct Mark {
    logs: usize,
    points: usize,
    spans: usize,
    events: usize,
}

/// Takes the items of one record, in their order inside the record.
#[derive(Debug)]
pub(super) struct RecordSink<'a> {
    pub(super) options: &'a DecodeOptions,
    pub(super) symbols: &'a mut Symbols,
    pub(super) source: Source,
    pub(super) kafka_time: Option<Timestamp>,
    observed_at: Timestamp,
    /// The latest time that is believed of its items.
    latest: Timestamp,
    batch: &'a mut ObservationBatch,
    record: u32,
    mark: Mark,
    next_item: u32,
    bad_items: Vec<u32>,
    first_refusal: Option<Refusal>,
    newest: Option<Timestamp>,
    skewed: u64,
    /// What is wrong with the unit of the first item whose time shows it, and how many show it.
    wrong_unit: Option<&'static str>,
    wrong_units: u64,
    only: Option<&'a [u32]>,
    /// Items passed over because of it.
    passed_over: u32,
}

impl<'a> RecordSink<'a> {
    pub(super) fn new(
        options: &'a DecodeOptions,
        symbols: &'a mut Symbols,
        batch: &'a mut ObservationBatch,
        index: u32,
        record: &RecordRef,
        observed_at: Timestamp,
    ) -> Self {
        let mark = Mark { logs: batch.logs.len(), points: batch.points.len(), spans: batch.spans.len(), events: batch.events.len() };
        Self {
            options,
            symbols,
            source: batch.records.source,
            kafka_time: record.timestamp,
            observed_at,
            latest: latest(options, record.timestamp, observed_at),
            batch,
            record: index,
            mark,
            next_item: 0,
            bad_items: Vec::new(),
            first_refusal: None,
            newest: None,
            skewed: 0,
            wrong_unit: None,
            wrong_units: 0,
            only: None,
            passed_over: 0,
        }
    }

    /// Takes only the items at these indexes.
    pub(super) fn only(mut self, items: Option<&'a [u32]>) -> Self {
        self.only = items;
        self
    }

    /// Names of a service that go before those known.
    pub(super) fn service_attributes(&self) -> &'a [String] {
        &self.options.entities.service_attributes
    }

    pub(super) fn items(&self) -> u32 {
        self.next_item
    }

    #[inline]
    pub(super) fn log(&mut self, mut line: LogLine) {
        let Some(number) = self.number() else { return };
        (line.record, line.item) = number;
        self.book_time(line.timestamp);
        self.batch.logs.push(line);
    }

    #[inline]
    pub(super) fn point(&mut self, mut point: MetricPoint) {
        let Some(number) = self.number() else { return };
        (point.record, point.item) = number;
        self.book_time(point.timestamp);
        self.batch.points.push(point);
    }

    #[inline]
    pub(super) fn span(&mut self, mut span: Span) {
        let Some(number) = self.number() else { return };
        (span.record, span.item) = number;
        self.book_time(span.end);
        self.batch.spans.push(span);
    }

    /// Completes an event: id (unless its source names it), provenance. One that names no environment, as a
    /// commit, belongs to any.
    pub(super) fn event(&mut self, mut event: Event, format: &'static str) {
        let Some((record, item)) = self.number() else { return };
        if self.book_time(event.timestamp) {
            event.tags.insert(SKEWED.to_owned());
        }
        event.observed_at = self.observed_at;
        entities::place(&mut event, &self.options.entities, &self.symbols.aliases);
        let records = &self.batch.records;
        let position = records.records.get(record as usize).and_then(|record| {
            let partition = records.partitions.get(usize::from(record.partition))?;
            Some(crate::model::position::Position { partition: partition.key.clone(), offset: record.offset })
        });
        event.id = match (&event.source_id, &position) {
            (Some(source_id), _) => Event::id_of_source(event.source, &event.event_type, source_id),
            (None, Some(position)) => position.item_id(item),
            (None, None) => crate::model::position::derived_id(&format!("{}\0{record}\0{item}", records.connector)),
        };
        if event.fingerprint.is_empty() {
            event.fingerprint = event.id.clone();
        }
        event.provenance =
            position.map(|position| Provenance { connector: records.connector.to_string(), position, format: format.to_owned() });
        self.batch.events.push(event);
    }

    /// Counts an item that cannot be one. The record's other items stay.
    pub(super) fn refuse_item(&mut self, refusal: Refusal) {
        let Some((_, item)) = self.number() else { return };
        self.bad_items.push(item);
        self.first_refusal.get_or_insert(refusal);
    }

    /// Takes the outcome of the record's format and books it: all its items and the reasons of the bad ones, or nothing but a
    /// rejection. Exactly one of `records_decoded` and `records_rejected` rises; true when it is the first.
    pub(super) fn settle(mut self, outcome: Result<(), Refusal>, format: &'static str, partition: usize) -> bool {
        let most = self.options.max_record_items;
        let outcome = outcome.and_then(|()| match self.next_item {
            0 => Err(Refusal::no_items(format!("{format} without a single item"))),
            items if items > most => {
                let reason = format!("{items} items, more than max_record_items = {most}");
                Err(Refusal::of(RejectionClass::TooLarge, reason))
            }
            _ => Ok(()),
        });
        let good = u64::from(self.next_item - self.passed_over) - self.bad_items.len() as u64;
        let decoded = outcome.is_ok();
        match outcome {
            Ok(()) => {
                self.book_partition(partition);
                if let Some(wrong) = self.wrong_unit {
                    units::add(&mut self.batch.wrong_units, format, wrong, self.wrong_units);
                }
                if let Some(counts) = self.batch.counts.get_mut(partition) {
                    counts.records_decoded += 1;
                    counts.items_decoded += good;
                    counts.items_rejected += self.bad_items.len() as u64;
                }
                if let Some(refusal) = self.first_refusal.take() {
                    let items = std::mem::take(&mut self.bad_items);
                    let reason = reason_of_items(&refusal.reason, &items, self.next_item);
                    self.batch.rejections.push(Rejection { record: self.record, class: refusal.class, reason, format, items, attempts: 1 });
                }
            }
            Err(refusal) => {
                self.batch.logs.truncate(self.mark.logs);
                self.batch.points.truncate(self.mark.points);
                self.batch.spans.truncate(self.mark.spans);
                self.batch.events.truncate(self.mark.events);
                if let Some(counts) = self.batch.counts.get_mut(partition) {
                    counts.records_rejected += 1;
                }
                let Refusal { class, reason, .. } = refusal;
                self.batch.rejections.push(Rejection { record: self.record, class, reason, format, items: Vec::new(), attempts: 1 });
            }
        }
        decoded
    }

    /// The place of the next item, unless it is passed over. What is beyond the limit is only counted: the record will be refused.
    #[inline]
    fn number(&mut self) -> Option<(u32, u32)> {
        let item = self.next_item;
        self.next_item = item.saturating_add(1);
        if item >= self.options.max_record_items {
            return None;
        }
        if self.only.is_some_and(|only| !only.contains(&item)) {
            self.passed_over += 1;
            return None;
        }
        Some((self.record, item))
    }

    /// Too far ahead of the record's Kafka time, or of any clock: kept, counted, and without a say in the watermark. True then.
    #[inline]
    fn book_time(&mut self, time: Timestamp) -> bool {
        let skewed = time > self.latest;
        if skewed || units::is_suspect(time) {
            self.judge_unit(time);
        }
        if skewed {
            self.skewed += 1;
        } else {
            self.newest = self.newest.max(Some(time));
        }
        skewed
    }

    fn judge_unit(&mut self, time: Timestamp) {
        let Some(wrong) = self.kafka_time.and_then(|kafka_time| units::judge(time, kafka_time)) else { return };
        self.wrong_unit.get_or_insert(wrong);
        self.wrong_units += 1;
    }

    fn book_partition(&mut self, partition: usize) {
        self.batch.skewed += self.skewed;
        if let Some(newest) = self.batch.newest.get_mut(partition)
            && self.source.drives_watermark()
        {
            *newest = (*newest).max(self.newest);
        }
    }
}

/// A record's Kafka time further ahead of our clock than this is not believed either, seconds. Wide, so that our clock alone, when
/// it is wrong, stops nothing.
const MAX_AHEAD_OF_US_S: i64 = 86_400;

/// The latest event time that is believed of a record read at `observed_at`.
pub(super) fn latest(options: &DecodeOptions, kafka_time: Option<Timestamp>, observed_at: Timestamp) -> Timestamp {
    let by_us = observed_at.plus_seconds(MAX_AHEAD_OF_US_S);
    kafka_time.map_or(by_us, |kafka| kafka.plus_seconds(i64::from(options.max_skew_s)).min(by_us))
}

fn reason_of_items(reason: &str, items: &[u32], of: u32) -> String {
    let first = items.first().copied().unwrap_or_default();
    match items.len() {
        1 => format!("item {first} of {of}: {reason}"),
        n => format!("{n} of {of} items; item {first}: {reason}"),
    }
}
