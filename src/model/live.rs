//! What the page is told as it happens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

/// One message of `GET /api/v1/stream`; its SSE `event` is the tag. Small on purpose: the page re-reads what it shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveUpdate {
    InvestigationChanged {
        id: String,
        revision: u64,
        version: u64,
    },
    EventsStored {
        count: u64,
        newest: Option<String>,
    },
    DeadLettersStored {
        count: u64,
    },
    /// Dead letters were decoded again: how many came to an end.
    LettersReplayed {
        count: u64,
    },
    NotesChanged {
        investigation_id: String,
    },
    /// Something was told of an investigation, or came of telling it.
    NotificationsChanged {
        investigation_id: String,
    },
    ConnectorsChanged,
    /// Sent at least every 15 s, so that a silent stream is a broken one.
    Heartbeat {
        #[schema(value_type = Option<String>, format = DateTime)]
        watermark: Option<Timestamp>,
    },
}

/// A numbered update: the number is the SSE id to resume from.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberedUpdate {
    pub id: u64,
    pub update: LiveUpdate,
}
