//! Stage: aggregates, judges and closes the buckets of its entities; one shard.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture};

use super::let_go::LetGo;
use super::life_line::LifeLine;
use super::messages::{BarrierPart, Ping, Stop, ToDetection, ToInvestigator};
use super::status::StatusBoard;
use super::suspects::SharedSuspects;
use crate::engine::correlate::watermark::Advance;
use crate::engine::detect::Detector;
use crate::model::Bucket;
use crate::model::snapshot::StateDelta;
use crate::telemetry::metrics::metrics;

/// Closed buckets sent on at once: a long catch-up must not become one huge message.
const CLOSED_PER_MESSAGE: usize = 64;

#[derive(Debug)]
pub struct DetectionStage {
    shard: usize,
    core: Detector,
    /// How far each trace-join shard has closed.
    joins: Vec<Option<Bucket>>,
    closed: Option<Bucket>,
    barrier: Vec<BarrierPart>,
    investigator: Recipient<ToInvestigator>,
    let_go: LetGo,
    crowded: LetGo,
    suspects: SharedSuspects,
    _life: LifeLine,
}

/// Name of the stage in snapshots and on the page.
pub fn stage_name(shard: usize) -> String {
    format!("detection/{shard}")
}

impl DetectionStage {
    pub fn new(
        shard: usize,
        core: Detector,
        join_shards: usize,
        closed: Option<Bucket>,
        investigator: Recipient<ToInvestigator>,
        status: Arc<StatusBoard>,
        life: LifeLine,
    ) -> Self {
        let advice = format!("a shard keeps {}; raise detect.max_entities, or find who sends so many names", core.max_entities());
        let let_go = LetGo::new(&stage_name(shard), "services", advice.clone(), status.clone());
        let crowded = LetGo::new(&stage_name(shard), "items", advice, status).but("of new services and counted together as one service");
        Self {
            shard,
            core,
            joins: vec![closed; join_shards],
            closed,
            barrier: Vec::new(),
            investigator,
            let_go,
            crowded,
            suspects: SharedSuspects::default(),
            _life: life,
        }
    }

    /// Tells of records that stop it.
    #[must_use]
    pub fn telling(mut self, suspects: SharedSuspects) -> Self {
        self.suspects = suspects;
        self
    }

    /// Buckets that every trace-join shard has closed, judged.
    fn close(&mut self, join: usize, advance: Advance) -> Vec<ToInvestigator> {
        if let Some(slot) = self.joins.get_mut(join) {
            *slot = (*slot).max(Some(advance.through));
        }
        let Some(through) = self.joins.iter().copied().min().flatten() else { return Vec::new() };
        let whole = Advance { through, ..advance };
        let mut messages = Vec::new();
        let mut closed = Vec::new();
        for bucket in whole.left_after(self.closed) {
            self.closed = Some(bucket);
            closed.push(self.core.close(bucket));
            self.let_go.closed(self.core.evicted_entities());
            self.crowded.closed(self.core.crowded_items());
            if closed.len() == CLOSED_PER_MESSAGE {
                messages.push(ToInvestigator::Closed { shard: self.shard, closed: std::mem::take(&mut closed) });
            }
        }
        if !closed.is_empty() {
            messages.push(ToInvestigator::Closed { shard: self.shard, closed });
        }
        messages
    }

    /// Waits for the barrier of every trace-join shard, then adds its own changes.
    fn barrier(&mut self, part: BarrierPart) -> Option<ToInvestigator> {
        self.barrier.push(part);
        if self.barrier.len() < self.joins.len() {
            return None;
        }
        let (mut deltas, mut seen_before) = (Vec::new(), Vec::new());
        let mut barrier = None;
        for part in self.barrier.drain(..) {
            deltas.extend(part.deltas);
            seen_before.extend(part.seen_before);
            barrier = Some(part.barrier);
        }
        deltas.push(StateDelta { stage: stage_name(self.shard), entries: self.core.delta() });
        barrier.map(|barrier| ToInvestigator::Barrier { shard: self.shard, part: BarrierPart { barrier, deltas, seen_before } })
    }

    fn forward(&self, messages: Vec<ToInvestigator>, ctx: &mut Context<Self>) {
        if messages.is_empty() {
            return;
        }
        let investigator = self.investigator.clone();
        let send = async move {
            for message in messages {
                if investigator.send(message).await.is_err() {
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
}

impl Actor for DetectionStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
    }
}

impl Handler<ToDetection> for DetectionStage {
    type Result = ();

    fn handle(&mut self, message: ToDetection, ctx: &mut Self::Context) {
        let began = Instant::now();
        let messages = match message {
            ToDetection::Observed { input, passing } => {
                let _span = passing.trace.stage("detection").entered();
                self.suspects.watch(&mut self.core, Detector::in_hand, |core| core.observe(input));
                if passing.is_empty() { Vec::new() } else { vec![ToInvestigator::Passing(passing)] }
            }
            ToDetection::Closed { join, advance } => self.close(join, advance),
            ToDetection::Barrier { part, .. } => self.barrier(part).into_iter().collect(),
        };
        self.forward(messages, ctx);
        metrics().stage("detection", began.elapsed().as_secs_f64());
    }
}

impl Handler<Ping> for DetectionStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for DetectionStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
