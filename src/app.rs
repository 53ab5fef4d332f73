//! Composition root: the one place that knows every part.

pub mod ask;
pub mod copies;
pub mod dead_letters;
pub mod demo;
pub mod discover;
pub mod disk;
pub mod doors;
pub mod evaluate;
pub mod feed;
pub mod pipeline;
pub mod received;
pub mod recorded;
pub mod room;
pub mod samples;
pub mod service;
pub mod signals;
pub mod sources;
pub mod telling;
pub mod verify;

pub use crate::engine::decode::WATERMARK_HEADER;
pub use crate::engine::decode::guess::Sample;
