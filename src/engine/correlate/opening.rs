//! When to open: one strong signal, or two weak ones of different families on the same service or on caller and callee.

use std::collections::{BTreeMap, BTreeSet};

use super::CorrelateOptions;
use crate::engine::rank::CallGraph;
use crate::model::signal::{Family, Signal};

/// Why the rule holds at a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    pub because: String,
    pub families: Vec<Family>,
    pub surprise: f64,
}

/// Services of one environment at which the rule holds now.
pub fn firing(signals: &BTreeMap<String, Vec<Signal>>, graph: &CallGraph, options: &CorrelateOptions) -> BTreeMap<String, Firing> {
    let mut found = BTreeMap::new();
    // Strongest signal of each family at each service that is at least weak.
    let weak: BTreeMap<&String, BTreeMap<Family, &Signal>> =
        signals.iter().map(|(service, signals)| (service, by_family(signals, options.weak))).collect();
    for (service, families) in &weak {
        let strongest = families.values().max_by(|left, right| left.surprise.total_cmp(&right.surprise));
        if let Some(signal) = strongest.filter(|signal| signal.surprise >= options.strong) {
            found.insert((*service).clone(), strong(signal));
            continue;
        }
        let around: BTreeSet<&String> =
            graph.callees(service).map(|(callee, _)| callee).chain(graph.callers(service)).chain([*service]).collect();
        let others = around.iter().filter_map(|other| weak.get(other)).flat_map(|families| families.values());
        let pair = families
            .values()
            .flat_map(|mine| others.clone().map(move |other| (*mine, *other)))
            .filter(|(mine, other)| mine.family != other.family)
            .max_by(|left, right| (left.0.surprise + left.1.surprise).total_cmp(&(right.0.surprise + right.1.surprise)));
        if let Some((mine, other)) = pair {
            found.insert((*service).clone(), two_weak(mine, other));
        }
    }
    found
}

fn by_family(signals: &[Signal], weak: f64) -> BTreeMap<Family, &Signal> {
    let mut best: BTreeMap<Family, &Signal> = BTreeMap::new();
    for signal in signals.iter().filter(|signal| signal.surprise >= weak) {
        let kept = best.entry(signal.family).or_insert(signal);
        if signal.surprise > kept.surprise {
            *kept = signal;
        }
    }
    best
}

fn strong(signal: &Signal) -> Firing {
    Firing {
        because: format!("one strong sign at two closes running: {} (S = {:.0})", signal.sentence, signal.surprise),
        families: vec![signal.family],
        surprise: signal.surprise,
    }
}

fn two_weak(mine: &Signal, other: &Signal) -> Firing {
    let mut families = vec![mine.family, other.family];
    families.sort_unstable();
    let part = |signal: &Signal| format!("{} (S = {:.0})", signal.sentence, signal.surprise);
    Firing {
        because: format!(
            "two signs of different kinds ({}, {}) at two closes running: {}; {}",
            mine.family.as_str(),
            other.family.as_str(),
            part(mine),
            part(other)
        ),
        families,
        surprise: mine.surprise.max(other.surprise),
    }
}
