//! Which service: what remains when everything explained is taken away.
//!
//! Each kind of evidence becomes a strength f(S) = S/(S+8); the maximum over kinds counts, not the sum. Then, along
//! observed edges: log-shape and own-time evidence of a caller is halved by an anomalous callee; gap evidence of a callee
//! is halved by a starved caller; evidence of a resource (CPU, memory, disk …) is never explained away. Failures are
//! multiplied by the own share of the excess: the part of a service's extra failed requests (or, without failures, extra
//! seconds) that its anomalous callees do not explain, each callee's excess shared among its anomalous callers by real
//! call counts (mass balance), and by how much that is beside the service that owns most. A callee on which its caller gives up sooner than it used to explains nothing of that caller,
//! and its failures are explained by it. A callee that a service is only known to name in its error texts explains half as much
//! of its evidence, and no excess. What ended while the symptoms went on counts half. Order: score, depth, surprise,
//! name.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::CallGraph;
use crate::engine::detect::is_resource;
use crate::engine::detect::surprise::strength;
use crate::model::signal::{Family, Signal};

/// How much a neighbour's anomaly explains away.
const EXPLAIN: f64 = 0.5;
/// How much less where the edge is known by error texts alone.
const NAMED: f64 = 0.5;
/// What is left of evidence that ended while the symptoms went on.
const OVER: f64 = 0.5;
/// Metrics that are symptoms (rates, latencies, counts) weigh less than resources.
const SYMPTOM_METRIC: f64 = 0.6;

/// Evidence at one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Local {
    /// Strongest signal of each detector.
    pub signals: BTreeMap<String, Signal>,
    /// Detectors whose signal ended while the investigation went on.
    pub over: BTreeSet<String>,
    /// Extra failed requests and extra seconds over the anomalous buckets.
    pub excess_failures: f64,
    pub excess_seconds: f64,
}

/// One service with its score and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedService {
    pub service: String,
    /// 0 to 1.
    pub score: f64,
    /// Strength before anything was explained away.
    pub local: f64,
    /// Part of it that neighbours explain, 0 to 1.
    pub explained: f64,
    pub depth: usize,
    pub surprise: f64,
    /// Detector that carries the score.
    pub leading: String,
    /// Of the excess, what its callees do not explain.
    pub own_failures: f64,
    pub own_seconds: f64,
    /// The anomalous callee that explains most, if any does.
    pub explained_by: Option<String>,
    /// That one is not seen to be called: error texts name it.
    pub explained_by_name: bool,
}

fn weight(signal: &Signal) -> f64 {
    if signal.family == Family::Metric && !is_resource(&signal.key) { SYMPTOM_METRIC } else { 1.0 }
}

impl Local {
    fn strength_of(&self, detector: &str) -> f64 {
        let left = if self.over.contains(detector) { OVER } else { 1.0 };
        self.signals.get(detector).map_or(0.0, |signal| left * weight(signal) * strength(signal.rank_surprise))
    }

    fn strongest(&self) -> f64 {
        self.signals.keys().map(|detector| self.strength_of(detector)).fold(0.0, f64::max)
    }

    /// Strength of the evidence that it gives up on `callee` sooner than it used to.
    fn impatience(&self, callee: &str) -> f64 {
        self.signals.get("gives_up").filter(|signal| signal.key == callee).map_or(0.0, |_| self.strength_of("gives_up"))
    }

    /// Evidence that the service is starved.
    fn starved(&self) -> f64 {
        self.signals.get("metric").filter(|signal| is_resource(&signal.key)).map_or(0.0, |signal| strength(signal.rank_surprise))
    }

    fn surprise(&self) -> f64 {
        self.signals.values().map(|signal| signal.rank_surprise).fold(0.0, f64::max)
    }
}

/// Ranks every service with evidence. Equal input gives equal order.
pub fn rank_services(evidence: &BTreeMap<String, Local>, graph: &CallGraph) -> Vec<RankedService> {
    let hot: BTreeSet<String> = evidence.keys().cloned().collect();
    let depths = graph.depths(&hot);
    let own: BTreeMap<&String, (f64, f64)> = evidence
        .keys()
        .map(|service| {
            let failures = own_excess(service, evidence, graph, |local| local.excess_failures);
            (service, (failures, own_excess(service, evidence, graph, |local| local.excess_seconds)))
        })
        .collect();
    let largest = own.values().fold((0.0_f64, 0.0_f64), |largest, own| (largest.0.max(own.0), largest.1.max(own.1)));
    let strongest: BTreeMap<&String, f64> = evidence.iter().map(|(service, local)| (service, local.strongest())).collect();
    let mut ranked: Vec<RankedService> = evidence
        .iter()
        .filter(|(_, local)| !local.signals.is_empty())
        .map(|(service, local)| {
            let callees = graph.callees(service).map(|(callee, _)| callee).filter(|callee| local.impatience(callee) <= 0.0);
            let down = strongest_neighbour(callees, &strongest);
            let named = strongest_neighbour(graph.named(service), &strongest);
            let explained_by_name = NAMED * named.0 > down.0;
            let down = if explained_by_name { (NAMED * named.0, named.1) } else { down };
            let impatience = graph.callers(service).filter_map(|caller| evidence.get(caller)).map(|caller| caller.impatience(service));
            let impatience = impatience.fold(0.0, f64::max);
            let up = graph.callers(service).filter_map(|caller| evidence.get(caller)).map(Local::starved).fold(0.0, f64::max);
            let (own_failures, own_seconds) = own.get(service).copied().unwrap_or_default();
            let own_share = own_share(local, own_failures, own_seconds, down.0);
            let failures_mass = mass(own_failures, largest.0).unwrap_or(1.0);
            let seconds_mass = mass(own_seconds, largest.1).unwrap_or(1.0 - EXPLAIN * down.0);
            let explained =
                Explained { by_callee: down.0, by_caller: up, by_impatience: impatience, own_share, failures_mass, seconds_mass };
            let (leading, score) = score(local, &explained);
            let best = local.strongest();
            RankedService {
                service: service.clone(),
                score: quantize(score),
                local: best,
                explained: if best > 0.0 { 1.0 - score / best } else { 0.0 },
                depth: depths.get(service).copied().unwrap_or(0),
                surprise: local.surprise(),
                leading,
                own_failures,
                own_seconds,
                explained_by: down.1.cloned().filter(|_| down.0 > 0.1),
                explained_by_name,
            }
        })
        .collect();
    ranked.sort_by(|left, right| {
        let score = right.score.total_cmp(&left.score).then(right.depth.cmp(&left.depth));
        score.then(right.surprise.total_cmp(&left.surprise)).then(left.service.cmp(&right.service))
    });
    ranked
}

