//! A suite of made series, to choose a metric detector's threshold by and to judge it on families it was not chosen on.
//!
//! 23 families of series as clouds, hosts, shops and sensors produce them, five variants each, any number of seeds; three
//! quarters of the series hold one to three anomalies of eleven kinds, at known times. Nothing in it knows a detector.

mod anomalies;
mod families;
mod frame;
mod more_families;
mod noise;

use noise::Noise;

pub use families::Family;

use super::MetricSeries;
use crate::model::Timestamp;

/// Variants of each family.
pub const VARIANTS: usize = 5;

/// All series of a seed.
pub fn all(seed: u64) -> Vec<MetricSeries> {
    Family::ALL.into_iter().flat_map(|family| (0..VARIANTS).map(move |variant| series(family, variant, seed))).collect()
}

/// One series, `<family>/<variant>-<seed>`: same seed, same series. There is no variant from [`VARIANTS`] on.
fn series(family: Family, variant: usize, seed: u64) -> MetricSeries {
    let name = format!("{}/{variant}-{seed}", family.name());
    let mut noise = Noise::named(&name);
    let mut draft = families::draw(family, variant, &mut noise);
    let happened = anomalies::add(family, &mut draft, &mut noise);
    draft.finish();
    MetricSeries {
        name,
        family: family.name().to_owned(),
        points: draft.times.iter().map(|at_s| Timestamp::from_seconds(*at_s)).zip(draft.values).collect(),
        windows: happened.iter().map(|anomaly| anomaly.window).collect(),
        kinds: happened.iter().map(|anomaly| anomaly.kind.name()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_series_and_another_seed_others() {
        for family in Family::ALL {
            assert_eq!(series(family, 1, 3), series(family, 1, 3));
            assert_ne!(series(family, 1, 3).points, series(family, 1, 4).points, "{}", family.name());
        }
    }

    #[test]
    fn three_quarters_hold_anomalies_of_all_kinds_inside_their_windows_and_apart() {
        let all: Vec<MetricSeries> = (0..2).flat_map(all).collect();
        let without = all.iter().filter(|series| series.windows.is_empty()).count() as f64 / all.len() as f64;
        assert!((0.1..0.4).contains(&without), "{without}");
        let kinds: BTreeSet<&str> = all.iter().flat_map(|series| series.kinds.iter().copied()).collect();
        assert_eq!(kinds.len(), 11, "{kinds:?}");
        for series in &all {
            assert!(series.points.len() >= 900 && series.points.iter().all(|(_, value)| value.is_finite()), "{}", series.name);
            assert!(series.points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{}", series.name);
            assert!(series.windows.iter().all(|(first, last)| first < last && *last < series.points.len()), "{}", series.name);
            assert!(series.windows.windows(2).all(|pair| pair[0].1 < pair[1].0), "{}: {:?}", series.name, series.windows);
        }
    }
}
