//! What a quantity shows one time in ten and one time in a hundred: a yardstick of its own for everything that is watched.
//!
//! Each quantile goes a step up when it is exceeded and a smaller one down when it is not, so that it rests where it is exceeded as
//! often as it says (stochastic approximation: Robbins and Monro, 1951; of quantiles: Tierney, 1983). In logarithms, so that the
//! unit does not matter.

use serde::{Deserialize, Serialize};

/// Least step: a quantile follows a change within some hundred observations.
const LEAST_STEP: f64 = 0.01;
/// Least distance of the two quantiles: a factor of 1.2.
const LEAST_DISTANCE: f64 = 0.2;
/// Keeps zero in the logarithms.
const NOTHING: f64 = 1e-6;
const MOST: f64 = 12.0;

/// Logarithms of the 90 % and the 99 % quantile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnQuantiles {
    tenth: f32,
    hundredth: f32,
}

impl OwnQuantiles {
    /// How far out `size` (0 or more) is, then learns it: 0 where one in ten is, 1 where one in a hundred is, and so on by the power
    /// law through both; never below 0. `seen` is how many it has learned before.
    pub fn exponent(&mut self, size: f64, seen: u32) -> f64 {
        let size = (size + NOTHING).ln();
        if seen == 0 {
            *self = Self { tenth: size as f32, hundredth: size as f32 };
        }
        let (tenth, hundredth) = (f64::from(self.tenth), f64::from(self.hundredth));
        let low = tenth.min(hundredth);
        let exponent = (size - low) / (hundredth - low).max(LEAST_DISTANCE);
        let step = (1.0 / (f64::from(seen) + 1.0).sqrt()).max(LEAST_STEP);
        self.hundredth = (hundredth + step * if size > hundredth { 0.99 } else { -0.01 }) as f32;
        self.tenth = (tenth + step * if size > tenth { 0.9 } else { -0.1 }) as f32;
        exponent.clamp(0.0, MOST)
    }
}
