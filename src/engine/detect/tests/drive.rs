//! The stages in one thread: split, join, detect, close, step; with checkpoints.

use std::collections::BTreeMap;

use super::traffic::{Chance, Item, Shop, batch};
use crate::engine::correlate::{CorrelateOptions, Investigator};
use crate::engine::detect::{DetectOptions, Detector, InPieces, SeenBefore, ShardInput, TraceJoin};
use crate::model::investigation::EngineFindings;
use crate::model::observation::ObservationBatch;
use crate::model::signal::ClosedBucket;
use crate::model::snapshot::StateEntry;
use crate::model::{Bucket, Event, Timestamp};

/// Seconds the newest item must be past a bucket's end before it closes.
const GRACE_S: i64 = 10;

/// What changed since the last call, handed over whole.
pub fn changed(stage: &mut impl InPieces) -> Vec<StateEntry> {
    stage.freeze();
    let mut entries = Vec::new();
    loop {
        let (piece, whole) = stage.hand_over(100);
        entries.extend(piece);
        if whole {
            return entries;
        }
    }
}

pub struct Pipeline {
    pub joins: Vec<TraceJoin>,
    pub detectors: Vec<Detector>,
    pub investigator: Investigator,
    pub next: Option<Bucket>,
    newest: Timestamp,
    /// What was said, as JSON lines.
    pub said: Vec<String>,
    pub findings: Vec<EngineFindings>,
    pub closed: Vec<ClosedBucket>,
    pub seen_before: Vec<SeenBefore>,
    snapshot: BTreeMap<(String, Vec<u8>), Vec<u8>>,
    /// Restart from the snapshot every so many buckets; 0 for never.
    pub restart_every: usize,
}

impl Pipeline {
    pub fn new(shards: usize, teach_until: Option<Timestamp>) -> Self {
        let options = DetectOptions::default();
        Self {
            joins: (0..shards).map(|_| TraceJoin::new(&options)).collect(),
            detectors: (0..shards).map(|_| Detector::new(&options)).collect(),
            investigator: Investigator::new(&CorrelateOptions::default(), teach_until),
            next: None,
            newest: Timestamp::MIN,
            said: Vec::new(),
            findings: Vec::new(),
            closed: Vec::new(),
            seen_before: Vec::new(),
            snapshot: BTreeMap::new(),
            restart_every: 0,
        }
    }

    /// Feeds a whole shop in batches of `size`, each item delayed by up to `shuffle_ms`, and closes every bucket.
    pub fn run(&mut self, shop: &Shop, size: usize, shuffle_ms: u64, seed: u64) {
        let mut chance = Chance(seed);
        let mut arrivals: Vec<(Timestamp, usize, Item)> = shop
            .items
            .iter()
            .enumerate()
            .map(|(offset, item)| (item.at().plus_millis(chance.below(shuffle_ms + 1) as i64), offset, item.clone()))
            .collect();
        arrivals.sort_by_key(|(at, offset, _)| (*at, *offset));
        self.next = self.next.or_else(|| shop.items.iter().map(Item::at).min().map(Bucket::of));
        for chunk in arrivals.chunks(size) {
            let items: Vec<(usize, Item)> = chunk.iter().map(|(_, offset, item)| (*offset, item.clone())).collect();
            self.observe(batch(&shop.definitions, &items));
            let newest = items.iter().map(|(_, item)| item.at()).max().unwrap();
            self.newest = self.newest.max(newest);
            self.close_until(self.newest.plus_seconds(-GRACE_S));
        }
        self.close_until(self.newest.plus_seconds(90));
    }

    pub fn observe(&mut self, batch: ObservationBatch) {
        let shards = self.joins.len();
        let (inputs, events) = ShardInput::split(batch, shards);
        self.investigator.forward(&events);
        for (join, input) in self.joins.iter_mut().zip(inputs) {
            let mut passed = join.observe(input);
            self.seen_before.append(&mut passed.seen_before);
            for (detector, input) in self.detectors.iter_mut().zip(passed.split(shards)) {
                detector.observe(input);
            }
        }
    }

