//! The shop in motion: one queue of what happens next, in event time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::background::{Background, Beside};
use super::chance::{Chance, Stream};
use super::changes::{Changes, Happening};
use super::faults::{Breaking, FaultFile};
use super::gauges::{Counters, SCRAPE_INTERVAL, scrape};
use super::items::{LineItem, SpanItem, Traveled};
use super::lines::{encode_flat, encode_nested, encode_otlp};
use super::topology::{Kind, Level, LogShape, Plan};
use super::truth::{Truth, truth};
use super::walk::Walk;
use super::world::{MILLI, SECOND, World, rhythm};
use super::{Options, OutRecord, SimulatorError, spans};
use crate::model::{Source, Timestamp};

/// A collector sends when it holds this many spans or lines …
const BATCH_ITEMS: usize = 50;
/// … or has held the first for this long.
const BATCH_WAIT: i64 = 2 * SECOND;
/// A log shipper looks at its file this often.
const SHIP_INTERVAL: i64 = 250 * MILLI;
const PROBE_INTERVAL: i64 = 30 * SECOND;
/// How often a leaking pod is compared with its limit.
const WATCH_INTERVAL: i64 = SECOND;
/// From a kill to the restarted process.
const RESTART: i64 = 9 * SECOND;

/// Leaves room for every history and fault behind it.
const LATEST_START: i64 = 4_000_000_000 * SECOND;

/// All that a run begins with.
#[derive(Debug)]
pub(super) struct Scene {
    pub plan: Plan,
    pub seed: u64,
    /// User requests a second, mean over a day.
    pub rate: f64,
    pub faults: Vec<Breaking>,
    pub background: Background,
    pub changes: Changes,
    /// When the planned changes stand, with or without a fault.
    pub onset: i64,
}

/// A shop that writes what a real one would.
#[derive(Debug)]
pub struct Shop {
    plan: Plan,
    world: World,
    rate: f64,
    arrivals: Chance,
    requests: u64,
    jobs_run: u64,
    counters: Counters,
    collectors: Vec<Collector>,
    changes: Changes,
    truths: Vec<Truth>,
    beside: Vec<Beside>,
    queue: BinaryHeap<Reverse<Due>>,
    pushed: u64,
    /// When the newest record was sent.
    sent: Timestamp,
}

/// What one node's collector holds back.
#[derive(Debug, Default)]
struct Collector {
    spans: Vec<SpanItem>,
    spans_epoch: u64,
    lines: Vec<LineItem>,
    lines_epoch: u64,
}

#[derive(Debug)]
struct Due {
    at: i64,
    /// Among things due at one time: the older first.
    origin: i64,
    number: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Arrival,
    Span(Box<SpanItem>),
    Line(Box<LineItem>),
    FlushSpans { node: usize, epoch: u64 },
    FlushLines { node: usize, epoch: u64 },
    Scrape { node: usize },
    Probe { pod: usize },
    Job { job: usize },
    NextChange { number: u64 },
    Change(Box<Happening>),
    Watch { pod: usize },
}

impl Shop {
    /// A shop that opens at `start`. With a fault, it breaks `history_s − fault_age_s` later.
    pub fn new(options: Options, start: Timestamp) -> Result<Self, SimulatorError> {
        options.validate()?;
        if !(0..=LATEST_START).contains(&start.nanos()) {
            return Err(SimulatorError::Option { name: "start", reason: format!("must lie between 1970 and 2096, is {start}") });
        }
        let plan = Plan::shipped()?;
        let onset = start.nanos() + i64::from(options.history_s - options.fault_age_s) * SECOND;
        let breaking = |file| Breaking {
            file,
            strength: options.strength,
            share: options.share,
            onset,
            over: options.fault_lasts_s.map_or(i64::MAX, |seconds| onset + i64::from(seconds) * SECOND),
        };
        let fault = options.fault.as_deref().map(|name| FaultFile::named(name, options.target.as_deref(), &plan)).transpose()?;
        let faults: Vec<Breaking> = fault.into_iter().map(breaking).collect();
        let changes = Changes::of_the_shop(options.seed)?;
        let scene = Scene { plan, seed: options.seed, rate: options.rate, faults, background: Background::default(), changes, onset };
        Self::open(scene, start.nanos(), i64::MAX)
    }

