//! Which change, or none. Score = T·S·D·(0.4 + 0.6·E): time, scope, what the diff can do, words shared with the evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::candidates::{Candidate, Candidates};
use super::diff::DiffPower;
use super::evidence::{Wording, words};
use super::graph::CallGraph;
use super::memo::Memo;
use super::names::{ServiceNames, same_service};
use super::outside::Outside;
use crate::engine::changes::Facts;
use crate::model::{Event, Timestamp};

/// A change is half as suspect for every hour between it and the onset …
const HALF_LIFE_MIN: f64 = 60.0;
/// … but never less than this while it came before.
const TIME_FLOOR: f64 = 0.25;
/// It came after the onset.
pub const LATE: f64 = 0.05;
/// Onsets are known to this precision, seconds.
const ONSET_TOLERANCE_S: f64 = 90.0;
/// Not seen deployed, though others are; carried by another deployment of its service; or no deployments are told at all.
const UNDEPLOYED: f64 = 0.15;
const CARRIED: f64 = 0.4;
const NO_DEPLOY_FEED: f64 = 0.6;
const NEAR: f64 = 0.6;
const FAR: f64 = 0.2;
/// Score of "none" without anything that points outside, and what the strongest such sign adds.
const NONE: f64 = 0.15;
const NONE_OUTSIDE: f64 = 0.5;

/// Type of a manual event with which a status feed reports trouble at a provider.
const PROVIDER_STATUS: &str = "provider_status";

/// A change event, reduced to what ranking reads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Change {
    pub facts: Facts,
    pub title: String,
    pub message: String,
    pub files: Vec<String>,
    /// Unified diff, at most 32 KiB.
    pub diff: Option<String>,
    /// Of message, files and diff, ordered, with a space between them: no longer than these.
    #[serde(skip)]
    words: OnceLock<Box<str>>,
    #[serde(skip)]
    pub(super) power: Memo<DiffPower>,
}

impl Change {
    /// Reads a change event, or one that tells more of a change's life; `None` for all others.
    pub fn of_event(event: &Event) -> Option<Self> {
        let facts = match Facts::of_event(event) {
            Some(facts) => facts,
            None if event.event_type == PROVIDER_STATUS => Facts::read(event, None),
            None => return None,
        };
        if !facts.is_cause() {
            // Builds and artifacts tell of a life, and nothing that could be a cause.
            return Some(Self { facts, title: event.title.clone(), ..Self::default() });
        }
        let text = |name: &str| event.data.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let list = |name: &str| event.data.get(name).and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        let files = list("files")
            .iter()
            .filter_map(|file| file.as_str().or_else(|| file.get("filename")?.as_str()).map(str::to_owned))
            .take(200)
            .collect();
        let message = text("message").or_else(|| text("description")).unwrap_or_else(|| event.title.clone());
        Some(Self {
            facts,
            title: event.title.clone(),
            message: crate::model::event::truncate(&message, 2_000),
            files,
            diff: text("diff").or_else(|| text("patch")).map(|diff| crate::model::event::truncate(&diff, 32_768)),
            ..Self::default()
        })
    }

    pub fn at(&self) -> Timestamp {
        self.facts.at
    }

    pub fn environment(&self) -> Option<&str> {
        self.facts.environment.as_deref()
    }

    /// True when it is of that service: by a rule of the settings, else by its name.
    pub fn is_of(&self, service: &str) -> bool {
        match self.facts.services.as_slice() {
            [] => self.facts.service.as_ref().is_some_and(|own| same_service(own, service)),
            certain => certain.iter().any(|own| own == service),
        }
    }

    /// Words that it is made of, each once.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let found = || {
            let text = format!("{} {} {}", self.message, self.files.join(" "), self.diff.as_deref().unwrap_or_default());
            let words: BTreeSet<String> = words(&text).into_iter().collect();
            words.into_iter().collect::<Vec<_>>().join(" ").into_boxed_str()
        };
        self.words.get_or_init(found).split_whitespace()
    }

    /// True for what a provider's status feed reports: no change of ours, but it may explain what no change does.
    pub fn is_provider_status(&self) -> bool {
        self.facts.event_type == PROVIDER_STATUS
    }

    pub fn is_deployment(&self) -> bool {
        self.facts.is_deployment()
    }
}

/// A factor held at 1, to see what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    Time,
    Scope,
    Diff,
    Words,
}

/// What changes are judged against.
#[derive(Debug)]
pub struct ChangeContext<'a> {
    pub without: Option<Without>,
    /// Earliest onset of the investigation's signals.
    pub onset: Timestamp,
    /// Services of which something has grown slowly, with since when: what happened to one of them just before that is no older than it.
    pub drifts: &'a BTreeMap<String, Timestamp>,
    /// Services with evidence, most suspect first.
    pub hot: &'a [String],
    pub graph: &'a CallGraph,
    pub wording: &'a Wording,
    pub outside: &'a Outside,
}

/// One change, or none, with its factors.
#[derive(Clone, Debug)]
pub struct RankedChange<'a> {
    /// `None` stands for "no change explains it".
    pub change: Option<&'a Change>,
    /// Its place among the candidates.
    pub place: Option<usize>,
    pub score: f64,
    pub time: f64,
    pub scope: f64,
    pub diff: f64,
    pub words: f64,
    /// When it took effect.
    pub effective_at: Timestamp,
    pub deployed: bool,
    pub diff_reason: String,
    pub diff_hint: Option<String>,
    /// The hot service it belongs to, if any.
    pub owns: Option<String>,
    pub shared_words: Vec<String>,
    pub families: Vec<&'static str>,
    /// The new literal that the evidence names.
    pub named_literal: Option<String>,
}

