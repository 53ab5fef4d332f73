//! Where a partition without a stored offset is read from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::Timestamp;

/// Start of a partition that was never read: `latest`, `earliest`, an RFC 3339 time, or an age such as `-2h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Start {
    /// Only what is produced from now on.
    Latest,
    /// Everything the broker still has.
    #[default]
    Earliest,
    /// Records whose Kafka timestamp is at or after this time.
    At(Timestamp),
    /// Records at most this old when the connector starts, in seconds.
    AgoSeconds(i64),
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` is not a start: {reason}; write `latest`, `earliest`, a time such as `2026-11-23T14:00:00Z`, or an age such as `-2h` (s, m, h, d)"
)]
pub struct BadStart {
    text: String,
    reason: &'static str,
}

impl Start {
    /// The instant to look up, for starts that are a time. `now` is when the connector starts.
    pub fn instant(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Latest | Self::Earliest => None,
            Self::At(time) => Some(time),
            Self::AgoSeconds(seconds) => Some(now.plus_seconds(seconds.saturating_neg())),
        }
    }
}

impl FromStr for Start {
    type Err = BadStart;

    fn from_str(text: &str) -> Result<Self, BadStart> {
        let bad = |reason| BadStart { text: text.to_owned(), reason };
        match text.trim() {
            "latest" => Ok(Self::Latest),
            "earliest" => Ok(Self::Earliest),
            "" => Err(bad("it is empty")),
            age if age.starts_with('-') => parse_age(&age[1..]).map(Self::AgoSeconds).map_err(bad),
            time => {
                Timestamp::parse(time).map(Self::At).ok_or_else(|| bad("neither a known word, an RFC 3339 time with an offset, nor an age"))
            }
        }
    }
}

/// `2h`, `90m`, `1d`: whole numbers and one unit, in seconds.
fn parse_age(text: &str) -> Result<i64, &'static str> {
    let unit = text.chars().last().ok_or("an age needs a number and a unit")?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err("an age ends in s, m, h or d"),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("an age is a whole number and one unit");
    }
    digits.parse::<i64>().ok().and_then(|count| count.checked_mul(seconds_per_unit)).ok_or("the age is too large")
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Earliest => f.write_str("earliest"),
            Self::At(time) => write!(f, "{time}"),
            Self::AgoSeconds(seconds) => write!(f, "-{seconds}s"),
        }
    }
}

impl TryFrom<String> for Start {
    type Error = BadStart;

    fn try_from(text: String) -> Result<Self, BadStart> {
        text.parse()
    }
}

impl From<Start> for String {
    fn from(start: Start) -> Self {
        start.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn words_times_and_ages_are_understood() {
        assert_eq!("latest".parse(), Ok(Start::Latest));
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("-90m".parse(), Ok(Start::AgoSeconds(5_400)));
        assert_eq!("2026-11-23T14:00:00Z".parse(), Ok(Start::At(Timestamp::from_seconds(1_795_442_400))));
    }

    #[test]
    fn an_age_counts_back_from_the_start_of_the_connector() {
        let now = Timestamp::from_seconds(10_000);
        assert_eq!("-2h".parse::<Start>().unwrap().instant(now), Some(Timestamp::from_seconds(2_800)));
    }

    #[test]
    fn what_is_not_a_start_says_why() {
        for (text, reason) in [
            ("", "it is empty"),
            ("yesterday", "neither a known word"),
            ("-", "needs a number"),
            ("-2w", "ends in s, m, h or d"),
            ("--2h", "whole number"),
            ("-2ä", "ends in s, m, h or d"),
            ("-99999999999999999999d", "too large"),
            ("-9999999999999999d", "too large"),
            ("2026-11-23T14:00:00", "RFC 3339"),
        ] {
            let error = text.parse::<Start>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_start_survives_its_own_text() {
        for text in ["latest", "earliest", "-7200s", "2026-11-23T14:00:00.000Z"] {
            let start: Start = text.parse().unwrap();
            assert_eq!(start.to_string().parse(), Ok(start));
        }
    }
}
