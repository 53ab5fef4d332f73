//! Drawn call graphs with drawn faults through the pipeline → how often are we right on what nobody has seen?

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Options, strength};
use crate::app::feed::{MemoryRecord, MemoryTopic};
use crate::app::recorded::{self, Found, Run, Through};
use crate::engine::decode::WATERMARK_HEADER;
use crate::evaluation::RankedService;
use crate::evaluation::simulated::{
    BesideFault, Seen, SimulatedEpisode, SimulatedFault, SimulatedOutcome, SimulatedReport, SimulatedResult, TOLD_AFTER_S, View,
    score_simulated,
};
use crate::model::investigation::EngineFindings;
use crate::model::suspect::SuspectKind;
use crate::model::{Source, Timestamp};
use crate::simulator::{self, OutRecord, Seeded, Truth};

/// Event time made at once: bounds what the simulator holds back.
const STEP_S: i64 = 15;
/// A bucket that closes up to this long after the moment still belongs to it, seconds.
const SLACK_S: i64 = 15;

/// Runs every seed unaided, and those with one fault told as well, and scores them.
pub fn simulated(seeds: RangeInclusive<u64>, options: &Options, done: &(dyn Fn(&str) + Sync)) -> SimulatedReport {
    let next = AtomicU64::new(*seeds.start());
    let worker = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > *seeds.end() {
                return results;
            }
            results.push(run_seed(seed, options));
            done(&format!("seed {seed}"));
        }
    };
    let mut results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect::<Vec<_>>()
    });
    results.sort_by_key(|result| result.episode.seed);
    score_simulated(&results)
}

/// The records of a seed, ready to be read, and what is to be found in them.
#[derive(Clone, Debug)]
pub struct SeedFeed {
    pub episode: SimulatedEpisode,
    pub topics: Vec<MemoryTopic>,
}

/// Makes the records of a seed.
///
/// # Errors
/// A call graph that cannot be drawn.
pub fn seed_feed(seed: u64) -> Result<SeedFeed, String> {
    let mut seeded = simulator::seeded(seed).map_err(|error| error.to_string())?;
    let mut by_source: BTreeMap<Source, Vec<MemoryRecord>> = BTreeMap::new();
    let mut until = seeded.starts_at;
    while until < seeded.ends_at {
        until = until.plus_seconds(STEP_S).min(seeded.ends_at);
        for OutRecord { source, key, value, headers, timestamp, .. } in seeded.shop.step(until) {
            by_source.entry(source).or_default().push(MemoryRecord { key, value: Some(value), headers, timestamp });
        }
    }
    let records = by_source.values().map(Vec::len).sum();
    let topics = simulator::TOPICS.map(|(source, topic)| {
        let mut records = by_source.remove(&source).unwrap_or_default();
        records.push(nothing_follows(seeded.ends_at));
        MemoryTopic { connector: source.as_str().into(), source, topic: topic.into(), records: Arc::new(records) }
    });
    Ok(SeedFeed { episode: episode(seed, records, &seeded), topics: topics.into() })
}

fn nothing_follows(until: Timestamp) -> MemoryRecord {
    let headers = vec![(WATERMARK_HEADER.to_owned(), until.to_string().into_bytes())];
    MemoryRecord { key: None, value: None, headers, timestamp: until }
}

fn episode(seed: u64, records: usize, seeded: &Seeded) -> SimulatedEpisode {
    let beside = seeded.shop.beside().iter().map(|beside| BesideFault {
        kind: beside.kind.to_owned(),
        what: beside.what.clone(),
        from_s: beside.from_s,
        until_s: beside.until_s,
    });
    SimulatedEpisode {
        seed,
        services: seeded.shop.services().count(),
        records,
        starts_at: seeded.starts_at,
        ends_at: seeded.ends_at,
        faults: seeded.shop.truths().iter().map(fault).collect(),
        beside: beside.collect(),
    }
}

fn fault(truth: &Truth) -> SimulatedFault {
    SimulatedFault {
        kind: truth.fault.clone(),
        names: truth.service.iter().chain(&truth.host).chain(&truth.accept).cloned().collect(),
        change: truth.change.clone(),
        onset: truth.onset,
        strength: truth.strength.unwrap_or(1.0),
        share: truth.share.unwrap_or(1.0),
    }
}

