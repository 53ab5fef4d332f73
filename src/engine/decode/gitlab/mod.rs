//! GitLab webhooks, told apart by `object_kind`; the `X-Gitlab-Event` header says it where the body does not.
//!
//! A service is the project's name. The words are those of the other systems: a merge request is a `pull_request`, a pipeline a
//! `build`. GitLab writes times in several spellings (`2016-08-12 15:23:28 UTC`, `2021-04-28 21:50:00 +0200`, RFC 3339).

use serde_json::Value;

use super::change::{at, id_text, last_part, text};
use super::draft::Draft;
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::event::truncate;

mod build;
mod deployment;
mod merge_request;
mod push;

pub(super) const FORMAT: &str = "gitlab";
pub(super) const WIRE: Format =
    &WireFormat { name: FORMAT, header: Some("x-gitlab-event"), sign: Sign::Object(is_webhook), reader: Reader::Object(decode_body) };

const READ: &str = "push, tag_push, merge_request, pipeline, build, deployment, release, feature_flag";

/// True for what only GitLab sends, read or not.
pub(super) fn is_webhook(body: &Value) -> bool {
    let has = |key: &str| at(body, &[key]).is_some();
    text(body, &["object_kind"]).is_some() && (has("project") || has("project_id") || has("project_name") || has("object_attributes"))
}

/// Reads a webhook. `header` is `X-Gitlab-Event`, for bodies that do not name their kind.
pub(super) fn decode_body(header: Option<&str>, body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let kind = text(body, &["object_kind"]).or_else(|| text(body, &["event_name"])).or_else(|| header.and_then(kind_of_header));
    let event = match kind {
        Some("push") => return push::push(body, sink),
        Some("tag_push") => push::tag_push(body, sink),
        Some("merge_request") => merge_request::event(body, sink),
        Some("pipeline") => build::pipeline(body, sink),
        Some("build" | "job") => build::job(body, sink),
        Some("deployment") => deployment::deployment(body, sink),
        Some("release") => deployment::release(body, sink),
        Some("feature_flag") => deployment::feature_flag(body, sink),
        Some(other) => return Err(Refusal::unknown(format!("GitLab event {:?} is not read; read are {READ}", truncate(other, 60)))),
        None => return Err(Refusal::field(format!("object_kind is missing; read are {READ}"))),
    }?;
    sink.event(event, FORMAT);
    Ok(())
}

fn kind_of_header(header: &str) -> Option<&'static str> {
    match header.trim() {
        "Push Hook" => Some("push"),
        "Tag Push Hook" => Some("tag_push"),
        "Merge Request Hook" => Some("merge_request"),
        "Pipeline Hook" => Some("pipeline"),
        "Job Hook" => Some("build"),
        "Deployment Hook" => Some("deployment"),
        "Release Hook" => Some("release"),
        "Feature Flag Hook" => Some("feature_flag"),
        _ => None,
    }
}

/// A project: its service and its path with the group, `shop/cart`.
struct Project {
    service: String,
    path: String,
}

/// Finds the project under the names that the kinds of webhooks give it.
fn project(body: &Value) -> Result<Project, Refusal> {
    let page = || text(body, &["project", "web_url"]).or_else(|| text(body, &["repository", "homepage"])).and_then(path_of_page);
    let path = text(body, &["project", "path_with_namespace"])
        .or_else(page)
        .or_else(|| text(body, &["project_name"]))
        .or_else(|| text(body, &["project", "name"]))
        .or_else(|| text(body, &["repository", "name"]))
        .ok_or_else(|| Refusal::field("project.path_with_namespace is missing"))?;
    // "GitLab Org / GitLab Test", as jobs have it.
    let path: String = path.split('/').map(str::trim).collect::<Vec<_>>().join("/");
    Ok(Project { service: last_part(&path).to_owned(), path })
}

/// `shop/cart` of `https://gitlab.example.com/shop/cart`.
fn path_of_page(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split_once('/').map(|(_, path)| path.trim_matches('/')).filter(|path| !path.is_empty())
}

/// Who did it: GitLab puts the name in one of three places.
fn author(body: &Value) -> Option<&str> {
    text(body, &["user", "username"])
        .or_else(|| text(body, &["user_username"]))
        .or_else(|| text(body, &["user", "name"]))
        .or_else(|| text(body, &["user_name"]))
}

/// Facts of the commit that a pipeline, job, deployment or release is about.
fn commit_facts(draft: &mut Draft, body: &Value) {
    draft.fact("message", text(body, &["commit", "message"]).or_else(|| text(body, &["commit", "title"])));
    draft.fact("commit_author", text(body, &["commit", "author", "name"]).or_else(|| text(body, &["commit", "author_name"])));
}

fn required(value: &Value, path: &[&str]) -> Result<String, Refusal> {
    id_text(value, path).ok_or_else(|| Refusal::field(format!("{} is missing", path.join("."))))
}
