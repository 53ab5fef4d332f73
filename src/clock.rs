//! The only file that asks what time it is.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::model::Timestamp;

/// A wall time and tokio's time at the same moment.
type Start = (Timestamp, Instant);

static START: OnceLock<Start> = OnceLock::new();

thread_local! {
    static SIMULATED: Cell<Option<Start>> = const { Cell::new(None) };
}

/// Wall time at the first call plus tokio's elapsed time, so that a paused runtime clock pauses this one too.
pub fn now() -> Timestamp {
    let (wall, instant) = SIMULATED.get().unwrap_or_else(|| *START.get_or_init(|| (system_time(), Instant::now())));
    let elapsed = i64::try_from(instant.elapsed().as_nanos()).unwrap_or(i64::MAX);
    wall.plus_nanos(elapsed)
}

/// Lets time on this thread start at `wall` and go on with tokio's, until the result is dropped. A simulation runs on one
/// thread, so that all it holds sees the same time, whatever other threads simulate.
pub fn start_at(wall: Timestamp) -> Simulated {
    Simulated { before: SIMULATED.replace(Some((wall, Instant::now()))), on_this_thread: PhantomData }
}

/// Time that started where it was told to; see [`start_at`].
#[derive(Debug)]
#[must_use = "dropped, it gives the thread its time back"]
pub struct Simulated {
    before: Option<Start>,
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        SIMULATED.set(self.before);
    }
}

fn system_time() -> Timestamp {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
