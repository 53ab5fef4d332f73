//! Records on their way to a topic, and the disorder a real network adds.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::{Source, Timestamp};

/// Topics of recorded telemetry.
pub const LOGS_TOPIC: &str = "replay.logs";
pub const METRICS_TOPIC: &str = "replay.metrics";
pub const TRACES_TOPIC: &str = "replay.traces";
pub const GIT_TOPIC: &str = "replay.git";
pub const CI_TOPIC: &str = "replay.ci";
pub const MANUAL_TOPIC: &str = "replay.manual";

/// One record as a producer would hand it to Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRecord {
    pub topic: &'static str,
    pub source: Source,
    /// The pod: records of one pod keep their order on any number of partitions.
    pub key: Option<Vec<u8>>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Newest event time inside: when a collector would have sent it.
    pub timestamp: Timestamp,
}

/// What goes wrong on the way: copies, and records overtaking each other within their topic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disorder {
    /// Share of records that come twice, 0 to 1.
    pub duplicates: f64,
    /// Longest delay of a record, milliseconds; each gets a delay from 0 to this, evenly.
    pub shuffle_ms: u32,
}

impl Disorder {
    pub const NONE: Self = Self { duplicates: 0.0, shuffle_ms: 0 };
    /// 5 % duplicates, 10 s of shuffling: verdicts must stay the same.
    pub const ROUGH: Self = Self { duplicates: 0.05, shuffle_ms: 10_000 };
}

/// A record with the moment at which it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub at: Timestamp,
    pub record: FeedRecord,
}

/// Gives each record its arrival; duplicates arrive on their own.
pub(super) fn arrivals(records: Vec<FeedRecord>, disorder: Disorder, random: &mut Random) -> Vec<Arrival> {
    let mut arrivals = Vec::with_capacity(records.len());
    for record in records {
        if disorder.duplicates > 0.0 && random.share() < disorder.duplicates {
            arrivals.push(Arrival { at: record.timestamp.plus_millis(random.below(disorder.shuffle_ms)), record: record.clone() });
        }
        arrivals.push(Arrival { at: record.timestamp.plus_millis(random.below(disorder.shuffle_ms)), record });
    }
    arrivals.sort_by(order);
    arrivals
}

/// By arrival, then by content: a total order, whatever the order of encoding was.
pub(super) fn order(a: &Arrival, b: &Arrival) -> std::cmp::Ordering {
    let key = |arrival: &Arrival| (arrival.at, arrival.record.timestamp, arrival.record.topic);
    key(a).cmp(&key(b)).then_with(|| a.record.key.cmp(&b.record.key)).then_with(|| a.record.value.cmp(&b.record.value))
}

/// Seeded draws that are the same on every platform.
#[derive(Clone, Debug)]
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// A stream of its own for every name.
    pub fn named(name: &str) -> Self {
        Self(ChaCha8Rng::seed_from_u64(xxhash_rust::xxh3::xxh3_64(name.as_bytes())))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Evenly from [0, 1).
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly from 0 to `limit` − 1; 0 for an empty range.
    pub fn below(&mut self, limit: u32) -> i64 {
        ((self.next() >> 32).wrapping_mul(u64::from(limit)) >> 32) as i64
    }

    /// Waiting time of a Poisson process in whole microseconds, at least one, as nanoseconds.
    pub fn wait_ns(&mut self, rate_per_s: f64) -> i64 {
        let seconds = -(1.0 - self.share()).ln() / rate_per_s;
        ((seconds * 1e6).clamp(1.0, 1e15) as i64).saturating_mul(1_000)
    }
}
