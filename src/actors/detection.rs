//! Stage: aggregates, judges and closes the buckets of its entities; one shard.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, Response, WrapFuture};

use super::alignment::Alignment;
use super::barrier::{HandingIn, Layer};
use super::let_go::LetGo;
use super::life_line::LifeLine;
use super::messages::{BarrierPart, HandIn, Ping, Stop, ToDetection, ToInvestigator};
use super::status::StatusBoard;
use super::suspects::SharedSuspects;
use crate::engine::correlate::watermark::Advance;
use crate::engine::detect::Detector;
use crate::model::Bucket;
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
    alignment: Alignment<ToDetection>,
    handing_in: HandingIn,
    /// The next piece is on its way to ourselves.
    piece_due: bool,
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
            alignment: Alignment::new(join_shards),
            handing_in: HandingIn::new(stage_name(shard), Layer::Detections),
            piece_due: false,
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

    /// Waits for the barrier of every trace-join shard, freezes, and lets it go on.
    fn barrier(&mut self, join: usize, part: BarrierPart) -> Option<ToInvestigator> {
        let (part, waited) = self.alignment.reached(join, part)?;
        self.handing_in.begin(&part.barrier, &mut self.core);
        part.barrier.stood.note(Layer::Detections, waited);
        Some(ToInvestigator::Barrier { shard: self.shard, part })
    }

    fn step(&mut self, message: ToDetection) -> Vec<ToInvestigator> {
        match message {
            ToDetection::Observed { input, passing, .. } => {
                let _span = passing.trace.stage("detection").entered();
                self.suspects.watch(&mut self.core, Detector::in_hand, |core| core.observe(input));
                if passing.is_empty() { Vec::new() } else { vec![ToInvestigator::Passing { shard: self.shard, passing }] }
            }
            ToDetection::Closed { join, advance } => self.close(join, advance),
            ToDetection::Barrier { join, part } => self.barrier(join, part).into_iter().collect(),
        }
    }

    /// One piece of the changes for a checkpoint; the next after another message, or when there is none.
    fn hand_in(&mut self, ctx: &mut Context<Self>) {
        if self.handing_in.go_on(&mut self.core) && !std::mem::replace(&mut self.piece_due, true) {
            ctx.notify(HandIn);
        }
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
    type Result = Response<()>;

    fn handle(&mut self, message: ToDetection, ctx: &mut Self::Context) -> Self::Result {
        let began = Instant::now();
        let join = message.sender();
        if self.alignment.is_past(join) {
            return Response::fut(self.alignment.put_aside(join, message));
        }
        let mut messages = self.step(message);
        while let Some((message, _taken)) = self.alignment.take_up() {
            messages.extend(self.step(message));
        }
        self.forward(messages, ctx);
        self.hand_in(ctx);
        metrics().stage("detection", began.elapsed().as_secs_f64());
        Response::reply(())
    }
}

impl Handler<HandIn> for DetectionStage {
    type Result = ();

    fn handle(&mut self, _: HandIn, ctx: &mut Self::Context) {
        self.piece_due = false;
        self.hand_in(ctx);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::sync::Mutex;

    use tokio::sync::oneshot;

    use super::*;
    use crate::actors::barrier::Barrier;
    use crate::actors::messages::Passing;
    use crate::engine::correlate::watermark::WatermarkState;
    use crate::engine::detect::{DetectOptions, DetectorInput};
    use crate::model::Timestamp;
    use crate::model::command::{Action, Command, InboxRow, LetterSelection};

    /// Notes what it is told: a command's id, or a barrier's epoch.
    struct Noting(Arc<Mutex<Vec<String>>>);

    impl Actor for Noting {
        type Context = Context<Self>;
    }

    impl Handler<ToInvestigator> for Noting {
        type Result = ();

        fn handle(&mut self, message: ToInvestigator, _: &mut Self::Context) {
            self.0.lock().unwrap().push(match message {
                ToInvestigator::Passing { passing, .. } => format!("row {}", passing.commands[0].id),
                ToInvestigator::Barrier { part, .. } => format!("barrier {}", part.barrier.epoch),
                ToInvestigator::Closed { .. } => "closed".to_owned(),
            });
        }
    }

    fn row(join: usize, id: i64) -> ToDetection {
        let action = Action::DiscardDeadLetters { select: LetterSelection::All, reason: String::new() };
        let command = Command { who: String::new(), idempotency_key: None, expected_version: None, action };
        let passing = Passing { commands: vec![InboxRow { id, command, at: Timestamp::MIN }], ..Passing::default() };
        ToDetection::Observed { join, input: DetectorInput::default(), passing }
    }

    fn barrier(join: usize, epoch: u64) -> ToDetection {
        let barrier = Arc::new(Barrier::new(epoch, Vec::new(), WatermarkState::default(), oneshot::channel().0));
        ToDetection::Barrier { join, part: BarrierPart { barrier, seen_before: Vec::new() } }
    }

    #[actix::test]
    async fn what_one_join_says_behind_its_barrier_waits_for_the_barriers_of_the_others() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let next = Noting(told.clone()).start().recipient();
        let core = Detector::new(&DetectOptions::default());
        let stage = DetectionStage::new(0, core, 3, None, next, Arc::default(), LifeLine::unattended()).start();
        stage.send(row(0, 1)).await.unwrap();
        stage.send(barrier(0, 1)).await.unwrap();
        let behind = stage.send(row(0, 2));
        stage.send(barrier(1, 1)).await.unwrap();
        let next_barrier = stage.send(barrier(1, 2));
        stage.send(row(2, 3)).await.unwrap();
        assert_eq!(*told.lock().unwrap(), ["row 1", "row 3"]);
        stage.send(barrier(2, 1)).await.unwrap();
        behind.await.unwrap();
        next_barrier.await.unwrap();
        // The second barrier of one join is no part of the first.
        stage.send(barrier(0, 2)).await.unwrap();
        stage.send(barrier(2, 2)).await.unwrap();
        stage.send(Stop).await.unwrap();
        assert_eq!(*told.lock().unwrap(), ["row 1", "row 3", "barrier 1", "row 2", "barrier 2"]);
    }

    #[actix::test]
    async fn a_join_that_waits_for_the_others_is_let_go_when_the_stage_ends() {
        let next = Noting(Arc::default()).start().recipient();
        let core = Detector::new(&DetectOptions::default());
        let stage = DetectionStage::new(0, core, 2, None, next, Arc::default(), LifeLine::unattended()).start();
        stage.send(barrier(0, 1)).await.unwrap();
        let behind = stage.send(row(0, 1));
        stage.send(Stop).await.unwrap();
        // Answered or refused, but not left waiting.
        let _ = behind.await;
    }
}
