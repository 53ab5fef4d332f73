//! The campaign on real parts: a real broker, a real process, a real file, and bad days drawn from a seed.
//!
//! `make chaos` runs it: `kill -9` of whydunit and of the broker, SIGSTOP, cut, slow and silent connections (toxiproxy), a topic
//! that grows, one that is compacted and one written by transactions, while numbered records come. Then what is stored must
//! be what was sent, the books must close, and the canonical export must be that of a run nobody disturbed.
//!
//! `make soak` is the other kind of bad day: half an hour of load.
//!
//! `WHYDUNIT_KILLS` (50) says how many kills, `WHYDUNIT_SEED` which.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Several test binaries share it; each uses a part.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/toxiproxy.rs"]
mod toxiproxy;

mod acts;
mod campaign;
mod judge;
mod numbers;
mod soak;
