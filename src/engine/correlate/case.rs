//! One investigation as the engine keeps it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::CorrelateOptions;
use super::by_service::ByService;
use super::investigator::DRIFT;
use super::merging::TOGETHER_S;
use super::news::Load;
use super::node::{Node, newest_ends};
use super::opening_cases::TOLD;
use super::picture::joined;
use crate::engine::rank::{CallGraph, Local};
use crate::model::investigation::{EventLink, Opener};
use crate::model::signal::{Family, Signal};
use crate::model::suspect::Verdict;
use crate::model::{Bucket, Event, Timestamp};

/// Links of one investigation that are remembered as told; older ones are not told again because events only come once.
const MAX_LINKED: usize = 5_000;
/// Openers of one investigation that are remembered.
const MAX_OPENERS: usize = 100;
/// What ended this long before the newest symptom of the investigation does not explain what goes on, seconds.
const OVER_S: f64 = 45.0;
/// The onset is looked at again this long after the opening (2 min).
const ONSET_BUCKETS: i64 = 8;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub id: String,
    pub environment: String,
    pub revision: u64,
    /// Services that belong, with why and since when.
    pub members: BTreeMap<String, (Timestamp, String)>,
    pub first_service: String,
    pub started_at: Timestamp,
    pub detected_at: Timestamp,
    pub updated_at: Timestamp,
    pub because: String,
    pub families: Vec<Family>,
    /// Whose signals opened it, or were able to since.
    pub opened_by: BTreeSet<Opener>,
    pub last_hot: Bucket,
    pub recovered_at: Option<Timestamp>,
    /// A person closed it: it says nothing more.
    pub closed: bool,
    /// The older case that took it in.
    pub merged_into: Option<String>,
    /// A person opened it again after it was merged: it stays by itself.
    pub apart: bool,
    /// Opened by an alert or a person's note; one that named no service may be about any.
    pub told: bool,
    pub told_of_any: bool,
    /// When, of one that named none.
    pub told_of_any_at: Option<Timestamp>,
    /// When somebody told of it, and of which service, if of one.
    pub told_at: Option<(Timestamp, String)>,
    /// Alerts that told of it and are not over.
    pub firing: BTreeSet<String>,
    pub verdicts: BTreeMap<String, Verdict>,
    /// End of the newest bucket in which something of it had not ended.
    pub live_until: Timestamp,
    /// Strongest signal of each service and detector so far; `ended` as of the newest.
    pub signals: BTreeMap<String, BTreeMap<String, Signal>>,
    pub excess: BTreeMap<String, (f64, f64)>,
    /// Intervals of members known by slow metrics.
    pub loads: BTreeMap<String, VecDeque<Load>>,
    /// Calls, failed calls and nanoseconds along edges of members, since the onset.
    pub edges: BTreeMap<(String, String), (u64, u64, u64)>,
    /// Error texts by service.
    pub texts: BTreeMap<String, BTreeSet<String>>,
    /// Requests at an entry service: before and at the onset.
    pub surge: Option<(String, f64, f64)>,
    pub linked: BTreeSet<String>,
    pub new_links: Vec<EventLink>,
    /// Hash of what a person saw last, and whether that said that it was merged.
    pub seen: u64,
    pub seen_merged: bool,
}

impl Case {
    /// Adds a service; `from` is the first bucket whose evidence counts.
    pub fn join(&mut self, node: &Node, now: Bucket, reason: &str) {
        let service = &node.name.service;
        if self.members.contains_key(service) {
            return;
        }
        self.members.insert(service.clone(), (now.end(), reason.to_owned()));
        let from = Bucket::of(self.started_at);
        for signal in node.current(now) {
            self.take_signal(signal);
        }
        let (failures, seconds) = node.excess_since(from);
        self.excess.insert(service.clone(), (failures, seconds));
        node.intervals().for_each(|load| self.take_load(service, *load));
        for (callee, sums) in node.calls_since(from) {
            self.edges.insert((service.clone(), callee.clone()), sums);
        }
        self.texts.entry(service.clone()).or_default().extend(node.texts.iter().cloned());
        let earliest = self.started_at.plus_seconds(-Bucket::SECONDS);
        for event in node.events.iter().filter(|event| event.at >= earliest) {
            self.link(&event.id, 0.8, &format!("{} of {service}, which {reason}", event.event_type.replace('_', " ")), now.end());
        }
    }

