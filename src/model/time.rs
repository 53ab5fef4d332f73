//! Instants of event time and wall time, and the buckets event time is cut into.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch, UTC. In JSON an RFC 3339 text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const MIN: Self = Self(i64::MIN);
    pub const EPOCH: Self = Self(0);

    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    pub const fn nanos(self) -> i64 {
        self.0
    }

    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    pub const fn plus_millis(self, millis: i64) -> Self {
        self.plus_nanos(millis.saturating_mul(1_000_000))
    }

    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_nanos(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// `self − earlier` in seconds, negative when `earlier` is later.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0.saturating_sub(earlier.0)) as f64 / NANOS_PER_SECOND as f64
    }

    /// Reads RFC 3339 text with an offset (`2026-11-23T14:02:10.214Z`).
    pub fn parse(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(instant.as_nanosecond()).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every i64 of nanoseconds (years 1677 to 2262) lies inside jiff's range.
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_i64(self.0);
        }
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            // Milliseconds at least, nanoseconds where there are any.
            Ok(instant) if self.0 % 1_000_000 == 0 => serializer.collect_str(&format_args!("{instant:.3}")),
            Ok(instant) => serializer.collect_str(&format_args!("{instant:.9}")),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("not an RFC 3339 time: {text}")))
    }
}

/// Number of an event-time bucket: `floor(timestamp / Bucket::SECONDS)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bucket(pub i64);

impl Bucket {
    /// Width of a bucket in seconds of event time.
    pub const SECONDS: i64 = 15;

    pub const fn of(timestamp: Timestamp) -> Self {
        Self(timestamp.0.div_euclid(Self::SECONDS * NANOS_PER_SECOND))
    }

    /// First instant of the bucket.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_seconds(self.0.saturating_mul(Self::SECONDS))
    }

    /// First instant after the bucket.
    pub const fn end(self) -> Timestamp {
        Self(self.0 + 1).start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_its_text_to_the_nanosecond() {
        let time = Timestamp::from_nanos(1_774_274_530_214_000_001);
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), time);
    }

    #[test]
    fn times_before_the_epoch_fall_into_their_own_bucket() {
        assert_eq!(Bucket::of(Timestamp::from_nanos(-1)), Bucket(-1));
        assert_eq!(Bucket(-1).end(), Timestamp::EPOCH);
    }
}
