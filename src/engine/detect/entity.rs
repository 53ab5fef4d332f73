//! One service: what it showed, what it shows, what of that is surprising.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drift::Drift;
use super::features::{ShapeKey, end_symbol, start_symbol};
use super::finding::{Finding, Kind, Subject};
use super::heat::Heat;
use super::limits::{
    HINT, HOT, LAG_BUCKETS, MAX_CALLERS, MAX_DRIFTS, MAX_LIVE_BUCKETS, MAX_OPERATIONS, MAX_SERIES, MAX_SHAPES, MAX_SIGNALS_A_DETECTOR,
    MAX_SURPRISE, MAX_WAITS, STRONG, TRACE_GRACE_S,
};
use super::load::{Excess, LoadBaseline, LoadCell};
use super::metric::{Series, SeriesKey, Surroundings};
use super::missing::Missing;
use super::onset::Period;
use super::pending::{Pending, ShapeCount, StreamLine};
use super::requests::Requests;
use super::share::{Share, ShareCell, ShareRule, ShareVerdict};
use super::slow::{Slow, SlowVerdict};
use super::wait::{Wait, WaitVerdict};
use crate::model::signal::Facts;
use crate::model::{Bucket, EntityKey, Symbol};

const SHAPE: ShareRule = ShareRule { effect: 0.25, ratio: 0.0, phi_floor: 1.0, min_hits: 0.0, cap: MAX_SURPRISE };
/// Lines of many requests interleave: their order may confirm another sign, never open alone.
const SHAPE_UNTRACED: ShareRule = ShareRule { cap: STRONG - 0.1, ..SHAPE };
/// Failures are rare: a small rise counts, when it at least doubles.
const FAILURES: ShareRule = ShareRule { effect: 0.02, ratio: 2.0, phi_floor: 1.0, min_hits: 3.0, cap: MAX_SURPRISE };
/// One failing request writes several error lines.
const ERRORS: ShareRule = ShareRule { effect: 0.005, ratio: 2.0, phi_floor: 2.0, min_hits: 5.0, cap: MAX_SURPRISE };

/// Part of the requests of a bucket without lines from which on some of them did write.
const SOME_WROTE: f64 = 0.2;

/// The event of failure shares.
pub const FAILED: Symbol = Symbol(1);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub failed: Share,
    pub own: Slow,
    pub load: LoadBaseline,
    pub message: Option<Box<str>>,
}

/// State of one entity; goes into a snapshot as one entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub key: EntityKey,
    pub first_seen: Option<Bucket>,
    pub last_seen: Bucket,
    pub pending: BTreeMap<Bucket, Pending>,
    /// Share of each error template among all lines.
    pub lines: Share,
    pub shapes: BTreeMap<ShapeKey, Share>,
    pub hop: Slow,
    /// By caller, where there is more than one.
    pub hops_from: BTreeMap<EntityKey, Slow>,
    pub hop_failed: Share,
    pub operations: BTreeMap<Symbol, Operation>,
    pub series: BTreeMap<SeriesKey, Series>,
    /// By callee.
    pub waits: BTreeMap<EntityKey, Wait>,
    pub requests: Requests,
    /// Of resources.
    pub drifts: BTreeMap<SeriesKey, Drift>,
    pub missing: Missing,
}

/// What one bucket's close says of an entity, still in symbols.
#[derive(Debug, Default)]
pub struct EntityClose {
    pub counts: Pending,
    pub findings: Vec<Finding>,
    pub requests: u64,
    pub failed: u64,
    pub duration_ns: u64,
    pub excess: Excess,
    /// Error templates never seen before.
    pub new_errors: Vec<Symbol>,
    pub learning: bool,
    /// Seconds between its points, where its requests are known by metrics slower than a bucket.
    pub interval_s: u32,
}

impl Entity {
    pub fn new(key: EntityKey) -> Self {
        Self { key, ..Self::default() }
    }

    /// True when closing a bucket can change or say anything.
    pub fn is_live(&self, now: Bucket) -> bool {
        let lives = self.requests.lives().clamp(LAG_BUCKETS, MAX_LIVE_BUCKETS);
        self.pending.first_key_value().is_some_and(|(bucket, _)| *bucket <= now) || now.0 - self.last_seen.0 <= lives
    }

