//! Calls between services: connections, hops, timeouts, retries, caches and messages.

use std::sync::Arc;

use super::items::{LineItem, Role, SpanItem};
use super::topology::{Call, Kind, Language, Level, Operation, Plan, Step};
use super::walk::{Here, Outcome, WORK_SIGMA, Walk};
use super::world::{Failure, MILLI, Place};

/// Time on the wire, one way, between two pods.
const HOP_NS: f64 = 300_000.0;
const WIRE_SIGMA: f64 = 0.25;
/// Share of calls whose connection breaks for no reason anybody finds.
const RESET_SHARE: f64 = 0.0006;

impl Walk<'_> {
    /// Calls, with retries; what fails in the end is logged by the caller, and fails the caller unless it can do without.
    pub fn call_and_judge(&mut self, here: &mut Here, call: &Call) -> Option<Failure> {
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
        let patience = self.world.patience(plan, here.place, service, i64::from(call.timeout_ms) * MILLI, start);
        let limit = start + patience;
        let span = self.chance.span_id();
        let peer = self.world.choose_pod(plan, service, start, &mut self.chance);
        let place = Place { service, pod: peer, caller: Some(here.place.service) };
        let outcome = self.answer(here, call, place, span, start, limit);
        let gave_up = outcome.end > limit;
        let end = outcome.end.min(limit);
        let callee = &plan.services[service].name;
        let failure =
            if gave_up { Some(timeout(callee, patience / MILLI, plan.services[here.place.service].language)) } else { outcome.failure };
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

    pub fn read(&mut self, here: &mut Here, call: &Call, hit: f64, miss: usize) -> Option<Failure> {
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

    /// A message: the sender goes on, a consumer takes it some time later.
    pub fn send(&mut self, here: &mut Here, operation: usize) {
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

fn timeout(callee: &str, timeout_ms: i64, language: Language) -> Failure {
    let error = match language {
        Language::Go => "context.DeadlineExceeded",
        Language::Java => "java.util.concurrent.TimeoutException",
        Language::Node => "TimeoutError",
        Language::Python => "TimeoutError",
    };
    Failure { error: error.into(), message: format!("{callee} did not answer within {timeout_ms} ms"), status: 504, logged: true }
}
