//! What is done to whydunit, to the broker and to what lies between them: drawn from one seed.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::toxiproxy::Toxic;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// `kill -9` of whydunit, so long after it was started.
    KillProcess {
        after_ms: u32,
    },
    /// The same, the moment it says that a checkpoint began.
    KillInCheckpoint,
    /// `kill -9` of the broker while whydunit runs; it comes back after a while.
    KillBroker {
        down_ms: u32,
    },
    /// Both at once.
    KillBoth,
    /// SIGSTOP, and SIGCONT after a while: longer than its session, some of them.
    StopProcess {
        for_ms: u32,
    },
    StopBroker {
        for_ms: u32,
    },
    /// Every connection closed, none taken.
    Cut {
        for_ms: u32,
    },
    Disturb {
        toxic: Toxic,
        for_ms: u32,
    },
    /// The growing topic gets a partition.
    Grow,
}

impl Act {
    /// Kills in it, of whydunit and of the broker.
    pub const fn kills(self) -> (u32, u32) {
        match self {
            Self::KillProcess { .. } | Self::KillInCheckpoint => (1, 0),
            Self::KillBroker { .. } => (0, 1),
            Self::KillBoth => (1, 1),
            _ => (0, 0),
        }
    }

    pub const fn stops(self) -> bool {
        matches!(self, Self::StopProcess { .. } | Self::StopBroker { .. })
    }

    pub const fn disturbs_connections(self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Disturb { .. })
    }
}

/// So many kills, a fifth of them of the broker, and half as many other disturbances, in an order drawn from the seed.
pub fn schedule(random: &mut ChaCha8Rng, kills: u32) -> Vec<Act> {
    let of_broker = kills / 5;
    let both = of_broker / 3;
    let mut acts = vec![Act::KillBoth; both as usize];
    acts.extend((both..of_broker).map(|_| Act::KillBroker { down_ms: random.random_range(0..3_000) }));
    for number in both..kills - of_broker {
        acts.push(if number % 4 == 0 { Act::KillInCheckpoint } else { Act::KillProcess { after_ms: random.random_range(0..4_000) } });
    }
    acts.extend((0..kills / 2).map(|number| other(random, number)));
    acts.shuffle(random);
    acts
}

fn other(random: &mut ChaCha8Rng, number: u32) -> Act {
    let for_ms = random.random_range(500..3_000);
    match number % 8 {
        0 => Act::Cut { for_ms },
        1 => Act::StopProcess { for_ms: if random.random_bool(0.4) { 8_000 } else { for_ms } },
        2 => Act::StopBroker { for_ms },
        3 | 6 => Act::Grow,
        _ => Act::Disturb { toxic: toxic(random), for_ms },
    }
}

fn toxic(random: &mut ChaCha8Rng) -> Toxic {
    match random.random_range(0..6) {
        0 => Toxic::Latency { ms: random.random_range(50..800), jitter_ms: 50 },
        1 => Toxic::Bandwidth { kb: random.random_range(5..50) },
        2 => Toxic::Slicer { bytes: random.random_range(20..500) },
        3 => Toxic::Silence,
        4 => Toxic::Reset { after_ms: random.random_range(0..500) },
        _ => Toxic::SlowClose { ms: random.random_range(100..1_000) },
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_acts_and_as_many_kills_as_asked_for() {
        let draw = |seed, kills| schedule(&mut ChaCha8Rng::seed_from_u64(seed), kills);
        assert_eq!(draw(7, 50), draw(7, 50));
        assert_ne!(draw(7, 50), draw(8, 50));
        for kills in [5, 50, 173] {
            let (process, broker) = draw(1, kills).into_iter().map(Act::kills).fold((0, 0), |sum, act| (sum.0 + act.0, sum.1 + act.1));
            assert_eq!(process + broker, kills);
            assert!(broker >= kills / 5, "{broker} of {kills} are of the broker");
        }
    }
}
