//! Episodes: half an hour of real metrics, minutes of drawn quiet traffic, then a fault's own records, or nothing.
//!
//! Episodes are independent: each wants a pipeline and a store of its own, since their times overlap.

use serde::Serialize;

use super::EvaluationError;
use super::calendar::Calendar;
use super::feed::{Arrival, Disorder, FeedRecord, LOGS_TOPIC, MANUAL_TOPIC, METRICS_TOPIC, Random, TRACES_TOPIC, arrivals};
use super::otlp::{self, LogItem, SpanItem};
use super::pack::{Label, MetricRow, Pack, Recording, SpanRow};
use super::pool::{Drawn, QuietPool};
use crate::model::{Source, Timestamp};

/// Metrics before a case's own records.
const HISTORY_S: i64 = 1_800;
/// Drawn quiet traffic before a case's own records.
const FILLER_S: i64 = 300;
/// Length of a quiet episode's traffic.
const QUIET_S: i64 = 480;
/// Metrics before a quiet episode's traffic: as long as before the drawn traffic of a fault.
const QUIET_HISTORY_S: i64 = HISTORY_S - FILLER_S;
/// A quiet episode needs an evening longer than this.
const EVENING_MIN_S: i64 = 2_700;
/// The case's own records after the label.
pub const AFTER_LABEL_S: i64 = 180;
/// A case's own records begin at most this long before its label.
const OWN_BEFORE_LABEL_MAX_S: f64 = 3_600.0;
/// Tries to find a quiet moment clear of unlabelled CPU runs.
const TRIES: u32 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EpisodeKind {
    Fault,
    Quiet,
}

impl EpisodeKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Quiet => "quiet",
        }
    }
}

/// How episodes are made.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeOptions {
    /// Same seed, same bytes.
    pub seed: u64,
    /// Environment the records name; each episode has one of its own when it is empty.
    pub environment: String,
    pub disorder: Disorder,
}

impl Default for EpisodeOptions {
    fn default() -> Self {
        Self { seed: 0, environment: "recorded".to_owned(), disorder: Disorder::NONE }
    }
}

/// What one episode will be; small, so that bytes are made only when they are needed.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodePlan {
    /// `<case>/fault` or `<case>/quiet`.
    pub id: String,
    pub kind: EpisodeKind,
    /// The fault; for a quiet episode the one it goes with.
    pub label: Label,
    /// Day whose metrics are used.
    pub day: String,
    pub environment: String,
    /// First metric.
    pub metrics_from: Timestamp,
    /// First drawn trace; openings count from here on.
    pub traces_from: Timestamp,
    /// The case's own records begin; for a quiet episode its end.
    pub own_from: Timestamp,
    /// The label, for faults.
    pub label_at: Option<Timestamp>,
    /// Nothing follows.
    pub ends_at: Timestamp,
}

/// An episode with its bytes, in order of arrival.
#[derive(Clone, Debug)]
pub struct Episode {
    pub plan: EpisodePlan,
    pub records: Vec<FeedRecord>,
    pub spans: u64,
    pub log_lines: u64,
    pub points: u64,
}

impl Episode {
    /// Topics and their sources, whether or not the episode has records of each.
    pub const TOPICS: [(&'static str, Source); 3] =
        [(LOGS_TOPIC, Source::Logs), (METRICS_TOPIC, Source::Metrics), (TRACES_TOPIC, Source::Traces)];

    pub fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.value.len() as u64).sum()
    }

    /// What a person would send at the label ("told" mode): something is wrong, without a word about where.
    pub fn told_record(&self) -> Option<FeedRecord> {
        let at = self.plan.label_at?;
        let event = serde_json::json!({
            "type": "alert",
            "title": "Users report that something is wrong",
            "timestamp": at,
            "environment": self.plan.environment,
            "severity": "high",
            "source_id": format!("told/{}", self.plan.id),
        });
        Some(FeedRecord {
            topic: MANUAL_TOPIC,
            source: Source::Manual,
            key: None,
            value: event.to_string().into_bytes(),
            headers: Vec::new(),
            timestamp: at,
        })
    }
}

