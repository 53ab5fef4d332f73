//! Dates and times at the start of a text, and how many bytes they take.

use super::instant::{self, Civil};
use crate::model::Timestamp;

/// Zones by the abbreviations that stand for only one offset, in minutes east of UTC.
const ZONES: [(&str, i64); 14] = [
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("WEST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("EST", -300),
    ("EDT", -240),
    ("PST", -480),
    ("PDT", -420),
    ("MDT", -360),
    ("JST", 540),
];

/// `2026-11-23T14:02:10.214Z`, `2026/11/23 14:02:10,214 +0100`, `2026-11-23 14:02:10.214 CET`; without a zone it is UTC.
pub(super) fn iso(text: &str) -> Option<(Timestamp, usize)> {
    let bytes = text.as_bytes();
    if !bytes.first()?.is_ascii_digit() || !matches!(bytes.get(4)?, b'-' | b'/') {
        return None;
    }
    let mut end = 19;
    if matches!(bytes.get(end), Some(b'.' | b',')) {
        end += 1 + digits(bytes.get(end + 1..)?);
    }
    let (offset_s, zone) = zone(text.get(end..)?).unwrap_or((0, 0));
    let at = instant::of_iso(bytes.get(..end)?)?;
    ends_word(bytes, end + zone).then(|| (at.plus_seconds(-offset_s), end + zone))
}

/// `Nov 23 14:02:10`, with decimals or the year (`Nov 23 2026 14:02:10`) in some makes. Without a year the newest one that lies at
/// most a day after `reference`; always UTC.
pub(super) fn bsd(text: &str, reference: Option<Timestamp>) -> Option<(Timestamp, usize)> {
    let mut parts = Parts::new(text);
    let month = parts.month()?;
    parts.spaces()?;
    let day = parts.number(1..=2)?;
    parts.spaces()?;
    let year = match parts.peek(4) {
        Some(b' ') => {
            let year = parts.number(4..=4)?;
            parts.spaces()?;
            Some(year)
        }
        _ => None,
    };
    let civil = parts.clock(Civil { year: year.unwrap_or_default(), month, day, ..Civil::default() })?;
    let at = if year.is_some() { civil.at() } else { civil.at_newest(reference?) };
    ends_word(text.as_bytes(), parts.at).then_some(())?;
    Some((at?, parts.at))
}

/// `23/Nov/2026:14:02:10 +0000`, as web servers write it.
pub(super) fn access(text: &str) -> Option<(Timestamp, usize)> {
    let mut parts = Parts::new(text);
    let day = parts.number(1..=2)?;
    parts.byte(b'/')?;
    let month = parts.month()?;
    parts.byte(b'/')?;
    let year = parts.number(4..=4)?;
    parts.byte(b':')?;
    let at = parts.clock(Civil { year, month, day, ..Civil::default() })?.at()?;
    let (offset_s, zone) = zone(text.get(parts.at..)?).unwrap_or((0, 0));
    Some((at.plus_seconds(-offset_s), parts.at + zone))
}

/// `Mon Nov 23 14:02:10.123456 2026`, as C's ctime writes it.
pub(super) fn ctime(text: &str) -> Option<(Timestamp, usize)> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut parts = Parts::new(text);
    DAYS.contains(&text.get(..3)?).then_some(())?;
    parts.at = 3;
    parts.spaces()?;
    let month = parts.month()?;
    parts.spaces()?;
    let day = parts.number(1..=2)?;
    parts.spaces()?;
    let civil = parts.clock(Civil { month, day, ..Civil::default() })?;
    parts.spaces()?;
    let year = parts.number(4..=4)?;
    Some((Civil { year, ..civil }.at()?, parts.at))
}

/// `0102 03:04:05.678901`, after klog's letter; the year is found as in [`bsd`].
pub(super) fn klog(text: &str, reference: Option<Timestamp>) -> Option<(Option<Timestamp>, usize)> {
    let mut parts = Parts::new(text);
    let (month, day) = (parts.number(2..=2)?, parts.number(2..=2)?);
    parts.spaces()?;
    let civil = parts.clock(Civil { month, day, ..Civil::default() })?;
    let at = reference.and_then(|reference| civil.at_newest(reference));
    Some((at, parts.at))
}

