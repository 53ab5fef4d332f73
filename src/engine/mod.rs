//! Verbs: pure decisions. No I/O, no async, no clock, no randomness, no order of a hash map, no panic on any input.

pub mod changes;
pub mod correlate;
pub mod decode;
pub mod detect;
pub mod entities;
pub mod rank;
pub mod redact;
pub mod resilience;
