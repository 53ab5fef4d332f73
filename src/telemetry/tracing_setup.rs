//! Log lines and spans of whydunit itself.

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::batch_trace;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Filter in the syntax of `RUST_LOG`, for example `info,whydunit::kafka=debug`.
    pub log: String,
    /// `auto` (pretty on a terminal, JSON otherwise), `pretty` or `json`.
    pub log_format: String,
    /// Share of batches whose way is traced when OTEL_EXPORTER_OTLP_ENDPOINT is set, 0 to 1.
    pub trace_share: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { log: "info".to_owned(), log_format: "auto".to_owned(), trace_share: 0.01 }
    }
}

impl Options {
    /// Every problem, as (key, reason).
    pub fn validate(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if EnvFilter::try_new(&self.log).is_err() {
            problems.push(("telemetry.log".to_owned(), format!("`{}` is not a log filter; an example is `info,whydunit=debug`", self.log)));
        }
        if !["auto", "pretty", "json"].contains(&self.log_format.as_str()) {
            problems.push(("telemetry.log_format".to_owned(), format!("`{}` is none of auto, pretty, json", self.log_format)));
        }
        if !(0.0..=1.0).contains(&self.trace_share) {
            problems.push(("telemetry.trace_share".to_owned(), "must lie between 0 and 1".to_owned()));
        }
        problems
    }
}

/// Flushes spans when dropped.
#[derive(Debug, Default)]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown()
        {
            eprintln!("traces not flushed: {error}");
        }
    }
}

/// Sets up log lines on standard error, and traces when `OTEL_EXPORTER_OTLP_ENDPOINT` is set. A second call in one
/// process does nothing.
pub fn install(options: &Options) -> Guard {
    // The exporter's own comings and goings are no news, unless asked for by name.
    let filter =
        EnvFilter::try_new(format!("opentelemetry_sdk=warn,opentelemetry=warn,{}", options.log)).unwrap_or_else(|_| EnvFilter::new("info"));
    let json = match options.log_format.as_str() {
        "json" => true,
        "pretty" => false,
        _ => !std::io::stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = if json { lines.json().boxed() } else { lines.compact().boxed() };
    let provider = std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").and_then(|_| tracer_provider(options.trace_share));
    // Of spans, only those of batches: what the libraries of the exporter and the API trace is theirs.
    let batches = Targets::new().with_target(batch_trace::TARGET, LevelFilter::INFO);
    let spans =
        provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("whydunit")).with_filter(batches));
    if tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).try_init().is_err() {
        return Guard::default();
    }
    if provider.is_some() {
        batch_trace::export();
    }
    opentelemetry::global::set_text_map_propagator(opentelemetry_sdk::propagation::TraceContextPropagator::new());
    Guard { provider }
}

/// The endpoint is read from the environment by the exporter itself.
fn tracer_provider(share: f64) -> Option<SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_http().with_protocol(opentelemetry_otlp::Protocol::HttpBinary).build();
    match exporter {
        Ok(exporter) => Some(
            SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                // The sampled trace of a record is continued; else the share decides.
                .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
                .with_resource(Resource::builder().with_service_name("whydunit").build())
                .build(),
        ),
        Err(error) => {
            eprintln!("OTEL_EXPORTER_OTLP_ENDPOINT is set but traces cannot be exported: {error}");
            None
        }
    }
}
