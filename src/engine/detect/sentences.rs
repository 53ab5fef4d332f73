//! Findings as sentences, signals and events. The only place where detection makes prose.

use serde_json::json;

use super::features::{end_symbol, start_symbol};
use super::finding::{Finding, Kind, Subject};
use super::names::Names;
use super::pending::{ErrorFold, Exemplar};
use crate::model::entity::ServiceName;
use crate::model::event::{Provenance, SKEWED, truncate};
use crate::model::position::derived_id;
use crate::model::signal::{SeriesPoint, Signal};
use crate::model::{Bucket, Event, Severity, Source, Symbol};

/// Id of the event that folds one error template of one service in one bucket.
pub fn error_event_id(service: &ServiceName, template: Symbol, bucket: Bucket) -> String {
    derived_id(&format!("errors\0{}\0{}\0{:016x}\0{}", service.environment, service.service, template.0, bucket.0))
}

/// Whole numbers without decimals, others with one or two.
pub fn number(value: f64) -> String {
    // An empty sum of floats is −0.
    let value = value + 0.0;
    if value.abs() >= 100.0 || (value - value.round()).abs() < 0.05 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// Milliseconds as a person says them.
pub fn duration(ms: f64) -> String {
    if ms >= 1_000.0 {
        format!("{:.1} s", ms / 1_000.0)
    } else if ms >= 10.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{ms:.1} ms")
    }
}

/// Renders findings of one service.
pub struct Renderer<'a> {
    pub names: &'a Names,
    pub service: &'a ServiceName,
    pub now: Bucket,
}

