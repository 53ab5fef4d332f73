//! What stages tell each other, in the order of the data's way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Message;
use tokio::sync::oneshot;

use crate::engine::correlate::watermark::{Advance, WatermarkState};
use crate::engine::detect::{DetectorInput, SeenBefore, ShardInput};
use crate::engine::resilience::offset_ledger::count_seen_before;
use crate::model::command::{Command, CommandError, CommandOutcome, InboxRow};
use crate::model::connector::{ConnectorOrder, OrderBy};
use crate::model::dead_letter::Rejection;
use crate::model::ledger::LedgerRow;
use crate::model::ports::{StoreError, WriteBatch, WriteReport};
use crate::model::record::RecordBatch;
use crate::model::signal::ClosedBucket;
use crate::model::snapshot::{Checkpoint, StateDelta};
use crate::model::{Bucket, Event};
use crate::telemetry::batch_trace::BatchTrace;

/// Facts that are one-to-one with a record or a person's write: they ride along, unchanged, to the investigator.
#[derive(Debug, Default)]
pub struct Passing {
    pub events: Vec<Event>,
    pub commands: Vec<InboxRow>,
    /// Of the batch they came with.
    pub trace: BatchTrace,
}

impl Passing {
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.commands.is_empty()
    }
}

/// connector, inbox, coordinator → trace join.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ToJoin {
    Observed { input: ShardInput, passing: Passing },
    Advance(Advance),
    Barrier(BarrierPart),
}

/// trace join → detection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ToDetection {
    Observed {
        join: usize,
        input: DetectorInput,
        passing: Passing,
    },
    /// Join shard `join` has finished every trace up to the end of `through`.
    Closed {
        join: usize,
        advance: Advance,
    },
    Barrier {
        join: usize,
        part: BarrierPart,
    },
}

impl ToDetection {
    /// Which join shard says it.
    pub const fn sender(&self) -> usize {
        match self {
            Self::Observed { join, .. } | Self::Closed { join, .. } | Self::Barrier { join, .. } => *join,
        }
    }
}

/// detection → investigator.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ToInvestigator {
    Passing { shard: usize, passing: Passing },
    Closed { shard: usize, closed: Vec<ClosedBucket> },
    Barrier { shard: usize, part: BarrierPart },
}

impl ToInvestigator {
    /// Which detection shard says it.
    pub const fn sender(&self) -> usize {
        match self {
            Self::Passing { shard, .. } | Self::Closed { shard, .. } | Self::Barrier { shard, .. } => *shard,
        }
    }
}

/// Everything → recorder.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Record {
    pub batch: WriteBatch,
    /// Of the batch of records it came from, where there is one.
    pub trace: BatchTrace,
    /// Everything up to this bucket is judged, and stored with this.
    pub closed_through: Option<Bucket>,
}

impl From<WriteBatch> for Record {
    fn from(batch: WriteBatch) -> Self {
        Self { batch, trace: BatchTrace::default(), closed_through: None }
    }
}

/// A person's write → recorder.
#[derive(Debug, Message)]
#[rtype(result = "Result<CommandOutcome, CommandError>")]
pub struct Execute(pub Command);

/// connector → dead_letter; answered once the recorder has the letters.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Rejected {
    pub records: Arc<RecordBatch>,
    pub rejections: Vec<Rejection>,
    pub trace: BatchTrace,
}

/// A barrier on its way through the stages, gathering what each changed.
#[derive(Debug)]
pub struct BarrierPart {
    pub barrier: Arc<Barrier>,
    pub deltas: Vec<StateDelta>,
    /// Duplicates dropped since the pipeline was built.
    pub seen_before: Vec<SeenBefore>,
}

/// One checkpoint: what the sources had read where it cut.
#[derive(Debug)]
pub struct Barrier {
    pub epoch: u64,
    pub ledger: Vec<LedgerRow>,
    pub watermark: WatermarkState,
    /// Told when every stage has handed over its state.
    gathered: Mutex<Option<oneshot::Sender<()>>>,
    pub stood: Arc<Stood>,
}

/// For how long a checkpoint kept stages from their work, microseconds: of stages side by side, the longest.
#[derive(Debug, Default)]
pub struct Stood([AtomicU64; 4]);

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
        self.0[layer as usize].fetch_max(stood.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn of(&self, layer: Layer) -> Duration {
        Duration::from_micros(self.0[layer as usize].load(Ordering::Relaxed))
    }

    /// The longest that a record on its way can have been kept waiting by it.
    pub fn total(&self) -> Duration {
        Layer::ALL.into_iter().map(|layer| self.of(layer)).sum()
    }
}

impl Barrier {
    pub fn new(epoch: u64, ledger: Vec<LedgerRow>, watermark: WatermarkState, gathered: oneshot::Sender<()>) -> Self {
        Self { epoch, ledger, watermark, gathered: Mutex::new(Some(gathered)), stood: Arc::default() }
    }

    pub fn checkpoint(&self, deltas: Vec<StateDelta>, seen_before: &[SeenBefore]) -> Checkpoint {
        let mut ledger = self.ledger.clone();
        count_seen_before(&mut ledger, seen_before);
        Checkpoint { epoch: self.epoch, ledger, deltas }
    }

    pub fn release(&self) {
        let sender = self.gathered.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Nobody waits any more when the supervisor was stopped meanwhile.
            let _ = sender.send(());
        }
    }
}

/// supervisor → every source, before the last checkpoint: stop after the batch in hand; go on when `resume` fires or is dropped.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Hold {
    pub resume: oneshot::Receiver<()>,
}

/// supervisor → every stage of a pipeline that is taken down.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// supervisor → every stage: are you there? Answered when its turn comes, so a stage that does not is busy or stuck.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Ping;

/// Somebody with the API → connector.
#[derive(Clone, Debug, Message, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Steer {
    pub order: ConnectorOrder,
    pub by: OrderBy,
}

/// recorder → broadcaster, supervisor: what is durable now.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Stored {
    pub report: WriteReport,
    pub newest_event: Option<String>,
    /// Set when a checkpoint was part of it.
    pub checkpoint: Option<(u64, Vec<LedgerRow>)>,
}

/// recorder → supervisor: the store cannot go on for a reason that waiting does not cure.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StoreFailed(pub StoreError);

/// A person's write was stored; look into the inbox and tell the page.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct CommandStored(pub CommandOutcome);

/// supervisor → connector: these books are durable.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Committed(pub Arc<Vec<LedgerRow>>);

/// connector → supervisor: the feed ended for good, with everything read delivered.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct SourceEnded {
    pub name: String,
}
