//! Scores of made-up outcomes, computed by hand.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::evaluation::calendar::{Day, StressRun};
use crate::evaluation::pack::Label;
use crate::evaluation::runner::RankedService;

const LABEL_S: i64 = 1_700_000_000;

fn label(case: &str, service: &str) -> Label {
    Label {
        case: case.to_owned(),
        day: "day".to_owned(),
        inject_time_unix: LABEL_S,
        root_cause_service: service.to_owned(),
        root_cause_pod: String::new(),
        fault_type: "cpu".to_owned(),
        fault_duration_s: 180,
    }
}

/// Traffic from 375 s before the label: 300 s in which an opening is false, then the window.
fn fault(case: &str, service: &str) -> EpisodePlan {
    let at = Timestamp::from_seconds(LABEL_S);
    EpisodePlan {
        id: format!("{case}/fault"),
        kind: EpisodeKind::Fault,
        label: label(case, service),
        day: "day".to_owned(),
        environment: "recorded".to_owned(),
        metrics_from: at.plus_seconds(-1_875),
        traces_from: at.plus_seconds(-375),
        own_from: at.plus_seconds(-75),
        label_at: Some(at),
        ends_at: at.plus_seconds(180),
    }
}

fn quiet(case: &str) -> EpisodePlan {
    let from = Timestamp::from_seconds(LABEL_S + 10_000);
    EpisodePlan {
        id: format!("{case}/quiet"),
        kind: EpisodeKind::Quiet,
        metrics_from: from.plus_seconds(-1_500),
        traces_from: from,
        own_from: from.plus_seconds(480),
        label_at: None,
        ends_at: from.plus_seconds(480),
        ..fault(case, "a")
    }
}

fn ranking(list: &[(&str, f64)]) -> Vec<RankedService> {
    list.iter().map(|(service, score)| RankedService { service: (*service).to_owned(), score: *score }).collect()
}

fn opening(after_label_s: i64, services: &[(&str, f64)]) -> Opening {
    Opening {
        opened_at: Timestamp::from_seconds(LABEL_S + after_label_s),
        environment: "recorded".to_owned(),
        at_opening: ranking(services),
        at_end: ranking(services),
        because: "made up".to_owned(),
    }
}

fn result(plan: EpisodePlan, openings: Vec<Opening>) -> EpisodeResult {
    EpisodeResult { plan, outcome: Ok(EpisodeOutcome { openings, told: None }) }
}

fn scored(results: &[EpisodeResult]) -> Report {
    score("made-up", &Calendar::default(), 10, results)
}

#[test]
fn a_perfect_run_scores_one_everywhere() {
    let first = [("a", 0.9), ("b", 0.2)];
    let mut results = vec![result(fault("one", "a"), vec![opening(20, &first)]), result(quiet("one"), vec![])];
    results[0].outcome.as_mut().unwrap().told = Some(ranking(&first));
    let report = scored(&results);
    let end = &report.end_to_end;
    assert_eq!((end.recall, end.strict_recall, end.ac1, end.ac3, end.avg5), (1.0, 1.0, 1.0, 1.0, 1.0));
    assert_eq!((end.false_per_hour, end.median_ttd_s, end.duplicates), (0.0, Some(20.0), 0));
    assert_eq!(report.told.unwrap().ac1, 1.0);
    assert_eq!(end.quiet_hours, (300.0 + 480.0) / 3_600.0);
    assert_eq!(report.by_type["cpu"].recall, 1.0);
}

#[test]
fn a_silent_run_misses_everything_and_raises_nothing() {
    let report = scored(&[result(fault("one", "a"), vec![]), result(quiet("one"), vec![])]);
    let end = &report.end_to_end;
    assert_eq!((end.recall, end.ac1, end.avg5, end.false_per_hour, end.median_ttd_s), (0.0, 0.0, 0.0, 0.0, None));
    assert_eq!((report.told, report.random.recall), (None, 0.0));
}

#[test]
fn a_tie_for_the_first_place_is_a_second_place() {
    let report = scored(&[result(fault("one", "a"), vec![opening(0, &[("a", 0.5), ("b", 0.5)])])]);
    assert_eq!((report.cases[0].rank_at_end, report.end_to_end.ac1, report.end_to_end.ac3), (Some(2), 0.0, 1.0));
    // Within the first 2, 3, 4 and 5, not within the first.
    assert_eq!(report.end_to_end.avg5, 0.8);
}

