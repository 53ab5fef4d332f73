//! Recorded, labelled episodes through the pipeline → what it opened and whom it named.

mod changes;
mod graph;
pub mod metric;
pub mod quiet_days;
pub mod simulator;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::feed::{MemoryRecord, MemoryTopic};
use super::recorded::{self, Run, Through};
use crate::clock;
use crate::engine::correlate::CorrelateOptions;
pub use crate::engine::correlate::Without;
use crate::engine::decode::{DecodeOptions, WATERMARK_HEADER};
use crate::engine::detect::DetectOptions;
use crate::evaluation::calendar::Calendar;
use crate::evaluation::pool::QuietPool;
use crate::evaluation::{
    Episode, EpisodeOptions, EpisodeOutcome, EpisodePlan, EpisodeResult, EvaluationError, FeedRecord, HeldOut, Opening, Pack,
    RankedService, Report, Trial, build, feed, held_out, plans, score,
};
use crate::kafka;
use crate::model::investigation::EngineFindings;
use crate::model::suspect::{Suspect, SuspectKind};
use crate::model::{Source, Timestamp};

pub use changes::changes;
pub use graph::{graph, graph_runs};

/// Ranking of a told fault is read this long after its label, seconds.
const TOLD_AFTER_S: i64 = 120;
/// Narrowest window around the label's bucket in which an investigation is the told one, seconds.
const TOLD_SLACK_S: i64 = 30;

/// Everything but the pack.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub episodes: EpisodeOptions,
    pub decode: DecodeOptions,
    pub detect: DetectOptions,
    pub correlate: CorrelateOptions,
    pub shards: usize,
    /// Episodes side by side.
    pub threads: usize,
    /// Without the second, told run of each incident.
    pub unaided_only: bool,
    /// Write each episode to this Kafka and read it from there, instead of from memory.
    pub kafka: Option<kafka::Options>,
    /// Each record comes at its time, so many times as fast as it was; from memory by a simulated clock. All at once when absent.
    pub speed: Option<f64>,
}

/// The same options with one factor of the ranking of changes held at 1.
pub fn without(options: CorrelateOptions, without: Option<Without>) -> CorrelateOptions {
    CorrelateOptions { without, ..options }
}

/// Runs every episode twice, unaided and told, and scores the pack.
///
/// # Errors
/// A pack that makes no episodes. An episode that fails is a miss with its reason.
pub fn evaluate(pack: &Pack, options: &Options, done: &(dyn Fn(&str) + Sync)) -> Result<Report, EvaluationError> {
    let pool = QuietPool::of(pack);
    let plans = plans(pack, &options.episodes)?;
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut results = Vec::new();
        while let Some((index, plan)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|index| Some((index, plans.get(index)?))) {
            let outcome = build(pack, &pool, plan, &options.episodes).map_err(|error| error.to_string());
            let outcome = outcome.and_then(|episode| run_episode(&episode, options));
            done(&plan.id);
            results.push((index, EpisodeResult { outcome, plan: plan.clone() }));
        }
        results
    };
    let mut results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect::<Vec<_>>()
    });
    results.sort_by_key(|(index, _)| *index);
    let results: Vec<_> = results.into_iter().map(|(_, result)| result).collect();
    Ok(score(&pack.set, &Calendar::of(pack), pack.services().len(), &results))
}

/// Thresholds of opening that are tried on a whole pack to see what others would have chosen; the first are those in use.
const STRONG: [f64; 3] = [8.0, 6.0, 10.0];
const WEAK: [f64; 2] = [4.0, 5.0];
const PERSIST: [u32; 3] = [2, 1, 3];
/// How many trials [`held_out_tables`] makes.
pub const TRIALS: usize = STRONG.len() * WEAK.len() * PERSIST.len();

/// Runs the pack with a grid of opening thresholds, and judges each service, and each kind of fault, with those chosen on the others.
///
/// # Errors
/// A pack that makes no episodes.
pub fn held_out_tables(pack: &Pack, options: &Options, done: &(dyn Fn(&str) + Sync)) -> Result<Vec<HeldOut>, EvaluationError> {
    let mut trials = Vec::new();
    for strong in STRONG {
        for weak in WEAK {
            for persist in PERSIST {
                let correlate = CorrelateOptions { strong, weak, persist, ..options.correlate.clone() };
                let name = format!("strong {strong}, weak {weak}, persist {persist}");
                let report = evaluate(pack, &Options { correlate, unaided_only: true, ..options.clone() }, done)?;
                trials.push(Trial { name, report });
            }
        }
    }
    let by_service = held_out(&trials, "service", |case| &case.service);
    let by_type = held_out(&trials, "fault type", |case| &case.fault_type);
    Ok(by_service.into_iter().chain(by_type).collect())
}

/// How many episodes [`evaluate`] will run.
///
/// # Errors
/// A pack that makes no episodes.
pub fn episodes(pack: &Pack, options: &Options) -> Result<usize, EvaluationError> {
    Ok(plans(pack, &options.episodes)?.len())
}

/// How strong the first service of an investigation is, in units that have an order.
fn strength(finding: &EngineFindings) -> i64 {
    let best = ranked(&finding.suspects).first().map_or(0.0, |suspect| suspect.score);
    (best * 1e9) as i64
}

