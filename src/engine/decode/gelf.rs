//! GELF 1.1 (Graylog): one JSON object a message, perhaps compressed as a whole.
//!
//! `version`, `host` and `short_message` must be there; `timestamp` is seconds since the epoch with decimals, `level` counts as
//! syslog does (0 worst), `full_message` may hold a backtrace, and fields of one's own begin with an underscore. Messages cut
//! into chunks, as over UDP, are not put together.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json_logs::{self, not_json};
use super::level;
use super::log_line::fields::{Fields, Slot, WRAPPED, rank_of};
use super::log_line::{Line, SHORT_MESSAGE, Scalar};
use super::sink::Refusal;
use super::wire_format::{Format, Reader, Sign, WireFormat};

/// Told from other JSON lines where these are read.
pub(super) const WIRE: Format =
    &WireFormat { name: "gelf", header: None, sign: Sign::Tree, reader: Reader::Dialects(json_logs::decode_gelf) };

const SHORT_MESSAGE_RANK: u8 = rank_of(Slot::Message, SHORT_MESSAGE);
const VERSION_RANK: u8 = rank_of(Slot::Version, "version");
/// Rank of names that GELF itself gives a meaning.
const OWN: u8 = 0;
/// Rank of a name that is better than none: `host` is often the machine's, not the pod's.
const LAST: u8 = 99;

/// True of a line, read by the usual names, that has what GELF demands: its version, a host and a short message.
pub(super) fn is_one(line: &Line<'_>) -> bool {
    line.rank(Slot::Message) == Some(SHORT_MESSAGE_RANK)
        && line.rank(Slot::Version) == Some(VERSION_RANK)
        && matches!(line.peek(Slot::Version), Some(Scalar::Text(version)) if version.starts_with("1."))
        && line.peek(Slot::Host).is_some()
}

/// Reads one message.
pub(super) fn read<'a>(text: &'a str, fields: &Fields) -> Result<Line<'a>, Refusal> {
    let mut message = Message { line: Line::default(), fields, full_message: None, facility: None };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    MessageSeed(&mut message).deserialize(&mut deserializer).map_err(not_json)?;
    let Message { mut line, full_message, facility, .. } = message;
    for (slot, name) in [(Slot::Message, SHORT_MESSAGE), (Slot::Host, "host")] {
        match line.peek(slot) {
            Some(Scalar::Text(text)) if text.trim().is_empty() => return Err(Refusal::field(format!("{name}: is empty"))),
            Some(_) => {}
            None => return Err(Refusal::field(format!("{name} is missing, which GELF demands"))),
        }
    }
    if let Some(full) = full_message.filter(|full| full.trim().contains('\n')) {
        line.set(Slot::Stack, WRAPPED, Scalar::Text(full));
    }
    if let Some(facility) = facility {
        line.set(Slot::Service, LAST, facility);
    }
    Ok(line)
}

struct Message<'s, 'a> {
    line: Line<'a>,
    fields: &'s Fields,
    full_message: Option<Cow<'a, str>>,
    /// Of GELF 1.0: what the line is from.
    facility: Option<Scalar<'a>>,
}

impl<'a> Message<'_, 'a> {
    fn field(&mut self, key: &str, value: Scalar<'a>) {
        self.line.keys += 1;
        match key {
            SHORT_MESSAGE => self.line.set(Slot::Message, OWN, value),
            "host" => self.line.set(Slot::Host, LAST, value),
            "timestamp" => self.line.set(Slot::Time, OWN, value),
            "level" => self.line.severity = severity(&value),
            "full_message" => self.full_message = Some(value.into_text()),
            "facility" => self.facility = Some(value),
            _ => {
                let Some(name) = key.strip_prefix('_') else { return };
                let target = self.fields.find(name);
                if let Some(slot) = target.slot.filter(|slot| !matches!(slot, Slot::Message | Slot::Time)) {
                    self.line.set(slot, target.rank, value);
                }
            }
        }
    }
}

fn severity(level: &Scalar<'_>) -> Option<crate::model::Severity> {
    match level {
        Scalar::Text(text) => level::of_name(text).or_else(|| level::of_number(level.integer()?)),
        Scalar::Integer(number) => level::of_number(*number),
        Scalar::Float(number) if number.fract() == 0.0 && (0.0..8.0).contains(number) => level::of_number(*number as i64),
        Scalar::Float(_) => None,
    }
}

struct MessageSeed<'m, 's, 'a>(&'m mut Message<'s, 'a>);

impl<'de> DeserializeSeed<'de> for MessageSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GELF message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if let Some(value) = map.next_value_seed(ScalarSeed)? {
                self.0.field(&key, value);
            }
        }
        Ok(())
    }
}

/// A text or a number; anything else is none.
struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Option<Scalar<'de>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Option<Scalar<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(value).map_or_else(|_| Scalar::Text(Cow::Owned(value.to_string())), Scalar::Integer)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Float(value)))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
