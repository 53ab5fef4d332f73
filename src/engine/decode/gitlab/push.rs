//! `push`: one event a commit, and one for a branch that appears, goes or moves without any. `tag_push`: one for the tag.

use serde_json::Value;

use super::super::change::{branch_of, is_no_sha, kafka_time_or, last_part, list, text};
use super::super::commit;
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::{FORMAT, Project, author, project, required};
use crate::model::{Event, Severity, Source};

pub(super) fn push(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let project = project(body)?;
    let commits = list(body, &["commits"]);
    if commits.is_empty() {
        let event = ref_event(body, &project, "branch", sink)?;
        sink.event(event, FORMAT);
        return Ok(());
    }
    for commit in commits {
        match commit_event(body, commit, &project, sink) {
            Ok(event) => sink.event(event, FORMAT),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

pub(super) fn tag_push(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    ref_event(body, &project(body)?, "tag", sink)
}

fn commit_event(body: &Value, pushed: &Value, project: &Project, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let mut draft = commit::of_push(body, pushed, &project.service, &project.path, sink)?;
    draft.fact("author_login", text(body, &["user_username"]));
    // GitLab lists at most twenty commits of a push.
    if let Some(total) =
        body.get("total_commits_count").and_then(Value::as_u64).filter(|total| *total > list(body, &["commits"]).len() as u64)
    {
        draft.data.put("commits_of_push", total);
    }
    Ok(draft.into_event())
}

/// A branch or tag that appeared, went or moved. The payload does not say when.
fn ref_event(body: &Value, project: &Project, kind: &str, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let git_ref = required(body, &["ref"])?;
    let (before, after) = (text(body, &["before"]).unwrap_or("none"), text(body, &["after"]).unwrap_or("none"));
    let (verb, event_type) = match (is_no_sha(before), is_no_sha(after)) {
        (_, true) => ("Deleted", format!("{kind}_deleted")),
        (true, false) => ("Created", format!("{kind}_created")),
        _ if kind == "tag" => ("Moved", "tag_moved".to_owned()),
        _ => ("Moved", "push".to_owned()),
    };
    let at = match list(body, &["commits"]).last() {
        Some(commit) => kafka_time_or(commit, &[&["timestamp"]], sink)?,
        None => kafka_time_or(body, &[], sink)?,
    };
    let title = format!("{verb} {kind} {} of {}", short_name(&git_ref), project.path);
    let mut draft = Draft::new(at, Source::Git, &event_type, Severity::Info, &title)
        .of_service(Some(&project.service))
        .with_source_id(&format!("{}/{git_ref}/{before}..{after}", project.path));
    draft.fact("sha", text(body, &["checkout_sha"]).or(Some(after)).filter(|sha| !is_no_sha(sha)));
    draft.fact("before_sha", Some(before).filter(|sha| !is_no_sha(sha)));
    draft.fact("ref", Some(&git_ref));
    draft.fact("branch", branch_of(&git_ref));
    draft.fact("version", git_ref.strip_prefix("refs/tags/"));
    draft.fact("repository", Some(&project.path));
    draft.fact("author", author(body));
    draft.fact("message", text(body, &["message"]));
    draft.fact("url", text(body, &["project", "web_url"]));
    Ok(draft.into_event())
}

fn short_name(git_ref: &str) -> &str {
    git_ref.strip_prefix("refs/heads/").or_else(|| git_ref.strip_prefix("refs/tags/")).unwrap_or_else(|| last_part(git_ref))
}
