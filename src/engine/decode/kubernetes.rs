//! Kubernetes events (`core/v1` and `events.k8s.io/v1`): one by itself, as a line of a watch (`{"type": "ADDED", "object": {…}}`), or
//! many in an `EventList`.
//!
//! The cluster counts repeats into one object and sends it again each time: each count is a step of its life, so the same object seen
//! twice is one event. A warning is `medium`, and `high` when its reason or words say that something does not run. Whose event it is
//! follows from the object it is about: a pod belongs to the workload that made it.

use serde_json::Value;

use super::change::{at, first_line, id_text, list, text, time_at};
use super::draft::Draft;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use super::{level, workload};
use crate::model::event::truncate;
use crate::model::position::derived_id;
use crate::model::{Event, Severity, Source};

pub(super) const FORMAT: &str = "kubernetes";
pub(super) const WIRE: Format = &WireFormat {
    name: FORMAT,
    header: None,
    sign: Sign::Object(is_event),
    reader: Reader::Object(|_, body, sink| decode_body(body, sink)),
};

/// Reasons that mean something does not run.
const GRAVE: [&str; 20] = [
    "BackOff",
    "BackoffLimitExceeded",
    "CrashLoopBackOff",
    "DeadlineExceeded",
    "ErrImagePull",
    "Evicted",
    "Failed",
    "FailedCreate",
    "FailedCreatePodSandBox",
    "FailedScheduling",
    "FreeDiskSpaceFailed",
    "ImagePullBackOff",
    "KernelOops",
    "NodeNotReady",
    "OOMKilled",
    "OOMKilling",
    "ProgressDeadlineExceeded",
    "Rebooted",
    "SystemOOM",
    "TaskHung",
];

/// True for an event, a list of them, or a line of a watch on them.
pub(super) fn is_event(body: &Value) -> bool {
    is_object(body) || is_list(body) || at(body, &["object"]).is_some_and(|object| is_watch(body) && is_from_cluster(object))
}

/// An event by its kind, or, as exporters write it without, by what it is about.
fn is_object(body: &Value) -> bool {
    let is_about = |key: &str| body.get(key).is_some_and(Value::is_object);
    let is_named = text(body, &["kind"]) == Some("Event") && text(body, &["apiVersion"]).is_some();
    is_named || (text(body, &["reason"]).is_some() && (is_about("involvedObject") || is_about("regarding")))
}

fn is_list(body: &Value) -> bool {
    body.get("items").is_some_and(Value::is_array)
        && (text(body, &["kind"]) == Some("EventList")
            || text(body, &["kind"]) == Some("List") && list(body, &["items"]).iter().take(1).all(is_object))
}

fn is_watch(body: &Value) -> bool {
    matches!(text(body, &["type"]), Some("ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR"))
}

fn is_from_cluster(object: &Value) -> bool {
    is_object(object) || text(object, &["kind"]).is_some_and(|kind| matches!(kind, "Event" | "Status"))
}

