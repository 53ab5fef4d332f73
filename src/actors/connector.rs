//! Stage: takes one source's batches, decodes them, and sends them on; keeps the source's books, breaker and backoff.

mod batch;
mod feed;
mod steering;
mod suspects;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, StreamHandler, WrapFuture};
use tokio::sync::mpsc;

use super::aliases::SharedAliases;
use super::cut::Joins;
use super::kept::{HandOver, Kept};
use super::life_line::LifeLine;
use super::messages::{Committed, Hold, Ping, Record, Rejected, SourceEnded, Stop};
use super::pace::Pace;
use super::status::StatusBoard;
use super::suspects::SharedSuspects;
use crate::clock;
use crate::engine::correlate::watermark::WatermarkTracker;
use crate::engine::decode::{DecodeOptions, Decoder};
use crate::engine::detect::DetectOptions;
use crate::engine::resilience::guard::Guard;
use crate::model::connector::{BreakerState, ConnectorState};
use crate::model::ports::{FeedControl, FeedMessage, FeedTrouble, StoreReader, StoredOffsets};
use crate::model::{Source, Timestamp};
use crate::telemetry::metrics::metrics;

/// How often a silent connector looks whether the watermark may move and whether its breaker lets it try again.
const TICK: Duration = Duration::from_secs(1);
/// A source that is not read this long no longer holds the watermark: the others go on without it.
const HOLD_UNREAD_S: f64 = 60.0;

/// A running feed: its messages and its handle.
pub type Feed = (mpsc::Receiver<FeedMessage>, Arc<dyn FeedControl>);
/// Starts the feed where the books stand, anew after each failure.
pub type StartFeed = Box<dyn Fn(Arc<dyn StoredOffsets>) -> Result<Feed, FeedTrouble> + Send>;

/// What a connector is joined to; all of it outlives a restart of the stage.
#[derive(Clone)]
pub struct Wiring {
    pub joins: Joins,
    pub dead_letter: Recipient<Rejected>,
    pub recorder: Recipient<Record>,
    pub suspects: SharedSuspects,
    pub aliases: SharedAliases,
    pub detect: DetectOptions,
    pub watermark: Arc<Mutex<WatermarkTracker>>,
    pub pace: Arc<Pace>,
    pub status: Arc<StatusBoard>,
    /// Knows how many bytes of dead letters wait, and which pause a process before this one left.
    pub reader: Arc<dyn StoreReader>,
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
    /// As configured.
    format: String,
    decoder: Decoder,
    start_feed: StartFeed,
    feed: Option<Arc<dyn FeedControl>>,
    /// Number of the feed that counts; what an earlier one still says does not.
    feed_number: u32,
    /// Partitions the feed has.
    assigned: usize,
    /// Topics that are not there.
    missing: BTreeSet<String>,
    /// The feed is in a trouble that it tries to get over.
    troubled: bool,
    /// Since when nothing can come: no broker, no feed, or paused.
    unread_since: Option<Timestamp>,
    kept: Arc<Kept>,
    retry_at: Option<Timestamp>,
    /// Stopped for the last checkpoint.
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
        kept: Arc<Kept>,
        wiring: Wiring,
        life: LifeLine,
    ) -> Self {
        Self {
            format: options.format.clone(),
            decoder: Decoder::new(options),
            retry_at: None,
            held: false,
            aside: None,
            feed: None,
            feed_number: 0,
            assigned: 0,
            missing: BTreeSet::new(),
            troubled: false,
            unread_since: None,
            name,
            source,
            start_feed,
            kept,
            wiring,
            _life: life,
        }
    }

    fn watermark<T>(&self, act: impl FnOnce(&mut WatermarkTracker) -> T) -> T {
        act(&mut self.wiring.watermark.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Acts on the guard; a change of the breaker is shown and counted.
    fn guard<T>(&self, act: impl FnOnce(&mut Guard) -> T) -> T {
        let mut guard = self.kept.guard();
        let before = guard.breaker.state();
        let result = act(&mut guard);
        let after = guard.breaker.state();
        if before != after {
            let view = guard.breaker.view();
            drop(guard);
            let why = view.history.first().map_or("", |change| change.why.as_str());
            tracing::info!(connector = &*self.name, from = before.as_str(), to = after.as_str(), why, "breaker");
            metrics().breaker_changed(&self.name, after.as_str());
            self.wiring.status.update(&self.name, |status| status.breaker = view);
        }
        result
    }

    fn breaker(&self) -> BreakerState {
        self.kept.guard().breaker.state()
    }

    fn state(&self, state: ConnectorState, because: &str) {
        let breaker = self.kept.guard().breaker.view();
        self.wiring.status.update(&self.name, |status| {
            if status.state != state {
                status.since = Some(clock::now());
            }
            status.state = state;
            status.breaker = breaker;
            because.clone_into(&mut status.because);
        });
    }

    /// Waits until all shards have their part, whatever becomes of this stage meanwhile.
    fn hand_over(
        &self,
        hand_over: HandOver,
        sends: impl Future<Output = bool> + 'static,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let task = hand_over.send(sends);
        ctx.wait(task.into_actor(self).map(move |delivered, stage, ctx| match delivered {
            Ok(true) => then(stage, ctx),
            // A stage after this one is gone, and with it the whole pipeline.
            Ok(false) | Err(_) => ctx.stop(),
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
        self.go_on_with_letters(ctx);
        if self.retry_at.is_some_and(|retry_at| now >= retry_at) && self.guard(|guard| guard.breaker.allows(now)) {
            self.connect(ctx);
        } else if self.feed.is_some() && self.assigned > 0 && !self.troubled && self.breaker() == BreakerState::HalfOpen {
            self.guard(|guard| guard.succeeded(now));
            self.well();
        }
        self.advance(ctx);
    }
}

impl Actor for ConnectorStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
        // One that died before this one left partitions there that nobody reads now.
        self.lose_feed();
        self.recall_pause();
        self.count_letters();
        self.connect_if_allowed(ctx);
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
    type Result = ();

    fn handle(&mut self, hold: Hold, ctx: &mut Self::Context) {
        self.held = true;
        ctx.wait(hold.resume.into_actor(self).map(|_, stage, ctx| {
            stage.held = false;
            if let Some((number, message)) = stage.aside.take() {
                stage.heard(number, message, ctx);
            }
        }));
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

impl Handler<Ping> for ConnectorStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for ConnectorStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
