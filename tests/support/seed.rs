//! Seeds of random tests: new each time, printed, and given back with WHYDUNIT_SEED.

use std::time::{SystemTime, UNIX_EPOCH};

/// The seed of this run; a failing test is rerun with `WHYDUNIT_SEED=<printed>`.
pub fn seed() -> u64 {
    let given = std::env::var("WHYDUNIT_SEED").ok().and_then(|text| text.parse().ok());
    let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as u64);
    let seed = given.unwrap_or_else(fresh);
    println!("rerun with WHYDUNIT_SEED={seed}");
    seed
}
