//! Records that could not be read, kept whole.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use super::position::Position;

/// Connector name of replays in the books.
pub const REPLAY: &str = "replay";

/// What decode says of a record it could not read, or could read only in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// Index of the record in its batch.
    pub record: u32,
    pub class: RejectionClass,
    /// What is wrong, for a person: "not JSON: expected `,` at byte 14".
    pub reason: String,
    /// Format it was tried as.
    pub format: &'static str,
    /// Indexes of the bad items; empty when the whole record was rejected.
    pub items: Vec<u32>,
    /// How often it was tried.
    pub attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectionClass {
    /// A record without a value.
    Tombstone,
    /// A value of length zero.
    Empty,
    /// No known format has this shape.
    UnknownFormat,
    /// The format is known, the bytes break it.
    Malformed,
    /// Well-formed but without a single item.
    NoItems,
    /// A required field is missing or impossible.
    InvalidField,
    /// Larger than the limit.
    TooLarge,
    /// Decoding or counting it panicked; a defect of ours.
    Panic,
}

impl RejectionClass {
    pub const ALL: [Self; 8] = [
        Self::Tombstone,
        Self::Empty,
        Self::UnknownFormat,
        Self::Malformed,
        Self::NoItems,
        Self::InvalidField,
        Self::TooLarge,
        Self::Panic,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Empty => "empty",
            Self::UnknownFormat => "unknown_format",
            Self::Malformed => "malformed",
            Self::NoItems => "no_items",
            Self::InvalidField => "invalid_field",
            Self::TooLarge => "too_large",
            Self::Panic => "panic",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LetterStatus {
    #[default]
    Waiting,
    /// Asked to be decoded again; the outcome is under way.
    Replaying,
    Replayed,
    Discarded,
}

impl LetterStatus {
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Replaying, Self::Replayed, Self::Discarded];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Replaying => "replaying",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// The record of a letter, whole: what it takes to decode it again.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterRecord {
    /// Derived from connector and position.
    pub id: String,
    pub connector: String,
    pub position: Position,
    /// The record's Kafka time.
    pub timestamp: Option<Timestamp>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Items that were bad; empty when the whole record was.
    pub bad_items: Vec<u32>,
}

/// Header of a letter whose payload was not kept, in the place of all its headers: what is known of it.
const WITHHELD: &str = "whydunit-payload-not-kept";

/// What is known of a payload that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// `None` of a record without a value.
    pub value_bytes: Option<u64>,
    /// SHA-256 of the value, in hexadecimal digits.
    pub value_sha256: String,
}

impl Withheld {
    /// In the headers of a letter; `None` where its payload was kept.
    pub fn of(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(String, Option<Vec<u8>>)]) -> Option<Self> {
        match (key, value, headers) {
            (None, None, [(name, Some(known))]) if name == WITHHELD => serde_json::from_slice(known).ok(),
            _ => None,
        }
    }
}

impl DeadLetter {
    /// Keeps of the payload only what is known of it.
    pub fn withhold(&mut self, known: &Withheld) {
        (self.key, self.value) = (None, None);
        self.headers = vec![(WITHHELD.to_owned(), serde_json::to_vec(known).ok())];
    }
}

impl LetterRecord {
    /// True where only the broker has the payload.
    pub fn is_withheld(&self) -> bool {
        Withheld::of(self.key.as_deref(), self.value.as_deref(), &self.headers).is_some()
    }
}

/// A letter that a person wants decoded again.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Its offset among all replays ever asked for.
    pub id: i64,
    pub letter: LetterRecord,
    /// Bytes a person put in the place of the record's value.
    pub edited: Option<Vec<u8>>,
}

/// What came of a [`Replay`].
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayOutcome {
    pub replay: i64,
    pub letter_id: String,
    pub at: Timestamp,
    pub items_read: u64,
    /// Why it, or some of it, still cannot be read: back to waiting.
    pub failure: Option<LetterFailure>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LetterFailure {
    pub class: RejectionClass,
    pub message: String,
    pub format: String,
    pub fingerprint: String,
    pub bad_items: Vec<u32>,
}

/// What a dead letter would become if it were replayed now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// Format it was read as.
    pub format: String,
    /// Items that would be taken in.
    pub items: u64,
    /// What they are, at most 20: an event, a log line, a metric point or a span each.
    #[schema(value_type = Vec<Object>)]
    pub preview: Vec<serde_json::Value>,
    /// Why it, or some of it, still cannot be read; `None` when all can.
    pub error_class: Option<RejectionClass>,
    pub error_message: Option<String>,
}

