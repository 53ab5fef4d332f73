//! Whole days of metrics and nothing else: how often does an investigation open that nothing explains?

use std::collections::BTreeMap;

use serde::Serialize;

use super::Options;
use crate::app::recorded;
use crate::evaluation::calendar::Calendar;
use crate::evaluation::metric::report::Quiet;
use crate::evaluation::{Pack, otlp};
use crate::model::investigation::EngineFindings;

/// Openings that no label and no stress explains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuietDaysReport {
    pub set: String,
    pub quiet: Quiet,
    /// Openings that a labelled fault or a recorded stress run explains; their time is no quiet time.
    pub explained: u64,
    /// What was opened though nothing explains it.
    pub false_openings: Vec<String>,
}

impl QuietDaysReport {
    pub fn to_text(&self) -> String {
        let mut text = format!("{}: whole days of metrics alone; {} openings are explained\n", self.set, self.explained);
        text += &self.quiet.to_text();
        for opening in &self.false_openings {
            text += &format!("false: {opening}\n");
        }
        text
    }
}

/// Runs each day by itself.
///
/// # Errors
/// The reason when a run could not go on.
pub fn quiet_days(pack: &Pack, options: &Options, done: &dyn Fn(&str)) -> Result<QuietDaysReport, String> {
    let calendar = Calendar::of(pack);
    let (mut quiet_s, mut explained, mut false_openings) = (0_u64, 0, Vec::new());
    for (day, rows) in &pack.metrics {
        let Some(until) = rows.last().map(|row| crate::model::Timestamp::from_nanos(row.time_ns)) else { continue };
        let records = otlp::metrics(rows, &options.episodes.environment);
        let found = recorded::run(&super::run_of(&format!("quiet/{day}"), &records, until, options))?;
        let mut first: BTreeMap<&str, &EngineFindings> = BTreeMap::new();
        for finding in found.findings.iter().filter(|finding| finding.merged_into.is_none()) {
            first.entry(&finding.id).or_insert(finding);
        }
        for finding in first.into_values() {
            if calendar.known(day, finding.detected_at) || calendar.stressed(day, finding.detected_at) {
                explained += 1;
            } else {
                false_openings.push(format!("{} {}", finding.detected_at, finding.opened_because));
            }
        }
        quiet_s += quiet_minutes(day, rows.iter().map(|row| row.time_ns / 60_000_000_000), &calendar) * 60;
        done(day);
    }
    let quiet = Quiet::of(false_openings.len() as u64, quiet_s as f64 / 3_600.0);
    Ok(QuietDaysReport { set: pack.set.clone(), quiet, explained, false_openings })
}

/// Minutes with points in which nothing is known to be wrong.
fn quiet_minutes(day: &str, minutes: impl Iterator<Item = i64>, calendar: &Calendar) -> u64 {
    let minutes: std::collections::BTreeSet<i64> = minutes.collect();
    let at = |minute: i64| crate::model::Timestamp::from_seconds(minute * 60);
    minutes.into_iter().filter(|minute| !calendar.known(day, at(*minute)) && !calendar.stressed(day, at(*minute))).count() as u64
}
