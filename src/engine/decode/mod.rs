//! Bytes → observations, or a rejection with its reason.
//!
//! Every record of a batch ends in exactly one of two books of its partition: *decoded* (its format was read; its good items are
//! observations, its bad ones are named by index in one [`Rejection`]) or *rejected* (one `Rejection` without item indexes, and
//! nothing else of it). So per batch `records_read = records_decoded + records_rejected`, `items_decoded` is the number of
//! observations, and `items_rejected` the number of indexes in rejections. A record all of whose items are bad counts as decoded.
//!
//! What stands for a missing field: no service → `unknown`; no environment → [`DecodeOptions::default_environment`],
//! except on events such as commits, which then belong to any; no time → the
//! record's Kafka time, and a rejection where there is none either. A time that is there but cannot be read is a rejection.
//!
//! Secrets are taken out of all texts before they leave: see [`crate::engine::redact`].
//!
//! Metric points that measured nothing (staleness markers, histograms of an empty interval) are decoded as
//! [`PointKind::Empty`](crate::model::observation::PointKind::Empty): counted, never judged. NaN and infinite values are bad items.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::entities::{Aliases, EntityOptions};
use crate::engine::redact::Redactor;
use crate::model::dead_letter::{Rejection, RejectionClass};
use crate::model::observation::ObservationBatch;
use crate::model::position::PartitionKey;
use crate::model::record::{BatchPartition, RecordBatch, RecordRef};
use crate::model::{Source, Timestamp};

mod alertmanager;
mod argocd;
mod body;
mod change;
mod clocks;
mod cloudevents;
mod commit;
mod cri;
mod dates;
pub mod described;
pub mod discover;
mod draft;
mod event_shape;
mod format;
mod gelf;
mod github;
mod gitlab;
pub mod guess;
mod ids;
mod instant;
mod isolation;
mod jaeger;
mod json_leaf;
mod json_logs;
mod kubernetes;
mod labels;
mod level;
mod log_line;
mod logfmt;
mod manual;
mod otlp;
mod prometheus;
mod shape;
pub mod shown;
mod sink;
mod stack;
mod symbols;
mod syslog;
mod tagged_span;
mod telegraf;
pub mod template;
mod text;
mod units;
mod wire_format;
mod workload;
mod zipkin;

use clocks::Clocks;
use cloudevents::cdevents;
use described::Described;
use format::Chosen;
pub use isolation::set_aside;
use log_line::LineReader;
use sink::{RecordSink, Refusal};
use symbols::Symbols;
use wire_format::{Format, Reader};

/// All wire formats. Where the signs of several fit, the first has the record.
const FORMATS: &[Format] = &[
    otlp::PROTO,
    otlp::JSON,
    jaeger::PROTO,
    jaeger::JSON,
    zipkin::WIRE,
    telegraf::LINE,
    telegraf::JSON,
    prometheus::JSON,
    prometheus::REMOTE_WRITE,
    json_logs::WIRE,
    gelf::WIRE,
    syslog::WIRE,
    cri::WIRE,
    logfmt::WIRE,
    text::WIRE,
    gitlab::WIRE,
    cdevents::WIRE,
    cloudevents::WIRE,
    argocd::WIRE,
    kubernetes::WIRE,
    alertmanager::WIRE,
    github::WIRE,
    manual::WIRE,
];

fn format_named(name: &str) -> Option<Format> {
    FORMATS.iter().copied().find(|format| format.name == name)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodeOptions {
    /// `auto`, or the name of one format.
    pub format: String,
    /// Environment of records that name none.
    pub default_environment: String,
    /// Largest record decoded, bytes; a larger one is rejected, and so is one that is larger once it is inflated.
    pub max_record_bytes: u32,
    /// Most items of one record; one with more is rejected. Two bytes can be an item, so bytes alone bound no memory.
    pub max_record_items: u32,
    /// An item further ahead of its record's Kafka time is tagged `skewed` and moves no watermark, seconds.
    pub max_skew_s: u32,
    /// Whose records and changes are: the settings' own table.
    #[serde(skip)]
    pub entities: Arc<EntityOptions>,
    /// Formats described in settings, under a table of their own.
    #[serde(skip)]
    pub described: Arc<[Described]>,
    /// What is taken out of all texts that leave, by a table of its own in settings.
    #[serde(skip)]
    pub redactor: Arc<Redactor>,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            format: "auto".to_owned(),
            default_environment: "default".to_owned(),
            max_record_bytes: 10_485_760,
            max_record_items: 100_000,
            max_skew_s: 300,
            entities: Arc::default(),
            described: Arc::default(),
            redactor: Arc::default(),
        }
    }
}

