//! Recorded incidents: what is in a pack comes out as bytes, once, the same every time.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broken_packs;
mod contents;
mod graph;
mod real_time;
mod series;
mod small_pack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use whydunit::evaluation::calendar::Calendar;
use whydunit::evaluation::feed::TRACES_TOPIC;
use whydunit::evaluation::pack::ContextEvent;
use whydunit::evaluation::pool::QuietPool;
use whydunit::evaluation::{
    ChangeEpisode, ChangeOutcome, ChangeRun, Disorder, Episode, EpisodeKind, EpisodeOptions, EpisodeOutcome, EpisodeRun, FeedRecord,
    Opening, Pack, RankedChange, RankedService, RecordedPack, ReplayOptions, build, change_episode, evaluate, evaluate_changes, plans,
};
use whydunit::model::{Source, Timestamp};

use self::contents::Contents;
use self::small_pack::{pack_up, small_pack};

/// The recorded pack, or `None` with a message where it is not at hand.
fn recorded() -> Option<&'static Pack> {
    static PACK: OnceLock<Option<Pack>> = OnceLock::new();
    PACK.get_or_init(|| archive("nezha-tt-dev").map(|path| Pack::open(&path).unwrap())).as_ref()
}

fn archive(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../shared/data/incidents/{name}.tar.zst"));
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn keep<K: Ord + Clone>(all: &BTreeMap<K, u64>, wanted: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    all.iter().filter(|(key, _)| wanted.contains_key(*key)).map(|(key, count)| (key.clone(), *count)).collect()
}

#[test]
fn a_recorded_pack_loads_whole_and_says_what_it_mended() {
    let Some(pack) = recorded() else { return };
    print!("{}", pack.report.to_text());
    assert_eq!(
        (pack.set.as_str(), pack.labels.len(), pack.cases.len(), pack.quiet.len(), pack.metrics.len()),
        ("nezha-tt-dev", 22, 22, 2, 2)
    );
    assert_eq!(pack.report.malformed_rows(), 0);
    assert_eq!((pack.report.spans, pack.report.log_lines), (245_885, 129_377));
    let mended: BTreeMap<_, _> = pack.report.repaired.iter().map(|(what, trouble)| (what.as_str(), trouble.rows)).collect();
    assert_eq!(mended.values().sum::<u64>(), 93, "{mended:?}");
    assert!(pack.services().len() >= 45);
}

#[test]
fn quiet_time_and_unlabelled_trouble_are_found() {
    let Some(pack) = recorded() else { return };
    let (seconds, traces) = QuietPool::of(pack).extent();
    assert_eq!((seconds.round(), traces), (992.0, 794));
    let calendar = Calendar::of(pack);
    let runs: Vec<usize> = calendar.days.values().map(|day| day.stress.len()).collect();
    assert_eq!(runs, [8, 1]);
    let evenings: Vec<_> = calendar.days.values().map(|day| day.evenings.clone()).collect();
    assert_eq!(evenings, [vec![(1_675_004_400, 1_675_006_800), (1_675_007_220, 1_675_036_740)], vec![(1_675_087_980, 1_675_123_140)]]);
}

#[test]
fn every_row_of_a_case_is_in_the_bytes_exactly_once() {
    let Some(pack) = recorded() else { return };
    let options = EpisodeOptions::default();
    let pool = QuietPool::of(pack);
    let plans = plans(pack, &options).unwrap();
    for plan in plans.iter().filter(|plan| plan.kind == EpisodeKind::Fault).step_by(7) {
        let episode = build(pack, &pool, plan, &options).unwrap();
        let (sent, rows) = (Contents::of(&episode.records), Contents::of_case(pack, &episode));
        assert!(!rows.spans.is_empty() && !rows.logs.is_empty() && !rows.points.is_empty());
        assert_eq!(sent.points, rows.points, "{}", plan.id);
        assert_eq!(keep(&sent.spans, &rows.spans), rows.spans, "{}", plan.id);
        assert_eq!(keep(&sent.logs, &rows.logs), rows.logs, "{}", plan.id);
        assert_eq!(sent.spans.values().sum::<u64>(), episode.spans);
        assert_eq!(sent.logs.values().sum::<u64>(), episode.log_lines);
    }
}

#[test]
fn drawn_traces_keep_their_logs_and_meet_no_other_copy() {
    let Some(pack) = recorded() else { return };
    let options = EpisodeOptions::default();
    let plans = plans(pack, &options).unwrap();
    let quiet = plans.iter().find(|plan| plan.kind == EpisodeKind::Quiet).unwrap();
    let episode = build(pack, &QuietPool::of(pack), quiet, &options).unwrap();
    let sent = Contents::of(&episode.records);
    let mut roots: BTreeMap<&str, u64> = BTreeMap::new();
    for ((trace, _, parent, ..), count) in &sent.spans {
        *roots.entry(trace).or_default() += u64::from(parent.is_empty()).min(*count);
    }
    assert!(roots.values().all(|roots| *roots == 1), "one root a trace");
    for (trace, span, _, text, _) in sent.logs.keys() {
        assert!(roots.contains_key(trace.as_str()), "a line without its trace");
        if let Some((_, spelled)) = text.split_once("TraceID: ") {
            assert_eq!(spelled.split_whitespace().next(), Some(trace.as_str()), "a line spells the ids it carries");
        }
        assert_eq!(span.len(), 16);
    }
    // About as many traces as the pack has in the same quiet time.
    let (seconds, traces) = QuietPool::of(pack).extent();
    let expected = traces as f64 / seconds * 480.0;
    let spread = 4.0 * expected.sqrt();
    assert!((roots.len() as f64 - expected).abs() < spread, "{} traces, expected {expected:.0} ± {spread:.0}", roots.len());
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let folder = tempfile::tempdir().unwrap();
    let pack = Pack::open(&small_pack(folder.path())).unwrap();
    let bytes = |seed, disorder| {
        let options = EpisodeOptions { seed, disorder, ..EpisodeOptions::default() };
        let pool = QuietPool::of(&pack);
        let plans = plans(&pack, &options).unwrap();
        plans.iter().map(|plan| build(&pack, &pool, plan, &options).unwrap().records).collect::<Vec<_>>()
    };
    assert_eq!(bytes(7, Disorder::NONE), bytes(7, Disorder::NONE));
    assert_eq!(bytes(7, Disorder::ROUGH), bytes(7, Disorder::ROUGH));
    assert_ne!(bytes(7, Disorder::NONE), bytes(8, Disorder::NONE));
}

#[test]
fn disorder_moves_and_doubles_records_but_changes_none() {
    let folder = tempfile::tempdir().unwrap();
    let pack = Pack::open(&small_pack(folder.path())).unwrap();
    let episode = |disorder| {
        let options = EpisodeOptions { disorder, ..EpisodeOptions::default() };
        build(&pack, &QuietPool::of(&pack), &plans(&pack, &options).unwrap()[0], &options).unwrap()
    };
    let (straight, rough) = (episode(Disorder::NONE), episode(Disorder::ROUGH));
    assert!(straight.records.is_sorted_by_key(|record| record.timestamp));
    assert!(!rough.records.is_sorted_by_key(|record| record.timestamp));
    let count = |records: &[FeedRecord]| {
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for record in records {
            *counts.entry(record.value.clone()).or_default() += 1;
        }
        counts
    };
    let (before, after) = (count(&straight.records), count(&rough.records));
    assert!(before.keys().eq(after.keys()), "nothing lost, nothing new");
    let share = rough.records.len() as f64 / straight.records.len() as f64 - 1.0;
    assert!((0.02..0.08).contains(&share), "{share} of the records came twice");
    let mut newest = Timestamp::MIN;
    for record in &rough.records {
        assert!(newest.seconds_since(record.timestamp) <= 10.0 || newest == Timestamp::MIN, "more than 10 s late");
        newest = newest.max(record.timestamp);
    }
}

#[test]
fn a_folder_and_its_archive_give_the_same_stream() {
    let folder = tempfile::tempdir().unwrap();
    let root = small_pack(folder.path());
    let path = folder.path().join("small.tar.zst");
    pack_up(&path, |archive| archive.append_dir_all("small", &root).unwrap());
    let (from_folder, from_archive) = (Pack::open(&root).unwrap(), Pack::open(&path).unwrap());
    assert_eq!(from_folder.set, from_archive.set);
    assert_eq!(from_folder.report, from_archive.report);
    let all = |pack: &Pack| pack.replay_stream(ReplayOptions::default()).collect::<Vec<_>>();
    assert_eq!(all(&from_folder), all(&from_archive));
    // Multi-line texts and blank cells survive.
    assert!(from_folder.cases["one"].logs[0].text.ends_with("\nsecond line"));
    assert_eq!((from_folder.report.metric_points, from_folder.report.metric_blanks), (180, 180));
}

#[test]
fn a_replay_keeps_event_times_and_fills_the_minutes_before_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let pack = Pack::open(&small_pack(folder.path())).unwrap();
    let records: Vec<FeedRecord> = pack.replay_stream(ReplayOptions::default()).collect();
    assert!(records.is_sorted_by_key(|record| record.timestamp));
    let own_from = pack.cases["one"].first_start_ns().unwrap();
    let drawn = records.iter().filter(|record| record.topic == TRACES_TOPIC && record.timestamp.nanos() < own_from).count();
    assert!(drawn > 100, "{drawn} records of drawn traces");
    let contents = Contents::of(&records);
    assert_eq!(contents.points.len(), 180);
    let own = contents.spans.keys().filter(|(trace, ..)| trace.starts_with("0000000000000000000000000000")).count();
    assert_eq!(own, 2 * (320 + 60), "every recorded span once");
}

