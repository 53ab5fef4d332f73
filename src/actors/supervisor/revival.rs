//! A connector that dies alone is built again alone, from the lowest positions that the shards have taken in; the others go on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::{SourceHandle, State, Supervisor};
use crate::actors::kept::Kept;
use crate::clock;
use crate::model::connector::{ConnectorState, StageStatus};
use crate::telemetry::metrics::metrics;

/// How long a connector whose books are torn waits for the life line of the stage that tore them.
const CULPRIT: Duration = Duration::from_millis(200);

/// What it takes to build a source's stage again.
#[derive(Clone)]
pub struct Lone {
    pub kept: Arc<Kept>,
    pub revive: Arc<dyn Fn() -> SourceHandle>,
}

impl fmt::Debug for Lone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lone").field("kept", &self.kept).finish_non_exhaustive()
    }
}

/// Name of a connector's stage on the page.
pub fn stage_name(connector: &str) -> String {
    format!("connector/{connector}")
}

impl Supervisor {
    /// The source of that stage, when it can be built again alone.
    pub(super) fn lone(&self, stage: &str) -> Option<(String, Lone)> {
        let sources = &self.pipeline.as_ref()?.sources;
        let source = sources.iter().find(|source| stage_name(&source.name) == stage)?;
        Some((source.name.clone(), source.lone.clone()?))
    }

    pub(super) fn connector_died(&mut self, name: String, lone: &Lone, reason: &str, ctx: &mut Context<Self>) {
        self.down.insert(name.clone());
        self.ended.remove(&name);
        self.doors().steer.remove(&name);
        self.show_stage(&stage_name(&name), false, Some(reason));
        let because = format!("{reason}; it is started again where the others have taken in what it read");
        self.status.update(&name, |status| {
            (status.state, status.because, status.since) = (ConnectorState::BackingOff, because, Some(clock::now()));
        });
        let (kept, generation, reason) = (lone.kept.clone(), self.generation, reason.to_owned());
        let settled = async move { kept.settled().await };
        ctx.spawn(settled.into_actor(self).map(move |whole, stage, ctx| {
            if !stage.is_down(&name, generation) {
            } else if whole {
                stage.wait_to_revive(name, &reason, ctx);
            } else {
                stage.wait_for_culprit(name, reason, ctx);
            }
        }));
    }

    fn is_down(&self, name: &str, generation: u64) -> bool {
        self.state == State::Running && self.generation == generation && self.down.contains(name)
    }

    /// A stage after it is gone: its own life line says which. Without one, this one was at fault.
    fn wait_for_culprit(&self, name: String, reason: String, ctx: &mut Context<Self>) {
        let generation = self.generation;
        ctx.run_later(CULPRIT, move |stage, ctx| {
            if stage.is_down(&name, generation) {
                stage.fall(reason, ctx);
            }
        });
    }

    fn wait_to_revive(&mut self, name: String, reason: &str, ctx: &mut Context<Self>) {
        let Some((_, lone)) = self.lone(&stage_name(&name)) else { return };
        let mut guard = lone.kept.guard();
        let before = guard.breaker.state();
        let delay_ms = guard.stage_died(clock::now(), reason);
        let after = guard.breaker.state();
        drop(guard);
        if before != after {
            metrics().breaker_changed(&name, after.as_str());
        }
        tracing::warn!(connector = name, reason, delay_ms, "connector is built again alone");
        self.revive_later(name, Duration::from_millis(delay_ms), ctx);
    }

    fn revive_later(&self, name: String, wait: Duration, ctx: &mut Context<Self>) {
        let generation = self.generation;
        ctx.run_later(wait, move |stage, _| {
            if stage.is_down(&name, generation) {
                stage.revive(name);
            }
        });
    }

    fn revive(&mut self, name: String) {
        if self.draining.is_some() {
            return;
        }
        let Some((_, lone)) = self.lone(&stage_name(&name)) else { return };
        let source = (lone.revive)();
        if let Some(steer) = source.steer.clone() {
            self.doors().steer.insert(name.clone(), steer);
        }
        let stage = stage_name(&name);
        self.alive.insert(stage.clone());
        self.down.remove(&name);
        self.asked.remove(&stage);
        *self.lone_restarts.entry(stage.clone()).or_default() += 1;
        metrics().connector_restarted(&name);
        self.show_stage(&stage, true, None);
        let sources = self.pipeline.iter_mut().flat_map(|pipeline| &mut pipeline.sources);
        for old in sources.filter(|old| old.name == name) {
            *old = source.clone();
        }
    }

    /// Shows a stage in the tree; without a reason the last one stands.
    pub(super) fn show_stage(&mut self, name: &str, alive: bool, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.reasons.insert(name.to_owned(), reason.to_owned());
        }
        let restarts = self.restarts + self.lone_restarts.get(name).copied().unwrap_or_default();
        let last_reason = self.reasons.get(name).cloned();
        self.status.stage(StageStatus { name: name.to_owned(), alive, restarts, last_reason, since: clock::now() });
    }
}
