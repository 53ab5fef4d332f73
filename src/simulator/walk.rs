//! One request's way through the shop: callers wait for callees, time out, try again and fail as they would.

use std::sync::Arc;

use super::chance::{Chance, Stream, wander};
use super::topology::{Call, Kind, Language, Level, Operation, Plan, Step};
use super::world::{Failure, MILLI, Place, Process, SECOND, World};

/// Time on the wire, one way, between two pods.
const HOP_NS: f64 = 300_000.0;
/// Spread of own work: σ of its logarithm.
const WORK_SIGMA: f64 = 0.35;
const WIRE_SIGMA: f64 = 0.25;
/// Share of work that meets a full disk queue, a page fault, a lost time slice; and how many times as long it takes.
const STALL_SHARE: f64 = 0.002;
const STALL_FACTOR: f64 = 12.0;
/// Share of calls whose connection breaks for no reason anybody finds.
const RESET_SHARE: f64 = 0.0006;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
    Internal,
    Producer,
    Consumer,
}

/// A finished span.
#[derive(Clone, Debug)]
pub(super) struct SpanItem {
    pub process: Arc<Process>,
    pub trace: u128,
    pub id: u64,
    pub parent: u64,
    pub role: Role,
    /// The operation served, or the one called.
    pub operation: usize,
    /// Pod that answered, for client spans.
    pub peer: Option<usize>,
    pub start: i64,
    pub end: i64,
    pub failure: Option<Failure>,
    /// Path of the gateway's requests.
    pub path: Option<Arc<str>>,
}

/// A log line.
#[derive(Clone, Debug)]
pub(super) struct LineItem {
    pub process: Arc<Process>,
    pub at: i64,
    pub level: Level,
    pub message: String,
    pub trace: u128,
    pub span: u64,
    pub failure: Option<Failure>,
    /// Function names of the stack, top first.
    pub stack: Option<Arc<str>>,
    pub access: Option<Box<Access>>,
}

/// What an access line says beside its message.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub method: &'static str,
    pub path: Arc<str>,
    pub status: u16,
    pub duration_ns: i64,
}

/// What a request is about.
#[derive(Clone, Debug)]
struct Facts {
    user: usize,
    order: u64,
    sku: usize,
    amount_cents: usize,
}

struct Outcome {
    end: i64,
    failure: Option<Failure>,
}

/// All that came of one request, in no particular order.
#[derive(Debug, Default)]
pub(super) struct Traveled {
    pub spans: Vec<SpanItem>,
    pub lines: Vec<LineItem>,
}

