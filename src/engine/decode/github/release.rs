//! `release`. GitHub sends several actions for one publication; `published` is the change.

use serde_json::Value;

use super::super::change::{id_text, is_set, is_sha, kafka_time_or, text, time, time_at};
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::{repository, subject};
use crate::model::position::derived_id;
use crate::model::{Event, Severity, Source};

pub(super) fn event(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let release = subject(body, "release")?;
    let tag = text(release, &["tag_name"]);
    let id = id_text(release, &["id"]).ok_or_else(|| Refusal::field("release.id is missing"))?;
    let action = text(body, &["action"]).ok_or_else(|| Refusal::field("action is missing"))?;
    let at = match action {
        "published" | "released" | "prereleased" => time_at(release, &[&["published_at"], &["created_at"]], sink)?,
        "created" => time_at(release, &[&["created_at"]], sink)?,
        _ => match time(release, &["updated_at"])? {
            Some(at) => at,
            None => kafka_time_or(release, &[&["published_at"], &["created_at"]], sink)?,
        },
    };
    let event_type = if action == "published" { "release".to_owned() } else { format!("release_{action}") };
    let name = tag.or_else(|| text(release, &["name"])).unwrap_or("without a tag");
    let title = format!("Release {name} of {service}: {action}");
    let step = if action == "edited" { format!("edited/{}", edition(release)) } else { action.to_owned() };
    let mut draft = Draft::new(at, Source::Git, &event_type, Severity::Info, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/release/{id}/{step}"));
    let target = text(release, &["target_commitish"]);
    draft.fact("version", tag);
    draft.fact("ref", tag.map(|tag| format!("refs/tags/{tag}")).as_deref());
    draft.fact("sha", target.filter(|target| is_sha(target)));
    draft.fact("branch", target.filter(|target| !is_sha(target)));
    draft.fact("repository", Some(repository));
    draft.fact("author", text(release, &["author", "login"]).or_else(|| text(body, &["sender", "login"])));
    draft.fact("message", text(release, &["name"]).or(tag));
    draft.fact("description", text(release, &["body"]));
    draft.fact("url", text(release, &["html_url"]));
    draft.data.put("prerelease", is_set(release, "prerelease"));
    draft.data.put("draft", is_set(release, "draft"));
    Ok(draft.into_event())
}

/// Tells one edit from the next: when it was made, else what it made of the text.
fn edition(release: &Value) -> String {
    id_text(release, &["updated_at"]).unwrap_or_else(|| {
        let text = |key: &str| text(release, &[key]).unwrap_or_default();
        derived_id(&format!("{}\0{}\0{}", text("tag_name"), text("name"), text("body")))
    })
}
