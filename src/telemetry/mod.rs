//! tracing, OpenTelemetry, Prometheus: setup, and the closed list of metric names.

pub mod batch_trace;
pub mod metrics;
pub mod tracing_setup;
