//! When to open: one strong signal, or two weak ones of different families on the same service or on caller and callee, or a weak
//! one of the same resource at several services of one host.
//!
//! A deployment may rewrite log lines without breaking anything: where lines change their order just after one of their own
//! service, that alone opens nothing; it needs a second sign of the same service, or an error line.

use std::collections::{BTreeMap, BTreeSet};

use super::CorrelateOptions;
use crate::engine::detect::is_resource;
use crate::engine::rank::CallGraph;
use crate::model::investigation::Opener;
use crate::model::signal::{Family, Signal};

/// Services on one host of which the same resource must be off.
const HOST_SERVICES: usize = 3;

/// Why the rule holds at a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    pub because: String,
    pub families: Vec<Family>,
    /// All that are able to.
    pub by: Vec<Opener>,
    pub surprise: f64,
}

/// Services of one environment at which the rule holds now, by signals that are not muted.
pub fn firing(
    signals: &BTreeMap<String, Vec<Signal>>,
    graph: &CallGraph,
    options: &CorrelateOptions,
    is_muted: &dyn Fn(&Signal) -> bool,
    is_busier: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, Firing> {
    let mut found = BTreeMap::new();
    // Strongest signal of each family at each service that is at least weak.
    let weak: BTreeMap<&String, BTreeMap<Family, &Signal>> =
        signals.iter().map(|(service, signals)| (service, by_family(signals, options.weak, is_muted))).collect();
    for (service, families) in &weak {
        let opens = |signal: &&Signal| signal.surprise >= options.strong && !signal.after_deployment && !is_muted(signal);
        let able: Vec<&Signal> = signals.get(*service).into_iter().flatten().filter(opens).collect();
        if let Some(signal) = able.iter().max_by(|left, right| left.surprise.total_cmp(&right.surprise)) {
            found.insert((*service).clone(), strong(signal, &able));
            continue;
        }
        let around: BTreeSet<&String> =
            graph.callees(service).map(|(callee, _)| callee).chain(graph.callers(service)).chain([*service]).collect();
        let others = around.iter().filter_map(|other| weak.get(other)).flat_map(|families| families.values());
        let pair = families
            .values()
            .flat_map(|mine| others.clone().map(move |other| (*mine, *other)))
            .filter(|(mine, other)| mine.family != other.family && are_independent(mine, other))
            .max_by(|left, right| (left.0.surprise + left.1.surprise).total_cmp(&(right.0.surprise + right.1.surprise)));
        if let Some((mine, other)) = pair {
            found.insert((*service).clone(), two_weak(mine, other));
        }
    }
    for (service, firing) in on_one_host(signals, options, is_muted, is_busier) {
        found.entry(service).or_insert(firing);
    }
    found
}

/// The same resource of several services on one host: what is rare at one of them and meets all of them is no chance. More requests
/// would explain it.
fn on_one_host(
    signals: &BTreeMap<String, Vec<Signal>>,
    options: &CorrelateOptions,
    is_muted: &dyn Fn(&Signal) -> bool,
    is_busier: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, Firing> {
    let is_off =
        |signal: &&Signal| signal.detector == "metric" && signal.surprise >= options.weak && is_resource(&signal.key) && !is_muted(signal);
    let mut meeting: BTreeMap<(&String, &String), BTreeMap<&String, &Signal>> = BTreeMap::new();
    for (service, signals) in signals.iter().filter(|(service, _)| !is_busier(service)) {
        for signal in signals.iter().filter(is_off) {
            if let Some(host) = &signal.host {
                meeting.entry((host, &signal.key)).or_default().insert(service, signal);
            }
        }
    }
    let mut found = BTreeMap::new();
    for ((host, _), services) in meeting.into_iter().filter(|(_, services)| services.len() >= HOST_SERVICES) {
        for (service, signal) in &services {
            found.entry((*service).clone()).or_insert_with(|| one_host(host, signal, services.len()));
        }
    }
    found
}

/// Lines that a deployment rewrote say nothing of the trouble of a neighbour.
fn are_independent(mine: &Signal, other: &Signal) -> bool {
    !(mine.after_deployment || other.after_deployment) || mine.service == other.service
}

fn by_family<'a>(signals: &'a [Signal], weak: f64, is_muted: &dyn Fn(&Signal) -> bool) -> BTreeMap<Family, &'a Signal> {
    let mut best: BTreeMap<Family, &Signal> = BTreeMap::new();
    for signal in signals.iter().filter(|signal| signal.surprise >= weak && !is_muted(signal)) {
        let kept = best.entry(signal.family).or_insert(signal);
        if signal.surprise > kept.surprise {
            *kept = signal;
        }
    }
    best
}

fn strong(signal: &Signal, able: &[&Signal]) -> Firing {
    Firing {
        because: format!("one strong sign at two closes running: {} (S = {:.0})", signal.sentence, signal.surprise),
        families: vec![signal.family],
        by: able.iter().map(|signal| opener(signal)).collect(),
        surprise: signal.surprise,
    }
}

