//! Counting events by their combinations of filterable fields, without reading the events.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use rustc_hash::{FxHashMap, FxHashSet};

use super::filter::Filter;
use crate::model::query::EventQuery;
use crate::model::view::{Facet, FacetValue};
use crate::model::{Severity, Source};
use crate::store::error::Fault;
use crate::store::slots::{slot_end, slot_of, slot_start};

/// Values shown for one field.
const FACET_VALUES_LIMIT: usize = 50;

/// A combination of filterable fields that occurs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dim {
    pub dim: i64,
    pub source: String,
    pub event_type: String,
    pub severity: u8,
    pub service: String,
    pub environment: String,
    pub events: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Source,
    Severity,
    EventType,
    Service,
    Environment,
}

impl Field {
    pub const ALL: [Self; 5] = [Self::Source, Self::Severity, Self::EventType, Self::Service, Self::Environment];

    const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Severity => "severity",
            Self::EventType => "event_type",
            Self::Service => "service",
            Self::Environment => "environment",
        }
    }
}

impl Dim {
    /// Fits the query's filters, those of `except` left out.
    pub fn fits(&self, query: &EventQuery, except: Option<Field>) -> bool {
        Field::ALL.into_iter().filter(|field| Some(*field) != except).all(|field| match field {
            Field::Source => fits_any(&query.source, |source| source.as_str() == self.source),
            Field::Severity => fits_any(&query.severity, |severity| *severity as u8 == self.severity),
            Field::EventType => fits_any(&query.event_type, |event_type| *event_type == self.event_type),
            Field::Service => fits_any(&query.service, |service| *service == self.service),
            Field::Environment => fits_any(&query.environment, |environment| *environment == self.environment),
        })
    }

    fn value(&self, field: Field) -> &str {
        match field {
            Field::Source => &self.source,
            Field::Severity => severity(self.severity).as_str(),
            Field::EventType => &self.event_type,
            Field::Service => &self.service,
            Field::Environment => &self.environment,
        }
    }
}

fn fits_any<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}

pub(super) fn severity(rank: u8) -> Severity {
    Severity::ALL.get(usize::from(rank)).copied().unwrap_or_default()
}

pub(super) fn source(name: &str) -> Source {
    Source::parse(name).unwrap_or(Source::Manual)
}

/// All combinations, with their counts over all time.
pub(super) fn all(connection: &Connection) -> Result<Vec<Dim>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT dim, source, event_type, severity, service, environment, events FROM event_dims WHERE events > 0")?;
    let dims = statement.query_map([], |row| {
        Ok(Dim {
            dim: row.get(0)?,
            source: row.get(1)?,
            event_type: row.get(2)?,
            severity: row.get(3)?,
            service: row.get(4)?,
            environment: row.get(5)?,
            events: row.get(6)?,
        })
    })?;
    Ok(dims.collect::<Result<_, _>>()?)
}

