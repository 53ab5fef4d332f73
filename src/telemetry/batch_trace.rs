//! The trace of one batch on its way through the stages: begun where the batch is taken in, handed on with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Target of the spans of batches; they are exported whatever the log filter says.
pub(super) const TARGET: &str = "whydunit::batch";
/// Record header of the W3C Trace Context recommendation.
pub const TRACEPARENT: &str = "traceparent";
/// Traces of records linked to their batch's trace; a batch holds hundreds of records.
const MAX_LINKS: usize = 32;

static EXPORTED: AtomicBool = AtomicBool::new(false);

/// From now on batches are traced.
pub(super) fn export() {
    EXPORTED.store(true, Ordering::Relaxed);
}

/// One batch's trace; costs nothing while traces are not exported.
#[derive(Clone, Debug)]
pub struct BatchTrace(Span);

impl Default for BatchTrace {
    fn default() -> Self {
        Self(Span::none())
    }
}

impl BatchTrace {
    /// `traceparents` are the records' headers. The first sampled one is continued, further ones are linked; without one,
    /// `telemetry.trace_share` decides whether the batch is traced.
    pub fn begin<'a>(connector: &str, source: &'static str, records: usize, traceparents: impl Iterator<Item = &'a [u8]>) -> Self {
        if !EXPORTED.load(Ordering::Relaxed) {
            return Self::default();
        }
        let span = tracing::info_span!(target: TARGET, "batch", connector, source, records);
        let mut parents = traceparents.filter_map(context_of).filter(|context| context.span().span_context().is_sampled());
        if let Some(parent) = parents.next() {
            let first = parent.span().span_context().clone();
            // A span that was filtered away has no parent to set, and needs none.
            let _ = span.set_parent(parent);
            link(&span, &first, parents);
        }
        Self(span)
    }

    /// False where nothing is traced.
    pub fn is_recorded(&self) -> bool {
        !self.0.is_none()
    }

    /// The span of one stage's work on this batch.
    pub fn stage(&self, stage: &'static str) -> Span {
        if !self.is_recorded() {
            return Span::none();
        }
        // The name of a span cannot vary, so it is set as the field that OpenTelemetry takes it from.
        tracing::info_span!(target: TARGET, parent: &self.0, "stage", otel.name = stage)
    }
}

fn context_of(traceparent: &[u8]) -> Option<Context> {
    let text = std::str::from_utf8(traceparent).ok()?;
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), text.to_owned())]);
    let context = global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
    context.span().span_context().is_valid().then_some(context)
}

fn link(span: &Span, first: &SpanContext, others: impl Iterator<Item = Context>) {
    let mut linked = vec![first.clone()];
    for context in others {
        let other = context.span().span_context().clone();
        if linked.contains(&other) {
            continue;
        }
        if linked.len() > MAX_LINKS {
            return;
        }
        span.add_link(other.clone());
        linked.push(other);
    }
}
