//! GitHub webhooks, read leniently: payloads drift. The `X-GitHub-Event` header names the event; without it the shape does.
//!
//! A service is the repository's name. Commits, pull requests, branches, tags and releases are of source `git`, deployments, builds
//! and checks of source `ci`, whichever connector reads them, so that a payload on two topics is one event.

use serde_json::Value;

use super::change::{at, text};
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::event::truncate;

mod build;
mod check;
mod deployment;
mod pull_request;
mod push;
mod release;

pub(super) const FORMAT: &str = "github";
pub(super) const WIRE: Format =
    &WireFormat { name: FORMAT, header: Some("x-github-event"), sign: Sign::Object(is_read), reader: Reader::Object(decode_body) };

const READ: &str =
    "push, create, pull_request, release, deployment, deployment_status, workflow_run, workflow_job, check_run, check_suite, status";

/// True for what only GitHub sends, read or not.
pub(super) fn is_webhook(body: &Value) -> bool {
    event_of_shape(body).is_some() || text(body, &["repository", "full_name"]).is_some() && text(body, &["sender", "login"]).is_some()
}

/// True for the shape of an event that is read.
pub(super) fn is_read(body: &Value) -> bool {
    event_of_shape(body).is_some_and(|event| event != "ping")
}

/// Which of the events we read has this shape. An event may carry what another is about, so the order matters.
fn event_of_shape(body: &Value) -> Option<&'static str> {
    let has = |key: &str| body.get(key).is_some_and(|value| !value.is_null());
    let is_object = |key: &str| body.get(key).is_some_and(Value::is_object);
    if has("zen") && has("hook_id") {
        return Some("ping");
    }
    if !is_object("repository") || has("object_kind") {
        return None;
    }
    // Reviews, comments and protection rules speak of a pull request or a deployment, but are none.
    let is_about = ["review", "comment", "thread", "issue", "reviewers", "deployment_callback_url"].into_iter().any(has);
    const OBJECTS: [&str; 8] =
        ["deployment_status", "workflow_job", "deployment", "workflow_run", "check_run", "check_suite", "pull_request", "release"];
    if let Some(name) = OBJECTS.into_iter().find(|name| is_object(name)) {
        return (!is_about).then_some(name);
    }
    if body.get("ref").is_some() && (body.get("commits").is_some_and(Value::is_array) || body.get("pusher").is_some()) {
        Some("push")
    } else if has("ref_type") && has("master_branch") {
        Some("create")
    } else if has("sha") && has("state") && has("context") {
        Some("status")
    } else {
        None
    }
}

/// Reads a webhook. `event` is the `X-GitHub-Event` header; without it the shape decides.
pub(super) fn decode_body(event: Option<&str>, body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let event = match event.map(str::trim).or_else(|| event_of_shape(body)) {
        Some("push") => return push::push(body, sink),
        Some("create") => push::create(body, sink),
        Some("pull_request") => pull_request::event(body, sink),
        Some("release") => release::event(body, sink),
        Some("deployment") => deployment::deployment(body, sink),
        Some("deployment_status") => deployment::status(body, sink),
        Some("workflow_run") => build::workflow_run(body, sink),
        Some("workflow_job") => build::workflow_job(body, sink),
        Some("check_run") => check::check_run(body, sink),
        Some("check_suite") => check::check_suite(body, sink),
        Some("status") => check::status(body, sink),
        Some("ping") => return Err(Refusal::no_items("GitHub's ping carries no event")),
        Some(other) => return Err(Refusal::unknown(format!("GitHub event {:?} is not read; read are {READ}", truncate(other, 60)))),
        None => return Err(Refusal::unknown(format!("no shape of a GitHub event that is read: {READ}"))),
    }?;
    sink.event(event, FORMAT);
    Ok(())
}

/// (service, name with its owner).
fn repository(body: &Value) -> Result<(&str, &str), Refusal> {
    let name = text(body, &["repository", "name"]).ok_or_else(|| Refusal::field("repository.name is missing"))?;
    Ok((name, text(body, &["repository", "full_name"]).unwrap_or(name)))
}

/// The object that an event is about.
fn subject<'v>(body: &'v Value, key: &str) -> Result<&'v Value, Refusal> {
    at(body, &[key]).filter(|subject| subject.is_object()).ok_or_else(|| Refusal::field(format!("{key} is missing")))
}

/// Number of the first pull request in a list.
fn pull_request_of(subject: &Value) -> Option<String> {
    super::change::id_text(super::change::list(subject, &["pull_requests"]).first()?, &["number"])
}
