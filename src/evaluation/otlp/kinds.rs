//! Span kinds, which recordings do not hold, told from who called whom.

use std::collections::{HashMap, HashSet};

use crate::evaluation::pack::SpanRow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Server,
    Client,
}

/// Kind of each span: called by another service → server; calling another service → client; without a recorded parent and
/// calling nobody directly, it is where a request came in → server; else internal.
pub fn kinds(spans: &[&SpanRow]) -> Vec<Kind> {
    let by_id: HashMap<(u128, u64), &SpanRow> = spans.iter().map(|span| ((span.trace, span.span), *span)).collect();
    let parent_of = |span: &SpanRow| if span.parent == 0 { None } else { by_id.get(&(span.trace, span.parent)).copied() };
    let callers: HashSet<(u128, u64)> = spans
        .iter()
        .filter(|span| parent_of(span).is_some_and(|parent| parent.pod.service != span.pod.service))
        .map(|span| (span.trace, span.parent))
        .collect();
    let kind_of = |span: &SpanRow| match parent_of(span) {
        Some(parent) if parent.pod.service != span.pod.service => Kind::Server,
        _ if callers.contains(&(span.trace, span.span)) => Kind::Client,
        None => Kind::Server,
        Some(_) => Kind::Internal,
    };
    spans.iter().map(|span| kind_of(span)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::evaluation::pack::Pod;

    fn span(id: u64, parent: u64, pod: &str) -> SpanRow {
        SpanRow { end_ns: 2, start_ns: 1, trace: 7, span: id, parent, pod: Arc::new(Pod::named(pod)), operation: "op".into() }
    }

    #[test]
    fn a_call_between_services_has_a_client_and_a_server_side() {
        let rows =
            [span(1, 0, "front-a-1"), span(2, 1, "front-a-1"), span(3, 2, "cart-b-2"), span(4, 3, "cart-b-2"), span(5, 9, "lost-c-3")];
        let kinds = kinds(&rows.iter().collect::<Vec<_>>());
        assert_eq!(kinds, [Kind::Server, Kind::Client, Kind::Server, Kind::Internal, Kind::Server]);
    }

    #[test]
    fn a_root_that_calls_out_itself_is_a_client() {
        let rows = [span(1, 0, "job-a-1"), span(2, 1, "cart-b-2")];
        assert_eq!(kinds(&rows.iter().collect::<Vec<_>>()), [Kind::Client, Kind::Server]);
    }
}