/// Seconds east of UTC, and bytes: `Z`, `+01:00`, ` +0100`, ` CET`.
fn zone(text: &str) -> Option<(i64, usize)> {
    let (spaces, rest) = text.strip_prefix(' ').map_or((0, text), |rest| (1, rest));
    let length = match rest.as_bytes() {
        [b'+' | b'-', a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => 6,
        [b'+' | b'-', a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => 5,
        [b'+' | b'-', a, b, ..] if spaces == 0 && [a, b].iter().all(|byte| byte.is_ascii_digit()) => 3,
        _ => {
            let length = rest.bytes().take_while(u8::is_ascii_uppercase).count();
            let name = rest.get(..length)?;
            return ZONES.iter().find(|(known, _)| *known == name).map(|(_, minutes)| (minutes * 60, spaces + length));
        }
    };
    instant::offset_seconds(rest.get(..length)?.as_bytes()).map(|seconds| (seconds, spaces + length))
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn ends_word(bytes: &[u8], at: usize) -> bool {
    !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

/// Reads a text part by part.
struct Parts<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Parts<'t> {
    fn new(text: &'t str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.rest().get(ahead).copied()
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.peek(0)? == wanted).then(|| self.at += 1)
    }

    fn spaces(&mut self) -> Option<()> {
        let count = self.rest().iter().take_while(|byte| **byte == b' ').count();
        (1..=4).contains(&count).then(|| self.at += count)
    }

    fn number(&mut self, lengths: std::ops::RangeInclusive<usize>) -> Option<i64> {
        let count = digits(self.rest()).min(*lengths.end());
        let number = lengths.contains(&count).then(|| instant::number(self.rest().get(..count)?)).flatten();
        self.at += count;
        number
    }

    fn month(&mut self) -> Option<i64> {
        const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
        let name = self.rest().get(..3)?;
        let month = MONTHS.iter().position(|known| *known == name)?;
        self.at += 3;
        Some(month as i64 + 1)
    }

    /// `14:02:10`, with decimals or without.
    fn clock(&mut self, date: Civil) -> Option<Civil> {
        let hour = self.number(2..=2)?;
        self.byte(b':')?;
        let minute = self.number(2..=2)?;
        self.byte(b':')?;
        let second = self.number(2..=2)?;
        let (nanos, rest) = instant::fraction(self.rest())?;
        self.at = self.bytes.len() - rest.len();
        Some(Civil { hour, minute, second, nanos, ..date })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_same_instant_as_each_logger_writes_it() {
        let instant = at("2026-11-23T14:02:10Z");
        let reference = Some(at("2026-11-23T14:02:11Z"));
        for text in [
            "2026-11-23T14:02:10Z",
            "2026-11-23 14:02:10",
            "2026/11/23 14:02:10",
            "2026-11-23 14:02:10,000",
            "2026-11-23T15:02:10.000+01:00",
            "2026-11-23 15:02:10 +0100",
            "2026-11-23 15:02:10.000 CET",
            "2026-11-23 09:02:10 EST",
        ] {
            assert_eq!(iso(text), Some((instant, text.len())), "{text}");
            assert_eq!(iso(&format!("{text} ERROR x")), Some((instant, text.len())), "{text}");
        }
        for text in ["Nov 23 14:02:10", "Nov 23 14:02:10.000", "Nov 23 2026 14:02:10"] {
            assert_eq!(bsd(text, reference), Some((instant, text.len())), "{text}");
        }
        assert_eq!(access("23/Nov/2026:15:02:10 +0100] \"GET"), Some((instant, 26)));
        assert_eq!(ctime("Mon Nov 23 14:02:10.000000 2026]"), Some((instant, 31)));
        assert_eq!(klog("1123 14:02:10.000000   17 a.go", reference), Some((Some(instant), 20)));
    }

    #[test]
    fn a_date_without_a_year_is_the_newest_that_can_be() {
        let reference = Some(at("2027-01-01T00:00:30Z"));
        let year_of = |text| bsd(text, reference).map(|(at, _)| at.to_string()[..4].to_owned());
        assert_eq!(year_of("Dec 31 23:59:59").as_deref(), Some("2026"));
        assert_eq!(year_of("Jan  1 00:00:29").as_deref(), Some("2027"));
        assert_eq!(year_of("Jan  1 23:00:00").as_deref(), Some("2027"), "within a day ahead: a clock or zone that is off");
        assert_eq!(year_of("Jan  2 00:00:31").as_deref(), Some("2026"));
        assert_eq!(year_of("Feb 29 12:00:00").as_deref(), Some("2024"));
        assert_eq!(year_of("Feb 30 12:00:00"), None);
    }

    #[test]
    fn what_is_no_date_is_none() {
        let reference = Some(at("2026-11-23T14:02:11Z"));
        for text in [
            "",
            "2026",
            "2026-11-23",
            "2026-11-23 14:02:99",
            "2026-11-23 14:02:10abc",
            "2026-13-23 14:02:10",
            "Nov",
            "Nov 23",
            "Now 23 14:02:10",
            "é",
        ] {
            assert_eq!((iso(text), bsd(text, reference), access(text), ctime(text)), (None, None, None, None), "{text}");
        }
        assert_eq!(klog("1323 14:02:10", reference).and_then(|(at, _)| at), None);
    }
}
