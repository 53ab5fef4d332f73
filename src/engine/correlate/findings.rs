//! A case → what the page shows.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::CorrelateOptions;
use super::case::Case;
use super::investigator::DRIFT;
use super::node::Node;
use super::sentences;
use crate::engine::rank::{
    CallGraph, Candidates, Change, ChangeContext, Local, Outside, RankedService, ServiceNames, Surge, Wording, change_suspects,
    outside_cause, rank_changes, rank_services, service_suspects,
};
use crate::model::investigation::EngineFindings;
use crate::model::signal::Signal;
use crate::model::suspect::{Suspect, SuspectKind, Verdict};
use crate::model::view::{GraphEdge, GraphNode, ServiceGraph};
use crate::model::{Severity, Timestamp};

/// Signals shown of an investigation.
const MAX_SIGNALS: usize = 40;
/// Changes this long before the onset are candidates, seconds (24 h).
pub const CANDIDATE_S: i64 = 86_400;
/// Changes linked as considered: so many of the most suspect.
pub const CONSIDERED: usize = 5;
/// A provider's trouble began at most so long before or after the onset, seconds.
const STATUS_TOLERANCE_S: f64 = 900.0;
/// A surge that explains it came at most so long after the onset, seconds.
const SURGE_WITHIN_S: f64 = 180.0;
/// Below this the page says "not sure".
const SURE: f64 = 0.5;

/// Services shown as still learning.
const MAX_LEARNING: usize = 20;

/// What of the world all cases of an environment are judged with at one close.
pub struct World<'a> {
    options: &'a CorrelateOptions,
    services: Vec<&'a str>,
    learning: Vec<String>,
    graph: &'a CallGraph,
    changes: Vec<&'a Change>,
    now: Timestamp,
    /// Of `services`; seldom asked for.
    names: OnceCell<ServiceNames>,
    /// Of the changes in time for one onset, by their number: mostly the same ones for all cases.
    candidates: RefCell<BTreeMap<usize, Rc<Candidates<'a>>>>,
}

impl<'a> World<'a> {
    pub fn new(
        options: &'a CorrelateOptions,
        nodes: impl Iterator<Item = &'a Node>,
        graph: &'a CallGraph,
        changes: Vec<&'a Change>,
        now: Timestamp,
    ) -> Self {
        let (mut services, mut learning) = (Vec::new(), Vec::new());
        for node in nodes {
            services.push(node.name.service.as_str());
            if learning.len() < MAX_LEARNING && node.learning_until.is_some_and(|until| until > now) {
                learning.push(node.name.service.clone());
            }
        }
        Self { options, services, learning, graph, changes, now, names: OnceCell::new(), candidates: RefCell::default() }
    }

    /// Changes that may be the cause of what began then.
    fn candidates(&self, onset: Timestamp) -> Rc<Candidates<'a>> {
        let earliest = onset.plus_seconds(-CANDIDATE_S);
        let in_time = |change: &&Change| change.at() >= earliest && change.at() <= self.now && !change.is_provider_status();
        // They are ordered by time: equally many are the same.
        let changes: Vec<&Change> = self.changes.iter().copied().filter(in_time).collect();
        let mut known = self.candidates.borrow_mut();
        Rc::clone(known.entry(changes.len()).or_insert_with(|| Rc::new(Candidates::of(&changes))))
    }

    fn is_ours(&self, name: &str) -> bool {
        self.names.get_or_init(|| ServiceNames::new(self.services.iter().copied())).has(name)
    }
}

/// Both rankings of one case.
pub struct Ranking {
    pub services: Vec<RankedService>,
    pub local: BTreeMap<String, Local>,
    pub suspects: Vec<Suspect>,
    /// Event ids of the changes considered, most suspect first.
    pub considered: Vec<(String, String)>,
}

/// Ranks services and changes for given evidence.
pub fn rank(
    local: BTreeMap<String, Local>,
    texts: &BTreeMap<String, BTreeSet<String>>,
    onset: Timestamp,
    surge: Option<&Surge>,
    world: &World<'_>,
) -> Ranking {
    let services = rank_services(&local, world.graph);
    let hot: Vec<String> = services.iter().map(|ranked| ranked.service.clone()).collect();
    let signals = local.values().flat_map(|local| local.signals.values());
    let new = signals.filter(|signal| signal.detector != "metric").flat_map(|signal| [signal.key.as_str(), signal.sentence.as_str()]);
    let metrics = local.values().flat_map(|local| local.signals.get("metric")).map(|signal| signal.key.as_str());
    let wording = Wording::of(new.chain(metrics).chain(texts.values().flatten().map(String::as_str)));
    let outside = provider_trouble(onset, world).unwrap_or_else(|| outside(&hot, texts, surge, world));
    let drift = |(service, local): (&String, &Local)| Some((service.clone(), local.signals.get(DRIFT)?.onset));
    let drifts: BTreeMap<String, Timestamp> = local.iter().filter_map(drift).collect();
    let context = ChangeContext {
        without: world.options.without,
        onset,
        drifts: &drifts,
        hot: &hot,
        graph: world.graph,
        wording: &wording,
        outside: &outside,
    };
    let candidates = world.candidates(onset);
    let ranked = rank_changes(&candidates, &context);
    let mut suspects = service_suspects(&services, &local);
    let changes = change_suspects(&ranked, &candidates, &context);
    let considered =
        changes.iter().filter_map(|suspect| Some((suspect.event_id.clone()?, suspect.sentence.clone()))).take(CONSIDERED).collect();
    suspects.extend(changes);
    Ranking { services, local, suspects, considered }
}

