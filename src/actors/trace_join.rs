//! Stage: joins spans and log lines of traces; one shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture};
use futures_util::future::join_all;

use super::barrier::{HandingIn, Layer};
use super::let_go::LetGo;
use super::life_line::LifeLine;
use super::messages::{BarrierPart, HandIn, Passing, Ping, Stop, ToDetection, ToJoin};
use super::status::StatusBoard;
use super::suspects::SharedSuspects;
use crate::engine::correlate::watermark::Advance;
use crate::engine::detect::{DetectorInput, SeenBefore, TraceJoin};
use crate::model::Bucket;
use crate::model::position::PartitionKey;
use crate::telemetry::metrics::metrics;

#[derive(Debug)]
pub struct TraceJoinStage {
    shard: usize,
    core: TraceJoin,
    detections: Vec<Recipient<ToDetection>>,
    closed: Option<Bucket>,
    /// Duplicates dropped since this stage was built, by connector and partition.
    seen_before: BTreeMap<(Arc<str>, PartitionKey), u64>,
    handing_in: HandingIn,
    /// The next piece is on its way to ourselves.
    piece_due: bool,
    let_go: LetGo,
    suspects: SharedSuspects,
    _life: LifeLine,
}

/// Name of the stage in snapshots and on the page.
pub fn stage_name(shard: usize) -> String {
    format!("trace_join/{shard}")
}

impl TraceJoinStage {
    pub fn new(
        shard: usize,
        core: TraceJoin,
        closed: Option<Bucket>,
        detections: Vec<Recipient<ToDetection>>,
        status: Arc<StatusBoard>,
        life: LifeLine,
    ) -> Self {
        let advice = format!("a shard keeps {} of their items open; raise detect.max_trace_items", core.max_items());
        let let_go = LetGo::new(&stage_name(shard), "traces", advice, status);
        let handing_in = HandingIn::new(stage_name(shard), Layer::Joins);
        Self {
            shard,
            core,
            detections,
            closed,
            seen_before: BTreeMap::new(),
            handing_in,
            piece_due: false,
            let_go,
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

    /// Splits by entity; what passes rides with the first shard's part.
    fn observed(&mut self, mut input: DetectorInput, passing: Passing) -> Vec<Option<ToDetection>> {
        for seen in std::mem::take(&mut input.seen_before) {
            *self.seen_before.entry((seen.connector, seen.partition)).or_default() += seen.items;
        }
        let trace = passing.trace.clone();
        let mut passing = Some(passing);
        let parts = input.split(self.detections.len()).into_iter();
        parts
            .map(|input| {
                let passing = passing.take().unwrap_or_else(|| Passing { trace: trace.clone(), ..Passing::default() });
                (!input.is_empty() || !passing.is_empty()).then_some(ToDetection::Observed { join: self.shard, input, passing })
            })
            .collect()
    }

    /// Finishes traces bucket by bucket; what finished goes ahead of the news that the buckets are closed.
    fn close(&mut self, advance: Advance) -> Vec<Vec<Option<ToDetection>>> {
        let mut rounds = Vec::new();
        if self.closed >= Some(advance.through) {
            return rounds;
        }
        for bucket in advance.left_after(self.closed) {
            self.closed = Some(bucket);
            let finished = self.core.close(bucket);
            self.let_go.closed(self.core.evicted_traces());
            if !finished.is_empty() {
                rounds.push(self.observed(finished, Passing::default()));
            }
        }
        rounds.push(self.detections.iter().map(|_| Some(ToDetection::Closed { join: self.shard, advance })).collect());
        rounds
    }

    fn barrier(&mut self, part: BarrierPart) -> Vec<Option<ToDetection>> {
        self.handing_in.begin(&part.barrier, &mut self.core);
        let seen = self.seen_before.iter();
        let seen = seen.map(|((connector, partition), items)| SeenBefore {
            connector: connector.clone(),
            partition: partition.clone(),
            items: *items,
        });
        let mut own = Some(seen.collect::<Vec<_>>());
        (0..self.detections.len())
            .map(|_| {
                let part = BarrierPart { barrier: part.barrier.clone(), seen_before: own.take().unwrap_or_default() };
                Some(ToDetection::Barrier { join: self.shard, part })
            })
            .collect()
    }

    /// One piece of the changes for a checkpoint; the next after another message, or when there is none.
    fn hand_in(&mut self, ctx: &mut Context<Self>) {
        if self.handing_in.go_on(&mut self.core) && !std::mem::replace(&mut self.piece_due, true) {
            ctx.notify(HandIn);
        }
    }

    /// Each message of a round to its own shard, round after round; the next message of the mailbox waits for the last.
    fn forward(&self, rounds: Vec<Vec<Option<ToDetection>>>, ctx: &mut Context<Self>) {
        let detections = self.detections.clone();
        let send = async move {
            for round in rounds {
                let sends = detections.iter().zip(round).filter_map(|(detection, message)| message.map(|message| detection.send(message)));
                if join_all(sends).await.iter().any(Result::is_err) {
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

impl Actor for TraceJoinStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
    }
}

impl Handler<ToJoin> for TraceJoinStage {
    type Result = ();

    fn handle(&mut self, message: ToJoin, ctx: &mut Self::Context) {
        let began = Instant::now();
        let rounds = match message {
            ToJoin::Observed { input, passing } => {
                let _span = passing.trace.stage("trace_join").entered();
                let input = self.suspects.watch(&mut self.core, TraceJoin::in_hand, |core| core.observe(input));
                vec![self.observed(input, passing)]
            }
            ToJoin::Advance(advance) => self.close(advance),
            ToJoin::Barrier(part) => vec![self.barrier(part)],
        };
        if rounds.iter().flatten().any(Option::is_some) {
            self.forward(rounds, ctx);
        }
        self.hand_in(ctx);
        metrics().stage("trace_join", began.elapsed().as_secs_f64());
    }
}

impl Handler<HandIn> for TraceJoinStage {
    type Result = ();

    fn handle(&mut self, _: HandIn, ctx: &mut Self::Context) {
        self.piece_due = false;
        self.hand_in(ctx);
    }
}

impl Handler<Ping> for TraceJoinStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for TraceJoinStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::engine::detect::DetectOptions;

    /// Notes what it is told to close.
    struct Noting(Arc<Mutex<Vec<Bucket>>>);

    impl Actor for Noting {
        type Context = Context<Self>;
    }

    impl Handler<ToDetection> for Noting {
        type Result = ();

        fn handle(&mut self, message: ToDetection, _: &mut Self::Context) {
            if let ToDetection::Closed { advance, .. } = message {
                self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(advance.through);
            }
        }
    }

    #[actix::test]
    async fn news_that_were_overtaken_on_their_way_close_nothing_again() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let next = Noting(told.clone()).start().recipient();
        let core = TraceJoin::new(&DetectOptions::default());
        let join = TraceJoinStage::new(0, core, None, vec![next], Arc::default(), LifeLine::unattended()).start();
        for through in [7, 5, 8] {
            join.send(ToJoin::Advance(Advance { first: Bucket(1), through: Bucket(through) })).await.unwrap();
        }
        // Handled only after what the messages before it sent on was taken.
        join.send(Stop).await.unwrap();
        let told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        assert_eq!(told, [7, 8].map(Bucket));
    }
}
