//! Doors between places: small traits that name no runtime. Places implement them, stages and routes use them, `app`
//! joins the two.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

use super::change::Change;
use super::command::{Command, CommandError, CommandOutcome, InboxRow};
use super::connector::{ConnectorOrder, ConnectorStatus, Health, KeptPause, OrderBy, PauseChange};
use super::dead_letter::{DeadLetter, DeadLetterGroup, DeadLetterView, DryRun, LetterRecord, Replay, ReplayOutcome, ReplayRun};
use super::entity::Alias;
use super::explanation::Explanation;
use super::investigation::{Activity, EngineFindings, EventLink, Investigation, InvestigationSummary, Note};
use super::ledger::LedgerRow;
use super::live::LiveUpdate;
use super::notification::{
    ChannelView, DeliveryOutcome, Firing, Notification, NotificationKind, NotificationQuery, NotificationView, Outgoing, Waiting,
};
use super::position::{PartitionKey, Position};
use super::query::{DeadLetterQuery, EventQuery, InvestigationQuery, Page, TimeRange};
use super::received::{NewRecord, ReceiveError, ReceivedPage, ReceivedRemoved};
use super::record::RecordBatch;
use super::retention::{Holdings, Removal, Removed};
use super::signal::{BucketRow, DetectedEvent};
use super::snapshot::{Checkpoint, Snapshot, StatePart};
use super::source_record::Fetched;
use super::suspect::Suspect;
use super::topology::{EdgeHour, Topology};
use super::view::{AnalyticsSummary, Facet, Timeline};
use super::{Event, Timestamp};

// ---------------------------------------------------------------- the way in

/// What a feed (Kafka consumer or in-process) tells its connector, in order.
#[derive(Clone, Debug)]
pub enum FeedMessage {
    Batch(RecordBatch),
    /// Partitions we now own, and where reading starts.
    Assigned(Vec<AssignedPartition>),
    /// Partitions we no longer own; nothing of them follows.
    Revoked(Vec<PartitionKey>),
    /// A passing trouble: reported, retried by the feed itself.
    Trouble(FeedTrouble),
    /// Something a person must know; reading goes on as if nothing had been.
    Notice(FeedTrouble),
    /// The feed ended; for in-process feeds the normal end.
    Ended {
        reason: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct AssignedPartition {
    pub key: PartitionKey,
    pub start_offset: i64,
    /// −1 when unknown.
    pub end_offset: i64,
    /// The topic's id, where the broker tells one: a topic made anew has another.
    pub topic_id: Option<Arc<str>>,
}

/// Where reading of a partition stands, as kept with the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOffset {
    pub incarnation: u32,
    pub next_offset: i64,
    /// Id of the topic this incarnation was read from; `None` when no broker told it.
    pub topic_id: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FeedTrouble {
    /// Short stable name: `broker_unreachable`, `authentication_failed`, `unknown_topic`, `offset_out_of_range` …
    pub class: String,
    /// For a person, with what to do next.
    pub message: String,
    /// True when only a change of settings can help.
    pub permanent: bool,
    /// True when it is over: the state before holds again.
    pub recovered: bool,
    /// The topic it is about, where it is about one.
    pub topic: Option<String>,
}

impl FeedTrouble {
    /// One that passes, about no topic in particular.
    pub fn passing(class: &str, message: String) -> Self {
        Self { class: class.to_owned(), message, permanent: false, recovered: false, topic: None }
    }
}

/// Handle of a running feed.
pub trait FeedControl: Send + Sync {
    /// Stops fetching; polling goes on.
    fn pause(&self);
    fn resume(&self);
    /// Exactly these partitions are held back until the next call, the rest is read; for partitions far ahead of the rest.
    fn hold_back(&self, partitions: &[PartitionKey]) {
        let _ = partitions;
    }
    /// Publishes offsets to the broker for lag monitors; advisory.
    fn commit(&self, next_offsets: &[(PartitionKey, i64)]);
    /// Ends the feed; its channel closes.
    fn stop(&self);
}

/// Where to start reading a partition: the offsets kept with the data.
pub trait StoredOffsets: Send + Sync {
    /// Where the newest incarnation that was read stands; `None` when the partition of this cluster was never read.
    fn stored(&self, connector: &str, cluster: &str, topic: &str, partition: i32) -> Option<StoredOffset>;
}

// ---------------------------------------------------------------- the store

#[derive(Debug, Error)]
pub enum StoreError {
    /// No space left: stop reading, lose nothing, try again.
    #[error("disk full: {0}")]
    DiskFull(String),
    #[error("database busy: {0}")]
    Busy(String),
    #[error("database damaged: {0}")]
    Corrupt(String),
    #[error("snapshot of version {found} cannot be read by this version ({known}): {advice}")]
    SnapshotVersion { found: u32, known: u32, advice: String },
    #[error("bad query: {field}: {reason}")]
    BadQuery { field: String, reason: String },
    #[error("{0}")]
    Other(String),
}

/// Everything one transaction of the recorder holds.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Each made of one item of a record, which the books count as stored.
    pub events: Vec<Event>,
    /// Each made by a detector of many items, which the books count as folded.
    pub detected: Vec<DetectedEvent>,
    pub findings: Vec<EngineFindings>,
    pub letters: Vec<DeadLetter>,
    pub replays: Vec<ReplayOutcome>,
    pub rows: Vec<BucketRow>,
    pub edges: Vec<EdgeHour>,
    pub pauses: Vec<PauseChange>,
    /// Records that came without Kafka.
    pub received: Vec<NewRecord>,
    /// Without force until its checkpoint comes.
    pub state: Option<StatePart>,
    pub checkpoint: Option<Checkpoint>,
}

impl WriteBatch {
    pub fn is_empty(&self) -> bool {
        self.rows() == 0 && self.state.is_none() && self.checkpoint.is_none()
    }