pub(super) struct Walk<'a> {
    plan: &'a Plan,
    world: &'a World,
    chance: Chance,
    fate: Chance,
    facts: Facts,
    trace: u128,
    path: Option<Arc<str>>,
    out: Traveled,
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
    fn operate(&mut self, operation: usize, pod: usize, caller: Option<usize>, start: i64, parent: u64, role: Role) -> Outcome {
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

    fn work(&mut self, place: Place, median_ns: f64, at: i64) -> i64 {
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

    /// Calls, with retries; what fails in the end is logged by the caller, and fails the caller unless it can do without.
    fn call_and_judge(&mut self, here: &mut Here, call: &Call) -> Option<Failure> {
        let mut attempts = 1;
        let mut failure = self.attempt(here, call)?;
        while attempts <= call.retries && failure.status >= 500 {
            here.now += 40 * MILLI + self.chance.exponential(30e6);
            attempts += 1;
            failure = self.attempt(here, call)?;
        }
        let plan = self.plan;
        let target = &plan.operations[call.operation];
        let callee = &plan.services[target.service];
        let name = call_name(plan, target);
        if call.optional {
            self.plain_line(here, Level::Warn, format!("{name} unavailable, going on without: {}", failure.message));
            return None;
        }
        // What a store or an outsider says is the caller's own exception; what a service says is passed on.
        if callee.kind == Kind::Service {
            let message = format!("{name} failed after {attempts} attempts: {}", failure.message);
            let status = if failure.status == 504 { 504 } else { 502 };
            let passed = Failure { error: call_error(plan.services[here.place.service].language), message, status, logged: true };
            self.error_line(here, passed.message.clone(), &passed);
            return Some(passed);
        }
        self.error_line(here, format!("{name} failed: {}", failure.message), &failure);
        Some(failure)
    }

    /// One attempt: a client span, and behind it whatever the callee does. `here.now` moves to the answer or the timeout.
    fn attempt(&mut self, here: &mut Here, call: &Call) -> Option<Failure> {
        let plan = self.plan;
        let service = plan.operations[call.operation].service;
        let kind = plan.services[service].kind;
        if kind == Kind::Store && plan.services[service].system.as_deref() == Some("postgresql") {
            let exhausted = self.take_connection(here);
            if exhausted.is_some() {
                return exhausted;
            }
        }
        let start = here.now;
        let limit = start + i64::from(call.timeout_ms) * MILLI;
        let span = self.chance.span_id();
        let peer = self.world.choose_pod(plan, service, start, &mut self.chance);
        let place = Place { service, pod: peer, caller: Some(here.place.service) };
        let outcome = self.answer(here, call, place, span, start, limit);
        let gave_up = outcome.end > limit;
        let end = outcome.end.min(limit);
        let callee = &plan.services[service].name;
        let failure =
            if gave_up { Some(timeout(callee, call.timeout_ms, plan.services[here.place.service].language)) } else { outcome.failure };
        self.out.spans.push(SpanItem {
            process: self.process(here.pod),
            trace: self.trace,
            id: span,
            parent: here.span,
            role: Role::Client,
            operation: call.operation,
            peer,
            start,
            end,
            failure: failure.clone(),
            path: None,
        });
        here.now = end;
        failure
    }

    /// When the answer is back at the caller, and what it is. A callee goes on even when its caller has given up.
    fn answer(&mut self, here: &Here, call: &Call, place: Place, span: u64, start: i64, limit: i64) -> Outcome {
        let plan = self.plan;
        let there = self.chance.log_normal(HOP_NS, WIRE_SIGMA);
        let back = self.chance.log_normal(HOP_NS, WIRE_SIGMA);
        let late = self.world.wire_delay(plan, place, start, &mut self.fate);
        if self.chance.happens(RESET_SHARE) {
            let message = format!("read from {}: connection reset by peer", plan.services[place.service].address);
            let failure = Failure { error: "ConnectionReset".into(), message, status: 503, logged: true };
            return Outcome { end: start + there + back, failure: Some(failure) };
        }
        if self.world.refuses(plan, place, start, &mut self.fate) {
            let callee = &plan.services[place.service];
            let message = format!("connect to {}: connection refused", callee.address);
            let failure = Failure { error: "ConnectionRefused".into(), message, status: 503, logged: true };
            return Outcome { end: start + 2 * there, failure: Some(failure) };
        }
        if self.world.is_silent(plan, place, start, &mut self.fate) {
            return Outcome { end: limit + 1, failure: None };
        }
        let arrived = start + there + late / 2;
        let mut outcome = match (plan.services[place.service].kind, place.pod) {
            (Kind::Service, Some(pod)) => self.operate(call.operation, pod, Some(here.place.service), arrived, span, Role::Server),
            _ => self.answer_unseen(call.operation, place, arrived),
        };
        outcome.end += back + late / 2;
        outcome
    }

    /// Stores and outsiders write no spans: only their time and their errors are seen.
    fn answer_unseen(&mut self, operation: usize, place: Place, arrived: i64) -> Outcome {
        let plan = self.plan;
        let mut now = arrived;
        if let Some(failure) = self.world.failure(plan, place, arrived, &mut self.fate) {
            return Outcome { end: now + self.chance.log_normal(18e6, WORK_SIGMA), failure: Some(failure) };
        }
        for step in &plan.operations[operation].steps {
            if let Step::Work { median_ns } = step {
                now += self.work(place, *median_ns, now);
            }
        }
        if plan.services[place.service].kind == Kind::Store && now - arrived > 250 * MILLI {
            self.slow_query_line(operation, place, arrived, now);
        }
        Outcome { end: now, failure: None }
    }

    fn slow_query_line(&mut self, operation: usize, place: Place, arrived: i64, now: i64) {
        let (Some(pod), Some(statement)) = (place.pod, &self.plan.operations[operation].statement) else { return };
        let message =
            format!("duration: {}.{:03} ms  execute <unnamed>: {statement}", (now - arrived) / MILLI, (now - arrived) / 1000 % 1000);
        // The store knows nothing of traces.
        let process = self.process(pod);
        self.out.lines.push(LineItem {
            process,
            at: now,
            level: Level::Warn,
            message,
            trace: 0,
            span: 0,
            failure: None,
            stack: None,
            access: None,
        });
    }

    /// Waits for a connection; the failure when none comes in time. Of more requests than connections, the surplus waits in vain.
    fn take_connection(&mut self, here: &mut Here) -> Option<Failure> {
        let (demand, max) = self.world.pool(self.plan, here.pod, here.now)?;
        let pool = self.plan.services[here.place.service].pool?;
        let timeout_ns = i64::from(pool.timeout_ms) * MILLI;
        let crowded = ((demand / max - 0.8) / 0.2).clamp(0.0, 1.0);
        if demand > max && self.fate.happens(1.0 - max / demand) {
            here.now += timeout_ns;
            let (max, waiting) = (max as u32, (demand - max).ceil() as u32);
            let message = format!("no connection within {} ms (in use {max} of {max}, waiting {waiting})", pool.timeout_ms);
            return Some(Failure { error: "PoolTimeoutException".into(), message, status: 503, logged: true });
        }
        if crowded > 0.0 {
            here.now += self.fate.exponential(120e6 * crowded).min(timeout_ns);
        }
        None
    }

    fn read(&mut self, here: &mut Here, call: &Call, hit: f64, miss: usize) -> Option<Failure> {
        let is_hit = self.chance.happens(hit);
        let failed = self.attempt(here, call);
        let answered_by = self.out.spans.last().and_then(|span| span.peer);
        let service = self.plan.operations[call.operation].service;
        let place = Place { service, pod: answered_by, caller: Some(here.place.service) };
        let poisoned = self.world.corruption(self.plan, place, here.now, &mut self.fate);
        let unusable = match (&failed, poisoned) {
            (Some(failure), _) => Some(format!("cache read failed: {}", failure.message)),
            (None, Some(poison)) if is_hit => Some(format!("discarding entry from {}: {}", self.name_of(answered_by), poison.message)),
            _ => None,
        };
        if let Some(reason) = &unusable {
            self.plain_line(here, Level::Warn, reason.clone());
        }
        if is_hit && unusable.is_none() {
            return None;
        }
        let outcome = self.operate(miss, here.pod, None, here.now, here.span, Role::Internal);
        here.now = outcome.end;
        outcome.failure
    }

    fn name_of(&self, pod: Option<usize>) -> &str {
        pod.map_or("nowhere", |pod| &self.world.pods[pod].process.name)
    }

    fn process(&self, pod: usize) -> Arc<Process> {
        Arc::clone(&self.world.pods[pod].process)
    }

    /// A message: the sender goes on, a consumer takes it some time later.
    fn send(&mut self, here: &mut Here, operation: usize) {
        let start = here.now;
        here.now += self.chance.log_normal(900_000.0, WORK_SIGMA);
        let span = self.chance.span_id();
        self.out.spans.push(SpanItem {
            process: self.process(here.pod),
            trace: self.trace,
            id: span,
            parent: here.span,
            role: Role::Producer,
            operation,
            peer: None,
            start,
            end: here.now,
            failure: None,
            path: None,
        });
        let taken = here.now + self.chance.exponential(40e6);
        let service = self.plan.operations[operation].service;
        if let Some(pod) = self.world.choose_pod(self.plan, service, taken, &mut self.chance) {
            self.operate(operation, pod, None, taken, span, Role::Consumer);
        }
    }

    fn line(&mut self, here: &Here, level: Level, text: &Arc<str>) {
        let text = self.world.wording(self.plan, here.place, here.now, text);
        let message = self.fill(&text, here.start, here.now);
        self.plain_line(here, level, message);
    }

    fn plain_line(&mut self, here: &Here, level: Level, message: String) {
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

    fn error_line(&mut self, here: &Here, message: String, failure: &Failure) {
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
struct Here {
    operation: usize,
    pod: usize,
    place: Place,
    span: u64,
    start: i64,
    now: i64,
}

fn call_name(plan: &Plan, target: &Operation) -> String {
    let service = &plan.services[target.service];
    match service.kind {
        Kind::Service => format!("{}/{}", service.name, target.name),
        Kind::Store => format!("{} on {}", target.name, service.name),
        Kind::Outside => format!("{} at {}", target.name, service.address),
    }
}

fn call_error(language: Language) -> Arc<str> {
    match language {
        Language::Go => "rpc.Error",
        Language::Java => "shop.rpc.CallFailedException",
        Language::Node => "CallFailedError",
        Language::Python => "CallFailed",
    }
    .into()
}

fn timeout(callee: &str, timeout_ms: u32, language: Language) -> Failure {
    let error = match language {
        Language::Go => "context.DeadlineExceeded",
        Language::Java => "java.util.concurrent.TimeoutException",
        Language::Node => "TimeoutError",
        Language::Python => "TimeoutError",
    };
    Failure { error: error.into(), message: format!("{callee} did not answer within {timeout_ms} ms"), status: 504, logged: true }
}
