//! Opening investigations: where the rule held, and where somebody says that something is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::case::Case;
use super::investigator::{Alert, Investigator};
use super::links::Links;
use super::node::Node;
use super::opening::Firing;
use crate::engine::rank::CallGraph;
use crate::model::Bucket;
use crate::model::entity::ServiceName;

/// Least surprise that counts when somebody told us that something is broken.
pub const TOLD: f64 = 2.0;

impl Investigator {
    fn may_open(&self, environment: &str, service: &String) -> bool {
        !self.options.ignored_services.contains(service) && self.firing_run(environment, service) >= self.options.persist
    }

    pub(super) fn open_cases(
        &mut self,
        environment: &str,
        bucket: Bucket,
        firing: &BTreeMap<String, Firing>,
        graph: &CallGraph,
        links: &Links<'_>,
    ) {
        if self.teach_until.is_some_and(|until| bucket.end() <= until) {
            return;
        }
        let mut due: Vec<(&String, &Firing)> = firing.iter().filter(|(service, _)| self.may_open(environment, service)).collect();
        if due.is_empty() {
            return;
        }
        due.sort_by(|left, right| right.1.surprise.total_cmp(&left.1.surprise).then(left.0.cmp(right.0)));
        let hot = self.hot_services(environment, bucket, self.options.weak);
        let surge = self.surge(environment, graph);
        let mut taken = self.taken(environment);
        for (service, why) in due {
            if taken.contains(service) {
                continue;
            }
            let mut component = links.component(service, &hot);
            component.retain(|member| !taken.contains(member));
            self.open(environment, bucket, service, &component, why, surge.clone());
            taken.extend(component);
        }
    }

    /// Opens one of the services of `component`, none of which belongs to another.
    fn open(
        &mut self,
        environment: &str,
        bucket: Bucket,
        service: &str,
        component: &BTreeSet<String>,
        why: &Firing,
        surge: Option<(String, f64, f64)>,
    ) {
        let named = |service: &String| ServiceName { environment: environment.to_owned(), service: service.clone() };
        let members: Vec<Arc<Node>> = component.iter().filter_map(|service| self.nodes.get(&named(service))).cloned().collect();
        let mut case = Case {
            environment: environment.to_owned(),
            first_service: service.to_owned(),
            detected_at: bucket.end(),
            updated_at: bucket.end(),
            because: why.because.clone(),
            families: why.families.clone(),
            opened_by: why.by.iter().cloned().collect(),
            last_hot: bucket,
            ..Case::default()
        };
        for signal in members.iter().flat_map(|node| node.current(bucket)) {
            case.take_signal(signal);
        }
        case.started_at = bucket.start();
        case.live_until = bucket.end();
        case.date(bucket, &self.options);
        case.id = case_id(environment, &case.first_service, Bucket::of(case.started_at));
        for node in &members {
            let reason = if node.name.service == service { "opened it".to_owned() } else { format!("was hot and connected to {service}") };
            case.join(node, bucket, &reason);
        }
        case.surge = surge;
        self.keep_new(case);
    }

    fn keep_new(&mut self, case: Case) {
        self.dirty.insert([b"i", case.id.as_bytes()].concat());
        self.cases.insert(case.id.clone(), Arc::new(case));
    }

    /// The entry service whose requests rose most against their mean.
    fn surge(&self, environment: &str, graph: &CallGraph) -> Option<(String, f64, f64)> {
        let is_entry = |node: &&Arc<Node>| graph.callers(&node.name.service).next().is_none();
        let entries = self.nodes_of(environment).filter(is_entry).filter(|node| node.has_surge());
        let rise = |node: &Arc<Node>| node.requests_now / node.requests_mean;
        let best = entries.max_by(|left, right| rise(left).total_cmp(&rise(right)).then(right.name.cmp(&left.name)))?;
        let rate = |requests: f64| requests / (Bucket::SECONDS as f64).max(f64::from(best.interval_s));
        Some((best.name.service.clone(), rate(best.requests_mean), rate(best.requests_now)))
    }

    /// Somebody says that something is broken: no gates.
    pub(super) fn open_told(&mut self, environment: &str, bucket: Bucket, alert: &Alert, graph: &CallGraph, links: &Links<'_>) {
        if self.teach_until.is_some_and(|until| alert.at <= until) {
            return;
        }
        let hints = self.hot_services(environment, bucket, TOLD);
        let known = self.case_ids(environment).into_iter().find(|id| {
            self.cases
                .get(id)
                .is_some_and(|case| case.goes_on() && alert.service.as_ref().is_none_or(|service| case.touches(service, graph)))
        });
        if let Some(case) = known.and_then(|id| self.case(&id)) {
            case.link(&alert.id, 0.9, "an alert about a service that belongs", bucket.end());
            case.firing.insert(alert.id.clone());
            return;
        }
        let mut component = match &alert.service {
            Some(service) => links.component(service, &hints),
            None => hints,
        };
        let first = alert.service.clone().or_else(|| component.first().cloned()).unwrap_or_else(|| "unknown".to_owned());
        let why = Firing { because: format!("told: {}", alert.title), families: Vec::new(), by: Vec::new(), surprise: 0.0 };
        let before = self.cases.len();
        if let Some(service) = &alert.service {
            self.node(&ServiceName { environment: environment.to_owned(), service: service.clone() }).last_seen = bucket;
        }
        let taken = self.taken(environment);
        component.retain(|service| !taken.contains(service));
        let surge = self.surge(environment, graph);
        self.open(environment, bucket, &first, &component, &why, surge);
        if self.cases.len() == before {
            return;
        }
        let options = self.options.clone();
        let newest = self
            .cases
            .values()
            .filter(|case| case.detected_at == bucket.end() && case.because == why.because)
            .map(|case| case.id.clone())
            .next();
        if let Some(case) = newest.and_then(|id| self.case(&id)) {
            case.told = true;
            case.firing.insert(alert.id.clone());
            case.told_of_any = alert.service.is_none();
            case.told_of_any_at = case.told_of_any.then_some(alert.at);
            case.told_at = alert.service.clone().map(|service| (alert.at, service));
            case.first_service = first;
            case.started_at = case.started_at.min(alert.at);
            case.date(bucket, &options);
            case.link(&alert.id, 1.0, "it opened this investigation", bucket.end());
        }
    }

    /// An alert that is over closes its own: what was opened by it, and shows nothing else, has recovered with its last alert.
    pub(super) fn resolve_told(&mut self, bucket: Bucket, alert: &Alert, firing: &str) {
        let known = self.cases.values().find(|case| case.firing.contains(firing)).map(|case| case.id.clone());
        let Some(case) = known.and_then(|id| self.case(&id)) else { return };
        case.firing.remove(firing);
        case.link(&alert.id, 0.9, "it says that its alert is over", bucket.end());
        if case.told && case.firing.is_empty() && case.signals.values().all(BTreeMap::is_empty) && case.recovered_at.is_none() {
            case.recovered_at = Some(alert.at);
        }
    }
}

/// UUID v8 of (environment, first service, onset bucket).
fn case_id(environment: &str, service: &str, onset: Bucket) -> String {
    let hash = xxhash_rust::xxh3::xxh3_128(format!("investigation\0{environment}\0{service}\0{}", onset.0).as_bytes());
    uuid::Uuid::new_v8(hash.to_be_bytes()).to_string()
}
