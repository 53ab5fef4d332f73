//! Stage: takes one source's batches, decodes them, and sends them on; keeps the source's books, breaker and backoff.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient, StreamHandler, WrapFuture};
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::books::Books;
use super::life_line::LifeLine;
use super::messages::{Committed, Hold, Passing, Rejected, SourceEnded, Steer, Stop, ToJoin};
use super::pace::Pace;
use super::status::StatusBoard;
use crate::clock;
use crate::engine::correlate::watermark::{Advance, Progress, WatermarkTracker};
use crate::engine::decode::{DecodeOptions, Decoder};
use crate::engine::detect::ShardInput;
use crate::engine::resilience::backoff::Backoff;
use crate::engine::resilience::circuit_breaker::CircuitBreaker;
use crate::engine::resilience::offset_ledger::OffsetLedger;
use crate::model::connector::ConnectorState;
use crate::model::dead_letter::Rejection;
use crate::model::observation::{DecodeCounts, ObservationBatch};
use crate::model::ports::{AssignedPartition, FeedControl, FeedMessage, FeedTrouble, StoredOffsets};
use crate::model::position::PartitionKey;
use crate::model::record::RecordBatch;
use crate::model::{Source, Timestamp};
use crate::telemetry::batch_trace::{BatchTrace, TRACEPARENT};
use crate::telemetry::metrics::{Outcome, metrics};

/// Failures in a row that open the breaker.
const BREAKER_THRESHOLD: u32 = 5;
/// How often a silent connector looks whether the watermark may move and whether its breaker lets it try again.
const TICK: Duration = Duration::from_secs(1);
/// A source that is not read this long no longer holds the watermark: the others go on without it.
const HOLD_UNREAD_S: f64 = 60.0;

/// A running feed: its messages and its handle.
pub type Feed = (mpsc::Receiver<FeedMessage>, Arc<dyn FeedControl>);
/// Starts the feed where the books stand, anew after each failure.
pub type StartFeed = Box<dyn Fn(Arc<dyn StoredOffsets>) -> Result<Feed, FeedTrouble> + Send>;

/// What a connector is made of; all of it outlives a restart of the stage.
#[derive(Clone)]
pub struct Wiring {
    pub joins: Vec<Recipient<ToJoin>>,
    pub dead_letter: Recipient<Rejected>,
    pub watermark: Arc<Mutex<WatermarkTracker>>,
    pub pace: Arc<Pace>,
    pub status: Arc<StatusBoard>,
    pub ended: Recipient<SourceEnded>,
}

impl std::fmt::Debug for Wiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wiring").finish_non_exhaustive()
    }
}

pub struct ConnectorStage {
    name: Arc<str>,
    source: Source,
    decoder: Decoder,
    start_feed: StartFeed,
    feed: Option<Arc<dyn FeedControl>>,
    /// Number of the feed that counts; what an earlier one still says does not.
    feed_number: u32,
    /// Paused by a person.
    paused: bool,
    stopped_for_good: bool,
    /// Since when nothing can come: no broker, no feed, or paused.
    unread_since: Option<Timestamp>,
    books: Arc<Books>,
    breaker: CircuitBreaker,
    backoff: Backoff,
    retry_at: Option<Timestamp>,
    /// Stopped for a checkpoint, which has the books.
    held: bool,
    /// What the feed said while held. One message at most: after a message of the mailbox that makes the stage wait, actix lets
    /// one more item of a stream through before it does.
    aside: Option<(u32, FeedMessage)>,
    wiring: Wiring,
    _life: LifeLine,
}

