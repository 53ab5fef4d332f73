//! The canonical export: all that a run determines, none of the times at which it happened to be done.

use std::io::Write;

use rusqlite::Connection;
use serde::Serialize;
use serde_json::{Value, json};

use super::dims;
use super::events;
use crate::model::entity::ServiceName;
use crate::model::ports::StoreError;
use crate::model::signal::BucketRow;
use crate::model::time::Bucket;
use crate::store::error::Fault;
use crate::store::write::ledger;

/// One JSON value a line: events by id, findings by id with their links, letters by position and without their bytes, bucket rows, ledger.
/// What people did is no part of it.
pub(super) fn write(connection: &Connection, out: &mut dyn Write) -> Result<(), Fault> {
    write_events(connection, out)?;
    write_findings(connection, out)?;
    write_letters(connection, out)?;
    write_rows(connection, out)?;
    for row in ledger(connection)? {
        line(out, "ledger", json!(row))?;
    }
    Ok(())
}

/// Objects inside `value` are sorted by name already: `serde_json::Map` is ordered.
fn line(out: &mut dyn Write, kind: &str, value: impl Serialize) -> Result<(), Fault> {
    let mut text = serde_json::to_string(&json!({ "kind": kind, "value": value }))?;
    text.push('\n');
    out.write_all(text.as_bytes()).map_err(|error| StoreError::Other(format!("cannot write the export: {error}")).into())
}

fn write_events(connection: &Connection, out: &mut dyn Write) -> Result<(), Fault> {
    let sql = format!("SELECT {} FROM events e JOIN event_dims d ON d.dim = e.dim ORDER BY e.id", events::COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (_, event) = events::from_row(row)?;
        let mut value = serde_json::to_value(&event)?;
        remove(&mut value, &["observed_at", "investigation_ids"]);
        line(out, "event", value)?;
    }
    Ok(())
}

fn write_findings(connection: &Connection, out: &mut dyn Write) -> Result<(), Fault> {
    let mut statement = connection.prepare("SELECT id, findings FROM investigations WHERE findings IS NOT NULL ORDER BY id")?;
    let mut links = connection.prepare(
        "SELECT event_id, confidence, reason FROM event_links WHERE investigation_id = ? AND linked_by = 'whydunit' ORDER BY event_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let mut value: Value = serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        let linked = links
            .query_map([&id], |row| {
                Ok(json!({ "event_id": row.get::<_, String>(0)?, "confidence": row.get::<_, f64>(1)?, "reason": row.get::<_, String>(2)? }))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("new_links");
            fields.insert("links".into(), Value::Array(linked));
        }
        line(out, "findings", value)?;
    }
    Ok(())
}

fn write_letters(connection: &Connection, out: &mut dyn Write) -> Result<(), Fault> {
    let mut statement = connection.prepare("SELECT id FROM letters ORDER BY cluster, topic, incarnation, partition, \"offset\"")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let Some(mut letter) = super::letters::letter(connection, &id)? else { continue };
        letter.hide();
        let mut value = serde_json::to_value(&letter)?;
        // Attempts and status depend on when it was tried and on what people did.
        remove(
            &mut value,
            &["attempts", "first_failed_at", "last_failed_at", "status", "replay_count", "value_text", "items_read", "discard_reason"],
        );
        line(out, "dead_letter", value)?;
    }
    Ok(())
}

fn write_rows(connection: &Connection, out: &mut dyn Write) -> Result<(), Fault> {
    let mut statement = connection.prepare(
        "SELECT environment, bucket, source, service, items, failing, in_events, late FROM bucket_rows \
         ORDER BY environment, bucket, source, service",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let value = BucketRow {
            entity: ServiceName { environment: row.get(0)?, service: row.get(3)? },
            bucket: Bucket(row.get(1)?),
            source: dims::source(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?),
            items: row.get(4)?,
            failing: row.get(5)?,
            in_events: row.get(6)?,
            late: row.get(7)?,
        };
        line(out, "bucket_row", value)?;
    }
    Ok(())
}

fn remove(value: &mut Value, names: &[&str]) {
    if let Some(fields) = value.as_object_mut() {
        names.iter().for_each(|name| drop(fields.remove(*name)));
    }
}
