//! The state of the shop at an instant: which pods run what, and what is broken.

use std::sync::Arc;

use super::SimulatorError;
use super::background::Background;
use super::chance::{Chance, hash, wander};
use super::effects::{Effect, PoolSize, What, resolve};
use super::faults::Breaking;
use super::topology::{Kind, Plan};

pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const MILLI: i64 = 1_000_000;

/// How long a load balancer goes on sending to a pod that died.
const UNNOTICED: i64 = 4 * SECOND;

/// How an operation failed, as its caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub error: Arc<str>,
    pub message: String,
    pub status: u16,
    pub logged: bool,
}

/// Where something happens: a pod, and who calls it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub service: usize,
    pub pod: Option<usize>,
    pub caller: Option<usize>,
}

/// One process's identity, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub pod: usize,
    /// Deploys and restarts of this pod so far.
    pub generation: u32,
    pub name: Arc<str>,
    pub version: Arc<str>,
}

#[derive(Clone, Debug)]
pub(super) struct PodState {
    pub process: Arc<Process>,
    pub started: i64,
    pub down_from: i64,
    pub down_until: i64,
    pub new_code: bool,
    /// Beginnings of log lines that releases so far have changed: from, to.
    pub wording: Vec<Wording>,
}

pub(super) type Wording = (Arc<str>, Arc<str>);

/// What a deploy puts on a pod.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub version: Arc<str>,
    /// Carries the fault.
    pub new_code: bool,
    pub reword: Option<Wording>,
}

#[derive(Debug)]
pub(super) struct World {
    pub seed: u64,
    pub effects: Vec<Effect>,
    pub background: Background,
    pub pods: Vec<PodState>,
}

impl World {
    pub fn new(plan: &Plan, seed: u64, faults: &[Breaking], background: Background, start: i64) -> Result<Self, SimulatorError> {
        let mut effects = Vec::new();
        for fault in faults {
            effects.extend(resolve(plan, fault)?);
        }
        let pods = (0..plan.pods.len()).map(|pod| first_state(plan, seed, pod, start)).collect();
        Ok(Self { seed, effects, background, pods })
    }

