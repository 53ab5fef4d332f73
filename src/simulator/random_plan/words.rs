//! Words that mean nothing: names of services, of what they keep and of what they say.

use std::collections::BTreeSet;

use crate::simulator::chance::Chance;

const ONSETS: [&str; 16] = ["b", "br", "d", "dr", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"];
const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "ai"];
const ENDS: [&str; 8] = ["l", "n", "r", "s", "x", "nd", "rk", "m"];
const VERBS: [&str; 12] = ["Get", "List", "Find", "Check", "Put", "Update", "Resolve", "Match", "Count", "Render", "Quote", "Assign"];

/// Draws words, each name once.
#[derive(Debug)]
pub(in crate::simulator) struct Words {
    chance: Chance,
    taken: BTreeSet<String>,
}

impl Words {
    pub const fn new(chance: Chance) -> Self {
        Self { chance, taken: BTreeSet::new() }
    }

    /// A name that nobody has yet.
    pub fn name(&mut self) -> String {
        loop {
            let name = self.word();
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// Two or three syllables.
    pub fn word(&mut self) -> String {
        let mut word = String::new();
        for _ in 0..2 + self.chance.below(2) {
            word += ONSETS[self.chance.below(ONSETS.len())];
            word += VOWELS[self.chance.below(VOWELS.len())];
        }
        word + ENDS[self.chance.below(ENDS.len())]
    }

    /// Capitalised.
    pub fn noun(&mut self) -> String {
        let word = self.word();
        word[..1].to_uppercase() + &word[1..]
    }

    pub fn verb(&mut self) -> &'static str {
        VERBS[self.chance.below(VERBS.len())]
    }
}
