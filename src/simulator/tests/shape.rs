//! What the shop writes has the shape of what real shops write.

use std::collections::BTreeSet;

use super::reading::read;
use super::{options, run};
use crate::simulator::{Options, catalog};

const SERVER: i32 = 2;
const CONSUMER: i32 = 5;

fn faulty(fault: &str) -> Options {
    Options { history_s: 120, fault_age_s: 80, ..options(Some(fault)) }
}

#[test]
fn spans_form_trees_whose_children_lie_inside_their_parents() {
    for fault in catalog() {
        let written = read(&run(faulty(&fault.name), 130, 1000));
        let spans = written.by_id();
        assert_eq!(spans.len(), written.spans.len(), "{}: a span id twice", fault.name);
        let mut orphans = 0;
        for span in &written.spans {
            assert!(span.start <= span.end, "{span:?}");
            let Some(parent) = spans.get(&(span.trace.as_slice(), span.parent.as_slice())) else {
                orphans += usize::from(!span.parent.is_empty());
                continue;
            };
            assert!(parent.start <= span.start, "{span:?} before {parent:?}");
            // Who gave up waiting ends before the one that still works; a message is taken later.
            let gave_up = parent.message.contains("did not answer within");
            assert!(span.end <= parent.end || gave_up || span.kind == CONSUMER, "{}: {span:?} after {parent:?}", fault.name);
        }
        // Only what was still under way at the end misses its parent.
        assert!(orphans < 400, "{}: {orphans} orphans", fault.name);
    }
}

#[test]
fn nothing_is_sent_before_it_happened_or_long_after() {
    let records = run(options(None), 120, 1000);
    for record in &records {
        let sent = record.timestamp.nanos();
        let written = read(std::slice::from_ref(record));
        let times = written.spans.iter().map(|span| span.end).chain(written.lines.iter().map(|line| line.at));
        for at in times.chain(written.points.iter().map(|point| point.at)) {
            assert!(at <= sent && sent - at <= 2_001_000_000, "sent {sent}, happened {at}");
        }
    }
}

#[test]
fn lines_carry_the_trace_and_span_they_were_written_in() {
    let written = read(&run(options(None), 120, 1000));
    let known: BTreeSet<(String, String)> = written
        .spans
        .iter()
        .map(|span| {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            (hex(&span.trace), hex(&span.id))
        })
        .collect();
    let traced: Vec<_> = written.lines.iter().filter(|line| !line.trace.is_empty()).collect();
    let matched = traced.iter().filter(|line| known.contains(&(line.trace.clone(), line.span.clone()))).count();
    println!("{} lines, {} with a trace, {matched} of them with their span", written.lines.len(), traced.len());
    assert!(matched as f64 > 0.98 * traced.len() as f64);
    assert!(traced.len() * 2 > written.lines.len());
}

#[test]
fn every_service_shows_itself_and_roots_are_the_gateway_or_a_job() {
    let written = read(&run(options(None), 600, 1000));
    let services: BTreeSet<&str> = written.spans.iter().map(|span| span.service.as_str()).collect();
    let measured: BTreeSet<&str> = written.points.iter().map(|point| point.service.as_str()).collect();
    let levels: BTreeSet<&str> = written.lines.iter().map(|line| line.level.as_str()).collect();
    assert_eq!(services.len(), 14, "{services:?}");
    assert!(measured.contains("orders-db") && measured.contains("cache") && measured.len() == 17, "{measured:?}");
    assert_eq!(levels.into_iter().collect::<Vec<_>>(), ["DEBUG", "ERROR", "INFO", "WARN"]);
    for root in written.spans.iter().filter(|span| span.parent.is_empty()) {
        assert!(root.service == "gateway" && root.kind == SERVER || root.kind == 1, "{root:?}");
    }
}

#[test]
fn a_failing_request_leaves_an_access_line_with_its_status() {
    let written = read(&run(faulty("dead-dependency"), 120, 1000));
    assert!(written.lines.iter().any(|line| line.service == "gateway" && line.level == "ERROR" && line.message.contains(" 504 ")));
}
