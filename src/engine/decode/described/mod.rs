//! Formats that settings describe: JSON whose facts stand at JSON pointers.
//!
//! A record is one object, or with `items` an array of items somewhere in it. A bad item leaves the others.

use memchr::memmem;
use serde_json::Value;

use super::change::parse;
use super::log_line::LineReader;
use super::sink::{RecordSink, Refusal};
use crate::model::Source;
use crate::model::event::truncate;

mod events;
mod lines;
mod options;
mod points;

pub use options::{FormatOptions, MAX_FORMATS, compile};

/// A format that settings describe, ready for use.
#[derive(Clone, Debug)]
pub struct Described {
    pub(super) name: &'static str,
    pub(super) source: Source,
    /// Pointer → the value that stands there; `None` takes any but null.
    matches: Vec<(String, Option<Value>)>,
    /// Keys without which a record cannot match, as they are written: looked for before anything is parsed.
    keys: Vec<memmem::Finder<'static>>,
    items: Option<String>,
    fields: Vec<(String, Place)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// A JSON pointer.
    At(String),
    Constant(Value),
}

impl Described {
    /// The source whose connectors can read it.
    pub const fn source(&self) -> Source {
        self.source
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// True of a record that `match` fits; of none where there is no `match`.
    pub(super) fn is_of(&self, value: &[u8]) -> bool {
        if self.matches.is_empty() || !self.keys.iter().all(|key| key.find(value).is_some()) {
            return false;
        }
        serde_json::from_slice(value).is_ok_and(|body| self.mismatch(&body).is_none())
    }

    /// Reads a record; a record that `match` does not fit is refused with what stands there.
    pub(super) fn read(&self, lines: &mut LineReader, value: &[u8], sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
        let body = parse(value)?;
        if let Some(reason) = self.mismatch(&body) {
            return Err(Refusal::unknown(reason));
        }
        let Some(pointer) = &self.items else { return self.read_item(&body, &body, lines, sink) };
        let found = body.pointer(pointer);
        let items = found.and_then(Value::as_array).ok_or_else(|| {
            Refusal::field(format!("items: {} at {pointer}, where {} has a list", found.map_or("nothing", kind), self.name))
        })?;
        for item in items {
            if let Err(refusal) = self.read_item(&body, item, lines, sink) {
                sink.refuse_item(refusal);
            }
        }
        Ok(())
    }

    fn read_item(&self, body: &Value, item: &Value, lines: &mut LineReader, sink: &mut RecordSink<'_>) -> Result<(), Refusal> {
        let item = Item { body, item, format: self };
        match self.source {
            Source::Logs => lines::read(&item, lines, sink),
            Source::Metrics => points::read(&item, sink),
            _ => events::read(&item, sink),
        }
    }

    /// Why `match` does not fit; `None` where it does.
    fn mismatch(&self, body: &Value) -> Option<String> {
        self.matches.iter().find_map(|(pointer, expected)| match (body.pointer(pointer), expected) {
            (None | Some(Value::Null), _) => Some(format!("not {}: nothing at {pointer}", self.name)),
            (Some(found), Some(expected)) if found != expected => {
                Some(format!("not {}: {} at {pointer}, not {expected}", self.name, truncate(&found.to_string(), 60)))
            }
            _ => None,
        })
    }
}

/// Two descriptions by one name are one: settings are compiled once.
impl PartialEq for Described {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.source, &self.matches, &self.items, &self.fields)
            == (other.name, other.source, &other.matches, &other.items, &other.fields)
    }
}

/// One item, and the record around it.
struct Item<'v> {
    body: &'v Value,
    item: &'v Value,
    format: &'v Described,
}

impl<'v> Item<'v> {
    fn fields(&self) -> impl Iterator<Item = (&'v str, &'v Value)> + use<'v> {
        let (body, item) = (self.body, self.item);
        let value = move |place: &'v Place| match place {
            Place::Constant(value) => Some(value),
            Place::At(pointer) => item.pointer(pointer).or_else(|| body.pointer(pointer)).filter(|value| !value.is_null()),
        };
        self.format.fields.iter().filter_map(move |(field, place)| Some((field.as_str(), value(place)?)))
    }

    fn field(&self, name: &str) -> Option<&'v Value> {
        self.fields().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The field, or why the item cannot be one: where nothing stands.
    fn required(&self, name: &str) -> Result<&'v Value, Refusal> {
        self.field(name).ok_or_else(|| Refusal::field(format!("{name}: nothing at {}", self.pointer(name))))
    }

    /// Where a field is looked for.
    fn pointer(&self, name: &str) -> &'v str {
        self.format
            .fields
            .iter()
            .find_map(|(field, place)| match place {
                Place::At(pointer) if field == name => Some(pointer.as_str()),
                _ => None,
            })
            .unwrap_or("its constant")
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