impl DecodeOptions {
    /// Names the first setting that cannot work, and what would.
    pub fn validate(&self) -> Result<(), String> {
        if self.format != "auto" && Chosen::named(self).is_none() {
            let described: String = self.described.iter().map(|format| format!(", {}", format.name)).collect();
            return Err(format!("format: unknown format {:?}; known: {}{described}", self.format, format_names()));
        }
        if self.default_environment.is_empty() || self.default_environment.chars().count() > 200 {
            return Err("default_environment: must have 1 to 200 characters".to_owned());
        }
        if self.max_record_bytes == 0 {
            return Err("max_record_bytes: must be at least 1".to_owned());
        }
        if self.max_record_items == 0 {
            return Err("max_record_items: must be at least 1".to_owned());
        }
        Ok(())
    }
}

/// Names a connector's `format` setting may have.
pub(crate) fn format_names() -> String {
    let mut names = vec!["auto"];
    names.extend(FORMATS.iter().map(|format| format.name));
    names.join(", ")
}

/// Items for which room is made before they are seen.
const MAX_ROOM: usize = 50_000;

/// Decodes the batches of one connector. Keeps which definitions it has sent.
#[derive(Debug)]
pub struct Decoder {
    options: DecodeOptions,
    /// `None` when each record tells its own.
    named: Option<Chosen>,
    symbols: Symbols,
    lines: LineReader,
    clocks: Clocks,
    /// Where compressed records are inflated, one at a time.
    room: Vec<u8>,
    /// Records of the last batch, and its lines, points and spans.
    last: (usize, [usize; 3]),
}

impl Decoder {
    /// Options that [`DecodeOptions::validate`] refuses behave as `auto`.
    pub fn new(options: DecodeOptions) -> Self {
        let named = Chosen::named(&options);
        let aliases = Arc::new(Aliases::lenient(options.entities.aliases.clone()));
        let symbols = Symbols::meaning(aliases, options.redactor.clone());
        let lines = LineReader::asking(&options.entities.service_attributes);
        Self { options, named, symbols, lines, clocks: Clocks::default(), room: Vec::new(), last: (0, [0; 3]) }
    }

    /// Names mean this from the next batch on, in the place of what the settings say.
    pub fn use_aliases(&mut self, aliases: Arc<Aliases>) {
        self.symbols.aliases = aliases;
    }

    /// `observed_at` is the wall time of reading, for events' `observed_at`.
    pub fn decode(&mut self, records: Arc<RecordBatch>, observed_at: Timestamp) -> ObservationBatch {
        self.decode_items(records, None, observed_at)
    }

    /// Items to expect of so many records, by those of the last batch: lists that need not grow are not copied.
    fn room_for(&self, records: usize) -> [usize; 3] {
        let (last, items) = &self.last;
        items.map(|items| (items * records).checked_div(*last).unwrap_or_default().min(MAX_ROOM))
    }

    /// [`Decoder::decode`], of each record only the items at these indexes; the others are neither taken nor counted.
    pub fn decode_items(&mut self, records: Arc<RecordBatch>, only: Option<&[u32]>, observed_at: Timestamp) -> ObservationBatch {
        let mut batch = ObservationBatch::empty(Arc::clone(&records));
        let [logs, points, spans] = self.room_for(records.records.len());
        batch.logs.reserve_exact(logs);
        batch.points.reserve_exact(points);
        batch.spans.reserve_exact(spans);
        let mut mix = FormatMix::default();
        batch.record_formats.reserve_exact(records.records.len());
        for (index, record) in records.records.iter().enumerate() {
            let partition = usize::from(record.partition);
            if let Some(counts) = batch.counts.get_mut(partition) {
                counts.records_read += 1;
            }
            if let Some(newest) = watermark(&records, record) {
                move_watermark(&mut batch, partition, newest.min(sink::latest(&self.options, None, observed_at)));
                mix.count("control");
                batch.record_formats.push("control");
                continue;
            }
            let value = readable(&self.options, &records, record, &mut self.room).and_then(|value| {
                let format = self.named.map_or_else(|| Chosen::of(&self.options, &records, record, value), Ok)?;
                Ok((value, format))
            });
            let mut sink = RecordSink::new(&self.options, &mut self.symbols, &mut batch, index as u32, record, observed_at).only(only);
            let (outcome, format) = match value {
                Ok((value, Chosen::Wire(format))) => {
                    let (outcome, format) = read_as(&mut self.lines, format, &records, record, value, &mut sink);
                    (outcome.map_err(|refusal| refusal.placed_in(value)), format)
                }
                Ok((value, Chosen::Described(index))) => match self.options.described.get(index) {
                    Some(format) => (format.read(&mut self.lines, value, &mut sink), format.name),
                    None => (Ok(()), "auto"),
                },
                Err(refusal) => (Err(refusal), self.named.map_or("auto", |chosen| chosen.name(&self.options))),
            };
            if sink.settle(outcome, format, partition) {
                mix.count(format);
            }
            batch.record_formats.push(format);
        }
        self.last = (records.records.len(), [batch.logs.len(), batch.points.len(), batch.spans.len()]);
        batch.definitions = self.symbols.take_fresh();
        batch.formats = mix.counts;
        self.options.redactor.redact_batch(&mut batch);
        batch.clocks = self.clocks.look(&batch);
        batch
    }
}

