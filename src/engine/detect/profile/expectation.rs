//! What a series is expected to show: its level, or what it usually shows at this time of day, whichever has been right more often.

use serde::{Deserialize, Serialize};

const DAY_S: i64 = 86_400;
/// Half hours.
const SLOTS: i64 = 48;
/// Least part of the way that the level, and a slot at each of its visits, move towards what was seen. A slot is visited many times a
/// day by a fast series.
const LEVEL_RATE: f64 = 0.01;
const SLOT_RATE: f64 = 0.05;
/// Which of the two is better is judged over about this many steps.
const LOSS_RATE: f64 = 0.002;
/// An error counts this many usual ones at most, so that an outage does not teach.
const CLIP: f64 = 8.0;
/// Steps before errors are clipped: until then, what is usual is not known.
const UNCLIPPED: u32 = 50;
/// The time of day must be better than the level by this.
const BETTER: f64 = 0.9;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    number: u8,
    visits: u8,
    value: f32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    level: f32,
    /// Those visited, ordered by their numbers.
    slots: Vec<Slot>,
    level_loss: f32,
    slot_loss: f32,
}

impl Expectation {
    /// How far `value` is off, then learns it. `seen` is how many it has learned before.
    pub fn error(&mut self, at_s: i64, value: f64, tiny: f64, seen: u32) -> f64 {
        let newest = 1.0 / (f64::from(seen) + 1.0);
        let number = (at_s.rem_euclid(DAY_S) * SLOTS / DAY_S) as u8;
        let place = self.slots.binary_search_by_key(&number, |slot| slot.number);
        let off_level = value - f64::from(self.level);
        let off_slot = place.ok().and_then(|place| self.slots.get(place)).map(|slot| value - f64::from(slot.value));
        let (level_loss, slot_loss) = (f64::from(self.level_loss), f64::from(self.slot_loss));
        let error = off_slot.filter(|_| slot_loss < BETTER * level_loss).unwrap_or(off_level);
        let rate = newest.max(LOSS_RATE);
        let loss = |loss: f64, error: f64| {
            let most = if seen > UNCLIPPED { CLIP * loss + tiny } else { f64::INFINITY };
            (loss + rate * (error.abs().min(most) - loss)) as f32
        };
        self.level_loss = loss(level_loss, off_level);
        self.slot_loss = loss(slot_loss, off_slot.unwrap_or(off_level));
        let most = CLIP * f64::from(self.slot_loss) + tiny;
        match place {
            Ok(place) => {
                if let Some(slot) = self.slots.get_mut(place) {
                    let rate = (1.0 / (f64::from(slot.visits) + 1.0)).max(SLOT_RATE);
                    slot.value = (f64::from(slot.value) + rate * off_slot.unwrap_or_default().clamp(-most, most)) as f32;
                    slot.visits = slot.visits.saturating_add(1);
                }
            }
            Err(place) => self.slots.insert(place, Slot { number, visits: 1, value: value as f32 }),
        }
        self.level = (f64::from(self.level) + newest.max(LEVEL_RATE) * off_level) as f32;
        error
    }
}