    /// What there is to store, state apart.
    pub fn rows(&self) -> usize {
        self.events.len()
            + self.detected.len()
            + self.findings.len()
            + self.letters.len()
            + self.replays.len()
            + self.rows.len()
            + self.edges.len()
            + self.pauses.len()
            + self.received.len()
    }
}

/// What a write did, for counters and live updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteReport {
    pub events_stored: u64,
    /// Ids that were already there with the same content.
    pub events_seen_before: u64,
    pub letters_stored: u64,
    pub letters_seen_before: u64,
    /// Replays of letters that came to an end.
    pub letters_replayed: u64,
    /// (id, revision, version) of investigations whose findings changed.
    pub investigations: Vec<(String, u64, u64)>,
    /// Of these, opened by this write.
    pub opened: u64,
    /// What was made to be told, each with its investigation.
    pub told: Vec<(NotificationKind, String)>,
    /// Bytes of state written, of a part or a whole checkpoint.
    pub checkpoint_bytes: u64,
}

/// The only writer. Every call is one durable transaction and idempotent.
pub trait StoreWriter: Send {
    fn write(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, StoreError>;
    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError>;
    /// What there is to keep or remove; letters that failed before `letters_due_before` are counted apart.
    fn holdings(&mut self, letters_due_before: Timestamp) -> Result<Holdings, StoreError> {
        let _ = letters_due_before;
        Ok(Holdings::default())
    }
    /// Removes some of what is meant in one small transaction, and books it.
    fn remove(&mut self, removal: &Removal, now: Timestamp) -> Result<Removed, StoreError> {
        let _ = (removal, now);
        Ok(Removed::default())
    }
    /// Names that mean other names, by name.
    fn aliases(&mut self) -> Result<Vec<Alias>, StoreError> {
        Ok(Vec::new())
    }
    /// Bytes by connector of the records that came without Kafka and are not removed yet.
    fn received_waiting(&mut self) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(Vec::new())
    }
    /// Removes some of those that the checkpoint in force is past, in one small transaction.
    fn remove_received(&mut self) -> Result<ReceivedRemoved, StoreError> {
        Ok(ReceivedRemoved::default())
    }
    /// Whether so many bytes could be made durable now: they are written and taken back. The answer to "does the disk take writes
    /// again" while nothing waits to be written.
    fn probe(&mut self, bytes: u64) -> Result<(), StoreError> {
        let _ = bytes;
        Ok(())
    }
    /// What came of deliveries; one whose notification is gone is passed over.
    fn book_deliveries(&mut self, outcomes: &[DeliveryOutcome]) -> Result<(), StoreError> {
        let _ = outcomes;
        Ok(())
    }
    /// What the last whole checkpoint left; state parts of an unfinished one are forgotten.
    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError>;
}