/// A rate of requests that metrics tell of, and that rose at an entry service as it began.
fn told_surge(case: &Case, graph: &CallGraph) -> Option<Surge> {
    let is_rate = |name: &str| {
        let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
        name.contains("requests_per") || name.contains("request_rate") || words.any(|word| matches!(word, "rps" | "qps"))
    };
    let at_entry = case.signals.iter().filter(|(service, _)| graph.callers(service).next().is_none());
    let rates = at_entry.filter_map(|(service, signals)| Some((service, signals.get("metric")?)));
    let early = |signal: &Signal| signal.onset.seconds_since(case.started_at) <= SURGE_WITHIN_S;
    let rises = rates.filter(|(_, signal)| is_rate(&signal.key.to_ascii_lowercase()) && early(signal));
    let surge = |(service, signal): (&String, &Signal)| {
        Some(Surge { service: service.clone(), before: signal.facts.value_before?, now: signal.facts.value_now? })
    };
    rises.filter_map(surge).find(|surge| surge.now >= 1.5 * surge.before)
}

/// What a provider's status feed says began when this did.
fn provider_trouble(onset: Timestamp, world: &World<'_>) -> Option<Outside> {
    let near = |change: &&&Change| change.is_provider_status() && change.at().seconds_since(onset).abs() <= STATUS_TOLERANCE_S;
    let reported = world.changes.iter().filter(near).min_by_key(|change| (change.at(), &change.facts.event_id))?;
    let clock = reported.at().to_string();
    let sentence = format!("a provider reports since {}: {}", clock.get(11..16).unwrap_or_default(), reported.title);
    Some(Outside { strength: 1.0, sentence })
}

fn outside(hot: &[String], texts: &BTreeMap<String, BTreeSet<String>>, surge: Option<&Surge>, world: &World<'_>) -> Outside {
    let Some(first) = hot.first() else { return Outside::default() };
    let mine: Vec<&str> = texts.get(first).filter(|texts| !texts.is_empty()).into_iter().flatten().map(String::as_str).collect();
    let all: Vec<&str> = if mine.is_empty() { texts.values().flatten().map(String::as_str).collect() } else { mine };
    outside_cause(first, &all, &|name| world.is_ours(name), surge)
}

/// A person's verdict re-weights the ranking: confirmed first, refuted last.
fn apply_verdicts(suspects: &mut [Suspect], verdicts: &BTreeMap<String, Verdict>) {
    if verdicts.is_empty() {
        return;
    }
    let place = |suspect: &Suspect| match verdicts.get(&suspect.id) {
        Some(Verdict::Confirmed) => 0,
        Some(Verdict::Refuted) => 2,
        _ => 1,
    };
    let is_service = |suspect: &Suspect| suspect.kind == SuspectKind::Service;
    suspects.sort_by(|left, right| {
        is_service(right).cmp(&is_service(left)).then(place(left).cmp(&place(right))).then(left.rank.cmp(&right.rank))
    });
    let (mut services, mut changes) = (0, 0);
    for suspect in suspects {
        let rank = if is_service(suspect) { &mut services } else { &mut changes };
        *rank += 1;
        suspect.rank = *rank;
    }
}

/// How often the first service was the cause, by how clearly it leads: made call graphs of seeds 1001 to 1100, told and
/// unaided, by hand made even and never above 97 %, as nobody's own system is made.
const RIGHT: [(f64, f64); 7] = [(0.0, 0.1), (0.1, 0.3), (0.2, 0.52), (0.3, 0.72), (0.4, 0.88), (0.5, 0.95), (1.0, 0.97)];

/// Between the points of [`RIGHT`], a straight line.
fn calibrated(clearness: f64) -> f64 {
    let after = RIGHT.iter().position(|(at, _)| *at >= clearness).unwrap_or(RIGHT.len() - 1);
    let Some(((from, low), (to, high))) = after.checked_sub(1).map(|before| (RIGHT[before], RIGHT[after])) else { return RIGHT[0].1 };
    low + (high - low) * ((clearness - from) / (to - from)).clamp(0.0, 1.0)
}

