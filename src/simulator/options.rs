//! What can be chosen about the shop, and what can be wrong with the choice.

use thiserror::Error;

/// Choices for one run of the shop.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Same seed, options and start: same bytes.
    pub seed: u64,
    /// User requests per second, mean over a day; 0 < rate ≤ 1,000.
    pub rate: f64,
    /// Name of a fault of the [`catalog`](super::catalog); `None` for a quiet shop.
    pub fault: Option<String>,
    /// Seconds of event time that count as history: the fault begins `fault_age_s` before their end. The shop goes on after them.
    pub history_s: u32,
    /// Seconds before the end of the history at which the fault begins; at most `history_s`.
    pub fault_age_s: u32,
    /// How many times as bad as normal, in place of the fault's own strength, 1 to 100; see `faults/README.md`.
    pub strength: Option<f64>,
    /// Share of requests hit, 0 to 1, in place of the fault's own.
    pub share: Option<f64>,
    /// Whom the fault hits, one of its [`targets`](super::FaultInfo::targets); `None` for the first of them.
    pub target: Option<String>,
    /// Seconds after which the fault ends: by a rollback when a deploy is behind it, else by itself. `None`: it stays.
    pub fault_lasts_s: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            rate: 8.0,
            fault: None,
            history_s: 1200,
            fault_age_s: 180,
            strength: None,
            share: None,
            target: None,
            fault_lasts_s: None,
        }
    }
}

impl Options {
    pub(super) fn validate(&self) -> Result<(), SimulatorError> {
        let wrong = |name, reason: String| Err(SimulatorError::Option { name, reason });
        if !(self.rate > 0.0 && self.rate <= 1000.0) {
            return wrong("rate", format!("must be above 0 and at most 1000 requests a second, is {}", self.rate));
        }
        if let Some(strength) = self.strength.filter(|strength| !(1.0..=100.0).contains(strength)) {
            return wrong("strength", format!("must be 1 to 100 times, is {strength}"));
        }
        if let Some(share) = self.share.filter(|share| !(0.0..=1.0).contains(share)) {
            return wrong("share", format!("must be 0 to 1, is {share}"));
        }
        if self.history_s > 2_592_000 {
            return wrong("history_s", format!("must be at most 2592000 (30 days), is {}", self.history_s));
        }
        if self.fault_age_s > self.history_s {
            return wrong("fault_age_s", format!("must be at most history_s ({}), is {}", self.history_s, self.fault_age_s));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Error, PartialEq)]
pub enum SimulatorError {
    #[error("unknown fault {name}; there are {known}")]
    UnknownFault { name: String, known: String },
    #[error("{name} {reason}")]
    Option { name: &'static str, reason: String },
    /// A fault file does not say what it must.
    #[error("fault {name}: {reason}")]
    Fault { name: String, reason: String },
    #[error("shop plan: {0}")]
    Shop(String),
}
