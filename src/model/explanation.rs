//! Why an event is in an investigation, or why it is not.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::investigation::EventLink;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    pub investigation_id: String,
    pub event_id: String,
    /// Linked to it, by whydunit or by a person.
    pub belongs: bool,
    /// The answer as one sentence.
    pub because: String,
    /// How it is linked; absent where it is not.
    pub link: Option<EventLink>,
    /// What whydunit goes by, in that order: the first that does not hold is why an event is left out.
    pub checks: Vec<Check>,
    /// Other investigations that it is linked to.
    pub elsewhere: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    pub about: About,
    pub holds: bool,
    pub sentence: String,
}

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum About {
    Environment,
    /// Whether events of this kind are linked at all.
    Kind,
    Time,
    Service,
    /// Of a change: whether it is suspect enough.
    Suspicion,
}
