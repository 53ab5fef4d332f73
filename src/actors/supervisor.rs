//! The supervisor: builds the pipeline, takes checkpoints, and rebuilds everything from the last one when a stage dies; a
//! connector that dies is built again alone.

mod build;
mod checkpoint;
mod heartbeat;
mod revival;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, ResponseActFuture, WrapFuture};
use tokio::sync::oneshot;

use super::books::SourceBooks;
use super::cut::Joins;
use super::life_line::StageDied;
use super::messages::{BookDeliveries, Committed, Execute, Hold, Ping, Receive, SourceEnded, Steer, Stop, StoreFailed, Stored};
use super::status::StatusBoard;
use crate::clock;
use crate::engine::resilience::backoff::Backoff;
use crate::engine::resilience::restart_budget::RestartBudget;
use crate::telemetry::metrics::metrics;
pub use build::{Build, BuildError};
use checkpoint::Gathering;
pub use revival::{Lone, stage_name};

/// Rebuilds allowed in [`BUDGET_WINDOW_S`]; after that the process exits and its container starts it anew.
const BUDGET: usize = 5;
const BUDGET_WINDOW_S: i64 = 60;
const WHO: &str = "pipeline";

/// One source of the pipeline as the supervisor needs it.
#[derive(Clone, Debug)]
pub struct SourceHandle {
    pub name: String,
    /// Name of its stage.
    pub stage: String,
    pub books: SourceBooks,
    /// Its books are ahead of what it has sent: it stops for every cut.
    pub stops_for_cut: bool,
    pub hold: Recipient<Hold>,
    pub stop: Recipient<Stop>,
    pub ping: Recipient<Ping>,
    /// The inbox has neither.
    pub steer: Option<Recipient<Steer>>,
    pub committed: Option<Recipient<Committed>>,
    /// Set for what can be built again alone.
    pub lone: Option<Lone>,
}

/// One build of the pipeline.
#[derive(Debug)]
pub struct Pipeline {
    pub sources: Vec<SourceHandle>,
    pub joins: Joins,
    pub execute: Recipient<Execute>,
    pub receive: Recipient<Receive>,
    pub book: Recipient<BookDeliveries>,
    /// Stages after the sources, in the order of the data.
    pub stops: Vec<Recipient<Stop>>,
    /// The same stages, with their names.
    pub pings: Vec<(String, Recipient<Ping>)>,
    /// Names of all stages; each holds a life line of that name.
    pub stages: Vec<String>,
    pub epoch: u64,
}

/// What a build is given to report to.
#[derive(Clone, Debug)]
pub struct Reports {
    pub generation: u64,
    pub died: Recipient<StageDied>,
    pub stored: Recipient<Stored>,
    pub failed: Recipient<StoreFailed>,
    pub ended: Recipient<SourceEnded>,
}

/// Ways into the running pipeline, replaced at each build; empty while it is down.
#[derive(Debug, Default)]
pub struct Doors {
    pub execute: Option<Recipient<Execute>>,
    pub receive: Option<Recipient<Receive>>,
    pub book: Option<Recipient<BookDeliveries>>,
    pub steer: BTreeMap<String, Recipient<Steer>>,
    /// For good: what comes now is not taken any more.
    pub is_ending: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub checkpoint_every: Duration,
    /// Every stage is asked so often whether it is there; stuck is one that leaves four questions in a row without an answer.
    pub beat_every: Duration,
    /// Ends by itself once every source has ended; for recorded incidents.
    pub until_sources_end: bool,
}

impl Options {
    /// Closing the buckets of a long catch-up may keep a stage busy for a minute.
    pub const BEAT_EVERY: Duration = Duration::from_secs(30);
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Drained and stored.
    Finished,
    /// Could not go on.
    Failed(String),
}

pub struct Supervisor {
    build: Build,
    options: Options,
    status: Arc<StatusBoard>,
    doors: Arc<Mutex<Doors>>,
    generation: u64,
    pipeline: Option<Pipeline>,
    /// Stages of this generation whose life line has not broken.
    alive: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// Connectors whose stage died and is not built again yet.
    down: BTreeSet<String>,
    /// Stages that have not answered, and for how many beats.
    asked: BTreeMap<String, u32>,
    /// Times each stage was built again alone.
    lone_restarts: BTreeMap<String, u32>,
    /// Why each stage died last.
    reasons: BTreeMap<String, String>,
    state: State,
    budget: RestartBudget,
    backoff: Backoff,
    restarts: u32,
    checkpointing: bool,
    epoch: u64,
    /// Activity that the last checkpoint covers.
    covered: u64,
    ending: Option<oneshot::Sender<Ending>>,
    /// Told when a shutdown that was asked for is over.
    drained: Vec<oneshot::Sender<()>>,
    draining: Option<Draining>,
}

