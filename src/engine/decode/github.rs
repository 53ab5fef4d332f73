//! GitHub webhooks: `push`, `deployment`, `deployment_status`, `workflow_run`. Read leniently: payloads drift.
//!
//! A service is the repository's name. Commits and pushes are of source `git`, deployments and builds of source `ci`, whichever
//! connector reads them, so that a payload on two topics is one event.

use serde_json::Value;

use super::change::{Data, diff_of, first_line, id_text, parse, text, time};
use super::sink::{RecordSink, Refusal};
use crate::model::event::truncate;
use crate::model::{Event, Severity, Source, Timestamp};

const FORMAT: &str = "github";

/// `event` is the `X-GitHub-Event` header; without it the shape decides.
pub(super) fn decode(event: Option<&[u8]>, value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let body = parse(value)?;
    decode_body(event.and_then(|name| std::str::from_utf8(name).ok()), &body, sink)
}

/// True for what only GitHub sends, read or not.
pub(super) fn is_webhook(body: &Value) -> bool {
    event_of_shape(body).is_some() || text(body, &["repository", "full_name"]).is_some() && text(body, &["sender", "login"]).is_some()
}

/// Which of the events we read has this shape.
pub(super) fn event_of_shape(body: &Value) -> Option<&'static str> {
    body.get("repository")?.as_object()?;
    let is_object = |key: &str| body.get(key).is_some_and(Value::is_object);
    if is_object("deployment_status") {
        Some("deployment_status")
    } else if is_object("deployment") {
        Some("deployment")
    } else if is_object("workflow_run") {
        Some("workflow_run")
    } else if body.get("ref").is_some() && (body.get("commits").is_some_and(Value::is_array) || body.get("pusher").is_some()) {
        Some("push")
    } else {
        None
    }
}

pub(super) fn decode_body(event: Option<&str>, body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    match event.map(str::trim).or_else(|| event_of_shape(body)) {
        Some("push") => push(body, sink),
        Some("deployment") => deployment(body, sink),
        Some("deployment_status") => deployment_status(body, sink),
        Some("workflow_run") => workflow_run(body, sink),
        Some("ping") => Err(Refusal::no_items("GitHub's ping carries no event")),
        Some(other) => Err(Refusal::unknown(format!(
            "GitHub event {:?} is not read; read are push, deployment, deployment_status, workflow_run",
            truncate(other, 60)
        ))),
        None => Err(Refusal::unknown("no shape of a GitHub event that is read: push, deployment, deployment_status, workflow_run")),
    }
}

fn repository(body: &Value) -> Result<(&str, &str), Refusal> {
    let name = text(body, &["repository", "name"]).ok_or_else(|| Refusal::field("repository.name is missing"))?;
    Ok((name, text(body, &["repository", "full_name"]).unwrap_or(name)))
}

/// A time at one of several paths, else the record's Kafka time.
fn time_at(body: &Value, paths: &[&[&str]], sink: &RecordSink<'_>) -> Result<Timestamp, Refusal> {
    for path in paths {
        if let Some(time) = time(body, path)? {
            return Ok(time);
        }
    }
    sink.kafka_time.ok_or_else(|| {
        let names: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
        Refusal::field(format!("no time in {} nor a Kafka timestamp", names.join(", ")))
    })
}

fn push(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let (service, repository) = repository(body)?;
    let commits = body.get("commits").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if commits.is_empty() {
        let event = bare_push(body, service, repository, sink)?;
        sink.event(event, FORMAT);
        return Ok(());
    }
    for commit in commits {
        match commit_event(body, commit, service, repository, sink) {
            Ok(event) => sink.event(event, FORMAT),
            Err(refusal) => sink.refuse_item(refusal),
        }
    }
    Ok(())
}

