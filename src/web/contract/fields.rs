//! Reading a JSON body field by field, so that every fault is told at once.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::Timestamp;
use crate::web::rejection::Problem;

/// A body being read: each getter takes one field, faults gather, [`Fields::finish`] tells them all.
#[derive(Debug)]
pub struct Fields {
    left: Map<String, Value>,
    errors: Vec<(String, String)>,
}

impl Fields {
    pub fn of(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(left) => Ok(Self { left, errors: Vec::new() }),
            other => Err(Problem::invalid(vec![("body".to_owned(), format!("must be an object, not {}", name_of(&other)))])),
        }
    }

    /// Ok when nothing was wrong and no field is left over.
    pub fn finish(mut self) -> Result<(), Problem> {
        for field in self.left.keys() {
            self.errors.push((crate::model::event::truncate(field, 100), "unknown field".to_owned()));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }

    pub fn fault(&mut self, field: &str, reason: impl Into<String>) {
        self.errors.push((field.to_owned(), reason.into()));
    }

    /// `null` counts as absent.
    pub fn take(&mut self, field: &str) -> Option<Value> {
        self.left.remove(field).filter(|value| !value.is_null())
    }

    /// True when the field is there and `null`; only then does [`Fields::take`] not see it.
    pub fn is_null(&self, field: &str) -> bool {
        self.left.get(field).is_some_and(Value::is_null)
    }

    /// A text that must be there, 1 to `chars_max` characters that are not all blank.
    pub fn text(&mut self, field: &str, chars_max: usize) -> String {
        let present = self.left.contains_key(field);
        match self.optional_text(field, chars_max) {
            Some(text) if text.trim().is_empty() => self.fault(field, "must not be empty"),
            Some(text) => return text,
            None if !present => self.fault(field, "is required"),
            None if !self.errors.iter().any(|(faulty, _)| faulty == field) => self.fault(field, "must not be null"),
            None => {}
        }
        String::new()
    }

    /// A text that may be absent or empty, at most `chars_max` characters.
    pub fn optional_text(&mut self, field: &str, chars_max: usize) -> Option<String> {
        match self.take(field)? {
            Value::String(text) => match text_fault(&text, chars_max) {
                None => Some(text),
                Some(reason) => {
                    self.fault(field, reason);
                    None
                }
            },
            other => {
                self.fault(field, format!("must be a text, not {}", name_of(&other)));
                None
            }
        }
    }

    /// A value of a closed list, by its own `parse`.
    pub fn choice<T>(&mut self, field: &str, parse: impl Fn(&str) -> Option<T>, choices: &[&str]) -> Option<T> {
        let text = self.optional_text(field, 100)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(field, format!("must be one of {}", choices.join(", ")));
        }
        value
    }

    pub fn time(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.optional_text(field, 100)?;
        let time = Timestamp::parse(&text);
        if time.is_none() {
            self.fault(field, "must be an RFC 3339 time such as 2026-03-23T14:02:10Z");
        }
        time
    }

    /// A list of texts without repeats: at most `count_max`, each 1 to `chars_max` characters.
    pub fn texts(&mut self, field: &str, count_max: usize, chars_max: usize) -> Option<BTreeSet<String>> {
        let Value::Array(items) = self.take(field)? else {
            self.fault(field, "must be a list of texts");
            return None;
        };
        if items.len() > count_max {
            self.fault(field, format!("has {} entries, at most {count_max} are taken", items.len()));
            return None;
        }
        let mut texts = BTreeSet::new();
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) if text.trim().is_empty() => self.fault(&format!("{field}[{index}]"), "must not be empty"),
                Value::String(text) => match text_fault(&text, chars_max) {
                    None => drop(texts.insert(text)),
                    Some(reason) => self.fault(&format!("{field}[{index}]"), reason),
                },
                other => self.fault(&format!("{field}[{index}]"), format!("must be a text, not {}", name_of(&other))),
            }
        }
        Some(texts)
    }

    /// Any JSON object of at most `bytes_max` bytes; `null` when absent.
    pub fn object(&mut self, field: &str, bytes_max: usize) -> Value {
        match self.take(field) {
            None => Value::Null,
            Some(value @ Value::Object(_)) => {
                let bytes = value.to_string().len();
                if bytes > bytes_max {
                    self.fault(field, format!("has {bytes} bytes of JSON, at most {bytes_max} are taken"));
                }
                value
            }
            Some(other) => {
                self.fault(field, format!("must be an object, not {}", name_of(&other)));
                Value::Null
            }
        }
    }
}

fn text_fault(text: &str, chars_max: usize) -> Option<String> {
    let chars = text.chars().count();
    if chars > chars_max {
        return Some(format!("has {chars} characters, at most {chars_max} are taken"));
    }
    text.contains('\0').then(|| "holds a zero character".to_owned())
}

const fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
