//! logfmt: `ts=2026-11-23T14:02:10Z level=error msg="no seats left" service=seat`.
//!
//! Values in quotes may hold `\"`, `\\`, `\n`, `\t` and `\u00e9`; a value that ends without its quote ends with the line, and words without
//! `=` are passed over. A line without any name of a message is its own message. One record with several lines is as many
//! items when each of them begins with pairs; otherwise it is one, so that a stack trace stays with its line.

use std::borrow::Cow;

use super::log_line::fields::{Fields, Slot};
use super::log_line::{self, Line, LineReader, Scalar};
use super::sink::{RecordSink, Refusal};
use super::text;
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::observation::LogLine;

pub(super) const WIRE: Format = &WireFormat {
    name: "logfmt",
    header: None,
    sign: Sign::Line(|value| starts(value) && text::starts(value)),
    reader: Reader::Lines(decode),
};

/// Rank of a whole line as its message.
const WHOLE: u8 = u8::MAX;

/// True of a text that begins with two pairs.
pub(super) fn starts(value: &[u8]) -> bool {
    after_pair(value.trim_ascii_start()).is_some_and(|rest| {
        let next = rest.trim_ascii_start();
        next.len() < rest.len() && after_pair(next).is_some()
    })
}

pub(super) fn decode(reader: &mut LineReader, value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let text = text::readable(value)?;
    let text = text.trim();
    let several = text.contains('\n') && text.lines().all(|line| line.trim().is_empty() || starts(line.as_bytes()));
    let lines: Vec<Result<&str, Refusal>> = match several {
        true => text.lines().filter(|line| !line.trim().is_empty()).map(Ok).collect(),
        false => vec![Ok(text)],
    };
    log_line::take(&lines, sink, |text, sink| line(reader, text, sink))
}

fn line(reader: &mut LineReader, text: &str, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
    let mut line = Line::default();
    if read(text, &reader.fields, &mut line) == 0 {
        return Err(Refusal::malformed(format!("not logfmt: no key=value in {}", super::format::excerpt(text.as_bytes()))));
    }
    if line.peek(Slot::Message).is_none() {
        line.set_text(Slot::Message, WHOLE, text);
    }
    reader.build(&mut line, sink)
}

/// Reads the pairs of a text into a line; returns how many there were.
pub(super) fn read<'a>(text: &'a str, fields: &Fields, line: &mut Line<'a>) -> u32 {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(after) = after.strip_prefix('=') else {
            rest = after.trim_start();
            continue;
        };
        let (value, after) = take_value(after);
        rest = after.trim_start();
        line.keys += 1;
        let target = fields.find(key);
        if let Some(slot) = target.slot {
            line.set(slot, target.rank, Scalar::Text(value));
        }
    }
    line.keys
}

fn take_value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (Cow::Borrowed(&text[..end]), &text[end..]);
    };
    let end = end_of_quoted(quoted.as_bytes()).unwrap_or(quoted.len());
    let rest = quoted.get(end + 1..).unwrap_or_default();
    (unescaped(&quoted[..end]), rest)
}

/// Where the closing quote stands, past those behind a backslash.
pub(super) fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('u') => match characters.as_str().get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32) {
                Some(character) => {
                    plain.push(character);
                    characters = characters.as_str().get(4..).unwrap_or_default().chars();
                }
                None => plain.push_str("\\u"),
            },
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    Cow::Owned(plain)
}

/// What follows the pair that a text begins with.
fn after_pair(text: &[u8]) -> Option<&[u8]> {
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@');
    let key = text.iter().take_while(|byte| is_key(byte)).count();
    let begins_well = text.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'@'));
    if !begins_well || text.get(key) != Some(&b'=') {
        return None;
    }
    let value = text.get(key + 1..)?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.get(end_of_quoted(quoted).map_or(quoted.len(), |end| end + 1)..),
        None => {
            let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
            let plain = value.get(..end)?;
            (!plain.contains(&b'"') && plain.first() != Some(&b'=')).then(|| value.get(end..)).flatten()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_two_pairs_is_logfmt_and_prose_is_not() {
        for text in ["a=1 b=2", "ts=1 level=info", "  msg=\"x y\" k=", "@t=1 a.b=\"\" more words", "a= b="] {
            assert!(starts(text.as_bytes()), "{text}");
        }
        for text in ["", "a=1", "a == b", "x a=1 b=2", "https://x?a=1 b=2", "a=1b=2", "1=2 3=4", "a=\"1\"b=2", "=1 =2", "if a==b c=d"] {
            assert!(!starts(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn escapes_are_undone_and_odd_ones_stay_readable() {
        for (written, plain) in [
            (r#"say \"hi\""#, "say \"hi\""),
            (r"a\\b\n\tc", "a\\b\n\tc"),
            (r"caf\u00e9", "café"),
            (r"\ud800", "\\ud800"),
            (r"\u12", "\\u12"),
            ("\\", "\\"),
        ] {
            assert_eq!(unescaped(written), plain, "{written}");
        }
    }
}
