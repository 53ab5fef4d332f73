//! Detection driven as the pipeline drives it, over a small made-up shop.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod drive;
pub mod traffic;

mod counting;
mod sameness;
mod silence;
