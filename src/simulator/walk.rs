//! One request's way through the shop: callers wait for callees, time out, try again and fail as they would.

use std::sync::Arc;

use super::chance::{Chance, Stream, wander};
use super::items::{Access, LineItem, Role, SpanItem, Traveled};
use super::topology::{Call, Level, Plan, Step};
use super::world::{Failure, MILLI, Place, Process, SECOND, World};

/// Spread of own work: σ of its logarithm.
pub(super) const WORK_SIGMA: f64 = 0.35;
/// Share of work that meets a full disk queue, a page fault, a lost time slice; and how many times as long it takes.
const STALL_SHARE: f64 = 0.002;
const STALL_FACTOR: f64 = 12.0;

/// What a request is about.
#[derive(Clone, Debug)]
struct Facts {
    user: usize,
    order: u64,
    sku: usize,
    amount_cents: usize,
}

pub(super) struct Outcome {
    pub end: i64,
    pub failure: Option<Failure>,
}

pub(super) struct Walk<'a> {
    pub plan: &'a Plan,
    pub world: &'a World,
    pub chance: Chance,
    /// What faults decide; apart, so that a fault changes nothing but what it touches.
    pub fate: Chance,
    facts: Facts,
    pub trace: u128,
    path: Option<Arc<str>>,
    pub out: Traveled,
}

impl<'a> Walk<'a> {
    pub fn new(plan: &'a Plan, world: &'a World, number: u64, is_job: bool) -> Self {
        let stream = if is_job { Stream::Job(number) } else { Stream::Request(number) };
        let mut chance = Chance::new(world.seed, stream);
        let facts = Facts {
            user: 1000 + chance.below(40_000),
            order: 100_000 + chance.number() % 900_000,
            sku: chance.below(4_000),
            amount_cents: 500 + chance.below(20_000),
        };
        let trace = chance.trace_id();
        // Jobs have even numbers of their own fate: a request's fate must not move when a job is added.
        let fate = Chance::new(world.seed, Stream::Fate(if is_job { u64::from(u32::MAX) + number } else { number }));
        Self { plan, world, chance, fate, facts, trace, path: None, out: Traveled::default() }
    }

    /// A user's request: chooses what the user does.
    pub fn request(mut self, at: i64) -> Traveled {
        let total: u32 = self.plan.actions.iter().map(|action| action.weight).sum();
        let mut drawn = self.chance.below(total as usize) as u32;
        let plan = self.plan;
        for action in &plan.actions {
            if drawn < action.weight {
                self.path = Some(self.fill(&action.path, at, at).into());
                self.begin(action.operation, at, Role::Server);
                break;
            }
            drawn -= action.weight;
        }
        self.out
    }

    pub fn job(mut self, operation: usize, at: i64) -> Traveled {
        self.begin(operation, at, Role::Internal);
        self.out
    }

    fn begin(&mut self, operation: usize, at: i64, role: Role) {
        let service = self.plan.operations[operation].service;
        let Some(pod) = self.world.choose_pod(self.plan, service, at, &mut self.chance) else { return };
        let outcome = self.operate(operation, pod, None, at, 0, role);
        if let Some(path) = self.path.clone() {
            self.access_line(operation, pod, path, at, &outcome);
        }
    }

    fn access_line(&mut self, operation: usize, pod: usize, path: Arc<str>, at: i64, outcome: &Outcome) {
        let method = if self.plan.operations[operation].name.starts_with("POST") { "POST" } else { "GET" };
        let status = outcome.failure.as_ref().map_or(200, |failure| failure.status);
        let duration_ns = outcome.end - at;
        let level = if status >= 500 { Level::Error } else { Level::Info };
        let message = format!("{method} {path} {status} {} ms", duration_ns / MILLI);
        let span = self.out.spans.last().map_or(0, |span| span.id);
        let access = Some(Box::new(Access { method, path, status, duration_ns }));
        self.out.lines.push(LineItem {
            process: self.process(pod),
            at: outcome.end,
            level,
            message,
            trace: self.trace,
            span,
            failure: None,
            stack: None,
            access,
        });
    }

