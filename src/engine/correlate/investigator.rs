//! Opens, joins, ranks and quietens investigations; one step a closed bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::CorrelateOptions;
use super::by_service::ByService;
use super::case::{Case, texts_of};
use super::findings::{self, CANDIDATE_S, World};
use super::links::Links;
use super::mutes::Mutes;
use super::node::Node;
use super::opening::{self, Firing};
use crate::engine::rank::{CallGraph, Change, Local};
use crate::model::command::{Action, InboxRow};
use crate::model::entity::ServiceName;
use crate::model::investigation::{EngineFindings, Status};
use crate::model::signal::{ClosedBucket, Pointed, Signal};
use crate::model::suspect::Suspect;
use crate::model::{Bucket, Event, Timestamp};

/// Changes kept of one environment, once their buckets are closed, and as many builds and artifacts; the oldest go first.
const MAX_CHANGES: usize = 500;
/// The same with those that wait for their buckets: a forge's topic is read far ahead of the logs.
const MAX_WAITING_CHANGES: usize = 2_000;
/// Services forgotten when silent this long (6 h).
const SILENT_BUCKETS: i64 = 1_440;
/// Services kept, about 2 KB each (40 MB); the longest silent go first.
const MAX_NODES: usize = 20_000;
/// Alerts that wait for their buckets; of more the latest go: the events themselves are stored.
const MAX_ALERTS: usize = 1_000;
/// An alert older than this when its bucket closes opens nothing, seconds.
const STALE_ALERT_S: f64 = 3_600.0;
/// A deployment shows in log lines within this time after it is told, and at most so much before, seconds.
const DEPLOY_EFFECT_S: i64 = 300;
const DEPLOY_TOLERANCE_S: i64 = 60;

/// What grows slowly: caches fill, heaps grow. Alone it is no sign of trouble; where there are others it may be their cause.
pub(super) const DRIFT: &str = "drift";
/// Detector of what its callers' lines say of a service.
const POINTED_AT: &str = "pointed_at";
/// Key of the snapshot's entry that says until when history only teaches.
pub(super) const TEACH_UNTIL: &[u8] = b"u";

/// An alert or note that says: something is broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Alert {
    pub id: String,
    pub at: Timestamp,
    pub environment: Option<String>,
    pub service: Option<String>,
    pub title: String,
    /// The firing alert that it says is over.
    pub resolves: Option<String>,
}

/// Opens, joins, ranks and quietens investigations; steps once per closed bucket.
#[derive(Debug)]
pub struct Investigator {
    pub(super) options: CorrelateOptions,
    pub(super) teach_until: Option<Timestamp>,
    pub(super) bucket: Option<Bucket>,
    pub(super) nodes: BTreeMap<ServiceName, Arc<Node>>,
    pub(super) cases: BTreeMap<String, Arc<Case>>,
    /// By time and event id.
    pub(super) changes: BTreeMap<(Timestamp, String), Arc<Change>>,
    /// Waiting for their buckets.
    pub(super) alerts: BTreeMap<(Timestamp, String), Arc<Alert>>,
    pub(super) mutes: Arc<Mutes>,
    pub(super) dirty: BTreeSet<Vec<u8>>,
}

impl Investigator {
    /// Before `teach_until` (event time) baselines learn and nothing opens; `None` when history may open.
    pub fn new(options: &CorrelateOptions, teach_until: Option<Timestamp>) -> Self {
        Self {
            options: options.clone(),
            teach_until,
            bucket: None,
            nodes: BTreeMap::new(),
            cases: BTreeMap::new(),
            changes: BTreeMap::new(),
            alerts: BTreeMap::new(),
            mutes: Arc::default(),
            dirty: teach_until.iter().map(|_| TEACH_UNTIL.to_vec()).collect(),
        }
    }

