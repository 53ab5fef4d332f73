//! Removes what is too old or too much, some at a time, and books what it removes so that the books close over it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::events::EventIndex;
use super::{ahead, edges, notifications};
use crate::model::event::Provenance;
use crate::model::position::{PartitionKey, Position};
use crate::model::retention::{Holdings, Removal, Removed, RemovedTotal};
use crate::model::{Bucket, Timestamp};
use crate::store::error::Fault;

/// Rows of each kind that one transaction removes: some milliseconds' worth.
const EVENTS_AT_ONCE: usize = 100;
const LETTERS_AT_ONCE: usize = 50;
const BUCKETS_AT_ONCE: usize = 8;
const CHARTS_AT_ONCE: usize = 10;
const PAGES_AT_ONCE: u32 = 256;
/// Looks after which what was passed over is looked at again: evidence of an investigation that was open may go meanwhile.
const LOOKS_BEFORE_ANEW: u32 = 60;
/// What an open investigation's charts show before its onset and after its end.
const AROUND_NS: i64 = 3_600 * 1_000_000_000;

const OPEN: &str = "status IN ('open', 'in_progress')";

/// How far removing has come. Below these places only what is kept is left.
#[derive(Debug, Default)]
pub(super) struct Pruner {
    events_from: Option<i64>,
    rows_from: BTreeMap<String, i64>,
    looks: u32,
    kept: Option<Kept>,
}

/// What open investigations need.
#[derive(Debug, Default)]
struct Kept {
    events: HashSet<String>,
    buckets: Vec<(i64, i64)>,
}

