//! What goes on beside any fault and harms nobody: load that comes and goes, scaling, noisy neighbours, lost spans, clocks
//! that are off, missing logs.

use super::chance::{Chance, hash};
use super::topology::{Kind, Plan};
use super::world::SECOND;

const MINUTE: i64 = 60 * SECOND;
/// Load changes over this time.
const LOAD_RAMP: i64 = MINUTE;
/// A neighbour on idle cores slows the others by this share of what it takes: shared caches and memory bandwidth.
const NEIGHBOUR_COST: f64 = 0.1;

/// One harmless happening and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside {
    /// `load`, `scaling`, `neighbour`, `lost_spans`, `clock` or `missing_logs`.
    pub kind: &'static str,
    /// Where, and how much.
    pub what: String,
    /// Seconds after the start.
    pub from_s: f64,
    pub until_s: f64,
}

/// From when to when, nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: i64,
    until: i64,
}

impl Span {
    const fn holds(self, at: i64) -> bool {
        at >= self.from && at < self.until
    }
}

/// Nothing by default: the shop as shipped.
#[derive(Clone, Debug, Default)]
pub(super) struct Background {
    seed: u64,
    loads: Vec<(Span, f64)>,
    /// Pods that are not there for some time.
    idle: Vec<(Span, usize)>,
    busy: Vec<(Span, usize, f64)>,
    lost_spans: Vec<(Span, usize, f64)>,
    clocks: Vec<(Span, usize, i64)>,
    missing_logs: Vec<(Span, usize)>,
}

impl Background {
    /// Draws what goes on between `start` and `end`.
    pub fn draw(plan: &Plan, seed: u64, start: i64, end: i64) -> Self {
        let mut drawn = Self { seed, ..Self::default() };
        let mut chance = Chance::new(hash(seed, 0xBAC6, 0), super::chance::Stream::Arrivals);
        let chance = &mut chance;
        let span = |chance: &mut Chance, low_min: f64, high_min: f64| {
            let from = start + (chance.unit() * (end - start) as f64) as i64;
            let lasts = (low_min + (high_min - low_min) * chance.unit()) * MINUTE as f64;
            Span { from, until: from + lasts as i64 }
        };
        for _ in 0..chance.below(3) {
            let factor = 0.6 * 3.0_f64.powf(chance.unit());
            drawn.loads.push((span(chance, 3.0, 8.0), factor));
        }
        let scalable: Vec<usize> = (0..plan.services.len())
            .filter(|service| plan.services[*service].kind == Kind::Service && plan.services[*service].pods.len() > 1)
            .collect();
        for _ in 0..chance.below(3).min(scalable.len()) {
            let pod = plan.services[scalable[chance.below(scalable.len())]].pods.end - 1;
            let at = start + (chance.unit() * (end - start) as f64) as i64;
            // Up: not there until then. Down: gone from then on.
            let span = if chance.happens(0.5) { Span { from: i64::MIN, until: at } } else { Span { from: at, until: i64::MAX } };
            if !drawn.idle.iter().any(|(_, known)| *known == pod) {
                drawn.idle.push((span, pod));
            }
        }
        for _ in 0..chance.below(3) {
            let (node, level) = (chance.below(plan.nodes.len()), 0.2 + 0.4 * chance.unit());
            drawn.busy.push((span(chance, 2.0, 6.0), node, level));
        }
        for _ in 0..chance.below(2) {
            let (node, share) = (chance.below(plan.nodes.len()), 0.05 + 0.55 * chance.unit());
            drawn.lost_spans.push((span(chance, 1.0, 4.0), node, share));
        }
        if chance.happens(0.4) {
            let node = chance.below(plan.nodes.len());
            let off = (2e7 * 100.0_f64.powf(chance.unit())) as i64;
            let off = if chance.happens(0.5) { off } else { -off };
            let from = start + (chance.unit() * (end - start) as f64) as i64;
            drawn.clocks.push((Span { from, until: i64::MAX }, node, off));
        }
        for _ in 0..chance.below(2) {
            let service = chance.below(plan.services.len());
            drawn.missing_logs.push((span(chance, 1.0, 4.0), service));
        }
        drawn
    }

