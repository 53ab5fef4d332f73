//! How unusual a series is, measured by what it has shown itself: in level, noise and shape, for minutes and for hours.
//!
//! Six weak views of the same series, each a size: how far the errors of its expectation are on one side for 12 steps and for 48,
//! how large they are over 16, how quiet it has become, how long it repeats itself, and how unlike anything in a small memory of
//! its past. Each view is measured by its own quantiles; what counts is a power mean of how far out they are. No view and no
//! yardstick is shared between series.
//!
//! How often a series nothing is wrong with is that unusual was measured on made series (`whydunit evaluate --set metric-suite`):
//! an alarm at 0.4 or above begins within six of its steps once in a hundred times, and the square of the distance counts. That is
//! its surprise. It is a hint, and weak evidence at most.

mod expectation;
mod memory;
mod quantile;

use serde::{Deserialize, Serialize};

use expectation::Expectation;
use memory::Memory;
pub use quantile::OwnQuantiles;

const VIEWS: usize = 6;
/// Steps before anything is measured, and as many more before anything is said.
const LEARNING: u32 = 100;
/// Usual sizes are means over about this many steps.
const USUAL_OVER: f64 = 1_000.0;
/// A noise below this part of the series' spread counts as that, in measuring an error and in comparing situations.
const LEAST_NOISE: f64 = 0.01;
const LEAST_SCALE: f64 = 0.05;
/// Between a mean (1) and the largest of the views (∞).
const POWER: f64 = 1.5;
/// The bar rises with the logarithm of a series' age: the longer it is watched, the more it may show by chance.
const RISE: f64 = 0.3;
const AGES: std::ops::RangeInclusive<f64> = 200.0..=20_000.0;
const MIDDLE_AGE: f64 = 2_000.0;
/// From here on it is unusual.
const UNUSUAL: f64 = 0.5;
/// Steps for which what was unusual once stays so unpunished.
const REST: u32 = 100;
/// After that, a series that was unusual lately must be that much more so, fading over as many steps.
const HABIT: f64 = 0.5;
const HABIT_OVER: f64 = 300.0;
/// Unusualness and its surprise, as measured; and what ten times that adds.
const MEASURED: (f64, f64) = (0.4, 2.0);
const TENFOLD: f64 = 2.0;
/// Larger values count as this: their squares must be numbers.
const LARGEST: f64 = 1e30;

/// What a step says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// −log10 p, 0 while it learns.
    pub surprise: f64,
    /// What was expected instead.
    pub expected: f64,
}

/// State of one series: about 650 bytes after a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    steps: u32,
    /// The first value. All others are kept as distances from it, so that four bytes are enough.
    origin: f64,
    last: f64,
    expectation: Expectation,
    /// Means: of the size of values, of the distance from the slow mean, of errors, and of differences.
    size: f32,
    mean: f32,
    spread: f32,
    error: f32,
    difference: f32,
    /// Signed errors over 4, 12, 16 and 48 steps; sizes of errors and of differences over 16.
    drift: [f32; 4],
    error_16: f32,
    difference_16: f32,
    repeats: u32,
    memory: Memory,
    quantiles: [OwnQuantiles; VIEWS],
    /// What is demanded on top because of earlier alarms, and the step of the last one.
    habit: f32,
    told: Option<u32>,
}

const DRIFT_OVER: [f64; 4] = [4.0, 12.0, 16.0, 48.0];

fn surprise_of(unusual: f64) -> f64 {
    let (measured, surprise) = MEASURED;
    if unusual > 0.0 { (surprise + TENFOLD * (unusual / measured).log10()).max(0.0) } else { 0.0 }
}

fn towards(mean: &mut f32, value: f64, rate: f64) {
    *mean = (f64::from(*mean) + rate * (value - f64::from(*mean))) as f32;
}

