//! Stage: the only one that writes. Batches what comes into one durable transaction, on the disk thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient, SpawnHandle, WrapFuture};

use tokio::sync::Notify;

use super::life_line::LifeLine;
use super::messages::{CommandStored, Execute, Record, Stop, StoreFailed, Stored};
use super::status::StatusBoard;
use crate::clock;
use crate::engine::resilience::backoff::Backoff;
use crate::model::Bucket;
use crate::model::ports::{StoreError, StoreWriter, WriteBatch};
use crate::telemetry::batch_trace::BatchTrace;
use crate::telemetry::metrics::metrics;

/// Rows that make a transaction worth its disk flush.
const FLUSH_ROWS: usize = 500;
/// Longest a row waits for its transaction; most of what a person waits until an event is visible.
const FLUSH_AFTER: Duration = Duration::from_millis(50);
const WHO: &str = "store";

pub struct RecorderStage {
    writer: Box<dyn StoreWriter>,
    pending: WriteBatch,
    /// Of the batches whose writes are pending.
    traces: Vec<BatchTrace>,
    /// What is closed once the pending writes are stored.
    closed_through: Option<Bucket>,
    flush: Option<SpawnHandle>,
    backoff: Backoff,
    status: Arc<StatusBoard>,
    broadcaster: Recipient<Stored>,
    commands: Recipient<CommandStored>,
    /// Wakes the inbox.
    inbox: Arc<Notify>,
    supervisor: Option<(Recipient<Stored>, Recipient<StoreFailed>)>,
    _life: LifeLine,
}

impl std::fmt::Debug for RecorderStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecorderStage").field("pending", &rows(&self.pending)).finish_non_exhaustive()
    }
}

impl RecorderStage {
    pub fn new(
        writer: Box<dyn StoreWriter>,
        status: Arc<StatusBoard>,
        broadcaster: Recipient<Stored>,
        commands: Recipient<CommandStored>,
        inbox: Arc<Notify>,
        supervisor: Option<(Recipient<Stored>, Recipient<StoreFailed>)>,
        life: LifeLine,
    ) -> Self {
        let backoff = Backoff::new(0);
        Self {
            writer,
            pending: WriteBatch::default(),
            traces: Vec::new(),
            closed_through: None,
            flush: None,
            backoff,
            status,
            broadcaster,
            commands,
            inbox,
            supervisor,
            _life: life,
        }
    }

    fn take(&mut self, batch: WriteBatch) {
        self.pending.events.extend(batch.events);
        self.pending.findings.extend(batch.findings);
        self.pending.letters.extend(batch.letters);
        self.pending.rows.extend(batch.rows);
        self.pending.checkpoint = batch.checkpoint.or(self.pending.checkpoint.take());
    }

    /// One transaction. A passing failure is tried again, with everything upstream waiting, so that nothing is lost and
    /// nothing piles up.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.flush.take() {
            ctx.cancel_future(timer);
        }
        if self.pending.is_empty() {
            self.publish_watermark();
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
                if self.backoff.attempt() > 0 {
                    tracing::info!(attempts = self.backoff.attempt(), "store writes again");
                    self.status.well(WHO);
                    self.backoff.succeeded();
                }
                self.traces.clear();
                self.publish_watermark();
                let written = std::mem::take(&mut self.pending);
                self.tell(written, report);
            }
            Err(error @ (StoreError::DiskFull(_) | StoreError::Busy(_))) => self.try_again(&error, ctx),
            Err(error) => self.give_up(error, ctx),
        }
    }

    /// Who reads the watermark may rely on finding what lies before it.
    fn publish_watermark(&mut self) {
        if let Some(closed) = self.closed_through.take() {
            self.status.watermark(Some(closed.end()));
        }
    }

    fn tell(&self, written: WriteBatch, report: crate::model::ports::WriteReport) {
        if let Some(checkpoint) = &written.checkpoint {
            metrics().checkpoint_size(report.checkpoint_bytes);
            tracing::debug!(epoch = checkpoint.epoch, bytes = report.checkpoint_bytes, "checkpoint stored");
        }
        let newest_event = written.events.last().map(|event| event.id.clone());
        let checkpoint = written.checkpoint.map(|checkpoint| (checkpoint.epoch, checkpoint.ledger));
        let stored = Stored { report, newest_event, checkpoint };
        if stored.checkpoint.is_some()
            && let Some((supervisor, _)) = &self.supervisor
            && supervisor.try_send(stored.clone()).is_err()
        {
            tracing::warn!("supervisor did not take the news of a checkpoint");
        }
        if self.broadcaster.try_send(stored).is_err() {
            metrics().live_dropped(1);
        }
    }

    fn try_again(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
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

fn rows(batch: &WriteBatch) -> usize {
    batch.events.len() + batch.letters.len() + batch.rows.len() + batch.findings.len()
}

impl Actor for RecorderStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
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
        if self.pending.checkpoint.is_some() || rows(&self.pending) >= FLUSH_ROWS {
            self.flush(ctx);
        } else if self.flush.is_none() {
            self.flush = Some(ctx.run_later(FLUSH_AFTER, |stage, ctx| stage.flush(ctx)));
        }
    }
}

impl Handler<Execute> for RecorderStage {
    type Result = MessageResult<Execute>;

    fn handle(&mut self, Execute(command): Execute, _: &mut Self::Context) -> Self::Result {
        let result = self.writer.execute(&command, clock::now());
        if let Ok(outcome) = &result {
            self.inbox.notify_one();
            if self.commands.try_send(CommandStored(outcome.clone())).is_err() {
                metrics().live_dropped(1);
            }
        }
        MessageResult(result)
    }
}

impl Handler<Stop> for RecorderStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.flush(ctx);
        ctx.stop();
    }
}
