//! Episodes for judging the engine on call graphs that nobody has seen: everything follows from one number.

use serde::Deserialize;

use super::background::Background;
use super::chance::{Chance, Stream, hash};
use super::changes::Changes;
use super::faults::{Breaking, FaultFile, Role};
use super::random_plan::{Words, random_plan};
use super::shop::Scene;
use super::topology::{CACHE, DATABASE, Kind, LogShape, Plan, Step};
use super::world::SECOND;
use super::{Shop, SimulatorError, catalog, episodes};
use crate::model::Timestamp;

const DRAWS: &str = include_str!("seeded.toml");
/// 00:00 UTC of a working day; an episode begins at some second of it.
const DAY: i64 = 1_763_337_600;
/// An episode has at most so many records.
const MAX_RECORDS: f64 = 400_000.0;
/// Of them, so many are planned for: load comes and goes, and what fails writes more.
const PLANNED: f64 = 0.5;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draws {
    services: Span,
    onset_s: Span,
    second_after_s: Span,
    after_onset_s: i64,
    quiet_s: i64,
    items_per_s: Span,
    target_per_s: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    pub low: f64,
    pub high: f64,
}

impl Span {
    pub fn even(self, chance: &mut Chance) -> f64 {
        self.low + (self.high - self.low) * chance.unit()
    }

    pub fn log_even(self, chance: &mut Chance) -> f64 {
        self.low * (self.high / self.low).powf(chance.unit())
    }
}

/// A drawn episode: a call graph in motion, from when to when.
#[derive(Debug)]
pub struct Seeded {
    pub shop: Shop,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    /// User requests a second, mean over a day.
    pub rate: f64,
}

/// Kinds of episodes, by the last digit of the seed.
enum Kinds {
    Quiet,
    One,
    Two,
}

/// The episode of a seed: always the same one.
pub fn seeded(seed: u64) -> Result<Seeded, SimulatorError> {
    let draws: Draws = toml::from_str(DRAWS).map_err(|error| SimulatorError::Shop(format!("seeded: {error}")))?;
    let kinds = match seed % 10 {
        9 => Kinds::Quiet,
        4 => Kinds::Two,
        _ => Kinds::One,
    };
    let mut chance = Chance::new(hash(seed, 0x5EED, 0), Stream::Arrivals);
    let chance = &mut chance;
    let size = draws.services.log_even(chance).round() as usize;
    let mut words = Words::new(Chance::new(hash(seed, 0x303D, 0), Stream::Arrivals));
    let first = random_plan(chance, if matches!(kinds, Kinds::Two) { size / 2 } else { size }, &mut words);
    let parts = first.service.len();
    let file = match kinds {
        Kinds::Two => first.beside(random_plan(chance, size - size / 2, &mut words)),
        Kinds::Quiet | Kinds::One => first,
    };
    let mut plan = Plan::of(&file)?;
    let traffic = Traffic::of(&plan);
    let start = (DAY + chance.below(86_400) as i64) * SECOND;
    let onset = start + (draws.onset_s.even(chance) * SECOND as f64) as i64;
    let drawing = Drawing { draws: &draws, traffic: &traffic, rate: rate(&draws, &plan, &traffic, size) };
    let turn = seed / 10 * 8 + seed % 10 - u64::from(seed % 10 > 4);
    let kind = |turn: u64, two: bool| {
        let names: Vec<String> = catalog().into_iter().map(|fault| fault.name).filter(|name| !two || !hits_a_host(name)).collect();
        names[(turn % names.len() as u64) as usize].clone()
    };
    let mut faults = Vec::new();
    match kinds {
        Kinds::Quiet => {}
        Kinds::One => faults.push(drawing.fault(chance, &mut plan, &kind(turn, false), onset, 0..usize::MAX)?),
        Kinds::Two => {
            let (turn, later) = (seed / 10, onset + (draws.second_after_s.even(chance) * SECOND as f64) as i64);
            faults.push(drawing.fault(chance, &mut plan, &kind(turn, true), onset, 0..parts)?);
            // Another kind: five further on.
            faults.push(drawing.fault(chance, &mut plan, &kind(turn + 5, true), later, parts..usize::MAX)?);
        }
    }
    let last = faults.iter().map(|fault| fault.onset + draws.after_onset_s * SECOND).max();
    let end = last.unwrap_or(start + draws.quiet_s * SECOND);
    let background = Background::draw(&plan, seed, start, end);
    let changes = Changes::drawn(seed, &plan)?;
    let rate = drawing.rate;
    // A database stores signed numbers.
    let scene = Scene { plan, seed: hash(seed, 0x5407, 0) >> 12, rate, faults, background, changes, onset };
    let shop = Shop::open(scene, start, end)?;
    Ok(Seeded { shop, starts_at: Timestamp::from_nanos(start), ends_at: Timestamp::from_nanos(end), rate })
}

