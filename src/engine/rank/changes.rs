//! Which change, or none. Score = T·S·D·(0.4 + 0.6·E): time, scope, what the diff can do, words shared with the evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::diff::{DiffPower, diff_power};
use super::evidence::{Wording, words};
use super::graph::CallGraph;
use super::outside::Outside;
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
/// Without a diff.
const UNKNOWN_DIFF: f64 = 0.4;
/// Score of "none" without anything that points outside, and what the strongest such sign adds.
const NONE: f64 = 0.15;
const NONE_OUTSIDE: f64 = 0.5;

/// Type of a manual event with which a status feed reports trouble at a provider.
const PROVIDER_STATUS: &str = "provider_status";

/// A change event, reduced to what ranking reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub event_id: String,
    pub at: Timestamp,
    pub event_type: String,
    pub environment: Option<String>,
    pub service: Option<String>,
    pub title: String,
    pub sha: Option<String>,
    pub author: Option<String>,
    pub message: String,
    pub files: Vec<String>,
    /// Unified diff, at most 32 KiB.
    pub diff: Option<String>,
    pub is_merge: bool,
}

impl Change {
    /// Reads a change event; `None` for events that change nothing.
    pub fn of_event(event: &Event) -> Option<Self> {
        if !event.is_change() && event.event_type != PROVIDER_STATUS {
            return None;
        }
        let text = |name: &str| event.data.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let list = |name: &str| event.data.get(name).and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        let files = list("files")
            .iter()
            .filter_map(|file| file.as_str().or_else(|| file.get("filename")?.as_str()).map(str::to_owned))
            .take(200)
            .collect();
        let message = text("message").or_else(|| text("description")).unwrap_or_else(|| event.title.clone());
        let flag = |name: &str| event.data.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
        Some(Self {
            event_id: event.id.clone(),
            at: event.timestamp,
            event_type: event.event_type.clone(),
            environment: event.environment.clone(),
            service: event.service.clone(),
            title: event.title.clone(),
            sha: text("sha").or_else(|| text("commit")).or_else(|| text("version")),
            author: text("author"),
            is_merge: flag("merge") || flag("is_merge") || message.starts_with("Merge "),
            message: crate::model::event::truncate(&message, 2_000),
            files,
            diff: text("diff").or_else(|| text("patch")).map(|diff| crate::model::event::truncate(&diff, 32_768)),
        })
    }

    /// True for what a provider's status feed reports: no change of ours, but it may explain what no change does.
    pub fn is_provider_status(&self) -> bool {
        self.event_type == PROVIDER_STATUS
    }

    pub fn is_deployment(&self) -> bool {
        self.event_type != "commit" && self.event_type != "push" && self.event_type != "pull_request_merged"
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
#[derive(Clone, Debug, PartialEq)]
pub struct RankedChange {
    /// `None` stands for "no change explains it".
    pub change: Option<Change>,
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

/// A commit and its deployments, as one thing that changed.
struct Candidate<'a> {
    shown: &'a Change,
    parts: Vec<&'a Change>,
    deployed_at: Option<Timestamp>,
}

/// True when two names mean the same service: equal, or equal but for separators and words like "service", or one named as
/// the other's leading or trailing part.
pub fn same_service(left: &str, right: &str) -> bool {
    let tokens = |name: &str| -> Vec<String> {
        let lower = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let parts =
            lower.split(|letter: char| !letter.is_ascii_alphanumeric()).map(|part| part.strip_suffix("service").unwrap_or(part).to_owned());
        parts.filter(|part| !matches!(part.as_str(), "" | "service" | "svc" | "api" | "server" | "app" | "deploy")).collect()
    };
    let (left, right) = (tokens(left), tokens(right));
    if left.is_empty() || right.is_empty() {
        return false;
    }
    left.concat() == right.concat()
        || left.starts_with(&right)
        || right.starts_with(&left)
        || left.ends_with(&right)
        || right.ends_with(&left)
}

/// Ranks the candidates and "none", most suspect first. Merge commits are never named.
pub fn rank_changes(changes: &[&Change], context: &ChangeContext<'_>) -> Vec<RankedChange> {
    let candidates = candidates(changes);
    let any_deployed = changes.iter().any(|change| change.is_deployment());
    let documents: Vec<BTreeSet<String>> = candidates.iter().map(document).collect();
    let mut frequency: BTreeMap<String, usize> = BTreeMap::new();
    for word in documents.iter().flatten() {
        *frequency.entry(word.clone()).or_default() += 1;
    }
    let deployments: Vec<&Change> = changes.iter().copied().filter(|change| change.is_deployment()).collect();
    let mut ranked: Vec<RankedChange> = candidates
        .iter()
        .zip(&documents)
        .map(|(candidate, document)| judge(candidate, document, &frequency, candidates.len(), &deployments, any_deployed, context))
        .collect();
    ranked.push(none(context));
    ranked.sort_by(|left, right| {
        let id = |ranked: &RankedChange| ranked.change.as_ref().map(|change| change.event_id.clone()).unwrap_or_default();
        right.score.total_cmp(&left.score).then(right.effective_at.cmp(&left.effective_at)).then_with(|| id(left).cmp(&id(right)))
    });
    ranked
}

/// Events of one commit hash belong together; a deployment's time is when it took effect.
fn candidates<'a>(changes: &[&'a Change]) -> Vec<Candidate<'a>> {
    let mut groups: BTreeMap<String, Vec<&'a Change>> = BTreeMap::new();
    for &change in changes {
        let key = change
            .sha
            .as_ref()
            .map_or_else(|| format!("event {}", change.event_id), |sha| format!("sha {}", sha.chars().take(12).collect::<String>()));
        groups.entry(key).or_default().push(change);
    }
    let mut candidates = Vec::new();
    for mut parts in groups.into_values() {
        parts.sort_by(|left, right| left.at.cmp(&right.at).then_with(|| left.event_id.cmp(&right.event_id)));
        if parts.iter().any(|part| part.is_merge && !part.is_deployment()) {
            continue;
        }
        let deployed = parts.iter().copied().find(|part| part.is_deployment());
        if let Some(shown) = deployed.or_else(|| parts.first().copied()) {
            candidates.push(Candidate { shown, deployed_at: deployed.map(|part| part.at), parts });
        }
    }
    candidates
}

