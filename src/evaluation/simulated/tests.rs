//! Scores of made-up outcomes, computed by hand.

#![allow(clippy::unwrap_used)]

use super::*;

const START_S: i64 = 1_700_000_000;
/// After ten minutes, and for five.
const ONSET_S: i64 = START_S + 600;

fn fault(kind: &str, name: &str, change: Option<&str>) -> SimulatedFault {
    SimulatedFault {
        kind: kind.to_owned(),
        names: vec![name.to_owned(), format!("host-of-{name}")],
        change: change.map(str::to_owned),
        onset: Timestamp::from_seconds(ONSET_S),
        strength: 4.0,
        share: 0.5,
    }
}

fn episode(seed: u64, faults: Vec<SimulatedFault>) -> SimulatedEpisode {
    let (starts_at, ends_at) = (Timestamp::from_seconds(START_S), Timestamp::from_seconds(ONSET_S + 300));
    SimulatedEpisode { seed, services: 10, records: 1_000, starts_at, ends_at, faults, beside: Vec::new() }
}

fn view(after_onset_s: i64, suspects: &[(&str, f64)], changes: &[(Option<&str>, f64)], confidence: f64) -> View {
    View {
        at: Timestamp::from_seconds(ONSET_S + after_onset_s),
        suspects: suspects.iter().map(|(service, score)| RankedService { service: (*service).to_owned(), score: *score }).collect(),
        changes: changes
            .iter()
            .map(|(sha, score)| RankedChange { sha: sha.map(str::to_owned), score: *score, factors: Vec::new() })
            .collect(),
        confidence,
    }
}

fn seen(after_onset_s: i64, views: Vec<View>) -> Seen {
    Seen { opened_at: Timestamp::from_seconds(ONSET_S + after_onset_s), because: "made up".to_owned(), views }
}

fn result(episode: SimulatedEpisode, seen: Vec<Seen>, told: Option<View>) -> SimulatedResult {
    SimulatedResult { episode, outcome: Ok(SimulatedOutcome { seen, told }) }
}

#[test]
fn a_perfect_answer_scores_one_everywhere() {
    let right = view(45, &[("a", 0.9), ("b", 0.2)], &[(Some("1234567"), 0.8), (None, 0.1)], 1.0);
    let of = episode(1, vec![fault("leak", "a", Some("1234567890"))]);
    let report = score_simulated(&[result(of, vec![seen(45, vec![right.clone()])], Some(right))]);
    let end = &report.end_to_end;
    assert_eq!((report.told.ac1, end.recall, end.strict_recall, end.ac1, end.avg5), (1.0, 1.0, 1.0, 1.0, 1.0));
    assert_eq!((report.changes.ac1, report.changes.end_to_end_ac1, report.changes.sha1), (1.0, 1.0, 1));
    assert_eq!((end.median_ttd_s, end.false_per_hour, end.quiet_hours), (Some(45.0), 0.0, 600.0 / 3_600.0));
    assert_eq!((report.calibration.ece, report.by_type["leak"].recall, report.by_strength["3.07 to 7.83 times"].n), (0.0, 1.0, 1));
}

#[test]
fn silence_and_what_could_not_run_are_misses() {
    let of = |seed| episode(seed, vec![fault("leak", "a", None)]);
    let failed = SimulatedResult { episode: of(2), outcome: Err("no disk".to_owned()) };
    let report = score_simulated(&[result(of(1), Vec::new(), Some(View::default())), failed]);
    assert_eq!((report.n, report.told.ac1, report.end_to_end.recall, report.changes.ac1), (2, 0.0, 0.0, 0.0));
    assert_eq!((report.errors.len(), report.end_to_end.median_ttd_s, report.changes.none_correct), (1, None, 0));
    // Hours that nobody watched are not quiet.
    assert_eq!(report.end_to_end.quiet_hours, 600.0 / 3_600.0);
}

#[test]
fn an_opening_before_the_onset_or_without_a_fault_is_false() {
    let early = seen(-1, vec![view(-1, &[("a", 0.9)], &[], 0.9)]);
    let report = score_simulated(&[
        result(episode(1, vec![fault("leak", "a", None)]), vec![early.clone()], None),
        result(episode(2, Vec::new()), vec![early], None),
    ]);
    assert_eq!((report.n, report.seeds, report.end_to_end.recall, report.end_to_end.false_openings), (1, 2, 0.0, 2));
    assert!((report.end_to_end.false_per_hour - 2.0 / (1_500.0 / 3_600.0)).abs() < 1e-9);
    // A false opening is a wrong answer, whomever it names.
    assert!((report.calibration.ece - 0.9).abs() < 1e-9);
}

