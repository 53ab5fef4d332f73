//! Which events are of one change.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::keys::{self, Hashes, Key};
use crate::model::Timestamp;

/// A commit may be told a little after the merge that takes it in, seconds: clocks differ.
const MERGE_TOLERANCE_S: i64 = 60;

/// Places of the events of each change, each list by time and id; lists by their first event.
pub fn join(facts: &[&Facts]) -> Vec<Vec<usize>> {
    let mut joined = Joined::new(facts);
    joined.by_strong_keys();
    joined.by_branch();
    joined.by_merging_push();
    joined.by_weak_keys();
    joined.by_first_image();
    joined.groups()
}

/// Environment and service.
type Place<'f> = (Option<&'f str>, Option<&'f str>);

fn place_of(facts: &Facts) -> Place<'_> {
    (facts.environment.as_deref(), facts.service.as_deref())
}

/// Events and which of them are together.
struct Joined<'f> {
    facts: &'f [&'f Facts],
    hashes: Hashes,
    /// Towards the place that stands for all of its group.
    parent: Vec<usize>,
    /// At that place: whether the group is known by a commit.
    has_commit: Vec<bool>,
}

impl<'f> Joined<'f> {
    fn new(facts: &'f [&'f Facts]) -> Self {
        Self { facts, hashes: Hashes::of(facts), parent: (0..facts.len()).collect(), has_commit: vec![false; facts.len()] }
    }

    fn root(&mut self, mut place: usize) -> usize {
        while self.parent[place] != place {
            self.parent[place] = self.parent[self.parent[place]];
            place = self.parent[place];
        }
        place
    }

    fn unite(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        let (first, second) = (left.min(right), left.max(right));
        self.parent[second] = first;
        self.has_commit[first] |= self.has_commit[second];
    }

    fn by_strong_keys(&mut self) {
        let mut known: BTreeMap<Key, usize> = BTreeMap::new();
        for (place, facts) in self.facts.iter().enumerate() {
            for key in keys::strong(facts, &self.hashes) {
                let root = self.root(place);
                self.has_commit[root] |= matches!(key, Key::Commit(_));
                let first = *known.entry(key).or_insert(place);
                self.unite(first, place);
            }
        }
    }

    /// A commit on the branch of a pull request belongs to it: to the first one that merged that branch after the commit.
    fn by_branch(&mut self) {
        let mut pulls: BTreeMap<(&str, &str), Vec<(Timestamp, usize)>> = BTreeMap::new();
        for (place, facts) in self.facts.iter().enumerate().filter(|(_, facts)| facts.is_pull_request()) {
            let (Some(repository), Some(branch)) = (&facts.repository, &facts.branch) else { continue };
            if facts.target_branch.as_ref() == Some(branch) {
                continue;
            }
            let is_merged = matches!(facts.event_type.as_str(), "pull_request_merged" | "change_merged");
            let until = if is_merged { facts.at.plus_seconds(MERGE_TOLERANCE_S) } else { Timestamp::from_nanos(i64::MAX) };
            pulls.entry((repository, branch)).or_default().push((until, place));
        }
        pulls.values_mut().for_each(|merges| merges.sort_unstable());
        for (place, facts) in self.facts.iter().enumerate().filter(|(_, facts)| facts.is_commit()) {
            let (Some(repository), Some(branch)) = (&facts.repository, &facts.branch) else { continue };
            let merges = pulls.get(&(repository.as_str(), branch.as_str()));
            if let Some((_, pull)) = merges.and_then(|merges| merges.iter().find(|(until, _)| facts.at <= *until)) {
                self.unite(*pull, place);
            }
        }
    }

    /// Commits of a push that ends in a merge were brought by it.
    fn by_merging_push(&mut self) {
        let merges = self.facts.iter().enumerate().filter(|(_, facts)| facts.is_merge);
        let merges: BTreeMap<(&str, String), usize> = merges
            .filter_map(|(place, facts)| Some(((facts.repository.as_deref()?, self.hashes.commit(facts.sha.as_deref()?)?), place)))
            .collect();
        for (place, facts) in self.facts.iter().enumerate() {
            let (Some(repository), Some(tip)) = (&facts.repository, &facts.tip_sha) else { continue };
            let tip = self.hashes.commit(tip).unwrap_or_default();
            if let Some(merge) = merges.get(&(repository.as_str(), tip)) {
                self.unite(*merge, place);
            }
        }
    }

    fn by_weak_keys(&mut self) {
        let tagged = self.tagged();
        for strength in 0..4 {
            let mut sharing: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
            for (place, facts) in self.facts.iter().enumerate() {
                for key in keys::weak(facts).into_iter().nth(strength).unwrap_or_default() {
                    if !matches!(key, Key::Tag(..)) || tagged.contains(&key) {
                        sharing.entry(key).or_default().push(place);
                    }
                }
            }
            sharing.into_values().for_each(|places| self.attach(&places));
        }
    }

    /// Tags of whole repositories: what bears such a version is of it, whichever service it is.
    fn tagged(&self) -> BTreeSet<Key> {
        let tags = self.facts.iter().filter(|facts| facts.is_tag());
        let keys = tags.flat_map(|facts| keys::weak(facts).into_iter().flatten());
        keys.filter(|key| matches!(key, Key::Tag(..))).collect()
    }

    /// Joins what shares a weak key. Where several changes known by their commits share it, what is known by none goes to the one
    /// before it.
    fn attach(&mut self, places: &[usize]) {
        let mut known: BTreeMap<usize, Timestamp> = BTreeMap::new();
        for &place in places {
            let root = self.root(place);
            if self.has_commit[root] {
                let at = self.facts[place].at;
                known.entry(root).and_modify(|first| *first = at.min(*first)).or_insert(at);
            }
        }
        if known.len() <= 1 {
            if let Some((&first, rest)) = places.split_first() {
                rest.iter().for_each(|&place| self.unite(first, place));
            }
            return;
        }
        for &place in places {
            let root = self.root(place);
            if self.has_commit[root] {
                continue;
            }
            let at = self.facts[place].at;
            let before = known.iter().filter(|(_, first)| **first <= at).max_by_key(|(root, first)| (**first, **root));
            if let Some((&change, _)) = before.or_else(|| known.iter().min_by_key(|(root, first)| (**first, **root))) {
                self.unite(change, place);
            }
        }
    }

    /// GitOps: a deployment names the commit of the repository that describes it, and the image that another commit's build made.
    /// The first deployment of an image carries the change that made it.
    fn by_first_image(&mut self) {
        let mut makers: BTreeMap<Key, BTreeSet<usize>> = BTreeMap::new();
        let mut deployed: BTreeMap<(Place<'_>, Key), (Timestamp, usize)> = BTreeMap::new();
        let mut all = Vec::new();
        for (place, facts) in self.facts.iter().enumerate() {
            let root = self.root(place);
            for key in self.image_keys(facts) {
                if facts.is_deployment() && !facts.is_tag() {
                    let at = (place_of(facts), key.clone());
                    let first = deployed.entry(at).or_insert((facts.at, root));
                    *first = (*first).min((facts.at, root));
                    all.push((place, key));
                } else if self.has_commit[root] {
                    makers.entry(key).or_default().insert(root);
                }
            }
        }
        // A deployment of several new images carries several changes: they stay apart.
        let mut of_deployment: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (place, key) in all {
            let (root, facts) = (self.root(place), self.facts[place]);
            let first = deployed.get(&(place_of(facts), key.clone()));
            if first.is_some_and(|(_, first)| self.root(*first) == root) {
                of_deployment.entry(place).or_default().extend(makers.get(&key).into_iter().flatten());
            }
        }
        for (place, makers) in of_deployment {
            if let [maker] = makers.into_iter().collect::<Vec<_>>()[..] {
                self.unite(place, maker);
            }
        }
    }

    /// Its images as they are called, and the commits that their tags name.
    fn image_keys(&self, facts: &Facts) -> Vec<Key> {
        let [_, _, images, _] = keys::weak(facts);
        let named = facts.images.iter().filter_map(|image| self.hashes.commit_in(image.rsplit('/').next()?)).map(Key::Commit);
        let own = if facts.is_deployment() { Vec::new() } else { keys::strong(facts, &self.hashes) };
        let commits = own.into_iter().filter(|key| matches!(key, Key::Commit(_)));
        images.into_iter().chain(named).chain(commits).collect()
    }

    fn groups(mut self) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in 0..self.facts.len() {
            groups.entry(self.root(place)).or_default().push(place);
        }
        let when = |place: &usize| (self.facts[*place].at, self.facts[*place].event_id.as_str());
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.iter_mut().for_each(|places| places.sort_by(|left, right| when(left).cmp(&when(right))));
        groups.sort_by(|left, right| left.first().map(when).cmp(&right.first().map(when)));
        groups
    }
}