    /// Keeps what is needed of one-to-one events (changes, alerts, manual events) for their buckets.
    pub fn forward(&mut self, events: &[Event]) {
        for event in events {
            let key = (event.timestamp, event.id.clone());
            if let Some(change) = Change::of_event(event) {
                self.touch(b'x', &key);
                self.changes.insert(key, Arc::new(change));
            } else if is_alert(event) || resolved_alert(event).is_some() {
                self.touch(b'a', &key);
                let (environment, service) = (event.environment.clone(), event.service.clone());
                let (id, at, title) = (event.id.clone(), event.timestamp, event.title.clone());
                let alert = Alert { id, at, environment, service, title, resolves: resolved_alert(event) };
                self.alerts.insert(key, Arc::new(alert));
            }
        }
        self.bound_changes(None, MAX_WAITING_CHANGES);
        while self.alerts.len() > MAX_ALERTS {
            let Some((key, _)) = self.alerts.pop_last() else { break };
            self.touch(b'a', &key);
        }
    }

    /// Keeps the newest changes of each environment, of those before `end` or of all, and none that is too old to matter.
    fn bound_changes(&mut self, end: Option<Timestamp>, most: usize) {
        let mut counts: BTreeMap<(Option<String>, bool), usize> = BTreeMap::new();
        let mut drop = Vec::new();
        for (key, change) in self.changes.iter().rev().filter(|((at, _), _)| end.is_none_or(|end| *at < end)) {
            // Builds and artifacts, which are many, push out no commit and no deployment.
            let count = counts.entry((change.facts.environment.clone(), change.facts.is_cause())).or_default();
            *count += 1;
            let old = self.bucket.is_some_and(|bucket| bucket.start().seconds_since(key.0) > (2 * CANDIDATE_S) as f64);
            if *count > most || old {
                drop.push(key.clone());
            }
        }
        for key in drop {
            self.changes.remove(&key);
            self.touch(b'x', &key);
        }
    }

    /// A person's write that changes what the engine does: closing, reopening, verdict.
    pub fn command(&mut self, row: &InboxRow) {
        match &row.command.action {
            Action::CloseInvestigations { ids, mute_until, .. } => ids.iter().for_each(|id| {
                mute_until.iter().for_each(|until| self.mute(id, *until));
                self.set_closed(id, true);
            }),
            Action::ReopenInvestigation { id, .. } => self.set_closed(id, false),
            Action::PatchInvestigation { id, patch } => match patch.status {
                Some(Status::Resolved | Status::Closed) => self.set_closed(id, true),
                Some(Status::Open | Status::InProgress) => self.set_closed(id, false),
                None => {}
            },
            Action::SetVerdict { id, suspect_id, verdict, .. } => {
                if let Some(case) = self.case(id) {
                    case.verdicts.insert(suspect_id.clone(), *verdict);
                }
            }
            _ => {}
        }
    }

    fn set_closed(&mut self, id: &str, closed: bool) {
        if !closed {
            self.unmute(id);
        }
        if let Some(case) = self.case(id) {
            case.closed = closed;
            case.apart |= !closed && case.merged_into.take().is_some();
        }
    }

    pub(super) fn case(&mut self, id: &str) -> Option<&mut Case> {
        let case = self.cases.get_mut(id)?;
        self.dirty.insert([b"i", id.as_bytes()].concat());
        Some(Arc::make_mut(case))
    }

    pub(super) fn node(&mut self, name: &ServiceName) -> &mut Node {
        self.dirty.insert(node_key(name));
        Arc::make_mut(self.nodes.entry(name.clone()).or_insert_with(|| Arc::new(Node::new(name.clone()))))
    }

    fn touch(&mut self, kind: u8, key: &(Timestamp, String)) {
        self.dirty.insert(timed_key(kind, key));
    }