fn run_seed(seed: u64, options: &Options) -> SimulatedResult {
    match seed_feed(seed) {
        Ok(feed) => SimulatedResult { outcome: outcome(&feed, options), episode: feed.episode },
        Err(why) => SimulatedResult { episode: SimulatedEpisode { seed, ..SimulatedEpisode::default() }, outcome: Err(why) },
    }
}

fn outcome(feed: &SeedFeed, options: &Options) -> Result<SimulatedOutcome, String> {
    let seed = feed.episode.seed;
    let unaided = run_of(format!("simulator {seed} unaided"), feed.topics.clone(), options)?;
    let told = match feed.episode.faults.as_slice() {
        [fault] => {
            let found = run_of(format!("simulator {seed} told"), told_topics(&feed.topics, seed, fault.onset), options)?;
            Some(told_view(&found.findings, fault.onset))
        }
        _ => None,
    };
    Ok(SimulatedOutcome { seen: seen(&unaided.findings), told })
}

fn run_of(store: String, topics: Vec<MemoryTopic>, options: &Options) -> Result<Found, String> {
    recorded::run(&Run {
        topics,
        decode: options.decode.clone(),
        detect: options.detect.clone(),
        correlate: options.correlate.clone(),
        shards: options.shards,
        store,
        through: Through::Memory,
    })
}

/// The same topics, with the word at the onset that something is wrong.
fn told_topics(topics: &[MemoryTopic], seed: u64, onset: Timestamp) -> Vec<MemoryTopic> {
    let value = serde_json::json!({
        "type": "alert",
        "title": "Users report that something is wrong",
        "timestamp": onset,
        "environment": "production",
        "severity": "high",
        "source_id": format!("told/{seed}"),
    });
    let told = MemoryRecord { key: None, value: Some(value.to_string().into_bytes()), headers: Vec::new(), timestamp: onset };
    let mut topics = topics.to_vec();
    for topic in topics.iter_mut().filter(|topic| topic.source == Source::Manual) {
        let mut records = topic.records.to_vec();
        let place = records.partition_point(|record| record.timestamp <= onset);
        records.insert(place, told.clone());
        topic.records = Arc::new(records);
    }
    topics
}

fn seen(findings: &[EngineFindings]) -> Vec<Seen> {
    let mut by_id: BTreeMap<&str, Vec<&EngineFindings>> = BTreeMap::new();
    for finding in findings {
        by_id.entry(&finding.id).or_default().push(finding);
    }
    // What was merged into an older one is no investigation of its own.
    let kept = by_id.into_values().filter(|revisions| revisions.last().is_some_and(|last| last.merged_into.is_none()));
    let mut seen: Vec<Seen> = kept
        .filter_map(|revisions| {
            let first = revisions.first()?;
            let views = revisions.iter().map(|finding| view(finding)).collect();
            Some(Seen { opened_at: first.detected_at, because: first.opened_because.clone(), views })
        })
        .collect();
    seen.sort_by(|a, b| a.opened_at.cmp(&b.opened_at).then_with(|| a.because.cmp(&b.because)));
    seen
}

/// A fault that was noticed unaided just before is the same incident: the strongest ranking answers.
fn told_view(findings: &[EngineFindings], onset: Timestamp) -> View {
    let until = onset.plus_seconds(TOLD_AFTER_S + SLACK_S);
    let mut newest: BTreeMap<&str, &EngineFindings> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.updated_at >= onset && finding.updated_at <= until) {
        newest.insert(&finding.id, finding);
    }
    newest
        .into_values()
        .filter(|finding| finding.merged_into.is_none())
        .max_by_key(|finding| strength(finding))
        .map(view)
        .unwrap_or_default()
}

fn view(finding: &EngineFindings) -> View {
    let places = [SuspectKind::Service, SuspectKind::Host, SuspectKind::External];
    let suspects = finding.suspects.iter().filter(|suspect| places.contains(&suspect.kind));
    let changes = finding.suspects.iter().filter(|suspect| matches!(suspect.kind, SuspectKind::Change | SuspectKind::None));
    View {
        at: finding.updated_at,
        suspects: suspects.map(|suspect| RankedService { service: suspect.entity.clone(), score: suspect.score }).collect(),
        changes: changes.map(super::changes::ranked_change).collect(),
        confidence: finding.confidence,
    }
}
