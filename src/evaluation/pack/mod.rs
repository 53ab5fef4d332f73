//! A pack: recorded telemetry around labelled faults, in memory, with the count of what could not be read.

mod changes;
mod layout;
mod nab;
mod nezha;
mod petshop;
mod report;
mod rows;
mod source;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

pub use changes::{ChangeCase, ChangeLabel, ChangePack, ContextEvent, LogEntry, Point, SpanEntry};
pub use nab::MetricPack;
pub use petshop::{GraphIssue, GraphPack, GraphScenario, Interval, RequestLoad};
pub use report::{LoadReport, Trouble};
pub use rows::{LogRow, MetricColumn, MetricRow, Pod, Recording, SpanRow};

use self::layout::Layout;
use self::source::PackSource;
use super::EvaluationError;
use crate::model::Timestamp;

/// One injected fault: when, where, which kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Label {
    /// Folder under `cases/`.
    pub case: String,
    /// Folder under `metrics/`.
    pub day: String,
    /// Seconds since the Unix epoch.
    pub inject_time_unix: i64,
    pub root_cause_service: String,
    #[serde(default)]
    pub root_cause_pod: String,
    pub fault_type: String,
    #[serde(default)]
    pub fault_duration_s: i64,
}

impl Label {
    /// The labelled moment. Labels of faults in code are up to a minute late: see [`Label::may_act_early`].
    pub fn at(&self) -> Timestamp {
        Timestamp::from_seconds(self.inject_time_unix)
    }

    /// Faults in code (a changed return value, a thrown exception) act up to 60 s before their label; faults in
    /// resources do not.
    pub fn may_act_early(&self) -> bool {
        matches!(self.fault_type.as_str(), "return" | "exception")
    }
}

/// Any pack this version replays.
#[derive(Debug)]
pub enum RecordedPack {
    /// Faults in services: which service was it?
    Services(Pack),
    /// Incidents with the changes before them: which change was it, if any?
    Changes(ChangePack),
    /// Series of one metric: when is something wrong?
    Metrics(MetricPack),
    /// Issues of systems whose requests and calls are known by metrics: which service was it?
    Graph(GraphPack),
}

impl RecordedPack {
    /// Opens a folder or a `.tar.zst`. An archive is read as a stream: nothing is written to disk.
    pub fn open(path: &Path) -> Result<Self, EvaluationError> {
        let source = PackSource::at(path)?;
        let names = source.names()?;
        let recognised = layout::recognise(path, &names)?;
        match recognised.layout {
            Layout::NezhaTt => nezha::load(&source, recognised).map(Self::Services),
            Layout::Petshop => petshop::load(&source, recognised).map(Self::Graph),
            Layout::RootCauseBench => changes::load(&source, recognised).map(Self::Changes),
            Layout::Nab => nab::load(&source, recognised).map(Self::Metrics),
        }
    }

    pub fn set(&self) -> &str {
        match self {
            Self::Services(pack) => &pack.set,
            Self::Changes(pack) => &pack.set,
            Self::Metrics(pack) => &pack.set,
            Self::Graph(pack) => &pack.set,
        }
    }

    pub fn report(&self) -> &LoadReport {
        match self {
            Self::Services(pack) => &pack.report,
            Self::Changes(pack) => &pack.report,
            Self::Metrics(pack) => &pack.report,
            Self::Graph(pack) => &pack.report,
        }
    }
}

/// A pack, read whole. All rows are sorted by time, then content, so that a folder and an archive give the same pack.
#[derive(Debug)]
pub struct Pack {
    /// Name of the pack's folder: `nezha-tt-dev`.
    pub set: String,
    /// In order of injection.
    pub labels: Vec<Label>,
    /// Traces and logs around each fault.
    pub cases: BTreeMap<String, Recording>,
    /// Traces and logs of minutes without a fault, by day.
    pub quiet: BTreeMap<String, Recording>,
    /// Points of every pod, by day.
    pub metrics: BTreeMap<String, Vec<MetricRow>>,
    /// What was read, mended and refused on the way.
    pub report: LoadReport,
}

impl Pack {
    /// Opens a pack of faults in services; [`RecordedPack::open`] opens any kind.
    pub fn open(path: &Path) -> Result<Self, EvaluationError> {
        match RecordedPack::open(path)? {
            RecordedPack::Services(pack) => Ok(pack),
            _ => Err(EvaluationError::OtherKind { path: path.to_owned(), wanted: "faults in services" }),
        }
    }

    /// Every service that a span, a log line or a metric names.
    pub fn services(&self) -> BTreeSet<Arc<str>> {
        let recordings = self.cases.values().chain(self.quiet.values());
        let spans = recordings.clone().flat_map(|recording| recording.spans.iter().map(|row| &row.pod));
        let logs = recordings.flat_map(|recording| recording.logs.iter().map(|row| &row.pod));
        let metrics = self.metrics.values().flatten().map(|row| &row.pod);
        spans.chain(logs).chain(metrics).map(|pod| Arc::clone(&pod.service)).collect()
    }

    /// Injection seconds of one day's faults, in order.
    pub fn label_times(&self, day: &str) -> Vec<i64> {
        self.labels.iter().filter(|label| label.day == day).map(|label| label.inject_time_unix).collect()
    }
}
