//! What a request leaves behind: finished spans and log lines, before anybody encodes them.

use std::sync::Arc;

use super::topology::Level;
use super::world::{Failure, Process};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
    Internal,
    Producer,
    Consumer,
}

/// A finished span.
#[derive(Clone, Debug)]
pub(super) struct SpanItem {
    pub process: Arc<Process>,
    pub trace: u128,
    pub id: u64,
    pub parent: u64,
    pub role: Role,
    /// The operation served, or the one called.
    pub operation: usize,
    /// Pod that answered, for client spans.
    pub peer: Option<usize>,
    pub start: i64,
    pub end: i64,
    pub failure: Option<Failure>,
    /// Path of the gateway's requests.
    pub path: Option<Arc<str>>,
}

/// A log line.
#[derive(Clone, Debug)]
pub(super) struct LineItem {
    pub process: Arc<Process>,
    pub at: i64,
    pub level: Level,
    pub message: String,
    pub trace: u128,
    pub span: u64,
    pub failure: Option<Failure>,
    /// Function names of the stack, top first.
    pub stack: Option<Arc<str>>,
    pub access: Option<Box<Access>>,
}

/// What an access line says beside its message.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub method: &'static str,
    pub path: Arc<str>,
    pub status: u16,
    pub duration_ns: i64,
}

/// All that came of one request, in no particular order.
#[derive(Debug, Default)]
pub(super) struct Traveled {
    pub spans: Vec<SpanItem>,
    pub lines: Vec<LineItem>,
}
