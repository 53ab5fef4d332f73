//! Stage: decodes dead letters again that a person asked for, like one more partition, at a limited rate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture};
use tokio::sync::Notify;

use super::books::QueueBooks;
use super::cut::Joins;
use super::life_line::LifeLine;
use super::messages::{Hold, Passing, Ping, Record, Stop, ToJoin};
use super::status::StatusBoard;
use super::suspects::SharedSuspects;
use crate::clock;
use crate::engine::decode;
use crate::engine::detect::{DetectOptions, ShardInput, probe};
use crate::engine::resilience::redecode::{Redecoder, failure, outcome};
use crate::model::dead_letter::{Replay, ReplayOutcome};
use crate::model::ledger::LedgerSums;
use crate::model::observation::ObservationBatch;
use crate::model::ports::{StoreReader, WriteBatch};

/// Replays announce themselves; this only catches an announcement that was dropped.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub struct ReplayStage {
    redecoder: Redecoder,
    per_second: u32,
    reader: Arc<dyn StoreReader>,
    joins: Joins,
    recorder: Recipient<Record>,
    /// Records that stopped a stage, and what it takes to find out: a replay of one must not.
    suspects: SharedSuspects,
    detect: DetectOptions,
    books: Arc<QueueBooks>,
    /// The first replay that is not taken up yet.
    next: i64,
    /// Fired when a person's write was stored.
    written: Arc<Notify>,
    status: Arc<StatusBoard>,
    /// A look is due: the limited rate has put it off.
    waiting: bool,
    /// Stopped for the last checkpoint.
    held: bool,
    _life: LifeLine,
}

impl std::fmt::Debug for ReplayStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayStage").field("books", &self.books).finish_non_exhaustive()
    }
}

/// Where replays lead, and how fast.
#[derive(Debug)]
pub struct Ways {
    pub joins: Joins,
    pub recorder: Recipient<Record>,
    /// At most so many letters are decoded again each second.
    pub per_second: u32,
    pub suspects: SharedSuspects,
    pub detect: DetectOptions,
}

impl ReplayStage {
    pub fn new(
        redecoder: Redecoder,
        reader: Arc<dyn StoreReader>,
        ways: Ways,
        books: Arc<QueueBooks>,
        written: Arc<Notify>,
        status: Arc<StatusBoard>,
        life: LifeLine,
    ) -> Self {
        let next = books.lock().next_offset;
        Self {
            redecoder,
            per_second: ways.per_second.max(1),
            reader,
            joins: ways.joins,
            recorder: ways.recorder,
            suspects: ways.suspects,
            detect: ways.detect,
            next,
            books,
            written,
            status,
            waiting: false,
            held: false,
            _life: life,
        }
    }

    /// Letters taken at a time: a tenth of a second's worth.
    fn step(&self) -> u32 {
        self.per_second.div_ceil(10)
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.waiting || self.held {
            return;
        }
        let replays = match self.reader.replays(self.next, self.step()) {
            Ok(replays) => replays,
            Err(error) => {
                tracing::warn!(%error, "replays not read; trying again");
                return;
            }
        };
        let Some(last) = replays.last() else { return };
        self.next = last.id + 1;
        self.waiting = true;
        let pause = Duration::from_secs_f64(replays.len() as f64 / f64::from(self.per_second));
        let decoded: Vec<_> = replays.iter().map(|replay| self.decode(replay)).collect();
        self.deliver(decoded, ctx);
        ctx.run_later(pause, |stage, ctx| {
            stage.waiting = false;
            stage.look(ctx);
        });
    }

