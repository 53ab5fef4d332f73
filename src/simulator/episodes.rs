//! Episodes for judging the engine: fault, target, strength and share drawn once for all from `episodes.toml`.

use serde::Deserialize;

use super::chance::{Chance, Stream};
use super::seeded::Span;
use super::{Options, SimulatorError, catalog};

const EPISODES: &str = include_str!("episodes.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EpisodesFile {
    seed: u64,
    quiet_every: u64,
    history_s: u32,
    fault_age_s: u32,
    rate: f64,
    strength: Span,
    share: Span,
}

fn read() -> Result<EpisodesFile, SimulatorError> {
    toml::from_str(EPISODES).map_err(|error| SimulatorError::Shop(format!("episodes: {error}")))
}

/// How many times as bad as normal, and which share of the requests is hit.
pub(super) fn severity(chance: &mut Chance) -> Result<(f64, f64), SimulatorError> {
    let file = read()?;
    Ok((file.strength.log_even(chance), file.share.even(chance)))
}

/// The options of episode `number`: always the same ones. Faults take turns, so that every kind is met equally often.
pub fn episode(number: u32) -> Result<Options, SimulatorError> {
    let file = read()?;
    let number = u64::from(number);
    let mut chance = Chance::new(file.seed, Stream::Request(number));
    let faults = catalog();
    let every = file.quiet_every.max(2);
    let quiet = number % every == every - 1;
    // The faulty episodes are numbered without gaps.
    let turn = (number - number / every) as usize % faults.len().max(1);
    let fault = faults.get(turn).filter(|_| !quiet);
    let target = fault.and_then(|fault| fault.targets.get(chance.below(fault.targets.len())).cloned());
    let (strength, share) = (file.strength.log_even(&mut chance), file.share.even(&mut chance));
    Ok(Options {
        // A database stores signed numbers; JavaScript loses whole ones above 2⁵³.
        seed: chance.number() >> 12,
        rate: file.rate,
        fault: fault.map(|fault| fault.name.clone()),
        history_s: file.history_s,
        fault_age_s: file.fault_age_s,
        strength: fault.map(|_| strength),
        share: fault.map(|_| share),
        target,
        fault_lasts_s: None,
    })
}
