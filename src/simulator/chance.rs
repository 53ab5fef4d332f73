//! Seeded chance: one stream per request, so that a fault changes what it touches and nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a stream of chance decides. Each has its own numbers, so that drawing from one does not shift another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Arrivals,
    Request(u64),
    /// What a fault does to that request.
    Fate(u64),
    Job(u64),
    Change(u64),
}

impl Stream {
    const fn number(self) -> u64 {
        match self {
            Self::Arrivals => 0,
            Self::Request(n) => 1 + n * 4,
            Self::Fate(n) => 2 + n * 4,
            Self::Job(n) => 3 + n * 4,
            Self::Change(n) => 4 + n * 4,
        }
    }
}

/// A stream of chance.
#[derive(Clone, Debug)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub fn new(seed: u64, stream: Stream) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream.number());
        Self(rng)
    }

    /// A whole number below `limit`; 0 for a limit of 0. The bias of the product is below 2⁻³² for small limits.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.0.next_u64()) * limit as u128) >> 64) as usize
    }

    /// 0 ≤ x < 1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A duration whose logarithm is normal (Box–Muller), nanoseconds, at most 50 medians.
    pub fn log_normal(&mut self, median_ns: f64, sigma: f64) -> i64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (median_ns * (sigma * normal).exp().min(50.0)) as i64
    }

    /// A waiting time, nanoseconds.
    pub fn exponential(&mut self, mean_ns: f64) -> i64 {
        (-(1.0 - self.unit()).ln() * mean_ns) as i64
    }

    /// Never 0: that stands for "none" in traces.
    pub fn span_id(&mut self) -> u64 {
        self.0.next_u64() | 1
    }

    pub fn trace_id(&mut self) -> u128 {
        (u128::from(self.0.next_u64()) << 64) | u128::from(self.0.next_u64() | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A number that depends on nothing but its arguments.
pub(super) fn hash(seed: u64, key: u64, tick: i64) -> u64 {
    let mut bytes = [0_u8; 16];
    bytes[..8].copy_from_slice(&key.to_le_bytes());
    bytes[8..].copy_from_slice(&tick.to_le_bytes());
    xxh3_64_with_seed(&bytes, seed)
}

/// Unrelated noise, −1 to 1.
pub(super) fn white(seed: u64, key: u64, tick: i64) -> f64 {
    (hash(seed, key, tick) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Noise that wanders: random values every `period_ns`, joined by straight lines; −1 to 1.
pub(super) fn wander(seed: u64, key: u64, at_ns: i64, period_ns: i64) -> f64 {
    let tick = at_ns.div_euclid(period_ns);
    let part = at_ns.rem_euclid(period_ns) as f64 / period_ns as f64;
    white(seed, key, tick) * (1.0 - part) + white(seed, key, tick + 1) * part
}
