//! Argo CD: what its notifications send with our template (docker/argocd-notifications.yaml), or an `Application` as the cluster
//! holds it.
//!
//! ```json
//! {"producer": "argocd", "event": "sync", "app": "cart", "namespace": "argocd", "project": "shop", "environment": "production",
//!  "phase": "Succeeded", "sync_status": "Synced", "health": "Healthy", "revision": "9c41e07b44aa…", "target_revision": "main",
//!  "repository": "https://github.com/shop/deploy.git", "path": "apps/cart", "images": ["ghcr.io/shop/cart:1.4.2"],
//!  "started_at": "2026-11-23T14:02:10Z", "finished_at": "2026-11-23T14:02:41Z", "message": "successfully synced",
//!  "author": "ann", "url": "https://argocd.example.com/applications/argocd/cart"}
//! ```
//!
//! `app` is required; `event` is `sync` (a step of a deployment: its `phase` is required) or `health` (a change of health: `health` is
//! required, `at` is when). Each phase of one sync is a step of one life. An application's name is the service.

use serde_json::{Value, json};

use super::change::{at, branch_of, first_line, first_time, is_sha, names, text, time_at};
use super::draft::Draft;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::event::truncate;
use crate::model::{Event, Severity, Source};

pub(super) const FORMAT: &str = "argocd";
pub(super) const WIRE: Format = &WireFormat {
    name: FORMAT,
    header: None,
    sign: Sign::Object(is_notification),
    reader: Reader::Object(|_, body, sink| decode_body(body, sink)),
};

/// True for our template, or an application of Argo CD's.
pub(super) fn is_notification(body: &Value) -> bool {
    text(body, &["producer"]) == Some("argocd") || application(body).is_some()
}

/// The application in a body: by itself, in a line of a watch, or under `app`.
fn application(body: &Value) -> Option<&Value> {
    let is_application = |body: &Value| {
        text(body, &["kind"]) == Some("Application") && text(body, &["apiVersion"]).is_some_and(|name| name.starts_with("argoproj.io/"))
    };
    [Some(body), at(body, &["object"]), at(body, &["app"])].into_iter().flatten().find(|body| is_application(body))
}

pub(super) fn decode_body(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let event = match application(body) {
        Some(application) => event(&as_notification(application), sink),
        None => event(body, sink),
    }?;
    sink.event(event, FORMAT);
    Ok(())
}

/// An application's last operation in the words of our template.
fn as_notification(app: &Value) -> Value {
    let value = |path: &[&str]| at(app, path).cloned().unwrap_or(Value::Null);
    let first = |paths: &[&[&str]]| paths.iter().find_map(|path| at(app, path)).cloned().unwrap_or(Value::Null);
    let operation = |key: &str| value(&["status", "operationState", key]);
    json!({
        "event": if operation("phase").is_null() { "health" } else { "sync" },
        "app": value(&["metadata", "name"]),
        "namespace": value(&["metadata", "namespace"]),
        "project": value(&["spec", "project"]),
        "environment": first(&[&["metadata", "labels", "environment"], &["metadata", "labels", "env"]]),
        "phase": operation("phase"),
        "message": operation("message"),
        "started_at": operation("startedAt"),
        "finished_at": operation("finishedAt"),
        "author": first(&[&["status", "operationState", "operation", "initiatedBy", "username"]]),
        "sync_status": value(&["status", "sync", "status"]),
        "health": value(&["status", "health", "status"]),
        "at": first(&[&["status", "health", "lastTransitionTime"], &["status", "reconciledAt"]]),
        "revision": first(&[&["status", "operationState", "syncResult", "revision"], &["status", "sync", "revision"]]),
        "target_revision": first(&[&["spec", "source", "targetRevision"]]),
        "repository": first(&[&["spec", "source", "repoURL"]]),
        "path": first(&[&["spec", "source", "path"], &["spec", "source", "chart"]]),
        "images": value(&["status", "summary", "images"]),
    })
}

fn event(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let app = told(body, "app").ok_or_else(|| Refusal::field("app is missing"))?;
    let (phase, health) = (told(body, "phase"), told(body, "health"));
    let draft = match (told(body, "event"), phase, health) {
        (Some("health"), _, Some(health)) | (None, None, Some(health)) => of_health(body, app, health, sink)?,
        (Some("sync") | None, Some(phase), _) => of_sync(body, app, phase, sink)?,
        (Some("health"), _, None) => return Err(Refusal::field("health is missing")),
        (Some("sync"), None, _) => return Err(Refusal::field("phase is missing")),
        (None, None, None) => return Err(Refusal::field("neither phase nor health is there")),
        (Some(other), ..) => {
            return Err(Refusal::field(format!("event: {:?} is neither \"sync\" nor \"health\"", truncate(other, 40))));
        }
    };
    Ok(with_facts(draft, body).into_event())
}

