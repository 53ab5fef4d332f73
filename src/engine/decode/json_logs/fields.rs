//! Names under which producers write the fields of a log line.

use rustc_hash::{FxHashMap, FxHashSet};

/// A field of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Time,
    Message,
    Level,
    /// OpenTelemetry's 1 to 24.
    SeverityNumber,
    Service,
    Environment,
    Host,
    Version,
    Trace,
    Span,
    ExceptionType,
    ExceptionMessage,
    Stack,
    RequestId,
    CorrelationId,
    HttpStatus,
    /// A level (Datadog) or an HTTP status, as its value tells.
    Status,
}

impl Slot {
    pub(super) const COUNT: usize = Self::Status as usize + 1;
}

/// What a key means: a field, the start of a longer dotted name, both, or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    pub(super) slot: Option<Slot>,
    /// Among several names of one field the lowest rank is taken.
    pub(super) rank: u8,
    /// An object under this key may hold fields.
    pub(super) nested: bool,
    /// An object under this key is a mere wrapper: its keys count as if they stood outside, with less weight.
    pub(super) wrapper: bool,
}

/// Dotted names, best first. `service.name` also stands for `{"service": {"name": …}}`.
const NAMES: [(Slot, &[&str]); Slot::COUNT] = [
    (
        Slot::Time,
        &[
            "@timestamp",
            "timestamp",
            "time",
            "ts",
            "@t",
            "datetime",
            "date",
            "event_time",
            "eventTime",
            "asctime",
            "timeMillis",
            "timestamp_ms",
            "timeUnixNano",
            "time_unix_nano",
            "__REALTIME_TIMESTAMP",
        ],
    ),
    (
        Slot::Message,
        &["message", "msg", "log", "@m", "@mt", "short_message", "MESSAGE", "text", "body", "@message", "log_message", "event", "request"],
    ),
    (
        Slot::Level,
        &[
            "log.level",
            "level",
            "severity",
            "lvl",
            "loglevel",
            "log_level",
            "logLevel",
            "levelname",
            "severity_text",
            "severityText",
            "@l",
            "level_name",
            "log.syslog.severity.name",
            "PRIORITY",
            "priority",
        ],
    ),
    (Slot::SeverityNumber, &["severity_number", "severityNumber"]),
    (
        Slot::Service,
        &[
            "service.name",
            "service",
            "service_name",
            "serviceName",
            "dd.service",
            "svc",
            "app",
            "application",
            "app_name",
            "appName",
            "appname",
            "application_name",
            "app.name",
            "kubernetes.labels.app.kubernetes.io/name",
            "kubernetes.labels.app_kubernetes_io/name",
            "kubernetes.labels.app",
            "kubernetes.labels.k8s-app",
            "kubernetes.deployment.name",
            "k8s.deployment.name",
            "kubernetes.container.name",
            "kubernetes.container_name",
            "k8s.container.name",
            "container.name",
            "container_name",
            "program",
            "SYSLOG_IDENTIFIER",
        ],
    ),
    (
        Slot::Environment,
        &[
            "service.environment",
            "deployment.environment.name",
            "deployment.environment",
            "environment",
            "env",
            "dd.env",
            "labels.environment",
            "labels.env",
            "kubernetes.labels.environment",
            "kubernetes.labels.env",
            "stage",
        ],
    ),
    (
        Slot::Host,
        &[
            "kubernetes.pod.name",
            "kubernetes.pod_name",
            "k8s.pod.name",
            "pod",
            "pod_name",
            "podName",
            "host.name",
            "host.hostname",
            "hostname",
            "host",
            "_HOSTNAME",
            "instance",
            "node",
        ],
    ),
    (Slot::Version, &["service.version", "dd.version", "version", "app_version", "appVersion", "kubernetes.labels.version"]),
    (
        Slot::Trace,
        &[
            "trace.id",
            "trace_id",
            "traceId",
            "traceID",
            "TraceId",
            "TraceID",
            "traceid",
            "trace",
            "dd.trace_id",
            "otel.trace_id",
            "X-B3-TraceId",
            "logging.googleapis.com/trace",
        ],
    ),
    (
        Slot::Span,
        &[
            "span.id",
            "span_id",
            "spanId",
            "spanID",
            "SpanId",
            "SpanID",
            "spanid",
            "span",
            "dd.span_id",
            "otel.span_id",
            "X-B3-SpanId",
            "logging.googleapis.com/spanId",
        ],
    ),
    (
        Slot::ExceptionType,
        &[
            "error.type",
            "exception.type",
            "exception_type",
            "error_type",
            "error.kind",
            "error.name",
            "err.type",
            "err.name",
            "exception.class",
            "exception.exception_class",
            "exception_class",
            "exception.name",
        ],
    ),
    (
        Slot::ExceptionMessage,
        &[
            "error.message",
            "exception.message",
            "exception.exception_message",
            "err.message",
            "error",
            "exception_message",
            "error_message",
            "err",
        ],
    ),
    (
        Slot::Stack,
        &[
            "error.stack_trace",
            "exception.stacktrace",
            "exception.stack_trace",
            "exception.exception_stacktrace",
            "error.stack",
            "err.stack",
            "stack_trace",
            "stackTrace",
            "stacktrace",
            "stack",
            "exc_info",
            "traceback",
            "@x",
            "exception",
        ],
    ),
    (
        Slot::RequestId,
        &["http.request.id", "request_id", "requestId", "request.id", "req_id", "reqId", "x_request_id", "x-request-id", "transaction.id"],
    ),
    (Slot::CorrelationId, &["correlation_id", "correlationId", "correlation.id", "x-correlation-id", "CorrelationId"]),
    (
        Slot::HttpStatus,
        &[
            "http.response.status_code",
            "http.status_code",
            "http_status",
            "http.status",
            "status_code",
            "statusCode",
            "response_code",
            "response.status",
            "res.statusCode",
        ],
    ),
    (Slot::Status, &["status"]),
];

