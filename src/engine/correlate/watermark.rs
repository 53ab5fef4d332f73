//! One watermark over all partitions: event time up to which buckets are closed.
//!
//! A driving partition (logs, metrics, traces) holds it at its own newest event time until it has been read to its end;
//! at its end it stops holding after [`SILENT_S`] of silence. Others hold it only until first read to their end. The
//! watermark never goes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::position::PartitionKey;
use crate::model::{Bucket, Timestamp};

/// Event time that a watermark stays behind the newest item.
pub const GRACE_S: i64 = 10;
/// Wall time after which a partition at its end stops holding.
const SILENT_S: i64 = 30;
/// A partition further than this ahead of the watermark is paused.
const MAX_AHEAD_S: i64 = 120;
/// Items older than this before the first watermark are late from the start.
const MAX_HISTORY_BUCKETS: i64 = 24 * 3_600 / Bucket::SECONDS;

/// What one batch, decoded and delivered, says of one partition.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    pub partition: &'a PartitionKey,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
    pub at_end: bool,
    /// Wall time.
    pub now: Timestamp,
}

/// Buckets that may be closed now: all from the first that this run closes up to `through`. It says the whole, not the step:
/// each connector sends its own, and one may overtake another on its way to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    pub first: Bucket,
    pub through: Bucket,
}

impl Advance {
    /// What is left to close, in order, for a stage that has closed up to `closed`; nothing when it is told old news.
    pub fn left_after(self, closed: Option<Bucket>) -> impl Iterator<Item = Bucket> {
        let from = closed.map_or(self.first, |closed| Bucket(closed.0 + 1));
        (from.0..=self.through.0).map(Bucket)
    }
}

/// Where a driving partition stands: it holds the watermark there, also after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub connector: Arc<str>,
    pub partition: PartitionKey,
    /// Newest event time read of it.
    pub newest: Timestamp,
    /// Wall time of its last item.
    pub last_news: Timestamp,
}

#[derive(Debug, Default)]
pub struct WatermarkTracker {
    partitions: BTreeMap<(Arc<str>, PartitionKey), Partition>,
    /// Where partitions that are not ours now stood; they hold from there when they are again.
    remembered: BTreeMap<(Arc<str>, PartitionKey), (Timestamp, Timestamp)>,
    /// Connectors whose assignment is not known yet; they hold while `waiting`.
    waiting: BTreeMap<Arc<str>, bool>,
    oldest: Option<Timestamp>,
    /// The first bucket that this run closes.
    first: Option<Bucket>,
    closed_through: Option<Bucket>,
    watermark: Option<Timestamp>,
}

#[derive(Debug)]
struct Partition {
    drives: bool,
    newest: Option<Timestamp>,
    /// Read to its end at least once since assigned.
    caught_up: bool,
    at_end: bool,
    last_news: Timestamp,
    finished: bool,
}

impl WatermarkTracker {
    /// As a checkpoint left it.
    pub fn restore(closed_through: Option<Bucket>, standings: Vec<Standing>) -> Self {
        let first = closed_through.map(|closed| Bucket(closed.0 + 1));
        let name = |standing: &Standing| (standing.connector.clone(), standing.partition.clone());
        let remembered = standings.iter().map(|standing| (name(standing), (standing.newest, standing.last_news))).collect();
        Self { first, closed_through, watermark: closed_through.map(Bucket::end), remembered, ..Self::default() }
    }

    /// Where every driving partition stands, for a checkpoint: one read to its end and silent since holds the watermark after
    /// a restart as it would have without.
    pub fn standings(&self) -> Vec<Standing> {
        let of = |(connector, partition): &(Arc<str>, PartitionKey), newest, last_news| {
            let (connector, partition) = (connector.clone(), partition.clone());
            Standing { connector, partition, newest, last_news }
        };
        let ours = self.partitions.iter().filter_map(|(name, partition)| Some(of(name, partition.newest?, partition.last_news)));
        let others = self.remembered.iter().map(|(name, (newest, last_news))| of(name, *newest, *last_news));
        ours.chain(others).collect()
    }

    fn remember(&mut self, gone: impl Fn(&Arc<str>, &PartitionKey) -> bool) {
        let remembered = &mut self.remembered;
        self.partitions.retain(|(connector, key), partition| {
            let stays = !gone(connector, key);
            if let Some(newest) = partition.newest.filter(|_| !stays) {
                remembered.insert((connector.clone(), key.clone()), (newest, partition.last_news));
            }
            stays
        });
    }