    /// True when its last word, that it was merged, has been said.
    pub fn said_merged(&self) -> bool {
        self.merged_into.is_some() && self.seen_merged
    }

    /// Keeps the strongest signal of each detector at each member, with all points of its chart.
    pub fn take_signal(&mut self, signal: &Signal) {
        let kept = self.signals.entry(signal.service.service.clone()).or_default();
        let Some(best) = kept.get_mut(&signal.detector) else {
            kept.insert(signal.detector.clone(), signal.clone());
            return;
        };
        let is_same = best.key == signal.key && best.host == signal.host && best.unit == signal.unit;
        let picture = is_same.then(|| {
            let is_later = best.series.first().is_some_and(|first| first.at > self.started_at);
            joined(&best.series, &signal.series, if is_later { best.onset } else { self.started_at })
        });
        if best.rank_surprise <= signal.rank_surprise {
            *best = signal.clone();
        }
        best.series = picture.unwrap_or_else(|| std::mem::take(&mut best.series));
    }

    /// Notes whose signals were able to open it.
    pub fn take_openers(&mut self, openers: &[Opener]) {
        for opener in openers.iter().take(MAX_OPENERS.saturating_sub(self.opened_by.len())) {
            self.opened_by.insert(opener.clone());
        }
    }

    pub fn take_text(&mut self, service: &str, text: &str) {
        let texts = self.texts.entry(service.to_owned()).or_default();
        if texts.len() < 30 && !text.is_empty() {
            texts.insert(crate::model::event::truncate(text, 300));
        }
    }

    pub fn link(&mut self, event_id: &str, confidence: f64, reason: &str, at: Timestamp) {
        if event_id.is_empty() || self.linked.len() >= MAX_LINKED || !self.linked.insert(event_id.to_owned()) {
            return;
        }
        let reason = crate::model::event::truncate(reason, 300);
        self.new_links.push(EventLink {
            event_id: event_id.to_owned(),
            confidence,
            reason,
            linked_by: "whydunit".to_owned(),
            linked_at: at,
        });
    }

    /// Notes what the newest signals of a member say of its being over.
    fn take_ends(&mut self, bucket: Bucket, service: &str, signals: &[Signal], weak: f64) {
        let newest = newest_ends(signals, weak);
        // A slow series says nothing between its points: that it has not ended is no news.
        if newest.iter().any(|(detector, ended)| ended.is_none() && !detector.starts_with("metric")) {
            self.live_until = self.live_until.max(bucket.end());
        }
        let Some(kept) = self.signals.get_mut(service) else { return };
        for (detector, ended) in newest {
            if let Some(signal) = kept.get_mut(detector) {
                signal.ended = ended;
            }
        }
    }

    /// Evidence of the members, as ranking wants it.
    pub fn local(&self) -> BTreeMap<String, Local> {
        let over = |signal: &Signal| signal.ended.is_some_and(|ended| self.live_until.seconds_since(ended) >= OVER_S);
        // Lines that a deployment rewrote long before are no evidence of this.
        let older = |signal: &Signal| signal.after_deployment && self.started_at.seconds_since(signal.onset) > TOGETHER_S;
        let local = |service: &String| {
            let (excess_failures, excess_seconds) = self.excess_of(service);
            let mut signals = self.signals.get(service).cloned().unwrap_or_default();
            signals.retain(|_, signal| !older(signal));
            let over = signals.values().filter(|signal| over(signal)).map(|signal| signal.detector.clone()).collect();
            Local { signals, over, excess_failures, excess_seconds }
        };
        self.members.keys().map(|service| (service.clone(), local(service))).collect()
    }

    /// True when `service` belongs or is a neighbour of one that does.
    pub fn touches(&self, service: &str, graph: &CallGraph) -> bool {
        self.members.contains_key(service) || self.members.keys().any(|member| graph.are_neighbours(member, service))
    }

