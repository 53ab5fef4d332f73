//! In a context, the share of cases that show an event: a decayed, lagging baseline against recent windows.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::heat::Heat;
use super::limits::{HALF_LIFE_BUCKETS, HOT_RING_BUCKETS, LAG_BUCKETS, LOOK_BACK_BUCKETS, MAX_NEXT, MIN_BASELINE, MIN_RECENT, WINDOWS};
use super::onset::{self, Count, Period, Shares};
use super::surprise;
use crate::model::{Bucket, Symbol, Timestamp};

/// Weight of what no longer comes beside what comes.
const MISSED: f64 = 0.8;

/// How a kind of share is judged.
#[derive(Clone, Copy, Debug)]
pub struct ShareRule {
    /// Least absolute change of the share.
    pub effect: f64,
    /// Least ratio of the share now to the share before; 0 when falls count too.
    pub ratio: f64,
    /// Least overdispersion assumed: cases that come in groups.
    pub phi_floor: f64,
    /// Least hits in the window.
    pub min_hits: f64,
    /// Greatest surprise it may claim.
    pub cap: f64,
}

/// Counts of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShareCell {
    pub bucket: Bucket,
    pub cases: u32,
    pub hits: BTreeMap<Symbol, u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Base {
    hits: f64,
    /// Σ hits²/cases over buckets: what overdispersion is computed from.
    square: f64,
}

/// Baseline and newest buckets of one context.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    cases: f64,
    buckets: f64,
    events: BTreeMap<Symbol, Base>,
    decayed_to: Bucket,
    #[serde(with = "super::packed_cells")]
    ring: VecDeque<ShareCell>,
    pub heat: Heat,
}

/// The most surprising event of a context.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareVerdict {
    pub event: Symbol,
    pub hits_before: f64,
    pub cases_before: f64,
    pub hits_now: f64,
    pub cases_now: f64,
    /// With overdispersion, for opening.
    pub surprise: f64,
    /// Without, over the whole run, for ranking.
    pub rank_surprise: f64,
    pub window_buckets: i64,
    /// Event time as booked.
    pub period: Period,
}

/// Recent counts summed over one window.
struct Window {
    buckets: i64,
    cases: f64,
    hits: BTreeMap<Symbol, f64>,
}

/// Factor by which a baseline fades over `buckets`.
pub fn fade(buckets: i64) -> f64 {
    0.5f64.powf(buckets.max(0) as f64 / HALF_LIFE_BUCKETS)
}

impl Share {
    /// Adds the counts of a bucket that closes.
    pub fn push(&mut self, cell: ShareCell) {
        if cell.cases > 0 {
            self.ring.push_back(cell);
        }
    }

    /// True when it has never been given anything that still counts.
    pub fn is_empty(&self) -> bool {
        self.cases == 0.0 && self.ring.is_empty()
    }

    /// Drops the newest buckets, which turn out to say nothing.
    pub fn forget_since(&mut self, bucket: Bucket) {
        self.ring.retain(|cell| cell.bucket < bucket);
    }

    pub fn last_bucket(&self) -> Option<Bucket> {
        self.ring.back().map(|cell| cell.bucket)
    }

    /// True when the newest windows hold anything.
    pub fn is_live(&self, now: Bucket) -> bool {
        self.last_bucket().is_some_and(|bucket| now.0 - bucket.0 < LAG_BUCKETS)
    }

    pub fn knows(&self, event: Symbol) -> bool {
        self.events.contains_key(&event) || self.ring.iter().any(|cell| cell.hits.contains_key(&event))
    }

    /// Moves what has waited long enough into the baseline; what was seen while suspected is dropped.
    pub fn roll(&mut self, now: Bucket) {
        if self.heat.is_new_normal(now) {
            self.cases = 0.0;
            self.buckets = 0.0;
            self.events.clear();
            self.heat = Heat::default();
        }
        while let Some(cell) = self.ring.front() {
            let age = now.0 - cell.bucket.0;
            if age < LAG_BUCKETS {
                break;
            }
            if self.heat.taints(cell.bucket) {
                if self.heat.is_hot(now) && age < HOT_RING_BUCKETS {
                    break;
                }
                self.ring.pop_front();
                continue;
            }
            if let Some(cell) = self.ring.pop_front() {
                self.absorb(&cell, now);
            }
        }
    }

