//! Dead letters as people see them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::filter::{Filter, check_lengths, check_range};
use super::investigations::time;
use super::paging::{EXACT_UP_TO, SortValue, Window, told_total};
use crate::model::Timestamp;
use crate::model::dead_letter::{
    CONNECT_FACTS, DeadLetterGroup, DeadLetterView, HeaderView, LetterRecord, LetterStatus, Payload, RejectionClass, Replay, ReplayRun,
    Withheld,
};
use crate::model::ports::StoreError;
use crate::model::position::{PartitionKey, Position};
use crate::model::query::{DeadLetterQuery, Page};
use crate::store::error::Fault;

const SORTABLE: [&str; 3] = ["last_failed_at", "first_failed_at", "attempts"];
const VALUE_TEXT_LIMIT: usize = 64 * 1_024;
/// In a list a value is only looked at; the whole of it is one request away.
const LIST_VALUE_LIMIT: usize = 1_024;

const COLUMNS: &str = "l.id, l.connector, l.cluster, l.topic, l.incarnation, l.partition, l.\"offset\", l.error_class, l.error_message, \
     l.format, l.bad_items, l.attempts, l.first_failed_at, l.last_failed_at, l.fingerprint, l.status, l.replay_count, r.key, r.value, \
     r.headers, l.n, l.items_read, l.discard_reason";

/// Bytes of a connector's letters that wait or are being replayed.
pub(super) fn waiting_bytes(connection: &Connection, connector: &str) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached("SELECT bytes FROM letter_bytes WHERE connector = ?")?;
    let bytes: Option<i64> = statement.query_row([connector], |row| row.get(0)).optional()?;
    Ok(u64::try_from(bytes.unwrap_or_default()).unwrap_or(0))
}

pub(super) fn page(connection: &Connection, query: &DeadLetterQuery) -> Result<Page<DeadLetterView>, Fault> {
    let window = Window::of(&query.paging, &SORTABLE)?;
    let mut filter = filter(query)?;
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM letters l{} LIMIT {})", filter.sql(), EXACT_UP_TO + 1);
    let counted: u64 = connection.prepare_cached(&count)?.query_row(params_from_iter(&filter.values), |row| row.get(0))?;
    if let Some(cursor) = &window.after {
        let SortValue::Integer(value) = cursor.value else {
            return Err(crate::store::error::bad_query("cursor", "not one of ours").into());
        };
        filter.add(format!("(l.{}, l.n) {} (?, ?)", window.sort, window.past()), [Value::Integer(value), Value::Integer(cursor.row)]);
    }
    let direction = window.direction();
    let sql = format!(
        "SELECT {COLUMNS}, l.{sort} FROM letters l JOIN letter_records r ON r.n = l.n{} \
         ORDER BY l.{sort} {direction}, l.n {direction} LIMIT {} OFFSET {}",
        filter.sql(),
        window.limit + 1,
        window.offset,
        sort = window.sort
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&filter.values))?;
    let (mut items, mut last, mut more) = (Vec::new(), None, false);
    while let Some(row) = rows.next()? {
        if items.len() as u64 == window.limit {
            more = true;
            break;
        }
        last = Some((row.get::<_, i64>(23)?, row.get::<_, i64>(20)?));
        items.push(from_row(row, LIST_VALUE_LIMIT)?);
    }
    let next_cursor = last.filter(|_| more).map(|(value, row)| window.cursor(SortValue::Integer(value), row));
    let (total, total_exact) = told_total(counted);
    Ok(Page { items, total, total_exact, next_cursor })
}

pub(super) fn letter(connection: &Connection, id: &str) -> Result<Option<DeadLetterView>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM letters l JOIN letter_records r ON r.n = l.n WHERE l.id = ?");
    connection.prepare_cached(&sql)?.query_row([id], |row| Ok(from_row(row, usize::MAX))).optional()?.transpose()
}

/// The record of one letter, whole.
pub(super) fn record(connection: &Connection, id: &str) -> Result<Option<LetterRecord>, Fault> {
    let sql = format!("SELECT {RECORD_COLUMNS} FROM letters l JOIN letter_records r ON r.n = l.n WHERE l.id = ?");
    connection.prepare_cached(&sql)?.query_row([id], |row| Ok(record_from_row(row))).optional()?.transpose()
}