    /// How many times as many requests as usual.
    pub fn load(&self, at: i64) -> f64 {
        self.loads.iter().fold(1.0, |load, (span, factor)| {
            let risen = ((at - span.from) as f64 / LOAD_RAMP as f64).min((span.until - at) as f64 / LOAD_RAMP as f64);
            load * (1.0 + (factor - 1.0) * risen.clamp(0.0, 1.0))
        })
    }

    pub fn is_idle(&self, pod: usize, at: i64) -> bool {
        self.idle.iter().any(|(span, idle)| *idle == pod && span.holds(at))
    }

    /// Pods that are started by scaling, with the time.
    pub fn started(&self) -> impl Iterator<Item = (usize, i64)> {
        self.idle.iter().filter(|(span, _)| span.until < i64::MAX).map(|(span, pod)| (*pod, span.until))
    }

    /// Processor taken by neighbours that use idle cores, 0 to 1.
    pub fn busy(&self, node: usize, at: i64) -> f64 {
        let here = self.busy.iter().filter(|(span, busy, _)| *busy == node && span.holds(at));
        here.map(|(_, _, level)| *level).fold(0.0, f64::max)
    }

    /// How many times as long work takes beside them.
    pub fn slowdown(&self, node: usize, at: i64) -> f64 {
        1.0 + NEIGHBOUR_COST * self.busy(node, at)
    }

    pub fn loses(&self, node: usize, span_id: u64, at: i64) -> bool {
        let unit = (hash(self.seed, span_id, 0) >> 11) as f64 / (1_u64 << 53) as f64;
        self.lost_spans.iter().any(|(span, lossy, share)| *lossy == node && span.holds(at) && unit < *share)
    }

    /// How far a node's clock is ahead, nanoseconds.
    pub fn clock_off(&self, node: usize, at: i64) -> i64 {
        self.clocks.iter().filter(|(span, wrong, _)| *wrong == node && span.holds(at)).map(|(_, _, off)| *off).sum()
    }

    pub fn is_mute(&self, service: usize, at: i64) -> bool {
        self.missing_logs.iter().any(|(span, mute)| *mute == service && span.holds(at))
    }

    /// The same for people and for judges.
    pub fn list(&self, plan: &Plan, start: i64, end: i64) -> Vec<Beside> {
        let entry = |kind, span: &Span, what: String| Beside {
            kind,
            what,
            from_s: (span.from.max(start) - start) as f64 / SECOND as f64,
            until_s: (span.until.min(end) - start) as f64 / SECOND as f64,
        };
        let mut list: Vec<Beside> = Vec::new();
        list.extend(self.loads.iter().map(|(span, factor)| entry("load", span, format!("{factor:.2} times the requests"))));
        list.extend(
            self.idle.iter().map(|(span, pod)| {
                entry("scaling", span, format!("{} runs with one pod less", plan.services[plan.pods[*pod].service].name))
            }),
        );
        list.extend(self.busy.iter().map(|(span, node, level)| {
            entry("neighbour", span, format!("{:.0} % of {} taken from idle cores", level * 100.0, plan.nodes[*node]))
        }));
        list.extend(
            self.lost_spans.iter().map(|(span, node, share)| {
                entry("lost_spans", span, format!("{:.0} % of the spans of {}", share * 100.0, plan.nodes[*node]))
            }),
        );
        list.extend(
            self.clocks.iter().map(|(span, node, off)| {
                entry("clock", span, format!("{} is {:+.3} s off", plan.nodes[*node], *off as f64 / SECOND as f64))
            }),
        );
        list.extend(self.missing_logs.iter().map(|(span, service)| entry("missing_logs", span, plan.services[*service].name.to_string())));
        list
    }
}