    fn absorb(&mut self, cell: &ShareCell, now: Bucket) {
        let factor = fade(now.0 - self.decayed_to.0);
        if factor < 1.0 {
            self.cases *= factor;
            self.buckets *= factor;
            for base in self.events.values_mut() {
                base.hits *= factor;
                base.square *= factor;
            }
        }
        self.decayed_to = now;
        self.cases += f64::from(cell.cases);
        self.buckets += 1.0;
        for (event, &hits) in &cell.hits {
            let base = self.events.entry(*event).or_default();
            let hits = f64::from(hits);
            base.hits += hits;
            base.square += hits * hits / f64::from(cell.cases);
        }
        while self.events.len() > MAX_NEXT {
            let rarest = self.events.iter().min_by(|left, right| left.1.hits.total_cmp(&right.1.hits).then(left.0.cmp(right.0)));
            let Some(event) = rarest.map(|(event, _)| *event) else { break };
            self.events.remove(&event);
        }
    }

    /// Share of the baseline's cases that showed `event`; `None` while too little is known.
    pub fn usual(&self, event: Symbol) -> Option<f64> {
        (self.cases >= MIN_BASELINE).then(|| self.hits(event) / self.cases)
    }

    fn hits(&self, event: Symbol) -> f64 {
        self.events.get(&event).map_or(0.0, |base| base.hits)
    }

    /// Pearson overdispersion of the baseline over its buckets.
    fn phi(&self, event: Symbol) -> f64 {
        let share = self.hits(event) / self.cases;
        if share <= 0.0 || share >= 1.0 || self.buckets < 3.0 {
            return 1.0;
        }
        let square = self.events.get(&event).map_or(0.0, |base| base.square);
        ((square - self.cases * share * share) / (share * (1.0 - share)) / (self.buckets - 1.0)).max(1.0)
    }

    /// Most surprising event over the recent windows; `None` when nothing passes the rule. Call after [`Share::roll`].
    pub fn judge(&self, now: Bucket, rule: &ShareRule) -> Option<ShareVerdict> {
        if self.cases < MIN_BASELINE || !self.is_live(now) {
            return None;
        }
        let mut best: Option<ShareVerdict> = None;
        for window in self.windows(now) {
            for event in self.events_of(&window) {
                self.consider(event, &window, rule, &mut best);
            }
        }
        let mut best = best?;
        best.rank_surprise = best.rank_surprise.max(self.since_onset(now, best.event)).min(rule.cap);
        best.period = self.period_of(now, &best);
        Some(best)
    }

