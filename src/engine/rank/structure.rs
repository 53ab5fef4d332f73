//! What a diff adds or takes away besides literals: calls, loops, guards, locks, schema changes.

use super::diff::{DiffPower, Hunks};

/// Stub of the structural rules until they are ported.
pub fn structural_power(hunks: &Hunks<'_>) -> DiffPower {
    if hunks.plus.is_empty() && hunks.minus.is_empty() {
        DiffPower::new(0.05, "it changes nothing we understand")
    } else {
        DiffPower::new(0.1, "it is a small code change")
    }
}
