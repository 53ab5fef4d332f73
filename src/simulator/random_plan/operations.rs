//! What the drawn services do, and whom they call.

use std::collections::BTreeMap;

use super::Cast;
use super::words::Words;
use crate::simulator::chance::Chance;
use crate::simulator::plan_file::{OperationFile, StepFile};
use crate::simulator::topology::Level;

/// Operations that one request may set in motion below one of its own.
const MAX_COST: f64 = 20.0;
/// Ladder of timeouts that people choose from, milliseconds.
const TIMEOUTS_MS: [u32; 10] = [300, 500, 800, 1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 12_000];
/// A timeout is the first of the ladder above so many times the usual duration.
const PATIENCE: f64 = 12.0;
/// Milliseconds on the wire, there and back.
const WIRE_MS: f64 = 0.6;

/// One operation before its timeouts are known.
pub(super) struct Draft {
    pub file: OperationFile,
    pub service: usize,
    pub layer: usize,
    /// Runs by itself, now and then.
    pub alone: bool,
    role: Role,
    /// Operations set in motion by it, itself among them.
    cost: f64,
    mean_ms: f64,
    called: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Called, or the door's.
    Serves,
    /// What a service does itself when its cache does not have it.
    Miss,
    /// Takes messages.
    Takes,
    /// A store's or an outsider's.
    Below,
}

struct Drawing<'a> {
    chance: &'a mut Chance,
    cast: &'a mut Cast,
    words: &'a mut Words,
    drafts: Vec<Draft>,
    /// Operations by name.
    known: BTreeMap<String, usize>,
    /// How readily others call each service.
    popularity: Vec<f64>,
}

/// Draws all operations, the deepest first.
pub(super) fn draw(chance: &mut Chance, cast: &mut Cast, words: &mut Words) -> Vec<Draft> {
    let popularity = (0..cast.services.len()).map(|_| chance.log_normal(1e6, 0.8) as f64 / 1e6).collect();
    let mut drawing = Drawing { chance, cast, words, drafts: Vec::new(), known: BTreeMap::new(), popularity };
    drawing.stores();
    for layer in (0..drawing.cast.deepest).rev() {
        for service in (0..drawing.cast.services.len()).filter(|service| drawing.cast.layers[*service] == layer).collect::<Vec<_>>() {
            drawing.service(service, layer);
        }
    }
    drawing.attach_the_uncalled();
    drawing.set_timeouts();
    let Drawing { cast, drafts, .. } = drawing;
    let databases: Vec<String> = cast.databases.iter().map(|database| cast.services[*database].name.clone()).collect();
    for (service, file) in cast.services.iter_mut().enumerate() {
        let asked = drafts.iter().filter(|draft| draft.service == service).flat_map(|draft| names(&draft.file.steps));
        let asks_one = asked.filter_map(|name| name.split('.').next()).any(|name| databases.iter().any(|database| database == name));
        file.pool = file.pool.filter(|_| asks_one);
    }
    drafts
}

