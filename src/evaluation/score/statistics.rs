//! Shares with their intervals, and positions in rankings.

use serde::Serialize;

use crate::evaluation::runner::RankedService;

/// Quantile of the normal distribution for 95 %, two-sided.
const Z: f64 = 1.959_963_984_540_054;
/// Scores closer than this are ties.
const TIE: f64 = 1e-12;

/// Wilson's score interval of `hits` in `cases` at 95 % (Wilson 1927). The whole range without cases.
pub fn wilson(hits: f64, cases: f64) -> [f64; 2] {
    if cases <= 0.0 {
        return [0.0, 1.0];
    }
    let share = (hits / cases).clamp(0.0, 1.0);
    let centre = share + Z * Z / (2.0 * cases);
    let spread = Z * (share * (1.0 - share) / cases + Z * Z / (4.0 * cases * cases)).sqrt();
    let scale = 1.0 + Z * Z / cases;
    [((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0)]
}

/// 95 % interval of a Poisson rate from `events` in `hours`, by Byar's approximation (Rothman & Boice 1979).
/// `None` without hours: nothing is known.
pub fn poisson_rate(events: u64, hours: f64) -> Option<[f64; 2]> {
    if hours <= 0.0 {
        return None;
    }
    let bound = |count: f64, sign: f64| count * (1.0 - 1.0 / (9.0 * count) + sign * Z / (3.0 * count.sqrt())).powi(3);
    let events = events as f64;
    let low = if events > 0.0 { bound(events, -1.0).max(0.0) } else { 0.0 };
    Some([low / hours, bound(events + 1.0, 1.0) / hours])
}

/// Position of a service in a ranking, from 1. Ties count against us: it stands behind all that score the same.
/// `None` when it is not suspected.
pub fn position(ranking: &[RankedService], service: &str) -> Option<u32> {
    let score = ranking.iter().filter(|ranked| ranked.service == service).map(|ranked| ranked.score).fold(0.0, f64::max);
    if score.is_nan() || score <= 0.0 {
        return None;
    }
    let ahead = ranking.iter().filter(|ranked| ranked.service != service && ranked.score >= score - TIE).count();
    u32::try_from(ahead + 1).ok()
}

/// Share of cases whose culprit was first, among the first three, and the mean over the first one to five.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Accuracy {
    pub ac1: f64,
    pub ac3: f64,
    pub avg5: f64,
    pub n: usize,
    /// Wilson, 95 %; for `avg5` as if it were a share.
    pub intervals: AccuracyIntervals,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AccuracyIntervals {
    pub ac1: [f64; 2],
    pub ac3: [f64; 2],
    pub avg5: [f64; 2],
}

/// Accuracy over all cases; a case without a position is a miss.
pub fn accuracy(positions: &[Option<u32>]) -> Accuracy {
    let cases = positions.len() as f64;
    let hits = |limit: u32| positions.iter().flatten().filter(|position| **position <= limit).count() as f64;
    let mean = (1..=5).map(hits).sum::<f64>() / 5.0;
    let share = |hits: f64| if cases > 0.0 { hits / cases } else { 0.0 };
    let intervals = AccuracyIntervals { ac1: wilson(hits(1), cases), ac3: wilson(hits(3), cases), avg5: wilson(mean, cases) };
    Accuracy { ac1: share(hits(1)), ac3: share(hits(3)), avg5: share(mean), n: positions.len(), intervals }
}

/// The upper median.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    fn ranking(list: &[(&str, f64)]) -> Vec<RankedService> {
        list.iter().map(|(service, score)| RankedService { service: (*service).to_owned(), score: *score }).collect()
    }

    #[test]
    fn wilson_gives_the_published_values() {
        // 81 of 263: Newcombe 1998, table I, example 1; 0 of 20: example 3.
        let [low, high] = wilson(81.0, 263.0);
        assert!(near(low, 0.2553) && near(high, 0.3662), "{low} {high}");
        let [low, high] = wilson(0.0, 20.0);
        assert!(near(low, 0.0) && near(high, 0.1611), "{low} {high}");
        assert_eq!(wilson(0.0, 0.0), [0.0, 1.0]);
    }

    #[test]
    fn a_rate_without_events_still_has_an_upper_bound() {
        let [low, high] = poisson_rate(0, 1.0).unwrap();
        // Exact: 0 and 3.689.
        assert!(low == 0.0 && (high - 3.689).abs() < 0.05, "{high}");
        let [low, high] = poisson_rate(10, 2.0).unwrap();
        // Exact: 4.795 and 18.39 events.
        assert!((low * 2.0 - 4.795).abs() < 0.05 && (high * 2.0 - 18.39).abs() < 0.05, "{low} {high}");
    }

    #[test]
    fn ties_and_silence_count_against_us() {
        assert_eq!(position(&ranking(&[("a", 0.9), ("b", 0.5)]), "a"), Some(1));
        assert_eq!(position(&ranking(&[("a", 0.9), ("b", 0.9), ("c", 0.9)]), "a"), Some(3));
        assert_eq!(position(&ranking(&[("a", 0.0)]), "a"), None);
        assert_eq!(position(&ranking(&[("b", 0.4)]), "a"), None);
        assert_eq!(position(&ranking(&[("a", f64::NAN)]), "a"), None);
        assert_eq!(position(&[], "a"), None);
    }

    #[test]
    fn accuracy_is_the_mean_of_its_cases() {
        let found = accuracy(&[Some(1), Some(2), Some(4), None]);
        assert_eq!((found.ac1, found.ac3, found.n), (0.25, 0.5, 4));
        // Hits within 1 … 5: 1, 2, 2, 3, 3 of 4.
        assert!(near(found.avg5, 11.0 / 20.0));
        assert_eq!(accuracy(&[]).ac1, 0.0);
    }

    #[test]
    fn the_median_of_an_even_count_is_the_upper_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(median(Vec::new()), None);
    }
}