/// Reads, from any thread, blocking.
pub trait StoreReader: Send + Sync {
    fn investigations(&self, query: &InvestigationQuery) -> Result<Page<InvestigationSummary>, StoreError>;
    fn investigation_facets(&self, query: &InvestigationQuery) -> Result<Vec<Facet>, StoreError>;
    fn investigation(&self, id: &str) -> Result<Option<Investigation>, StoreError>;
    /// Its suspects as they were ranked at a time; none before its first ranking. `None` where there is no such investigation.
    fn suspects_at(&self, investigation_id: &str, at: Timestamp) -> Result<Option<Vec<Suspect>>, StoreError>;
    fn notes(&self, investigation_id: &str) -> Result<Vec<Note>, StoreError>;
    fn activity(&self, investigation_id: &str) -> Result<Vec<Activity>, StoreError>;
    fn timeline(&self, investigation_id: &str, range: TimeRange, step_s: Option<u32>) -> Result<Option<Timeline>, StoreError>;
    /// How an event is linked to an investigation; `None` where it is not.
    fn event_link(&self, investigation_id: &str, event_id: &str) -> Result<Option<EventLink>, StoreError>;
    fn events(&self, query: &EventQuery) -> Result<Page<Event>, StoreError>;
    fn event(&self, id: &str) -> Result<Option<Event>, StoreError>;
    fn event_facets(&self, query: &EventQuery) -> Result<Vec<Facet>, StoreError>;
    fn dead_letters(&self, query: &DeadLetterQuery) -> Result<Page<DeadLetterView>, StoreError>;
    fn dead_letter_groups(&self) -> Result<Vec<DeadLetterGroup>, StoreError>;
    fn dead_letter(&self, id: &str) -> Result<Option<DeadLetterView>, StoreError>;
    fn letter_record(&self, id: &str) -> Result<Option<LetterRecord>, StoreError>;
    /// Replays with id ≥ `from`, oldest first, at most `limit`.
    fn replays(&self, from: i64, limit: u32) -> Result<Vec<Replay>, StoreError>;
    /// Decisions to replay, newest first, at most 20.
    fn replay_runs(&self) -> Result<Vec<ReplayRun>, StoreError>;
    /// Bytes of a connector's dead letters that wait or are being replayed.
    fn letter_bytes(&self, connector: &str) -> Result<u64, StoreError>;
    /// The pause of a connector that a process before this one left.
    fn pause(&self, connector: &str) -> Result<Option<KeptPause>, StoreError> {
        let _ = connector;
        Ok(None)
    }
    fn ledger(&self) -> Result<Vec<LedgerRow>, StoreError>;
    /// Services and calls as they were at a time, or now; of one environment or of all.
    fn topology(&self, environment: Option<&str>, at: Option<Timestamp>) -> Result<Topology, StoreError>;
    /// Names that mean other names, by name.
    fn aliases(&self) -> Result<Vec<Alias>, StoreError> {
        Ok(Vec::new())
    }
    fn analytics(&self, range: TimeRange) -> Result<AnalyticsSummary, StoreError>;
    /// Inbox rows with id ≥ `from`, oldest first, at most `limit`.
    fn inbox(&self, from: i64, limit: u32) -> Result<Vec<InboxRow>, StoreError>;
    /// Records of a connector that came without Kafka, from an offset on: at most so many, and so many bytes but at least one.
    fn received(&self, connector: &str, from: i64, max_records: u32, max_bytes: u64) -> Result<ReceivedPage, StoreError> {
        let _ = (connector, from, max_records, max_bytes);
        Ok(ReceivedPage::default())
    }
    /// What people were told, and what came of it, newest first.
    fn notifications(&self, query: &NotificationQuery) -> Result<Page<NotificationView>, StoreError> {
        let _ = query;
        Ok(Page { items: Vec::new(), total: 0, total_exact: true, next_cursor: None })
    }
    /// The canonical export: everything a run determines, without wall-clock fields, one JSON value a line, sorted.
    fn export(&self, out: &mut dyn std::io::Write) -> Result<(), StoreError>;
}

// ---------------------------------------------------------------- telling people

/// Says what a new revision of an investigation is worth telling. Pure: asked inside the transaction that stores the revision.
pub trait Tell: Send + Sync {
    /// `last` is what was told of it last; `now` is wall time.
    fn news(&self, last: Option<&Notification>, findings: &EngineFindings, now: Timestamp) -> Option<Notification>;
    /// Who is told.
    fn channels(&self) -> &[String];
}

