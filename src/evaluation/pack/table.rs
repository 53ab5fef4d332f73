//! CSV files read row by row, and cells read as values.

use std::io::Read;

use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::evaluation::EvaluationError;
use crate::model::Timestamp;

/// Times before the year 2000 are placeholders, not times.
pub(super) const EARLIEST_NS: i64 = 946_684_800_000_000_000;

/// A CSV file with its header, read row by row.
pub(super) struct Table<'a> {
    file: &'a str,
    pub header: Vec<String>,
    reader: Reader<&'a mut dyn Read>,
    row: ByteRecord,
}

impl<'a> Table<'a> {
    pub fn open(file: &'a str, bytes: &'a mut dyn Read) -> Result<Self, EvaluationError> {
        let mut reader = ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(bytes);
        let header = reader.byte_headers().map_err(|error| csv_error(file, error))?;
        let header = header.iter().map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned()).collect();
        Ok(Self { file, header, reader, row: ByteRecord::new() })
    }

    pub fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N], EvaluationError> {
        let mut indexes = [0; N];
        for (index, name) in indexes.iter_mut().zip(names) {
            *index = self.header.iter().position(|found| found == name).ok_or_else(|| EvaluationError::MissingColumn {
                file: self.file.to_owned(),
                column: name.to_owned(),
                found: self.header.join(", "),
            })?;
        }
        Ok(indexes)
    }

    pub fn next(&mut self) -> Result<bool, EvaluationError> {
        self.reader.read_byte_record(&mut self.row).map_err(|error| csv_error(self.file, error))
    }

    pub fn line(&self) -> u64 {
        self.row.position().map_or(0, csv::Position::line)
    }

    pub fn cell(&self, column: usize) -> Result<String, &'static str> {
        let bytes = self.row.get(column).ok_or("row with too few columns")?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "row whose ids or names are not UTF-8")
    }

    /// A last column that was not quoted may hold commas.
    pub fn rest(&self, column: usize) -> String {
        let cells: Vec<_> = self.row.iter().skip(column).map(String::from_utf8_lossy).collect();
        cells.join(",")
    }
}

fn csv_error(file: &str, error: csv::Error) -> EvaluationError {
    let reason = error.to_string();
    let source = match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        _ => std::io::Error::new(std::io::ErrorKind::InvalidData, reason),
    };
    EvaluationError::Io { path: file.to_owned(), source }
}

pub(super) fn parse_hex(text: &str, digits: usize) -> Option<u128> {
    let text = text.trim();
    let readable = !text.is_empty() && text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if readable { u128::from_str_radix(text, 16).ok() } else { None }
}

pub(super) fn parse_time(text: &str) -> Option<i64> {
    text.trim().parse::<i64>().ok().filter(|time_ns| *time_ns >= EARLIEST_NS)
}

/// RFC 3339; without an offset it is UTC.
pub(super) fn parse_text_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let time = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z")))?;
    Some(time.nanos()).filter(|time_ns| *time_ns >= EARLIEST_NS)
}
