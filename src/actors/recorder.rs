//! Stage: the only one that writes. Batches what comes into one durable transaction, on the disk thread.
//!
//! A transaction takes whatever has come while the one before it was written: few rows when little comes, many when it falls
//! behind. A checkpoint's state goes along in parts, so that no row waits for the whole of it.

mod receiving;
mod unstorable;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient, SpawnHandle, WrapFuture};

use tokio::sync::Notify;

use super::aliases::SharedAliases;
pub use receiving::Intake;
use receiving::Receiving;

use super::life_line::LifeLine;
use super::messages::{BookDeliveries, CommandStored, Execute, Ping, Record, Stop, StoreFailed, Stored};
use super::retention::Retention;
use super::status::StatusBoard;
use super::suspects::SharedSuspects;
use crate::clock;
use crate::engine::resilience::backoff::Backoff;
use crate::engine::resilience::retention::RetentionOptions;
use crate::model::Bucket;
use crate::model::command::Action;
use crate::model::ports::{StoreError, StoreWriter, WriteBatch, WriteReport};
use crate::model::snapshot::Checkpoint;
use crate::telemetry::batch_trace::BatchTrace;
use crate::telemetry::metrics::metrics;

/// Rows that make a transaction worth its disk flush at once.
const FLUSH_ROWS: usize = 500;
/// Fewer rows wait this long after the last transaction, milliseconds: what bounds disk flushes while little comes.
const GAP: Duration = Duration::from_millis(20);
/// Rows and messages that make a transaction large enough; a message holds at most a Kafka batch, or some closed buckets.
const FULL_ROWS: usize = 5_000;
const FULL_MESSAGES: usize = 16;
/// State entries that go along with one transaction: serialising and writing them takes milliseconds.
const PART_ENTRIES: usize = 250;
/// A start, and a disk in trouble, come before retention.
const RETENTION_WAIT: Duration = Duration::from_secs(1);
const WHO: &str = "store";

pub struct RecorderStage {
    writer: Box<dyn StoreWriter>,
    pending: WriteBatch,
    /// Messages in `pending`.
    messages: usize,
    /// The checkpoint whose state is being written in parts, and the one after it.
    checkpoint: Option<Checkpoint>,
    next_checkpoint: Option<Checkpoint>,
    /// What was written of it.
    progress: Progress,
    /// Of the batches whose writes are pending.
    traces: Vec<BatchTrace>,
    /// What is closed once the pending writes are stored.
    closed_through: Option<Bucket>,
    flush: Option<Flush>,
    /// By the clock that a simulation drives.
    flushed_at: Option<tokio::time::Instant>,
    backoff: Backoff,
    retention: Option<Retention>,
    receiving: Receiving,
    suspects: SharedSuspects,
    aliases: SharedAliases,
    status: Arc<StatusBoard>,
    broadcaster: Recipient<Stored>,
    commands: Recipient<CommandStored>,
    /// Wake the stages that read what people write.
    inboxes: Vec<Arc<Notify>>,
    supervisor: Option<(Recipient<Stored>, Recipient<StoreFailed>)>,
    _life: LifeLine,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    began: Option<Instant>,
    entries: u64,
    bytes: u64,
}

/// A transaction to come.
#[derive(Clone, Copy, Debug)]
struct Flush {
    handle: SpawnHandle,
    at_once: bool,
}

impl std::fmt::Debug for RecorderStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecorderStage").field("pending", &self.pending.rows()).finish_non_exhaustive()
    }
}

