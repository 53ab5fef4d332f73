//! What a wire format is to the decoder: a name, how its records are known, how they are read. Each format declares itself in its own
//! file; [`FORMATS`](super::FORMATS) lists them all.

use std::fmt;

use serde_json::Value;

use super::log_line::LineReader;
use super::sink::{RecordSink, Refusal};

pub(super) type Format = &'static WireFormat;

/// How reading a record ended, and the format it turned out to be in.
pub(super) type Outcome = (Result<(), Refusal>, &'static str);

pub(super) struct WireFormat {
    /// In settings, in the mix of a connector, in the reasons of dead letters.
    pub(super) name: &'static str,
    /// A header that only its records have; an [`Reader::Object`] is given its value.
    pub(super) header: Option<&'static str>,
    pub(super) sign: Sign,
    pub(super) reader: Reader,
}

/// How a record without a telling header is known. Where several signs fit, the format that is listed first has it.
pub(super) enum Sign {
    /// A record of logs that is no JSON object begins so. A look at a few bytes.
    Line(fn(&[u8]) -> bool),
    /// A JSON object of git, ci or manual has this shape, alone or in a CloudEvent.
    Object(fn(&Value) -> bool),
    /// In one look together with others, in `format` and `shape`.
    Tree,
}

/// How a record is read: each item goes to the sink; an error rejects the record as a whole.
pub(super) enum Reader {
    /// Bytes of telemetry.
    Bytes(fn(&[u8], &mut RecordSink<'_>) -> Result<(), Refusal>),
    /// Log lines, put together by the [`LineReader`].
    Lines(fn(&mut LineReader, &[u8], &mut RecordSink<'_>) -> Result<(), Refusal>),
    /// Log lines that may turn out to be in another format, whose name is returned.
    Dialects(fn(&mut LineReader, &[u8], &mut RecordSink<'_>) -> Outcome),
    /// One JSON object of a change or alert.
    Object(fn(Option<&str>, &Value, &mut RecordSink<'_>) -> Result<(), Refusal>),
    /// An envelope around any of these, or with its attributes in headers.
    Envelope,
}

/// A name is a format.
impl PartialEq for WireFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for WireFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
