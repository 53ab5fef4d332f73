//! What of an investigation is worth telling people, and when to try again to tell it.
//!
//! Asked by the store inside the transaction that takes a revision in, with what was told last: what is told follows from what is
//! stored, whatever is judged again after a crash.

pub mod retry;
mod sentences;

#[cfg(test)]
mod tests;

use crate::model::Timestamp;
use crate::model::investigation::EngineFindings;
use crate::model::notification::{Notification, NotificationKind, ToldSuspect};
use crate::model::ports::Tell;
use crate::model::suspect::{Suspect, SuspectKind};

/// From this confidence on a first service is named as the suspect, not as a guess: the headline's bound.
const SURE: f64 = 0.5;
/// Of one investigation no other suspect is told after so many notifications, and no return of the trouble after twice as many:
/// who has not looked by then will not.
const MAX_SUSPECTS: u32 = 20;
const MAX_RETURNS: u32 = 40;
/// Services named.
const MAX_SERVICES: usize = 20;

/// What decides what is told.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Names of those told.
    pub channels: Vec<String>,
    /// Where the page is, without a slash at its end.
    pub page_url: String,
    /// A revision that tells of a time longer ago than this is history: nobody is told that it opened, seconds.
    pub max_age_s: u32,
}

impl Tell for Telling {
    fn news(&self, last: Option<&Notification>, findings: &EngineFindings, now: Timestamp) -> Option<Notification> {
        let kind = self.kind(last, findings, now)?;
        let n = last.map_or(0, |last| last.n).saturating_add(1);
        let suspect = named(findings).cloned().map(told).or_else(|| last.and_then(|last| last.suspect.clone()));
        let at = match kind {
            NotificationKind::Opened if last.is_none() => findings.detected_at,
            NotificationKind::Recovered => findings.recovered_at.unwrap_or(findings.updated_at),
            _ => findings.updated_at,
        };
        Some(Notification {
            id: format!("{}-{n}-{}", findings.id, kind.as_str()),
            investigation_id: findings.id.clone(),
            n,
            kind,
            at,
            title: findings.symptom.clone(),
            sentence: sentences::sentence(kind, last, suspect.as_ref(), findings),
            where_sentence: findings.where_sentence.clone(),
            suspect,
            confidence: findings.confidence,
            severity: findings.impact_severity,
            severity_at_opening: last.map_or(findings.impact_severity, |last| last.severity_at_opening),
            service: last.map_or_else(|| findings.service_affected.clone(), |last| last.service.clone()),
            environment: findings.environment.clone(),
            services: findings.hot_services.iter().take(MAX_SERVICES).cloned().collect(),
            started_at: last.map_or(findings.started_at, |last| last.started_at),
            recovered_at: findings.recovered_at,
            merged_into: findings.merged_into.clone(),
            link: self.link(&findings.id),
        })
    }

    fn channels(&self) -> &[String] {
        &self.channels
    }
}

impl Telling {
    /// The page of an investigation.
    pub fn link(&self, investigation_id: &str) -> String {
        format!("{}/investigations/{investigation_id}", self.page_url)
    }

    fn kind(&self, last: Option<&Notification>, findings: &EngineFindings, now: Timestamp) -> Option<NotificationKind> {
        let is_over = findings.recovered_at.is_some() || findings.merged_into.is_some();
        let Some(last) = last else {
            // What is over helps nobody any more; what is caught up with, and still goes on, does.
            let is_history = now.seconds_since(findings.updated_at) > f64::from(self.max_age_s);
            return (!is_over && !is_history).then_some(NotificationKind::Opened);
        };
        match last.kind {
            NotificationKind::Merged | NotificationKind::Test => None,
            NotificationKind::Recovered if is_over => None,
            NotificationKind::Recovered => (last.n < MAX_RETURNS).then_some(NotificationKind::Opened),
            NotificationKind::Opened | NotificationKind::SuspectChanged => {
                if findings.merged_into.is_some() {
                    Some(NotificationKind::Merged)
                } else if findings.recovered_at.is_some() {
                    Some(NotificationKind::Recovered)
                } else {
                    (last.n < MAX_SUSPECTS && is_another(last, findings)).then_some(NotificationKind::SuspectChanged)
                }
            }
        }
    }
}

/// The first suspect, where there is one to name: the change that outranks "nothing we can see", else the first service once the
/// engine is sure of it. What comes and goes below that is no news.
fn named(findings: &EngineFindings) -> Option<&Suspect> {
    let first = |wanted: fn(SuspectKind) -> bool| findings.suspects.iter().find(|suspect| suspect.rank == 1 && wanted(suspect.kind));
    let change = first(|kind| kind != SuspectKind::Service).filter(|suspect| suspect.kind != SuspectKind::None);
    change.or_else(|| first(|kind| kind == SuspectKind::Service).filter(|_| findings.confidence >= SURE))
}

/// A suspect is the same under another id too: another event of the same change.
fn is_another(last: &Notification, findings: &EngineFindings) -> bool {
    let Some(now) = named(findings) else { return false };
    last.suspect.as_ref().is_none_or(|told| told.id != now.id && (told.kind, &told.entity) != (now.kind, &now.entity))
}

fn told(suspect: Suspect) -> ToldSuspect {
    ToldSuspect { id: suspect.id, kind: suspect.kind, entity: suspect.entity, sentence: suspect.sentence }
}
