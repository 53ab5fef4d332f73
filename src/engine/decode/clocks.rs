//! How far the clocks of hosts lie from Kafka's: item times against their records' Kafka times.
//!
//! A difference holds the way to Kafka too: a host that seems some seconds behind may just ship late. One that is ahead is wrong. Each
//! host keeps a small histogram of whole numbers, whose median a few strange items cannot move; only some items of a batch are looked
//! at. Where items name no host, their service stands for it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::connector::ClockSkew;
use crate::model::observation::ObservationBatch;
use crate::model::{EntityKey, Symbol, Timestamp};

/// Hosts followed, about 1 KB each; later ones are not.
const MAX_HOSTS: usize = 1_000;
/// Hosts told, those farthest off first.
const MAX_TOLD: usize = 10;
/// Items of a batch that are looked at, of lines, points and spans each.
const LOOKED_AT: usize = 64;
/// Differences from which on older ones count half: a clock that was set right is seen to be.
const FULL: u32 = 512;
/// Differences before a host is told of.
const MIN_SAMPLES: u32 = 5;
/// With more hosts than this the medians are worked out only once in so many batches.
const CHEAP_HOSTS: usize = 16;
const SELDOM: u32 = 64;

/// Steps to each side of zero: each a fifth wider than the one before, the first 100 ms, the last beyond a hundred years.
const SIDE: usize = 140;

#[derive(Debug, Default)]
pub(super) struct Clocks {
    hosts: FxHashMap<Symbol, Host>,
    batches: u32,
}

#[derive(Debug)]
struct Host {
    name: Arc<str>,
    is_service: bool,
    counts: Box<[u32; 2 * SIDE + 1]>,
    samples: u32,
}

impl Clocks {
    /// Looks at a batch, whose definitions must be in it; sometimes says what the clocks are like now.
    pub(super) fn look(&mut self, batch: &ObservationBatch) -> Option<Vec<ClockSkew>> {
        if !batch.records.source.drives_watermark() {
            return None;
        }
        self.meet(batch);
        for (record, host, entity, at) in items(batch, LOOKED_AT, self.batches as usize) {
            let kafka_time = batch.records.records.get(record as usize).and_then(|record| record.timestamp);
            let host = self.hosts.get_mut(&who(host, entity));
            if let Some((host, kafka_time)) = host.zip(kafka_time) {
                host.note(at.nanos().saturating_sub(kafka_time.nanos()) / 1_000_000);
            }
        }
        self.batches = self.batches.wrapping_add(1);
        (self.hosts.len() <= CHEAP_HOSTS || self.batches.is_multiple_of(SELDOM)).then(|| self.told())
    }

    /// A name is defined in the batch that first uses it, and only there.
    fn meet(&mut self, batch: &ObservationBatch) {
        if batch.definitions.is_empty() || self.hosts.len() >= MAX_HOSTS {
            return;
        }
        let names: FxHashMap<Symbol, &Arc<str>> =
            batch.definitions.iter().map(|definition| (definition.symbol, &definition.text)).collect();
        for (_, host, entity, _) in items(batch, usize::MAX, 0) {
            let symbol = who(host, entity);
            if let Some(name) = names.get(&symbol)
                && self.hosts.len() < MAX_HOSTS
            {
                let new = || Host { name: Arc::clone(name), is_service: host.is_none(), counts: Box::new([0; 2 * SIDE + 1]), samples: 0 };
                self.hosts.entry(symbol).or_insert_with(new);
            }
        }
    }

    fn told(&self) -> Vec<ClockSkew> {
        let mut told: Vec<ClockSkew> = self.hosts.values().filter(|host| host.samples >= MIN_SAMPLES).map(Host::told).collect();
        let name = |skew: &ClockSkew| (skew.host.clone(), skew.service.clone());
        told.sort_by(|left, right| right.skew_s.abs().total_cmp(&left.skew_s.abs()).then_with(|| name(left).cmp(&name(right))));
        told.truncate(MAX_TOLD);
        told
    }
}