fn commit_event(body: &Value, commit: &Value, service: &str, repository: &str, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let sha = text(commit, &["id"]).or_else(|| text(commit, &["sha"])).ok_or_else(|| Refusal::field("a commit without id"))?;
    let at = time_at(commit, &[&["timestamp"]], sink)?;
    let message = text(commit, &["message"]).unwrap_or_default();
    let subject = first_line(message);
    let author = text(commit, &["author", "name"]).or_else(|| text(commit, &["author", "username"]));
    let title = if subject.is_empty() { format!("Commit {}", truncate(sha, 12)) } else { subject.to_owned() };
    let mut event = Event::new(String::new(), at, Source::Git, "commit", Severity::Info, &title);
    event.service = Some(truncate(service, 200));
    event.source_id = Some(format!("{repository}/commit/{}", truncate(sha, 64)));
    let mut data = Data::default();
    data.put_text("sha", Some(sha));
    data.put_text("author", author);
    data.put_text("author_login", text(commit, &["author", "username"]));
    data.put_text("message", Some(message));
    data.put_text("repository", Some(repository));
    data.put_text("ref", text(body, &["ref"]));
    data.put_text("url", text(commit, &["url"]));
    data.put("merge", is_merge(commit, subject));
    data.put_files(["added", "removed", "modified"].iter().flat_map(|key| names(commit, key)));
    data.put_diff(diff_of(&[commit]));
    if let Ok(Some(pushed_at)) = time(body, &["repository", "pushed_at"]) {
        data.put("pushed_at", pushed_at.to_string());
    }
    event.data = data.into_value();
    Ok(event)
}

fn names<'v>(commit: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    commit.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Two parents where the payload lists parents (a push does not), else git's own words.
fn is_merge(commit: &Value, subject: &str) -> bool {
    let parents = commit.get("parents").and_then(Value::as_array).map_or(0, Vec::len);
    parents > 1
        || ["Merge pull request ", "Merge branch ", "Merge remote-tracking branch ", "Merge tag ", "Merge commit "]
            .iter()
            .any(|words| subject.starts_with(words))
}

/// A push that moves a ref without new commits: created, deleted, or set back by force.
fn bare_push(body: &Value, service: &str, repository: &str, sink: &RecordSink<'_>) -> Result<Event, Refusal> {
    let git_ref = text(body, &["ref"]).ok_or_else(|| Refusal::field("a push without ref"))?;
    let is_set = |key: &str| body.get(key).and_then(Value::as_bool).unwrap_or(false);
    let verb = match (is_set("created"), is_set("deleted"), is_set("forced")) {
        (_, true, _) => "Deleted",
        (true, ..) => "Created",
        (.., true) => "Forced",
        _ => "Moved",
    };
    let short = git_ref.strip_prefix("refs/heads/").or_else(|| git_ref.strip_prefix("refs/")).unwrap_or(git_ref);
    let at = time_at(body, &[&["head_commit", "timestamp"], &["repository", "pushed_at"]], sink)?;
    let mut event = Event::new(String::new(), at, Source::Git, "push", Severity::Info, &format!("{verb} {short} of {repository}"));
    event.service = Some(truncate(service, 200));
    let (before, after) = (text(body, &["before"]).unwrap_or("none"), text(body, &["after"]).unwrap_or("none"));
    event.source_id = Some(truncate(&format!("{repository}/{git_ref}/{before}..{after}"), 400));
    let mut data = Data::default();
    data.put_text("sha", Some(after));
    data.put_text("before", Some(before));
    data.put_text("ref", Some(git_ref));
    data.put_text("repository", Some(repository));
    data.put_text("author", text(body, &["pusher", "name"]));
    data.put_text("url", text(body, &["compare"]));
    data.put("forced", is_set("forced"));
    event.data = data.into_value();
    Ok(event)
}

fn deployment(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let at = time_at(body, &[&["deployment", "created_at"], &["deployment", "updated_at"]], sink)?;
    let step = text(body, &["action"]).unwrap_or("created");
    let event = deployment_event(body, at, step, step)?;
    sink.event(event, FORMAT);
    Ok(())
}

fn deployment_status(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let at = time_at(body, &[&["deployment_status", "created_at"], &["deployment_status", "updated_at"]], sink)?;
    let state = text(body, &["deployment_status", "state"]).ok_or_else(|| Refusal::field("deployment_status.state is missing"))?;
    let step = match id_text(body, &["deployment_status", "id"]) {
        Some(id) => format!("status/{id}/{state}"),
        None => format!("status/{state}"),
    };
    let event = deployment_event(body, at, state, &step)?;
    sink.event(event, FORMAT);
    Ok(())
}

