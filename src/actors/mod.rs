//! Stages: thin shells, a mailbox and a timer around one engine part each.
//!
//! connector → trace_join → detection → investigator → recorder → broadcaster, with dead_letter beside the connector.
//! Messages carry batches. A stage steps, returns, then waits (`ctx.wait`) on the send to the next stage, so that every
//! stage works at once, in order and bounded. Nothing is sent upstream.

pub mod aliases;
pub mod alignment;
pub mod barrier;
pub mod books;
pub mod broadcaster;
pub mod connector;
pub mod cut;
pub mod dead_letter;
pub mod detection;
pub mod inbox;
pub mod investigator;
pub mod kept;
pub mod let_go;
pub mod life_line;
pub mod messages;
pub mod notifier;
pub mod pace;
pub mod recorder;
pub mod replay;
pub mod retention;
pub mod status;
pub mod supervisor;
pub mod suspects;
pub mod trace_join;

/// Messages a mailbox holds: few, since each carries a batch, so that memory stays bounded and back-pressure is prompt.
pub const MAILBOX: usize = 8;
