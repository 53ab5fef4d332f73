//! Whether the books close: what the database says of itself, what brokers say, and the holes between them.

use serde::{Deserialize, Serialize};

use super::ledger::LedgerRow;
use super::position::PartitionKey;

/// All that the books are checked against, read at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BookFacts {
    /// Checkpoint in force; 0 before the first.
    pub epoch: u64,
    pub partitions: Vec<PartitionFacts>,
    /// Events and letters whose partition has no books.
    pub strangers: Vec<Stranger>,
    pub folded: FoldedFacts,
    /// Failing lines by service: as bucket rows and as events count them.
    pub services: Vec<ServiceFacts>,
    pub replays: ReplayFacts,
    /// Sums kept beside the rows they sum, where they differ.
    pub sums: Vec<SumFact>,
    /// What SQLite found damaged.
    pub damage: Vec<String>,
}

/// Books of one partition, and what is stored of it up to its next offset.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionFacts {
    /// As the connector keeps it.
    pub row: LedgerRow,
    /// Items booked as stored whose event belongs to another item.
    pub duplicates: u64,
    /// Of these, still remembered by position although the books have passed them.
    pub duplicates_behind: u64,
    /// Events made of an item of it.
    pub events: u64,
    pub letters: LetterFacts,
    /// What retention removed of it.
    pub pruned: PrunedFacts,
    /// Events and letters beyond the next offset: stored since the checkpoint, to be read again after a crash.
    pub ahead: u64,
    /// Events and letters before its first offset.
    pub before: u64,
    /// The first offset from the first to the next with neither event nor letter, and how many there are; `None` where the
    /// partition's items are folded or it is too long to look.
    pub unmarked: Option<(i64, u64)>,
    /// Events whose id is not that of their position or external id: how many, and the first.
    pub misnamed: Option<(u64, String)>,
}

/// Dead letters of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterFacts {
    /// Of records that were bad as a whole.
    pub whole: u64,
    pub partial: u64,
    /// Bad items of the partial ones, as they came.
    pub items: u64,
    /// Letters decoded again at least once: their items are in the replays' books.
    pub replayed: u64,
    /// Letters without the record they hold.
    pub without_record: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrunedFacts {
    pub events: u64,
    pub letters: u64,
    pub letter_items: u64,
    pub replayed: u64,
}

/// Where folded items are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoldedFacts {
    /// In rows of buckets that the checkpoint has closed.
    pub in_rows: u64,
    /// In buckets still open in the checkpoint's state.
    pub open: u64,
    /// In rows that retention removed.
    pub pruned: u64,
    /// In rows written since the checkpoint.
    pub ahead: u64,
    /// Why open buckets could not be looked into.
    pub unread: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    pub environment: String,
    pub service: String,
    /// Items in bucket rows that are counted in an event.
    pub rows: u64,
    /// Sum of those events' counts.
    pub events: u64,
}

/// Replays of dead letters that the books have not passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayFacts {
    pub under_way: u64,
}

/// Something stored of a partition that no checkpoint has books of.
#[derive(Clone, Debug, PartialEq)]
pub struct Stranger {
    pub connector: String,
    pub partition: PartitionKey,
    /// Events and letters.
    pub stored: u64,
    pub first_offset: i64,
    /// The books know a later life of the same partition: this one should have had books.
    pub is_over: bool,
    /// As of [`PartitionFacts`].
    pub misnamed: Option<(u64, String)>,
}

/// One sum and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumFact {
    /// What is summed, for a person.
    pub of: String,
    pub kept: i64,
    pub counted: i64,
}

/// What a broker has of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerExtent {
    pub topic: String,
    pub partition: i32,
    pub first: i64,
    /// One past the last.
    pub end: i64,
}

/// What a connector's brokers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerFacts {
    pub connector: String,
    pub brokers: String,
    pub cluster: Option<String>,
    pub extents: Vec<BrokerExtent>,
    /// (topic, id) of the topics that are there, where the broker tells ids.
    pub topic_ids: Vec<(String, String)>,
    /// Why nothing could be learned.
    pub trouble: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoleKind {
    /// SQLite finds the file damaged.
    Damage,
    /// Records read are not the sum of what became of them.
    RecordsUnbalanced,
    /// The offsets passed are not the sum of records, absent and missed ones.
    OffsetsUnbalanced,
    ItemsUnbalanced,
    EventsLost,
    EventsUnbooked,
    LettersLost,
    LettersUnbooked,
    /// Items of partly bad records are not all in letters.
    LetterItems,
    LetterWithoutRecord,
    /// Folded items are not in bucket rows.
    FoldedLost,
    FoldedUnbooked,
    /// Events of detectors count other lines than the bucket rows.
    CountsDiffer,
    /// An event's id is not that of its position or external id.
    IdMisnamed,
    /// Something lies at a position no books cover.
    PositionUnknown,
    DuplicatesUnbalanced,
    /// A sum that pages show is not that of the rows.
    SumsDiffer,
    /// The inbox or the replays have passed rows that are not there.
    RowsLost,
    /// Brokers: the position lies beyond the topic's end.
    BeyondEnd,
    /// Brokers: records removed before they were read.
    RemovedUnread,
    TopicRecreated,
    TopicGone,
    OtherCluster,
    BrokerSilent,
}

/// One place where the books do not close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    pub kind: HoleKind,
    pub connector: Option<String>,
    pub partition: Option<PartitionKey>,
    /// First offset and one past the last that it may concern.
    pub offsets: Option<(i64, i64)>,
    /// How many records, items or rows.
    pub count: u64,
    /// What is wrong, with the numbers.
    pub found: String,
    pub meaning: String,
    pub advice: String,
}

/// What a check of the books came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub closes: bool,
    pub epoch: u64,
    pub partitions: Vec<PartitionVerdict>,
    pub records_read: u64,
    pub items_decoded: u64,
    pub holes: Vec<Hole>,
    /// What a reader should know that is no hole.
    pub notes: Vec<String>,
}

/// Books of one partition in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionVerdict {
    pub row: LedgerRow,
    pub duplicates: u64,
    pub events: u64,
    pub letters: u64,
    pub removed_by_retention: u64,
    pub ahead: u64,
    /// Records the broker has beyond the next offset, where it was asked.
    pub lag: Option<u64>,
}
