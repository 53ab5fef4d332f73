//! Named changes against labels. Ties count against us; "none" is an answer like any other.

use std::fmt::Write;

use serde::Serialize;

use super::{ChangeOutcome, RankedChange};
use crate::evaluation::pack::ChangeLabel;
use crate::evaluation::runner::RankedService;
use crate::evaluation::score::{Accuracy, accuracy, position, wilson};
use crate::model::Timestamp;

/// Scores closer than this are ties.
const TIE: f64 = 1e-12;
/// Of each ranking so many stand in the report.
const SHOWN: usize = 4;
/// Shortest abbreviation of a commit id.
const SHA_DIGITS_MIN: usize = 7;

/// Everything an evaluation of changes says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangesReport {
    pub set: String,
    pub n: usize,
    pub changes: ChangesFigures,
    pub comparators: Vec<ChangesComparator>,
    pub cases: Vec<ChangeCaseScore>,
    pub errors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangesFigures {
    /// Incidents whose first answer was right, "none" included.
    pub correct: usize,
    pub sha1: f64,
    pub sha1_interval: [f64; 2],
    /// Incidents that a change caused, and of these those whose change stood first.
    pub n_change: usize,
    pub correct_change: usize,
    /// Incidents that no change caused, and of these those with "none" first.
    pub n_none: usize,
    pub none_correct: usize,
    /// An innocent commit meant to mislead stood first.
    pub decoy1: usize,
    /// "None" stood first though a change did it.
    pub none_wrong: usize,
    /// Share of incidents whose first failing service stood first, and its ranking.
    pub first_failing: f64,
    pub services: Accuracy,
    /// Incidents opened before their alert fired.
    pub opened_before_alert: usize,
}

/// A quoted line: right answers of a number of cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangesComparator {
    pub name: &'static str,
    pub correct: u32,
    pub n: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChangeCaseScore {
    pub case: String,
    pub scenario: String,
    /// The guilty commit; `None` when there is none.
    pub answer: Option<String>,
    pub rank: Option<u32>,
    /// What stood first: a commit, `none`, or nothing at all.
    pub first: Option<String>,
    pub first_is_decoy: bool,
    pub service_rank: Option<u32>,
    pub opened_before_alert: bool,
    pub onset: Option<Timestamp>,
    /// The first few, and the answer.
    pub ranking: Vec<RankedChange>,
    pub services: Vec<RankedService>,
    pub error: Option<String>,
}

/// What came of one incident.
#[derive(Clone, Debug)]
pub struct ChangeResult {
    pub label: ChangeLabel,
    pub alert_at: Timestamp,
    pub outcome: Result<ChangeOutcome, String>,
}

/// Scores all incidents of a pack. One that could not be run is a miss.
pub fn score_changes(set: &str, results: &[ChangeResult]) -> ChangesReport {
    let cases: Vec<ChangeCaseScore> = results.iter().map(case_score).collect();
    let count = |wanted: &dyn Fn(&&ChangeCaseScore) -> bool| cases.iter().filter(wanted).count();
    let correct = count(&|case| case.rank == Some(1));
    let n_change = count(&|case| case.answer.is_some());
    let share = if cases.is_empty() { 0.0 } else { correct as f64 / cases.len() as f64 };
    let services = accuracy(&cases.iter().map(|case| case.service_rank).collect::<Vec<_>>());
    let changes = ChangesFigures {
        correct,
        sha1: share,
        sha1_interval: wilson(correct as f64, cases.len() as f64),
        n_change,
        correct_change: count(&|case| case.answer.is_some() && case.rank == Some(1)),
        n_none: cases.len() - n_change,
        none_correct: count(&|case| case.answer.is_none() && case.rank == Some(1)),
        decoy1: count(&|case| case.first_is_decoy),
        none_wrong: count(&|case| case.answer.is_some() && case.first.as_deref() == Some("none")),
        first_failing: services.ac1,
        services,
        opened_before_alert: count(&|case| case.opened_before_alert),
    };
    let errors = cases.iter().filter_map(|case| Some(format!("{}: {}", case.case, case.error.as_ref()?))).collect();
    ChangesReport { set: set.to_owned(), n: cases.len(), changes, comparators: comparators(set), cases, errors }
}