impl Drawing<'_> {
    /// A number around `median` whose logarithm is normal, within limits.
    fn around(&mut self, median: f64, sigma: f64, low: f64, high: f64) -> f64 {
        let drawn = self.chance.log_normal(median * 1e6, sigma) as f64 / 1e6;
        (drawn.clamp(low, high) * 100.0).round() / 100.0
    }

    fn push(&mut self, service: usize, name: &str, statement: Option<String>, steps: Vec<StepFile>, role: Role) -> usize {
        let name = format!("{}.{name}", self.cast.services[service].name);
        let layer = self.cast.layers[service];
        let mut draft = Draft {
            file: OperationFile { name, statement, steps },
            service,
            layer,
            alone: false,
            role,
            cost: 0.0,
            mean_ms: 0.0,
            called: false,
        };
        (draft.cost, draft.mean_ms) = self.measure(&draft.file.steps);
        self.known.insert(draft.file.name.clone(), self.drafts.len());
        self.drafts.push(draft);
        self.drafts.len() - 1
    }

    /// Operations set in motion and milliseconds of these steps.
    fn measure(&self, steps: &[StepFile]) -> (f64, f64) {
        let of = |name: &String| self.known.get(name).map_or((1.0, 1.0), |draft| (self.drafts[*draft].cost, self.drafts[*draft].mean_ms));
        steps.iter().fold((1.0, 0.0), |(cost, ms), step| match step {
            StepFile::Work { work_ms } => (cost, ms + work_ms),
            StepFile::Log { .. } | StepFile::Noise { .. } => (cost, ms),
            StepFile::Call { call, .. } => (cost + of(call).0, ms + of(call).1 + WIRE_MS),
            StepFile::Together { together, .. } => {
                let most = together.iter().map(|name| of(name).1).fold(0.0, f64::max);
                (cost + together.iter().map(|name| of(name).0).sum::<f64>(), ms + most + WIRE_MS)
            }
            StepFile::Read { hit, miss, .. } => (cost + 1.0 + (1.0 - hit) * of(miss).0, ms + 1.0 + (1.0 - hit) * of(miss).1),
            StepFile::Send { send } => (cost + of(send).0, ms + 1.0),
        })
    }

    fn stores(&mut self) {
        for database in self.cast.databases.clone() {
            for _ in 0..2 + self.chance.below(3) {
                let (table, work_ms) = (self.words.word(), self.around(3.0, 0.6, 0.8, 30.0));
                let (name, statement) = if self.chance.happens(0.7) {
                    (format!("SELECT {table}"), format!("SELECT id, state FROM {table} WHERE id = $1"))
                } else {
                    (format!("UPDATE {table}"), format!("UPDATE {table} SET state = $2 WHERE id = $1"))
                };
                self.push(database, &name, Some(statement), vec![StepFile::Work { work_ms }], Role::Below);
            }
        }
        for cache in self.cast.caches.clone() {
            for name in ["GET", "SET"] {
                let work_ms = self.around(0.4, 0.2, 0.2, 0.8);
                self.push(cache, name, None, vec![StepFile::Work { work_ms }], Role::Below);
            }
        }
        for outsider in self.cast.outsiders.clone() {
            let (path, work_ms) = (self.words.word(), self.around(90.0, 0.5, 30.0, 300.0));
            self.push(outsider, &format!("POST /v1/{path}"), None, vec![StepFile::Work { work_ms }], Role::Below);
        }
    }

    fn service(&mut self, service: usize, layer: usize) {
        let serving = self.cast.layers.iter().filter(|layer| **layer < self.cast.deepest).count();
        // Each kind of partner has at least one user: the first services behind the door.
        let number = service.saturating_sub(self.cast.doors.len());
        let first = layer > 0 && number < 1;
        let database = (layer > 0 && (self.chance.happens(0.35) || first)).then(|| self.one_of(&self.cast.databases.clone()));
        let cache = (layer > 0 && (self.chance.happens(0.25) || first)).then(|| self.one_of(&self.cast.caches.clone()));
        let outsider = (layer > 0 && (self.chance.happens(0.08) || first)).then(|| self.one_of(&self.cast.outsiders.clone()));
        let count = match layer {
            0 => (serving / 5 / self.cast.doors.len()).clamp(2, 10),
            _ if serving <= 60 => 1 + self.chance.below(3),
            _ => 1 + self.chance.below(2),
        };
        for turn in 0..count {
            let partners = Partners {
                database: database.filter(|_| turn == 0 || self.chance.happens(0.5)),
                cache: cache.filter(|_| turn == 0 || self.chance.happens(0.4)),
                outsider: outsider.filter(|_| turn == 0),
            };
            self.operation(service, layer, &partners);
        }
        if layer > 0 && self.chance.happens(0.12) {
            let (work_ms, word) = (self.around(40.0, 0.6, 10.0, 200.0), self.words.word());
            let steps = vec![
                StepFile::Work { work_ms },
                StepFile::Log { log: format!("Swept {{n}} {word} records in {{ms}} ms"), level: Level::Info },
            ];
            let noun = self.words.noun();
            let job = self.push(service, &format!("Sweep{noun}"), None, steps, Role::Miss);
            self.drafts[job].alone = true;
        }
        if layer > 1 && self.chance.happens(0.2) {
            let steps = vec![
                StepFile::Work { work_ms: self.around(15.0, 0.7, 2.0, 80.0) },
                StepFile::Log { log: format!("{} for order {{order}} handled", self.words.noun()), level: Level::Info },
            ];
            let noun = self.words.noun();
            self.push(service, &format!("Send{noun}"), None, steps, Role::Takes);
            self.cast.services[service].queue = true;
        }
    }

    fn one_of(&mut self, among: &[usize]) -> usize {
        among[self.chance.below(among.len())]
    }

    fn operation(&mut self, service: usize, layer: usize, partners: &Partners) {
        let (verb, noun) = (self.words.verb(), self.words.noun());
        let mut steps = Vec::new();
        if self.chance.happens(0.4) {
            steps.push(StepFile::Log { log: format!("{verb} {noun} for user {{user}}"), level: Level::Info });
        }
        steps.push(StepFile::Work { work_ms: self.around(3.0, 1.1, 0.3, 80.0) });
        if let Some(cache) = partners.cache {
            let miss = self.miss(service, partners.database);
            steps.push(StepFile::Read {
                read: format!("{}.GET", self.cast.services[cache].name),
                hit: 0.85 + 0.13 * self.chance.unit(),
                miss,
            });
        }
        let beside_the_cache = self.chance.happens(0.5);
        if let Some(database) = partners.database.filter(|_| partners.cache.is_none() || beside_the_cache) {
            let call = self.operation_of(database);
            steps.push(call_step(call, 0, false));
        }
        self.calls(layer, service, &mut steps);
        if let Some(outsider) = partners.outsider {
            let call = self.operation_of(outsider);
            steps.push(call_step(call, 0, false));
        }
        if self.chance.happens(0.3) {
            let level = if self.chance.happens(0.7) { Level::Warn } else { Level::Error };
            let noise = format!("{} of {} {{sku}} is stale, going on", self.words.noun(), self.words.word());
            steps.push(StepFile::Noise { noise, share: 0.003 * 10.0_f64.powf(self.chance.unit()), level });
        }
        if self.chance.happens(0.5) {
            steps.push(StepFile::Work { work_ms: self.around(0.8, 0.6, 0.2, 5.0) });
        }
        if self.chance.happens(0.5) {
            steps.push(StepFile::Log { log: format!("{noun} of {{order}} done in {{ms}} ms"), level: Level::Info });
        }
        let name = match layer {
            0 => format!("{} /{}", if self.chance.happens(0.7) { "GET" } else { "POST" }, noun.to_lowercase()),
            _ => format!("{verb}{noun}"),
        };
        self.push(service, &name, None, steps, Role::Serves);
    }

    fn miss(&mut self, service: usize, database: Option<usize>) -> String {
        let noun = self.words.noun();
        let mut steps = vec![StepFile::Log { log: format!("{noun} {{sku}} not cached, loading"), level: Level::Info }];
        match database {
            Some(database) => {
                let call = self.operation_of(database);
                steps.push(call_step(call, 0, false));
            }
            None => steps.push(StepFile::Work { work_ms: self.around(12.0, 0.5, 4.0, 40.0) }),
        }
        let miss = self.push(service, &format!("Load{noun}"), None, steps, Role::Miss);
        self.drafts[miss].file.name.clone()
    }

    fn operation_of(&mut self, service: usize) -> String {
        let of: Vec<usize> = (0..self.drafts.len()).filter(|draft| self.drafts[*draft].service == service).collect();
        self.drafts[of[self.chance.below(of.len())]].file.name.clone()
    }

    /// Calls to deeper layers: one after another, or some of them together; and now and then a message.
    fn calls(&mut self, layer: usize, service: usize, steps: &mut Vec<StepFile>) {
        let wanted = if layer == 0 { 1 + self.chance.below(3) } else { [0, 1, 1, 2, 3][self.chance.below(5)] };
        let mut room = MAX_COST - self.measure(steps).0;
        let mut chosen: Vec<String> = Vec::new();
        for _ in 0..wanted {
            let Some(callee) = self.callee(layer, service, room).filter(|callee| !chosen.contains(&self.drafts[*callee].file.name)) else {
                continue;
            };
            room -= self.drafts[callee].cost;
            self.drafts[callee].called = true;
            chosen.push(self.drafts[callee].file.name.clone());
        }
        let together = chosen.len() > 1 && self.chance.happens(0.3);
        let retries = u32::from(self.chance.happens(0.3));
        if together {
            steps.push(StepFile::Together { together: chosen, timeout_ms: None, retries });
        } else {
            for call in chosen {
                let optional = self.chance.happens(0.12);
                steps.push(call_step(call, retries, optional));
            }
        }
        let takers: Vec<usize> =
            (0..self.drafts.len()).filter(|draft| self.drafts[*draft].role == Role::Takes && self.drafts[*draft].layer > layer).collect();
        if layer > 0 && !takers.is_empty() && self.chance.happens(0.15) {
            let taker = takers[self.chance.below(takers.len())];
            self.drafts[taker].called = true;
            steps.push(StepFile::Send { send: self.drafts[taker].file.name.clone() });
        }
    }

    /// Somebody deeper: often one that nobody calls yet, else a popular one.
    fn callee(&mut self, layer: usize, service: usize, room: f64) -> Option<usize> {
        let fits = |draft: &Draft| draft.role == Role::Serves && draft.layer > layer && draft.service != service && draft.cost <= room;
        let all: Vec<usize> = (0..self.drafts.len()).filter(|draft| fits(&self.drafts[*draft])).collect();
        let next: Vec<usize> =
            all.iter().copied().filter(|draft| !self.drafts[*draft].called && self.drafts[*draft].layer == layer + 1).collect();
        if !next.is_empty() && self.chance.happens(0.6) {
            return Some(next[self.chance.below(next.len())]);
        }
        let total: f64 = all.iter().map(|draft| self.popularity[self.drafts[*draft].service]).sum();
        let mut drawn = self.chance.unit() * total;
        all.iter().copied().find(|draft| {
            drawn -= self.popularity[self.drafts[*draft].service];
            drawn < 0.0
        })
    }

    /// What nobody calls yet is called by whoever above it does least.
    fn attach_the_uncalled(&mut self) {
        for callee in 0..self.drafts.len() {
            let draft = &self.drafts[callee];
            if draft.called || draft.layer == 0 || !matches!(draft.role, Role::Serves | Role::Takes) {
                continue;
            }
            let (layer, service, takes, name) = (draft.layer, draft.service, draft.role == Role::Takes, draft.file.name.clone());
            let may_call = |draft: &Draft| draft.role == Role::Serves && draft.layer < layer && draft.service != service;
            let candidates = (0..self.drafts.len()).filter(|caller| may_call(&self.drafts[*caller]));
            let Some(caller) = candidates.min_by(|a, b| self.drafts[*a].cost.total_cmp(&self.drafts[*b].cost)) else { continue };
            let step = if takes { StepFile::Send { send: name } } else { call_step(name, 0, false) };
            self.drafts[callee].called = true;
            let steps = &mut self.drafts[caller].file.steps;
            let last = steps.iter().rposition(|step| !matches!(step, StepFile::Log { .. })).map_or(0, |last| last + 1);
            steps.insert(last, step);
            // Who calls the caller costs more as well; the deepest stand first.
            for draft in 0..self.drafts.len() {
                (self.drafts[draft].cost, self.drafts[draft].mean_ms) = self.measure(&self.drafts[draft].file.steps);
            }
        }
    }

    fn set_timeouts(&mut self) {
        for draft in 0..self.drafts.len() {
            let mut steps = std::mem::take(&mut self.drafts[draft].file.steps);
            for step in &mut steps {
                let (slowest, timeout_ms) = match step {
                    StepFile::Call { call, timeout_ms, .. } => (self.measure(&[call_step(call.clone(), 0, false)]).1, timeout_ms),
                    StepFile::Together { together, timeout_ms, .. } => {
                        let ms = |name: &String| self.measure(&[call_step(name.clone(), 0, false)]).1;
                        (together.iter().map(ms).fold(0.0, f64::max), timeout_ms)
                    }
                    _ => continue,
                };
                *timeout_ms = Some(TIMEOUTS_MS.into_iter().find(|ms| f64::from(*ms) >= PATIENCE * slowest).unwrap_or(12_000));
            }
            self.drafts[draft].file.steps = steps;
        }
    }
}

struct Partners {
    database: Option<usize>,
    cache: Option<usize>,
    outsider: Option<usize>,
}

const fn call_step(call: String, retries: u32, optional: bool) -> StepFile {
    StepFile::Call { call, timeout_ms: None, retries, optional }
}

/// Names of the operations that steps ask for.
fn names(steps: &[StepFile]) -> Vec<&str> {
    steps
        .iter()
        .flat_map(|step| match step {
            StepFile::Call { call, .. } => vec![call.as_str()],
            StepFile::Together { together, .. } => together.iter().map(String::as_str).collect(),
            StepFile::Read { read, miss, .. } => vec![read.as_str(), miss.as_str()],
            StepFile::Send { send } => vec![send.as_str()],
            StepFile::Work { .. } | StepFile::Log { .. } | StepFile::Noise { .. } => Vec::new(),
        })
        .collect()
}
