//! Times of a series, and the series while it is made.

use super::noise::Noise;

pub const DAY_S: i64 = 86_400;
/// Somewhere in 2014: all series begin within a day of it.
const EPOCH_S: i64 = 1_400_000_000;

/// When the points of a series are.
#[derive(Clone, Debug)]
pub struct Frame {
    pub times: Vec<i64>,
    pub step_s: i64,
}

impl Frame {
    pub fn new(points: usize, step_s: i64, noise: &mut Noise) -> Self {
        let start = EPOCH_S + noise.whole(0, DAY_S as usize) as i64;
        Self { times: (0..points as i64).map(|index| start + index * step_s).collect(), step_s }
    }

    /// Any length and interval.
    pub fn any(noise: &mut Noise) -> Self {
        let points = noise.whole(1_500, 8_001);
        let step_s = noise.one_of(&[60, 300, 300, 300, 1_800, 3_600]);
        Self::new(points, step_s, noise)
    }

    /// `days` at this interval, or a length from `points` where the interval is long.
    pub fn of_days(step_s: i64, days: (usize, usize), points: (usize, usize), noise: &mut Noise) -> Self {
        let length = if step_s < 1_800 { noise.whole(days.0, days.1) * (DAY_S / step_s) as usize } else { noise.whole(points.0, points.1) };
        Self::new(length, step_s, noise)
    }

    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn points_a_day(&self) -> usize {
        (DAY_S / self.step_s) as usize
    }

    /// Time of day, 0 to 1.
    pub fn day(&self, index: usize) -> f64 {
        (self.times[index] % DAY_S) as f64 / DAY_S as f64
    }

    /// Days since the first point.
    pub fn days(&self, index: usize) -> f64 {
        (self.times[index] - self.times[0]) as f64 / DAY_S as f64
    }

    pub fn is_weekend(&self, index: usize) -> bool {
        (self.times[index] / DAY_S) % 7 >= 5
    }

    /// A sine of the time of day.
    pub fn sine(&self, index: usize) -> f64 {
        (std::f64::consts::TAU * self.day(index)).sin()
    }
}

/// A series while it is made.
#[derive(Clone, Debug)]
pub struct Draft {
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    /// What counts as one deviation.
    pub scale: f64,
    /// Points of its period; of a day where it has no other.
    pub period: usize,
    pub daily: bool,
    pub never_negative: bool,
    pub whole_numbers: bool,
    /// Equal values in a row are normal.
    pub often_flat: bool,
}

impl Draft {
    pub fn new(frame: &Frame, values: Vec<f64>, scale: f64) -> Self {
        Self {
            times: frame.times.clone(),
            values,
            scale,
            period: frame.points_a_day(),
            daily: false,
            never_negative: false,
            whole_numbers: false,
            often_flat: false,
        }
    }

    #[must_use]
    pub fn daily(mut self) -> Self {
        self.daily = true;
        self
    }

    #[must_use]
    pub fn never_negative(mut self) -> Self {
        self.never_negative = true;
        self
    }

    #[must_use]
    pub fn whole_numbers(mut self) -> Self {
        self.whole_numbers = true;
        self
    }

    #[must_use]
    pub fn often_flat(mut self, is: bool) -> Self {
        self.often_flat = is;
        self
    }

    #[must_use]
    pub fn period(mut self, points: usize) -> Self {
        self.period = points;
        self
    }

    /// Lifts it above zero.
    pub fn lift(&mut self, above: f64) {
        let lowest = self.values.iter().copied().fold(0.0, f64::min);
        self.values.iter_mut().for_each(|value| *value += above - lowest);
    }

    /// The value below which `share` of them lie.
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(self.values.clone(), share)
    }

    /// What a series of its kind cannot show is taken out.
    pub fn finish(&mut self) {
        if self.never_negative {
            self.values.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        if self.whole_numbers {
            self.values.iter_mut().for_each(|value| *value = value.round());
        }
    }
}

pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((share * last as f64).round() as usize).copied().unwrap_or_default()
}

pub fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}
