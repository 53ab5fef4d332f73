//! The shop's plan, read from `shop.toml`: services, their pods, what they do and whom they call.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::SimulatorError;
use super::plan_file::{OperationFile, ShopFile, StepFile};

/// System of a relational database.
pub(super) const DATABASE: &str = "postgresql";
/// System of a cache.
pub(super) const CACHE: &str = "redis";

const SHOP: &str = include_str!("shop.toml");

/// How a service writes its log lines to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogShape {
    /// ECS JSON with dotted keys, as logging libraries write it.
    Flat,
    /// ECS JSON with nested objects, as Filebeat writes it.
    Nested,
    /// OTLP protobuf.
    Otlp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Writes spans, logs and metrics.
    #[default]
    Service,
    /// A database or cache: metrics and few logs; seen in its callers' spans.
    Store,
    /// Somebody else's: seen only in its callers' spans.
    Outside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    #[default]
    Go,
    Java,
    Node,
    Python,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// Connections a pod keeps to its store. `demand` counts all users of the pool, of which requests are a part.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub max: u32,
    pub demand: f64,
    pub timeout_ms: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub name: Arc<str>,
    pub kind: Kind,
    pub logs: LogShape,
    pub language: Language,
    pub version: Arc<str>,
    /// Name its callers connect to.
    pub address: Arc<str>,
    /// Product of a store, as spans name it.
    pub system: Option<Arc<str>>,
    pub pods: Range<usize>,
    /// Share of a core used while idle.
    pub cpu: f64,
    pub memory_mib: f64,
    pub memory_limit_mib: f64,
    pub pool: Option<Pool>,
    pub queue: bool,
    /// The first relational database that it asks.
    pub database: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub service: usize,
    pub node: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub operation: usize,
    pub timeout_ms: u32,
    pub retries: u32,
    pub optional: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Work { median_ns: f64 },
    Log { level: Level, text: Arc<str> },
    Noise { level: Level, text: Arc<str>, share: f64 },
    Call(Call),
    Together(Vec<Call>),
    Read { call: Call, hit: f64, miss: usize },
    Send { operation: usize },
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub service: usize,
    pub name: Arc<str>,
    pub statement: Option<Arc<str>>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(super) struct Action {
    pub operation: usize,
    pub path: Arc<str>,
    pub weight: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub operation: usize,
    pub every_s: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub nodes: Vec<Arc<str>>,
    pub services: Vec<Service>,
    pub pods: Vec<Pod>,
    pub operations: Vec<Operation>,
    pub actions: Vec<Action>,
    pub jobs: Vec<Job>,
}

impl Plan {
    /// The shop as shipped.
    pub fn shipped() -> Result<Self, SimulatorError> {
        Self::parse(SHOP)
    }

    pub fn parse(text: &str) -> Result<Self, SimulatorError> {
        Self::of(&toml::from_str(text).map_err(|error| broken(error.to_string()))?)
    }

    pub fn of(file: &ShopFile) -> Result<Self, SimulatorError> {
        if file.nodes.is_empty() {
            return Err(broken("no nodes".to_owned()));
        }
        let (services, pods) = place(file);
        let names: Vec<String> = file.operation.iter().map(|operation| operation.name.clone()).collect();
        let mut plan = Self {
            nodes: file.nodes.iter().map(|name| Arc::from(name.as_str())).collect(),
            services,
            pods,
            operations: Vec::new(),
            actions: Vec::new(),
            jobs: Vec::new(),
        };
        for operation in &file.operation {
            plan.operations.push(resolve(&plan, &names, operation)?);
        }
        for action in &file.action {
            let operation = number_of(&names, &action.operation)?;
            plan.actions.push(Action { operation, path: action.path.as_str().into(), weight: action.weight });
        }
        for job in &file.job {
            plan.jobs.push(Job { operation: number_of(&names, &job.operation)?, every_s: job.every_s.max(1) });
        }
        plan.check_acyclic()?;
        plan.note_databases();
        Ok(plan)
    }

    pub fn service(&self, name: &str) -> Option<usize> {
        self.services.iter().position(|service| &*service.name == name)
    }

    /// Whom a service calls or sends to, each once, in the order of its operations.
    pub fn callees(&self, service: usize) -> Vec<usize> {
        let mut callees = Vec::new();
        for operation in self.operations.iter().filter(|operation| operation.service == service) {
            for target in operation.steps.iter().flat_map(Step::targets) {
                let callee = self.operations[target].service;
                if callee != service && !callees.contains(&callee) {
                    callees.push(callee);
                }
            }
        }
        callees
    }

    /// How long the first call from one service to another waits.
    pub fn timeout_ms(&self, caller: usize, callee: usize) -> Option<u32> {
        let steps = self.operations.iter().filter(|operation| operation.service == caller).flat_map(|operation| &operation.steps);
        let calls = steps.flat_map(|step| match step {
            Step::Call(call) => std::slice::from_ref(call),
            Step::Together(calls) => calls.as_slice(),
            _ => Default::default(),
        });
        calls.filter(|call| self.operations[call.operation].service == callee).map(|call| call.timeout_ms).next()
    }

