//! Secrets are taken out of texts before anything keeps them: `password=[redacted authorization]`.
//!
//! Found are: the values of headers, fields and settings whose name says what they are (`Authorization`, `Cookie`, `password`, `token`,
//! `api_key` and their like, also as the end of a longer name); `Bearer` and `Basic` with something that looks like a token; JSON web
//! tokens, private keys in PEM, access keys of AWS and tokens of GitHub, GitLab, Slack, Stripe and Google, by how they begin; a URL's
//! `user:password@`; card numbers with a right check digit; e-mail addresses; what a user's own expressions match.
//!
//! Not found are: secrets without a name beside them and without a shape of their own (`logged in with hunter2`); names in other words
//! or languages; what is encoded (base64, percent signs, compressed); a secret that was cut short before it could be known, as a card
//! number at the end of a long message; in source code under `diff`, values that could as well be code (`token = next()`).
//!
//! Hashes are made before: the symbol of a template, an event's id and the digest in its `source_id` are those of the text as it came,
//! so that the same input has the same names whatever is taken out.

mod card;
mod items;
mod json;
mod options;
mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use options::RedactOptions;

/// Passes over a text in which secrets were found; a second one finds one more in few.
const MAX_PASSES: usize = 6;

/// Where a text stands: what is a secret there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Prose,
    /// Who made a change.
    Author,
    /// A diff: names are followed by code.
    Code,
}

/// Takes secrets out of texts.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    options: RedactOptions,
    expressions: Vec<regex::Regex>,
}

impl PartialEq for Redactor {
    fn eq(&self, other: &Self) -> bool {
        self.options == other.options
    }
}

impl Redactor {
    /// Expressions that [`RedactOptions::problems`] names are left out.
    pub fn new(options: &RedactOptions) -> Self {
        let expressions = options.expressions.iter().filter_map(|expression| options::compiled(expression).ok()).collect();
        Self { options: options.clone(), expressions }
    }

    pub const fn is_on(&self) -> bool {
        self.options.enabled
    }

    /// The text without its secrets; itself where it has none.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redact_at(text, Place::Prose)
    }

    /// A record's bytes as a person may see them: JSON by its names, other texts by their words. Bytes that are no text are left out
    /// whole when something in them reads like a secret.
    pub fn redact_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if !self.is_on() {
            return None;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            let lossy = String::from_utf8_lossy(bytes);
            return matches!(self.redact(&lossy), Cow::Owned(_)).then(|| rules::EXPRESSION.as_bytes().to_vec());
        };
        if let Ok(mut value) = serde_json::from_str::<serde_json::Value>(text)
            && !value.is_number()
        {
            return self.redact_json(&mut value).then(|| value.to_string().into_bytes());
        }
        self.changed(text, Place::Prose).map(String::into_bytes)
    }

    /// A header's value, by its name and by itself.
    pub fn redact_header(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        match rules::of_name(name, &self.options).filter(|_| self.is_on()) {
            Some(marker) => Some(marker.as_bytes().to_vec()),
            None => self.redact_bytes(value),
        }
    }

    fn redact_at<'t>(&self, text: &'t str, place: Place) -> Cow<'t, str> {
        if !self.is_on() {
            return Cow::Borrowed(text);
        }
        let mut redacted = rules::applied(text, place, &self.options);
        // What was taken out may have hidden where another secret ends: so on until nothing is found.
        for _ in 1..MAX_PASSES {
            let Cow::Owned(before) = &redacted else { break };
            let Cow::Owned(after) = rules::applied(before, place, &self.options) else { break };
            redacted = Cow::Owned(after);
        }
        for expression in &self.expressions {
            if let Cow::Owned(shown) = expression.replace_all(&redacted, rules::EXPRESSION) {
                redacted = Cow::Owned(shown);
            }
        }
        redacted
    }

    fn changed(&self, text: &str, place: Place) -> Option<String> {
        match self.redact_at(text, place) {
            Cow::Borrowed(_) => None,
            Cow::Owned(shown) => Some(shown),
        }
    }

    /// Redacts in place; true when there was something.
    fn change(&self, text: &mut String, place: Place) -> bool {
        let shown = self.changed(text, place);
        shown.map(|shown| *text = shown).is_some()
    }
}
