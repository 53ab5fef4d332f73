//! Every fault of the simulator's library, through the whole pipeline: is it opened in time, and who is named?
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../scenarios/loader.rs"]
mod loader;

use std::collections::BTreeMap;
use std::sync::Arc;

use loader::{Expected, scenarios};
use whydunit::app::feed::{MemoryRecord, MemoryTopic};
use whydunit::app::recorded::{Found, Run, Through, run};
use whydunit::engine::correlate::CorrelateOptions;
use whydunit::engine::decode::DecodeOptions;
use whydunit::engine::detect::DetectOptions;
use whydunit::model::investigation::EngineFindings;
use whydunit::model::suspect::SuspectKind;
use whydunit::model::{Source, Timestamp};
use whydunit::simulator::{self, OutRecord, Shop, Truth};

/// 14:00 UTC on a working day.
const START: i64 = 1_763_388_000;
const HISTORY_S: u32 = 900;

/// What became of one fault.
#[derive(Debug, Default)]
struct Outcome {
    opened_after_s: Option<f64>,
    in_time: bool,
    service_right: bool,
    change_right: bool,
    first_service: String,
    first_change: String,
    openings: usize,
}

impl Outcome {
    fn line(&self, expected: &Expected) -> String {
        let mark = |right: bool| if right { "right" } else { "wrong" };
        let after = self.opened_after_s.map_or_else(|| "never".to_owned(), |after| format!("after {after:.0} s"));
        format!(
            "opened {after} (onset {} s before the history's end), {} openings, service {} ({}), change {} ({})",
            expected.onset_before_end_s,
            self.openings,
            self.first_service,
            mark(self.service_right),
            self.first_change,
            mark(self.change_right)
        )
    }
}

fn topics(records: &[OutRecord]) -> Vec<MemoryTopic> {
    let of = |source: Source, topic: &'static str| {
        let record = |record: &OutRecord| MemoryRecord {
            key: record.key.clone(),
            value: Some(record.value.clone()),
            headers: record.headers.clone(),
            timestamp: record.timestamp,
        };
        let records: Vec<_> = records.iter().filter(|record| record.source == source).map(record).collect();
        MemoryTopic { connector: source.as_str().into(), source, topic: topic.into(), records: Arc::new(records) }
    };
    simulator::TOPICS.into_iter().map(|(source, topic)| of(source, topic)).collect()
}

fn play(expected: &Expected, seed: u64) -> (Found, Truth) {
    let options = simulator::Options {
        seed,
        fault: Some(expected.fault.clone()),
        history_s: HISTORY_S,
        fault_age_s: 60,
        ..simulator::Options::default()
    };
    let mut shop = Shop::new(options, Timestamp::from_seconds(START)).expect("a fault of the library");
    let until = START + i64::from(HISTORY_S) + i64::from(expected.open_within_s);
    let mut records = Vec::new();
    for second in START..=until {
        records.extend(shop.step(Timestamp::from_seconds(second)));
    }
    let truth = shop.truth().cloned().expect("a shop with a fault knows it");
    let run_of = Run {
        topics: topics(&records),
        decode: DecodeOptions::default(),
        detect: DetectOptions::default(),
        correlate: CorrelateOptions::default(),
        shards: 1,
        store: format!("scenario {} {seed}", expected.fault),
        through: Through::Memory,
    };
    (run(&run_of).expect("a run"), truth)
}

fn judge(expected: &Expected, found: &Found, truth: &Truth) -> Outcome {
    let mut newest: BTreeMap<&str, &EngineFindings> = BTreeMap::new();
    for findings in &found.findings {
        newest.insert(&findings.id, findings);
    }
    let deadline = truth.onset.plus_seconds(i64::from(truth.open_within_s));
    let mut investigations: Vec<_> = newest.into_values().filter(|findings| findings.detected_at >= truth.onset).collect();
    investigations.sort_by_key(|findings| findings.detected_at);
    let Some(first) = investigations.first() else { return Outcome::default() };
    let of_kind = |wanted: &[SuspectKind]| first.suspects.iter().find(|suspect| wanted.contains(&suspect.kind));
    let service = of_kind(&[SuspectKind::Service, SuspectKind::Host]);
    let change = of_kind(&[SuspectKind::Change, SuspectKind::None]);
    let named = change.filter(|suspect| suspect.kind == SuspectKind::Change).map(|suspect| suspect.entity.as_str());
    Outcome {
        opened_after_s: Some(first.detected_at.seconds_since(truth.onset)),
        in_time: first.detected_at <= deadline,
        service_right: service.is_some_and(|suspect| expected.accepts(&suspect.entity)),
        change_right: expected.accepts_change(named),
        first_service: service.map(|suspect| suspect.entity.clone()).unwrap_or_default(),
        first_change: change.map(|suspect| suspect.entity.clone()).unwrap_or_default(),
        openings: investigations.len(),
    }
}

#[test]
fn a_bad_deploy_is_found_with_its_service_and_its_commit() {
    let expected = scenarios().expect("scenarios").into_iter().find(|expected| expected.fault == "bad-deploy").expect("bad-deploy");
    let (found, truth) = play(&expected, 1);
    let outcome = judge(&expected, &found, &truth);
    assert!(outcome.in_time && outcome.service_right && outcome.change_right, "{outcome:?}");
    assert_eq!(found.dead_letters, 0);
}

/// Not every fault is found yet; what is found must not become less.
#[test]
fn most_faults_of_the_library_are_opened_in_time() {
    let all = scenarios().expect("scenarios");
    let mut in_time = 0;
    for expected in &all {
        let (found, truth) = play(expected, 7);
        let outcome = judge(expected, &found, &truth);
        println!("{:<22} {}", expected.fault, outcome.line(expected));
        in_time += usize::from(outcome.in_time);
    }
    println!("opened in time: {in_time} of {}", all.len());
    assert!(2 * in_time > all.len(), "only {in_time} of {} opened in time", all.len());
}
