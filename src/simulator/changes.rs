//! Commits, builds and deploys: the harmless ones that always happen, and the one behind a fault.

use std::sync::Arc;

use serde::Deserialize;

use super::chance::{Chance, Stream, hash};
use super::faults::{Breaking, ChangeKind, FaultChange};
use super::topology::{Kind, Plan, Step};
use super::webhooks::{Build, Commit, Deploy, config_note, deployment, deployment_status, note, oom_note, push, workflow_run};
use super::world::{Release, SECOND, World};
use super::{OutRecord, SimulatorError};

const CHANGES: &str = include_str!("changes.toml");
const MINUTE: i64 = 60 * SECOND;
/// From the deployment's webhook to its first new pod.
const FIRST_ROLL: i64 = 12 * SECOND;
/// From one pod's new version to the next one's.
const ROLL_GAP: i64 = 15 * SECOND;
/// Number of the deploy that precedes every onset, in quiet runs too.
const NEAR_ONSET: u64 = 1_000_000;

/// Something the change process does to the world.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// A webhook; its timestamp is set when it is sent.
    Record(OutRecord),
    /// A pod gets a new version.
    Roll { pod: usize, release: Arc<Release> },
}

#[derive(Debug)]
pub(super) struct Changes {
    seed: u64,
    /// The planned deploys stand around these.
    onsets: Vec<i64>,
    harmless: Vec<HarmlessChange>,
    /// Releases of each service so far, by their place in the plan.
    releases: Vec<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesFile {
    change: Vec<HarmlessChange>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HarmlessChange {
    service: String,
    author: String,
    title: String,
    file: String,
    diff: String,
    #[serde(default = "yes")]
    deployed: bool,
    /// Log lines that begin with `from` begin with `to` from then on.
    reword: Option<Reword>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reword {
    from: String,
    to: String,
}

const fn yes() -> bool {
    true
}

impl Changes {
    pub fn of_the_shop(seed: u64) -> Result<Self, SimulatorError> {
        let file: ChangesFile = toml::from_str(CHANGES).map_err(|error| SimulatorError::Shop(format!("changes: {error}")))?;
        Ok(Self { seed, onsets: Vec::new(), harmless: file.change, releases: Vec::new() })
    }

    /// The shop's harmless changes, each of a service drawn from `plan` of the same language where there is one.
    pub fn drawn(seed: u64, plan: &Plan) -> Result<Self, SimulatorError> {
        let mut changes = Self::of_the_shop(seed)?;
        let shop = Plan::shipped()?;
        let mut chance = Chance::new(hash(seed, 0xC4A9, 0), Stream::Arrivals);
        let harmless = std::mem::take(&mut changes.harmless);
        changes.harmless = harmless.into_iter().map(|change| moved(change, &shop, plan, &mut chance)).collect();
        Ok(changes)
    }

    /// The next harmless change and when to ask again: a deploy or lone commit about every 10 minutes, now and then a note.
    pub fn next(&mut self, plan: &Plan, number: u64, at: i64) -> (i64, Vec<(i64, Happening)>) {
        let mut chance = Chance::new(self.seed, Stream::Change(number));
        let next = at + 6 * MINUTE + chance.exponential(4.0 * MINUTE as f64).min(12 * MINUTE);
        let deploy_at = at + 5 * MINUTE + (chance.unit() * MINUTE as f64) as i64;
        // The planned deploys stand around the onset.
        let near = self.onsets.iter().any(|onset| (onset - 3 * MINUTE..onset + 2 * MINUTE).contains(&deploy_at));
        let mut happenings = if near { Vec::new() } else { self.harmless_change(plan, number, deploy_at, &mut chance) };
        if chance.happens(0.3) {
            happenings.push((at + MINUTE, Happening::Record(note(number, at + MINUTE))));
        }
        if chance.happens(0.35) {
            happenings.extend(self.failed_build(number, at + 2 * MINUTE, &mut chance));
        }
        (next, happenings)
    }

    /// One harmless deploy some minutes before the onset, and the changes behind the faults, where there are any.
    pub fn around_onsets(&mut self, plan: &Plan, onset: i64, faults: &[Breaking]) -> Vec<(i64, Happening)> {
        self.onsets = faults.iter().map(|fault| fault.onset).chain([onset]).collect();
        let mut chance = Chance::new(self.seed, Stream::Change(NEAR_ONSET));
        let before = 3 * MINUTE + (chance.unit() * (5 * MINUTE) as f64) as i64;
        // A later harmless release of the same service would carry the fault's version away.
        let behind: Vec<&FaultChange> = faults.iter().filter_map(|fault| fault.file.change.as_ref()).collect();
        self.harmless.retain(|harmless| behind.iter().all(|change| change.service != harmless.service));
        let mut happenings = self.harmless_change(plan, NEAR_ONSET, onset - before, &mut chance);
        for (index, fault) in faults.iter().enumerate() {
            match &fault.file.change {
                Some(change) if change.kind == ChangeKind::Config => happenings.extend(config_change(fault, change)),
                Some(change) => happenings.extend(self.bad_release(plan, NEAR_ONSET + 10 * index as u64, fault, change)),
                None => {}
            }
        }
        happenings
    }

    /// The release that brings the fault, and the one that takes it back if the fault ends.
    fn bad_release(&self, plan: &Plan, number: u64, fault: &Breaking, change: &FaultChange) -> Vec<(i64, Happening)> {
        let Some(service) = plan.service(&change.service) else { return Vec::new() };
        let running = &plan.services[service].version;
        let commit = Commit {
            repository: change.service.clone(),
            sha: change.sha.clone(),
            before: self.sha(number + 2),
            title: change.title.clone(),
            author: change.author.clone(),
            file: change.file.clone(),
            diff: change.diff.clone(),
        };
        let undo = Deploy {
            id: self.number(number + 5),
            version: running.to_string(),
            commit: Commit {
                sha: commit.before.clone(),
                before: commit.sha.clone(),
                title: format!("Roll back to {running}"),
                diff: reversed(&commit.diff),
                ..commit.clone()
            },
        };
        let deploy = Deploy { id: self.number(number + 1), version: next_minor(running), commit };
        let release = Release { version: deploy.version.as_str().into(), new_code: true, reword: None };
        let mut happenings = self.release(plan, &deploy, fault.onset - FIRST_ROLL, release);
        if fault.over < i64::MAX {
            let release = Release { version: Arc::clone(running), new_code: false, reword: None };
            happenings.extend(rollout(plan, &undo, fault.over - FIRST_ROLL, release));
        }
        happenings
    }

    /// An orchestrator's word on a killed pod.
    pub fn pod_killed(&self, plan: &Plan, world: &World, pod: usize, at: i64) -> OutRecord {
        let place = &plan.pods[pod];
        oom_note(&plan.services[place.service].name, &world.pods[pod].process.name, &plan.nodes[place.node], at)
    }

    fn harmless_change(&mut self, plan: &Plan, number: u64, deploy_at: i64, chance: &mut Chance) -> Vec<(i64, Happening)> {
        let Some(change) = self.harmless.get(chance.below(self.harmless.len())).cloned() else { return Vec::new() };
        let commit = Commit {
            repository: change.service.clone(),
            sha: self.sha(number),
            before: self.sha(number + 500_000),
            title: change.title.clone(),
            author: change.author.clone(),
            file: change.file.clone(),
            diff: change.diff.clone(),
        };
        if !change.deployed {
            return self.pushed_and_built(&commit, number, deploy_at - 2 * MINUTE, "success");
        }
        let Some(service) = plan.service(&change.service) else { return Vec::new() };
        self.releases.resize(plan.services.len(), 0);
        self.releases[service] += 1;
        let version = next_version(&plan.services[service].version, self.releases[service]);
        let reword = change.reword.map(|reword| (reword.from.into(), reword.to.into()));
        let release = Release { version: version.as_str().into(), new_code: false, reword };
        self.release(plan, &Deploy { id: self.number(number), version, commit }, deploy_at, release)
    }

    /// A push to a branch whose tests fail; nobody deploys it.
    fn failed_build(&self, number: u64, at: i64, chance: &mut Chance) -> Vec<(i64, Happening)> {
        let Some(change) = self.harmless.get(chance.below(self.harmless.len())) else { return Vec::new() };
        let commit = Commit {
            repository: change.service.clone(),
            sha: self.sha(number + 700_000),
            before: self.sha(number + 800_000),
            title: format!("wip: {}", change.title),
            author: change.author.clone(),
            file: change.file.clone(),
            diff: change.diff.clone(),
        };
        self.pushed_and_built(&commit, number + 700_000, at, "failure")
    }

    /// Push and build, then the rollout.
    fn release(&self, plan: &Plan, deploy: &Deploy, at: i64, release: Release) -> Vec<(i64, Happening)> {
        let mut happenings = self.pushed_and_built(&deploy.commit, deploy.id, at - 6 * MINUTE, "success");
        happenings.extend(rollout(plan, deploy, at, release));
        happenings
    }

    fn pushed_and_built(&self, commit: &Commit, number: u64, at: i64, conclusion: &'static str) -> Vec<(i64, Happening)> {
        let build = Build { id: self.number(number + 3), number: 200 + number % 1000, commit: commit.clone(), started: at + 4 * SECOND };
        let done = build.started + 95 * SECOND + (hash(self.seed, 0xB11D, number as i64) % 60) as i64 * SECOND;
        let branch = if conclusion == "success" { "main" } else { "wip" };
        vec![
            (at, Happening::Record(push(commit, branch, at))),
            (build.started, Happening::Record(workflow_run(&build, branch, "requested", None, build.started))),
            (build.started + 8 * SECOND, Happening::Record(workflow_run(&build, branch, "in_progress", None, build.started + 8 * SECOND))),
            (done, Happening::Record(workflow_run(&build, branch, "completed", Some(conclusion), done))),
        ]
    }

    fn number(&self, number: u64) -> u64 {
        1_000_000 + hash(self.seed, 0x1D, number as i64) % 900_000_000
    }

    fn sha(&self, number: u64) -> String {
        let part = |place: u64| hash(self.seed, 0x5AA + place, number as i64);
        format!("{:016x}{:016x}{:08x}", part(0), part(1), part(2) as u32)
    }
}

/// A change of configuration, told on the manual topic as it is applied; and taken back when the fault ends.
fn config_change(fault: &Breaking, change: &FaultChange) -> Vec<(i64, Happening)> {
    let applied = fault.onset - 2 * SECOND;
    let mut happenings = vec![(applied, Happening::Record(config_note(change, &change.title, &change.sha, &change.diff, applied)))];
    if fault.over < i64::MAX {
        let title = format!("Revert: {}", change.title);
        let sha = format!("{:040x}", xxhash_rust::xxh3::xxh3_128(change.sha.as_bytes()));
        happenings.push((fault.over, Happening::Record(config_note(change, &title, &sha, &reversed(&change.diff), fault.over))));
    }
    happenings
}

/// A harmless change of the shop as one of another plan; a line that it words anew is one of that plan's.
fn moved(change: HarmlessChange, shop: &Plan, plan: &Plan, chance: &mut Chance) -> HarmlessChange {
    let language = shop.service(&change.service).map(|service| shop.services[service].language);
    let ours: Vec<usize> = (0..plan.services.len()).filter(|service| plan.services[*service].kind == Kind::Service).collect();
    let alike: Vec<usize> = ours.iter().copied().filter(|service| Some(plan.services[*service].language) == language).collect();
    let among = if alike.is_empty() { &ours } else { &alike };
    let Some(service) = among.get(chance.below(among.len())).copied() else { return change };
    let name = plan.services[service].name.to_string();
    let mut said = plan.operations.iter().filter(|operation| operation.service == service).flat_map(|operation| &operation.steps);
    let line = said.find_map(|step| if let Step::Log { text, .. } = step { text.split(' ').next() } else { None });
    let reword =
        change.reword.and(line).map(|word| Reword { from: format!("{word} "), to: format!("Pipeline two: {} ", word.to_lowercase()) });
    let to_new = |text: &str| text.replace(&change.service, &name);
    HarmlessChange { title: change.title, file: to_new(&change.file), diff: to_new(&change.diff), service: name, reword, ..change }
}

/// Deployment, pods one after another, success.
fn rollout(plan: &Plan, deploy: &Deploy, at: i64, release: Release) -> Vec<(i64, Happening)> {
    let Some(service) = plan.service(&deploy.commit.repository) else { return Vec::new() };
    let started = at + 2 * SECOND;
    let mut happenings = vec![
        (at, Happening::Record(deployment(deploy, at))),
        (started, Happening::Record(deployment_status(deploy, 1, "in_progress", at, started))),
    ];
    let release = Arc::new(release);
    let mut rolled = at + FIRST_ROLL;
    for pod in plan.services[service].pods.clone() {
        happenings.push((rolled, Happening::Roll { pod, release: Arc::clone(&release) }));
        rolled += ROLL_GAP;
    }
    happenings.push((rolled, Happening::Record(deployment_status(deploy, 2, "success", at, rolled))));
    happenings
}

/// `3.7.4` → `3.8.0`.
fn next_minor(version: &str) -> String {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().and_then(|minor| minor.parse::<u32>().ok()).unwrap_or(0));
    format!("{major}.{}.0", minor + 1)
}

/// The diff that takes a diff back.
fn reversed(diff: &str) -> String {
    let line = |line: &str| match line.as_bytes().first() {
        Some(b'-') if !line.starts_with("---") => format!("+{}", &line[1..]),
        Some(b'+') if !line.starts_with("+++") => format!("-{}", &line[1..]),
        _ => line.to_owned(),
    };
    diff.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// The last number of `major.minor.patch`, raised.
fn next_version(version: &str, by: u32) -> String {
    match version.rsplit_once('.') {
        Some((head, patch)) => format!("{head}.{}", patch.parse::<u32>().unwrap_or(0) + by),
        None => format!("{version}.{by}"),
    }
}
