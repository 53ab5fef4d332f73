//! One watermark over all partitions: event time up to which buckets are closed.
//!
//! A driving partition (logs, metrics, traces) holds it at its own newest event time until it has been read to its end;
//! at its end it stops holding after [`SILENT_S`] of silence. Others hold it only until first read to their end. A partition
//! that a rebalance takes away holds as long, since most come back at once. While a connector does not read, since its broker does
//! not answer or a person paused it, neither silence nor absence says anything of its partitions: they hold until it is given up.
//! The watermark never goes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::position::PartitionKey;
use crate::model::{Bucket, Timestamp};

/// Event time that a watermark stays behind the newest item.
pub const GRACE_S: i64 = 10;
/// Wall time after which a partition at its end stops holding.
const SILENT_S: i64 = 30;
/// A partition further than this ahead of the watermark is held back.
const MAX_AHEAD_S: i64 = 120;
/// Once held back, a partition goes on when it is no further ahead than this: letting go has its price.
const GO_ON_AHEAD_S: i64 = 60;
/// Items older than this before the first watermark are late from the start. As long as a topic keeps its records by default: a
/// first batch that spans more begins with a time that is wrong, and every bucket in between would be closed.
const MAX_HISTORY_BUCKETS: i64 = 7 * 24 * 3_600 / Bucket::SECONDS;

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

/// What a checkpoint keeps: without it a restart would not know that what it reads next is not the beginning, nor how far
/// partitions were that say nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkState {
    pub closed_through: Option<Bucket>,
    /// Oldest event time, until the first bucket is closed.
    pub oldest: Option<Timestamp>,
    /// Newest event time of each partition of a connector.
    pub newest: Vec<(Arc<str>, PartitionKey, Timestamp)>,
}

#[derive(Debug, Default)]
pub struct WatermarkTracker {
    partitions: BTreeMap<(Arc<str>, PartitionKey), Partition>,
    /// Newest event time of driving partitions that are not ours now.
    known: BTreeMap<(Arc<str>, PartitionKey), Timestamp>,
    /// Connectors whose assignment is not known yet; they hold while `waiting`.
    waiting: BTreeMap<Arc<str>, bool>,
    /// Connectors that do not read now.
    unread: BTreeSet<Arc<str>>,
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
    /// When a rebalance took it.
    away_since: Option<Timestamp>,
}

impl WatermarkTracker {
    /// As a checkpoint left it.
    pub fn restore(state: WatermarkState) -> Self {
        let WatermarkState { closed_through, oldest, newest } = state;
        let first = closed_through.map(|closed| Bucket(closed.0 + 1));
        let known = newest.into_iter().map(|(connector, key, newest)| ((connector, key), newest)).collect();
        Self { first, closed_through, oldest, known, watermark: closed_through.map(Bucket::end), ..Self::default() }
    }

    pub fn state(&self) -> WatermarkState {
        let mut newest = self.known.clone();
        let driving = self.partitions.iter().filter(|(_, partition)| partition.drives);
        newest.extend(driving.filter_map(|(key, partition)| Some((key.clone(), partition.newest?))));
        WatermarkState {
            closed_through: self.closed_through,
            oldest: self.oldest,
            newest: newest.into_iter().map(|((connector, key), newest)| (connector, key, newest)).collect(),
        }
    }

    /// A connector that will bring partitions holds the watermark until it has named them.
    pub fn expect(&mut self, connector: &Arc<str>) {
        self.waiting.insert(connector.clone(), true);
    }

    /// The connector does not read for now: its broker does not answer, or it is paused.
    pub fn unread(&mut self, connector: &Arc<str>) {
        self.unread.insert(connector.clone());
    }

    /// It reads again: from now on silence and absence count.
    pub fn read_again(&mut self, connector: &Arc<str>, now: Timestamp) {
        if !self.unread.remove(connector) {
            return;
        }
        for (_, partition) in self.partitions.iter_mut().filter(|((owner, _), _)| owner == connector) {
            partition.away_since = partition.away_since.map(|_| now);
            partition.last_news = now;
        }
    }

    /// The connector cannot be reached or was stopped: what it has not read cannot be waited for.
    pub fn give_up(&mut self, connector: &Arc<str>) {
        self.unread.remove(connector);
        self.waiting.insert(connector.clone(), false);
        let known = &mut self.known;
        self.partitions.retain(|key, partition| {
            let is_ours = key.0 == *connector;
            if let (true, true, Some(newest)) = (is_ours, partition.drives, partition.newest) {
                known.insert(key.clone(), newest);
            }
            !is_ours
        });
    }

