//! Gathering a checkpoint: sources hold, a barrier passes through every stage, sources go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{Pipeline, SourceHandle};
use crate::actors::kept::Kept;
use crate::actors::messages::{Barrier, BarrierPart, Hold, ToJoin};
use crate::engine::correlate::watermark::WatermarkTracker;
use crate::model::ledger::LedgerRow;
use crate::telemetry::metrics::metrics;

/// Whom to ask for the books of a source.
enum Source {
    Running(SourceHandle),
    /// Its stage is being built again: the books it left.
    Down(Arc<Kept>),
}

impl Source {
    async fn books(&self, resume: oneshot::Receiver<()>) -> Option<Vec<LedgerRow>> {
        match self {
            Self::Running(source) => source.hold.send(Hold { resume }).await.ok(),
            Self::Down(kept) => kept.settled().await,
        }
    }
}

/// Everyone a checkpoint asks.
pub(super) struct Gathering {
    sources: Vec<Source>,
    joins: Vec<actix::Recipient<ToJoin>>,
    watermark: Arc<Mutex<WatermarkTracker>>,
    epoch: u64,
}

/// What came of it; the sources go on when this drops.
pub(super) struct Gathered {
    pub(super) resumes: Vec<oneshot::Sender<()>>,
    /// Every stage has handed over.
    pub(super) whole: bool,
}

impl Gathering {
    pub(super) fn of(pipeline: &Pipeline, is_down: impl Fn(&str) -> bool, epoch: u64) -> Self {
        let sources = pipeline.sources.iter().map(|source| match &source.lone {
            Some(lone) if is_down(&source.name) => Source::Down(lone.kept.clone()),
            _ => Source::Running(source.clone()),
        });
        Self { sources: sources.collect(), joins: pipeline.joins.clone(), watermark: pipeline.watermark.clone(), epoch }
    }

    pub(super) async fn gather(self) -> Gathered {
        let began = Instant::now();
        let Self { sources, joins, watermark, epoch } = self;
        tracing::debug!(epoch, "checkpoint began");
        let mut gathered = Gathered { resumes: Vec::new(), whole: false };
        let holds = sources.iter().map(|source| {
            let (sender, resume) = oneshot::channel();
            gathered.resumes.push(sender);
            source.books(resume)
        });
        let books = join_all(holds.collect::<Vec<_>>()).await;
        let Some(books) = books.into_iter().collect::<Option<Vec<_>>>() else { return gathered };
        let watermark = watermark.lock().unwrap_or_else(PoisonError::into_inner).state();
        let (sender, handed_over) = oneshot::channel();
        let barrier =
            Arc::new(Barrier { epoch, ledger: books.into_iter().flatten().collect(), watermark, gathered: Mutex::new(Some(sender)) });
        let sends = joins
            .iter()
            .map(|join| join.send(ToJoin::Barrier(BarrierPart { barrier: barrier.clone(), deltas: Vec::new(), seen_before: Vec::new() })));
        let sent = join_all(sends).await;
        drop(barrier);
        // An error means a stage died with the barrier: its life line has told us already.
        gathered.whole = sent.iter().all(Result::is_ok) && handed_over.await.is_ok();
        if gathered.whole {
            let held = began.elapsed();
            metrics().checkpoint(held.as_secs_f64());
            tracing::debug!(epoch, held_us = held.as_micros() as u64, "checkpoint gathered");
        }
        gathered
    }
}