impl RecorderStage {
    pub fn new(
        writer: Box<dyn StoreWriter>,
        status: Arc<StatusBoard>,
        broadcaster: Recipient<Stored>,
        commands: Recipient<CommandStored>,
        inboxes: Vec<Arc<Notify>>,
        supervisor: Option<(Recipient<Stored>, Recipient<StoreFailed>)>,
        life: LifeLine,
    ) -> Self {
        Self {
            writer,
            pending: WriteBatch::default(),
            messages: 0,
            checkpoint: None,
            next_checkpoint: None,
            progress: Progress::default(),
            traces: Vec::new(),
            closed_through: None,
            flush: None,
            flushed_at: None,
            backoff: Backoff::new(0),
            retention: None,
            receiving: Receiving::default(),
            suspects: SharedSuspects::default(),
            aliases: SharedAliases::default(),
            status,
            broadcaster,
            commands,
            inboxes,
            supervisor,
            _life: life,
        }
    }

    /// Removes what is due between writes.
    #[must_use]
    pub fn with_retention(mut self, options: RetentionOptions) -> Self {
        self.retention = Retention::new(options, self.status.clone());
        self
    }

    /// Takes records that come without Kafka; so many bytes of each connector wait already.
    #[must_use]
    pub fn receiving(mut self, intake: Intake, waiting: Vec<(String, u64)>) -> Self {
        self.receiving = Receiving::new(intake, waiting);
        self
    }

    /// Tells of records that stop it.
    #[must_use]
    pub fn telling(mut self, suspects: SharedSuspects) -> Self {
        self.suspects = suspects;
        self
    }

    /// Tells who decodes what names mean, when a person changes it.
    #[must_use]
    pub fn naming(mut self, aliases: SharedAliases) -> Self {
        self.aliases = aliases;
        self
    }

    fn take_aliases(&mut self) {
        match self.writer.aliases() {
            Ok(table) => self.aliases.replace(&table),
            Err(error) => tracing::error!(%error, "aliases are stored but not read: they hold after the next start"),
        }
    }

    fn retain(&mut self, ctx: &mut Context<Self>) {
        let Some(retention) = &mut self.retention else { return };
        // A disk that takes no writes takes no removals either.
        let rest = if self.backoff.attempt() == 0 { retention.step(&mut *self.writer, clock::now()) } else { RETENTION_WAIT };
        ctx.run_later(rest, Self::retain);
    }

    fn take(&mut self, batch: WriteBatch) {
        self.messages += 1;
        self.pending.events.extend(batch.events);
        self.pending.detected.extend(batch.detected);
        self.pending.findings.extend(batch.findings);
        self.pending.letters.extend(batch.letters);
        self.pending.replays.extend(batch.replays);
        self.pending.rows.extend(batch.rows);
        self.pending.edges.extend(batch.edges);
        self.pending.pauses.extend(batch.pauses);
        self.pending.received.extend(batch.received);
        if let Some(mut checkpoint) = batch.checkpoint {
            // One whose writing has not begun is overtaken; one that is being written is let finish, or none ever would.
            checkpoint.absorb(self.next_checkpoint.take().map(|older| older.deltas).unwrap_or_default());
            self.next_checkpoint = Some(checkpoint);
        }
    }

    fn is_full(&self) -> bool {
        self.pending.rows() >= FULL_ROWS || self.messages >= FULL_MESSAGES
    }

    const fn is_checkpointing(&self) -> bool {
        self.checkpoint.is_some() || self.next_checkpoint.is_some()
    }

    /// Sees to it that what is pending is written: at once when there is much, after the gap when there is little. "At once" is
    /// after the messages that wait already: the mailbox is emptied before anything else is done.
    fn schedule(&mut self, ctx: &mut Context<Self>) {
        // Whoever waits for an answer sends nothing meanwhile; what comes while one transaction is written shares the next.
        let at_once = self.is_checkpointing() || self.pending.rows() >= FLUSH_ROWS || self.receiving.is_waited_for();
        if let Some(flush) = self.flush {
            if flush.at_once || !at_once {
                return;
            }
            ctx.cancel_future(flush.handle);
        }
        let since = self.flushed_at.map_or(GAP, |at| at.elapsed());
        let handle = match GAP.checked_sub(since).filter(|wait| !at_once && !wait.is_zero()) {
            Some(wait) => ctx.run_later(wait, |stage, ctx| stage.flush(ctx)),
            None => ctx.spawn(std::future::ready(()).into_actor(self).map(|(), stage, ctx| stage.flush(ctx))),
        };
        self.flush = Some(Flush { handle, at_once });
    }

