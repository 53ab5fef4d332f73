//! The rootcausebench layout: `labels.json`, and for each case `logs.ndjson`, `metrics.csv`, `traces.json`, `alert.json`
//! and `context/{commits,deploys,flags}.json`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::LoadReport;
use super::layout::Recognised;
use super::source::PackSource;
use super::table::{Table, parse_text_time};
use crate::evaluation::EvaluationError;
use crate::model::Timestamp;

/// A line of JSON longer than this is refused.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Deepest instant a span may reach after its start.
const DURATION_MS_MAX: f64 = 86_400_000.0;

/// Incidents, each with the changes before it.
#[derive(Debug)]
pub struct ChangePack {
    pub set: String,
    /// In order of their names.
    pub cases: Vec<ChangeCase>,
    pub report: LoadReport,
}

/// What was behind an incident.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ChangeLabel {
    pub case: String,
    /// Commit id, or `none` when no change caused it.
    pub root_cause_commit: String,
    #[serde(default)]
    pub first_failing_service: String,
    /// Innocent commits that look guilty.
    #[serde(default)]
    pub decoy_deploy_commits: Vec<String>,
    #[serde(default)]
    pub scenario: String,
}

impl ChangeLabel {
    /// The guilty commit; `None` when there is none.
    pub fn commit(&self) -> Option<&str> {
        (self.root_cause_commit != "none").then_some(self.root_cause_commit.as_str())
    }
}

/// One incident's telemetry and context.
#[derive(Debug)]
pub struct ChangeCase {
    pub label: ChangeLabel,
    pub alert: ContextEvent,
    pub logs: Vec<LogEntry>,
    pub points: Vec<Point>,
    pub spans: Vec<SpanEntry>,
    pub commits: Vec<ContextEvent>,
    pub deploys: Vec<ContextEvent>,
    pub flags: Vec<ContextEvent>,
    /// Trouble that providers' status feeds report.
    pub statuses: Vec<ContextEvent>,
}

/// A commit, a deployment, a flag or an alert: its time and all its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextEvent {
    pub at: Timestamp,
    pub fields: Map<String, Value>,
}