#[test]
fn the_ranking_is_read_three_minutes_on_and_ties_count_against_us() {
    let views = vec![view(30, &[("b", 0.9)], &[], 0.1), view(170, &[("a", 0.5), ("b", 0.5)], &[], 0.2), view(200, &[("a", 0.9)], &[], 0.9)];
    let report = score_simulated(&[result(episode(1, vec![fault("leak", "a", None)]), vec![seen(30, views)], None)]);
    assert_eq!((report.cases[0].rank_at_end, report.end_to_end.ac1, report.end_to_end.ac3), (Some(2), 0.0, 1.0));
    // One that opens later is read when it opens.
    let late = vec![view(240, &[("host-of-a", 0.9)], &[], 0.9)];
    let report = score_simulated(&[result(episode(1, vec![fault("leak", "a", None)]), vec![seen(240, late)], None)]);
    assert_eq!((report.end_to_end.recall, report.end_to_end.strict_recall, report.end_to_end.ac1), (1.0, 0.0, 1.0));
}

#[test]
fn two_faults_want_two_investigations() {
    let both = || episode(4, vec![fault("leak", "a", None), fault("loop", "b", None)]);
    let one = |name: &str| seen(60, vec![view(60, &[(name, 0.9)], &[], 0.9)]);
    let score = |seen| score_simulated(&[result(both(), seen, None)]).two_faults;
    let found = score(vec![one("a"), one("b")]);
    assert_eq!((found.n, found.both, found.share, found.named), (1, 1, 1.0, 2));
    let joined = score(vec![one("a")]);
    assert_eq!((joined.both, joined.named), (0, 1));
    assert_eq!(score(vec![one("a"), one("a")]).both, 0);
    assert_eq!(score_simulated(&[result(both(), vec![one("a")], None)]).n, 0, "they are not among the single faults");
}

#[test]
fn none_is_right_when_no_change_did_it_and_a_tie_is_wrong() {
    let answer = |change, changes: &[(Option<&str>, f64)]| {
        let told = view(100, &[("a", 0.9)], changes, 0.5);
        score_simulated(&[result(episode(1, vec![fault("leak", "a", change)]), Vec::new(), Some(told))]).changes
    };
    let none = answer(None, &[(None, 0.2), (Some("1234567"), 0.1)]);
    assert_eq!((none.ac1, none.none_correct, none.n_none, none.decoy1), (1.0, 1, 1, 0));
    let decoy = answer(None, &[(None, 0.2), (Some("1234567"), 0.4)]);
    assert_eq!((decoy.ac1, decoy.decoy1), (0.0, 1));
    let missed = answer(Some("1234567890"), &[(None, 0.2), (Some("1234567"), 0.1)]);
    assert_eq!((missed.ac1, missed.none_wrong), (0.0, 1));
    assert_eq!(answer(Some("1234567890"), &[(None, 0.2), (Some("1234567"), 0.2)]).ac1, 0.0);
    assert_eq!(answer(None, &[]).ac1, 0.0, "no word about changes is no answer");
}

#[test]
fn a_confidence_is_as_good_as_its_share_of_right_answers() {
    let answers: Vec<(f64, bool)> = (0..10).map(|number| (0.8, number < 6)).chain([(1.0, true)]).collect();
    let found = calibration::calibration(&answers);
    // Ten answers are .2 off, one is not off at all.
    assert!((found.ece - 10.0 * 0.2 / 11.0).abs() < 1e-9);
    assert_eq!((found.bins[8].n, found.bins[9].n, found.bins.len()), (10, 1, 10));
}

#[test]
fn the_report_has_the_agreed_names_and_its_text_every_seed() {
    let told = view(100, &[("b", 0.9)], &[(None, 0.4)], 0.5);
    let report = score_simulated(&[result(episode(7, vec![fault("leak", "a", None)]), Vec::new(), Some(told))]);
    let json = serde_json::to_value(&report).unwrap();
    for path in [
        "/set",
        "/n",
        "/told/ac1",
        "/told/avg5",
        "/end_to_end/recall",
        "/end_to_end/strict_recall",
        "/end_to_end/false_per_hour",
        "/end_to_end/ac1",
        "/end_to_end/ac3",
        "/by_type/leak/recall",
        "/by_strength",
        "/changes/sha1",
        "/changes/decoy1",
        "/changes/none_correct",
        "/changes/none_wrong",
        "/two_faults/share",
        "/calibration/bins/9/n",
        "/cases/0/seed",
    ] {
        assert!(json.pointer(path).is_some_and(|value| !value.is_null()), "{path} in {json:#}");
    }
    let text = report.to_text();
    assert!(text.contains("missed") && text.contains("told: b") && text.contains("calibration error"), "{text}");
}
