//! Ranked services and changes as suspects with sentences. The only place where ranking makes prose.

use std::collections::BTreeMap;

use super::candidates::Candidates;
use super::changes::{Change, ChangeContext, LATE, RankedChange};
use super::services::{Local, RankedService};
use crate::engine::detect::{duration, number};
use crate::model::signal::Signal;
use crate::model::suspect::{Evidence, Factor, Suspect, SuspectKind, Verdict};

/// Suspects shown of each kind.
const MAX_SERVICES: usize = 12;
const MAX_CHANGES: usize = 8;

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn factor(name: &str, value: f64) -> Factor {
    Factor { name: name.to_owned(), value: round(value.clamp(0.0, 1.0)) }
}

fn evidence(sentence: String, event_id: &str, surprise: Option<f64>) -> Evidence {
    Evidence {
        sentence,
        event_ids: Some(event_id.to_owned()).filter(|id| !id.is_empty()).into_iter().collect(),
        surprise: surprise.map(round),
    }
}

fn suspect(id: String, kind: SuspectKind, entity: &str, rank: usize, score: f64) -> Suspect {
    Suspect {
        id,
        rank: u32::try_from(rank + 1).unwrap_or(u32::MAX),
        kind,
        entity: entity.to_owned(),
        service: None,
        event_id: None,
        at: None,
        author: None,
        score: round(score),
        factors: Vec::new(),
        sentence: String::new(),
        evidence: Vec::new(),
        counter_evidence: Vec::new(),
        diff_hint: None,
        verdict: Verdict::Suspect,
        verdict_comment: None,
        verdict_by: None,
        life: Vec::new(),
    }
}

/// Services as suspects, in their order.
pub fn service_suspects(ranked: &[RankedService], local: &BTreeMap<String, Local>) -> Vec<Suspect> {
    let earliest = local.values().flat_map(|local| local.signals.values()).map(|signal| signal.onset).min();
    ranked
        .iter()
        .take(MAX_SERVICES)
        .enumerate()
        .map(|(rank, service)| {
            let mut shown = suspect(format!("service:{}", service.service), SuspectKind::Service, &service.service, rank, service.score);
            shown.service = Some(service.service.clone());
            shown.factors = vec![factor("Evidence", service.local), factor("Own share", 1.0 - service.explained)];
            let Some(local) = local.get(&service.service) else { return shown };
            let mut signals: Vec<&Signal> = local.signals.values().collect();
            signals.sort_by(|left, right| {
                (right.detector == service.leading)
                    .cmp(&(left.detector == service.leading))
                    .then(right.rank_surprise.total_cmp(&left.rank_surprise))
            });
            shown.evidence =
                signals.iter().map(|signal| evidence(signal.sentence.clone(), &signal.event_id, Some(signal.surprise))).collect();
            shown.evidence.extend(own_share(service, local).map(|sentence| evidence(sentence, "", None)));
            shown.sentence = signals.first().map(|signal| signal.sentence.clone()).unwrap_or_default();
            shown.counter_evidence = counter_evidence(service, local, earliest);
            shown
        })
        .collect()
}

fn own_share(service: &RankedService, local: &Local) -> Option<String> {
    let name = &service.service;
    if local.excess_failures >= 1.0 {
        let explained = local.excess_failures - service.own_failures;
        return Some(format!(
            "{name} had {} extra failed requests; what it calls explains {} of them",
            number(local.excess_failures),
            number(explained)
        ));
    }
    let explained = local.excess_seconds - service.own_seconds;
    (local.excess_seconds >= 0.1).then(|| {
        format!(
            "{name} spent {} extra; what it calls explains {} of it",
            duration(local.excess_seconds * 1e3),
            duration(explained.max(0.0) * 1e3)
        )
    })
}

fn counter_evidence(service: &RankedService, local: &Local, earliest: Option<crate::model::Timestamp>) -> Vec<Evidence> {
    let mut counter = Vec::new();
    let name = &service.service;
    if service.explained >= 0.2
        && let Some(callee) = &service.explained_by
    {
        let calls = if service.explained_by_name { format!("error lines of {name} name") } else { format!("{name} calls") };
        counter.push(evidence(
            format!(
                "{calls} {callee}, which is anomalous itself and explains {} % of the evidence here",
                number(100.0 * service.explained)
            ),
            "",
            None,
        ));
    }
    let over = local.signals.get(&service.leading).filter(|signal| local.over.contains(&signal.detector)).and_then(|signal| signal.ended);
    if let Some(ended) = over {
        let clock = ended.to_string();
        counter.push(evidence(
            format!("{name} was back to normal at {}, while the symptoms went on", clock.get(11..19).unwrap_or_default()),
            "",
            None,
        ));
    }
    let onset = local.signals.values().map(|signal| signal.onset).min();
    if let (Some(onset), Some(earliest)) = (onset, earliest) {
        let later_s = onset.seconds_since(earliest);
        if later_s >= 30.0 {
            counter.push(evidence(format!("{name} began {} s after the first symptom", number(later_s)), "", None));
        }
    }
    if service.leading != "metric" && !local.signals.contains_key("metric") {
        counter.push(evidence(format!("no metric of {name} is unusual"), "", None));
    }
    counter
}

/// A span of time as a person says it: `13 s`, `4 min`, `2.5 h`.
pub fn minutes(seconds: f64) -> String {
    if seconds.abs() >= 5_400.0 {
        format!("{:.1} h", seconds.abs() / 3_600.0)
    } else if seconds.abs() >= 120.0 {
        format!("{:.0} min", seconds.abs() / 60.0)
    } else {
        format!("{:.0} s", seconds.abs())
    }
}

