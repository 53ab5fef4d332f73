//! Scores of simulated episodes.
//!
//! An opening from the onset to the episode's end detects the fault; one before it, or in an episode without a fault, is false.
//! An undetected fault is a miss in every share, ties in a ranking count against us, and no seed is dropped. Episodes with two
//! faults are scored apart: right when two investigations name one of them each.

use std::collections::BTreeMap;

use serde::Serialize;

use super::calibration::{Calibration, calibration};
use super::{BesideFault, FOUND_AFTER_S, Seen, SimulatedEpisode, SimulatedFault, SimulatedOutcome, SimulatedResult, View};
use crate::evaluation::changes::RankedChange;
use crate::evaluation::runner::RankedService;
use crate::evaluation::score::{Accuracy, accuracy, median, poisson_rate, wilson};
use crate::model::Timestamp;

/// Scores closer than this are ties.
const TIE: f64 = 1e-12;
/// Edges of the thirds of strength, log-uniform from 1.2 to 20.
const STRENGTHS: [(&str, f64); 3] = [("1.2 to 3.07 times", 3.07), ("3.07 to 7.83 times", 7.83), ("7.83 to 20 times", f64::INFINITY)];
/// Edges of the thirds of the share of requests hit, uniform from .05 to 1.
const SHARES: [(&str, f64); 3] = [("5 to 37 %", 0.3667), ("37 to 68 %", 0.6833), ("68 to 100 %", f64::INFINITY)];

/// Everything an evaluation on the simulator says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulatedReport {
    pub set: &'static str,
    /// Episodes with one fault.
    pub n: usize,
    pub seeds: usize,
    /// Ranking 120 s after the onset when told at the onset.
    pub told: Accuracy,
    pub end_to_end: SimulatedEndToEnd,
    pub changes: ChangeFigures,
    pub two_faults: TwoFaults,
    /// Of all investigations that opened unaided, false ones among them.
    pub calibration: Calibration,
    /// Of told rankings.
    pub calibration_told: Calibration,
    pub by_type: BTreeMap<String, Part>,
    pub by_strength: BTreeMap<String, Part>,
    pub by_share: BTreeMap<String, Part>,
    pub cases: Vec<SeedScore>,
    pub false_openings: Vec<FalseOpening>,
    pub errors: Vec<String>,
}

/// Detection and ranking without being told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulatedEndToEnd {
    pub recall: f64,
    pub recall_interval: [f64; 2],
    /// Opened within 180 s of the onset.
    pub strict_recall: f64,
    pub strict_recall_interval: [f64; 2],
    pub false_openings: u64,
    pub quiet_hours: f64,
    pub false_per_hour: f64,
    pub false_per_hour_interval: Option<[f64; 2]>,
    pub median_ttd_s: Option<f64>,
    /// Ranking 180 s after the onset.
    pub ac1: f64,
    pub ac3: f64,
    pub avg5: f64,
    pub ac1_interval: [f64; 2],
    /// Further investigations of a fault that already had one.
    pub duplicates: u64,
}

/// Which change, or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChangeFigures {
    /// The right change, or "none", named first 120 s after a telling.
    pub ac1: f64,
    pub ac1_interval: [f64; 2],
    /// The same unaided, 180 s after the onset; an undetected fault is a miss.
    pub end_to_end_ac1: f64,
    pub end_to_end_ac1_interval: [f64; 2],
    /// Told: faults with a change behind them, and of these those whose change stood first.
    pub n_change: usize,
    pub sha1: usize,
    /// Told: faults without, and of these those with "none" first.
    pub n_none: usize,
    pub none_correct: usize,
    /// Told: a harmless change stood first.
    pub decoy1: usize,
    /// Told: "none" stood first though a change did it.
    pub none_wrong: usize,
}

/// Episodes with two faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TwoFaults {
    pub n: usize,
    /// Two investigations, each with its own first suspect.
    pub both: usize,
    pub share: f64,
    pub interval: [f64; 2],
    /// Faults of them that some investigation named first.
    pub named: usize,
}

/// Some of the faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    pub n: usize,
    pub told: Accuracy,
    pub recall: f64,
    pub recall_interval: [f64; 2],
    pub median_ttd_s: Option<f64>,
    pub end_to_end: Accuracy,
    /// Told.
    pub change_ac1: f64,
}

