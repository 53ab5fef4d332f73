//! Who something happened to, and short names for repeated text.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

/// A 64-bit stand-in for a text (service, operation, template, metric, host): its XXH3 hash, so that it is the same in
/// every process and run. The text travels once as a [`crate::model::observation::Definition`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Symbol(pub u64);

impl Symbol {
    /// Stands for "not given".
    pub const NONE: Self = Self(0);

    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// The symbol of a text; [`Symbol::NONE`] for the empty text.
pub fn symbol(text: &str) -> Symbol {
    symbol_of(text.as_bytes())
}

/// The symbol of a text by its bytes.
pub fn symbol_of(text: &[u8]) -> Symbol {
    if text.is_empty() {
        return Symbol::NONE;
    }
    Symbol(xxhash_rust::xxh3::xxh3_64(text).max(1))
}

/// A service in an environment; every key of the engine starts with one. Fields are symbols of their texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    pub environment: Symbol,
    pub service: Symbol,
}

impl EntityKey {
    pub fn new(environment: &str, service: &str) -> Self {
        Self { environment: symbol(environment), service: symbol(service) }
    }

    /// Which of `shards` owns this entity.
    pub fn shard(self, shards: usize) -> usize {
        ((self.environment.0 ^ self.service.0.rotate_left(31)) % shards.max(1) as u64) as usize
    }
}

/// Who made an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AliasOrigin {
    /// Written in `[entities.aliases]` of the settings.
    Settings,
    Person,
}

/// A name and the service it means, with who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alias {
    pub name: String,
    pub service: String,
    pub origin: AliasOrigin,
    /// `settings`, or the person.
    pub set_by: String,
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub set_at: Timestamp,
    /// False for one of the settings where a person's word goes before it.
    pub in_force: bool,
}

/// A service in an environment, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct ServiceName {
    pub environment: String,
    pub service: String,
}

impl ServiceName {
    pub fn key(&self) -> EntityKey {
        EntityKey::new(&self.environment, &self.service)
    }
}
