//! Plain text: UTF-8 without control characters but tab and line feed, as applications print it.
//!
//! Time, level, and where they stand there host and program are looked for at the head of a line, as loggers, web servers and
//! databases write them (`head.rs`); colours of a terminal are taken out. A time without a zone is UTC, a time of day without a date is
//! not used. One record with several lines is one item: a message with its stack trace. Only where its first line begins with
//! a time does each further line that begins with a time begin an item of its own.

use std::borrow::Cow;

use super::log_line::fields::Slot;
use super::log_line::{self, Line, LineReader, Scalar};
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use super::{level, stack};
use crate::model::observation::LogLine;
use crate::model::{Severity, Timestamp};

mod access;
mod head;

pub(super) const WIRE: Format = &WireFormat { name: "text", header: None, sign: Sign::Line(starts), reader: Reader::Lines(decode) };

/// Bytes that are looked at before a record is taken for text.
const LOOKED_AT: usize = 256;

/// Bytes of the longest escape sequence that only sets colours, as far as they are made: `ESC [ 38;2;255;255;255;48;2;0;0;0 m`.
const LONGEST_COLOUR: usize = 48;

/// True of bytes that begin like text; the rest is checked when it is read.
pub(super) fn starts(value: &[u8]) -> bool {
    let head = value.get(..LOOKED_AT).unwrap_or(value);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut by the end of what is looked at.
        Err(error) if error.error_len().is_none() && value.len() > LOOKED_AT => {
            std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    // So may a colour be.
    let text = match text.rfind('\u{1b}') {
        Some(at) if value.len() > LOOKED_AT && text.len() - at < LONGEST_COLOUR => &text[..at],
        _ => text,
    };
    first_control(text).is_none() && text.contains(|c: char| !c.is_whitespace())
}

pub(super) fn decode(reader: &mut LineReader, value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let text = readable(value)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = without_colours(text);
    if text.trim().is_empty() {
        return Err(Refusal::field("no message: nothing but white space"));
    }
    let items: Vec<Result<&str, Refusal>> = items(&text, sink.kafka_time).into_iter().map(Ok).collect();
    log_line::take(&items, sink, |item, sink| line(reader, item, sink))
}

fn line(reader: &mut LineReader, item: &str, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
    let mut line = Line::default();
    read_head(item, sink.kafka_time, &mut line);
    reader.build(&mut line, sink)
}

/// Reads an item's head; what follows it becomes the line's message.
pub(super) fn read_head<'t>(item: &'t str, kafka_time: Option<Timestamp>, line: &mut Line<'t>) {
    let head = head::read(item, kafka_time);
    line.time = head.time;
    line.severity = head.severity;
    if let Some(status) = head.status {
        line.set(Slot::HttpStatus, 0, Scalar::Integer(status));
    }
    for (slot, name) in [(Slot::Host, head.host), (Slot::Service, head.program)] {
        if let Some(name) = name {
            line.set_text(slot, LAST, name);
        }
    }
    let said = head.said.trim();
    set_message(if said.is_empty() { item.trim() } else { said }, line);
}

/// Rank of names at the head of a line: the application's own word is better.
const LAST: u8 = 98;

/// Takes a text as a line's message; a stack trace in it stands apart, and is an error where nothing says otherwise.
pub(super) fn set_message<'t>(said: &'t str, line: &mut Line<'t>) {
    let Some((said, trace)) = stack::inside(said) else {
        line.set_text(Slot::Message, 0, said);
        return;
    };
    let raised = stack::last_line(trace).or(Some(trace)).filter(|text| stack::exception_type(text).is_some());
    if let Some(kind) = raised.and_then(stack::exception_type) {
        line.set_text(Slot::ExceptionType, 0, kind);
    }
    // A traceback that stands alone says what happened in its last line.
    line.set_text(Slot::Message, 0, if trace.starts_with(said) { stack::last_line(trace).unwrap_or(said) } else { said });
    line.set_text(Slot::Stack, 0, trace);
    if line.severity.is_none() {
        line.severity = severity(said).or(Some(Severity::High));
    }
}

/// Severity that a line's text tells where nothing else does.
pub(super) fn severity(message: &str) -> Option<Severity> {
    access::read(message)
        .map(|request| access::severity(request.status))
        .or_else(|| head::named_level(message))
        .or_else(|| level::of_message(message))
}

/// The items of a record, each with all its lines.
fn items(text: &str, kafka_time: Option<Timestamp>) -> Vec<&str> {
    let text = text.trim_matches(['\n', '\r']);
    let mut items = Vec::new();
    let mut start = 0;
    if text.contains('\n') && head::begins_with_time(text, kafka_time) {
        for feed in memchr::memchr_iter(b'\n', text.as_bytes()) {
            if text.get(feed + 1..).is_some_and(|rest| head::begins_with_time(rest, kafka_time)) {
                items.extend(text.get(start..feed));
                start = feed + 1;
            }
        }
    }
    items.extend(text.get(start..));
    items
}

/// The text of a value, or where it ceases to be UTF-8.
pub(super) fn utf8(value: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(value).map_err(|error| Refusal::malformed(format!("not UTF-8: {error}")))
}

/// The text of a value, or where it ceases to be one.
pub(super) fn readable(value: &[u8]) -> Result<&str, Refusal> {
    let text = utf8(value)?;
    match first_control(text) {
        Some((at, control)) => Err(Refusal::malformed(format!("not text: control character U+{:04X} at byte {at}", u32::from(control)))),
        None => Ok(text),
    }
}

/// The first control character that text does not hold: others than tab, line feed, carriage return and those that colour a terminal.
fn first_control(text: &str) -> Option<(usize, char)> {
    // Almost no text holds any, and looking byte by byte for what may be one is faster.
    let suspicious =
        text.bytes().fold(false, |seen, byte| seen | (byte < b' ') & (byte != b'\n') & (byte != b'\t') | (byte == 0x7f) | (byte == 0xc2));
    if !suspicious {
        return None;
    }
    text.char_indices()
        .filter(|(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        .find(|(at, c)| *c != '\u{1b}' || colour(&text[*at..]).is_none())
}

/// Length of the escape sequence that a text begins with, when it only sets colours and the like: `ESC [ 31 m`.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let length = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    matches!(parameters.as_bytes().get(length), Some(b'm' | b'K')).then_some(length + 3)
}

fn without_colours(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = rest.get(at + colour(&rest[at..]).unwrap_or(1)..).unwrap_or_default();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
