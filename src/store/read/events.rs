//! Events: one by id, pages by filter, text and time.
//!
//! A page in time order never sorts more than a few quarters of an hour: where the wanted events lie is known from
//! `event_slots` beforehand. Order by severity is five such pages, one a severity.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use rustc_hash::FxHashMap;

use super::dims::{self, Dim};
use super::filter::{Filter, check_lengths, check_range};
use super::paging::{EXACT_UP_TO, SortValue, Window, told_total};
use crate::model::Timestamp;
use crate::model::event::Event;
use crate::model::ports::StoreError;
use crate::model::query::{EventQuery, Page};
use crate::model::view::Facet;
use crate::store::error::Fault;
use crate::store::search::{self, Beginnings, FacetField};
use crate::store::slots::{slot_end, slot_of, slot_start};

const SORTABLE: [&str; 2] = ["timestamp", "severity"];

pub(super) const COLUMNS: &str = "e.seq, e.id, e.timestamp, e.observed_at, d.source, d.event_type, d.severity, e.title, d.service, \
     d.environment, e.host, e.fingerprint, e.count, e.first_seen, e.last_seen, e.trace_id, e.span_id, e.correlation_id, e.request_id, \
     e.source_id, e.tags, e.data, e.metadata, e.provenance";

/// Which events, between which places: one severity's part of a page, or the whole of it.
struct Part {
    /// Combinations that fit; `None` when all do.
    dims: Option<Vec<i64>>,
    severity: Option<u8>,
    from: i64,
    to: i64,
    descending: bool,
}

pub(super) fn event(connection: &Connection, id: &str) -> Result<Option<Event>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM events e JOIN event_dims d ON d.dim = e.dim WHERE e.id = ?");
    let found = connection.prepare_cached(&sql)?.query_row([id], |row| Ok(from_row(row))).optional()?;
    let Some(found) = found else { return Ok(None) };
    let mut found = [found?];
    fill_links(connection, &mut found)?;
    let [(_, event)] = found;
    Ok(Some(event))
}

pub(super) fn page(connection: &Connection, query: &EventQuery) -> Result<Page<Event>, Fault> {
    check(query)?;
    let window = Window::of(&query.paging, &SORTABLE)?;
    let (from, to) = places(query);
    let words = words(connection, query)?;
    let dims = dims::fitting(connection, query)?;
    let counted = if is_narrow(query, words.as_deref()) {
        let part = Part { dims: fitting_ids(query, &dims, None), severity: None, from, to, descending: true };
        count(connection, query, words.as_deref(), &part, EXACT_UP_TO)?
    } else {
        dims::total_between(connection, &dims, from, to)?
    };
    let mut found = Vec::new();
    let mut skip = window.offset;
    for part in parts(&window, query, &dims, from, to) {
        let wanted = window.limit + 1 - found.len() as u64;
        let rows = if is_narrow(query, words.as_deref()) {
            fetch_narrow(connection, query, words.as_deref(), &part, wanted, &mut skip)?
        } else {
            fetch_wide(connection, &part, wanted, &mut skip)?
        };
        found.extend(rows);
        if found.len() as u64 > window.limit {
            break;
        }
    }
    let more = found.len() as u64 > window.limit;
    found.truncate(window.limit as usize);
    fill_links(connection, &mut found)?;
    let next_cursor = found.last().filter(|_| more).map(|(seq, event)| window.cursor(SortValue::Integer(event.severity as i64), *seq));
    let (total, total_exact) = told_total(counted);
    Ok(Page { items: found.into_iter().map(|(_, event)| event).collect(), total, total_exact, next_cursor })
}

pub(super) fn facets(connection: &Connection, query: &EventQuery) -> Result<Vec<Facet>, Fault> {
    check(query)?;
    let words = words(connection, query)?;
    let (from, to) = places(query);
    let mut dims = dims::all(connection)?;
    if is_narrow(query, words.as_deref()) {
        count_dims_narrow(connection, query, words.as_deref(), &mut dims, from, to)?;
    } else {
        dims::count_between(connection, &mut dims, from, to)?;
    }
    Ok(dims::facets(&dims, query))
}

