//! The petshop layout: for each scenario `graph.csv` (who calls whom), `noissue/metrics.csv` and
//! `issues/<issue>/{metrics.csv,target.json}`. Its tables have three header rows: service, metric, statistic.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;

use super::LoadReport;
use super::layout::Recognised;
use super::source::PackSource;
use super::table::Table;
use crate::evaluation::EvaluationError;
use crate::model::Timestamp;

/// Times after the year 2200 are no times.
const LATEST_S: f64 = 7.3e9;
/// More requests than this in one interval are no count.
const REQUESTS_MAX: f64 = 1e12;

/// Issues of systems of which the requests of each service and the call graph are known.
#[derive(Debug)]
pub struct GraphPack {
    pub set: String,
    /// In order of their names.
    pub scenarios: Vec<GraphScenario>,
    pub report: LoadReport,
}

/// One system under one load.
#[derive(Debug)]
pub struct GraphScenario {
    pub name: String,
    /// (caller, callee).
    pub calls: Vec<(String, String)>,
    /// Intervals without an issue, in order.
    pub quiet: Vec<Interval>,
    pub issues: Vec<GraphIssue>,
}

/// One issue: who raised the alarm, who caused it.
#[derive(Debug)]
pub struct GraphIssue {
    /// `<scenario>/<issue>`.
    pub name: String,
    pub alarm_at: Timestamp,
    pub alarmed: String,
    /// `latency` or `availability`.
    pub metric: String,
    pub root_cause: String,
    pub intervals: Vec<Interval>,
}

/// What all services did in one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    pub starts_at: Timestamp,
    pub loads: Vec<(Arc<str>, RequestLoad)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestLoad {
    pub requests: u64,
    pub failed: u64,
    /// Mean, seconds.
    pub latency_s: f64,
}

impl GraphPack {
    pub fn issues(&self) -> impl Iterator<Item = (&GraphScenario, &GraphIssue)> {
        self.scenarios.iter().flat_map(|scenario| scenario.issues.iter().map(move |issue| (scenario, issue)))
    }
}

#[derive(Deserialize)]
struct Target {
    target: TargetAlarm,
    root_cause: TargetCause,
}

#[derive(Deserialize)]
struct TargetAlarm {
    node: String,
    metric: String,
    timestamp: i64,
}

#[derive(Deserialize)]
struct TargetCause {
    node: String,
}

#[derive(Default)]
struct Parts {
    calls: Option<Vec<(String, String)>>,
    quiet: Option<Vec<Interval>>,
    issues: BTreeMap<String, IssueParts>,
}

#[derive(Default)]
struct IssueParts {
    target: Option<Target>,
    intervals: Option<Vec<Interval>>,
}

pub(super) fn load(source: &PackSource, recognised: Recognised) -> Result<GraphPack, EvaluationError> {
    let mut report = LoadReport::default();
    let mut scenarios: BTreeMap<String, Parts> = BTreeMap::new();
    source.visit(&mut |name, bytes| {
        let Some(inside) = name.strip_prefix(&recognised.prefix) else { return Ok(()) };
        // The pack's own folder may stand before the scenario.
        let path: Vec<&str> = inside.split('/').rev().collect();
        match path.as_slice() {
            ["graph.csv", scenario, ..] => {
                scenarios.entry((*scenario).to_owned()).or_default().calls = Some(read_calls(inside, bytes, &mut report)?);
            }
            ["metrics.csv", "noissue", scenario, ..] => {
                scenarios.entry((*scenario).to_owned()).or_default().quiet = Some(read_intervals(inside, bytes, &mut report)?);
            }
            ["metrics.csv", issue, "issues", scenario, ..] => {
                issue_of(&mut scenarios, scenario, issue).intervals = Some(read_intervals(inside, bytes, &mut report)?);
            }
            ["target.json", issue, "issues", scenario, ..] => {
                let target = serde_json::from_reader(bytes);
                let target = target.map_err(|error| EvaluationError::BadFile { file: inside.to_owned(), reason: error.to_string() })?;
                issue_of(&mut scenarios, scenario, issue).target = Some(target);
            }
            _ => report.ignore(inside),
        }
        Ok(())
    })?;
    let scenarios = scenarios.into_iter().map(|(name, parts)| scenario(&recognised.set, name, parts)).collect::<Result<_, _>>()?;
    Ok(GraphPack { set: recognised.set, scenarios, report })
}

fn issue_of<'a>(scenarios: &'a mut BTreeMap<String, Parts>, scenario: &str, issue: &str) -> &'a mut IssueParts {
    scenarios.entry(scenario.to_owned()).or_default().issues.entry(issue.to_owned()).or_default()
}

