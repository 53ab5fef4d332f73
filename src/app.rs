//! Composition root: the one place that knows every part.

pub mod feed;
pub mod pipeline;