/// The combinations that fit the query, as (number, severity, events over all time), without reading the others.
pub(super) fn fitting(connection: &Connection, query: &EventQuery) -> Result<Vec<(i64, u8, u64)>, Fault> {
    let mut filter = Filter::default();
    filter.any_of("source", query.source.iter().map(|source| source.as_str().to_owned()));
    filter.any_of("event_type", query.event_type.iter().cloned());
    filter.any_of("severity", query.severity.iter().map(|severity| *severity as i64));
    filter.any_of("service", query.service.iter().cloned());
    filter.any_of("environment", query.environment.iter().cloned());
    let sql = format!("SELECT dim, severity, events FROM event_dims{}", filter.sql());
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(filter.values), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Number of events of these combinations at the places `from..=to`.
pub(super) fn total_between(connection: &Connection, dims: &[(i64, u8, u64)], from: i64, to: i64) -> Result<u64, Fault> {
    if from == i64::MIN && to == i64::MAX {
        return Ok(dims.iter().map(|(_, _, events)| events).sum());
    }
    let wanted: FxHashSet<i64> = dims.iter().map(|(dim, _, _)| *dim).collect();
    let ids: Vec<i64> = dims.iter().map(|(dim, _, _)| *dim).collect();
    let counts = counts_between(connection, &ids, from, to)?;
    Ok(counts.into_iter().filter(|(dim, _)| wanted.contains(dim)).map(|(_, events)| events).sum())
}

/// Sets every combination's count to that of the places `from..=to`.
pub(super) fn count_between(connection: &Connection, dims: &mut [Dim], from: i64, to: i64) -> Result<(), Fault> {
    if from == i64::MIN && to == i64::MAX {
        return Ok(());
    }
    let ids: Vec<i64> = dims.iter().map(|dim| dim.dim).collect();
    let counts = counts_between(connection, &ids, from, to)?;
    dims.iter_mut().for_each(|dim| dim.events = counts.get(&dim.dim).copied().unwrap_or_default());
    Ok(())
}

fn counts_between(connection: &Connection, dims: &[i64], from: i64, to: i64) -> Result<FxHashMap<i64, u64>, Fault> {
    const SLOTS: &str = "SELECT dim, sum(events) FROM event_slots WHERE slot BETWEEN ? AND ? AND dim IN (SELECT value FROM json_each(?)) \
         GROUP BY dim";
    const EDGE: &str = "SELECT dim, count(*) FROM events INDEXED BY events_dim WHERE seq BETWEEN ? AND ? \
         AND dim IN (SELECT value FROM json_each(?)) GROUP BY dim";
    let mut counts: FxHashMap<i64, u64> = FxHashMap::default();
    if from > to || dims.is_empty() {
        return Ok(counts);
    }
    let mut add = |sql: &str, from: i64, to: i64| -> Result<(), Fault> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![from, to, id_list(dims)])?;
        while let Some(row) = rows.next()? {
            *counts.entry(row.get(0)?).or_default() += row.get::<_, u64>(1)?;
        }
        Ok(())
    };
    let (first, last) = (slot_of(from), slot_of(to));
    // Whole slots from their counts; the slots at both ends, where only a part counts, from the events themselves.
    let whole_from = if slot_start(first) == from || from == i64::MIN { first } else { first + 1 };
    let whole_to = if slot_end(last) == to || to == i64::MAX { last } else { last - 1 };
    if whole_from > whole_to {
        add(EDGE, from, to)?;
        return Ok(counts);
    }
    add(SLOTS, whole_from, whole_to)?;
    if whole_from > first {
        add(EDGE, from, slot_end(first))?;
    }
    if whole_to < last {
        add(EDGE, slot_start(last), to)?;
    }
    Ok(counts)
}

/// Counts by each field's values, where each field ignores its own filter.
pub(super) fn facets(dims: &[Dim], query: &EventQuery) -> Vec<Facet> {
    Field::ALL
        .into_iter()
        .map(|field| {
            let mut counts: FxHashMap<&str, u64> = FxHashMap::default();
            for dim in dims.iter().filter(|dim| dim.events > 0 && dim.fits(query, Some(field))) {
                *counts.entry(dim.value(field)).or_default() += dim.events;
            }
            Facet { field: field.name().to_owned(), values: most_first(counts) }
        })
        .collect()
}

/// Most frequent first, equal counts by name; "not given" has no value to filter by and is left out.
pub(super) fn most_first<K: Into<String>>(counts: impl IntoIterator<Item = (K, u64)>) -> Vec<FacetValue> {
    let mut values: Vec<FacetValue> = counts
        .into_iter()
        .map(|(value, count)| FacetValue { value: value.into(), count })
        .filter(|value| !value.value.is_empty())
        .collect();
    values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    values.truncate(FACET_VALUES_LIMIT);
    values
}

/// Events of these combinations in each slot, newest or oldest slot first, until `enough` have been seen.
/// Returns the slots walked: (slot, events).
pub(super) fn walk_slots(
    connection: &Connection,
    dims: Option<&[i64]>,
    from: i64,
    to: i64,
    descending: bool,
    mut enough: impl FnMut(i64, u64) -> bool,
) -> Result<(), Fault> {
    let order = if descending { "DESC" } else { "ASC" };
    let narrowed = if dims.is_some() { "AND dim IN (SELECT value FROM json_each(?))" } else { "" };
    let sql =
        format!("SELECT slot, sum(events) FROM event_slots WHERE slot BETWEEN ? AND ? {narrowed} GROUP BY slot ORDER BY slot {order}");
    let mut values = vec![Value::Integer(from), Value::Integer(to)];
    values.extend(dims.map(id_list));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        if enough(row.get(0)?, row.get(1)?) {
            break;
        }
    }
    Ok(())
}

/// A list as one parameter, so that the statement's text does not depend on its length.
pub(super) fn id_list(ids: &[i64]) -> Value {
    let numbers: Vec<String> = ids.iter().map(i64::to_string).collect();
    Value::Text(format!("[{}]", numbers.join(",")))
}
