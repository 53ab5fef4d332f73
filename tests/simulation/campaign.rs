//! Many seeds, on every core.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::faults::{Fault, Plan};
use crate::judge::{investigations, judge};
use crate::mutations::Mutation;
use crate::run::{self, Outcome};
use crate::workload::World;

/// Every so many seeds the world is also run as plainly as can be: what it finds may not depend on batches and delays either.
const CALM_EVERY: u64 = 4;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub base: u64,
    pub seeds: u64,
    /// Stops at the first seed that fails.
    pub until_caught: bool,
}

impl Options {
    /// `WHYDUNIT_SEEDS` seeds from `WHYDUNIT_SEED_BASE` on.
    pub fn from_environment(seeds: u64) -> Self {
        let number = |name: &str, otherwise| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
        Self { base: number("WHYDUNIT_SEED_BASE", 0), seeds: number("WHYDUNIT_SEEDS", seeds), until_caught: false }
    }
}

/// What a campaign did and found.
#[derive(Debug, Default)]
pub struct Campaign {
    pub seeds: u64,
    pub with_investigation: u64,
    pub processes: u64,
    pub injected: BTreeMap<Fault, u64>,
    /// Seeds that failed, and how.
    pub failures: BTreeMap<u64, String>,
    pub took: Duration,
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seed, failure) in self.failures.iter().take(20) {
            writeln!(
                f,
                "seed {seed}, rerun with\n  WHYDUNIT_TRACE=1 WHYDUNIT_SEED_BASE={seed} WHYDUNIT_SEEDS=1 cargo test --test simulation no_fault -- --nocapture\n  {failure}"
            )?;
        }
        let Self { seeds, with_investigation, processes, injected, failures, took } = self;
        let faults: u64 = injected.values().sum();
        writeln!(
            f,
            "{seeds} seeds, {} failed; {with_investigation} with an investigation; {processes} processes; {faults} faults: {injected:?}",
            failures.len()
        )?;
        write!(f, "{:.1} s, {:.1} ms a seed", took.as_secs_f64(), took.as_secs_f64() * 1e3 / (*seeds).max(1) as f64)
    }
}

/// Runs seeds on as many threads as there are cores.
pub fn run(options: &Options, kinds: &[Fault], mutation: Option<Mutation>) -> Campaign {
    silence_panics_on_purpose();
    let began = Instant::now();
    let next = AtomicU64::new(options.base);
    let campaign = Mutex::new(Campaign::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_caught = options.until_caught && !campaign.lock().unwrap_or_else(PoisonError::into_inner).failures.is_empty();
                    if seed >= options.base + options.seeds || is_caught {
                        break;
                    }
                    let tried = try_seed(seed, kinds, mutation);
                    campaign.lock().unwrap_or_else(PoisonError::into_inner).add(seed, tried);
                }
            });
        }
    });
    let mut campaign = campaign.into_inner().unwrap_or_else(PoisonError::into_inner);
    campaign.took = began.elapsed();
    campaign
}

/// What one seed did.
#[derive(Debug, Default)]
struct Tried {
    investigations: usize,
    disturbed: Option<Outcome>,
    failure: Option<String>,
}

impl Campaign {
    fn add(&mut self, seed: u64, tried: Tried) {
        self.seeds += 1;
        self.with_investigation += u64::from(tried.investigations > 0);
        if let Some(outcome) = tried.disturbed {
            self.processes += outcome.processes as u64;
            for (fault, count) in outcome.injector.injected() {
                *self.injected.entry(fault).or_default() += count;
            }
        }
        if let Some(failure) = tried.failure {
            self.failures.insert(seed, failure);
        }
    }
}

fn try_seed(seed: u64, kinds: &[Fault], mutation: Option<Mutation>) -> Tried {
    let world = Arc::new(World::of_campaign(seed));
    let mut tried = Tried::default();
    let failed = |what: &str, found: &[String]| Some(format!("{what}:\n  {}", found.join("\n  ")));
    let undisturbed = match run::run(&world, &Plan::undisturbed(seed), None) {
        Ok(outcome) => outcome,
        Err(reason) => return Tried { failure: Some(format!("without a fault: {reason}")), ..tried },
    };
    tried.investigations = investigations(&undisturbed.export);
    let mut found = judge(&world, &undisturbed, None);
    found.extend(undisturbed.holes.iter().cloned());
    if found.is_empty() && seed.is_multiple_of(CALM_EVERY) {
        match run::run(&world, &Plan::calm(seed), None) {
            Ok(calm) => found = judge(&world, &calm, Some(&undisturbed.export)),
            Err(reason) => found.push(reason),
        }
    }
    if !found.is_empty() {
        return Tried { failure: failed("without a fault", &found), ..tried };
    }
    let plan = Plan::draw(seed, &undisturbed.injector.passed(), kinds);
    let (outcome, found) = disturb(&world, &plan, mutation, &undisturbed.export);
    tried.disturbed = outcome;
    if !found.is_empty() {
        let plan = if mutation.is_none() { shrink(&world, plan, &undisturbed.export) } else { plan };
        tried.failure = failed(&format!("{plan:?}"), &found);
    }
    tried
}

fn disturb(world: &Arc<World>, plan: &Plan, mutation: Option<Mutation>, undisturbed: &str) -> (Option<Outcome>, Vec<String>) {
    match run::run(world, plan, mutation) {
        Ok(outcome) => {
            let mut found = judge(world, &outcome, Some(undisturbed));
            found.extend(outcome.holes.iter().cloned());
            (Some(outcome), found)
        }
        Err(reason) => (None, vec![reason]),
    }
}

/// Leaves faults out of a failing plan as long as it fails.
fn shrink(world: &Arc<World>, mut plan: Plan, undisturbed: &str) -> Plan {
    while let Some(smaller) = plan.without_one().find(|smaller| !disturb(world, smaller, None, undisturbed).1.is_empty()) {
        plan = smaller;
    }
    plan
}

/// Panics that a fault asks for say nothing.
pub fn silence_panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.payload_as_str().is_some_and(|message| message.ends_with("on purpose")) {
                hook(panic);
            }
        }));
    });
}
