//! A small memory of the situations a series has been in: what looks like none of them is new.
//!
//! Prototypes as in leader clustering (Hartigan, 1975): a situation near a prototype draws it nearer, one far from all becomes a
//! prototype itself, in place of the one that has been of no use for longest.

use serde::{Deserialize, Serialize};

/// Numbers that say what a situation is like.
pub const FEATURES: usize = 4;
/// Prototypes, about 10 bytes each.
const PROTOTYPES: usize = 24;
/// The first situations are all kept: with fewer there is nothing to compare.
const FIRST: usize = 4;
/// A situation further away than the usual distance times this is new.
const NEW: f64 = 2.0;
/// The least part of the way that a prototype moves.
const LEAST_PULL: f64 = 0.02;
/// The usual distance is a mean over about this many situations.
const USUAL_OVER: f64 = 500.0;
/// Prototypes are kept in steps of this.
const STEP: f64 = 1.0 / 256.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Prototype {
    at: [i16; FEATURES],
    count: u8,
}

/// The one used last comes last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    prototypes: Vec<Prototype>,
    usual: f32,
}

fn stored(value: f64) -> i16 {
    // A cast of a float saturates.
    (value / STEP).round() as i16
}

impl Memory {
    /// Distance to the nearest situation known, then learns this one. `seen` is how many it has learned before.
    pub fn distance(&mut self, situation: [f64; FEATURES], seen: u32) -> f64 {
        let square = |prototype: &Prototype| {
            let apart = situation.iter().zip(prototype.at).map(|(value, at)| value - f64::from(at) * STEP);
            apart.map(|apart| apart * apart).sum::<f64>()
        };
        let mut nearest: Option<(usize, f64)> = None;
        for (index, prototype) in self.prototypes.iter().enumerate() {
            let square = square(prototype);
            if nearest.is_none_or(|(_, least)| square < least) {
                nearest = Some((index, square));
            }
        }
        let distance = nearest.map_or(0.0, |(_, square)| square.sqrt());
        let usual = f64::from(self.usual);
        match nearest {
            Some((index, _)) if self.prototypes.len() >= FIRST && distance <= NEW * usual => self.pull(index, situation),
            _ => self.add(situation),
        }
        self.usual = (usual + (1.0 / (f64::from(seen) + 1.0)).max(1.0 / USUAL_OVER) * (distance - usual)) as f32;
        distance
    }

    fn pull(&mut self, index: usize, situation: [f64; FEATURES]) {
        let mut prototype = self.prototypes.remove(index);
        prototype.count = prototype.count.saturating_add(1);
        let part = (1.0 / (f64::from(prototype.count) + 1.0)).max(LEAST_PULL);
        for (at, value) in prototype.at.iter_mut().zip(situation) {
            let was = f64::from(*at) * STEP;
            *at = stored(was + part * (value - was));
        }
        self.prototypes.push(prototype);
    }

    fn add(&mut self, situation: [f64; FEATURES]) {
        if self.prototypes.len() >= PROTOTYPES {
            self.prototypes.remove(0);
        }
        self.prototypes.push(Prototype { at: situation.map(stored), count: 1 });
    }
}
