//! `merge_request`, every action of it. Only a merge changes what runs.

use serde_json::Value;

use super::super::change::{at, is_set, text, time_at};
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::{author, project, required};
use crate::model::{Event, Severity, Source};

pub(super) fn event(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let project = project(body)?;
    let request = at(body, &["object_attributes"]).ok_or_else(|| Refusal::field("object_attributes is missing"))?;
    let number = required(body, &["object_attributes", "iid"])?;
    let action = text(request, &["action"])
        .or_else(|| text(request, &["state"]))
        .ok_or_else(|| Refusal::field("object_attributes.action is missing"))?;
    let step = match action {
        "merge" => "merged",
        "open" => "opened",
        "close" => "closed",
        "reopen" => "reopened",
        "update" => "updated",
        other => other,
    };
    let time = match step {
        "merged" => time_at(request, &[&["merged_at"], &["updated_at"], &["created_at"]], sink)?,
        "opened" => time_at(request, &[&["created_at"], &["updated_at"]], sink)?,
        _ => time_at(request, &[&["updated_at"], &["created_at"]], sink)?,
    };
    let subject = text(request, &["title"]).unwrap_or("without a title");
    let title = format!("Merge request !{number} of {} {step}: {subject}", project.service);
    let id = if step == "merged" { String::new() } else { format!("/{time}") };
    let mut draft = Draft::new(time, Source::Git, &format!("pull_request_{step}"), Severity::Info, &title)
        .of_service(Some(&project.service))
        .with_source_id(&format!("{}/merge_request/{number}/{step}{id}", project.path));
    let head = text(request, &["last_commit", "id"]);
    let merge = text(request, &["merge_commit_sha"]).or_else(|| text(request, &["squash_commit_sha"]));
    draft.fact("sha", if step == "merged" { merge.or(head) } else { head });
    draft.fact("head_sha", head);
    draft.fact("before_sha", text(request, &["oldrev"]));
    draft.fact("branch", text(request, &["source_branch"]));
    draft.fact("target_branch", text(request, &["target_branch"]));
    draft.fact("repository", Some(&project.path));
    draft.fact("pull_request", Some(&number));
    draft.fact("author", text(request, &["last_commit", "author", "name"]).or_else(|| author(body)));
    draft.fact("actor", author(body));
    draft.fact("message", Some(subject));
    draft.fact("description", text(request, &["description"]));
    draft.fact("url", text(request, &["url"]));
    draft.data.put("draft", is_set(request, "draft") || is_set(request, "work_in_progress"));
    Ok(draft.into_event())
}
