//! A judgement of one key of one entity, still in symbols.

use super::features::ShapeKey;
use super::limits::TRACE_GRACE_S;
use super::metric::SeriesKey;
use super::onset::Period;
use super::share::{Share, ShareVerdict};
use super::slow::{Slow, SlowVerdict};
use super::wait::WaitVerdict;
use crate::model::signal::{Facts, Family};
use crate::model::{Bucket, EntityKey, Source, Symbol, Timestamp, symbol};

/// The detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    LogShape,
    NewError,
    /// Lines of a caller that name an instance.
    PointedAt,
    HopGap,
    SelfTime,
    /// Durations as request metrics tell them.
    SlowRequests,
    Failures,
    /// Failures as request metrics tell them.
    FailingRequests,
    FailingCalls,
    GivesUp,
    Metric,
    MetricProfile,
    Drift,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogShape => "log_shape",
            Self::NewError => "new_error",
            Self::PointedAt => "pointed_at",
            Self::HopGap => "hop_gap",
            Self::SelfTime => "self_time",
            Self::SlowRequests => "slow_requests",
            Self::Failures | Self::FailingRequests => "failures",
            Self::FailingCalls => "failing_calls",
            Self::GivesUp => "gives_up",
            Self::Metric => "metric",
            Self::MetricProfile => "metric_profile",
            Self::Drift => "drift",
        }
    }

    pub const fn family(self) -> Family {
        match self {
            Self::LogShape | Self::NewError | Self::PointedAt => Family::LogShape,
            Self::HopGap | Self::SelfTime | Self::SlowRequests => Family::Latency,
            Self::Failures | Self::FailingRequests | Self::FailingCalls | Self::GivesUp => Family::Failures,
            Self::Metric | Self::MetricProfile | Self::Drift => Family::Metric,
        }
    }

    pub const fn event_type(self) -> &'static str {
        match self {
            Self::LogShape => "log_shape_change",
            Self::NewError => "new_error_pattern",
            Self::PointedAt => "log_shape_change",
            Self::HopGap | Self::SelfTime | Self::SlowRequests => "slow_call",
            Self::Failures | Self::FailingRequests | Self::FailingCalls | Self::GivesUp => "failing_calls",
            Self::Metric | Self::MetricProfile | Self::Drift => "metric_anomaly",
        }
    }

    pub const fn source(self) -> Source {
        match self {
            Self::LogShape | Self::NewError | Self::PointedAt => Source::Logs,
            Self::Metric | Self::MetricProfile | Self::Drift | Self::SlowRequests | Self::FailingRequests => Source::Metrics,
            _ => Source::Traces,
        }
    }
}

/// What inside the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A context and the template that follows in it.
    Shape(ShapeKey, Symbol),
    Template(Symbol),
    /// The entity as the one called.
    Callee,
    /// The way of one caller to the entity.
    From(EntityKey),
    /// One it calls.
    Waiting(EntityKey),
    Operation(Symbol),
    /// All its requests.
    Requests,
    Series(SeriesKey),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub kind: Kind,
    pub subject: Subject,
    pub host: Symbol,
    /// For opening.
    pub surprise: f64,
    /// For ranking.
    pub rank_surprise: f64,
    pub window_s: u32,
    pub period: Period,
    pub facts: Facts,
    pub series: Vec<(Timestamp, f64)>,
    pub unit: Symbol,
    /// An event is due now.
    pub tell: bool,
    /// Bucket of the newest event that told of it.
    pub told: Option<Bucket>,
}

fn seconds(buckets: i64) -> u32 {
    u32::try_from(buckets * Bucket::SECONDS).unwrap_or(0)
}

impl Finding {
    pub fn of_share(kind: Kind, subject: Subject, host: Symbol, verdict: &ShareVerdict, share: &Share, grace_s: i64) -> Self {
        Self {
            kind,
            subject,
            host,
            surprise: verdict.surprise,
            rank_surprise: verdict.rank_surprise,
            window_s: seconds(verdict.window_buckets),
            period: verdict.period.earlier_by(grace_s),
            facts: Facts {
                hits_before: verdict.hits_before,
                cases_before: verdict.cases_before,
                hits_now: verdict.hits_now,
                cases_now: verdict.cases_now,
                ..Facts::default()
            },
            series: share.series(verdict.event).into_iter().map(|(at, share)| (at, 100.0 * share)).collect(),
            unit: symbol("%"),
            tell: false,
            told: None,
        }
    }

    pub fn of_wait(callee: EntityKey, verdict: &WaitVerdict) -> Self {
        Self {
            kind: Kind::GivesUp,
            subject: Subject::Waiting(callee),
            host: Symbol::NONE,
            surprise: verdict.surprise,
            rank_surprise: verdict.surprise,
            window_s: seconds(verdict.window_buckets),
            period: verdict.period.earlier_by(TRACE_GRACE_S),
            facts: Facts {
                hits_before: verdict.given_up_before,
                cases_before: verdict.cases_before,
                hits_now: verdict.given_up_now,
                cases_now: verdict.cases_now,
                value_before: Some(100.0 * verdict.reached_before),
                threshold: Some(verdict.limit_ms),
                ..Facts::default()
            },
            series: Vec::new(),
            unit: symbol("%"),
            tell: false,
            told: None,
        }
    }

    /// Durations come from traces: they are booked the grace after their end.
    pub fn of_slow(kind: Kind, subject: Subject, verdict: &SlowVerdict, slow: &Slow) -> Self {
        Self {
            kind,
            subject,
            host: Symbol::NONE,
            surprise: verdict.surprise,
            rank_surprise: verdict.rank_surprise,
            window_s: seconds(verdict.window_buckets),
            period: verdict.period.earlier_by(TRACE_GRACE_S),
            facts: Facts {
                hits_before: verdict.slow_before,
                cases_before: verdict.cases_before,
                hits_now: verdict.slow_now,
                cases_now: verdict.cases_now,
                value_before: Some(verdict.median_before_ms),
                value_now: Some(verdict.median_now_ms),
                threshold: Some(verdict.threshold_ms),
                ..Facts::default()
            },
            series: slow.series(),
            unit: symbol("ms"),
            tell: false,
            told: None,
        }
    }
}
