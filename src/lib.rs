//! whydunit reads logs, metrics, traces, commits and builds from Kafka or over HTTP, opens an investigation by itself when
//! something breaks, and ranks what caused it.
//!
//! One record's way: `kafka` → connector → `engine::decode` → detection → investigator → recorder → `store`, and from
//! there through `web` to the page. Decisions are pure functions in [`engine`]; `actors` schedule them.

pub mod actors;
pub mod app;
pub mod clock;
pub mod commands;
pub mod engine;
pub mod evaluation;
pub mod kafka;
pub mod model;
pub mod outlets;
pub mod settings;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod web;
