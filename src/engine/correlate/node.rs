//! What the investigator remembers of one service between steps.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::news::Load;
use crate::engine::detect::surprise::of_independent;
use crate::model::entity::ServiceName;
use crate::model::signal::{EdgeCount, EntityLoad, Signal};
use crate::model::topology::{EdgeHour, hour_of};
use crate::model::{Bucket, Event, Timestamp};

/// Buckets of numbers kept for told rankings (15 min).
const RECENT_BUCKETS: i64 = 60;
/// Buckets a signal counts as current (120 s).
pub const CURRENT_BUCKETS: i64 = 8;
/// Extra failures or seconds count as carried on this long (60 s).
const CARRIES_BUCKETS: i64 = 4;
/// Half-life of an edge's weight (30 min); below the least weight it is forgotten.
const HALF_LIFE_BUCKETS: f64 = 120.0;
const LEAST_WEIGHT: f64 = 0.05;
/// Callees kept of a service, and services it names; the least called, or named, go first.
const MAX_CALLEES: usize = 1_000;
/// A surge is so many standard deviations of a Poisson count above the mean …
const SURGE_DEVIATIONS: f64 = 4.0;
/// … and fewer, of this part of it at least, are more requests than usual.
const BUSIER_DEVIATIONS: f64 = 2.0;
const BUSIER: f64 = 1.2;
/// Complaints of callers kept of a service, about 1 KB each, for 120 s; the weakest go first.
const MAX_POINTED: usize = 100;
/// Newest detected events kept of a service.
const MAX_EVENTS: usize = 40;

/// Calls to one callee.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    weight: f64,
    updated: Bucket,
    /// Newest buckets: calls, failed calls, nanoseconds.
    ring: VecDeque<(Bucket, u64, u64, u64)>,
    /// The hour of its newest call so far.
    hour: HourSums,
}

/// Error texts that name one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Naming {
    weight: f64,
    updated: Bucket,
    /// The hour of the newest one so far: texts, in the place of calls.
    hour: HourSums,
}

/// Sums of the buckets of one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct HourSums {
    first: Bucket,
    last: Bucket,
    calls: u64,
    failed: u64,
    duration_ns: u64,
}

/// Strength of one detector at one close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    pub bucket: Bucket,
    pub detector: String,
    pub rank_surprise: f64,
}

/// A stored event that may be linked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRef {
    pub id: String,
    pub at: Timestamp,
    pub event_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub name: ServiceName,
    pub last_seen: Bucket,
    callees: BTreeMap<String, Edge>,
    /// Services that its error texts name.
    named: BTreeMap<String, Naming>,
    recent: VecDeque<Recent>,
    /// Newest signal of each detector that is the strongest of the last minutes.
    best: BTreeMap<String, (Bucket, Signal)>,
    /// What each of its callers says of one of its instances: the newest strongest.
    pointed: BTreeMap<(String, String), (Bucket, Signal)>,
    excess: VecDeque<Load>,
    /// Seconds between its points, where its requests are known by slow metrics.
    pub interval_s: u32,
    pub events: VecDeque<EventRef>,
    /// Texts of its newest error lines.
    pub texts: VecDeque<String>,
    /// Requests a bucket: slow mean, and the newest.
    pub requests_mean: f64,
    pub requests_now: f64,
    /// Closes in a row at which it was hot, and at which the opening rule held.
    pub hot_run: u32,
    pub firing_run: u32,
    pub last_hot: Option<Bucket>,
    pub learning_until: Option<Timestamp>,
}

impl Node {
    pub fn new(name: ServiceName) -> Self {
        Self { name, ..Self::default() }
    }

    pub fn take_edge(&mut self, bucket: Bucket, edge: &EdgeCount) {
        let known = self.callees.entry(edge.callee.service.clone()).or_default();
        known.weight = known.weight_at(bucket) + edge.calls as f64;
        known.updated = bucket;
        known.hour.add(bucket, edge.calls, edge.failed, edge.duration_ns);
        known.ring.push_back((bucket, edge.calls, edge.failed, edge.duration_ns));
        while known.ring.front().is_some_and(|(oldest, ..)| bucket.0 - oldest.0 >= CURRENT_BUCKETS) {
            known.ring.pop_front();
        }
        self.last_seen = bucket;
    }

