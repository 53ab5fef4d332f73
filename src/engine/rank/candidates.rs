//! What changed, each commit with its deployments as one thing, and all that can be said of it before an investigation asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::changes::Change;
use super::diff::{DiffPower, diff_power};
use super::evidence::mechanisms_of;
use super::names::{Parts, ServiceNames};
use crate::model::Timestamp;

/// Power of a change whose diff is not known.
const UNKNOWN_DIFF: f64 = 0.4;

/// A commit and its deployments.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub shown: &'a Change,
    pub deployed_at: Option<Timestamp>,
    /// Words of its messages, files and diffs.
    pub words: BTreeSet<&'a str>,
    /// Mechanisms of failure that it can produce.
    pub mechanisms: Vec<&'static str>,
    /// Names that it goes by: its services', and the folders of its files.
    pub owners: Vec<Parts>,
    /// Deployments of a service that goes by such a name, oldest first.
    pub carriers: Vec<&'a Change>,
    pub power: Arc<DiffPower>,
}

/// Changes that an investigation may ask about.
#[derive(Debug)]
pub struct Candidates<'a> {
    pub(super) all: Vec<Candidate<'a>>,
    /// In how many of them a word stands.
    pub(super) frequency: BTreeMap<&'a str, usize>,
    pub(super) any_deployed: bool,
}

impl<'a> Candidates<'a> {
    /// `changes` oldest first. Merge commits are none.
    pub fn of(changes: &[&'a Change]) -> Self {
        let deployments: Vec<&Change> = changes.iter().copied().filter(|change| change.is_deployment()).collect();
        let deployed = ServiceNames::new(deployments.iter().map(|deployment| deployment.service.as_deref().unwrap_or_default()));
        let candidate = |parts: Vec<&'a Change>| {
            let live = parts.iter().copied().find(|part| part.is_deployment());
            let words: BTreeSet<&str> = parts.iter().flat_map(|part| part.words()).collect();
            let owners = owners(&parts);
            let carriers = deployed.places_of(&owners).into_iter().filter_map(|place| deployments.get(place).copied()).collect();
            Some(Candidate {
                shown: live.or_else(|| parts.first().copied())?,
                deployed_at: live.map(|part| part.at),
                mechanisms: mechanisms_of(&words),
                words,
                owners,
                carriers,
                power: power(&parts),
            })
        };
        let all: Vec<Candidate<'_>> = groups(changes).into_iter().filter_map(candidate).collect();
        let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
        for word in all.iter().flat_map(|candidate| &candidate.words) {
            *frequency.entry(word).or_default() += 1;
        }
        Self { all, frequency, any_deployed: !deployments.is_empty() }
    }
}

/// Events of one commit hash belong together, oldest first.
fn groups<'a>(changes: &[&'a Change]) -> Vec<Vec<&'a Change>> {
    let mut groups: BTreeMap<String, Vec<&'a Change>> = BTreeMap::new();
    for &change in changes {
        let key = change
            .sha
            .as_ref()
            .map_or_else(|| format!("event {}", change.event_id), |sha| format!("sha {}", sha.chars().take(12).collect::<String>()));
        groups.entry(key).or_default().push(change);
    }
    let mut groups: Vec<Vec<&Change>> = groups.into_values().collect();
    groups.retain(|parts| !parts.iter().any(|part| part.is_merge && !part.is_deployment()));
    for parts in &mut groups {
        parts.sort_by(|left, right| left.at.cmp(&right.at).then_with(|| left.event_id.cmp(&right.event_id)));
    }
    groups
}

fn owners(parts: &[&Change]) -> Vec<Parts> {
    let services = parts.iter().filter_map(|part| part.service.as_deref());
    let folders = |file: &'_ String| file.matches('/').count().min(3);
    let paths = parts.iter().flat_map(|part| &part.files).flat_map(|file| file.split('/').take(folders(file)));
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