/// Words of letters that a beginning is spelled out to, at most.
const BEGINNINGS_LIMIT: usize = 64;

/// The index query for the asked text.
fn words(connection: &Connection, query: &EventQuery) -> Result<Option<String>, Fault> {
    let Some(text) = query.text.as_deref() else { return Ok(None) };
    let mut failed = None;
    let words = search::match_words(text, |beginning| {
        beginnings(connection, beginning).unwrap_or_else(|error| {
            failed.replace(error);
            Beginnings::Any
        })
    })?;
    failed.map_or(Ok(words), Err)
}

/// A beginning with a digit, or one that no listed word has, is left to the index: it is that of an id, and few events have it.
/// One of letters stands for the listed words only, not for ids that happen to begin so.
fn beginnings(connection: &Connection, beginning: &str) -> Result<Beginnings, Fault> {
    if !beginning.chars().all(char::is_alphabetic) {
        return Ok(Beginnings::Any);
    }
    let mut statement = connection.prepare_cached("SELECT word FROM event_words WHERE word >= ?1 AND word < ?1 || ?2 LIMIT ?3")?;
    let words = statement
        .query_map(rusqlite::params![beginning, char::MAX.to_string(), BEGINNINGS_LIMIT as i64 + 1], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let spelled_out = (1..=BEGINNINGS_LIMIT).contains(&words.len());
    Ok(if spelled_out { Beginnings::Words(words) } else { Beginnings::Any })
}

fn check(query: &EventQuery) -> Result<(), StoreError> {
    check_range("time", query.time)?;
    check_lengths(&[
        ("source", query.source.len()),
        ("severity", query.severity.len()),
        ("event_type", query.event_type.len()),
        ("service", query.service.len()),
        ("environment", query.environment.len()),
        ("tag", query.tag.len()),
    ])
}

/// Asks for something that `event_dims` does not know.
fn is_narrow(query: &EventQuery, words: Option<&str>) -> bool {
    words.is_some() || query.trace_id.is_some() || !query.tag.is_empty() || query.investigation_id.is_some()
}

/// First and last place of the asked time. Places are at most some microseconds behind their event's time.
fn places(query: &EventQuery) -> (i64, i64) {
    (query.time.from.map_or(i64::MIN, Timestamp::nanos), query.time.to.map_or(i64::MAX, |to| to.nanos().saturating_sub(1)))
}

fn has_dim_filter(query: &EventQuery) -> bool {
    !(query.source.is_empty()
        && query.severity.is_empty()
        && query.event_type.is_empty()
        && query.service.is_empty()
        && query.environment.is_empty())
}

/// Combinations to narrow to; `None` when all fit.
fn fitting_ids(query: &EventQuery, dims: &[(i64, u8, u64)], severity: Option<u8>) -> Option<Vec<i64>> {
    let narrowed = severity.is_some() || has_dim_filter(query);
    let fits = |(_, of, _): &&(i64, u8, u64)| severity.is_none_or(|severity| severity == *of);
    narrowed.then(|| dims.iter().filter(fits).map(|(dim, _, _)| *dim).collect())
}

/// Parts of the page in the order in which they are filled, beginning where the cursor stands.
fn parts(window: &Window, query: &EventQuery, dims: &[(i64, u8, u64)], from: i64, to: i64) -> Vec<Part> {
    let part = |severity: Option<u8>, from: i64, to: i64, descending: bool| {
        let dims = fitting_ids(query, dims, severity);
        Part { dims, severity, from, to, descending }
    };
    let after = |descending: bool, seq: i64| {
        if descending { (from, to.min(seq.saturating_sub(1))) } else { (from.max(seq.saturating_add(1)), to) }
    };
    if window.sort == "timestamp" {
        let (from, to) = window.after.as_ref().map_or((from, to), |cursor| after(window.descending, cursor.row));
        return vec![part(None, from, to, window.descending)];
    }
    // By severity; inside one severity always the newest first.
    let mut severities: Vec<u8> = (0..=4).collect();
    if window.descending {
        severities.reverse();
    }
    let start = window.after.as_ref().map(|cursor| (cursor.value.clone(), cursor.row));
    let reached = match &start {
        Some((SortValue::Integer(value), _)) => severities.iter().position(|severity| i64::from(*severity) == *value).unwrap_or(0),
        _ => 0,
    };
    severities
        .into_iter()
        .skip(reached)
        .enumerate()
        .map(|(index, severity)| match &start {
            Some((_, row)) if index == 0 => {
                let (from, to) = after(true, *row);
                part(Some(severity), from, to, true)
            }
            _ => part(Some(severity), from, to, true),
        })
        .collect()
}

/// Events by combination alone: the slots say where they lie.
fn fetch_wide(connection: &Connection, part: &Part, wanted: u64, skip: &mut u64) -> Result<Vec<(i64, Event)>, Fault> {
    if part.from > part.to || part.dims.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let (mut from, mut to) = (part.from, part.to);
    let (first, last) = (slot_of(from), slot_of(to));
    let (mut seen, mut skipping, mut reached) = (0, true, None);
    dims::walk_slots(connection, part.dims.as_deref(), first, last, part.descending, |slot, events| {
        // Of the slots at the ends it is not known how many of their events lie inside; they are read, but not counted on.
        let whole = slot_start(slot) >= part.from && slot_end(slot) <= part.to;
        if whole && skipping && events <= *skip {
            *skip -= events;
            if part.descending {
                to = slot_start(slot).saturating_sub(1)
            } else {
                from = slot_end(slot).saturating_add(1)
            }
            return false;
        }
        skipping = false;
        reached = Some(slot);
        seen += if whole { events } else { 0 };
        seen >= wanted + *skip
    })?;
    let Some(reached) = reached else { return Ok(Vec::new()) };
    if part.descending {
        from = from.max(slot_start(reached))
    } else {
        to = to.min(slot_end(reached))
    }
    // Few fit: gather them by their index and sort. Many fit: walk the table in its own order.
    let gather = part.dims.is_some() && seen <= 20_000;
    let narrowed = match (&part.dims, gather) {
        (None, _) => "",
        (Some(_), true) => "AND dim IN (SELECT value FROM json_each(?))",
        (Some(_), false) => "AND +dim IN (SELECT value FROM json_each(?))",
    };
    let order = if part.descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT seq FROM events WHERE seq BETWEEN ? AND ? {narrowed} ORDER BY seq {order} LIMIT ? OFFSET ?) p \
         JOIN events e ON e.seq = p.seq JOIN event_dims d ON d.dim = e.dim ORDER BY e.seq {order}"
    );
    let mut values = vec![Value::Integer(from), Value::Integer(to)];
    values.extend(part.dims.as_deref().map(dims::id_list));
    values.extend([Value::Integer(wanted as i64), Value::Integer(*skip as i64)]);
    let rows = rows(connection, &sql, values)?;
    if rows.is_empty() && *skip > 0 {
        // What lies in the parts of slots at the ends was not counted above.
        let sql = format!("SELECT count(*) FROM events WHERE seq BETWEEN ? AND ? {narrowed}");
        let mut values = vec![Value::Integer(from), Value::Integer(to)];
        values.extend(part.dims.as_deref().map(dims::id_list));
        *skip -= connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get::<_, u64>(0))?.min(*skip);
    } else {
        *skip = 0;
    }
    Ok(rows)
}