    /// Takes that an error text of the bucket names `service`.
    pub fn take_mention(&mut self, bucket: Bucket, service: &str) {
        let known = self.named.entry(service.to_owned()).or_default();
        known.weight = faded(known.weight, known.updated, bucket) + 1.0;
        known.updated = bucket;
        known.hour.add(bucket, 1, 0, 0);
    }

    pub fn take_load(&mut self, bucket: Bucket, load: &EntityLoad) {
        if load.excess_failures > 0.0 || load.excess_seconds > 0.0 {
            self.excess.push_back(Load::of(bucket, load));
        }
        // The mean lags by one bucket and learns slowly; a surge is seen against it.
        if self.requests_mean == 0.0 {
            self.requests_mean = self.requests_now;
        }
        self.requests_mean += (self.requests_now - self.requests_mean) / 40.0;
        self.requests_now = load.requests as f64;
        self.interval_s = load.interval_s;
        self.last_seen = bucket;
    }

    fn take_signal(&mut self, bucket: Bucket, signal: Signal) {
        let rank_surprise = signal.rank_surprise;
        match self.recent.iter_mut().find(|recent| recent.bucket == bucket && recent.detector == signal.detector) {
            Some(recent) => recent.rank_surprise = recent.rank_surprise.max(rank_surprise),
            None => self.recent.push_back(Recent { bucket, detector: signal.detector.clone(), rank_surprise }),
        }
        let replace = self
            .best
            .get(&signal.detector)
            .is_none_or(|(at, best)| bucket.0 - at.0 >= CURRENT_BUCKETS || best.rank_surprise <= rank_surprise);
        if replace {
            self.best.insert(signal.detector.clone(), (bucket, signal));
        }
        self.last_seen = bucket;
    }

    /// Takes what the lines of a caller say of this service.
    pub fn take_pointed(&mut self, bucket: Bucket, by: String, signal: Signal) {
        let known = self.pointed.entry((signal.key.clone(), by)).or_insert_with(|| (bucket, signal.clone()));
        if signal.surprise >= known.1.surprise || bucket.0 - known.0.0 >= CURRENT_BUCKETS {
            *known = (bucket, signal);
        }
        if self.pointed.len() > MAX_POINTED {
            let weakest = self.pointed.iter().min_by(|left, right| left.1.1.surprise.total_cmp(&right.1.1.surprise));
            if let Some(key) = weakest.map(|(key, _)| key.clone()) {
                self.pointed.remove(&key);
            }
        }
    }

    pub fn is_complained_of(&self) -> bool {
        !self.pointed.is_empty()
    }

    /// What its callers say together of each of its instances: requests of several services that meet the same are less of a chance
    /// than those of one.
    pub fn complaints(&mut self, bucket: Bucket) -> Vec<Signal> {
        self.pointed.retain(|_, (at, _)| bucket.0 - at.0 < CURRENT_BUCKETS);
        let mut by_instance: BTreeMap<&String, Vec<&(Bucket, Signal)>> = BTreeMap::new();
        for ((instance, _), said) in &self.pointed {
            by_instance.entry(instance).or_default().push(said);
        }
        let together = |said: Vec<&(Bucket, Signal)>| {
            let strongest = said.iter().copied().reduce(|best, next| if next.1.surprise > best.1.surprise { next } else { best })?;
            let mut signal = strongest.1.clone();
            if said.len() > 1 {
                signal.surprise = signal.surprise.max(of_independent(said.iter().map(|(_, signal)| signal.surprise)));
                signal.rank_surprise = signal.rank_surprise.max(of_independent(said.iter().map(|(_, signal)| signal.rank_surprise)));
                signal.onset = said.iter().map(|(_, signal)| signal.onset).min().unwrap_or(signal.onset);
                let others = said.len() - 1;
                let more = if others == 1 { "one more service does".to_owned() } else { format!("{others} more services do") };
                signal.sentence = format!("{}; {more}, too", signal.sentence);
            } else if strongest.0 != bucket {
                return None;
            }
            Some(signal)
        };
        by_instance.into_values().filter_map(together).collect()
    }