/// Scores equal to a millionth are equal.
fn quantize(score: f64) -> f64 {
    (score.clamp(0.0, 1.0) * 1e6).round() / 1e6
}

fn strongest_neighbour<'a>(neighbours: impl Iterator<Item = &'a String>, strongest: &BTreeMap<&String, f64>) -> (f64, Option<&'a String>) {
    let mut best: (f64, Option<&String>) = (0.0, None);
    for neighbour in neighbours {
        let strength = strongest.get(neighbour).copied().unwrap_or(0.0);
        if strength > best.0 {
            best = (strength, Some(neighbour));
        }
    }
    best
}

/// Excess of a service that its anomalous callees do not explain.
fn own_excess(service: &str, evidence: &BTreeMap<String, Local>, graph: &CallGraph, excess: impl Fn(&Local) -> f64) -> f64 {
    let mine = evidence.get(service).map_or(0.0, &excess);
    let mut explained = 0.0;
    let impatient_with = |callee: &String| evidence.get(service).is_some_and(|local| local.impatience(callee) > 0.0);
    for (callee, calls) in graph.callees(service).filter(|(callee, _)| !impatient_with(callee)) {
        let theirs = evidence.get(callee).map_or(0.0, &excess);
        if theirs <= 0.0 {
            continue;
        }
        let anomalous = |caller: &&String| evidence.get(*caller).map_or(0.0, &excess) > 0.0;
        let all: f64 = graph
            .callers(callee)
            .filter(anomalous)
            .flat_map(|caller| graph.callees(caller))
            .filter(|(name, _)| *name == callee)
            .map(|(_, calls)| calls)
            .sum();
        explained += theirs * if all > 0.0 { (calls / all).min(1.0) } else { 1.0 };
    }
    (mine - explained).max(0.0)
}

/// How much of the excess is a service's own, beside the service that owns most: 1 for that one. `None` where nobody owns any.
fn mass(own: f64, largest: f64) -> Option<f64> {
    (largest > 0.0).then(|| 2.0 * own / (own + largest))
}

/// Which part of the failures is the service's own. Without any excess to weigh, an anomalous callee explains half.
fn own_share(local: &Local, own_failures: f64, own_seconds: f64, down: f64) -> f64 {
    if local.excess_failures > 0.0 {
        own_failures / local.excess_failures
    } else if local.excess_seconds > 0.0 {
        own_seconds / local.excess_seconds
    } else {
        1.0 - EXPLAIN * down
    }
}

/// How much of a service's evidence its surroundings explain, each 0 to 1, and which part of its failures is its own.
struct Explained {
    by_callee: f64,
    by_caller: f64,
    by_impatience: f64,
    own_share: f64,
    failures_mass: f64,
    seconds_mass: f64,
}

fn score(local: &Local, explained: &Explained) -> (String, f64) {
    let by_callee = 1.0 - EXPLAIN * explained.by_callee;
    let by_caller = 1.0 - EXPLAIN * explained.by_caller;
    let answered = 1.0 - explained.by_impatience;
    let mut best = (String::new(), 0.0);
    for detector in local.signals.keys() {
        let strength = local.strength_of(detector);
        let left = match detector.as_str() {
            "metric" if local.starved() > 0.0 => 1.0,
            "metric" | "metric_profile" => by_callee.min(by_caller),
            // It is somebody else's word of one instance: nobody behind it explains that.
            "gives_up" | "pointed_at" => 1.0,
            "hop_gap" => by_caller,
            "failing_calls" => by_caller * answered,
            "failures" => explained.own_share.clamp(0.0, 1.0) * explained.failures_mass * answered,
            // Mean durations hold those of the callees: what is left after these counts, not which part.
            "slow_requests" => explained.seconds_mass,
            _ => by_callee,
        };
        if strength * left > best.1 {
            best = (detector.clone(), strength * left);
        }
    }
    best
}
