//! What changed, each change with its deployments as one thing, and all that can be said of it before an investigation asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::changes::Change;
use super::diff::{DiffPower, diff_power};
use super::evidence::mechanisms_of;
use super::names::{Parts, ServiceNames};
use crate::engine::changes::{Facts, join, life, rollbacks};
use crate::model::Timestamp;
use crate::model::change::LifeStep;
use crate::model::event::truncate;

/// Power of a change whose diff is not known.
const UNKNOWN_DIFF: f64 = 0.4;

/// A change: its commits and deployments, and what else tells of its life.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    /// Its first deployment, else its first event: never a merge commit.
    pub shown: &'a Change,
    /// As a person names it, without its service.
    pub name: Option<String>,
    pub deployed_at: Option<Timestamp>,
    /// Words of its messages, files and diffs.
    pub words: BTreeSet<&'a str>,
    /// Mechanisms of failure that it can produce.
    pub mechanisms: Vec<&'static str>,
    /// Names that it goes by: its services', and the folders of its files.
    pub owners: Vec<Parts>,
    /// Services that rules of the settings say it is of.
    pub certain: BTreeSet<&'a str>,
    /// Deployments of a service that goes by such a name, oldest first.
    pub carriers: Vec<&'a Change>,
    pub power: Arc<DiffPower>,
}

/// Changes that an investigation may ask about.
#[derive(Debug)]
pub struct Candidates<'a> {
    pub(super) all: Vec<Candidate<'a>>,
    /// Events of each of them, in the same order.
    parts: Vec<Vec<&'a Facts>>,
    /// In how many of them a word stands.
    pub(super) frequency: BTreeMap<&'a str, usize>,
    pub(super) any_deployed: bool,
}

impl<'a> Candidates<'a> {
    /// `changes` oldest first. Merge commits are none, but what was deployed of them is.
    pub fn of(changes: &[&'a Change]) -> Self {
        let deployments: Vec<&Change> = changes.iter().copied().filter(|change| change.is_deployment()).collect();
        let deployed = ServiceNames::new(deployments.iter().map(|deployment| deployment.facts.service.as_deref().unwrap_or_default()));
        let (mut all, mut parts) = (Vec::new(), Vec::new());
        for group in groups(changes) {
            if let Some(candidate) = candidate(&group, &deployments, &deployed) {
                all.push(candidate);
                parts.push(group.iter().map(|part| &part.facts).collect());
            }
        }
        let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
        for word in all.iter().flat_map(|candidate: &Candidate<'a>| &candidate.words) {
            *frequency.entry(word).or_default() += 1;
        }
        Self { all, parts, frequency, any_deployed: !deployments.is_empty() }
    }

    pub(super) fn name_of(&self, place: usize) -> Option<&str> {
        self.all.get(place)?.name.as_deref()
    }

    /// Lives of those at these places.
    pub(super) fn lives(&self, places: &BTreeSet<usize>) -> BTreeMap<usize, Vec<LifeStep>> {
        let rolled_back = rollbacks(&self.parts);
        let of = |place: usize| rolled_back.get(&place).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| Some((*place, life(self.parts.get(*place)?, of(*place))))).collect()
    }
}

fn groups<'a>(changes: &[&'a Change]) -> Vec<Vec<&'a Change>> {
    let facts: Vec<&Facts> = changes.iter().map(|change| &change.facts).collect();
    let of = |places: Vec<usize>| places.into_iter().filter_map(|place| changes.get(place).copied()).collect();
    join(&facts).into_iter().map(of).collect()
}