    /// True while anything of it is out of its baseline.
    pub fn is_hot(&self, now: Bucket) -> bool {
        let shares = self.shapes.values().chain([&self.lines, &self.hop_failed]).map(|share| &share.heat);
        let operations = self.operations.values().flat_map(|operation| [&operation.failed.heat, &operation.own.heat]);
        let series = self.series.values().flat_map(|series| [&series.heat, &series.profile_heat]);
        let ways = self.hops_from.values().map(|way| &way.heat);
        let rest = series.chain(self.waits.values().map(|wait| &wait.heat)).chain(ways);
        let one = [&self.hop.heat, &self.requests.slow_heat, &self.requests.failing_heat];
        shares.chain(operations).chain(rest).chain(one).any(|heat| heat.is_hot(now))
    }

    /// Closes `now`: counts become baseline cells, every live key is judged.
    pub fn close(&mut self, now: Bucket, learning_buckets: i64, is_resource: &dyn Fn(Symbol) -> bool) -> EntityClose {
        let mut counts = self.pending.remove(&now).unwrap_or_default();
        let later = self.pending.split_off(&now);
        for earlier in std::mem::replace(&mut self.pending, later).into_values() {
            counts.merge_late(earlier);
        }
        if counts != Pending::default() {
            self.last_seen = now;
            self.first_seen.get_or_insert(now);
        }
        let learning = self.first_seen.is_none_or(|first| now.0 - first.0 < learning_buckets);
        let mut close = EntityClose { learning, ..EntityClose::default() };
        close.new_errors = counts.errors.keys().filter(|template| !template.is_none() && !self.lines.knows(**template)).copied().collect();
        self.take_lines(now, &mut counts);
        let spans_lost = self.take_calls(now, &counts, &mut close);
        self.take_points(now, &counts, is_resource);
        self.take_requests(now, &mut counts, &mut close);
        self.bound(now);
        if !learning {
            close.findings = self.judge(now, spans_lost);
        }
        close.counts = counts;
        close
    }

    fn take_lines(&mut self, now: Bucket, counts: &mut Pending) {
        let clip = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        if self.lines.is_empty() && counts.logs.items > 2 * counts.logs.failing {
            // Its first lines ever: somebody began to collect them, its requests are what they were.
            self.shapes.retain(|key, _| !key.traced);
            counts.shapes.retain(|key, _| !key.traced);
            self.missing.note_mute(now);
        }
        let hits = counts.errors.iter().map(|(template, fold)| (*template, clip(fold.count))).collect();
        self.lines.push(ShareCell { bucket: now, cases: clip(counts.logs.items), hits });
        let was_silent = self.missing.ended_mute(now);
        let silent = counts.logs.items == 0 && self.is_silent(now, counts);
        if silent && !was_silent {
            // The silence began before all requests of a bucket were silent.
            let traced = self.shapes.iter_mut().filter(|(key, _)| key.traced);
            traced.for_each(|(_, share)| share.forget_since(Bucket(now.0 - 2)));
        }
        // Traces of the silence are finished, and booked, a little later.
        for (key, shape) in counts.shapes.iter().filter(|(key, _)| !(silent || was_silent && key.traced)) {
            let cell = ShareCell { bucket: now, cases: shape.cases, hits: shape.next.clone() };
            self.shapes.entry(*key).or_default().push(cell);
        }
        for (key, cell) in untraced_shapes(now, std::mem::take(&mut counts.streams)) {
            self.shapes.entry(key).or_default().push(cell);
        }
    }