/// One fault episode and one quiet one for every label, in order of injection.
pub fn plans(pack: &Pack, options: &EpisodeOptions) -> Result<Vec<EpisodePlan>, EvaluationError> {
    let calendar = Calendar::of(pack);
    let mut plans = Vec::with_capacity(2 * pack.labels.len());
    for label in &pack.labels {
        plans.push(fault_plan(pack, label, options)?);
        plans.push(quiet_plan(pack, &calendar, label, options)?);
    }
    Ok(plans)
}

fn environment_of(options: &EpisodeOptions, id: &str) -> String {
    if options.environment.is_empty() { id.replace('/', "-") } else { options.environment.clone() }
}

fn fault_plan(pack: &Pack, label: &Label, options: &EpisodeOptions) -> Result<EpisodePlan, EvaluationError> {
    let first_ns = pack.cases.get(&label.case).and_then(|recording| recording.first_start_ns());
    let own_from = first_ns.map(Timestamp::from_nanos).ok_or_else(|| EvaluationError::MissingFile {
        set: pack.set.clone(),
        file: format!("cases/{}/trace.csv", label.case),
        why: "it holds no readable span".to_owned(),
    })?;
    let before_label_s = label.at().seconds_since(own_from);
    if before_label_s > OWN_BEFORE_LABEL_MAX_S || before_label_s < -(AFTER_LABEL_S as f64) {
        let why = format!("case {}: its spans begin at {own_from}, its label says {}: not the same fault", label.case, label.at());
        return Err(EvaluationError::BadLabels(why));
    }
    let id = format!("{}/fault", label.case);
    Ok(EpisodePlan {
        kind: EpisodeKind::Fault,
        label: label.clone(),
        day: label.day.clone(),
        environment: environment_of(options, &id),
        id,
        metrics_from: own_from.plus_seconds(-HISTORY_S),
        traces_from: own_from.plus_seconds(-FILLER_S),
        own_from,
        label_at: Some(label.at()),
        ends_at: label.at().plus_seconds(AFTER_LABEL_S),
    })
}

/// A quiet evening of the label's day, or of the day with the longest one.
fn quiet_plan(pack: &Pack, calendar: &Calendar, label: &Label, options: &EpisodeOptions) -> Result<EpisodePlan, EvaluationError> {
    let longest = |day: &str| calendar.days.get(day).and_then(|day| day.evenings.iter().map(|(from, to)| to - from).max()).unwrap_or(0);
    let day = if longest(&label.day) > EVENING_MIN_S {
        label.day.clone()
    } else {
        calendar.days.keys().max_by_key(|day| longest(day)).cloned().unwrap_or_default()
    };
    let evenings: Vec<(i64, i64)> = calendar
        .days
        .get(&day)
        .map(|day| day.evenings.iter().copied().filter(|(from, to)| to - from > EVENING_MIN_S).collect())
        .unwrap_or_default();
    if evenings.is_empty() {
        return Err(EvaluationError::NoQuietEvening { set: pack.set.clone(), needed_s: EVENING_MIN_S });
    }
    let stress = calendar.days.get(&day).map(|day| day.stress.as_slice()).unwrap_or_default();
    let mut random = Random::named(&format!("quiet window/{}/{}", label.case, options.seed));
    let mut from_s = 0.0;
    for _ in 0..TRIES {
        let (first, last) = evenings[random.below(evenings.len() as u32) as usize];
        let (first, last) = ((first + HISTORY_S) as f64, (last - QUIET_S) as f64);
        from_s = first + random.share() * (last - first);
        if !stress.iter().any(|run| run.to_s as f64 >= from_s - 1_600.0 && run.from_s as f64 <= from_s + QUIET_S as f64) {
            break;
        }
    }
    let traces_from = Timestamp::from_millis((from_s * 1_000.0) as i64);
    let id = format!("{}/quiet", label.case);
    Ok(EpisodePlan {
        kind: EpisodeKind::Quiet,
        label: label.clone(),
        day,
        environment: environment_of(options, &id),
        id,
        metrics_from: traces_from.plus_seconds(-QUIET_HISTORY_S),
        traces_from,
        own_from: traces_from.plus_seconds(QUIET_S),
        label_at: None,
        ends_at: traces_from.plus_seconds(QUIET_S),
    })
}

