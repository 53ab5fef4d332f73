//! `deployment`, `release` and `feature_flag`.

use serde_json::Value;

use super::super::change::{branch_of, first_line, id_text, kafka_time_or, last_part, text, time_at};
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::{author, commit_facts, project, required};
use crate::model::event::truncate;
use crate::model::position::derived_id;
use crate::model::{Event, Severity, Source};

pub(super) fn deployment(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let project = project(body)?;
    let id = required(body, &["deployment_id"])?;
    let status = required(body, &["status"])?;
    let at = time_at(body, &[&["status_changed_at"]], sink)?;
    let environment = text(body, &["environment"]);
    // The payload has a short hash; the whole one stands at the end of the commit's address.
    let whole = text(body, &["commit_url"]).map(last_part).filter(|sha| super::super::change::is_sha(sha));
    let sha = whole.or_else(|| text(body, &["short_sha"]));
    let severity = if status == "failed" { Severity::High } else { Severity::Info };
    let what = sha.or_else(|| text(body, &["ref"])).map(|sha| format!(" {}", truncate(sha, 12))).unwrap_or_default();
    let place = environment.map(|name| format!(" to {name}")).unwrap_or_default();
    let title = format!("Deployment of {}{what}{place}: {status}", project.service);
    let mut draft = Draft::new(at, Source::Ci, "deployment", severity, &title)
        .of_service(Some(&project.service))
        .in_environment(environment)
        .with_source_id(&format!("{}/deployment/{id}/{status}", project.path));
    draft.fact("sha", sha);
    draft.fact("ref", text(body, &["ref"]));
    draft.fact("branch", text(body, &["ref"]).and_then(branch_of));
    draft.fact("author", author(body));
    draft.fact("message", text(body, &["commit_title"]));
    draft.fact("repository", Some(&project.path));
    draft.fact("deployment_id", Some(&id));
    draft.fact("job_id", id_text(body, &["deployable_id"]).as_deref());
    draft.fact("step", Some(&status));
    draft.fact("environment_tier", text(body, &["environment_tier"]));
    draft.fact("url", text(body, &["deployable_url"]).or_else(|| text(body, &["commit_url"])));
    Ok(draft.into_event())
}

pub(super) fn release(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let project = project(body)?;
    let tag = required(body, &["tag"])?;
    let action = text(body, &["action"]).unwrap_or("create");
    let (event_type, verb) = match action {
        "create" => ("release".to_owned(), "published"),
        "update" => ("release_edited".to_owned(), "edited"),
        "delete" => ("release_deleted".to_owned(), "deleted"),
        other => (format!("release_{other}"), other),
    };
    let at = match action {
        "create" => time_at(body, &[&["released_at"], &["created_at"]], sink)?,
        _ => kafka_time_or(body, &[&["released_at"], &["created_at"]], sink)?,
    };
    let id = id_text(body, &["id"]).unwrap_or_else(|| tag.clone());
    let edition = match action {
        "update" => format!("/{}", derived_id(&format!("{:?}\0{:?}", text(body, &["name"]), text(body, &["description"])))),
        _ => String::new(),
    };
    let title = format!("Release {tag} of {}: {verb}", project.service);
    let mut draft = Draft::new(at, Source::Git, &event_type, Severity::Info, &title)
        .of_service(Some(&project.service))
        .with_source_id(&format!("{}/release/{id}/{action}{edition}", project.path));
    draft.fact("version", Some(&tag));
    draft.fact("ref", Some(&format!("refs/tags/{tag}")));
    draft.fact("sha", text(body, &["commit", "id"]));
    draft.fact("author", text(body, &["commit", "author", "name"]));
    draft.fact("repository", Some(&project.path));
    draft.fact("description", text(body, &["description"]));
    draft.fact("url", text(body, &["url"]));
    commit_facts(&mut draft, body);
    Ok(draft.into_event())
}

/// A flag that was turned. The payload does not say when.
pub(super) fn feature_flag(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let project = project(body)?;
    let name = required(body, &["object_attributes", "name"])?;
    let is_active = body["object_attributes"]
        .get("active")
        .and_then(Value::as_bool)
        .ok_or_else(|| Refusal::field("object_attributes.active is missing"))?;
    let at = kafka_time_or(body, &[], sink)?;
    let state = if is_active { "on" } else { "off" };
    let title = format!("Feature flag {} of {} turned {state}", first_line(&name), project.service);
    // Without a time of its own, each turn is known by the record that tells it.
    let mut draft = Draft::new(at, Source::Git, "feature_flag", Severity::Info, &title).of_service(Some(&project.service));
    draft.fact("flag", Some(&name));
    draft.fact("state", Some(state));
    draft.fact("author", author(body));
    draft.fact("repository", Some(&project.path));
    draft.fact("description", text(body, &["object_attributes", "description"]));
    draft.fact("message", Some(&title));
    Ok(draft.into_event())
}