/// Text, trace, tags or an investigation lead to the events.
fn fetch_narrow(
    connection: &Connection,
    query: &EventQuery,
    words: Option<&str>,
    part: &Part,
    wanted: u64,
    skip: &mut u64,
) -> Result<Vec<(i64, Event)>, Fault> {
    let order = if part.descending { "DESC" } else { "ASC" };
    let (inner, mut values) = narrow(query, words, part, "seq");
    let sql = format!(
        "SELECT {COLUMNS} FROM ({inner} ORDER BY 1 {order} LIMIT ? OFFSET ?) p \
         JOIN events e ON e.seq = p.seq JOIN event_dims d ON d.dim = e.dim ORDER BY e.seq {order}"
    );
    // A part that holds less than is to be skipped must say how many it holds.
    if *skip > 0 {
        let held = count(connection, query, words, part, *skip)?;
        if held <= *skip {
            *skip -= held;
            return Ok(Vec::new());
        }
    }
    values.extend([Value::Integer(wanted as i64), Value::Integer(*skip as i64)]);
    *skip = 0;
    rows(connection, &sql, values)
}

/// Counts to one more than `limit`.
fn count(connection: &Connection, query: &EventQuery, words: Option<&str>, part: &Part, limit: u64) -> Result<u64, Fault> {
    let (inner, mut values) = narrow(query, words, part, "seq");
    let sql = format!("SELECT count(*) FROM ({inner} LIMIT ?)");
    values.push(Value::Integer(limit as i64 + 1));
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?)
}