/// Runs one episode, unaided, and told unless that is not wanted.
///
/// # Errors
/// The reason when the pipeline could not go on.
pub fn run_episode(episode: &Episode, options: &Options) -> Result<EpisodeOutcome, String> {
    let plan = &episode.plan;
    let unaided = recorded::run(&run_of(&format!("{}/unaided", plan.id), &episode.records, plan.ends_at, options))?;
    let told = match (episode.told_record(), plan.label_at) {
        (Some(record), Some(label_at)) if !options.unaided_only => {
            let mut records = episode.records.clone();
            records.push(record);
            let found = recorded::run(&run_of(&format!("{}/told", plan.id), &records, plan.ends_at, options))?;
            Some(told_ranking(&found.findings, label_at))
        }
        _ => None,
    };
    Ok(EpisodeOutcome { openings: openings(&unaided.findings, plan), told })
}

fn run_of(name: &str, records: &[FeedRecord], until: Timestamp, options: &Options) -> Run {
    Run {
        topics: topics(records, until),
        decode: options.decode.clone(),
        detect: options.detect.clone(),
        correlate: options.correlate.clone(),
        shards: options.shards,
        store: name.to_owned(),
        through: match (&options.kafka, options.speed) {
            (Some(kafka), speed) => Through::Kafka {
                speed,
                options: kafka.clone(),
                // New topics each time: what an earlier evaluation left must not be read again.
                prefix: format!("evaluate.{}.{}", clock::now().nanos(), name.replace('/', ".")),
            },
            (None, Some(speed)) => Through::Paced { speed },
            (None, None) => Through::Memory,
        },
    }
}

/// One in-process topic for each of the records' topics. Each ends with the word that nothing follows before `until`, as
/// time goes on although a recording does not.
pub fn topics(records: &[FeedRecord], until: Timestamp) -> Vec<MemoryTopic> {
    let mut by_topic: BTreeMap<&'static str, (Source, Vec<MemoryRecord>)> = BTreeMap::new();
    let every = Episode::TOPICS.into_iter().chain([(feed::MANUAL_TOPIC, Source::Manual)]);
    by_topic.extend(every.map(|(topic, source)| (topic, (source, Vec::new()))));
    for record in records {
        let (_, records) = by_topic.entry(record.topic).or_insert_with(|| (record.source, Vec::new()));
        records.push(MemoryRecord {
            key: record.key.clone(),
            value: Some(record.value.clone()),
            headers: record.headers.clone(),
            timestamp: record.timestamp,
        });
    }
    let nothing_follows = MemoryRecord {
        key: None,
        value: None,
        headers: vec![(WATERMARK_HEADER.to_owned(), until.to_string().into_bytes())],
        timestamp: until,
    };
    by_topic.values_mut().for_each(|(_, records)| records.push(nothing_follows.clone()));
    let topic = |(topic, (source, records)): (&str, (Source, Vec<MemoryRecord>))| MemoryTopic {
        connector: source.as_str().into(),
        source,
        topic: topic.into(),
        records: Arc::new(records),
    };
    by_topic.into_iter().map(topic).collect()
}

/// Every investigation, with whom it named when it opened and at the episode's end.
fn openings(findings: &[EngineFindings], plan: &EpisodePlan) -> Vec<Opening> {
    let mut revisions: BTreeMap<&str, Vec<&EngineFindings>> = BTreeMap::new();
    for finding in findings {
        revisions.entry(&finding.id).or_default().push(finding);
    }
    let mut openings: Vec<_> = revisions
        .into_values()
        .filter_map(|revisions| {
            let first = revisions.first()?;
            let last = revisions.iter().rev().find(|finding| finding.updated_at <= plan.ends_at).unwrap_or(first);
            // What was merged into an older one is no investigation of its own.
            last.merged_into.is_none().then(|| Opening {
                opened_at: first.detected_at,
                environment: first.environment.clone(),
                at_opening: ranked(&first.suspects),
                at_end: ranked(&last.suspects),
                because: first.opened_because.clone(),
            })
        })
        .collect();
    openings.sort_by_key(|opening| opening.opened_at);
    openings
}

/// Whom the investigation that the telling opened or joined names, two minutes on.
fn told_ranking(findings: &[EngineFindings], label_at: Timestamp) -> Vec<RankedService> {
    let until = label_at.plus_seconds(TOLD_AFTER_S + TOLD_SLACK_S / 2);
    let known = findings.iter().filter(|finding| finding.updated_at <= until && finding.updated_at >= label_at);
    let mut newest: BTreeMap<&str, &EngineFindings> = BTreeMap::new();
    for finding in known {
        newest.insert(&finding.id, finding);
    }
    // A fault that was noticed unaided just before is the same incident: the strongest ranking answers.
    newest.into_values().max_by_key(|finding| strength(finding)).map(|finding| ranked(&finding.suspects)).unwrap_or_default()
}

fn ranked(suspects: &[Suspect]) -> Vec<RankedService> {
    let services = suspects.iter().filter(|suspect| suspect.kind == SuspectKind::Service);
    services.map(|suspect| RankedService { service: suspect.entity.clone(), score: suspect.score }).collect()
}
