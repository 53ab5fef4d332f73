//! A change: what its commits, pull request, builds, artifacts and deployments tell of one life.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

/// Types of the events that tell of a step in the life of a change.
pub const LIFE_EVENTS: [&str; 19] = [
    "commit",
    "push",
    "pull_request_opened",
    "change_created",
    "pull_request_merged",
    "change_merged",
    "build_succeeded",
    "build_failed",
    "build_finished",
    "pipelinerun_finished",
    "artifact_packaged",
    "artifact_published",
    "artifact_signed",
    "tag_created",
    "release",
    "deployment",
    "rollback",
    "feature_flag",
    "config_change",
];

/// One kind of step in the life of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LifeStepKind {
    Committed,
    /// Its pull request was opened.
    Proposed,
    Merged,
    Built,
    BuildFailed,
    /// Its artifact was packaged or published.
    Published,
    /// It was tagged or released.
    Released,
    /// Its deployment has begun, and no end of it is known.
    Deploying,
    Deployed,
    DeploymentFailed,
    /// A flag was turned or configuration applied.
    Applied,
    /// What had run before it runs again.
    RolledBack,
}

impl LifeStepKind {
    /// As a person says it: `rolled back`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Proposed => "proposed",
            Self::Merged => "merged",
            Self::Built => "built",
            Self::BuildFailed => "build failed",
            Self::Published => "published",
            Self::Released => "released",
            Self::Deploying => "being deployed",
            Self::Deployed => "deployed",
            Self::DeploymentFailed => "deployment failed",
            Self::Applied => "applied",
            Self::RolledBack => "rolled back",
        }
    }
}

/// One step in the life of a change, with the event that tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LifeStep {
    pub step: LifeStepKind,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub event_id: String,
    /// Where, for deployments.
    pub environment: Option<String>,
    /// Whose, for deployments.
    pub service: Option<String>,
}

/// One change with its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The event that it is known by. The id of any of its events finds it.
    pub id: String,
    /// Of its pull request, else of its newest commit; never of a merge commit.
    pub title: String,
    pub author: Option<String>,
    pub repository: Option<String>,
    pub branch: Option<String>,
    pub pull_request: Option<String>,
    pub url: Option<String>,
    pub version: Option<String>,
    /// Its own commits, oldest first; at most 50.
    pub commits: Vec<String>,
    /// The commit that brought it into its target branch, where that is not its own.
    pub merge_commit: Option<String>,
    pub services: BTreeSet<String>,
    /// Changed files, at most 200.
    pub files: BTreeSet<String>,
    /// The newest step.
    pub state: LifeStepKind,
    /// Oldest first; at most 100.
    pub life: Vec<LifeStep>,
    /// All events it is made of, oldest first; at most 200.
    pub event_ids: Vec<String>,
}

/// Changes of a time, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeList {
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// False when there is more than one answer holds: ask for a shorter time.
    pub complete: bool,
    pub changes: Vec<Change>,
}
