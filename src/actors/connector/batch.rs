//! One batch: decoded, booked, and handed on whole.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use actix::Context;

use super::{ConnectorStage, Wiring};
use crate::actors::kept::Kept;
use crate::actors::messages::{Passing, Rejected, ToJoin};
use crate::clock;
use crate::engine::correlate::watermark::Progress;
use crate::engine::detect::ShardInput;
use crate::engine::resilience::guard::Pause;
use crate::engine::resilience::offset_ledger::Booking;
use crate::model::Timestamp;
use crate::model::connector::BreakerState;
use crate::model::dead_letter::Rejection;
use crate::model::event::truncate;
use crate::model::observation::{DecodeCounts, ObservationBatch, WrongUnit};
use crate::model::ports::FeedTrouble;
use crate::model::position::PartitionKey;
use crate::model::record::RecordBatch;
use crate::telemetry::batch_trace::{BatchTrace, TRACEPARENT};
use crate::telemetry::metrics::{Outcome, metrics};

impl ConnectorStage {
    pub(super) fn batch(&mut self, mut batch: RecordBatch, ctx: &mut Context<Self>) {
        let began = Instant::now();
        let now = clock::now();
        let read = batch.records.len();
        self.kept.books.lock().recognise(&mut batch);
        let seen_before = read - batch.records.len();
        if read > 0 {
            self.unread_since = self.unread_since.map(|_| now);
        }
        let records = Arc::new(batch);
        let trace = trace_of(&records);
        self.decoder.use_aliases(self.wiring.aliases.now());
        let (mut decoded, culprits) = trace.stage("decode").in_scope(|| self.decoder.decode_isolated(&records, now));
        if culprits > 0 {
            tracing::error!(connector = &*self.name, records = culprits, "decoding panicked; these records are set aside");
        }
        let failing = self.set_aside_suspects(&mut decoded);
        if failing > 0 {
            tracing::error!(connector = &*self.name, records = failing, "records that stop a stage each time; they are set aside");
        }
        self.wiring.status.book(&decoded, now);
        self.count(&decoded, seen_before as u64);
        let progress = progress_of(&decoded);
        let verdict = self.judge(&decoded);
        let booking = Booking::of(&decoded);
        let rejections = std::mem::take(&mut decoded.rejections);
        let (inputs, events) = ShardInput::split(decoded, self.wiring.joins.len());
        metrics().stage("connector", began.elapsed().as_secs_f64());
        let (name, drives) = (self.name.clone(), self.source.drives_watermark());
        let passing = Passing { events, commands: Vec::new(), trace };
        let parcel = Parcel { name, drives, records, rejections, inputs, passing, booking, progress };
        let delivered = parcel.deliver(self.kept.clone(), self.wiring.clone());
        self.hand_over(self.kept.begin(), delivered, ctx, move |stage, ctx| {
            stage.progressed(ctx);
            stage.obey(verdict);
        });
    }

    fn count(&self, decoded: &ObservationBatch, seen_before: u64) {
        let source = self.source.as_str();
        let sum = |field: fn(&DecodeCounts) -> u64| decoded.counts.iter().map(field).sum::<u64>();
        metrics().records(&self.name, source, Outcome::Decoded, sum(|counts| counts.records_decoded));
        metrics().records(&self.name, source, Outcome::SeenBefore, seen_before);
        metrics().records(&self.name, source, Outcome::Rejected, sum(|counts| counts.records_rejected));
        metrics().records(&self.name, source, Outcome::Absent, decoded.records.partitions.iter().map(|partition| partition.absent).sum());
        metrics().records(&self.name, source, Outcome::Missed, decoded.records.partitions.iter().map(|partition| partition.missed).sum());
        metrics().items(&self.name, source, sum(|counts| counts.items_decoded));
        metrics().skewed_items(&self.name, source, decoded.skewed);
        if decoded.skewed > 0 {
            let message = format!(
                "{} items lie too far ahead of their records' Kafka time, or of this machine's clock, to be believed; they are kept and \
                 move no watermark",
                decoded.skewed
            );
            self.note_error(&FeedTrouble::passing("skewed", message), clock::now());
        }
        if let Some(WrongUnit { format, field, wrong, items }) = decoded.wrong_units.first() {
            let message = format!(
                "{items} items of {format} have times that are plausible only if the number is {wrong} ({field}); they are kept with the \
                 times they say, mend the producer"
            );
            self.note_error(&FeedTrouble::passing("wrong_unit", message), clock::now());
        }
    }