fn hits_a_host(name: &str) -> bool {
    FaultFile::role_of(name) == Some(Role::Node)
}

/// What one user request sets in motion, on average.
struct Traffic {
    /// Runs of each operation.
    runs: Vec<f64>,
    /// Calls from service to service.
    calls: Vec<((usize, usize), f64)>,
    lines: f64,
    json_lines: f64,
}

impl Traffic {
    fn of(plan: &Plan) -> Self {
        let mut runs = vec![0.0; plan.operations.len()];
        let total: f64 = plan.actions.iter().map(|action| f64::from(action.weight)).sum();
        for action in &plan.actions {
            runs[action.operation] += f64::from(action.weight) / total;
        }
        let mut calls: std::collections::BTreeMap<(usize, usize), f64> = std::collections::BTreeMap::new();
        let (mut lines, mut json_lines) = (1.0, 1.0);
        // The deepest operations stand first, so that callers come before callees on the way back.
        for operation in (0..plan.operations.len()).rev() {
            let (what, here) = (&plan.operations[operation], runs[operation]);
            for step in &what.steps {
                if let Step::Log { .. } = step {
                    lines += here;
                    json_lines += if plan.services[what.service].logs == LogShape::Otlp { 0.0 } else { here };
                }
                for (target, share) in weighted(step) {
                    runs[target] += here * share;
                    *calls.entry((what.service, plan.operations[target].service)).or_default() += here * share;
                }
            }
        }
        Self { runs, calls: calls.into_iter().collect(), lines, json_lines }
    }

    /// Requests of each service.
    fn of_service(&self, plan: &Plan, service: usize) -> f64 {
        let own = plan.operations.iter().zip(&self.runs).filter(|(operation, _)| operation.service == service);
        own.map(|(_, runs)| runs).sum()
    }
}

/// Operations that a step runs, and how often.
fn weighted(step: &Step) -> Vec<(usize, f64)> {
    match step {
        Step::Read { call, hit, miss } => vec![(call.operation, 1.0), (*miss, 1.0 - hit)],
        other => other.targets().into_iter().map(|target| (target, 1.0)).collect(),
    }
}

/// Requests a second: as many as the items allow, and no more records than an episode may have.
fn rate(draws: &Draws, plan: &Plan, traffic: &Traffic, size: usize) -> f64 {
    let Span { low, high } = draws.services;
    let large = ((size as f64).clamp(low, high) / low).ln() / (high / low).ln();
    let items_per_s = draws.items_per_s.low * (draws.items_per_s.high / draws.items_per_s.low).powf(large);
    let spans: f64 = traffic
        .runs
        .iter()
        .zip(&plan.operations)
        .map(|(runs, operation)| {
            // A call has two ends, but stores and outsiders write none.
            runs * if plan.services[operation.service].kind == Kind::Service { 2.0 } else { 1.0 }
        })
        .sum();
    let seconds = draws.onset_s.high + draws.second_after_s.high + draws.after_onset_s as f64;
    let most = PLANNED * MAX_RECORDS / seconds / traffic.json_lines;
    (items_per_s / (spans + traffic.lines)).min(most)
}

