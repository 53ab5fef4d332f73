//! Investigations against labels.
//!
//! An opening from 75 s before a label to 180 s after it detects the fault (labels of faults in code are late). Earlier
//! ones are false, except for those that name the service of another labelled fault while that acts, and so is every one in a
//! quiet episode. An undetected fault is a miss in every share, and ties in a
//! ranking count against us.

mod comparators;
mod held_out;
mod statistics;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

pub use comparators::{Comparator, comparators};
pub use held_out::{HeldOut, Trial, held_out};
pub use statistics::{Accuracy, AccuracyIntervals, accuracy, median, poisson_rate, position, wilson};

use super::calendar::Calendar;
use super::episode::{AFTER_LABEL_S, EpisodeKind, EpisodePlan};
use super::runner::{EpisodeOutcome, EpisodeResult, Opening, RankedService};
use crate::model::Timestamp;

/// An opening this long before a label still counts.
const EARLY_S: i64 = 75;

/// Everything an evaluation says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub set: String,
    /// Labelled faults.
    pub n: usize,
    /// Ranking 120 s after the label when told at the label; absent when this was not tried.
    pub told: Option<Accuracy>,
    pub end_to_end: EndToEnd,
    /// The same by fault type.
    pub by_type: BTreeMap<String, TypeScore>,
    /// What chance would give.
    pub random: RandomComparator,
    /// Figures of others on this layout, quoted.
    pub comparators: Vec<Comparator>,
    pub cases: Vec<CaseScore>,
    pub false_openings: Vec<FalseOpening>,
    /// Episodes that could not be run, with why.
    pub errors: Vec<String>,
}

