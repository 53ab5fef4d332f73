//! What a series must show to be unlike its past, and what it may.

use std::f64::consts::TAU;

use super::*;
use crate::engine::detect::tests::traffic::Chance;

const STEP_S: i64 = 60;

/// A series of a value a minute, and what is said of each.
fn grades(minutes: i64, value: impl Fn(i64, &mut Chance) -> f64) -> Vec<f64> {
    let (mut profile, mut chance) = (Profile::default(), Chance(7));
    (0..minutes).map(|minute| profile.step(minute * STEP_S, value(minute, &mut chance)).surprise).collect()
}

fn largest(grades: &[f64]) -> f64 {
    grades.iter().copied().fold(0.0, f64::max)
}

/// A day that swings between 20 and 100, with some noise.
fn day(minute: i64, chance: &mut Chance) -> f64 {
    60.0 + 40.0 * (TAU * minute as f64 / 1_440.0).sin() + 4.0 * (chance.unit() - 0.5)
}

#[test]
fn a_quiet_night_at_noon_is_unlike_its_past_and_a_quiet_night_is_not() {
    let (noon, missing) = (5 * 1_440 + 360, 5 * 1_440 + 420);
    let grades = grades(missing, |minute, chance| if minute < noon { day(minute, chance) } else { 20.0 + 4.0 * (chance.unit() - 0.5) });
    let before = largest(&grades[3 * 1_440..noon as usize]);
    assert!(largest(&grades[noon as usize..]) > before + 0.5, "{before}: {:?}", &grades[noon as usize..]);
}

#[test]
fn a_gauge_that_is_stuck_at_a_usual_value_is_unlike_its_past() {
    let grades = grades(1_300, |minute, chance| if minute < 1_200 { 50.0 + 10.0 * chance.unit() } else { 55.0 });
    let before = largest(&grades[..1_200]);
    assert!(largest(&grades[1_210..]) > before + 0.5, "{before}: {:?}", &grades[1_200..]);
}

#[test]
fn nothing_is_said_in_its_first_two_hundred_steps_whatever_they_are() {
    let grades = grades(200, |minute, chance| if minute < 100 { chance.unit() } else { 1e9 * chance.unit() });
    assert_eq!(largest(&grades), 0.0);
}

#[test]
fn what_is_unusual_stays_so_while_it_lasts_and_is_less_news_the_second_time() {
    let burst = |minute: i64| [1_000, 1_250].iter().any(|from| (*from..*from + 30).contains(&minute));
    let grades = grades(1_400, |minute, chance| if burst(minute) { 90.0 } else { 50.0 } + 10.0 * chance.unit());
    let lasting = grades[1_005..1_030].iter().filter(|grade| **grade >= 2.0).count();
    assert!(lasting >= 20, "{:?}", &grades[1_000..1_030]);
    assert!(largest(&grades[1_250..1_280]) < largest(&grades[1_000..1_030]));
}

#[test]
fn no_number_breaks_it() {
    let mut profile = Profile::default();
    let values = [0.0, f64::MAX, f64::MIN, 1e-300, -0.0, 1e300, f64::MIN_POSITIVE, 5.0];
    for step in 0..2_000_i64 {
        let value = values[(step * step % 8) as usize];
        let grade = profile.step(-step * 1_000_003, value);
        assert!(grade.surprise.is_finite() && grade.expected.is_finite(), "step {step}: {grade:?}");
    }
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let (mut one, mut other, mut chance) = (Profile::default(), Profile::default(), Chance(3));
    for minute in 0..3_000 {
        let value = day(minute, &mut chance);
        let bytes = postcard::to_stdvec(&other).expect("it can be stored");
        other = postcard::from_bytes(&bytes).expect("what was stored can be read");
        assert_eq!(one.step(minute * STEP_S, value), other.step(minute * STEP_S, value), "minute {minute}");
    }
}

#[test]
fn a_series_of_any_age_takes_less_than_a_kilobyte() {
    let (mut profile, mut chance) = (Profile::default(), Chance(3));
    for minute in 0..20_000 {
        profile.step(minute * STEP_S, day(minute, &mut chance) * 1e6 * chance.unit());
    }
    let bytes = postcard::to_stdvec(&profile).expect("it can be stored").len();
    println!("{bytes} bytes");
    assert!((300..=1_024).contains(&bytes), "{bytes}");
}