/// `None` of what cannot be a cause: merge commits, and builds of what is not known.
fn candidate<'a>(group: &[&'a Change], deployments: &[&'a Change], deployed: &ServiceNames) -> Option<Candidate<'a>> {
    let causes = || group.iter().copied().filter(|part| part.facts.is_cause());
    let own: Vec<&Change> = causes().filter(|part| !part.facts.is_merge).collect();
    let live = own.iter().copied().find(|part| part.is_deployment());
    let shown = live.or_else(|| own.first().copied())?;
    // A merge says what it brings only where nothing else does.
    let parts: Vec<&Change> = if own.iter().all(|part| part.is_deployment()) { causes().collect() } else { own };
    let words: BTreeSet<&str> = parts.iter().flat_map(|part| part.words()).collect();
    let certain: BTreeSet<&str> = parts.iter().flat_map(|part| &part.facts.services).map(String::as_str).collect();
    let owners = owners(&parts, &certain);
    let certain_parts = certain.iter().map(|service| Parts::of(service));
    let wanted: Vec<Parts> = owners.iter().cloned().chain(certain_parts).collect();
    let carriers = deployed.places_of(&wanted).into_iter().filter_map(|place| deployments.get(place).copied()).collect();
    Some(Candidate {
        shown,
        name: name(group, shown),
        deployed_at: live.map(Change::at),
        mechanisms: mechanisms_of(&words),
        words,
        owners,
        certain,
        carriers,
        power: power(&parts),
    })
}

/// The commit by which a person knows it: of a deployed merge the newest commit that it brought.
fn name(group: &[&Change], shown: &Change) -> Option<String> {
    let short = |sha: &String| truncate(sha, 8);
    let is_shown = |sha: &Option<String>| {
        sha.as_ref()
            .zip(shown.facts.sha.as_ref())
            .is_some_and(|(left, right)| left.starts_with(right.as_str()) || right.starts_with(left.as_str()))
    };
    let merge = group.iter().any(|part| part.facts.is_merge && is_shown(&part.facts.sha));
    let own = || group.iter().rev().filter(|part| !part.facts.is_merge && !part.is_deployment() && part.facts.is_cause());
    let brought = || {
        let commit = own().find(|part| part.facts.head_sha.is_none()).and_then(|part| part.facts.sha.as_ref());
        commit.or_else(|| own().find_map(|part| part.facts.head_sha.as_ref()))
    };
    let known = if merge { brought().map(short) } else { None };
    known.or_else(|| shown.facts.short_name())
}

/// Where rules say whose a part is, its folders say nothing more.
fn owners(parts: &[&Change], certain: &BTreeSet<&str>) -> Vec<Parts> {
    let guessed = || parts.iter().filter(|part| part.facts.services.is_empty());
    let services = guessed().filter_map(|part| part.facts.service.as_deref());
    let folders = |file: &'_ String| file.matches('/').count().min(3);
    let files = guessed().filter(|_| certain.is_empty()).flat_map(|part| &part.files);
    let paths = files.flat_map(|file| file.split('/').take(folders(file)));
    let names: BTreeSet<&str> = services.chain(paths).collect();
    names.into_iter().map(Parts::of).collect()
}

/// What the diff can do. Reading it takes long: the change that carries it remembers.
fn power(parts: &[&Change]) -> Arc<DiffPower> {
    let files = || parts.iter().flat_map(|part| part.files.iter());
    let carrier = parts.iter().find(|part| part.diff.is_some()).or(parts.first());
    let diff = carrier.and_then(|part| part.diff.as_deref());
    let message = parts.iter().map(|part| part.message.as_str()).find(|message| !message.is_empty()).unwrap_or_default();
    let work_out = || {
        let files: Vec<String> = files().cloned().collect();
        diff_power(message, &files, diff).unwrap_or(DiffPower {
            power: UNKNOWN_DIFF,
            reason: "its diff is not known".to_owned(),
            ..DiffPower::default()
        })
    };
    let mut key = Xxh3::new();
    for text in files().map(String::as_str).chain([message, diff.unwrap_or_default()]) {
        key.update(&text.len().to_le_bytes());
        key.update(text.as_bytes());
    }
    carrier.map_or_else(|| Arc::new(work_out()), |carrier| carrier.power.get_or(key.digest(), work_out))
}