pub(super) fn replays(connection: &Connection, from: i64, limit: u32) -> Result<Vec<Replay>, Fault> {
    let sql = format!(
        "SELECT {RECORD_COLUMNS}, p.id, p.edited FROM replays p JOIN letters l ON l.n = p.letter JOIN letter_records r ON r.n = l.n \
         WHERE p.id >= ? ORDER BY p.id LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((from, limit))?;
    let mut replays = Vec::new();
    while let Some(row) = rows.next()? {
        replays.push(Replay { id: row.get(12)?, letter: record_from_row(row)?, edited: row.get(13)? });
    }
    Ok(replays)
}

/// Decisions to replay, newest first. What is done of one is what no replay of it waits for any more.
pub(super) fn replay_runs(connection: &Connection) -> Result<Vec<ReplayRun>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, at, who, letter_id, fingerprint, connector, edited, last - first + 1, \
         (SELECT count(*) FROM replays p JOIN letters l ON l.n = p.letter WHERE p.id BETWEEN run.first AND run.last AND l.last_replay < p.id), \
         (SELECT count(*) FROM letters l WHERE l.last_replay > 0 AND l.last_replay BETWEEN run.first AND run.last AND l.status = 'replayed'), \
         (SELECT count(*) FROM letters l WHERE l.last_replay > 0 AND l.last_replay BETWEEN run.first AND run.last AND l.status = 'waiting') \
         FROM replay_runs run ORDER BY id DESC LIMIT 20",
    )?;
    let runs = statement.query_map([], |row| {
        Ok(ReplayRun {
            id: row.get(0)?,
            at: time(row, 1)?,
            who: row.get(2)?,
            letter_id: row.get(3)?,
            fingerprint: row.get(4)?,
            connector: row.get(5)?,
            edited: row.get(6)?,
            letters: row.get(7)?,
            left: row.get(8)?,
            replayed: row.get(9)?,
            failed: row.get(10)?,
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}

const RECORD_COLUMNS: &str = "l.id, l.connector, l.cluster, l.topic, l.incarnation, l.partition, l.\"offset\", l.kafka_time, l.bad_items, \
     r.key, r.value, r.headers";

fn record_from_row(row: &Row<'_>) -> Result<LetterRecord, Fault> {
    let (cluster, topic): (String, String) = (row.get(2)?, row.get(3)?);
    let partition = PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(4)?, partition: row.get(5)? };
    Ok(LetterRecord {
        id: row.get(0)?,
        connector: row.get(1)?,
        position: Position { partition, offset: row.get(6)? },
        timestamp: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_nanos),
        bad_items: serde_json::from_str(row.get_ref(8)?.as_str().map_err(rusqlite::Error::from)?)?,
        key: row.get(9)?,
        value: row.get(10)?,
        headers: headers(row.get_ref(11)?.as_blob_or_null().map_err(rusqlite::Error::from)?)?,
    })
}

type Headers = Vec<(String, Option<Vec<u8>>)>;

fn headers(bytes: Option<&[u8]>) -> Result<Headers, StoreError> {
    postcard::from_bytes(bytes.unwrap_or_default()).map_err(|error| StoreError::Corrupt(format!("headers of a dead letter: {error}")))
}

pub(super) fn groups(connection: &Connection) -> Result<Vec<DeadLetterGroup>, Fault> {
    // SQLite takes the other columns from the row that holds the maximum.
    let mut statement = connection.prepare_cached(
        "SELECT fingerprint, connector, error_class, format, error_message, count(*), sum(status = 'waiting'), sum(bytes), \
         min(first_failed_at), max(last_failed_at), id, sum(status = 'replaying'), sum(status = 'replayed') FROM letters \
         GROUP BY fingerprint ORDER BY 7 DESC, 10 DESC, 1 LIMIT 1000",
    )?;
    let groups = statement.query_map([], |row| {
        Ok(DeadLetterGroup {
            fingerprint: row.get(0)?,
            connector: row.get(1)?,
            error_class: class(row, 2)?,
            format: row.get(3)?,
            error_message: row.get(4)?,
            count: row.get(5)?,
            waiting: row.get(6)?,
            bytes: row.get(7)?,
            first_failed_at: time(row, 8)?,
            last_failed_at: time(row, 9)?,
            newest_id: row.get(10)?,
            replaying: row.get(11)?,
            replayed: row.get(12)?,
        })
    })?;
    Ok(groups.collect::<Result<_, _>>()?)
}

fn filter(query: &DeadLetterQuery) -> Result<Filter, StoreError> {
    check_range("time", query.time)?;
    check_lengths(&[
        ("connector", query.connector.len()),
        ("topic", query.topic.len()),
        ("error_class", query.error_class.len()),
        ("status", query.status.len()),
    ])?;
    let mut filter = Filter::default();
    filter.any_of("l.connector", query.connector.iter().cloned());
    filter.any_of("l.topic", query.topic.iter().cloned());
    filter.any_of("l.error_class", query.error_class.iter().map(|class| class.as_str().to_owned()));
    filter.any_of("l.status", query.status.iter().map(|status| status.as_str().to_owned()));
    filter.any_of("l.fingerprint", query.fingerprint.clone());
    filter.range("l.last_failed_at", query.time);
    Ok(filter)
}

fn class(row: &Row<'_>, column: usize) -> rusqlite::Result<RejectionClass> {
    Ok(RejectionClass::parse(row.get_ref(column)?.as_str()?).unwrap_or(RejectionClass::Malformed))
}

fn from_row(row: &Row<'_>, value_limit: usize) -> Result<DeadLetterView, Fault> {
    let (cluster, topic): (String, String) = (row.get(2)?, row.get(3)?);
    let partition = PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(4)?, partition: row.get(5)? };
    let bytes = |column: usize| row.get_ref(column).and_then(|value| Ok(value.as_blob_or_null()?));
    let (key, value) = (bytes(17)?, bytes(18)?);
    let own_headers = headers(bytes(19)?)?;
    let withheld = Withheld::of(key, value, &own_headers);
    let mut view = DeadLetterView {
        id: row.get(0)?,
        connector: row.get(1)?,
        position: Position { partition, offset: row.get(6)? },
        key_base64: key.map(|key| STANDARD.encode(key)),
        value_base64: value.filter(|value| value.len() <= value_limit).map(|value| STANDARD.encode(value)),
        value_text: value.and_then(|value| text(value, value_limit.min(VALUE_TEXT_LIMIT))),
        value_bytes: withheld.as_ref().map_or(value.map_or(0, <[u8]>::len) as u64, |known| known.value_bytes.unwrap_or(0)),
        payload: if withheld.is_some() { Payload::NotKept } else { Payload::Shown },
        value_sha256: withheld.as_ref().map(|known| known.value_sha256.clone()),
        headers: Vec::new(),
        error_class: class(row, 7)?,
        error_message: row.get(8)?,
        format: row.get(9)?,
        bad_items: serde_json::from_str(row.get_ref(10)?.as_str().map_err(rusqlite::Error::from)?)?,
        attempts: row.get(11)?,
        first_failed_at: time(row, 12)?,
        last_failed_at: time(row, 13)?,
        fingerprint: row.get(14)?,
        status: LetterStatus::parse(row.get_ref(15)?.as_str().map_err(rusqlite::Error::from)?).unwrap_or_default(),
        replay_count: row.get(16)?,
        items_read: row.get(21)?,
        discard_reason: row.get(22)?,
    };
    view.headers = connect_headers(&view).into();
    if withheld.is_some() {
        return Ok(view);
    }
    view.headers.extend(own_headers.into_iter().map(|(name, value)| HeaderView {
        name,
        value: value.map(|bytes| String::from_utf8(bytes).unwrap_or_else(|error| format!("base64:{}", STANDARD.encode(error.as_bytes())))),
    }));
    Ok(view)
}

