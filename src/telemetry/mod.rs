//! tracing, OpenTelemetry, Prometheus: setup, and the closed list of metric names.

pub mod metrics;
pub mod tracing_setup;
