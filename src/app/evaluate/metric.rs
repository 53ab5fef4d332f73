//! Series of one metric through the pipeline → what is said of each, point by point.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Options;
use crate::app::recorded;
use crate::engine::detect::probe::Watch;
use crate::evaluation::metric::report::{self, Judged, MetricReport, SuiteReport};
use crate::evaluation::metric::suite::{self, Family};
use crate::evaluation::{MetricPack, MetricSeries, Said, metric};
use crate::model::signal::ClosedBucket;
use crate::model::{Bucket, Timestamp};

/// Detector whose surprise is graded.
const DETECTOR: &str = "metric_profile";
/// Its events, and those of the detector of jumps.
const EVENT: &str = "metric_anomaly";
/// Seeds of a run of the suite: twenty series of each family.
pub const SUITE_SEEDS: u64 = 4;

/// Runs each series of a pack by itself.
///
/// # Errors
/// The reason when a run could not go on.
pub fn recorded_series(pack: &MetricPack, options: &Options, done: &dyn Fn(&str)) -> Result<MetricReport, String> {
    let mut said = Vec::with_capacity(pack.series.len());
    for series in &pack.series {
        said.extend(run(&series.name, &[series], options)?);
        done(&series.name);
    }
    let judged: Vec<Judged<'_>> = pack.series.iter().zip(&said).collect();
    Ok(report::recorded(&pack.set, &judged))
}

/// Runs the suite's series of [`SUITE_SEEDS`] seeds, those of a seed side by side.
///
/// # Errors
/// The reason when a run could not go on.
pub fn suite(seed: u64, options: &Options, done: &dyn Fn(&str)) -> Result<SuiteReport, String> {
    let (mut series, mut said) = (Vec::new(), Vec::new());
    for seed in seed..seed.saturating_add(SUITE_SEEDS) {
        let name = format!("metric-suite/{seed}");
        let made = suite::all(seed);
        said.extend(run(&name, &made.iter().collect::<Vec<_>>(), options)?);
        series.extend(made);
        done(&name);
    }
    let judged: Vec<Judged<'_>> = series.iter().zip(&said).collect();
    Ok(report::suite(&judged, &Family::ALL.map(Family::name)))
}

/// What one run says of its series, in their order.
fn run(name: &str, series: &[&MetricSeries], options: &Options) -> Result<Vec<Said>, String> {
    let records = metric::records(series, &options.episodes.environment);
    let Some(until) = records.last().map(|record| record.timestamp) else { return Ok(Vec::new()) };
    let watching = Arc::new(Mutex::new(Watching::of(series)));
    let seen = watching.clone();
    let mut run = super::run_of(name, &records, until.plus_seconds(2 * Bucket::SECONDS), options);
    run.detect.watch = Some(Watch(Arc::new(move |closed| seen.lock().unwrap_or_else(PoisonError::into_inner).see(closed))));
    let found = recorded::run(&run)?;
    let mut watching = std::mem::take(&mut *watching.lock().unwrap_or_else(PoisonError::into_inner));
    let mut opened: BTreeMap<&str, (Timestamp, &str)> = BTreeMap::new();
    for finding in found.findings.iter().filter(|finding| finding.merged_into.is_none()) {
        let first = finding.suspects.first().map_or("", |suspect| suspect.entity.as_str());
        opened.entry(&finding.id).or_insert((finding.detected_at, first));
    }
    for (at, service) in opened.into_values() {
        watching.opened(service, Bucket::of(at));
    }
    Ok(watching.said)
}

/// Notes what is said of each series.
#[derive(Default)]
struct Watching {
    series: Vec<MetricSeries>,
    by_service: BTreeMap<String, usize>,
    said: Vec<Said>,
}

impl Watching {
    fn of(series: &[&MetricSeries]) -> Self {
        let said = series.iter().map(|series| Said { grades: vec![0.0; series.points.len()], ..Said::default() });
        Self {
            by_service: series.iter().enumerate().map(|(index, series)| (series.service(), index)).collect(),
            said: said.collect(),
            series: series.iter().map(|series| (*series).clone()).collect(),
        }
    }

    /// What was said of a service's series, and the point that its last one was at the close of the bucket.
    fn place(&mut self, service: &str, bucket: Bucket) -> Option<(&mut Said, usize)> {
        let index = *self.by_service.get(service)?;
        let point = self.series.get(index)?.point_at(bucket)?;
        self.said.get_mut(index).map(|said| (said, point))
    }

    fn see(&mut self, closed: &ClosedBucket) {
        for signal in closed.signals.iter().filter(|signal| signal.detector == DETECTOR) {
            if let Some((said, point)) = self.place(&signal.service.service, closed.bucket)
                && let Some(grade) = said.grades.get_mut(point)
            {
                *grade = grade.max(signal.surprise);
            }
        }
        for event in closed.events.iter().filter(|event| event.event_type == EVENT) {
            if let Some((said, point)) = event.service.as_deref().and_then(|service| self.place(service, closed.bucket)) {
                said.events.push(point);
            }
        }
    }

    fn opened(&mut self, service: &str, bucket: Bucket) {
        if let Some((said, point)) = self.place(service, bucket) {
            said.openings.push(point);
        }
    }
}
