//! Webhooks of the forge, as a relay writes them to Kafka: the fields of the real payloads that anybody reads, and some more.

use serde_json::{Value, json};

use super::OutRecord;
use super::faults::FaultChange;
use super::lines::stamp;
use crate::model::Source;

const ORGANISATION: &str = "shop";

#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub repository: String,
    pub sha: String,
    pub before: String,
    pub title: String,
    pub author: String,
    pub file: String,
    pub diff: String,
}

#[derive(Clone, Debug)]
pub(super) struct Build {
    pub id: u64,
    pub number: u64,
    pub commit: Commit,
    pub started: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Deploy {
    pub id: u64,
    pub version: String,
    pub commit: Commit,
}

pub(super) fn push(commit: &Commit, branch: &str, at: i64) -> OutRecord {
    let head = commit_json(commit, at);
    let body = json!({
        "ref": format!("refs/heads/{branch}"),
        "before": commit.before,
        "after": commit.sha,
        "created": false,
        "deleted": false,
        "forced": false,
        "compare": format!("{}/compare/{}...{}", url(&commit.repository), short(&commit.before), short(&commit.sha)),
        "commits": [head],
        "head_commit": head,
        "pusher": { "name": login(&commit.author), "email": email(&commit.author) },
        "repository": repository(&commit.repository),
        "sender": user(&commit.author),
    });
    webhook(Source::Git, "push", &commit.repository, &body, at)
}

pub(super) fn workflow_run(build: &Build, branch: &str, action: &str, conclusion: Option<&str>, at: i64) -> OutRecord {
    let commit = &build.commit;
    let status = if action == "requested" { "queued" } else { action };
    let body = json!({
        "action": action,
        "workflow_run": {
            "id": build.id,
            "name": "build",
            "display_title": commit.title,
            "run_number": build.number,
            "run_attempt": 1,
            "event": "push",
            "status": status,
            "conclusion": conclusion,
            "workflow_id": 4711,
            "head_branch": branch,
            "head_sha": commit.sha,
            "path": ".github/workflows/build.yml",
            "html_url": format!("{}/actions/runs/{}", url(&commit.repository), build.id),
            "created_at": whole_second(build.started),
            "run_started_at": whole_second(build.started),
            "updated_at": whole_second(at),
            "actor": user(&commit.author),
            "head_commit": { "id": commit.sha, "message": commit.title, "timestamp": whole_second(build.started), "author": person(&commit.author) },
        },
        "workflow": { "id": 4711, "name": "build", "path": ".github/workflows/build.yml", "state": "active" },
        "repository": repository(&commit.repository),
        "sender": user(&commit.author),
    });
    webhook(Source::Ci, "workflow_run", &commit.repository, &body, at)
}

pub(super) fn deployment(deploy: &Deploy, at: i64) -> OutRecord {
    let repository_name = &deploy.commit.repository;
    let body = json!({
        "action": "created",
        "deployment": deployment_json(deploy, at, at),
        "repository": repository(repository_name),
        "sender": user(&deploy.commit.author),
    });
    webhook(Source::Ci, "deployment", repository_name, &body, at)
}

pub(super) fn deployment_status(deploy: &Deploy, number: u64, state: &str, created: i64, at: i64) -> OutRecord {
    let repository_name = &deploy.commit.repository;
    let body = json!({
        "action": "created",
        "deployment_status": {
            "id": deploy.id * 10 + number,
            "state": state,
            "environment": "production",
            "description": format!("{repository_name} {}", deploy.version),
            "creator": user(&deploy.commit.author),
            "created_at": whole_second(at),
            "updated_at": whole_second(at),
        },
        "deployment": deployment_json(deploy, created, at),
        "repository": repository(repository_name),
        "sender": user(&deploy.commit.author),
    });
    webhook(Source::Ci, "deployment_status", repository_name, &body, at)
}

/// A note by a person or a feed, as our own manual event.
pub(super) fn note(number: u64, at: i64) -> OutRecord {
    const NOTES: [(&str, &str); 4] = [
        ("Newsletter sent to 40,000 customers", "marketing"),
        ("On-call hand-over, nothing open", "on-call"),
        ("Warehouse north counts its stock tonight", "operations"),
        ("Price list for next week approved", "merchandising"),
    ];
    let (title, team) = NOTES[(number % 4) as usize];
    let body = json!({
        "type": "note",
        "title": title,
        "timestamp": stamp(at),
        "severity": "info",
        "environment": "production",
        "source_id": format!("note/{number}"),
        "tags": [team],
        "data": { "author": team },
    });
    OutRecord::new(Source::Manual, text(&body), at).header("content-type", "application/json")
}

/// A change of configuration, as the tool that applied it tells.
pub(super) fn config_note(change: &FaultChange, title: &str, sha: &str, diff: &str, at: i64) -> OutRecord {
    let body = json!({
        "type": "config_change",
        "title": title,
        "timestamp": stamp(at),
        "severity": "info",
        "service": change.service,
        "environment": "production",
        "source_id": format!("config/{sha}"),
        "tags": ["config"],
        "data": { "sha": sha, "author": change.author, "message": title, "files": [change.file], "diff": diff },
    });
    OutRecord::new(Source::Manual, text(&body), at).header("content-type", "application/json")
}

/// The orchestrator's event about a pod killed for its memory.
pub(super) fn oom_note(service: &str, pod: &str, node: &str, at: i64) -> OutRecord {
    let body = json!({
        "type": "pod_killed",
        "title": format!("Container {service} of pod {pod} was OOM-killed and restarts"),
        "timestamp": stamp(at),
        "severity": "medium",
        "service": service,
        "environment": "production",
        "host": node,
        "source_id": format!("oom/{pod}/{}", at / 1_000_000),
        "tags": ["kubernetes"],
        "data": { "reason": "OOMKilled", "exit_code": 137, "pod": pod },
    });
    OutRecord::new(Source::Manual, text(&body), at).header("content-type", "application/json")
}

fn deployment_json(deploy: &Deploy, created: i64, updated: i64) -> Value {
    let commit = &deploy.commit;
    json!({
        "id": deploy.id,
        "sha": commit.sha,
        "ref": "main",
        "task": "deploy",
        "environment": "production",
        "original_environment": "production",
        "description": format!("{} {}: {}", commit.repository, deploy.version, commit.title),
        "creator": user(&commit.author),
        "created_at": whole_second(created),
        "updated_at": whole_second(updated),
        "production_environment": true,
        "payload": {
            "service": commit.repository,
            "version": deploy.version,
            "sha": commit.sha,
            "author": commit.author,
            "message": commit.title,
            "files": [commit.file],
            "diff": commit.diff,
        },
    })
}

fn commit_json(commit: &Commit, at: i64) -> Value {
    json!({
        "id": commit.sha,
        "distinct": true,
        "message": commit.title,
        "timestamp": whole_second(at - 20_000_000_000),
        "url": format!("{}/commit/{}", url(&commit.repository), commit.sha),
        "author": person(&commit.author),
        "committer": person(&commit.author),
        "added": [],
        "removed": [],
        "modified": [commit.file],
    })
}

fn webhook(source: Source, event: &str, repository: &str, body: &Value, at: i64) -> OutRecord {
    OutRecord::new(source, text(body), at)
        .key(&format!("{ORGANISATION}/{repository}"))
        .header("X-GitHub-Event", event)
        .header("content-type", "application/json")
}

fn text(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}

fn repository(name: &str) -> Value {
    json!({
        "id": 70_000 + name.bytes().map(u64::from).sum::<u64>(),
        "name": name,
        "full_name": format!("{ORGANISATION}/{name}"),
        "private": true,
        "owner": { "login": ORGANISATION, "type": "Organization" },
        "html_url": url(name),
        "default_branch": "main",
    })
}

fn url(repository: &str) -> String {
    format!("https://git.shop.example/{ORGANISATION}/{repository}")
}

fn person(name: &str) -> Value {
    json!({ "name": name, "email": email(name), "username": login(name) })
}

fn user(name: &str) -> Value {
    json!({ "login": login(name), "type": "User" })
}

fn login(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn email(name: &str) -> String {
    format!("{}@shop.example", login(name).replace('-', "."))
}

fn short(sha: &str) -> &str {
    sha.get(..12).unwrap_or(sha)
}

/// Forges write whole seconds.
fn whole_second(at: i64) -> String {
    format!("{:.0}", jiff::Timestamp::from_second(at.div_euclid(1_000_000_000)).unwrap_or_default())
}