/// The facts under the names that users of Kafka Connect look for.
fn connect_headers(view: &DeadLetterView) -> [HeaderView; CONNECT_FACTS] {
    let header = |name: &str, value: String| HeaderView { name: format!("__connect.errors.{name}"), value: Some(value) };
    [
        header("topic", view.position.partition.topic.to_string()),
        header("partition", view.position.partition.partition.to_string()),
        header("offset", view.position.offset.to_string()),
        header("exception.class.name", view.error_class.as_str().to_owned()),
        header("exception.message", view.error_message.clone()),
    ]
}

/// The first `limit` bytes as text where they are text; cut at a character.
fn text(value: &[u8], limit: usize) -> Option<String> {
    let cut = &value[..value.len().min(limit)];
    match std::str::from_utf8(cut) {
        Ok(text) => Some(text.to_owned()),
        // Only the last character is incomplete, and it was we who cut it.
        Err(error) if error.error_len().is_none() && cut.len() < value.len() => {
            std::str::from_utf8(&cut[..error.valid_up_to()]).ok().map(str::to_owned)
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_bytes_are_no_text() {
        assert_eq!(text("aé".as_bytes(), 2).unwrap(), "a");
        assert_eq!(text(&[0x61, 0xc3], 64), None);
        assert_eq!(text(&[0xff, 0x00], 64), None);
    }
}
