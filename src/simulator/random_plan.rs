//! A call graph drawn from chance: doors, layers of services that share callees, databases, caches, outsiders, messages.
//!
//! A call always goes to a deeper layer, so that there is no cycle. Names are neutral random words.

mod operations;
mod words;

use super::chance::Chance;
use super::plan_file::{ActionFile, JobFile, ServiceFile, ShopFile};
use super::topology::{CACHE, DATABASE, Kind, Language, LogShape, Pool};
use operations::Draft;
pub(super) use words::Words;

/// Most layers behind the doors.
const MAX_LAYERS: usize = 6;

/// Who there is, before anybody does anything.
struct Cast {
    services: Vec<ServiceFile>,
    /// Layer of each service, 0 for doors; of stores and outsiders the deepest.
    layers: Vec<usize>,
    deepest: usize,
    doors: Vec<usize>,
    databases: Vec<usize>,
    caches: Vec<usize>,
    outsiders: Vec<usize>,
}

/// Draws a plan of `size` services, stores and outsiders among them; at least one database, one cache and one outsider.
pub(super) fn random_plan(chance: &mut Chance, size: usize, words: &mut Words) -> ShopFile {
    let mut cast = cast(chance, size.max(5), words);
    let drafts = operations::draw(chance, &mut cast, words);
    let pods: usize = cast.services.iter().map(|service| service.pods).sum();
    let nodes = (pods / 10).clamp(3, 40);
    let actions = drafts.iter().filter(|draft| draft.layer == 0 && !draft.alone).map(|draft| action(chance, draft)).collect();
    let job = |draft: &Draft| JobFile { operation: draft.file.name.clone(), every_s: 60 + 30 * (draft.file.name.len() as i64 % 8) };
    let jobs = drafts.iter().filter(|draft| draft.alone).map(job).collect();
    ShopFile {
        nodes: (1..=nodes).map(|number| format!("node-{number}")).collect(),
        service: cast.services,
        operation: drafts.into_iter().map(|draft| draft.file).collect(),
        action: actions,
        job: jobs,
    }
}

impl ShopFile {
    /// Two plans side by side on the same hosts; nobody of one calls anybody of the other.
    pub fn beside(mut self, other: Self) -> Self {
        if other.nodes.len() > self.nodes.len() {
            self.nodes = other.nodes;
        }
        self.service.extend(other.service);
        self.operation.extend(other.operation);
        self.action.extend(other.action);
        self.job.extend(other.job);
        self
    }
}

fn action(chance: &mut Chance, draft: &Draft) -> ActionFile {
    let path = draft.file.name.split(' ').next_back().unwrap_or("/").to_owned();
    // Some things are done twenty times as often as others.
    let weight = (100.0 * 20.0_f64.powf(chance.unit())) as u32;
    ActionFile { operation: draft.file.name.clone(), path, weight }
}

fn cast(chance: &mut Chance, size: usize, words: &mut Words) -> Cast {
    let few = |share: f64| ((size as f64 * share).round() as usize).max(1);
    let (databases, caches, outsiders) = (few(0.07), few(0.04), few(0.03));
    let serving = size - databases - caches - outsiders;
    let doors = (serving / 40).clamp(1, 3);
    let deepest = ((serving as f64).log2() * 0.8).round().clamp(1.0, MAX_LAYERS as f64) as usize;
    let mut cast = Cast {
        services: Vec::new(),
        layers: Vec::new(),
        deepest: deepest + 1,
        doors: Vec::new(),
        databases: Vec::new(),
        caches: Vec::new(),
        outsiders: Vec::new(),
    };
    for number in 0..serving {
        let layer = match number {
            door if door < doors => 0,
            // Each layer has somebody; the rest stand where they fall.
            first if first - doors < deepest => first - doors + 1,
            _ => 1 + chance.below(deepest),
        };
        if layer == 0 {
            cast.doors.push(number);
        }
        cast.services.push(service(chance, words.name()));
        cast.layers.push(layer);
    }
    for _ in 0..databases {
        cast.databases.push(cast.services.len());
        cast.push_store(store(chance, words.name(), DATABASE, 1));
    }
    for _ in 0..caches {
        cast.caches.push(cast.services.len());
        let pods = 2 + chance.below(2);
        cast.push_store(store(chance, words.name(), CACHE, pods));
    }
    for _ in 0..outsiders {
        cast.outsiders.push(cast.services.len());
        let name = words.name();
        let address = Some(format!("api.{name}.example"));
        cast.push_store(ServiceFile { name, kind: Kind::Outside, address, ..ServiceFile::default() });
    }
    cast
}

impl Cast {
    fn push_store(&mut self, store: ServiceFile) {
        self.services.push(store);
        self.layers.push(self.deepest);
    }
}

fn service(chance: &mut Chance, name: String) -> ServiceFile {
    let memory_mib = 100.0 * 8.0_f64.powf(chance.unit());
    let max = 20 + chance.below(41) as u32;
    ServiceFile {
        name,
        logs: Some([LogShape::Flat, LogShape::Nested, LogShape::Otlp][chance.below(3)]),
        language: [Language::Go, Language::Java, Language::Node, Language::Python][chance.below(4)],
        pods: [1, 2, 2, 2, 3][chance.below(5)],
        version: version(chance),
        cpu: 0.03 + 0.1 * chance.unit(),
        memory_mib,
        memory_limit_mib: memory_mib / (0.45 + 0.25 * chance.unit()),
        // Taken away again from those who ask no database.
        pool: Some(Pool { max, demand: (f64::from(max) * (0.25 + 0.2 * chance.unit())).round(), timeout_ms: 1500 }),
        ..ServiceFile::default()
    }
}

fn store(chance: &mut Chance, name: String, system: &str, pods: usize) -> ServiceFile {
    let memory_mib = 1000.0 + 3000.0 * chance.unit();
    ServiceFile {
        name,
        kind: Kind::Store,
        logs: Some(LogShape::Nested),
        pods,
        version: version(chance),
        system: Some(system.to_owned()),
        cpu: 0.08 + 0.1 * chance.unit(),
        memory_mib,
        memory_limit_mib: 2.5 * memory_mib,
        ..ServiceFile::default()
    }
}

fn version(chance: &mut Chance) -> String {
    format!("{}.{}.{}", 1 + chance.below(6), chance.below(40), chance.below(10))
}