/// Detection and ranking without being told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EndToEnd {
    pub n: usize,
    pub detected: usize,
    pub recall: f64,
    /// Only openings at or after the label.
    pub strict_recall: f64,
    pub false_per_hour: f64,
    /// From the label, 0 for openings before it; absent when nothing was detected.
    pub median_ttd_s: Option<f64>,
    /// Ranking at the end, 180 s after the label.
    pub ac1: f64,
    pub ac3: f64,
    pub avg5: f64,
    /// Ranking when it was opened.
    pub at_opening: Accuracy,
    pub false_openings: u64,
    /// Hours in which an opening would have been false.
    pub quiet_hours: f64,
    /// Further investigations of a fault that already had one.
    pub duplicates: u64,
    pub intervals: EndToEndIntervals,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct EndToEndIntervals {
    pub recall: [f64; 2],
    pub strict_recall: [f64; 2],
    /// Poisson, 95 %; absent when no hour was quiet.
    pub false_per_hour: Option<[f64; 2]>,
    #[serde(flatten)]
    pub accuracy: AccuracyIntervals,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypeScore {
    pub n: usize,
    pub told: Option<Accuracy>,
    pub recall: f64,
    pub strict_recall: f64,
    pub recall_interval: [f64; 2],
    pub median_ttd_s: Option<f64>,
    pub end_to_end: Accuracy,
}

/// As many openings at random times in the same episodes, naming services at random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RandomComparator {
    pub openings: u64,
    pub recall: f64,
    pub services: usize,
    /// Ranking of a named service: 1 in all services of the pack.
    pub ac1: f64,
    pub ac3: f64,
    pub avg5: f64,
}

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CaseScore {
    pub case: String,
    pub service: String,
    pub fault_type: String,
    pub detected: bool,
    /// Opening minus label, seconds; negative before it.
    pub ttd_s: Option<f64>,
    pub rank_told: Option<u32>,
    pub rank_at_opening: Option<u32>,
    pub rank_at_end: Option<u32>,
    pub first_at_end: Option<String>,
    pub duplicates: u64,
    pub false_openings: u64,
    pub quiet_s: f64,
    pub because: String,
    pub error: Option<String>,
    /// Told mode was tried.
    #[serde(skip)]
    told_tried: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FalseOpening {
    pub episode: String,
    pub opened_at: Timestamp,
    /// Seconds after the first drawn trace.
    pub after_start_s: f64,
    pub first: Option<String>,
    pub because: String,
}

/// Scores all episodes of one pack. `services` is how many services the pack has.
pub fn score(set: &str, calendar: &Calendar, services: usize, results: &[EpisodeResult]) -> Report {
    let mut tally = Tally::default();
    for result in results {
        match (&result.outcome, result.plan.kind) {
            (Ok(outcome), EpisodeKind::Fault) => tally.fault(calendar, &result.plan, outcome),
            (Ok(outcome), EpisodeKind::Quiet) => tally.quiet(&result.plan, outcome),
            (Err(why), kind) => tally.failed(&result.plan, kind, why),
        }
    }
    tally.report(set, services)
}

#[derive(Default)]
struct Tally {
    cases: Vec<CaseScore>,
    false_openings: Vec<FalseOpening>,
    errors: Vec<String>,
    quiet_s: f64,
    /// Openings that hit or were false, and the time they could have fallen into.
    openings: u64,
    open_s: f64,
}

impl Tally {
    fn fault(&mut self, calendar: &Calendar, plan: &EpisodePlan, outcome: &EpisodeOutcome) {
        let Some(label_at) = plan.label_at else { return };
        let (from, to) = (label_at.plus_seconds(-EARLY_S), label_at.plus_seconds(AFTER_LABEL_S));
        let mut case = CaseScore { quiet_s: from.seconds_since(plan.traces_from).max(0.0), ..case_of(plan) };
        let mut hits: Vec<&Opening> = Vec::new();
        for opening in own(plan, outcome) {
            let excused = opening.opened_at < plan.traces_from
                && (calendar.known(&plan.day, opening.opened_at) || calendar.stressed(&plan.day, opening.opened_at))
                || calendar.explains(&plan.day, opening.opened_at, first_named(opening).as_deref());
            if opening.opened_at >= from && opening.opened_at <= to {
                hits.push(opening);
            } else if opening.opened_at < from && !excused {
                case.false_openings += 1;
                self.false_alarm(plan, opening);
            }
        }
        let culprit = plan.label.root_cause_service.as_str();
        let worst_first = |opening: &Opening| std::cmp::Reverse(position(&opening.at_end, culprit).unwrap_or(u32::MAX));
        // Of openings at the same moment the one that ranks worst counts.
        hits.sort_by_key(|opening| (opening.opened_at, worst_first(opening)));
        if let Some(first) = hits.first() {
            case.detected = true;
            case.ttd_s = Some(first.opened_at.seconds_since(label_at));
            case.rank_at_opening = position(&first.at_opening, culprit);
            case.rank_at_end = position(&first.at_end, culprit);
            case.first_at_end = leader(first);
            case.because.clone_from(&first.because);
            case.duplicates = hits.len() as u64 - 1;
        }
        case.told_tried = outcome.told.is_some();
        case.rank_told = outcome.told.as_deref().and_then(|ranking| position(ranking, culprit));
        self.quiet_s += case.quiet_s;
        self.open_s += case.quiet_s + to.seconds_since(from);
        self.openings += hits.len() as u64;
        self.cases.push(case);
    }

    fn quiet(&mut self, plan: &EpisodePlan, outcome: &EpisodeOutcome) {
        let quiet_s = plan.ends_at.seconds_since(plan.traces_from);
        self.quiet_s += quiet_s;
        self.open_s += quiet_s;
        for opening in own(plan, outcome) {
            self.false_alarm(plan, opening);
        }
    }

    fn failed(&mut self, plan: &EpisodePlan, kind: EpisodeKind, why: &str) {
        self.errors.push(format!("{}: {why}", plan.id));
        if kind == EpisodeKind::Fault {
            self.cases.push(CaseScore { error: Some(why.to_owned()), ..case_of(plan) });
        }
    }

    fn false_alarm(&mut self, plan: &EpisodePlan, opening: &Opening) {
        self.openings += 1;
        self.false_openings.push(FalseOpening {
            episode: plan.id.clone(),
            opened_at: opening.opened_at,
            after_start_s: opening.opened_at.seconds_since(plan.traces_from),
            first: leader(opening),
            because: opening.because.clone(),
        });
    }

    fn report(self, set: &str, services: usize) -> Report {
        let all: Vec<&CaseScore> = self.cases.iter().collect();
        let mut by_type: BTreeMap<String, Vec<&CaseScore>> = BTreeMap::new();
        for case in &self.cases {
            by_type.entry(case.fault_type.clone()).or_default().push(case);
        }
        Report {
            set: set.to_owned(),
            n: all.len(),
            told: told(&all),
            end_to_end: self.end_to_end(&all),
            by_type: by_type.into_iter().map(|(name, cases)| (name, type_score(&cases))).collect(),
            random: self.random(&all, services),
            comparators: comparators(set),
            cases: self.cases.clone(),
            false_openings: self.false_openings,
            errors: self.errors,
        }
    }

    fn end_to_end(&self, cases: &[&CaseScore]) -> EndToEnd {
        let n = cases.len() as f64;
        let detected = cases.iter().filter(|case| case.detected).count();
        let strict = cases.iter().filter(|case| case.ttd_s.is_some_and(|ttd_s| ttd_s >= 0.0)).count();
        let share = |hits: usize| if cases.is_empty() { 0.0 } else { hits as f64 / n };
        let ranks = ranks(cases, |case| case.rank_at_end);
        let false_openings = self.false_openings.len() as u64;
        let quiet_hours = self.quiet_s / 3_600.0;
        EndToEnd {
            n: cases.len(),
            detected,
            recall: share(detected),
            strict_recall: share(strict),
            false_per_hour: if quiet_hours > 0.0 { false_openings as f64 / quiet_hours } else { 0.0 },
            median_ttd_s: median_ttd(cases),
            ac1: ranks.ac1,
            ac3: ranks.ac3,
            avg5: ranks.avg5,
            at_opening: self::ranks(cases, |case| case.rank_at_opening),
            false_openings,
            quiet_hours,
            duplicates: cases.iter().map(|case| case.duplicates).sum(),
            intervals: EndToEndIntervals {
                recall: wilson(detected as f64, n),
                strict_recall: wilson(strict as f64, n),
                false_per_hour: poisson_rate(false_openings, quiet_hours),
                accuracy: ranks.intervals,
            },
        }
    }

    /// Each of as many openings falls evenly into the time in which openings were looked for; a fault is detected when
    /// at least one falls into its window.
    fn random(&self, cases: &[&CaseScore], services: usize) -> RandomComparator {
        let window_s = (EARLY_S + AFTER_LABEL_S) as f64;
        let openings = self.openings;
        let missed = if self.open_s > 0.0 { (1.0 - window_s / self.open_s).max(0.0) } else { 1.0 };
        let recall = if cases.is_empty() { 0.0 } else { 1.0 - missed.powf(openings as f64) };
        let among = |first: f64| if services > 0 { (first / services as f64).min(1.0) } else { 0.0 };
        let avg5 = (1..=5).map(|first| among(f64::from(first))).sum::<f64>() / 5.0;
        RandomComparator { openings, recall, services, ac1: among(1.0), ac3: among(3.0), avg5 }
    }
}

fn case_of(plan: &EpisodePlan) -> CaseScore {
    CaseScore {
        case: plan.label.case.clone(),
        service: plan.label.root_cause_service.clone(),
        fault_type: plan.label.fault_type.clone(),
        ..CaseScore::default()
    }
}

fn own<'a>(plan: &'a EpisodePlan, outcome: &'a EpisodeOutcome) -> impl Iterator<Item = &'a Opening> {
    outcome.openings.iter().filter(|opening| opening.environment == plan.environment)
}

/// The service that stands first at the end.
fn leader(opening: &Opening) -> Option<String> {
    best_of(&opening.at_end)
}

/// The service that stood first when it was opened.
fn first_named(opening: &Opening) -> Option<String> {
    best_of(&opening.at_opening)
}

fn best_of(ranking: &[RankedService]) -> Option<String> {
    let best = ranking.iter().max_by(|a, b| a.score.total_cmp(&b.score).then_with(|| b.service.cmp(&a.service)))?;
    Some(best.service.clone())
}

fn told(cases: &[&CaseScore]) -> Option<Accuracy> {
    cases.iter().any(|case| case.told_tried).then(|| ranks(cases, |case| case.rank_told))
}

fn ranks(cases: &[&CaseScore], rank: impl Fn(&CaseScore) -> Option<u32>) -> Accuracy {
    accuracy(&cases.iter().map(|case| rank(case)).collect::<Vec<_>>())
}

fn median_ttd(cases: &[&CaseScore]) -> Option<f64> {
    median(cases.iter().filter_map(|case| case.ttd_s).map(|ttd_s| ttd_s.max(0.0)).collect())
}

fn type_score(cases: &[&CaseScore]) -> TypeScore {
    let n = cases.len() as f64;
    let detected = cases.iter().filter(|case| case.detected).count() as f64;
    let strict = cases.iter().filter(|case| case.ttd_s.is_some_and(|ttd_s| ttd_s >= 0.0)).count() as f64;
    TypeScore {
        n: cases.len(),
        told: told(cases),
        recall: detected / n,
        strict_recall: strict / n,
        recall_interval: wilson(detected, n),
        median_ttd_s: median_ttd(cases),
        end_to_end: ranks(cases, |case| case.rank_at_end),
    }
}
