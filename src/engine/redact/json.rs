//! Secrets in JSON, where a name can tell what its value is.

use serde_json::{Map, Value};

use super::{Place, Redactor, card, rules};

/// Names under which a change says who made it.
const AUTHORS: [&str; 9] =
    ["author", "author_login", "author_email", "commit_author", "committer", "pusher", "actor", "sender", "merged_by"];
/// Names under which a change says what it changed.
const CODE: [&str; 2] = ["diff", "patch"];

impl Redactor {
    /// Takes secrets out of all texts, names and numbers of a value; true when there were any.
    pub fn redact_json(&self, value: &mut Value) -> bool {
        self.is_on() && self.value(value, Place::Prose)
    }

    fn value(&self, value: &mut Value, place: Place) -> bool {
        match value {
            Value::String(text) => self.change(text, place),
            Value::Number(number) if self.options.cards && card::is_card(&number.to_string()) => {
                *value = Value::String(rules::CARD.to_owned());
                true
            }
            // No short circuit: all of them are looked at.
            Value::Array(items) => items.iter_mut().fold(false, |found, item| self.value(item, place) | found),
            Value::Object(fields) => self.fields(fields, place),
            _ => false,
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>, place: Place) -> bool {
        let mut found = false;
        // `{"key": "password", "value": …}`, as OTLP and others write attributes.
        let named = ["key", "name"].iter().find_map(|key| rules::of_name(fields.get(*key)?.as_str()?, &self.options));
        for (name, value) in fields.iter_mut() {
            let marker = rules::of_name(name, &self.options).or(named.filter(|_| name == "value"));
            found |= match marker {
                Some(marker) => blot(value, marker),
                None => self.value(value, place_of(name, place)),
            };
        }
        let renamed: Vec<_> = fields.keys().filter_map(|name| Some((name.clone(), self.changed(name, Place::Prose)?))).collect();
        for (number, (name, mut shown)) in renamed.into_iter().enumerate() {
            let Some(value) = fields.remove(&name) else { continue };
            if fields.contains_key(&shown) {
                shown = format!("{shown} {number}");
            }
            fields.insert(shown, value);
            found = true;
        }
        found
    }
}

fn place_of(name: &str, place: Place) -> Place {
    match name {
        name if AUTHORS.contains(&name) => Place::Author,
        name if CODE.contains(&name) => Place::Code,
        _ => place,
    }
}

/// Puts the marker in the place of every text and number.
fn blot(value: &mut Value, marker: &str) -> bool {
    match value {
        Value::String(text) if text == marker || rules::is_nothing(text) => false,
        Value::String(_) | Value::Number(_) => {
            *value = Value::String(marker.to_owned());
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, item| blot(item, marker) | found),
        Value::Object(fields) => fields.values_mut().fold(false, |found, value| blot(value, marker) | found),
        Value::Null | Value::Bool(_) => false,
    }
}
