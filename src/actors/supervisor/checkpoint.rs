//! Gathering a checkpoint: a cut behind what the sources have booked, and a barrier that passes from there through every stage.

use std::time::{Duration, Instant};

use actix::Recipient;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::Pipeline;
use crate::actors::barrier::Layer;
use crate::actors::books::SourceBooks;
use crate::actors::cut::{Cut, Joins};
use crate::actors::messages::Hold;
use crate::telemetry::metrics::metrics;

/// Everyone a checkpoint asks.
pub(super) struct Gathering {
    sources: Vec<SourceBooks>,
    /// Who stops for the cut.
    stop: Vec<Recipient<Hold>>,
    joins: Joins,
    epoch: u64,
}

impl Gathering {
    /// A source whose stage is down has left its books.
    pub(super) fn of(pipeline: &Pipeline, epoch: u64) -> Self {
        let sources = &pipeline.sources;
        Self {
            sources: sources.iter().map(|source| source.books.clone()).collect(),
            stop: sources.iter().filter(|source| source.stops_for_cut).map(|source| source.hold.clone()).collect(),
            joins: pipeline.joins.clone(),
            epoch,
        }
    }

    /// The last one, once all sources have stopped.
    pub(super) fn last(pipeline: &Pipeline, epoch: u64) -> Self {
        Self { stop: Vec::new(), ..Self::of(pipeline, epoch) }
    }

    /// Whether every stage has handed over.
    pub(super) async fn gather(self) -> bool {
        let began = Instant::now();
        let Self { sources, stop, joins, epoch } = self;
        tracing::debug!(epoch, "checkpoint began");
        let (stopped, resumes) = hold(&stop);
        if !stopped.await {
            return false;
        }
        // Where books are torn, the life line of the stage that tore them takes the pipeline down.
        let Some(Cut { delivery, handed_over, stood }) = joins.cut(epoch, &sources) else { return false };
        drop(resumes);
        // An error means a stage died with the barrier: its life line has told us already.
        let whole = delivery.taken().await && handed_over.await.is_ok();
        if whole {
            metrics().checkpoint(stood.held().as_secs_f64());
            let us = |duration: Duration| duration.as_micros() as u64;
            let [sources_us, joins_us, detections_us, investigator_us] = Layer::ALL.map(|layer| us(stood.longest(layer)));
            let (held_us, spent_us, gathered_us) = (us(stood.held()), us(stood.in_all()), us(began.elapsed()));
            tracing::debug!(
                epoch,
                held_us,
                sources_us,
                joins_us,
                detections_us,
                investigator_us,
                spent_us,
                gathered_us,
                "checkpoint gathered"
            );
        }
        whole
    }
}

/// Stops sources after the batch each has in hand. Whether all have stopped, and what holds them until it is dropped.
pub(super) fn hold(sources: &[Recipient<Hold>]) -> (impl Future<Output = bool> + use<>, Vec<oneshot::Sender<()>>) {
    let (mut held, mut resumes) = (Vec::new(), Vec::new());
    for source in sources {
        let (sender, resume) = oneshot::channel();
        resumes.push(sender);
        held.push(source.send(Hold { resume }));
    }
    (async move { join_all(held).await.iter().all(Result::is_ok) }, resumes)
}