    pub(super) fn open(scene: Scene, start: i64, end: i64) -> Result<Self, SimulatorError> {
        let Scene { plan, seed, rate, faults, background, changes, onset } = scene;
        let beside = background.list(&plan, start, end);
        let world = World::new(&plan, seed, &faults, background, start)?;
        let mut shop = Self {
            rate,
            arrivals: Chance::new(seed, Stream::Arrivals),
            requests: 0,
            jobs_run: 0,
            counters: Counters::new(plan.pods.len()),
            collectors: plan.nodes.iter().map(|_| Collector::default()).collect(),
            changes,
            truths: faults.iter().map(|fault| truth(&plan, fault)).collect(),
            beside,
            queue: BinaryHeap::new(),
            pushed: 0,
            sent: Timestamp::EPOCH,
            plan,
            world,
        };
        shop.schedule_first(start, onset, &faults);
        Ok(shop)
    }

    /// All records due before `until`, in the order of their timestamps. The step's size changes nothing.
    pub fn step(&mut self, until: Timestamp) -> Vec<OutRecord> {
        let mut out = Vec::new();
        while self.queue.peek().is_some_and(|Reverse(due)| due.at < until.nanos()) {
            let Some(Reverse(due)) = self.queue.pop() else { break };
            let before = out.len();
            self.happen(due.at, due.what, &mut out);
            for record in &mut out[before..] {
                // A word about the moment before, whose batch is full now, is sent now.
                self.sent = self.sent.max(record.timestamp);
                record.timestamp = self.sent;
            }
        }
        out
    }

    /// What a perfect investigator would say; `None` for a quiet shop.
    pub fn truth(&self) -> Option<&Truth> {
        self.truths.first()
    }

    /// The same of every fault.
    pub fn truths(&self) -> &[Truth] {
        &self.truths
    }

    /// What goes on beside the faults and harms nobody.
    pub fn beside(&self) -> &[Beside] {
        &self.beside
    }

