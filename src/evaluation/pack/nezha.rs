//! The nezha-tt layout: `labels.json`, `cases/<id>/{log,trace}.csv`, `quiet/<day>/{log,trace}.csv`,
//! `metrics/<day>/<pod>_metric.csv`. Columns are found by their names, rows that cannot be read are counted with a reason.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;

use super::layout::Recognised;
use super::rows::{LogRow, MetricColumn, MetricRow, Pod, Recording, SpanRow};
use super::source::PackSource;
use super::table::{EARLIEST_NS, Table, parse_hex, parse_text_time, parse_time};
use super::{Label, LoadReport, Pack};
use crate::evaluation::EvaluationError;

/// Reads all files of the layout into one pack.
pub(super) fn load(source: &PackSource, recognised: Recognised) -> Result<Pack, EvaluationError> {
    let mut loader = Loader::default();
    source.visit(&mut |name, bytes| match name.strip_prefix(&recognised.prefix) {
        Some(inside) => loader.file(inside, bytes),
        None => Ok(()),
    })?;
    loader.finish(recognised.set)
}

#[derive(Default)]
struct Loader {
    labels: Option<Vec<Label>>,
    cases: BTreeMap<String, Parts>,
    quiet: BTreeMap<String, Parts>,
    metrics: BTreeMap<String, Vec<MetricRow>>,
    report: LoadReport,
    pods: HashSet<Arc<Pod>>,
    texts: HashSet<Arc<str>>,
}

/// The two files of a recording.
#[derive(Default)]
struct Parts {
    spans: Option<Vec<SpanRow>>,
    logs: Option<Vec<LogRow>>,
}

