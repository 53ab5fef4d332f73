//! Full text: what goes into the index and how a person's words become a query. Pure.

use xxhash_rust::xxh3::xxh3_64;

use super::error::bad_query;
use crate::model::Event;
use crate::model::investigation::EngineFindings;
use crate::model::ports::StoreError;

/// Longest text of an event that is indexed, in bytes: title and exemplars fit, a dump does not.
const WORDS_LIMIT: usize = 2_048;
/// Longer words are cut, in the index and in queries alike.
const WORD_BYTES_LIMIT: usize = 40;
/// Begins the tokens of filterable fields. A private character: no letter or digit, so no word has it.
const FACET_MARK: char = '\u{e000}';
const QUERY_CHARS_LIMIT: usize = 1_000;
const QUERY_WORDS_LIMIT: usize = 32;
/// A shorter beginning of a word would match half the index.
const PREFIX_CHARS_MIN: usize = 3;

/// The filterable fields of an event, as the index knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FacetField {
    Source,
    Severity,
    EventType,
    Service,
    Environment,
}

/// One index token for one value of one field.
pub(super) fn facet_token(field: FacetField, value: &str) -> String {
    let prefix = match field {
        FacetField::Source => 's',
        FacetField::Severity => 'v',
        FacetField::EventType => 't',
        FacetField::Service => 'n',
        FacetField::Environment => 'e',
    };
    format!("{FACET_MARK}{prefix}{:x}", xxh3_64(value.as_bytes()) >> 24)
}

/// The index entry of an event: its words, then its facet tokens.
pub(super) fn entry_of_event(event: &Event) -> String {
    let mut entry = words_of_event(event);
    let facets = [
        (FacetField::Source, event.source.as_str()),
        (FacetField::Severity, event.severity.as_str()),
        (FacetField::EventType, event.event_type.as_str()),
        (FacetField::Service, event.service.as_deref().unwrap_or_default()),
        (FacetField::Environment, event.environment.as_deref().unwrap_or_default()),
    ];
    for (field, value) in facets {
        entry.push_str(&facet_token(field, value));
        entry.push(' ');
    }
    entry
}

/// Words by which an event is found: title, entity, kind, tags, ids, and the text inside `data`.
fn words_of_event(event: &Event) -> String {
    let mut words = String::with_capacity(256);
    let fixed = [
        Some(event.title.as_str()),
        event.service.as_deref(),
        event.host.as_deref(),
        Some(event.event_type.as_str()),
        event.source_id.as_deref(),
        event.correlation_id.as_deref(),
        event.request_id.as_deref(),
    ];
    fixed.into_iter().flatten().for_each(|text| add(&mut words, text));
    event.tags.iter().for_each(|tag| add(&mut words, tag));
    if let Some(exemplars) = event.data.get("exemplars") {
        add_json(&mut words, exemplars, 0);
    }
    if let serde_json::Value::Object(fields) = &event.data {
        fields.iter().filter(|(name, _)| name.as_str() != "exemplars").for_each(|(_, value)| add_json(&mut words, value, 0));
    }
    words
}

/// Words by which an investigation is found.
pub(super) fn words_of_investigation(texts: &[&str], findings: Option<&EngineFindings>) -> String {
    let mut words = String::with_capacity(1_024);
    texts.iter().for_each(|text| add_up_to(&mut words, text, 65_536));
    if let Some(findings) = findings {
        let engine = [&findings.symptom, &findings.headline, &findings.where_sentence, &findings.service_affected, &findings.environment];
        engine.into_iter().for_each(|text| add_up_to(&mut words, text, 65_536));
        findings.hot_services.iter().for_each(|service| add_up_to(&mut words, service, 65_536));
        for suspect in &findings.suspects {
            add_up_to(&mut words, &suspect.entity, 65_536);
            add_up_to(&mut words, &suspect.sentence, 65_536);
        }
    }
    words
}

fn add(words: &mut String, text: &str) {
    add_up_to(words, text, WORDS_LIMIT);
}

fn add_up_to(words: &mut String, text: &str, limit: usize) {
    for word in cut(text) {
        if words.len() + word.len() > limit {
            return;
        }
        push_lower(words, word);
        words.push(' ');
    }
}

/// Words of a text: runs of letters and digits.
fn cut(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| &word[..word.floor_char_boundary(WORD_BYTES_LIMIT)])
}

/// Lower case, character by character; what has no plain lower case stays.
fn push_lower(words: &mut String, word: &str) {
    if word.is_ascii() {
        words.extend(word.chars().map(|c| c.to_ascii_lowercase()));
    } else {
        // A lower case of several characters may hold a mark, which is no letter.
        words.extend(word.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()));
    }
}