    pub fn assigned(&mut self, connector: &Arc<str>, drives: bool, partitions: impl Iterator<Item = (PartitionKey, bool)>, now: Timestamp) {
        self.waiting.insert(connector.clone(), false);
        self.read_again(connector, now);
        for (key, at_end) in partitions {
            self.forget_other_lives(connector, &key);
            let entry = (connector.clone(), key);
            let newest = self.known.remove(&entry).filter(|_| drives);
            let fresh = Partition { drives, newest, caught_up: at_end, at_end, last_news: now, finished: false, away_since: None };
            let partition = self.partitions.entry(entry).or_insert(fresh);
            partition.away_since = None;
        }
    }

    /// A topic made anew leaves nothing of its earlier life to wait for.
    fn forget_other_lives(&mut self, connector: &Arc<str>, key: &PartitionKey) {
        let is_other = |owner: &Arc<str>, other: &PartitionKey| {
            owner == connector && other.topic == key.topic && other.partition == key.partition && other != key
        };
        let mut gone: Option<Timestamp> = None;
        self.known.retain(|(owner, other), newest| {
            let is_other = is_other(owner, other);
            gone = if is_other { gone.max(Some(*newest)) } else { gone };
            !is_other
        });
        self.partitions.retain(|(owner, other), partition| {
            let is_other = is_other(owner, other);
            gone = if is_other && partition.drives { gone.max(partition.newest) } else { gone };
            !is_other
        });
        if let Some(newest) = gone {
            self.known.insert((connector.clone(), key.clone()), newest);
        }
    }

    /// It may come back at once, so it goes on holding for a while.
    pub fn revoked(&mut self, connector: &Arc<str>, partitions: &[PartitionKey], now: Timestamp) {
        for ((owner, key), partition) in &mut self.partitions {
            if owner == connector && partitions.contains(key) {
                partition.away_since = Some(now);
            }
        }
    }

