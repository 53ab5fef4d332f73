//! Names that mean another name.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use thiserror::Error;

/// Aliases in all: a table that people can still read.
pub const MAX_ALIASES: usize = 10_000;

/// Why names cannot be aliases.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: {reason}")]
pub struct AliasError {
    /// Which one.
    pub name: String,
    pub reason: String,
}

impl AliasError {
    fn of(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), reason: reason.into() }
    }
}

/// Name → the service it means in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Only looked up, never walked.
    ends: FxHashMap<String, String>,
}

impl Aliases {
    /// An alias of an alias means what that one means.
    ///
    /// # Errors
    /// The first name that is empty or its own alias, and names that go round in a circle.
    pub fn new(aliases: BTreeMap<String, String>) -> Result<Self, AliasError> {
        if let Some((name, _)) = aliases.iter().nth(MAX_ALIASES) {
            return Err(AliasError::of(name, format!("at most {MAX_ALIASES} aliases, got {}", aliases.len())));
        }
        let is_blank = |text: &String| text.trim().is_empty();
        if let Some((name, _)) = aliases.iter().find(|(name, service)| is_blank(name) || is_blank(service)) {
            return Err(AliasError::of(name, "an alias and the service it means have at least one character"));
        }
        let mut ends = FxHashMap::default();
        for name in aliases.keys() {
            ends.insert(name.clone(), end_of(name, &aliases)?);
        }
        Ok(Self { ends })
    }

    /// As [`Aliases::new`], without those that go round or are empty: they mean themselves.
    pub fn lenient(aliases: BTreeMap<String, String>) -> Self {
        let ends = aliases.keys().filter(|name| !name.is_empty()).filter_map(|name| Some((name.clone(), end_of(name, &aliases).ok()?)));
        Self { ends: ends.filter(|(_, end)| !end.is_empty()).take(MAX_ALIASES).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The service that a name means: itself when it is no alias.
    pub fn resolve<'n>(&'n self, name: &'n str) -> &'n str {
        if self.ends.is_empty() { name } else { self.ends.get(name).map_or(name, String::as_str) }
    }
}

fn end_of(name: &str, aliases: &BTreeMap<String, String>) -> Result<String, AliasError> {
    let (mut end, mut way) = (name, vec![name]);
    let mut seen = BTreeSet::from([name]);
    while let Some(next) = aliases.get(end) {
        way.push(next);
        if !seen.insert(next) {
            return Err(AliasError::of(name, format!("goes round: {}", way.join(" → "))));
        }
        end = next;
    }
    Ok(end.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, service)| ((*name).to_owned(), (*service).to_owned())).collect()
    }

    #[test]
    fn an_alias_of_an_alias_means_what_that_one_means() {
        let aliases = Aliases::new(table(&[("pay-svc", "payments-svc"), ("payments-svc", "payments")])).unwrap_or_default();
        assert_eq!(
            (aliases.resolve("pay-svc"), aliases.resolve("payments-svc"), aliases.resolve("cart")),
            ("payments", "payments", "cart")
        );
        assert_eq!(aliases.resolve(""), "");
    }

    #[test]
    fn names_that_go_round_are_refused_with_the_way_they_go() {
        let round = table(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "cart")]);
        let error = Aliases::new(round.clone()).expect_err("it goes round");
        assert_eq!(error.to_string(), "a: goes round: a → b → c → a");
        assert!(Aliases::new(table(&[("a", "a")])).is_err() && Aliases::new(table(&[("a", " ")])).is_err());
        let lenient = Aliases::lenient(round);
        assert_eq!((lenient.resolve("a"), lenient.resolve("d")), ("a", "cart"));
    }
}