impl Loader {
    fn file(&mut self, name: &str, bytes: &mut dyn Read) -> Result<(), EvaluationError> {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["labels.json"] => self.labels = Some(read_labels(bytes)?),
            ["cases", case, "trace.csv"] => {
                let spans = self.spans(name, bytes)?;
                self.cases.entry((*case).to_owned()).or_default().spans = Some(spans);
            }
            ["cases", case, "log.csv"] => {
                let logs = self.logs(name, bytes)?;
                self.cases.entry((*case).to_owned()).or_default().logs = Some(logs);
            }
            ["quiet", day, "trace.csv"] => {
                let spans = self.spans(name, bytes)?;
                self.quiet.entry((*day).to_owned()).or_default().spans = Some(spans);
            }
            ["quiet", day, "log.csv"] => {
                let logs = self.logs(name, bytes)?;
                self.quiet.entry((*day).to_owned()).or_default().logs = Some(logs);
            }
            ["metrics", day, file] if file.ends_with("_metric.csv") => {
                let rows = self.metrics(name, bytes)?;
                self.metrics.entry((*day).to_owned()).or_default().extend(rows);
            }
            _ => self.report.ignore(name),
        }
        Ok(())
    }

    fn pod(&mut self, name: &str) -> Arc<Pod> {
        let pod = Pod::named(name);
        if let Some(known) = self.pods.get(&pod) {
            return Arc::clone(known);
        }
        let pod = Arc::new(pod);
        self.pods.insert(Arc::clone(&pod));
        pod
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    fn spans(&mut self, file: &str, bytes: &mut dyn Read) -> Result<Vec<SpanRow>, EvaluationError> {
        let mut table = Table::open(file, bytes)?;
        let names = ["TraceID", "SpanID", "ParentID", "PodName", "OperationName", "StartTimeUnixNano", "EndTimeUnixNano"];
        let columns = table.columns(names)?;
        let mut rows = Vec::new();
        while table.next()? {
            match self.span(&table, columns) {
                Ok(row) => rows.push(row),
                Err(why) => self.report.refuse(why, file, table.line()),
            }
        }
        self.report.spans += rows.len() as u64;
        Ok(rows)
    }

    fn span(&mut self, table: &Table, columns: [usize; 7]) -> Result<SpanRow, &'static str> {
        let [trace, span, parent, pod, operation, start, end] = columns.map(|column| table.cell(column));
        let trace = parse_hex(&trace?, 32).ok_or("span without a readable trace id")?;
        let span = parse_hex(&span?, 16).ok_or("span without a readable span id")? as u64;
        let parent = match parent?.as_str() {
            "" | "root" => 0,
            id => parse_hex(id, 16).ok_or("span with an unreadable parent id")? as u64,
        };
        let start_ns = parse_time(&start?).ok_or("span without a readable start")?;
        let end_ns = parse_time(&end?).ok_or("span without a readable end")?;
        if end_ns < start_ns {
            return Err("span that ends before it starts");
        }
        let pod = pod?;
        if trace == 0 || span == 0 || pod.is_empty() {
            return Err("span without trace id, span id or pod");
        }
        Ok(SpanRow { end_ns, start_ns, trace, span, parent, pod: self.pod(&pod), operation: self.text(&operation?) })
    }

    fn logs(&mut self, file: &str, bytes: &mut dyn Read) -> Result<Vec<LogRow>, EvaluationError> {
        let mut table = Table::open(file, bytes)?;
        let columns = table.columns(["Timestamp", "TimeUnixNano", "PodName", "TraceID", "SpanID", "Log"])?;
        let mut rows = Vec::new();
        while table.next()? {
            match self.log(&table, columns, file) {
                Ok(row) => rows.push(row),
                Err(why) => self.report.refuse(why, file, table.line()),
            }
        }
        self.report.log_lines += rows.len() as u64;
        Ok(rows)
    }

    fn log(&mut self, table: &Table, columns: [usize; 6], file: &str) -> Result<LogRow, &'static str> {
        let [timestamp, nanos, pod, trace, span, _] = columns.map(|column| table.cell(column));
        let (pod, line) = (pod?, table.line());
        if pod.is_empty() {
            return Err("log line without a pod");
        }
        let raw = table.rest(columns[5]);
        if raw.is_empty() {
            return Err("log line without a text");
        }
        let (message, own_time) = self.message(raw, file, line);
        let time_ns = match parse_time(&nanos?) {
            Some(time_ns) => time_ns,
            None => {
                let time_ns = own_time.or_else(|| parse_text_time(&timestamp.ok()?)).ok_or("log line without a readable time")?;
                self.report.repair("log line whose time in nanoseconds is unreadable: its text time taken", file, line);
                time_ns
            }
        };
        let ids = (parse_hex(&trace?, 32), parse_hex(&span?, 16));
        let (trace, span) = match ids {
            (Some(trace), Some(span)) => (trace, span as u64),
            _ => {
                self.report.repair("log line with unreadable ids: kept without them", file, line);
                (0, 0)
            }
        };
        Ok(LogRow { time_ns, trace, span, pod: self.pod(&pod), text: message.into() })
    }

    /// The text of a container's log line, and the time it carries. Lines written at once by two writers may be followed
    /// by the rest of another one, which is cut; what is no JSON at all is taken as it is.
    fn message(&mut self, raw: String, file: &str, line: u64) -> (String, Option<i64>) {
        let mut values = serde_json::Deserializer::from_str(&raw).into_iter::<ContainerLine>();
        let Some(Ok(parsed)) = values.next() else {
            self.report.repair("log line that is not JSON: kept as text", file, line);
            return (raw.trim_end_matches('\n').to_owned(), None);
        };
        if !raw[values.byte_offset()..].trim().is_empty() {
            self.report.repair("log line with something after its JSON: cut there", file, line);
        }
        (parsed.log.trim_end_matches('\n').to_owned(), parsed.time.as_deref().and_then(parse_text_time))
    }

    fn metrics(&mut self, file: &str, bytes: &mut dyn Read) -> Result<Vec<MetricRow>, EvaluationError> {
        let mut table = Table::open(file, bytes)?;
        let [seconds, pod] = table.columns(["TimeStamp", "PodName"])?;
        let not_metrics = ["Time", "TimeStamp", "PodName"];
        let (indexes, columns): (Vec<usize>, Vec<MetricColumn>) = table
            .header
            .iter()
            .enumerate()
            .filter(|(_, name)| !not_metrics.contains(&name.as_str()))
            .map(|(index, name)| (index, MetricColumn::parse(name)))
            .unzip();
        let columns: Arc<[MetricColumn]> = columns.into();
        let mut rows = Vec::new();
        while table.next()? {
            let time_ns = table.cell(seconds).ok().and_then(|text| text.trim().parse::<i64>().ok()?.checked_mul(1_000_000_000));
            let pod = table.cell(pod).ok().filter(|name| !name.is_empty());
            let (Some(time_ns), Some(pod)) = (time_ns.filter(|time_ns| *time_ns >= EARLIEST_NS), pod) else {
                self.report.refuse("metric row without a readable time or pod", file, table.line());
                continue;
            };
            let values = indexes.iter().map(|index| self.value(&table, *index, file)).collect();
            rows.push(MetricRow { time_ns, pod: self.pod(&pod), columns: Arc::clone(&columns), values });
        }
        self.report.metric_rows += rows.len() as u64;
        Ok(rows)
    }

    fn value(&mut self, table: &Table, column: usize, file: &str) -> Option<f64> {
        let text = table.cell(column).unwrap_or_default();
        let text = text.trim();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                self.report.metric_points += 1;
                Some(value)
            }
            Ok(value) if value.is_nan() => {
                self.report.metric_blanks += 1;
                None
            }
            _ if text.is_empty() => {
                self.report.metric_blanks += 1;
                None
            }
            _ => {
                self.report.refuse("metric cell that is not a finite number", file, table.line());
                None
            }
        }
    }

    fn finish(mut self, set: String) -> Result<Pack, EvaluationError> {
        let missing = |file: String, why: &str| EvaluationError::MissingFile { set: set.clone(), file, why: why.to_owned() };
        let mut labels = self.labels.take().ok_or_else(|| missing("labels.json".into(), "it says when and where each fault was"))?;
        labels.sort_by(|a, b| (a.inject_time_unix, &a.case).cmp(&(b.inject_time_unix, &b.case)));
        for label in &labels {
            let parts = self.cases.get(&label.case);
            for (file, present) in [
                ("trace.csv", parts.is_some_and(|parts| parts.spans.is_some())),
                ("log.csv", parts.is_some_and(|parts| parts.logs.is_some())),
            ] {
                if !present {
                    return Err(missing(format!("cases/{}/{file}", label.case), "labels.json names this case"));
                }
            }
            if !self.metrics.contains_key(&label.day) {
                return Err(missing(format!("metrics/{}/<pod>_metric.csv", label.day), &format!("case {} is of that day", label.case)));
            }
        }
        for case in self.cases.keys().filter(|case| labels.iter().all(|label| label.case != **case)) {
            self.report.ignore(&format!("cases/{case} (no label)"));
        }
        self.cases.retain(|case, _| labels.iter().any(|label| label.case == *case));
        for rows in self.metrics.values_mut() {
            rows.sort_by(|a, b| (a.time_ns, &a.pod).cmp(&(b.time_ns, &b.pod)));
        }
        self.report.ignored_files.sort_unstable();
        let (cases, quiet) = (recordings(self.cases), recordings(self.quiet));
        Ok(Pack { set, labels, cases, quiet, metrics: self.metrics, report: self.report })
    }
}