/// The last checkpoint: what stands between a pipeline and its end.
#[derive(Debug)]
struct Draining {
    epoch: u64,
    /// Hold the sources until the end.
    _resumes: Vec<oneshot::Sender<()>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Being taken down, to be built anew.
    Falling {
        reason: String,
    },
    /// Being taken down for good.
    Ending(Ending),
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("generation", &self.generation).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Stop reading, store what was read, end. Answered when all is durable.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

impl Supervisor {
    /// `ending` is told once how it ended.
    pub fn new(
        build: Build,
        options: Options,
        status: Arc<StatusBoard>,
        doors: Arc<Mutex<Doors>>,
        ending: oneshot::Sender<Ending>,
    ) -> Self {
        Self {
            build,
            options,
            status,
            doors,
            generation: 0,
            pipeline: None,
            alive: BTreeSet::new(),
            ended: BTreeSet::new(),
            down: BTreeSet::new(),
            asked: BTreeMap::new(),
            lone_restarts: BTreeMap::new(),
            reasons: BTreeMap::new(),
            state: State::Running,
            budget: RestartBudget::new(BUDGET, BUDGET_WINDOW_S),
            backoff: Backoff::new(0),
            restarts: 0,
            checkpointing: false,
            epoch: 0,
            covered: 0,
            ending: Some(ending),
            drained: Vec::new(),
            draining: None,
        }
    }

    fn doors(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ------------------------------------------------------------ checkpoint

    /// A barrier behind what the books say gathers what every stage changed; the recorder commits it with the offsets.
    fn checkpoint(&mut self, ctx: &mut Context<Self>) {
        let (activity, cut) = (self.status.activity(), clock::now());
        if activity != self.covered {
            self.status.unsaved(cut);
        }
        if self.checkpointing || self.draining.is_some() || activity == self.covered || self.state != State::Running {
            return;
        }
        let Some(pipeline) = &self.pipeline else { return };
        self.checkpointing = true;
        self.epoch += 1;
        let gathering = Gathering::of(pipeline, self.epoch);
        let generation = self.generation;
        ctx.spawn(gathering.gather().into_actor(self).map(move |whole, stage, _| {
            if stage.generation == generation {
                stage.checkpointing = stage.draining.is_some();
                if whole {
                    stage.covered = activity;
                    stage.status.saved(cut, activity);
                }
            }
        }));
    }

    // ------------------------------------------------------------ going down

    /// Takes everything down, to be rebuilt.
    fn fall(&mut self, reason: String, ctx: &mut Context<Self>) {
        self.status.trouble(WHO, &format!("{reason}; rebuilding from the last checkpoint"), false);
        self.take_down(State::Falling { reason }, ctx);
    }

    /// Stops every stage; [`Supervisor::stage_gone`] goes on once all are gone.
    fn take_down(&mut self, state: State, ctx: &mut Context<Self>) {
        self.state = state;
        self.checkpointing = false;
        let is_ending = self.doors().is_ending || matches!(self.state, State::Ending(_));
        *self.doors() = Doors { is_ending, ..Doors::default() };
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.sources.iter().for_each(|source| source.stop.do_send(Stop));
            pipeline.stops.iter().for_each(|stop| stop.do_send(Stop));
        }
        // Sources go on only now, to find that they are to stop.
        self.draining = None;
        if self.alive.is_empty() {
            self.all_gone(ctx);
        }
    }

    fn all_gone(&mut self, ctx: &mut Context<Self>) {
        match self.state.clone() {
            State::Running => {}
            State::Falling { reason } => self.rebuild(&reason, ctx),
            State::Ending(ending) => self.finish(ending, ctx),
        }
    }

    fn rebuild(&mut self, reason: &str, ctx: &mut Context<Self>) {
        if !self.budget.take(clock::now()) {
            let reason = format!("restarted {BUDGET} times within {BUDGET_WINDOW_S} s, the last time because {reason}");
            self.finish(Ending::Failed(reason), ctx);
            return;
        }
        self.restarts += 1;
        metrics().restarted();
        let delay_ms = self.backoff.next_delay_ms();
        tracing::warn!(reason, delay_ms, "pipeline is rebuilt from its last checkpoint");
        self.start_later(delay_ms, ctx);
    }