    /// What a batch's rejections say of the topic.
    fn judge(&self, decoded: &ObservationBatch) -> Verdict {
        let rejected = decoded.rejections.iter().filter(|rejection| rejection.items.is_empty());
        let records = decoded.records.records.len() as u64;
        let foreign = self.guard(|guard| guard.topic.note(records, rejected.map(|rejection| rejection.format)));
        let reason = decoded.rejections.last().map_or("", |rejection| rejection.reason.as_str());
        let bytes = decoded.rejections.iter().filter_map(|rejection| {
            let record = decoded.records.records.get(rejection.record as usize)?;
            Some(decoded.records.key(record).map_or(0, <[u8]>::len) + decoded.records.value(record).map_or(0, <[u8]>::len))
        });
        Verdict {
            foreign: foreign.map(|foreign| foreign.sentence(&self.name, &self.format, &truncate(reason, 200))),
            letter_bytes: bytes.sum::<usize>() as u64,
        }
    }

    fn obey(&mut self, verdict: Verdict) {
        if let Some(sentence) = verdict.foreign {
            self.guard(|guard| guard.letters.made(verdict.letter_bytes));
            self.pause_for(Pause::WrongTopic(sentence));
        } else if verdict.letter_bytes > 0 {
            self.letters_made(verdict.letter_bytes);
        }
    }

    fn progressed(&mut self, ctx: &mut Context<Self>) {
        let was = self.breaker();
        self.guard(|guard| guard.succeeded(clock::now()));
        if was == BreakerState::HalfOpen {
            self.well();
        }
        self.advance(ctx);
    }

    /// Tells the shards how far the watermark is. From the moment it has moved they must learn of it, whatever becomes of this
    /// stage: a checkpoint would else say closed of what is not.
    pub(super) fn advance(&self, ctx: &mut Context<Self>) {
        let hand_over = self.kept.begin();
        let joins = &self.wiring.joins;
        let delivery = joins.queue(|| {
            let Some(advance) = self.watermark(|watermark| watermark.advance(clock::now())) else { return Vec::new() };
            self.wiring.status.note_activity();
            (0..joins.len()).map(|_| Some(ToJoin::Advance(advance))).collect()
        });
        if delivery.is_empty() {
            hand_over.nothing();
            self.wiring.pace.keep(&self.name);
            return;
        }
        self.hand_over(hand_over, delivery.taken(), ctx, |_, _| {});
        self.wiring.pace.keep_all();
    }
}

/// A decoded batch on its way.
struct Parcel {
    name: Arc<str>,
    drives: bool,
    records: Arc<RecordBatch>,
    rejections: Vec<Rejection>,
    inputs: Vec<ShardInput>,
    passing: Passing,
    booking: Booking,
    progress: Vec<PartitionProgress>,
}

impl Parcel {
    /// Letters first, for the books must not pass them; then all the rest in one step. True when all was taken.
    async fn deliver(self, kept: Arc<Kept>, wiring: Wiring) -> bool {
        let Self { name, drives, records, rejections, inputs, passing, booking, progress } = self;
        let trace = passing.trace.clone();
        if !rejections.is_empty() && wiring.dead_letter.send(Rejected { records, rejections, trace: trace.clone() }).await.is_err() {
            return false;
        }
        let mut passing = Some(passing);
        let messages = inputs.into_iter().map(|input| {
            let passing = passing.take().unwrap_or_else(|| Passing { trace: trace.clone(), ..Passing::default() });
            (!input.is_empty() || !passing.is_empty()).then_some(ToJoin::Observed { input, passing })
        });
        let messages = messages.collect();
        let delivery = wiring.joins.queue(|| {
            wiring.status.note_activity();
            kept.books.lock().book(&booking);
            let now = clock::now();
            let mut watermark = wiring.watermark.lock().unwrap_or_else(PoisonError::into_inner);
            for PartitionProgress { key, oldest, newest, at_end } in &progress {
                watermark.progress(&name, drives, &Progress { partition: key, oldest: *oldest, newest: *newest, at_end: *at_end, now });
            }
            messages
        });
        delivery.taken().await
    }
}

/// What a batch's rejections mean for the connector.
#[derive(Debug)]
struct Verdict {
    /// Why it must pause: the topic is not what the settings say.
    foreign: Option<String>,
    letter_bytes: u64,
}

fn trace_of(records: &RecordBatch) -> BatchTrace {
    let traceparents = records.records.iter().filter_map(|record| records.header(record, TRACEPARENT));
    BatchTrace::begin(&records.connector, records.source.as_str(), records.records.len(), traceparents)
}

/// What a delivered batch says of one partition.
#[derive(Debug)]
struct PartitionProgress {
    key: PartitionKey,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
    at_end: bool,
}

fn progress_of(decoded: &ObservationBatch) -> Vec<PartitionProgress> {
    let oldest = decoded.oldest_by_partition();
    let partitions = decoded.records.partitions.iter().enumerate();
    partitions
        .map(|(index, partition)| PartitionProgress {
            key: partition.key.clone(),
            oldest: oldest.get(index).copied().flatten(),
            newest: decoded.newest.get(index).copied().flatten(),
            at_end: partition.at_end,
        })
        .collect()
}
