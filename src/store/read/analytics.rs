//! Figures over all investigations of a time.

use rusqlite::{Connection, params_from_iter};

use super::dims::{self, most_first};
use super::filter::{Filter, check_range};
use crate::model::Timestamp;
use crate::model::query::TimeRange;
use crate::model::view::{AnalyticsSummary, FacetValue};
use crate::store::error::Fault;

const DAYS_LIMIT: usize = 30;

/// Investigations count by their onset, events by their time, dead letters as they wait now.
pub(super) fn summary(connection: &Connection, range: TimeRange) -> Result<AnalyticsSummary, Fault> {
    check_range("range", range)?;
    let mut filter = Filter::default();
    filter.range("started_at", range);
    let by_severity = counts(connection, "CAST(impact_severity AS TEXT)", &filter)?
        .into_iter()
        .map(|value| FacetValue { value: dims::severity(value.value.parse().unwrap_or_default()).as_str().to_owned(), ..value })
        .collect();
    let mut closed = filter.clone();
    closed.add("close_reason = 'false_alarm'", []);
    let total = |filter: &Filter| -> Result<u64, Fault> {
        let sql = format!("SELECT count(*) FROM investigations{}", filter.sql());
        Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(&filter.values), |row| row.get(0))?)
    };
    Ok(AnalyticsSummary {
        investigations_total: total(&filter)?,
        by_status: counts(connection, "status", &filter)?,
        by_severity,
        by_service: counts(connection, "coalesce(service_affected, '')", &filter)?,
        events_by_source: events_by_source(connection, range)?,
        opened_per_day: opened_per_day(connection, &filter)?,
        median_detect_s: median_s(connection, "detected_at - started_at", "created_by = 'whydunit'", &filter)?,
        median_resolve_s: median_s(connection, "resolved_at - detected_at", "resolved_at IS NOT NULL", &filter)?,
        false_alarms: total(&closed)?,
        false_alarms_by_detector: by_opener(connection, &closed)?,
        dead_letters_waiting: connection
            .prepare_cached("SELECT count(*) FROM letters WHERE status = 'waiting'")?
            .query_row([], |row| row.get(0))?,
    })
}

fn counts(connection: &Connection, column: &str, filter: &Filter) -> Result<Vec<FacetValue>, Fault> {
    let sql = format!("SELECT {column}, count(*) FROM investigations{} GROUP BY 1", filter.sql());
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&filter.values), |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))?;
    Ok(most_first(rows.collect::<Result<Vec<_>, _>>()?))
}

/// Investigations by the detectors that opened them.
fn by_opener(connection: &Connection, filter: &Filter) -> Result<Vec<FacetValue>, Fault> {
    let sql = format!(
        "SELECT json_extract(o.value, '$.detector'), count(DISTINCT n) FROM \
         (SELECT n, coalesce(json_extract(findings, '$.opened_by'), '[]') AS openers FROM investigations{}), json_each(openers) o GROUP BY 1",
        filter.sql()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&filter.values), |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))?;
    Ok(most_first(rows.collect::<Result<Vec<_>, _>>()?))
}

fn events_by_source(connection: &Connection, range: TimeRange) -> Result<Vec<FacetValue>, Fault> {
    let mut dims = dims::all(connection)?;
    let from = range.from.map_or(i64::MIN, Timestamp::nanos);
    let to = range.to.map_or(i64::MAX, |to| to.nanos().saturating_sub(1));
    dims::count_between(connection, &mut dims, from, to)?;
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for dim in dims.iter().filter(|dim| dim.events > 0) {
        *counts.entry(&dim.source).or_default() += dim.events;
    }
    Ok(most_first(counts))
}

/// The newest 30 days on which anything began, oldest first.
fn opened_per_day(connection: &Connection, filter: &Filter) -> Result<Vec<FacetValue>, Fault> {
    let sql = format!(
        "SELECT date(started_at / 1000000000, 'unixepoch') AS day, count(*) FROM investigations{} GROUP BY day ORDER BY day DESC LIMIT {DAYS_LIMIT}",
        filter.sql()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&filter.values), |row| {
        Ok(FacetValue { value: row.get::<_, Option<String>>(0)?.unwrap_or_default(), count: row.get(1)? })
    })?;
    let mut days: Vec<FacetValue> = rows.collect::<Result<_, _>>()?;
    days.reverse();
    Ok(days)
}

/// Median of a difference of two times, in seconds.
fn median_s(connection: &Connection, difference: &str, condition: &str, filter: &Filter) -> Result<Option<f64>, Fault> {
    let mut filter = filter.clone();
    filter.add(condition, []);
    let sql = format!("SELECT {difference} FROM investigations{}", filter.sql());
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&filter.values), |row| row.get::<_, i64>(0))?;
    let mut nanos: Vec<i64> = rows.collect::<Result<_, _>>()?;
    nanos.sort_unstable();
    let middle = nanos.len() / 2;
    let median_ns = match nanos.len() {
        0 => return Ok(None),
        odd if odd % 2 == 1 => nanos[middle] as f64,
        _ => (nanos[middle - 1] as f64 + nanos[middle] as f64) / 2.0,
    };
    Ok(Some(median_ns / 1e9))
}