    /// A partition that is ours now, from where it stood before; what is known of earlier lives of its topic is forgotten.
    fn fresh(&mut self, connector: &Arc<str>, key: &PartitionKey, drives: bool, at_end: bool, now: Timestamp) -> Partition {
        let stood = self.remembered.remove(&(connector.clone(), key.clone()));
        self.remembered.retain(|(owner, other), _| owner != connector || other.partition != key.partition || other.topic != key.topic);
        // Where there is something to read, its silence is over.
        let last_news = stood.filter(|_| at_end).map_or(now, |(_, last_news)| last_news.min(now));
        Partition { drives, newest: stood.map(|(newest, _)| newest), caught_up: at_end, at_end, last_news, finished: false }
    }

    /// A connector that will bring partitions holds the watermark until it has named them.
    pub fn expect(&mut self, connector: &Arc<str>) {
        self.waiting.insert(connector.clone(), true);
    }

    /// The connector cannot be reached or was stopped: what it has not read cannot be waited for.
    pub fn give_up(&mut self, connector: &Arc<str>) {
        self.waiting.insert(connector.clone(), false);
        self.remember(|owner, _| owner == connector);
    }

    pub fn assigned(&mut self, connector: &Arc<str>, drives: bool, partitions: impl Iterator<Item = (PartitionKey, bool)>, now: Timestamp) {
        self.waiting.insert(connector.clone(), false);
        for (key, at_end) in partitions {
            let fresh = self.fresh(connector, &key, drives, at_end, now);
            self.partitions.entry((connector.clone(), key)).or_insert(fresh);
        }
    }

    pub fn revoked(&mut self, connector: &Arc<str>, partitions: &[PartitionKey]) {
        self.remember(|owner, key| owner == connector && partitions.contains(key));
    }

    /// The connector's feed ended for good: its partitions hold no more.
    pub fn finished(&mut self, connector: &Arc<str>) {
        self.waiting.insert(connector.clone(), false);
        for ((owner, _), partition) in &mut self.partitions {
            if owner == connector {
                partition.finished = true;
            }
        }
    }

    pub fn progress(&mut self, connector: &Arc<str>, drives: bool, progress: &Progress<'_>) {
        let key = (connector.clone(), progress.partition.clone());
        if !self.partitions.contains_key(&key) {
            let fresh = self.fresh(connector, progress.partition, drives, false, progress.now);
            self.partitions.insert(key.clone(), fresh);
        }
        let Some(partition) = self.partitions.get_mut(&key) else { return };
        partition.at_end = progress.at_end;
        partition.caught_up |= progress.at_end;
        if progress.newest.is_some() {
            partition.last_news = progress.now;
        }
        partition.newest = partition.newest.max(progress.newest);
        if self.closed_through.is_none() && drives {
            self.oldest = [self.oldest, progress.oldest].into_iter().flatten().min();
        }
    }

    /// Moves the watermark as far as the partitions allow; the buckets that may close now.
    pub fn advance(&mut self, now: Timestamp) -> Option<Advance> {
        let candidate = self.candidate(now)?;
        let watermark = self.watermark.map_or(candidate, |old| old.max(candidate));
        self.watermark = Some(watermark);
        let through = Bucket(Bucket::of(watermark).0 - 1);
        let first = self.first.unwrap_or_else(|| {
            let oldest = Bucket::of(self.oldest.unwrap_or(watermark));
            Bucket(oldest.0.max(through.0 - MAX_HISTORY_BUCKETS))
        });
        if through < first || self.closed_through.is_some_and(|closed| through <= closed) {
            return None;
        }
        self.first = Some(first);
        self.closed_through = Some(through);
        Some(Advance { first, through })
    }

    fn candidate(&self, now: Timestamp) -> Option<Timestamp> {
        if self.waiting.values().any(|waiting| *waiting) {
            return None;
        }
        let mut slowest: Option<Timestamp> = None;
        for partition in self.partitions.values().filter(|partition| partition.holds(now)) {
            // One that holds and has shown no event time yet holds everything.
            let newest = partition.newest.filter(|_| partition.drives)?;
            slowest = Some(slowest.map_or(newest, |slowest| slowest.min(newest)));
        }
        match slowest {
            Some(slowest) => Some(slowest.plus_seconds(-GRACE_S)),
            None => self.when_nobody_holds(),
        }
    }

