//! Records come in from a real Kafka broker: all of them, once, in order, whatever happens to the broker or to us.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod breaking;
mod checking;
mod demo;
mod feed;
mod gaps;
mod holding;
mod in_process;
mod members;
mod mock_errors;
mod reading;
mod security;
mod service;
mod starting;