    /// Takes all of a bucket's signals of this service.
    pub fn take_signals(&mut self, bucket: Bucket, signals: &[Signal], weak: f64) {
        for signal in signals {
            self.take_signal(bucket, signal.clone());
        }
        for (detector, ended) in newest_ends(signals, weak) {
            if let Some((_, signal)) = self.best.get_mut(detector) {
                signal.ended = ended;
            }
        }
    }

    pub fn take_event(&mut self, event: &Event) {
        self.events.push_back(EventRef { id: event.id.clone(), at: event.timestamp, event_type: event.event_type.clone() });
        while self.events.len() > MAX_EVENTS {
            self.events.pop_front();
        }
    }

    pub fn take_text(&mut self, text: &str) {
        let text = crate::model::event::truncate(text, 300);
        if !text.is_empty() && !self.texts.contains(&text) {
            self.texts.push_back(text);
            while self.texts.len() > 20 {
                self.texts.pop_front();
            }
        }
    }

    /// True when something is too old to be asked for.
    pub fn is_stale(&self, bucket: Bucket) -> bool {
        let old = |at: Bucket| bucket.0 - at.0 >= RECENT_BUCKETS;
        self.recent.iter().any(|recent| old(recent.bucket))
            || self.best.values().any(|(at, _)| old(*at))
            || self.excess.iter().any(|load| old(load.bucket))
    }

    /// Forgets what is too old to be asked for.
    pub fn prune(&mut self, bucket: Bucket) {
        self.recent.retain(|recent| bucket.0 - recent.bucket.0 < RECENT_BUCKETS);
        self.best.retain(|_, (at, _)| bucket.0 - at.0 < RECENT_BUCKETS);
        self.excess.retain(|load| bucket.0 - load.bucket.0 < RECENT_BUCKETS);
    }

    /// Signals that count now.
    pub fn current(&self, bucket: Bucket) -> impl Iterator<Item = &Signal> {
        self.best.values().filter(move |(at, _)| bucket.0 - at.0 < CURRENT_BUCKETS).map(|(_, signal)| signal)
    }

    /// Strongest signal of each detector since a bucket: the signal's text with the number of that time.
    pub fn since(&self, from: Bucket) -> BTreeMap<String, Signal> {
        let mut found: BTreeMap<String, Signal> = BTreeMap::new();
        for recent in self.recent.iter().filter(|recent| recent.bucket >= from) {
            let Some((_, signal)) = self.best.get(&recent.detector) else { continue };
            let entry = found.entry(recent.detector.clone()).or_insert_with(|| Signal { rank_surprise: 0.0, ..signal.clone() });
            entry.rank_surprise = entry.rank_surprise.max(recent.rank_surprise);
        }
        found
    }

    /// Extra failures and seconds since a bucket.
    pub fn excess_since(&self, from: Bucket) -> (f64, f64) {
        let newer = self.excess.iter().filter(|load| load.bucket >= from);
        newer.fold((0.0, 0.0), |(failures, seconds), load| (failures + load.failures, seconds + load.seconds))
    }

    /// Intervals with an excess, oldest first; of a service known by slow metrics.
    pub fn intervals(&self) -> impl Iterator<Item = &Load> {
        self.excess.iter().filter(|load| load.interval_s > 0)
    }

    /// True when it has lately had extra failures or extra seconds.
    pub fn carries(&self, bucket: Bucket) -> bool {
        let lately = |load: &Load| CARRIES_BUCKETS.max(3 * i64::from(load.interval_s) / (2 * Bucket::SECONDS));
        self.excess.back().is_some_and(|load| bucket.0 - load.bucket.0 < lately(load))
    }

    /// True when its requests have risen far beyond chance: those that come by themselves vary by the root of their number.
    pub fn has_surge(&self) -> bool {
        self.requests_mean >= 1.0 && self.requests_now - self.requests_mean >= SURGE_DEVIATIONS * self.requests_mean.sqrt()
    }

