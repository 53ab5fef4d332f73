//! Fifteen families: what metrics look like that nothing is wrong with.

use std::f64::consts::TAU;

use super::frame::{Draft, Frame, deviation, quantile};
use super::more_families;
use super::noise::Noise;

/// Series made in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Flat,
    Heavy,
    Bursty,
    Sawtooth,
    DaySharp,
    DaySmooth,
    Weekly,
    Trend,
    RareSpike,
    Quantised,
    Missing,
    Regime,
    Latency,
    Sensor,
    Batch,
    Queue,
    Ratio,
    Duty,
    Multiplied,
    Clustered,
    Heap,
    Hourly,
    Bimodal,
}

impl Family {
    pub const ALL: [Self; 23] = [
        Self::Flat,
        Self::Heavy,
        Self::Bursty,
        Self::Sawtooth,
        Self::DaySharp,
        Self::DaySmooth,
        Self::Weekly,
        Self::Trend,
        Self::RareSpike,
        Self::Quantised,
        Self::Missing,
        Self::Regime,
        Self::Latency,
        Self::Sensor,
        Self::Batch,
        Self::Queue,
        Self::Ratio,
        Self::Duty,
        Self::Multiplied,
        Self::Clustered,
        Self::Heap,
        Self::Hourly,
        Self::Bimodal,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Heavy => "heavy",
            Self::Bursty => "bursty",
            Self::Sawtooth => "sawtooth",
            Self::DaySharp => "day-sharp",
            Self::DaySmooth => "day-smooth",
            Self::Weekly => "weekly",
            Self::Trend => "trend",
            Self::RareSpike => "rare-spike",
            Self::Quantised => "quantised",
            Self::Missing => "missing",
            Self::Regime => "regime",
            Self::Latency => "latency",
            Self::Sensor => "sensor",
            Self::Batch => "batch",
            Self::Queue => "queue",
            Self::Ratio => "ratio",
            Self::Duty => "duty",
            Self::Multiplied => "multiplied",
            Self::Clustered => "clustered",
            Self::Heap => "heap",
            Self::Hourly => "hourly",
            Self::Bimodal => "bimodal",
        }
    }
}

/// Deviation and mean of a series of any size.
pub(super) fn size(noise: &mut Noise) -> (f64, f64) {
    let scale = 10f64.powf(noise.between(-1.0, 2.0));
    (scale, scale * noise.between(3.0, 30.0))
}

/// A series of the family with nothing wrong in it.
pub(super) fn draw(family: Family, variant: usize, noise: &mut Noise) -> Draft {
    match family {
        Family::Flat => flat(variant, noise),
        Family::Heavy => heavy(variant, noise),
        Family::Bursty => bursty(variant, noise),
        Family::Sawtooth => sawtooth(variant, noise),
        Family::DaySharp => day_sharp(variant, noise),
        Family::DaySmooth => day_smooth(variant, noise),
        Family::Weekly => weekly(variant, noise),
        Family::Trend => trend(variant, noise),
        Family::RareSpike => rare_spike(variant, noise),
        Family::Quantised => quantised(variant, noise),
        Family::Missing => missing(variant, noise),
        Family::Regime => regime(variant, noise),
        Family::Latency => latency(variant, noise),
        Family::Sensor => sensor(variant, noise),
        Family::Batch => batch(variant, noise),
        Family::Queue => more_families::queue(variant, noise),
        Family::Ratio => more_families::ratio(variant, noise),
        Family::Duty => more_families::duty(variant, noise),
        Family::Multiplied => more_families::multiplied(variant, noise),
        Family::Clustered => more_families::clustered(variant, noise),
        Family::Heap => more_families::heap(variant, noise),
        Family::Hourly => more_families::hourly(variant, noise),
        Family::Bimodal => more_families::bimodal(variant, noise),
    }
}

/// A level with noise, white or remembering.
fn flat(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let values = noise.drifting(frame.len(), [0.0, 0.0, 0.5, 0.8, 0.95][variant], scale);
    let draft = Draft::new(&frame, values.into_iter().map(|value| mean + value).collect(), scale);
    if variant.is_multiple_of(2) { draft.never_negative() } else { draft }
}