fn case_score(result: &ChangeResult) -> ChangeCaseScore {
    let label = &result.label;
    let base = ChangeCaseScore {
        case: label.case.clone(),
        scenario: label.scenario.clone(),
        answer: label.commit().map(str::to_owned),
        ..ChangeCaseScore::default()
    };
    let outcome = match &result.outcome {
        Ok(outcome) => outcome,
        Err(why) => return ChangeCaseScore { error: Some(why.clone()), ..base },
    };
    let leader = leader(&outcome.changes);
    ChangeCaseScore {
        rank: rank(&outcome.changes, label.commit()),
        first: leader.map(|change| change.sha.clone().unwrap_or_else(|| "none".to_owned())),
        first_is_decoy: leader.is_some_and(|change| label.decoy_deploy_commits.iter().any(|decoy| same(change, Some(decoy)))),
        service_rank: position(&outcome.services, &label.first_failing_service),
        onset: outcome.onset,
        ranking: shown(&outcome.changes, label.commit()),
        services: outcome.services.iter().take(SHOWN).cloned().collect(),
        opened_before_alert: outcome.opened_at.is_some_and(|opened_at| opened_at < result.alert_at),
        ..base
    }
}

fn shown(changes: &[RankedChange], answer: Option<&str>) -> Vec<RankedChange> {
    let shown = changes.iter().enumerate().filter(|(index, change)| *index < SHOWN || same(change, answer));
    shown.map(|(_, change)| change.clone()).collect()
}

fn same(change: &RankedChange, sha: Option<&str>) -> bool {
    match (change.sha.as_deref(), sha) {
        (None, None) => true,
        (Some(named), Some(sha)) => named == sha || (named.len() >= SHA_DIGITS_MIN && sha.starts_with(named)),
        _ => false,
    }
}

/// From 1; everything else with at least the same score stands before it. The same commit named twice counts once.
fn rank(changes: &[RankedChange], answer: Option<&str>) -> Option<u32> {
    let score = changes.iter().filter(|change| same(change, answer)).map(|change| change.score).max_by(f64::total_cmp)?;
    if score.is_nan() || score <= 0.0 {
        return None;
    }
    let mut ahead: Vec<Option<&str>> =
        changes.iter().filter(|change| !same(change, answer) && change.score >= score - TIE).map(|change| change.sha.as_deref()).collect();
    ahead.sort_unstable();
    ahead.dedup();
    u32::try_from(ahead.len() + 1).ok()
}

fn leader(changes: &[RankedChange]) -> Option<&RankedChange> {
    changes.iter().filter(|change| change.score > 0.0).max_by(|a, b| a.score.total_cmp(&b.score).then_with(|| b.sha.cmp(&a.sha)))
}

fn comparators(set: &str) -> Vec<ChangesComparator> {
    if !set.starts_with("rootcausebench") {
        return Vec::new();
    }
    vec![
        ChangesComparator { name: "keyword heuristic, development cases", correct: 2, n: 9 },
        ChangesComparator { name: "always \"none\", development cases", correct: 3, n: 9 },
        ChangesComparator { name: "prototype, development cases, written looking at them", correct: 9, n: 9 },
        ChangesComparator { name: "prototype, kept cases", correct: 7, n: 15 },
    ]
}