/// A change as a person names it: `abc1234 of payment`.
fn change_name(ranked: &RankedChange<'_>, candidates: &Candidates<'_>) -> String {
    let Some(change) = ranked.change else { return "Nothing we can see".to_owned() };
    let name = ranked.place.and_then(|place| candidates.name_of(place));
    let service = ranked.owns.as_ref().filter(|owner| change.facts.services.contains(owner)).or(change.facts.service.as_ref());
    match (name, service) {
        (Some(name), Some(service)) => format!("{name} of {service}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => crate::model::event::truncate(&change.title, 120),
    }
}

/// Changes and "none" as suspects, in their order.
pub fn change_suspects(ranked: &[RankedChange<'_>], candidates: &Candidates<'_>, context: &ChangeContext<'_>) -> Vec<Suspect> {
    let none_at = ranked.iter().position(|ranked| ranked.change.is_none()).unwrap_or(0);
    let shown: Vec<(usize, &RankedChange<'_>)> =
        ranked.iter().enumerate().filter(|(rank, _)| *rank < MAX_CHANGES || *rank == none_at).collect();
    let mut lives = candidates.lives(&shown.iter().filter_map(|(_, ranked)| ranked.place).collect());
    let to_suspect = |(rank, ranked): (usize, &RankedChange<'_>)| {
        let Some(change) = ranked.change else { return none_suspect(rank, ranked, context) };
        let mut suspect = change_suspect(rank, ranked, change, &change_name(ranked, candidates), context);
        suspect.life = ranked.place.and_then(|place| lives.remove(&place)).unwrap_or_default();
        suspect
    };
    shown.into_iter().map(to_suspect).collect()
}

fn change_suspect(rank: usize, ranked: &RankedChange<'_>, change: &Change, name: &str, context: &ChangeContext<'_>) -> Suspect {
    let facts = &change.facts;
    let mut shown = suspect(format!("change:{}", facts.event_id), SuspectKind::Change, name, rank, ranked.score);
    shown.service = facts.service.clone().or_else(|| ranked.owns.clone().filter(|owner| facts.services.contains(owner)));
    shown.event_id = Some(facts.event_id.clone());
    shown.at = Some(ranked.effective_at);
    shown.author = facts.author.clone();
    shown.factors =
        vec![factor("Time", ranked.time), factor("Scope", ranked.scope), factor("Diff", ranked.diff), factor("Words", ranked.words)];
    shown.diff_hint.clone_from(&ranked.diff_hint);
    let before_s = context.onset.seconds_since(ranked.effective_at);
    let done = if ranked.deployed { "went live" } else { "was committed" };
    let id = facts.event_id.as_str();
    let timing = match ranked.time <= LATE {
        true => format!("{name} {done} {} after the onset", minutes(before_s)),
        false if before_s < 0.0 => format!("{name} {done} as it began: the onset is known to about a minute"),
        false => format!("{name} {done} {} before the onset", minutes(before_s)),
    };
    let (mut pro, mut contra) = (Vec::new(), Vec::new());
    if ranked.time <= LATE { &mut contra } else { &mut pro }.push(evidence(timing.clone(), id, None));
    let reason = match ranked.diff_reason.strip_prefix("it ") {
        Some(does) => format!("{} {does}", first_of(name)),
        None => ranked.diff_reason.clone(),
    };
    if ranked.diff >= 0.3 { &mut pro } else { &mut contra }.push(evidence(reason, id, None));
    match (&ranked.owns, ranked.scope < 0.5) {
        (Some(service), _) => pro.push(evidence(format!("it belongs to {service}, which shows the symptoms"), id, None)),
        (None, true) => contra.push(evidence("none of the services it belongs to shows a symptom".to_owned(), id, None)),
        (None, false) => {}
    }
    if let Some(literal) = &ranked.named_literal {
        pro.push(evidence(format!("its new value {literal} stands in the errors"), id, None));
    }
    if !ranked.families.is_empty() {
        pro.push(evidence(format!("errors and change both speak of: {}", ranked.families.join(", ")), id, None));
    } else if ranked.shared_words.is_empty() {
        contra.push(evidence("it shares no word with the evidence".to_owned(), id, None));
    }
    if !ranked.deployed {
        contra.push(evidence("it was not seen being deployed".to_owned(), id, None));
    }
    let because = ranked.diff_reason.strip_prefix("it ").filter(|_| ranked.diff >= 0.3);
    shown.sentence = because.map_or_else(|| timing.clone(), |reason| format!("{timing}; it {reason}"));
    shown.evidence = pro;
    shown.counter_evidence = contra;
    shown
}

fn first_of(name: &str) -> &str {
    name.split(" of ").next().unwrap_or(name)
}

fn none_suspect(rank: usize, ranked: &RankedChange<'_>, context: &ChangeContext<'_>) -> Suspect {
    let mut shown = suspect("none".to_owned(), SuspectKind::None, "Nothing we can see", rank, ranked.score);
    shown.factors = vec![factor("Outside", context.outside.strength)];
    if context.outside.strength > 0.0 {
        shown.sentence = format!("No change explains this: {}", context.outside.sentence);
        shown.evidence = vec![evidence(context.outside.sentence.clone(), "", None)];
    } else {
        shown.sentence = "No change explains this, and nothing points outside".to_owned();
        shown.counter_evidence = vec![evidence("nothing seen points outside our own changes".to_owned(), "", None)];
    }
    shown
}
