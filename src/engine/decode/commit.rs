//! A commit of a push, which the forges tell alike.

use serde_json::Value;

use super::change::{branch_of, diff_of, first_line, is_merge, is_no_sha, names, text, time_at};
use super::draft::Draft;
use super::sink::{RecordSink, Refusal};
use crate::model::event::truncate;
use crate::model::{Severity, Source};

/// What `commits` of a push hold of one; who pushed, and when, each forge says elsewhere. An error names the field that is missing.
pub(super) fn of_push(push: &Value, commit: &Value, service: &str, repository: &str, sink: &RecordSink<'_>) -> Result<Draft, Refusal> {
    let sha = text(commit, &["id"]).or_else(|| text(commit, &["sha"])).ok_or_else(|| Refusal::field("a commit without id"))?;
    let at = time_at(commit, &[&["timestamp"]], sink)?;
    let message = text(commit, &["message"]).or_else(|| text(commit, &["title"])).unwrap_or_default();
    let subject = first_line(message);
    let title = if subject.is_empty() { format!("Commit {}", truncate(sha, 12)) } else { subject.to_owned() };
    let mut draft = Draft::new(at, Source::Git, "commit", Severity::Info, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/commit/{}", truncate(sha, 64)));
    draft.fact("sha", Some(sha));
    draft.fact("author", text(commit, &["author", "name"]).or_else(|| text(commit, &["author", "username"])));
    draft.fact("message", Some(message));
    draft.fact("repository", Some(repository));
    draft.fact("ref", text(push, &["ref"]));
    draft.fact("branch", text(push, &["ref"]).and_then(branch_of));
    draft.fact("url", text(commit, &["url"]));
    draft.fact("tip_sha", text(push, &["after"]).filter(|tip| *tip != sha && !is_no_sha(tip)));
    draft.data.put("merge", is_merge(commit, subject));
    draft.data.put_files(["added", "removed", "modified"].iter().flat_map(|key| names(commit, key)));
    draft.data.put_diff(diff_of(&[commit]));
    Ok(draft)
}