    /// Of requests that began in a bucket without any line: whether that is no chance.
    fn is_silent(&mut self, now: Bucket, counts: &Pending) -> bool {
        let begins = |key: &ShapeKey| key.traced && key.previous == start_symbol();
        // What is usual is known while learning, too.
        self.shapes.iter_mut().filter(|(key, _)| begins(key)).for_each(|(_, share)| share.roll(now));
        let usual = |(key, shape)| Some((self.shapes.get(key)?.usual(end_symbol())?, shape));
        let began: Vec<(f64, &ShapeCount)> = counts.shapes.iter().filter(|(key, _)| begins(key)).filter_map(usual).collect();
        let writing = began.iter().filter(|(usual, _)| *usual < 0.5);
        let (cases, silent) = writing.fold((0, 0), |(cases, silent), (_, shape)| {
            (cases + shape.cases, silent + shape.next.get(&end_symbol()).copied().unwrap_or(0))
        });
        // Lines are booked when they were written, their requests when they are finished. Where some had written theirs, just
        // before, others have fallen silent by themselves.
        let wrote = f64::from(cases.saturating_sub(silent)) > SOME_WROTE * f64::from(cases);
        !wrote && self.missing.lines(now, began.into_iter().map(|(usual, shape)| (shape.cases, usual)))
    }

    /// True while spans are lost: then nobody knows where the time was spent.
    fn take_calls(&mut self, now: Bucket, counts: &Pending, close: &mut EntityClose) -> bool {
        // Of a service that writes spans, an answered call without one has lost it; stores and outsiders write none.
        let writes_spans = self.operations.keys().any(|operation| !operation.is_none());
        let (lost, hop) = if writes_spans { (counts.unseen.cases, counts.hop.clone()) } else { (0, counts.hop.with(&counts.unseen)) };
        let entered = counts.operations.iter().filter(|(operation, _)| !operation.is_none()).map(|(_, count)| count);
        let (cases, torn) = entered.fold((lost, lost), |(cases, torn), count| (cases + count.cases, torn + count.torn_cases));
        let spans_lost = self.missing.spans(now, cases, torn);
        if hop.cases > 0 && !spans_lost {
            self.hop.push(now, hop.gaps.iter().map(|(bin, count)| (*bin, *count)).collect());
        }
        for (caller, gaps) in counts.hops_from.iter().filter(|_| !spans_lost) {
            let is_only = self.hops_from.keys().all(|known| known == caller);
            let way = self.hops_from.entry(*caller).or_default();
            // All that is known of the only one is known of all.
            if !is_only {
                way.push(now, gaps.iter().map(|(bin, count)| (*bin, *count)).collect());
            }
        }
        if hop.cases > 0 {
            self.hop_failed.push(failures_cell(now, hop.cases, hop.failed));
        }
        for (symbol, count) in &counts.operations {
            let operation = self.operations.entry(*symbol).or_default();
            operation.failed.push(failures_cell(now, count.cases, count.failed_cases));
            if !spans_lost {
                operation.own.push(now, count.own.iter().map(|(bin, count)| (*bin, *count)).collect());
            }
            if count.message.is_some() {
                operation.message.clone_from(&count.message);
            }
            let cell = LoadCell { bucket: now, requests: count.requests, failed: count.failed, duration_ns: count.duration_ns };
            let excess = operation.load.close(cell);
            close.requests += count.requests;
            close.failed += count.failed;
            close.duration_ns = close.duration_ns.saturating_add(count.duration_ns);
            close.excess.failures += excess.failures;
            close.excess.seconds += excess.seconds;
        }
        for (callee, count) in &counts.waits {
            self.waits.entry(*callee).or_default().push(now, count.clone());
        }
        spans_lost
    }

    fn take_points(&mut self, now: Bucket, counts: &Pending, is_resource: &dyn Fn(Symbol) -> bool) {
        let peers = self.series.len().max(counts.points.len());
        for (key, points) in &counts.points {
            if let Some((at, level)) = points.level().filter(|_| is_resource(key.metric)) {
                self.drifts.entry(*key).or_default().close(now, at, level);
            }
            self.series.entry(*key).or_insert_with(|| Series::new(points.kind, points.unit)).close(
                now,
                points,
                Surroundings { peers, is_resource: is_resource(key.metric) },
            );
        }
    }

    fn take_requests(&mut self, now: Bucket, counts: &mut Pending, close: &mut EntityClose) {
        let told = self.requests.close(now, &std::mem::take(&mut counts.requests), !counts.operations.is_empty());
        close.interval_s = self.requests.interval_s();
        close.requests += told.requests;
        close.failed += told.failed;
        close.duration_ns = close.duration_ns.saturating_add(told.duration_ns);
        close.excess.failures += told.excess.failures;
        close.excess.seconds += told.excess.seconds;
        for (callee, sums) in told.edges {
            let edge = counts.edges.entry(callee).or_default();
            edge.calls += sums.calls;
            edge.failed += sums.failed;
        }
    }

