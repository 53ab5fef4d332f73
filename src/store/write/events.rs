//! Events into their table, their combinations, slots, tags and the full-text index.

use rusqlite::{OptionalExtension, Transaction, params};
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::Xxh3;

use super::duplicates::{self, place};
use crate::model::event::Provenance;
use crate::model::ports::StoreError;
use crate::model::{Event, Timestamp};
use crate::store::error::Fault;
use crate::store::search;
use crate::store::slots::{candidate_seqs, slot_of};

/// What is known of the database between transactions, and what the running one changes. Thrown away when one fails.
#[derive(Debug, Default)]
pub(in crate::store) struct EventIndex {
    dims: FxHashMap<DimKey, i64>,
    /// Changes of `event_slots` and `event_dims` by the running transaction.
    slot_changes: FxHashMap<(i64, i64), i64>,
    /// Words known to be in `event_words`.
    words: FxHashSet<Box<str>>,
}

/// Dimensions and words remembered, each; beyond that they are looked up again.
const REMEMBERED_LIMIT: usize = 100_000;

/// (source, event type, severity, service, environment)
type DimKey = (&'static str, String, u8, String, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Stored {
    New,
    /// The same event with more in it: it replaced what was there.
    Grown,
    SeenBefore,
}

/// Where an event comes from, which says what is booked and when it was seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Made {
    /// Of one item of a record, which is booked as a duplicate when the event belongs to another; seen when it was read.
    OfItem,
    /// By a detector, of many items; seen when it is first stored.
    ByDetector { now: Timestamp },
}

/// An event as it is stored.
struct Encoded {
    observed_at: i64,
    tags: Option<String>,
    data: Option<String>,
    metadata: Option<String>,
    provenance: Option<String>,
    source_key: Option<String>,
    content_hash: i64,
}

struct Existing {
    seq: i64,
    dim: i64,
    timestamp: i64,
    count: i64,
    last_seen: i64,
    content_hash: i64,
    provenance: Option<String>,
    observed_at: i64,
}

impl EventIndex {
    /// Forgets what a failed transaction may have told.
    pub fn forget(&mut self) {
        self.dims.clear();
        self.slot_changes.clear();
        self.words.clear();
    }

    /// Stores an event once.
    pub fn store(&mut self, tx: &Transaction<'_>, event: &Event, made: Made) -> Result<Stored, Fault> {
        let dim = self.dim(tx, event)?;
        let mut encoded = encode(event)?;
        if let Made::ByDetector { now } = made {
            encoded.observed_at = now.nanos();
        }
        let mut places = candidate_seqs(event.timestamp, &event.id);
        if let Some(place) = places.next()
            && insert(tx, event, &encoded, dim, place)?
        {
            self.index(tx, event, dim, place)?;
            return Ok(Stored::New);
        }
        if let Some(existing) = existing(tx, &event.id)? {
            return self.merge(tx, event, encoded, dim, &existing, made);
        }
        if let Some(owner) = owner_of_source_key(tx, encoded.source_key.as_deref())? {
            if matches!(made, Made::OfItem) {
                duplicates::book(tx, event, owner.as_ref(), false)?;
            }
            return Ok(Stored::SeenBefore);
        }
        self.place(tx, event, &encoded, dim, places)?;
        Ok(Stored::New)
    }

    /// Inserts at the first of `places` that is free.
    fn place(
        &mut self,
        tx: &Transaction<'_>,
        event: &Event,
        encoded: &Encoded,
        dim: i64,
        places: impl Iterator<Item = i64>,
    ) -> Result<(), Fault> {
        let mut taken = tx.prepare_cached("SELECT 1 FROM events WHERE seq = ?")?;
        for place in places {
            if !taken.exists([place])? && insert(tx, event, encoded, dim, place)? {
                return self.index(tx, event, dim, place);
            }
        }
        Err(Fault::Store(StoreError::Other(format!("no place left for event {} at {}", event.id, event.timestamp))))
    }

    /// Of two versions of one event the larger stays, whichever came first: more counted, seen later, else by hash; of two with
    /// the same content that of the first position.
    fn merge(
        &mut self,
        tx: &Transaction<'_>,
        event: &Event,
        mut encoded: Encoded,
        dim: i64,
        existing: &Existing,
        made: Made,
    ) -> Result<Stored, Fault> {
        let new = (to_i64(event.count), event.last_seen.nanos(), encoded.content_hash);
        let old = (existing.count, existing.last_seen, existing.content_hash);
        let owner: Option<Provenance> = existing.provenance.as_deref().map(serde_json::from_str).transpose()?;
        let is_same = encoded.content_hash == existing.content_hash;
        let is_first = event.provenance.as_ref().is_some_and(|item| owner.as_ref().is_none_or(|owner| place(item) < place(owner)));
        let takes_over = if is_same { is_first } else { new > old };
        match made {
            Made::OfItem => duplicates::book(tx, event, owner.as_ref(), takes_over)?,
            Made::ByDetector { .. } => encoded.observed_at = existing.observed_at,
        }
        if !takes_over {
            return Ok(Stored::SeenBefore);
        }
        if is_same {
            tx.prepare_cached("UPDATE events SET provenance = ? WHERE seq = ?")?.execute(params![encoded.provenance, existing.seq])?;
            return Ok(Stored::SeenBefore);
        }
        self.unindex(tx, existing)?;
        tx.prepare_cached("DELETE FROM events WHERE seq = ?")?.execute([existing.seq])?;
        let same_place = (existing.timestamp == event.timestamp.nanos()).then_some(existing.seq);
        self.place(tx, event, &encoded, dim, same_place.into_iter().chain(candidate_seqs(event.timestamp, &event.id)))?;
        Ok(Stored::Grown)
    }