    /// The earliest signal kept. A weak sign's onset is as doubtful as the sign: it counts only without a strong one. Onsets
    /// within one bucket are known no better than that: of these only signs at least half as strong as the strongest count.
    fn earliest(&self, options: &CorrelateOptions) -> Option<&Signal> {
        let says_when = |signal: &Signal| !signal.after_deployment && signal.detector != DRIFT;
        let strength = |signal: &Signal| if says_when(signal) { signal.surprise.max(signal.rank_surprise) } else { 0.0 };
        let all: Vec<&Signal> = self.signals.values().flat_map(BTreeMap::values).collect();
        let most = all.iter().map(|signal| strength(signal)).fold(0.0, f64::max);
        let least = match () {
            () if most >= options.strong => options.strong,
            // Who is told does not wait for certainty.
            () if most < options.weak && self.told_at.is_some() => TOLD.max(most / 2.0),
            () => options.weak,
        };
        let counts = || all.iter().copied().filter(|signal| strength(signal) >= least);
        let first = counts().map(|signal| signal.onset).min()?;
        let together = || counts().filter(|signal| signal.onset <= first.plus_seconds(Bucket::SECONDS));
        let strongest = together().map(strength).fold(0.0, f64::max);
        together().filter(|signal| 2.0 * strength(signal) >= strongest).min_by(|left, right| {
            left.onset.cmp(&right.onset).then(strength(right).total_cmp(&strength(left))).then(left.service.cmp(&right.service))
        })
    }

    /// Sets the onset anew while the investigation is young: the first closes have seen little of it.
    pub fn date(&mut self, bucket: Bucket, options: &CorrelateOptions) {
        if bucket.0 - Bucket::of(self.detected_at).0 > ONSET_BUCKETS {
            return;
        }
        // Hints may be of anything: until there is more, it began when it was told.
        self.started_at = self.told_of_any_at.unwrap_or(self.started_at);
        let Some((onset, service)) = self.earliest(options).map(|signal| (signal.onset, signal.service.service.clone())) else { return };
        match &self.told_at {
            // The affected service is the one that was named.
            Some((at, _)) => self.started_at = onset.min(*at),
            None => {
                let latest = self.told_of_any_at.unwrap_or(self.detected_at.plus_seconds(-Bucket::SECONDS));
                self.started_at = onset.min(latest);
                self.first_service = service;
            }
        }
    }
}

/// Takes a bucket's signals, loads, calls and events of the members into the case.
pub fn take_bucket(
    case: &mut Case,
    bucket: Bucket,
    signals: &BTreeMap<String, Vec<Signal>>,
    closed: &ByService<'_>,
    options: &CorrelateOptions,
) {
    let members: BTreeSet<String> = case.members.keys().cloned().collect();
    for (service, signals) in members.iter().filter_map(|service| Some((service, signals.get(service)?))) {
        signals.iter().for_each(|signal| case.take_signal(signal));
        case.take_ends(bucket, service, signals, options.weak);
    }
    case.date(bucket, options);
    let (mut links, mut texts) = (Vec::new(), Vec::new());
    for event in closed.events(members.iter()) {
        let Some(service) = &event.service else { continue };
        links.push((event.id.clone(), format!("{} of {service}, which belongs", event.event_type.replace('_', " "))));
        texts.extend(texts_of(event).into_iter().map(|text| (service.clone(), text)));
    }
    for load in closed.loads(members.iter()) {
        let sums = case.excess.entry(load.entity.service.clone()).or_default();
        sums.0 += load.excess_failures;
        sums.1 += load.excess_seconds;
        if load.interval_s > 0 {
            case.take_load(&load.entity.service, Load::of(bucket, load));
        }
    }
    for edge in closed.edges(members.iter()) {
        let sums = case.edges.entry((edge.caller.service.clone(), edge.callee.service.clone())).or_default();
        *sums = (sums.0 + edge.calls, sums.1 + edge.failed, sums.2.saturating_add(edge.duration_ns));
    }
    for (id, reason) in links {
        case.link(&id, 0.7, &reason, bucket.end());
    }
    for (service, text) in texts {
        case.take_text(&service, &text);
    }
}

/// What an event's exemplars or failing requests say.
pub fn texts_of(event: &Event) -> Vec<String> {
    let of = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let exemplars = event.data.get("exemplars").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let mut texts: Vec<String> = exemplars.iter().filter_map(|exemplar| exemplar.get("message").and_then(of)).collect();
    texts.extend(event.data.get("message").and_then(of));
    texts
}
