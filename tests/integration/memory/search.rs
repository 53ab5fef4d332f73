//! Finding events again: by words, fields, time, page by page.

use proptest::prelude::*;
use whydunit::model::investigation::EngineFindings;
use whydunit::model::ports::{StoreError, StoreReader, StoreWriter, WriteBatch};
use whydunit::model::query::{EventQuery, InvestigationQuery, Paging, TimeRange};
use whydunit::model::{Event, Severity, Source, Timestamp};
use whydunit::store::{SqliteReader, open_reader, open_writer};

use super::{Database, batch_of, things};
use crate::support::seed::seed;

const EVENTS: u64 = 4_000;

/// A database full of random events, and the same events in memory to compare with.
fn filled() -> (Database, SqliteReader, Vec<Event>) {
    let seed = seed();
    let database = Database::new();
    let mut events: Vec<Event> = (0..EVENTS).map(|n| things::random_event(seed, n)).collect();
    events.sort_by(|a, b| a.id.cmp(&b.id));
    events.dedup_by(|a, b| a.id == b.id);
    let mut writer = open_writer(&database.options()).unwrap();
    for chunk in events.chunks(500) {
        writer.write(&batch_of(chunk.to_vec()), things::at(100_000)).unwrap();
    }
    let links = events.iter_mut().filter(|event| event.id.ends_with('7')).map(|event| {
        event.investigation_ids.push("inv-1".into());
        things::link(&event.id)
    });
    let findings = EngineFindings { new_links: links.collect(), ..things::findings("inv-1", 1) };
    writer.write(&WriteBatch { findings: vec![findings], ..WriteBatch::default() }, things::at(0)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    (database, reader, events)
}

fn queries() -> Vec<EventQuery> {
    let time = |from: i64, to: i64| TimeRange { from: Some(things::at(from)), to: Some(things::at(to)) };
    let base = EventQuery::default;
    vec![
        base(),
        EventQuery { source: vec![Source::Logs], ..base() },
        EventQuery { service: vec!["service-3".into(), "service-4".into()], severity: vec![Severity::High], ..base() },
        EventQuery { event_type: vec!["commit".into()], environment: vec!["prod".into()], ..base() },
        EventQuery { time: time(3_333, 44_444), ..base() },
        EventQuery { time: time(3_333, 3_400), service: vec!["service-1".into()], ..base() },
        EventQuery { time: time(900, 1_800), ..base() },
        EventQuery { time: time(1_000, 1_900), severity: vec![Severity::Critical], ..base() },
        EventQuery { tag: vec!["tag-1".into(), "tag-2".into()], ..base() },
        EventQuery { tag: vec!["tag-1".into()], source: vec![Source::Git, Source::Ci], ..base() },
        EventQuery { trace_id: Some(format!("{:016x}", 77)), ..base() },
        EventQuery { text: Some("timeout".into()), ..base() },
        EventQuery { text: Some("timeout dead".into()), severity: vec![Severity::High, Severity::Low], ..base() },
        EventQuery { text: Some("quota".into()), service: vec!["service-7".into()], time: time(0, 50_000), ..base() },
        EventQuery { text: Some("pool".into()), tag: vec!["tag-3".into()], ..base() },
        EventQuery { text: Some("pool".into()), trace_id: Some(format!("{:016x}", 77)), ..base() },
        EventQuery { investigation_id: Some("inv-1".into()), ..base() },
        EventQuery { investigation_id: Some("inv-1".into()), severity: vec![Severity::High], time: time(0, 40_000), ..base() },
        EventQuery { investigation_id: Some("inv-1".into()), text: Some("timeout".into()), ..base() },
        EventQuery { investigation_id: Some("none".into()), text: Some("timeout".into()), ..base() },
        EventQuery { service: vec!["nobody".into()], ..base() },
    ]
}

/// What the query means, read from the events themselves.
fn fits(query: &EventQuery, event: &Event) -> bool {
    let any = |wanted: &[String], value: Option<&String>| wanted.is_empty() || value.is_some_and(|value| wanted.contains(value));
    // Only where words are asked for: there are thousands of events, and spelling one out takes a while.
    let text = query.text.as_ref().map(|_| format!("{} {}", event.title, event.data)).unwrap_or_default();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let asked: Vec<&str> = query.text.as_deref().unwrap_or_default().split_whitespace().collect();
    let has = |index: usize, word: &&str| {
        words.iter().any(|found| found == word || (index + 1 == asked.len() && word.len() >= 3 && found.starts_with(*word)))
    };
    (query.source.is_empty() || query.source.contains(&event.source))
        && (query.severity.is_empty() || query.severity.contains(&event.severity))
        && any(&query.event_type, Some(&event.event_type))
        && any(&query.service, event.service.as_ref())
        && any(&query.environment, event.environment.as_ref())
        && (query.tag.is_empty() || query.tag.iter().any(|tag| event.tags.contains(tag)))
        && (query.trace_id.is_none() || query.trace_id == event.trace_id)
        && query.investigation_id.as_ref().is_none_or(|id| event.investigation_ids.contains(id))
        && query.time.from.is_none_or(|from| event.timestamp >= from)
        && query.time.to.is_none_or(|to| event.timestamp < to)
        && asked.iter().enumerate().all(|(index, word)| has(index, word))
}

fn sorted(ids: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().collect();
    ids.sort();
    ids
}

#[test]
fn every_filter_finds_what_it_means_by_cursor_and_by_number() {
    let (_database, reader, events) = filled();
    for base in queries() {
        for (sort, descending) in [("timestamp", true), ("timestamp", false), ("severity", true), ("severity", false)] {
            let expected = sorted(events.iter().filter(|event| fits(&base, event)).map(|event| event.id.clone()));
            let mut query = base.clone();
            (query.paging.sort, query.paging.descending, query.paging.per_page) = (sort.into(), descending, 97);
            let mut by_cursor: Vec<Event> = Vec::new();
            loop {
                let page = reader.events(&query).unwrap();
                assert_eq!((page.total, page.total_exact), (expected.len() as u64, true), "{query:?}");
                by_cursor.extend(page.items);
                query.paging.cursor = page.next_cursor;
                if query.paging.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(sorted(by_cursor.iter().map(|event| event.id.clone())), expected, "{query:?}");
            let ordered = by_cursor.windows(2).all(|pair| match (sort, descending) {
                ("timestamp", true) => pair[0].timestamp >= pair[1].timestamp,
                ("timestamp", _) => pair[0].timestamp <= pair[1].timestamp,
                (_, true) => pair[0].severity >= pair[1].severity,
                _ => pair[0].severity <= pair[1].severity,
            });
            assert!(ordered, "{query:?}");
            let mut by_number: Vec<Event> = Vec::new();
            for page in 1..=expected.len() as u32 / 97 + 1 {
                query.paging.page = page;
                by_number.extend(reader.events(&query).unwrap().items);
            }
            assert_eq!(by_number, by_cursor, "{query:?}");
        }
    }
}

#[test]
fn facets_count_what_the_filters_leave_but_for_their_own() {
    let (_database, reader, events) = filled();
    for query in queries() {
        for facet in reader.event_facets(&query).unwrap() {
            let mut open = query.clone();
            match facet.field.as_str() {
                "source" => open.source.clear(),
                "severity" => open.severity.clear(),
                "event_type" => open.event_type.clear(),
                "service" => open.service.clear(),
                _ => open.environment.clear(),
            }
            let of = |event: &Event| match facet.field.as_str() {
                "source" => event.source.as_str().to_owned(),
                "severity" => event.severity.as_str().to_owned(),
                "event_type" => event.event_type.clone(),
                "service" => event.service.clone().unwrap(),
                _ => event.environment.clone().unwrap(),
            };
            for value in &facet.values {
                let expected = events.iter().filter(|event| fits(&open, event) && of(event) == value.value).count() as u64;
                assert_eq!(value.count, expected, "{} {} of {query:?}", facet.field, value.value);
            }
            let expected: u64 = events.iter().filter(|event| fits(&open, event)).count() as u64;
            assert_eq!(facet.values.iter().map(|value| value.count).sum::<u64>(), expected, "{} of {query:?}", facet.field);
        }
    }
}

#[test]
fn a_cursor_stays_right_while_events_arrive() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    writer.write(&batch_of((0..30).map(|n| things::event(&format!("old-{n}"), n)).collect()), things::at(0)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    let mut query = EventQuery::default();
    let first = reader.events(&query).unwrap();
    writer.write(&batch_of((0..30).map(|n| things::event(&format!("new-{n}"), 100 + n)).collect()), things::at(0)).unwrap();
    query.paging.cursor = first.next_cursor;
    let second: Vec<String> = reader.events(&query).unwrap().items.into_iter().map(|event| event.id).collect();
    assert_eq!(second, (0..10).rev().map(|n| format!("old-{n}")).collect::<Vec<_>>());
}

#[test]
fn events_at_the_ends_of_time_are_found_like_others() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    let times = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX].map(Timestamp::from_nanos);
    let events = times.iter().enumerate().map(|(n, time)| Event { timestamp: *time, ..things::event(&format!("{n}"), 0) });
    writer.write(&batch_of(events.collect()), things::at(0)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    for (descending, severity) in [(true, vec![]), (false, vec![]), (true, vec![Severity::High]), (false, vec![Severity::High])] {
        for page in 1..=7 {
            let paging = Paging { page, per_page: 1, descending, ..Paging::default() };
            let found = reader.events(&EventQuery { paging, severity: severity.clone(), ..EventQuery::default() }).unwrap();
            let expected = if descending { 7 - page } else { page - 1 };
            assert_eq!((found.total, found.items[0].id.clone()), (7, expected.to_string()), "page {page}");
        }
    }
    let ends = TimeRange { from: Some(Timestamp::MIN), to: Some(Timestamp::from_nanos(i64::MAX)) };
    assert!(reader.event_facets(&EventQuery { time: ends, ..EventQuery::default() }).is_ok());
    let backwards = TimeRange { from: Some(things::at(5)), to: Some(things::at(4)) };
    let error = reader.events(&EventQuery { time: backwards, ..EventQuery::default() }).unwrap_err();
    assert!(matches!(error, StoreError::BadQuery { field, .. } if field == "time"));
}

#[test]
fn words_find_what_exemplars_say() {
    let database = Database::new();
    let mut writer = open_writer(&database.options()).unwrap();
    writer.write(&batch_of(vec![things::full_event("full", 1), things::event("other", 2)]), things::at(3)).unwrap();
    let reader = open_reader(&database.options()).unwrap();
    let found = |text: &str| {
        let page = reader.events(&EventQuery { text: Some(text.into()), ..EventQuery::default() }).unwrap();
        page.items.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(found("HIKARIPOOL-1 timeout"), ["full"]);
    assert_eq!(found("acquir"), ["full"], "the last word may be a beginning");
    let hashed = Event { title: "deploy of e3b0c44298fc on node17".into(), ..things::event("hashed", 4) };
    writer.write(&batch_of(vec![hashed]), things::at(3)).unwrap();
    assert_eq!(found("e3b0c"), ["hashed"], "as of an id");
    assert_eq!(found("node"), ["hashed"]);
    assert_eq!(found("acquir connection"), [""; 0], "but not the others");
    assert_eq!(found("ÜBER"), ["full"], "capitals do not matter");
    assert_eq!(found("pool exhausted"), ["other", "full"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_text_a_person_types_is_a_syntax_error(text in prop_oneof![
        ".{0,60}",
        "[\"*():^{}+\\-\\\\ a-zNEARORAND]{0,40}",
        "(words|facets|NEAR|AND|OR|NOT|\"|\\*|:|\\(|\\)| |-|\u{0}|é|\u{301}|①|ﬁ){0,20}",
    ]) {
        thread_local! {
            static SHARED: (Database, SqliteReader) = {
                let database = Database::new();
                let mut writer = open_writer(&database.options()).unwrap();
                writer.write(&super::whole_batch(), things::at(1)).unwrap();
                let reader = open_reader(&database.options()).unwrap();
                (database, reader)
            };
        }
        SHARED.with(|(_, reader)| {
            let events = reader.events(&EventQuery { text: Some(text.clone()), severity: vec![Severity::High], ..EventQuery::default() });
            let lists = reader.investigations(&InvestigationQuery { text: Some(text.clone()), ..InvestigationQuery::default() });
            for error in [events.err(), lists.err()].into_iter().flatten() {
                assert!(matches!(&error, StoreError::BadQuery { field, .. } if field == "q"), "{text:?}: {error}");
            }
        });
    }
}
