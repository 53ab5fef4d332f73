//! Labelled recorded incidents → the bytes a collector would have written; investigations against labels → scores.
//!
//! A [`Pack`] is opened from a folder or a `.tar.zst`. [`plans`] lists its episodes, [`build`] turns one into a
//! time-ordered list of [`FeedRecord`]s, the caller runs the pipeline over them ([`EpisodeRun`]), and [`score`] compares
//! what was opened with the labels. [`ReplayStream`] plays a whole pack instead, day by day.
//!
//! This place never sees the engine: it gives bytes away and takes rankings back.

pub mod calendar;
pub mod changes;
pub mod episode;
pub mod feed;
pub mod metric;
pub mod otlp;
pub mod pack;
pub mod pool;
pub mod replay;
pub mod runner;
pub mod score;

use std::path::PathBuf;

use thiserror::Error;

pub use changes::{
    ChangeEpisode, ChangeOutcome, ChangeResult, ChangeRun, ChangesReport, RankedChange, change_episode, evaluate_changes, score_changes,
};
pub use episode::{Episode, EpisodeKind, EpisodeOptions, EpisodePlan, build, plans};
pub use feed::{Disorder, FeedRecord};
pub use metric::{MetricSeries, Said};
pub use pack::{ChangePack, Label, LoadReport, MetricPack, Pack, RecordedPack};
pub use replay::{ReplayOptions, ReplayStream};
pub use runner::{EpisodeOutcome, EpisodeResult, EpisodeRun, Opening, Progress, RankedService, evaluate};
pub use score::{Report, score};

/// Why a pack cannot be opened or replayed.
#[derive(Debug, Error)]
pub enum EvaluationError {
    #[error("no such folder or archive: {}", .0.display())]
    NotFound(PathBuf),
    #[error("{}: neither a folder nor a .tar.zst archive", .0.display())]
    NotAPack(PathBuf),
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{}: the archive cannot be read: {reason}", path.display())]
    Archive { path: PathBuf, reason: String },
    #[error("{}: the archive holds a path that leaves it: {entry}", path.display())]
    UnsafePath { path: PathBuf, entry: String },
    #[error("{path}: larger than {limit_bytes} bytes")]
    TooLarge { path: String, limit_bytes: u64 },
    #[error("{}: not a layout this version knows: expected labels.json with cases/<id>/{{log,trace}}.csv and metrics/<day>/", .0.display())]
    UnknownLayout(PathBuf),
    #[error("{}: recognised as {layout}, which this version neither replays nor evaluates yet (it does nezha-tt, rootcausebench and nab)", path.display())]
    NotYetReplayed { path: PathBuf, layout: &'static str },
    #[error("{}: not a pack of {wanted}", path.display())]
    OtherKind { path: PathBuf, wanted: &'static str },
    #[error("{file}: {reason}")]
    BadFile { file: String, reason: String },
    #[error("{set}: missing {file}: {why}")]
    MissingFile { set: String, file: String, why: String },
    #[error("{file}: no column {column}; it has {found}")]
    MissingColumn { file: String, column: String, found: String },
    #[error("labels.json: {0}")]
    BadLabels(String),
    #[error("{0}: no quiet traces to draw from; every episode needs some minutes without a fault")]
    NothingQuiet(String),
    #[error("{set}: no quiet evening of {needed_s} s in the metrics of any day")]
    NoQuietEvening { set: String, needed_s: i64 },
}