#[test]
fn incidents_come_with_every_change_before_them() {
    let Some(path) = archive("rootcausebench-dev") else { return };
    let RecordedPack::Changes(pack) = RecordedPack::open(&path).unwrap() else { panic!("another kind") };
    assert!(Pack::open(&path).unwrap_err().to_string().contains("not a pack of faults in services"));
    print!("{}", pack.report.to_text());
    assert_eq!((pack.cases.len(), pack.report.malformed_rows(), pack.report.log_lines), (9, 0, 1_388));
    assert_eq!((pack.report.metric_points, pack.report.spans), (6_681, 153));
    for case in &pack.cases {
        let episode = change_episode(case, "recorded");
        let of = |source| episode.records.iter().filter(|record| record.source == source).count();
        let until = |events: &[ContextEvent]| events.iter().filter(|event| event.at <= episode.ends_at).count();
        assert_eq!((of(Source::Git), of(Source::Ci)), (until(&case.commits), until(&case.deploys)), "{}", case.label.case);
        assert_eq!(of(Source::Manual), until(&case.flags) + until(&case.statuses) + 1);
        assert!(episode.records.is_sorted_by_key(|record| record.timestamp));
        let logs = case.logs.iter().filter(|entry| entry.at <= episode.ends_at).count();
        assert_eq!((of(Source::Logs), of(Source::Logs) > 0), (logs, true));
        if let Some(guilty) = case.label.commit() {
            let deployed = episode.records.iter().filter(|record| record.source == Source::Ci);
            let named = deployed.filter(|record| String::from_utf8_lossy(&record.value).contains(guilty)).count();
            println!("{}: {} records, guilty commit deployed {named} times", case.label.case, episode.records.len());
        }
    }
}