    /// Effects at work at this place and time, each with how far it has ramped up (0 < x ≤ 1).
    fn at_work<'a>(&'a self, plan: &'a Plan, place: Place, at: i64) -> impl Iterator<Item = (&'a Effect, f64)> {
        self.effects.iter().filter(move |effect| self.hits(plan, effect, place)).filter_map(move |effect| {
            let ramped = effect.ramped(at - effect.from);
            // What came with a deploy goes with its pods.
            let over = at >= effect.until && !effect.new_code_only;
            (ramped > 0.0 && !over).then_some((effect, ramped))
        })
    }

    fn hits(&self, plan: &Plan, effect: &Effect, place: Place) -> bool {
        let pod_matches = |wanted: usize| place.pod == Some(wanted);
        effect.service.is_none_or(|service| service == place.service)
            && (effect.caller.is_none() || effect.caller == place.caller)
            && effect.pod.is_none_or(pod_matches)
            && effect.node.is_none_or(|node| place.pod.is_some_and(|pod| plan.pods[pod].node == node))
            && (!effect.new_code_only || place.pod.is_some_and(|pod| self.pods[pod].new_code))
    }

    /// How many times as long own work takes there.
    pub fn slowdown(&self, plan: &Plan, place: Place, at: i64, fate: &mut Chance) -> f64 {
        let mut factor = place.pod.map_or(1.0, |pod| self.background.slowdown(plan.pods[pod].node, at));
        for (effect, ramped) in self.at_work(plan, place, at) {
            match effect.what {
                What::Latency { factor: times, .. } if effect.caller.is_none() && fate.happens(effect.share) => {
                    factor *= 1.0 + (times - 1.0) * ramped;
                }
                What::Cpu { level } => factor *= 1.0 / (1.0 - level * ramped),
                What::Leak { .. } => factor *= self.collection_slowdown(plan, place, at),
                _ => {}
            }
        }
        factor
    }

    /// Extra time on the wire of one call, nanoseconds.
    pub fn wire_delay(&self, plan: &Plan, place: Place, at: i64, fate: &mut Chance) -> i64 {
        let mut delay = 0.0;
        for (effect, ramped) in self.at_work(plan, place, at) {
            if let What::Latency { add_ns, .. } = effect.what
                && effect.caller.is_some()
                && fate.happens(effect.share)
            {
                delay += add_ns * ramped * (1.0 + 0.2 * (fate.unit() - 0.5));
            }
        }
        delay as i64
    }

    /// The error the operation ends with, if a fault says so.
    pub fn failure(&self, plan: &Plan, place: Place, at: i64, fate: &mut Chance) -> Option<Failure> {
        self.at_work(plan, place, at).find_map(|(effect, ramped)| match &effect.what {
            What::Fail(failure) if fate.happens(effect.share * ramped) => Some(failure.clone()),
            _ => None,
        })
    }

    pub fn corruption(&self, plan: &Plan, place: Place, at: i64, fate: &mut Chance) -> Option<Failure> {
        self.at_work(plan, place, at).find_map(|(effect, ramped)| match &effect.what {
            What::Corrupt(failure) if fate.happens(effect.share * ramped) => Some(failure.clone()),
            _ => None,
        })
    }

    pub fn is_silent(&self, plan: &Plan, place: Place, at: i64, fate: &mut Chance) -> bool {
        self.at_work(plan, place, at).any(|(effect, ramped)| matches!(effect.what, What::Silent) && fate.happens(effect.share * ramped))
    }

    pub fn refuses(&self, plan: &Plan, place: Place, at: i64, fate: &mut Chance) -> bool {
        let dead = place.pod.is_some_and(|pod| self.is_down(pod, at));
        dead || self
            .at_work(plan, place, at)
            .any(|(effect, ramped)| matches!(effect.what, What::Refuse) && fate.happens(effect.share * ramped))
    }

    /// How long a pod waits for a callee now, nanoseconds.
    pub fn patience(&self, plan: &Plan, caller: Place, callee: usize, usual_ns: i64, at: i64) -> i64 {
        self.at_work(plan, caller, at).fold(usual_ns, |limit, (effect, _)| match effect.what {
            What::Timeout { callee: impatient_with, max_ns } if impatient_with == callee => limit.min(max_ns),
            _ => limit,
        })
    }

    /// The log text as the pod's version words it.
    pub fn wording(&self, pod: usize, text: &Arc<str>) -> Arc<str> {
        let reworded = self.pods[pod].wording.iter().find_map(|(from, to)| Some(format!("{to}{}", text.strip_prefix(&**from)?)));
        reworded.map_or_else(|| Arc::clone(text), Arc::from)
    }

    /// Connections wanted and connections there are. Slow queries are held longer, so that more are wanted.
    pub fn pool(&self, plan: &Plan, pod: usize, at: i64) -> Option<(f64, f64)> {
        let service = plan.pods[pod].service;
        let pool = plan.services[service].pool?;
        let place = Place { service, pod: Some(pod), caller: None };
        let demand =
            pool.demand * rhythm(at) * self.background.load(at) * (1.0 + 0.25 * wander(self.seed, 0x9001 + pod as u64, at, 20 * SECOND));
        let demand = demand * (1.0 + (self.store_slowdown(plan, service, at) - 1.0) / 40.0);
        let max = self.at_work(plan, place, at).fold(f64::from(pool.max), |max, (effect, _)| match effect.what {
            What::Pool { max: PoolSize::Connections(lowered) } => max.min(lowered),
            What::Pool { max: PoolSize::Wanted(part) } => max.min((pool.demand * part).round().max(1.0)),
            _ => max,
        });
        Some((demand, max))
    }

    /// How many times as long the queries of a service take.
    fn store_slowdown(&self, plan: &Plan, service: usize, at: i64) -> f64 {
        let Some(service) = plan.services[service].database else { return 1.0 };
        let place = Place { service, pod: Some(plan.services[service].pods.start), caller: None };
        self.at_work(plan, place, at).fold(1.0, |factor, (effect, ramped)| match effect.what {
            What::Latency { factor: times, .. } => factor * (1.0 + (times - 1.0) * effect.share * ramped),
            _ => factor,
        })
    }

    /// Processor taken by neighbours, 0 to 1.
    pub fn stolen_cpu(&self, plan: &Plan, place: Place, at: i64) -> f64 {
        self.at_work(plan, place, at).fold(0.0, |level: f64, (effect, ramped)| match effect.what {
            What::Cpu { level: taken } => level.max(taken * ramped),
            _ => level,
        })
    }

    /// Processor taken on a whole node, 0 to 1.
    pub fn stolen_on_node(&self, node: usize, at: i64) -> f64 {
        let on_node = self.effects.iter().filter(|effect| effect.node == Some(node) && at < effect.until);
        on_node.fold(0.0, |level: f64, effect| match effect.what {
            What::Cpu { level: taken } => level.max(taken * effect.ramped(at - effect.from)),
            _ => level,
        })
    }

    /// Memory in use, MiB, before noise.
    pub fn memory_mib(&self, plan: &Plan, pod: usize, at: i64) -> f64 {
        let service = &plan.services[plan.pods[pod].service];
        let age = (at - self.pods[pod].started).max(0);
        // A process warms up over its first two minutes.
        let warm = 0.75 + 0.25 * (age as f64 / (120 * SECOND) as f64).min(1.0);
        (service.memory_mib * warm + self.leaked_mib(plan, pod, at)).min(service.memory_limit_mib)
    }

    fn leaked_mib(&self, plan: &Plan, pod: usize, at: i64) -> f64 {
        let started = self.pods[pod].started;
        self.leak(plan, pod, at).map_or(0.0, |(rate, from)| rate * (at - from.max(started)).max(0) as f64)
    }

    /// MiB a nanosecond, and since when.
    fn leak(&self, plan: &Plan, pod: usize, at: i64) -> Option<(f64, i64)> {
        let place = Place { service: plan.pods[pod].service, pod: Some(pod), caller: None };
        self.at_work(plan, place, at).find_map(|(effect, _)| match effect.what {
            What::Leak { mib_per_ns } => Some((mib_per_ns, effect.from)),
            _ => None,
        })
    }

    /// True when the pod's memory has reached its limit.
    pub fn out_of_memory(&self, plan: &Plan, pod: usize, at: i64) -> bool {
        let service = &plan.services[plan.pods[pod].service];
        self.leak(plan, pod, at).is_some() && self.memory_mib(plan, pod, at) >= service.memory_limit_mib
    }

    /// Share of the time spent collecting grows with the square of what is missing above three quarters of the limit.
    fn collection_slowdown(&self, plan: &Plan, place: Place, at: i64) -> f64 {
        let Some(pod) = place.pod else { return 1.0 };
        let limit = plan.services[place.service].memory_limit_mib;
        let tight = ((self.memory_mib(plan, pod, at) / limit - 0.75) / 0.25).clamp(0.0, 1.0);
        1.0 + 30.0 * tight * tight
    }

    /// Mean pause of a collection, milliseconds.
    pub fn collection_pause_ms(&self, plan: &Plan, pod: usize, at: i64) -> f64 {
        let place = Place { service: plan.pods[pod].service, pod: Some(pod), caller: None };
        8.0 * if self.leak(plan, pod, at).is_some() { self.collection_slowdown(plan, place, at) } else { 1.0 }
    }

    pub fn is_down(&self, pod: usize, at: i64) -> bool {
        let state = &self.pods[pod];
        (state.down_from..state.down_until).contains(&at) || self.background.is_idle(pod, at)
    }

    /// A pod that the load balancer believes alive; `None` for services without pods.
    pub fn choose_pod(&self, plan: &Plan, service: usize, at: i64, chance: &mut Chance) -> Option<usize> {
        let pods = plan.services[service].pods.clone();
        let first = chance.below(pods.len());
        let count = pods.len();
        let believed_alive = |pod: &usize| !self.is_down(*pod, at) || at < self.pods[*pod].down_from + UNNOTICED;
        let candidates = (0..count).map(|step| pods.start + (first + step) % count);
        candidates.clone().find(believed_alive).or_else(|| candidates.into_iter().next())
    }

    /// Puts a new version on a pod; its name changes with it, as an orchestrator's would.
    pub fn roll(&mut self, plan: &Plan, pod: usize, release: &Release, at: i64) {
        let generation = self.pods[pod].process.generation + 1;
        let name = pod_name(plan, self.seed, pod, generation);
        let process = Arc::new(Process { pod, generation, name, version: Arc::clone(&release.version) });
        let mut wording = std::mem::take(&mut self.pods[pod].wording);
        wording.extend(release.reword.clone().filter(|reword| !wording.contains(reword)));
        let new_code = release.new_code;
        self.pods[pod] = PodState { process, started: at, down_from: i64::MIN, down_until: i64::MIN, new_code, wording };
    }

    /// Kills a pod's process; the same pod starts again after `pause_ns`.
    pub fn kill(&mut self, pod: usize, at: i64, pause_ns: i64) {
        let state = &mut self.pods[pod];
        let mut process = (*state.process).clone();
        process.generation += 1;
        state.process = Arc::new(process);
        state.down_from = at;
        state.down_until = at + pause_ns;
        state.started = at + pause_ns;
    }
}

