//! What people ask for: writes that come through the API. Executed by the one writer, in a transaction.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::connector::ConnectorOrder;
use super::entity::Alias;
use super::investigation::{CloseReason, Investigation, Note, Priority, Status};
use super::suspect::Verdict;
use super::{Event, Severity, Timestamp};

/// A write, with who asks. `expected_version` is the `If-Match` of the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub who: String,
    pub idempotency_key: Option<String>,
    pub expected_version: Option<u64>,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Goes into the inbox, and from there the way of every record.
    CreateEvent {
        event: Box<Event>,
    },
    CreateInvestigation {
        id: String,
        new: Box<NewInvestigation>,
    },
    PatchInvestigation {
        id: String,
        patch: Box<InvestigationPatch>,
    },
    /// Status change other than through a patch: reopen (with reason) or close without a root cause.
    CloseInvestigations {
        ids: Vec<String>,
        reason: CloseReason,
        comment: Option<String>,
        /// Until this event time, what opened these false alarms opens nothing.
        #[serde(default)]
        mute_until: Option<Timestamp>,
    },
    ReopenInvestigation {
        id: String,
        reason: String,
    },
    LinkEvent {
        id: String,
        event_id: String,
        reason: String,
    },
    AddNote {
        note: Box<Note>,
    },
    EditNote {
        investigation_id: String,
        note_id: String,
        body: String,
    },
    DeleteNote {
        investigation_id: String,
        note_id: String,
    },
    SetVerdict {
        id: String,
        suspect_id: String,
        verdict: Verdict,
        comment: Option<String>,
    },
    DiscardDeadLetters {
        select: LetterSelection,
        reason: String,
    },
    /// Takes back that letters were discarded: they wait again.
    RestoreDeadLetters {
        select: LetterSelection,
    },
    /// Kept as activity; the order itself goes to the connector.
    SteerConnector {
        name: String,
        order: ConnectorOrder,
        reason: String,
    },
    /// From the next batch on, the name means that service.
    SetAlias {
        name: String,
        service: String,
        reason: String,
    },
    /// Takes a person's alias back; one of the settings under the same name is in force again.
    RemoveAlias {
        name: String,
    },
    /// Kept as activity: a person wants to see a letter's bytes.
    RevealDeadLetter {
        id: String,
    },
    /// Decodes letters again, with the settings as they are now.
    ReplayDeadLetters {
        select: LetterSelection,
        /// In the place of the record's value; for one letter only.
        edited: Option<Vec<u8>>,
    },
}

/// Which waiting dead letters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterSelection {
    One(String),
    /// A group, by its fingerprint.
    Group(String),
    Connector(String),
    All,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvestigation {
    /// 1 to 300 characters.
    pub title: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub impact_severity: Severity,
    #[serde(default)]
    pub priority: Priority,
    pub service_affected: Option<String>,
    pub component_affected: Option<String>,
    pub environment: Option<String>,
    pub assigned_to: Option<String>,
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// Onset, when known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
}

/// Fields to change; an absent field stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvestigationPatch {
    pub title: Option<String>,
    pub description: Option<String>,
    pub status: Option<Status>,
    pub impact_severity: Option<Severity>,
    pub priority: Option<Priority>,
    /// Empty text unassigns.
    pub assigned_to: Option<String>,
    pub root_cause: Option<String>,
    pub remediation: Option<String>,
    pub lessons_learned: Option<String>,
    pub component_affected: Option<String>,
    pub tags: Option<BTreeSet<String>>,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CommandOutcome {
    Event(Box<Event>),
    Investigation(Box<Investigation>),
    Closed {
        ids: Vec<String>,
    },
    Note(Box<Note>),
    Alias(Box<Alias>),
    /// Dead letters that the decision took.
    Letters {
        count: u64,
    },
    Done,
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum CommandError {
    #[error("no {what} with id {id}")]
    NotFound { what: &'static str, id: String },
    /// A stale write: somebody changed it since.
    #[error("changed since version {expected}: now {actual}")]
    Stale { expected: u64, actual: u64 },
    #[error("{reason}")]
    Conflict { reason: String },
    #[error("{}", fields.iter().map(|(field, reason)| format!("{field}: {reason}")).collect::<Vec<_>>().join("; "))]
    Invalid { fields: Vec<(String, String)> },
    /// The store cannot write now; nothing was changed.
    #[error("not stored: {0}")]
    Unavailable(String),
}

/// An inbox row: a command that the pipeline reads like a record of one more partition.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxRow {
    /// Its offset.
    pub id: i64,
    pub command: Command,
    pub at: Timestamp,
}