/// Ranks the candidates and "none", most suspect first.
pub fn rank_changes<'a>(candidates: &Candidates<'a>, context: &ChangeContext<'_>) -> Vec<RankedChange<'a>> {
    let around = |hot: &String| context.graph.callees(hot).map(|(callee, _)| callee).chain(context.graph.callers(hot));
    let near_services: BTreeSet<&String> = context.hot.iter().flat_map(around).collect();
    let hot = ServiceNames::new(context.hot.iter().map(String::as_str));
    let near = ServiceNames::new(near_services.iter().map(|service| service.as_str()));
    let mut ranked: Vec<RankedChange<'_>> = Vec::with_capacity(candidates.all.len() + 1);
    for (place, candidate) in candidates.all.iter().enumerate() {
        let is_certain = |service: &&String| candidate.certain.contains(service.as_str());
        let certain = context.hot.iter().position(|service| is_certain(&service));
        let named = hot.places_of(&candidate.owners).first().copied();
        let owns = certain.into_iter().chain(named).min().and_then(|place| context.hot.get(place)).cloned();
        let is_nobodys = candidate.owners.is_empty() && candidate.certain.is_empty();
        let is_near = || near_services.iter().any(is_certain) || !near.places_of(&candidate.owners).is_empty();
        let scope = match owns {
            Some(_) => 1.0,
            None if is_nobodys || is_near() => NEAR,
            None => FAR,
        };
        ranked.push(RankedChange { place: Some(place), ..judge(candidate, candidates, owns, scope, context) });
    }
    ranked.push(none(context));
    ranked.sort_by(|left, right| {
        let id = |ranked: &RankedChange<'a>| ranked.change.map(|change| change.facts.event_id.as_str()).unwrap_or_default();
        right.score.total_cmp(&left.score).then(right.effective_at.cmp(&left.effective_at)).then_with(|| id(left).cmp(id(right)))
    });
    ranked
}

fn judge<'a>(
    candidate: &Candidate<'a>,
    candidates: &Candidates<'a>,
    owns: Option<String>,
    scope: f64,
    context: &ChangeContext<'_>,
) -> RankedChange<'a> {
    let by_now = |deployment: &&&Change| {
        deployment.at() >= candidate.shown.at() && deployment.at().seconds_since(context.onset) <= ONSET_TOLERANCE_S
    };
    let carried = candidate.carriers.iter().find(by_now);
    let (effective_at, doubt) = match (candidate.deployed_at, carried) {
        (Some(at), _) => (at, 1.0),
        (None, Some(deployment)) => (deployment.at(), CARRIED),
        (None, None) => (candidate.shown.at(), if candidates.any_deployed { UNDEPLOYED } else { NO_DEPLOY_FEED }),
    };
    let power = &candidate.power;
    let shared_words = context.wording.shared(&candidate.words, &candidates.frequency);
    let among = |word: &String| candidates.frequency.get(word.as_str()).copied().unwrap_or(1);
    let rarity: f64 = shared_words.iter().map(|word| ((candidates.all.len() + 1) as f64 / among(word) as f64).ln()).sum();
    let families = context.wording.families_with(&candidate.mechanisms);
    let named_literal = power.literals.iter().find(|literal| context.wording.names_number(literal)).cloned();
    let words =
        0.5 * (1.0 - (-rarity / 8.0).exp()) + if families.is_empty() { 0.0 } else { 0.3 } + if named_literal.is_some() { 0.4 } else { 0.0 };
    let factor = |without: Without, value: f64| if context.without == Some(without) { 1.0 } else { value };
    let since_drift = owns.as_ref().and_then(|service| context.drifts.get(service)).map_or(0.0, |drift| time_factor(effective_at, *drift));
    let time = factor(Without::Time, time_factor(effective_at, context.onset).max(since_drift) * doubt);
    let scope = factor(Without::Scope, scope);
    let does = factor(Without::Diff, power.power);
    let words = factor(Without::Words, words.min(1.0));
    RankedChange {
        change: Some(candidate.shown),
        place: None,
        score: time * scope * does * (0.4 + 0.6 * words),
        time,
        scope,
        diff: does,
        words,
        effective_at,
        deployed: candidate.deployed_at.is_some(),
        diff_reason: power.reason.clone(),
        diff_hint: power.hint.clone(),
        owns,
        shared_words,
        families,
        named_literal,
    }
}

fn time_factor(at: Timestamp, onset: Timestamp) -> f64 {
    let before_s = onset.seconds_since(at);
    if before_s < -ONSET_TOLERANCE_S { LATE } else { 0.5f64.powf(before_s.max(0.0) / 60.0 / HALF_LIFE_MIN).max(TIME_FLOOR) }
}

fn none<'a>(context: &ChangeContext<'_>) -> RankedChange<'a> {
    RankedChange {
        change: None,
        place: None,
        score: NONE + NONE_OUTSIDE * context.outside.strength,
        time: 0.0,
        scope: 0.0,
        diff: 0.0,
        words: 0.0,
        effective_at: context.onset,
        deployed: false,
        diff_reason: String::new(),
        diff_hint: None,
        owns: None,
        shared_words: Vec::new(),
        families: Vec::new(),
        named_literal: None,
    }
}
