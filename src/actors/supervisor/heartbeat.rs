//! Asks every stage now and then whether it is there. A stage that answers none of some questions in a row is stuck.
//!
//! A question waits its turn in the mailbox, so an idle stage answers at once and one that does not has work waiting. Stages
//! before a stuck one wait for it and do not answer either: the last in the order of the data is the one at fault. While the
//! store cannot write, everything waits for it, which is said elsewhere.

use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};

use super::{Ending, State, Supervisor};
use crate::actors::messages::Ping;
use crate::telemetry::metrics::metrics;

/// Questions without an answer after which a stage is stuck. Counted, not timed: a machine that slept is not stuck.
pub(super) const BEATS: u32 = 4;
/// How long a pipeline with a stuck stage has to come down. Its thread cannot be taken from it, and nothing may write beside it.
const COMING_DOWN: Duration = Duration::from_secs(10);

impl Supervisor {
    pub(super) fn beat(&mut self, ctx: &mut Context<Self>) {
        if self.state != State::Running || self.draining.is_some() || self.status.is_blocked() {
            self.asked.clear();
            return;
        }
        let stages = self.stages_in_order();
        self.asked.values_mut().for_each(|beats| *beats += 1);
        let overdue = |name: &String| self.asked.get(name).is_some_and(|beats| *beats >= BEATS);
        if let Some((stuck, _)) = stages.iter().rev().find(|(name, _)| overdue(name)) {
            self.stuck(&stuck.clone(), ctx);
            return;
        }
        for (name, ping) in stages {
            if self.asked.contains_key(&name) {
                continue;
            }
            self.asked.insert(name.clone(), 0);
            let generation = self.generation;
            ctx.spawn(ping.send(Ping).into_actor(self).map(move |answer, stage, _| {
                // One that is gone says so by its life line.
                if answer.is_ok() && stage.generation == generation {
                    stage.asked.remove(&name);
                }
            }));
        }
    }

    fn stages_in_order(&self) -> Vec<(String, Recipient<Ping>)> {
        let Some(pipeline) = &self.pipeline else { return Vec::new() };
        let sources = pipeline.sources.iter().filter(|source| !self.down.contains(&source.name));
        let sources = sources.map(|source| (source.stage.clone(), source.ping.clone()));
        sources.chain(pipeline.pings.iter().cloned()).collect()
    }

    fn stuck(&mut self, stage: &str, ctx: &mut Context<Self>) {
        let waited = self.options.beat_every * BEATS;
        let reason = format!("stage {stage} is stuck: no answer for {} s while work waits", waited.as_secs_f32());
        tracing::error!(stage, "stage is stuck");
        metrics().stage_stuck(stage);
        self.show_stage(stage, false, Some(&reason));
        let generation = self.generation;
        self.fall(reason.clone(), ctx);
        ctx.run_later(COMING_DOWN, move |stage, ctx| {
            let is_falling = stage.generation == generation && matches!(stage.state, State::Falling { .. });
            if is_falling && !stage.alive.is_empty() {
                let reason = format!("{reason}; it does not stop either, and only a new process gets rid of it");
                stage.finish(Ending::Failed(reason), ctx);
            }
        });
    }
}