/// Knows the labels.
struct ChangeOracle;

impl ChangeRun for ChangeOracle {
    fn run(&mut self, episode: &ChangeEpisode) -> Result<ChangeOutcome, String> {
        let changes = vec![RankedChange { sha: episode.label.commit().map(str::to_owned), score: 0.8, ..RankedChange::default() }];
        let services = vec![RankedService { service: episode.label.first_failing_service.clone(), score: 0.8 }];
        Ok(ChangeOutcome { changes, services, ..ChangeOutcome::default() })
    }
}

#[test]
fn a_perfect_engine_names_every_change() {
    let Some(path) = archive("rootcausebench-dev") else { return };
    let RecordedPack::Changes(pack) = RecordedPack::open(&path).unwrap() else { panic!("another kind") };
    let report = evaluate_changes(&pack, "recorded", &mut ChangeOracle, &mut |_| {});
    println!("{}", report.to_text());
    let figures = &report.changes;
    assert_eq!((report.n, figures.correct, figures.correct_change, figures.none_correct, figures.decoy1), (9, 9, 6, 3, 0));
    assert_eq!(figures.services.ac1, 1.0);
}

/// Opens on the culprit 30 s after each label, and never in between.
struct Oracle;

impl EpisodeRun for Oracle {
    fn run(&mut self, episode: &Episode) -> Result<EpisodeOutcome, String> {
        let ranking = vec![RankedService { service: episode.plan.label.root_cause_service.clone(), score: 0.9 }];
        let opening = |at: Timestamp| Opening {
            opened_at: at.plus_seconds(30),
            environment: episode.plan.environment.clone(),
            at_opening: ranking.clone(),
            at_end: ranking.clone(),
            because: "told".to_owned(),
        };
        let openings = episode.plan.label_at.map(opening).into_iter().collect();
        Ok(EpisodeOutcome { openings, told: Some(ranking.clone()) })
    }
}

#[test]
fn a_perfect_engine_gets_a_perfect_report_over_all_episodes() {
    let Some(pack) = recorded() else { return };
    let mut seen = Vec::new();
    let started = std::time::Instant::now();
    let mut bytes = 0;
    struct Counting<'a>(&'a mut u64);
    impl EpisodeRun for Counting<'_> {
        fn run(&mut self, episode: &Episode) -> Result<EpisodeOutcome, String> {
            *self.0 += episode.bytes();
            println!(
                "{:<18} {:>6} records {:>9} bytes {:>6} spans {:>6} lines {:>6} points",
                episode.plan.id,
                episode.records.len(),
                episode.bytes(),
                episode.spans,
                episode.log_lines,
                episode.points
            );
            Oracle.run(episode)
        }
    }
    let report = evaluate(pack, &EpisodeOptions::default(), &mut Counting(&mut bytes), &mut |progress| seen.push(progress.done)).unwrap();
    println!("{} episodes, {bytes} bytes, {:.1} s", seen.len() - 1, started.elapsed().as_secs_f64());
    println!("{}", report.to_text());
    assert_eq!(seen, (0..=44).collect::<Vec<_>>());
    let end = &report.end_to_end;
    assert_eq!((report.n, end.recall, end.strict_recall, end.false_per_hour, end.ac1), (22, 1.0, 1.0, 0.0, 1.0));
    assert_eq!((end.median_ttd_s, end.duplicates), (Some(30.0), 0));
}
