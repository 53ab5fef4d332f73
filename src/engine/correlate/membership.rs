//! Which services belong to which case, step by step: extending, joining, quietening, turning hot again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::case::{Case, take_bucket};
use super::investigator::Investigator;
use super::opening::Firing;
use crate::engine::rank::CallGraph;
use crate::model::Bucket;
use crate::model::entity::ServiceName;
use crate::model::signal::{ClosedBucket, Signal};

/// A recovered investigation that turns hot again within this time goes on instead of a new one (30 min).
const REOPEN_BUCKETS: i64 = 120;

impl Investigator {
    pub(super) fn extend_cases(
        &mut self,
        environment: &str,
        bucket: Bucket,
        signals: &BTreeMap<String, Vec<Signal>>,
        firing: &BTreeMap<String, Firing>,
        closed: &[ClosedBucket],
        graph: &CallGraph,
    ) {
        let weak = self.options.weak;
        let quiet = i64::from(self.options.quiet_s).div_euclid(Bucket::SECONDS).max(1);
        for id in self.case_ids(environment) {
            let Some(mut case) = self.cases.get(&id).map(|case| Case::clone(case)) else { continue };
            let members: Vec<String> = case.members.keys().cloned().collect();
            let hot = |service: &String| signals.get(service).is_some_and(|signals| signals.iter().any(|signal| signal.surprise >= weak));
            let again = case.recovered_at.is_some() && !case.closed && self.recurs(&case, firing);
            let still = members.iter().any(hot);
            if case.recovered_at.is_none() && still || again {
                case.last_hot = bucket;
                case.recovered_at = None;
            }
            if case.recovered_at.is_none() {
                if bucket.0 - case.last_hot.0 >= quiet {
                    case.recovered_at = Some(case.last_hot.end());
                } else {
                    // One that joins now brings this bucket along itself.
                    take_bucket(&mut case, bucket, signals, closed);
                    self.join_neighbours(&mut case, bucket, graph);
                }
            }
            if bucket.0 - case.last_hot.0 >= REOPEN_BUCKETS {
                self.cases.remove(&id);
                self.dirty.insert([b"i", id.as_bytes()].concat());
            } else if let Some(kept) = self.case(&id) {
                *kept = case;
            }
        }
    }

    /// True when the rule holds again at a member of a recovered case by a kind of sign the case knows there, and no other
    /// case has taken it up. Another kind of sign is another incident.
    fn recurs(&self, case: &Case, firing: &BTreeMap<String, Firing>) -> bool {
        let taken = self.taken(&case.environment);
        case.members.keys().filter(|service| !taken.contains(*service)).any(|service| {
            let known = |family| case.signals.get(service).is_some_and(|signals| signals.values().any(|signal| signal.family == family));
            self.firing_run(&case.environment, service) >= self.options.persist
                && firing.get(service).is_some_and(|firing| firing.families.iter().any(|family| known(*family)))
        })
    }

    pub(super) fn firing_run(&self, environment: &str, service: &str) -> u32 {
        let name = ServiceName { environment: environment.to_owned(), service: service.to_owned() };
        self.nodes.get(&name).map_or(0, |node| node.firing_run)
    }

    /// Services of cases that go on.
    pub(super) fn taken(&self, environment: &str) -> BTreeSet<String> {
        let live = |case: &&Arc<Case>| case.environment == environment && case.recovered_at.is_none();
        self.cases.values().filter(live).flat_map(|case| case.members.keys().cloned()).collect()
    }

    /// Takes in services that have been hot at two closes running and touch the case.
    fn join_neighbours(&self, case: &mut Case, bucket: Bucket, graph: &CallGraph) {
        let mut taken = self.taken(&case.environment);
        loop {
            let persist = self.options.persist;
            let mut joined = false;
            let environment = case.environment.clone();
            for node in self.nodes_of(&environment).filter(|node| node.hot_run >= persist) {
                let service = &node.name.service;
                if taken.contains(service) || !case.touches(service, graph) {
                    continue;
                }
                let through = case.members.keys().find(|member| graph.are_neighbours(member, service)).cloned().unwrap_or_default();
                case.join(node, bucket, &format!("turned hot next to {through}"));
                taken.insert(service.clone());
                joined = true;
            }
            if !joined {
                return;
            }
        }
    }
}
