//! One line of Influx line protocol, read from where it starts. Source: docs.influxdata.com, "Line protocol".
//!
//! Lines do not simply end at a line feed: a quoted text may hold some. So a line is read sign by sign.

use std::borrow::Cow;

use super::FieldValue;

pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) measurement: Cow<'a, str>,
    pub(super) tags: Vec<Pair<'a>>,
    /// At least one.
    pub(super) fields: Vec<(Cow<'a, str>, FieldValue)>,
    /// As it is written, in a unit that its magnitude tells.
    pub(super) timestamp: Option<Result<i64, String>>,
}

/// Why a line cannot be read, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

/// Walks the lines of a record.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next line that is neither empty nor a comment. After a broken one the walk goes on behind the next line feed.
    pub(super) fn next(&mut self) -> Option<Result<Line<'a>, Broken>> {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                self.at += 1;
            }
            match self.peek()? {
                b'#' => self.skip_line(),
                _ => break,
            }
        }
        let line = self.line();
        if line.is_err() {
            self.skip_line();
        }
        Some(line)
    }

    fn line(&mut self) -> Result<Line<'a>, Broken> {
        let measurement = self.name(b", ")?;
        if measurement.is_empty() {
            return self.broken("the measurement is missing");
        }
        let mut tags = Vec::new();
        while self.take(b',') {
            let key = self.name(b"=, ")?;
            if !self.take(b'=') {
                return self.broken("a tag without `=`");
            }
            tags.push((key, self.name(b", ")?));
        }
        if !self.take(b' ') {
            return self.broken("the fields are missing");
        }
        self.skip_spaces();
        let mut fields = Vec::new();
        loop {
            let key = self.name(b"=, ")?;
            if key.is_empty() || !self.take(b'=') {
                return self.broken("a field without a name or `=`");
            }
            fields.push((key, self.value()?));
            if !self.take(b',') {
                break;
            }
        }
        self.skip_spaces();
        let start = self.at;
        self.skip_line();
        let timestamp = self.bytes.get(start..self.at).unwrap_or_default().trim_ascii();
        let timestamp = (!timestamp.is_empty()).then(|| {
            let text = String::from_utf8_lossy(timestamp);
            text.parse().map_err(|_| crate::model::event::truncate(&text, 40).to_owned())
        });
        Ok(Line { measurement, tags, fields, timestamp })
    }

    /// A name up to an unescaped sign of `ends` or the line's end. A backslash escapes comma, equals sign and space, else it is itself.
    fn name(&mut self, ends: &[u8]) -> Result<Cow<'a, str>, Broken> {
        let start = self.at;
        let mut escaped = false;
        while let Some(byte) = self.peek() {
            if byte == b'\\' && self.bytes.get(self.at + 1).is_some_and(|next| is_escapable(*next)) {
                escaped = true;
                self.at += 2;
            } else if ends.contains(&byte) || byte == b'\n' {
                break;
            } else {
                self.at += 1;
            }
        }
        let name = self.bytes.get(start..self.at).unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|error| Broken { at: start + error.valid_up_to(), reason: "a name is not UTF-8" })?;
        Ok(if escaped { Cow::Owned(unescaped(name)) } else { Cow::Borrowed(name) })
    }

    fn value(&mut self) -> Result<FieldValue, Broken> {
        if self.take(b'"') {
            self.quoted()?;
            return match self.peek() {
                None | Some(b',' | b' ' | b'\n' | b'\r') => Ok(FieldValue::Other("a text")),
                Some(_) => self.broken("something follows a text's closing quote"),
            };
        }
        let start = self.at;
        while self.peek().is_some_and(|byte| !matches!(byte, b',' | b' ' | b'\n')) {
            self.at += 1;
        }
        Ok(number(self.bytes.get(start..self.at).unwrap_or_default().trim_ascii_end()))
    }

    /// Goes behind a text's closing quote; its words measure nothing.
    fn quoted(&mut self) -> Result<(), Broken> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        // Whatever follows the quote may be good lines.
        self.at = start;
        self.broken("a text without its closing quote")
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_spaces(&mut self) {
        while self.take(b' ') {}
    }

    /// To behind the next line feed, or the end.
    fn skip_line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += memchr::memchr(b'\n', rest).map_or(rest.len(), |feed| feed + 1);
    }

    fn broken<T>(&self, reason: &'static str) -> Result<T, Broken> {
        Err(Broken { at: self.at, reason })
    }
}

const fn is_escapable(byte: u8) -> bool {
    matches!(byte, b',' | b'=' | b' ')
}

fn unescaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut signs = name.chars().peekable();
    while let Some(sign) = signs.next() {
        match signs.peek() {
            Some(&next) if sign == '\\' && matches!(next, ',' | '=' | ' ') => {
                out.push(next);
                signs.next();
            }
            _ => out.push(sign),
        }
    }
    out
}

/// `1`, `1.5e3`, `1i`, `1u`, `t`, `false`.
fn number(text: &[u8]) -> FieldValue {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(_) => return FieldValue::Bad("a value is not UTF-8".to_owned()),
    };
    let parsed = match text {
        "t" | "T" | "true" | "True" | "TRUE" => Some(1.0),
        "f" | "F" | "false" | "False" | "FALSE" => Some(0.0),
        _ => match text.as_bytes().split_last() {
            Some((b'i', _)) => text[..text.len() - 1].parse::<i64>().ok().map(|value| value as f64),
            Some((b'u', _)) => text[..text.len() - 1].parse::<u64>().ok().map(|value| value as f64),
            // Rust also knows `inf` and `nan`, the protocol does not.
            _ if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
                text.parse().ok().filter(|value: &f64| value.is_finite())
            }
            _ => None,
        },
    };
    match parsed {
        Some(value) => FieldValue::Number(value),
        None => FieldValue::Bad(format!("{:?} is neither number, boolean nor quoted text", crate::model::event::truncate(text, 40))),
    }
}