impl Pruner {
    /// What there is. Reads indexes and counts only.
    pub fn holdings(&mut self, connection: &Connection, letters_due_before: Timestamp) -> Result<Holdings, Fault> {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_BEFORE_ANEW) {
            self.events_from = None;
            self.rows_from.clear();
        }
        self.kept = None;
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
        let (page, pages, free) = (number("PRAGMA page_size")?, number("PRAGMA page_count")?, number("PRAGMA freelist_count")?);
        // Only a database made so gives pages back.
        let gives_back = number("PRAGMA auto_vacuum")? == 2;
        let (letters, letter_bytes, oldest_letter) = connection.query_row(
            "SELECT count(*), coalesce(sum(bytes), 0), min(last_failed_at) FROM letters INDEXED BY letters_kept",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?)),
        )?;
        let (letters_due, letter_bytes_due) = connection.query_row(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM letters INDEXED BY letters_kept WHERE last_failed_at < ?",
            [letters_due_before.nanos()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let oldest_ended: Option<i64> = connection.query_row(
            "SELECT min(coalesce(closed_at, resolved_at, updated_at)) FROM investigations WHERE status IN ('resolved', 'closed') \
             AND charts_removed_at IS NULL AND findings IS NOT NULL",
            [],
            |row| row.get(0),
        )?;
        Ok(Holdings {
            used_bytes: (pages - free.min(pages)) * page,
            free_bytes: if gives_back { free * page } else { 0 },
            oldest_event: self.oldest_event(connection)?,
            oldest_bucket: self.oldest_bucket(connection)?,
            letters,
            letter_bytes,
            oldest_letter: oldest_letter.map(Timestamp::from_nanos),
            letters_due,
            letter_bytes_due,
            oldest_ended: oldest_ended.map(Timestamp::from_nanos),
            removed: removed(connection)?,
        })
    }

    fn oldest_event(&self, connection: &Connection) -> Result<Option<Timestamp>, Fault> {
        let oldest: Option<i64> =
            connection.query_row("SELECT min(seq) FROM events WHERE seq >= ?", [self.events_from.unwrap_or(i64::MIN)], |row| row.get(0))?;
        Ok(oldest.map(Timestamp::from_nanos))
    }

    fn oldest_bucket(&self, connection: &Connection) -> Result<Option<Bucket>, Fault> {
        let mut oldest = None;
        for environment in environments(connection)? {
            let from = self.rows_from.get(&environment).copied().unwrap_or(i64::MIN);
            let found: Option<i64> = connection
                .prepare_cached("SELECT min(bucket) FROM bucket_rows WHERE environment = ? AND bucket >= ?")?
                .query_row(params![environment, from], |row| row.get(0))?;
            oldest = [oldest, found].into_iter().flatten().min();
        }
        Ok(oldest.map(Bucket))
    }

    /// One small transaction.
    pub fn remove(
        &mut self,
        connection: &mut Connection,
        index: &mut EventIndex,
        removal: &Removal,
        now: Timestamp,
    ) -> Result<Removed, Fault> {
        if *removal == Removal::Space {
            return give_back(connection);
        }
        let tx = Transaction::new(connection, TransactionBehavior::Immediate)?;
        if self.kept.is_none() {
            self.kept = Some(kept(&tx)?);
        }
        let removed = match removal {
            Removal::Letters { before } => remove_letters(&tx, *before)?,
            Removal::Rows { before } => self.remove_rows(&tx, *before)?,
            Removal::Events { before } => self.remove_events(&tx, index, *before)?,
            Removal::Charts { before } => remove_charts(&tx, *before, now)?,
            Removal::Space => Removed::default(),
        };
        if removed.count > 0 {
            tx.prepare_cached(
                "INSERT INTO pruned (kind, removed, bytes, last_at) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
                 removed = removed + excluded.removed, bytes = bytes + excluded.bytes, last_at = excluded.last_at",
            )?
            .execute(params![removal.kind(), removed.count, removed.bytes, now.nanos()])?;
        }
        tx.commit()?;
        Ok(removed)
    }

    fn remove_events(&mut self, tx: &Transaction<'_>, index: &mut EventIndex, before: Timestamp) -> Result<Removed, Fault> {
        let mut candidates = Vec::new();
        {
            let mut statement = tx.prepare_cached(
                "SELECT e.seq, e.id, e.dim, e.count, e.provenance, d.source, d.event_type, d.environment, d.service, \
                 length(e.title) + coalesce(length(e.data), 0) + coalesce(length(e.provenance), 0) + coalesce(length(e.metadata), 0) + 200 \
                 FROM events e JOIN event_dims d ON d.dim = e.dim WHERE e.seq >= ? AND e.seq < ? ORDER BY e.seq LIMIT ?",
            )?;
            let mut rows = statement.query(params![self.events_from.unwrap_or(i64::MIN), before.nanos(), EVENTS_AT_ONCE])?;
            while let Some(row) = rows.next()? {
                candidates.push(Candidate {
                    seq: row.get(0)?,
                    id: row.get(1)?,
                    dim: row.get(2)?,
                    count: row.get(3)?,
                    provenance: row.get(4)?,
                    source: row.get(5)?,
                    event_type: row.get(6)?,
                    environment: row.get(7)?,
                    service: row.get(8)?,
                    bytes: row.get(9)?,
                });
            }
        }
        let mut removed = Removed { more: candidates.len() == EVENTS_AT_ONCE, ..Removed::default() };
        for candidate in candidates {
            self.events_from = Some(candidate.seq + 1);
            let is_evidence = self.kept.as_ref().is_some_and(|kept| kept.events.contains(&candidate.id));
            if is_evidence || !book_event(tx, &candidate)? {
                continue;
            }
            index.remove(tx, candidate.seq, candidate.dim)?;
            removed.count += 1;
            removed.bytes += candidate.bytes;
        }
        index.write_counts(tx)?;
        Ok(removed)
    }

    /// Whole buckets, so that the sums over services go with their rows. Those that a restart would make again stay until a checkpoint
    /// has closed them: they would be booked twice.
    fn remove_rows(&mut self, tx: &Transaction<'_>, before: Bucket) -> Result<Removed, Fault> {
        let mut removed = Removed::default();
        let before = ahead::closed_through(tx)?.map_or(before.0, |closed| before.0.min(closed.saturating_add(1)));
        for environment in environments(tx)? {
            let from = self.rows_from.get(&environment).copied().unwrap_or(i64::MIN);
            let buckets: Vec<i64> = tx
                .prepare_cached(
                    "SELECT DISTINCT bucket FROM bucket_rows WHERE environment = ? AND bucket >= ? AND bucket < ? ORDER BY bucket LIMIT ?",
                )?
                .query_map(params![environment, from, before, BUCKETS_AT_ONCE], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            removed.more |= buckets.len() == BUCKETS_AT_ONCE;
            let edges = edges::remove(tx, &environment, Bucket(before))?;
            removed.more |= edges >= u64::from(edges::ROWS_AT_ONCE);
            removed.count += edges;
            for bucket in buckets {
                self.rows_from.insert(environment.clone(), bucket + 1);
                let is_kept =
                    self.kept.as_ref().is_some_and(|kept| kept.buckets.iter().any(|(first, last)| (*first..=*last).contains(&bucket)));
                if is_kept {
                    continue;
                }
                removed.count += remove_bucket(tx, &environment, bucket)?;
            }
        }
        removed.bytes = removed.count * 60;
        Ok(removed)
    }
}

#[derive(Debug)]
struct Candidate {
    seq: i64,
    id: String,
    dim: i64,
    count: i64,
    provenance: Option<String>,
    source: String,
    event_type: String,
    environment: String,
    service: String,
    bytes: u64,
}

/// `false` for an event that may be read or made again: it would come back, and be counted twice.
fn book_event(tx: &Transaction<'_>, event: &Candidate) -> Result<bool, Fault> {
    let is_of_a_record = ["git", "ci", "manual"].contains(&event.source.as_str());
    if let (true, Some(provenance)) = (is_of_a_record, &event.provenance) {
        let Provenance { connector, position: Position { partition, offset }, .. } = serde_json::from_str(provenance)?;
        if !is_passed(tx, &connector, &partition, offset)? {
            return Ok(false);
        }
        book_partition(tx, &connector, &partition, Booked { events: 1, ..Booked::default() })?;
    }
    if tx.prepare_cached("SELECT 1 FROM detected_ahead WHERE event_id = ?")?.exists([&event.id])? {
        return Ok(false);
    }
    if event.source == "logs" && ["error_burst", "new_error_pattern"].contains(&event.event_type.as_str()) {
        tx.prepare_cached(
            "INSERT INTO pruned_services (environment, service, events, counted) VALUES (?, ?, 1, ?) \
             ON CONFLICT DO UPDATE SET events = events + 1, counted = counted + excluded.counted",
        )?
        .execute(params![event.environment, event.service, event.count])?;
    }
    Ok(true)
}

/// Whether the books are past this offset.
fn is_passed(tx: &Transaction<'_>, connector: &str, partition: &PartitionKey, offset: i64) -> Result<bool, Fault> {
    let PartitionKey { cluster, topic, incarnation, partition } = partition;
    let next: Option<i64> = tx
        .prepare_cached(
            "SELECT next_offset FROM ledger WHERE connector = ? AND cluster = ? AND topic = ? AND incarnation = ? AND partition = ?",
        )?
        .query_row(params![connector, &**cluster, &**topic, incarnation, partition], |row| row.get(0))
        .optional()?;
    Ok(next.is_some_and(|next| offset < next))
}

#[derive(Clone, Copy, Debug, Default)]
struct Booked {
    events: u64,
    letters: u64,
    letters_part: u64,
    letter_items: u64,
    replayed: u64,
}

fn book_partition(tx: &Transaction<'_>, connector: &str, partition: &PartitionKey, booked: Booked) -> Result<(), Fault> {
    let PartitionKey { cluster, topic, incarnation, partition } = partition;
    tx.prepare_cached(
        "INSERT INTO pruned_partitions (connector, cluster, topic, incarnation, partition, events, letters, letters_part, letter_items, replayed) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events, \
         letters = letters + excluded.letters, letters_part = letters_part + excluded.letters_part, \
         letter_items = letter_items + excluded.letter_items, replayed = replayed + excluded.replayed",
    )?
    .execute(params![
        connector,
        &**cluster,
        &**topic,
        incarnation,
        partition,
        booked.events,
        booked.letters,
        booked.letters_part,
        booked.letter_items,
        booked.replayed
    ])?;
    Ok(())
}

fn remove_bucket(tx: &Transaction<'_>, environment: &str, bucket: i64) -> Result<u64, Fault> {
    tx.prepare_cached(
        "INSERT INTO pruned_services (environment, service, rows, items, in_events) \
         SELECT environment, service, count(*), sum(items), sum(in_events) FROM bucket_rows WHERE environment = ?1 AND bucket = ?2 \
         GROUP BY environment, service ON CONFLICT DO UPDATE SET rows = rows + excluded.rows, items = items + excluded.items, \
         in_events = in_events + excluded.in_events",
    )?
    .execute(params![environment, bucket])?;
    let rows = tx.prepare_cached("DELETE FROM bucket_rows WHERE environment = ? AND bucket = ?")?.execute(params![environment, bucket])?;
    let sources: BTreeSet<&str> = crate::model::Source::ALL.iter().map(|source| source.as_str()).collect();
    for source in sources {
        tx.prepare_cached("DELETE FROM bucket_totals WHERE environment = ? AND source = ? AND bucket = ?")?.execute(params![
            environment,
            source,
            bucket
        ])?;
    }
    Ok(rows as u64)
}

/// Letters that are not being decoded again and that the books are past.
fn remove_letters(tx: &Transaction<'_>, before: Timestamp) -> Result<Removed, Fault> {
    let mut found = Vec::new();
    {
        let mut statement = tx.prepare_cached(
            "SELECT l.n, l.connector, l.cluster, l.topic, l.incarnation, l.partition, l.whole, l.items_bad, l.replay_count, l.bytes FROM letters l \
             JOIN ledger b ON b.connector = l.connector AND b.cluster = l.cluster AND b.topic = l.topic AND b.incarnation = l.incarnation \
             AND b.partition = l.partition AND b.next_offset > l.\"offset\" \
             WHERE l.last_failed_at < ? AND l.status <> 'replaying' AND NOT EXISTS (SELECT 1 FROM replays p WHERE p.letter = l.n) \
             ORDER BY l.last_failed_at, l.n LIMIT ?",
        )?;
        let mut rows = statement.query(params![before.nanos(), LETTERS_AT_ONCE])?;
        while let Some(row) = rows.next()? {
            let (cluster, topic): (String, String) = (row.get(2)?, row.get(3)?);
            let partition = PartitionKey { cluster: cluster.into(), topic: topic.into(), incarnation: row.get(4)?, partition: row.get(5)? };
            let (whole, items, replays): (bool, u64, u64) = (row.get(6)?, row.get(7)?, row.get(8)?);
            let booked = Booked {
                letters: u64::from(whole),
                letters_part: u64::from(!whole),
                letter_items: if whole { 0 } else { items },
                replayed: u64::from(replays > 0),
                events: 0,
            };
            found.push((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, partition, booked, row.get::<_, u64>(9)?));
        }
    }
    let mut removed = Removed { more: found.len() == LETTERS_AT_ONCE, ..Removed::default() };
    for (n, connector, partition, booked, bytes) in found {
        book_partition(tx, &connector, &partition, booked)?;
        tx.prepare_cached("DELETE FROM letter_records WHERE n = ?")?.execute([n])?;
        tx.prepare_cached("DELETE FROM letters WHERE n = ?")?.execute([n])?;
        removed.count += 1;
        removed.bytes += bytes;
    }
    Ok(removed)
}

/// Of investigations that ended before this: signals with their charts, the graph, all rankings but the last, and what was told.
fn remove_charts(tx: &Transaction<'_>, before: Timestamp, now: Timestamp) -> Result<Removed, Fault> {
    let ids: Vec<String> = tx
        .prepare_cached(
            "SELECT id FROM investigations WHERE status IN ('resolved', 'closed') AND charts_removed_at IS NULL AND findings IS NOT NULL \
             AND coalesce(closed_at, resolved_at, updated_at) < ? LIMIT ?",
        )?
        .query_map(params![before.nanos(), CHARTS_AT_ONCE], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut removed = Removed { more: ids.len() == CHARTS_AT_ONCE, ..Removed::default() };
    for id in ids {
        let size = |tx: &Transaction<'_>| {
            tx.query_row(
                "SELECT length(findings) + (SELECT coalesce(sum(length(suspects)), 0) FROM rankings WHERE investigation_id = ?1) \
                 FROM investigations WHERE id = ?1",
                [&id],
                |row| row.get::<_, u64>(0),
            )
        };
        let full = size(tx)?;
        tx.execute(
            "UPDATE investigations SET findings = json_set(findings, '$.signals', json('[]'), '$.graph.nodes', json('[]'), '$.graph.edges', \
             json('[]')), charts_removed_at = ? WHERE id = ?",
            params![now.nanos(), id],
        )?;
        tx.execute(
            "DELETE FROM rankings WHERE investigation_id = ?1 AND revision < (SELECT max(revision) FROM rankings WHERE investigation_id = ?1)",
            [&id],
        )?;
        removed.count += 1;
        removed.bytes += full.saturating_sub(size(tx)?) + notifications::remove(tx, &id)?;
    }
    Ok(removed)
}

fn give_back(connection: &Connection) -> Result<Removed, Fault> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
    let (page, before) = (number("PRAGMA page_size")?, number("PRAGMA freelist_count")?);
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    let after = number("PRAGMA freelist_count")?;
    let freed = before.saturating_sub(after);
    Ok(Removed { count: freed, bytes: freed * page, more: freed > 0 && after > 0 })
}

