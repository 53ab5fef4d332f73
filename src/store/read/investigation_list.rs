//! Lists of investigations and their facets.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::dims::{self, most_first};
use super::filter::{Filter, check_lengths, check_range};
use super::investigations::{close_reason, priority, status, tags, time, time_or_none};
use super::paging::{EXACT_UP_TO, SortValue, Window, told_total};
use crate::model::investigation::InvestigationSummary;
use crate::model::ports::StoreError;
use crate::model::query::{InvestigationQuery, Page};
use crate::model::view::Facet;
use crate::store::error::Fault;
use crate::store::search;
use crate::store::spark::SPARK_VALUES;

const SORTABLE: [&str; 9] =
    ["started_at", "detected_at", "created_at", "updated_at", "impact_severity", "priority", "status", "confidence", "title"];

const COLUMNS: &str = "id, title, symptom, status, close_reason, impact_severity, priority, service_affected, environment, hot_services, \
     services_total, first_suspect, confidence, assigned_to, tags, detected_at, started_at, recovered_at, resolved_at, closed_at, \
     updated_at, created_by, version, revision, n, spark";

/// Fields with facets; each leaves out its own filter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Status,
    Severity,
    Priority,
    Service,
    Component,
    Environment,
    AssignedTo,
    Tag,
}

impl Field {
    const ALL: [Self; 8] =
        [Self::Status, Self::Severity, Self::Priority, Self::Service, Self::Component, Self::Environment, Self::AssignedTo, Self::Tag];

    const fn name_and_column(self) -> (&'static str, &'static str) {
        match self {
            Self::Status => ("status", "status"),
            Self::Severity => ("severity", "impact_severity"),
            Self::Priority => ("priority", "priority"),
            Self::Service => ("service", "service_affected"),
            Self::Component => ("component", "component_affected"),
            Self::Environment => ("environment", "environment"),
            Self::AssignedTo => ("assigned_to", "assigned_to"),
            Self::Tag => ("tag", "t.value"),
        }
    }
}

pub(super) fn page(connection: &Connection, query: &InvestigationQuery) -> Result<Page<InvestigationSummary>, Fault> {
    let window = Window::of(&query.paging, &SORTABLE)?;
    let filter = filter(query, None)?;
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM investigations{} LIMIT {})", filter.sql(), EXACT_UP_TO + 1);
    let counted: u64 = connection.prepare_cached(&count)?.query_row(params_from_iter(&filter.values), |row| row.get(0))?;
    let mut filter = filter;
    if let Some(cursor) = &window.after {
        let value = match &cursor.value {
            SortValue::Integer(value) => Value::Integer(*value),
            SortValue::Real(value) => Value::Real(*value),
            SortValue::Text(value) => Value::Text(value.clone()),
        };
        filter.add(format!("({}, n) {} (?, ?)", window.sort, window.past()), [value, Value::Integer(cursor.row)]);
    }
    let direction = window.direction();
    let sql = format!(
        "SELECT {COLUMNS}, {sort} FROM investigations{} ORDER BY {sort} {direction}, n {direction} LIMIT {} OFFSET {}",
        filter.sql(),
        window.limit + 1,
        window.offset,
        sort = window.sort,
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&filter.values))?;
    let (mut items, mut last, mut more) = (Vec::new(), None, false);
    while let Some(row) = rows.next()? {
        if items.len() as u64 == window.limit {
            more = true;
            break;
        }
        last = Some((sort_value(row, 26)?, row.get::<_, i64>(24)?));
        items.push(from_row(row)?);
    }
    let next_cursor = last.filter(|_| more).map(|(value, row)| window.cursor(value, row));
    let (total, total_exact) = told_total(counted);
    Ok(Page { items, total, total_exact, next_cursor })
}

pub(super) fn facets(connection: &Connection, query: &InvestigationQuery) -> Result<Vec<Facet>, Fault> {
    Field::ALL.into_iter().map(|field| facet(connection, query, field)).collect()
}

fn facet(connection: &Connection, query: &InvestigationQuery, field: Field) -> Result<Facet, Fault> {
    let filter = filter(query, Some(field))?;
    let (name, column) = field.name_and_column();
    let tables = if field == Field::Tag { "investigations, json_each(investigations.tags) t" } else { "investigations" };
    let sql = format!("SELECT {column}, count(*) FROM {tables}{} GROUP BY 1", filter.sql());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&filter.values))?;
    let mut counts: Vec<(String, u64)> = Vec::new();
    while let Some(row) = rows.next()? {
        let value = match field {
            Field::Severity => dims::severity(row.get(0)?).as_str().to_owned(),
            Field::Priority => priority(row, 0)?.as_str().to_owned(),
            _ => row.get::<_, Option<String>>(0)?.unwrap_or_default(),
        };
        counts.push((value, row.get(1)?));
    }
    Ok(Facet { field: name.to_owned(), values: most_first(counts) })
}