/// Makes an episode's bytes. The pool is the pack's, built once for all episodes.
pub fn build(pack: &Pack, pool: &QuietPool, plan: &EpisodePlan, options: &EpisodeOptions) -> Result<Episode, EvaluationError> {
    let mut random = Random::named(&format!("traffic/{}/{}", plan.id, options.seed));
    let without = (plan.kind == EpisodeKind::Fault).then_some(plan.label.case.as_str());
    let drawn = pool.draw(&mut random, plan.traces_from.nanos(), plan.own_from.nanos(), without);
    if drawn.is_empty() {
        return Err(EvaluationError::NothingQuiet(pack.set.clone()));
    }
    let mut spans = Vec::new();
    let mut logs = Vec::new();
    add_drawn(&drawn, &mut spans, &mut logs);
    if let Some(recording) = pack.cases.get(&plan.label.case).filter(|_| plan.kind == EpisodeKind::Fault) {
        add_own(recording, plan.ends_at.nanos(), &mut spans, &mut logs);
    }
    let rows = metrics_between(pack, &plan.day, plan.metrics_from, plan.ends_at);
    let points = rows.iter().flat_map(|row| &row.values).filter(|value| value.is_some()).count() as u64;
    let (span_count, line_count) = (spans.len() as u64, logs.len() as u64);
    let mut records = otlp::metrics(rows, &plan.environment);
    records.extend(otlp::spans(spans, &plan.environment));
    records.extend(otlp::logs(logs, &plan.environment));
    let mut random = Random::named(&format!("disorder/{}/{}", plan.id, options.seed));
    let records = arrivals(records, options.disorder, &mut random).into_iter().map(|Arrival { record, .. }| record).collect();
    Ok(Episode { plan: plan.clone(), records, spans: span_count, log_lines: line_count, points })
}

/// The drawn traces with their logs.
pub(super) fn add_drawn<'a>(drawn: &[Drawn<'a>], spans: &mut Vec<SpanItem<'a>>, logs: &mut Vec<LogItem<'a>>) {
    for draw in drawn {
        let kinds = otlp::kinds(&draw.trace.spans);
        for (&row, kind) in draw.trace.spans.iter().zip(kinds) {
            let (span, parent) = (draw.span_id(row.span), draw.span_id(row.parent));
            spans.push(SpanItem { row, shift_ns: draw.shift_ns, trace: draw.trace_id, span, parent, kind });
        }
        for &row in &draw.trace.logs {
            logs.push(LogItem::renamed(row, draw.shift_ns, draw.trace_id, draw.span_id(row.span)));
        }
    }
}

/// A recording's own rows up to `end_ns`, as recorded, doubled rows included.
pub(super) fn add_own<'a>(recording: &'a Recording, end_ns: i64, spans: &mut Vec<SpanItem<'a>>, logs: &mut Vec<LogItem<'a>>) {
    let rows: Vec<&SpanRow> = recording.spans.iter().collect();
    let own = rows.iter().zip(otlp::kinds(&rows)).filter(|(row, _)| row.end_ns <= end_ns);
    spans.extend(own.map(|(row, kind)| SpanItem::recorded(row, kind)));
    logs.extend(recording.logs.iter().filter(|row| row.time_ns <= end_ns).map(LogItem::recorded));
}

/// Scrapes of a day from `from` to `to`, both included.
fn metrics_between<'p>(pack: &'p Pack, day: &str, from: Timestamp, to: Timestamp) -> &'p [MetricRow] {
    let rows = pack.metrics.get(day).map(Vec::as_slice).unwrap_or_default();
    let first = rows.partition_point(|row| row.time_ns < from.nanos());
    let last = rows.partition_point(|row| row.time_ns <= to.nanos());
    rows.get(first..last).unwrap_or_default()
}
