//! Any bytes, read as one format, give a value whose books balance, within bounded memory.
//!
//! `make fuzz` runs it for each format; `WHYDUNIT_FORMAT` names the one, `auto` lets each record tell.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use whydunit::engine::decode::guess::Sample;
use whydunit::engine::decode::{DecodeOptions, decode_one};
use whydunit::model::observation::ObservationBatch;
use whydunit::model::{Source, Timestamp};

/// Largest body, before and after inflating.
const MAX_BODY: u32 = 1 << 20;
/// Bytes alive at a time that decoding one record may add: 32 a byte of the largest body.
const MAX_ALIVE: usize = 32 * MAX_BODY as usize;

/// Counts what is allocated and not yet freed.
struct Counting;

static ALIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grew(bytes: usize) {
    let alive = ALIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(alive, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; beside it only numbers change.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static FORMAT: LazyLock<String> = LazyLock::new(|| std::env::var("WHYDUNIT_FORMAT").unwrap_or_else(|_| "auto".to_owned()));

fn options() -> DecodeOptions {
    DecodeOptions { format: FORMAT.clone(), max_record_bytes: MAX_BODY, ..DecodeOptions::default() }
}

/// Every record is in one book, and every item.
fn assert_books(batch: &ObservationBatch) {
    for counts in &batch.counts {
        assert_eq!(counts.records_read, counts.records_decoded + counts.records_rejected);
    }
    let sum = |of: fn(&whydunit::model::observation::DecodeCounts) -> u64| batch.counts.iter().map(of).sum::<u64>();
    assert_eq!(sum(|counts| counts.records_read), 1);
    assert_eq!(sum(|counts| counts.items_decoded), batch.items() as u64);
    assert_eq!(sum(|counts| counts.items_rejected), batch.rejections.iter().map(|letter| letter.items.len() as u64).sum::<u64>());
    assert!(batch.rejections.iter().all(|letter| !letter.reason.is_empty()));
    assert!(batch.points.iter().all(|point| point.value.is_finite()));
}

fuzz_target!(|value: &[u8]| {
    let now = Timestamp::from_seconds(1_795_442_531);
    let sample = Sample { value: Some(value), headers: Vec::new(), kafka_time: Some(now) };
    // A format is read alike from nearly any source, so one is enough; the bytes decide which.
    let source = Source::ALL[value.len() % Source::ALL.len()];
    let before = ALIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let batch = decode_one(options(), source, &sample, now);
    let added = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(added <= MAX_ALIVE, "{added} bytes alive for a record of {}", value.len());
    assert_books(&batch);
    // The same bytes give the same value.
    if value.first().is_some_and(|byte| byte % 8 == 3) {
        assert_eq!(batch.rejections, decode_one(options(), source, &sample, now).rejections);
    }
});
