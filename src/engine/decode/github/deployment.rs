//! `deployment` and `deployment_status`: the steps of one life.

use serde_json::Value;

use super::super::change::{branch_of, diff_of, id_text, is_sha, names, text, time_at};
use super::super::draft::Draft;
use super::super::sink::{RecordSink, Refusal};
use super::{repository, subject};
use crate::model::event::truncate;
use crate::model::{Event, Severity, Source, Timestamp};

pub(super) fn deployment(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let at = time_at(body, &[&["deployment", "created_at"], &["deployment", "updated_at"]], sink)?;
    let step = text(body, &["action"]).unwrap_or("created");
    event(body, at, step, step)
}

pub(super) fn status(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let at = time_at(body, &[&["deployment_status", "created_at"], &["deployment_status", "updated_at"]], sink)?;
    let state = text(body, &["deployment_status", "state"]).ok_or_else(|| Refusal::field("deployment_status.state is missing"))?;
    let step = match id_text(body, &["deployment_status", "id"]) {
        Some(id) => format!("status/{id}/{state}"),
        None => format!("status/{state}"),
    };
    event(body, at, state, &step)
}

fn event(body: &Value, at: Timestamp, state: &str, step: &str) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let deployment = subject(body, "deployment")?;
    let id = id_text(deployment, &["id"]).ok_or_else(|| Refusal::field("deployment.id is missing"))?;
    let environment = text(deployment, &["environment"]).or_else(|| text(body, &["deployment_status", "environment"]));
    let sha = text(deployment, &["sha"]);
    let severity = if matches!(state, "failure" | "error") { Severity::High } else { Severity::Info };
    // GitHub says so of an older deployment when a newer one takes its place: nothing of it changes then.
    let event_type = if state == "inactive" { "deployment_inactive" } else { "deployment" };
    let what = sha.or_else(|| text(deployment, &["ref"])).map(|sha| format!(" {}", truncate(sha, 12))).unwrap_or_default();
    let place = environment.map(|name| format!(" to {name}")).unwrap_or_default();
    let title = format!("Deployment of {service}{what}{place}: {}", state.replace('_', " "));
    let mut draft = Draft::new(at, Source::Ci, event_type, severity, &title)
        .of_service(Some(service))
        .in_environment(environment)
        .with_source_id(&format!("{repository}/deployment/{id}/{step}"));
    let payload = deployment_payload(deployment);
    draft.fact("sha", sha);
    draft.fact("ref", text(deployment, &["ref"]));
    draft.fact("branch", text(deployment, &["ref"]).and_then(branch_of).filter(|name| !is_sha(name)));
    draft.fact("author", text(deployment, &["creator", "login"]).or_else(|| text(body, &["sender", "login"])));
    draft.fact("description", text(deployment, &["description"]));
    draft.fact("message", text(&payload, &["message"]).or_else(|| text(deployment, &["description"])));
    draft.fact("repository", Some(repository));
    draft.fact("deployment_id", Some(&id));
    draft.fact("run_id", id_text(body, &["workflow_run", "id"]).as_deref());
    draft.fact("step", Some(state));
    draft.fact("status_description", text(body, &["deployment_status", "description"]));
    draft.fact("url", text(body, &["deployment_status", "target_url"]).or_else(|| text(deployment, &["url"])));
    for key in ["version", "image", "artifact"] {
        draft.fact(key, text(&payload, &[key]));
    }
    draft.data.put_files(names(&payload, "files"));
    draft.data.put_diff(diff_of(&[&payload, deployment, body]));
    draft.data.put_attached("payload", &without_diff(payload));
    Ok(draft.into_event())
}

/// GitHub sends the payload as an object, older clients as JSON in a text.
fn deployment_payload(deployment: &Value) -> Value {
    match &deployment["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        payload => payload.clone(),
    }
}

fn without_diff(mut payload: Value) -> Value {
    if let Some(map) = payload.as_object_mut() {
        map.remove("diff");
        map.remove("patch");
        map.remove("files");
    }
    payload
}
