//! Records that stopped a stage after they were decoded: how often, and when it is enough.

use std::collections::BTreeMap;

use crate::model::dead_letter::RejectionClass;
use crate::model::position::Position;

/// Failures after which a record is dead-lettered, and the rest goes on.
pub const MAX_ATTEMPTS: u32 = 5;
/// Records remembered; one that is forgotten stops its stage once more, and is remembered again.
const REMEMBERED: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    pub attempts: u32,
    pub class: RejectionClass,
    /// What went wrong last, for a person.
    pub reason: String,
}

impl Suspect {
    pub const fn is_guilty(&self) -> bool {
        self.attempts >= MAX_ATTEMPTS
    }
}

/// By connector and position. Outlives every rebuild of the pipeline, not the process: a new one learns it with one more rebuild.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    by_connector: BTreeMap<String, BTreeMap<Position, Suspect>>,
    count: usize,
}

impl Suspects {
    /// The record failed so many times more.
    pub fn failed(&mut self, connector: &str, position: &Position, class: RejectionClass, reason: &str, attempts: u32) {
        let of_connector = self.by_connector.entry(connector.to_owned()).or_default();
        let fresh = || Suspect { attempts: 0, class, reason: String::new() };
        let before = of_connector.len();
        let suspect = of_connector.entry(position.clone()).or_insert_with(fresh);
        suspect.attempts = suspect.attempts.saturating_add(attempts);
        suspect.class = class;
        reason.clone_into(&mut suspect.reason);
        self.count += of_connector.len() - before;
        while self.count > REMEMBERED {
            let Some(most) = self.by_connector.values_mut().max_by_key(|suspects| suspects.len()) else { break };
            // The first positions are read and past soonest.
            self.count -= usize::from(most.pop_first().is_some());
        }
    }

    /// A connector with one has its records looked at before they are handed on.
    pub fn has(&self, connector: &str) -> bool {
        self.by_connector.get(connector).is_some_and(|suspects| !suspects.is_empty())
    }

    pub fn of(&self, connector: &str, position: &Position) -> Option<&Suspect> {
        self.by_connector.get(connector)?.get(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::PartitionKey;

    fn position(offset: i64) -> Position {
        let partition = PartitionKey { cluster: "c".into(), topic: "logs".into(), incarnation: 0, partition: 0 };
        Position { partition, offset }
    }

    #[test]
    fn a_record_is_guilty_with_its_fifth_failure_and_no_other_is() {
        let mut suspects = Suspects::default();
        for attempt in 1..=5 {
            suspects.failed("logs", &position(7), RejectionClass::Panic, "index out of bounds", 1);
            assert_eq!(suspects.of("logs", &position(7)).map(Suspect::is_guilty), Some(attempt == 5));
        }
        assert_eq!((suspects.of("logs", &position(8)), suspects.of("audit", &position(7))), (None, None));
        assert!(suspects.has("logs") && !suspects.has("audit"));
    }

    #[test]
    fn memory_of_suspects_is_bounded_and_the_newest_are_remembered() {
        let mut suspects = Suspects::default();
        (0..5_000).for_each(|offset| suspects.failed("logs", &position(offset), RejectionClass::Panic, "", 1));
        assert_eq!(suspects.count, REMEMBERED);
        assert!(suspects.of("logs", &position(4_999)).is_some() && suspects.of("logs", &position(0)).is_none());
    }
}
