//! The only file that asks what time it is.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::model::Timestamp;

/// What was read once, at the first call.
#[derive(Clone, Copy, Debug)]
struct Start {
    wall: Timestamp,
    instant: Instant,
    asleep_ns: i64,
}

thread_local! {
    static SIMULATED: Cell<Option<(Timestamp, Instant)>> = const { Cell::new(None) };
}

static START: OnceLock<Start> = OnceLock::new();
/// Longest that the machine was seen to have slept since, nanoseconds.
static SLEPT_NS: AtomicI64 = AtomicI64::new(0);

/// Wall time at the first call plus what has passed since. A wall clock that is set forth or back later changes nothing: times
/// never go back, and no timer fires early or late. A paused runtime clock pauses this one too.
pub fn now() -> Timestamp {
    if let Some((wall, instant)) = SIMULATED.get() {
        return wall.plus_nanos(i64::try_from(instant.elapsed().as_nanos()).unwrap_or(i64::MAX));
    }
    let start = START.get_or_init(|| Start { wall: system_time(), instant: Instant::now(), asleep_ns: asleep_ns() });
    let elapsed_ns = i64::try_from(start.instant.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let slept_ns = asleep_ns().saturating_sub(start.asleep_ns);
    passed(start.wall, elapsed_ns, SLEPT_NS.fetch_max(slept_ns, Ordering::Relaxed).max(slept_ns))
}

/// The runtime's clock stands while the machine sleeps; that time has passed all the same.
const fn passed(wall: Timestamp, elapsed_ns: i64, slept_ns: i64) -> Timestamp {
    // Two clocks read one after the other: less than a second is the distance between the readings.
    let slept_ns = if slept_ns >= 1_000_000_000 { slept_ns } else { 0 };
    wall.plus_nanos(elapsed_ns).plus_nanos(slept_ns)
}

/// How long the machine has slept since it booted.
#[cfg(target_os = "linux")]
fn asleep_ns() -> i64 {
    use rustix::time::{ClockId, clock_gettime};
    let nanos = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
    };
    nanos(ClockId::Boottime) - nanos(ClockId::Monotonic)
}

#[cfg(not(target_os = "linux"))]
const fn asleep_ns() -> i64 {
    0
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
    before: Option<(Timestamp, Instant)>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_by_what_has_passed_whatever_the_wall_clock_is_set_to() {
        // The wall clock is read once: where it stands later is no argument.
        let start = Timestamp::from_seconds(1_000);
        assert_eq!(passed(start, 5_000_000_000, 0), Timestamp::from_seconds(1_005));
        assert_eq!(passed(start, 5_000_000_000, 300), Timestamp::from_seconds(1_005), "two clocks read one after the other");
        assert_eq!(passed(start, 5_000_000_000, 3_600_000_000_000), Timestamp::from_seconds(4_605), "an hour asleep");
    }

    #[test]
    fn it_never_goes_back() {
        let mut last = now();
        for _ in 0..10_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }
}