#[test]
fn an_opening_up_to_75_s_early_counts_but_not_strictly() {
    let early = |at_s| scored(&[result(fault("one", "a"), vec![opening(at_s, &[("a", 0.5)])])]);
    let report = early(-75);
    assert_eq!((report.end_to_end.recall, report.end_to_end.strict_recall, report.end_to_end.median_ttd_s), (1.0, 0.0, Some(0.0)));
    assert_eq!(report.end_to_end.false_openings, 0);
    let report = early(-76);
    assert_eq!((report.end_to_end.recall, report.end_to_end.false_openings), (0.0, 1));
    // One false opening in 300 s.
    assert!((report.end_to_end.false_per_hour - 12.0).abs() < 1e-9);
    let late = early(181);
    assert_eq!((late.end_to_end.recall, late.end_to_end.false_openings), (0.0, 0));
}

#[test]
fn further_openings_of_a_fault_are_duplicates_and_the_first_one_is_judged() {
    let openings = vec![opening(90, &[("a", 0.9)]), opening(30, &[("b", 0.9), ("a", 0.1)]), opening(120, &[("a", 0.9)])];
    let report = scored(&[result(fault("one", "a"), openings)]);
    assert_eq!((report.end_to_end.duplicates, report.cases[0].ttd_s, report.cases[0].rank_at_end), (2, Some(30.0), Some(2)));
    assert_eq!(report.cases[0].first_at_end.as_deref(), Some("b"));
    let together = vec![opening(30, &[("a", 0.9)]), opening(30, &[("b", 0.9)])];
    assert_eq!(scored(&[result(fault("one", "a"), together)]).cases[0].rank_at_end, None, "the worse of two at once counts");
}

#[test]
fn every_opening_of_a_quiet_episode_is_false() {
    let report =
        scored(&[result(fault("one", "a"), vec![]), result(quiet("one"), vec![opening(10_010, &[("a", 0.5)]), opening(8_600, &[])])]);
    assert_eq!((report.end_to_end.false_openings, report.false_openings[0].first.as_deref()), (2, Some("a")));
    assert!((report.end_to_end.false_per_hour - 2.0 / (780.0 / 3_600.0)).abs() < 1e-9);
}

#[test]
fn real_trouble_in_the_metrics_before_an_episode_is_no_false_alarm() {
    let run = |from_s, to_s| StressRun { from_s: LABEL_S + from_s, to_s: LABEL_S + to_s, service: "b".into() };
    let faults = vec![(LABEL_S - 700, "b".to_owned())];
    let day = Day { labels: vec![LABEL_S, LABEL_S - 1_500], faults, stress: vec![run(-1_000, -900)], evenings: vec![] };
    let calendar = Calendar { days: [("day".to_owned(), day)].into() };
    let named = |after_label_s, service| {
        let results = [result(fault("one", "a"), vec![opening(after_label_s, &[(service, 0.9)])])];
        score("made-up", &calendar, 10, &results).end_to_end.false_openings
    };
    let count = |after_label_s| named(after_label_s, "c");
    assert_eq!(count(-1_300), 0, "another labelled fault acts");
    assert_eq!(count(-950), 0, "an unlabelled CPU run acts");
    assert_eq!(count(-1_700), 1, "nothing is known of this one");
    assert_eq!(count(-300), 1, "it opened during the drawn traffic");
    assert_eq!(named(-300, "b"), 0, "a labelled fault of that service acts in the real metrics");
}

#[test]
fn an_episode_that_cannot_run_is_a_miss_and_says_why() {
    let failed = |plan| EpisodeResult { plan, outcome: Err("no disk".to_owned()) };
    let report = scored(&[failed(fault("one", "a")), failed(quiet("one")), result(fault("two", "a"), vec![opening(5, &[("a", 1.0)])])]);
    assert_eq!((report.n, report.end_to_end.recall, report.errors.len()), (2, 0.5, 2));
    assert_eq!(report.cases[0].error.as_deref(), Some("no disk"));
    assert_eq!(report.end_to_end.quiet_hours, 300.0 / 3_600.0, "hours that nobody watched are not quiet");
}