    /// One bucket, closed by all shards. Findings that changed, each with its new revision.
    pub fn step(&mut self, mut closed: Vec<ClosedBucket>) -> Vec<EngineFindings> {
        let Some(bucket) = closed.iter().map(|closed| closed.bucket).max() else { return Vec::new() };
        self.bucket = Some(bucket);
        self.dirty.insert(b"t".to_vec());
        let signals = self.take(bucket, &mut closed);
        let alerts = self.due_alerts(bucket);
        self.end_mutes(bucket);
        let mut environments = self.environments();
        environments.extend(self.cases.values().map(|case| case.environment.clone()));
        let only = if environments.len() == 1 { environments.first().cloned() } else { None };
        let named = |alert: &Alert| alert.environment.clone().or_else(|| only.clone()).unwrap_or_else(|| "default".to_owned());
        environments.extend(alerts.iter().map(|alert| named(alert)));
        let mut out = Vec::new();
        for environment in environments {
            let none = BTreeMap::new();
            let here = signals.get(&environment).unwrap_or(&none);
            let told: Vec<&Alert> = alerts.iter().filter(|alert| named(alert) == environment).map(|alert| &**alert).collect();
            if let Some(graph) = self.step_environment(&environment, bucket, here, &closed, &told) {
                out.extend(self.changed_findings(&environment, bucket, &graph));
            }
        }
        self.bound_changes(Some(bucket.end()), MAX_CHANGES);
        self.forget(bucket);
        out
    }

    /// Takes a bucket into the nodes. Returns its signals by environment and service.
    fn take(&mut self, bucket: Bucket, closed: &mut [ClosedBucket]) -> BTreeMap<String, BTreeMap<String, Vec<Signal>>> {
        let mut signals: BTreeMap<String, BTreeMap<String, Vec<Signal>>> = BTreeMap::new();
        let mut texts: Vec<(ServiceName, String)> = Vec::new();
        // A service lies in one shard, so that the order of shards cannot matter to it.
        for shard in closed.iter() {
            for edge in &shard.edges {
                self.node(&edge.caller).take_edge(bucket, edge);
                self.node(&edge.callee).last_seen = bucket;
            }
            for load in &shard.loads {
                self.node(&load.entity).take_load(bucket, load);
            }
            for row in &shard.rows {
                self.node(&row.entity).last_seen = bucket;
            }
            for (name, until) in &shard.learning {
                self.node(name).learning_until = Some(*until);
            }
            for event in &shard.events {
                if let (Some(environment), Some(service)) = (&event.environment, &event.service) {
                    let name = ServiceName { environment: environment.clone(), service: service.clone() };
                    let node = self.node(&name);
                    node.take_event(event);
                    for text in texts_of(event) {
                        node.take_text(&text);
                        texts.push((name.clone(), text));
                    }
                }
            }
        }
        self.take_mentions(bucket, texts);
        for mut signal in closed.iter_mut().flat_map(|shard| std::mem::take(&mut shard.signals)) {
            signal.after_deployment = signal.detector == "log_shape" && self.follows_deployment(&signal);
            signals.entry(signal.service.environment.clone()).or_default().entry(signal.service.service.clone()).or_default().push(signal);
        }
        self.take_pointed(bucket, closed, &mut signals);
        for signals in signals.values_mut().flat_map(BTreeMap::values_mut) {
            // What others say of a service comes from their shards, in any order.
            let own = |signal: &Signal| signal.detector != POINTED_AT;
            signals.sort_by(|left, right| match (own(left), own(right)) {
                (true, true) => std::cmp::Ordering::Equal,
                (false, false) => {
                    let strength = right.rank_surprise.total_cmp(&left.rank_surprise);
                    strength.then_with(|| left.key.cmp(&right.key)).then_with(|| left.sentence.cmp(&right.sentence))
                }
                (left, right) => right.cmp(&left),
            });
        }
        let weak = self.options.weak;
        for signals in signals.values().flat_map(BTreeMap::values) {
            if let Some(first) = signals.first() {
                self.node(&first.service).take_signals(bucket, signals, weak);
            }
        }
        signals
    }

