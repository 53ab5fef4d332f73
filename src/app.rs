//! Composition root: the one place that knows every part.

pub mod doors;
pub mod feed;
pub mod pipeline;
pub mod service;
pub mod sources;
