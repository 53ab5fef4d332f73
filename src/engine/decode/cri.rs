//! Lines as Kubernetes' container runtimes write them to a node's files: `2026-11-23T14:02:10.214Z stderr F message`.
//!
//! Each line of the file is an item, but for those marked `P`: they are parts of the line that the next `F` ends. The time is the
//! runtime's, since it has a zone, unless the message is JSON or logfmt with a time of its own.

use super::log_line::{self, Line, LineReader};
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use super::{dates, text};
use crate::model::observation::LogLine;

pub(super) const WIRE: Format = &WireFormat {
    name: "cri",
    header: None,
    sign: Sign::Line(|value| matches!(value.first(), Some(b'0'..=b'9')) && starts(value)),
    reader: Reader::Lines(decode),
};

/// True of bytes that begin with a time, a stream and a tag.
pub(super) fn starts(value: &[u8]) -> bool {
    // A date, a clock with nine decimals and the longest zone, a stream, a tag.
    let head = value.get(..value.len().min(64)).unwrap_or_default();
    let head = match std::str::from_utf8(head) {
        Ok(head) => head,
        Err(error) => std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
    };
    head.as_bytes().get(10) == Some(&b'T') && Entry::read(head).is_some()
}

pub(super) fn decode(reader: &mut LineReader, value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
    let text = text::readable(value)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    // Runs of parts, each with the line that ends it.
    let runs = lines.split_inclusive(|line| Entry::read(line).is_none_or(|entry| entry.is_whole));
    let runs: Vec<String> = runs.map(|run| run.join("\n")).collect();
    let runs: Vec<Result<&str, Refusal>> = runs.iter().map(|run| Ok(run.as_str())).collect();
    log_line::take(&runs, sink, |run, sink| line(reader, run, sink))
}

fn line(reader: &mut LineReader, run: &str, sink: &mut RecordSink<'_>) -> Result<LogLine, Refusal> {
    let mut line = Line::default();
    let mut said = String::new();
    for part in run.lines() {
        let entry = Entry::read(part).ok_or_else(|| {
            Refusal::malformed(format!("no `time stream tag` of a runtime: starts with {}", super::format::excerpt(part.as_bytes())))
        })?;
        line.time.get_or_insert(entry.at);
        said.push_str(entry.said);
    }
    if said.trim().is_empty() {
        return Err(Refusal::field("no message: nothing stands after the runtime's tag"));
    }
    let at = line.time;
    text::read_head(&said, sink.kafka_time, &mut line);
    line.time = at;
    reader.build(&mut line, sink)
}

/// One line of a runtime.
struct Entry<'t> {
    at: crate::model::Timestamp,
    is_whole: bool,
    said: &'t str,
}

impl<'t> Entry<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let (at, end) = dates::iso(line)?;
        let rest = line.get(end..)?;
        let rest = rest.strip_prefix(" stdout ").or_else(|| rest.strip_prefix(" stderr "))?;
        let (tags, said) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_whole = match tags.split(':').next() {
            Some("F") => true,
            Some("P") => false,
            _ => return None,
        };
        Some(Self { at, is_whole, said })
    }
}
