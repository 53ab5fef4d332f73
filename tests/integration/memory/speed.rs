//! How quick it is; printed, not judged: other tests share the machine. `WHYDUNIT_TEST_EVENTS` sets the size.

use std::time::{Duration, Instant};

use whydunit::model::investigation::EngineFindings;
use whydunit::model::ports::{StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::{EventQuery, InvestigationQuery, Paging, TimeRange};
use whydunit::model::{Severity, Source};
use whydunit::store::{Options, SqliteReader, open_reader, open_writer};

use super::{Database, batch_of, things};

const ROUNDS: u64 = 20;
const MEDIAN: usize = 10;
const P95: usize = 18;

fn size() -> u64 {
    std::env::var("WHYDUNIT_TEST_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

/// Fills a database in batches and prints the rate.
fn fill(options: &Options, events: u64, batch: u64) {
    let mut writer = open_writer(options).unwrap();
    let (mut spent, mut core) = (Duration::ZERO, 0.0);
    for first in (0..events).step_by(batch as usize) {
        let mut chunk: Vec<_> = (first..(first + batch).min(events)).map(|n| things::random_event(1, n)).collect();
        // As they come in life: roughly in the order of their times.
        for (index, event) in chunk.iter_mut().enumerate() {
            let at_ms = (first + index as u64) as i64 * 86_400_000 / events as i64;
            event.timestamp = things::at(0).plus_millis(at_ms);
        }
        let batch = batch_of(chunk);
        let (start, core_before) = (Instant::now(), core_ms());
        writer.write(&batch, things::at(0)).unwrap();
        spent += start.elapsed();
        core += core_ms() - core_before;
    }
    let links = (0..events.min(10_000)).map(|n| things::link(&things::random_event(1, n * 7 % events).id)).collect();
    let findings = EngineFindings { new_links: links, ..things::findings("inv-1", 1) };
    writer.write(&WriteBatch { findings: vec![findings], ..WriteBatch::default() }, things::at(0)).unwrap();
    println!(
        "{events} events in batches of {batch}: {:.0} events/s durable, {:.0} a second of core",
        events as f64 / spent.as_secs_f64(),
        events as f64 * 1_000.0 / core
    );
}

/// Time this thread has spent on a core, where the system tells; the wall tells of its neighbours too.
fn core_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or_default() / 1e6
}

fn measure(name: &str, mut run: impl FnMut(u64)) {
    let (mut walls, mut cores) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (start, core) = (Instant::now(), core_ms());
        run(round);
        walls.push(start.elapsed().as_secs_f64() * 1_000.0);
        cores.push(core_ms() - core);
    }
    walls.sort_by(f64::total_cmp);
    cores.sort_by(f64::total_cmp);
    println!(
        "{name:<42} wall p50 {:7.2} ms p95 {:7.2} ms  core p50 {:7.2} ms p95 {:7.2} ms",
        walls[MEDIAN], walls[P95], cores[MEDIAN], cores[P95]
    );
}

fn measure_events(reader: &SqliteReader) {
    let base = EventQuery::default;
    let words = ["timeout", "refused", "deadlock", "pool", "quota"];
    let time = |round: u64| {
        let from = (round * 1_777 % 80_000) as i64;
        TimeRange { from: Some(things::at(from)), to: Some(things::at(from + 3_333)) }
    };
    let service = |round: u64| vec![format!("service-{}", round % 40)];
    type Make<'a> = Box<dyn Fn(u64) -> EventQuery + 'a>;
    let cases: Vec<(&str, Make<'_>)> = vec![
        ("no filter", Box::new(|_| base())),
        ("one source", Box::new(|_| EventQuery { source: vec![Source::Logs], ..base() })),
        ("service and severity", Box::new(|round| EventQuery { service: service(round), severity: vec![Severity::High], ..base() })),
        (
            "five filters",
            Box::new(|round| EventQuery {
                service: service(round),
                severity: vec![Severity::High],
                source: vec![Source::Logs],
                event_type: vec!["error_burst".into()],
                environment: vec!["prod".into()],
                ..base()
            }),
        ),
        ("no match", Box::new(|_| EventQuery { service: vec!["nobody".into()], ..base() })),
        ("an hour", Box::new(|round| EventQuery { time: time(round), ..base() })),
        ("an hour of a service", Box::new(|round| EventQuery { time: time(round), service: service(round), ..base() })),
        ("oldest first", Box::new(|_| EventQuery { paging: Paging { descending: false, ..Paging::default() }, ..base() })),
        (
            "page 400 of a source",
            Box::new(|_| EventQuery { source: vec![Source::Logs], paging: Paging { page: 400, ..Paging::default() }, ..base() }),
        ),
        ("by severity", Box::new(|_| EventQuery { paging: Paging { sort: "severity".into(), ..Paging::default() }, ..base() })),
        ("a trace", Box::new(|round| EventQuery { trace_id: Some(format!("{round:016x}")), ..base() })),
        ("a tag", Box::new(|round| EventQuery { tag: vec![format!("tag-{}", round % 20)], ..base() })),
        ("a common word", Box::new(|round| EventQuery { text: Some(words[(round % 5) as usize].into()), ..base() })),
        ("two common words", Box::new(|round| EventQuery { text: Some(format!("{} exhausted", words[(round % 5) as usize])), ..base() })),
        ("a word in every event", Box::new(|_| EventQuery { text: Some("request failed".into()), ..base() })),
        ("a short beginning", Box::new(|_| EventQuery { text: Some("req".into()), ..base() })),
        ("digits' beginning", Box::new(|round| EventQuery { text: Some(format!("{}", 100 + round)), ..base() })),
        ("a rare number", Box::new(|round| EventQuery { text: Some(format!("{}", 10_000 + round)), ..base() })),
        (
            "word, service, severity",
            Box::new(|round| EventQuery {
                text: Some(words[(round % 5) as usize].into()),
                service: service(round),
                severity: vec![Severity::High],
                ..base()
            }),
        ),
        ("word in an hour", Box::new(|round| EventQuery { text: Some("timeout".into()), time: time(round), ..base() })),
        ("word and tag", Box::new(|round| EventQuery { text: Some("timeout".into()), tag: vec![format!("tag-{}", round % 20)], ..base() })),
        (
            "word in an investigation",
            Box::new(|_| EventQuery { text: Some("timeout".into()), investigation_id: Some("inv-1".into()), ..base() }),
        ),
        ("an investigation", Box::new(|_| EventQuery { investigation_id: Some("inv-1".into()), ..base() })),
        (
            "word by severity",
            Box::new(|_| EventQuery {
                text: Some("timeout".into()),
                paging: Paging { sort: "severity".into(), ..Paging::default() },
                ..base()
            }),
        ),
        ("two words that never meet", Box::new(|_| EventQuery { text: Some("timeout certificate replica".into()), ..base() })),
    ];
    for (name, make) in &cases {
        measure(name, |round| drop(reader.events(&make(round)).unwrap()));
    }
    for (name, make) in &cases {
        measure(&format!("facets: {name}"), |round| drop(reader.event_facets(&make(round)).unwrap()));
    }
}

#[test]
fn searching_many_events_takes_milliseconds() {
    let database = Database::new();
    fill(&database.options(), size(), 5_000);
    let other = Database::new();
    fill(&other.options(), size().min(100_000), 500);
    measure_events(&open_reader(&database.options()).unwrap());
}

#[test]
fn lists_and_figures_of_many_investigations_take_milliseconds() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let findings: Vec<EngineFindings> = (0..2_000)
        .map(|n| EngineFindings {
            started_at: things::at(n * 40),
            updated_at: things::at(n * 40 + 600),
            hot_services: (0..5).map(|s| format!("service-{}", (n + s) % 40)).collect(),
            ..things::findings(&format!("inv-{n}"), 1)
        })
        .collect();
    writer.write(&WriteBatch { findings, ..WriteBatch::default() }, things::at(0)).unwrap();
    for first in (0..5_760).step_by(96) {
        let rows = (first..first + 96)
            .flat_map(|bucket| (0..40).map(move |s| things::row(&format!("service-{s}"), bucket, 100, (bucket as u64 + s) % 4)))
            .collect();
        writer.write(&WriteBatch { rows, ..WriteBatch::default() }, things::at(0)).unwrap();
    }
    let reader = open_reader(&database.options()).unwrap();
    let page = |per_page| InvestigationQuery { paging: Paging { per_page, ..Paging::default() }, ..InvestigationQuery::default() };
    measure("2,000 investigations: list of 20", |_| drop(reader.investigations(&page(20)).unwrap()));
    measure("list of 100", |_| drop(reader.investigations(&page(100)).unwrap()));
    measure("list by words", |_| {
        drop(reader.investigations(&InvestigationQuery { text: Some("checkout fail".into()), ..page(20) }).unwrap());
    });
    measure("facets", |_| drop(reader.investigation_facets(&page(20)).unwrap()));
    measure("analytics", |_| drop(reader.analytics(TimeRange::default()).unwrap()));
    measure("one investigation", |round| drop(reader.investigation(&format!("inv-{round}")).unwrap()));
    measure("its timeline", |round| drop(reader.timeline(&format!("inv-{round}"), TimeRange::default(), None).unwrap()));
    let day = TimeRange { from: Some(things::at(0)), to: Some(things::at(86_400)) };
    measure("a day's timeline", |round| drop(reader.timeline(&format!("inv-{round}"), day, None).unwrap()));
}