/// (record, host, entity, time) of about that many items of each kind, spread evenly; `turn` says with which to begin.
fn items(batch: &ObservationBatch, most: usize, turn: usize) -> impl Iterator<Item = (u32, Symbol, EntityKey, Timestamp)> + '_ {
    let stride = |length: usize| length.div_ceil(most).max(1);
    let (of_lines, of_points, of_spans) = (stride(batch.logs.len()), stride(batch.points.len()), stride(batch.spans.len()));
    let lines = batch.logs.iter().skip(turn % of_lines).step_by(of_lines);
    let points = batch.points.iter().skip(turn % of_points).step_by(of_points);
    let spans = batch.spans.iter().skip(turn % of_spans).step_by(of_spans);
    let lines = lines.map(|line| (line.record, line.host, line.entity, line.timestamp));
    let points = points.map(|point| (point.record, point.host, point.entity, point.timestamp));
    let spans = spans.map(|span| (span.record, span.host, span.entity, span.end));
    lines.chain(points).chain(spans)
}

fn who(host: Symbol, entity: EntityKey) -> Symbol {
    if host.is_none() { entity.service } else { host }
}

impl Host {
    fn note(&mut self, difference_ms: i64) {
        if self.samples >= FULL {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.samples = self.counts.iter().sum();
        }
        if let Some(count) = self.counts.get_mut(step_of(difference_ms)) {
            *count += 1;
            self.samples += 1;
        }
    }

    fn told(&self) -> ClockSkew {
        let mut below = 0;
        let median = self.counts.iter().position(|count| {
            below += count;
            below * 2 >= self.samples
        });
        let name = Some(self.name.to_string());
        let (host, service) = if self.is_service { (None, name) } else { (name, None) };
        ClockSkew { host, service, skew_s: seconds_of(median.unwrap_or(SIDE)), samples: u64::from(self.samples) }
    }
}

/// Step of a difference: in whole numbers, four steps each time it doubles.
fn step_of(difference_ms: i64) -> usize {
    // 1 up to 100 ms; the top bits beyond the first tell the quarter.
    let scaled = difference_ms.unsigned_abs() / 100 + 1;
    let exponent = 63 - scaled.leading_zeros();
    let quarter = if exponent >= 2 { (scaled >> (exponent - 2)) & 3 } else { (scaled << (2 - exponent)) & 3 };
    let step = (exponent as usize * 4 + quarter as usize).min(SIDE);
    if difference_ms < 0 { SIDE - step } else { SIDE + step }
}

/// The least difference of a step.
fn seconds_of(index: usize) -> f64 {
    let step = index.abs_diff(SIDE);
    let scaled = 2_f64.powi((step / 4) as i32) * (1.0 + (step % 4) as f64 / 4.0);
    let seconds = (scaled - 1.0) / 10.0;
    // Half a step is 100 ms or an eighth: no more digits than that.
    let rounded = (seconds * 10.0).round() / 10.0;
    if index < SIDE { -rounded } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_within_an_eighth_of_what_it_stands_for() {
        for (ms, expected) in
            [(0, 0.0), (50, 0.0), (1_000, 1.0), (-5_000, -5.0), (90_000, 90.0), (-3_600_000, -3_600.0), (86_400_000, 86_400.0)]
        {
            let told = seconds_of(step_of(ms));
            assert!((told - expected).abs() <= 0.15 + expected.abs() / 4.0, "{ms} ms is told as {told} s");
        }
        assert_eq!(step_of(i64::MAX), 2 * SIDE);
        assert_eq!(step_of(i64::MIN), 0);
    }

    #[test]
    fn a_few_strange_times_do_not_move_a_hosts_clock_and_a_clock_set_right_is_seen() {
        let mut host = Host { name: "a".into(), is_service: false, counts: Box::new([0; 2 * SIDE + 1]), samples: 0 };
        (0..100).for_each(|n| host.note(if n % 10 == 0 { -86_400_000 } else { 30_000 }));
        assert!((host.told().skew_s - 30.0).abs() < 5.0, "{}", host.told().skew_s);
        (0..1_000).for_each(|_| host.note(0));
        assert_eq!(host.told().skew_s, 0.0);
        assert!(host.samples <= FULL + 1);
    }
}
