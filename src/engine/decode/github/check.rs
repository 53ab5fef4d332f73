//! `check_run`, `check_suite` and `status`: what other systems say of a commit.

use serde_json::Value;

use super::super::change::{first_line, id_text, list, text, time, time_at};
use super::super::draft::{Draft, step_of};
use super::super::sink::{RecordSink, Refusal};
use super::build::{outcome, words};
use super::{pull_request_of, repository, subject};
use crate::model::event::truncate;
use crate::model::{Event, Source};

pub(super) fn check_run(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let run = subject(body, "check_run")?;
    let id = id_text(run, &["id"]).ok_or_else(|| Refusal::field("check_run.id is missing"))?;
    let action = text(body, &["action"]).or_else(|| text(run, &["status"])).unwrap_or("created");
    let conclusion = text(run, &["conclusion"]);
    let (event_type, severity) = outcome("check", action, conclusion);
    // Who asks for a run again does so after it ended; when, the payload does not say.
    let at = match action {
        "completed" => time_at(run, &[&["completed_at"], &["started_at"]], sink)?,
        "created" => time_at(run, &[&["started_at"]], sink)?,
        _ => match sink.kafka_time {
            Some(at) => at,
            None => time_at(run, &[&["completed_at"], &["started_at"]], sink)?,
        },
    };
    let name = text(run, &["name"]).unwrap_or("check");
    let title = format!("Check {name} of {service}: {}", words(&event_type, "check_"));
    let mut draft = Draft::new(at, Source::Ci, &event_type, severity, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/check_run/{id}/{action}"));
    let suite = &run["check_suite"];
    draft.fact("sha", text(run, &["head_sha"]));
    draft.fact("before_sha", text(suite, &["before"]));
    draft.fact("branch", text(suite, &["head_branch"]));
    draft.fact("repository", Some(repository));
    draft.fact("pull_request", pull_request_of(run).or_else(|| pull_request_of(suite)).as_deref());
    draft.fact("check_suite_id", id_text(suite, &["id"]).as_deref());
    draft.fact("check", Some(name));
    draft.fact("app", text(run, &["app", "name"]));
    draft.fact("author", text(body, &["sender", "login"]));
    draft.fact("conclusion", conclusion);
    draft.fact("message", text(run, &["output", "title"]));
    draft.fact("description", text(run, &["output", "summary"]));
    draft.fact("url", text(run, &["html_url"]).or_else(|| text(run, &["details_url"])));
    Ok(draft.into_event())
}

pub(super) fn check_suite(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let suite = subject(body, "check_suite")?;
    let id = id_text(suite, &["id"]).ok_or_else(|| Refusal::field("check_suite.id is missing"))?;
    let action = text(body, &["action"]).or_else(|| text(suite, &["status"])).unwrap_or("requested");
    let conclusion = text(suite, &["conclusion"]);
    let (event_type, severity) = outcome("check_suite", action, conclusion);
    let updated = time(suite, &["updated_at"])?;
    let at = match action {
        "requested" => time_at(suite, &[&["created_at"], &["updated_at"]], sink)?,
        _ => time_at(suite, &[&["updated_at"], &["created_at"]], sink)?,
    };
    let app = text(suite, &["app", "name"]);
    let branch = text(suite, &["head_branch"]).map(|branch| format!(" on {branch}")).unwrap_or_default();
    let title = format!("Checks of {service}{branch} by {}: {}", app.unwrap_or("an app"), words(&event_type, "check_suite_"));
    // A suite that is run again completes again under the same id.
    let step = updated.map(|at| format!("{action}/{at}")).unwrap_or_else(|| action.to_owned());
    let mut draft = Draft::new(at, Source::Ci, &event_type, severity, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/check_suite/{id}/{step}"));
    draft.fact("sha", text(suite, &["head_sha"]));
    draft.fact("before_sha", text(suite, &["before"]));
    draft.fact("branch", text(suite, &["head_branch"]));
    draft.fact("repository", Some(repository));
    draft.fact("pull_request", pull_request_of(suite).as_deref());
    draft.fact("check_suite_id", Some(&id));
    draft.fact("app", app);
    draft.fact("author", text(suite, &["head_commit", "author", "name"]).or_else(|| text(body, &["sender", "login"])));
    draft.fact("message", text(suite, &["head_commit", "message"]));
    draft.fact("conclusion", conclusion);
    draft.fact("url", text(suite, &["url"]));
    Ok(draft.into_event())
}

/// The status of a commit, as older systems report it.
pub(super) fn status(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let sha = text(body, &["sha"]).ok_or_else(|| Refusal::field("sha is missing"))?;
    let state = text(body, &["state"]).ok_or_else(|| Refusal::field("state is missing"))?;
    let at = time_at(body, &[&["created_at"], &["updated_at"]], sink)?;
    let (event_type, severity) = step_of("status", state);
    let context = text(body, &["context"]).unwrap_or("default");
    let told = text(body, &["description"]).map(|told| format!(" ({})", first_line(told))).unwrap_or_default();
    let title = format!("Status {context} of {service} {}: {}{told}", truncate(sha, 12), words(&event_type, "status_"));
    let id = id_text(body, &["id"]).unwrap_or_else(|| format!("{sha}/{context}/{at}"));
    let mut draft = Draft::new(at, Source::Ci, &event_type, severity, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/status/{id}/{state}"));
    draft.fact("sha", Some(sha));
    draft.fact("repository", Some(repository));
    // A commit may stand on many branches; only one alone says where it belongs.
    if let [branch] = list(body, &["branches"]) {
        draft.fact("branch", text(branch, &["name"]));
    }
    draft.fact("check", Some(context));
    draft.fact("conclusion", Some(state));
    draft.fact("description", text(body, &["description"]));
    draft.fact("author", text(body, &["commit", "commit", "author", "name"]).or_else(|| text(body, &["sender", "login"])));
    draft.fact("message", text(body, &["commit", "commit", "message"]));
    draft.fact("url", text(body, &["target_url"]).or_else(|| text(body, &["commit", "html_url"])));
    Ok(draft.into_event())
}