/// Traffic over the day: ±15 %, least at 04:00 UTC.
pub(super) fn rhythm(at: i64) -> f64 {
    let day = 86_400 * SECOND;
    let part = at.rem_euclid(day) as f64 / day as f64;
    1.0 - 0.15 * (std::f64::consts::TAU * (part - 4.0 / 24.0)).cos()
}

fn first_state(plan: &Plan, seed: u64, pod: usize, start: i64) -> PodState {
    let service = &plan.services[plan.pods[pod].service];
    // Up for some hours already.
    let age = 3600 * SECOND + (hash(seed, 0xA6E, pod as i64) % 80_000) as i64 * SECOND;
    let process = Process { pod, generation: 0, name: pod_name(plan, seed, pod, 0), version: Arc::clone(&service.version) };
    PodState {
        process: Arc::new(process),
        started: start - age,
        down_from: i64::MIN,
        down_until: i64::MIN,
        new_code: false,
        wording: Vec::new(),
    }
}

fn pod_name(plan: &Plan, seed: u64, pod: usize, generation: u32) -> Arc<str> {
    const LETTERS: &[u8; 16] = b"bcdfghjklmnpqrst";
    let number = plan.pods[pod].service;
    let service = &plan.services[number];
    if service.kind == Kind::Store {
        return format!("{}-{}", service.name, pod - service.pods.start).into();
    }
    let letters = |key: u64, count: usize| -> String {
        let bits = hash(seed, key, i64::from(generation));
        (0..count).map(|place| char::from(LETTERS[(bits >> (4 * place)) as usize & 15])).collect()
    };
    format!("{}-{}-{}", service.name, letters(0x5E7_0000 + number as u64, 8), letters(0x90D_0000 + pod as u64, 5)).into()
}
