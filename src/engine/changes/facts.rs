//! What joining and telling a life read of one event.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::change::LifeStepKind;
use crate::model::event::truncate;
use crate::model::{Event, Timestamp};

/// Characters kept of a fact: names, hashes and references are shorter.
const MAX_FACT: usize = 200;
/// Images and services kept of one event.
const MAX_LIST: usize = 20;

/// A change event, reduced to what it is joined by and what it tells of the change's life. Texts are never empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub event_id: String,
    pub at: Timestamp,
    pub event_type: String,
    pub environment: Option<String>,
    pub service: Option<String>,
    /// Services that rules of the settings found: certain, unlike names of repositories and folders.
    pub services: Vec<String>,
    /// First line of its message, else its title.
    pub subject: String,
    pub author: Option<String>,
    pub url: Option<String>,
    pub repository: Option<String>,
    /// The commit it is about; of a merged pull request the one that merged it.
    pub sha: Option<String>,
    /// Newest commit of a pull request.
    pub head_sha: Option<String>,
    /// Newest commit of the push that brought it, where that is another.
    pub tip_sha: Option<String>,
    pub branch: Option<String>,
    pub target_branch: Option<String>,
    pub pull_request: Option<String>,
    pub run_id: Option<String>,
    pub job_id: Option<String>,
    pub deployment_id: Option<String>,
    pub chain_id: Option<String>,
    pub version: Option<String>,
    /// Images and artifacts as they were sent.
    pub images: Vec<String>,
    pub step: Option<LifeStepKind>,
    pub is_merge: bool,
}

impl Facts {
    /// Reads an event that is a step of some change's life; `None` of all others.
    pub fn of_event(event: &Event) -> Option<Self> {
        let step = step_of(event);
        (step.is_some() || event.is_change()).then(|| Self::read(event, step))
    }

    /// Reads whatever an event says of a change.
    pub(in crate::engine) fn read(event: &Event, step: Option<LifeStepKind>) -> Self {
        let fact = |name: &str| text(event, name).map(|text| truncate(text, MAX_FACT));
        let message = text(event, "message").unwrap_or(&event.title);
        let mut images: Vec<String> = ["image", "artifact"].into_iter().filter_map(fact).collect();
        images.extend(texts(event, "images").take(MAX_LIST).map(str::to_owned));
        images.sort();
        images.dedup();
        // A deployment may tell of the merge that it deploys: that names nothing.
        let subject = message.lines().next().filter(|line| !speaks_of_merge(line)).unwrap_or(&event.title);
        Self {
            event_id: event.id.clone(),
            at: event.timestamp,
            event_type: event.event_type.clone(),
            environment: event.environment.clone().filter(|name| !name.is_empty()),
            service: event.service.clone().filter(|name| !name.is_empty()),
            services: texts(event, "services").take(MAX_LIST).map(str::to_owned).collect(),
            subject: truncate(subject.trim(), MAX_FACT),
            author: fact("author"),
            url: fact("url"),
            repository: fact("repository"),
            sha: fact("sha").or_else(|| fact("commit")),
            head_sha: fact("head_sha"),
            tip_sha: fact("tip_sha"),
            branch: fact("branch"),
            target_branch: fact("target_branch"),
            pull_request: fact("pull_request"),
            run_id: fact("run_id"),
            job_id: fact("job_id"),
            deployment_id: fact("deployment_id"),
            chain_id: fact("chain_id"),
            version: fact("version"),
            images,
            step,
            is_merge: matches!(event.event_type.as_str(), "commit" | "push") && is_merge(event, message),
        }
    }

    /// The commit it is about, else its version, as a person reads it.
    pub fn short_name(&self) -> Option<String> {
        let version = || self.version.as_deref().map(|version| truncate(version, 20));
        self.sha.as_deref().map(|sha| truncate(sha, 8)).or_else(version)
    }

    /// True for events that change what runs, or may be the cause of it: all but builds, artifacts and proposals.
    pub fn is_cause(&self) -> bool {
        is_cause(&self.event_type)
    }

    /// True for what changes what runs: not for what only changes code.
    pub fn is_deployment(&self) -> bool {
        self.is_cause() && !matches!(self.event_type.as_str(), "commit" | "push" | "pull_request_merged" | "change_merged")
    }

    pub(super) fn is_commit(&self) -> bool {
        matches!(self.event_type.as_str(), "commit" | "push")
    }

    pub(super) fn is_pull_request(&self) -> bool {
        self.pull_request.is_some() && (self.event_type.starts_with("pull_request_") || self.event_type.starts_with("change_"))
    }

    /// True for a tag or a release: it stands for all of its repository.
    pub(super) fn is_tag(&self) -> bool {
        self.step == Some(LifeStepKind::Released)
    }
}

fn is_cause(event_type: &str) -> bool {
    !matches!(
        event_type,
        "build_succeeded"
            | "build_failed"
            | "build_finished"
            | "pipelinerun_finished"
            | "artifact_packaged"
            | "artifact_published"
            | "artifact_signed"
            | "pull_request_opened"
            | "change_created"
            | "tag_created"
    )
}

fn step_of(event: &Event) -> Option<LifeStepKind> {
    use LifeStepKind as Kind;
    let has_failed = || matches!(text(event, "outcome"), Some("failure" | "fail" | "failed" | "error"));
    Some(match event.event_type.as_str() {
        "commit" | "push" => Kind::Committed,
        "pull_request_opened" | "change_created" => Kind::Proposed,
        "pull_request_merged" | "change_merged" => Kind::Merged,
        "build_failed" => Kind::BuildFailed,
        "build_finished" | "pipelinerun_finished" if has_failed() => Kind::BuildFailed,
        "build_succeeded" | "build_finished" | "pipelinerun_finished" => Kind::Built,
        "artifact_packaged" | "artifact_published" | "artifact_signed" => Kind::Published,
        "tag_created" | "release" => Kind::Released,
        "deployment" => of_deployment(event)?,
        "rollback" => Kind::RolledBack,
        "feature_flag" | "config_change" => Kind::Applied,
        _ => return None,
    })
}

/// Which step of a deployment; `None` of one that was given up before it began. One without a word of how far it is, is done.
fn of_deployment(event: &Event) -> Option<LifeStepKind> {
    let told = ["step", "phase", "outcome"].into_iter().find_map(|name| text(event, name));
    Some(match told.unwrap_or("success").to_ascii_lowercase().as_str() {
        "created" | "requested" | "pending" | "queued" | "waiting" | "in_progress" | "running" | "started" | "blocked" => {
            LifeStepKind::Deploying
        }
        "failure" | "fail" | "failed" | "error" => LifeStepKind::DeploymentFailed,
        "canceled" | "cancelled" | "skipped" | "terminating" => return None,
        _ => LifeStepKind::Deployed,
    })
}

fn text<'e>(event: &'e Event, name: &str) -> Option<&'e str> {
    event.data.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn texts<'e>(event: &'e Event, name: &str) -> impl Iterator<Item = &'e str> {
    let list = event.data.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// What the source says, else git's own words.
fn is_merge(event: &Event, message: &str) -> bool {
    let flag = |name: &str| event.data.get(name).and_then(Value::as_bool);
    flag("merge").or_else(|| flag("is_merge")).unwrap_or_else(|| speaks_of_merge(message))
}

fn speaks_of_merge(message: &str) -> bool {
    let words = ["pull request ", "branch ", "branches ", "remote-tracking branch ", "tag ", "commit "];
    message.strip_prefix("Merge ").is_some_and(|rest| words.iter().any(|words| rest.starts_with(words)))
}
