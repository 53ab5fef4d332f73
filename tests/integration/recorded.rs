//! Recorded incidents: what is in a pack comes out as bytes, once, the same every time.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use whydunit::evaluation::calendar::Calendar;
use whydunit::evaluation::feed::{LOGS_TOPIC, METRICS_TOPIC, TRACES_TOPIC};
use whydunit::evaluation::pool::QuietPool;
use whydunit::evaluation::{
    Disorder, Episode, EpisodeKind, EpisodeOptions, EpisodeOutcome, EpisodeRun, FeedRecord, Opening, Pack, RankedService, ReplayOptions,
    build, evaluate, plans,
};
use whydunit::model::Timestamp;

const AFTER_LABEL_NS: i64 = 180_000_000_000;

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

/// A pack of our own in the same layout: two services, one fault, one evening.
fn small_pack(folder: &Path) -> PathBuf {
    let root = folder.join("small");
    let label_s = 1_700_000_000_i64;
    let (case, quiet, metrics) = (root.join("cases/one"), root.join("quiet/day"), root.join("metrics/day"));
    for folder in [&case, &quiet, &metrics] {
        fs::create_dir_all(folder).unwrap();
    }
    let label = format!(
        r#"[{{"case":"one","day":"day","inject_time_unix":{label_s},"root_cause_service":"cart","fault_type":"return","fault_duration_s":180}}]"#
    );
    fs::write(root.join("labels.json"), label).unwrap();
    let (mut spans, mut logs) = (span_header(), log_header());
    for second in -120..200 {
        add_request(&mut spans, &mut logs, label_s + second, second);
    }
    fs::write(case.join("trace.csv"), &spans).unwrap();
    fs::write(case.join("log.csv"), &logs).unwrap();
    let (mut spans, mut logs) = (span_header(), log_header());
    for second in 0..60 {
        add_request(&mut spans, &mut logs, label_s + 600 + second, 1_000 + second);
    }
    fs::write(quiet.join("trace.csv"), &spans).unwrap();
    fs::write(quiet.join("log.csv"), &logs).unwrap();
    let mut rows = "Time,TimeStamp,PodName,CpuUsageRate(%),Reads\n".to_owned();
    for minute in -60..120 {
        rows += &format!("text,{},cart-1-a,{},NaN\n", label_s + minute * 60, 3 + minute % 2);
    }
    fs::write(metrics.join("cart-1-a_metric.csv"), rows).unwrap();
    root
}

fn span_header() -> String {
    "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n".to_owned()
}

fn log_header() -> String {
    "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n".to_owned()
}

