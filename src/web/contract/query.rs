//! Query strings: one table a route says which parameters there are; it both checks requests and writes the document.

use percent_encoding::percent_decode_str;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use crate::model::Timestamp;
use crate::model::query::TimeRange;
use crate::web::rejection::Problem;

/// Longest text value, characters.
const TEXT_CHARS_MAX: usize = 1_000;
/// Most values of one parameter.
const VALUES_MAX: usize = 50;
/// Longest query string, bytes.
const QUERY_BYTES_MAX: usize = 16 << 10;

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One or several of these, repeated or separated by commas.
    Choices(&'static [&'static str]),
    /// Any text, may be repeated: any of the values.
    Texts,
    /// One text.
    Text,
    Time,
    Integer {
        min: u32,
        max: u32,
    },
    /// A field's name; `-` in front sorts downwards.
    Sort,
}

#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub about: &'static str,
}

pub const fn param(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { name, kind, required: false, about }
}

/// A query string that has passed its table.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Checks every parameter and value against the tables; names everything that is wrong at once.
    pub fn parse(raw: &str, tables: &[&[Param]]) -> Result<Self, Problem> {
        if raw.len() > QUERY_BYTES_MAX {
            return Err(Problem::bad_parameter("query", format!("longer than {QUERY_BYTES_MAX} bytes")));
        }
        let known = || tables.iter().copied().flatten();
        let mut values = Vec::new();
        let mut errors = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                errors.push((truncated(name), "not UTF-8 in percent-encoding".to_owned()));
                continue;
            };
            match known().find(|param| param.name == name) {
                None => errors.push((truncated(&name), unknown(known()))),
                // An empty value is an empty filter field of a form: as if absent.
                Some(_) if value.is_empty() => {}
                Some(param) => match check(param, &value) {
                    Ok(()) => values.extend(split(param, &value).map(|value| (name.clone(), value))),
                    Err(reason) => errors.push((name, reason)),
                },
            }
        }
        for param in known() {
            match values.iter().filter(|(name, _)| name == param.name).count() {
                0 if param.required => errors.push((param.name.to_owned(), "is required".to_owned())),
                0 | 1 => {}
                _ if !param.repeats() => errors.push((param.name.to_owned(), "given more than once".to_owned())),
                count if count > VALUES_MAX => errors.push((param.name.to_owned(), format!("more than {VALUES_MAX} values"))),
                _ => {}
            }
        }
        if errors.is_empty() { Ok(Self(values)) } else { Err(Problem::bad_parameters(errors)) }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.clone())
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(candidate, _)| candidate == name).map(|(_, value)| value.clone()).collect()
    }

    /// Values of a closed list, by its own `parse`; the table has already refused others.
    pub fn choices<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.texts(name).iter().filter_map(|value| parse(value)).collect()
    }

    pub fn integer(&self, name: &str) -> Option<u32> {
        self.text(name).and_then(|value| value.parse().ok())
    }

    pub fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(|value| Timestamp::parse(&value))
    }

    /// The range of two time parameters; refused when it ends before it starts.
    pub fn range(&self, from: &str, to: &str) -> Result<TimeRange, Problem> {
        let range = TimeRange { from: self.time(from), to: self.time(to) };
        match (range.from, range.to) {
            (Some(start), Some(end)) if end <= start => Err(Problem::bad_parameter(to, format!("must lie after {from}"))),
            _ => Ok(range),
        }
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

fn truncated(text: &str) -> String {
    crate::model::event::truncate(text, 60)
}

fn unknown<'a>(known: impl Iterator<Item = &'a Param>) -> String {
    let names: Vec<_> = known.map(|param| param.name).collect();
    if names.is_empty() { "unknown: this path takes no parameters".to_owned() } else { format!("unknown; known are {}", names.join(", ")) }
}

fn split<'a>(param: &Param, value: &'a str) -> Box<dyn Iterator<Item = String> + 'a> {
    match param.kind {
        Kind::Choices(_) => Box::new(value.split(',').map(str::to_owned)),
        _ => Box::new(std::iter::once(value.to_owned())),
    }
}

