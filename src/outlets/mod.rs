//! The way to people outside: Alertmanager, a signed webhook, a Kafka topic.
//!
//! Each channel is told of an investigation that it opened, that another suspect is first, that it recovered or was merged: the
//! sentence, the confidence, a link. What is to be told lies in the store's outbox with its content fixed, `actors::notifier`
//! takes what is due and hands it to an [`Outlet`](crate::model::ports::Outlet) here, which sends it once. It may be sent again
//! after a crash or an answer that was lost: under the same id with the same content, so that a receiver can tell.

pub mod alertmanager;
pub mod kafka;
pub mod options;
pub mod webhook;

mod http;
mod payload;

pub use alertmanager::Alertmanager;
pub use kafka::Kafka;
pub use options::Options;
pub use webhook::Webhook;

/// A setting that cannot be used: its key below `tell`, and why.
pub type Problem = (String, String);
