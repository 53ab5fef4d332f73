//! What a fault file asks for, with its names resolved to numbers and the run's strength worked in.

use super::SimulatorError;
use super::faults::{Breaking, ChangeKind, EffectFile, EffectKind, FaultFile};
use super::topology::Plan;
use super::world::{Failure, MILLI, SECOND};

/// What breaks, with names resolved to numbers and the run's strength worked in.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub what: What,
    pub service: Option<usize>,
    pub caller: Option<usize>,
    pub node: Option<usize>,
    pub pod: Option<usize>,
    /// Share of requests hit.
    pub share: f64,
    /// When it begins and when it is over.
    pub from: i64,
    pub until: i64,
    /// Nanoseconds from nothing to full strength.
    pub ramp: i64,
    /// Hits only pods that run the fault's version.
    pub new_code_only: bool,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Latency { factor: f64, add_ns: f64 },
    Fail(Failure),
    Pool { max: PoolSize },
    Cpu { level: f64 },
    Leak { mib_per_ns: f64 },
    Refuse,
    Silent,
    Corrupt(Failure),
    Timeout { callee: usize, max_ns: i64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum PoolSize {
    Connections(f64),
    /// A share of what is wanted.
    Wanted(f64),
}

impl Effect {
    /// How far the effect has come at this age, 0 to 1.
    pub fn ramped(&self, age: i64) -> f64 {
        match age {
            age if age < 0 => 0.0,
            _ if self.ramp == 0 => 1.0,
            age => (age as f64 / self.ramp as f64).min(1.0),
        }
    }
}

pub(super) fn resolve(plan: &Plan, fault: &Breaking) -> Result<Vec<Effect>, SimulatorError> {
    fault.file.effect.iter().map(|effect| resolve_effect(plan, fault, &fault.file, effect)).collect()
}

fn resolve_effect(plan: &Plan, fault: &Breaking, file: &FaultFile, effect: &EffectFile) -> Result<Effect, SimulatorError> {
    let broken = |reason: String| SimulatorError::Fault { name: file.name.clone(), reason };
    let service_named = |name: &Option<String>| match name {
        Some(name) => plan.service(name).map(Some).ok_or_else(|| broken(format!("no service {name}"))),
        None => Ok(None),
    };
    let service = service_named(&effect.service)?;
    let node = match &effect.node {
        Some(name) => Some(plan.nodes.iter().position(|node| **node == **name).ok_or_else(|| broken(format!("no node {name}")))?),
        None => None,
    };
    let pod = match (effect.pod, service) {
        (Some(number), Some(service)) if number < plan.services[service].pods.len() => Some(plan.services[service].pods.start + number),
        (None, _) => None,
        (Some(number), _) => return Err(broken(format!("no pod {number}"))),
    };
    if service.is_none() && node.is_none() {
        return Err(broken("an effect needs a service or a node".to_owned()));
    }
    let callee = service_named(&effect.callee)?;
    let released = file.change.as_ref().filter(|change| change.kind == ChangeKind::Release).map(|change| &change.service);
    Ok(Effect {
        what: what(plan, effect, callee, fault.strength).ok_or_else(|| broken(format!("{:?} lacks one of its keys", effect.kind)))?,
        service,
        caller: service_named(&effect.caller)?,
        node,
        pod,
        share: fault.share.or(effect.share).unwrap_or(1.0),
        from: fault.onset,
        until: fault.over,
        ramp: i64::from(effect.ramp_s) * SECOND,
        new_code_only: released.is_some() && released == effect.service.as_ref(),
    })
}

/// The effect's numbers: the file's own, or those of a `strength` of so many times.
fn what(plan: &Plan, effect: &EffectFile, callee: Option<usize>, strength: Option<f64>) -> Option<What> {
    let failure = || {
        Some(Failure {
            error: effect.error.as_deref()?.into(),
            message: effect.message.clone()?,
            status: effect.status.unwrap_or(500),
            logged: effect.logged.unwrap_or(true),
        })
    };
    Some(match effect.kind {
        EffectKind::Latency => latency(effect, strength)?,
        EffectKind::Fail => What::Fail(failure()?),
        EffectKind::Pool => What::Pool {
            max: match strength {
                Some(times) => PoolSize::Wanted(1.0 / times),
                None => PoolSize::Connections(f64::from(effect.max?)),
            },
        },
        EffectKind::Cpu => What::Cpu { level: strength.map_or(effect.level?, |times| 1.0 - 1.0 / times).clamp(0.0, 0.99) },
        EffectKind::Leak => What::Leak { mib_per_ns: strength.map_or(effect.mib_per_min?, |times| 20.0 * times) / (60 * SECOND) as f64 },
        EffectKind::Refuse => What::Refuse,
        EffectKind::Silent => What::Silent,
        EffectKind::Corrupt => What::Corrupt(failure()?),
        EffectKind::Timeout => {
            let callee = callee?;
            let max_ms = strength.map_or(effect.max_ms?, |times| plan.usual_ms(callee) / times);
            What::Timeout { callee, max_ns: (max_ms * MILLI as f64) as i64 }
        }
    })
}

fn latency(effect: &EffectFile, strength: Option<f64>) -> Option<What> {
    let own = match (effect.factor, effect.add_ms) {
        (None, None) => return None,
        (factor, add_ms) => (factor.unwrap_or(1.0), add_ms.unwrap_or(0.0)),
    };
    let (factor, add_ms) = match strength {
        None => own,
        Some(times) if effect.add_ms.is_some() => (1.0, 10.0 * (times - 1.0)),
        Some(times) => (times, 0.0),
    };
    Some(What::Latency { factor, add_ns: add_ms * MILLI as f64 })
}