    /// True when it gets more requests than usual, as far as one service can tell.
    pub fn is_busier(&self) -> bool {
        let more = self.requests_now - self.requests_mean;
        self.requests_now >= BUSIER * self.requests_mean && more >= BUSIER_DEVIATIONS * self.requests_mean.max(1.0).sqrt()
    }

    /// Live callees with their weights.
    pub fn callees(&self, bucket: Bucket) -> impl Iterator<Item = (&String, f64)> {
        self.callees.iter().map(move |(callee, edge)| (callee, edge.weight_at(bucket))).filter(|(_, weight)| *weight >= LEAST_WEIGHT)
    }

    /// Services that its error texts have named lately, whether or not it is seen to call them.
    pub fn named(&self, bucket: Bucket) -> impl Iterator<Item = &String> {
        self.named.iter().filter(move |(_, naming)| naming.weight_at(bucket) >= LEAST_WEIGHT).map(|(service, _)| service)
    }

    /// What its calls came to in the hour of the newest one, of callees that it has called since `from`; and how often it has named
    /// those that it is not seen to call.
    pub fn edge_hours(&self, from: Bucket) -> impl Iterator<Item = EdgeHour> {
        let row = |callee: &String, hour: &HourSums| {
            let HourSums { first, last, calls, failed, duration_ns } = *hour;
            EdgeHour { caller: self.name.clone(), callee: callee.clone(), first, last, calls, failed, duration_ns, mentions: 0 }
        };
        let mentions = |row: EdgeHour| EdgeHour { calls: 0, mentions: row.calls, ..row };
        let called = self.callees.iter().map(|(callee, edge)| (callee, &edge.hour)).filter(move |(_, hour)| hour.is_told(from));
        let named = self.named.iter().map(|(callee, naming)| (callee, &naming.hour)).filter(move |(_, hour)| hour.is_told(from));
        let named = named.filter(move |(callee, _)| self.callees.get(*callee).is_none_or(|edge| edge.weight_at(from) < LEAST_WEIGHT));
        called.map(move |(callee, hour)| row(callee, hour)).chain(named.map(move |(callee, hour)| mentions(row(callee, hour))))
    }

    /// Calls, failed calls and nanoseconds to each callee in the newest buckets from `from`.
    pub fn calls_since(&self, from: Bucket) -> impl Iterator<Item = (&String, (u64, u64, u64))> {
        self.callees.iter().map(move |(callee, edge)| {
            let newer = edge.ring.iter().filter(|(at, ..)| *at >= from);
            (callee, newer.fold((0, 0, 0), |(calls, failed, ns), cell| (calls + cell.1, failed + cell.2, ns + cell.3)))
        })
    }

    pub fn has_too_many_callees(&self) -> bool {
        self.callees.len() > MAX_CALLEES || self.named.len() > MAX_CALLEES
    }

    pub fn forget_edges(&mut self, bucket: Bucket) {
        keep_heaviest(&mut self.callees, |edge| edge.weight_at(bucket));
        keep_heaviest(&mut self.named, |naming| naming.weight_at(bucket));
    }
}

/// Keeps what has weight, at most [`MAX_CALLEES`].
fn keep_heaviest<T>(edges: &mut BTreeMap<String, T>, weight: impl Fn(&T) -> f64) {
    edges.retain(|_, edge| weight(edge) >= LEAST_WEIGHT);
    if edges.len() > MAX_CALLEES {
        let mut heaviest: Vec<(f64, String)> = edges.iter().map(|(name, edge)| (weight(edge), name.clone())).collect();
        heaviest.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
        for (_, name) in heaviest.into_iter().skip(MAX_CALLEES) {
            edges.remove(&name);
        }
    }
}