    /// Names of everything that serves: services, stores, outsiders.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.plan.services.iter().map(|service| &*service.name)
    }

    fn schedule_first(&mut self, start: i64, onset: i64, faults: &[Breaking]) {
        let leak = faults.iter().find(|fault| fault.file.effect.iter().any(|effect| effect.mib_per_min.is_some()));
        self.push(start, start, What::Arrival);
        for node in 0..self.plan.nodes.len() {
            self.push(start + (node as i64 + 1) * 2 * SECOND, start, What::Scrape { node });
        }
        for (pod, place) in self.plan.pods.clone().iter().enumerate() {
            if self.plan.services[place.service].kind == Kind::Service {
                self.push(start + (pod as i64 * 7919 % 30_000) * MILLI, start, What::Probe { pod });
            }
            if let Some(leak) = leak {
                self.push(leak.onset.max(start), start, What::Watch { pod });
            }
        }
        for job in 0..self.plan.jobs.len() {
            self.push(start + (self.plan.jobs[job].every_s * SECOND) / 3, start, What::Job { job });
        }
        self.push(start + 60 * SECOND, start, What::NextChange { number: 0 });
        let planned = self.changes.around_onsets(&self.plan, onset, faults);
        self.schedule_happenings(start, planned);
        for (pod, at) in self.world.background.started().collect::<Vec<_>>() {
            let message = started(&self.plan, &self.world, pod);
            self.say(at, pod, Level::Info, message);
        }
    }

    fn schedule_happenings(&mut self, start: i64, happenings: Vec<(i64, Happening)>) {
        for (at, happening) in happenings {
            self.push(at.max(start), at, What::Change(Box::new(happening)));
        }
    }

    fn push(&mut self, at: i64, origin: i64, what: What) {
        self.pushed += 1;
        self.queue.push(Reverse(Due { at, origin, number: self.pushed, what }));
    }

    fn happen(&mut self, at: i64, what: What, out: &mut Vec<OutRecord>) {
        match what {
            What::Arrival => self.arrive(at),
            What::Span(span) => self.span_ended(at, *span, out),
            What::Line(line) => self.line_written(at, *line, out),
            What::FlushSpans { node, epoch } if epoch == self.collectors[node].spans_epoch => self.flush_spans(node, at, out),
            What::FlushLines { node, epoch } if epoch == self.collectors[node].lines_epoch => self.flush_lines(node, at, out),
            What::FlushSpans { .. } | What::FlushLines { .. } => {}
            What::Scrape { node } => {
                let value = scrape(&self.plan, &self.world, &mut self.counters, node, at);
                out.push(OutRecord::new(Source::Metrics, value, at));
                self.push(at + SCRAPE_INTERVAL, at, What::Scrape { node });
            }
            What::Probe { pod } => self.probe(at, pod),
            What::Job { job } => self.run_job(at, job),
            What::NextChange { number } => {
                let (next, happenings) = self.changes.next(&self.plan, number, at);
                self.schedule_happenings(at, happenings);
                self.push(next, at, What::NextChange { number: number + 1 });
            }
            What::Change(happening) => self.change(at, *happening, out),
            What::Watch { pod } => self.watch(at, pod),
        }
    }

    fn arrive(&mut self, at: i64) {
        self.requests += 1;
        let traveled = Walk::new(&self.plan, &self.world, self.requests, false).request(at);
        self.schedule(traveled);
        let rate = self.rate * rhythm(at) * self.world.background.load(at);
        let gap = self.arrivals.exponential(SECOND as f64 / rate).max(1);
        self.push(at + gap, at, What::Arrival);
    }

    fn run_job(&mut self, at: i64, job: usize) {
        let (operation, every_s) = (self.plan.jobs[job].operation, self.plan.jobs[job].every_s);
        self.jobs_run += 1;
        let traveled = Walk::new(&self.plan, &self.world, self.jobs_run, true).job(operation, at);
        self.schedule(traveled);
        self.push(at + every_s * SECOND, at, What::Job { job });
    }

    fn schedule(&mut self, traveled: Traveled) {
        for span in traveled.spans {
            self.push(span.end, span.start, What::Span(Box::new(span)));
        }
        for line in traveled.lines {
            self.schedule_line(line);
        }
    }

    /// JSON lines wait in a file for their shipper, OTLP lines go to the collector.
    fn schedule_line(&mut self, line: LineItem) {
        let pod = line.process.pod;
        let written = line.at;
        let due = match self.plan.services[self.plan.pods[pod].service].logs {
            LogShape::Otlp => written,
            LogShape::Flat | LogShape::Nested => {
                let offset = pod as i64 * 37 * MILLI % SHIP_INTERVAL;
                (written - offset).div_euclid(SHIP_INTERVAL) * SHIP_INTERVAL + SHIP_INTERVAL + offset
            }
        };
        self.push(due, written, What::Line(Box::new(line)));
    }

    fn span_ended(&mut self, at: i64, mut span: SpanItem, out: &mut Vec<OutRecord>) {
        self.counters.count(&self.plan, &span);
        let node = self.plan.pods[span.process.pod].node;
        if self.world.background.loses(node, span.id, at) {
            return;
        }
        let off = self.world.background.clock_off(node, at);
        (span.start, span.end) = (span.start + off, span.end + off);
        let collector = &mut self.collectors[node];
        collector.spans.push(span);
        let (held, epoch) = (collector.spans.len(), collector.spans_epoch);
        match held {
            1 => self.push(at + BATCH_WAIT, at, What::FlushSpans { node, epoch }),
            BATCH_ITEMS => self.flush_spans(node, at, out),
            _ => {}
        }
    }

    fn line_written(&mut self, at: i64, mut line: LineItem, out: &mut Vec<OutRecord>) {
        let pod = &self.plan.pods[line.process.pod];
        let node = pod.node;
        if self.world.background.is_mute(pod.service, at) {
            return;
        }
        line.at += self.world.background.clock_off(node, at);
        match self.plan.services[pod.service].logs {
            LogShape::Flat => out.push(OutRecord::new(Source::Logs, encode_flat(&self.plan, &line), at)),
            LogShape::Nested => out.push(OutRecord::new(Source::Logs, encode_nested(&self.plan, &line), at)),
            LogShape::Otlp => {
                let collector = &mut self.collectors[node];
                collector.lines.push(line);
                let (held, epoch) = (collector.lines.len(), collector.lines_epoch);
                match held {
                    1 => self.push(at + BATCH_WAIT, at, What::FlushLines { node, epoch }),
                    BATCH_ITEMS => self.flush_lines(node, at, out),
                    _ => {}
                }
            }
        }
    }

    fn flush_spans(&mut self, node: usize, at: i64, out: &mut Vec<OutRecord>) {
        let collector = &mut self.collectors[node];
        collector.spans_epoch += 1;
        let held = std::mem::take(&mut collector.spans);
        out.push(OutRecord::new(Source::Traces, spans::encode(&self.plan, &self.world, &held), at));
    }

    fn flush_lines(&mut self, node: usize, at: i64, out: &mut Vec<OutRecord>) {
        let collector = &mut self.collectors[node];
        collector.lines_epoch += 1;
        let held = std::mem::take(&mut collector.lines);
        out.push(OutRecord::new(Source::Logs, encode_otlp(&self.plan, &held, at), at));
    }

    /// The orchestrator asks whether the pod lives; the pod says so in its log.
    fn probe(&mut self, at: i64, pod: usize) {
        if !self.world.is_down(pod, at) {
            self.say(at, pod, Level::Debug, "GET /healthz 200".to_owned());
        }
        self.push(at + PROBE_INTERVAL, at, What::Probe { pod });
    }

    fn say(&mut self, at: i64, pod: usize, level: Level, message: String) {
        let process = Arc::clone(&self.world.pods[pod].process);
        self.schedule_line(LineItem { process, at, level, message, trace: 0, span: 0, failure: None, stack: None, access: None });
    }

    fn change(&mut self, at: i64, happening: Happening, out: &mut Vec<OutRecord>) {
        match happening {
            Happening::Record(mut record) => {
                record.timestamp = Timestamp::from_nanos(at);
                out.push(record);
            }
            Happening::Roll { pod, release } => {
                self.say(at - 200 * MILLI, pod, Level::Info, "Received SIGTERM, draining".to_owned());
                self.world.roll(&self.plan, pod, &release, at);
                self.counters.reset(pod);
                let message = started(&self.plan, &self.world, pod);
                self.say(at, pod, Level::Info, message);
            }
        }
    }

    fn watch(&mut self, at: i64, pod: usize) {
        if !self.world.is_down(pod, at) && self.world.out_of_memory(&self.plan, pod, at) {
            self.world.kill(pod, at, RESTART);
            self.counters.reset(pod);
            let service = &self.plan.services[self.plan.pods[pod].service];
            let message = format!("Started {} {} in 4.1 s", service.name, self.world.pods[pod].process.version);
            let killed = self.changes.pod_killed(&self.plan, &self.world, pod, at);
            self.schedule_happenings(at, vec![(at + SECOND, Happening::Record(killed))]);
            self.say(at + RESTART, pod, Level::Info, message);
        } else if self.world.collection_pause_ms(&self.plan, pod, at) > 60.0 && at / SECOND % 5 == pod as i64 % 5 {
            let pause = self.world.collection_pause_ms(&self.plan, pod, at);
            self.say(at, pod, Level::Warn, format!("Garbage collection paused the process for {pause:.0} ms"));
        }
        self.push(at + WATCH_INTERVAL, at, What::Watch { pod });
    }
}

fn started(plan: &Plan, world: &World, pod: usize) -> String {
    let name = &plan.services[plan.pods[pod].service].name;
    format!("Started {name} {} in {}.{} s", world.pods[pod].process.version, 2 + pod % 4, pod % 10)
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.origin, self.number).cmp(&(other.at, other.origin, other.number))
    }
}
