//! One checkpoint while it is gathered.
//!
//! A stage that the barrier reaches freezes its state and lets the barrier go on at once; it hands its changes in piece by piece,
//! between its messages, so that nothing on its way waits for more than a piece. Once all have handed in all, the investigator
//! gives the whole to the recorder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::engine::correlate::watermark::WatermarkState;
use crate::engine::detect::{InPieces, SeenBefore};
use crate::engine::resilience::offset_ledger::count_seen_before;
use crate::model::ledger::LedgerRow;
use crate::model::snapshot::{Checkpoint, StateDelta};

/// Entries handed in at a time.
const PIECE: usize = 500;

/// What the sources had read where the checkpoint cut, and what the stages have handed in.
#[derive(Debug)]
pub struct Barrier {
    pub epoch: u64,
    pub watermark: WatermarkState,
    ledger: Vec<LedgerRow>,
    gathered: Mutex<Gathered>,
    pub stood: Arc<Stood>,
}

#[derive(Debug, Default)]
struct Gathered {
    deltas: Vec<StateDelta>,
    /// Stages that have not handed in all yet.
    open: usize,
    /// Told when there are none; set once the barrier has reached the last stage.
    whole: Option<oneshot::Sender<()>>,
    /// Told when the recorder has it.
    released: Option<oneshot::Sender<()>>,
}

impl Barrier {
    pub fn new(epoch: u64, ledger: Vec<LedgerRow>, watermark: WatermarkState, released: oneshot::Sender<()>) -> Self {
        let gathered = Gathered { released: Some(released), ..Gathered::default() };
        Self { epoch, watermark, ledger, gathered: Mutex::new(gathered), stood: Arc::default() }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stage will hand in its changes. Called before it lets the barrier go on.
    fn expect(&self) {
        self.gathered().open += 1;
    }

    fn hand_in(&self, delta: StateDelta, is_last: bool) {
        let mut gathered = self.gathered();
        if !delta.entries.is_empty() {
            gathered.deltas.push(delta);
        }
        if is_last {
            gathered.open -= 1;
            if gathered.open == 0
                && let Some(whole) = gathered.whole.take()
            {
                // Nobody waits any more when the investigator was stopped meanwhile.
                let _ = whole.send(());
            }
        }
    }

    /// The last stage adds its changes; resolves once all others have, too.
    pub fn close(&self, own: impl IntoIterator<Item = StateDelta>) -> oneshot::Receiver<()> {
        let (whole, is_whole) = oneshot::channel();
        let mut gathered = self.gathered();
        gathered.deltas.extend(own);
        if gathered.open == 0 {
            let _ = whole.send(());
        } else {
            gathered.whole = Some(whole);
        }
        is_whole
    }

    /// The whole, once.
    pub fn checkpoint(&self, seen_before: &[SeenBefore]) -> Checkpoint {
        let mut ledger = self.ledger.clone();
        count_seen_before(&mut ledger, seen_before);
        let deltas = std::mem::take(&mut self.gathered().deltas);
        Checkpoint { epoch: self.epoch, closed_through: self.watermark.closed_through, ledger, deltas }
    }

    /// The next checkpoint may begin.
    pub fn release(&self) {
        if let Some(released) = self.gathered().released.take() {
            // Nobody waits any more when the supervisor was stopped meanwhile.
            let _ = released.send(());
        }
    }

    #[cfg(test)]
    pub fn ledger(&self) -> &[LedgerRow] {
        &self.ledger
    }
}

/// One stage's changes on their way into a checkpoint.
#[derive(Debug)]
pub struct HandingIn {
    stage: String,
    layer: Layer,
    barrier: Option<Arc<Barrier>>,
}

impl HandingIn {
    pub const fn new(stage: String, layer: Layer) -> Self {
        Self { stage, layer, barrier: None }
    }

    /// The barrier is here: from now on `core` hands over its state as it is.
    pub fn begin(&mut self, barrier: &Arc<Barrier>, core: &mut impl InPieces) {
        let began = Instant::now();
        // Two at a time there are only before an end.
        while self.go_on(core) {}
        barrier.expect();
        core.freeze();
        self.barrier = Some(barrier.clone());
        barrier.stood.note(self.layer, began.elapsed());
    }

    /// Hands in one more piece, if any is due; whether more are.
    pub fn go_on(&mut self, core: &mut impl InPieces) -> bool {
        let Some(barrier) = &self.barrier else { return false };
        let began = Instant::now();
        let (entries, is_last) = core.hand_over(PIECE);
        barrier.stood.note(self.layer, began.elapsed());
        barrier.hand_in(StateDelta { stage: self.stage.clone(), entries }, is_last);
        if is_last {
            self.barrier = None;
        }
        !is_last
    }
}

/// For how long a checkpoint kept stages from their work, microseconds: the longest at a time, and in all.
#[derive(Debug, Default)]
pub struct Stood {
    longest: [AtomicU64; Layer::ALL.len()],
    in_all: AtomicU64,
}

/// Stages side by side, in the order of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Sources,
    Joins,
    Detections,
    Investigator,
}

impl Layer {
    pub const ALL: [Self; 4] = [Self::Sources, Self::Joins, Self::Detections, Self::Investigator];
}

impl Stood {
    pub fn note(&self, layer: Layer, stood: Duration) {
        let us = stood.as_micros() as u64;
        self.longest[layer as usize].fetch_max(us, Ordering::Relaxed);
        self.in_all.fetch_add(us, Ordering::Relaxed);
    }

    /// The longest that one of the layer's stages stood at a time.
    pub fn longest(&self, layer: Layer) -> Duration {
        Duration::from_micros(self.longest[layer as usize].load(Ordering::Relaxed))
    }

    /// A record that meets the longest of every layer on its way waits so long.
    pub fn held(&self) -> Duration {
        Layer::ALL.into_iter().map(|layer| self.longest(layer)).sum()
    }

    /// What all stages together spent on it.
    pub fn in_all(&self) -> Duration {
        Duration::from_micros(self.in_all.load(Ordering::Relaxed))
    }
}
