//! Bad input and bad days, on the real service: the binary as a process, a real broker, a real database file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod kills;

use std::time::Duration;

/// A busy machine gets time; a condition that holds ends the wait at once.
const PATIENCE: Duration = Duration::from_secs(120);