    /// Partitions that were taken away and have not come back.
    fn let_go(&mut self, now: Timestamp) {
        let (known, unread) = (&mut self.known, &self.unread);
        self.partitions.retain(|key, partition| {
            let is_long = partition.away_since.is_some_and(|since| now.seconds_since(since) >= SILENT_S as f64);
            let is_gone = is_long && !unread.contains(&key.0);
            if let (true, true, Some(newest)) = (is_gone, partition.drives, partition.newest) {
                known.insert(key.clone(), newest);
            }
            !is_gone
        });
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
        let partition = self.partitions.entry(key).or_insert_with(|| Partition {
            drives,
            newest: None,
            caught_up: false,
            at_end: false,
            last_news: progress.now,
            finished: false,
            away_since: None,
        });
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
        self.let_go(now);
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
        for ((owner, _), partition) in &self.partitions {
            if !partition.holds(now, self.unread.contains(owner)) {
                continue;
            }
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
        let ours = self.partitions.values().filter(|partition| partition.drives).filter_map(|partition| partition.newest);
        let newest = ours.chain(self.known.values().copied()).max()?;
        let all_ended = self.partitions.values().all(|partition| partition.finished);
        Some(if all_ended { Bucket::of(newest).end() } else { newest.plus_seconds(-GRACE_S) })
    }

    pub const fn watermark(&self) -> Option<Timestamp> {
        self.watermark
    }

    pub const fn closed_through(&self) -> Option<Bucket> {
        self.closed_through
    }

    /// Partitions of a connector that are too far ahead of the slowest and should not be read for now; `held` are those that
    /// are not read already. The slowest is never among them, so that the watermark always has somebody to move it.
    pub fn too_far_ahead(&self, connector: &Arc<str>, held: &[PartitionKey]) -> Vec<PartitionKey> {
        let Some(floor) = self.watermark.or(self.oldest) else { return Vec::new() };
        let limit_s = |key: &PartitionKey| GRACE_S + if held.contains(key) { GO_ON_AHEAD_S } else { MAX_AHEAD_S };
        let ahead = |key: &PartitionKey, partition: &Partition| {
            partition.drives && partition.newest.is_some_and(|newest| newest > floor.plus_seconds(limit_s(key)))
        };
        self.partitions
            .iter()
            .filter(|((owner, key), partition)| owner == connector && ahead(key, partition))
            .map(|((_, key), _)| key.clone())
            .collect()
    }
}

impl Partition {
    /// `unread`: its connector does not read now.
    fn holds(&self, now: Timestamp, unread: bool) -> bool {
        if self.finished {
            return false;
        }
        if !self.caught_up {
            return true;
        }
        let silent = !unread && now.seconds_since(self.last_news) >= SILENT_S as f64;
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
    fn a_first_batch_of_two_days_closes_each_of_their_buckets() {
        let mut story = Story::with_partitions(1);
        let progress = Progress { partition: &key(0), oldest: Some(at(0)), newest: Some(at(2 * 86_400)), at_end: false, now: at(0) };
        story.tracker.progress(&"logs".into(), true, &progress);
        assert_eq!(story.tracker.advance(at(0)).map(|advance| advance.first), Some(Bucket(0)));
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
        assert!(story.tracker.too_far_ahead(&"logs".into(), &[]).is_empty());
        story.reads(1, 1_200, false, 0);
        assert_eq!(story.tracker.too_far_ahead(&"logs".into(), &[]), [key(1)]);
    }

    #[test]
    fn a_partition_held_back_goes_on_when_the_slowest_is_near_or_gone() {
        let mut story = Story::with_partitions(2);
        story.reads(0, 1_000, false, 0);
        story.reads(1, 1_200, false, 0);
        story.reads(0, 1_100, false, 0);
        assert!(story.tracker.too_far_ahead(&"logs".into(), &[]).is_empty());
        assert_eq!(story.tracker.too_far_ahead(&"logs".into(), &[key(1)]), [key(1)], "held until it is a minute ahead");
        story.reads(0, 1_140, false, 0);
        assert!(story.tracker.too_far_ahead(&"logs".into(), &[key(1)]).is_empty());

        story.reads(1, 1_400, false, 0);
        assert_eq!(story.tracker.too_far_ahead(&"logs".into(), &[]), [key(1)]);
        story.tracker.revoked(&"logs".into(), &[key(0)], at(0));
        story.tracker.advance(at(SILENT_S));
        assert!(story.tracker.too_far_ahead(&"logs".into(), &[key(1)]).is_empty(), "nobody is slower any more");
    }

    #[test]
    fn a_restart_before_the_first_close_still_knows_the_oldest_item() {
        let mut story = Story::with_partitions(1);
        story.reads(0, 1_000, false, 0);
        story.tracker = WatermarkTracker::restore(story.tracker.state());
        story.tracker.assigned(&"logs".into(), true, std::iter::once((key(0), false)), at(0));
        assert_eq!(story.reads(0, 1_060, false, 0), Some(Advance { first: Bucket(66), through: Bucket(69) }));
    }

    #[test]
    fn after_a_restart_at_the_end_the_last_buckets_close_all_the_same() {
        let mut story = Story::with_partitions(1);
        story.reads(0, 1_000, true, 0);
        story.tracker = WatermarkTracker::restore(story.tracker.state());
        story.tracker.assigned(&"logs".into(), true, std::iter::once((key(0), true)), at(0));
        story.tracker.finished(&"logs".into());
        story.tracker.advance(at(0));
        assert_eq!(story.tracker.closed_through(), Some(Bucket::of(at(1_000))));
    }

    #[test]
    fn while_a_broker_does_not_answer_what_was_taken_away_and_what_is_silent_hold_until_it_is_given_up() {
        for (is_away, at_end) in [(true, false), (false, true)] {
            let mut story = Story::with_partitions(1);
            story.tracker.assigned(&"other".into(), true, std::iter::once((key(7), false)), at(0));
            story.reads(0, 1_000, at_end, 0);
            if is_away {
                story.tracker.revoked(&"logs".into(), &[key(0)], at(0));
            }
            story.tracker.unread(&"logs".into());
            let newest = Some(at(1_200));
            let others = Progress { partition: &key(7), oldest: newest, newest, at_end: false, now: at(1) };
            story.tracker.progress(&"other".into(), true, &others);
            story.tracker.advance(at(45));
            assert_eq!(story.tracker.watermark(), Some(at(990)), "away: {is_away}");
            // It answers again, and has half a minute to bring them back.
            story.tracker.read_again(&"logs".into(), at(45));
            story.tracker.advance(at(74));
            assert_eq!(story.tracker.watermark(), Some(at(990)), "away: {is_away}");
            story.tracker.unread(&"logs".into());
            story.tracker.give_up(&"logs".into());
            story.tracker.advance(at(74));
            assert_eq!(story.tracker.watermark(), Some(at(1_190)), "away: {is_away}");
        }
    }

    #[test]
    fn a_partition_that_a_rebalance_takes_holds_until_it_is_back_or_gone_for_good() {
        let mut story = Story::with_partitions(2);
        story.reads(0, 1_000, false, 0);
        story.reads(1, 1_000, false, 0);
        story.tracker.revoked(&"logs".into(), &[key(0)], at(0));
        story.reads(1, 1_200, false, 29);
        assert_eq!(story.tracker.watermark(), Some(at(990)));
        story.tracker.advance(at(30));
        assert_eq!(story.tracker.watermark(), Some(at(1_190)));
    }
}