/// Objects whose keys count as if they stood outside.
const WRAPPERS: [&str; 11] =
    ["fields", "labels", "context", "mdc", "extra", "attributes", "resource", "contextMap", "Properties", "json", "kubernetes.annotations"];

/// Rank added inside a wrapper.
pub(super) const WRAPPED: u8 = 100;

/// Keys by their place in the last line: lines of one logger have the same keys in the same order, and comparing is cheaper than
/// looking up. Only a shortcut: the meaning of a key is the same with and without it.
#[derive(Debug, Default)]
pub(super) struct Recent {
    keys: Vec<(String, Target)>,
    at: usize,
}

impl Recent {
    /// Places remembered.
    const MAX: usize = 48;

    pub(super) fn start_line(&mut self) {
        self.at = 0;
    }

    /// Meaning of a line's next key.
    #[inline]
    pub(super) fn find(&mut self, fields: &Fields, key: &str) -> Target {
        let at = self.at;
        self.at += 1;
        if let Some((known, target)) = self.keys.get(at)
            && known == key
        {
            return *target;
        }
        let target = fields.find(key);
        if key.len() <= fields.longest.max(64) {
            self.remember(at, key, target);
        }
        target
    }

    fn remember(&mut self, at: usize, key: &str, target: Target) {
        if let Some((known, meaning)) = self.keys.get_mut(at) {
            known.clear();
            known.push_str(key);
            *meaning = target;
        } else if at == self.keys.len() && at < Self::MAX {
            self.keys.push((key.to_owned(), target));
        }
    }
}

/// Key → meaning.
#[derive(Debug)]
pub(super) struct Fields {
    targets: FxHashMap<Box<str>, Target>,
    longest: usize,
}

impl Default for Fields {
    fn default() -> Self {
        let mut fields = Self { targets: FxHashMap::default(), longest: 0 };
        let mut prefixes = FxHashSet::default();
        for (slot, names) in NAMES {
            for (rank, name) in names.iter().enumerate() {
                fields.add(name, |target| (target.slot, target.rank) = (Some(slot), rank as u8));
                prefixes.extend(name.match_indices('.').map(|(dot, _)| &name[..dot]));
            }
        }
        for name in prefixes {
            fields.add(name, |target| target.nested = true);
        }
        for name in WRAPPERS {
            fields.add(name, |target| target.wrapper = true);
        }
        fields
    }
}

impl Fields {
    /// Meaning of a dotted name; a name in other capitals is taken for its lower-case form.
    pub(super) fn find(&self, name: &str) -> Target {
        if name.len() > self.longest {
            return Target::default();
        }
        if let Some(target) = self.targets.get(name) {
            return *target;
        }
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Target::default();
        }
        self.targets.get(name.to_ascii_lowercase().as_str()).copied().unwrap_or_default()
    }

    fn add(&mut self, name: &str, change: impl FnOnce(&mut Target)) {
        change(self.targets.entry(name.into()).or_default());
        self.longest = self.longest.max(name.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_open_their_objects() {
        let fields = Fields::default();
        let service = fields.find("service");
        assert!(service.nested && service.slot == Some(Slot::Service));
        assert!(fields.find("kubernetes.labels").nested);
        assert_eq!(fields.find("Level").slot, Some(Slot::Level));
        assert_eq!(fields.find("thread").slot, None);
    }

    #[test]
    fn keys_mean_the_same_in_any_order_of_lines() {
        let fields = Fields::default();
        let mut recent = Recent::default();
        for line in [["message", "x", "level"], ["level", "message", "x"], ["message", "x", "level"]] {
            recent.start_line();
            for key in line {
                assert_eq!(recent.find(&fields, key).slot, fields.find(key).slot, "{key}");
            }
        }
    }

    #[test]
    fn no_name_stands_for_two_fields() {
        let mut seen = FxHashSet::default();
        for name in NAMES.iter().flat_map(|(_, names)| *names) {
            assert!(seen.insert(*name), "{name} twice");
        }
        assert!(NAMES.iter().enumerate().all(|(at, (slot, _))| *slot as usize == at));
    }
}