    /// All silent or ended: what is there may close, and at an end for good nothing more can come.
    fn when_nobody_holds(&self) -> Option<Timestamp> {
        let newest = self.partitions.values().filter(|partition| partition.drives).filter_map(|partition| partition.newest).max()?;
        let all_ended = self.partitions.values().all(|partition| partition.finished);
        Some(if all_ended { Bucket::of(newest).end() } else { newest.plus_seconds(-GRACE_S) })
    }

    pub const fn watermark(&self) -> Option<Timestamp> {
        self.watermark
    }

    pub const fn closed_through(&self) -> Option<Bucket> {
        self.closed_through
    }

    /// Partitions of a connector that are too far ahead of the slowest and should not be read for now.
    pub fn too_far_ahead(&self, connector: &Arc<str>) -> Vec<PartitionKey> {
        let floor = self.watermark.or(self.oldest);
        let Some(limit) = floor.map(|floor| floor.plus_seconds(MAX_AHEAD_S + GRACE_S)) else { return Vec::new() };
        let ahead = |partition: &Partition| partition.drives && partition.newest.is_some_and(|newest| newest > limit);
        self.partitions
            .iter()
            .filter(|((owner, _), partition)| owner == connector && ahead(partition))
            .map(|((_, key), _)| key.clone())
            .collect()
    }
}

