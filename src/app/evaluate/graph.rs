//! Issues on a call graph: whom does the investigation name that the alarm is about, and who is blamed for nothing?

use std::collections::BTreeMap;

use super::{Options, ranked, run_of, strength};
use crate::app::recorded;
use crate::evaluation::graph::{GraphEpisode, GraphFinding, GraphReport, GraphRun, evaluate_graph, runs};
use crate::evaluation::pack::GraphPack;
use crate::model::investigation::EngineFindings;

/// How many runs [`graph`] will make.
pub fn graph_runs(pack: &GraphPack) -> usize {
    runs(pack)
}

/// Runs every issue of a pack, told and unaided, and its quiet recordings, and scores them.
pub fn graph(pack: &GraphPack, options: &Options, done: &dyn Fn(&str)) -> GraphReport {
    let mut run = GraphThroughPipeline { options };
    evaluate_graph(pack, &options.episodes.environment, &mut run, &mut |progress| done(progress.label))
}

struct GraphThroughPipeline<'a> {
    options: &'a Options,
}

impl GraphRun for GraphThroughPipeline<'_> {
    fn run(&mut self, episode: &GraphEpisode) -> Result<Vec<GraphFinding>, String> {
        let found = recorded::run(&run_of(&episode.id, &episode.records, episode.ends_at, self.options))?;
        let mut newest: BTreeMap<&str, &EngineFindings> = BTreeMap::new();
        let mut told: Vec<&str> = Vec::new();
        for finding in &found.findings {
            newest.insert(&finding.id, finding);
            // A case that an alarm joins links it; nothing else of an episode is linked so surely.
            if finding.new_links.iter().any(|link| link.confidence >= 0.9) {
                told.push(&finding.id);
            }
        }
        let merged = |id: &str| newest.get(id).and_then(|finding| finding.merged_into.as_deref());
        let told: Vec<&str> = told.into_iter().map(|id| merged(id).unwrap_or(id)).collect();
        let mut findings: Vec<&EngineFindings> = newest.into_values().filter(|finding| finding.merged_into.is_none()).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(strength(finding)));
        let finding = |finding: &EngineFindings| GraphFinding {
            opened_at: finding.detected_at,
            recovered_at: finding.recovered_at,
            told: told.contains(&finding.id.as_str()),
            services: ranked(&finding.suspects),
        };
        Ok(findings.into_iter().map(finding).collect())
    }
}
