//! How many bytes of dead letters a source may have waiting.

/// The bytes of letters that wait, at most: an upper bound between two looks into the store, since what people discard and
/// replay meanwhile is not known here.
#[derive(Clone, Copy, Debug)]
pub struct LetterBudget {
    cap: u64,
    bytes: u64,
}

/// Share of the cap, percent, below which a source that stopped at it goes on.
const GO_ON_PERCENT: u64 = 90;

impl LetterBudget {
    pub const fn new(cap: u64) -> Self {
        Self { cap, bytes: 0 }
    }

    /// What the store says.
    pub const fn counted(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// Letters were made.
    pub const fn made(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub const fn is_reached(&self) -> bool {
        self.bytes >= self.cap
    }

    pub const fn may_go_on(&self) -> bool {
        self.bytes < self.cap / 100 * GO_ON_PERCENT
    }

    /// For a person, with what to do.
    pub fn sentence(&self, connector: &str) -> String {
        const MIB: u64 = 1_024 * 1_024;
        format!(
            "paused, its offset held: its dead letters that wait have {} MiB, and dead_letters.max_mib_per_connector is {}. Replay or discard \
             those of connector {connector}, and it goes on by itself",
            self.bytes / MIB,
            self.cap / MIB
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_stops_at_its_cap_and_goes_on_when_a_tenth_of_it_is_free() {
        let mut budget = LetterBudget::new(1_000);
        budget.made(999);
        assert!(!budget.is_reached());
        budget.made(1);
        assert!(budget.is_reached());
        budget.counted(950);
        assert!(!budget.is_reached() && !budget.may_go_on());
        budget.counted(899);
        assert!(budget.may_go_on());
    }
}
