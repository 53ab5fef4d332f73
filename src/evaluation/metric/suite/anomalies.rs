//! Eleven kinds of anomaly, put into a series at known times, and disturbances that are none.

use std::f64::consts::TAU;

use super::families::Family;
use super::frame::{Draft, quantile};
use super::noise::Noise;

/// Share of the series without any anomaly.
const WITHOUT: f64 = 0.25;
/// Windows of a series take this part of it together.
const WINDOWS: f64 = 0.1;
/// Anomalies are at least this part of a series apart.
const APART: f64 = 0.13;
/// Tries to find places that far apart.
const TRIES: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Some points far out.
    Spike,
    /// Values of another time of day.
    WrongTime,
    Shift,
    Ramp,
    Louder,
    Quieter,
    /// The same value again and again.
    Stuck,
    /// A day that is like a night.
    MissingDay,
    /// Its period becomes longer or shorter.
    Pace,
    /// Nothing at all.
    Zero,
    Burst,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::WrongTime => "wrong time",
            Self::Shift => "shift",
            Self::Ramp => "ramp",
            Self::Louder => "louder",
            Self::Quieter => "quieter",
            Self::Stuck => "stuck",
            Self::MissingDay => "missing day",
            Self::Pace => "pace",
            Self::Zero => "zero",
            Self::Burst => "burst",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Anomaly {
    pub kind: Kind,
    /// First and last point in which an alarm counts.
    pub window: (usize, usize),
}

/// Disturbs the series a little, then adds its anomalies. Returns them in order.
pub(super) fn add(family: Family, draft: &mut Draft, noise: &mut Noise) -> Vec<Anomaly> {
    let middle = draft.quantile(0.5);
    let reach = quantile(draft.values.iter().map(|value| (value - middle).abs()).collect(), 0.995) + 1e-9;
    disturb(family, draft, reach, noise);
    if noise.chance(WITHOUT) {
        return Vec::new();
    }
    let kinds = possible(family, draft);
    let count = draft.values.len();
    let places = places(count, noise.whole(1, 4), noise);
    let half = 5.max((WINDOWS * count as f64 / places.len().max(1) as f64 / 2.0) as usize);
    let before = draft.values.clone();
    let mut anomalies = Vec::with_capacity(places.len());
    for at in places {
        let kind = noise.one_of(&kinds);
        let place = Place { at, end: count.min(at + (noise.between(0.02, 0.06) * count as f64) as usize), reach };
        place.put(kind, draft, &before, noise);
        // A ramp is nothing yet where it begins.
        let middle = at + if kind == Kind::Ramp { (place.end - at).min(half) / 2 } else { 0 };
        anomalies.push(Anomaly { kind, window: (middle.saturating_sub(half), (middle + half).min(count - 1)) });
    }
    anomalies
}

/// What happens and is no anomaly: single points somewhat out, a slow swell, a small step.
fn disturb(family: Family, draft: &mut Draft, reach: f64, noise: &mut Noise) {
    let count = draft.values.len();
    if noise.chance(0.5) && family != Family::RareSpike {
        for _ in 0..noise.whole(1, 5) {
            let index = noise.whole(0, count);
            draft.values[index] += noise.one_of(&[-1.0, 1.0, 1.0]) * noise.between(0.4, 0.8) * reach;
        }
    }
    if noise.chance(0.3) {
        let (waves, start) = (noise.between(0.5, 3.0), noise.between(0.0, 6.0));
        let swell = |index: usize| (TAU * index as f64 / count as f64 * waves + start).sin();
        let scale = 0.5 * draft.scale;
        draft.values.iter_mut().enumerate().for_each(|(index, value)| *value += scale * swell(index));
    }
    if noise.chance(0.2) {
        let (from, step) = (noise.whole(0, count), noise.sign() * draft.scale * noise.between(0.3, 1.0));
        draft.values.iter_mut().skip(from).for_each(|value| *value += step);
    }
}

/// Kinds that would be an anomaly in this series, the likelier ones more than once.
fn possible(family: Family, draft: &Draft) -> Vec<Kind> {
    let mut kinds = vec![Kind::Spike, Kind::Shift, Kind::Shift, Kind::Ramp, Kind::Louder, Kind::Zero, Kind::Burst];
    if !draft.often_flat && !matches!(family, Family::RareSpike | Family::Quantised) {
        kinds.push(Kind::Stuck);
    }
    let uneven = [Family::RareSpike, Family::Quantised, Family::Bursty, Family::Trend, Family::Sawtooth, Family::Batch, Family::Regime];
    if !uneven.contains(&family) {
        kinds.push(Kind::Quieter);
    }
    if draft.daily {
        kinds.extend([Kind::WrongTime, Kind::WrongTime, Kind::MissingDay, Kind::MissingDay, Kind::Pace]);
    }
    if matches!(family, Family::Sawtooth | Family::Batch) {
        kinds.extend([Kind::Pace, Kind::Pace, Kind::Stuck]);
    }
    kinds
}