/// Confidence that the first service is the cause: its score, times .4 plus .6 of how clearly it leads the second
/// (0 when level, 1 when the second has nothing), and how often that was right. 0 without any.
fn confidence(suspects: &[Suspect]) -> f64 {
    let mut scores = suspects.iter().filter(|suspect| suspect.kind == SuspectKind::Service).map(|suspect| suspect.score);
    let first = scores.next().unwrap_or(0.0);
    let second = scores.next().unwrap_or(0.0);
    if first <= 0.0 {
        return 0.0;
    }
    let lead = 2.0 * first / (first + second) - 1.0;
    (calibrated((first * (0.4 + 0.6 * lead)).clamp(0.0, 1.0)) * 100.0).round() / 100.0
}

/// The whole findings of a case, without revision and links.
pub fn findings(case: &Case, world: &World<'_>) -> (EngineFindings, Vec<(String, String)>) {
    let surge = case.surge.as_ref().map(|(service, before, now)| Surge { service: service.clone(), before: *before, now: *now });
    let surge = surge.or_else(|| told_surge(case, world.graph));
    let mut ranking = rank(case.local(), &case.texts, case.started_at, surge.as_ref(), world);
    apply_verdicts(&mut ranking.suspects, &case.verdicts);
    let signals = shown_signals(case, world.options.weak);
    let symptom_signal = signals.iter().min_by(|left, right| {
        let near = sentences::nearness(left).cmp(&sentences::nearness(right));
        near.then(right.rank_surprise.total_cmp(&left.rank_surprise)).then(left.service.cmp(&right.service))
    });
    let symptom = match symptom_signal {
        Some(signal) => sentences::symptom(signal),
        None if case.told => case.because.clone(),
        None => format!("{} behaves differently", case.first_service),
    };
    let confidence = confidence(&ranking.suspects);
    let where_sentence = ranking
        .services
        .first()
        .and_then(|first| Some(sentences::where_sentence(first, ranking.local.get(&first.service)?, ranking.services.len())))
        .unwrap_or_else(|| "No service shows evidence yet.".to_owned());
    let findings = EngineFindings {
        id: case.id.clone(),
        revision: case.revision,
        environment: case.environment.clone(),
        headline: sentences::headline(&symptom, case, &ranking.suspects, confidence >= SURE),
        symptom,
        where_sentence,
        impact_severity: severity(&signals),
        service_affected: case.first_service.clone(),
        hot_services: ranking.services.iter().map(|ranked| ranked.service.clone()).collect(),
        services_total: u32::try_from(world.services.len()).unwrap_or(u32::MAX),
        detected_at: case.detected_at,
        started_at: case.started_at,
        recovered_at: case.recovered_at,
        merged_into: case.merged_into.clone(),
        updated_at: case.updated_at,
        confidence,
        opened_because: case.because.clone(),
        opened_families: case.families.clone(),
        opened_by: case.opened_by.iter().cloned().collect(),
        graph: graph(case, &ranking, world),
        suspects: ranking.suspects,
        signals,
        learning: world.learning.clone(),
        new_links: Vec::new(),
    };
    (findings, ranking.considered)
}

fn shown_signals(case: &Case, weak: f64) -> Vec<Signal> {
    let mut signals: Vec<Signal> = case
        .signals
        .iter()
        .filter(|(service, _)| case.members.contains_key(*service))
        .flat_map(|(_, signals)| signals.values())
        .filter(|signal| signal.surprise >= weak)
        .cloned()
        .collect();
    signals.sort_by(|left, right| {
        let strength = right.rank_surprise.total_cmp(&left.rank_surprise);
        strength.then(left.service.cmp(&right.service)).then(left.detector.cmp(&right.detector)).then(left.key.cmp(&right.key))
    });
    signals.truncate(MAX_SIGNALS);
    signals
}

/// By what users lose: a fifth of the requests failing is critical, a twentieth high; slowness and others by strength.
fn severity(signals: &[Signal]) -> Severity {
    let share = |signal: &Signal| signal.facts.hits_now / signal.facts.cases_now.max(1.0);
    let failing = signals.iter().filter(|signal| signal.detector == "failures").map(share).fold(0.0, f64::max);
    let strongest = signals.iter().map(|signal| signal.surprise).fold(0.0, f64::max);
    match () {
        () if failing >= 0.2 => Severity::Critical,
        () if failing >= 0.05 || strongest >= 20.0 => Severity::High,
        () if strongest >= 8.0 => Severity::Medium,
        () => Severity::Low,
    }
}

