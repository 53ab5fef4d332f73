//! Bugs that seeds found, each with the fewest faults that show it.

use std::sync::Arc;

use crate::campaign::silence_panics_on_purpose;
use crate::faults::{Fault, Plan, Seam};
use crate::judge::judge;
use crate::run;
use crate::workload::World;

fn holds(seed: u64, faults: &[(Fault, u64)]) {
    holds_in(World::draw(seed), seed, faults);
}

fn holds_in(world: World, seed: u64, faults: &[(Fault, u64)]) {
    silence_panics_on_purpose();
    let world = Arc::new(world);
    let undisturbed = run::run(&world, &Plan::undisturbed(seed), None).expect("a run without faults");
    let disturbed = run::run(&world, &Plan::with(seed, faults), None).expect("a run that comes to its end");
    let mut found = judge(&world, &disturbed, Some(&undisturbed.export));
    found.extend(disturbed.holes);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// While the disk was full the feed's channel filled. At the next checkpoint a connector gave its books away and, in the same
/// turn, took one more batch: the state held records that the offsets did not.
#[test]
fn a_connector_held_for_a_checkpoint_takes_no_batch_more() {
    holds(45, &[(Fault::ConnectorPanics, 19), (Fault::DiskFull, 57), (Fault::Shutdown, 3_542)]);
    holds(14, &[(Fault::DiskFull, 20), (Fault::Shutdown, 5_557)]);
}

/// The end was told once the recorder had the last checkpoint, not once it was stored: a disk that broke then went unnoticed.
#[test]
fn a_run_ends_when_its_last_checkpoint_is_stored() {
    for seed in 0..4 {
        let world = Arc::new(World::draw(seed));
        let extent = run::run(&world, &Plan::undisturbed(seed), None).expect("a run without faults").injector.passed();
        holds(seed, &[(Fault::DiskBroken, extent[&Seam::Write])]);
    }
}

/// A connector died after it had moved the watermark and before it had told the shards: a checkpoint said closed of buckets that
/// were open.
#[test]
fn the_shards_learn_of_the_watermark_though_the_connector_that_moved_it_dies() {
    holds(20, &[(Fault::ConnectorPanicsAfterBatch, 7), (Fault::Shutdown, 1_947), (Fault::FeedRefuses, 5)]);
    let disk = [(Fault::DiskPanicsBeforeCommit, 2), (Fault::CrashBeforeCommit, 9), (Fault::DiskBusy, 3)];
    holds(250, &[disk.as_slice(), &[(Fault::ConnectorPanicsAfterBatch, 10), (Fault::ConnectorPanicsAtStart, 1)]].concat());
}

/// Late items were counted in whichever bucket was open when they were read. After a crash that was another one, and the row and the
/// event of the first time stayed beside those of the second.
#[test]
fn late_items_counted_since_the_last_checkpoint_are_counted_once() {
    holds_in(World::draw_with(220, true, false), 220, &[(Fault::CrashBeforeCommit, 6)]);
    holds_in(World::draw_with(223, true, false), 223, &[(Fault::CrashBeforeCommit, 15)]);
}

/// A record that was stored, and compacted away before a checkpoint had passed it, was booked as absent beside its event.
#[test]
fn what_was_stored_and_compacted_away_before_it_was_booked_is_no_hole() {
    for seed in 0..12 {
        for write in [3, 9, 27] {
            holds_in(World::draw_with(seed, seed % 2 == 0, false), seed, &[(Fault::CrashThenCompaction, write)]);
        }
    }
}

#[test]
fn a_record_that_stops_a_shard_or_the_store_each_time_is_dead_lettered_and_the_rest_goes_on() {
    for seed in 0..6 {
        holds_in(World::draw_with(seed, false, true), seed, &[(Fault::CrashAfterCommit, 5)]);
    }
}

#[test]
fn the_same_seed_takes_the_same_steps() {
    for seed in 0..3 {
        let world = Arc::new(World::draw(seed));
        let extent = run::run(&world, &Plan::undisturbed(seed), None).expect("a run").injector.passed();
        let plan = Plan::draw(seed, &extent, &[Fault::CrashAtMessage, Fault::CrashBeforeCommit, Fault::DiskFull, Fault::StageStops]);
        let [first, second] = [(); 2].map(|()| run::run(&world, &plan, None).expect("a run"));
        assert_eq!(first.injector.passed(), second.injector.passed(), "seed {seed}");
        assert!(first.export == second.export, "seed {seed}");
    }
}
