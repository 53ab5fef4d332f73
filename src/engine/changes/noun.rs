//! Joined events → the noun that people see.

use super::facts::Facts;
use super::join::join;
use super::life::{life, rollbacks};
use crate::model::Event;
use crate::model::change::{Change, LifeStep, LifeStepKind};

const MAX_COMMITS: usize = 50;
const MAX_FILES: usize = 200;
const MAX_EVENTS: usize = 200;

/// Changes that events tell of, by their first event. Events that are no step of a change are passed over, and so are merge commits
/// that join nothing.
pub fn changes(events: &[Event]) -> Vec<Change> {
    let known: Vec<(Facts, &Event)> = events.iter().filter_map(|event| Some((Facts::of_event(event)?, event))).collect();
    let facts: Vec<&Facts> = known.iter().map(|(facts, _)| facts).collect();
    let groups = join(&facts);
    let parts = |places: &Vec<usize>| places.iter().filter_map(|place| facts.get(*place).copied()).collect::<Vec<&Facts>>();
    let lists: Vec<Vec<&Facts>> = groups.iter().map(parts).collect();
    let rolled_back = rollbacks(&lists);
    let to_change = |(place, parts): (usize, &Vec<&Facts>)| {
        let steps = life(parts, rolled_back.get(&place).map(Vec::as_slice).unwrap_or_default());
        let members = groups.get(place).into_iter().flatten().filter_map(|place| known.get(*place).map(|(_, event)| *event));
        change(parts, members, steps)
    };
    lists.iter().enumerate().filter_map(to_change).collect()
}

/// The change that an event is of.
pub fn change_with(events: &[Event], event_id: &str) -> Option<Change> {
    let is_wanted = |event: &&Event| event.id == event_id;
    let wanted = events.iter().find(is_wanted)?;
    let facts = Facts::of_event(wanted)?;
    let has = |change: &Change| change.event_ids.contains(&facts.event_id);
    changes(events).into_iter().find(has)
}

fn change<'e>(parts: &[&Facts], events: impl Iterator<Item = &'e Event>, life: Vec<LifeStep>) -> Option<Change> {
    let state = life.last()?.step;
    let own: Vec<&Facts> = parts.iter().copied().filter(|facts| !facts.is_merge).collect();
    let pull = own.iter().rev().copied().find(|facts| facts.is_pull_request());
    let commit = own.iter().rev().copied().find(|facts| facts.is_commit());
    let named = pull.or(commit).or(own.first().copied())?;
    let first = |read: fn(&Facts) -> &Option<String>| {
        [Some(named), commit].into_iter().flatten().chain(own.iter().copied()).find_map(|facts| read(facts).clone())
    };
    let commits: Vec<String> =
        own.iter().filter(|facts| facts.is_commit()).filter_map(|facts| facts.sha.clone()).take(MAX_COMMITS).collect();
    let is_own = |sha: &String| commits.iter().any(|own| own.starts_with(sha.as_str()) || sha.starts_with(own.as_str()));
    let merged = parts.iter().filter(|facts| facts.is_merge || facts.step == Some(LifeStepKind::Merged));
    let merge_commit = merged.filter_map(|facts| facts.sha.clone()).find(|sha| !is_own(sha));
    let certain: Vec<&Facts> = parts.iter().copied().filter(|facts| !facts.services.is_empty()).collect();
    let services = match certain.is_empty() {
        true => parts.iter().filter_map(|facts| facts.service.clone()).collect(),
        false => certain.iter().flat_map(|facts| facts.services.clone()).collect(),
    };
    let files = events.flat_map(files).take(MAX_FILES).collect();
    Some(Change {
        id: named.event_id.clone(),
        title: named.subject.clone(),
        author: first(|facts| &facts.author),
        repository: first(|facts| &facts.repository),
        branch: first(|facts| &facts.branch),
        pull_request: first(|facts| &facts.pull_request),
        url: first(|facts| &facts.url),
        version: parts.iter().rev().find_map(|facts| facts.version.clone()),
        commits,
        merge_commit,
        services,
        files,
        state,
        life,
        event_ids: parts.iter().map(|facts| facts.event_id.clone()).take(MAX_EVENTS).collect(),
    })
}

fn files(event: &Event) -> Vec<String> {
    let list = event.data.get("files").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|file| file.as_str().or_else(|| file.get("filename")?.as_str()).map(str::to_owned)).collect()
}
