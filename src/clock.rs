//! The only file that asks what time it is.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::model::Timestamp;

static START: OnceLock<(Timestamp, Instant)> = OnceLock::new();

/// Wall time at the first call plus tokio's elapsed time, so that a paused runtime clock pauses this one too.
pub fn now() -> Timestamp {
    let (wall, instant) = START.get_or_init(|| (system_time(), Instant::now()));
    let elapsed = i64::try_from(instant.elapsed().as_nanos()).unwrap_or(i64::MAX);
    wall.plus_nanos(elapsed)
}

fn system_time() -> Timestamp {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
