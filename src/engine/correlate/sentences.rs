//! What an investigation says of itself.

use super::case::Case;
use crate::engine::detect::{duration, number};
use crate::engine::rank::{Local, RankedService};
use crate::model::Timestamp;
use crate::model::signal::Signal;
use crate::model::suspect::{Suspect, SuspectKind};

/// The symptom without its cause: "checkout is failing for 14 % of requests".
pub fn symptom(signal: &Signal) -> String {
    let facts = &signal.facts;
    let service = &signal.service.service;
    let percent = |hits: f64, cases: f64| number(100.0 * hits / cases.max(1.0));
    match signal.detector.as_str() {
        "failures" => format!("{service} is failing for {} % of requests", percent(facts.hits_now, facts.cases_now)),
        "failing_calls" => format!("calls into {service} fail on the way for {} % of requests", percent(facts.hits_now, facts.cases_now)),
        // Where not even half of the requests are slow, the median says nothing.
        "hop_gap" | "self_time" if 2.0 * facts.hits_now < facts.cases_now => {
            let what = if signal.detector == "hop_gap" { format!("calls into {service} are") } else { format!("{service} is") };
            let threshold = duration(facts.threshold.unwrap_or_default());
            format!("{what} slow for {} % of requests (more than {threshold})", percent(facts.hits_now, facts.cases_now))
        }
        "hop_gap" => format!("calls into {service} are slow: {} between client and server", duration(facts.value_now.unwrap_or_default())),
        "slow_requests" => {
            let (now, before) = (duration(facts.value_now.unwrap_or_default()), duration(facts.value_before.unwrap_or_default()));
            format!("{service} is slow: {now} instead of {before}")
        }
        "self_time" => {
            let (now, before) = (duration(facts.value_now.unwrap_or_default()), duration(facts.value_before.unwrap_or_default()));
            format!("{service} is slow in {}: {now} instead of {before}", signal.key)
        }
        "gives_up" => format!(
            "{service} gives up on {} after {} in {} % of requests",
            signal.key,
            duration(facts.threshold.unwrap_or_default()),
            percent(facts.hits_now, facts.cases_now)
        ),
        "pointed_at" => format!("{} of {service} is complained of", signal.key),
        "new_error" => format!("{service} logs errors it did not log before"),
        "drift" => format!("{} of {service} grows and grows", signal.key),
        "metric" => {
            let rises = facts.value_now >= facts.value_before;
            format!("{} of {service} is unusually {}", signal.key, if rises { "high" } else { "low" })
        }
        "metric_profile" => format!("{} of {service} behaves unlike its past", signal.key),
        _ => format!("{service} behaves differently"),
    }
}

/// How near a symptom is to what a user notices: failures, then slowness, then the rest.
pub fn nearness(signal: &Signal) -> u8 {
    match signal.detector.as_str() {
        "failures" => 0,
        "failing_calls" | "gives_up" => 1,
        "hop_gap" | "self_time" | "slow_requests" => 2,
        "new_error" => 3,
        "log_shape" | "pointed_at" => 4,
        _ => 5,
    }
}

fn clock(at: Timestamp) -> String {
    // "2026-11-23T14:02:10.214Z": the hour and minute stand at 11..16.
    at.to_string().get(11..16).unwrap_or_default().to_owned()
}

fn span(seconds: f64) -> String {
    if seconds >= 5_400.0 {
        format!("{:.1} h", seconds / 3_600.0)
    } else if seconds >= 90.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.0} s", seconds.max(0.0))
    }
}

/// The header's sentence.
pub fn headline(symptom: &str, case: &Case, suspects: &[Suspect], certain: bool) -> String {
    let started_at = case.started_at;
    let merged = case.merged_into.as_ref().map(|id| format!("Merged into {}: ", id.chars().take(8).collect::<String>()));
    let mut text = format!("{}{symptom} since {}", merged.unwrap_or_default(), clock(started_at));
    let change = suspects.iter().find(|suspect| matches!(suspect.kind, SuspectKind::Change | SuspectKind::None) && suspect.rank == 1);
    match change {
        Some(change) if change.kind == SuspectKind::Change => {
            if let Some(after_s) = change.at.map(|at| started_at.seconds_since(at)).filter(|after_s| *after_s >= 0.0) {
                text.push_str(&format!(", {} after {}", span(after_s), change.entity));
            } else {
                text.push_str(&format!(", at the time of {}", change.entity));
            }
            if let Some(author) = &change.author {
                text.push_str(&format!(" by {author}"));
            }
        }
        _ => {
            if let Some(service) = suspects.iter().find(|suspect| suspect.kind == SuspectKind::Service) {
                text.push_str(if certain { ", first suspect " } else { ", perhaps " });
                text.push_str(&service.entity);
            }
        }
    }
    crate::model::event::truncate(&text, 300)
}

/// Where: "payment owns 15,079 of 15,319 extra failures; what it calls explains 240."
pub fn where_sentence(first: &RankedService, local: &Local, hot: usize) -> String {
    let service = &first.service;
    if local.excess_failures >= 1.0 {
        let (own, all) = (first.own_failures, local.excess_failures);
        return format!(
            "{service} owns {} of its {} extra failures; what it calls explains {}.",
            number(own),
            number(all),
            number((all - own).max(0.0))
        );
    }
    if local.excess_seconds >= 0.1 {
        let (own, all) = (first.own_seconds * 1e3, local.excess_seconds * 1e3);
        return format!(
            "{service} owns {} of its {} extra; what it calls explains {}.",
            duration(own),
            duration(all),
            duration((all - own).max(0.0))
        );
    }
    match (&first.explained_by, hot) {
        (Some(callee), _) if first.explained > 0.2 => {
            let calls = if first.explained_by_name { "its error lines name" } else { "it calls" };
            format!("{service} shows the strongest evidence, though {callee}, which {calls}, is anomalous too.")
        }
        (_, 1) => format!("{service} alone shows evidence."),
        _ => format!("{service} shows the strongest evidence that nothing it calls explains."),
    }
}