impl Renderer<'_> {
    fn template(&self, symbol: Symbol) -> String {
        if symbol == start_symbol() {
            "the start".to_owned()
        } else if symbol == end_symbol() {
            "the end of the operation".to_owned()
        } else if symbol.is_none() {
            "other error lines".to_owned()
        } else {
            format!("‹{}›", truncate(&self.names.text(symbol), 120))
        }
    }

    fn operation(&self, symbol: Symbol) -> String {
        if symbol.is_none() { "calls".to_owned() } else { self.names.text(symbol) }
    }

    /// What inside the service, in words that stay the same from bucket to bucket.
    fn key(&self, finding: &Finding) -> String {
        match finding.subject {
            Subject::Shape(key, next) if key.scope.is_none() => format!("{} → {}", self.template(key.previous), self.template(next)),
            Subject::Shape(key, next) => {
                format!("{}: {} → {}", self.names.text(key.scope), self.template(key.previous), self.template(next))
            }
            Subject::Template(template) => self.names.text(template),
            Subject::Callee => format!("calls into {}", self.service.service),
            Subject::From(caller) => format!("calls of {}", self.names.service(caller).service),
            Subject::Waiting(callee) => self.names.service(callee).service,
            Subject::Operation(operation) => self.operation(operation),
            Subject::Requests => "requests".to_owned(),
            Subject::Series(key) => self.names.text(key.metric),
        }
    }

    fn sentence(&self, finding: &Finding) -> String {
        let facts = &finding.facts;
        let (before, cases_before) = (number(facts.hits_before), number(facts.cases_before));
        let (now, cases_now) = (number(facts.hits_now), number(facts.cases_now));
        let service = &self.service.service;
        let threshold = duration(facts.threshold.unwrap_or_default());
        let (median, median_before) = (duration(facts.value_now.unwrap_or_default()), duration(facts.value_before.unwrap_or_default()));
        match finding.subject {
            Subject::Shape(key, next) => {
                let operation = if key.scope.is_none() { service.clone() } else { format!("{service}, {}", self.names.text(key.scope)) };
                let (previous, next) = (self.template(key.previous), self.template(next));
                format!("{operation}: after {previous} came {next} in {before} of {cases_before} cases before, in {now} of {cases_now} now")
            }
            Subject::Template(template) => {
                let (line, lines) = (self.template(template), "lines");
                format!("{service}: {line} in {now} of {cases_now} {lines}, before in {before} of {cases_before}")
            }
            Subject::From(caller) => format!(
                "calls of {} into {service}: {now} of {cases_now} requests spent more than {threshold} between client and server (before {before} of {cases_before}); now {median} at the median, before {median_before}",
                self.names.service(caller).service
            ),
            Subject::Callee if finding.kind == Kind::HopGap => format!(
                "calls into {service}: {now} of {cases_now} requests spent more than {threshold} between client and server (before {before} of {cases_before}); now {median} at the median, before {median_before}"
            ),
            Subject::Callee => {
                format!("calls into {service}: {now} of {cases_now} requests failed on the way, before {before} of {cases_before}")
            }
            Subject::Waiting(callee) => {
                let (callee, long) = (self.names.service(callee).service, number(facts.value_before.unwrap_or_default()));
                format!(
                    "{service} gave up on {callee} after {threshold} in {now} of {cases_now} requests, before in {before} of {cases_before}; {callee} took that long in {long} % of them before, too, and answered"
                )
            }
            Subject::Operation(operation) if finding.kind == Kind::SelfTime => {
                let operation = self.operation(operation);
                format!(
                    "{service}, {operation}: {now} of {cases_now} requests spent more than {threshold} in {service} itself (before {before} of {cases_before}); now {median} at the median, before {median_before}"
                )
            }
            Subject::Operation(operation) => {
                format!("{service}, {}: {now} of {cases_now} requests failed, before {before} of {cases_before}", self.operation(operation))
            }
            Subject::Requests if finding.kind == Kind::SlowRequests => {
                let usual = number(facts.z.unwrap_or_default());
                format!(
                    "{service}: {cases_now} requests took {median} at the mean, before {median_before} ({usual} times the usual deviation)"
                )
            }
            Subject::Requests => format!("{service}: {now} of {cases_now} requests failed, before {before} of {cases_before}"),
            Subject::Series(key) => self.metric_sentence(finding, &self.names.text(key.metric)),
        }
    }

    fn metric_sentence(&self, finding: &Finding, metric: &str) -> String {
        let facts = &finding.facts;
        let unit = self.names.text(finding.unit);
        let unit = if unit == "1" { String::new() } else { format!(" {unit}") };
        let value = |value: Option<f64>| format!("{}{unit}", significant(value.unwrap_or_default()));
        let (service, now, before) = (&self.service.service, value(facts.value_now), value(facts.value_before));
        if finding.kind == Kind::Drift {
            return format!("{metric} of {service} has grown steadily from {before} to {now}");
        }
        let host = if finding.host.is_none() { String::new() } else { format!(" on {}", self.names.text(finding.host)) };
        if finding.kind == Kind::MetricProfile {
            let rarity = number(10f64.powf(finding.surprise).round());
            return format!(
                "{metric} of {service}{host} behaves unlike its past, as once in {rarity} stretches: now {now}, expected {before}"
            );
        }
        format!(
            "{metric} of {service}{host} is {now}, usually {before} ({} times its usual deviation)",
            number(facts.z.unwrap_or_default().abs())
        )
    }

    fn event_id(&self, finding: &Finding) -> Option<String> {
        let bucket = finding.told?;
        Some(match finding.subject {
            Subject::Template(template) => error_event_id(self.service, template, bucket),
            _ => {
                let (kind, service) = (finding.kind.as_str(), self.service);
                derived_id(&format!("{kind}\0{}\0{}\0{:?}\0{}", service.environment, service.service, finding.subject, bucket.0))
            }
        })
    }

    pub fn signal(&self, finding: &Finding) -> Signal {
        Signal {
            service: self.service.clone(),
            family: finding.kind.family(),
            detector: finding.kind.as_str().to_owned(),
            key: self.key(finding),
            surprise: finding.surprise,
            rank_surprise: finding.rank_surprise.max(finding.surprise),
            window_s: finding.window_s,
            onset: finding.period.onset,
            ended: finding.period.ended,
            after_deployment: false,
            facts: finding.facts.clone(),
            sentence: self.sentence(finding),
            event_id: self.event_id(finding).unwrap_or_default(),
            host: (!finding.host.is_none()).then(|| self.names.text(finding.host)),
            series: finding.series.iter().map(|&(at, value)| SeriesPoint { at, value }).collect(),
            unit: match finding.kind {
                Kind::Metric | Kind::MetricProfile | Kind::Drift => self.names.text(finding.unit),
                Kind::HopGap | Kind::SelfTime | Kind::SlowRequests => "ms".to_owned(),
                _ => "%".to_owned(),
            },
        }
    }

    /// The event that tells of a finding for the first time, or of its having doubled.
    pub fn event(&self, finding: &Finding, message: Option<&str>) -> Option<Event> {
        let id = self.event_id(finding)?;
        let kind = finding.kind;
        let title = self.sentence(finding);
        let mut event = Event::new(id, self.now.start(), kind.source(), kind.event_type(), severity(finding), &title);
        event.fingerprint =
            derived_id(&format!("{}\0{}\0{}\0{:?}", kind.as_str(), self.service.environment, self.service.service, finding.subject));
        event.service = Some(self.service.service.clone());
        event.environment = Some(self.service.environment.clone());
        event.host = (!finding.host.is_none()).then(|| self.names.text(finding.host));
        event.first_seen = finding.period.onset.min(self.now.start());
        event.last_seen = self.now.end().plus_nanos(-1);
        event.count = (finding.facts.hits_now as u64).max(1);
        event.data = json!({
            "detector": kind.as_str(),
            "key": self.key(finding),
            "surprise": round(finding.surprise),
            "window_s": finding.window_s,
            "facts": finding.facts,
            "message": message,
        });
        Some(event)
    }

    /// One event for all equal error lines of the bucket.
    pub fn error_event(&self, template: Symbol, fold: &ErrorFold, is_new: bool) -> Event {
        let kind = if is_new { "new_error_pattern" } else { "error_burst" };
        let example = fold.exemplars.first();
        let title = example.map(|exemplar| exemplar.text.message.as_str()).filter(|message| !message.is_empty());
        let title = title.map_or_else(|| self.template(template), |message| first_line(message).to_owned());
        let mut event = Event::new(error_event_id(self.service, template, self.now), fold.first, Source::Logs, kind, fold.severity, &title);
        event.fingerprint = derived_id(&format!("errors\0{}\0{}\0{:016x}", self.service.environment, self.service.service, template.0));
        event.service = Some(self.service.service.clone());
        event.environment = Some(self.service.environment.clone());
        event.count = fold.count;
        event.first_seen = fold.first;
        event.last_seen = fold.last;
        if let Some(exemplar) = example {
            event.host = (!exemplar.host.is_none()).then(|| self.names.text(exemplar.host));
            event.trace_id = (exemplar.trace != 0).then(|| format!("{:032x}", exemplar.trace));
            event.span_id = (exemplar.span != 0).then(|| format!("{:016x}", exemplar.span));
            event.request_id.clone_from(&exemplar.text.request_id);
            event.correlation_id.clone_from(&exemplar.text.correlation_id);
            event.provenance = exemplar.position.clone().map(|position| Provenance {
                connector: exemplar.connector.clone(),
                position,
                format: exemplar.format.clone(),
            });
        }
        let exemplars: Vec<_> = fold.exemplars.iter().map(|exemplar| self.exemplar(exemplar)).collect();
        event.data = json!({ "template": self.names.text(template), "exemplars": exemplars });
        // Lines later than the bucket they are booked in.
        if fold.exemplars.iter().any(|exemplar| exemplar.at >= self.now.end()) {
            event.tags.insert(SKEWED.to_owned());
        }
        event
    }

    fn exemplar(&self, exemplar: &Exemplar) -> serde_json::Value {
        json!({
            "timestamp": exemplar.at,
            "host": self.names.text(exemplar.host),
            "message": exemplar.text.message,
            "exception_type": exemplar.text.exception_type,
            "stack": exemplar.text.stack.as_deref().map(|stack| truncate(stack, 4_000)),
            "http_status": exemplar.text.http_status,
            "version": exemplar.text.version,
            "trace_id": (exemplar.trace != 0).then(|| format!("{:032x}", exemplar.trace)),
            "span_id": (exemplar.span != 0).then(|| format!("{:016x}", exemplar.span)),
            "position": exemplar.position,
            "item": exemplar.item,
        })
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Three significant digits.
fn significant(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 || magnitude == 0.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if magnitude >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.2e}")
    }
}

fn severity(finding: &Finding) -> Severity {
    match finding.kind {
        Kind::Metric if finding.surprise >= 8.0 => Severity::Critical,
        Kind::Metric if finding.surprise >= 6.0 => Severity::High,
        Kind::HopGap | Kind::SelfTime | Kind::SlowRequests => match finding.facts.value_now.unwrap_or_default() {
            ms if ms >= 5_000.0 => Severity::Critical,
            ms if ms >= 1_000.0 => Severity::High,
            _ => Severity::Medium,
        },
        Kind::Failures | Kind::FailingRequests | Kind::FailingCalls | Kind::GivesUp => Severity::High,
        Kind::LogShape if finding.surprise >= 8.0 => Severity::High,
        _ => Severity::Medium,
    }
}