    pub fn forward(&mut self, events: &[Event]) {
        self.investigator.forward(events);
    }

    pub fn close_until(&mut self, watermark: Timestamp) {
        while let Some(bucket) = self.next.filter(|bucket| bucket.end() <= watermark) {
            self.close(bucket);
            self.next = Some(Bucket(bucket.0 + 1));
        }
    }

    fn close(&mut self, bucket: Bucket) {
        let shards = self.joins.len();
        for join in &mut self.joins {
            for (detector, input) in self.detectors.iter_mut().zip(join.close(bucket).split(shards)) {
                detector.observe(input);
            }
        }
        let closed: Vec<ClosedBucket> = self.detectors.iter_mut().map(|detector| detector.close(bucket)).collect();
        self.say(&closed);
        self.closed.extend(closed.iter().cloned());
        let findings = self.investigator.step(closed);
        self.said.extend(findings.iter().map(|findings| serde_json::to_string(findings).unwrap()));
        self.findings.extend(findings);
        if self.restart_every > 0 && bucket.0 % self.restart_every as i64 == 0 {
            self.restart();
        }
    }

    fn say(&mut self, closed: &[ClosedBucket]) {
        let mut lines = Vec::new();
        for shard in closed {
            lines.extend(shard.events.iter().map(|event| serde_json::to_string(event).unwrap()));
            lines.extend(shard.signals.iter().map(|signal| serde_json::to_string(signal).unwrap()));
            lines.extend(shard.rows.iter().map(|row| serde_json::to_string(row).unwrap()));
            lines.extend(shard.edges.iter().map(|edge| serde_json::to_string(edge).unwrap()));
            lines.extend(shard.loads.iter().map(|load| serde_json::to_string(load).unwrap()));
        }
        lines.sort();
        self.said.extend(lines);
    }

    fn keep(&mut self, stage: &str, entries: Vec<StateEntry>) {
        for entry in entries {
            let key = (stage.to_owned(), entry.key);
            match entry.value {
                Some(value) => self.snapshot.insert(key, value.encode().unwrap()),
                None => self.snapshot.remove(&key),
            };
        }
    }

    /// Takes a checkpoint, forgets everything, and goes on from the checkpoint.
    fn restart(&mut self) {
        for shard in 0..self.joins.len() {
            let entries = changed(&mut self.joins[shard]);
            self.keep(&format!("join/{shard}"), entries);
            let entries = changed(&mut self.detectors[shard]);
            self.keep(&format!("detect/{shard}"), entries);
        }
        let entries = self.investigator.delta();
        self.keep("investigator", entries);
        // Only a first start is told until when history teaches; it is not the first one any more.
        let fresh = Self::new(self.joins.len(), None);
        self.joins = fresh.joins;
        self.detectors = fresh.detectors;
        self.investigator = fresh.investigator;
        for ((stage, key), value) in &self.snapshot {
            match stage.split_once('/') {
                Some(("join", shard)) => self.joins[shard.parse::<usize>().unwrap()].restore(key, value).unwrap(),
                Some((_, shard)) => self.detectors[shard.parse::<usize>().unwrap()].restore(key, value).unwrap(),
                None => self.investigator.restore(key, value).unwrap(),
            }
        }
    }

    /// Bytes of the snapshot by kind of entry, with how many there are.
    pub fn snapshot_sizes(&self) -> BTreeMap<(String, u8), (usize, usize)> {
        let mut sizes: BTreeMap<(String, u8), (usize, usize)> = BTreeMap::new();
        for ((stage, key), value) in &self.snapshot {
            let entry = sizes.entry((stage.clone(), if stage.starts_with("join") { b'-' } else { key[0] })).or_default();
            entry.0 += 1;
            entry.1 += value.len();
        }
        sizes
    }
}
