//! The life of a change: its steps, and when something older took its place again.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use crate::model::Timestamp;
use crate::model::change::{LifeStep, LifeStepKind};

/// Steps shown of one change; the first ones.
const MAX_STEPS: usize = 100;

/// Steps of one change, oldest first. `parts` by time; `rolled_back` is its share of [`rollbacks`].
pub fn life(parts: &[&Facts], rolled_back: &[LifeStep]) -> Vec<LifeStep> {
    let mut steps: Vec<LifeStep> = rolled_back.to_vec();
    let mut said: BTreeSet<(LifeStepKind, Option<&str>, Option<&str>)> = BTreeSet::new();
    let is_told_merged = parts.iter().any(|facts| facts.step == Some(LifeStepKind::Merged));
    for facts in parts {
        // The commit of a merge says when it was, where no pull request does.
        let merged = (!is_told_merged).then_some(LifeStepKind::Merged);
        let kind = if facts.is_merge { merged } else { facts.step };
        let Some(kind) = kind.filter(|kind| *kind != LifeStepKind::RolledBack) else { continue };
        let place = if is_placed(kind) { (facts.environment.as_deref(), facts.service.as_deref()) } else { (None, None) };
        // Each step once: of many commits the first, of many reports of one build or deployment the first.
        if said.insert((kind, place.0, place.1)) {
            steps.push(step(kind, facts));
        }
    }
    let ended: BTreeSet<(Option<String>, Option<String>)> = steps
        .iter()
        .filter(|step| matches!(step.step, LifeStepKind::Deployed | LifeStepKind::DeploymentFailed))
        .map(|step| (step.environment.clone(), step.service.clone()))
        .collect();
    steps.retain(|step| step.step != LifeStepKind::Deploying || !ended.contains(&(step.environment.clone(), step.service.clone())));
    steps.sort_by(|left, right| (left.at, left.step, &left.event_id).cmp(&(right.at, right.step, &right.event_id)));
    steps.truncate(MAX_STEPS);
    steps
}

/// What each change (by its place among `changes`) was rolled back: something that had run before it in the same environment and
/// service runs again, or somebody says so.
pub fn rollbacks(changes: &[Vec<&Facts>]) -> BTreeMap<usize, Vec<LifeStep>> {
    let mut found: BTreeMap<usize, Vec<LifeStep>> = BTreeMap::new();
    for takeovers in takeovers(changes).into_values() {
        let mut running: Vec<usize> = Vec::new();
        for (change, facts) in takeovers {
            let told = facts.step == Some(LifeStepKind::RolledBack);
            let from = match running.iter().position(|known| *known == change) {
                // It runs already. Who says that it was rolled back means that it is gone.
                Some(last) if last + 1 == running.len() => {
                    if told {
                        last
                    } else {
                        continue;
                    }
                }
                Some(earlier) => earlier + 1,
                None if told || is_older(changes, change, running.last()) => running.len().saturating_sub(1),
                None => running.len(),
            };
            for gone in running.split_off(from) {
                found.entry(gone).or_default().push(step(LifeStepKind::RolledBack, facts));
            }
            let is_gone = told && !running.contains(&change);
            if running.last() != Some(&change) && !is_gone {
                running.push(change);
            }
        }
    }
    found
}

type Place<'f> = (Option<&'f str>, Option<&'f str>);

/// By environment and service: which change took over when, oldest first.
fn takeovers<'f>(changes: &[Vec<&'f Facts>]) -> BTreeMap<Place<'f>, Vec<(usize, &'f Facts)>> {
    let mut takeovers: BTreeMap<Place<'f>, Vec<(usize, &'f Facts)>> = BTreeMap::new();
    for (change, parts) in changes.iter().enumerate() {
        for facts in parts {
            if matches!(facts.step, Some(LifeStepKind::Deployed | LifeStepKind::RolledBack)) && facts.service.is_some() {
                takeovers.entry((facts.environment.as_deref(), facts.service.as_deref())).or_default().push((change, facts));
            }
        }
    }
    for list in takeovers.values_mut() {
        list.sort_by(|(_, left), (_, right)| (left.at, &left.event_id).cmp(&(right.at, &right.event_id)));
    }
    takeovers
}

/// True when all of a change was committed before all of the one that runs, on the same branch.
fn is_older(changes: &[Vec<&Facts>], change: usize, running: Option<&usize>) -> bool {
    let commits = |place: usize| changes.get(place).into_iter().flatten().filter(|facts| facts.is_commit() && facts.branch.is_some());
    let Some(&running) = running else { return false };
    let newest: Option<(Timestamp, &&Facts)> = commits(change).map(|facts| (facts.at, facts)).max_by_key(|(at, _)| *at);
    let oldest: Option<(Timestamp, &&Facts)> = commits(running).map(|facts| (facts.at, facts)).min_by_key(|(at, _)| *at);
    matches!((newest, oldest), (Some((newest, ours)), Some((oldest, theirs)))
        if newest < oldest && ours.branch == theirs.branch && ours.repository == theirs.repository)
}

/// Steps that happen somewhere.
const fn is_placed(kind: LifeStepKind) -> bool {
    matches!(
        kind,
        LifeStepKind::Deploying
            | LifeStepKind::Deployed
            | LifeStepKind::DeploymentFailed
            | LifeStepKind::Applied
            | LifeStepKind::RolledBack
    )
}

fn step(kind: LifeStepKind, facts: &Facts) -> LifeStep {
    let placed = is_placed(kind);
    LifeStep {
        step: kind,
        at: facts.at,
        event_id: facts.event_id.clone(),
        environment: facts.environment.clone().filter(|_| placed),
        service: facts.service.clone().filter(|_| placed),
    }
}