impl Profile {
    /// How unusual the series is with this step.
    pub fn step(&mut self, at_s: i64, value: f64) -> Grade {
        let value = value.clamp(-LARGEST, LARGEST);
        let seen = self.steps;
        if seen == 0 {
            (self.origin, self.last) = (value, value);
        }
        let (views, error) = self.views(at_s, value);
        self.steps = seen.saturating_add(1);
        let Some(measured) = seen.checked_sub(LEARNING) else { return Grade::default() };
        let exponents = self.quantiles.iter_mut().zip(views).map(|(quantiles, view)| quantiles.exponent(view, measured));
        let mean = exponents.map(|exponent| exponent.powf(POWER)).sum::<f64>() / VIEWS as f64;
        if measured <= LEARNING {
            return Grade::default();
        }
        let age = f64::from(seen).clamp(*AGES.start(), *AGES.end());
        let unusual = self.habituate(mean.powf(1.0 / POWER) - RISE * (age / MIDDLE_AGE).log10());
        Grade { surprise: surprise_of(unusual), expected: value - error }
    }

    /// Less by what is demanded because of earlier alarms.
    fn habituate(&mut self, unusual: f64) -> f64 {
        self.habit = (f64::from(self.habit) * (-1.0 / HABIT_OVER).exp()) as f32;
        let rests_for = self.told.map(|told| self.steps - told).filter(|since| *since <= REST);
        // The alarm that it rests from is not held against it yet.
        let own = rests_for.map_or(0.0, |since| HABIT * (-f64::from(since) / HABIT_OVER).exp());
        let unusual = unusual - (f64::from(self.habit) - own).max(0.0);
        if unusual >= UNUSUAL && rests_for.is_none() {
            self.told = Some(self.steps);
            self.habit = (f64::from(self.habit) + HABIT) as f32;
        }
        unusual
    }

    /// The sizes of the views, and how far the value is from what was expected.
    fn views(&mut self, at_s: i64, value: f64) -> ([f64; VIEWS], f64) {
        let seen = self.steps;
        let newest = 1.0 / (f64::from(seen) + 1.0);
        let rate = newest.max(1.0 / USUAL_OVER);
        towards(&mut self.size, value.abs(), rate);
        // Keeps every division defined, in the unit of the series.
        let tiny = 1e-9 * f64::from(self.size) + 1e-30;
        let away = value - self.origin;
        let error = self.expectation.error(at_s, away, tiny, seen);
        let difference = value - self.last;
        let same = seen > 0 && difference.abs() <= 1e-9 * value.abs();
        self.repeats = if same { self.repeats.saturating_add(1) } else { 0 };
        for (drift, over) in self.drift.iter_mut().zip(DRIFT_OVER) {
            towards(drift, error, 1.0 / over);
        }
        towards(&mut self.error_16, error.abs(), 1.0 / 16.0);
        towards(&mut self.difference_16, difference.abs(), 1.0 / 16.0);
        let drift = self.drift.map(f64::from);
        let (error_16, difference_16) = (f64::from(self.error_16), f64::from(self.difference_16));
        // Measured by what was usual before this step.
        let least = LEAST_NOISE * f64::from(self.spread) + tiny;
        let noise = f64::from(self.error) + least;
        let calm = ((f64::from(self.difference) + least) / (difference_16 + least)).ln().max(0.0);
        towards(&mut self.mean, away, rate);
        towards(&mut self.spread, (away - f64::from(self.mean)).abs(), rate);
        towards(&mut self.error, error.abs(), rate);
        towards(&mut self.difference, difference.abs(), rate);
        self.last = value;
        let least = LEAST_SCALE * f64::from(self.spread) + tiny;
        let scale = f64::from(self.error) + least;
        let livelier = ((difference_16 + least) / (f64::from(self.difference) + least)).ln();
        let situation = [(error / scale).asinh(), (2.0 * drift[0] / scale).asinh(), (4.0 * drift[2] / scale).asinh(), livelier];
        let unlike = self.memory.distance(situation, seen);
        let views = [drift[1].abs() / noise, drift[3].abs() / noise, error_16 / noise, calm, f64::from(self.repeats) + 0.5, unlike];
        (views, error)
    }
}

#[cfg(test)]
mod tests;