/// Counts of each combination among what text, trace, tags and investigation lead to, the newest 10,000 of them.
fn count_dims_narrow(
    connection: &Connection,
    query: &EventQuery,
    words: Option<&str>,
    dims: &mut [Dim],
    from: i64,
    to: i64,
) -> Result<(), Fault> {
    let open = EventQuery {
        trace_id: query.trace_id.clone(),
        tag: query.tag.clone(),
        investigation_id: query.investigation_id.clone(),
        ..EventQuery::default()
    };
    let part = Part { dims: None, severity: None, from, to, descending: true };
    let (inner, mut values) = narrow(&open, words, &part, "seq");
    values.push(Value::Integer(EXACT_UP_TO as i64));
    let sql =
        format!("SELECT e.dim, count(*) FROM ({inner} ORDER BY 1 DESC LIMIT ?) p CROSS JOIN events e ON e.seq = p.seq GROUP BY e.dim");
    let mut counts: FxHashMap<i64, u64> = FxHashMap::default();
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        counts.insert(row.get(0)?, row.get(1)?);
    }
    dims.iter_mut().for_each(|dim| dim.events = counts.get(&dim.dim).copied().unwrap_or_default());
    Ok(())
}

/// A select of places, its values in order.
fn narrow(query: &EventQuery, words: Option<&str>, part: &Part, name: &str) -> (String, Vec<Value>) {
    let mut filter = Filter::default();
    let by_text = words.is_some();
    let place = if by_text { "f.rowid" } else { "e.seq" };
    if let Some(words) = words {
        let mut expression = words.to_owned();
        search::and_facet(&mut expression, FacetField::Source, query.source.iter().map(|source| source.as_str()));
        match part.severity {
            Some(severity) => {
                let severity = dims::severity(severity).as_str();
                search::and_facet(&mut expression, FacetField::Severity, std::iter::once(severity));
                if !query.severity.is_empty() {
                    search::and_facet(&mut expression, FacetField::Severity, query.severity.iter().map(|severity| severity.as_str()));
                }
            }
            None => search::and_facet(&mut expression, FacetField::Severity, query.severity.iter().map(|severity| severity.as_str())),
        }
        search::and_facet(&mut expression, FacetField::EventType, query.event_type.iter().map(String::as_str));
        search::and_facet(&mut expression, FacetField::Service, query.service.iter().map(String::as_str));
        search::and_facet(&mut expression, FacetField::Environment, query.environment.iter().map(String::as_str));
        filter.add("events_fts MATCH ?", [Value::Text(expression)]);
    } else if let Some(dims) = &part.dims {
        filter.add("+e.dim IN (SELECT value FROM json_each(?))", [dims::id_list(dims)]);
    }
    if part.from > i64::MIN || part.to < i64::MAX {
        filter.add(format!("{place} BETWEEN ? AND ?"), [Value::Integer(part.from), Value::Integer(part.to)]);
    }
    let mut needs_event = !by_text;
    if let Some(trace) = &query.trace_id {
        needs_event = true;
        filter.add("e.trace_id = ?", [Value::Text(trace.clone())]);
    }
    if !query.tag.is_empty() {
        let marks = vec!["?"; query.tag.len()].join(", ");
        filter.add(format!("{place} IN (SELECT seq FROM event_tags WHERE tag IN ({marks}))"), query.tag.iter().cloned().map(Value::Text));
    }
    if let Some(investigation) = &query.investigation_id {
        needs_event = true;
        filter.add("e.id IN (SELECT event_id FROM event_links WHERE investigation_id = ?)", [Value::Text(investigation.clone())]);
    }
    let tables = match (by_text, needs_event) {
        (true, false) => "events_fts f",
        (true, true) => "events_fts f CROSS JOIN events e ON e.seq = f.rowid",
        (false, _) => "events e",
    };
    (format!("SELECT {place} AS {name} FROM {tables}{}", filter.sql()), filter.values)
}