impl Partition {
    fn holds(&self, now: Timestamp) -> bool {
        if self.finished {
            return false;
        }
        if !self.caught_up {
            return true;
        }
        let silent = now.seconds_since(self.last_news) >= SILENT_S as f64;
        self.drives && !(self.at_end && (silent || self.newest.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> PartitionKey {
        PartitionKey { cluster: "c".into(), topic: "logs".into(), incarnation: 0, partition }
    }

    struct Story {
        tracker: WatermarkTracker,
        connector: Arc<str>,
    }

    impl Story {
        fn with_partitions(count: i32) -> Self {
            let mut story = Self { tracker: WatermarkTracker::default(), connector: "logs".into() };
            story.tracker.assigned(&story.connector.clone(), true, (0..count).map(|n| (key(n), false)), at(0));
            story
        }

        fn reads(&mut self, partition: i32, newest: i64, at_end: bool, now: i64) -> Option<Advance> {
            let newest = Some(Timestamp::from_seconds(newest));
            let progress = Progress { partition: &key(partition), oldest: newest, newest, at_end, now: at(now) };
            self.tracker.progress(&self.connector.clone(), true, &progress);
            self.tracker.advance(at(now))
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_slowest_partition_decides() {
        let mut story = Story::with_partitions(2);
        assert_eq!(story.reads(0, 1_000, false, 0), None);
        assert_eq!(story.reads(1, 985, false, 0), None, "no bucket ends between the oldest item and 975");
        assert_eq!(story.reads(0, 2_000, false, 0), None);
        assert_eq!(story.reads(1, 1_030, false, 0), Some(Advance { first: Bucket(65), through: Bucket(67) }));
        assert_eq!(story.tracker.watermark(), Some(at(1_020)));
    }

    #[test]
    fn a_partition_at_its_end_holds_for_thirty_silent_seconds() {
        let mut story = Story::with_partitions(2);
        story.reads(0, 1_000, true, 0);
        story.reads(1, 900, true, 0);
        story.reads(0, 1_100, true, 29);
        assert_eq!(story.tracker.watermark(), Some(at(890)));
        story.tracker.advance(at(30));
        assert_eq!(story.tracker.watermark(), Some(at(1_090)));
    }

    #[test]
    fn a_partition_never_read_to_its_end_holds_for_ever() {
        let mut story = Story::with_partitions(2);
        story.reads(0, 1_000, true, 0);
        assert_eq!(story.tracker.advance(at(10_000)), None);
        assert_eq!(story.tracker.watermark(), None);
    }

    #[test]
    fn a_partition_at_its_end_holds_after_a_restart_as_it_did_before() {
        let mut story = Story::with_partitions(2);
        story.reads(0, 1_000, true, 0);
        story.reads(1, 985, true, 0);
        let mut again = Story { tracker: WatermarkTracker::restore(story.tracker.closed_through(), story.tracker.standings()), ..story };
        again.tracker.assigned(&again.connector.clone(), true, (0..2).map(|n| (key(n), true)), at(5));
        again.reads(0, 1_200, true, 6);
        assert_eq!(again.tracker.watermark(), Some(at(975)), "partition 1 has been silent for six seconds only");
        again.tracker.advance(at(30));
        assert_eq!(again.tracker.watermark(), Some(at(1_190)));
    }

    #[test]
    fn a_partition_that_goes_and_comes_back_holds_where_it_stood() {
        let mut story = Story::with_partitions(2);
        story.reads(0, 1_000, true, 0);
        story.reads(1, 985, true, 0);
        story.tracker.revoked(&"logs".into(), &[key(1)]);
        story.tracker.assigned(&"logs".into(), true, std::iter::once((key(1), true)), at(1));
        story.reads(0, 1_200, true, 2);
        assert_eq!(story.tracker.watermark(), Some(at(975)));
        assert_eq!(story.tracker.standings().len(), 2);
    }

    #[test]
    fn an_empty_partition_at_its_end_does_not_hold() {
        let mut story = Story::with_partitions(1);
        story.tracker.assigned(&"metrics".into(), true, std::iter::once((key(7), true)), at(0));
        story.reads(0, 1_000, true, 0);
        assert_eq!(story.tracker.watermark(), Some(at(990)));
    }

    #[test]
    fn it_never_goes_back_and_closes_every_bucket_once() {
        let mut story = Story::with_partitions(1);
        story.reads(0, 1_000, false, 0);
        let first = story.reads(0, 1_050, false, 0);
        assert_eq!(first, Some(Advance { first: Bucket(66), through: Bucket(68) }));
        story.tracker.assigned(&"logs".into(), true, std::iter::once((key(1), false)), at(0));
        assert_eq!(story.reads(1, 100, false, 0), None);
        assert_eq!(story.reads(1, 1_070, true, 0), None);
        assert_eq!(story.reads(0, 1_080, true, 0), Some(Advance { first: Bucket(66), through: Bucket(69) }));
    }

    #[test]
    fn an_advance_that_overtakes_another_leaves_nothing_out_and_nothing_twice() {
        let (early, late) = (Advance { first: Bucket(1), through: Bucket(5) }, Advance { first: Bucket(1), through: Bucket(7) });
        assert_eq!(late.left_after(None).collect::<Vec<_>>(), (1..=7).map(Bucket).collect::<Vec<_>>());
        assert_eq!(early.left_after(Some(Bucket(7))).count(), 0);
    }

    #[test]
    fn one_item_from_the_seventies_does_not_close_millions_of_buckets() {
        let mut story = Story::with_partitions(1);
        story.reads(0, 0, false, 0);
        story.tracker = WatermarkTracker::default();
        story.tracker.assigned(&"logs".into(), true, std::iter::once((key(0), false)), at(0));
        let progress = Progress { partition: &key(0), oldest: Some(at(0)), newest: Some(at(1_700_000_000)), at_end: false, now: at(0) };
        story.tracker.progress(&"logs".into(), true, &progress);
        let advance = story.tracker.advance(at(0)).expect("the bucket before the newest closes");
        assert!(advance.through.0 - advance.first.0 <= MAX_HISTORY_BUCKETS);
    }

    #[test]
    fn when_all_feeds_ended_the_last_bucket_closes_too() {
        let mut story = Story::with_partitions(1);
        story.reads(0, 1_000, true, 0);
        story.tracker.finished(&"logs".into());
        story.tracker.advance(at(0));
        assert_eq!(story.tracker.closed_through(), Some(Bucket::of(at(1_000))));
    }

    #[test]
    fn a_partition_two_minutes_ahead_is_named() {
        let mut story = Story::with_partitions(2);
        story.reads(0, 1_000, false, 0);
        story.reads(1, 1_000, false, 0);
        assert!(story.tracker.too_far_ahead(&"logs".into()).is_empty());
        story.reads(1, 1_200, false, 0);
        assert_eq!(story.tracker.too_far_ahead(&"logs".into()), [key(1)]);
    }
}