fn scenario(set: &str, name: String, parts: Parts) -> Result<GraphScenario, EvaluationError> {
    let missing = |file: &str| EvaluationError::MissingFile {
        set: set.to_owned(),
        file: format!("{name}/{file}"),
        why: "every scenario has one".to_owned(),
    };
    let mut issues = Vec::with_capacity(parts.issues.len());
    for (issue, parts) in parts.issues {
        let target = parts.target.ok_or_else(|| missing(&format!("issues/{issue}/target.json")))?;
        issues.push(GraphIssue {
            name: format!("{name}/{issue}"),
            alarm_at: Timestamp::from_seconds(target.target.timestamp),
            alarmed: target.target.node,
            metric: target.target.metric,
            root_cause: target.root_cause.node,
            intervals: parts.intervals.ok_or_else(|| missing(&format!("issues/{issue}/metrics.csv")))?,
        });
    }
    let calls = parts.calls.ok_or_else(|| missing("graph.csv"))?;
    let quiet = parts.quiet.ok_or_else(|| missing("noissue/metrics.csv"))?;
    Ok(GraphScenario { calls, quiet, issues, name })
}

/// A square of 0 and 1: the row's service calls the column's.
fn read_calls(file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<Vec<(String, String)>, EvaluationError> {
    let mut table = Table::open(file, bytes)?;
    let callees = table.header.clone();
    let mut calls = Vec::new();
    while table.next()? {
        let Ok(caller) = table.cell(0) else {
            report.refuse("row whose service is not UTF-8", file, table.line());
            continue;
        };
        for (column, callee) in callees.iter().enumerate().skip(1) {
            match table.cell(column).ok().and_then(|cell| cell.trim().parse::<f64>().ok()) {
                Some(number) if number != 0.0 => calls.push((caller.trim().to_owned(), callee.clone())),
                Some(_) => {}
                None => report.refuse("call that is no number", file, table.line()),
            }
        }
    }
    calls.sort_unstable();
    calls.dedup();
    Ok(calls)
}

/// Columns of one service.
#[derive(Clone, Copy, Default)]
struct Columns {
    requests: Option<usize>,
    availability: Option<usize>,
    latency: Option<usize>,
}

fn read_intervals(file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<Vec<Interval>, EvaluationError> {
    let mut table = Table::open(file, bytes)?;
    let services = table.header.clone();
    let metrics = header_row(&mut table, file, services.len())?;
    let statistics = header_row(&mut table, file, services.len())?;
    let mut columns: BTreeMap<Arc<str>, Columns> = BTreeMap::new();
    for (index, service) in services.iter().enumerate().skip(1) {
        let of = columns.entry(service.as_str().into()).or_default();
        match (metrics[index].as_str(), statistics[index].as_str()) {
            ("requests", "Sum") => of.requests = Some(index),
            ("availability", "Average") => of.availability = Some(index),
            ("latency", "Average") => of.latency = Some(index),
            _ => {}
        }
    }
    if columns.values().all(|columns| columns.requests.is_none() || columns.latency.is_none()) {
        return Err(EvaluationError::BadFile { file: file.to_owned(), reason: "no service with requests and latency".to_owned() });
    }
    let mut intervals = Vec::new();
    while table.next()? {
        let Some(starts_s) = number(&table, 0).filter(|time_s| (0.0..LATEST_S).contains(time_s)) else {
            // The fourth header row, or a row without a time.
            if table.cell(0).is_ok_and(|cell| cell.trim() != "unix_timestamp") {
                report.refuse("row without a readable time", file, table.line());
            }
            continue;
        };
        let loads: Vec<(Arc<str>, RequestLoad)> =
            columns.iter().filter_map(|(service, columns)| Some((Arc::clone(service), load_of(&table, *columns)?))).collect();
        report.metric_rows += 1;
        report.metric_points += 3 * loads.len() as u64;
        report.metric_blanks += 3 * (columns.len() - loads.len()) as u64;
        intervals.push(Interval { starts_at: Timestamp::from_millis((starts_s * 1e3) as i64), loads });
    }
    intervals.sort_by_key(|interval| interval.starts_at);
    intervals.dedup_by_key(|interval| interval.starts_at);
    Ok(intervals)
}

fn header_row(table: &mut Table<'_>, file: &str, columns: usize) -> Result<Vec<String>, EvaluationError> {
    let short = || EvaluationError::BadFile { file: file.to_owned(), reason: "fewer than three header rows".to_owned() };
    if !table.next()? {
        return Err(short());
    }
    (0..columns).map(|column| table.cell(column).map(|cell| cell.trim().to_owned()).map_err(|_| short())).collect()
}

fn number(table: &Table<'_>, column: usize) -> Option<f64> {
    table.cell(column).ok()?.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// `None` while the service had no requests or does not say how long they took.
fn load_of(table: &Table<'_>, columns: Columns) -> Option<RequestLoad> {
    let requests = number(table, columns.requests?).filter(|count| (0.5..REQUESTS_MAX).contains(count))?.round();
    let latency_s = number(table, columns.latency?).filter(|seconds| *seconds >= 0.0)?;
    let available = columns.availability.and_then(|column| number(table, column)).unwrap_or(100.0).clamp(0.0, 100.0);
    let failed = ((1.0 - available / 100.0) * requests).round();
    Some(RequestLoad { requests: requests as u64, failed: failed as u64, latency_s })
}
