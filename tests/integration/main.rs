//! Tests against real parts. One binary, one module a story.

// Several test binaries share it; each uses a part.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod bad_days;
mod bulkheads;
mod canvas;
mod commands;
mod dead_letters;
mod first_hour;
mod judging;
mod memory;
mod pipeline;
mod producers;
mod recorded;
mod recording;
mod scenarios;
mod secrets;
mod telemetry;
mod upkeep;
mod watched;
mod way_in;
mod way_out;
mod without_kafka;
