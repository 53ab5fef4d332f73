//! Faults as data files: what breaks, where, and what is to blame. Their keys are explained in `faults/README.md`.

use serde::Deserialize;

use super::SimulatorError;

/// Every fault file, in the order shown to people.
const FILES: [&str; 10] = [
    include_str!("faults/bad-deploy.toml"),
    include_str!("faults/slow-database.toml"),
    include_str!("faults/network-delay.toml"),
    include_str!("faults/cpu-contention.toml"),
    include_str!("faults/memory-leak.toml"),
    include_str!("faults/error-return.toml"),
    include_str!("faults/expired-certificate.toml"),
    include_str!("faults/poisoned-cache.toml"),
    include_str!("faults/dead-dependency.toml"),
    include_str!("faults/no-change.toml"),
];

/// A fault as a person chooses it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultInfo {
    pub name: String,
    /// One line: what happens.
    pub summary: String,
    /// Who is to blame.
    pub service: String,
    /// True when a deploy is behind it.
    pub has_change: bool,
}

/// All faults there are.
pub fn catalog() -> Vec<FaultInfo> {
    FILES
        .iter()
        .filter_map(|text| FaultFile::parse(text).ok())
        .map(|file| FaultInfo { has_change: file.change.is_some(), name: file.name, summary: file.summary, service: file.service })
        .collect()
}

/// A fault file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultFile {
    pub name: String,
    pub summary: String,
    pub service: String,
    #[serde(default)]
    pub accept: Vec<String>,
    pub host: Option<String>,
    /// The host to blame is that of this pod of `service`.
    pub host_of_pod: Option<usize>,
    pub open_within_s: u32,
    pub change: Option<FaultChange>,
    pub effect: Vec<EffectFile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultChange {
    pub service: String,
    pub title: String,
    pub author: String,
    pub sha: String,
    pub version: String,
    pub file: String,
    pub diff: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EffectFile {
    pub kind: EffectKind,
    pub service: Option<String>,
    pub caller: Option<String>,
    pub node: Option<String>,
    pub pod: Option<usize>,
    pub share: Option<f64>,
    #[serde(default)]
    pub ramp_s: u32,
    pub factor: Option<f64>,
    pub add_ms: Option<f64>,
    pub error: Option<String>,
    pub message: Option<String>,
    pub status: Option<u16>,
    pub logged: Option<bool>,
    pub max: Option<u32>,
    pub level: Option<f64>,
    pub mib_per_min: Option<f64>,
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EffectKind {
    Latency,
    Fail,
    Pool,
    Cpu,
    Leak,
    Refuse,
    Silent,
    Corrupt,
    Reword,
}

impl FaultFile {
    pub fn parse(text: &str) -> Result<Self, SimulatorError> {
        toml::from_str(text).map_err(|error| SimulatorError::Fault { name: "file".to_owned(), reason: error.to_string() })
    }

    /// The shipped fault of that name.
    pub fn named(name: &str) -> Result<Self, SimulatorError> {
        for text in FILES {
            let file = Self::parse(text)?;
            if file.name == name {
                return Ok(file);
            }
        }
        let known = catalog().into_iter().map(|info| info.name).collect::<Vec<_>>().join(", ");
        Err(SimulatorError::UnknownFault { name: name.to_owned(), known })
    }
}