impl ChangesReport {
    /// The report as text for a terminal.
    pub fn to_text(&self) -> String {
        // Writing into a String cannot fail.
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let figures = &self.changes;
        let [low, high] = figures.sha1_interval;
        writeln!(text, "{}: {} incidents", self.set, self.n)?;
        writeln!(text, "first answer right     {:>3} of {:<3} {:.3} [{low:.3}, {high:.3}]", figures.correct, self.n, figures.sha1)?;
        writeln!(text, "  a change did it      {:>3} of {}", figures.correct_change, figures.n_change)?;
        writeln!(text, "  no change did it     {:>3} of {}", figures.none_correct, figures.n_none)?;
        writeln!(text, "decoy first            {:>3}", figures.decoy1)?;
        writeln!(text, "\"none\" wrongly         {:>3}", figures.none_wrong)?;
        writeln!(text, "opened before alert    {:>3}", figures.opened_before_alert)?;
        let [low, high] = figures.services.intervals.ac1;
        writeln!(text, "first failing service AC@1 {:.3} [{low:.3}, {high:.3}]", figures.services.ac1)?;
        for comparator in &self.comparators {
            writeln!(text, "quoted: {} {} of {}", comparator.name, comparator.correct, comparator.n)?;
        }
        for case in &self.cases {
            let short = |sha: Option<&str>, absent: &str| sha.map_or_else(|| absent.to_owned(), |sha| sha.chars().take(10).collect());
            let rank = case.rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string());
            let (answer, first) = (short(case.answer.as_deref(), "none"), short(case.first.as_deref(), "nothing"));
            let decoy = if case.first_is_decoy { " (decoy)" } else { "" };
            writeln!(text, "{:<14} {:<40} answer {answer:<10} rank {rank:>2} first {first}{decoy}", case.case, case.scenario)?;
        }
        self.errors.iter().try_for_each(|error| writeln!(text, "not run: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(commit: &str) -> ChangeLabel {
        ChangeLabel {
            case: "one".into(),
            root_cause_commit: commit.into(),
            first_failing_service: "cart".into(),
            decoy_deploy_commits: vec!["decoy000000".into()],
            scenario: String::new(),
        }
    }

    fn result(commit: &str, list: &[(Option<&str>, f64)]) -> ChangeResult {
        let changes =
            list.iter().map(|(sha, score)| RankedChange { sha: sha.map(str::to_owned), score: *score, factors: Vec::new() }).collect();
        let opened_at = Some(Timestamp::from_seconds(99));
        let outcome = Ok(ChangeOutcome { changes, opened_at, ..ChangeOutcome::default() });
        ChangeResult { label: label(commit), alert_at: Timestamp::from_seconds(100), outcome }
    }

    #[test]
    fn the_right_commit_first_is_right_even_abbreviated_and_named_twice() {
        let list = [(Some("guilty0"), 0.5), (Some("guilty00000"), 0.4), (None, 0.3)];
        let report = score_changes("x", &[result("guilty00000", &list)]);
        assert_eq!((report.changes.correct, report.changes.correct_change, report.changes.n_none), (1, 1, 0));
    }

    #[test]
    fn a_tie_with_none_is_no_hit() {
        let report = score_changes("x", &[result("guilty00000", &[(Some("guilty00000"), 0.5), (None, 0.5)])]);
        assert_eq!((report.cases[0].rank, report.changes.correct), (Some(2), 0));
    }

    #[test]
    fn none_decoys_and_silence_are_told_apart() {
        let results = [
            result("none", &[(None, 0.5), (Some("other"), 0.1)]),
            result("guilty00000", &[(Some("decoy000000"), 0.5), (Some("guilty00000"), 0.2)]),
            result("guilty00000", &[(None, 0.5)]),
            result("none", &[]),
            ChangeResult { outcome: Err("no disk".to_owned()), ..result("none", &[]) },
        ];
        let figures = score_changes("x", &results).changes;
        assert_eq!((figures.correct, figures.none_correct, figures.n_none), (1, 1, 3));
        assert_eq!((figures.decoy1, figures.none_wrong, figures.opened_before_alert), (1, 1, 4));
    }
}
