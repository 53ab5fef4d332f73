//! A suspect: what may have caused it, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use super::change::LifeStep;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SuspectKind {
    Service,
    Change,
    Host,
    External,
    /// "Nothing we can see": no change explains it.
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The engine's.
    #[default]
    Suspect,
    /// A person's.
    Confirmed,
    /// A person's.
    Refuted,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suspect {
    /// Stable inside its investigation: `service:payment`, `change:<event id>`, `none`.
    pub id: String,
    /// From 1, over services and over changes separately.
    pub rank: u32,
    pub kind: SuspectKind,
    /// Service, host or change, as a person names it.
    pub entity: String,
    pub service: Option<String>,
    /// The change event, for changes.
    pub event_id: Option<String>,
    /// When the change happened.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    pub author: Option<String>,
    /// 0 to 1.
    pub score: f64,
    /// Factors of the score, each 0 to 1, in the order to show them.
    pub factors: Vec<Factor>,
    /// The strongest reason, as a sentence.
    pub sentence: String,
    pub evidence: Vec<Evidence>,
    pub counter_evidence: Vec<Evidence>,
    /// A changed literal or line worth showing: `pool.max_connections: 40 → 8`.
    pub diff_hint: Option<String>,
    #[serde(default)]
    pub verdict: Verdict,
    #[serde(default)]
    pub verdict_comment: Option<String>,
    #[serde(default)]
    pub verdict_by: Option<String>,
    /// What became of the change so far, oldest first; empty for all but changes.
    #[serde(default)]
    pub life: Vec<LifeStep>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Factor {
    /// `Time`, `Scope`, `Diff`, `Words` for changes; `Evidence`, `Own share` … for services.
    pub name: String,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    pub sentence: String,
    pub event_ids: Vec<String>,
    /// −log10 p where it has one.
    pub surprise: Option<f64>,
}
