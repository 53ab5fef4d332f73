//! A shard of entities: counts what comes, closes buckets, keeps and restores state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::DetectOptions;
use super::crowd::{Crowd, Place, items_of};
use super::entity::{Entity, EntityClose};
use super::features::Feature;
use super::input::DetectorInput;
use super::keyed_state::{Changed, InPieces, KeyedState};
use super::limits::{MAX_AHEAD_BUCKETS, MAX_ERROR_TEMPLATES};
use super::metric::is_resource;
use super::names::Names;
use super::pending::{ErrorFold, Pending, SourceCount};
use super::pointing;
use super::probe::{InHand, Step, Watch};
use super::sentences::Renderer;
use crate::model::entity::ServiceName;
use crate::model::signal::{BucketRow, ClosedBucket, EdgeCount, EntityLoad, Pointed};
use crate::model::snapshot::{Encode, StateEntry};
use crate::model::{Bucket, EntityKey, Source, Symbol, Timestamp};

pub(super) const ENTITY: u8 = b'e';
const NAME: u8 = b'n';
pub(super) const CLOCK: u8 = b'c';

/// Aggregates, keeps baselines, and judges closed buckets of its entities.
#[derive(Debug)]
pub struct Detector {
    learning_s: i64,
    max_entities: usize,
    entities: KeyedState<EntityKey, Entity>,
    names: Names,
    /// Of the state that is handed over, what is not entities.
    frozen: Vec<StateEntry>,
    closed: Option<Bucket>,
    clock_dirty: bool,
    evicted_entities: u64,
    crowd: Crowd,
    in_hand: InHand,
    watch: Option<Watch>,
}

impl Detector {
    pub fn new(options: &DetectOptions) -> Self {
        Self::of_shard(0, options)
    }

    pub fn of_shard(shard: usize, options: &DetectOptions) -> Self {
        Self {
            crowd: Crowd::new(shard, options.max_entities as usize),
            in_hand: InHand::of(Step::Detect, options),
            watch: options.watch.clone(),
            learning_s: i64::from(options.learning_s),
            max_entities: options.max_entities as usize,
            entities: KeyedState::default(),
            names: Names::default(),
            frozen: Vec::new(),
            closed: None,
            clock_dirty: false,
            evicted_entities: 0,
        }
    }

    /// Entities let go because there were too many.
    pub fn evicted_entities(&self) -> u64 {
        self.evicted_entities
    }

    /// Items of new services that were counted together because there were too many of them.
    pub const fn crowded_items(&self) -> u64 {
        self.crowd.items()
    }

    /// The record that is being counted.
    pub const fn in_hand(&self) -> &InHand {
        &self.in_hand
    }

    pub const fn max_entities(&self) -> usize {
        self.max_entities
    }

    pub fn entities(&self) -> usize {
        self.entities.len()
    }

    /// Bucket an item is booked into, and whether it came too late for its own. Up to `believed` the watermark will come.
    fn book(&self, at: Timestamp, believed: Option<Timestamp>) -> (Bucket, bool) {
        let bucket = Bucket::of(at);
        let Some(closed) = self.closed else { return (bucket, false) };
        let certain = believed.map_or(closed, Bucket::of).max(closed);
        if bucket <= closed || bucket.0 > certain.0.saturating_add(MAX_AHEAD_BUCKETS) {
            return (Bucket(closed.0 + 1), true);
        }
        (bucket, false)
    }

    /// Where an item of `key` is counted.
    fn pending_of_item(&mut self, key: EntityKey, bucket: Bucket) -> &mut Pending {
        let key = self.admit(key);
        if key == self.crowd.other() {
            self.crowd.counted(1);
        }
        self.pending(key, bucket)
    }

    /// The entity under which `key` is counted: itself, or the one that stands for what does not fit.
    fn admit(&mut self, key: EntityKey) -> EntityKey {
        if self.entities.get(key).is_some() {
            return key;
        }
        match self.crowd.place(key, self.entities.len()) {
            Place::Own => key,
            Place::InPlaceOf(largest) => {
                self.give_up(largest);
                key
            }
            Place::WithTheOthers => {
                self.names.learn(self.crowd.definition());
                self.crowd.other()
            }
        }
    }

