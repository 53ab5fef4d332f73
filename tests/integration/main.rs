//! Tests against real parts. One binary, one module a story.

#[path = "../support/mod.rs"]
mod support;

mod bad_days;
mod canvas;
mod commands;
mod memory;
mod pipeline;
mod recorded;
mod scenarios;
mod telemetry;
mod way_in;
mod way_out;
