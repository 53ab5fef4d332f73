//! Which texts a decoder has already sent, so that each travels once.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::template;
use crate::engine::entities::Aliases;
use crate::engine::redact::Redactor;
use crate::model::observation::Definition;
use crate::model::{EntityKey, Symbol, symbol, symbol_of};

/// Symbols remembered as sent. Beyond it all are forgotten and texts are sent again: the receiver takes repeats.
const MAX_SENT: usize = 200_000;

/// Turns texts into symbols and keeps the definitions not yet handed out.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    sent: Sent,
    /// Stays here if decoding unwinds, so that the next batch still carries it.
    fresh: Vec<Definition>,
    template: template::Scratch,
    pub(super) aliases: Arc<Aliases>,
    /// Of texts, not of symbols: a symbol is of the text as it came.
    redactor: Arc<Redactor>,
}

impl Symbols {
    pub(super) fn meaning(aliases: Arc<Aliases>, redactor: Arc<Redactor>) -> Self {
        Self { aliases, redactor, ..Self::default() }
    }

    pub(super) fn define(&mut self, text: &str) -> Symbol {
        let name = symbol(text);
        if !name.is_none() && self.sent.remember(name) {
            self.fresh.push(Definition { symbol: name, text: Arc::from(&*self.redactor.redact(text)) });
        }
        name
    }

    pub(super) fn entity(&mut self, environment: &str, service: &str) -> EntityKey {
        EntityKey { environment: self.define(environment), service: self.service(service) }
    }

    /// The symbol of the service that a name means.
    pub(super) fn service(&mut self, name: &str) -> Symbol {
        if self.aliases.is_empty() {
            return self.define(name);
        }
        let aliases = Arc::clone(&self.aliases);
        self.define(aliases.resolve(name))
    }

    /// The symbol of a message's template, and the ids that stood in the message.
    pub(super) fn template<'m>(&mut self, message: &'m str) -> (Symbol, template::Ids<'m>) {
        let ids = template::scan(message, &mut self.template);
        let name = symbol_of(self.template.bytes());
        if !name.is_none() && self.sent.remember(name) {
            // A template has lost the marks between a name and its secret, so that only the message shows it.
            let text = match self.redactor.redact(message) {
                Cow::Borrowed(_) => Arc::from(self.template.text()),
                Cow::Owned(shown) => Arc::from(template::template(&shown)),
            };
            self.fresh.push(Definition { symbol: name, text });
        }
        (name, ids)
    }

    pub(super) fn take_fresh(&mut self) -> Vec<Definition> {
        std::mem::take(&mut self.fresh)
    }
}

/// Symbols remembered, at most [`MAX_SENT`].
#[derive(Debug, Default)]
struct Sent(FxHashSet<u64>);

impl Sent {
    /// True when the symbol is new.
    fn remember(&mut self, name: Symbol) -> bool {
        if self.0.contains(&name.0) {
            return false;
        }
        if self.0.len() >= MAX_SENT {
            self.0.clear();
        }
        self.0.insert(name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sent_once() {
        let mut symbols = Symbols::default();
        let first = symbols.define("cart");
        assert_eq!(symbols.define("cart"), first);
        assert_eq!(symbols.define(""), Symbol::NONE);
        let fresh = symbols.take_fresh();
        assert_eq!(fresh.len(), 1);
        assert_eq!(&*fresh[0].text, "cart");
        symbols.define("cart");
        assert!(symbols.take_fresh().is_empty());
    }

    #[test]
    fn too_many_texts_are_forgotten_and_sent_again() {
        let mut symbols = Symbols::default();
        symbols.define("first");
        for n in 0..MAX_SENT {
            symbols.define(&n.to_string());
        }
        symbols.take_fresh();
        symbols.define("first");
        assert_eq!(symbols.take_fresh().len(), 1);
        assert!(symbols.sent.0.len() <= MAX_SENT);
    }
}
