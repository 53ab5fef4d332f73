//! One JSON object → the fields of a log line, borrowed from its bytes.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::engine::decode::log_line::fields::{Fields, Target, WRAPPED};
use crate::engine::decode::log_line::{Line, Scalar};

/// Reads one object into a line.
pub(in crate::engine::decode) struct LineSeed<'s, 'a> {
    pub(in crate::engine::decode) fields: &'s Fields,
    pub(in crate::engine::decode) line: &'s mut Line<'a>,
    /// Dotted name of the object being read, with its last dot; empty at the top.
    pub(in crate::engine::decode) path: &'s mut String,
    pub(in crate::engine::decode) added_rank: u8,
}

impl<'de> DeserializeSeed<'de> for LineSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        loop {
            let seed = KeySeed { fields: self.fields, path: self.path };
            let Some((target, outer)) = map.next_key_seed(seed)? else { return Ok(()) };
            self.line.keys += 1;
            let seed = ValueSeed { fields: self.fields, line: &mut *self.line, path: &mut *self.path, target, added_rank: self.added_rank };
            map.next_value_seed(seed)?;
            self.path.truncate(outer);
        }
    }
}

/// Looks a key up under the current path. Where an object under it may hold fields, the path is left extended by the key.
struct KeySeed<'s> {
    fields: &'s Fields,
    path: &'s mut String,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    /// What the key means, and the length to cut the path back to.
    type Value = (Target, usize);

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = (Target, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let outer = self.path.len();
        self.path.push_str(key);
        let target = self.fields.find(self.path);
        if target.nested {
            self.path.push('.');
        } else {
            self.path.truncate(outer);
        }
        Ok((target, outer))
    }
}

struct ValueSeed<'s, 'a> {
    fields: &'s Fields,
    line: &'s mut Line<'a>,
    path: &'s mut String,
    target: Target,
    added_rank: u8,
}

impl<'a> ValueSeed<'_, 'a> {
    fn set(self, value: Leaf<'a>) {
        if let (Some(slot), Leaf(Some(value))) = (self.target.slot, value) {
            self.line.set(slot, self.target.rank.saturating_add(self.added_rank), value);
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.target.slot.is_none() && !self.target.nested && !self.target.wrapper {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        LeafVisitor.visit_borrowed_str(text).map(|leaf| self.set(leaf))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        LeafVisitor.visit_str(text).map(|leaf| self.set(leaf))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        LeafVisitor.visit_i64(value).map(|leaf| self.set(leaf))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        LeafVisitor.visit_u64(value).map(|leaf| self.set(leaf))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        LeafVisitor.visit_f64(value).map(|leaf| self.set(leaf))
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        LeafVisitor.visit_seq(seq).map(|_| ())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        if self.target.wrapper {
            let mut outside = String::new();
            let inner =
                LineSeed { fields: self.fields, line: self.line, path: &mut outside, added_rank: self.added_rank.saturating_add(WRAPPED) };
            return inner.visit_map(map);
        }
        if self.target.nested {
            let inner = LineSeed { fields: self.fields, line: self.line, path: self.path, added_rank: self.added_rank };
            return inner.visit_map(map);
        }
        LeafVisitor.visit_map(map).map(|_| ())
    }
}

/// A text or a number; anything else is none.
pub(super) struct Leaf<'a>(pub(super) Option<Scalar<'a>>);

impl<'de> Deserialize<'de> for Leaf<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafVisitor)
    }
}

struct LeafVisitor;

impl<'de> Visitor<'de> for LeafVisitor {
    type Value = Leaf<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Leaf<'de>, E> {
        Ok(Leaf(Some(Scalar::Text(Cow::Borrowed(text)))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Leaf<'de>, E> {
        Ok(Leaf(Some(Scalar::Text(Cow::Owned(text.to_owned())))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Leaf<'de>, E> {
        Ok(Leaf(Some(Scalar::Integer(value))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Leaf<'de>, E> {
        // Above i64 only ids are that large: as text they keep their digits.
        Ok(Leaf(Some(i64::try_from(value).map_or_else(|_| Scalar::Text(Cow::Owned(value.to_string())), Scalar::Integer))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Leaf<'de>, E> {
        Ok(Leaf(Some(Scalar::Float(value))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Leaf<'de>, E> {
        Ok(Leaf(None))
    }

    fn visit_unit<E>(self) -> Result<Leaf<'de>, E> {
        Ok(Leaf(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Leaf<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Leaf(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Leaf<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Leaf(None))
    }
}