impl std::fmt::Debug for ConnectorStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectorStage").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ConnectorStage {
    pub fn new(
        name: Arc<str>,
        source: Source,
        options: DecodeOptions,
        start_feed: StartFeed,
        ledger: OffsetLedger,
        wiring: Wiring,
        life: LifeLine,
    ) -> Self {
        let seed = u64::from(name.bytes().map(u32::from).sum::<u32>());
        Self {
            decoder: Decoder::new(options),
            breaker: CircuitBreaker::new(BREAKER_THRESHOLD),
            backoff: Backoff::new(seed),
            retry_at: None,
            held: false,
            aside: None,
            feed: None,
            feed_number: 0,
            paused: false,
            stopped_for_good: false,
            unread_since: None,
            name,
            source,
            start_feed,
            books: Arc::new(Books::new(ledger)),
            wiring,
            _life: life,
        }
    }

    fn watermark<T>(&self, act: impl FnOnce(&mut WatermarkTracker) -> T) -> T {
        act(&mut self.wiring.watermark.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn state(&self, state: ConnectorState, because: &str) {
        let breaker = self.breaker.view();
        self.wiring.status.update(&self.name, |status| {
            if status.state != state {
                status.since = Some(clock::now());
            }
            status.state = state;
            status.breaker = breaker;
            because.clone_into(&mut status.because);
        });
    }

    // ------------------------------------------------------------ the feed

    /// A message of a feed; those of one that was given up are old news.
    fn heard(&mut self, number: u32, message: FeedMessage, ctx: &mut Context<Self>) {
        if number != self.feed_number || self.feed.is_none() {
            return;
        }
        match message {
            FeedMessage::Batch(batch) => self.batch(batch, ctx),
            FeedMessage::Assigned(partitions) => self.assigned(&partitions),
            FeedMessage::Revoked(partitions) => self.revoked(&partitions),
            FeedMessage::Trouble(trouble) => self.trouble(&trouble),
            FeedMessage::Notice(notice) => self.notice(&notice),
            FeedMessage::Ended { reason } => self.ended(reason, ctx),
        }
    }

    fn connect(&mut self, ctx: &mut Context<Self>) {
        self.retry_at = None;
        match (self.start_feed)(self.books.clone()) {
            Ok((messages, control)) => {
                if self.paused {
                    control.pause();
                }
                let number = self.feed_number;
                self.wiring.status.feed_started(&self.name);
                self.wiring.pace.started(&self.name, control.clone());
                self.feed = Some(control);
                // A reader that is gone without a word (it panicked) must be noticed; after its last word this one is old news.
                let without_a_word = FeedMessage::Ended { reason: Some("the reader ended without saying why".to_owned()) };
                let messages = ReceiverStream::new(messages).chain(tokio_stream::once(without_a_word));
                ctx.add_stream(messages.map(move |message| (number, message)));
            }
            Err(trouble) => self.failed(&trouble),
        }
    }

    /// The feed is gone or could not start: wait, then try again, unless only a person can help.
    fn failed(&mut self, trouble: &FeedTrouble) {
        let now = clock::now();
        tracing::warn!(connector = &*self.name, class = trouble.class, message = trouble.message, "feed failed");
        self.lose_feed();
        self.note_error(trouble, now);
        if trouble.permanent {
            self.stopped_for_good = true;
            self.unread_since = None;
            self.watermark(|watermark| watermark.give_up(&self.name));
            self.state(ConnectorState::Stopped, &trouble.message);
            return;
        }
        self.breaker.failed(now);
        let breaker = self.breaker.view();
        let delay_ms = i64::try_from(self.backoff.next_delay_ms()).unwrap_or(i64::MAX);
        self.retry_at = Some(breaker.retry_at.unwrap_or_else(|| now.plus_millis(delay_ms)));
        let state = if breaker.retry_at.is_some() { ConnectorState::Open } else { ConnectorState::BackingOff };
        self.state(state, &trouble.message);
    }

    /// The feed is no more. Its partitions are not known until another one names them.
    fn lose_feed(&mut self) {
        if let Some(feed) = self.feed.take() {
            feed.stop();
        }
        self.feed_number += 1;
        self.wiring.pace.ended(&self.name);
        self.unread_since.get_or_insert_with(clock::now);
        self.watermark(|watermark| {
            watermark.give_up(&self.name);
            watermark.expect(&self.name);
        });
    }

    fn note_error(&self, trouble: &FeedTrouble, now: Timestamp) {
        self.wiring.status.update(&self.name, |status| {
            status.last_error = Some(format!("{}: {}", trouble.class, trouble.message));
            status.last_error_at = Some(now);
        });
    }

    /// A trouble that the feed itself goes on trying to get over.
    fn trouble(&mut self, trouble: &FeedTrouble) {
        let now = clock::now();
        if trouble.recovered {
            self.well();
            return;
        }
        tracing::warn!(connector = &*self.name, class = trouble.class, message = trouble.message, "trouble with the feed");
        self.note_error(trouble, now);
        if trouble.permanent {
            self.failed(trouble);
            return;
        }
        self.breaker.failed(now);
        match trouble.class.as_str() {
            // Nothing is there to wait for.
            "unknown_topic" => self.watermark(|watermark| watermark.give_up(&self.name)),
            _ => self.unread_since = self.unread_since.or(Some(now)),
        }
        self.state(ConnectorState::BackingOff, &trouble.message);
    }

    /// Something a person must know, while all goes on.
    fn notice(&self, notice: &FeedTrouble) {
        tracing::warn!(connector = &*self.name, class = notice.class, message = notice.message, "noticed by the feed");
        self.note_error(notice, clock::now());
    }

    fn well(&mut self) {
        if !self.paused {
            self.unread_since = None;
        }
        self.breaker.succeeded();
        self.backoff.succeeded();
        let state = if self.paused { ConnectorState::Paused } else { ConnectorState::Running };
        self.state(state, if self.paused { "paused by a person" } else { "" });
    }

    fn assigned(&mut self, partitions: &[AssignedPartition]) {
        let now = clock::now();
        let drives = self.source.drives_watermark();
        let keys = partitions
            .iter()
            .map(|partition| (partition.key.clone(), partition.end_offset >= 0 && partition.start_offset >= partition.end_offset));
        self.watermark(|watermark| watermark.assigned(&self.name, drives, keys, now));
        let mut books = self.books.lock();
        partitions.iter().for_each(|partition| books.assigned(&self.name, partition));
        drop(books);
        self.wiring.status.note_activity();
        self.wiring.status.update(&self.name, |status| status.assigned_partitions += partitions.len() as u32);
        self.well();
    }

    fn revoked(&mut self, partitions: &[PartitionKey]) {
        self.watermark(|watermark| watermark.revoked(&self.name, partitions, clock::now()));
        let mut left = 0;
        self.wiring.status.update(&self.name, |status| {
            left = status.assigned_partitions.saturating_sub(partitions.len() as u32);
            status.assigned_partitions = left;
        });
        if left == 0 && !self.paused {
            let because = "no partition is assigned: the broker does not answer, or the group gave them to another member; asking again";
            self.state(ConnectorState::Connecting, because);
        }
    }

    fn ended(&mut self, reason: Option<String>, ctx: &mut Context<Self>) {
        match reason {
            None => {
                self.feed = None;
                self.wiring.pace.ended(&self.name);
                self.watermark(|watermark| watermark.finished(&self.name));
                self.wiring.status.note_activity();
                self.state(ConnectorState::Stopped, "read to its end");
                let advance = self.watermark(|watermark| watermark.advance(clock::now()));
                self.send_advance(advance, ctx);
                // After the advance, in the order of waiting.
                let ended = self.wiring.ended.send(SourceEnded { name: self.name.to_string() });
                ctx.wait(ended.into_actor(self).map(|_, _, _| ()));
            }
            Some(message) => self.failed(&FeedTrouble { class: "feed_ended".to_owned(), message, permanent: false, recovered: false }),
        }
    }

    // ------------------------------------------------------------ a batch

    fn batch(&mut self, mut batch: RecordBatch, ctx: &mut Context<Self>) {
        let began = Instant::now();
        let now = clock::now();
        let read = batch.records.len();
        self.books.lock().recognise(&mut batch);
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
        self.books.lock().book(&decoded);
        self.wiring.status.book(&decoded, now);
        self.count(&decoded, seen_before as u64);
        let rejections = std::mem::take(&mut decoded.rejections);
        let progress = progress_of(&decoded);
        let (inputs, events) = ShardInput::split(decoded, self.wiring.joins.len());
        metrics().stage("connector", began.elapsed().as_secs_f64());
        self.deliver(records, rejections, inputs, Passing { events, commands: Vec::new(), trace }, progress, ctx);
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
            self.note_error(&FeedTrouble { class: "skewed".to_owned(), message, permanent: false, recovered: false }, clock::now());
        }
    }

    /// Letters first, then observations; only then does the watermark learn of them.
    fn deliver(
        &mut self,
        records: Arc<RecordBatch>,
        rejections: Vec<Rejection>,
        inputs: Vec<ShardInput>,
        passing: Passing,
        progress: Vec<PartitionProgress>,
        ctx: &mut Context<Self>,
    ) {
        let wiring = self.wiring.clone();
        let trace = passing.trace.clone();
        let send = async move {
            if !rejections.is_empty() && wiring.dead_letter.send(Rejected { records, rejections, trace: trace.clone() }).await.is_err() {
                return false;
            }
            let mut passing = Some(passing);
            let sends = wiring.joins.iter().zip(inputs).filter_map(|(join, input)| {
                let passing = passing.take().unwrap_or_else(|| Passing { trace: trace.clone(), ..Passing::default() });
                (!input.is_empty() || !passing.is_empty()).then(|| join.send(ToJoin::Observed { input, passing }))
            });
            join_all(sends).await.iter().all(Result::is_ok)
        };
        ctx.wait(send.into_actor(self).map(move |delivered, stage, ctx| {
            if delivered {
                stage.progressed(&progress, ctx);
            } else {
                ctx.stop();
            }
        }));
    }

    fn progressed(&mut self, progress: &[PartitionProgress], ctx: &mut Context<Self>) {
        let now = clock::now();
        let drives = self.source.drives_watermark();
        let advance = self.watermark(|watermark| {
            for partition in progress {
                let step = Progress {
                    partition: &partition.key,
                    oldest: partition.oldest,
                    newest: partition.newest,
                    at_end: partition.at_end,
                    now,
                };
                watermark.progress(&self.name, drives, &step);
            }
            watermark.advance(now)
        });
        self.wiring.pace.keep(&self.name);
        self.send_advance(advance, ctx);
    }

    fn send_advance(&self, advance: Option<Advance>, ctx: &mut Context<Self>) {
        let Some(advance) = advance else { return };
        self.wiring.status.note_activity();
        self.wiring.pace.keep_all();
        let sends: Vec<_> = self.wiring.joins.iter().map(|join| join.send(ToJoin::Advance(advance))).collect();
        ctx.wait(join_all(sends).into_actor(self).map(|results, _, ctx| {
            if results.iter().any(Result::is_err) {
                ctx.stop();
            }
        }));
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.held {
            return;
        }
        let now = clock::now();
        if self.unread_since.is_some_and(|since| now.seconds_since(since) >= HOLD_UNREAD_S) {
            self.watermark(|watermark| watermark.give_up(&self.name));
        }
        if self.retry_at.is_some_and(|retry_at| now >= retry_at) && self.breaker.allows(now) {
            self.connect(ctx);
        }
        let advance = self.watermark(|watermark| watermark.advance(now));
        self.wiring.pace.keep(&self.name);
        self.send_advance(advance, ctx);
    }
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

impl Actor for ConnectorStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
        self.watermark(|watermark| watermark.expect(&self.name));
        self.connect(ctx);
        ctx.run_interval(TICK, Self::tick);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if let Some(feed) = self.feed.take() {
            feed.stop();
        }
    }
}

