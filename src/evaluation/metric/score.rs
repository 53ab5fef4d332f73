//! The score of the Numenta Anomaly Benchmark, standard profile.
//!
//! Lavin and Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark" (ICMLA 2015): the first
//! alarm in a window counts up to 1, less the later it comes; an alarm outside counts up to −0.11, less the sooner it follows
//! a window; a window without an alarm counts −1. The first 15 % of a series, 750 points at most, are for learning. 0 is a
//! detector that says nothing, 100 one that sees every window at its first point and nothing else.

/// Weight of an alarm outside of every window.
const FALSE_ALARM: f64 = 0.11;
const PROBATION: f64 = 0.15;
/// The probation of a longer series is that of one this long.
const PROBATION_POINTS: f64 = 5_000.0;
/// Windows behind an alarm beyond which it counts in full.
const FAR: f64 = 3.0;

/// What alarms of some series come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum of the weights.
    pub sum: f64,
    pub windows: usize,
    pub found: usize,
    pub false_points: usize,
    /// Points outside of windows and after the probation.
    pub quiet_points: usize,
}

impl Score {
    /// 0 to 100 and below; nothing without a window.
    pub fn value(&self) -> Option<f64> {
        let windows = self.windows as f64;
        (self.windows > 0).then(|| 100.0 * (self.sum + windows) / (2.0 * windows))
    }

    pub fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.windows += other.windows;
        self.found += other.found;
        self.false_points += other.false_points;
        self.quiet_points += other.quiet_points;
    }
}

/// Weight by the distance from a window's end, in windows: 1 far before, −1 far after.
fn sigmoid(distance: f64) -> f64 {
    if distance > FAR { -1.0 } else { 2.0 / (1.0 + (5.0 * distance).exp()) - 1.0 }
}

/// First point that is judged.
pub fn probation(points: usize) -> usize {
    (PROBATION * points as f64).floor().min(PROBATION * PROBATION_POINTS) as usize
}

/// Scores the alarms of one series of `points` with these windows (first and last point, in order); `alarms` in order.
pub fn score(points: usize, windows: &[(usize, usize)], alarms: &[usize]) -> Score {
    let from = probation(points);
    let judged: Vec<&(usize, usize)> = windows.iter().filter(|window| window.1 >= from).collect();
    let inside = judged.iter().map(|window| window.1 + 1 - window.0.max(from)).sum::<usize>();
    let mut score = Score { windows: judged.len(), quiet_points: points.saturating_sub(from + inside), ..Score::default() };
    let mut last_found = None;
    for &alarm in alarms.iter().filter(|alarm| **alarm >= from) {
        let window = windows.iter().position(|window| (window.0..=window.1).contains(&alarm));
        match window {
            Some(window) if last_found == Some(window) => {}
            Some(window) => {
                last_found = Some(window);
                score.found += 1;
                let (first, last) = windows[window];
                let width = (last - first + 1) as f64;
                score.sum += sigmoid(-((last - alarm + 1) as f64) / width) / sigmoid(-1.0);
            }
            None => {
                score.false_points += 1;
                let before = windows.iter().rev().find(|window| window.1 < alarm);
                let distance = before.map(|(first, last)| (alarm - last) as f64 / (last - first).max(1) as f64);
                score.sum += FALSE_ALARM * distance.map_or(-1.0, sigmoid);
            }
        }
    }
    score.sum -= (score.windows - score.found) as f64;
    score
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const POINTS: usize = 1_000;
    const WINDOWS: [(usize, usize); 2] = [(400, 499), (700, 799)];

    fn value(alarms: &[usize]) -> f64 {
        score(POINTS, &WINDOWS, alarms).value().unwrap()
    }

    #[test]
    fn silence_is_nothing_and_the_first_point_of_every_window_all() {
        assert_eq!(value(&[]), 0.0);
        assert!((value(&[400, 700]) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_late_alarm_counts_less_and_a_second_one_in_the_window_nothing() {
        assert!(value(&[490]) < value(&[450]) && value(&[450]) < value(&[400]));
        assert_eq!(value(&[400, 450, 499]), value(&[400]));
    }

    #[test]
    fn a_false_alarm_costs_a_ninth_of_a_window_at_most_and_little_just_behind_one() {
        let costs = |alarm| value(&[400, 700]) - value(&[400, alarm, 700]);
        assert!((costs(600) - 100.0 * 0.11 * 0.99 / 4.0).abs() < 0.1, "{}", costs(600));
        let before_any = value(&[400, 700]) - value(&[300, 400, 700]);
        assert!((before_any - 100.0 * 0.11 / 4.0).abs() < 1e-9, "{before_any}");
        assert!(costs(501) < 0.2, "{}", costs(501));
        assert_eq!(score(POINTS, &WINDOWS, &[300, 501]).false_points, 2);
    }

    #[test]
    fn nothing_counts_while_a_series_is_learned() {
        assert_eq!(probation(POINTS), 150);
        assert_eq!(probation(100_000), 750);
        assert_eq!(score(POINTS, &WINDOWS, &[10, 149]).false_points, 0);
        assert_eq!(score(POINTS, &[(10, 100)], &[]).value(), None, "a window of which nothing is judged is none");
    }
}
