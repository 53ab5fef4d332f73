//! Named services against root causes, and silence against quiet windows. Ties count against us.

use std::fmt::Write;

use serde::Serialize;

use super::{GraphFinding, GraphResult, QuietResult};
use crate::evaluation::runner::RankedService;
use crate::evaluation::score::{position, wilson};
use crate::model::Timestamp;

/// Everything an evaluation of issues on a call graph says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphReport {
    pub set: String,
    pub n: usize,
    pub graph: GraphFigures,
    pub comparators: Vec<GraphComparator>,
    pub cases: Vec<GraphCaseScore>,
    pub errors: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GraphFigures {
    /// Told by the alarm: the root cause stood first, or among the first three, at the issue's end.
    pub top1: f64,
    pub top3: f64,
    /// Share of quiet windows in which no investigation went on.
    pub specificity: f64,
    pub top1_interval: [f64; 2],
    pub top3_interval: [f64; 2],
    pub specificity_interval: [f64; 2],
    pub quiet_windows: usize,
    /// Issues for which an investigation was opened without the alarm, and those of them that named the root cause first.
    pub unaided_opened: usize,
    pub unaided_top1: usize,
}

/// A quoted line. What a source does not give is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphComparator {
    pub name: &'static str,
    pub top1: f64,
    pub top3: f64,
    pub specificity: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GraphCaseScore {
    pub case: String,
    pub metric: String,
    pub root_cause: String,
    pub rank: Option<u32>,
    pub first: Option<String>,
    pub unaided_opened: bool,
    pub unaided_rank: Option<u32>,
    pub error: Option<String>,
}

/// Scores all issues of a pack. One that could not be run is a miss, and so is a quiet recording.
pub fn score_graph(set: &str, issues: &[GraphResult], quiet: &[QuietResult]) -> GraphReport {
    let cases: Vec<GraphCaseScore> = issues.iter().map(case_score).collect();
    let count = |wanted: &dyn Fn(&GraphCaseScore) -> bool| cases.iter().filter(|case| wanted(case)).count();
    let within = |limit: u32| count(&|case| case.rank.is_some_and(|rank| rank <= limit));
    let windows: usize = quiet.iter().map(|quiet| quiet.windows.len()).sum();
    let silent: usize = quiet.iter().map(silent).sum();
    let share = |hits: usize, all: usize| if all == 0 { 0.0 } else { hits as f64 / all as f64 };
    let interval = |hits: usize, all: usize| wilson(hits as f64, all as f64);
    let (first, third, all) = (within(1), within(3), cases.len());
    let graph = GraphFigures {
        top1: share(first, all),
        top3: share(third, all),
        specificity: share(silent, windows),
        top1_interval: interval(first, all),
        top3_interval: interval(third, all),
        specificity_interval: interval(silent, windows),
        quiet_windows: windows,
        unaided_opened: count(&|case| case.unaided_opened),
        unaided_top1: count(&|case| case.unaided_rank == Some(1)),
    };
    let mut errors: Vec<String> = cases.iter().filter_map(|case| Some(format!("{}: {}", case.case, case.error.as_ref()?))).collect();
    errors.extend(quiet.iter().filter_map(|quiet| Some(format!("{}: {}", quiet.scenario, quiet.findings.as_ref().err()?))));
    GraphReport { set: set.to_owned(), n: all, graph, comparators: comparators(set), cases, errors }
}

fn case_score(result: &GraphResult) -> GraphCaseScore {
    let mut score = GraphCaseScore {
        case: result.case.clone(),
        metric: result.metric.clone(),
        root_cause: result.root_cause.clone(),
        ..GraphCaseScore::default()
    };
    match &result.told {
        Ok(findings) => {
            let told: &[RankedService] = findings.iter().find(|finding| finding.told).map_or(&[], |finding| &finding.services);
            score.rank = position(told, &result.root_cause);
            score.first = told.first().filter(|first| first.score > 0.0).map(|first| first.service.clone());
        }
        Err(why) => score.error = Some(why.clone()),
    }
    match &result.unaided {
        Ok(findings) => {
            let goes_on = |finding: &&GraphFinding| finding.recovered_at.is_none_or(|at| at > result.alarm_at);
            let strongest = findings.iter().find(goes_on);
            score.unaided_opened = strongest.is_some();
            score.unaided_rank = strongest.and_then(|finding| position(&finding.services, &result.root_cause));
        }
        Err(why) => score.error = Some(why.clone()),
    }
    score
}

