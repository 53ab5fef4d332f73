//! Eight families more. No detector's threshold or form was chosen with these in view.

use super::families::{own_scale, size};
use super::frame::{Draft, Frame};
use super::noise::Noise;

/// Length of a queue, served as it comes.
pub(super) fn queue(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let load = 20.0 * [0.7, 0.85, 0.9, 0.8, 0.95][variant];
    let swing = if variant % 2 == 1 { 0.3 } else { 0.0 };
    let mut length = 0.0f64;
    let value = |index: usize| {
        length = (length + noise.poisson(load * (1.0 + swing * frame.sine(index))) - noise.poisson(20.0)).max(0.0);
        length
    };
    let values: Vec<f64> = (0..frame.len()).map(value).collect();
    let scale = own_scale(&values, 1.0);
    Draft::new(&frame, values, scale).never_negative().whole_numbers().often_flat(true)
}

/// A share that is mostly whole: cache hits, successes, in percent.
pub(super) fn ratio(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let swing = if variant > 2 { 0.5 } else { 0.0 };
    let value = |index: usize| {
        let lost = noise.gamma([0.5, 2.0, 5.0, 1.0, 0.2][variant]) * 0.02 * (1.0 + swing * frame.sine(index));
        100.0 * (1.0 - lost.min(1.0))
    };
    let values: Vec<f64> = (0..frame.len()).map(value).collect();
    let scale = own_scale(&values, 0.0);
    Draft::new(&frame, values, scale).never_negative().often_flat(variant == 4)
}

/// On and off by a thermostat.
pub(super) fn duty(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (up, down) = (noise.between(0.3, 1.5), noise.between(0.3, 1.5));
    let scale = [1.0, 2.0, 3.0, 1.5, 0.5][variant];
    let (mut level, mut on) = (20.0, true);
    let value = |_| {
        level += if on { up } else { -down } * (1.0 + 0.3 * noise.normal());
        on = if on { level < 25.0 } else { level < 15.0 };
        30.0 + level + 0.3 * scale * noise.normal()
    };
    let values = (0..frame.len()).map(value).collect();
    Draft::new(&frame, values, scale).never_negative().period((10.0 / up + 10.0 / down) as usize + 2)
}

/// A day that multiplies, with noise that grows with it.
pub(super) fn multiplied(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::of_days([300, 300, 1_800, 600, 300][variant], (10, 20), (1_500, 4_000), noise);
    let phase = noise.between(0.0, 6.0);
    let days: Vec<f64> = (0..400).map(|_| 1.0 + if variant > 2 { 0.2 * noise.normal() } else { 0.0 }).collect();
    let value = |index: usize| {
        let swing = 1.2 * (std::f64::consts::TAU * frame.day(index) + phase).sin();
        let off = [0.05, 0.15, 0.1, 0.3, 0.2][variant] * noise.normal();
        (50.0 * (swing + off).exp() * days[frame.days(index) as usize % days.len()]).abs()
    };
    let values: Vec<f64> = (0..frame.len()).map(value).collect();
    let scale = 0.15 * values.iter().sum::<f64>() / values.len() as f64;
    Draft::new(&frame, values, scale).never_negative().daily()
}

/// Noise whose size comes in waves.
pub(super) fn clustered(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, _) = size(noise);
    let waves = noise.drifting(frame.len(), [0.98, 0.99, 0.95, 0.995, 0.9][variant], 0.8);
    let values = waves.into_iter().map(|wave| scale * (30.0 + wave.exp() * noise.normal())).collect();
    Draft::new(&frame, values, scale).never_negative()
}

/// Memory under a generational collector: small teeth, and large ones.
pub(super) fn heap(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, _) = size(noise);
    let (small, large) = (noise.whole(8, 40), noise.whole(300, 1_500));
    let tooth = |index: usize, period: usize| (index % period) as f64 / period as f64;
    let value = |index: usize| {
        let old = if variant > 1 { 60.0 * tooth(index, large) } else { 0.0 };
        100.0 + scale * (30.0 * tooth(index, small) + old + [1.0, 3.0, 1.0, 3.0, 6.0][variant] * noise.normal())
    };
    let values = (0..frame.len()).map(value).collect();
    Draft::new(&frame, values, 6.0 * scale).never_negative().period(small)
}

/// A job at each full hour.
pub(super) fn hourly(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::of_days([300, 300, 1_800, 600, 300][variant], (10, 20), (1_500, 4_000), noise);
    let (scale, _) = size(noise);
    let height = noise.between(5.0, 20.0);
    let value = |index: usize| {
        let job = if frame.times[index] % 3_600 < frame.step_s {
            height * (1.0 + if variant > 0 { 0.2 * noise.normal() } else { 0.0 })
        } else {
            0.0
        };
        scale * (20.0 + 5.0 * frame.sine(index) + job + [0.5, 1.0, 1.0, 2.0, 0.3][variant] * noise.normal()).abs()
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), 2.0 * scale).never_negative().daily()
}

/// Hits and misses of a cache: two values far apart, at random.
pub(super) fn bimodal(variant: usize, noise: &mut Noise) -> Draft {
    let frame = Frame::any(noise);
    let (scale, _) = size(noise);
    let height = noise.between(8.0, 30.0);
    let share = [0.5, 0.2, 0.1, 0.3, 0.05][variant];
    let value = |_| {
        let slow = if noise.chance(share) { height * (1.0 + 0.2 * noise.normal()).abs() } else { 0.0 };
        scale * (10.0 + noise.normal() + slow)
    };
    Draft::new(&frame, (0..frame.len()).map(value).collect(), 3.0 * scale).never_negative()
}
