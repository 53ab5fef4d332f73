//! Building the pipeline from the last snapshot, at the start and after a fall.

use std::time::Duration;

use actix::{AsyncContext, Context};

use super::{Ending, Pipeline, Reports, State, Supervisor, WHO};
use crate::model::ports::StoreError;

/// Builds the pipeline from the last snapshot.
pub type Build = Box<dyn FnMut(Reports) -> Result<Pipeline, BuildError>>;

/// Why there is no pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// May pass by itself: tried again.
    #[error("{0}")]
    Passing(String),
    /// Needs a person.
    #[error("{0}")]
    Lasting(String),
}

impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull(_) | StoreError::Busy(_) => Self::Passing(error.to_string()),
            other => Self::Lasting(other.to_string()),
        }
    }
}

impl Supervisor {
    pub(super) fn start_pipeline(&mut self, ctx: &mut Context<Self>) {
        self.generation += 1;
        let reports = Reports {
            generation: self.generation,
            died: ctx.address().recipient(),
            stored: ctx.address().recipient(),
            failed: ctx.address().recipient(),
            ended: ctx.address().recipient(),
        };
        match (self.build)(reports) {
            Ok(pipeline) => self.started_pipeline(pipeline),
            Err(BuildError::Lasting(reason)) => self.end(Ending::Failed(reason), ctx),
            Err(BuildError::Passing(reason)) => self.build_later(reason, ctx),
        }
    }

    /// Nothing stands meanwhile, so nothing is read.
    fn build_later(&mut self, reason: String, ctx: &mut Context<Self>) {
        let delay_ms = self.backoff.next_delay_ms();
        tracing::warn!(reason, attempt = self.backoff.attempt(), delay_ms, "the pipeline cannot be built; reading waits, nothing is lost");
        let next = "reading waits and nothing is lost; tried again at least every 30 s";
        self.status.trouble(WHO, &format!("{reason}; {next}"), true);
        self.state = State::Falling { reason };
        self.start_later(delay_ms, ctx);
    }

    pub(super) fn start_later(&mut self, delay_ms: u64, ctx: &mut Context<Self>) {
        ctx.run_later(Duration::from_millis(delay_ms), |stage, ctx| {
            if matches!(stage.state, State::Falling { .. }) {
                stage.start_pipeline(ctx);
            }
        });
    }

    fn started_pipeline(&mut self, pipeline: Pipeline) {
        self.alive = pipeline.stages.iter().cloned().collect();
        self.epoch = pipeline.epoch;
        self.ended.clear();
        self.down.clear();
        self.asked.clear();
        self.state = State::Running;
        for name in &pipeline.stages {
            self.show_stage(name, true, None);
        }
        let mut doors = self.doors();
        doors.execute = Some(pipeline.execute.clone());
        doors.receive = Some(pipeline.receive.clone());
        doors.book = Some(pipeline.book.clone());
        let steers = pipeline.sources.iter().filter_map(|source| Some((source.name.clone(), source.steer.clone()?)));
        doors.steer = steers.collect();
        drop(doors);
        self.pipeline = Some(pipeline);
        self.status.well(WHO);
        self.status.started();
        tracing::info!(generation = self.generation, epoch = self.epoch, "pipeline started from its last checkpoint");
    }
}
