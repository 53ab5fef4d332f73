//! OTLP/JSON as producers write it: 64-bit numbers as text or number, enumerations as number or name, keys in camel or snake case.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A list that may be absent or null.
pub(super) type List<T> = Option<Vec<T>>;

#[derive(Debug, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow, alias = "resource_logs", rename = "resourceLogs")]
    pub(super) logs: List<Block<'a, ScopeLogs<'a>>>,
    #[serde(borrow, alias = "resource_spans", rename = "resourceSpans")]
    pub(super) spans: List<Block<'a, ScopeSpans<'a>>>,
    #[serde(borrow, alias = "resource_metrics", rename = "resourceMetrics")]
    pub(super) metrics: List<Block<'a, ScopeMetrics<'a>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Block<'a, S> {
    #[serde(borrow)]
    pub(super) resource: Option<ResourceJson<'a>>,
    #[serde(
        alias = "scopeSpans",
        alias = "scope_spans",
        alias = "scope_logs",
        alias = "scopeMetrics",
        alias = "scope_metrics",
        rename = "scopeLogs"
    )]
    pub(super) scopes: List<S>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResourceJson<'a> {
    #[serde(borrow)]
    pub(super) attributes: List<Pair<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScopeLogs<'a> {
    #[serde(borrow, alias = "log_records", rename = "logRecords")]
    pub(super) records: List<LogJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScopeSpans<'a> {
    #[serde(borrow)]
    pub(super) spans: List<SpanJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScopeMetrics<'a> {
    #[serde(borrow)]
    pub(super) metrics: List<MetricJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pair<'a> {
    #[serde(borrow, default)]
    pub(super) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) value: Option<AnyJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnyJson<'a> {
    #[serde(borrow, alias = "string_value", default, deserialize_with = "text")]
    pub(super) string_value: Option<Cow<'a, str>>,
    #[serde(alias = "bool_value")]
    pub(super) bool_value: Option<bool>,
    #[serde(alias = "int_value")]
    pub(super) int_value: Option<Number>,
    #[serde(alias = "double_value")]
    pub(super) double_value: Option<Number>,
    #[serde(borrow, alias = "bytes_value", default, deserialize_with = "text")]
    pub(super) bytes_value: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "array_value")]
    pub(super) array_value: Option<ListJson<'a>>,
    #[serde(borrow, alias = "kvlist_value")]
    pub(super) kvlist_value: Option<MapJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListJson<'a> {
    #[serde(borrow)]
    pub(super) values: List<AnyJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MapJson<'a> {
    #[serde(borrow)]
    pub(super) values: List<Pair<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpanJson<'a> {
    #[serde(borrow, alias = "trace_id", default, deserialize_with = "text")]
    pub(super) trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "span_id", default, deserialize_with = "text")]
    pub(super) span_id: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "parent_span_id", default, deserialize_with = "text")]
    pub(super) parent_span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) kind: Option<Enumerated<'a>>,
    #[serde(alias = "start_time_unix_nano")]
    pub(super) start_time_unix_nano: Option<Number>,
    #[serde(alias = "end_time_unix_nano")]
    pub(super) end_time_unix_nano: Option<Number>,
    #[serde(borrow)]
    pub(super) attributes: List<Pair<'a>>,
    #[serde(borrow)]
    pub(super) events: List<EventJson<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<StatusJson<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventJson<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) attributes: List<Pair<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StatusJson<'a> {
    #[serde(borrow)]
    pub(super) code: Option<Enumerated<'a>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) message: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogJson<'a> {
    #[serde(alias = "time_unix_nano")]
    pub(super) time_unix_nano: Option<Number>,
    #[serde(alias = "observed_time_unix_nano")]
    pub(super) observed_time_unix_nano: Option<Number>,
    #[serde(borrow, alias = "severity_number")]
    pub(super) severity_number: Option<Enumerated<'a>>,
    #[serde(borrow, alias = "severity_text", default, deserialize_with = "text")]
    pub(super) severity_text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) body: Option<AnyJson<'a>>,
    #[serde(borrow)]
    pub(super) attributes: List<Pair<'a>>,
    #[serde(borrow, alias = "trace_id", default, deserialize_with = "text")]
    pub(super) trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "span_id", default, deserialize_with = "text")]
    pub(super) span_id: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "event_name", default, deserialize_with = "text")]
    pub(super) event_name: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricJson<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) unit: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) gauge: Option<PointsJson<'a>>,
    #[serde(borrow)]
    pub(super) sum: Option<PointsJson<'a>>,
    #[serde(borrow)]
    pub(super) histogram: Option<PointsJson<'a>>,
    #[serde(borrow, alias = "exponential_histogram")]
    pub(super) exponential_histogram: Option<PointsJson<'a>>,
    #[serde(borrow)]
    pub(super) summary: Option<PointsJson<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PointsJson<'a> {
    #[serde(borrow, alias = "data_points")]
    pub(super) data_points: List<PointJson<'a>>,
    #[serde(borrow, alias = "aggregation_temporality")]
    pub(super) aggregation_temporality: Option<Enumerated<'a>>,
    #[serde(alias = "is_monotonic")]
    pub(super) is_monotonic: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PointJson<'a> {
    #[serde(borrow)]
    pub(super) attributes: List<Pair<'a>>,
    #[serde(alias = "time_unix_nano")]
    pub(super) time_unix_nano: Option<Number>,
    #[serde(alias = "as_double")]
    pub(super) as_double: Option<Number>,
    #[serde(alias = "as_int")]
    pub(super) as_int: Option<Number>,
    pub(super) count: Option<Number>,
    pub(super) sum: Option<Number>,
    pub(super) flags: Option<Number>,
}

/// A number, written as number or text; `NaN`, `Infinity` and `-Infinity` are texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Number {
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Unsigned(value) => value as f64,
            Self::Signed(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    pub(super) fn signed(self) -> i64 {
        match self {
            Self::Unsigned(value) => i64::try_from(value).unwrap_or(i64::MAX),
            Self::Signed(value) => value,
            Self::Float(value) => value as i64,
        }
    }

    /// For counts and nanoseconds: what is negative or no number is `None`.
    pub(super) fn unsigned(self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(value),
            Self::Signed(value) => u64::try_from(value).ok(),
            Self::Float(value) => (0.0..1.8e19).contains(&value).then_some(value as u64),
        }
    }
}

/// An enumeration's value by number or by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Enumerated<'a> {
    Number(i64),
    Name(Cow<'a, str>),
}

impl Enumerated<'_> {
    /// The number; names are looked up by their end: `SPAN_KIND_SERVER` for `SERVER`.
    pub(super) fn number(&self, names: &[(&str, i64)]) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Name(name) => {
                let found = names.iter().find(|(end, _)| name.ends_with(end)).map(|(_, number)| *number);
                found.or_else(|| name.trim().parse().ok()).unwrap_or_default()
            }
        }
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    struct Text;
    impl<'de> Visitor<'de> for Text {
        type Value = Option<Cow<'de, str>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Borrowed(text)))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Owned(text.to_owned())))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Text)
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, perhaps as text")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number::Unsigned(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number::Signed(value))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number::Float(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                let text = text.trim();
                let parsed = text.parse().map(Number::Unsigned).or_else(|_| text.parse().map(Number::Signed));
                parsed.or_else(|_| text.parse().map(Number::Float)).map_err(|_| E::custom(format_args!("{text:?} is no number")))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Enumerated<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Enumerated<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an enumeration's number or name")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Enumerated::Number(i64::try_from(value).unwrap_or_default()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Enumerated::Number(value))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Enumerated::Number(value as i64))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Enumerated::Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Enumerated::Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
