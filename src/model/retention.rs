//! What is kept and for how long: what there is, what goes next, what has gone.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Bucket, Timestamp};

/// What the store holds that retention decides on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Bytes of the file in use, and of those that are free inside it.
    pub used_bytes: u64,
    pub free_bytes: u64,
    pub oldest_event: Option<Timestamp>,
    pub oldest_bucket: Option<Bucket>,
    pub letters: u64,
    pub letter_bytes: u64,
    pub oldest_letter: Option<Timestamp>,
    /// Letters that failed before the time asked for, and their bytes.
    pub letters_due: u64,
    pub letter_bytes_due: u64,
    /// Ended investigations whose charts are not removed yet: the end of the oldest.
    pub oldest_ended: Option<Timestamp>,
    /// What was removed so far.
    pub removed: Vec<RemovedTotal>,
}

/// One kind of thing to remove, oldest first, some at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Dead letters that failed last before this.
    Letters { before: Timestamp },
    /// Bucket rows of buckets before this one.
    Rows { before: Bucket },
    /// Events before this time, but for the evidence of open investigations.
    Events { before: Timestamp },
    /// Charts, earlier rankings and notifications of investigations that ended before this; their summary stays.
    Charts { before: Timestamp },
    /// Gives free pages back to the disk.
    Space,
}

impl Removal {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Letters { .. } => "dead_letters",
            Self::Rows { .. } => "bucket_rows",
            Self::Events { .. } => "events",
            Self::Charts { .. } => "investigation_charts",
            Self::Space => "free_space",
        }
    }
}

/// What one small transaction removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub count: u64,
    pub bytes: u64,
    /// There is more of it to remove.
    pub more: bool,
}

impl Removed {
    pub const fn add(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
        self.more = other.more;
    }
}

/// How retention fares, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetentionView {
    /// Days after which things go; 0 means never.
    pub max_age_days: u32,
    /// Size of the file above which the oldest goes, MiB; 0 means no limit.
    pub max_size_mib: u64,
    /// Bytes of the file in use.
    pub used_bytes: u64,
    /// What goes next, when, and why; the soonest first.
    pub next: Vec<Announcement>,
    /// What has gone, by kind.
    pub removed: Vec<RemovedTotal>,
}

/// Something that will be removed unless settings change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Announcement {
    /// `dead_letters`, `events`, `bucket_rows`, `investigation_charts`.
    pub kind: String,
    /// From when on; `None` when it depends on how fast the file grows.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// How many within the next day, where that is known.
    pub count: Option<u64>,
    pub bytes: Option<u64>,
    /// As a sentence, with what to do to keep it.
    pub sentence: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovedTotal {
    pub kind: String,
    pub removed: u64,
    pub bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
}
