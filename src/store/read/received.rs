//! Records that came without Kafka, as their connector reads them.

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::Timestamp;
use crate::model::ports::StoreError;
use crate::model::received::{ReceivedPage, ReceivedRecord};
use crate::store::error::Fault;

pub(super) fn page(connection: &Connection, connector: &str, from: i64, max_records: u32, max_bytes: u64) -> Result<ReceivedPage, Fault> {
    let end: Option<i64> = connection
        .prepare_cached("SELECT next_offset FROM received_queues WHERE connector = ?")?
        .query_row([connector], |row| row.get(0))
        .optional()?;
    let mut page = ReceivedPage { records: Vec::new(), end_offset: end.unwrap_or(0) };
    if page.end_offset <= from || max_records == 0 {
        return Ok(page);
    }
    let mut statement = connection.prepare_cached(
        "SELECT \"offset\", received_at, bytes, headers, value FROM received WHERE connector = ? AND \"offset\" >= ? ORDER BY \"offset\" LIMIT ?",
    )?;
    let mut rows = statement.query(params![connector, from, max_records])?;
    let mut bytes = 0_u64;
    while let Some(row) = rows.next()? {
        bytes += row.get::<_, u64>(2)?;
        if bytes > max_bytes && !page.records.is_empty() {
            break;
        }
        let headers = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let headers = postcard::from_bytes(headers)
            .map_err(|error| StoreError::Corrupt(format!("headers of a record that came over HTTP: {error}")))?;
        page.records.push(ReceivedRecord {
            offset: row.get(0)?,
            value: row.get(4)?,
            headers,
            received_at: Timestamp::from_nanos(row.get(1)?),
        });
    }
    Ok(page)
}
