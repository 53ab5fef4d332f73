//! Stage: decodes dead letters again that a person asked for, like one more partition, at a limited rate.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture};
use tokio::sync::Notify;

use super::aliases::SharedAliases;
use super::books::QueueBooks;
use super::cut::Joins;
use super::life_line::LifeLine;
use super::messages::{Hold, Passing, Ping, Record, Stop, ToJoin};
use super::status::StatusBoard;
use super::suspects::SharedSuspects;
use crate::clock;
use crate::engine::decode;
use crate::engine::detect::{DetectOptions, ShardInput, probe};
use crate::engine::resilience::redecode::{Redecoder, failure, outcome, refilled};
use crate::model::dead_letter::{LetterFailure, LetterRecord, Replay, ReplayOutcome};
use crate::model::observation::ObservationBatch;
use crate::model::ports::{SourceRecords, StoreReader, WriteBatch};
use crate::model::source_record::is_on_a_broker;

/// Replays announce themselves; this only catches an announcement that was dropped.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Records fetched at a time, each over a connection of its own: some seconds where a broker does not answer.
const FETCHED_AT_A_TIME: usize = 4;

type Refilled = Result<LetterRecord, LetterFailure>;

pub struct ReplayStage {
    redecoder: Redecoder,
    per_second: u32,
    reader: Arc<dyn StoreReader>,
    joins: Joins,
    recorder: Recipient<Record>,
    /// Records that stopped a stage, and what it takes to find out: a replay of one must not.
    suspects: SharedSuspects,
    aliases: SharedAliases,
    detect: DetectOptions,
    broker_records: Option<Arc<dyn SourceRecords>>,
    /// Letters whose bytes were not kept, by replay, with what the broker has; until they are decoded.
    refilled: BTreeMap<i64, Refilled>,
    /// Ahead of what is sent, and of the outcomes: this stage stops for every cut.
    books: Arc<QueueBooks>,
    /// Fired when a person's write was stored.
    written: Arc<Notify>,
    status: Arc<StatusBoard>,
    /// A look is due: the limited rate has put it off.
    waiting: bool,
    /// Stopped for a checkpoint.
    held: bool,
    _life: LifeLine,
}

impl std::fmt::Debug for ReplayStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayStage").field("books", &self.books).finish_non_exhaustive()
    }
}