    /// What hardly any answer of a service that calls nobody exceeds, milliseconds: five thirds of its own work.
    pub fn usual_ms(&self, service: usize) -> f64 {
        let own = |step: &Step| if let Step::Work { median_ns } = step { *median_ns / 1e6 } else { 0.0 };
        let operations = self.operations.iter().filter(|operation| operation.service == service);
        operations.map(|operation| operation.steps.iter().map(own).sum::<f64>()).fold(0.0, f64::max) * 5.0 / 3.0
    }

    fn note_databases(&mut self) {
        for operation in &self.operations {
            let asked = operation.steps.iter().flat_map(Step::targets).map(|target| self.operations[target].service);
            let database = asked.into_iter().find(|service| self.services[*service].system.as_deref() == Some(DATABASE));
            let known = &mut self.services[operation.service].database;
            *known = known.or(database);
        }
    }

    /// A cycle would let one request run for ever.
    fn check_acyclic(&self) -> Result<(), SimulatorError> {
        let mut depth = vec![0_usize; self.operations.len()];
        // Longest paths settle within as many rounds as there are operations, unless there is a cycle.
        for _ in 0..=self.operations.len() {
            let mut changed = false;
            for (index, operation) in self.operations.iter().enumerate() {
                let below = operation.steps.iter().flat_map(Step::targets).map(|target| depth[target] + 1).max().unwrap_or(0);
                changed |= depth[index] != below;
                depth[index] = below;
            }
            if !changed {
                return Ok(());
            }
        }
        Err(broken("operations call each other in a cycle".to_owned()))
    }
}

impl Step {
    pub fn targets(&self) -> Vec<usize> {
        match self {
            Self::Call(call) => vec![call.operation],
            Self::Together(calls) => calls.iter().map(|call| call.operation).collect(),
            Self::Read { call, miss, .. } => vec![call.operation, *miss],
            Self::Send { operation } => vec![*operation],
            Self::Work { .. } | Self::Log { .. } | Self::Noise { .. } => Vec::new(),
        }
    }
}

fn broken(reason: String) -> SimulatorError {
    SimulatorError::Shop(reason)
}

fn number_of(names: &[String], name: &str) -> Result<usize, SimulatorError> {
    names.iter().position(|candidate| candidate == name).ok_or_else(|| broken(format!("no operation {name}")))
}

/// Pods of one service never share a node while there are nodes enough.
fn place(file: &ShopFile) -> (Vec<Service>, Vec<Pod>) {
    let mut pods = Vec::new();
    let mut services = Vec::new();
    for (index, service) in file.service.iter().enumerate() {
        let first = pods.len();
        for number in 0..service.pods {
            pods.push(Pod { service: index, node: (first + number) % file.nodes.len() });
        }
        let address = service.address.clone().unwrap_or_else(|| format!("{}.shop.internal", service.name));
        services.push(Service {
            name: service.name.as_str().into(),
            kind: service.kind,
            logs: service.logs.unwrap_or(LogShape::Nested),
            language: service.language,
            version: service.version.as_str().into(),
            address: address.into(),
            system: service.system.as_deref().map(Arc::from),
            pods: first..pods.len(),
            cpu: service.cpu,
            memory_mib: service.memory_mib,
            memory_limit_mib: service.memory_limit_mib,
            pool: service.pool,
            queue: service.queue,
            database: None,
        });
    }
    (services, pods)
}

fn resolve(plan: &Plan, names: &[String], operation: &OperationFile) -> Result<Operation, SimulatorError> {
    let (service, name) = operation.name.split_once('.').ok_or_else(|| broken(format!("no service in {}", operation.name)))?;
    let service = plan.service(service).ok_or_else(|| broken(format!("no service {service}")))?;
    let steps = operation.steps.iter().map(|step| resolve_step(names, step)).collect::<Result<_, _>>()?;
    Ok(Operation { service, name: name.into(), statement: operation.statement.as_deref().map(Arc::from), steps })
}

fn resolve_step(names: &[String], step: &StepFile) -> Result<Step, SimulatorError> {
    let call = |name: &str, timeout_ms: Option<u32>, retries: u32, optional: bool| {
        number_of(names, name).map(|operation| Call { operation, timeout_ms: timeout_ms.unwrap_or(2000), retries, optional })
    };
    Ok(match step {
        StepFile::Work { work_ms } => Step::Work { median_ns: work_ms * 1e6 },
        StepFile::Log { log, level } => Step::Log { level: *level, text: log.as_str().into() },
        StepFile::Noise { noise, share, level } => Step::Noise { level: *level, text: noise.as_str().into(), share: *share },
        StepFile::Call { call: name, timeout_ms, retries, optional } => Step::Call(call(name, *timeout_ms, *retries, *optional)?),
        StepFile::Together { together, timeout_ms, retries } => {
            Step::Together(together.iter().map(|name| call(name, *timeout_ms, *retries, false)).collect::<Result<_, _>>()?)
        }
        StepFile::Read { read, hit, miss } => {
            Step::Read { call: call(read, Some(500), 0, true)?, hit: *hit, miss: number_of(names, miss)? }
        }
        StepFile::Send { send } => Step::Send { operation: number_of(names, send)? },
    })
}