fn recordings(parts: BTreeMap<String, Parts>) -> BTreeMap<String, Recording> {
    parts
        .into_iter()
        .map(|(name, parts)| {
            let mut recording = Recording { spans: parts.spans.unwrap_or_default(), logs: parts.logs.unwrap_or_default() };
            recording.sort();
            (name, recording)
        })
        .collect()
}

#[derive(Deserialize)]
struct ContainerLine {
    log: String,
    time: Option<String>,
}

fn read_labels(bytes: &mut dyn Read) -> Result<Vec<Label>, EvaluationError> {
    let labels: Vec<Label> = serde_json::from_reader(bytes).map_err(|error| EvaluationError::BadLabels(error.to_string()))?;
    if labels.is_empty() {
        return Err(EvaluationError::BadLabels("it names no fault".to_owned()));
    }
    let mut seen = HashSet::new();
    for label in &labels {
        if !seen.insert(label.case.as_str()) {
            return Err(EvaluationError::BadLabels(format!("case {} appears twice", label.case)));
        }
        if !(EARLIEST_NS / 1_000_000_000..10_000_000_000).contains(&label.inject_time_unix) {
            let why = format!("case {}: {} is not a time in seconds since 1970", label.case, label.inject_time_unix);
            return Err(EvaluationError::BadLabels(why));
        }
        if label.root_cause_service.is_empty() {
            return Err(EvaluationError::BadLabels(format!("case {} has no root_cause_service", label.case)));
        }
    }
    Ok(labels)
}
