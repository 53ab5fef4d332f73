//! Draws from the distributions that series are made of. Our own, and few: a library's may change between versions, and with
//! them every series of the suite.

use crate::evaluation::feed::Random;

/// Seeded draws.
#[derive(Clone, Debug)]
pub struct Noise(Random);

impl Noise {
    /// A stream of its own for every name.
    pub fn named(name: &str) -> Self {
        Self(Random::named(name))
    }

    /// Evenly from [0, 1).
    pub fn share(&mut self) -> f64 {
        self.0.share()
    }

    /// Evenly from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// Evenly from `low` to `high` − 1; `low` where that is none.
    pub fn whole(&mut self, low: usize, high: usize) -> usize {
        low + self.0.below(high.saturating_sub(low) as u32) as usize
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// One of them, each as likely.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.whole(0, choices.len())]
    }

    /// −1 or 1.
    pub fn sign(&mut self) -> f64 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// Standard normal (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }

    /// Gamma of scale 1 (Marsaglia and Tsang, 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            // A power of an even draw makes up for the shape that is missing.
            return self.gamma(shape + 1.0) * (1.0 - self.share()).powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.share()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Student's t.
    pub fn student(&mut self, freedom: f64) -> f64 {
        self.normal() / (2.0 * self.gamma(freedom / 2.0) / freedom).sqrt()
    }

    /// Laplace of scale 1.
    pub fn laplace(&mut self) -> f64 {
        self.sign() * -(1.0 - self.share()).ln()
    }

    /// Poisson: multiplied out for small means (Knuth), else as a sum of two halves.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 30.0 {
            return self.poisson(mean / 2.0) + self.poisson(mean / 2.0);
        }
        let limit = (-mean).exp();
        let (mut product, mut count) = (1.0 - self.share(), 0.0);
        while product > limit {
            product *= 1.0 - self.share();
            count += 1.0;
        }
        count
    }

    /// `length` values of an autoregressive process: each remembers `memory` of the one before; its deviation is `scale`.
    pub fn drifting(&mut self, length: usize, memory: f64, scale: f64) -> Vec<f64> {
        let fresh = scale * (1.0 - memory * memory).sqrt();
        let mut value = 0.0;
        let step = |_| {
            value = memory * value + fresh * self.normal();
            value
        };
        (0..length).map(step).collect()
    }
}
