//! Records that stop a stage after they were decoded are set aside before they are handed on.

use super::ConnectorStage;
use crate::engine::decode::set_aside;
use crate::engine::detect::probe;
use crate::engine::resilience::suspects::{MAX_ATTEMPTS, Suspect};
use crate::model::dead_letter::RejectionClass;
use crate::model::observation::ObservationBatch;

/// Looks at a suspect alone, each a failure when it panics again; with the one that made it a suspect, enough.
const LOOKS: u32 = MAX_ATTEMPTS - 1;

impl ConnectorStage {
    /// Sets aside what is known to fail, and what fails now that this connector's records are looked at; returns how many.
    pub(super) fn set_aside_suspects(&self, decoded: &mut ObservationBatch) -> u64 {
        if !self.wiring.suspects.lock().has(&self.name) {
            return 0;
        }
        let mut guilty: Vec<(u32, Suspect)> = Vec::new();
        for (index, record) in decoded.records.records.iter().enumerate() {
            let (record, position) = (index as u32, decoded.records.position(record));
            let Some(suspect) = self.wiring.suspects.lock().of(&self.name, &position).cloned() else { continue };
            if !suspect.is_guilty() {
                let alone = probe::only(decoded, record);
                for _ in 0..LOOKS {
                    if let Err(message) = probe::survives(&alone, &self.wiring.detect) {
                        self.wiring.suspects.lock().failed(&self.name, &position, suspect.class, &message, 1);
                    }
                }
            }
            let suspect = self.wiring.suspects.lock().of(&self.name, &position).cloned();
            guilty.extend(suspect.filter(Suspect::is_guilty).map(|suspect| (record, suspect)));
        }
        guilty.iter().for_each(|(record, suspect)| set_aside(decoded, *record, suspect.class, &suspect.reason, suspect.attempts));
        let mut found = probe::culprits(decoded, &self.wiring.detect);
        found.retain(|(record, _)| {
            let alone = probe::only(decoded, *record);
            (1..LOOKS).all(|_| probe::survives(&alone, &self.wiring.detect).is_err())
        });
        found.iter().for_each(|(record, message)| set_aside(decoded, *record, RejectionClass::Panic, message, MAX_ATTEMPTS));
        (guilty.len() + found.len()) as u64
    }
}
