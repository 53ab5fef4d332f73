//! `push`: one event a commit; a push that brings none is one by itself. `create`: a branch or tag.

use serde_json::Value;

use super::super::change::{branch_of, is_no_sha, is_set, list, text, time, time_at};
use super::super::commit;
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::{FORMAT, repository};
use crate::model::{Event, Severity, Source};

pub(super) fn push(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let (service, repository) = repository(body)?;
    let commits = list(body, &["commits"]);
    if commits.is_empty() {
        let event = bare_push(body, service, repository, sink)?;
        sink.event(event, FORMAT);
        return Ok(());
    }
    for commit in commits {
        match commit_event(body, commit, service, repository, sink) {
            Ok(event) => sink.event(event, FORMAT),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn commit_event(body: &Value, pushed: &Value, service: &str, repository: &str, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let mut draft = commit::of_push(body, pushed, service, repository, sink)?;
    draft.fact("author_login", text(pushed, &["author", "username"]));
    if let Ok(Some(pushed_at)) = time(body, &["repository", "pushed_at"]) {
        draft.data.put("pushed_at", pushed_at.to_string());
    }
    Ok(draft.into_event())
}

/// A push that moves a ref without new commits: created, deleted, or set back by force.
fn bare_push(body: &Value, service: &str, repository: &str, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let git_ref = text(body, &["ref"]).ok_or_else(|| Refusal::field("a push without ref"))?;
    let (before, after) = (text(body, &["before"]).unwrap_or("none"), text(body, &["after"]).unwrap_or("none"));
    let kind = if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" };
    let moved = if kind == "tag" { "tag_moved" } else { "push" };
    let (verb, event_type) = match (is_set(body, "created"), is_set(body, "deleted"), is_set(body, "forced")) {
        (_, true, _) => ("Deleted", format!("{kind}_deleted")),
        (true, ..) => ("Created", format!("{kind}_created")),
        (.., true) => ("Forced", moved.to_owned()),
        _ => ("Moved", moved.to_owned()),
    };
    let short = branch_of(git_ref).or_else(|| git_ref.strip_prefix("refs/")).unwrap_or(git_ref);
    let at = time_at(body, &[&["head_commit", "timestamp"], &["repository", "pushed_at"]], sink)?;
    let title = format!("{verb} {short} of {repository}");
    let mut draft = Draft::new(at, Source::Git, &event_type, Severity::Info, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/{git_ref}/{before}..{after}"));
    draft.fact("sha", Some(after).filter(|sha| !is_no_sha(sha)));
    draft.fact("before_sha", Some(before).filter(|sha| !is_no_sha(sha)));
    draft.fact("ref", Some(git_ref));
    draft.fact("branch", branch_of(git_ref));
    draft.fact("version", git_ref.strip_prefix("refs/tags/"));
    draft.fact("repository", Some(repository));
    draft.fact("author", text(body, &["pusher", "name"]));
    draft.fact("url", text(body, &["compare"]));
    draft.data.put("forced", is_set(body, "forced"));
    Ok(draft.into_event())
}

/// A branch or tag appeared. The payload has no time of its own.
pub(super) fn create(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let name = text(body, &["ref"]).ok_or_else(|| Refusal::field("ref is missing"))?;
    let kind = text(body, &["ref_type"]).ok_or_else(|| Refusal::field("ref_type is missing"))?;
    let pushed_at = time(body, &["repository", "pushed_at"])?;
    let at = time_at(body, &[&["repository", "pushed_at"]], sink)?;
    let step = pushed_at.map(|at| format!("/{at}")).unwrap_or_default();
    let title = format!("Created {kind} {name} of {repository}");
    let mut draft = Draft::new(at, Source::Git, &format!("{kind}_created"), Severity::Info, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/{kind}/{name}/created{step}"));
    let is_tag = kind == "tag";
    draft.fact("ref", Some(&format!("refs/{}/{name}", if is_tag { "tags" } else { "heads" })));
    draft.fact(if is_tag { "version" } else { "branch" }, Some(name));
    draft.fact("repository", Some(repository));
    draft.fact("author", text(body, &["sender", "login"]));
    draft.fact("description", text(body, &["description"]));
    draft.fact("url", text(body, &["repository", "html_url"]));
    Ok(draft.into_event())
}
