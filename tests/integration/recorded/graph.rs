//! Issues on a call graph: what is in a pack comes out as request metrics, and the pipeline names whom it should.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use whydunit::app::evaluate::{self, Options};
use whydunit::evaluation::graph::{GraphEpisode, GraphFinding, GraphRun, evaluate_graph, issue_episode, quiet_episode};
use whydunit::evaluation::pack::{GraphIssue, GraphScenario, Interval, RequestLoad};
use whydunit::evaluation::{GraphPack, LoadReport, RankedService, RecordedPack};
use whydunit::model::{Source, Timestamp};

use super::archive;

/// Knows the answers, and is silent without an alarm.
struct Oracle;

impl GraphRun for Oracle {
    fn run(&mut self, episode: &GraphEpisode) -> Result<Vec<GraphFinding>, String> {
        let alarm = episode.records.iter().find(|record| record.source == Source::Manual);
        let finding = |at| GraphFinding {
            opened_at: at,
            told: true,
            services: vec![RankedService { service: "PetSearch_AWS::ECS::Fargate".to_owned(), score: 0.9 }],
            ..GraphFinding::default()
        };
        Ok(alarm.map(|alarm| finding(alarm.timestamp)).into_iter().collect())
    }
}

#[test]
fn a_perfect_engine_names_every_service_and_nobody_without_an_issue() {
    let Some(path) = archive("petshop-dev") else { return };
    let RecordedPack::Graph(pack) = RecordedPack::open(&path).unwrap() else { panic!("another kind") };
    print!("{}", pack.report.to_text());
    assert_eq!((pack.set.as_str(), pack.scenarios.len(), pack.issues().count()), ("petshop-dev", 2, 16));
    assert_eq!(pack.report.malformed_rows(), 0);
    assert_eq!(pack.scenarios.iter().map(|scenario| scenario.calls.len()).collect::<Vec<_>>(), [47, 44]);
    let report = evaluate_graph(&pack, "recorded", &mut Oracle, &mut |_| {});
    println!("{}", report.to_text());
    let figures = &report.graph;
    assert_eq!((figures.top1, figures.top3, figures.specificity, figures.quiet_windows), (1.0, 1.0, 1.0, 118));
    assert_eq!((figures.unaided_opened, report.errors.len()), (0, 0));
}

/// web → shop → stock, in intervals of five minutes; `slow` says of how many milliseconds each takes.
fn interval(index: i64, slow: bool) -> Interval {
    let wobble = (index * 7) % 5;
    let load = |name: &str, requests: i64, mean_ms: i64| {
        let load = RequestLoad { requests: (requests + wobble) as u64, failed: 1, latency_s: (mean_ms + wobble) as f64 / 1e3 };
        (Arc::from(name), load)
    };
    let extra = if slow { 400 } else { 0 };
    let loads = vec![load("web", 900, 90 + extra), load("shop", 900, 60 + extra), load("stock", 900, 30 + extra), load("mail", 300, 50)];
    Interval { starts_at: Timestamp::from_seconds(1_780_000_200 + 300 * index), loads }
}

fn pack() -> GraphPack {
    let call = |caller: &str, callee: &str| (caller.to_owned(), callee.to_owned());
    let issue = GraphIssue {
        name: "shop/1".to_owned(),
        alarm_at: Timestamp::from_seconds(1_780_000_200 + 300 * 201 + 100),
        alarmed: "web".to_owned(),
        metric: "latency".to_owned(),
        root_cause: "stock".to_owned(),
        intervals: (200..205).map(|index| interval(index, index > 200)).collect(),
    };
    let scenario = GraphScenario {
        name: "shop".to_owned(),
        calls: vec![call("web", "shop"), call("shop", "stock"), call("shop", "mail")],
        quiet: (0..100).map(|index| interval(index, false)).collect(),
        issues: vec![issue],
    };
    GraphPack { set: "made".to_owned(), scenarios: vec![scenario], report: LoadReport::default() }
}

#[test]
fn an_interval_is_told_of_when_it_is_over() {
    let pack = pack();
    let scenario = &pack.scenarios[0];
    let told = issue_episode(scenario, &scenario.issues[0], true, "made");
    let unaided = issue_episode(scenario, &scenario.issues[0], false, "made");
    assert_eq!((told.records.len(), unaided.records.len()), (unaided.records.len() + 1, 105 * 5));
    assert!(told.records.is_sorted_by_key(|record| record.timestamp));
    assert_eq!(quiet_episode(scenario, "made").records.len(), 100 * 5);
    let first = unaided.records.iter().find(|record| record.key.as_deref() == Some(b"stock")).unwrap();
    let request = ExportMetricsServiceRequest::decode(first.value.as_slice()).unwrap();
    let Some(Data::Histogram(histogram)) = &request.resource_metrics[0].scope_metrics[0].metrics[0].data else { panic!("no histogram") };
    let counts: Vec<u64> = histogram.data_points.iter().map(|point| point.count).collect();
    assert_eq!(counts, [899, 1]);
    assert_eq!(histogram.data_points[0].time_unix_nano as i64, first.timestamp.nanos());
    assert_eq!(histogram.data_points[0].time_unix_nano - histogram.data_points[0].start_time_unix_nano, 300_000_000_000);
}

#[test]
fn who_slows_all_its_callers_down_is_found_by_request_metrics_alone() {
    let report = evaluate::graph(&pack(), &Options { shards: 2, ..Options::default() }, &|_| {});
    println!("{}", report.to_text());
    let figures = &report.graph;
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!((figures.top1, figures.specificity), (1.0, 1.0));
    assert_eq!((figures.unaided_opened, figures.unaided_top1), (1, 1));
}