/// What one service's newest signals, at least `weak`, say of being over: by detector, when all of a detector's have ended.
/// Only normal data, not silence, ends a signal.
pub fn newest_ends(signals: &[Signal], weak: f64) -> BTreeMap<&str, Option<Timestamp>> {
    let mut newest: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
    for signal in signals.iter().filter(|signal| signal.surprise.max(signal.rank_surprise) >= weak) {
        let ended = newest.entry(&signal.detector).or_insert(signal.ended);
        *ended = ended.zip(signal.ended).map(|(known, ended)| known.max(ended));
    }
    newest
}

impl HourSums {
    /// True when something came of it since `from`.
    fn is_told(&self, from: Bucket) -> bool {
        self.calls > 0 && self.last >= from
    }

    fn add(&mut self, bucket: Bucket, calls: u64, failed: u64, duration_ns: u64) {
        if self.calls == 0 || hour_of(self.first) != hour_of(bucket) {
            *self = Self { first: bucket, ..Self::default() };
        }
        self.last = bucket;
        self.calls += calls;
        self.failed += failed;
        self.duration_ns = self.duration_ns.saturating_add(duration_ns);
    }
}

impl Edge {
    fn weight_at(&self, bucket: Bucket) -> f64 {
        faded(self.weight, self.updated, bucket)
    }
}

impl Naming {
    fn weight_at(&self, bucket: Bucket) -> f64 {
        faded(self.weight, self.updated, bucket)
    }
}

fn faded(weight: f64, updated: Bucket, bucket: Bucket) -> f64 {
    weight * 0.5f64.powf((bucket.0 - updated.0).max(0) as f64 / HALF_LIFE_BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signal::{Facts, Family};

    fn complaint(bucket: i64, surprise: f64) -> Signal {
        Signal {
            service: ServiceName { environment: "prod".to_owned(), service: "prices-cache".to_owned() },
            family: Family::LogShape,
            detector: "pointed_at".to_owned(),
            key: "prices-cache-1".to_owned(),
            surprise,
            rank_surprise: surprise,
            window_s: 60,
            onset: Bucket(bucket).start(),
            ended: None,
            after_deployment: false,
            facts: Facts::default(),
            sentence: "web names prices-cache-1".to_owned(),
            event_id: String::new(),
            host: None,
            series: Vec::new(),
            unit: String::new(),
        }
    }

    #[test]
    fn weak_complaints_of_several_callers_about_one_instance_are_strong_together_for_as_long_as_they_are_new() {
        let mut node = Node::default();
        node.take_pointed(Bucket(10), "web".to_owned(), complaint(10, 6.0));
        let alone = node.complaints(Bucket(10));
        assert_eq!(alone.len(), 1);
        assert!((alone[0].surprise - 6.0).abs() < 1e-9, "{alone:?}");
        assert!(node.complaints(Bucket(11)).is_empty(), "nobody complains now");
        node.take_pointed(Bucket(12), "mail".to_owned(), complaint(12, 5.0));
        for now in [12, 13] {
            let together = node.complaints(Bucket(now));
            assert_eq!(together.len(), 1);
            assert!(together[0].surprise > 8.0 && together[0].onset == Bucket(10).start(), "{together:?}");
            assert_eq!(together[0].sentence, "web names prices-cache-1; one more service does, too");
        }
        assert!(node.complaints(Bucket(18)).is_empty(), "the first one is two minutes old");
        node.complaints(Bucket(20));
        assert!(!node.is_complained_of());
    }

    #[test]
    fn complaints_of_one_caller_again_and_again_are_one() {
        let mut node = Node::default();
        for bucket in 10..14 {
            node.take_pointed(Bucket(bucket), "web".to_owned(), complaint(bucket, 5.0));
            assert!(node.complaints(Bucket(bucket))[0].surprise < 5.1);
        }
    }

    #[test]
    fn complaints_are_bounded() {
        let mut node = Node::default();
        for caller in 0..2 * MAX_POINTED {
            node.take_pointed(Bucket(10), format!("caller-{caller}"), complaint(10, 4.0 + caller as f64 / 1_000.0));
        }
        assert_eq!(node.pointed.len(), MAX_POINTED);
        assert!(node.pointed.keys().all(|(_, by)| by != "caller-0"), "the weakest went");
    }
}
