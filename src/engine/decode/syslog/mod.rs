//! syslog, RFC 5424 and RFC 3164, each message alone, one a line, or in frames that begin with their length (RFC 6587).
//!
//! The application's name is the service, and the priority's lower part the severity. RFC 3164 has neither year nor zone: the
//! year is the newest in which the time lies at most a day after the record's Kafka time, the zone is UTC. A line feed ends a
//! message only where a priority follows it: anything else is a stack trace or the like of the message before it.

use super::log_line::fields::Slot;
use super::log_line::{self, Line, LineReader};
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use super::{dates, instant, level, text};
use crate::model::Timestamp;
use crate::model::observation::LogLine;

mod structured;

pub(super) const WIRE: Format = &WireFormat { name: "syslog", header: None, sign: Sign::Line(is_one), reader: Reader::Lines(decode) };

/// What begins otherwise is not looked at further.
fn is_one(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'<' | b'0'..=b'9')) && starts(value)
}

/// Rank of a sender's name: the application's own word for its service is better.
const PROGRAM: u8 = 98;
/// The highest priority: facility 23, severity 7.
const MAX_PRIORITY: u32 = 191;

/// True of bytes that begin with a priority, perhaps after the length of a frame.
pub(super) fn starts(value: &[u8]) -> bool {
    starts_message(value) || after_length(value).is_some_and(|(_, message)| starts_message(message))
}

pub(super) fn decode(reader: &mut LineReader, value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let text = text::utf8(value)?;
    let messages = messages(text.trim_start());
    log_line::take(&messages, sink, |message, sink| line(reader, message, sink))
}

fn line(reader: &mut LineReader, message: &str, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
    let mut line = read(message.trim_end_matches(['\n', '\r', '\0']), reader, sink.kafka_time)?;
    reader.build(&mut line, sink)
}

fn starts_message(value: &[u8]) -> bool {
    let digits = value.iter().skip(1).take(4).take_while(|byte| byte.is_ascii_digit()).count();
    value.first() == Some(&b'<') && (1..=3).contains(&digits) && value.get(digits + 1) == Some(&b'>')
}

/// The length that a frame begins with, and what follows it.
fn after_length(value: &[u8]) -> Option<(usize, &[u8])> {
    let digits = value.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=7).contains(&digits) || value.get(digits) != Some(&b' ') {
        return None;
    }
    let length = usize::try_from(instant::number(value.get(..digits)?)?).ok()?;
    Some((length, value.get(digits + 1..)?))
}

/// The messages of a record.
fn messages(text: &str) -> Vec<Result<&str, Refusal>> {
    let mut messages = Vec::new();
    let mut rest = text;
    if !starts_message(text.as_bytes()) {
        while let Some((length, message)) = after_length(rest.as_bytes()) {
            let start = rest.len() - message.len();
            let Some(frame) = rest.get(start..start + length) else {
                let left = message.len();
                messages.push(Err(Refusal::malformed(format!("a frame of {length} bytes of which {left} are there"))));
                return messages;
            };
            messages.push(Ok(frame));
            rest = rest.get(start + length..).unwrap_or_default().trim_start_matches(['\n', '\r']);
        }
        if rest.trim().is_empty() && !messages.is_empty() {
            return messages;
        }
    }
    let mut start = 0;
    for feed in memchr::memchr_iter(b'\n', rest.as_bytes()) {
        if rest.as_bytes().get(feed + 1..).is_some_and(starts_message) {
            messages.extend(rest.get(start..feed).map(Ok));
            start = feed + 1;
        }
    }
    messages.extend(rest.get(start..).map(Ok));
    messages
}

/// Reads one message.
fn read<'m>(message: &'m str, reader: &LineReader, kafka_time: Option<Timestamp>) -> Result<Line<'m>, Refusal> {
    let (priority, rest) = message
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .and_then(|(digits, rest)| Some((digits.parse::<u32>().ok()?, rest)))
        .ok_or_else(|| Refusal::malformed(format!("no priority: starts with {}", super::format::excerpt(message.as_bytes()))))?;
    if priority > MAX_PRIORITY {
        return Err(Refusal::field(format!("priority: {priority} is more than {MAX_PRIORITY}")));
    }
    let mut line = Line::default();
    line.severity = level::of_number(i64::from(priority & 7));
    let said = match rest.strip_prefix("1 ").filter(|rest| is_dated(rest)) {
        Some(rest) => read_5424(rest, message.len(), reader, &mut line)?,
        None => read_3164(rest, kafka_time, &mut line),
    };
    let said = said.strip_prefix("@cee:").unwrap_or(said).trim_start();
    if said.trim().is_empty() {
        return Err(Refusal::field("no message: nothing stands after the header"));
    }
    text::set_message(said, &mut line);
    Ok(line)
}

