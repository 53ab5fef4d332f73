//! The whole pipeline in a simulated world: one thread, simulated time, a broker and a disk that fail as a seed says.
//!
//! Each seed draws a small shop's records (`workload`), reads them once without faults, and once more with faults, over as many
//! processes as that takes (`run`). Then the books must close, partition by partition, against what lies in the partitions,
//! and events with their counts, dead letters, bucket rows and investigations must be the same to the byte (`judge`). Every
//! fourth seed is also read in one plain run, since batches and delays may not matter either.
//!
//! `WHYDUNIT_SEEDS=10000 WHYDUNIT_SEED_BASE=0 cargo test --release --test simulation` runs more of them; a seed that fails
//! prints the command that runs it again, with its steps.
//!
//! What is kept out of the worlds, because it differs from run to run without any fault:
//! - In two of three worlds, items later than the allowed lateness: they are booked into the bucket that is open when they are
//!   read, and which that is depends on how far the other partitions are. So disorder within a partition stays below the
//!   watermark's grace, and no partition is away from the pipeline for longer than the watermark waits for it (30 s after a
//!   rebalance, 60 s without a broker). In every third world there are such items; of it the sums over buckets are compared, and
//!   what is made of the buckets is not.
//! - A line that names its span, sent twice into two partitions: the one read first is kept, with its position. Repeated
//!   lines stay in their partition; repeated spans and events, whose position is not shown or is chosen by order, need not.
//! - When people write: their events lie two hours after the traffic, where no bucket closes.
//! - What retention removes while nobody reads. Gaps lie at fixed offsets instead, so that every run misses the same.
//! - Books of single partitions, where duplicates lie in two: which of the two counts as seen before depends on which was
//!   read first. Their sums over partitions are compared instead.
//!
//! In every fifth world some records fail by themselves after they were decoded: they panic the join or the detector, or the disk
//! refuses their event. Each must end as a dead letter, and the rest as if it had never come. Elsewhere, a stage that is neither
//! beside the disk, the broker nor the page is stopped, which reaches the supervisor as a panic does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod campaign;
mod consumer;
mod difference;
mod disk;
mod faults;
mod judge;
mod mutations;
mod regressions;
mod run;
mod traffic;
mod workload;

use faults::Fault;
use mutations::Mutation;

/// All kinds of faults but those that `WHYDUNIT_WITHOUT` names, comma-separated.
fn kinds() -> Vec<Fault> {
    let without = std::env::var("WHYDUNIT_WITHOUT").unwrap_or_default();
    Fault::ALL.into_iter().filter(|fault| without.split(',').all(|name| name != format!("{fault:?}"))).collect()
}

#[test]
fn no_fault_loses_or_doubles_anything() {
    let campaign = campaign::run(&campaign::Options::from_environment(100), &kinds(), None);
    println!("{campaign}");
    assert!(campaign.failures.is_empty(), "{} seeds failed, see above", campaign.failures.len());
    assert!(
        campaign.with_investigation * 2 > campaign.seeds,
        "only {} of {} worlds opened an investigation",
        campaign.with_investigation,
        campaign.seeds
    );
}

/// The bug must be caught within so many seeds.
fn is_caught(mutation: Mutation, within: u64) {
    let options = campaign::Options { base: 0, seeds: within, until_caught: true };
    let campaign = campaign::run(&options, &kinds(), Some(mutation));
    println!("{mutation:?}: {campaign}");
    assert!(!campaign.failures.is_empty(), "{mutation:?} was not caught by {within} seeds");
}

#[test]
fn a_planted_bug_is_caught_offsets_before_data() {
    is_caught(Mutation::OffsetsBeforeData, 200);
}

#[test]
fn a_planted_bug_is_caught_detectors_forgotten_by_the_snapshot() {
    is_caught(Mutation::DetectionForgotten, 50);
}

#[test]
fn a_planted_bug_is_caught_trace_joins_forgotten_by_the_snapshot() {
    is_caught(Mutation::TraceJoinForgotten, 50);
}

#[test]
fn a_planted_bug_is_caught_investigator_forgotten_by_the_snapshot() {
    is_caught(Mutation::InvestigatorForgotten, 100);
}

#[test]
fn a_planted_bug_is_caught_redelivered_records_counted_twice() {
    is_caught(Mutation::RedeliveredCountedTwice, 50);
}

#[test]
fn a_planted_bug_is_caught_offsets_too_far() {
    is_caught(Mutation::OffsetsTooFar, 50);
}

#[test]
fn a_planted_bug_is_caught_letters_lost_in_a_crash() {
    is_caught(Mutation::LettersHeldBack, 200);
}

#[test]
fn a_planted_bug_is_caught_inbox_row_skipped() {
    is_caught(Mutation::InboxRowSkipped, 100);
}

#[test]
fn a_planted_bug_is_caught_batch_dropped_on_a_full_queue() {
    is_caught(Mutation::DropOnFullQueue, 100);
}

#[test]
fn a_planted_bug_is_caught_recreated_topic_taken_for_the_old_one() {
    is_caught(Mutation::NewLifeIgnored, 50);
}