fn filter(query: &InvestigationQuery, except: Option<Field>) -> Result<Filter, StoreError> {
    check_range("created", query.created)?;
    check_range("started", query.started)?;
    check_range("resolved", query.resolved)?;
    check_lengths(&[
        ("status", query.status.len()),
        ("severity", query.severity.len()),
        ("priority", query.priority.len()),
        ("service", query.service.len()),
        ("component", query.component.len()),
        ("environment", query.environment.len()),
        ("assigned_to", query.assigned_to.len()),
        ("tag", query.tag.len()),
    ])?;
    let mut filter = Filter::default();
    for field in Field::ALL.into_iter().filter(|field| Some(*field) != except) {
        let (_, column) = field.name_and_column();
        match field {
            Field::Status => filter.any_of(column, query.status.iter().map(|status| status.as_str().to_owned())),
            Field::Severity => filter.any_of(column, query.severity.iter().map(|severity| *severity as i64)),
            Field::Priority => filter.any_of(column, query.priority.iter().map(|priority| *priority as i64)),
            Field::Service => filter.any_of(column, query.service.iter().cloned()),
            Field::Component => filter.any_of(column, query.component.iter().cloned()),
            Field::Environment => filter.any_of(column, query.environment.iter().cloned()),
            Field::AssignedTo => filter.any_of(column, query.assigned_to.iter().cloned()),
            Field::Tag if query.tag.is_empty() => {}
            Field::Tag => {
                let marks = vec!["?"; query.tag.len()].join(", ");
                let clause = format!("EXISTS (SELECT 1 FROM json_each(investigations.tags) WHERE value IN ({marks}))");
                filter.add(clause, query.tag.iter().cloned().map(Value::Text));
            }
        }
    }
    filter.range("created_at", query.created);
    filter.range("started_at", query.started);
    filter.range("resolved_at", query.resolved);
    if let Some(words) = query.text.as_deref().map(|text| search::match_words(text, |_| search::Beginnings::Any)).transpose()?.flatten() {
        filter.add("n IN (SELECT rowid FROM investigations_fts WHERE investigations_fts MATCH ?)", [Value::Text(words)]);
    }
    Ok(filter)
}

fn sort_value(row: &Row<'_>, column: usize) -> Result<SortValue, Fault> {
    Ok(match row.get::<_, Value>(column)? {
        Value::Integer(value) => SortValue::Integer(value),
        Value::Real(value) => SortValue::Real(value),
        Value::Text(value) => SortValue::Text(value),
        Value::Null | Value::Blob(_) => SortValue::Integer(0),
    })
}

fn from_row(row: &Row<'_>) -> Result<InvestigationSummary, Fault> {
    let hot_services: Vec<String> = serde_json::from_str(row.get_ref(9)?.as_str().map_err(rusqlite::Error::from)?)?;
    let first_suspect: Option<String> = row.get(11)?;
    let mut spark: Vec<u64> = serde_json::from_str(row.get_ref(25)?.as_str().map_err(rusqlite::Error::from)?)?;
    spark.resize(SPARK_VALUES, 0);
    Ok(InvestigationSummary {
        id: row.get(0)?,
        title: row.get(1)?,
        symptom: row.get(2)?,
        status: status(row, 3)?,
        close_reason: close_reason(row, 4)?,
        impact_severity: dims::severity(row.get(5)?),
        priority: priority(row, 6)?,
        service_affected: row.get(7)?,
        environment: row.get(8)?,
        hot_services: u32::try_from(hot_services.len()).unwrap_or(u32::MAX),
        services_total: row.get(10)?,
        first_suspect: first_suspect.map(|text| serde_json::from_str(&text)).transpose()?,
        confidence: row.get(12)?,
        assigned_to: row.get(13)?,
        tags: tags(row, 14)?,
        detected_at: time(row, 15)?,
        started_at: time(row, 16)?,
        recovered_at: time_or_none(row, 17)?,
        resolved_at: time_or_none(row, 18)?,
        closed_at: time_or_none(row, 19)?,
        updated_at: time(row, 20)?,
        created_by: row.get(21)?,
        version: row.get(22)?,
        revision: row.get(23)?,
        spark,
    })
}