    fn windows(&self, now: Bucket) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::with_capacity(WINDOWS.len());
        for buckets in WINDOWS {
            let window = self.sum(buckets, |cell| now.0 - cell.bucket.0 < buckets);
            if window.cases >= MIN_RECENT && windows.last().is_none_or(|smaller| smaller.cases < window.cases) {
                windows.push(window);
            }
        }
        windows
    }

    fn sum(&self, buckets: i64, wanted: impl Fn(&ShareCell) -> bool) -> Window {
        let mut window = Window { buckets, cases: 0.0, hits: BTreeMap::new() };
        for cell in self.ring.iter().filter(|cell| wanted(cell)) {
            window.cases += f64::from(cell.cases);
            for (event, &hits) in &cell.hits {
                *window.hits.entry(*event).or_default() += f64::from(hits);
            }
        }
        window
    }

    fn events_of(&self, window: &Window) -> Vec<Symbol> {
        let mut events: Vec<Symbol> = self.events.keys().chain(window.hits.keys()).copied().collect();
        events.sort_unstable();
        events.dedup();
        events
    }

    fn consider(&self, event: Symbol, window: &Window, rule: &ShareRule, best: &mut Option<ShareVerdict>) {
        let (hits, now) = (self.hits(event), window.hits.get(&event).copied().unwrap_or(0.0));
        let (before, share) = (hits / self.cases, now / window.cases);
        if (share - before).abs() < rule.effect || (rule.ratio > 0.0 && (share < rule.ratio * before || now < rule.min_hits)) {
            return;
        }
        let plain = surprise::of_shares(hits, self.cases, now, window.cases, rule.phi_floor).min(rule.cap);
        // What comes says more than what it came instead of, when both are about as surprising.
        let worth = |comes: bool, surprise: f64| if comes { surprise } else { MISSED * surprise };
        let known = |best: &ShareVerdict, surprise: f64| {
            let best_comes = best.hits_now / best.cases_now > best.hits_before / best.cases_before;
            worth(best_comes, best.surprise) >= worth(share > before, surprise)
        };
        if best.as_ref().is_some_and(|best| best.rank_surprise >= plain && best.surprise >= plain && known(best, plain)) {
            return;
        }
        let dispersed = surprise::of_shares(hits, self.cases, now, window.cases, self.phi(event).max(rule.phi_floor)).min(rule.cap);
        let rank_surprise = best.as_ref().map_or(plain, |best| best.rank_surprise.max(plain));
        let most = best.as_ref().map_or(dispersed, |best| best.surprise.max(dispersed));
        match best {
            Some(best) if known(best, dispersed) => (best.rank_surprise, best.surprise) = (rank_surprise, most),
            _ => {
                *best = Some(ShareVerdict {
                    event,
                    hits_before: hits,
                    cases_before: self.cases,
                    hits_now: now,
                    cases_now: window.cases,
                    surprise: most,
                    rank_surprise,
                    window_buckets: window.buckets,
                    period: Period::at(Bucket::default()),
                });
            }
        }
    }

    /// Surprise of the whole run, from a little before the key turned hot until now.
    fn since_onset(&self, now: Bucket, event: Symbol) -> f64 {
        let Some(since) = self.heat.since.filter(|_| self.heat.is_hot(now)) else { return 0.0 };
        let window = self.sum(now.0 - since.0 + LOOK_BACK_BUCKETS, |cell| cell.bucket.0 >= since.0 - LOOK_BACK_BUCKETS);
        if window.cases < MIN_RECENT {
            return 0.0;
        }
        surprise::of_shares(self.hits(event), self.cases, window.hits.get(&event).copied().unwrap_or(0.0), window.cases, 1.0)
    }

    /// Instant at which the share of now began.
    fn period_of(&self, now: Bucket, verdict: &ShareVerdict) -> Period {
        let from = self.heat.looks_from(now);
        let count = |cell: &ShareCell| {
            let hits = cell.hits.get(&verdict.event).copied().unwrap_or(0);
            Count { bucket: cell.bucket, cases: f64::from(cell.cases), hits: f64::from(hits) }
        };
        let counts: Vec<Count> = self.ring.iter().filter(|cell| cell.bucket >= from).map(count).collect();
        let (hits_before, cases_before, hits_now, cases_now) =
            (verdict.hits_before, verdict.cases_before, verdict.hits_now, verdict.cases_now);
        onset::period(&counts, &Shares { hits_before, cases_before, hits_now, cases_now }).unwrap_or(Period::at(now))
    }

    /// Adds every symbol it refers to.
    pub fn symbols(&self, used: &mut std::collections::BTreeSet<Symbol>) {
        used.extend(self.events.keys());
        used.extend(self.ring.iter().flat_map(|cell| cell.hits.keys()));
    }

    /// Newest kept bucket in which `event` was seen.
    pub fn last_with(&self, event: Symbol) -> Option<Bucket> {
        self.ring.iter().rev().find(|cell| cell.hits.contains_key(&event)).map(|cell| cell.bucket)
    }

    /// Share of `event` in each kept bucket, oldest first.
    pub fn series(&self, event: Symbol) -> Vec<(Timestamp, f64)> {
        let share = |cell: &ShareCell| f64::from(cell.hits.get(&event).copied().unwrap_or(0)) / f64::from(cell.cases);
        self.ring.iter().map(|cell| (cell.bucket.start(), share(cell))).collect()
    }
}