    /// Keeps every map within its limit; the longest unused go first, then the larger key.
    fn bound(&mut self, now: Bucket) {
        let age = |last: Option<Bucket>| now.0 - last.map_or(i64::MIN / 2, |bucket| bucket.0);
        evict(&mut self.shapes, MAX_SHAPES, |share| age(share.last_bucket()));
        evict(&mut self.operations, MAX_OPERATIONS, |operation| age(operation.failed.last_bucket()));
        evict(&mut self.series, MAX_SERIES, |series| age(series.last_at().map(Bucket::of)));
        evict(&mut self.drifts, MAX_DRIFTS, |drift| age(drift.last_at().map(Bucket::of)));
        evict(&mut self.waits, MAX_WAITS, |wait| age(wait.last_bucket()));
        evict(&mut self.hops_from, MAX_CALLERS, |way| age(way.last_bucket()));
    }

    fn judge(&mut self, now: Bucket, spans_lost: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let is_mute = self.missing.is_mute(now);
        for (key, share) in self.shapes.iter_mut().filter(|(key, _)| !(is_mute && key.traced)) {
            let rule = if key.traced { SHAPE } else { SHAPE_UNTRACED };
            if let Some(verdict) = judge_share(share, now, &rule, grace_of(key)) {
                let host = Symbol::NONE;
                findings.push(Finding::of_share(Kind::LogShape, Subject::Shape(*key, verdict.event), host, &verdict, share, grace_of(key)));
            }
        }
        if let Some(verdict) = judge_share(&mut self.lines, now, &ERRORS, 0) {
            findings.push(Finding::of_share(Kind::NewError, Subject::Template(verdict.event), Symbol::NONE, &verdict, &self.lines, 0));
        }
        if let Some(verdict) = judge_slow(&mut self.hop, now, Slow::judge).filter(|_| !spans_lost) {
            findings.push(Finding::of_slow(Kind::HopGap, Subject::Callee, &verdict, &self.hop));
        }
        for (caller, way) in &mut self.hops_from {
            if let Some(verdict) = judge_slow(way, now, Slow::judge).filter(|_| !spans_lost) {
                findings.push(Finding::of_slow(Kind::HopGap, Subject::From(*caller), &verdict, way));
            }
        }
        if let Some(verdict) = judge_share(&mut self.hop_failed, now, &FAILURES, TRACE_GRACE_S) {
            findings.push(Finding::of_share(Kind::FailingCalls, Subject::Callee, Symbol::NONE, &verdict, &self.hop_failed, TRACE_GRACE_S));
        }
        for (symbol, operation) in &mut self.operations {
            if let Some(verdict) = judge_share(&mut operation.failed, now, &FAILURES, TRACE_GRACE_S) {
                let subject = Subject::Operation(*symbol);
                findings.push(Finding::of_share(Kind::Failures, subject, Symbol::NONE, &verdict, &operation.failed, TRACE_GRACE_S));
            }
            if let Some(verdict) = judge_slow(&mut operation.own, now, Slow::judge_own).filter(|_| !spans_lost) {
                findings.push(Finding::of_slow(Kind::SelfTime, Subject::Operation(*symbol), &verdict, &operation.own));
            }
        }
        for (callee, wait) in &mut self.waits {
            findings.extend(judge_wait(wait, now).map(|verdict| Finding::of_wait(*callee, &verdict)));
        }
        for (key, series) in &mut self.series {
            findings.extend(judge_series(*key, series, now));
            findings.extend(judge_profile(*key, series, now));
        }
        findings.extend(self.drifts.iter().filter_map(|(key, drift)| drifting(*key, drift, now)));
        findings.extend(self.requests.judge(now));
        self.choose(now, findings)
    }