    fn index(&mut self, tx: &Transaction<'_>, event: &Event, dim: i64, seq: i64) -> Result<(), Fault> {
        *self.slot_changes.entry((slot_of(seq), dim)).or_default() += 1;
        if !event.tags.is_empty() {
            let mut statement = tx.prepare_cached("INSERT OR IGNORE INTO event_tags (tag, seq) VALUES (?, ?)")?;
            for tag in &event.tags {
                statement.execute(params![tag, seq])?;
            }
        }
        let entry = search::entry_of_event(event);
        tx.prepare_cached("INSERT INTO events_fts (rowid, words) VALUES (?, ?)")?.execute(params![seq, entry])?;
        self.list_words(tx, &entry)
    }

    fn list_words(&mut self, tx: &Transaction<'_>, entry: &str) -> Result<(), Fault> {
        for word in search::listed_words(entry) {
            if self.words.contains(word) {
                continue;
            }
            tx.prepare_cached("INSERT OR IGNORE INTO event_words (word) VALUES (?)")?.execute([word])?;
            if self.words.len() >= REMEMBERED_LIMIT {
                self.words.clear();
            }
            self.words.insert(word.into());
        }
        Ok(())
    }

    fn unindex(&mut self, tx: &Transaction<'_>, existing: &Existing) -> Result<(), Fault> {
        self.remove_index(tx, existing.seq, existing.dim)
    }

    /// Removes an event with all that leads to it. [`EventIndex::write_counts`] follows before the commit.
    pub fn remove(&mut self, tx: &Transaction<'_>, seq: i64, dim: i64) -> Result<(), Fault> {
        self.remove_index(tx, seq, dim)?;
        tx.prepare_cached("DELETE FROM events WHERE seq = ?")?.execute([seq])?;
        Ok(())
    }

    fn remove_index(&mut self, tx: &Transaction<'_>, seq: i64, dim: i64) -> Result<(), Fault> {
        *self.slot_changes.entry((slot_of(seq), dim)).or_default() -= 1;
        let tags: Option<String> = tx.prepare_cached("SELECT tags FROM events WHERE seq = ?")?.query_row([seq], |row| row.get(0))?;
        if let Some(tags) = tags {
            tx.prepare_cached("DELETE FROM event_tags WHERE seq = ?1 AND tag IN (SELECT value FROM json_each(?2))")?
                .execute(params![seq, tags])?;
        }
        tx.prepare_cached("DELETE FROM events_fts WHERE rowid = ?")?.execute([seq])?;
        Ok(())
    }

    /// Number of the event's combination of filterable fields.
    fn dim(&mut self, tx: &Transaction<'_>, event: &Event) -> Result<i64, Fault> {
        let service = event.service.clone().unwrap_or_default();
        let environment = event.environment.clone().unwrap_or_default();
        let key: DimKey = (event.source.as_str(), event.event_type.clone(), event.severity as u8, service, environment);
        if let Some(dim) = self.dims.get(&key) {
            return Ok(*dim);
        }
        let values = params![key.0, key.1, key.2, key.3, key.4];
        let found = tx
            .prepare_cached(
                "SELECT dim FROM event_dims WHERE source = ? AND event_type = ? AND severity = ? AND service = ? AND environment = ?",
            )?
            .query_row(values, |row| row.get(0))
            .optional()?;
        let dim = match found {
            Some(dim) => dim,
            None => {
                tx.prepare_cached("INSERT INTO event_dims (source, event_type, severity, service, environment) VALUES (?, ?, ?, ?, ?)")?
                    .execute(values)?;
                tx.last_insert_rowid()
            }
        };
        // Service names may be without bound; the memory for them is not.
        if self.dims.len() >= REMEMBERED_LIMIT {
            self.dims.clear();
        }
        self.dims.insert(key, dim);
        Ok(dim)
    }

