//! What the database says of its books, gathered in one transaction for a check of them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::OpenFinder;
use crate::model::command::{Action, Command};
use crate::model::dead_letter::REPLAY;
use crate::model::event::{Event, Provenance};
use crate::model::ledger::{INBOX, LedgerRow};
use crate::model::position::{PartitionKey, Position};
use crate::model::verify::{
    BookFacts, FoldedFacts, LetterFacts, PartitionFacts, PrunedFacts, ReplayFacts, ServiceFacts, Stranger, SumFact,
};
use crate::model::{Bucket, Source};
use crate::store::error::Fault;
use crate::store::write::{self, ledger_rows};

/// Items of one record looked through for the one an id belongs to.
const ITEMS_OF_A_RECORD: u32 = 1_000;
/// Positions of one partition kept to name the first that is missing.
const MARKS_LIMIT: usize = 2_000_000;
/// Differing sums told; more are the same trouble.
const SUMS_LIMIT: u32 = 20;

/// What is still open in a checkpoint's state: found by whoever can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenItems {
    /// Last bucket that the checkpoint has closed.
    pub closed: Option<Bucket>,
    pub items: u64,
}

type Key = (String, PartitionKey);

/// Facts of the transaction that `connection` is in. `open` looks into the state of the stages.
pub(super) fn facts(connection: &Connection, open: &mut OpenFinder<'_>) -> Result<BookFacts, Fault> {
    let mut facts = BookFacts {
        epoch: write::meta(connection, "epoch")?.and_then(|text| text.parse().ok()).unwrap_or_default(),
        services: services(connection)?,
        sums: sums(connection)?,
        ..BookFacts::default()
    };
    let rows = ledger_rows(connection)?;
    let mut gathered: BTreeMap<Key, Gathered> = BTreeMap::new();
    for (row, _) in &rows {
        gathered.insert((row.connector.clone(), row.partition.clone()), Gathered::of(row));
    }
    gather_events(connection, &mut gathered)?;
    gather_letters(connection, &mut gathered)?;
    gather_duplicates(connection, &mut gathered)?;
    facts.replays = replays(connection, &rows)?;
    for (row, duplicates) in rows {
        let mut found = gathered.remove(&(row.connector.clone(), row.partition.clone())).unwrap_or_default();
        if row.connector == INBOX {
            inbox(connection, &row, &mut found)?;
        }
        facts.partitions.push(found.facts(connection, row, duplicates)?);
    }
    facts.strangers = strangers(gathered, &facts.partitions);
    facts.folded = folded(connection, facts.epoch, open)?;
    Ok(facts)
}

/// What is found of one partition, by its books' offsets.
#[derive(Debug, Default)]
struct Gathered {
    /// First and next offset of its books; none of a stranger.
    extent: Option<(i64, i64)>,
    events: u64,
    letters: LetterFacts,
    ahead: u64,
    before: u64,
    duplicates_behind: u64,
    /// Offsets with an event or a letter.
    marks: BTreeSet<i64>,
    too_many_marks: bool,
    misnamed: Option<(u64, String)>,
    first_offset: Option<i64>,
}

/// Where a position lies to the books.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Within,
    Ahead,
}

impl Gathered {
    fn of(row: &LedgerRow) -> Self {
        Self { extent: Some((row.first_offset, row.next_offset)), ..Self::default() }
    }

    fn side(&mut self, offset: i64) -> Side {
        self.first_offset = Some(self.first_offset.map_or(offset, |first| first.min(offset)));
        match self.extent {
            Some((first, _)) if offset < first => {
                self.before += 1;
                Side::Before
            }
            Some((_, next)) if offset < next => {
                if self.marks.len() < MARKS_LIMIT {
                    self.marks.insert(offset);
                } else {
                    self.too_many_marks = true;
                }
                Side::Within
            }
            _ => {
                self.ahead += 1;
                Side::Ahead
            }
        }
    }

    fn misnamed(&mut self, id: String) {
        self.misnamed.get_or_insert((0, id)).0 += 1;
    }