/// What is to be sent. Reads, from any thread, blocking.
pub trait Outbox: Send + Sync {
    /// Deliveries of a channel that are due, oldest first; of each investigation only the first that waits, so that nobody hears
    /// of an end before its beginning.
    fn due(&self, channel: &str, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, StoreError>;
    /// Investigations told as opened and not as over, of which nothing waits for the channel, newest first; those that a person
    /// ended only when that was after `ended_after`.
    fn firing(&self, channel: &str, ended_after: Timestamp, limit: u32) -> Result<Vec<Firing>, StoreError>;
    fn waiting(&self, channel: &str) -> Result<Waiting, StoreError>;
    /// Channels with deliveries that wait.
    fn waiting_channels(&self) -> Result<Vec<String>, StoreError>;
}

/// A way to people outside. Sends one notification, or says in a sentence why it did not arrive.
pub trait Outlet: Send + Sync {
    fn name(&self) -> &'static str;
    /// Where it sends to, without secrets.
    fn target(&self) -> String;
    /// Resolves when the receiver has said that it has it. Sent again it must be the same to the receiver.
    fn send(&self, outgoing: &Outgoing, now: Timestamp) -> BoxFuture<Result<(), String>>;
    /// How often what is open must be sent again so that the receiver does not take it for over, seconds; 0 for never.
    fn repeat_every_s(&self) -> u32 {
        0
    }
    /// Sends what is open again.
    fn repeat(&self, firing: &[Firing], now: Timestamp) -> BoxFuture<Result<(), String>> {
        let _ = (firing, now);
        Box::pin(std::future::ready(Ok(())))
    }
    /// Looks whether the receiver is there; what it found, or why it cannot work.
    fn check(&self) -> BoxFuture<Result<String, String>>;
}

/// Books what came of deliveries; answers when it is durable.
pub trait DeliveryBooks: Send + Sync {
    fn book(&self, outcomes: Vec<DeliveryOutcome>) -> BoxFuture<Result<(), StoreError>>;
}

/// Says how the channels fare.
pub trait Channels: Send + Sync {
    fn channels(&self) -> Vec<ChannelView>;
}

/// A record for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produced {
    pub topic: String,
    pub key: String,
    pub value: String,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Writes single records to a broker.
pub trait Produce: Send + Sync {
    /// Where the brokers are.
    fn brokers(&self) -> String;
    /// Resolves when all in-sync replicas have it.
    fn produce(&self, record: Produced) -> BoxFuture<Result<(), String>>;
    /// Whether the topic is there: its number of partitions.
    fn look(&self, topic: &str) -> BoxFuture<Result<usize, String>>;
}

// ---------------------------------------------------------------- the way out

pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Hands a command to the writer and answers when it is durable.
pub trait Commands: Send + Sync {
    fn submit(&self, command: Command) -> BoxFuture<Result<CommandOutcome, CommandError>>;
}

/// Takes records that come without Kafka; answers when they are durable, all or none.
pub trait Receiver: Send + Sync {
    fn receive(&self, records: Vec<NewRecord>) -> BoxFuture<Result<(), ReceiveError>>;
}

/// What the running pipeline says of itself.
pub trait PipelineStatus: Send + Sync {
    fn connectors(&self) -> Vec<ConnectorStatus>;
    fn health(&self) -> Health;
}

/// A disk, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// For whoever is not root.
    pub free: u64,
    pub size: u64,
}

/// The disk the database lies on; `None` in memory, or where it cannot be seen.
pub type DiskSpace = Arc<dyn Fn() -> Option<Disk> + Send + Sync>;

/// Decodes a dead letter again and stores nothing; `edited` stands in the place of its value.
pub trait DryRuns: Send + Sync {
    fn dry_run(&self, letter: &LetterRecord, edited: Option<&[u8]>) -> DryRun;
}

/// Joins the events of changes into changes, oldest first. Pure.
pub type JoinChanges = fn(&[Event]) -> Vec<Change>;

/// Reads one record again from where a connector read it. Blocks for seconds.
pub trait SourceRecords: Send + Sync {
    fn fetch(&self, connector: &str, position: &Position) -> Fetched;
}

/// Says why an event is in an investigation, or why it is not; the link is how it is linked, if it is. Pure.
pub type Explain = fn(&Event, Option<&EventLink>, &Investigation) -> Explanation;

/// Gives orders to connectors by name; `false` when nobody takes them for that name now.
pub trait ConnectorControl: Send + Sync {
    fn steer(&self, name: &str, order: ConnectorOrder, by: &OrderBy) -> bool;
}

/// Where live updates go; never blocks, drops and counts when nobody can take them.
pub trait Publish: Send + Sync {
    fn publish(&self, update: LiveUpdate);
}