fn add_request(spans: &mut String, logs: &mut String, at_s: i64, id: i64) {
    let (trace, start_ns) = (format!("{:032x}", id + 5_000), at_s * 1_000_000_000);
    *spans += &format!("{trace},00000000000000aa,root,front-1-a,/,{start_ns},{},9\n", start_ns + 9_000_000);
    *spans += &format!("{trace},00000000000000bb,00000000000000aa,cart-1-a,get,{},{},5\n", start_ns + 1_000_000, start_ns + 6_000_000);
    let text = format!(r#"{{""log"":""INFO get one, two TraceID: {trace} SpanID: 00000000000000bb\nsecond line\n""}}"#);
    *logs += &format!("t,{},n,cart-1-a,c,{trace},00000000000000bb,\"{text}\"\n", start_ns + 2_000_000);
}

/// What a record says, field by field, so that bytes can be compared with rows.
#[derive(Debug, Default, PartialEq)]
struct Contents {
    /// (trace, span, parent, pod, operation, start, end) → how often.
    spans: BTreeMap<(String, String, String, String, String, u64, u64), u64>,
    /// (trace, span, pod, text, time) → how often.
    logs: BTreeMap<(String, String, String, String, u64), u64>,
    /// (pod, metric, unit, time, bits of the value) → how often.
    points: BTreeMap<(String, String, String, u64, u64), u64>,
}

impl Contents {
    fn of<'a>(records: impl IntoIterator<Item = &'a FeedRecord>) -> Self {
        let mut contents = Self::default();
        for record in records {
            match record.topic {
                TRACES_TOPIC => contents.add_spans(record),
                LOGS_TOPIC => contents.add_logs(record),
                METRICS_TOPIC => contents.add_points(record),
                other => panic!("unexpected topic {other}"),
            }
        }
        contents
    }

    fn add_spans(&mut self, record: &FeedRecord) {
        for resource in ExportTraceServiceRequest::decode(record.value.as_slice()).unwrap().resource_spans {
            let pod = attribute(resource.resource.as_ref(), "host.name");
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let ids = (hex(&span.trace_id), hex(&span.span_id), hex(&span.parent_span_id));
                let key = (ids.0, ids.1, ids.2, pod.clone(), span.name, span.start_time_unix_nano, span.end_time_unix_nano);
                *self.spans.entry(key).or_default() += 1;
            }
        }
    }

    fn add_logs(&mut self, record: &FeedRecord) {
        for resource in ExportLogsServiceRequest::decode(record.value.as_slice()).unwrap().resource_logs {
            let pod = attribute(resource.resource.as_ref(), "host.name");
            for log in resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
                let Some(Value::StringValue(text)) = log.body.and_then(|body| body.value) else { panic!("a line without text") };
                let key = (hex(&log.trace_id), hex(&log.span_id), pod.clone(), text, log.time_unix_nano);
                *self.logs.entry(key).or_default() += 1;
            }
        }
    }

    fn add_points(&mut self, record: &FeedRecord) {
        for resource in ExportMetricsServiceRequest::decode(record.value.as_slice()).unwrap().resource_metrics {
            let pod = attribute(resource.resource.as_ref(), "host.name");
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let Some(metric::Data::Gauge(gauge)) = metric.data else { panic!("not a gauge: {}", metric.name) };
                for point in gauge.data_points {
                    let Some(number_data_point::Value::AsDouble(value)) = point.value else { panic!("no double") };
                    let key = (pod.clone(), metric.name.clone(), metric.unit.clone(), point.time_unix_nano, value.to_bits());
                    *self.points.entry(key).or_default() += 1;
                }
            }
        }
    }

    /// What the pack's rows of one case say, up to the end of its episode.
    fn of_case(pack: &Pack, episode: &Episode) -> Self {
        let mut contents = Self::default();
        let recording = &pack.cases[&episode.plan.label.case];
        let end_ns = episode.plan.label.at().nanos() + AFTER_LABEL_NS;
        for row in recording.spans.iter().filter(|row| row.end_ns <= end_ns) {
            let parent = if row.parent == 0 { String::new() } else { format!("{:016x}", row.parent) };
            let ids = (format!("{:032x}", row.trace), format!("{:016x}", row.span), parent);
            let key = (ids.0, ids.1, ids.2, row.pod.name.to_string(), row.operation.to_string(), row.start_ns as u64, row.end_ns as u64);
            *contents.spans.entry(key).or_default() += 1;
        }
        for row in recording.logs.iter().filter(|row| row.time_ns <= end_ns) {
            let key = (
                format!("{:032x}", row.trace),
                format!("{:016x}", row.span),
                row.pod.name.to_string(),
                row.text.to_string(),
                row.time_ns as u64,
            );
            *contents.logs.entry(key).or_default() += 1;
        }
        contents.add_rows(pack, episode);
        contents
    }

    fn add_rows(&mut self, pack: &Pack, episode: &Episode) {
        let span = episode.plan.metrics_from.nanos()..=episode.plan.ends_at.nanos();
        for row in pack.metrics[&episode.plan.day].iter().filter(|row| span.contains(&row.time_ns)) {
            for (column, value) in row.columns.iter().zip(&row.values) {
                let Some(value) = value else { continue };
                let key = (row.pod.name.to_string(), column.name.clone(), column.unit.clone(), row.time_ns as u64, value.to_bits());
                *self.points.entry(key).or_default() += 1;
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(resource: Option<&Resource>, key: &str) -> String {
    let found = resource.unwrap().attributes.iter().find(|attribute| attribute.key == key).unwrap();
    match found.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        other => panic!("{other:?}"),
    }
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

fn pack_up(path: &Path, fill: impl FnOnce(&mut tar::Builder<zstd::Encoder<'_, fs::File>>)) {
    let mut archive = tar::Builder::new(zstd::Encoder::new(fs::File::create(path).unwrap(), 1).unwrap());
    fill(&mut archive);
    archive.into_inner().unwrap().finish().unwrap();
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
fn bad_packs_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let say = |path: &Path| Pack::open(path).unwrap_err().to_string();
    assert!(say(&folder.path().join("nowhere")).contains("no such folder or archive"));
    let text = folder.path().join("notes.txt");
    fs::write(&text, "hello").unwrap();
    assert!(say(&text).contains("neither a folder nor a .tar.zst"));
    let noise = folder.path().join("noise.tar.zst");
    fs::write(&noise, "this is no archive").unwrap();
    assert!(say(&noise).contains("the archive cannot be read"), "{}", say(&noise));
    assert!(say(folder.path()).contains("not a layout this version knows"));

    let root = small_pack(folder.path());
    let whole = folder.path().join("whole.tar.zst");
    pack_up(&whole, |archive| archive.append_dir_all("small", &root).unwrap());
    let bytes = fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.tar.zst");
    for keep in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&cut, &bytes[..keep]).unwrap();
        assert!(say(&cut).contains("the archive cannot be read"), "{keep} bytes: {}", say(&cut));
    }

    fs::remove_file(root.join("cases/one/log.csv")).unwrap();
    assert!(say(&root).contains("missing cases/one/log.csv"), "{}", say(&root));
    fs::write(root.join("cases/one/log.csv"), "Timestamp,PodName\n").unwrap();
    assert!(say(&root).contains("no column TimeUnixNano"), "{}", say(&root));
    fs::write(root.join("cases/one/log.csv"), log_header()).unwrap();
    fs::write(root.join("labels.json"), "{}").unwrap();
    assert!(say(&root).contains("labels.json"), "{}", say(&root));
    fs::remove_file(root.join("labels.json")).unwrap();
    assert!(say(&root).contains("labels.json"), "{}", say(&root));
}

#[test]
fn an_archive_cannot_reach_outside_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.tar.zst");
    pack_up(&path, |archive| {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..16].copy_from_slice(b"../../etc/passwd");
        header.set_size(2);
        header.set_cksum();
        archive.append(&header, &b"hi"[..]).unwrap();
    });
    assert!(Pack::open(&path).unwrap_err().to_string().contains("leaves it"));
}