    /// Brings the running transaction's counts into the tables. Called once, before commit.
    pub fn write_counts(&mut self, tx: &Transaction<'_>) -> Result<(), Fault> {
        if self.slot_changes.is_empty() {
            return Ok(());
        }
        let mut changes: Vec<((i64, i64), i64)> = self.slot_changes.drain().filter(|(_, change)| *change != 0).collect();
        changes.sort_unstable();
        let mut slots = tx.prepare_cached(
            "INSERT INTO event_slots (slot, dim, events) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events",
        )?;
        let mut dims = tx.prepare_cached("UPDATE event_dims SET events = events + ? WHERE dim = ?")?;
        for ((slot, dim), change) in changes {
            slots.execute([slot, dim, change])?;
            dims.execute([change, dim])?;
        }
        Ok(())
    }
}

/// `false` when id, place or external id is taken.
fn insert(tx: &Transaction<'_>, event: &Event, encoded: &Encoded, dim: i64, seq: i64) -> Result<bool, Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT OR IGNORE INTO events (seq, id, dim, timestamp, observed_at, count, first_seen, last_seen, content_hash, title, host, \
         fingerprint, trace_id, span_id, correlation_id, request_id, source_key, source_id, tags, data, metadata, provenance) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let inserted = statement.execute(params![
        seq,
        event.id,
        dim,
        event.timestamp.nanos(),
        encoded.observed_at,
        to_i64(event.count),
        event.first_seen.nanos(),
        event.last_seen.nanos(),
        encoded.content_hash,
        event.title,
        event.host,
        event.fingerprint,
        event.trace_id,
        event.span_id,
        event.correlation_id,
        event.request_id,
        encoded.source_key,
        event.source_id,
        encoded.tags,
        encoded.data,
        encoded.metadata,
        encoded.provenance,
    ])?;
    Ok(inserted == 1)
}

fn existing(tx: &Transaction<'_>, id: &str) -> Result<Option<Existing>, Fault> {
    let mut statement =
        tx.prepare_cached("SELECT seq, dim, timestamp, count, last_seen, content_hash, provenance, observed_at FROM events WHERE id = ?")?;
    let found = statement.query_row([id], |row| {
        Ok(Existing {
            seq: row.get(0)?,
            dim: row.get(1)?,
            timestamp: row.get(2)?,
            count: row.get(3)?,
            last_seen: row.get(4)?,
            content_hash: row.get(5)?,
            provenance: row.get(6)?,
            observed_at: row.get(7)?,
        })
    });
    Ok(found.optional()?)
}

/// Where the event comes from that has this external id, if there is one.
fn owner_of_source_key(tx: &Transaction<'_>, key: Option<&str>) -> Result<Option<Option<Provenance>>, Fault> {
    let Some(key) = key else { return Ok(None) };
    let mut statement = tx.prepare_cached("SELECT provenance FROM events WHERE source_key = ?")?;
    let found: Option<Option<String>> = statement.query_row([key], |row| row.get(0)).optional()?;
    found.map(|owner| owner.as_deref().map(serde_json::from_str).transpose()).transpose().map_err(Fault::from)
}

fn encode(event: &Event) -> Result<Encoded, Fault> {
    let json = |value: &serde_json::Value| if value.is_null() { Ok(None) } else { serde_json::to_string(value).map(Some) };
    let tags = if event.tags.is_empty() { None } else { Some(serde_json::to_string(&event.tags)?) };
    let (data, metadata) = (json(&event.data)?, json(&event.metadata)?);
    let provenance = event.provenance.as_ref().map(serde_json::to_string).transpose()?;
    let source_key =
        event.source_id.as_ref().map(|source_id| format!("{}\u{1f}{}\u{1f}{source_id}", event.source.as_str(), event.event_type));
    let observed_at = event.observed_at.nanos();
    let mut encoded = Encoded { observed_at, tags, data, metadata, provenance, source_key, content_hash: 0 };
    encoded.content_hash = content_hash(event, &encoded);
    Ok(encoded)
}

/// Hash of what an event says; when and from which record it was read is left out.
fn content_hash(event: &Event, encoded: &Encoded) -> i64 {
    let mut hash = Xxh3::new();
    let numbers = [
        event.timestamp.nanos(),
        to_i64(event.count),
        event.first_seen.nanos(),
        event.last_seen.nanos(),
        event.source as i64,
        event.severity as i64,
    ];
    numbers.into_iter().for_each(|number| hash.update(&number.to_le_bytes()));
    let texts = [
        Some(&event.event_type),
        Some(&event.title),
        event.service.as_ref(),
        event.environment.as_ref(),
        event.host.as_ref(),
        Some(&event.fingerprint),
        event.trace_id.as_ref(),
        event.span_id.as_ref(),
        event.correlation_id.as_ref(),
        event.request_id.as_ref(),
        event.source_id.as_ref(),
        encoded.tags.as_ref(),
        encoded.data.as_ref(),
        encoded.metadata.as_ref(),
    ];
    for text in texts {
        // The length goes first, so that moving a letter from one field to the next changes the hash.
        hash.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        hash.update(text.map_or(&[][..], |text| text.as_bytes()));
    }
    hash.digest() as i64
}

/// SQLite's integers are signed.
fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