    /// What callers say of a service, put together.
    fn take_pointed(&mut self, bucket: Bucket, closed: &mut [ClosedBucket], signals: &mut BTreeMap<String, BTreeMap<String, Vec<Signal>>>) {
        for Pointed { by, signal } in closed.iter_mut().flat_map(|shard| std::mem::take(&mut shard.pointed)) {
            self.node(&signal.service.clone()).take_pointed(bucket, by, signal);
        }
        let complained: Vec<ServiceName> =
            self.nodes.iter().filter(|(_, node)| node.is_complained_of()).map(|(name, _)| name.clone()).collect();
        for name in complained {
            let together = self.node(&name).complaints(bucket);
            if !together.is_empty() {
                signals.entry(name.environment).or_default().entry(name.service).or_default().extend(together);
            }
        }
    }

    fn due_alerts(&mut self, bucket: Bucket) -> Vec<Arc<Alert>> {
        let due: Vec<(Timestamp, String)> = self.alerts.keys().take_while(|(at, _)| *at < bucket.end()).cloned().collect();
        let mut alerts = Vec::new();
        for key in due {
            self.touch(b'a', &key);
            alerts.extend(self.alerts.remove(&key).filter(|alert| bucket.end().seconds_since(alert.at) <= STALE_ALERT_S));
        }
        alerts
    }

    /// Those of the services known.
    fn environments(&self) -> BTreeSet<String> {
        let mut environments = BTreeSet::new();
        // Services are ordered by them.
        for name in self.nodes.keys() {
            if environments.last() != Some(&name.environment) {
                environments.insert(name.environment.clone());
            }
        }
        environments
    }

    pub(super) fn graph(&self, environment: &str, bucket: Bucket) -> CallGraph {
        let mut graph = CallGraph::default();
        for node in self.nodes_of(environment) {
            for (callee, weight) in node.callees(bucket) {
                graph.add(&node.name.service, callee, weight);
            }
        }
        for node in self.nodes_of(environment) {
            node.named(bucket).for_each(|service| graph.add_named(&node.name.service, service));
        }
        graph
    }