fn deployment_event(body: &Value, at: Timestamp, state: &str, step: &str) -> Result<Event, Refusal> {
    let (service, repository) = repository(body)?;
    let deployment = &body["deployment"];
    let id = id_text(deployment, &["id"]).ok_or_else(|| Refusal::field("deployment.id is missing"))?;
    let environment = text(deployment, &["environment"]).or_else(|| text(body, &["deployment_status", "environment"]));
    let sha = text(deployment, &["sha"]);
    let severity = if matches!(state, "failure" | "error") { Severity::High } else { Severity::Info };
    let what = sha.or_else(|| text(deployment, &["ref"])).map(|sha| format!(" {}", truncate(sha, 12))).unwrap_or_default();
    let place = environment.map(|name| format!(" to {name}")).unwrap_or_default();
    let title = format!("Deployment of {service}{what}{place}: {}", state.replace('_', " "));
    let mut event = Event::new(String::new(), at, Source::Ci, "deployment", severity, &title);
    event.service = Some(truncate(service, 200));
    event.environment = environment.map(|name| truncate(name, 200));
    event.source_id = Some(truncate(&format!("{repository}/deployment/{id}/{step}"), 400));
    let payload = deployment_payload(deployment);
    let mut data = Data::default();
    data.put_text("sha", sha);
    data.put_text("ref", text(deployment, &["ref"]));
    data.put_text("author", text(deployment, &["creator", "login"]).or_else(|| text(body, &["sender", "login"])));
    data.put_text("description", text(deployment, &["description"]));
    data.put_text("message", text(&payload, &["message"]).or_else(|| text(deployment, &["description"])));
    data.put_text("repository", Some(repository));
    data.put_text("deployment_id", Some(&id));
    data.put_text("step", Some(state));
    data.put_text("url", text(body, &["deployment_status", "target_url"]).or_else(|| text(deployment, &["url"])));
    data.put_text("version", text(&payload, &["version"]));
    data.put_files(names(&payload, "files"));
    data.put_diff(diff_of(&[&payload, deployment, body]));
    data.put_attached("payload", &without_diff(payload));
    event.data = data.into_value();
    Ok(event)
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

fn workflow_run(body: &Value, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let (service, repository) = repository(body)?;
    let run = body.get("workflow_run").filter(|run| run.is_object()).ok_or_else(|| Refusal::field("workflow_run is missing"))?;
    let id = id_text(run, &["id"]).ok_or_else(|| Refusal::field("workflow_run.id is missing"))?;
    let attempt = id_text(run, &["run_attempt"]).unwrap_or_else(|| "1".to_owned());
    let action = text(body, &["action"]).or_else(|| text(run, &["status"])).unwrap_or("requested");
    let conclusion = text(run, &["conclusion"]);
    let (event_type, severity) = build_outcome(action, conclusion);
    let started = time_at(run, &[&["run_started_at"], &["created_at"]], sink)?;
    let at = if action == "completed" { time_at(run, &[&["updated_at"], &["run_started_at"], &["created_at"]], sink)? } else { started };
    let name =
        text(run, &["name"]).or_else(|| text(body, &["workflow", "name"])).or_else(|| text(run, &["display_title"])).unwrap_or("workflow");
    let branch = text(run, &["head_branch"]).map(|branch| format!(" on {branch}")).unwrap_or_default();
    let outcome = event_type.strip_prefix("build_").unwrap_or(&event_type).replace('_', " ");
    let mut event = Event::new(String::new(), at, Source::Ci, &event_type, severity, &format!("{name} of {service}{branch}: {outcome}"));
    event.service = Some(truncate(service, 200));
    event.source_id = Some(truncate(&format!("{repository}/run/{id}/attempt/{attempt}/{action}"), 400));
    let mut data = Data::default();
    data.put_text("sha", text(run, &["head_sha"]));
    data.put_text("author", text(run, &["actor", "login"]).or_else(|| text(body, &["sender", "login"])));
    data.put_text("message", text(run, &["head_commit", "message"]).or_else(|| text(run, &["display_title"])));
    data.put_text("repository", Some(repository));
    data.put_text("workflow", Some(name));
    data.put_text("branch", text(run, &["head_branch"]));
    data.put_text("trigger", text(run, &["event"]));
    data.put_text("conclusion", conclusion);
    data.put_text("url", text(run, &["html_url"]));
    data.put("attempt", attempt);
    if action == "completed" {
        data.put("started_at", started.to_string());
        data.put("duration_s", at.seconds_since(started).max(0.0));
    }
    event.data = data.into_value();
    sink.event(event, FORMAT);
    Ok(())
}

fn build_outcome(action: &str, conclusion: Option<&str>) -> (String, Severity) {
    match (action, conclusion) {
        ("completed", Some("success")) => ("build_succeeded".to_owned(), Severity::Info),
        ("completed", Some("failure" | "timed_out" | "startup_failure")) => ("build_failed".to_owned(), Severity::Medium),
        ("completed", Some(other)) => (format!("build_{}", truncate(other, 60)), Severity::Info),
        ("completed", None) => ("build_finished".to_owned(), Severity::Info),
        _ => ("build_started".to_owned(), Severity::Info),
    }
}
