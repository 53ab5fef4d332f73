//! Faults as data files: what breaks, where, and what is to blame. Their keys are explained in `faults/README.md`.

use serde::Deserialize;

use super::SimulatorError;
use super::topology::{Kind, Language, Plan};

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
    /// Whom it can hit in any plan.
    pub role: Role,
    /// What the service it hits is written in, where the change behind it says so.
    pub language: Option<Language>,
    pub service: Option<String>,
    #[serde(default)]
    pub accept: Vec<String>,
    /// Whoever calls `service` is a right answer as well.
    #[serde(default)]
    pub accept_callers: bool,
    pub host: Option<String>,
    /// The host to blame is that of this pod of `service`.
    pub host_of_pod: Option<usize>,
    pub open_within_s: u32,
    pub change: Option<FaultChange>,
    pub effect: Vec<EffectFile>,
}

/// Whom a fault can hit, by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// A service that writes spans.
    Service,
    /// A service that others call and wait for.
    Callee,
    /// A service with a pool of connections to a database.
    Pooled,
    /// A service that calls somebody outside.
    Partnered,
    /// A call from one service to another, `caller>callee`.
    Edge,
    Database,
    /// A cache with at least two pods.
    Cache,
    Outside,
    /// A host with services on it.
    Node,
}

/// One fault of a run: what breaks, how badly, from when to when.
#[derive(Clone, Debug)]
pub(super) struct Breaking {
    pub file: FaultFile,
    pub strength: Option<f64>,
    pub share: Option<f64>,
    pub onset: i64,
    pub over: i64,
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
    /// `{usual}` and `{number}` in the diff: a literal before and after.
    pub usual: Option<u32>,
    pub number: Option<u32>,
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

    /// The shipped fault of that name, in this plan.
    pub fn named(name: &str, target: Option<&str>, plan: &Plan) -> Result<Self, SimulatorError> {
        let text = text_of(name)?;
        let known = Self::parse(text, target)?.targets;
        let target = target.or(known.first().map(String::as_str)).unwrap_or_default();
        Self::aimed(text, target, plan, None)
    }

    /// Whom the shipped fault of that name can hit in any plan.
    pub fn role_of(name: &str) -> Option<Role> {
        Some(Self::parse(text_of(name).ok()?, None).ok()?.role)
    }

    /// The shipped fault of that name at any target of its [`Role`]; what its diff says follows from plan and strength.
    pub fn drawn(name: &str, target: &str, strength: f64, plan: &Plan) -> Result<Self, SimulatorError> {
        Self::aimed(text_of(name)?, target, plan, Some(strength))
    }

    fn aimed(text: &str, target: &str, plan: &Plan, strength: Option<f64>) -> Result<Self, SimulatorError> {
        let (caller, callee) = target.split_once('>').unwrap_or(("", target));
        let service = plan.service(callee);
        let is_outside = |callee: &usize| plan.services[*callee].kind == Kind::Outside;
        let partner = service.and_then(|service| plan.callees(service).into_iter().find(is_outside));
        let name = |service: Option<usize>| service.map_or("", |service| &*plan.services[service].name);
        let address = |service: Option<usize>| service.map_or("", |service| &*plan.services[service].address);
        let filled = [
            ("{target}", callee),
            ("{caller}", caller),
            ("{address}", address(service)),
            ("{partner}", name(partner)),
            ("{partner_address}", address(partner)),
        ];
        let text = filled.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value));
        let mut file: Self = toml::from_str(&text).map_err(|error| broken("file", error.to_string()))?;
        if file.accept_callers {
            let calls = |caller: &usize| service.is_some_and(|service| plan.callees(*caller).contains(&service));
            file.accept.extend((0..plan.services.len()).filter(calls).map(|caller| plan.services[caller].name.to_string()));
        }
        let numbers = strength.and_then(|times| match file.effect.first()?.kind {
            EffectKind::Pool => plan.services[service?].pool.map(|pool| (pool.max, (pool.demand / times).round().max(1.0) as u32)),
            EffectKind::Timeout => Some((plan.timeout_ms(service?, partner?)?, (plan.usual_ms(partner?) / times) as u32)),
            _ => None,
        });
        if let Some(change) = &mut file.change {
            let own = change.usual.zip(change.number);
            if let Some((usual, number)) = numbers.or(own) {
                change.diff = change.diff.replace("{usual}", &usual.to_string()).replace("{number}", &number.to_string());
            }
        }
        Ok(file)
    }
}

fn text_of(name: &str) -> Result<&'static str, SimulatorError> {
    for text in FILES {
        if FaultFile::parse(text, None)?.name == name {
            return Ok(text);
        }
    }
    let known = catalog().into_iter().map(|info| info.name).collect::<Vec<_>>().join(", ");
    Err(SimulatorError::UnknownFault { name: name.to_owned(), known })
}

fn broken(name: &str, reason: String) -> SimulatorError {
    SimulatorError::Fault { name: name.to_owned(), reason }
}