    pub(super) fn nodes_of<'a>(&'a self, environment: &str) -> impl Iterator<Item = &'a Arc<Node>> {
        let environment = environment.to_owned();
        let from = ServiceName { environment: environment.clone(), service: String::new() };
        self.nodes.range(from..).take_while(move |(name, _)| name.environment == environment).map(|(_, node)| node)
    }

    /// Returns who calls whom, where anything is or was wrong.
    fn step_environment(
        &mut self,
        environment: &str,
        bucket: Bucket,
        signals: &BTreeMap<String, Vec<Signal>>,
        closed: &[ClosedBucket],
        alerts: &[&Alert],
    ) -> Option<CallGraph> {
        let any_case = self.cases.values().any(|case| case.environment == environment);
        let running: Vec<ServiceName> =
            self.nodes_of(environment).filter(|node| node.hot_run + node.firing_run > 0).map(|node| node.name.clone()).collect();
        if signals.is_empty() && alerts.is_empty() && !any_case && running.is_empty() {
            return None;
        }
        let graph = self.graph(environment, bucket);
        let is_busier = |service: &str| self.node_of(environment, service).is_some_and(|node| node.is_busier());
        let firing = opening::firing(signals, &graph, &self.options, &|signal| self.mutes.cover(environment, signal, bucket), &is_busier);
        self.count_runs(environment, bucket, signals, &firing, running);
        let links = Links::new(&graph, self.nodes_of(environment), bucket, self.options.weak);
        if any_case {
            self.extend_cases(environment, bucket, signals, &firing, &ByService::of(environment, closed), &links);
        }
        self.merge_cases(environment, bucket, &links);
        self.open_cases(environment, bucket, &firing, &graph, &links);
        for alert in alerts {
            match &alert.resolves {
                Some(firing) => self.resolve_told(bucket, alert, firing),
                None => self.open_told(environment, bucket, alert, &graph, &links),
            }
        }
        Some(graph)
    }

    /// True when a deployment of the signal's own service went live just before its onset.
    fn follows_deployment(&self, signal: &Signal) -> bool {
        let from = (signal.onset.plus_seconds(-DEPLOY_EFFECT_S), String::new());
        let until = (signal.onset.plus_seconds(DEPLOY_TOLERANCE_S), String::new());
        let own = |change: &Arc<Change>| {
            let here = change.environment().is_none_or(|named| named == signal.service.environment);
            change.is_deployment() && !change.is_provider_status() && here && change.is_of(&signal.service.service)
        };
        self.changes.range(from..until).any(|(_, change)| own(change))
    }

    fn count_runs(
        &mut self,
        environment: &str,
        bucket: Bucket,
        signals: &BTreeMap<String, Vec<Signal>>,
        firing: &BTreeMap<String, Firing>,
        running: Vec<ServiceName>,
    ) {
        let named = |service: &String| ServiceName { environment: environment.to_owned(), service: service.clone() };
        let names: BTreeSet<ServiceName> = signals.keys().map(named).chain(running).collect();
        let weak = self.options.weak;
        for name in names {
            let hot = signals.get(&name.service).is_some_and(|signals| signals.iter().any(|signal| is_hot(signal, signal.surprise, weak)));
            let fires = firing.contains_key(&name.service);
            let node = self.node(&name);
            node.hot_run = if hot { node.hot_run.saturating_add(1) } else { 0 };
            node.firing_run = if fires { node.firing_run.saturating_add(1) } else { 0 };
            if hot {
                node.last_hot = Some(bucket);
            }
        }
    }

    /// Services that may belong to a component now: hot, or hot but for the doubt that opening asks for.
    pub(super) fn hot_services(&self, environment: &str, bucket: Bucket, least: f64) -> BTreeSet<String> {
        // One step of a metric is not doubtful in its count, but for being one; a drift is never the sign of an incident.
        let is_metric = |signal: &Signal| matches!(signal.detector.as_str(), "metric" | "drift");
        let surprise = |signal: &Signal| if is_metric(signal) { signal.surprise } else { signal.rank_surprise };
        let hot =
            |node: &&Arc<Node>| node.current(bucket).any(|signal| signal.detector != DRIFT && is_hot(signal, surprise(signal), least));
        self.nodes_of(environment).filter(hot).map(|node| node.name.service.clone()).collect()
    }

    pub(super) fn case_ids(&self, environment: &str) -> Vec<String> {
        let mut ids: Vec<(Timestamp, String)> =
            self.cases.values().filter(|case| case.environment == environment).map(|case| (case.detected_at, case.id.clone())).collect();
        ids.sort();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// Findings of the environment's cases that look different from what was said last.
    fn changed_findings(&mut self, environment: &str, bucket: Bucket, graph: &CallGraph) -> Vec<EngineFindings> {
        let ids = self.case_ids(environment);
        if ids.is_empty() {
            return Vec::new();
        }
        let found: Vec<_> = {
            let world = self.world(environment, bucket, graph);
            let speaking = ids.iter().filter_map(|id| self.cases.get(id)).filter(|case| !case.closed && !case.said_merged());
            speaking.map(|case| findings::findings(case, &world)).collect()
        };
        let mut out = Vec::new();
        for (mut findings, considered) in found {
            let Some(case) = self.case(&findings.id) else { continue };
            for (event_id, sentence) in considered {
                case.link(&event_id, 0.6, &format!("considered as the cause: {sentence}"), bucket.end());
            }
            let seen = findings::visible(&findings);
            case.seen_merged = case.merged_into.is_some();
            if case.seen == seen && case.new_links.is_empty() {
                continue;
            }
            case.seen = seen;
            case.revision += 1;
            case.updated_at = bucket.end();
            findings.revision = case.revision;
            findings.updated_at = case.updated_at;
            findings.new_links = std::mem::take(&mut case.new_links);
            out.push(findings);
        }
        out
    }

    fn world<'a>(&'a self, environment: &str, bucket: Bucket, graph: &'a CallGraph) -> World<'a> {
        let here = |change: &&Arc<Change>| change.environment().is_none_or(|named| named == environment);
        let changes = self.changes.values().filter(here).map(|change| &**change).collect();
        World::new(&self.options, self.nodes_of(environment).map(|node| &**node), graph, changes, bucket.end())
    }

    /// Told that something is broken since `since`: a ranking at once from what is known, gates dropped.
    pub fn rank_told(&self, environment: &str, since: Timestamp) -> Vec<Suspect> {
        let Some(bucket) = self.bucket else { return Vec::new() };
        let from = Bucket::of(since);
        let graph = self.graph(environment, bucket);
        let mut local = BTreeMap::new();
        let mut texts = BTreeMap::new();
        for node in self.nodes_of(environment) {
            let signals = node.since(from);
            let (excess_failures, excess_seconds) = node.excess_since(from);
            if !signals.is_empty() {
                local.insert(node.name.service.clone(), Local { signals, excess_failures, excess_seconds, ..Local::default() });
                texts.insert(node.name.service.clone(), node.texts.iter().cloned().collect());
            }
        }
        findings::rank(local, &texts, since, None, &self.world(environment, bucket, &graph)).suspects
    }

    /// So many of the services that are not stale, by when they were seen and by name.
    fn longest_silent(&self, bucket: Bucket, count: usize) -> Vec<ServiceName> {
        if count == 0 {
            return Vec::new();
        }
        let kept = self.nodes.values().filter(|node| bucket.0 - node.last_seen.0 <= SILENT_BUCKETS);
        let mut oldest: Vec<(Bucket, &ServiceName)> = kept.map(|node| (node.last_seen, &node.name)).collect();
        oldest.sort_unstable();
        oldest.into_iter().take(count).map(|(_, name)| name.clone()).collect()
    }

    fn forget(&mut self, bucket: Bucket) {
        let stale: Vec<ServiceName> =
            self.nodes.values().filter(|node| bucket.0 - node.last_seen.0 > SILENT_BUCKETS).map(|node| node.name.clone()).collect();
        let too_many = (self.nodes.len() - stale.len()).saturating_sub(MAX_NODES);
        for name in stale.into_iter().chain(self.longest_silent(bucket, too_many)) {
            self.nodes.remove(&name);
            self.dirty.insert(node_key(&name));
        }
        // Pruning is spread over time by the service's own key, so that no step pays for all.
        let due: Vec<ServiceName> = self
            .nodes
            .values()
            .filter(|node| (node.name.key().service.0 as i64 & 3) == (bucket.0 & 3))
            .map(|node| node.name.clone())
            .collect();
        for name in due {
            let Some(node) = self.nodes.get_mut(&name) else { continue };
            if node.is_stale(bucket) || node.has_too_many_callees() {
                let node = Arc::make_mut(node);
                node.prune(bucket);
                node.forget_edges(bucket);
                self.dirty.insert(node_key(&name));
            }
        }
    }
}