fn one_host(host: &str, signal: &Signal, services: usize) -> Firing {
    Firing {
        because: format!(
            "the same sign of {services} services on {host} at two closes running: {} (S = {:.0})",
            signal.sentence, signal.surprise
        ),
        families: vec![signal.family],
        by: vec![opener(signal)],
        surprise: signal.surprise,
    }
}

fn opener(signal: &Signal) -> Opener {
    Opener { service: signal.service.service.clone(), detector: signal.detector.clone(), key: signal.key.clone() }
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
        by: vec![opener(mine), opener(other)],
        surprise: mine.surprise.max(other.surprise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::model::entity::ServiceName;
    use crate::model::signal::Facts;

    fn signal(service: &str, detector: &str, family: Family, surprise: f64) -> Signal {
        Signal {
            service: ServiceName { environment: "prod".to_owned(), service: service.to_owned() },
            family,
            detector: detector.to_owned(),
            key: String::new(),
            surprise,
            rank_surprise: surprise,
            window_s: 60,
            onset: Timestamp::EPOCH,
            ended: None,
            after_deployment: false,
            facts: Facts::default(),
            sentence: String::new(),
            event_id: String::new(),
            host: None,
            series: Vec::new(),
            unit: String::new(),
        }
    }

    fn fires(signals: Vec<Signal>, deployed: bool) -> Vec<String> {
        let mut graph = CallGraph::default();
        graph.add("web", "cart", 10.0);
        let mut by_service: BTreeMap<String, Vec<Signal>> = BTreeMap::new();
        for mut signal in signals {
            signal.after_deployment = deployed && signal.detector == "log_shape";
            by_service.entry(signal.service.service.clone()).or_default().push(signal);
        }
        firing(&by_service, &graph, &CorrelateOptions::default(), &|_| false, &|_| false).into_keys().collect()
    }

    #[test]
    fn one_strong_sign_opens_and_two_weak_ones_of_one_kind_do_not() {
        assert_eq!(fires(vec![signal("cart", "self_time", Family::Latency, 8.0)], false), ["cart"]);
        let same = vec![signal("cart", "self_time", Family::Latency, 5.0), signal("web", "hop_gap", Family::Latency, 5.0)];
        assert!(fires(same, false).is_empty());
    }

    #[test]
    fn two_weak_signs_of_different_kinds_open_only_on_neighbours() {
        let pair = |other: &str| vec![signal("cart", "self_time", Family::Latency, 5.0), signal(other, "failures", Family::Failures, 5.0)];
        assert_eq!(fires(pair("web"), false), ["cart", "web"]);
        assert!(fires(pair("mail"), false).is_empty());
    }

    #[test]
    fn a_resource_that_is_off_at_several_services_of_one_host_opens_where_requests_do_not_explain_it() {
        let throttled = |service: &str, host: &str| Signal {
            key: "container.cpu.throttled".to_owned(),
            host: Some(host.to_owned()),
            ..signal(service, "metric", Family::Metric, 5.0)
        };
        let fires = |signals: &[Signal], busier: &str| {
            let by_service = signals.iter().map(|signal| (signal.service.service.clone(), vec![signal.clone()])).collect();
            let found = firing(&by_service, &CallGraph::default(), &CorrelateOptions::default(), &|_| false, &|service| service == busier);
            found.into_iter().map(|(service, firing)| (service, firing.because)).collect::<Vec<_>>()
        };
        let three = ["cart", "mail", "web"].map(|service| throttled(service, "node-1"));
        let found = fires(&three, "");
        assert_eq!(found.iter().map(|(service, _)| service.as_str()).collect::<Vec<_>>(), ["cart", "mail", "web"]);
        assert!(found[0].1.starts_with("the same sign of 3 services on node-1"), "{found:?}");
        assert!(fires(&three, "mail").is_empty(), "two of them, and one that has more to do");
        assert!(fires(&[three[0].clone(), three[1].clone(), throttled("web", "node-2")], "").is_empty());
        let other = Signal { key: "container.memory.usage".to_owned(), ..three[2].clone() };
        assert!(fires(&[three[0].clone(), three[1].clone(), other], "").is_empty(), "another resource");
        let symptom = three.map(|signal| Signal { key: "server.requests".to_owned(), ..signal });
        assert!(fires(&symptom, "").is_empty(), "what they are asked for is no resource of a host");
    }

    #[test]
    fn a_deployment_that_rewrites_log_lines_opens_nothing_by_that_alone() {
        let lines = || signal("cart", "log_shape", Family::LogShape, 30.0);
        assert_eq!(fires(vec![lines()], false), ["cart"]);
        assert!(fires(vec![lines()], true).is_empty());
        assert_eq!(fires(vec![lines(), signal("cart", "failures", Family::Failures, 5.0)], true), ["cart"]);
        assert!(fires(vec![lines(), signal("web", "failures", Family::Failures, 5.0)], true).is_empty(), "that is web's trouble");
        assert_eq!(fires(vec![lines(), signal("cart", "new_error", Family::LogShape, 9.0)], true), ["cart"]);
    }
}