    /// The strongest few of each detector, and for those that start or have doubled, a mark that an event is due.
    fn choose(&mut self, now: Bucket, mut findings: Vec<Finding>) -> Vec<Finding> {
        findings.retain(|finding| finding.surprise.max(finding.rank_surprise) >= HINT);
        findings.sort_by(|left, right| {
            let strength = right.surprise.total_cmp(&left.surprise).then(right.rank_surprise.total_cmp(&left.rank_surprise));
            left.kind.cmp(&right.kind).then(strength).then(left.subject.cmp(&right.subject))
        });
        let mut chosen: Vec<Finding> = Vec::new();
        for mut finding in findings {
            let before = chosen.iter().filter(|chosen| chosen.kind == finding.kind).count();
            if before >= MAX_SIGNALS_A_DETECTOR || (before > 0 && finding.surprise < HOT) {
                continue;
            }
            if let Subject::Template(template) = finding.subject {
                // Its lines are an event of their own in every bucket that has some.
                finding.told = self.lines.last_with(template);
                if finding.surprise >= HOT {
                    finding.period.onset = self.lines.heat.onset;
                }
                chosen.push(finding);
                continue;
            }
            if let Some(heat) = self.heat(&finding).filter(|_| finding.surprise >= HOT) {
                finding.tell = heat.tell(now, finding.surprise);
                finding.told = heat.told.map(|(_, bucket)| bucket);
                finding.period.onset = heat.onset;
            }
            chosen.push(finding);
        }
        chosen
    }

    fn heat(&mut self, finding: &Finding) -> Option<&mut Heat> {
        match (finding.kind, finding.subject) {
            (_, Subject::Shape(key, _)) => self.shapes.get_mut(&key).map(|share| &mut share.heat),
            (_, Subject::Template(_)) => Some(&mut self.lines.heat),
            (_, Subject::From(caller)) => self.hops_from.get_mut(&caller).map(|way| &mut way.heat),
            (Kind::HopGap, _) => Some(&mut self.hop.heat),
            (Kind::FailingCalls, _) => Some(&mut self.hop_failed.heat),
            (Kind::SelfTime, Subject::Operation(symbol)) => self.operations.get_mut(&symbol).map(|operation| &mut operation.own.heat),
            (_, Subject::Operation(symbol)) => self.operations.get_mut(&symbol).map(|operation| &mut operation.failed.heat),
            (Kind::MetricProfile, Subject::Series(key)) => self.series.get_mut(&key).map(|series| &mut series.profile_heat),
            (_, Subject::Series(key)) => self.series.get_mut(&key).map(|series| &mut series.heat),
            (_, Subject::Waiting(callee)) => self.waits.get_mut(&callee).map(|wait| &mut wait.heat),
            (Kind::SlowRequests, Subject::Requests) => Some(&mut self.requests.slow_heat),
            (_, Subject::Requests) => Some(&mut self.requests.failing_heat),
            (_, Subject::Callee) => None,
        }
    }

    /// Message of the newest failing request of an operation.
    pub fn message_of(&self, subject: Subject) -> Option<&str> {
        match subject {
            Subject::Operation(symbol) => self.operations.get(&symbol)?.message.as_deref(),
            _ => None,
        }
    }
}

fn grace_of(key: &ShapeKey) -> i64 {
    if key.traced { TRACE_GRACE_S } else { 0 }
}

fn failures_cell(bucket: Bucket, cases: u32, failed: u32) -> ShareCell {
    let hits = if failed > 0 { BTreeMap::from([(FAILED, failed)]) } else { BTreeMap::new() };
    ShareCell { bucket, cases, hits }
}

fn judge_share(share: &mut Share, now: Bucket, rule: &ShareRule, grace_s: i64) -> Option<ShareVerdict> {
    share.roll(now);
    let verdict = share.judge(now, rule)?;
    share.heat.note(now, verdict.surprise, verdict.period.earlier_by(grace_s).onset);
    Some(verdict)
}

fn judge_slow(slow: &mut Slow, now: Bucket, judge: fn(&Slow, Bucket) -> Option<SlowVerdict>) -> Option<SlowVerdict> {
    slow.roll(now);
    let verdict = judge(slow, now)?;
    slow.heat.note(now, verdict.surprise, verdict.period.earlier_by(TRACE_GRACE_S).onset);
    Some(verdict)
}

fn judge_wait(wait: &mut Wait, now: Bucket) -> Option<WaitVerdict> {
    wait.roll(now);
    let verdict = wait.judge(now)?;
    wait.heat.note(now, verdict.surprise, verdict.period.earlier_by(TRACE_GRACE_S).onset);
    Some(verdict)
}