impl ContextEvent {
    /// A text field; empty when it is absent.
    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    pub at: Timestamp,
    pub service: String,
    pub level: String,
    pub message: String,
    pub trace: String,
    pub attributes: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub at: Timestamp,
    pub service: String,
    pub metric: String,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SpanEntry {
    pub start: Timestamp,
    pub end: Timestamp,
    pub trace: String,
    pub span: String,
    pub parent: String,
    pub service: String,
    pub name: String,
    pub failed: bool,
    pub message: String,
    pub attributes: Map<String, Value>,
}

#[derive(Default)]
struct Parts {
    alert: Option<ContextEvent>,
    logs: Option<Vec<LogEntry>>,
    points: Option<Vec<Point>>,
    spans: Vec<SpanEntry>,
    commits: Vec<ContextEvent>,
    deploys: Vec<ContextEvent>,
    flags: Vec<ContextEvent>,
    statuses: Vec<ContextEvent>,
}

pub(super) fn load(source: &PackSource, recognised: Recognised) -> Result<ChangePack, EvaluationError> {
    let mut report = LoadReport::default();
    let mut labels: Option<Vec<ChangeLabel>> = None;
    let mut cases: BTreeMap<String, Parts> = BTreeMap::new();
    source.visit(&mut |name, bytes| {
        let Some(inside) = name.strip_prefix(&recognised.prefix) else { return Ok(()) };
        let path: Vec<&str> = inside.split('/').collect();
        match path.as_slice() {
            ["labels.json"] => labels = Some(read_json(inside, bytes)?),
            ["cases", case, rest @ ..] => {
                read_part(cases.entry((*case).to_owned()).or_default(), &rest.join("/"), inside, bytes, &mut report)?
            }
            _ => report.ignore(inside),
        }
        Ok(())
    })?;
    let missing = |file: String, why: &str| EvaluationError::MissingFile { set: recognised.set.clone(), file, why: why.to_owned() };
    let mut labels = labels.ok_or_else(|| missing("labels.json".to_owned(), "it says which change caused each incident"))?;
    labels.sort_by(|a, b| a.case.cmp(&b.case));
    if labels.is_empty() || labels.windows(2).any(|pair| pair[0].case == pair[1].case) {
        return Err(EvaluationError::BadLabels("it names no case, or one twice".to_owned()));
    }
    let mut loaded = Vec::with_capacity(labels.len());
    for label in labels {
        let parts = cases.remove(&label.case).unwrap_or_default();
        let file = |name: &str| missing(format!("cases/{}/{name}", label.case), "labels.json names this case");
        loaded.push(ChangeCase {
            alert: parts.alert.ok_or_else(|| file("alert.json"))?,
            logs: parts.logs.ok_or_else(|| file("logs.ndjson"))?,
            points: parts.points.ok_or_else(|| file("metrics.csv"))?,
            spans: parts.spans,
            commits: parts.commits,
            deploys: parts.deploys,
            flags: parts.flags,
            statuses: parts.statuses,
            label,
        });
    }
    for case in cases.keys() {
        report.ignore(&format!("cases/{case} (no label)"));
    }
    report.ignored_files.sort_unstable();
    Ok(ChangePack { set: recognised.set, cases: loaded, report })
}

fn read_part(parts: &mut Parts, part: &str, file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<(), EvaluationError> {
    match part {
        "alert.json" => {
            let fields: Map<String, Value> = read_json(file, bytes)?;
            let alert = context_event(fields, "fired_at");
            parts.alert = Some(alert.ok_or_else(|| bad(file, "no readable fired_at"))?);
        }
        "logs.ndjson" => parts.logs = Some(read_logs(file, bytes, report)?),
        "metrics.csv" => parts.points = Some(read_points(file, bytes, report)?),
        "traces.json" => parts.spans = read_spans(file, bytes, report)?,
        "context/commits.json" => parts.commits = read_context(file, bytes, report)?,
        "context/deploys.json" => parts.deploys = read_context(file, bytes, report)?,
        "status_feed.json" => parts.statuses = read_statuses(file, bytes)?,
        "context/flags.json" => parts.flags = read_context(file, bytes, report)?,
        _ => report.ignore(file),
    }
    Ok(())
}

fn bad(file: &str, reason: &str) -> EvaluationError {
    EvaluationError::BadFile { file: file.to_owned(), reason: reason.to_owned() }
}

fn read_json<T: DeserializeOwned>(file: &str, bytes: &mut dyn Read) -> Result<T, EvaluationError> {
    serde_json::from_reader(BufReader::new(bytes)).map_err(|error| {
        let reason = error.to_string();
        match error.io_error_kind() {
            Some(kind) => EvaluationError::Io { path: file.to_owned(), source: std::io::Error::new(kind, reason) },
            None => EvaluationError::BadFile { file: file.to_owned(), reason },
        }
    })
}

fn time_of(fields: &Map<String, Value>, field: &str) -> Option<Timestamp> {
    fields.get(field).and_then(Value::as_str).and_then(parse_text_time).map(Timestamp::from_nanos)
}

fn context_event(fields: Map<String, Value>, time_field: &str) -> Option<ContextEvent> {
    Some(ContextEvent { at: time_of(&fields, time_field)?, fields })
}

fn read_context(file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<Vec<ContextEvent>, EvaluationError> {
    let items: Vec<Map<String, Value>> = read_json(file, bytes)?;
    let mut events = Vec::with_capacity(items.len());
    for (index, fields) in items.into_iter().enumerate() {
        match context_event(fields, "timestamp") {
            Some(event) => events.push(event),
            None => report.refuse("context without a readable timestamp", file, index as u64),
        }
    }
    Ok(events)
}

/// Entries of a status feed that report trouble: incidents of a status page, or events of a health dashboard.
fn read_statuses(file: &str, bytes: &mut dyn Read) -> Result<Vec<ContextEvent>, EvaluationError> {
    let feed: Map<String, Value> = read_json(file, bytes)?;
    let entries = ["events", "incidents"].into_iter().filter_map(|list| feed.get(list)?.as_array()).flatten();
    let says = |fields: &Map<String, Value>, key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let is_trouble = |fields: &Map<String, Value>| {
        let calm = ["operating-normally", "operational", "normal", "ok", "maintenance", "scheduled"];
        !calm.contains(&says(fields, "status").as_str()) && says(fields, "impact") != "none"
    };
    let troubled = entries.filter_map(Value::as_object).filter(|fields| is_trouble(fields)).cloned();
    Ok(troubled.filter_map(|fields| context_event(fields, "started_at")).collect())
}

/// Takes a text field out of the rest.
fn take_text(fields: &mut Map<String, Value>, field: &str) -> String {
    match fields.remove(field) {
        Some(Value::String(text)) => text,
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn read_logs(file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<Vec<LogEntry>, EvaluationError> {
    let mut reader = BufReader::new(bytes);
    let (mut logs, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|source| EvaluationError::Io { path: file.to_owned(), source })?;
        if read == 0 {
            report.log_lines += logs.len() as u64;
            return Ok(logs);
        }
        number += 1;
        match serde_json::from_slice::<Map<String, Value>>(&line).ok().and_then(log_entry) {
            Some(entry) => logs.push(entry),
            None if line.iter().all(u8::is_ascii_whitespace) => {}
            None => report.refuse("log line without readable JSON, time or service", file, number),
        }
    }
}

fn log_entry(mut fields: Map<String, Value>) -> Option<LogEntry> {
    let at = time_of(&fields, "timestamp")?;
    fields.remove("timestamp");
    let service = take_text(&mut fields, "service");
    let (level, message, trace) =
        (take_text(&mut fields, "severity_text"), take_text(&mut fields, "msg"), take_text(&mut fields, "trace_id"));
    (!service.is_empty()).then_some(LogEntry { at, service, level, message, trace, attributes: fields })
}

fn read_points(file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<Vec<Point>, EvaluationError> {
    let mut table = Table::open(file, bytes)?;
    let [at, service, metric, value] = table.columns(["timestamp", "service", "metric", "value"])?;
    let mut points = Vec::new();
    while table.next()? {
        let time_ns = table.cell(at).ok().and_then(|text| parse_text_time(&text));
        let number = table.cell(value).ok().and_then(|text| text.trim().parse::<f64>().ok()).filter(|number| number.is_finite());
        match (time_ns, table.cell(service), table.cell(metric), number) {
            (Some(time_ns), Ok(service), Ok(metric), Some(value)) if !service.is_empty() && !metric.is_empty() => {
                points.push(Point { at: Timestamp::from_nanos(time_ns), service, metric, value });
            }
            _ => report.refuse("metric row without readable time, service, metric or value", file, table.line()),
        }
    }
    report.metric_rows += points.len() as u64;
    report.metric_points += points.len() as u64;
    Ok(points)
}

fn read_spans(file: &str, bytes: &mut dyn Read, report: &mut LoadReport) -> Result<Vec<SpanEntry>, EvaluationError> {
    let items: Vec<Map<String, Value>> = read_json(file, bytes)?;
    let mut spans = Vec::with_capacity(items.len());
    for (index, fields) in items.into_iter().enumerate() {
        match span_entry(fields) {
            Some(span) => spans.push(span),
            None => report.refuse("span without readable ids, start, duration or service", file, index as u64),
        }
    }
    report.spans += spans.len() as u64;
    Ok(spans)
}

fn span_entry(mut fields: Map<String, Value>) -> Option<SpanEntry> {
    let start = time_of(&fields, "start")?;
    let duration_ms = fields.get("duration_ms")?.as_f64().filter(|ms| (0.0..=DURATION_MS_MAX).contains(ms))?;
    fields.remove("start");
    fields.remove("duration_ms");
    let (trace, span, parent) =
        (take_text(&mut fields, "trace_id"), take_text(&mut fields, "span_id"), take_text(&mut fields, "parent_id"));
    let (service, name, status) = (take_text(&mut fields, "service"), take_text(&mut fields, "name"), take_text(&mut fields, "status"));
    let (error, said) = (take_text(&mut fields, "error"), take_text(&mut fields, "status_message"));
    if trace.is_empty() || span.is_empty() || service.is_empty() {
        return None;
    }
    let message = if error.is_empty() { said } else { error };
    let end = start.plus_nanos((duration_ms * 1e6) as i64);
    Some(SpanEntry { start, end, trace, span, parent, service, name, failed: status == "ERROR", message, attributes: fields })
}
