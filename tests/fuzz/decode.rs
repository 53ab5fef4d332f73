//! Any bytes, read as one format, give a value whose books balance, within bounded memory, whatever was read before them.
//!
//! `make fuzz` runs it for each format; `WHYDUNIT_FORMAT` names the one, `auto` lets each record tell.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use whydunit::engine::decode::{DecodeOptions, Decoder};
use whydunit::model::observation::{DecodeCounts, LogLine, ObservationBatch};
use whydunit::model::position::PartitionKey;
use whydunit::model::record::{BatchPartition, RecordBatch};
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

/// Stands between the records of an input; one without it is its own second record. What a decoder keeps of a record must not tell in
/// the next one.
const BETWEEN: &[u8] = b"\n\x1e\n";

fn records(input: &[u8]) -> Vec<&[u8]> {
    match input.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN) {
        Some(at) => vec![&input[..at], &input[at + BETWEEN.len()..]],
        None => vec![input, input],
    }
}

fn batch_of(source: Source, values: &[&[u8]], now: Timestamp) -> RecordBatch {
    let mut batch = RecordBatch::new(Arc::from("fuzz"), source);
    let key = PartitionKey { cluster: Arc::from("fuzz"), topic: Arc::from("fuzz"), incarnation: 0, partition: 0 };
    batch.partitions.push(BatchPartition { key, next_offset: 0, end_offset: -1, absent: 0, missed: 0, at_end: false });
    for (offset, value) in values.iter().enumerate() {
        batch.push(0, offset as i64, Some(now), None, Some(value), &[]);
    }
    batch
}

/// Every record is in one book, and every item.
fn assert_books(batch: &ObservationBatch) {
    for counts in &batch.counts {
        assert_eq!(counts.records_read, counts.records_decoded + counts.records_rejected);
    }
    let sum = |of: fn(&DecodeCounts) -> u64| batch.counts.iter().map(of).sum::<u64>();
    assert_eq!(sum(|counts| counts.records_read), batch.records.records.len() as u64);
    assert_eq!(sum(|counts| counts.items_decoded), batch.items() as u64);
    assert_eq!(sum(|counts| counts.items_rejected), batch.rejections.iter().map(|letter| letter.items.len() as u64).sum::<u64>());
    assert!(batch.rejections.iter().all(|letter| !letter.reason.is_empty()));
    assert!(batch.points.iter().all(|point| point.value.is_finite()));
}

/// What became of one record of a batch, without its number.
fn outcome(batch: &ObservationBatch, record: u32) -> String {
    let logs = batch.logs.iter().filter(|line| line.record == record).map(|line| LogLine { record: 0, ..line.clone() });
    let points = batch.points.iter().filter(|point| point.record == record).map(|point| (point.timestamp, point.entity, point.series));
    let spans = batch.spans.iter().filter(|span| span.record == record).map(|span| (span.start, span.end, span.entity, span.trace));
    let letters = batch.rejections.iter().filter(|letter| letter.record == record).map(|letter| (&letter.reason, &letter.items));
    format!(
        "{:?} {:?} {:?} {:?}",
        logs.collect::<Vec<_>>(),
        points.collect::<Vec<_>>(),
        spans.collect::<Vec<_>>(),
        letters.collect::<Vec<_>>()
    )
}

fuzz_target!(|input: &[u8]| {
    let now = Timestamp::from_seconds(1_795_442_531);
    // A format is read alike from nearly any source, so one is enough; the bytes decide which.
    let source = Source::ALL[input.len() % Source::ALL.len()];
    let values = records(input);
    let records = Arc::new(batch_of(source, &values, now));
    let mut decoder = Decoder::new(options());
    let before = ALIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let batch = decoder.decode(records, now);
    let added = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(added <= MAX_ALIVE, "{added} bytes alive for records of {}", input.len());
    assert_books(&batch);
    // The same bytes give the same value, whatever came before.
    if input.first().is_some_and(|byte| byte % 8 == 3) {
        let last = values.len() - 1;
        let alone = Decoder::new(options()).decode(Arc::new(batch_of(source, &values[last..], now)), now);
        assert_eq!(outcome(&batch, last as u32), outcome(&alone, 0));
    }
});
