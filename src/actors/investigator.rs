//! Stage: opens, joins and ranks investigations, once per bucket that every detection shard has closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture};

use super::life_line::LifeLine;
use super::messages::{Barrier, BarrierPart, Passing, Ping, Record, Stop, ToInvestigator};
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
    barrier: Vec<BarrierPart>,
    recorder: Recipient<Record>,
    status: Arc<StatusBoard>,
    _life: LifeLine,
}

impl InvestigatorStage {
    pub const fn new(core: Investigator, shards: usize, recorder: Recipient<Record>, status: Arc<StatusBoard>, life: LifeLine) -> Self {
        Self { core, shards, pending: BTreeMap::new(), barrier: Vec::new(), recorder, status, _life: life }
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

    fn barrier(&mut self, part: BarrierPart) -> Option<(WriteBatch, Arc<Barrier>)> {
        self.barrier.push(part);
        if self.barrier.len() < self.shards {
            return None;
        }
        let (mut deltas, mut seen_before) = (Vec::new(), Vec::new());
        let mut barrier = None;
        for part in self.barrier.drain(..) {
            deltas.extend(part.deltas);
            seen_before.extend(part.seen_before);
            barrier = Some(part.barrier);
        }
        let barrier = barrier?;
        deltas.push(StateDelta { stage: STAGE.to_owned(), entries: self.core.delta() });
        let WatermarkState { closed_through, oldest, newest } = barrier.watermark.clone();
        let closed = StateEntry { key: Vec::new(), value: Some(Arc::new((closed_through, self.shards))) };
        let seen = StateEntry { key: WATERMARK_SEEN.to_vec(), value: Some(Arc::new((oldest, newest))) };
        deltas.push(StateDelta { stage: WATERMARK_STAGE.to_owned(), entries: vec![closed, seen] });
        let batch = WriteBatch { checkpoint: Some(barrier.checkpoint(deltas, &seen_before)), ..WriteBatch::default() };
        Some((batch, barrier))
    }

    fn forward(&self, record: Record, ctx: &mut Context<Self>) {
        if record.batch.is_empty() && record.closed_through.is_none() {
            return;
        }
        ctx.wait(self.recorder.send(record).into_actor(self).map(|result, _, ctx| {
            if result.is_err() {
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
    type Result = ();

    fn handle(&mut self, message: ToInvestigator, ctx: &mut Self::Context) {
        let began = Instant::now();
        match message {
            ToInvestigator::Passing(passing) => {
                let trace = passing.trace.clone();
                let batch = trace.stage(STAGE).in_scope(|| self.passing(passing));
                self.forward(Record { batch, trace, closed_through: None }, ctx);
            }
            ToInvestigator::Closed { closed, .. } => {
                let (batch, closed_through) = self.closed(closed);
                self.forward(Record { closed_through, ..batch.into() }, ctx);
            }
            ToInvestigator::Barrier { part, .. } => {
                if let Some((batch, barrier)) = self.barrier(part) {
                    self.forward(batch.into(), ctx);
                    // Every stage with state has handed over: what connectors send from here on comes after the barrier
                    // everywhere, and need not wait for the recorder.
                    barrier.release();
                }
            }
        }
        metrics().stage("investigator", began.elapsed().as_secs_f64());
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
