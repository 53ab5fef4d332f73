//! `pipeline` and `build` (a job): a build and its jobs, step by step.

use serde_json::Value;

use super::super::change::{branch_of, first_time, id_text, is_set, list, text, time, time_at};
use super::super::draft::{Draft, step_of};
use super::super::sink::{RecordSink, Refusal};
use super::{author, commit_facts, project, required};
use crate::model::{Event, Source, Timestamp};

/// True for the steps after which nothing follows.
fn has_ended(status: &str) -> bool {
    matches!(status, "success" | "failed" | "canceled" | "skipped")
}

pub(super) fn pipeline(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let project = project(body)?;
    let pipeline = &body["object_attributes"];
    let id = required(body, &["object_attributes", "id"])?;
    let status = required(body, &["object_attributes", "status"])?;
    let (event_type, severity) = step_of("build", &status);
    let finished = time(pipeline, &["finished_at"])?;
    let at = match (has_ended(&status), status.as_str()) {
        (true, _) => time_at(pipeline, &[&["finished_at"], &["created_at"]], sink)?,
        (_, "running") => first_start(body)?.map_or_else(|| time_at(pipeline, &[&["created_at"]], sink), Ok)?,
        _ => time_at(pipeline, &[&["created_at"]], sink)?,
    };
    let git_ref = text(pipeline, &["ref"]);
    let place = git_ref.map(|git_ref| format!(" on {git_ref}")).unwrap_or_default();
    let name = text(pipeline, &["name"]).unwrap_or("Pipeline");
    let title = format!("{name} of {}{place}: {status}", project.service);
    // A pipeline whose jobs are retried ends once more under the same id.
    let end = finished.map(|at| format!("/{at}")).unwrap_or_default();
    let mut draft = Draft::new(at, Source::Ci, &event_type, severity, &title)
        .of_service(Some(&project.service))
        .with_source_id(&format!("{}/pipeline/{id}/{status}{end}", project.path));
    draft.fact("run_id", Some(&id));
    draft.fact("sha", text(pipeline, &["sha"]));
    draft.fact("before_sha", text(pipeline, &["before_sha"]).filter(|sha| !super::super::change::is_no_sha(sha)));
    draft.fact("ref", git_ref);
    draft.fact(if is_set(pipeline, "tag") { "version" } else { "branch" }, git_ref.and_then(branch_of));
    draft.fact("repository", Some(&project.path));
    draft.fact("pull_request", id_text(body, &["merge_request", "iid"]).as_deref());
    draft.fact("author", author(body));
    draft.fact("trigger", text(pipeline, &["source"]));
    draft.fact("conclusion", Some(&status));
    draft.fact("url", text(pipeline, &["url"]));
    commit_facts(&mut draft, body);
    duration(&mut draft, pipeline.get("duration"));
    let failed = list(body, &["builds"]).iter().filter(|job| text(job, &["status"]) == Some("failed") && !is_set(job, "allow_failure"));
    let failed: Vec<&str> = failed.filter_map(|job| text(job, &["name"])).take(20).collect();
    if !failed.is_empty() {
        draft.data.put("failed_jobs", failed);
    }
    Ok(draft.into_event())
}

/// When the first job of a pipeline began: the pipeline itself does not say.
fn first_start(body: &Value) -> Result<Option<Timestamp>, Refusal> {
    let mut first = None;
    for job in list(body, &["builds"]) {
        if let Some(start) = time(job, &["started_at"])? {
            first = Some(first.map_or(start, |first: Timestamp| first.min(start)));
        }
    }
    Ok(first)
}

pub(super) fn job(body: &Value, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let project = project(body)?;
    let id = required(body, &["build_id"])?;
    let status = required(body, &["build_status"])?;
    let (event_type, severity) = step_of("job", &status);
    let started = first_time(body, &[&["build_started_at"]])?;
    let at = match (has_ended(&status), status.as_str()) {
        (true, _) => time_at(body, &[&["build_finished_at"], &["build_started_at"], &["build_created_at"]], sink)?,
        (_, "running") => time_at(body, &[&["build_started_at"], &["build_created_at"]], sink)?,
        _ => time_at(body, &[&["build_created_at"]], sink)?,
    };
    let name = text(body, &["build_name"]).unwrap_or("job");
    let git_ref = text(body, &["ref"]);
    let place = git_ref.map(|git_ref| format!(" on {git_ref}")).unwrap_or_default();
    let why = text(body, &["build_failure_reason"]).filter(|why| status == "failed" && *why != "unknown_failure");
    let told = why.map(|why| format!(" ({})", why.replace('_', " "))).unwrap_or_default();
    let title = format!("Job {name} of {}{place}: {status}{told}", project.service);
    let mut draft = Draft::new(at, Source::Ci, &event_type, severity, &title)
        .of_service(Some(&project.service))
        .in_environment(text(body, &["environment", "name"]))
        .on_host(text(body, &["runner", "description"]))
        .with_source_id(&format!("{}/job/{id}/{status}", project.path));
    draft.fact("run_id", id_text(body, &["pipeline_id"]).or_else(|| id_text(body, &["commit", "id"])).as_deref());
    draft.fact("job_id", Some(&id));
    draft.fact("job", Some(name));
    draft.fact("stage", text(body, &["build_stage"]));
    draft.fact("sha", text(body, &["sha"]));
    draft.fact("before_sha", text(body, &["before_sha"]).filter(|sha| !super::super::change::is_no_sha(sha)));
    draft.fact("ref", git_ref);
    draft.fact(if is_set(body, "tag") { "version" } else { "branch" }, git_ref.and_then(branch_of));
    draft.fact("repository", Some(&project.path));
    draft.fact("author", author(body));
    draft.fact("conclusion", Some(&status));
    draft.fact("failure_reason", why);
    draft.data.put("allow_failure", is_set(body, "build_allow_failure"));
    if let Some(started) = started {
        draft.data.put("started_at", started.to_string());
    }
    commit_facts(&mut draft, body);
    duration(&mut draft, body.get("build_duration"));
    Ok(draft.into_event())
}

fn duration(draft: &mut Draft, seconds: Option<&Value>) {
    if let Some(seconds) = seconds.and_then(Value::as_f64).filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
        draft.data.put("duration_s", seconds);
    }
}
