//! Texts behind symbols.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::limits::MAX_NAMES;
use crate::model::entity::ServiceName;
use crate::model::observation::Definition;
use crate::model::{EntityKey, Symbol};

#[derive(Debug, Default)]
pub struct Names {
    texts: FxHashMap<Symbol, Arc<str>>,
    dirty: BTreeSet<Symbol>,
}

impl Names {
    /// Learns a text; false when there is no room for it until the next [`Names::keep_only`].
    pub fn learn(&mut self, definition: Definition) -> bool {
        if self.texts.contains_key(&definition.symbol) {
            return true;
        }
        if self.texts.len() >= 2 * MAX_NAMES {
            return false;
        }
        self.dirty.insert(definition.symbol);
        self.texts.insert(definition.symbol, definition.text);
        true
    }

    pub fn is_full(&self) -> bool {
        self.texts.len() > MAX_NAMES
    }

    /// Forgets every text that nothing refers to.
    pub fn keep_only(&mut self, used: &BTreeSet<Symbol>) {
        let dirty = &mut self.dirty;
        self.texts.retain(|symbol, _| {
            let keep = used.contains(symbol);
            if !keep {
                dirty.insert(*symbol);
            }
            keep
        });
    }

    /// The text, or a stand-in that shows the symbol.
    pub fn text(&self, symbol: Symbol) -> String {
        match self.texts.get(&symbol) {
            Some(text) => text.to_string(),
            None if symbol.is_none() => String::new(),
            None => format!("#{:016x}", symbol.0),
        }
    }

    pub fn service(&self, entity: EntityKey) -> ServiceName {
        ServiceName { environment: self.text(entity.environment), service: self.text(entity.service) }
    }

    /// Symbols learned or forgotten since the last call, with their texts.
    pub fn take_dirty(&mut self) -> Vec<(Symbol, Option<Arc<str>>)> {
        std::mem::take(&mut self.dirty).into_iter().map(|symbol| (symbol, self.texts.get(&symbol).cloned())).collect()
    }

    pub fn restore(&mut self, symbol: Symbol, text: Arc<str>) {
        self.texts.insert(symbol, text);
    }
}
