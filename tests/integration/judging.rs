//! Call graphs and faults that nobody has seen: the same answer however the records arrive, and a floor under the figures.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::app::WATERMARK_HEADER;
use whydunit::app::evaluate::Options;
use whydunit::app::evaluate::simulator::{SeedFeed, seed_feed, simulated};
use whydunit::app::feed::{Interleaving, MemoryRecord, MemoryTopic};
use whydunit::app::recorded::{Run, Through, run};
use whydunit::engine::correlate::CorrelateOptions;
use whydunit::engine::decode::DecodeOptions;
use whydunit::engine::detect::DetectOptions;
use whydunit::model::Timestamp;

use crate::support::seed::seed;

/// Partitions of each topic that has more than a handful of records.
const PARTITIONS: usize = 3;

/// Each topic dealt out to partitions, each read by itself; every record to the same one always.
fn partitions(topics: &[MemoryTopic]) -> Vec<MemoryTopic> {
    let mut all = Vec::new();
    for topic in topics {
        let (nothing_follows, records) = topic.records.split_last().expect("the word that nothing follows");
        let mut dealt = vec![Vec::new(); if records.len() > 100 { PARTITIONS } else { 1 }];
        let count = dealt.len();
        for (index, record) in records.iter().enumerate() {
            // In runs of seven: neighbours stay together as often as they part.
            dealt[index / 7 % count].push(record.clone());
        }
        for (number, mut records) in dealt.into_iter().enumerate() {
            records.push(nothing_follows.clone());
            let name: Arc<str> = format!("{}-{number}", topic.topic).into();
            all.push(MemoryTopic { connector: name.clone(), source: topic.source, topic: name, records: Arc::new(records) });
        }
    }
    all
}

/// Everything that was found, as text.
fn found(topics: Vec<MemoryTopic>, interleaving: Interleaving, name: &str) -> String {
    let run_of = Run {
        topics,
        decode: DecodeOptions::default(),
        detect: DetectOptions::default(),
        correlate: CorrelateOptions::default(),
        shards: 2,
        store: name.to_owned(),
        through: Through::Interleaved(interleaving),
    };
    let found = run(&run_of).expect("a run");
    assert_eq!(found.dead_letters, 0);
    serde_json::to_string(&found.findings).expect("findings as text")
}

/// What was written before `until`.
fn cut(feed: &SeedFeed, until: Timestamp) -> Vec<MemoryTopic> {
    let cut_topic = |topic: &MemoryTopic| {
        let mut records: Vec<MemoryRecord> = topic.records.iter().filter(|record| record.timestamp < until).cloned().collect();
        let headers = vec![(WATERMARK_HEADER.to_owned(), until.to_string().into_bytes())];
        records.push(MemoryRecord { key: None, value: None, headers, timestamp: until });
        MemoryTopic { records: Arc::new(records), ..topic.clone() }
    };
    feed.topics.iter().map(cut_topic).collect()
}

fn is_the_same_however_it_arrives(number: u64, interleavings: u64) {
    let feed = seed_feed(number).expect("a seed");
    let onset = feed.episode.faults[0].onset;
    let topics = partitions(&cut(&feed, onset.plus_seconds(90)));
    let straight = found(topics.clone(), Interleaving { batch_records: 500, random: None }, &format!("judging {number} straight"));
    assert!(straight.len() > 1_000, "seed {number}: nothing was found, so nothing can differ: {straight}");
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    for turn in 0..interleavings {
        let interleaving = Interleaving { batch_records: if turn % 2 == 0 { 500 } else { 37 }, random: Some(random.random()) };
        let found = found(topics.clone(), interleaving, &format!("judging {number} {turn}"));
        let differ = found.bytes().zip(straight.bytes()).position(|(a, b)| a != b);
        let from = differ.unwrap_or(0).saturating_sub(200);
        let part = |text: &str| text.get(from..(from + 400).min(text.len())).unwrap_or_default().to_owned();
        assert!(found == straight, "seed {number}, {interleaving:?}: …{}…\nbut was …{}…", part(&found), part(&straight));
    }
}

/// The smallest graph among the first seeds with one fault that is seen within 90 s.
#[test]
fn a_fault_in_a_drawn_call_graph_is_found_the_same_however_its_records_arrive() {
    is_the_same_however_it_arrives(1, 2);
}

/// The first seeds whose one fault is seen within 90 s.
#[test]
#[ignore = "some minutes; `make proof` runs it"]
fn twenty_interleavings_of_partitions_and_two_batch_sizes_give_the_same_findings() {
    for seed in [1, 3, 6] {
        is_the_same_however_it_arrives(seed, 20);
    }
}

/// A guard rail, not an aim: what was reached on seeds 1 to 20, less what one or two of them weigh.
#[test]
#[ignore = "some minutes; `make proof` runs it"]
fn the_figures_on_the_first_twenty_seeds_do_not_fall() {
    let options = Options { shards: 1, threads: 2, ..Options::default() };
    let report = simulated(1..=20, &options, &|_| ());
    println!("{}", report.to_text());
    assert_eq!(report.errors, Vec::<String>::new());
    assert!(report.told.ac1 >= 0.75, "told AC@1 {}", report.told.ac1);
    assert!(report.end_to_end.recall >= 0.81, "recall {}", report.end_to_end.recall);
    assert!(report.end_to_end.false_openings <= 1, "{:?}", report.false_openings);
    assert!(report.changes.ac1 >= 0.93, "change AC@1 {}", report.changes.ac1);
    assert!(report.two_faults.both >= 1, "two at once {:?}", report.two_faults);
    assert!(report.calibration.ece <= 0.15, "calibration error {}", report.calibration.ece);
}
