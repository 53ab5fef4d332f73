//! One batch: decoded, booked, and handed on whole.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use actix::Context;
use futures_util::future::join_all;

use super::{ConnectorStage, Wiring};
use crate::actors::messages::{Passing, Rejected, ToJoin};
use crate::clock;
use crate::engine::correlate::watermark::Progress;
use crate::engine::detect::ShardInput;
use crate::engine::resilience::guard::Pause;
use crate::model::Timestamp;
use crate::model::connector::BreakerState;
use crate::model::dead_letter::Rejection;
use crate::model::event::truncate;
use crate::model::observation::{DecodeCounts, ObservationBatch};
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
        let hand_over = self.kept.begin();
        self.kept.books.lock().book(&decoded);
        let rejections = std::mem::take(&mut decoded.rejections);
        let (inputs, events) = ShardInput::split(decoded, self.wiring.joins.len());
        metrics().stage("connector", began.elapsed().as_secs_f64());
        let (name, drives) = (self.name.clone(), self.source.drives_watermark());
        let parcel =
            Parcel { name, drives, records, rejections, inputs, passing: Passing { events, commands: Vec::new(), trace }, progress };
        self.hand_over(hand_over, parcel.deliver(self.wiring.clone()), ctx, move |stage, ctx| {
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
        let Some(advance) = self.watermark(|watermark| watermark.advance(clock::now())) else {
            hand_over.nothing();
            self.wiring.pace.keep(&self.name);
            return;
        };
        self.wiring.status.note_activity();
        let sends: Vec<_> = self.wiring.joins.iter().map(|join| join.send(ToJoin::Advance(advance))).collect();
        let sends = async { join_all(sends).await.iter().all(Result::is_ok) };
        self.hand_over(hand_over, sends, ctx, |_, _| {});
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
    progress: Vec<PartitionProgress>,
}

impl Parcel {
    /// Letters first, then observations; only then does the watermark learn of them. True when all was taken.
    async fn deliver(self, wiring: Wiring) -> bool {
        let Self { name, drives, records, rejections, inputs, passing, progress } = self;
        let trace = passing.trace.clone();
        if !rejections.is_empty() && wiring.dead_letter.send(Rejected { records, rejections, trace: trace.clone() }).await.is_err() {
            return false;
        }
        let mut passing = Some(passing);
        let sends = wiring.joins.iter().zip(inputs).filter_map(|(join, input)| {
            let passing = passing.take().unwrap_or_else(|| Passing { trace: trace.clone(), ..Passing::default() });
            (!input.is_empty() || !passing.is_empty()).then(|| join.send(ToJoin::Observed { input, passing }))
        });
        if join_all(sends).await.iter().any(Result::is_err) {
            return false;
        }
        let now = clock::now();
        let mut watermark = wiring.watermark.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in &progress {
            let PartitionProgress { key, oldest, newest, at_end } = partition;
            watermark.progress(&name, drives, &Progress { partition: key, oldest: *oldest, newest: *newest, at_end: *at_end, now });
        }
        true
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