/// One seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SeedScore {
    pub seed: u64,
    pub services: usize,
    pub records: usize,
    /// Kinds, with `+` between two.
    pub fault_type: String,
    pub culprit: String,
    pub strength: f64,
    pub share: f64,
    pub detected: bool,
    pub ttd_s: Option<f64>,
    pub rank_told: Option<u32>,
    pub rank_at_end: Option<u32>,
    pub first_told: Option<String>,
    pub first_at_end: Option<String>,
    pub change: Option<String>,
    pub change_told: Option<String>,
    pub change_told_right: bool,
    pub change_at_end: Option<String>,
    pub change_at_end_right: bool,
    pub confidence: f64,
    pub duplicates: u64,
    pub false_openings: u64,
    pub quiet_s: f64,
    /// Two faults: both named by investigations of their own.
    pub both: Option<bool>,
    pub because: String,
    pub beside: Vec<BesideFault>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FalseOpening {
    pub seed: u64,
    pub after_start_s: f64,
    pub first: Option<String>,
    pub because: String,
}

/// Scores all seeds.
pub fn score_simulated(results: &[SimulatedResult]) -> SimulatedReport {
    let mut tally = Tally::default();
    for result in results {
        tally.take(result);
    }
    tally.report()
}

#[derive(Default)]
struct Tally {
    cases: Vec<SeedScore>,
    named: usize,
    answers: Vec<(f64, bool)>,
    answers_told: Vec<(f64, bool)>,
    false_openings: Vec<FalseOpening>,
    errors: Vec<String>,
}

impl Tally {
    fn take(&mut self, result: &SimulatedResult) {
        let episode = &result.episode;
        let mut case = case_of(episode);
        match &result.outcome {
            Err(why) => {
                self.errors.push(format!("seed {}: {why}", episode.seed));
                case.error = Some(why.clone());
                case.both = (episode.faults.len() == 2).then_some(false);
            }
            Ok(outcome) => self.judge(episode, outcome, &mut case),
        }
        self.cases.push(case);
    }

    fn judge(&mut self, episode: &SimulatedEpisode, outcome: &SimulatedOutcome, case: &mut SeedScore) {
        let onset = episode.faults.iter().map(|fault| fault.onset).min();
        let last = episode.faults.iter().map(|fault| fault.onset).max();
        case.quiet_s = onset.unwrap_or(episode.ends_at).seconds_since(episode.starts_at);
        let (hits, early): (Vec<&Seen>, Vec<&Seen>) =
            outcome.seen.iter().partition(|seen| onset.is_some_and(|onset| seen.opened_at >= onset));
        for seen in early {
            case.false_openings += 1;
            // Read like any other: three minutes on.
            let view = seen.at(seen.opened_at.plus_seconds(FOUND_AFTER_S));
            self.answers.extend(view.map(|view| (view.confidence, false)));
            self.false_openings.push(FalseOpening {
                seed: episode.seed,
                after_start_s: seen.opened_at.seconds_since(episode.starts_at),
                first: view.and_then(first),
                because: seen.because.clone(),
            });
        }
        let Some(read_at) = last.map(|onset| onset.plus_seconds(FOUND_AFTER_S)) else { return };
        let names = |fault: &SimulatedFault, view: &View| position(&view.suspects, &fault.names) == Some(1);
        for view in hits.iter().filter_map(|seen| seen.at(read_at)) {
            self.answers.push((view.confidence, episode.faults.iter().any(|fault| names(fault, view))));
        }
        match episode.faults.as_slice() {
            [fault] => self.one(fault, outcome, &hits, read_at, case),
            [one, two] => {
                let named = |fault: &SimulatedFault| -> Vec<usize> {
                    (0..hits.len()).filter(|seen| hits[*seen].at(read_at).is_some_and(|view| names(fault, view))).collect()
                };
                let (of_one, of_two) = (named(one), named(two));
                self.named += usize::from(!of_one.is_empty()) + usize::from(!of_two.is_empty());
                case.both = Some(of_one.iter().any(|one| of_two.iter().any(|two| one != two)));
                case.detected = !hits.is_empty();
                let first_named: Vec<String> = hits.iter().filter_map(|seen| first(seen.at(read_at)?)).collect();
                case.first_at_end = Some(first_named.join(" + ")).filter(|names| !names.is_empty());
            }
            _ => {}
        }
    }