/// Where replays lead, and how fast.
pub struct Ways {
    pub joins: Joins,
    pub recorder: Recipient<Record>,
    /// At most so many letters are decoded again each second.
    pub per_second: u32,
    /// Has the records whose bytes were not kept.
    pub broker_records: Option<Arc<dyn SourceRecords>>,
    pub suspects: SharedSuspects,
    pub aliases: SharedAliases,
    pub detect: DetectOptions,
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ways").field("per_second", &self.per_second).finish_non_exhaustive()
    }
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
        Self {
            redecoder,
            per_second: ways.per_second.max(1),
            reader,
            joins: ways.joins,
            recorder: ways.recorder,
            suspects: ways.suspects,
            aliases: ways.aliases,
            detect: ways.detect,
            broker_records: ways.broker_records,
            refilled: BTreeMap::new(),
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
        let next = self.books.lock().next_offset;
        let mut replays = match self.reader.replays(next, self.step()) {
            Ok(replays) => replays,
            Err(error) => {
                tracing::warn!(%error, "replays not read; trying again");
                return;
            }
        };
        if replays.is_empty() {
            return;
        }
        self.status.note_activity();
        let is_there = |replay: &Replay| replay.edited.is_some() || !replay.letter.is_withheld() || self.refilled.contains_key(&replay.id);
        let there = replays.iter().take_while(|replay| is_there(replay)).count();
        let missing = replays.split_off(there);
        let Some(last) = replays.last() else {
            self.refill(missing, ctx);
            return;
        };
        self.books.lock().next_offset = last.id + 1;
        self.waiting = true;
        let pause = Duration::from_secs_f64(replays.len() as f64 / f64::from(self.per_second));
        self.redecoder.use_aliases(self.aliases.now());
        let decoded: Vec<_> = replays.iter().map(|replay| self.decode(replay)).collect();
        self.deliver(decoded, ctx);
        ctx.run_later(pause, |stage, ctx| {
            stage.waiting = false;
            stage.look(ctx);
        });
    }

    /// Fetches records whose bytes were not kept, off this thread, and looks again. The books stay before them meanwhile.
    fn refill(&mut self, replays: Vec<Replay>, ctx: &mut Context<Self>) {
        self.waiting = true;
        let records = self.broker_records.clone();
        let fetch = move || {
            let missing = replays.into_iter().take(FETCHED_AT_A_TIME).filter(|replay| replay.letter.is_withheld());
            let refill = |Replay { id, letter, .. }: Replay| {
                let records = records.as_ref().filter(|_| is_on_a_broker(&letter.position));
                let fetched = records.map(|records| records.fetch(&letter.connector, &letter.position));
                (id, refilled(&letter, fetched))
            };
            missing.map(refill).collect::<Vec<_>>()
        };
        ctx.spawn(tokio::task::spawn_blocking(fetch).into_actor(self).map(|found, stage, ctx| {
            stage.waiting = false;
            match found {
                Ok(found) => {
                    stage.refilled.extend(found);
                    stage.look(ctx);
                }
                Err(_) => ctx.stop(),
            }
        }));
    }

    /// What one letter became, booked; a panic is its failure, not the stage's.
    fn decode(&mut self, replay: &Replay) -> (Option<ObservationBatch>, ReplayOutcome) {
        let now = clock::now();
        let (letter, missing) = match self.refilled.remove(&replay.id) {
            Some(Ok(letter)) => (letter, None),
            Some(Err(failure)) => (replay.letter.clone(), Some(failure)),
            None => (replay.letter.clone(), None),
        };
        let letter = &letter;
        let redecoder = &mut self.redecoder;
        let (suspects, detect) = (&self.suspects, &self.detect);
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            if let Some(failure) = missing {
                return Err(failure);
            }
            redecoder.decode_unless(letter, replay.edited.as_deref(), now, |decoded| {
                let known = suspects.lock().of(&letter.connector, &letter.position).filter(|suspect| suspect.is_guilty()).cloned();
                let reason = probe::survives(decoded, detect).err().or(known.map(|suspect| suspect.reason))?;
                Some(failure(&letter.connector, &decode::panicked(0, &reason)))
            })
        }))
        .unwrap_or_else(|_| {
            redecoder.forget(&letter.connector);
            Err(failure(&letter.connector, &decode::panicked(0, "decoding it again")))
        });
        self.books.lock().sums.records_read += 1;
        match decoded {
            Ok(batch) => {
                self.book(&batch);
                let outcome = outcome(replay.id, letter, &batch, now);
                (Some(batch), outcome)
            }
            Err(failure) => {
                self.books.lock().sums.records_rejected += 1;
                let letter_id = letter.id.clone();
                (None, ReplayOutcome { replay: replay.id, letter_id, at: now, items_read: 0, failure: Some(failure) })
            }
        }
    }

    fn book(&self, batch: &ObservationBatch) {
        let mut books = self.books.lock();
        let sums = &mut books.sums;
        let stored = batch.events.len() as u64;
        for counts in &batch.counts {
            sums.records_decoded += counts.records_decoded;
            sums.records_rejected += counts.records_rejected;
            sums.items_decoded += counts.items_decoded;
            sums.items_rejected += counts.items_rejected;
            sums.items_folded += counts.items_decoded.saturating_sub(stored);
        }
        sums.items_stored += stored;
    }

    /// Observations first, then what came of the letters: a crash between the two decodes them again.
    fn deliver(&self, decoded: Vec<(Option<ObservationBatch>, ReplayOutcome)>, ctx: &mut Context<Self>) {
        let (joins, recorder) = (self.joins.clone(), self.recorder.clone());
        let send = async move {
            let mut replays = Vec::with_capacity(decoded.len());
            for (batch, outcome) in decoded {
                replays.push(outcome);
                let Some(batch) = batch.filter(|batch| batch.items() > 0) else { continue };
                let (inputs, events) = ShardInput::split(batch, joins.len());
                let mut passing = Some(Passing { events, ..Passing::default() });
                let messages = inputs.into_iter().map(|input| {
                    let passing = passing.take().unwrap_or_default();
                    (!input.is_empty() || !passing.is_empty()).then_some(ToJoin::Observed { input, passing })
                });
                let messages = messages.collect();
                if !joins.queue(|| messages).taken().await {
                    return false;
                }
            }
            recorder.send(WriteBatch { replays, ..WriteBatch::default() }.into()).await.is_ok()
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
