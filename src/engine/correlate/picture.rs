//! The points of a signal's chart over a whole investigation. A detector tells its newest points; what a person must see is how
//! it was before the onset, how it rose, and how it is now.

use std::collections::BTreeMap;

use crate::model::Timestamp;
use crate::model::signal::SeriesPoint;

/// Points kept of one chart.
const MAX_POINTS: usize = 72;
/// Points next to the onset on either side, and newest points, that are never thinned.
const KEPT: usize = 16;

/// Both series as one, oldest first; where both have a point, `newer` holds. Grown too long, what lies far before the onset goes
/// first, then every second point between what follows the onset and the newest.
pub fn joined(known: &[SeriesPoint], newer: &[SeriesPoint], onset: Timestamp) -> Vec<SeriesPoint> {
    let by_time: BTreeMap<Timestamp, SeriesPoint> = known.iter().chain(newer).map(|point| (point.at, *point)).collect();
    let mut points: Vec<SeriesPoint> = by_time.into_values().collect();
    if points.len() > MAX_POINTS {
        let rise = points.partition_point(|point| point.at < onset);
        points.drain(..rise.saturating_sub(KEPT).min(points.len() - MAX_POINTS));
    }
    if points.len() > MAX_POINTS {
        let rise = points.partition_point(|point| point.at < onset);
        let middle = (rise + KEPT)..points.len().saturating_sub(KEPT);
        let mut index = 0..;
        points.retain(|_| index.next().is_none_or(|index: usize| !middle.contains(&index) || (index - middle.start) % 2 == 1));
    }
    // An onset as late as the newest point leaves no middle.
    points.drain(..points.len().saturating_sub(MAX_POINTS));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value each 15 s, as a detector tells its newest 24 after `step` steps: 1 before the onset at step 30, 9 after.
    fn told(step: i64) -> Vec<SeriesPoint> {
        ((step - 24).max(0)..step).map(|at| SeriesPoint { at: time(at), value: if at < 30 { 1.0 } else { 9.0 } }).collect()
    }

    const fn time(step: i64) -> Timestamp {
        Timestamp::from_seconds(step * 15)
    }

    #[test]
    fn the_rise_stays_in_the_picture_hours_later() {
        let mut points = Vec::new();
        for step in 32..1_000 {
            points = joined(&points, &told(step), time(30));
            assert!(points.len() <= MAX_POINTS, "{} points after {step} steps", points.len());
            let before = points.iter().filter(|point| point.at < time(30)).count();
            let after = points.iter().filter(|point| point.at >= time(30) && point.at < time(46)).count();
            assert_eq!((before >= KEPT, after), (true, usize::try_from((step - 30).min(16)).unwrap_or(0)), "after {step} steps");
            assert_eq!(points.last().map(|point| point.at), Some(time(step - 1)));
            assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
        }
    }

    #[test]
    fn what_came_first_makes_no_difference_and_the_newer_value_holds() {
        let (early, late) = (told(32), told(40));
        assert_eq!(joined(&early, &late, time(30)), joined(&late, &early, time(30)));
        let corrected = [SeriesPoint { at: time(31), value: 5.0 }];
        assert_eq!(joined(&early, &corrected, time(30)).last().map(|point| point.value), Some(5.0));
    }
}