    fn facts(self, connection: &Connection, row: LedgerRow, duplicates: u64) -> Result<PartitionFacts, Fault> {
        let unmarked = self.unmarked(&row);
        Ok(PartitionFacts {
            pruned: pruned(connection, &row)?,
            duplicates,
            duplicates_behind: self.duplicates_behind,
            events: self.events,
            letters: self.letters,
            ahead: self.ahead,
            before: self.before,
            unmarked,
            misnamed: self.misnamed,
            row,
        })
    }

    fn unmarked(&self, row: &LedgerRow) -> Option<(i64, u64)> {
        let is_marked_by_all = row.sums.items_folded == 0 && !self.too_many_marks;
        let offsets = u64::try_from(row.next_offset - row.first_offset).unwrap_or(0);
        if !is_marked_by_all || offsets == 0 {
            return None;
        }
        let mut first = row.first_offset;
        for mark in &self.marks {
            if *mark != first {
                break;
            }
            first += 1;
        }
        let unmarked = offsets.saturating_sub(self.marks.len() as u64);
        (unmarked > 0).then_some((first, unmarked))
    }
}

/// Events that are made of one item each: those of sources whose records are events, with their positions.
fn gather_events(connection: &Connection, gathered: &mut BTreeMap<Key, Gathered>) -> Result<(), Fault> {
    let mut statement = connection.prepare(
        "SELECT e.id, e.source_id, e.provenance, d.source, d.event_type FROM event_dims d JOIN events e ON e.dim = d.dim \
         WHERE d.source IN ('git', 'ci', 'manual') AND e.provenance IS NOT NULL",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let provenance: Provenance = serde_json::from_str(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        let Provenance { connector, position: Position { partition, offset }, .. } = provenance;
        let found = gathered.entry((connector, partition.clone())).or_default();
        if found.side(offset) == Side::Within {
            found.events += 1;
        }
        let id: String = row.get(0)?;
        let source_id: Option<String> = row.get(1)?;
        let (source, event_type): (String, String) = (row.get(3)?, row.get(4)?);
        if !is_named_right(&id, source_id.as_deref(), &source, &event_type, Position { partition, offset }) {
            found.misnamed(id);
        }
    }
    Ok(())
}

/// An id says where an event comes from: its external id, else its position.
fn is_named_right(id: &str, source_id: Option<&str>, source: &str, event_type: &str, position: Position) -> bool {
    match (source_id, Source::parse(source)) {
        (Some(source_id), Some(source)) => id == Event::id_of_source(source, event_type, source_id),
        // What people write is named by the API.
        (None, _) if &*position.partition.topic == INBOX => true,
        _ => (0..ITEMS_OF_A_RECORD).any(|item| id == position.item_id(item)),
    }
}

fn gather_letters(connection: &Connection, gathered: &mut BTreeMap<Key, Gathered>) -> Result<(), Fault> {
    let mut statement = connection.prepare(
        "SELECT l.connector, l.cluster, l.topic, l.incarnation, l.partition, l.\"offset\", l.whole, l.items_bad, l.replay_count, r.n IS NULL \
         FROM letters l LEFT JOIN letter_records r ON r.n = l.n",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (cluster, topic): (String, String) = (row.get(1)?, row.get(2)?);
        let partition = PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(3)?, partition: row.get(4)? };
        let found = gathered.entry((row.get(0)?, partition)).or_default();
        found.letters.without_record += u64::from(row.get::<_, bool>(9)?);
        if found.side(row.get(5)?) != Side::Within {
            continue;
        }
        let letters = &mut found.letters;
        if row.get::<_, bool>(6)? {
            letters.whole += 1;
        } else {
            letters.partial += 1;
            letters.items += row.get::<_, u64>(7)?;
        }
        letters.replayed += u64::from(row.get::<_, u64>(8)? > 0);
    }
    Ok(())
}

/// Duplicates that are remembered by position although a number would do.
fn gather_duplicates(connection: &Connection, gathered: &mut BTreeMap<Key, Gathered>) -> Result<(), Fault> {
    let mut statement = connection.prepare("SELECT connector, cluster, topic, incarnation, partition, \"offset\" FROM duplicates")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (cluster, topic): (String, String) = (row.get(1)?, row.get(2)?);
        let partition = PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(3)?, partition: row.get(4)? };
        let offset: i64 = row.get(5)?;
        if let Some(found) = gathered.get_mut(&(row.get(0)?, partition)) {
            found.duplicates_behind += u64::from(found.extent.is_some_and(|(_, next)| offset < next));
        }
    }
    Ok(())
}