/// A rejected record on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Derived from connector and position.
    pub id: String,
    pub connector: String,
    pub position: Position,
    /// The record's Kafka time.
    pub timestamp: Option<Timestamp>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub error_class: RejectionClass,
    pub error_message: String,
    pub format: String,
    pub bad_items: Vec<u32>,
    pub attempts: u32,
    pub first_failed_at: Timestamp,
    pub last_failed_at: Timestamp,
    /// Groups like failures: connector, class, format and the reason without its variables.
    pub fingerprint: String,
}

/// Whether a letter's key, value and header values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    Shown,
    /// They are kept, and shown to who asks for them.
    Hidden,
    /// `dead_letters.store_payloads` was false: only the broker has them.
    NotKept,
}

/// A dead letter as the API shows it; bytes are base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterView {
    pub id: String,
    pub connector: String,
    #[serde(flatten)]
    pub position: Position,
    pub payload: Payload,
    pub key_base64: Option<String>,
    pub value_base64: Option<String>,
    /// Value as text where it is UTF-8, at most 64 KiB.
    pub value_text: Option<String>,
    pub value_bytes: u64,
    /// SHA-256 of a value that was not kept.
    pub value_sha256: Option<String>,
    /// Names of Kafka Connect where it knows the fact: `__connect.errors.topic`, `.partition`, `.offset`,
    /// `.exception.class.name`, `.exception.message`; the record's own headers follow.
    pub headers: Vec<HeaderView>,
    pub error_class: RejectionClass,
    pub error_message: String,
    pub format: String,
    pub bad_items: Vec<u32>,
    pub attempts: u32,
    #[schema(value_type = String, format = DateTime)]
    pub first_failed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_failed_at: Timestamp,
    pub fingerprint: String,
    pub status: LetterStatus,
    pub replay_count: u32,
    /// Items that replays of it have read.
    pub items_read: u64,
    /// Why it was discarded; `None` while it is not.
    pub discard_reason: Option<String>,
}

impl DeadLetterView {
    /// Without the bytes of its record; the names of its headers stay.
    pub fn hide(&mut self) {
        if self.payload != Payload::Shown {
            return;
        }
        self.payload = Payload::Hidden;
        (self.key_base64, self.value_base64, self.value_text) = (None, None, None);
        self.headers.iter_mut().skip(CONNECT_FACTS).for_each(|header| header.value = None);
    }
}

/// Headers of whydunit's own, which come before the record's.
pub const CONNECT_FACTS: usize = 5;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeaderView {
    pub name: String,
    pub value: Option<String>,
}

/// One decision to decode letters again, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplayRun {
    pub id: i64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub who: String,
    /// What was chosen: one letter, a group, a connector; all that waited when none of the three is given.
    pub letter_id: Option<String>,
    pub fingerprint: Option<String>,
    pub connector: Option<String>,
    /// A person put other bytes in the place of the record's value.
    pub edited: bool,
    /// Letters that were taken.
    pub letters: u64,
    /// Of these, not decoded again yet.
    pub left: u64,
    /// Of those done, read whole; letters replayed once more since count there.
    pub replayed: u64,
    /// Of those done, failed again and waiting.
    pub failed: u64,
}

/// Letters that failed for the same reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterGroup {
    pub fingerprint: String,
    pub connector: String,
    pub error_class: RejectionClass,
    pub format: String,
    /// Reason of the newest letter.
    pub error_message: String,
    pub count: u64,
    pub waiting: u64,
    pub replaying: u64,
    pub replayed: u64,
    pub bytes: u64,
    #[schema(value_type = String, format = DateTime)]
    pub first_failed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_failed_at: Timestamp,
    pub newest_id: String,
}
