//! Spans → `ExportTraceServiceRequest`.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::{Item, Kind, batches, record, resource, span_bytes, trace_bytes, unsigned};
use crate::evaluation::feed::{FeedRecord, TRACES_TOPIC};
use crate::evaluation::pack::{Pod, SpanRow};
use crate::model::Source;

/// A recorded span as it is to be sent: moved in time, under the ids given here.
#[derive(Clone, Copy, Debug)]
pub struct SpanItem<'a> {
    pub row: &'a SpanRow,
    pub shift_ns: i64,
    pub trace: u128,
    pub span: u64,
    pub parent: u64,
    pub kind: Kind,
}

impl<'a> SpanItem<'a> {
    /// The span as it was recorded.
    pub fn recorded(row: &'a SpanRow, kind: Kind) -> Self {
        Self { row, shift_ns: 0, trace: row.trace, span: row.span, parent: row.parent, kind }
    }

    fn to_otlp(self) -> Span {
        let kind = match self.kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
        };
        Span {
            trace_id: trace_bytes(self.trace),
            span_id: span_bytes(self.span),
            parent_span_id: span_bytes(self.parent),
            name: self.row.operation.to_string(),
            kind: kind.into(),
            start_time_unix_nano: unsigned(self.row.start_ns.saturating_add(self.shift_ns)),
            end_time_unix_nano: unsigned(self.time_ns()),
            ..Span::default()
        }
    }
}

impl Item for SpanItem<'_> {
    fn time_ns(&self) -> i64 {
        self.row.end_ns.saturating_add(self.shift_ns)
    }

    fn pod(&self) -> &Pod {
        &self.row.pod
    }
}

/// Records of at most 50 spans and 200 ms of one pod each; a record's timestamp is its newest end.
pub fn spans(mut items: Vec<SpanItem>, environment: &str) -> Vec<FeedRecord> {
    items.sort_by_key(|item| (item.time_ns(), item.trace, item.span));
    let to_record = |batch: Vec<SpanItem>| {
        let last = batch.last()?;
        let (pod, newest_ns) = (last.pod(), last.time_ns());
        let spans = batch.iter().map(|item| item.to_otlp()).collect();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { resource: Some(resource(pod, environment)), scope_spans, ..ResourceSpans::default() }];
        Some(record(TRACES_TOPIC, Source::Traces, pod, newest_ns, &ExportTraceServiceRequest { resource_spans }))
    };
    batches(items).into_iter().filter_map(to_record).collect()
}