fn pruned(connection: &Connection, row: &LedgerRow) -> Result<PrunedFacts, Fault> {
    let PartitionKey { cluster, topic, incarnation, partition } = &row.partition;
    let found = connection
        .prepare_cached(
            "SELECT events, letters, letter_items, replayed FROM pruned_partitions \
             WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ?",
        )?
        .query_row(params![row.connector, &**cluster, &**topic, incarnation, partition], |row| {
            Ok(PrunedFacts { events: row.get(0)?, letters: row.get(1)?, letter_items: row.get(2)?, replayed: row.get(3)? })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// The inbox's rows stand for its records; those that make no event count as stored all the same.
fn inbox(connection: &Connection, row: &LedgerRow, found: &mut Gathered) -> Result<(), Fault> {
    let mut statement = connection.prepare("SELECT id, command FROM inbox WHERE id < ?")?;
    let mut rows = statement.query([row.next_offset])?;
    found.marks.clear();
    while let Some(row) = rows.next()? {
        found.marks.insert(row.get(0)?);
        let command: Command = serde_json::from_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        found.events += u64::from(!matches!(command.action, Action::CreateEvent { .. }));
    }
    Ok(())
}

/// Replays whose outcome, or some of it, may be stored ahead of the books.
fn replays(connection: &Connection, rows: &[(LedgerRow, u64)]) -> Result<ReplayFacts, Fault> {
    let next = rows.iter().find(|(row, _)| row.connector == REPLAY).map_or(0, |(row, _)| row.next_offset);
    let under_way = connection.query_row(
        "SELECT (SELECT count(*) FROM letters WHERE last_replay >= max(?1, 1)) + (SELECT count(*) FROM replays WHERE id >= ?1)",
        [next],
        |row| row.get(0),
    )?;
    Ok(ReplayFacts { under_way })
}

fn strangers(left: BTreeMap<Key, Gathered>, known: &[PartitionFacts]) -> Vec<Stranger> {
    let strangers = left.into_iter().map(|((connector, partition), found)| {
        let is_same = |facts: &&PartitionFacts| {
            facts.row.connector == connector
                && facts.row.partition.topic == partition.topic
                && facts.row.partition.partition == partition.partition
        };
        // A life after the one in the books may have begun since the checkpoint; one before it may not.
        let is_over = known
            .iter()
            .filter(is_same)
            .any(|facts| facts.row.partition.cluster == partition.cluster && facts.row.partition.incarnation > partition.incarnation);
        Stranger {
            is_over,
            misnamed: found.misnamed,
            stored: found.ahead,
            first_offset: found.first_offset.unwrap_or_default(),
            connector,
            partition,
        }
    });
    strangers.collect()
}

fn folded(connection: &Connection, epoch: u64, open: &mut OpenFinder<'_>) -> Result<FoldedFacts, Fault> {
    let pruned: u64 = connection.query_row("SELECT coalesce(sum(items), 0) FROM pruned_services", [], |row| row.get(0))?;
    let mut statement = connection.prepare(
        "SELECT key, value FROM state s WHERE stage LIKE 'detection/%' AND epoch <= ?1 AND value IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM state n WHERE n.stage = s.stage AND n.key = s.key AND n.epoch > s.epoch AND n.epoch <= ?1)",
    )?;
    let mut failed = None;
    let mut entries = statement
        .query_map([epoch], |row| Ok((row.get(0)?, row.get(1)?)))?
        .map_while(|entry: rusqlite::Result<_>| entry.map_err(|error| failed = Some(error)).ok());
    let opened = open(&mut entries);
    drop(entries);
    if let Some(error) = failed {
        return Err(error.into());
    }
    let (open, unread) = match opened {
        Ok(open) => (open, None),
        Err(reason) => (OpenItems::default(), Some(reason)),
    };
    let (in_rows, ahead) = connection.query_row(
        "SELECT coalesce(sum(items) FILTER (WHERE bucket <= ?1), 0), coalesce(sum(items) FILTER (WHERE bucket > ?1), 0) FROM bucket_rows",
        [open.closed.map_or(i64::MIN, |bucket| bucket.0)],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(FoldedFacts { in_rows, open: open.items, pruned, ahead, unread })
}

/// Only services where the two differ, and their sum: a row and the events of its bucket are written together.
fn services(connection: &Connection) -> Result<Vec<ServiceFacts>, Fault> {
    let mut statement = connection.prepare(
        "SELECT environment, service, sum(rows), sum(events) FROM ( \
         SELECT environment, service, in_events AS rows, 0 AS events FROM bucket_rows WHERE in_events > 0 \
         UNION ALL SELECT d.environment, d.service, 0, e.count FROM event_dims d JOIN events e ON e.dim = d.dim \
         WHERE d.source = 'logs' AND d.event_type IN ('error_burst', 'new_error_pattern') \
         UNION ALL SELECT environment, service, in_events, counted FROM pruned_services) \
         GROUP BY environment, service ORDER BY environment, service",
    )?;
    let services = statement
        .query_map([], |row| Ok(ServiceFacts { environment: row.get(0)?, service: row.get(1)?, rows: row.get(2)?, events: row.get(3)? }))?;
    Ok(services.collect::<Result<_, _>>()?)
}

/// Sums that pages read in the place of rows, where they are wrong.
fn sums(connection: &Connection) -> Result<Vec<SumFact>, Fault> {
    let queries = [
        (
            "events of combination",
            "SELECT d.source || '/' || d.event_type || '/' || d.service, d.events, (SELECT count(*) FROM events e WHERE e.dim = d.dim) AS counted \
             FROM event_dims d WHERE d.events <> counted",
        ),
        (
            "events by quarter of an hour of combination",
            "SELECT d.source || '/' || d.event_type || '/' || d.service, d.events, \
             coalesce((SELECT sum(s.events) FROM event_slots s WHERE s.dim = d.dim), 0) AS counted FROM event_dims d WHERE d.events <> counted",
        ),
        (
            "items of all services in bucket",
            "SELECT t.environment || '/' || t.source || '/' || t.bucket, t.items, coalesce((SELECT sum(b.items) FROM bucket_rows b \
             WHERE b.environment = t.environment AND b.bucket = t.bucket AND b.source = t.source), 0) AS counted \
             FROM bucket_totals t WHERE t.items <> counted",
        ),
        (
            "bytes of waiting dead letters of connector",
            "SELECT connector, sum(k), sum(c) FROM (SELECT connector, bytes AS k, 0 AS c FROM letter_bytes \
             UNION ALL SELECT connector, 0, bytes FROM letters WHERE status IN ('waiting', 'replaying')) GROUP BY connector \
             HAVING sum(k) <> sum(c)",
        ),
        (
            "bytes that came over HTTP and wait of connector",
            "SELECT connector, sum(k), sum(c) FROM (SELECT connector, bytes AS k, 0 AS c FROM received_queues \
             UNION ALL SELECT connector, 0, bytes FROM received) GROUP BY connector HAVING sum(k) <> sum(c)",
        ),
        (
            "records that came over HTTP and are not read of connector",
            "SELECT q.connector, q.next_offset - q.read_to, (SELECT count(*) FROM received r WHERE r.connector = q.connector \
             AND r.\"offset\" >= q.read_to) AS counted FROM (SELECT q.connector, q.next_offset, coalesce((SELECT max(l.next_offset) FROM ledger l \
             WHERE l.connector = q.connector AND l.cluster = 'http'), 0) AS read_to FROM received_queues q) q \
             WHERE q.next_offset - q.read_to <> counted",
        ),
        (
            "the full-text index",
            "SELECT 'all', n, m FROM (SELECT (SELECT count(*) FROM events_fts_docsize) AS n, (SELECT count(*) FROM events) AS m) WHERE n <> m",
        ),
    ];
    let mut found = Vec::new();
    for (what, sql) in queries {
        let mut statement = connection.prepare(&format!("{sql} LIMIT {SUMS_LIMIT}"))?;
        let rows = statement.query_map([], |row| {
            Ok(SumFact { of: format!("{what} {}", row.get::<_, String>(0)?), kept: row.get(1)?, counted: row.get(2)? })
        })?;
        found.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

/// What SQLite itself finds wrong with the file; empty when nothing is.
pub(super) fn damage(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare("PRAGMA quick_check(10)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