fn rows(connection: &Connection, sql: &str, values: Vec<Value>) -> Result<Vec<(i64, Event)>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

pub(super) fn from_row(row: &Row<'_>) -> Result<(i64, Event), Fault> {
    let time = |column: usize| -> rusqlite::Result<Timestamp> { Ok(Timestamp::from_nanos(row.get(column)?)) };
    let given =
        |column: usize| -> rusqlite::Result<Option<String>> { Ok(Some(row.get::<_, String>(column)?).filter(|text| !text.is_empty())) };
    let json = |column: usize| -> Result<Option<serde_json::Value>, Fault> {
        match row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)? {
            Some(text) => Ok(Some(serde_json::from_str(text)?)),
            None => Ok(None),
        }
    };
    let event = Event {
        id: row.get(1)?,
        timestamp: time(2)?,
        observed_at: time(3)?,
        source: dims::source(row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?),
        event_type: row.get(5)?,
        severity: dims::severity(row.get(6)?),
        title: row.get(7)?,
        service: given(8)?,
        environment: given(9)?,
        host: row.get(10)?,
        fingerprint: row.get(11)?,
        count: row.get(12)?,
        first_seen: time(13)?,
        last_seen: time(14)?,
        trace_id: row.get(15)?,
        span_id: row.get(16)?,
        correlation_id: row.get(17)?,
        request_id: row.get(18)?,
        source_id: row.get(19)?,
        tags: json(20)?.map(serde_json::from_value).transpose()?.unwrap_or_default(),
        data: json(21)?.unwrap_or_default(),
        metadata: json(22)?.unwrap_or_default(),
        provenance: json(23)?.map(serde_json::from_value).transpose()?,
        investigation_ids: Vec::new(),
    };
    Ok((row.get(0)?, event))
}

/// One query for the whole page.
fn fill_links(connection: &Connection, events: &mut [(i64, Event)]) -> Result<(), Fault> {
    if events.is_empty() {
        return Ok(());
    }
    let ids = serde_json::to_string(&events.iter().map(|(_, event)| &event.id).collect::<Vec<_>>())?;
    let mut statement = connection.prepare_cached(
        "SELECT event_id, investigation_id FROM event_links WHERE event_id IN (SELECT value FROM json_each(?)) ORDER BY investigation_id",
    )?;
    let mut rows = statement.query([ids])?;
    let mut links: FxHashMap<String, Vec<String>> = FxHashMap::default();
    while let Some(row) = rows.next()? {
        links.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    for (_, event) in events {
        event.investigation_ids = links.remove(&event.id).unwrap_or_default();
    }
    Ok(())
}
