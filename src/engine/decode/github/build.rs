//! `workflow_run` and `workflow_job`: a build and its jobs, step by step.

use serde_json::Value;

use super::super::change::{id_text, list, text, time_at};
use super::super::draft::{Draft, step_of};
use super::super::sink::{RecordSink, Refusal};
use super::{pull_request_of, repository, subject};
use crate::model::{Event, Source};

pub(super) fn workflow_run(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let run = subject(body, "workflow_run")?;
    let id = id_text(run, &["id"]).ok_or_else(|| Refusal::field("workflow_run.id is missing"))?;
    let attempt = id_text(run, &["run_attempt"]).unwrap_or_else(|| "1".to_owned());
    let action = text(body, &["action"]).or_else(|| text(run, &["status"])).unwrap_or("requested");
    let conclusion = text(run, &["conclusion"]);
    let (event_type, severity) = outcome("build", action, conclusion);
    let started = time_at(run, &[&["run_started_at"], &["created_at"]], sink)?;
    let at = if action == "completed" { time_at(run, &[&["updated_at"], &["run_started_at"], &["created_at"]], sink)? } else { started };
    let name =
        text(run, &["name"]).or_else(|| text(body, &["workflow", "name"])).or_else(|| text(run, &["display_title"])).unwrap_or("workflow");
    let title = format!("{name} of {service}{}: {}", on_branch(run), words(&event_type, "build_"));
    let mut draft = Draft::new(at, Source::Ci, &event_type, severity, &title)
        .of_service(Some(service))
        .with_source_id(&format!("{repository}/run/{id}/attempt/{attempt}/{action}"));
    draft.fact("run_id", Some(&id));
    draft.fact("author", text(run, &["actor", "login"]).or_else(|| text(body, &["sender", "login"])));
    draft.fact("message", text(run, &["head_commit", "message"]).or_else(|| text(run, &["display_title"])));
    draft.fact("workflow", Some(name));
    draft.fact("trigger", text(run, &["event"]));
    draft.fact("attempt", Some(&attempt));
    common_facts(&mut draft, repository, run, conclusion);
    if action == "completed" {
        draft.data.put("started_at", started.to_string());
        draft.data.put("duration_s", at.seconds_since(started).max(0.0));
    }
    Ok(draft.into_event())
}

pub(super) fn workflow_job(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let job = subject(body, "workflow_job")?;
    let id = id_text(job, &["id"]).ok_or_else(|| Refusal::field("workflow_job.id is missing"))?;
    let attempt = id_text(job, &["run_attempt"]).unwrap_or_else(|| "1".to_owned());
    let action = text(body, &["action"]).or_else(|| text(job, &["status"])).unwrap_or("queued");
    let conclusion = text(job, &["conclusion"]);
    let (event_type, severity) = outcome("job", action, conclusion);
    let at = match action {
        "completed" => time_at(job, &[&["completed_at"], &["started_at"], &["created_at"]], sink)?,
        "in_progress" => time_at(job, &[&["started_at"], &["created_at"]], sink)?,
        _ => time_at(job, &[&["created_at"], &["started_at"]], sink)?,
    };
    let name = text(job, &["name"]).unwrap_or("job");
    let title = format!("Job {name} of {service}{}: {}", on_branch(job), words(&event_type, "job_"));
    let mut draft = Draft::new(at, Source::Ci, &event_type, severity, &title)
        .of_service(Some(service))
        .on_host(text(job, &["runner_name"]))
        .with_source_id(&format!("{repository}/job/{id}/attempt/{attempt}/{action}"));
    draft.fact("run_id", id_text(job, &["run_id"]).as_deref());
    draft.fact("job_id", Some(&id));
    draft.fact("job", Some(name));
    draft.fact("workflow", text(job, &["workflow_name"]));
    draft.fact("attempt", Some(&attempt));
    draft.fact("author", text(body, &["sender", "login"]));
    common_facts(&mut draft, repository, job, conclusion);
    let failed = list(job, &["steps"]).iter().filter(|step| text(step, &["conclusion"]) == Some("failure"));
    let failed: Vec<&str> = failed.filter_map(|step| text(step, &["name"])).take(20).collect();
    if !failed.is_empty() {
        draft.data.put("failed_steps", failed);
    }
    if action == "completed" {
        let started = time_at(job, &[&["started_at"], &["created_at"]], sink)?;
        draft.data.put("started_at", started.to_string());
        draft.data.put("duration_s", at.seconds_since(started).max(0.0));
    }
    Ok(draft.into_event())
}

/// Type and severity of a step; what is completed is judged by how it ended.
pub(super) fn outcome(what: &str, action: &str, conclusion: Option<&str>) -> (String, crate::model::Severity) {
    step_of(what, if action == "completed" { conclusion.unwrap_or(action) } else { action })
}

/// What an event type says besides its subject, for a title.
pub(super) fn words(event_type: &str, prefix: &str) -> String {
    event_type.strip_prefix(prefix).unwrap_or(event_type).replace('_', " ")
}

fn on_branch(run: &Value) -> String {
    text(run, &["head_branch"]).map(|branch| format!(" on {branch}")).unwrap_or_default()
}

fn common_facts(draft: &mut Draft, repository: &str, run: &Value, conclusion: Option<&str>) {
    draft.fact("sha", text(run, &["head_sha"]));
    draft.fact("branch", text(run, &["head_branch"]));
    draft.fact("repository", Some(repository));
    draft.fact("pull_request", pull_request_of(run).as_deref());
    draft.fact("conclusion", conclusion);
    draft.fact("url", text(run, &["html_url"]));
}
