//! Instants as producers write them: ISO text, float seconds, integers whose magnitude tells the unit.

use super::dates;
use crate::model::Timestamp;

const NANOS: i128 = 1_000_000_000;

/// Reads ISO 8601 text (`2026-11-23T14:02:10.214Z`, with a space or comma too; without an offset it is taken as UTC) or a number
/// written as text.
pub(super) fn of_text(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    of_iso(text.as_bytes()).or_else(|| of_decimal(text)).or_else(|| of_other(text)).or_else(|| Timestamp::parse(text))
}

/// Reads an integer as seconds, milliseconds, microseconds or nanoseconds since the epoch, by its magnitude: what lies below
/// 10¹¹ is seconds (until the year 5138), below 10¹⁴ milliseconds, below 10¹⁷ microseconds. Zero and less is no time.
pub(super) fn of_integer(value: i64) -> Option<Timestamp> {
    if value <= 0 {
        return None;
    }
    value.checked_mul(nanos_per_unit(value)).map(Timestamp::from_nanos)
}

/// Reads a float in the unit its magnitude tells, to the microsecond: a float of seconds holds no more.
pub(super) fn of_float(value: f64) -> Option<Timestamp> {
    if !value.is_finite() || value <= 0.0 || value >= 9.0e18 {
        return None;
    }
    let nanos = value * nanos_per_unit(value as i64) as f64;
    (nanos < 9.2e18).then(|| Timestamp::from_nanos((nanos / 1_000.0).round() as i64 * 1_000))
}

/// Nanoseconds since the epoch as OTLP carries them; `None` for 0 and for what lies after the year 2262.
pub(super) fn of_unix_nanos(nanos: u64) -> Option<Timestamp> {
    i64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Timestamp::from_nanos)
}

fn nanos_per_unit(value: i64) -> i64 {
    if value < 100_000_000_000 {
        1_000_000_000
    } else if value < 100_000_000_000_000 {
        1_000_000
    } else if value < 100_000_000_000_000_000 {
        1_000
    } else {
        1
    }
}

/// `1732345678`, `1732345678.123456`: exact, unlike a float.
fn of_decimal(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > 19 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i64 = whole.parse().ok()?;
    let base = of_integer(value)?;
    let mut scale = nanos_per_unit(value);
    let mut extra = 0;
    for digit in fraction.bytes() {
        scale /= 10;
        extra += i64::from(digit - b'0') * scale;
    }
    base.nanos().checked_add(extra).map(Timestamp::from_nanos)
}

/// A web server's `23/Nov/2026:14:02:10 +0000`, C's `Mon Nov 23 14:02:10 2026`, a zone spelt out (`… 14:02:10 CET`) or named after the
/// offset as Java does (`…+01:00[Europe/Berlin]`).
fn of_other(text: &str) -> Option<Timestamp> {
    if let Some((time, zone)) = text.split_once('[') {
        return of_iso(time.as_bytes()).filter(|_| zone.ends_with(']'));
    }
    [dates::iso, dates::access, dates::ctime].iter().find_map(|read| read(text).filter(|(_, end)| *end == text.len()).map(|(at, _)| at))
}

pub(super) fn of_iso(text: &[u8]) -> Option<Timestamp> {
    let date_ok = text.len() >= 19 && matches!(text[4], b'-' | b'/') && text[7] == text[4] && matches!(text[10], b'T' | b't' | b' ');
    if !date_ok || text[13] != b':' || text[16] != b':' {
        return None;
    }
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    let (nanos, rest) = fraction(&text[19..])?;
    Civil { year, month, day, hour, minute, second, nanos }.at_offset(offset_seconds(rest)?)
}

/// A date and a time of day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanos: i64,
}

impl Civil {
    /// The instant at which clocks `offset_s` seconds east of UTC show this; `None` for what no calendar or clock shows.
    fn at_offset(self, offset_s: i64) -> Option<Timestamp> {
        let Self { year, month, day, hour, minute, second, nanos } = self;
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_s;
        i64::try_from(i128::from(seconds) * NANOS + i128::from(nanos)).ok().map(Timestamp::from_nanos)
    }

    pub(super) fn at(self) -> Option<Timestamp> {
        self.at_offset(0)
    }

    /// The instant in the newest year in which it lies at most a day after `reference`; a leap day may be eight years back.
    pub(super) fn at_newest(self, reference: Timestamp) -> Option<Timestamp> {
        let latest = reference.plus_seconds(86_400);
        let year = 1_970 + reference.seconds() / 31_556_952;
        (0..=9).filter_map(|back| Self { year: year + 1 - back, ..self }.at()).find(|at| *at <= latest)
    }
}

pub(super) fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// Nanoseconds of `.214` or `,214` and what follows; digits past the ninth are dropped.
pub(super) fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return Some((0, text));
    }
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let mut nanos = number(&text[1..=digits.min(9)])?;
    for _ in digits..9 {
        nanos *= 10;
    }
    Some((nanos, &text[digits + 1..]))
}

/// Seconds east of UTC of `Z`, `+02:00`, `+0200`, `+02`, or nothing.
pub(super) fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [] | b"Z" | b"z" | b" UTC" | b" Z" => return Some(0),
        [b'+', rest @ ..] | [b' ', b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] | [b' ', b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (number(rest)?, 0),
        4 => (number(&rest[..2])?, number(&rest[2..])?),
        5 if rest[2] == b':' => (number(&rest[..2])?, number(&rest[3..])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_instant_in_every_spelling() {
        let instant = Timestamp::parse("2026-11-23T14:02:10.214Z");
        assert!(instant.is_some());
        for text in [
            "2026-11-23T14:02:10.214Z",
            "2026-11-23 14:02:10,214",
            "2026-11-23T15:02:10.214+01:00",
            "2026-11-23T10:02:10.214000-0400",
            "2026/11/23 14:02:10.214",
            "2026-11-23 15:02:10.214 CET",
            "2026-11-23T15:02:10.214+01:00[Europe/Berlin]",
            "Mon Nov 23 14:02:10.214 2026",
            "1795442530.214",
            "1795442530214",
            "1795442530214000",
            "1795442530214000000",
        ] {
            assert_eq!(of_text(text), instant, "{text}");
        }
        assert_eq!(of_integer(1_795_442_530_214), instant);
        assert_eq!(of_float(1_795_442_530.214), instant);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "0", "-5", "99999999999999999999", "2026-11-23T14:02:10.Z"]
        {
            assert_eq!(of_text(text), None, "{text}");
        }
        assert_eq!(of_float(f64::NAN), None);
        assert_eq!(of_float(f64::INFINITY), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn iso_text_agrees_with_the_date_library(nanos in 0_i64..7_900_000_000_000_000_000) {
            let time = Timestamp::from_nanos(nanos);
            let text = serde_json::to_value(time).unwrap();
            prop_assert_eq!(of_iso(text.as_str().unwrap().as_bytes()), Some(time));
        }

        #[test]
        fn any_text_gives_a_value(text in ".{0,40}") {
            of_text(&text);
        }
    }
}
