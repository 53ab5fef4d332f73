//! What two events must share to be of one change.

use std::collections::BTreeSet;

use super::facts::Facts;

/// Digits from which an abbreviated hash is believed to be one.
const MIN_HASH: usize = 7;

/// Something that two events may share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Commit(String),
    /// (repository, number)
    PullRequest(String, String),
    /// (repository, deployment)
    Deployment(String, String),
    Chain(String),
    /// (repository, service or producer; run)
    Run(String, String),
    /// (repository, job)
    Job(String, String),
    Image(String),
    /// (service, version)
    Version(String, String),
    /// (repository, tag)
    Tag(String, String),
}

/// True for a commit's hash, whole or abbreviated.
pub(super) fn is_hash(text: &str) -> bool {
    (MIN_HASH..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Commits known by their hashes.
#[derive(Debug, Default)]
pub(super) struct Hashes(BTreeSet<String>);

impl Hashes {
    pub(super) fn of(facts: &[&Facts]) -> Self {
        let told = facts.iter().flat_map(|facts| [&facts.sha, &facts.head_sha, &facts.tip_sha]).flatten();
        Self(told.filter(|sha| is_hash(sha)).map(|sha| sha.to_ascii_lowercase()).collect())
    }

    /// The longest hash known that begins with this one, unless two different ones do.
    fn whole(&self, hash: &str) -> Option<String> {
        let hash = hash.to_ascii_lowercase();
        let longer: Vec<&String> = self.0.range(hash.clone()..).take_while(|known| known.starts_with(&hash)).collect();
        let longest = longer.iter().max_by_key(|known| known.len())?;
        let agree = longer.iter().all(|known| longest.starts_with(known.as_str()));
        Some(if agree { (*longest).clone() } else { hash })
    }

    /// The commit that a fact names.
    pub(super) fn commit(&self, sha: &str) -> Option<String> {
        if is_hash(sha) {
            return self.whole(sha);
        }
        // Other systems count revisions; short ones and versions say too little to be the same everywhere.
        (sha.len() >= MIN_HASH && !sha.contains('.')).then(|| sha.to_owned())
    }

    /// The commit that stands in a tag or version, such as `main-1a2b3c4`: only one that is known from elsewhere.
    pub(super) fn commit_in(&self, tag: &str) -> Option<String> {
        let parts = tag.split(|letter: char| !letter.is_ascii_alphanumeric());
        let hash = |part: &str| {
            if is_hash(part) { Some(part.to_owned()) } else { part.strip_prefix('g').filter(|part| is_hash(part)).map(str::to_owned) }
        };
        parts.filter_map(hash).find_map(|part| self.whole(&part))
    }
}

/// Keys by which an event belongs to a change for certain: it may join two that were known apart.
pub(super) fn strong(facts: &Facts, hashes: &Hashes) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let commits = [&facts.sha, &facts.head_sha].into_iter().flatten();
    keys.extend(commits.filter_map(|sha| hashes.commit(sha)).map(Key::Commit));
    let tags = facts.images.iter().filter_map(|image| tag_of(image)).chain(facts.version.as_deref());
    if keys.is_empty() {
        keys.extend(tags.filter_map(|tag| hashes.commit_in(tag)).map(Key::Commit));
    }
    if let Some(repository) = &facts.repository {
        let of = |value: &Option<String>| value.clone().map(|value| (repository.clone(), value));
        keys.extend(of(&facts.pull_request).map(|(repository, number)| Key::PullRequest(repository, number)));
        keys.extend(of(&facts.deployment_id).map(|(repository, id)| Key::Deployment(repository, id)));
    }
    keys
}

/// Keys that attach an event to the change that is known by a commit, in the order to try them. They never join two such changes.
pub(super) fn weak(facts: &Facts) -> [Vec<Key>; 4] {
    let scopes = || facts.repository.iter().chain(&facts.service);
    let runs = facts.run_id.iter().flat_map(|run| scopes().map(move |scope| Key::Run(scope.clone(), run.clone())));
    let jobs = facts.job_id.iter().zip(&facts.repository).map(|(job, repository)| Key::Job(repository.clone(), job.clone()));
    let images = facts.images.iter().filter(|image| is_lasting(image)).map(|image| Key::Image(image.clone()));
    [facts.chain_id.iter().cloned().map(Key::Chain).collect(), runs.chain(jobs).collect(), images.collect(), versions(facts)]
}

fn versions(facts: &Facts) -> Vec<Key> {
    let Some(version) = facts.version.as_deref().and_then(plain_version) else { return Vec::new() };
    let services = facts.service.iter().chain(&facts.services);
    let mut keys: Vec<Key> = services.map(|service| Key::Version(service.clone(), version.clone())).collect();
    if let Some(repository) = &facts.repository {
        keys.push(Key::Tag(repository.clone(), version));
    }
    keys
}

/// `1.2.0` of `v1.2.0`. A name that moves, as `latest` does, is no version.
fn plain_version(version: &str) -> Option<String> {
    let bare = version.strip_prefix(['v', 'V']).filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
    version.contains(|letter: char| letter.is_ascii_digit()).then(|| bare.unwrap_or(version).to_owned())
}

/// The tag of an image, or its digest.
fn tag_of(image: &str) -> Option<&str> {
    let last = image.rsplit('/').next()?;
    last.split_once('@').or_else(|| last.split_once(':')).map(|(_, tag)| tag).filter(|tag| !tag.is_empty())
}

/// True for an image or artifact that stays what it is: a tag such as `latest` moves, and a name alone says nothing.
fn is_lasting(image: &str) -> bool {
    tag_of(image).is_some_and(|tag| plain_version(tag).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(shas: &[&str]) -> Hashes {
        Hashes(shas.iter().map(|sha| (*sha).to_owned()).collect())
    }

    #[test]
    fn seven_digits_of_a_hash_stand_for_it_unless_two_begin_so() {
        let whole = "9c41e07b44aa0000000000000000000000000000";
        let known = hashes(&[whole, "9c41e07"]);
        assert_eq!(known.commit("9c41e07").as_deref(), Some(whole));
        assert_eq!(known.commit("9C41E07B").as_deref(), Some(whole));
        let twice = hashes(&[whole, "9c41e07b55", "9c41e07"]);
        assert_eq!(twice.commit("9c41e07").as_deref(), Some("9c41e07"));
        assert_eq!(known.commit("1.0.0"), None);
    }

    #[test]
    fn a_tag_names_a_commit_only_when_that_is_known() {
        let known = hashes(&["9c41e07b44aa"]);
        assert_eq!(known.commit_in("main-9c41e07").as_deref(), Some("9c41e07b44aa"));
        assert_eq!(known.commit_in("1.4.2-3-g9c41e07").as_deref(), Some("9c41e07b44aa"));
        assert_eq!(known.commit_in("20261123"), None);
    }

    #[test]
    fn names_that_move_are_no_versions() {
        assert!(is_lasting("ghcr.io/shop/cart:1.4.2") && is_lasting("cart@sha256:12ab") && is_lasting("pkg:oci/cart@sha256:12ab"));
        assert!(!is_lasting("ghcr.io/shop/cart:latest") && !is_lasting("localhost:5000/cart") && !is_lasting("cart"));
        assert_eq!(plain_version("v1.2.0").as_deref(), Some("1.2.0"));
    }
}
