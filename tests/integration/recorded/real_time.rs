//! One case of each kind of fault as it was recorded, at a true 20 times its speed, through a real Kafka.

use std::collections::BTreeMap;

use whydunit::app::evaluate::{Options, run_episode};
use whydunit::evaluation::pool::QuietPool;
use whydunit::evaluation::{EpisodeKind, EpisodeOptions, build, plans};
use whydunit::kafka;

use super::recorded;
use crate::support::kafka::KafkaServer;

#[test]
#[ignore = "takes some minutes: more than half an hour of each kind of fault, at 20 times its speed"]
fn the_verdict_on_each_kind_of_fault_is_the_same_when_its_records_come_as_they_came_twenty_times_as_fast() {
    let Some(pack) = recorded() else { return };
    let episodes = EpisodeOptions::default();
    let (pool, plans) = (QuietPool::of(pack), plans(pack, &episodes).unwrap());
    let mut one_of_each = BTreeMap::new();
    for plan in plans.iter().filter(|plan| plan.kind == EpisodeKind::Fault) {
        one_of_each.entry(plan.label.fault_type.as_str()).or_insert(plan);
    }
    assert!(one_of_each.len() >= 4, "{:?}", one_of_each.keys());
    let at_once = Options { unaided_only: true, shards: 1, ..Options::default() };
    let kafka = kafka::Options { brokers: KafkaServer::shared().brokers(), ..kafka::Options::default() };
    let paced = Options { kafka: Some(kafka), speed: Some(20.0), ..at_once.clone() };
    // Side by side: each of them mostly waits.
    std::thread::scope(|scope| {
        for (fault_type, plan) in one_of_each {
            let (pool, at_once, paced, episodes) = (&pool, &at_once, &paced, &episodes);
            scope.spawn(move || {
                let episode = build(pack, pool, plan, episodes).unwrap();
                let expected = run_episode(&episode, at_once).unwrap();
                let found = run_episode(&episode, paced).unwrap();
                println!("{fault_type}: {} opened {} investigations", plan.id, found.openings.len());
                assert_eq!(found, expected, "{fault_type}: {}", plan.id);
            });
        }
    });
}
