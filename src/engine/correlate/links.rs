//! What connects hot services: calls between them; that one names the other in its error texts; calls by way of services that
//! only carry on what is slow or failing, all in one direction, as failures and delays go; a host on which resources of both
//! are off; and a surge of requests under which both have become slow and nothing else. Two services with nothing in common
//! but a caller that carries the trouble of both are not connected: those are two faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::node::Node;
use crate::engine::detect::is_resource;
use crate::engine::rank::CallGraph;
use crate::model::Bucket;
use crate::model::signal::{Family, Signal};

/// Connections of one environment at one close.
#[derive(Debug)]
pub struct Links<'a> {
    graph: &'a CallGraph,
    /// Services with extra failures or extra seconds now, whether or not they show evidence of their own.
    carriers: BTreeSet<String>,
    /// Services by the host on which a resource of theirs is off now.
    hosts: BTreeMap<String, BTreeSet<String>>,
    /// Services of which no more is known than that they are slow while they get more requests.
    crowded: BTreeSet<String>,
}

/// How a service is connected to another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    Calls,
    /// Error texts of this one of the two name the other.
    Named(String),
    /// By way of this carrier.
    Through(String),
    Host(String),
    /// More requests than usual, for both.
    Load,
}

impl<'a> Links<'a> {
    pub fn new<'n>(graph: &'a CallGraph, nodes: impl Iterator<Item = &'n Arc<Node>>, bucket: Bucket, weak: f64) -> Self {
        let mut links = Self { graph, carriers: BTreeSet::new(), hosts: BTreeMap::new(), crowded: BTreeSet::new() };
        let starved = |signal: &&Signal| signal.detector == "metric" && signal.surprise >= weak && is_resource(&signal.key);
        for node in nodes {
            if node.carries(bucket) {
                links.carriers.insert(node.name.service.clone());
            }
            if node.is_busier() && is_only_slow(node, bucket, weak) {
                links.crowded.insert(node.name.service.clone());
            }
            for host in node.current(bucket).filter(starved).filter_map(|signal| signal.host.clone()) {
                links.hosts.entry(host).or_default().insert(node.name.service.clone());
            }
        }
        links
    }

    /// Services of `among` connected to `service` through services of `among`, itself included.
    pub fn component(&self, service: &str, among: &BTreeSet<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::from([service.to_owned()]);
        let mut queue = VecDeque::from([service.to_owned()]);
        while let Some(next) = queue.pop_front() {
            for other in self.reached(&next).into_keys().filter(|other| among.contains(other)) {
                if found.insert(other.clone()) {
                    queue.push_back(other);
                }
            }
        }
        found
    }

    /// How `service` is connected to one of `members`: the closest kind of link, and to whom.
    pub fn to_members(&self, service: &str, members: &BTreeSet<String>) -> Option<(Link, String)> {
        let reached = self.reached(service).into_iter().filter(|(other, _)| members.contains(other));
        reached.map(|(other, link)| (link, other)).min()
    }

    /// Everything connected to one of `services`.
    pub fn around(&self, services: &BTreeSet<String>) -> BTreeSet<String> {
        services.iter().flat_map(|service| self.reached(service).into_keys()).collect()
    }

    /// Everything connected to a service, whether or not it is hot.
    fn reached(&self, service: &str) -> BTreeMap<String, Link> {
        let mut found = BTreeMap::new();
        self.follow(service, |graph, from| graph.callees(from).map(|(callee, _)| callee.clone()).collect(), &mut found);
        self.follow(service, |graph, from| graph.callers(from).cloned().collect(), &mut found);
        for other in self.graph.named(service) {
            found.insert(other.clone(), Link::Named(service.to_owned()));
        }
        for other in self.graph.named_by(service) {
            found.insert(other.clone(), Link::Named(other.clone()));
        }
        for (host, services) in self.hosts.iter().filter(|(_, services)| services.contains(service)) {
            for other in services.iter().filter(|other| *other != service) {
                found.entry(other.clone()).or_insert_with(|| Link::Host(host.clone()));
            }
        }
        if self.crowded.contains(service) {
            for other in self.crowded.iter().filter(|other| *other != service) {
                found.entry(other.clone()).or_insert(Link::Load);
            }
        }
        found
    }

    /// Follows calls in one direction, on from carriers only.
    fn follow(&self, service: &str, next: impl Fn(&CallGraph, &str) -> Vec<String>, found: &mut BTreeMap<String, Link>) {
        let mut seen = BTreeSet::from([service.to_owned()]);
        let mut queue = VecDeque::from([service.to_owned()]);
        while let Some(from) = queue.pop_front() {
            for other in next(self.graph, &from) {
                if !seen.insert(other.clone()) {
                    continue;
                }
                let link = if from == service { Link::Calls } else { Link::Through(from.clone()) };
                let known = found.entry(other.clone()).or_insert_with(|| link.clone());
                *known = known.clone().min(link);
                if self.carriers.contains(&other) {
                    queue.push_back(other);
                }
            }
        }
    }
}