impl StreamHandler<(u32, FeedMessage)> for ConnectorStage {
    fn handle(&mut self, (number, message): (u32, FeedMessage), ctx: &mut Self::Context) {
        if self.held {
            self.aside = Some((number, message));
        } else {
            self.heard(number, message, ctx);
        }
    }

    /// The channel closing is not the stage's end: the feed may start again.
    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Hold> for ConnectorStage {
    type Result = MessageResult<Hold>;

    fn handle(&mut self, hold: Hold, ctx: &mut Self::Context) -> Self::Result {
        self.held = true;
        ctx.wait(hold.resume.into_actor(self).map(|_, stage, ctx| {
            stage.held = false;
            if let Some((number, message)) = stage.aside.take() {
                stage.heard(number, message, ctx);
            }
        }));
        MessageResult(self.books.lock().rows())
    }
}

impl Handler<Committed> for ConnectorStage {
    type Result = ();

    fn handle(&mut self, Committed(ledger): Committed, _: &mut Self::Context) {
        let Some(feed) = &self.feed else { return };
        let ours = ledger.iter().filter(|row| *row.connector == *self.name);
        feed.commit(&ours.map(|row| (row.partition.clone(), row.next_offset)).collect::<Vec<_>>());
    }
}

impl Handler<Steer> for ConnectorStage {
    type Result = ();

    fn handle(&mut self, steer: Steer, ctx: &mut Self::Context) {
        tracing::info!(connector = &*self.name, ?steer, "steered by a person");
        match steer {
            Steer::Pause => {
                self.paused = true;
                self.unread_since.get_or_insert_with(clock::now);
                if let Some(feed) = &self.feed {
                    feed.pause();
                }
                self.state(ConnectorState::Paused, "paused by a person");
            }
            Steer::Resume => {
                self.paused = false;
                if let Some(feed) = &self.feed {
                    feed.resume();
                    self.well();
                }
            }
            Steer::ResetBreaker => {
                self.breaker.succeeded();
                self.backoff.succeeded();
                self.stopped_for_good = false;
                if self.feed.is_none() {
                    self.state(ConnectorState::Connecting, "connecting again, as a person asked");
                    self.connect(ctx);
                }
            }
        }
    }
}

impl Handler<Stop> for ConnectorStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