    /// Counts what is pending of a new entity with the others.
    fn give_up(&mut self, key: EntityKey) {
        let Some(entity) = self.entities.remove(key) else { return };
        self.names.learn(self.crowd.definition());
        for (bucket, pending) in Arc::unwrap_or_clone(entity).pending {
            self.crowd.counted(items_of(&pending));
            self.pending(self.crowd.other(), bucket).take_in(pending);
        }
    }

    fn pending(&mut self, key: EntityKey, bucket: Bucket) -> &mut Pending {
        self.entities.edit(key, || Entity::new(key)).pending.entry(bucket).or_default()
    }

    pub fn observe(&mut self, input: DetectorInput) {
        for definition in input.definitions {
            self.names.learn(definition);
        }
        if let Some(batch) = input.batch {
            self.in_hand.batch(&batch);
            for line in input.logs {
                self.in_hand.record(line.record);
                let at = batch.booked_at(line.record, line.timestamp);
                let (bucket, late) = self.book(at, batch.newest_of(line.record));
                let late = late || at != line.timestamp;
                self.pending_of_item(line.entity, bucket).count_line(line, at, late, &batch);
            }
            for point in input.points {
                self.in_hand.record(point.record);
                let at = batch.booked_at(point.record, point.timestamp);
                let (bucket, late) = self.book(at, batch.newest_of(point.record));
                self.pending_of_item(point.entity, bucket).count_point(&point, at, late || at != point.timestamp);
            }
            for span in input.spans {
                self.in_hand.record(span.record);
                let at = batch.booked_at(span.record, span.end);
                let (bucket, late) = self.book(at, batch.newest_of(span.record));
                self.pending_of_item(span.entity, bucket).count_span(span.failed, late || at != span.end);
            }
        }
        self.in_hand.nothing();
        for (bucket, feature) in input.features {
            let bucket = self.book(bucket.start(), None).0;
            let entity = self.admit(feature.entity());
            if entity == self.crowd.other() {
                continue;
            }
            let pending = self.pending(entity, bucket);
            match feature {
                Feature::Shape { key, next, .. } => pending.count_shape(key, &next),
                Feature::Hop { gap_ns, failed, unseen, .. } => pending.count_hop(gap_ns, failed, unseen),
                Feature::HopFrom { caller, gap_ns, .. } => pending.count_hop_from(caller, gap_ns),
                Feature::Calls { operation, sums, .. } => pending.count_calls(operation, sums),
                Feature::Edge { callee, sums, .. } => pending.count_edge(callee, sums),
                Feature::Wait { callee, took_ns, unanswered, .. } => pending.count_wait(callee, took_ns, unanswered),
            }
        }
    }

    /// Closes one bucket. Called for every bucket in order, once the watermark and all trace-join shards have passed it.
    /// A bucket at or before one already closed says nothing.
    pub fn close(&mut self, bucket: Bucket) -> ClosedBucket {
        let mut out = ClosedBucket { bucket, ..ClosedBucket::default() };
        if self.closed.is_some_and(|closed| bucket <= closed) {
            return out;
        }
        self.closed = Some(bucket);
        self.clock_dirty = true;
        let learning_buckets = self.learning_s.div_euclid(Bucket::SECONDS) + i64::from(self.learning_s % Bucket::SECONDS > 0);
        let mut live: Vec<EntityKey> = self.entities.iter().filter(|(_, entity)| entity.is_live(bucket)).map(|(key, _)| key).collect();
        live.sort_unstable();
        for key in live {
            let entity = self.entities.edit(key, || Entity::new(key));
            let is_other = key == self.crowd.other();
            // It never ends learning: it is no service, and nothing is said of it.
            let learning_buckets = if is_other { i64::MAX } else { learning_buckets };
            let close = entity.close(bucket, learning_buckets, &|metric| is_resource(&self.names.text(metric)));
            if entity.first_seen.is_some() {
                self.crowd.settle(key);
            }
            let service = self.names.service(key);
            if close.learning && !is_other {
                let first = entity.first_seen.unwrap_or(bucket);
                out.learning.push((service.clone(), first.start().plus_seconds(self.learning_s)));
            }
            render(&mut out, &self.names, &service, entity, close);
        }
        self.evict();
        if let Some(Watch(see)) = &self.watch {
            see(&out);
        }
        out
    }