/// Hot services, and what the first suspect calls and who calls it: all neighbours of all of them is more than one can read.
fn graph(case: &Case, ranking: &Ranking, world: &World<'_>) -> ServiceGraph {
    let ranked: BTreeMap<&String, &RankedService> = ranking.services.iter().map(|ranked| (&ranked.service, ranked)).collect();
    let mut shown: BTreeSet<&String> = case.members.keys().collect();
    if let Some(first) = ranking.services.first() {
        shown.extend(world.graph.callees(&first.service).map(|(callee, _)| callee));
        shown.extend(world.graph.callers(&first.service));
        shown.extend(world.graph.named(&first.service).chain(world.graph.named_by(&first.service)));
    }
    let nodes = shown.iter().map(|service| graph_node(service, case, ranked.get(*service).copied(), ranking.local.get(*service))).collect();
    let hot = |caller: &String, callee: &String| ranked.contains_key(caller) && ranked.contains_key(callee);
    let named = shown.iter().flat_map(|caller| world.graph.named(caller).map(move |callee| (*caller, callee)));
    let is_called = |caller: &String, callee: &String| case.edges.get(&(caller.clone(), callee.clone())).is_some_and(|sums| sums.0 > 0);
    let named = named.filter(|(caller, callee)| shown.contains(callee) && !is_called(caller, callee));
    let named = named.map(|(caller, callee)| GraphEdge {
        caller: caller.clone(),
        callee: callee.clone(),
        calls: 0,
        failed: 0,
        mean_ms: 0.0,
        hot: hot(caller, callee),
        label: "named in error lines".to_owned(),
        weak: true,
    });
    let called = case.edges.iter().filter(|((caller, callee), sums)| shown.contains(caller) && shown.contains(callee) && sums.0 > 0).map(
        |((caller, callee), (calls, failed, ns))| GraphEdge {
            caller: caller.clone(),
            callee: callee.clone(),
            calls: *calls,
            failed: *failed,
            mean_ms: (*ns as f64 / 1e6 / (*calls).max(1) as f64 * 100.0).round() / 100.0,
            hot: hot(caller, callee),
            label: if *failed > 0 { format!("{failed} of {calls} failed") } else { String::new() },
            weak: false,
        },
    );
    let edges = called.chain(named).collect();
    ServiceGraph { nodes, edges }
}

fn graph_node(service: &str, case: &Case, ranked: Option<&RankedService>, local: Option<&Local>) -> GraphNode {
    let onset = local.and_then(|local| local.signals.values().map(|signal| signal.onset).min());
    let (own_excess, unit) = match ranked {
        Some(ranked) if ranked.own_failures >= 1.0 => (ranked.own_failures, "failed requests"),
        Some(ranked) => (ranked.own_seconds, "s"),
        None => (0.0, ""),
    };
    let round = |value: f64| (value * 1_000.0).round() / 1_000.0;
    GraphNode {
        service: service.to_owned(),
        score: ranked.map_or(0.0, |ranked| round(ranked.score)),
        surprise: ranked.map_or(0.0, |ranked| round(ranked.surprise)),
        own_excess: round(own_excess),
        own_excess_unit: unit.to_owned(),
        delay_s: onset.map(|onset| onset.seconds_since(case.started_at).max(0.0)),
        hot: ranked.is_some(),
        label: match ranked {
            Some(ranked) if own_excess >= 1.0 && ranked.own_failures >= 1.0 => format!("own {own_excess:.0} failed"),
            Some(_) if own_excess >= 1.0 => format!("own {own_excess:.0} s"),
            Some(ranked) => ranked.leading.replace('_', " "),
            None => "level".to_owned(),
        },
    }
}

/// Hash of what a person would notice: a new revision is due when it changes.
pub fn visible(findings: &EngineFindings) -> u64 {
    let suspects: Vec<_> = findings
        .suspects
        .iter()
        .map(|suspect| (&suspect.id, suspect.rank, (suspect.score * 50.0).round(), &suspect.diff_hint, suspect.life.len()))
        .collect();
    let signals: Vec<_> = findings.signals.iter().map(|signal| (&signal.service.service, &signal.detector, &signal.key)).collect();
    let text = format!(
        "{}|{}|{:?}|{:?}|{:?}|{:?}|{:?}|{:?}|{suspects:?}|{signals:?}",
        findings.symptom,
        findings.headline,
        findings.impact_severity,
        findings.hot_services,
        findings.recovered_at,
        findings.merged_into,
        findings.confidence,
        findings.learning
    );
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::calibrated;

    #[test]
    fn a_clearer_lead_is_never_less_sure_and_nobody_is_certain() {
        let steps: Vec<f64> = (0..=100).map(|step| calibrated(f64::from(step) / 100.0)).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
        assert!(steps[0] == 0.1 && (calibrated(0.25) - 0.62).abs() < 1e-9 && steps[100] == 0.97, "{steps:?}");
    }
}