/// A step of a deployment.
fn of_sync(body: &Value, app: &str, phase: &str, sink: &RecordSink<'_>) -> Result<Draft, Refusal> {
    let body = &without_blanks(body);
    let has_ended = matches!(phase, "Succeeded" | "Failed" | "Error");
    let when: [&[&str]; 2] = if has_ended { [&["finished_at"], &["started_at"]] } else { [&["started_at"], &["started_at"]] };
    let at = time_at(body, &when, sink)?;
    let severity = if matches!(phase, "Failed" | "Error") { Severity::High } else { Severity::Info };
    let environment = told(body, "environment");
    let what = version(body).map(|version| format!(" {}", truncate(version, 40))).unwrap_or_default();
    let place = environment.map(|name| format!(" to {name}")).unwrap_or_default();
    let why = told(body, "message").filter(|_| severity == Severity::High).map(|why| format!(" ({})", first_line(why)));
    let title = format!("Deployment of {app}{what}{place}: {}{}", phase.to_lowercase(), why.unwrap_or_default());
    let started = first_time(body, &[&["started_at"]])?.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    let revision = told(body, "revision").unwrap_or("unknown");
    let space = told(body, "namespace").map(|name| format!("{name}/")).unwrap_or_default();
    Ok(Draft::new(at, Source::Ci, "deployment", severity, &title)
        .of_service(Some(app))
        .in_environment(environment)
        .with_source_id(&format!("{space}{app}/{revision}/{started}/{}", phase.to_lowercase())))
}

/// What an application's health became.
fn of_health(body: &Value, app: &str, health: &str, sink: &RecordSink<'_>) -> Result<Draft, Refusal> {
    let body = &without_blanks(body);
    let at = time_at(body, &[&["at"], &["finished_at"], &["started_at"]], sink)?;
    let severity = match health {
        "Degraded" => Severity::High,
        "Missing" | "Unknown" => Severity::Medium,
        _ => Severity::Info,
    };
    let space = told(body, "namespace").map(|name| format!("{name}/")).unwrap_or_default();
    let title = format!("Application {app} is {}", health.to_lowercase());
    let mut draft = Draft::new(at, Source::Ci, &format!("health_{}", health.to_lowercase()), severity, &title)
        .of_service(Some(app))
        .in_environment(told(body, "environment"));
    // Without a time of its own, the record that tells it is what tells it apart.
    if first_time(body, &[&["at"], &["finished_at"], &["started_at"]])?.is_some() {
        draft = draft.with_source_id(&format!("{space}{app}/health/{}/{at}", health.to_lowercase()));
    }
    Ok(draft)
}

fn with_facts(mut draft: Draft, body: &Value) -> Draft {
    let revision = told(body, "revision");
    draft.fact("sha", revision.filter(|revision| is_sha(revision)));
    draft.fact("revision", revision);
    draft.fact("version", version(body));
    draft.fact("branch", told(body, "target_revision").and_then(branch_of).filter(|name| *name != "HEAD" && !is_sha(name)));
    draft.fact("repository", told(body, "repository").map(repository_of));
    draft.fact("image", names(body, "images").next());
    let images: Vec<&str> = names(body, "images").take(50).collect();
    if !images.is_empty() {
        draft.data.put("images", images);
    }
    for key in ["project", "namespace", "phase", "sync_status", "health", "path", "author", "message", "started_at", "finished_at", "url"] {
        draft.fact(key, told(body, key));
    }
    draft
}

/// The tag of the image named like the application, else of the only one, else a revision that is no hash (a chart's version).
fn version(body: &Value) -> Option<&str> {
    let app = told(body, "app").unwrap_or_default();
    let images: Vec<&str> = names(body, "images").collect();
    let (named, only) = (images.iter().find(|image| name_and_tag(image).0 == app), images.first().filter(|_| images.len() == 1));
    let tag = named.or(only).and_then(|image| name_and_tag(image).1);
    tag.or_else(|| told(body, "revision"))
}

/// (`cart`, `1.4.2`) of `ghcr.io/shop/cart:1.4.2`; of a digest the digest.
fn name_and_tag(image: &str) -> (&str, Option<&str>) {
    let last = image.rsplit('/').next().unwrap_or(image);
    let split = last.split_once('@').or_else(|| last.split_once(':'));
    split.map_or((last, None), |(name, tag)| (name.split(':').next().unwrap_or(name), Some(tag).filter(|tag| !tag.is_empty())))
}

/// `shop/deploy` of `https://github.com/shop/deploy.git` or `git@github.com:shop/deploy.git`.
fn repository_of(url: &str) -> &str {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or(rest, |(_, path)| path));
    let path = if url.contains("://") { path } else { path.split_once(':').map_or(path, |(_, path)| path) };
    path.trim_end_matches('/').trim_end_matches(".git")
}

/// A text, unless it is what a Go template writes for nothing.
fn told<'v>(body: &'v Value, key: &str) -> Option<&'v str> {
    text(body, &[key]).filter(|text| !is_blank(text))
}

fn is_blank(text: &str) -> bool {
    matches!(text, "<no value>" | "<nil>" | "null")
}

/// The same body, blanks of the template taken for nothing in its times too.
fn without_blanks(body: &Value) -> Value {
    let mut body = body.clone();
    for (_, value) in body.as_object_mut().into_iter().flatten() {
        if value.as_str().is_some_and(is_blank) {
            *value = Value::Null;
        }
    }
    body
}