    /// One transaction. A passing failure is tried again, with everything upstream waiting, so that nothing is lost and
    /// nothing piles up.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        if let Some(flush) = self.flush.take() {
            ctx.cancel_future(flush.handle);
        }
        self.add_checkpoint();
        if self.pending.is_empty() {
            self.messages = 0;
            self.ask_the_disk(ctx);
            return;
        }
        let began = Instant::now();
        let spans: Vec<_> = self.traces.iter().map(|trace| trace.stage("store")).collect();
        let written = self.writer.write(&self.pending, clock::now());
        drop(spans);
        match written {
            Ok(report) => {
                metrics().transaction(began.elapsed().as_secs_f64());
                metrics().stored(report.events_stored, report.letters_stored, report.opened);
                report.told.iter().for_each(|(kind, _)| metrics().notified(kind.as_str()));
                self.recovered();
                self.traces.clear();
                self.publish_watermark();
                self.flushed_at = Some(tokio::time::Instant::now());
                self.messages = 0;
                let written = std::mem::take(&mut self.pending);
                self.receiving.stored();
                if written.checkpoint.is_some() {
                    self.remove_received(ctx);
                }
                self.tell(written, report);
                if self.is_checkpointing() {
                    self.schedule(ctx);
                }
            }
            Err(error @ (StoreError::DiskFull(_) | StoreError::Busy(_))) => self.try_again(&error, ctx),
            // Built anew from the last checkpoint, without what could not be stored.
            Err(StoreError::Other(_)) if self.finds_unstorable() => ctx.stop(),
            Err(error) => self.give_up(error, ctx),
        }
    }

    /// Nothing waits to be written: records that came over HTTP were refused. After a failure only a write says that the disk takes
    /// writes again, and whoever sends may have been told to stay away until then.
    fn ask_the_disk(&mut self, ctx: &mut Context<Self>) {
        if self.backoff.attempt() > 0 {
            match self.writer.probe(self.receiving.refused_bytes()) {
                Ok(()) => {}
                Err(error @ (StoreError::DiskFull(_) | StoreError::Busy(_))) => return self.try_again(&error, ctx),
                Err(error) => return self.give_up(error, ctx),
            }
        }
        self.recovered();
        self.publish_watermark();
    }

    /// It writes again.
    fn recovered(&mut self) {
        if self.backoff.attempt() > 0 {
            tracing::info!(attempts = self.backoff.attempt(), "store writes again");
            self.status.well(WHO);
            self.backoff.succeeded();
        }
    }

    /// Who reads the watermark may rely on finding what lies before it.
    fn publish_watermark(&mut self) {
        if let Some(closed) = self.closed_through.take() {
            self.status.watermark(Some(closed.end()));
        }
    }

    /// Adds the next part of the checkpoint's state to the transaction, and with the last the checkpoint itself.
    fn add_checkpoint(&mut self) {
        // A transaction that failed has the end of the one before still to write.
        if self.checkpoint.is_none() && self.pending.checkpoint.is_none() {
            self.checkpoint = self.next_checkpoint.take();
        }
        let Some(checkpoint) = &mut self.checkpoint else { return };
        // A transaction that failed has its part already.
        if self.pending.state.is_none() {
            let part = checkpoint.take_part(PART_ENTRIES);
            self.progress.began.get_or_insert_with(Instant::now);
            self.progress.entries += part.deltas.iter().map(|delta| delta.entries.len() as u64).sum::<u64>();
            self.pending.state = Some(part);
        }
        if checkpoint.deltas.is_empty() {
            self.pending.checkpoint = self.checkpoint.take();
        }
    }

    fn tell(&mut self, written: WriteBatch, report: WriteReport) {
        self.progress.bytes += report.checkpoint_bytes;
        if let Some(checkpoint) = &written.checkpoint {
            let Progress { began, entries, bytes } = std::mem::take(&mut self.progress);
            metrics().checkpoint_size(bytes);
            let took_ms = began.map_or(0, |began| began.elapsed().as_millis() as u64);
            tracing::debug!(epoch = checkpoint.epoch, entries, bytes, took_ms, "checkpoint stored");
        }
        let newest_event = written.detected.last().map(|made| &made.event).or(written.events.last()).map(|event| event.id.clone());
        let checkpoint = written.checkpoint.map(|checkpoint| (checkpoint.epoch, checkpoint.ledger));
        let stored = Stored { report, newest_event, checkpoint };
        if stored.checkpoint.is_some()
            && let Some((supervisor, _)) = &self.supervisor
        {
            // Past the mailbox's bound: an end waits for it, and there is one every few seconds.
            supervisor.do_send(stored.clone());
        }
        if self.broadcaster.try_send(stored).is_err() {
            metrics().live_dropped(1);
        }
    }

    fn try_again(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        self.receiving.refuse(std::mem::take(&mut self.pending.received), error);
        let delay = Duration::from_millis(self.backoff.next_delay_ms().max(100));
        tracing::warn!(%error, attempt = self.backoff.attempt(), delay_ms = delay.as_millis() as u64, "not stored; reading waits, nothing is lost");
        metrics().store_retried(if matches!(error, StoreError::DiskFull(_)) { "disk_full" } else { "busy" });
        let next = "reading waits and nothing is lost; tried again at least every 30 s";
        self.status.trouble(WHO, &format!("{error}; {next}"), true);
        // Waiting, not a timer: the mailbox fills, and that stops the stages before this one.
        ctx.wait(tokio::time::sleep(delay).into_actor(self).map(|(), stage, ctx| stage.flush(ctx)));
    }

    fn give_up(&self, error: StoreError, ctx: &mut Context<Self>) {
        tracing::error!(%error, "the store cannot go on");
        self.status.trouble(WHO, &error.to_string(), true);
        if let Some((_, failed)) = &self.supervisor {
            failed.do_send(StoreFailed(error));
        }
        ctx.stop();
    }
}

