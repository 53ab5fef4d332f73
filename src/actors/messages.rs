//! What stages tell each other, in the order of the data's way.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use super::barrier::Barrier;
use crate::engine::correlate::watermark::Advance;
use crate::engine::detect::{DetectorInput, SeenBefore, ShardInput};
use crate::model::command::{Command, CommandError, CommandOutcome, InboxRow};
use crate::model::connector::{ConnectorOrder, OrderBy};
use crate::model::dead_letter::Rejection;
use crate::model::ledger::LedgerRow;
use crate::model::notification::DeliveryOutcome;
use crate::model::ports::{StoreError, WriteBatch, WriteReport};
use crate::model::received::{NewRecord, ReceiveError};
use crate::model::record::RecordBatch;
use crate::model::signal::ClosedBucket;
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

/// trace join → detection. Nearly all are of the large kind.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[allow(clippy::large_enum_variant)]
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

/// What came without Kafka → recorder; answered when it is durable. Where nobody waits for the answer any more, nothing is stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Receive {
    pub records: Vec<NewRecord>,
    pub answer: oneshot::Sender<Result<(), ReceiveError>>,
}

/// notifier → recorder; answered when it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct BookDeliveries(pub Vec<DeliveryOutcome>);

/// connector → dead_letter; answered once the recorder has the letters.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Rejected {
    pub records: Arc<RecordBatch>,
    pub rejections: Vec<Rejection>,
    pub trace: BatchTrace,
}

/// A barrier on its way through the stages.
#[derive(Debug)]
pub struct BarrierPart {
    pub barrier: Arc<Barrier>,
    /// Duplicates dropped since the pipeline was built.
    pub seen_before: Vec<SeenBefore>,
}

/// supervisor → every source before the last checkpoint, the replays before every one: stop after the batch in hand; go on when `resume` fires or is dropped.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Hold {
    pub resume: oneshot::Receiver<()>,
}

/// A stage → itself: the next piece of its changes for a checkpoint is due.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct HandIn;

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