/// A level with heavy tails.
fn heavy(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let mut last = [0.0; 5];
    let value = |index: usize| {
        let off = match variant {
            0 => noise.student(3.0),
            1 => noise.laplace(),
            2 => noise.student(2.2),
            3 => {
                last.rotate_left(1);
                last[4] = noise.student(3.0);
                last.iter().sum::<f64>() / 2.2
            }
            _ => noise.student(4.0) * (1.0 + 0.5 * frame.sine(index)),
        };
        mean + scale * off
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), scale)
}

/// Counts with bursts that come and go.
fn bursty(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, _) = size(noise);
    let (begins, ends) = [(0.02, 0.2), (0.05, 0.3), (0.01, 0.05), (0.1, 0.5), (0.03, 0.1)][variant];
    let swing = if variant % 2 == 1 { 0.3 } else { 0.0 };
    let mut on = false;
    let value = |index: usize| {
        on = if on { !noise.chance(ends) } else { noise.chance(begins) };
        let burst = if on { 15.0 * noise.gamma(2.0) } else { 0.0 };
        scale * noise.poisson((4.0 + burst) * (1.0 + swing * frame.sine(index)))
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), 6.0 * scale).never_negative()
}

/// What fills up and is emptied: a heap, a buffer, a log before it rotates.
fn sawtooth(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let period = noise.whole(15, 250);
    let height = scale * noise.between(5.0, 15.0);
    let mut phase = 0.0;
    let value = |_| {
        phase += (1.0 + if variant > 0 { 0.3 * noise.normal() } else { 0.0 }) / period as f64;
        if phase >= 1.0 + if variant > 1 { 0.15 * noise.normal() } else { 0.0 } {
            phase = if variant < 4 { 0.0 } else { noise.between(0.0, 0.2) };
        }
        mean + height * if variant == 3 { 1.0 - phase } else { phase } + 0.6 * scale * noise.normal()
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), scale).never_negative().period(period)
}

/// Open and closed: a shop, an office, a nightly machine.
fn day_sharp(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::of_days([300, 300, 1_800, 3_600, 300][variant], (14, 21), (1_500, 4_500), noise);
    let (scale, mean) = size(noise);
    let (one, other) = (noise.between(0.05, 0.95), noise.between(0.05, 0.95));
    let (opens, closes) = (one.min(other), one.max(other).max(one.min(other) + 0.15));
    let height = scale * noise.between(6.0, 20.0);
    let jitter = if variant == 1 || variant == 4 { 1.0 } else { 0.0 };
    let days: Vec<(f64, f64)> = (0..400).map(|_| (0.01 * jitter * noise.normal(), 1.0 + 0.1 * jitter * noise.normal())).collect();
    let value = |index: usize| {
        let (shift, factor) = days[frame.days(index) as usize % days.len()];
        let hour = frame.day(index) + shift;
        let open = if hour > opens && hour < closes { height * factor } else { 0.0 };
        let job = if variant.is_multiple_of(2) && variant > 0 && hour > 0.5 && hour < 0.52 { 0.4 * height } else { 0.0 };
        mean + open + job + scale * [0.3, 1.0, 1.0, 1.0, 0.05][variant] * noise.normal()
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), scale).daily().never_negative()
}

/// A smooth day, drifting or of changing height.
fn day_smooth(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::of_days([300, 300, 1_800, 3_600, 300][variant], (14, 21), (1_500, 4_500), noise);
    let (scale, mean) = size(noise);
    let height = scale * noise.between(3.0, 12.0);
    let (start, second) = (noise.share(), noise.between(0.0, 6.0));
    let drift = [0.0, 0.003, 0.0, 0.002, 0.0][variant];
    let rest = noise.drifting(frame.len(), [0.3, 0.7, 0.5, 0.5, 0.9][variant], scale);
    let value = |index: usize| {
        let phase = TAU * (frame.day(index) + drift * frame.days(index) + start);
        mean + height * (phase.sin() + 0.4 * (2.0 * phase + second).sin()) + rest[index]
    };
    let mut draft = Draft::new(&frame, (0..frame.len()).map(value).collect(), scale).daily().never_negative();
    draft.lift(scale);
    if variant == 4 {
        let days: Vec<f64> = (0..400).map(|_| 1.0 + 0.15 * noise.normal()).collect();
        draft.values.iter_mut().enumerate().for_each(|(index, value)| *value *= days[frame.days(index) as usize % days.len()]);
    }
    draft
}

