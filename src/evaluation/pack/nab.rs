//! The layout of the Numenta Anomaly Benchmark: `combined_windows.json`, and `data/<family>/<series>.csv`.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use super::LoadReport;
use super::layout::Recognised;
use super::source::PackSource;
use super::table::{Table, parse_text_time};
use crate::evaluation::{EvaluationError, MetricSeries};
use crate::model::Timestamp;

/// Labelled series of one metric each.
#[derive(Debug)]
pub struct MetricPack {
    pub set: String,
    /// In order of their names.
    pub series: Vec<MetricSeries>,
    pub report: LoadReport,
}

/// First and last instant of each window, by series.
type Windows = BTreeMap<String, Vec<[String; 2]>>;

pub(super) fn load(source: &PackSource, recognised: Recognised) -> Result<MetricPack, EvaluationError> {
    let mut report = LoadReport::default();
    let mut windows: Option<Windows> = None;
    let mut points: BTreeMap<String, Vec<(Timestamp, f64)>> = BTreeMap::new();
    source.visit(&mut |name, bytes| {
        let Some(inside) = name.strip_prefix(&recognised.prefix) else { return Ok(()) };
        match inside.strip_prefix("data/") {
            None if inside == "combined_windows.json" => windows = Some(read_windows(inside, bytes)?),
            Some(series) if series.ends_with(".csv") => {
                points.insert(series.to_owned(), read_points(inside, bytes, &mut report)?);
            }
            _ => report.ignore(inside),
        }
        Ok(())
    })?;
    let missing = |file: String, why: &str| EvaluationError::MissingFile { set: recognised.set.clone(), file, why: why.to_owned() };
    let windows = windows.ok_or_else(|| missing("combined_windows.json".to_owned(), "it says when something was wrong"))?;
    let mut series = Vec::with_capacity(windows.len());
    for (name, windows) in windows {
        let found = points.remove(&name).filter(|points| !points.is_empty());
        let points = found.ok_or_else(|| missing(format!("data/{name}"), "combined_windows.json names this series"))?;
        let windows = indexed(&name, &points, &windows)?;
        // Series with an anomaly and those without belong together: the latter show what is no reason for an alarm.
        let family = name.split('/').next().unwrap_or_default();
        let family = if family.starts_with("artificial") { "artificial" } else { family }.to_owned();
        series.push(MetricSeries { name, family, points, windows, kinds: Vec::new() });
    }
    for name in points.keys() {
        report.ignore(&format!("data/{name} (no windows)"));
    }
    report.ignored_files.sort_unstable();
    Ok(MetricPack { set: recognised.set, series, report })
}

fn read_windows(file: &str, bytes: &mut dyn Read) -> Result<Windows, EvaluationError> {
    serde_json::from_reader(BufReader::new(bytes)).map_err(|error| bad(file, &error.to_string()))
}

fn bad(file: &str, reason: &str) -> EvaluationError {
    EvaluationError::BadFile { file: file.to_owned(), reason: reason.to_owned() }
}

fn read_points(file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<Vec<(Timestamp, f64)>, EvaluationError> {
    let mut table = Table::open(file, bytes)?;
    let [at, value] = table.columns(["timestamp", "value"])?;
    let mut points = Vec::new();
    while table.next()? {
        let time_ns = table.cell(at).ok().and_then(|text| parse_text_time(&text));
        let number = table.cell(value).ok().and_then(|text| text.trim().parse::<f64>().ok()).filter(|number| number.is_finite());
        match (time_ns, number) {
            (Some(time_ns), Some(number)) => points.push((Timestamp::from_nanos(time_ns), number)),
            _ => report.refuse("row without a readable time or value", file, table.line()),
        }
    }
    if !points.is_sorted_by_key(|(at, _)| *at) {
        return Err(bad(file, "its rows are not in order of time"));
    }
    report.metric_rows += points.len() as u64;
    report.metric_points += points.len() as u64;
    Ok(points)
}

/// Windows as first and last point: those nearest in time.
fn indexed(name: &str, points: &[(Timestamp, f64)], windows: &[[String; 2]]) -> Result<Vec<(usize, usize)>, EvaluationError> {
    let index = |text: &String| {
        let at = parse_text_time(text)?;
        points.iter().enumerate().min_by_key(|(_, (time, _))| time.nanos().abs_diff(at)).map(|(index, _)| index)
    };
    let window = |[first, last]: &[String; 2]| index(first).zip(index(last)).filter(|(first, last)| first <= last);
    let indexed: Option<Vec<_>> = windows.iter().map(window).collect();
    let indexed = indexed.filter(|windows| windows.windows(2).all(|pair| pair[0].1 < pair[1].0));
    indexed.ok_or_else(|| bad("combined_windows.json", &format!("{name}: windows that cannot be read, or overlap")))
}