/// RFC 5424 goes on with a date or `-`; a message of RFC 3164 may begin with `1 ` too.
fn is_dated(rest: &str) -> bool {
    rest.starts_with("- ") || matches!(rest.as_bytes(), [a, b, c, d, b'-', ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()))
}

/// Reads what follows the version; returns the message, or the structured data where there is none. `whole` is the length of all.
fn read_5424<'m>(rest: &'m str, whole: usize, reader: &LineReader, line: &mut Line<'m>) -> Result<&'m str, Refusal> {
    let mut rest = rest;
    let mut next = |name: &str| {
        let (field, after) = rest
            .split_once(' ')
            .ok_or_else(|| Refusal::malformed(format!("{name} is missing or nothing follows it, at byte {}", whole - rest.len())))?;
        rest = after;
        Ok::<_, Refusal>((field != "-").then_some(field))
    };
    let (time, host, program) = (next("TIMESTAMP")?, next("HOSTNAME")?, next("APP-NAME")?);
    let (_, kind) = (next("PROCID")?, next("MSGID")?);
    if let Some(time) = time {
        let at = instant::of_text(time).ok_or_else(|| Refusal::field(format!("unreadable TIMESTAMP {time:?}")))?;
        line.time = Some(at);
    }
    name(host, program, line);
    let data = rest;
    let after = structured::read(data, &reader.fields, line)
        .map_err(|(at, what)| Refusal::malformed(format!("STRUCTURED-DATA: {what} at byte {}", whole - data.len() + at)))?;
    let said = after.strip_prefix(' ').unwrap_or(after);
    let said = said.strip_prefix('\u{feff}').unwrap_or(said);
    let data = data[..data.len() - after.len()].trim();
    Ok(match (said.trim().is_empty(), data, kind) {
        (false, ..) => said,
        (true, "-", kind) => kind.unwrap_or_default(),
        (true, ..) => data,
    })
}

fn name<'m>(host: Option<&'m str>, program: Option<&'m str>, line: &mut Line<'m>) {
    if let Some(host) = host {
        line.set_text(Slot::Host, PROGRAM, host);
    }
    if let Some(program) = program {
        line.set_text(Slot::Service, PROGRAM, program);
    }
}

/// Reads what follows the priority; returns the message.
fn read_3164<'m>(rest: &'m str, kafka_time: Option<Timestamp>, line: &mut Line<'m>) -> &'m str {
    let Some((at, end)) = dates::bsd(rest, kafka_time).or_else(|| dates::iso(rest)) else { return rest };
    line.time = Some(at);
    let rest = rest[end..].trim_start_matches([' ', ':']);
    let (host, program, said) = sender(rest);
    name(host, program, line);
    said
}

/// `HOST PROGRAM[17]: message`, each part if it is there, as it stands after the time.
pub(super) fn sender(rest: &str) -> (Option<&str>, Option<&str>, &str) {
    if let Some((program, said)) = tag(rest) {
        return (None, Some(program), said);
    }
    let Some((host, after)) = rest.split_once(' ') else { return (None, None, rest) };
    match tag(after.trim_start()) {
        Some((program, said)) => (Some(host), Some(program), said),
        None => (Some(host), None, after.trim_start()),
    }
}

/// `PROGRAM:` or `PROGRAM[17]:` and what follows.
fn tag(text: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '+' | '(' | ')');
    let end = text.find(|c| !is_name(c)).filter(|end| (1..=100).contains(end))?;
    let (program, rest) = text.split_at(end);
    let rest = match rest.strip_prefix('[') {
        Some(process) => process.split_once(']').filter(|(process, _)| process.len() <= 32)?.1,
        None => rest,
    };
    rest.strip_prefix(':').map(|said| (program, said.strip_prefix(' ').unwrap_or(said)))
}