/// Working days and weekends.
fn weekly(variant: usize, noise: &mut Noise) -> Draft {
    let step_s = [1_800, 3_600, 1_800, 300, 3_600][variant];
    let points = if step_s == 300 { 8_000 } else { noise.whole(1_600, 5_000) };
    let frame = Frame::new(points, step_s, noise);
    let (scale, mean) = size(noise);
    let height = scale * noise.between(6.0, 15.0);
    let rest = noise.drifting(points, 0.5, scale);
    let value = |index: usize| {
        let hour = frame.day(index);
        let smooth = (TAU * (hour - 0.3)).sin().clamp(-0.6, 1.0);
        let shape = if variant < 3 { smooth } else { f64::from(hour > 0.33 && hour < 0.75) };
        let (factor, off) = if frame.is_weekend(index) { (0.3, 0.2) } else { (1.0, 0.0) };
        mean + height * (shape * factor - off) + rest[index]
    };
    let mut draft = Draft::new(&frame, (0..points).map(value).collect(), scale).daily().never_negative();
    draft.lift(0.0);
    draft
}

/// What grows: steadily, until it is reset, at random, or ever more slowly.
fn trend(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let count = frame.len() as f64;
    let rest = noise.drifting(frame.len(), if variant == 3 { 0.6 } else { 0.0 }, scale);
    let (reset, long) = (noise.between(600.0, 2_500.0), noise.whole(400, 1_200));
    let mut sum = 0.0;
    let value = |index: usize| match variant {
        0 => mean + scale * 0.01 * index as f64 + rest[index],
        1 => {
            sum += noise.gamma(2.0);
            0.2 * scale * (sum % reset)
        }
        2 => {
            sum += 0.1 * scale * noise.normal();
            mean + sum + rest[index]
        }
        3 => mean + 20.0 * scale * (1.0 - (-3.0 * index as f64 / count).exp()) + rest[index],
        _ => mean + 0.02 * scale * (index % long) as f64 + 0.7 * rest[index],
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), scale)
}

/// Nearly nothing, and now and then a spike that is normal.
fn rare_spike(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let hum = if variant == 1 { 0.0 } else { 0.05 * scale };
    let mut values: Vec<f64> = (0..frame.len()).map(|_| 0.1 * mean + hum * noise.normal()).collect();
    let (share, width) = ([0.004, 0.01, 0.02, 0.008, 0.003][variant], [1, 1, 1, 3, 6][variant]);
    for index in 0..values.len() {
        if noise.chance(share) {
            let height = scale * noise.between(4.0, 12.0) * if variant == 2 { 0.3 * noise.gamma(3.0) } else { 1.0 };
            values.iter_mut().skip(index).take(width).for_each(|value| *value += height);
        }
    }
    if variant == 3 {
        let every = noise.whole(40, 300);
        values.iter_mut().step_by(every).for_each(|value| *value += 8.0 * scale);
    }
    Draft::new(&frame, values, scale).never_negative().often_flat(variant == 1)
}

/// Small counts.
fn quantised(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let mean = [0.5, 3.0, 10.0, 2.0, 1.0][variant];
    let swing = if variant == 2 || variant == 3 { 0.8 } else { 0.0 };
    let steps = noise.drifting(frame.len(), 0.9, 1.2);
    let value = |index: usize| {
        if variant == 4 { (5.0 + steps[index]).round() } else { noise.poisson(mean * (1.0 + swing * frame.sine(index))) }
    };
    let values = (0..frame.len()).map(value).collect();
    let scale = [0.5f64, 3.0, 10.0, 2.0, 1.4][variant].sqrt().max(1.0);
    Draft::new(&frame, values, scale).never_negative().whole_numbers().often_flat(variant == 0 || variant == 4)
}