/// Depth is bounded so that no nesting can exhaust the stack.
fn add_json(words: &mut String, value: &serde_json::Value, depth: u8) {
    if depth > 8 || words.len() >= WORDS_LIMIT {
        return;
    }
    match value {
        serde_json::Value::String(text) => add(words, text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| add_json(words, item, depth + 1)),
        serde_json::Value::Object(fields) => fields.values().for_each(|item| add_json(words, item, depth + 1)),
        _ => {}
    }
}

/// The index query for a person's words: all must occur, the last may be the beginning of one unless a space follows it.
/// `None` for blank text. Nothing in the text has a meaning to the index: only letters and digits reach it, quoted.
pub(super) fn match_words(text: &str, mut words_beginning: impl FnMut(&str) -> Beginnings) -> Result<Option<String>, StoreError> {
    if text.chars().count() > QUERY_CHARS_LIMIT {
        return Err(bad_query("q", format!("at most {QUERY_CHARS_LIMIT} characters")));
    }
    if text.trim().is_empty() {
        return Ok(None);
    }
    let words: Vec<&str> = cut(text).collect();
    if words.is_empty() {
        return Err(bad_query("q", "no letter or digit to search for"));
    }
    if words.len() > QUERY_WORDS_LIMIT {
        return Err(bad_query("q", format!("at most {QUERY_WORDS_LIMIT} words")));
    }
    let mut query = String::with_capacity(text.len() + 16);
    for (index, word) in words.iter().enumerate() {
        query.push_str(if index == 0 { "" } else { " AND " });
        let mut lower = String::with_capacity(word.len());
        push_lower(&mut lower, word);
        let last = index + 1 == words.len() && !text.ends_with(char::is_whitespace);
        match (last && word.chars().count() >= PREFIX_CHARS_MIN).then(|| words_beginning(&lower)) {
            None => query.push_str(&format!("\"{lower}\"")),
            Some(Beginnings::Any) => query.push_str(&format!("\"{lower}\" *")),
            Some(Beginnings::Words(words)) => {
                let terms: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                query.push_str(&format!("({})", terms.join(" OR ")));
            }
        }
    }
    Ok(Some(query))
}

/// What a word's beginning stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beginnings {
    /// Exactly these words: the index finds them one match at a time.
    Words(Vec<String>),
    /// Too many to name, or unknown: the index gathers all matches first, which takes longer the more there are.
    Any,
}

/// Words of an index entry that are kept in the list of words: those that begin with a letter and have at most three digits
/// (`pool`, `host12`). Others are mostly ids: there are as many as events, and few events have one.
pub(super) fn listed_words(entry: &str) -> impl Iterator<Item = &str> {
    entry.split(' ').filter(|word| word.starts_with(char::is_alphabetic) && word.chars().filter(|c| c.is_numeric()).count() <= 3)
}

/// Narrows an index query to events whose field has one of these values.
pub(super) fn and_facet<'a>(query: &mut String, field: FacetField, values: impl Iterator<Item = &'a str>) {
    let tokens: Vec<String> = values.map(|value| format!("\"{}\"", facet_token(field, value))).collect();
    if !tokens.is_empty() {
        query.push_str(" AND (");
        query.push_str(&tokens.join(" OR "));
        query.push(')');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::model::{Severity, Source, Timestamp};

    #[test]
    fn every_word_is_quoted_and_the_last_may_be_a_beginning() {
        let query = match_words("connection \"pool\" exha", |_| Beginnings::Any).unwrap().unwrap();
        assert_eq!(query, "\"connection\" AND \"pool\" AND \"exha\" *");
        assert_eq!(match_words("Foo.bar ", |_| Beginnings::Any).unwrap().unwrap(), "\"foo\" AND \"bar\"");
        assert_eq!(match_words("  \t ", |_| Beginnings::Any).unwrap(), None);
    }

    #[test]
    fn a_beginning_becomes_the_words_it_stands_for() {
        let known = |_: &str| Beginnings::Words(vec!["pool".into(), "pooled".into()]);
        assert_eq!(match_words("full pool", known).unwrap().unwrap(), "\"full\" AND (\"pool\" OR \"pooled\")");
        assert_eq!(listed_words("pool 17 x1 e3b0c44 über \u{e000}s12 ").collect::<Vec<_>>(), ["pool", "x1", "über"]);
    }

    #[test]
    fn text_without_a_letter_is_told_so() {
        assert!(match_words("*** -- ^", |_| Beginnings::Any).unwrap_err().to_string().contains("no letter"));
        assert!(match_words(&"a ".repeat(40), |_| Beginnings::Any).is_err());
    }

    #[test]
    fn a_huge_event_is_indexed_up_to_the_limit() {
        let mut event = Event::new("a".into(), Timestamp::EPOCH, Source::Logs, "error_burst", Severity::High, "title");
        event.data = serde_json::json!({ "dump": "é".repeat(40_000), "exemplars": ["first exemplar"] });
        let words = words_of_event(&event);
        assert!(words.len() <= WORDS_LIMIT + 2, "{}", words.len());
        assert!(words.contains("first exemplar"));
    }
}