pub(super) fn decode_body(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    if let Some(object) = at(body, &["object"]).filter(|_| is_watch(body)) {
        return match text(body, &["type"]) {
            Some("BOOKMARK") => Err(Refusal::no_items("a watch's bookmark carries no event")),
            Some("ERROR") => {
                let why = text(object, &["message"]).unwrap_or("without a message");
                Err(Refusal::no_items(format!("a watch's error carries no event: {}", truncate(why, 200))))
            }
            _ => one(object, sink),
        };
    }
    if body.get("items").is_none() {
        return one(body, sink);
    }
    let items = body.get("items").and_then(Value::as_array).ok_or_else(|| Refusal::field("items: must be a list"))?;
    for item in items {
        match event(item, sink) {
            Ok(event) => sink.event(event, FORMAT),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn one(object: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let event = event(object, sink)?;
    sink.event(event, FORMAT);
    Ok(())
}

/// What an event is about.
struct Involved<'v> {
    kind: &'v str,
    name: &'v str,
    namespace: Option<&'v str>,
    object: &'v Value,
}

impl<'v> Involved<'v> {
    fn of(body: &'v Value) -> Result<Self, Refusal> {
        let object = at(body, &["involvedObject"]).or_else(|| at(body, &["regarding"]));
        let object = object.ok_or_else(|| Refusal::field("involvedObject (or regarding) is missing"))?;
        let name = text(object, &["name"]).ok_or_else(|| Refusal::field("involvedObject.name is missing"))?;
        let namespace = text(object, &["namespace"]).or_else(|| text(body, &["metadata", "namespace"]));
        Ok(Self { kind: text(object, &["kind"]).unwrap_or("object"), name, namespace, object })
    }

    /// The service: by label where the exporter adds them, else by the name of the workload.
    fn service(&self) -> Option<&'v str> {
        let labelled = ["app.kubernetes.io/name", "app.kubernetes.io/instance", "app", "k8s-app"];
        if let Some(name) = labelled.iter().find_map(|key| text(self.object, &["labels", key])) {
            return Some(name);
        }
        match self.kind {
            "Pod" => Some(workload::of_pod(self.name)),
            "ReplicaSet" | "ReplicationController" => Some(workload::of_replica_set(self.name)),
            "Job" => Some(workload::of_job(self.name)),
            "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "CronJob"
            | "Service"
            | "Ingress"
            | "HorizontalPodAutoscaler"
            | "PodDisruptionBudget"
            | "Endpoints"
            | "Rollout"
            | "Application" => Some(self.name),
            _ => None,
        }
    }
}

fn event(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let involved = Involved::of(body)?;
    let reason = text(body, &["reason"]).ok_or_else(|| Refusal::field("reason is missing"))?;
    let message = text(body, &["message"]).or_else(|| text(body, &["note"])).unwrap_or_default();
    let when: [&[&str]; 7] = [
        &["series", "lastObservedTime"],
        &["lastTimestamp"],
        &["deprecatedLastTimestamp"],
        &["eventTime"],
        &["firstTimestamp"],
        &["deprecatedFirstTimestamp"],
        &["metadata", "creationTimestamp"],
    ];
    let at = time_at(body, &when, sink)?;
    let is_warning = text(body, &["type"]) == Some("Warning");
    let event_type = if is_warning { "kubernetes_warning" } else { "kubernetes_event" };
    let told = if message.is_empty() { String::new() } else { format!(": {}", first_line(message)) };
    let place = involved.namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    let title = format!("{reason} of {} {place}{}{told}", involved.kind, involved.name);
    let count = ["count", "deprecatedCount"].iter().find_map(|key| body.get(key)?.as_u64());
    let count = body["series"].get("count").and_then(Value::as_u64).or(count).unwrap_or(1).max(1);
    let host = text(body, &["source", "host"]).or_else(|| text(body, &["deprecatedSource", "host"]));
    let host = if involved.kind == "Node" { Some(involved.name) } else { host };
    let about = text(involved.object, &["uid"]).map_or_else(|| format!("{} {place}{}", involved.kind, involved.name), str::to_owned);
    let mut draft = Draft::new(at, Source::Manual, event_type, severity(is_warning, reason, message), &title)
        .of_service(involved.service())
        .on_host(host)
        .with_fingerprint(&derived_id(&format!("{about}\0{reason}")));
    if let Some(uid) = text(body, &["metadata", "uid"]) {
        draft = draft.with_source_id(&format!("{uid}/{count}"));
    } else if let Some(name) = text(body, &["metadata", "name"]) {
        draft = draft.with_source_id(&format!("{place}{name}/{count}"));
    }
    draft.data.put("count", count);
    draft.fact("reason", Some(reason));
    draft.fact("message", Some(message).filter(|message| !message.is_empty()));
    draft.fact("kind", Some(involved.kind));
    draft.fact("name", Some(involved.name));
    draft.fact("namespace", involved.namespace);
    draft.fact("image", image(message));
    draft.tag(reason);
    origin(&mut draft, body)?;
    Ok(draft.into_event())
}

/// Since when, and which part of the cluster says so.
fn origin(draft: &mut Draft, body: &Value) -> Result<(), Refusal> {
    let first: [&[&str]; 3] = [&["firstTimestamp"], &["deprecatedFirstTimestamp"], &["eventTime"]];
    draft.fact("first_seen", super::change::first_time(body, &first)?.map(|at| at.to_string()).as_deref());
    let component: [&[&str]; 4] =
        [&["source", "component"], &["deprecatedSource", "component"], &["reportingComponent"], &["reportingController"]];
    draft.fact("component", component.iter().find_map(|path| text(body, path)));
    draft.fact("action", text(body, &["action"]));
    draft.fact("cluster", text(body, &["clusterName"]).or_else(|| text(body, &["metadata", "clusterName"])));
    draft.fact("event_name", id_text(body, &["metadata", "name"]).as_deref());
    Ok(())
}

fn severity(is_warning: bool, reason: &str, message: &str) -> Severity {
    let is_grave = GRAVE.contains(&reason);
    match (is_warning, is_grave) {
        (true, true) => Severity::High,
        (true, false) => level::raised(Severity::Medium, message),
        // The node controller says it of a lost node as a normal event.
        (false, _) if reason == "NodeNotReady" => Severity::High,
        (false, _) => Severity::Info,
    }
}

/// `ghcr.io/shop/cart:1.4` of `Successfully pulled image "ghcr.io/shop/cart:1.4" in 2s`.
fn image(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("image \"")?;
    rest.split_once('"').map(|(image, _)| image).filter(|image| !image.is_empty())
}
