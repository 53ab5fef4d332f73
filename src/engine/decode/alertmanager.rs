//! Alertmanager's webhook, version 4 (Grafana's is a superset): each alert is one event of type `alert`.
//!
//! `firing` and `resolved` are two steps of one life, known by the alert's fingerprint and start. Without a severity label a firing
//! alert is `high`, as our own alerts are. An alert as Prometheus posts it (`labels`, `startsAt`, without a group) is read too.

use serde_json::Value;

use super::change::{at, first_line, id_text, kafka_time_or, text, time, time_at};
use super::draft::Draft;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use super::{level, workload};
use crate::model::position::derived_id;
use crate::model::{Event, Severity, Source, Timestamp};

pub(super) const FORMAT: &str = "alertmanager";
pub(super) const WIRE: Format = &WireFormat {
    name: FORMAT,
    header: None,
    sign: Sign::Object(is_webhook),
    reader: Reader::Object(|_, body, sink| decode_body(body, sink)),
};

/// Labels that name whose alert it is, nearest first.
const SERVICE: [&str; 8] =
    ["service", "service_name", "app", "app_kubernetes_io_name", "application", "deployment", "statefulset", "daemonset"];
/// The same for alerts on what kube-state-metrics says: there `service` and `job` name the exporter.
const WORKLOAD: [&str; 4] = ["deployment", "statefulset", "daemonset", "cronjob"];

/// True for a group of alerts, or one alert without a group.
pub(super) fn is_webhook(body: &Value) -> bool {
    let has = |key: &str| at(body, &[key]).is_some();
    let is_group = body.get("alerts").is_some_and(Value::is_array) && (has("groupKey") || has("receiver") || has("commonLabels"));
    is_group || is_alert(body)
}

fn is_alert(body: &Value) -> bool {
    text(body, &["labels", "alertname"]).is_some() && (at(body, &["startsAt"]).is_some() || at(body, &["generatorURL"]).is_some())
}

