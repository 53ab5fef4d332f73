//! Which services belong to which case, step by step: extending, joining, quietening, turning hot again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::by_service::ByService;
use super::case::{Case, take_bucket};
use super::investigator::{DRIFT, Investigator};
use super::links::{Link, Links};
use super::merging::TOGETHER_S;
use super::node::Node;
use super::opening::Firing;
use super::opening_cases::TOLD;
use crate::model::Bucket;
use crate::model::entity::ServiceName;
use crate::model::signal::Signal;

/// A recovered investigation that turns hot again within this time goes on instead of a new one (30 min).
const REOPEN_BUCKETS: i64 = 120;

impl Investigator {
    pub(super) fn extend_cases(
        &mut self,
        environment: &str,
        bucket: Bucket,
        signals: &BTreeMap<String, Vec<Signal>>,
        firing: &BTreeMap<String, Firing>,
        closed: &ByService<'_>,
        links: &Links<'_>,
    ) {
        let weak = self.options.weak;
        let quiet = i64::from(self.options.quiet_s).div_euclid(Bucket::SECONDS).max(1);
        let hot_for_long: Vec<Arc<Node>> =
            self.nodes_of(environment).filter(|node| node.hot_run >= self.options.persist).cloned().collect();
        for id in self.case_ids(environment) {
            let Some(mut case) = self.cases.get(&id).map(|case| Case::clone(case)) else { continue };
            if case.merged_into.is_some() {
                self.forget_case(&id, &case, bucket);
                continue;
            }
            let members: Vec<String> = case.members.keys().cloned().collect();
            let hot = |service: &String| signals.get(service).is_some_and(|signals| signals.iter().any(|signal| signal.surprise >= weak));
            let again = case.recovered_at.is_some() && !case.closed && self.recurs(&case, firing);
            let still = members.iter().any(hot);
            if case.recovered_at.is_none() && still || again {
                case.last_hot = bucket;
                case.recovered_at = None;
            }
            if case.recovered_at.is_none() {
                if bucket.0 - case.last_hot.0 >= quiet.max(self.slowest(&case)) {
                    case.recovered_at = Some(case.last_hot.end());
                } else {
                    members.iter().filter_map(|service| firing.get(service)).for_each(|why| case.take_openers(&why.by));
                    // One that joins now brings this bucket along itself.
                    take_bucket(&mut case, bucket, signals, closed, &self.options);
                    self.join_connected(&mut case, bucket, &hot_for_long, links);
                }
            }
            if !self.forget_case(&id, &case, bucket)
                && let Some(kept) = self.case(&id)
            {
                *kept = case;
            }
        }
    }

    /// Two intervals of the slowest members' metrics, in buckets: two closes are two points. Trouble told of somewhere may show at
    /// any service.
    fn slowest(&self, case: &Case) -> i64 {
        let interval_s = |node: &Arc<Node>| i64::from(node.interval_s);
        let members = || case.members.keys().filter_map(|service| self.node_of(&case.environment, service));
        let all = || self.nodes_of(&case.environment);
        let longest_s = if case.told_of_any { all().map(interval_s).max() } else { members().map(interval_s).max() };
        2 * longest_s.unwrap_or(0) / Bucket::SECONDS
    }

    /// Lets a case go that has been quiet for long; true when it is gone.
    fn forget_case(&mut self, id: &str, case: &Case, bucket: Bucket) -> bool {
        let gone = bucket.0 - case.last_hot.0 >= REOPEN_BUCKETS;
        if gone {
            self.cases.remove(id);
            self.dirty.insert([b"i", id.as_bytes()].concat());
        }
        gone
    }

    /// True when the rule holds again at a member of a recovered case by a kind of sign the case knows there, and no other
    /// case has taken it up. Another kind of sign is another incident.
    fn recurs(&self, case: &Case, firing: &BTreeMap<String, Firing>) -> bool {
        let fires = |service: &&String| {
            let known = |family| case.signals.get(*service).is_some_and(|signals| signals.values().any(|signal| signal.family == family));
            self.firing_run(&case.environment, service) >= self.options.persist
                && firing.get(*service).is_some_and(|firing| firing.families.iter().any(|family| known(*family)))
        };
        let fires: Vec<&String> = case.members.keys().filter(fires).collect();
        let taken = if fires.is_empty() { BTreeSet::new() } else { self.taken(&case.environment) };
        fires.into_iter().any(|service| !taken.contains(service))
    }

    pub(super) fn node_of(&self, environment: &str, service: &str) -> Option<&Arc<Node>> {
        self.nodes.get(&ServiceName { environment: environment.to_owned(), service: service.to_owned() })
    }

    pub(super) fn firing_run(&self, environment: &str, service: &str) -> u32 {
        self.node_of(environment, service).map_or(0, |node| node.firing_run)
    }

    /// Services of cases that go on.
    pub(super) fn taken(&self, environment: &str) -> BTreeSet<String> {
        let live = |case: &&Arc<Case>| case.environment == environment && case.recovered_at.is_none() && case.merged_into.is_none();
        self.cases.values().filter(live).flat_map(|case| case.members.keys().cloned()).collect()
    }

    /// Takes in services that have been hot at two closes running and are connected to the case. By anything but a call the
    /// connection must be in time, too: what begins later somewhere else is another fault.
    fn join_connected(&self, case: &mut Case, bucket: Bucket, hot_for_long: &[Arc<Node>], links: &Links<'_>) {
        let environment = case.environment.clone();
        let hints = |signal: &Signal| signal.detector != DRIFT && signal.rank_surprise >= TOLD;
        let hinted = |node: &&Arc<Node>| node.hot_run >= self.options.persist || node.current(bucket).any(hints);
        let waiting: Vec<&Arc<Node>> =
            if case.told { self.nodes_of(&environment).filter(hinted).collect() } else { hot_for_long.iter().collect() };
        if waiting.is_empty() {
            return;
        }
        let mut taken = self.taken(&environment);
        loop {
            let members: BTreeSet<String> = case.members.keys().cloned().collect();
            let free = waiting.iter().filter(|node| !taken.contains(&node.name.service) && !members.contains(&node.name.service));
            let joining: Vec<_> = free.filter_map(|node| Some((node, how(case, node, &members, bucket, links)?))).collect();
            if joining.is_empty() {
                return;
            }
            for (node, how) in joining {
                case.join(node, bucket, &format!("turned hot {how}"));
                taken.insert(node.name.service.clone());
            }
        }
    }
}

/// How a hot service belongs, as the end of "turned hot …"; `None` when it does not.
fn how(case: &Case, node: &Node, members: &BTreeSet<String>, bucket: Bucket, links: &Links<'_>) -> Option<String> {
    if case.told_of_any {
        return Some("while somebody reported trouble".to_owned());
    }
    let onset = node.current(bucket).filter(|signal| !signal.after_deployment).map(|signal| signal.onset).min()?;
    let together = onset.seconds_since(case.started_at).abs() <= TOGETHER_S;
    match links.to_members(&node.name.service, members)? {
        (Link::Calls, member) => Some(format!("next to {member}")),
        (Link::Named(by), member) if together => Some(format!("as {member} did; error lines of {by} name the other")),
        (Link::Through(carrier), member) if together => Some(format!("as {member} did; {carrier} between them carries it on")),
        (Link::Host(host), member) if together => Some(format!("on {host}, as {member} did")),
        (Link::Load, member) if together => Some(format!("as {member} did, under more requests than usual")),
        _ => None,
    }
}
