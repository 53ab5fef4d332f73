//! Stage: opens, joins and ranks investigations, once per bucket that every detection shard has closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, Response, WrapFuture};

use super::alignment::Alignment;
use super::barrier::Layer;
use super::life_line::LifeLine;
use super::messages::{BarrierPart, Passing, Ping, Record, Stop, ToInvestigator};
use super::status::StatusBoard;
use crate::engine::correlate::Investigator;
use crate::engine::correlate::watermark::WatermarkState;
use crate::model::Bucket;
use crate::model::ports::WriteBatch;
use crate::model::signal::{ClosedBucket, DetectedEvent};
use crate::model::snapshot::{StateDelta, StateEntry};
use crate::telemetry::metrics::metrics;

pub const STAGE: &str = "investigator";
/// Stage name under which the watermark stands in the snapshot.
pub const WATERMARK_STAGE: &str = "watermark";
/// Its key for what was seen of event time; the empty key holds how far buckets are closed.
pub const WATERMARK_SEEN: &[u8] = b"seen";

#[derive(Debug)]
pub struct InvestigatorStage {
    core: Investigator,
    shards: usize,
    /// Buckets that not every shard has closed yet.
    pending: BTreeMap<Bucket, Vec<ClosedBucket>>,
    alignment: Alignment<ToInvestigator>,
    recorder: Recipient<Record>,
    status: Arc<StatusBoard>,
    _life: LifeLine,
}

impl InvestigatorStage {
    pub fn new(core: Investigator, shards: usize, recorder: Recipient<Record>, status: Arc<StatusBoard>, life: LifeLine) -> Self {
        Self { core, shards, pending: BTreeMap::new(), alignment: Alignment::new(shards), recorder, status, _life: life }
    }

    fn passing(&mut self, passing: Passing) -> WriteBatch {
        self.core.forward(&passing.events);
        for row in &passing.commands {
            self.core.command(row);
        }
        WriteBatch { events: passing.events, ..WriteBatch::default() }
    }

    /// What the buckets closed by all shards come to, and the last of them.
    fn closed(&mut self, closed: Vec<ClosedBucket>) -> (WriteBatch, Option<Bucket>) {
        let mut batch = WriteBatch::default();
        let mut through = None;
        for part in closed {
            self.pending.entry(part.bucket).or_default().push(part);
        }
        while let Some(entry) = self.pending.first_entry() {
            if entry.get().len() < self.shards {
                break;
            }
            let (bucket, mut parts) = entry.remove_entry();
            through = Some(bucket);
            batch.edges.extend(self.core.edges_before(bucket));
            let mut learning = None;
            for part in &mut parts {
                metrics().late_items(part.rows.iter().map(|row| row.late).sum());
                batch.detected.extend(part.events.iter().map(|event| DetectedEvent { bucket, event: event.clone() }));
                batch.rows.append(&mut part.rows.clone());
                learning = learning.max(part.learning.iter().map(|(_, until)| *until).max());
            }
            self.status.learning_until(learning);
            batch.findings.extend(self.core.step(parts));
        }
        (batch, through)
    }

    /// Waits for the barrier of every detection shard, and for all that the stages hand in; what comes meanwhile goes on.
    fn barrier(&mut self, shard: usize, part: BarrierPart, ctx: &mut Context<Self>) {
        let Some((BarrierPart { barrier, seen_before }, waited)) = self.alignment.reached(shard, part) else { return };
        let began = Instant::now();
        let own = StateDelta { stage: STAGE.to_owned(), entries: self.core.delta() };
        let WatermarkState { closed_through, oldest, newest } = barrier.watermark.clone();
        let closed = StateEntry { key: Vec::new(), value: Some(Arc::new((closed_through, self.shards))) };
        let seen = StateEntry { key: WATERMARK_SEEN.to_vec(), value: Some(Arc::new((oldest, newest))) };
        let is_whole = barrier.close([own, StateDelta { stage: WATERMARK_STAGE.to_owned(), entries: vec![closed, seen] }]);
        barrier.stood.note(Layer::Investigator, waited + began.elapsed());
        let recorder = self.recorder.clone();
        let hand_on = async move {
            if is_whole.await.is_err() {
                return true;
            }
            let batch = WriteBatch { checkpoint: Some(barrier.checkpoint(&seen_before)), ..WriteBatch::default() };
            let sent = recorder.send(batch.into());
            barrier.release();
            sent.await.is_ok()
        };
        // After what is forwarded now, and beside what comes later: everything before the barrier is with the recorder by then.
        ctx.spawn(hand_on.into_actor(self).map(|delivered, _, ctx| {
            if !delivered {
                ctx.stop();
            }
        }));
    }

    fn step(&mut self, message: ToInvestigator, ctx: &mut Context<Self>) -> Record {
        match message {
            ToInvestigator::Passing { passing, .. } => {
                let trace = passing.trace.clone();
                let batch = trace.stage(STAGE).in_scope(|| self.passing(passing));
                Record { batch, trace, closed_through: None }
            }
            ToInvestigator::Closed { closed, .. } => {
                let (batch, closed_through) = self.closed(closed);
                Record { closed_through, ..batch.into() }
            }
            ToInvestigator::Barrier { shard, part } => {
                self.barrier(shard, part, ctx);
                WriteBatch::default().into()
            }
        }
    }

    fn forward(&self, records: Vec<Record>, ctx: &mut Context<Self>) {
        if records.is_empty() {
            return;
        }
        let recorder = self.recorder.clone();
        let send = async move {
            for record in records {
                if recorder.send(record).await.is_err() {
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

impl Actor for InvestigatorStage {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(super::MAILBOX);
    }
}

impl Handler<ToInvestigator> for InvestigatorStage {
    type Result = Response<()>;

    fn handle(&mut self, message: ToInvestigator, ctx: &mut Self::Context) -> Self::Result {
        let began = Instant::now();
        let shard = message.sender();
        if self.alignment.is_past(shard) {
            return Response::fut(self.alignment.put_aside(shard, message));
        }
        let mut records = vec![self.step(message, ctx)];
        while let Some((message, _taken)) = self.alignment.take_up() {
            records.push(self.step(message, ctx));
        }
        records.retain(|record| !record.batch.is_empty() || record.closed_through.is_some());
        self.forward(records, ctx);
        metrics().stage("investigator", began.elapsed().as_secs_f64());
        Response::reply(())
    }
}

impl Handler<Ping> for InvestigatorStage {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for InvestigatorStage {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