struct Drawing<'a> {
    draws: &'a Draws,
    traffic: &'a Traffic,
    rate: f64,
}

impl Drawing<'_> {
    /// A fault of that kind at a target among these services, with drawn strength and share.
    fn fault(
        &self,
        chance: &mut Chance,
        plan: &mut Plan,
        name: &str,
        onset: i64,
        among: std::ops::Range<usize>,
    ) -> Result<Breaking, SimulatorError> {
        let (strength, share) = episodes::severity(chance)?;
        let role = FaultFile::role_of(name).unwrap_or(Role::Service);
        let mut targets = targets(plan, self.traffic, role);
        targets.retain(|target| target.service.is_none_or(|service| among.contains(&service)));
        let often = targets.iter().filter(|target| target.often * self.rate >= self.draws.target_per_s).count();
        if often > 0 {
            targets.retain(|target| target.often * self.rate >= self.draws.target_per_s);
        } else {
            targets.sort_by(|a, b| b.often.total_cmp(&a.often));
            targets.truncate(1);
        }
        let drawn = chance.below(targets.len());
        let target = targets
            .get(drawn)
            .ok_or_else(|| SimulatorError::Fault { name: name.to_owned(), reason: format!("nobody in this call graph is a {role:?}") })?;
        let file = FaultFile::drawn(name, &target.name, strength, plan)?;
        if let (Some(language), Some(service)) = (file.language, target.service) {
            plan.services[service].language = language;
        }
        Ok(Breaking { file, strength: Some(strength), share: Some(share), onset, over: i64::MAX })
    }
}

/// Somebody a fault can hit, and how often he is asked by a user request.
struct Target {
    name: String,
    service: Option<usize>,
    often: f64,
}

fn targets(plan: &Plan, traffic: &Traffic, role: Role) -> Vec<Target> {
    let is_service = |service: usize| plan.services[service].kind == Kind::Service;
    let name = |service: usize| plan.services[service].name.to_string();
    match role {
        Role::Edge => {
            let between =
                traffic.calls.iter().filter(|((caller, callee), _)| caller != callee && is_service(*caller) && is_service(*callee));
            let waits = between.filter(|((caller, callee), _)| plan.timeout_ms(*caller, *callee).is_some());
            waits.map(|((a, b), often)| Target { name: format!("{}>{}", name(*a), name(*b)), service: Some(*b), often: *often }).collect()
        }
        Role::Node => {
            let lives = |node: usize| {
                let pods = plan.pods.iter().filter(move |pod| pod.node == node && is_service(pod.service));
                pods.map(|pod| traffic.of_service(plan, pod.service) / plan.services[pod.service].pods.len() as f64).sum::<f64>()
            };
            let nodes = (0..plan.nodes.len()).map(|node| Target { name: plan.nodes[node].to_string(), service: None, often: lives(node) });
            nodes.filter(|node| node.often > 0.0).collect()
        }
        _ => {
            let all = (0..plan.services.len()).filter(|service| plays(plan, traffic, *service, role));
            all.map(|service| Target { name: name(service), service: Some(service), often: traffic.of_service(plan, service) }).collect()
        }
    }
}

fn plays(plan: &Plan, traffic: &Traffic, service: usize, role: Role) -> bool {
    let what = &plan.services[service];
    let system = what.system.as_deref();
    let serves = what.kind == Kind::Service;
    match role {
        Role::Service => serves && traffic.of_service(plan, service) > 0.0,
        Role::Callee => serves && (0..plan.services.len()).any(|caller| plan.timeout_ms(caller, service).is_some()),
        Role::Pooled => serves && what.pool.is_some() && what.database.is_some(),
        Role::Partnered => serves && plan.callees(service).iter().any(|callee| plan.services[*callee].kind == Kind::Outside),
        Role::Database => system == Some(DATABASE),
        Role::Cache => system == Some(CACHE) && what.pods.len() > 1,
        Role::Outside => what.kind == Kind::Outside,
        Role::Edge | Role::Node => false,
    }
}