    /// Runs one operation on a pod; its span is the last one pushed.
    pub fn operate(&mut self, operation: usize, pod: usize, caller: Option<usize>, start: i64, parent: u64, role: Role) -> Outcome {
        let plan = self.plan;
        let what = &plan.operations[operation];
        let place = Place { service: what.service, pod: Some(pod), caller };
        let span = self.chance.span_id();
        let mut here = Here { operation, pod, place, span, start, now: start };
        let mut failure = None;
        if let Some(broken) = self.world.failure(plan, place, start, &mut self.fate) {
            here.now += self.work(place, 1e6, start);
            if broken.logged {
                self.error_line(&here, broken.message.clone(), &broken);
            }
            failure = Some(broken);
        }
        for step in &what.steps {
            if failure.is_some() {
                break;
            }
            failure = self.step(&mut here, step);
        }
        let path = if role == Role::Server { self.path.clone().filter(|_| parent == 0) } else { None };
        self.out.spans.push(SpanItem {
            process: self.process(pod),
            trace: self.trace,
            id: span,
            parent,
            role,
            operation,
            peer: None,
            start,
            end: here.now,
            failure: failure.clone(),
            path,
        });
        Outcome { end: here.now, failure }
    }

    fn step(&mut self, here: &mut Here, step: &Step) -> Option<Failure> {
        match step {
            Step::Work { median_ns } => {
                here.now += self.work(here.place, *median_ns, here.now);
                None
            }
            Step::Log { level, text } => {
                self.line(here, *level, text);
                None
            }
            Step::Noise { level, text, share } => {
                // Odd things come in bursts.
                let now = wander(self.world.seed, 0x0DD_0000 + here.operation as u64, here.now, 60 * SECOND);
                if self.chance.happens(share * (1.0 + now)) {
                    self.line(here, *level, text);
                }
                None
            }
            Step::Call(call) => self.call_and_judge(here, call),
            Step::Together(calls) => self.together(here, calls),
            Step::Read { call, hit, miss } => self.read(here, call, *hit, *miss),
            Step::Send { operation } => {
                self.send(here, *operation);
                None
            }
        }
    }

    pub fn work(&mut self, place: Place, median_ns: f64, at: i64) -> i64 {
        let stall = if self.chance.happens(STALL_SHARE) { STALL_FACTOR } else { 1.0 };
        let own = self.chance.log_normal(median_ns * stall, WORK_SIGMA);
        let slowdown = self.world.slowdown(self.plan, place, at, &mut self.fate);
        ((own as f64 * slowdown) as i64).max(1_000)
    }

    fn together(&mut self, here: &mut Here, calls: &[Call]) -> Option<Failure> {
        let begin = here.now;
        let mut end = begin;
        let mut failure = None;
        for call in calls {
            here.now = begin;
            let failed = self.call_and_judge(here, call);
            end = end.max(here.now);
            failure = failure.or(failed);
        }
        here.now = end;
        failure
    }

    pub fn name_of(&self, pod: Option<usize>) -> &str {
        pod.map_or("nowhere", |pod| &self.world.pods[pod].process.name)
    }

    pub fn process(&self, pod: usize) -> Arc<Process> {
        Arc::clone(&self.world.pods[pod].process)
    }

    fn line(&mut self, here: &Here, level: Level, text: &Arc<str>) {
        let text = self.world.wording(here.pod, text);
        let message = self.fill(&text, here.start, here.now);
        self.plain_line(here, level, message);
    }

    pub fn plain_line(&mut self, here: &Here, level: Level, message: String) {
        let line = LineItem {
            process: self.process(here.pod),
            at: here.now,
            level,
            message,
            trace: self.trace,
            span: here.span,
            failure: None,
            stack: None,
            access: None,
        };
        self.out.lines.push(line);
    }

    pub fn error_line(&mut self, here: &Here, message: String, failure: &Failure) {
        self.plain_line(here, Level::Error, message);
        if let Some(line) = self.out.lines.last_mut() {
            line.failure = Some(failure.clone());
            line.stack = Some(Arc::clone(&self.plan.operations[here.operation].name));
        }
    }

    /// Puts what the request is about into a text.
    fn fill(&mut self, text: &str, start: i64, now: i64) -> String {
        let mut filled = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            match name {
                "user" => filled.push_str(&format!("u-{}", self.facts.user)),
                "order" => filled.push_str(&format!("ORD-{}", self.facts.order)),
                "sku" => filled.push_str(&format!("SKU-{:04}", self.facts.sku)),
                "amount" => filled.push_str(&format!("{}.{:02}", self.facts.amount_cents / 100, self.facts.amount_cents % 100)),
                "ms" => filled.push_str(&format!("{}", (now - start) / MILLI)),
                "code" => filled.push_str(["05", "51", "54", "61"][self.chance.below(4)]),
                _ => filled.push_str(&format!("{}", 1 + self.chance.below(180))),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// Where a walk stands: an operation in progress on a pod.
pub(super) struct Here {
    pub operation: usize,
    pub pod: usize,
    pub place: Place,
    pub span: u64,
    pub start: i64,
    pub now: i64,
}
