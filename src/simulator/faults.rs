//! Faults as data files: what breaks, where, and what is to blame. Their keys are explained in `faults/README.md`.

use serde::Deserialize;

use super::SimulatorError;

/// Every fault file, in the order shown to people.
const FILES: [&str; 14] = [
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
    include_str!("faults/missing-guard.toml"),
    include_str!("faults/query-in-loop.toml"),
    include_str!("faults/short-timeout.toml"),
    include_str!("faults/network-policy.toml"),
];

/// A fault as a person chooses it.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultInfo {
    pub name: String,
    /// One line: what happens.
    pub summary: String,
    /// Services, edges (`caller>callee`) or hosts it can hit; the first one unless another is asked for.
    pub targets: Vec<String>,
    /// True when a change of ours is behind it.
    pub has_change: bool,
}

/// All faults there are.
pub fn catalog() -> Vec<FaultInfo> {
    FILES
        .iter()
        .filter_map(|text| FaultFile::parse(text, None).ok())
        .map(|file| FaultInfo { has_change: file.change.is_some(), name: file.name, summary: file.summary, targets: file.targets })
        .collect()
}

/// A fault file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultFile {
    pub name: String,
    pub summary: String,
    pub targets: Vec<String>,
    pub service: Option<String>,
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
    #[serde(default)]
    pub kind: ChangeKind,
    pub service: String,
    pub title: String,
    pub author: String,
    pub sha: String,
    pub file: String,
    pub diff: String,
}

/// How a change reaches the shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChangeKind {
    /// Commit, build, deployment, new pods.
    #[default]
    Release,
    /// Applied at once; known only from an event on the manual topic.
    Config,
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
    pub callee: Option<String>,
    pub max_ms: Option<f64>,
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
    Timeout,
}

impl FaultFile {
    /// Reads a fault file, aimed at `target` or at its own first target.
    pub fn parse(text: &str, target: Option<&str>) -> Result<Self, SimulatorError> {
        let read = |text: &str| toml::from_str::<Self>(text).map_err(|error| broken("file", error.to_string()));
        let file = read(text)?;
        let target = match target {
            Some(target) if file.targets.iter().any(|known| known == target) => target,
            Some(target) => return Err(broken(&file.name, format!("cannot hit {target}; it can hit {}", file.targets.join(", ")))),
            None => file.targets.first().ok_or_else(|| broken(&file.name, "no targets".to_owned()))?,
        };
        let (caller, callee) = target.split_once('>').unwrap_or(("", target));
        read(&text.replace("{target}", callee).replace("{caller}", caller))
    }

    /// The shipped fault of that name.
    pub fn named(name: &str, target: Option<&str>) -> Result<Self, SimulatorError> {
        for text in FILES {
            if Self::parse(text, None)?.name == name {
                return Self::parse(text, target);
            }
        }
        let known = catalog().into_iter().map(|info| info.name).collect::<Vec<_>>().join(", ");
        Err(SimulatorError::UnknownFault { name: name.to_owned(), known })
    }
}

fn broken(name: &str, reason: String) -> SimulatorError {
    SimulatorError::Fault { name: name.to_owned(), reason }
}
