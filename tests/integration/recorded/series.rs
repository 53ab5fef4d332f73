//! Labelled series of one metric, through the whole pipeline.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use whydunit::app::evaluate::{Options, metric, quiet_days};
use whydunit::evaluation::metric::report::Figures;
use whydunit::evaluation::{MetricPack, RecordedPack};
use whydunit::model::Timestamp;

use super::archive;

/// Start of the series, in March 2026.
const START_S: i64 = 1_773_000_000;
const STEP_S: i64 = 300;
const POINTS: i64 = 14 * 288;
/// A day that is like a night, and its window.
const MISSING: std::ops::Range<i64> = 3_000..3_288;
const WINDOW: (i64, i64) = (2_960, 3_360);

fn at(point: i64) -> Timestamp {
    Timestamp::from_seconds(START_S + STEP_S * point)
}

/// One series with a missing day and one without.
fn small_series(folder: &Path) -> PathBuf {
    let root = folder.join("series");
    fs::create_dir_all(root.join("data/shop")).unwrap();
    for (name, missing) in [("orders.csv", MISSING), ("visits.csv", 0..0)] {
        let mut rows = "timestamp,value\n".to_owned();
        for point in 0..POINTS {
            // No two points alike, and the same in every run.
            let noise = (point * 7_919 % 101) as f64 / 101.0;
            let day = (TAU * point as f64 / 288.0).sin();
            let value = if missing.contains(&point) { 20.0 } else { 60.0 + 40.0 * day } + 6.0 * noise;
            rows += &format!("{},{value:.3}\n", &at(point).to_string()[..19].replace('T', " "));
        }
        fs::write(root.join("data/shop").join(name), rows).unwrap();
    }
    let time = |point| at(point).to_string()[..19].replace('T', " ");
    let windows = format!(r#"{{"shop/orders.csv":[["{}","{}"]],"shop/visits.csv":[]}}"#, time(WINDOW.0), time(WINDOW.1));
    fs::write(root.join("combined_windows.json"), windows).unwrap();
    root
}

fn opened(path: &Path) -> MetricPack {
    match RecordedPack::open(path).unwrap() {
        RecordedPack::Metrics(pack) => pack,
        other => panic!("{} is another kind", other.set()),
    }
}

fn options(shards: usize) -> Options {
    Options { shards, ..Options::default() }
}

#[test]
fn a_missing_day_is_found_among_days_and_the_days_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let pack = opened(&small_series(folder.path()));
    assert_eq!((pack.report.metric_points, pack.series[0].windows.as_slice()), (2 * POINTS as u64, [(2_960, 3_360)].as_slice()));
    let report = metric::recorded_series(&pack, &options(1), &|_| {}).unwrap();
    println!("{}", report.to_text());
    let Figures { windows, windows_found, false_points, .. } = report.metric.all;
    assert_eq!((report.n, windows, windows_found), (2, 1, 1));
    assert!(false_points <= 8, "a false alarm in a thousand points at most: {false_points}");
    assert_eq!(metric::recorded_series(&pack, &options(2), &|_| {}).unwrap(), report, "whatever the number of shards");
}

#[test]
fn series_that_cannot_be_judged_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let root = small_series(folder.path());
    let told = |windows: &str| {
        fs::write(root.join("combined_windows.json"), windows).unwrap();
        RecordedPack::open(&root).unwrap_err().to_string()
    };
    assert!(told(r#"{"shop/sales.csv":[]}"#).contains("missing data/shop/sales.csv"));
    assert!(told(r#"{"shop/orders.csv":[["soon","later"]]}"#).contains("shop/orders.csv: windows that cannot be read"));
    assert!(told("[]").starts_with("combined_windows.json"));
}

#[test]
fn the_recorded_series_are_read_whole() {
    let Some(path) = archive("nab-dev") else { return };
    let pack = opened(&path);
    print!("{}", pack.report.to_text());
    let windows: usize = pack.series.iter().map(|series| series.windows.len()).sum();
    assert_eq!((pack.series.len(), windows, pack.report.malformed_rows()), (27, 53, 0));
}

#[test]
#[ignore = "minutes; part of make proof"]
fn floor_of_the_recorded_series() {
    let Some(path) = archive("nab-dev") else { return };
    let report = metric::recorded_series(&opened(&path), &options(1), &|_| {}).unwrap();
    println!("{}", report.to_text());
    assert!(report.metric.all.score >= 65.0 && report.metric.all.windows_found >= 45, "{:?}", report.metric.all);
}

#[test]
#[ignore = "minutes; part of make proof"]
fn floor_of_the_metric_suite() {
    let report = metric::suite(0, &options(1), &|_| {}).unwrap();
    println!("{}", report.to_text());
    assert!(report.metric.all.score >= 50.0, "{:?}", report.metric.all);
    assert!(report.quiet.false_per_hour <= 0.1, "{:?}", report.quiet);
}

#[test]
#[ignore = "minutes; part of make proof"]
fn floor_of_quiet_metric_days() {
    let Some(pack) = super::recorded() else { return };
    let report = quiet_days::quiet_days(pack, &options(1), &|_| {}).unwrap();
    println!("{}", report.to_text());
    assert!(report.quiet.false_per_hour <= 0.1, "{report:?}");
}