#[test]
fn unreadable_rows_are_counted_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = small_pack(folder.path());
    let path = root.join("cases/one/trace.csv");
    let good = fs::read_to_string(&path).unwrap();
    let bad = "short,row\nzz,00000000000000aa,root,p-1-a,op,1700000000000000000,1700000000000000001,1\n\
        01,02,root,p-1-a,op,1700000000000000009,1700000000000000001,1\n01,02,root,p-1-a,op,never,1700000000000000001,1\n";
    fs::write(&path, format!("{good}{bad}")).unwrap();
    let logs = root.join("cases/one/log.csv");
    let good_logs = fs::read_to_string(&logs).unwrap();
    let odd = "2023-11-14T22:13:20.5,-1,n,cart-1-a,c,01,02,\"{\"\"log\"\":\"\"a\"\"}rest\"\n\
        t,1700000000000000000,n,cart-1-a,c,none,,plain text, with a comma\nt,never,n,cart-1-a,c,01,02,x\n";
    fs::write(&logs, format!("{good_logs}{odd}")).unwrap();
    let pack = Pack::open(&root).unwrap();
    assert_eq!(pack.report.spans, 2 * (320 + 60));
    assert_eq!(pack.report.log_lines, 320 + 60 + 2);
    assert_eq!(pack.report.malformed_rows(), 5, "{:?}", pack.report.malformed);
    // Time taken from the text, text cut after its JSON, text kept as text (twice: one of them had no time), ids left out.
    assert_eq!(pack.report.repaired_rows(), 5, "{:?}", pack.report.repaired);
    assert!(pack.report.malformed.values().all(|trouble| trouble.examples[0].contains(".csv:")));
    let texts: Vec<&str> = pack.cases["one"].logs.iter().map(|log| &*log.text).collect();
    assert!(texts.contains(&"a") && texts.contains(&"plain text, with a comma"));
}

#[test]
fn other_recorded_layouts_are_named_as_not_yet_replayed() {
    for (name, layout) in [("petshop-dev", "petshop"), ("rootcausebench-dev", "rootcausebench"), ("nab-dev", "nab")] {
        let Some(path) = archive(name) else { return };
        let error = Pack::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("recognised as {layout}")), "{error}");
    }
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
    assert!(started.elapsed().as_secs() < 120, "44 episodes take under two minutes");
}
