//! Nouns: what whydunit talks about. No I/O, no runtime, no clock; every other module may use them.

pub mod change;
pub mod command;
pub mod connector;
pub mod dead_letter;
pub mod entity;
pub mod event;
pub mod explanation;
pub mod investigation;
pub mod ledger;
pub mod live;
pub mod notification;
pub mod observation;
pub mod ports;
pub mod position;
pub mod query;
pub mod received;
pub mod record;
pub mod retention;
pub mod severity;
pub mod signal;
pub mod snapshot;
pub mod source;
pub mod source_record;
pub mod suspect;
pub mod time;
pub mod topology;
pub mod verify;
pub mod view;

pub use entity::{EntityKey, Symbol, symbol, symbol_of};
pub use event::Event;
pub use severity::Severity;
pub use source::Source;
pub use time::{Bucket, Timestamp};