    /// Lets the longest silent entities go, those in trouble last, and names nothing refers to. What has items in an open bucket stays until they are
    /// counted: every item ends in a row.
    fn evict(&mut self) {
        let too_many = self.entities.len().saturating_sub(self.max_entities);
        if too_many > 0 {
            let silent = self.entities.iter().filter(|(_, entity)| entity.pending.is_empty());
            // A service in trouble may be silent because of it: it goes last.
            let now = self.closed.unwrap_or_default();
            let mut oldest: Vec<(bool, Bucket, EntityKey)> =
                silent.map(|(key, entity)| (entity.is_hot(now), entity.last_seen, key)).collect();
            oldest.sort_unstable();
            for (_, _, key) in oldest.into_iter().take(too_many) {
                self.entities.remove(key);
                self.crowd.settle(key);
                self.evicted_entities += 1;
            }
        }
        if self.names.is_full() {
            let mut used = BTreeSet::new();
            self.entities.iter().for_each(|(_, entity)| symbols_of(entity, &mut used));
            self.names.keep_only(&used);
        }
    }

    /// Takes back one entry of a snapshot.
    pub fn restore(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let wrong = |error: postcard::Error| format!("detection state: {error}");
        match key.split_first() {
            Some((&CLOCK, [])) => self.closed = Some(postcard::from_bytes(value).map_err(wrong)?),
            Some((&ENTITY, _)) => {
                let entity: Entity = postcard::from_bytes(value).map_err(wrong)?;
                if entity.first_seen.is_none() {
                    self.crowd.restore(entity.key);
                }
                self.entities.restore(entity.key, entity);
            }
            Some((&NAME, symbol)) => {
                let symbol: [u8; 8] = symbol.try_into().map_err(|_| "detection state: bad key of a name".to_owned())?;
                let text: String = postcard::from_bytes(value).map_err(wrong)?;
                self.names.restore(Symbol(u64::from_be_bytes(symbol)), text.into());
            }
            _ => return Err(format!("detection state: unknown key {key:?}")),
        }
        Ok(())
    }
}

impl InPieces for Detector {
    fn freeze(&mut self) {
        self.entities.freeze();
        if std::mem::take(&mut self.clock_dirty)
            && let Some(closed) = self.closed
        {
            self.frozen.push(StateEntry { key: vec![CLOCK], value: Some(Arc::new(closed)) });
        }
        for (symbol, text) in self.names.take_dirty() {
            let mut key = vec![NAME];
            key.extend(symbol.0.to_be_bytes());
            self.frozen.push(StateEntry { key, value: text.map(|text| Arc::new(text) as Arc<dyn Encode>) });
        }
    }

    fn hand_over(&mut self, at_most: usize) -> (Vec<StateEntry>, bool) {
        let (piece, whole) = self.entities.hand_over(at_most);
        let entry = |(key, entity): Changed<EntityKey, Entity>| {
            let mut bytes = vec![ENTITY];
            bytes.extend(key.environment.0.to_be_bytes());
            bytes.extend(key.service.0.to_be_bytes());
            StateEntry { key: bytes, value: entity.map(|entity| entity as Arc<dyn Encode>) }
        };
        let mut entries = std::mem::take(&mut self.frozen);
        entries.extend(piece.into_iter().map(entry));
        (entries, whole)
    }
}

