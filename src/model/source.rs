//! Where a record comes from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Git,
    Ci,
    Metrics,
    Logs,
    Traces,
    Manual,
}

impl Source {
    pub const ALL: [Self; 6] = [Self::Git, Self::Ci, Self::Metrics, Self::Logs, Self::Traces, Self::Manual];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Ci => "ci",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::Manual => "manual",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }

    /// git, ci and manual records hold the watermark only while catching up, never advance it, and are never late.
    pub const fn drives_watermark(self) -> bool {
        matches!(self, Self::Logs | Self::Metrics | Self::Traces)
    }
}