/// Windows in which nobody is blamed.
fn silent(quiet: &QuietResult) -> usize {
    let Ok(findings) = &quiet.findings else { return 0 };
    let blames = |(from, until): (Timestamp, Timestamp)| {
        findings.iter().any(|finding| finding.opened_at <= until && finding.recovered_at.is_none_or(|at| at > from))
    };
    quiet.windows.iter().filter(|window| !blames(**window)).count()
}

fn comparators(set: &str) -> Vec<GraphComparator> {
    if !set.starts_with("petshop") {
        return Vec::new();
    }
    let quoted = |name, top1, top3, specificity| GraphComparator { name, top1, top3, specificity };
    vec![
        quoted("traversal (Hardt et al. 2023), development issues", 0.31, 0.69, None),
        quoted("ranked correlation (Hardt et al. 2023), development issues", 0.63, 0.75, None),
        quoted("prototype, development issues, written looking at them", 1.0, 1.0, Some(0.915)),
        quoted("prototype, kept issues", 0.75, 0.75, None),
    ]
}

impl GraphReport {
    /// The report as text for a terminal.
    pub fn to_text(&self) -> String {
        // Writing into a String cannot fail.
        let mut text = String::new();
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let figures = &self.graph;
        writeln!(text, "{}: {} issues, {} quiet windows", self.set, self.n, figures.quiet_windows)?;
        let shares = [
            ("told: root cause first", figures.top1, figures.top1_interval),
            ("told: among three", figures.top3, figures.top3_interval),
            ("quiet: nobody blamed", figures.specificity, figures.specificity_interval),
        ];
        for (name, share, [low, high]) in shares {
            writeln!(text, "{name:<24} {share:.3} [{low:.3}, {high:.3}]")?;
        }
        writeln!(text, "unaided: opened          {:>3} of {}, root cause first {}", figures.unaided_opened, self.n, figures.unaided_top1)?;
        for quoted in &self.comparators {
            let specificity = quoted.specificity.map_or_else(|| "–".to_owned(), |share| format!("{share:.3}"));
            writeln!(text, "quoted: {:<62} {:.2} / {:.2}, specificity {specificity}", quoted.name, quoted.top1, quoted.top3)?;
        }
        for case in &self.cases {
            let rank = |rank: Option<u32>| rank.map_or_else(|| "–".to_owned(), |rank| rank.to_string());
            let first = case.first.as_deref().unwrap_or("nothing");
            let (told, unaided) = (rank(case.rank), rank(case.unaided_rank));
            writeln!(text, "{:<24} {:<12} rank {told:>2}, unaided {unaided:>2}, first {first}", case.case, case.metric)?;
        }
        self.errors.iter().try_for_each(|error| writeln!(text, "not run: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(from_s: i64, until_s: Option<i64>, told: bool, first: &str) -> GraphFinding {
        GraphFinding {
            opened_at: Timestamp::from_seconds(from_s),
            recovered_at: until_s.map(Timestamp::from_seconds),
            told,
            services: vec![RankedService { service: first.to_owned(), score: 0.5 }],
        }
    }

    fn issue(told: Vec<GraphFinding>, unaided: Vec<GraphFinding>) -> GraphResult {
        GraphResult {
            case: "a/1".to_owned(),
            metric: "latency".to_owned(),
            root_cause: "cart".to_owned(),
            alarm_at: Timestamp::from_seconds(1_000),
            told: Ok(told),
            unaided: Ok(unaided),
        }
    }

    #[test]
    fn only_the_investigation_that_the_alarm_is_about_answers() {
        let told = vec![finding(900, None, false, "mail"), finding(1_000, None, true, "cart")];
        let report = score_graph("x", &[issue(told, vec![finding(500, Some(900), false, "cart")]), issue(Vec::new(), Vec::new())], &[]);
        assert_eq!((report.graph.top1, report.graph.top3, report.graph.unaided_opened), (0.5, 0.5, 0));
    }

    #[test]
    fn a_window_is_quiet_when_no_investigation_goes_on_in_it() {
        let window = |from_s: i64| (Timestamp::from_seconds(from_s), Timestamp::from_seconds(from_s + 100));
        let quiet = QuietResult {
            scenario: "a".to_owned(),
            windows: vec![window(0), window(100), window(200), window(300)],
            findings: Ok(vec![finding(150, Some(250), false, "cart")]),
        };
        let report = score_graph("x", &[], &[quiet.clone(), QuietResult { findings: Err("no disk".to_owned()), ..quiet }]);
        assert_eq!((report.graph.specificity, report.graph.quiet_windows, report.errors.len()), (0.25, 8, 1));
    }
}
