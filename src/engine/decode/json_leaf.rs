//! JSON read leniently: values of any type, and objects as their pairs in the order they stand.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::json_logs::not_json;
use super::otlp::facts::Scalar;
use super::sink::Refusal;

/// A value that is no list and no object, whatever its type; lists and objects are passed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Leaf<'a> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Nested,
}

impl Leaf<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A whole number, written as number or text; floats are cut.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Float(value) if value.abs() < 9.0e18 => Some(*value as i64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A number, written as number or text; `NaN` and `+Inf` too.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Text(text) => Scalar::Text(text.as_bytes()),
            Self::Integer(value) => Scalar::Integer(*value),
            Self::Float(value) => Scalar::Float(*value),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Null | Self::Nested => Scalar::Other,
        }
    }

    /// What it is, for a reason.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Nested => "a list or an object",
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Leaf<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Leaf<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Leaf::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Leaf::Integer(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(i64::try_from(value).map_or(Leaf::Float(value as f64), Leaf::Integer))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Leaf::Float(value))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Leaf::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Leaf::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Leaf::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Leaf::Nested)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Leaf::Nested)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// An object as its pairs; a key that stands twice is there twice. Null stands for an empty object.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a, V = Leaf<'a>>(pub(super) Vec<(Cow<'a, str>, V)>);

impl<V> Default for Pairs<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Object<V> {
            type Value = Vec<(Cow<'de, str>, V)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<Leaf<'de>, V>()? {
                    if let Leaf::Text(key) = key {
                        pairs.push((key, value));
                    }
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_any(Object(std::marker::PhantomData)).map(Pairs)
    }
}

/// The objects of a record: one, a list of them, or several one after the other. Each is parsed by itself, so that a bad one does
/// not take the others with it.
pub(super) fn objects(value: &[u8]) -> Result<Vec<&RawValue>, Refusal> {
    let first = value.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'[') => serde_json::from_slice(value).map_err(not_json),
        Some(b'{') => serde_json::Deserializer::from_slice(value).into_iter().collect::<Result<_, _>>().map_err(not_json),
        _ => Err(Refusal::malformed(format!("not a JSON object: starts with {}", super::format::excerpt(value)))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn pairs_keep_their_order_and_repeats_and_escapes() {
        let pairs: Pairs<'_> = serde_json::from_str(r#"{"b":1,"a\n":"x","b":{"c":[1]},"d":null,"e":18446744073709551615}"#).unwrap();
        let keys: Vec<&str> = pairs.0.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, ["b", "a\n", "b", "d", "e"]);
        assert_eq!(pairs.0[2].1, Leaf::Nested);
        assert_eq!(pairs.0[4].1, Leaf::Float(18_446_744_073_709_551_615.0));
        assert!(serde_json::from_str::<Pairs<'_>>("null").unwrap().0.is_empty());
        assert!(serde_json::from_str::<Pairs<'_>>("[1]").is_err());
    }

    #[test]
    fn numbers_are_read_from_texts_too() {
        assert_eq!(Leaf::Text("-7".into()).integer(), Some(-7));
        assert_eq!(Leaf::Text(" 0.5 ".into()).float(), Some(0.5));
        assert!(Leaf::Text("NaN".into()).float().is_some_and(f64::is_nan));
        assert_eq!(Leaf::Text("+Inf".into()).float(), Some(f64::INFINITY));
        assert_eq!((Leaf::Bool(true).float(), Leaf::Null.integer(), Leaf::Float(1e300).integer()), (None, None, None));
    }
}
