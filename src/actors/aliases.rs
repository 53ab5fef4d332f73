//! Names that mean other names, as people changed them last: read by who decodes, written by who stores.

use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::entities::Aliases;
use crate::model::entity::Alias;

/// One process long; shared by all stages that decode.
#[derive(Clone, Debug, Default)]
pub struct SharedAliases(Arc<Mutex<Arc<Aliases>>>);

impl SharedAliases {
    /// What holds now, for one batch.
    pub fn now(&self) -> Arc<Aliases> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The table as it is stored; batches decoded from now on follow it.
    pub fn replace(&self, table: &[Alias]) {
        let in_force = table.iter().filter(|alias| alias.in_force).map(|alias| (alias.name.clone(), alias.service.clone()));
        let aliases = Arc::new(Aliases::lenient(in_force.collect()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = aliases;
    }
}
