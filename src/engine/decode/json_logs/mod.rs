//! JSON log lines: ECS (flat and nested), Fluent Bit, Vector, Docker's json-file, and what loggers of many languages write.
//!
//! One object is one line; an array of objects or several objects in a row (NDJSON, or separated by zero bytes) are as many
//! lines. An object that has all that GELF demands is read by its rules.

use serde_json::value::RawValue;

use super::gelf;
use super::log_line::{Line, LineReader};
use super::sink::{RecordSink, Refusal};
use super::wire_format::{Format, Reader, Sign, WireFormat};
use crate::model::observation::LogLine;

mod layout;
mod learn;
mod line;
mod plain;

pub(super) use super::log_line::{MAX_MESSAGE, MAX_NAME, UNKNOWN_SERVICE, limited};
pub(super) use layout::Layouts;
pub(super) use line::LineSeed;

pub(super) const WIRE: Format = &WireFormat { name: "json_logs", header: None, sign: Sign::Tree, reader: Reader::Dialects(decode_lines) };

fn decode_lines(reader: &mut LineReader, value: &[u8], sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    decode(reader, Kind::Lines, value, sink)
}

pub(super) fn decode_gelf(reader: &mut LineReader, value: &[u8], sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    decode(reader, Kind::Gelf, value, sink)
}

/// What the objects of a record turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lines,
    Gelf,
}

/// Reads a record of `kind`; with [`Kind::Lines`] each object may still turn out to be GELF. Says what the first one was.
fn decode(reader: &mut LineReader, kind: Kind, value: &[u8], sink: &mut RecordSink<'_>) -> (Result<(), Refusal>, &'static str) {
    let mut objects = Objects { reader, sink, wanted: kind, first: None };
    let outcome = objects.decode(value);
    let format = match objects.first.unwrap_or(kind) {
        Kind::Lines => WIRE,
        Kind::Gelf => gelf::WIRE,
    };
    (outcome, format.name)
}

struct Objects<'r, 's, 'b> {
    reader: &'r mut LineReader,
    sink: &'s mut RecordSink<'b>,
    wanted: Kind,
    first: Option<Kind>,
}

impl Objects<'_, '_, '_> {
    fn decode(&mut self, value: &[u8]) -> Result<(), Refusal> {
        // Checked once as a whole, which is faster than text by text.
        let text = std::str::from_utf8(value).map_err(|error| Refusal::malformed(format!("not UTF-8: {error}")))?;
        let text = text.trim_end_matches('\0');
        match text.bytes().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => {
                let lines: Vec<&RawValue> = serde_json::from_str(text).map_err(not_json)?;
                self.decode_many(&lines);
                Ok(())
            }
            Some(b'{') => {
                let mut line = Line::default();
                if !read_one(self.reader, text, &mut line).map_err(not_json)? {
                    let lines = objects_in_a_row(text).map_err(not_json)?;
                    self.decode_many(&lines);
                    return Ok(());
                }
                let line = self.build(text, &mut line)?;
                self.sink.log(line);
                Ok(())
            }
            _ => Err(Refusal::malformed(format!("not a JSON object: starts with {}", super::format::excerpt(value)))),
        }
    }

    /// Several lines in one record: a bad one does not take the others with it.
    fn decode_many(&mut self, lines: &[&RawValue]) {
        for raw in lines {
            let mut line = Line::default();
            let read = read_one(self.reader, raw.get(), &mut line).map_err(not_json);
            match read.and_then(|_| self.build(raw.get(), &mut line)) {
                Ok(line) => self.sink.log(line),
                Err(refusal) => self.sink.refuse_item(refusal),
            }
        }
    }

    fn build(&mut self, text: &str, line: &mut Line<'_>) -> Result<LogLine, Refusal> {
        let kind = if self.wanted == Kind::Gelf || gelf::is_one(line) { Kind::Gelf } else { Kind::Lines };
        self.first.get_or_insert(kind);
        match kind {
            Kind::Lines => self.reader.build(line, self.sink),
            Kind::Gelf => self.reader.build(&mut gelf::read(text, &self.reader.fields)?, self.sink),
        }
    }
}

/// Reads an object into an empty line; false where more stands behind it.
fn read_one<'a>(reader: &mut LineReader, text: &'a str, line: &mut Line<'a>) -> serde_json::Result<bool> {
    if reader.layouts.read(text, line) {
        return Ok(true);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    reader.read_json(&mut deserializer, line)?;
    if deserializer.end().is_err() {
        return Ok(false);
    }
    if reader.layouts.wants()
        && let Some(layout) = learn::layout_of(text, &reader.fields)
    {
        reader.layouts.take(layout);
    }
    Ok(true)
}

fn objects_in_a_row(text: &str) -> serde_json::Result<Vec<&RawValue>> {
    text.split('\0').flat_map(|part| serde_json::Deserializer::from_str(part).into_iter()).collect()
}

pub(super) fn not_json(error: serde_json::Error) -> Refusal {
    Refusal::malformed(format!("not JSON of this shape: {error}"))
}
