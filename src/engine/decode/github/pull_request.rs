//! `pull_request`, every action of it. Only a merge changes what runs.

use serde_json::Value;

use super::super::change::{id_text, is_set, names, text, time_at};
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::{repository, subject};
use crate::model::{Event, Severity, Source};

pub(super) fn event(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let pull = subject(body, "pull_request")?;
    let number = id_text(pull, &["number"])
        .or_else(|| id_text(body, &["number"]))
        .ok_or_else(|| Refusal::field("pull_request.number is missing"))?;
    let action = text(body, &["action"]).ok_or_else(|| Refusal::field("action is missing"))?;
    let is_merged = action == "closed" && (is_set(pull, "merged") || text(pull, &["merged_at"]).is_some());
    let step = if is_merged { "merged" } else { action };
    let at = match step {
        "merged" => time_at(pull, &[&["merged_at"], &["closed_at"], &["updated_at"]], sink)?,
        "closed" => time_at(pull, &[&["closed_at"], &["updated_at"]], sink)?,
        "opened" => time_at(pull, &[&["created_at"], &["updated_at"]], sink)?,
        _ => time_at(pull, &[&["updated_at"], &["created_at"]], sink)?,
    };
    let subject_line = text(pull, &["title"]).unwrap_or("without a title");
    let title = format!("Pull request #{number} of {service} {}: {subject_line}", step.replace('_', " "));
    // It merges once; all else may come again, or several at one time.
    let id = if is_merged { String::new() } else { format!("{}/{at}", of_what(body)) };
    let mut draft = Draft::new(at, Source::Git, &format!("pull_request_{step}"), Severity::Info, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/pull/{number}/{step}{id}"));
    let (head, merge) = (text(pull, &["head", "sha"]), text(pull, &["merge_commit_sha"]));
    draft.fact("sha", if is_merged { merge.or(head) } else { head });
    draft.fact("head_sha", head);
    draft.fact("before_sha", text(body, &["before"]).or_else(|| text(pull, &["base", "sha"])));
    draft.fact("branch", text(pull, &["head", "ref"]));
    draft.fact("target_branch", text(pull, &["base", "ref"]));
    draft.fact("repository", Some(repository));
    draft.fact("pull_request", Some(&number));
    draft.fact("author", text(pull, &["user", "login"]));
    draft.fact("merged_by", text(pull, &["merged_by", "login"]));
    draft.fact("actor", text(body, &["sender", "login"]));
    draft.fact("message", Some(subject_line));
    draft.fact("description", text(pull, &["body"]));
    draft.fact("url", text(pull, &["html_url"]));
    draft.data.put("draft", is_set(pull, "draft"));
    for key in ["commits", "additions", "deletions", "changed_files"] {
        if let Some(count) = pull.get(key).and_then(Value::as_u64) {
            draft.data.put(key, count);
        }
    }
    draft.data.put_files(names(pull, "files"));
    Ok(draft.into_event())
}

/// The label, person or milestone that an action is about.
fn of_what(body: &Value) -> String {
    [["label", "name"], ["assignee", "login"], ["requested_reviewer", "login"], ["requested_team", "slug"], ["milestone", "title"]]
        .iter()
        .find_map(|path| text(body, path))
        .map(|what| format!("/{what}"))
        .unwrap_or_default()
}
