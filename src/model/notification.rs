//! What people are told of an investigation, and what became of telling them.
//!
//! One way: the store, in the transaction that takes a revision of an investigation in, asks [`Tell`](super::ports::Tell) what
//! that revision is worth telling, and keeps the answer with one delivery for each channel. Its content is fixed from then on.
//! The notifier takes the deliveries that are due, sends each through its channel, and books what came of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::connector::BreakerView;
use super::query::{Paging, TimeRange};
use super::suspect::SuspectKind;
use super::{Severity, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// Something broke; also when what had recovered came back.
    Opened,
    /// Another first suspect than the one told last, or the first one.
    SuspectChanged,
    /// Quiet again.
    Recovered,
    /// It is of the same fault as another investigation, in which it goes on.
    Merged,
    /// Sent by `whydunit tell --test`; about nothing, and never stored.
    Test,
}

impl NotificationKind {
    pub const ALL: [Self; 5] = [Self::Opened, Self::SuspectChanged, Self::Recovered, Self::Merged, Self::Test];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::SuspectChanged => "suspect_changed",
            Self::Recovered => "recovered",
            Self::Merged => "merged",
            Self::Test => "test",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// After it the trouble goes on.
    pub const fn is_of_open(self) -> bool {
        matches!(self, Self::Opened | Self::SuspectChanged)
    }
}

/// Who is suspected first, as far as people are told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToldSuspect {
    /// Stable inside its investigation.
    pub id: String,
    pub kind: SuspectKind,
    /// Service or change, as a person names it.
    pub entity: String,
    /// The strongest reason, as a sentence.
    pub sentence: String,
}

/// One thing told. Every channel is given the same content, each time it is tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// Of investigation, number and kind: told twice, it is the same.
    pub id: String,
    pub investigation_id: String,
    /// Counts what was told of the investigation, from 1.
    pub n: u32,
    pub kind: NotificationKind,
    /// Event time of what it tells of.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What is wrong, without the cause: "checkout is failing for 14 % of requests".
    pub title: String,
    /// What it tells, whole.
    pub sentence: String,
    /// Which service owns the trouble, and how much of it.
    pub where_sentence: String,
    /// The first suspect told last; none while the engine is not sure of any.
    pub suspect: Option<ToldSuspect>,
    /// 0 to 1, of the first service being the cause.
    pub confidence: f64,
    pub severity: Severity,
    /// As it was when the investigation was told first: what an alert is known by must not change.
    pub severity_at_opening: Severity,
    /// The same of the service where the symptom was seen.
    pub service: String,
    pub environment: String,
    /// Services with evidence, most suspect first, at most 20.
    pub services: Vec<String>,
    /// When it began, as it was told first.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recovered_at: Option<Timestamp>,
    pub merged_into: Option<String>,
    /// Its page.
    pub link: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, or sent again.
    Waiting,
    /// The receiver said that it has it.
    Delivered,
    /// Not tried any more.
    GivenUp,
}

impl DeliveryState {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::GivenUp];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How telling one channel of one notification fares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// `alertmanager`, `webhook` or `kafka`.
    pub channel: String,
    pub state: DeliveryState,
    pub attempts: u32,
    /// When it is tried next, while it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// Why it did not arrive the last time it was tried; stays when it arrived later.
    pub last_error: Option<String>,
    /// When it was delivered or given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// A notification with its deliveries, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotificationView {
    #[serde(flatten)]
    pub notification: Notification,
    /// When it was stored, wall time.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    pub deliveries: Vec<Delivery>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotificationQuery {
    pub investigation_id: Option<String>,
    pub kind: Vec<NotificationKind>,
    /// With a delivery to any of these.
    pub channel: Vec<String>,
    /// With a delivery in any of these states.
    pub state: Vec<DeliveryState>,
    pub time: TimeRange,
    pub paging: Paging,
}

/// A notification on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Number in the outbox.
    pub seq: i64,
    pub notification: Notification,
    /// As it was stored: JSON, the same bytes each time.
    pub content: String,
    /// When it was stored, wall time.
    pub made_at: Timestamp,
    /// Times it was tried before.
    pub attempts: u32,
}

/// An investigation that was told as opened and not as over.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// What was told last.
    pub notification: Notification,
    /// When a person ended it, where one did.
    pub ended_at: Option<Timestamp>,
}

/// What came of trying one delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryOutcome {
    pub seq: i64,
    pub channel: String,
    /// In all.
    pub attempts: u32,
    pub at: Timestamp,
    pub result: DeliveryResult,
}

#[derive(Clone, Debug, PartialEq)]
pub enum DeliveryResult {
    Delivered,
    Failed { error: String, next_attempt_at: Timestamp },
    GivenUp { error: String },
}

/// What waits of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub count: u64,
    /// When the oldest was stored.
    pub oldest: Option<Timestamp>,
}

/// How a channel fares, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChannelView {
    pub name: String,
    /// Where it sends to, without secrets.
    pub target: String,
    pub waiting: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_waiting_at: Option<Timestamp>,
    pub breaker: BreakerView,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_delivered_at: Option<Timestamp>,
    pub last_error: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_error_at: Option<Timestamp>,
}