    fn end(&mut self, ending: Ending, ctx: &mut Context<Self>) {
        self.take_down(State::Ending(ending), ctx);
    }

    fn finish(&mut self, ending: Ending, ctx: &mut Context<Self>) {
        if let Some(sender) = self.ending.take() {
            // Nobody listens when the whole system is going down already.
            let _ = sender.send(ending);
        }
        for sender in self.drained.drain(..) {
            let _ = sender.send(());
        }
        ctx.stop();
    }

    /// Final checkpoint, for which the sources stop; everything else does once it is durable.
    fn drain(&mut self, ctx: &mut Context<Self>) {
        if self.draining.is_some() {
            return;
        }
        let Some(pipeline) = &self.pipeline else {
            self.end(Ending::Finished, ctx);
            return;
        };
        // A checkpoint under way is let finish first: its barrier is ahead of ours in every mailbox.
        self.epoch += 1;
        self.checkpointing = true;
        let sources = pipeline.sources.iter().filter(|source| !self.down.contains(&source.name));
        let (held, resumes) = checkpoint::hold(&sources.map(|source| source.hold.clone()).collect::<Vec<_>>());
        self.draining = Some(Draining { epoch: self.epoch, _resumes: resumes });
        let gathering = Gathering::last(pipeline, self.epoch);
        let last = async move {
            if held.await {
                gathering.gather().await;
            }
        };
        ctx.spawn(last.into_actor(self));
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(64);
        self.start_pipeline(ctx);
        ctx.run_interval(self.options.checkpoint_every, Self::checkpoint);
        ctx.run_interval(self.options.beat_every, Self::beat);
    }
}

impl Handler<StageDied> for Supervisor {
    type Result = ();

    fn handle(&mut self, died: StageDied, ctx: &mut Self::Context) {
        if died.generation != self.generation {
            return;
        }
        self.alive.remove(&died.stage);
        if self.state != State::Running {
            if self.alive.is_empty() {
                self.all_gone(ctx);
            }
            return;
        }
        let reason = if died.panicked { format!("stage {} panicked", died.stage) } else { format!("stage {} stopped", died.stage) };
        tracing::error!(stage = died.stage, panicked = died.panicked, "stage died");
        if !self.drained.is_empty() {
            let reason = format!("{reason} before the last checkpoint was stored; what it would hold is read again at the next start");
            self.end(Ending::Failed(reason), ctx);
            return;
        }
        match self.lone(&died.stage).filter(|_| self.draining.is_none()) {
            Some((name, lone)) => self.connector_died(name, &lone, &reason, ctx),
            None => {
                self.show_stage(&died.stage, false, Some(&reason));
                self.fall(reason, ctx);
            }
        }
    }
}

impl Handler<Stored> for Supervisor {
    type Result = ();

    fn handle(&mut self, stored: Stored, ctx: &mut Self::Context) {
        let (Some((epoch, ledger)), Some(pipeline)) = (stored.checkpoint, &self.pipeline) else { return };
        self.backoff.succeeded();
        let ledger = Arc::new(ledger);
        for committed in pipeline.sources.iter().filter_map(|source| source.committed.as_ref()) {
            // Advisory: the next checkpoint commits again.
            let _ = committed.try_send(Committed(ledger.clone()));
        }
        if self.draining.as_ref().is_some_and(|draining| epoch >= draining.epoch) {
            self.end(Ending::Finished, ctx);
        }
    }
}

impl Handler<StoreFailed> for Supervisor {
    type Result = ();

    fn handle(&mut self, StoreFailed(error): StoreFailed, ctx: &mut Self::Context) {
        self.end(Ending::Failed(error.to_string()), ctx);
    }
}

impl Handler<SourceEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, ended: SourceEnded, ctx: &mut Self::Context) {
        self.ended.insert(ended.name);
        let sources = self.pipeline.as_ref().map_or(0, |pipeline| pipeline.sources.iter().filter(|source| source.steer.is_some()).count());
        if self.options.until_sources_end && self.ended.len() >= sources && self.state == State::Running {
            self.drain(ctx);
        }
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Shutdown, ctx: &mut Self::Context) -> Self::Result {
        let (sender, drained) = oneshot::channel();
        self.drained.push(sender);
        self.doors().is_ending = true;
        match self.state {
            State::Running => self.drain(ctx),
            State::Falling { .. } => self.end(Ending::Finished, ctx),
            State::Ending(_) => {}
        }
        Box::pin(drained.into_actor(self).map(|_, _, _| ()))
    }
}

#[cfg(test)]
mod tests;