pub(super) fn decode_body(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let Some(alerts) = body.get("alerts") else {
        let event = event(body, body, sink)?;
        sink.event(event, FORMAT);
        return Ok(());
    };
    let alerts = alerts.as_array().ok_or_else(|| Refusal::field("alerts: must be a list"))?;
    for alert in alerts {
        match event(alert, body, sink) {
            Ok(event) => sink.event(event, FORMAT),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn event(alert: &Value, group: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let labels = at(alert, &["labels"]).filter(|labels| labels.is_object()).ok_or_else(|| Refusal::field("labels is missing"))?;
    let ends_at = time(alert, &["endsAt"])?;
    // An alert posted by Prometheus has no status: it is firing until it ends.
    let status = text(alert, &["status"]).unwrap_or("firing").to_ascii_lowercase();
    let is_resolved = status == "resolved";
    let starts_at = time(alert, &["startsAt"])?;
    let at = if is_resolved { when_resolved(alert, ends_at, sink)? } else { time_at(alert, &[&["startsAt"]], sink)? };
    let name = text(labels, &["alertname"]).unwrap_or("Alert");
    let severity = if is_resolved { Severity::Info } else { severity(labels) };
    let fingerprint = id_text(alert, &["fingerprint"]).unwrap_or_else(|| fingerprint_of(labels));
    let start = starts_at.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    let own = sink.service_attributes().iter().find_map(|name| text(labels, &[name]));
    let environment = ["environment", "env", "deployment_environment"].iter().find_map(|key| text(labels, &[key]));
    let mut draft = Draft::new(at, Source::Manual, "alert", severity, &title(alert, labels, name, is_resolved))
        .of_service(own.or_else(|| service(labels)))
        .in_environment(environment)
        .on_host(host(labels))
        .with_fingerprint(&fingerprint)
        .with_source_id(&format!("{fingerprint}/{start}/{status}"));
    draft.fact("status", Some(&status));
    draft.fact("alertname", Some(name));
    draft.fact("generator_url", text(alert, &["generatorURL"]));
    draft.fact("url", text(alert, &["generatorURL"]).or_else(|| text(group, &["externalURL"])));
    draft.fact("fingerprint", Some(&fingerprint));
    draft.fact("message", text(alert, &["annotations", "description"]).or_else(|| text(alert, &["annotations", "summary"])));
    draft.fact("runbook_url", text(alert, &["annotations", "runbook_url"]));
    for (key, at) in [("starts_at", starts_at), ("ends_at", ends_at)] {
        draft.fact(key, at.map(|at| at.to_string()).as_deref());
    }
    for (key, name) in [("receiver", "receiver"), ("group_key", "groupKey"), ("external_url", "externalURL")] {
        draft.fact(key, text(group, &[name]));
    }
    if let Some(left_out) = group.get("truncatedAlerts").and_then(Value::as_u64).filter(|count| *count > 0) {
        draft.data.put("truncated_alerts", left_out);
    }
    draft.data.put_attached("labels", labels);
    draft.data.put_attached("annotations", alert.get("annotations").unwrap_or(&Value::Null));
    Ok(draft.into_event())
}

fn when_resolved(alert: &Value, ends_at: Option<Timestamp>, sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
    match ends_at {
        Some(at) => Ok(at),
        None => kafka_time_or(alert, &[&["endsAt"], &["startsAt"]], sink),
    }
}

/// The summary under the alert's name, unless it speaks of it.
fn title(alert: &Value, labels: &Value, name: &str, is_resolved: bool) -> String {
    let told = ["summary", "title", "message", "description"].iter().find_map(|key| text(alert, &["annotations", key]));
    let told = told.map(first_line).filter(|told| !told.is_empty());
    let title = match told {
        Some(told) if told.contains(name) => told.to_owned(),
        Some(told) => format!("{name}: {told}"),
        None => service(labels).map_or_else(|| name.to_owned(), |service| format!("{name} of {service}")),
    };
    if is_resolved { format!("Resolved: {title}") } else { title }
}

fn severity(labels: &Value) -> Severity {
    let label = ["severity", "priority", "level"].iter().find_map(|key| text(labels, &[key]));
    let name = label.unwrap_or_default().to_ascii_lowercase();
    let known = match name.as_str() {
        "page" | "p0" | "p1" | "sev0" | "sev1" | "disaster" | "blocker" => Some(Severity::Critical),
        "p2" | "sev2" | "major" | "urgent" => Some(Severity::High),
        "p3" | "sev3" | "minor" | "average" | "ticket" => Some(Severity::Medium),
        "p4" | "p5" | "sev4" | "sev5" => Some(Severity::Low),
        "none" => Some(Severity::Info),
        _ => None,
    };
    known.or_else(|| Severity::parse(&name)).or_else(|| level::of_name(&name)).unwrap_or(Severity::High)
}

fn service(labels: &Value) -> Option<&str> {
    let is_about_kubernetes = text(labels, &["job"]).is_some_and(|job| job.contains("kube-state-metrics"));
    let keys: &[&str] = if is_about_kubernetes { &WORKLOAD } else { &SERVICE };
    let pod = || text(labels, &["pod"]).map(workload::of_pod);
    let named = keys.iter().find_map(|key| text(labels, &[key]));
    // A container's name says less than its pod's: many are called `app` or `main`.
    let of_pod = named.or_else(pod).or_else(|| text(labels, &["container"]));
    if is_about_kubernetes { of_pod } else { of_pod.or_else(|| text(labels, &["job"]).map(super::change::last_part)) }
}

fn host(labels: &Value) -> Option<&str> {
    let named = ["host", "hostname", "node", "nodename"].iter().find_map(|key| text(labels, &[key]));
    named.or_else(|| {
        let instance = text(labels, &["instance"])?;
        let (host, port) = instance.rsplit_once(':').unwrap_or((instance, ""));
        Some(if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { instance }).filter(|host| !host.is_empty())
    })
}

/// What stands for a fingerprint: the labels, in order.
fn fingerprint_of(labels: &Value) -> String {
    let mut pairs: Vec<String> = labels.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.sort();
    derived_id(&pairs.join("\0"))
}
