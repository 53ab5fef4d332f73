//! An event that the store refuses whatever is tried must not stop the rest.

use super::RecorderStage;
use crate::clock;
use crate::engine::resilience::suspects::MAX_ATTEMPTS;
use crate::model::connector::PauseChange;
use crate::model::dead_letter::RejectionClass;
use crate::model::event::Provenance;
use crate::model::ports::{StoreError, WriteBatch};

/// The transaction that failed, and the first try alone.
const TRIED: u32 = 2;

impl RecorderStage {
    /// Whether the store refuses just some events, each by itself. Their records are told to the connectors, which dead-letter them
    /// when they read them again.
    pub(super) fn finds_unstorable(&mut self) -> bool {
        let now = clock::now();
        let mut refused = Vec::new();
        for event in &self.pending.events {
            let alone = WriteBatch { events: vec![event.clone()], ..WriteBatch::default() };
            match (self.writer.write(&alone, now), &event.provenance) {
                (Ok(_), _) => {}
                (Err(StoreError::Other(reason)), Some(provenance)) => refused.push((alone, provenance.clone(), reason)),
                // In trouble itself, or of no record that could be set aside.
                (Err(_), _) => return false,
            }
        }
        // A store that takes nothing at all is broken: no event is to blame.
        let nothing = PauseChange { connector: String::new(), pause: None };
        let harmless = WriteBatch { pauses: vec![nothing], ..WriteBatch::default() };
        if refused.is_empty() || self.writer.write(&harmless, now).is_err() {
            return false;
        }
        refused.retain(|(alone, ..)| (TRIED..MAX_ATTEMPTS).all(|_| self.writer.write(alone, now).is_err()));
        for (_, Provenance { connector, position, .. }, reason) in &refused {
            tracing::error!(connector, ?position, reason, "the store refuses the event of this record; the record is set aside");
            let reason = format!("the store cannot keep its event: {reason}");
            self.suspects.lock().failed(connector, position, RejectionClass::InvalidField, &reason, MAX_ATTEMPTS);
        }
        !refused.is_empty()
    }
}
