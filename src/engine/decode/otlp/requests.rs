//! Which metrics count requests: histograms of durations by OpenTelemetry's semantic conventions (HTTP, RPC and messaging
//! metrics), of Prometheus's client libraries and of the collector's span metrics connector, and the calls of its service graph
//! connector. Names in Prometheus's form are taken, too.

use super::facts::Scalar;
use crate::engine::decode::json_logs::limited;
use crate::engine::decode::sink::RecordSink;
use crate::model::EntityKey;
use crate::model::observation::RequestCount;

const DURATIONS: [&str; 8] = [
    "http.server.request.duration",
    "http.server.duration",
    // Client libraries of Prometheus, by habit, and Micrometer.
    "http.request.duration",
    "http.server.requests",
    "rpc.server.call.duration",
    "rpc.server.duration",
    "messaging.process.duration",
    "traces.span.metrics.duration",
];
/// Answers of gRPC that are the server's fault: unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
const GRPC_FAULTS: [i64; 6] = [2, 4, 12, 13, 14, 15];

/// What a metric says of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine::decode) enum Role {
    #[default]
    None,
    /// A distribution of request durations, in units of so many nanoseconds.
    Durations(f64),
    Calls,
    FailedCalls,
}

impl Role {
    pub(in crate::engine::decode) fn of(name: &str, unit: &str) -> Self {
        match name {
            "traces_service_graph_request_total" => return Self::Calls,
            "traces_service_graph_request_failed_total" => return Self::FailedCalls,
            _ => {}
        }
        // Nearly all metrics are something else: their names are not copied.
        if !name.ends_with("duration") && !name.ends_with("seconds") {
            return Self::None;
        }
        let dotted = name.replace('_', ".");
        let (dotted, suffix) = match dotted.rsplit_once('.') {
            Some((front, "seconds")) => (front, "s"),
            Some((front, "milliseconds")) => (front, "ms"),
            _ => (dotted.as_str(), ""),
        };
        let unit_ns = match if unit.is_empty() { suffix } else { unit } {
            "s" => 1e9,
            "ms" => 1e6,
            "us" => 1e3,
            "ns" => 1.0,
            _ => return Self::None,
        };
        if DURATIONS.contains(&dotted) { Self::Durations(unit_ns) } else { Self::None }
    }
}

/// What a point's attributes say of its requests.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine::decode) struct RequestFacts<'a> {
    failed: bool,
    /// Spans that do not receive a request.
    elsewhere: bool,
    client: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
}

impl<'a> RequestFacts<'a> {
    pub(in crate::engine::decode) fn attribute(&mut self, key: &[u8], value: Scalar<'a>) {
        match key {
            b"error.type" | b"error_type" => self.failed |= value.text().is_some(),
            b"http.response.status_code" | b"http.status_code" | b"http_response_status_code" | b"http_status_code" => {
                self.failed |= value.integer().is_some_and(|code| code >= 500);
            }
            b"rpc.grpc.status_code" | b"rpc_grpc_status_code" => {
                self.failed |= value.integer().is_some_and(|code| GRPC_FAULTS.contains(&code));
            }
            b"status.code" | b"status_code" => self.failed |= ends_with(value, b"ERROR"),
            b"span.kind" | b"span_kind" => self.elsewhere = !ends_with(value, b"SERVER") && !ends_with(value, b"CONSUMER"),
            b"client" => self.client = value.text(),
            b"server" => self.server = value.text(),
            _ => {}
        }
    }

    /// Requests of a point that counts `count` of them, `sum` units of time together.
    pub(in crate::engine::decode) fn requests(&self, role: Role, count: u64, sum: f64, cumulative: bool) -> Option<Box<RequestCount>> {
        let Role::Durations(unit_ns) = role else { return None };
        // Durations are not negative; the cast cuts what is.
        let duration_ns = (sum * unit_ns).round() as u64;
        let count = RequestCount { requests: count, duration_ns, failed: self.failed, cumulative, callee: None };
        (!self.elsewhere).then(|| Box::new(count))
    }

    /// Calls of a point, with who makes them.
    pub(in crate::engine::decode) fn calls(
        &self,
        role: Role,
        value: f64,
        cumulative: bool,
        beside: EntityKey,
        sink: &mut RecordSink<'_>,
    ) -> Option<(EntityKey, Box<RequestCount>)> {
        if !matches!(role, Role::Calls | Role::FailedCalls) || value < 0.0 {
            return None;
        }
        let mut entity = |name: &[u8]| {
            let service = sink.symbols.service(limited(&String::from_utf8_lossy(name)));
            EntityKey { environment: beside.environment, service }
        };
        let (client, server) = (entity(self.client?), entity(self.server?));
        let failed = role == Role::FailedCalls;
        Some((client, Box::new(RequestCount { requests: value.round() as u64, duration_ns: 0, failed, cumulative, callee: Some(server) })))
    }
}

/// As `STATUS_CODE_ERROR`, and as `Error`.
fn ends_with(value: Scalar<'_>, ending: &[u8]) -> bool {
    value.text().is_some_and(|text| text.len() >= ending.len() && text[text.len() - ending.len()..].eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_known_by_their_names_in_either_form() {
        assert_eq!(Role::of("http.server.request.duration", "s"), Role::Durations(1e9));
        assert_eq!(Role::of("http_server_request_duration_seconds", ""), Role::Durations(1e9));
        assert_eq!(Role::of("traces_span_metrics_duration_milliseconds", "ms"), Role::Durations(1e6));
        assert_eq!(Role::of("http.client.request.duration", "s"), Role::None, "the other side tells the same");
        assert_eq!(Role::of("http.server.request.duration", ""), Role::None, "nobody knows of what unit");
    }

    #[test]
    fn failures_are_known_by_the_codes_of_http_grpc_and_spans() {
        let failed = |key: &[u8], value| {
            let mut facts = RequestFacts::default();
            facts.attribute(key, value);
            facts.failed
        };
        assert!(failed(b"http.response.status_code", Scalar::Integer(503)) && !failed(b"http.response.status_code", Scalar::Integer(404)));
        assert!(failed(b"rpc.grpc.status_code", Scalar::Integer(14)) && !failed(b"rpc.grpc.status_code", Scalar::Integer(5)));
        assert!(failed(b"status.code", Scalar::Text(b"STATUS_CODE_ERROR")) && !failed(b"status.code", Scalar::Text(b"Ok")));
    }
}