/// Evidence and linked events of open investigations, and the buckets their charts show.
fn kept(tx: &Transaction<'_>) -> Result<Kept, Fault> {
    let events = tx
        .prepare_cached(&format!(
            "SELECT l.event_id FROM investigations i JOIN event_links l ON l.investigation_id = i.id WHERE i.{OPEN} \
             UNION SELECT t.value FROM investigations i, json_tree(i.findings) t WHERE i.{OPEN} AND i.findings IS NOT NULL \
             AND t.key = 'event_id' AND t.type = 'text'"
        ))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let buckets = tx
        .prepare_cached(&format!(
            "SELECT started_at, max(started_at, coalesce(recovered_at, 0), coalesce(engine_updated_at, 0)) FROM investigations WHERE {OPEN}"
        ))?
        .query_map([], |row| {
            let bucket = |nanos: i64| Bucket::of(Timestamp::from_nanos(nanos)).0;
            Ok((bucket(row.get::<_, i64>(0)?.saturating_sub(AROUND_NS)), bucket(row.get::<_, i64>(1)?.saturating_add(AROUND_NS))))
        })?
        .collect::<Result<_, _>>()?;
    Ok(Kept { events, buckets })
}

/// By the index's order, one look each.
pub(super) fn environments(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare_cached("SELECT min(environment) FROM bucket_rows WHERE environment > ?")?;
    let mut found: Vec<String> = Vec::new();
    // A name before all others, or none at all.
    let empty: bool = connection.query_row("SELECT EXISTS (SELECT 1 FROM bucket_rows WHERE environment = '')", [], |row| row.get(0))?;
    if empty {
        found.push(String::new());
    }
    let mut last = String::new();
    while let Some(next) = statement.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
        found.push(next.clone());
        last = next;
    }
    Ok(found)
}

fn removed(connection: &Connection) -> Result<Vec<RemovedTotal>, Fault> {
    let mut statement = connection.prepare_cached("SELECT kind, removed, bytes, last_at FROM pruned ORDER BY kind")?;
    let totals = statement.query_map([], |row| {
        Ok(RemovedTotal { kind: row.get(0)?, removed: row.get(1)?, bytes: row.get(2)?, last_at: Timestamp::from_nanos(row.get(3)?) })
    })?;
    Ok(totals.collect::<Result<_, _>>()?)
}
