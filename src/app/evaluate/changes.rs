//! Incidents with the changes before them: which change does the investigation name, or none?

use std::collections::BTreeMap;

use super::{Options, ranked, run_of, strength};
use crate::app::recorded;
use crate::evaluation::{ChangeEpisode, ChangeOutcome, ChangePack, ChangeRun, ChangesReport, RankedChange, evaluate_changes};
use crate::model::investigation::EngineFindings;
use crate::model::suspect::{Suspect, SuspectKind};

/// Runs every incident of a pack of changes and scores which change was named, or none.
pub fn changes(pack: &ChangePack, options: &Options, done: &dyn Fn(&str)) -> ChangesReport {
    let mut run = ChangesThroughPipeline { options };
    evaluate_changes(pack, &options.episodes.environment, &mut run, &mut |progress| done(progress.label))
}

struct ChangesThroughPipeline<'a> {
    options: &'a Options,
}

impl ChangeRun for ChangesThroughPipeline<'_> {
    fn run(&mut self, episode: &ChangeEpisode) -> Result<ChangeOutcome, String> {
        let found = recorded::run(&run_of(&episode.label.case, &episode.records, episode.ends_at, self.options))?;
        let mut newest: BTreeMap<&str, &EngineFindings> = BTreeMap::new();
        for finding in found.findings.iter().filter(|finding| finding.merged_into.is_none()) {
            newest.insert(&finding.id, finding);
        }
        let opened_at = newest.values().map(|finding| finding.detected_at).min();
        let Some(answer) = newest.into_values().max_by_key(|finding| strength(finding)) else { return Ok(ChangeOutcome::default()) };
        let changes = answer.suspects.iter().filter(|suspect| matches!(suspect.kind, SuspectKind::Change | SuspectKind::None));
        let changes = changes.map(ranked_change).collect();
        Ok(ChangeOutcome { changes, services: ranked(&answer.suspects), opened_at, onset: Some(answer.started_at) })
    }
}

/// A suspected change, or "no change explains it", as it is scored.
pub(super) fn ranked_change(suspect: &Suspect) -> RankedChange {
    RankedChange {
        sha: sha_of(suspect),
        score: suspect.score,
        factors: suspect.factors.iter().map(|factor| (factor.name.clone(), factor.value)).collect(),
    }
}

/// The commit id that a suspected change is named by, else its title; `None` for "no change explains it".
fn sha_of(suspect: &Suspect) -> Option<String> {
    (suspect.kind == SuspectKind::Change).then(|| suspect.entity.split(" of ").next().unwrap_or_default().to_owned())
}