fn document(candidate: &Candidate<'_>) -> BTreeSet<String> {
    let text = |change: &&Change| format!("{} {} {}", change.message, change.files.join(" "), change.diff.as_deref().unwrap_or_default());
    candidate.parts.iter().flat_map(|change| words(&text(change))).collect()
}

fn power(candidate: &Candidate<'_>) -> DiffPower {
    let files: Vec<String> = candidate.parts.iter().flat_map(|part| part.files.iter().cloned()).collect();
    let diff = candidate.parts.iter().find_map(|part| part.diff.as_deref());
    let message = candidate.parts.iter().map(|part| part.message.as_str()).find(|message| !message.is_empty()).unwrap_or_default();
    diff_power(message, &files, diff).unwrap_or(DiffPower {
        power: UNKNOWN_DIFF,
        reason: "its diff is not known".to_owned(),
        ..DiffPower::default()
    })
}

fn owners(candidate: &Candidate<'_>) -> Vec<String> {
    let services = candidate.parts.iter().filter_map(|part| part.service.clone());
    let paths = candidate.parts.iter().flat_map(|part| &part.files).flat_map(|file| {
        let parts: Vec<&str> = file.split('/').collect();
        parts.iter().take(parts.len().saturating_sub(1).min(3)).map(|part| (*part).to_owned()).collect::<Vec<_>>()
    });
    services.chain(paths).collect()
}

fn judge(
    candidate: &Candidate<'_>,
    document: &BTreeSet<String>,
    frequency: &BTreeMap<String, usize>,
    candidates: usize,
    deployments: &[&Change],
    any_deployed: bool,
    context: &ChangeContext<'_>,
) -> RankedChange {
    let owners = owners(candidate);
    let owned = |service: &&String| owners.iter().any(|owner| same_service(owner, service));
    let owns = context.hot.iter().find(owned).cloned();
    let near = context.hot.iter().flat_map(|hot| context.graph.callees(hot).map(|(callee, _)| callee).chain(context.graph.callers(hot)));
    let scope = match owns {
        Some(_) => 1.0,
        None if owners.is_empty() || near.into_iter().any(|service| owned(&service)) => NEAR,
        None => FAR,
    };
    let carried = deployments.iter().find(|deployment| {
        let by_now = deployment.at >= candidate.shown.at && deployment.at.seconds_since(context.onset) <= ONSET_TOLERANCE_S;
        by_now && deployment.service.as_ref().is_some_and(|service| owners.iter().any(|owner| same_service(owner, service)))
    });
    let (effective_at, doubt) = match (candidate.deployed_at, carried) {
        (Some(at), _) => (at, 1.0),
        (None, Some(deployment)) => (deployment.at, CARRIED),
        (None, None) => (candidate.shown.at, if any_deployed { UNDEPLOYED } else { NO_DEPLOY_FEED }),
    };
    let power = power(candidate);
    let shared_words = context.wording.shared(document, frequency);
    let rarity: f64 =
        shared_words.iter().map(|word| ((candidates + 1) as f64 / frequency.get(word).copied().unwrap_or(1) as f64).ln()).sum();
    let families = context.wording.families_with(document);
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
        change: Some(candidate.shown.clone()),
        score: time * scope * does * (0.4 + 0.6 * words),
        time,
        scope,
        diff: does,
        words,
        effective_at,
        deployed: candidate.deployed_at.is_some(),
        diff_reason: power.reason,
        diff_hint: power.hint,
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

fn none(context: &ChangeContext<'_>) -> RankedChange {
    RankedChange {
        change: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories_and_services_meet() {
        assert!(same_service("payment", "payment-service"));
        assert!(same_service("shop/payment", "paymentservice"));
        assert!(same_service("ts-food-service", "food-service") && !same_service("ts-food-service", "ts-route-service"));
        assert!(!same_service("services", "payment"));
    }
}