fn judge_series(key: SeriesKey, series: &mut Series, now: Bucket) -> Option<Finding> {
    let verdict = series.verdict(now)?.clone();
    if verdict.rank_surprise < HINT {
        return None;
    }
    let onset = series.onset(&verdict);
    series.heat.note(now, verdict.surprise, onset);
    Some(Finding {
        kind: Kind::Metric,
        subject: Subject::Series(key),
        host: key.host,
        surprise: verdict.surprise,
        rank_surprise: verdict.rank_surprise,
        window_s: verdict.window_s,
        period: Period { onset, ended: None },
        facts: Facts { value_before: Some(verdict.median), value_now: Some(verdict.value), z: Some(verdict.z), ..Facts::default() },
        series: series.series(),
        unit: series.unit,
        tell: false,
        told: None,
    })
}

/// Points over which a profile's views look back in the middle.
const PROFILE_POINTS: u32 = 12;

fn judge_profile(key: SeriesKey, series: &mut Series, now: Bucket) -> Option<Finding> {
    let grade = series.grade(now).filter(|grade| grade.surprise >= HINT)?;
    let onset = series.last_at().unwrap_or(now.start());
    series.profile_heat.note(now, grade.surprise, onset);
    Some(Finding {
        kind: Kind::MetricProfile,
        subject: Subject::Series(key),
        host: key.host,
        surprise: grade.surprise,
        rank_surprise: grade.surprise,
        window_s: series.window_s(PROFILE_POINTS),
        period: Period { onset, ended: None },
        facts: Facts { value_before: Some(grade.expected), value_now: series.value(), ..Facts::default() },
        series: series.series(),
        unit: series.unit,
        tell: false,
        told: None,
    })
}

/// A drift opens nothing: caches fill, heaps grow. Of what is open for other reasons it may be the cause.
fn drifting(key: SeriesKey, drift: &Drift, now: Bucket) -> Option<Finding> {
    let verdict = drift.verdict(now)?;
    Some(Finding {
        kind: Kind::Drift,
        subject: Subject::Series(key),
        host: key.host,
        surprise: HOT - 0.1,
        rank_surprise: STRONG,
        window_s: now.start().seconds_since(verdict.onset).clamp(0.0, f64::from(u32::MAX)) as u32,
        period: Period { onset: verdict.onset, ended: None },
        facts: Facts { value_before: Some(verdict.before), value_now: Some(verdict.now), ..Facts::default() },
        series: drift.series(),
        unit: Symbol::NONE,
        tell: false,
        told: None,
    })
}

/// Next-template cases of lines without a trace: host by host, in time order, equal neighbours as one.
fn untraced_shapes(now: Bucket, streams: BTreeMap<Symbol, Vec<StreamLine>>) -> BTreeMap<ShapeKey, ShareCell> {
    let mut pairs: rustc_hash::FxHashMap<(Symbol, Symbol), u32> = rustc_hash::FxHashMap::default();
    for mut lines in streams.into_values() {
        lines.sort_unstable();
        lines.dedup_by_key(|line| line.template);
        for pair in lines.windows(2) {
            *pairs.entry((pair[0].template, pair[1].template)).or_default() += 1;
        }
    }
    let mut cells: BTreeMap<ShapeKey, ShareCell> = BTreeMap::new();
    for ((previous, next), count) in pairs {
        let key = ShapeKey { scope: Symbol::NONE, previous, traced: false };
        let cell = cells.entry(key).or_insert_with(|| ShareCell { bucket: now, ..ShareCell::default() });
        cell.cases = cell.cases.saturating_add(count);
        cell.hits.insert(next, count);
    }
    cells
}

fn evict<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, limit: usize, age: impl Fn(&V) -> i64) {
    if map.len() <= limit {
        return;
    }
    let mut oldest: Vec<(i64, K)> = map.iter().map(|(key, value)| (age(value), *key)).collect();
    oldest.sort_unstable_by(|left, right| right.cmp(left));
    for (_, key) in oldest.into_iter().take(map.len() - limit) {
        map.remove(&key);
    }
}