/// The body of the value, unless there is none or it is too large.
fn readable<'b>(options: &DecodeOptions, records: &'b RecordBatch, record: &RecordRef, room: &'b mut Vec<u8>) -> Result<&'b [u8], Refusal> {
    let refuse = |class, reason: String| Err(Refusal::of(class, reason));
    match records.value(record) {
        None => refuse(RejectionClass::Tombstone, "tombstone: a record without a value".to_owned()),
        Some([]) => refuse(RejectionClass::Empty, "empty: a value of length zero".to_owned()),
        Some(value) if value.len() > options.max_record_bytes as usize => {
            refuse(RejectionClass::TooLarge, format!("{} bytes, more than max_record_bytes = {}", value.len(), options.max_record_bytes))
        }
        Some(value) => body::open(records.source, value, options.max_record_bytes, room),
    }
}

/// Header of a control record: "everything of this partition up to this time has been sent". Its value is an RFC 3339 time. It
/// ends recorded runs, which have no clock to wait for.
pub const WATERMARK_HEADER: &str = "whydunit-watermark";

fn watermark(records: &RecordBatch, record: &RecordRef) -> Option<Timestamp> {
    if record.headers.is_empty() {
        return None;
    }
    records.header(record, WATERMARK_HEADER).and_then(|value| std::str::from_utf8(value).ok()).and_then(Timestamp::parse)
}

/// Books a control record: decoded, without an item.
fn move_watermark(batch: &mut ObservationBatch, partition: usize, newest: Timestamp) {
    if let Some(counts) = batch.counts.get_mut(partition) {
        counts.records_decoded += 1;
    }
    if let Some(slot) = batch.newest.get_mut(partition) {
        *slot = (*slot).max(Some(newest));
    }
}

/// Reads a value in one format. Returns the format it turned out to be: shapes alike on the outside are told apart inside.
fn read_as(
    lines: &mut LineReader,
    format: Format,
    batch: &RecordBatch,
    record: &RecordRef,
    value: &[u8],
    sink: &mut RecordSink<'_>,
) -> (Result<(), Refusal>, &'static str) {
    let outcome = match format.reader {
        Reader::Bytes(read) => read(value, sink),
        Reader::Lines(read) => read(lines, value, sink),
        Reader::Dialects(read) => return read(lines, value, sink),
        Reader::Envelope if format::is_binary_event(batch, record) => {
            return cloudevents::decode_binary(|name| batch.header(record, name), value, sink);
        }
        Reader::Object(_) | Reader::Envelope => {
            let event = format.header.and_then(|header| std::str::from_utf8(batch.header(record, header)?).ok());
            return event_shape::decode(format, event, value, sink);
        }
    };
    (outcome, format.name)
}

/// Records by format; a handful of formats, so a list.
#[derive(Debug, Default)]
struct FormatMix {
    counts: Vec<(&'static str, u64)>,
}

impl FormatMix {
    fn count(&mut self, format: &'static str) {
        match self.counts.iter_mut().find(|(name, _)| std::ptr::eq(*name, format) || *name == format) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((format, 1)),
        }
    }
}

/// What one record would become: a dry run, for a person who tries a format. It stands at offset 0 of a topic `dry-run`.
pub fn decode_one(options: DecodeOptions, source: Source, sample: &guess::Sample<'_>, now: Timestamp) -> ObservationBatch {
    let mut batch = RecordBatch::new(Arc::from("dry-run"), source);
    batch.partitions.push(BatchPartition {
        key: PartitionKey { cluster: Arc::from("dry-run"), topic: Arc::from("dry-run"), incarnation: 0, partition: 0 },
        next_offset: 1,
        end_offset: 1,
        absent: 0,
        missed: 0,
        at_end: true,
    });
    batch.push(0, 0, sample.kafka_time, None, sample.value, &sample.headers);
    Decoder::new(options).decode(Arc::new(batch), now)
}

/// Rejection of a record whose decoding panicked.
pub fn panicked(record: u32, message: &str) -> Rejection {
    Rejection {
        record,
        class: RejectionClass::Panic,
        reason: format!("decoding this record panicked, a defect of whydunit; please report it with the record: {message}"),
        format: "auto",
        items: Vec::new(),
        attempts: 1,
    }
}

#[cfg(test)]
mod tests;
