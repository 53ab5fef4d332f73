//! A small world drawn from a seed: what lies in every partition, and what must become of it.

use std::sync::Arc;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use whydunit::model::{Event, Severity, Source, Timestamp};

use crate::traffic::{self, Sent};

/// 14:00 on a working day: event time of the world's first second.
pub const START: i64 = 1_795_442_400;
/// Event time by which a record may come after a younger one of its partition; below the watermark's grace of 10 s, since
/// what comes later than that is late, and into which bucket a late item is booked depends on when it is read.
const DISORDER_MS: i64 = 8_000;

/// One connector and its topics.
#[derive(Clone, Debug)]
pub struct Connector {
    pub name: Arc<str>,
    pub source: Source,
}

/// Everything that ever lies in one partition.
#[derive(Clone, Debug)]
pub struct PartitionLog {
    /// Index into [`World::connectors`].
    pub connector: usize,
    pub topic: Arc<str>,
    pub partition: i32,
    /// Contents by incarnation: a topic deleted and made anew begins again at offset 0.
    pub lives: Vec<Vec<Slot>>,
}

/// What an offset holds.
#[derive(Clone, Debug)]
pub enum Slot {
    Record(Record),
    /// Compacted, a control record, or aborted.
    Absent,
    /// Removed by retention.
    Missed,
}

#[derive(Clone, Debug)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub timestamp: Timestamp,
    pub expect: Expect,
}

/// What decoding must make of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Lines, points and spans: folded, unless they are duplicates.
    pub folded: u64,
    /// Events of their own, duplicates included.
    pub one_to_one: u64,
    /// Of these two, items of a record that was delivered before.
    pub repeats: u64,
    /// Items that cannot be read.
    pub bad: u64,
    /// The whole record is dead-lettered.
    pub rejected: bool,
}

#[derive(Clone, Debug)]
pub struct World {
    pub connectors: Vec<Connector>,
    pub partitions: Vec<PartitionLog>,
    /// What people write through the API while the pipeline runs.
    pub inbox: Vec<Event>,
    pub shards: usize,
    /// Some items come after their buckets are closed: which bucket counts them depends on when they are read, that they are
    /// counted once does not.
    pub late: bool,
    /// Some records panic their shard or are refused by the disk, each time they come.
    pub poisoned: bool,
}

/// Every so many seeds of a campaign the world has late items.
const LATE_EVERY: u64 = 3;
/// And every so many have records that fail by themselves.
const POISONED_EVERY: u64 = 5;

impl World {
    /// The world of a campaign's seed.
    pub fn of_campaign(seed: u64) -> Self {
        Self::draw_with(seed, seed % LATE_EVERY == 1, seed % POISONED_EVERY == 2)
    }

    pub fn draw(seed: u64) -> Self {
        Self::draw_with(seed, false, false)
    }

    pub fn draw_with(seed: u64, late: bool, poisoned: bool) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut sent = traffic::draw(random);
        if late {
            traffic::add_late(&mut ChaCha8Rng::seed_from_u64(seed ^ 0x1a7e), &mut sent);
        }
        if poisoned {
            traffic::add_poison(&mut ChaCha8Rng::seed_from_u64(seed ^ 0x9015_0fed), &mut sent);
        }
        let (inbox, shards) = (inbox(random), random.random_range(1..=3));
        let mut world = Self { connectors: Vec::new(), partitions: Vec::new(), inbox, shards, late, poisoned };
        for source in Source::ALL {
            let mut ours: Vec<Sent> = sent.iter().filter(|sent| sent.source == source).cloned().collect();
            for sent in &mut ours {
                sent.at_ms += random.random_range(0..=DISORDER_MS);
            }
            ours.sort_by_key(|sent| sent.at_ms);
            world.place(source, ours, random);
        }
        world
    }

    /// Deals a source's records to its partitions, in order.
    fn place(&mut self, source: Source, sent: Vec<Sent>, random: &mut ChaCha8Rng) {
        let telemetry = source.drives_watermark();
        let connectors = if telemetry && random.random_bool(0.2) { 2 } else { 1 };
        let first = self.partitions.len();
        let mut recreated_at = Vec::new();
        for number in 0..connectors {
            let name = if number == 0 { source.as_str().to_owned() } else { format!("{}-{number}", source.as_str()) };
            self.connectors.push(Connector { name: name.as_str().into(), source });
            let topics = if telemetry { random.random_range(1..=2) } else { 1 };
            for topic in 0..topics {
                let topic: Arc<str> = format!("{name}.{topic}").into();
                // Half way through its records the topic is deleted and made anew.
                let lives = if random.random_bool(0.25) { 2 } else { 1 };
                for partition in 0..if telemetry { random.random_range(1..=3) } else { 1 } {
                    recreated_at.push(if lives == 2 { sent.len() * random.random_range(20..80) / 100 } else { usize::MAX });
                    let connector = self.connectors.len() - 1;
                    self.partitions.push(PartitionLog { connector, topic: topic.clone(), partition, lives: vec![Vec::new(); lives] });
                }
            }
        }
        for (index, sent) in sent.into_iter().enumerate() {
            let partition = match sent.key {
                Some(key) => key as usize % recreated_at.len(),
                None => random.random_range(0..recreated_at.len()),
            };
            let life = usize::from(index >= recreated_at[partition]);
            let slots = &mut self.partitions[first + partition].lives[life];
            for _ in 0..holes(random) {
                slots.push(if random.random_bool(0.7) { Slot::Absent } else { Slot::Missed });
            }
            slots.push(Slot::Record(sent.record));
        }
    }

    pub fn connector_of(&self, partition: &PartitionLog) -> &Connector {
        &self.connectors[partition.connector]
    }
}

/// Offsets without a record before the next one.
fn holes(random: &mut ChaCha8Rng) -> u32 {
    if random.random_bool(0.02) { random.random_range(1..=4) } else { 0 }
}

/// Notes of people, about a time long after the traffic: when such a write reaches the engine depends on when the person
/// made it, faults or not, and a bucket that never closes keeps that out of the investigations.
fn inbox(random: &mut ChaCha8Rng) -> Vec<Event> {
    let mut events: Vec<Event> = (0..random.random_range(0..4))
        .map(|number| {
            let at = Timestamp::from_seconds(START + 7_200 + number);
            let id = format!("0193a0b0-0000-7000-8000-{number:012}");
            Event::new(id, at, Source::Manual, "note", Severity::Info, &format!("somebody wrote note {number}"))
        })
        .collect();
    events.shuffle(random);
    events
}