fn check(param: &Param, value: &str) -> Result<(), String> {
    match param.kind {
        Kind::Choices(choices) => match value.split(',').find(|one| !choices.contains(one)) {
            None => Ok(()),
            Some(other) => Err(format!("`{}` is not one of {}", truncated(other), choices.join(", "))),
        },
        Kind::Texts | Kind::Text if value.chars().count() > TEXT_CHARS_MAX => Err(format!("longer than {TEXT_CHARS_MAX} characters")),
        Kind::Texts | Kind::Text if value.contains('\0') => Err("holds a zero character".to_owned()),
        Kind::Texts | Kind::Text => Ok(()),
        Kind::Time => match Timestamp::parse(value) {
            Some(_) => Ok(()),
            None => Err(format!("`{}` is not an RFC 3339 time such as 2026-03-23T14:02:10Z", truncated(value))),
        },
        Kind::Integer { min, max } => match value.parse::<u32>() {
            Ok(number) if (min..=max).contains(&number) => Ok(()),
            _ => Err(format!("`{}` is not a whole number from {min} to {max}", truncated(value))),
        },
        Kind::Sort => {
            let field = value.strip_prefix('-').unwrap_or(value);
            let plain = (1..=40).contains(&field.len()) && field.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if plain { Ok(()) } else { Err(format!("`{}` is not a field's name, with `-` in front to sort downwards", truncated(value))) }
        }
    }
}

impl Param {
    const fn repeats(&self) -> bool {
        matches!(self.kind, Kind::Choices(_) | Kind::Texts)
    }

    /// The parameter as the document shows it.
    pub fn documented(&self) -> Parameter {
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(if self.required { Required::True } else { Required::False })
            .description(Some(self.about))
            .schema(Some(self.schema()))
            .build()
    }

    fn schema(&self) -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        match self.kind {
            Kind::Choices(choices) => ArrayBuilder::new().items(text().enum_values(Some(choices.iter().copied()))).into(),
            Kind::Texts => ArrayBuilder::new().items(text().max_length(Some(TEXT_CHARS_MAX))).into(),
            Kind::Text => text().max_length(Some(TEXT_CHARS_MAX)).into(),
            Kind::Time => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into(),
            Kind::Integer { min, max } => {
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(f64::from(min))).maximum(Some(f64::from(max))).into()
            }
            Kind::Sort => text().pattern(Some("^-?[a-z_]{1,40}$")).into(),
        }
    }
}

/// Names tables as one set of parameters for the document: `documents!(EventParams: EVENT_FILTERS, PAGING);`
macro_rules! documents {
    ($name:ident: $($table:expr),+) => {
        #[derive(Debug)]
        pub struct $name;
        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                let tables: &[&[$crate::web::contract::query::Param]] = &[$($table),+];
                tables.iter().copied().flatten().map(|param| param.documented()).collect()
            }
        }
    };
}
pub(crate) use documents;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const TABLE: &[Param] = &[
        param("status", Kind::Choices(&["open", "closed"]), ""),
        param("service", Kind::Texts, ""),
        param("from", Kind::Time, ""),
        param("to", Kind::Time, ""),
        param("page", Kind::Integer { min: 1, max: 10 }, ""),
        param("sort", Kind::Sort, ""),
    ];

    #[test]
    fn filters_are_repeated_or_listed_and_decoded() {
        let query = Query::parse("status=open,closed&service=a%20b&service=c+d&q=", &[TABLE, &[param("q", Kind::Text, "")]]).unwrap();
        assert_eq!(query.texts("status"), ["open", "closed"]);
        assert_eq!(query.texts("service"), ["a b", "c d"]);
        assert_eq!(query.text("q"), None);
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let problem = Query::parse("status=odd&page=0&page=3&colour=red&from=yesterday&sort=-a;b&service=%ff", &[TABLE]).unwrap_err();
        let fields: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["status", "page", "colour", "from", "sort", "service"]);
        assert_eq!(problem.status, 400);
    }

    #[test]
    fn a_range_must_not_end_before_it_starts() {
        let query = Query::parse("from=2026-03-23T14:00:00Z&to=2026-03-23T13:00:00Z", &[TABLE]).unwrap();
        assert_eq!(query.range("from", "to").unwrap_err().errors[0].field, "to");
    }
}
