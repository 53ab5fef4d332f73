//! Formats as settings describe them, and what is wrong with a description.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::{Described, Place};
use crate::engine::decode::format_named;
use crate::model::Source;

/// Formats that may be described: each is tried on each record that comes without a telling header.
pub const MAX_FORMATS: usize = 50;
/// Entries of `match`, and of `fields`.
const MAX_ENTRIES: usize = 50;
/// Bytes of a pointer or a constant.
const MAX_TEXT: usize = 300;

/// One format: which JSON records are of it, and where their facts stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatOptions {
    /// logs, metrics, git, ci or manual.
    pub source: Source,
    /// JSON pointer → the text, number or flag that stands there; `"*"` takes anything but null.
    #[serde(rename = "match", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub matches: BTreeMap<String, toml::Value>,
    /// JSON pointer of the array whose elements are the items; without it the record is one item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
    /// Field → JSON pointer (it begins with `/`), looked up in the item, else in the record; or a constant.
    pub fields: BTreeMap<String, String>,
}

/// Descriptions ready for use, in the order of their names.
///
/// # Errors
/// Everything that is wrong, each with its key below `formats`.
pub fn compile(formats: &BTreeMap<String, FormatOptions>) -> Result<Arc<[Described]>, Vec<(String, String)>> {
    let mut problems = Vec::new();
    if formats.len() > MAX_FORMATS {
        problems.push((String::new(), format!("{} formats are described; at most {MAX_FORMATS} can be", formats.len())));
    }
    let mut described = Vec::new();
    for (name, options) in formats {
        let found = problems_of(name, options);
        if found.is_empty() {
            described.push(described_of(name, options));
        }
        problems.extend(found.into_iter().map(|(key, reason)| (format!("{name}{key}"), reason)));
    }
    if problems.is_empty() { Ok(described.into()) } else { Err(problems) }
}

fn problems_of(name: &str, options: &FormatOptions) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.is_empty() || name.len() > 50 || !name.chars().all(plain) {
        problems.push((String::new(), "a format's name has 1 to 50 letters, digits, - or _".to_owned()));
    }
    if name == "auto" || format_named(name).is_some() {
        problems.push((String::new(), format!("`{name}` is a format that whydunit knows already; take another name")));
    }
    let Some((known, required)) = fields_of(options.source) else {
        problems.push((
            ".source".to_owned(),
            "spans cannot be described; a described format is of logs, metrics, git, ci or manual".to_owned(),
        ));
        return problems;
    };
    if options.matches.len() > MAX_ENTRIES || options.fields.len() > MAX_ENTRIES {
        problems.push((String::new(), format!("`match` and `fields` have at most {MAX_ENTRIES} entries each")));
    }
    let pointers = options.matches.keys().map(|pointer| (format!(".match.{pointer:?}"), pointer));
    let pointers = pointers.chain(options.items.iter().map(|pointer| (".items".to_owned(), pointer)));
    let given = options.fields.iter().filter(|(_, place)| place.starts_with('/'));
    for (key, pointer) in pointers.chain(given.map(|(field, place)| (format!(".fields.{field}"), place))) {
        if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.len() > MAX_TEXT {
            problems
                .push((key, format!("{pointer:?} is no JSON pointer: `/` before each key, as in /meta/service, at most {MAX_TEXT} bytes")));
        }
    }
    for (pointer, expected) in &options.matches {
        if !(expected.is_str() || expected.is_integer() || expected.is_bool()) {
            problems
                .push((format!(".match.{pointer:?}"), "must be a text, a whole number, true or false; \"*\" takes anything".to_owned()));
        }
    }
    for (field, place) in &options.fields {
        if !known.contains(&field.as_str()) {
            problems.push((
                format!(".fields.{field}"),
                format!("there is no such field of {}; there are {}", options.source.as_str(), known.join(", ")),
            ));
        } else if place.is_empty() || place.len() > MAX_TEXT {
            problems.push((format!(".fields.{field}"), format!("must have 1 to {MAX_TEXT} bytes: a JSON pointer or a constant")));
        }
    }
    for field in required.iter().filter(|field| !options.fields.contains_key(**field)) {
        problems.push((format!(".fields.{field}"), format!("is missing; {} cannot be read without", options.source.as_str())));
    }
    problems
}

/// (fields there are, fields that must be described) of what a source holds.
fn fields_of(source: Source) -> Option<(Vec<&'static str>, &'static [&'static str])> {
    match source {
        Source::Logs => Some((super::lines::FIELDS.iter().map(|(name, _)| *name).collect(), &["message"])),
        Source::Metrics => Some((super::points::FIELDS.to_vec(), &["name", "value"])),
        Source::Git | Source::Ci | Source::Manual => {
            Some((super::events::FIELDS.iter().chain(super::events::FACTS).copied().collect(), &["title"]))
        }
        Source::Traces => None,
    }
}

fn described_of(name: &str, options: &FormatOptions) -> Described {
    let place = |text: &String| if text.starts_with('/') { Place::At(text.clone()) } else { Place::Constant(text.as_str().into()) };
    let last_key = |pointer: &String| pointer.rsplit('/').next().unwrap_or_default().to_owned();
    Described {
        name: for_ever(name),
        source: options.source,
        matches: options.matches.iter().map(|(pointer, value)| (pointer.clone(), expected(value))).collect(),
        keys: options
            .matches
            .keys()
            .map(last_key)
            // Written plainly in any JSON; what must be escaped there, or counts a list, is not looked for ahead.
            .filter(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)))
            .filter(|key| !key.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|key| memmem::Finder::new(format!("\"{key}\"").as_bytes()).into_owned())
            .collect(),
        items: options.items.clone(),
        fields: options.fields.iter().map(|(field, text)| (field.clone(), place(text))).collect(),
    }
}

fn expected(value: &toml::Value) -> Option<serde_json::Value> {
    match value {
        toml::Value::String(text) if text == "*" => None,
        toml::Value::String(text) => Some(text.as_str().into()),
        toml::Value::Integer(number) => Some((*number).into()),
        toml::Value::Boolean(flag) => Some((*flag).into()),
        _ => None,
    }
}

/// The name as formats' names are held everywhere. Kept for the life of the process: names come from settings, which are few.
fn for_ever(name: &str) -> &'static str {
    static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.iter().find(|known| **known == name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.push(name);
    name
}