/// True for evidence of trouble: lines rewritten by a deployment are none by themselves.
fn is_hot(signal: &Signal, surprise: f64, least: f64) -> bool {
    surprise >= least && !signal.after_deployment
}

/// Something or somebody outside says that something is broken.
pub(super) fn is_alert(event: &Event) -> bool {
    let resolved = event.data.get("status").and_then(serde_json::Value::as_str).is_some_and(|status| status == "resolved");
    let told = matches!(event.event_type.as_str(), "alert" | "incident_detected" | "incident_reported")
        || (event.event_type == "note" && event.tags.contains("incident"));
    told && !resolved
}

/// Id of the firing alert that a resolved one ends: both are steps of one life, named by its fingerprint and start.
fn resolved_alert(event: &Event) -> Option<String> {
    let life = event.source_id.as_deref().filter(|_| event.event_type == "alert")?.strip_suffix("/resolved")?;
    Some(Event::id_of_source(event.source, &event.event_type, &format!("{life}/firing")))
}

fn node_key(name: &ServiceName) -> Vec<u8> {
    [b"s", name.environment.as_bytes(), b"\0", name.service.as_bytes()].concat()
}

fn timed_key(kind: u8, (at, id): &(Timestamp, String)) -> Vec<u8> {
    [&[kind][..], &at.nanos().to_be_bytes(), id.as_bytes()].concat()
}