/// Up to `wanted` places between a fifth and the end, apart from each other, in order.
fn places(count: usize, wanted: usize, noise: &mut Noise) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::new();
    for _ in 0..TRIES {
        if places.len() == wanted {
            break;
        }
        let place = (noise.between(0.2, 0.95) * count as f64) as usize;
        if places.iter().all(|other| place.abs_diff(*other) as f64 > APART * count as f64) {
            places.push(place);
        }
    }
    places.sort_unstable();
    places
}

/// Where an anomaly is put.
struct Place {
    at: usize,
    /// One after its last point, where it has a length of its own.
    end: usize,
    /// How far the series itself goes from its middle.
    reach: f64,
}

impl Place {
    fn put(&self, kind: Kind, draft: &mut Draft, before: &[f64], noise: &mut Noise) {
        let scale = draft.scale;
        match kind {
            Kind::Spike => {
                let (width, height) = (noise.whole(1, 4), noise.sign() * self.reach * noise.between(1.3, 3.0));
                self.next(draft, width).for_each(|value| *value += height);
            }
            Kind::Shift => {
                let step = noise.sign() * scale * noise.between(3.0, 8.0);
                let until = if noise.chance(0.5) { draft.values.len() } else { self.end };
                self.next(draft, until - self.at).for_each(|value| *value += step);
            }
            Kind::Ramp => {
                let (height, stays) = (noise.sign() * scale * noise.between(5.0, 12.0), noise.chance(0.5));
                let (at, long) = (self.at, self.end - self.at);
                for (index, value) in draft.values.iter_mut().enumerate().skip(at) {
                    *value += match index - at {
                        done if done < long => height * done as f64 / long as f64,
                        _ if stays => height,
                        _ => 0.0,
                    };
                }
            }
            Kind::Louder => {
                let factor = scale * noise.between(2.0, 4.0);
                self.all(draft).for_each(|value| *value += factor * noise.normal());
            }
            Kind::Zero => {
                let (width, least) = (noise.whole(2, 21), draft.quantile(0.0) - scale);
                let nothing = if draft.never_negative { 0.0 } else { least };
                self.next(draft, width).for_each(|value| *value = nothing);
            }
            Kind::Burst => {
                let (width, height) = (noise.whole(5, 21), noise.sign() * scale * noise.between(3.0, 7.0));
                self.next(draft, width).for_each(|value| *value += height * (1.0 + 0.5 * noise.normal()));
            }
            Kind::Quieter => self.quieter(draft, before),
            Kind::Stuck => {
                let same = draft.values[self.at];
                self.all(draft).for_each(|value| *value = same);
            }
            Kind::MissingDay => {
                let low = quantile(before.to_vec(), 0.05);
                let width = draft.period;
                self.next(draft, width).for_each(|value| *value = low + 0.3 * scale * noise.normal());
            }
            Kind::WrongTime => {
                let width = 2.max((draft.period as f64 * noise.between(0.05, 0.12)) as usize);
                let (at, half) = (self.at, draft.period / 2);
                let other = |index: usize| before[(at + index + half) % before.len()];
                self.next(draft, width).enumerate().for_each(|(index, value)| *value = other(index));
            }
            Kind::Pace => {
                let (pace, at) = (noise.one_of(&[0.4, 2.2]), self.at);
                let other = |index: usize| before[(at + (index as f64 * pace) as usize).min(before.len() - 1)];
                self.all(draft).enumerate().for_each(|(index, value)| *value = other(index));
            }
        }
    }

    fn next<'a>(&self, draft: &'a mut Draft, width: usize) -> impl Iterator<Item = &'a mut f64> {
        draft.values.iter_mut().skip(self.at).take(width)
    }

    fn all<'a>(&self, draft: &'a mut Draft) -> impl Iterator<Item = &'a mut f64> {
        self.next(draft, self.end - self.at)
    }

    /// A seventh of its noise around a running mean of 21 points.
    fn quieter(&self, draft: &mut Draft, before: &[f64]) {
        let own = before.get(self.at..self.end).unwrap_or_default();
        let last = own.len() as i64 - 1;
        let mean = |index: i64| (index - 10..=index + 10).map(|near| own[near.clamp(0, last) as usize]).sum::<f64>() / 21.0;
        let quiet = |(index, value): (usize, &f64)| mean(index as i64) + 0.15 * (value - mean(index as i64));
        let quiet: Vec<f64> = own.iter().enumerate().map(quiet).collect();
        self.all(draft).zip(quiet).for_each(|(value, quiet)| *value = quiet);
    }
}