/// True when slowness is all that a service shows.
fn is_only_slow(node: &Node, bucket: Bucket, weak: f64) -> bool {
    let mut hot = node.current(bucket).filter(|signal| signal.surprise >= weak && !signal.after_deployment).peekable();
    hot.peek().is_some() && hot.all(|signal| signal.family == Family::Latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    /// web → shop → (cart → stock, pay)
    fn graph() -> CallGraph {
        let mut graph = CallGraph::default();
        for (caller, callee) in [("web", "shop"), ("shop", "cart"), ("shop", "pay"), ("cart", "stock")] {
            graph.add(caller, callee, 10.0);
        }
        graph
    }

    fn links<'a>(graph: &'a CallGraph, carriers: &[&str]) -> Links<'a> {
        Links { graph, carriers: names(carriers), hosts: BTreeMap::new(), crowded: BTreeSet::new() }
    }

    #[test]
    fn a_delay_is_followed_through_services_that_only_carry_it_on() {
        let graph = graph();
        assert_eq!(links(&graph, &[]).component("stock", &names(&["stock", "web"])), names(&["stock"]));
        let carried = links(&graph, &["cart", "shop"]);
        assert_eq!(carried.component("stock", &names(&["stock", "web"])), names(&["stock", "web"]));
        let link = carried.to_members("web", &names(&["stock"]));
        assert_eq!(link, Some((Link::Through("cart".to_owned()), "stock".to_owned())));
    }

    #[test]
    fn a_service_is_connected_to_whom_it_names_in_its_error_texts_and_not_beyond() {
        let mut graph = graph();
        graph.add_named("stock", "ledger");
        graph.add_named("ledger", "vault");
        let links = links(&graph, &["stock", "ledger"]);
        assert_eq!(links.component("stock", &names(&["ledger", "stock"])), names(&["ledger", "stock"]));
        assert_eq!(links.component("stock", &names(&["stock", "vault"])), names(&["stock"]), "only calls are followed on");
        let link = links.to_members("ledger", &names(&["cart", "stock", "web"]));
        assert_eq!(link, Some((Link::Named("stock".to_owned()), "stock".to_owned())));
    }

    #[test]
    fn two_callees_of_one_carrier_are_not_connected_by_it() {
        let graph = graph();
        assert_eq!(links(&graph, &["shop", "web"]).component("cart", &names(&["cart", "pay"])), names(&["cart"]));
    }

    #[test]
    fn services_that_are_slow_under_one_surge_are_connected() {
        let graph = graph();
        let mut links = links(&graph, &[]);
        let slow = names(&["stock", "pay", "web"]);
        assert_eq!(links.component("stock", &slow), names(&["stock"]));
        links.crowded = names(&["stock", "pay"]);
        assert_eq!(links.component("stock", &slow), names(&["pay", "stock"]));
    }

    #[test]
    fn services_starved_on_one_host_are_connected() {
        let graph = graph();
        let hosts = BTreeMap::from([("node-1".to_owned(), names(&["stock", "pay"]))]);
        let links = Links { graph: &graph, carriers: BTreeSet::new(), hosts, crowded: BTreeSet::new() };
        assert_eq!(links.component("stock", &names(&["stock", "pay"])), names(&["pay", "stock"]));
    }
}
