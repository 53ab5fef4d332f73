//! The same answer whatever the batching, the shards, the order of arrival, and however often it was restarted.

use super::drive::Pipeline;
use super::traffic::{Fault, shop};

fn said(shards: usize, size: usize, shuffle_ms: u64, restart_every: usize) -> Vec<String> {
    let shop = shop(3, 14, Fault::Failing(0.6), 600);
    let mut pipeline = Pipeline::new(shards, None);
    pipeline.restart_every = restart_every;
    pipeline.run(&shop, size, shuffle_ms, 11);
    assert!(pipeline.findings.iter().any(|findings| !findings.signals.is_empty()), "the run must have something to say");
    pipeline.said
}

fn assert_same(left: &[String], right: &[String]) {
    let first = left.iter().zip(right).position(|(left, right)| left != right);
    if let Some(at) = first {
        panic!("line {at} differs:\n{}\n{}", left[at], right[at]);
    }
    assert_eq!(left.len(), right.len());
}

#[test]
fn batches_shards_and_order_of_arrival_do_not_change_the_answer() {
    let plain = said(1, 500, 0, 0);
    assert_same(&plain, &said(1, 37, 0, 0));
    assert_same(&plain, &said(1, 37, 9_000, 0));
    assert_same(&plain, &said(3, 211, 9_000, 0));
}

#[test]
fn a_restart_every_few_buckets_does_not_change_the_answer() {
    let plain = said(1, 500, 0, 0);
    assert_same(&plain, &said(1, 500, 0, 1));
    assert_same(&said(3, 100, 5_000, 0), &said(3, 100, 5_000, 7));
}

#[test]
fn a_dirty_entity_costs_no_more_than_four_kilobytes_on_average() {
    let shop = shop(5, 12, Fault::None, 0);
    let mut pipeline = Pipeline::new(1, None);
    pipeline.restart_every = 1;
    pipeline.run(&shop, 500, 0, 1);
    let sizes = pipeline.snapshot_sizes();
    let (entities, bytes) = sizes[&("detect/0".to_owned(), b'e')];
    println!("snapshot: {sizes:?}");
    assert!(bytes / entities <= 4_096, "{} bytes an entity", bytes / entities);
}