    fn one(&mut self, fault: &SimulatedFault, outcome: &SimulatedOutcome, hits: &[&Seen], read_at: Timestamp, case: &mut SeedScore) {
        if let Some(told) = &outcome.told {
            case.rank_told = position(&told.suspects, &fault.names);
            case.first_told = first(told);
            case.change_told = first_change(&told.changes);
            case.change_told_right = is_right(&told.changes, fault);
            self.answers_told.push((told.confidence, case.rank_told == Some(1)));
        }
        // Of openings at the same moment the one that ranks worst counts.
        let rank = |seen: &&&Seen| seen.at(read_at).and_then(|view| position(&view.suspects, &fault.names)).unwrap_or(u32::MAX);
        let Some(seen) = hits.iter().min_by_key(|seen| (seen.opened_at, std::cmp::Reverse(rank(seen)))) else { return };
        case.detected = true;
        case.ttd_s = Some(seen.opened_at.seconds_since(fault.onset));
        case.duplicates = hits.len() as u64 - 1;
        case.because.clone_from(&seen.because);
        if let Some(view) = seen.at(read_at) {
            case.rank_at_end = position(&view.suspects, &fault.names);
            case.first_at_end = first(view);
            case.change_at_end = first_change(&view.changes);
            case.change_at_end_right = is_right(&view.changes, fault);
            case.confidence = view.confidence;
        }
    }

    fn report(self) -> SimulatedReport {
        let one: Vec<&SeedScore> = self.cases.iter().filter(|case| case.both.is_none() && !case.fault_type.is_empty()).collect();
        let two = self.cases.iter().filter(|case| case.both.is_some()).count();
        let both = self.cases.iter().filter(|case| case.both == Some(true)).count();
        let by = |name: &dyn Fn(&SeedScore) -> String| {
            let mut parts: BTreeMap<String, Vec<&SeedScore>> = BTreeMap::new();
            for case in &one {
                parts.entry(name(case)).or_default().push(case);
            }
            parts.into_iter().map(|(name, cases)| (name, part(&cases))).collect::<BTreeMap<_, _>>()
        };
        let third = |thirds: &[(&str, f64); 3], value: f64| {
            let place = thirds.iter().position(|(_, below)| value < *below).unwrap_or(2);
            thirds[place].0.to_owned()
        };
        SimulatedReport {
            set: "simulator",
            n: one.len(),
            seeds: self.cases.len(),
            told: ranks(&one, |case| case.rank_told),
            end_to_end: self.end_to_end(&one),
            changes: change_figures(&one),
            two_faults: TwoFaults { n: two, both, share: share(both, two), interval: wilson(both as f64, two as f64), named: self.named },
            calibration: calibration(&self.answers),
            calibration_told: calibration(&self.answers_told),
            by_type: by(&|case| case.fault_type.clone()),
            by_strength: by(&|case| third(&STRENGTHS, case.strength)),
            by_share: by(&|case| third(&SHARES, case.share)),
            cases: self.cases.clone(),
            false_openings: self.false_openings,
            errors: self.errors,
        }
    }

    fn end_to_end(&self, cases: &[&SeedScore]) -> SimulatedEndToEnd {
        let n = cases.len();
        let detected = cases.iter().filter(|case| case.detected).count();
        let strict = cases.iter().filter(|case| case.ttd_s.is_some_and(|ttd_s| ttd_s <= FOUND_AFTER_S as f64)).count();
        let found = ranks(cases, |case| case.rank_at_end);
        let quiet_hours = self.cases.iter().map(|case| case.quiet_s).sum::<f64>() / 3_600.0;
        let false_openings = self.false_openings.len() as u64;
        SimulatedEndToEnd {
            recall: share(detected, n),
            recall_interval: wilson(detected as f64, n as f64),
            strict_recall: share(strict, n),
            strict_recall_interval: wilson(strict as f64, n as f64),
            false_openings,
            quiet_hours,
            false_per_hour: if quiet_hours > 0.0 { false_openings as f64 / quiet_hours } else { 0.0 },
            false_per_hour_interval: poisson_rate(false_openings, quiet_hours),
            median_ttd_s: median(cases.iter().filter_map(|case| case.ttd_s).collect()),
            ac1: found.ac1,
            ac3: found.ac3,
            avg5: found.avg5,
            ac1_interval: found.intervals.ac1,
            duplicates: cases.iter().map(|case| case.duplicates).sum(),
        }
    }
}