/// Points that do not come, one by one or for a while.
fn missing(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let swing = if variant == 2 || variant == 4 { 6.0 * scale } else { 0.0 };
    let rest = noise.drifting(frame.len(), if variant == 0 { 0.0 } else { 0.7 }, scale);
    let values = (0..frame.len()).map(|index| mean + rest[index] + swing * frame.sine(index)).collect();
    let mut draft = Draft::new(&frame, values, scale);
    draft.daily = swing > 0.0 && frame.days(frame.len() - 1) > 8.0;
    let lost = [0.1, 0.3, 0.05, 0.02, 0.15][variant];
    let mut kept: Vec<bool> = (0..frame.len()).map(|_| !noise.chance(lost)).collect();
    for _ in 0..[0, 2, 3, 4, 1][variant] {
        let (from, long) = (noise.whole(0, frame.len()), noise.whole(10, 11.max(frame.len() / 30)));
        kept.iter_mut().skip(from).take(long).for_each(|kept| *kept = false);
    }
    let keep = |index: &usize| kept[*index];
    draft.times = (0..frame.len()).filter(keep).map(|index| frame.times[index]).collect();
    draft.values = (0..frame.len()).filter(keep).map(|index| draft.values[index]).collect();
    draft
}

/// Two ways to be, both normal.
fn regime(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let turns = [1.0 / 300.0, 1.0 / 100.0, 1.0 / 500.0, 1.0 / 50.0, 1.0 / 200.0][variant];
    let height = scale * noise.between(4.0, 10.0);
    let other = [1.0, 1.0, 2.0, 0.5, 1.0][variant];
    let mut on = false;
    let value = |_| {
        on ^= noise.chance(turns);
        let (level, factor) = if on { (height, other) } else { (0.0, 1.0) };
        mean + level + 0.7 * scale * factor * noise.normal()
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), scale).never_negative()
}

/// Durations: log-normal with a tail.
fn latency(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, _) = size(noise);
    let swing = if variant == 1 || variant == 3 { 0.4 } else { 0.0 };
    let slow = noise.drifting(frame.len(), 0.9, if variant > 1 { 0.2 } else { 0.0 });
    let value = |index: usize| {
        let logarithm = [0.3, 0.6, 1.0, 0.5, 0.4][variant] * noise.normal() + swing * frame.sine(index) + slow[index];
        let tail = if noise.chance([0.002, 0.005, 0.01, 0.0, 0.02][variant]) { noise.between(2.0, 6.0) } else { 1.0 };
        2.0 * scale * logarithm.exp() * tail
    };
    let values: Vec<f64> = (0..frame.len()).map(value).collect();
    let spread = quantile(values.clone(), 0.84) - quantile(values.clone(), 0.5);
    Draft::new(&frame, values, spread).never_negative()
}

/// Temperatures, levels: slow, with a little noise on top.
fn sensor(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let (memory, wide) = [(0.99, 3.0), (0.998, 5.0), (0.97, 2.0), (0.995, 3.0), (0.9, 1.0)][variant];
    let slow = noise.drifting(frame.len(), memory, wide * scale);
    let value = |index: usize| {
        let swing = match variant {
            2 => 4.0 * frame.sine(index),
            4 => 2.0 * (TAU * index as f64 / (0.7 * frame.len() as f64)).sin(),
            _ => 0.0,
        };
        mean + slow[index] + scale * (swing + [0.2, 0.3, 0.5, 0.05, 0.2][variant] * noise.normal())
    };
    let mut draft = Draft::new(&frame, (0..frame.len()).map(value).collect(), 1.2 * scale);
    if variant == 3 {
        let step = draft.scale / 4.0;
        draft.values.iter_mut().for_each(|value| *value = (*value / step).round() * step);
    }
    draft
}

/// Work that comes in batches, punctually or not.
fn batch(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, mean) = size(noise);
    let period = noise.whole(30, 290);
    let mut width = noise.whole(3, 4.max(period / 4));
    let mut values: Vec<f64> = (0..frame.len()).map(|_| 0.3 * mean + 0.5 * scale * noise.normal()).collect();
    let mut next = noise.whole(0, period);
    while next < values.len() {
        let height = scale * noise.between(6.0, 9.0);
        values.iter_mut().skip(next).take(width).for_each(|value| *value += height);
        let off = period as f64 * [0.0, 0.05, 0.02, 0.1, 0.0][variant] * noise.normal();
        next = (next + 1).max((next as f64 + period as f64 + off) as usize);
        if variant == 2 {
            width = (width + noise.whole(0, 3)).saturating_sub(1).max(2);
        }
    }
    Draft::new(&frame, values, scale).never_negative().period(period)
}

/// Deviation of what was drawn, and a little.
pub(super) fn own_scale(values: &[f64], more: f64) -> f64 {
    deviation(values) + more
}