impl Actor for RecorderStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
        if self.retention.is_some() {
            ctx.run_later(RETENTION_WAIT, Self::retain);
        }
        self.remove_received(ctx);
    }
}

impl Handler<Record> for RecorderStage {
    type Result = ();

    fn handle(&mut self, Record { batch, trace, closed_through }: Record, ctx: &mut Self::Context) {
        self.take(batch);
        self.closed_through = self.closed_through.max(closed_through);
        if trace.is_recorded() {
            self.traces.push(trace);
        }
        if self.is_full() {
            self.flush(ctx);
        } else {
            self.schedule(ctx);
        }
    }
}

impl Handler<Execute> for RecorderStage {
    type Result = MessageResult<Execute>;

    fn handle(&mut self, Execute(command): Execute, _: &mut Self::Context) -> Self::Result {
        let result = self.writer.execute(&command, clock::now());
        if let Ok(outcome) = &result {
            if matches!(command.action, Action::SetAlias { .. } | Action::RemoveAlias { .. }) {
                self.take_aliases();
            }
            self.inboxes.iter().for_each(|inbox| inbox.notify_one());
            if self.commands.try_send(CommandStored(outcome.clone())).is_err() {
                metrics().live_dropped(1);
            }
        }
        MessageResult(result)
    }
}

impl Handler<BookDeliveries> for RecorderStage {
    type Result = MessageResult<BookDeliveries>;

    fn handle(&mut self, BookDeliveries(outcomes): BookDeliveries, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.writer.book_deliveries(&outcomes))
    }
}

impl Handler<Ping> for RecorderStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for RecorderStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.flush(ctx);
        // The parts of a checkpoint that are left; after a failure there is no time to try again.
        while self.is_checkpointing() && self.pending.is_empty() {
            self.flush(ctx);
        }
        ctx.stop();
    }
}
