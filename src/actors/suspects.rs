//! What stages tell of records that stopped them, and connectors ask before they hand records on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::detect::probe::{InHand, message_of};
use crate::engine::resilience::suspects::Suspects;
use crate::model::dead_letter::RejectionClass;

/// One process long; shared by all stages.
#[derive(Clone, Debug, Default)]
pub struct SharedSuspects(Arc<Mutex<Suspects>>);

impl SharedSuspects {
    pub fn lock(&self) -> MutexGuard<'_, Suspects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a shard's part count; a panic goes on its way once the record it had in hand is known.
    pub fn watch<C, T>(&self, core: &mut C, in_hand: impl Fn(&C) -> &InHand, count: impl FnOnce(&mut C) -> T) -> T {
        match catch_unwind(AssertUnwindSafe(|| count(core))) {
            Ok(counted) => counted,
            Err(panic) => {
                self.note(in_hand(core), &*panic);
                resume_unwind(panic)
            }
        }
    }

    fn note(&self, in_hand: &InHand, panic: &(dyn Any + Send)) {
        let Some((connector, position)) = in_hand.position() else { return };
        let message = message_of(panic);
        tracing::error!(connector = &*connector, ?position, message, "a record panicked the stage that counts it");
        self.lock().failed(&connector, &position, RejectionClass::Panic, &message, 1);
    }
}
