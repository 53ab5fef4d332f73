//! Settings of redaction.

use serde::{Deserialize, Serialize};

/// Expressions of a user's own, at most: each is one more pass over every text that is kept.
const MAX_EXPRESSIONS: usize = 50;
/// Characters of one.
const MAX_EXPRESSION_CHARS: usize = 1_000;
/// Memory that one may take once it is compiled, bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// What is taken out of texts before they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactOptions {
    /// False keeps every text as it comes, whatever stands below.
    pub enabled: bool,
    /// Credentials: headers, passwords, tokens, keys.
    pub authorization: bool,
    pub cookies: bool,
    /// Payment card numbers.
    pub cards: bool,
    /// E-mail addresses, but for those of who made a change.
    pub emails: bool,
    /// E-mail addresses of who made a change too.
    pub author_emails: bool,
    /// Regular expressions of a user's own; all that one matches is taken out.
    pub expressions: Vec<String>,
}

impl Default for RedactOptions {
    fn default() -> Self {
        Self { enabled: true, authorization: true, cookies: true, cards: true, emails: true, author_emails: false, expressions: Vec::new() }
    }
}

impl RedactOptions {
    /// Everything that cannot work, with its key.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.expressions.len() > MAX_EXPRESSIONS {
            let reason = format!("{} expressions, at most {MAX_EXPRESSIONS}; join some with |", self.expressions.len());
            problems.push(("expressions".to_owned(), reason));
        }
        for (index, expression) in self.expressions.iter().enumerate() {
            if let Err(reason) = compiled(expression) {
                problems.push((format!("expressions.{index}"), reason));
            }
        }
        problems
    }
}

/// # Errors
/// Why an expression cannot be used.
pub(super) fn compiled(expression: &str) -> Result<regex::Regex, String> {
    if expression.chars().count() > MAX_EXPRESSION_CHARS {
        return Err(format!("longer than {MAX_EXPRESSION_CHARS} characters"));
    }
    let compiled = regex::RegexBuilder::new(expression).size_limit(MAX_COMPILED_BYTES).build();
    let compiled = compiled.map_err(|error| format!("no regular expression: {error}"))?;
    match compiled.is_match("") {
        true => Err("matches the empty text, so it would stand between all letters; say what it must contain".to_owned()),
        false => Ok(compiled),
    }
}
