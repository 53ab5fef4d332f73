//! How long does a ranking take when 500 services are hot? Goal: under 50 ms.
//!
//! Each service shows three signals and calls three others; 200 changes with small diffs are candidates. Prints the median of
//! 21 rankings of services and of changes, suspects and sentences included. Run: `cargo bench --profile dev --bench ranking`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use whydunit::engine::rank::{
    CallGraph, Change, ChangeContext, Local, Outside, Wording, change_suspects, rank_changes, rank_services, service_suspects,
};
use whydunit::model::Timestamp;
use whydunit::model::entity::ServiceName;
use whydunit::model::signal::{Facts, Family, Signal};

const SERVICES: usize = 500;
const CHANGES: usize = 200;
const ROUNDS: usize = 21;

fn name(service: usize) -> String {
    format!("service-{:03}", service % SERVICES)
}

fn signal(service: usize, detector: &str, surprise: f64) -> Signal {
    Signal {
        service: ServiceName { environment: "prod".to_owned(), service: name(service) },
        family: Family::Latency,
        detector: detector.to_owned(),
        key: format!("{}/Serve", name(service)),
        surprise,
        rank_surprise: surprise,
        window_s: 60,
        onset: Timestamp::from_seconds(1_780_000_000 + service as i64 % 40),
        ended: None,
        after_deployment: false,
        facts: Facts::default(),
        sentence: format!("{}: 30 of 40 requests waited for a connection, before 1 of 900", name(service)),
        event_id: String::new(),
        host: None,
        series: Vec::new(),
        unit: String::new(),
    }
}

fn evidence() -> BTreeMap<String, Local> {
    let local = |service: usize| {
        let detectors = ["self_time", "failures", "log_shape"].into_iter().enumerate();
        let signals =
            detectors.map(|(place, detector)| (detector.to_owned(), signal(service, detector, ((service * 7 + place * 13) % 60) as f64)));
        let (excess_failures, excess_seconds) = ((service * 3 % 50) as f64, (service * 11 % 70) as f64);
        Local { signals: signals.collect(), excess_failures, excess_seconds, ..Local::default() }
    };
    (0..SERVICES).map(|service| (name(service), local(service))).collect()
}

fn changes() -> Vec<Change> {
    let change = |number: usize| Change {
        event_id: format!("change-{number}"),
        at: Timestamp::from_seconds(1_780_000_000 - 30 * number as i64),
        event_type: "deployment".to_owned(),
        service: Some(name(number * 3)),
        title: format!("deploy {number}"),
        sha: Some(format!("{number:07x}abcdef")),
        message: "Tune the pool".to_owned(),
        files: vec![format!("{}/config.yaml", name(number * 3))],
        diff: Some("@@ -1,3 +1,3 @@\n pool:\n-  max_connections: 40\n+  max_connections: 8\n".to_owned()),
        ..Change::default()
    };
    (0..CHANGES).map(change).collect()
}

fn main() {
    let (evidence, changes) = (evidence(), changes());
    let mut graph = CallGraph::default();
    for (service, step) in (0..SERVICES).flat_map(|service| [10, 17, 29].map(|step| (service, step))) {
        graph.add(&name(service), &name(service + step), 10.0);
    }
    let changes: Vec<&Change> = changes.iter().collect();
    let mut rounds: Vec<(Duration, Duration)> = (0..ROUNDS).map(|_| round(&evidence, &graph, &changes)).collect();
    rounds.sort();
    let services = rounds[ROUNDS / 2].0;
    rounds.sort_by_key(|(_, changes)| *changes);
    println!("{SERVICES} hot services: {services:?}; {CHANGES} changes against them: {:?}", rounds[ROUNDS / 2].1);
}

fn round(evidence: &BTreeMap<String, Local>, graph: &CallGraph, changes: &[&Change]) -> (Duration, Duration) {
    let began = Instant::now();
    let ranked = rank_services(evidence, graph);
    assert_eq!(service_suspects(&ranked, evidence).first().map(|suspect| suspect.rank), Some(1));
    let services = began.elapsed();
    let hot: Vec<String> = ranked.iter().map(|ranked| ranked.service.clone()).collect();
    let sentences = evidence.values().flat_map(|local| local.signals.values()).map(|signal| signal.sentence.as_str());
    let (wording, outside) = (Wording::of(sentences), Outside::default());
    let drifts = BTreeMap::new();
    let context = ChangeContext {
        onset: Timestamp::from_seconds(1_780_000_000),
        drifts: &drifts,
        hot: &hot,
        graph,
        wording: &wording,
        outside: &outside,
        without: None,
    };
    let began = Instant::now();
    assert!(!change_suspects(&rank_changes(changes, &context), &context).is_empty());
    (services, began.elapsed())
}