    /// What one letter became; a panic is its failure, not the stage's.
    fn decode(&mut self, replay: &Replay) -> Redecoded {
        let now = clock::now();
        let letter = &replay.letter;
        let redecoder = &mut self.redecoder;
        let (suspects, detect) = (&self.suspects, &self.detect);
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            let decoded = redecoder.decode(letter, replay.edited.as_deref(), now)?;
            let known = suspects.lock().of(&letter.connector, &letter.position).filter(|suspect| suspect.is_guilty()).cloned();
            match probe::survives(&decoded, detect).err().or(known.map(|suspect| suspect.reason)) {
                Some(reason) => Err(failure(&letter.connector, &decode::panicked(0, &reason))),
                None => Ok(decoded),
            }
        }))
        .unwrap_or_else(|_| {
            redecoder.forget(&letter.connector);
            Err(failure(&letter.connector, &decode::panicked(0, "decoding it again")))
        });
        match decoded {
            Ok(batch) => Redecoded { outcome: outcome(replay.id, letter, &batch, now), sums: sums_of(&batch), batch: Some(batch) },
            Err(failure) => {
                let letter_id = letter.id.clone();
                let outcome = ReplayOutcome { replay: replay.id, letter_id, at: now, items_read: 0, failure: Some(failure) };
                Redecoded { outcome, sums: LedgerSums { records_read: 1, records_rejected: 1, ..LedgerSums::default() }, batch: None }
            }
        }
    }

    /// What came of the letters first, then what was in them, each booked as it is queued: whatever a crash leaves out lies behind
    /// the books and is decoded again.
    fn deliver(&self, decoded: Vec<Redecoded>, ctx: &mut Context<Self>) {
        let (joins, recorder, books, status) = (self.joins.clone(), self.recorder.clone(), self.books.clone(), self.status.clone());
        let send = async move {
            let replays = decoded.iter().map(|decoded| decoded.outcome.clone()).collect();
            if recorder.send(WriteBatch { replays, ..WriteBatch::default() }.into()).await.is_err() {
                return false;
            }
            for Redecoded { outcome, sums, batch } in decoded {
                let messages = batch.map_or_else(Vec::new, |batch| messages_of(batch, joins.len()));
                let delivery = joins.queue(|| {
                    status.note_activity();
                    let mut books = books.lock();
                    books.next_offset = outcome.replay + 1;
                    books.sums = books.sums.and(&sums);
                    messages
                });
                if !delivery.taken().await {
                    return false;
                }
            }
            true
        };
        ctx.wait(send.into_actor(self).map(|delivered, _, ctx| {
            if !delivered {
                ctx.stop();
            }
        }));
    }

    fn listen(&self, ctx: &mut Context<Self>) {
        let written = self.written.clone();
        let fired = async move { written.notified().await };
        ctx.spawn(fired.into_actor(self).map(|(), stage, ctx| {
            stage.look(ctx);
            stage.listen(ctx);
        }));
    }
}

/// One letter decoded again.
struct Redecoded {
    outcome: ReplayOutcome,
    /// What it adds to the books.
    sums: LedgerSums,
    batch: Option<ObservationBatch>,
}

fn sums_of(batch: &ObservationBatch) -> LedgerSums {
    let stored = batch.events.len() as u64;
    let mut sums = LedgerSums { records_read: 1, items_stored: stored, ..LedgerSums::default() };
    for counts in &batch.counts {
        sums.records_decoded += counts.records_decoded;
        sums.records_rejected += counts.records_rejected;
        sums.items_decoded += counts.items_decoded;
        sums.items_rejected += counts.items_rejected;
        sums.items_folded += counts.items_decoded.saturating_sub(stored);
    }
    sums
}

/// What each join gets of a batch.
fn messages_of(batch: ObservationBatch, joins: usize) -> Vec<Option<ToJoin>> {
    if batch.items() == 0 {
        return Vec::new();
    }
    let (inputs, events) = ShardInput::split(batch, joins);
    let mut passing = Some(Passing { events, ..Passing::default() });
    let messages = inputs.into_iter().map(|input| {
        let passing = passing.take().unwrap_or_default();
        (!input.is_empty() || !passing.is_empty()).then_some(ToJoin::Observed { input, passing })
    });
    messages.collect()
}

impl Actor for ReplayStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
        self.listen(ctx);
        ctx.run_interval(LOOK_EVERY, Self::look);
    }
}

impl Handler<Hold> for ReplayStage {
    type Result = ();

    fn handle(&mut self, hold: Hold, ctx: &mut Self::Context) {
        self.held = true;
        ctx.wait(hold.resume.into_actor(self).map(|_, stage, ctx| {
            stage.held = false;
            stage.look(ctx);
        }));
    }
}

impl Handler<Ping> for ReplayStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for ReplayStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
