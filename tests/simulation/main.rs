//! The whole pipeline in a simulated world: one thread, simulated time, a broker and a disk that fail as a seed says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod campaign;
mod consumer;
mod difference;
mod disk;
mod faults;
mod judge;
mod mutations;
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
    let campaign = campaign::run(&campaign::Options::from_environment(300), &kinds(), None);
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