fn render(out: &mut ClosedBucket, names: &Names, service: &ServiceName, entity: &Entity, close: EntityClose) {
    let renderer = Renderer { names, service, now: out.bucket };
    let in_events = error_events(out, &renderer, &close);
    let called = entity.waits.keys().chain(close.counts.edges.keys()).filter(|_| !close.findings.is_empty());
    let callees: Vec<ServiceName> = called.map(|callee| names.service(*callee)).collect();
    for finding in &close.findings {
        let signal = renderer.signal(finding);
        out.pointed.extend(pointing::pointed(&signal, callees.iter()).map(|signal| Pointed { by: service.service.clone(), signal }));
        out.signals.push(signal);
        if finding.tell {
            out.events.extend(renderer.event(finding, entity.message_of(finding.subject)));
        }
    }
    let counts = [
        (Source::Logs, close.counts.logs, in_events),
        (Source::Metrics, close.counts.metrics, 0),
        (Source::Traces, close.counts.traces, 0),
    ];
    for (source, SourceCount { items, failing, late }, in_events) in counts {
        if items > 0 {
            out.rows.push(BucketRow { bucket: out.bucket, source, entity: service.clone(), items, failing, in_events, late });
        }
    }
    for (callee, sums) in &close.counts.edges {
        let (callee, caller) = (names.service(*callee), service.clone());
        out.edges.push(EdgeCount { caller, callee, calls: sums.calls, failed: sums.failed, duration_ns: sums.duration_ns });
    }
    if close.requests > 0 {
        out.loads.push(EntityLoad {
            entity: service.clone(),
            requests: close.requests,
            failed: close.failed,
            duration_ns: close.duration_ns,
            excess_failures: if close.learning { 0.0 } else { close.excess.failures },
            excess_seconds: if close.learning { 0.0 } else { close.excess.seconds },
            interval_s: close.interval_s,
        });
    }
}

/// Stores the bucket's error lines, most frequent templates apart. Returns how many lines that is: all of them.
fn error_events(out: &mut ClosedBucket, renderer: &Renderer<'_>, close: &EntityClose) -> u64 {
    let mut folds: Vec<(&Symbol, &ErrorFold)> = close.counts.errors.iter().collect();
    folds.sort_by(|left, right| right.1.count.cmp(&left.1.count).then(left.0.cmp(right.0)));
    let mut apart: BTreeMap<Symbol, ErrorFold> = BTreeMap::new();
    for (index, (template, fold)) in folds.into_iter().enumerate() {
        let key = if index < MAX_ERROR_TEMPLATES { *template } else { Symbol::NONE };
        match apart.get_mut(&key) {
            Some(kept) => kept.merge(fold.clone()),
            None => {
                apart.insert(key, fold.clone());
            }
        }
    }
    for (template, fold) in &apart {
        let is_new = !close.learning && close.new_errors.contains(template);
        out.events.push(renderer.error_event(*template, fold, is_new));
    }
    apart.values().map(|fold| fold.count).sum()
}

fn symbols_of(entity: &Entity, used: &mut BTreeSet<Symbol>) {
    used.extend([entity.key.environment, entity.key.service]);
    used.extend(entity.operations.keys());
    for (key, share) in &entity.shapes {
        used.extend([key.scope, key.previous]);
        share.symbols(used);
    }
    entity.lines.symbols(used);
    for (key, series) in &entity.series {
        used.extend([key.host, key.metric, series.unit]);
    }
    used.extend(entity.waits.keys().chain(entity.hops_from.keys()).flat_map(|key| [key.environment, key.service]));
    entity.requests.symbols(used);
    for pending in entity.pending.values() {
        used.extend(pending.errors.keys());
        used.extend(pending.streams.keys());
        used.extend(pending.operations.keys());
        used.extend(pending.shapes.iter().flat_map(|(key, shape)| [key.scope, key.previous].into_iter().chain(shape.next.keys().copied())));
        let others = pending.edges.keys().chain(pending.waits.keys()).chain(pending.hops_from.keys());
        used.extend(others.flat_map(|key| [key.environment, key.service]));
        used.extend(pending.points.iter().flat_map(|(key, points)| [key.host, key.metric, points.unit]));
        used.extend(pending.requests.keys().flat_map(|key| key.callee).flat_map(|callee| [callee.environment, callee.service]));
    }
}

#[cfg(test)]
mod tests {
    use super::super::slow::Slow;
    use super::*;

    #[test]
    fn names_of_callers_are_kept_as_long_as_their_ways_are_watched() {
        let key = |service| EntityKey { environment: Symbol(1), service: Symbol(service) };
        let mut entity = Entity::new(key(2));
        entity.hops_from.insert(key(3), Slow::default());
        entity.pending.entry(Bucket(7)).or_default().hops_from.entry(key(4)).or_default();
        let mut used = BTreeSet::new();
        symbols_of(&entity, &mut used);
        assert_eq!(used, (1..=4).map(Symbol).collect());
    }
}
