//! Would thresholds that were chosen on other services, or on other kinds of fault, have done as well? Every group is left out once:
//! the thresholds are chosen on the rest and judged on it (leave-one-group-out; Stone, J. R. Stat. Soc. B 36, 1974).

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use super::{CaseScore, Report, median_ttd};

/// Bounds within which thresholds are fit for use: false openings an hour, and median seconds to detect.
const FALSE_PER_HOUR_MAX: f64 = 0.5;
const MEDIAN_TTD_MAX_S: f64 = 90.0;

/// A choice of thresholds, and what it came to on the whole pack.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Shown: `strong 8, weak 4, persist 2`.
    pub name: String,
    pub report: Report,
}

/// One group, judged with thresholds in whose choice it had no part; or all of them together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldOutGroup {
    pub group: String,
    /// Thresholds that the rest would have chosen.
    pub chosen: String,
    pub n: usize,
    pub recall: f64,
    /// True service first, 180 s after the label; an undetected fault is a miss.
    pub ac1: f64,
    pub false_openings: u64,
    pub quiet_hours: f64,
    pub median_ttd_s: Option<f64>,
}

/// The table of one way of grouping.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldOut {
    /// `service` or `fault type`.
    pub by: String,
    pub groups: Vec<HeldOutGroup>,
    pub pooled: HeldOutGroup,
}

/// What one trial came to on some of the cases.
struct Part<'a> {
    cases: Vec<&'a CaseScore>,
    false_openings: u64,
    quiet_hours: f64,
}

impl<'a> Part<'a> {
    fn of(report: &'a Report, is_in: impl Fn(&CaseScore) -> bool) -> Self {
        let cases: Vec<&CaseScore> = report.cases.iter().filter(|case| is_in(case)).collect();
        let names: BTreeSet<&str> = cases.iter().map(|case| case.case.as_str()).collect();
        // Episodes are named by their case; the quiet ones are all of one length.
        let own = |episode: &str| episode.split('/').next().is_some_and(|case| names.contains(case));
        let before_faults_s = |cases: &[&CaseScore]| cases.iter().map(|case| case.quiet_s).sum::<f64>();
        let all: Vec<&CaseScore> = report.cases.iter().collect();
        let quiet_episodes_s = (report.end_to_end.quiet_hours * 3_600.0 - before_faults_s(&all)).max(0.0);
        let share = cases.len() as f64 / all.len().max(1) as f64;
        Self {
            false_openings: report.false_openings.iter().filter(|opening| own(&opening.episode)).count() as u64,
            quiet_hours: (before_faults_s(&cases) + quiet_episodes_s * share) / 3_600.0,
            cases,
        }
    }

    fn share(&self, is_hit: impl Fn(&CaseScore) -> bool) -> f64 {
        self.cases.iter().filter(|case| is_hit(case)).count() as f64 / self.cases.len().max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.share(|case| case.detected)
    }

    fn ac1(&self) -> f64 {
        self.share(|case| case.rank_at_end == Some(1))
    }

    fn is_fit(&self) -> bool {
        let per_hour = if self.quiet_hours > 0.0 { self.false_openings as f64 / self.quiet_hours } else { 0.0 };
        per_hour <= FALSE_PER_HOUR_MAX && median_ttd(&self.cases).is_some_and(|median_s| median_s <= MEDIAN_TTD_MAX_S)
    }

    /// What is better: fit for use, then finding more, naming better, crying wolf less.
    fn merit(&self) -> [f64; 4] {
        [f64::from(u8::from(self.is_fit())), self.recall(), self.ac1(), -(self.false_openings as f64)]
    }

    fn judged(&self, group: &str, chosen: &str) -> HeldOutGroup {
        HeldOutGroup {
            group: group.to_owned(),
            chosen: chosen.to_owned(),
            n: self.cases.len(),
            recall: self.recall(),
            ac1: self.ac1(),
            false_openings: self.false_openings,
            quiet_hours: self.quiet_hours,
            median_ttd_s: median_ttd(&self.cases),
        }
    }
}

/// Leaves each group out once. Of trials that are equally good on the rest the first is chosen. `None` without trials.
pub fn held_out(trials: &[Trial], by: &str, group_of: impl Fn(&CaseScore) -> &str) -> Option<HeldOut> {
    let names: BTreeSet<String> = trials.first()?.report.cases.iter().map(|case| group_of(case).to_owned()).collect();
    let mut groups = Vec::new();
    let mut pooled = Part { cases: Vec::new(), false_openings: 0, quiet_hours: 0.0 };
    for name in names {
        let merit = |trial: &Trial| Part::of(&trial.report, |case| group_of(case) != name).merit();
        let mut best = trials.first()?;
        for trial in trials {
            if merit(trial).partial_cmp(&merit(best)).is_some_and(std::cmp::Ordering::is_gt) {
                best = trial;
            }
        }
        let part = Part::of(&best.report, |case| group_of(case) == name);
        groups.push(part.judged(&name, &best.name));
        pooled.cases.extend(part.cases);
        pooled.false_openings += part.false_openings;
        pooled.quiet_hours += part.quiet_hours;
    }
    Some(HeldOut { by: by.to_owned(), groups, pooled: pooled.judged("all", "") })
}

impl HeldOut {
    /// The table for a terminal.
    pub fn to_text(&self) -> String {
        let by = format!("left out: {}", self.by);
        let mut text = format!("{by:<28} {:>3} {:>7} {:>6} {:>6} {:>9}  chosen on the rest\n", "n", "recall", "AC@1", "false", "median s");
        for group in self.groups.iter().chain([&self.pooled]) {
            let median = group.median_ttd_s.map_or_else(|| "–".to_owned(), |median_s| format!("{median_s:.0}"));
            let HeldOutGroup { group, chosen, n, recall, ac1, false_openings, .. } = group;
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{group:<28} {n:>3} {recall:>7.3} {ac1:>6.3} {false_openings:>6} {median:>9}  {chosen}");
        }
        text
    }
}