#[test]
fn openings_of_another_environment_belong_to_another_episode() {
    let elsewhere = Opening { environment: "staging".to_owned(), ..opening(5, &[("a", 1.0)]) };
    assert_eq!(scored(&[result(fault("one", "a"), vec![elsewhere])]).end_to_end.recall, 0.0);
}

#[test]
fn chance_is_computed_from_the_same_number_of_openings() {
    let report = scored(&[result(fault("one", "a"), vec![opening(-100, &[]), opening(5, &[("a", 1.0)])]), result(quiet("one"), vec![])]);
    // Two openings into 300 + 255 + 480 s; a window of 255 s.
    let expected = 1.0 - (1.0 - 255.0 / 1_035.0_f64).powi(2);
    assert_eq!(report.random.openings, 2);
    assert!((report.random.recall - expected).abs() < 1e-12);
    assert_eq!((report.random.ac1, report.random.ac3, report.random.avg5), (0.1, 0.3, 0.3));
}

#[test]
fn the_report_has_the_agreed_names() {
    let mut results = vec![result(fault("one", "a"), vec![opening(20, &[("a", 0.9)])])];
    results[0].outcome.as_mut().unwrap().told = Some(ranking(&[("b", 0.9)]));
    let json = serde_json::to_value(scored(&results)).unwrap();
    for path in [
        "/set",
        "/n",
        "/told/ac1",
        "/told/ac3",
        "/told/avg5",
        "/end_to_end/recall",
        "/end_to_end/strict_recall",
        "/end_to_end/false_per_hour",
        "/end_to_end/median_ttd_s",
        "/end_to_end/ac1",
        "/end_to_end/ac3",
        "/end_to_end/avg5",
        "/end_to_end/intervals/ac1/1",
        "/by_type/cpu/recall",
        "/cases/0/case",
    ] {
        assert!(json.pointer(path).is_some_and(|value| !value.is_null()), "{path} in {json:#}");
    }
    assert_eq!(json["told"]["ac1"], 0.0);
    assert_eq!(json["end_to_end"]["recall"], 1.0);
}

#[test]
fn the_table_shows_every_case_with_its_interval() {
    let text = scored(&[result(fault("one", "a"), vec![opening(-200, &[("b", 0.9)])]), result(quiet("one"), vec![])]).to_text();
    for part in ["one ", "missed", "0.000", "[0.000, 0.793]", "chance", "false: one/fault +175 s, b: made up"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn thresholds_chosen_on_the_other_services_are_judged_on_the_one_left_out() {
    let hit = |service: &'static str| vec![opening(20, &[(service, 0.9)])];
    // "bold" finds all but opens falsely in a's quiet time; "calm" misses b.
    let bold = scored(&[
        result(fault("one", "a"), hit("a")),
        result(quiet("one"), vec![opening(10_100, &[("a", 0.9)])]),
        result(fault("two", "b"), hit("b")),
        result(quiet("two"), vec![]),
        result(fault("three", "c"), hit("c")),
        result(quiet("three"), vec![]),
    ]);
    let calm = scored(&[
        result(fault("one", "a"), hit("a")),
        result(quiet("one"), vec![]),
        result(fault("two", "b"), vec![]),
        result(quiet("two"), vec![]),
        result(fault("three", "c"), hit("c")),
        result(quiet("three"), vec![]),
    ]);
    let trial = |name: &str, report: Report| Trial { name: name.to_owned(), report };
    let table = held_out(&[trial("calm", calm), trial("bold", bold)], "service", |case| &case.service).unwrap();
    let row = |name: &str| table.groups.iter().find(|group| group.group == name).unwrap();
    // Without a, nothing speaks against the bold one; its false opening is a's own then.
    assert_eq!((row("a").chosen.as_str(), row("a").recall, row("a").false_openings), ("bold", 1.0, 1));
    // With a among those who choose, one false opening in less than half an hour is too many.
    assert_eq!((row("b").chosen.as_str(), row("b").recall), ("calm", 0.0));
    assert_eq!((row("c").chosen.as_str(), row("c").ac1), ("calm", 1.0));
    assert_eq!((table.pooled.n, table.pooled.false_openings), (3, 1));
    assert!((table.pooled.recall - 2.0 / 3.0).abs() < 1e-12);
    assert!((row("a").quiet_hours - 780.0 / 3_600.0).abs() < 1e-12, "{}", row("a").quiet_hours);
    assert!(table.to_text().contains("bold"), "{}", table.to_text());
}