fn case_of(episode: &SimulatedEpisode) -> SeedScore {
    let joined = |text: &dyn Fn(&SimulatedFault) -> String| episode.faults.iter().map(text).collect::<Vec<_>>().join(" + ");
    let first = episode.faults.first();
    SeedScore {
        seed: episode.seed,
        services: episode.services,
        records: episode.records,
        fault_type: joined(&|fault| fault.kind.clone()),
        culprit: joined(&|fault| fault.names.first().cloned().unwrap_or_default()),
        strength: first.map_or(0.0, |fault| fault.strength),
        share: first.map_or(0.0, |fault| fault.share),
        change: first.and_then(|fault| fault.change.clone()),
        beside: episode.beside.clone(),
        ..SeedScore::default()
    }
}

fn share(hits: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { hits as f64 / of as f64 }
}

fn ranks(cases: &[&SeedScore], rank: impl Fn(&SeedScore) -> Option<u32>) -> Accuracy {
    accuracy(&cases.iter().map(|case| rank(case)).collect::<Vec<_>>())
}

/// Place of the best-ranked right answer, from 1: behind every wrong one that scores the same.
fn position(ranking: &[RankedService], right: &[String]) -> Option<u32> {
    let is_right = |ranked: &&RankedService| right.contains(&ranked.service);
    let best = ranking.iter().filter(is_right).map(|ranked| ranked.score).fold(0.0, f64::max);
    if best.is_nan() || best <= 0.0 {
        return None;
    }
    let ahead = ranking.iter().filter(|ranked| !is_right(ranked) && ranked.score >= best - TIE).count();
    u32::try_from(ahead + 1).ok()
}

fn first(view: &View) -> Option<String> {
    view.suspects.iter().max_by(|a, b| a.score.total_cmp(&b.score).then(b.service.cmp(&a.service))).map(|ranked| ranked.service.clone())
}

fn best_change(changes: &[RankedChange]) -> Option<&RankedChange> {
    changes.iter().max_by(|a, b| a.score.total_cmp(&b.score).then(b.sha.cmp(&a.sha)))
}

fn first_change(changes: &[RankedChange]) -> Option<String> {
    best_change(changes).map(|change| change.sha.clone().unwrap_or_else(|| "none".to_owned()))
}

/// The right change, or none, stands alone in the first place. An investigation that says nothing about changes says nothing right.
fn is_right(changes: &[RankedChange], fault: &SimulatedFault) -> bool {
    let same = |named: &str, wanted: &str| named.len() >= 7 && (wanted.starts_with(named) || named.starts_with(wanted));
    let right = |change: &RankedChange| match (&change.sha, &fault.change) {
        (None, None) => true,
        (Some(named), Some(wanted)) => same(named, wanted),
        _ => false,
    };
    let Some(best) = best_change(changes) else { return false };
    changes.iter().filter(|change| change.score >= best.score - TIE).all(right)
}

fn change_figures(cases: &[&SeedScore]) -> ChangeFigures {
    let n = cases.len();
    let count = |wanted: &dyn Fn(&SeedScore) -> bool| cases.iter().filter(|case| wanted(case)).count();
    let told = count(&|case| case.change_told_right);
    let found = count(&|case| case.change_at_end_right);
    let says_none = |case: &SeedScore| case.change_told.as_deref() == Some("none");
    ChangeFigures {
        ac1: share(told, n),
        ac1_interval: wilson(told as f64, n as f64),
        end_to_end_ac1: share(found, n),
        end_to_end_ac1_interval: wilson(found as f64, n as f64),
        n_change: count(&|case| case.change.is_some()),
        sha1: count(&|case| case.change.is_some() && case.change_told_right),
        n_none: count(&|case| case.change.is_none()),
        none_correct: count(&|case| case.change.is_none() && case.change_told_right),
        decoy1: count(&|case| case.change_told.is_some() && !says_none(case) && !case.change_told_right),
        none_wrong: count(&|case| case.change.is_some() && says_none(case)),
    }
}

fn part(cases: &[&SeedScore]) -> Part {
    let n = cases.len();
    let detected = cases.iter().filter(|case| case.detected).count();
    Part {
        n,
        told: ranks(cases, |case| case.rank_told),
        recall: share(detected, n),
        recall_interval: wilson(detected as f64, n as f64),
        median_ttd_s: median(cases.iter().filter_map(|case| case.ttd_s).collect()),
        end_to_end: ranks(cases, |case| case.rank_at_end),
        change_ac1: share(cases.iter().filter(|case| case.change_told_right).count(), n),
    }
}
