//! What people were told and are to be told.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::filter::{Filter, check_lengths, check_range};
use super::investigations::time;
use super::paging::{EXACT_UP_TO, SortValue, Window, told_total};
use crate::model::Timestamp;
use crate::model::notification::{Delivery, DeliveryState, Firing, Notification, NotificationQuery, NotificationView, Outgoing, Waiting};
use crate::model::ports::StoreError;
use crate::model::query::Page;
use crate::store::error::Fault;

const SORTABLE: [&str; 1] = ["made_at"];

pub(super) fn page(connection: &Connection, query: &NotificationQuery) -> Result<Page<NotificationView>, Fault> {
    let window = Window::of(&query.paging, &SORTABLE)?;
    let mut filter = filter(query)?;
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM notifications t{} LIMIT {})", filter.sql(), EXACT_UP_TO + 1);
    let counted: u64 = connection.prepare_cached(&count)?.query_row(params_from_iter(&filter.values), |row| row.get(0))?;
    if let Some(cursor) = &window.after {
        // They are numbered in the order they were made.
        filter.add(format!("t.seq {} ?", window.past()), [Value::Integer(cursor.row)]);
    }
    let sql = format!(
        "SELECT t.seq, t.content, t.made_at FROM notifications t{} ORDER BY t.seq {} LIMIT {} OFFSET {}",
        filter.sql(),
        window.direction(),
        window.limit + 1,
        window.offset
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&filter.values))?;
    let (mut items, mut last, mut more) = (Vec::new(), None, false);
    while let Some(row) = rows.next()? {
        if items.len() as u64 == window.limit {
            more = true;
            break;
        }
        let seq: i64 = row.get(0)?;
        last = Some((row.get::<_, i64>(2)?, seq));
        let notification = content(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        items.push(NotificationView { notification, made_at: time(row, 2)?, deliveries: deliveries(connection, seq)? });
    }
    let next_cursor = last.filter(|_| more).map(|(value, row)| window.cursor(SortValue::Integer(value), row));
    let (total, total_exact) = told_total(counted);
    Ok(Page { items, total, total_exact, next_cursor })
}

fn filter(query: &NotificationQuery) -> Result<Filter, StoreError> {
    check_range("time", query.time)?;
    check_lengths(&[("kind", query.kind.len()), ("channel", query.channel.len()), ("state", query.state.len())])?;
    let mut filter = Filter::default();
    filter.any_of("t.investigation_id", query.investigation_id.clone());
    filter.any_of("t.kind", query.kind.iter().map(|kind| kind.as_str().to_owned()));
    // Both are of one delivery: what waits for this channel, not what has this channel and waits for another.
    let mut of_delivery = Filter::default();
    of_delivery.any_of("d.channel", query.channel.iter().cloned());
    of_delivery.any_of("d.state", query.state.iter().map(|state| state.as_str().to_owned()));
    if !of_delivery.values.is_empty() {
        let sql = format!("t.seq IN (SELECT d.notification FROM deliveries d{})", of_delivery.sql());
        filter.add(sql, of_delivery.values);
    }
    filter.range("t.made_at", query.time);
    Ok(filter)
}

fn content(text: &str) -> Result<Notification, Fault> {
    Ok(serde_json::from_str(text)?)
}

fn deliveries(connection: &Connection, seq: i64) -> Result<Vec<Delivery>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT channel, state, attempts, next_attempt_at, last_error, ended_at FROM deliveries WHERE notification = ? ORDER BY channel",
    )?;
    let rows = statement.query_map([seq], |row| {
        let nanos = |index| row.get::<_, Option<i64>>(index).map(|nanos| nanos.map(Timestamp::from_nanos));
        let state: String = row.get(1)?;
        Ok(Delivery {
            channel: row.get(0)?,
            state: DeliveryState::parse(&state).unwrap_or(DeliveryState::GivenUp),
            attempts: row.get(2)?,
            next_attempt_at: nanos(3)?,
            last_error: row.get(4)?,
            ended_at: nanos(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Of each investigation only the first that waits.
pub(super) fn due(connection: &Connection, channel: &str, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT t.seq, t.content, t.made_at, d.attempts FROM deliveries d JOIN notifications t ON t.seq = d.notification \
         WHERE d.channel = ?1 AND d.state = 'waiting' AND d.next_attempt_at <= ?2 AND NOT EXISTS (SELECT 1 FROM deliveries e \
         WHERE e.channel = ?1 AND e.state = 'waiting' AND e.investigation_id = d.investigation_id AND e.notification < d.notification) \
         ORDER BY d.notification LIMIT ?3",
    )?;
    let mut rows = statement.query(params![channel, now.nanos(), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        found.push(Outgoing {
            seq: row.get(0)?,
            notification: content(&text)?,
            content: text,
            made_at: time(row, 2)?,
            attempts: row.get(3)?,
        });
    }
    Ok(found)
}

pub(super) fn firing(connection: &Connection, channel: &str, ended_after: Timestamp, limit: u32) -> Result<Vec<Firing>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT t.content, i.status IN ('open', 'in_progress'), coalesce(i.closed_at, i.resolved_at) \
         FROM investigations i JOIN notifications t ON t.investigation_id = i.id \
         AND t.n = (SELECT max(n) FROM notifications WHERE investigation_id = i.id) AND t.kind IN ('opened', 'suspect_changed') \
         WHERE (i.status IN ('open', 'in_progress') OR coalesce(i.closed_at, i.resolved_at) > ?1) \
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.channel = ?2 AND d.state = 'waiting' AND d.investigation_id = i.id) \
         ORDER BY t.seq DESC LIMIT ?3",
    )?;
    let mut rows = statement.query(params![ended_after.nanos(), channel, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (is_open, ended): (bool, Option<i64>) = (row.get(1)?, row.get(2)?);
        let notification = content(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        found.push(Firing { notification, ended_at: ended.filter(|_| !is_open).map(Timestamp::from_nanos) });
    }
    Ok(found)
}

pub(super) fn waiting(connection: &Connection, channel: &str) -> Result<Waiting, Fault> {
    let count = connection
        .prepare_cached("SELECT count(*) FROM deliveries WHERE channel = ? AND state = 'waiting'")?
        .query_row([channel], |row| row.get(0))?;
    let oldest: Option<i64> = connection
        .prepare_cached(
            "SELECT t.made_at FROM deliveries d JOIN notifications t ON t.seq = d.notification WHERE d.channel = ? AND d.state = 'waiting' \
             ORDER BY d.notification LIMIT 1",
        )?
        .query_row([channel], |row| row.get(0))
        .optional()?;
    Ok(Waiting { count, oldest: oldest.map(Timestamp::from_nanos) })
}

pub(super) fn waiting_channels(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT channel FROM deliveries WHERE state = 'waiting' ORDER BY channel")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
