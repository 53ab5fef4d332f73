//! tracing, OpenTelemetry, Prometheus: setup, and the closed list of metric names.
