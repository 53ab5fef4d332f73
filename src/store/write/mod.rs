//! The one writer.

mod ahead;
mod books;
mod checkpoint;
mod duplicates;
mod edges;
mod events;
pub(super) mod findings;
mod forget;
mod log;
mod notifications;
mod pauses;
mod prune;
mod received;
mod replays;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use self::checkpoint::{EncodedEntry, Replaced};
pub(super) use self::checkpoint::{ledger, ledger_rows};
use self::events::{EventIndex, Made, Stored};
use self::log::Log;
use self::prune::Pruner;
use super::connection;
use super::error::Fault;
use super::options::{Location, Options};
use super::people;
use crate::model::command::{Command, CommandError, CommandOutcome};
use crate::model::entity::Alias;
use crate::model::notification::DeliveryOutcome;
use crate::model::ports::{StoreError, StoreWriter, Tell, WriteBatch, WriteReport};
use crate::model::received::ReceivedRemoved;
use crate::model::retention::{Holdings, Removal, Removed};
use crate::model::snapshot::Snapshot;
use crate::model::{Bucket, Timestamp};
use crate::telemetry::metrics::metrics;

/// The only connection that writes. Holds the database's lock file until it is dropped.
pub struct SqliteWriter {
    connection: Connection,
    index: EventIndex,
    replaced: Replaced,
    pruner: Pruner,
    database_id: String,
    log: Log,
    tell: Option<Arc<dyn Tell>>,
    _lock: Option<File>,
}

impl std::fmt::Debug for SqliteWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteWriter").field("database_id", &self.database_id).finish_non_exhaustive()
    }
}

/// Opens the database for writing: takes its lock, creates it or looks for damage, brings its schema up to date.
///
/// # Errors
/// `Busy` when another process has it, `Corrupt` with the way to restore, `Other` for a newer schema or a foreign file.
pub fn open_writer(options: &Options) -> Result<SqliteWriter, StoreError> {
    let lock = match &options.location {
        Location::File(path) => Some(connection::lock(path)?),
        Location::Memory(_) => None,
    };
    let connection = connection::open_for_writing(options)?;
    let database_id = database_id(&connection).map_err(StoreError::from)?;
    let log = Log::of(options)?;
    Ok(SqliteWriter {
        connection,
        index: EventIndex::default(),
        replaced: Replaced::default(),
        pruner: Pruner::default(),
        database_id,
        log,
        tell: None,
        _lock: lock,
    })
}

/// Drawn once, when the database is made.
fn database_id(connection: &Connection) -> Result<String, Fault> {
    let fresh = uuid::Uuid::now_v7().simple().to_string();
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('database_id', ?)", [fresh])?;
    meta(connection, "database_id")?.ok_or_else(|| StoreError::Corrupt("the database has lost its id".into()).into())
}

impl SqliteWriter {
    /// Keeps with each revision of an investigation what of it people are to be told.
    #[must_use]
    pub fn telling(mut self, tell: Option<Arc<dyn Tell>>) -> Self {
        self.tell = tell;
        self
    }

    /// Names this database in Kafka group ids: two databases never share a group.
    pub fn database_id(&self) -> &str {
        &self.database_id
    }

    /// Puts the aliases of the settings in the place of those that settings gave before.
    ///
    /// # Errors
    /// What the disk says.
    pub fn declare_aliases(&mut self, aliases: &BTreeMap<String, String>, now: Timestamp) -> Result<(), StoreError> {
        Ok(people::aliases::declare(&mut self.connection, aliases, now)?)
    }

    /// Empties the log into the file now; readers that are in the way make it do less. Called at shutdown.
    ///
    /// # Errors
    /// What the disk says.
    pub fn compact_log(&mut self) -> Result<(), StoreError> {
        Ok(self.log.empty(&self.connection).map_err(Fault::from)?)
    }

    /// Forgets what the stages had learned, where it cannot be read; `closed` is the last bucket that it had closed. Positions,
    /// events, counts and investigations stay. Returns how many counted items are gone: those of buckets still open.
    ///
    /// # Errors
    /// What the disk says.
    pub fn forget_state(&mut self, closed: Option<Bucket>, now: Timestamp) -> Result<u64, StoreError> {
        let tx = Transaction::new(&mut self.connection, TransactionBehavior::Immediate).map_err(Fault::from)?;
        let forgotten = forget::forget_state(&tx, &mut self.index, closed, now)?;
        tx.commit().map_err(Fault::from)?;
        self.replaced = Replaced::default();
        Ok(forgotten)
    }

    fn write_in(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, Fault> {
        let mut phases = Phases::begin();
        let state = encode(batch)?;
        phases.end("encode");
        let tx = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let mut report = WriteReport::default();
        store_events(&tx, &mut self.index, batch, now, &mut report)?;
        phases.end("events");
        books::store_rows(&tx, &batch.rows)?;
        edges::store(&tx, &batch.edges)?;
        store_letters(&tx, batch, &mut report)?;
        batch.pauses.iter().try_for_each(|change| pauses::store(&tx, change))?;
        received::store(&tx, &batch.received)?;
        store_findings(&tx, batch, self.tell.as_deref(), now, &mut report)?;
        phases.end("findings");
        for (epoch, entries) in &state {
            report.checkpoint_bytes += checkpoint::store_state(&tx, *epoch, entries, &mut self.replaced)?;
        }
        if let Some(checkpoint) = &batch.checkpoint {
            checkpoint::put_in_force(&tx, checkpoint)?;
            ahead::pass(&tx, checkpoint)?;
            replays::forget_passed(&tx, checkpoint)?;
        }
        let removed = self.replaced.remove_some(&tx)?;
        phases.end("state");
        tx.commit()?;
        phases.end("commit");
        self.replaced.removed(removed);
        if batch.checkpoint.is_some() {
            self.replaced.in_force();
        }
        Ok(report)
    }
}

/// The state of a batch by epoch, serialised.
fn encode(batch: &WriteBatch) -> Result<Vec<(u64, Vec<EncodedEntry<'_>>)>, StoreError> {
    let part = batch.state.iter().map(|part| (part.epoch, &part.deltas));
    let whole = batch.checkpoint.iter().map(|checkpoint| (checkpoint.epoch, &checkpoint.deltas));
    part.chain(whole).map(|(epoch, deltas)| Ok((epoch, checkpoint::encode(deltas)?))).collect()
}

fn store_events(
    tx: &Transaction<'_>,
    index: &mut EventIndex,
    batch: &WriteBatch,
    now: Timestamp,
    report: &mut WriteReport,
) -> Result<(), Fault> {
    for event in &batch.events {
        ahead::note_item(tx, event)?;
    }
    for made in &batch.detected {
        ahead::note_detected(tx, made)?;
    }
    let of_items = batch.events.iter().map(|event| (event, Made::OfItem));
    for (event, made) in of_items.chain(batch.detected.iter().map(|made| (&made.event, Made::ByDetector { now }))) {
        match index.store(tx, event, made)? {
            Stored::New | Stored::Grown => report.events_stored += 1,
            Stored::SeenBefore => report.events_seen_before += 1,
        }
    }
    index.write_counts(tx)
}

fn store_letters(tx: &Transaction<'_>, batch: &WriteBatch, report: &mut WriteReport) -> Result<(), Fault> {
    for letter in &batch.letters {
        if books::store_letter(tx, letter)? {
            report.letters_stored += 1;
        } else {
            report.letters_seen_before += 1;
        }
    }
    for outcome in &batch.replays {
        report.letters_replayed += u64::from(replays::store(tx, outcome)?);
    }
    Ok(())
}

fn store_findings(
    tx: &Transaction<'_>,
    batch: &WriteBatch,
    tell: Option<&dyn Tell>,
    now: Timestamp,
    report: &mut WriteReport,
) -> Result<(), Fault> {
    for findings in &batch.findings {
        let revised = findings::store(tx, findings, now)?;
        if revised.changed {
            report.investigations.push((findings.id.clone(), findings.revision, revised.version));
            report.opened += u64::from(revised.opened);
            let news = tell.map(|tell| notifications::make(tx, tell, findings, now)).transpose()?.flatten();
            report.told.extend(news.map(|news| (news.kind, news.investigation_id)));
        }
    }
    Ok(())
}

pub(super) fn meta(connection: &Connection, key: &str) -> Result<Option<String>, Fault> {
    Ok(connection.prepare_cached("SELECT value FROM meta WHERE key = ?")?.query_row([key], |row| row.get(0)).optional()?)
}

/// Times the phases of a transaction, one after the other.
struct Phases(Instant);

impl Phases {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn end(&mut self, phase: &'static str) {
        metrics().store_phase(phase, self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

impl StoreWriter for SqliteWriter {
    fn write(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, StoreError> {
        if batch.is_empty() {
            return Ok(WriteReport::default());
        }
        let result = self.write_in(batch, now);
        if result.is_err() {
            self.index.forget();
        }
        self.log.after_commit(&self.connection);
        Ok(result?)
    }

    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        Ok(people::execute(&mut self.connection, command, now)?)
    }

    fn holdings(&mut self, letters_due_before: Timestamp) -> Result<Holdings, StoreError> {
        Ok(self.pruner.holdings(&self.connection, letters_due_before)?)
    }

    fn remove(&mut self, removal: &Removal, now: Timestamp) -> Result<Removed, StoreError> {
        let removed = self.pruner.remove(&mut self.connection, &mut self.index, removal, now);
        if removed.is_err() {
            self.index.forget();
        }
        self.log.after_commit(&self.connection);
        Ok(removed?)
    }

    fn aliases(&mut self) -> Result<Vec<Alias>, StoreError> {
        Ok(people::aliases::all(&self.connection)?)
    }

    fn received_waiting(&mut self) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(received::waiting(&self.connection)?)
    }

    fn remove_received(&mut self) -> Result<ReceivedRemoved, StoreError> {
        let removed = received::remove_some(&mut self.connection)?;
        self.log.after_commit(&self.connection);
        Ok(removed)
    }

    fn probe(&mut self, bytes: u64) -> Result<(), StoreError> {
        let probed = received::probe(&self.connection, bytes);
        self.log.after_commit(&self.connection);
        Ok(probed?)
    }

    fn book_deliveries(&mut self, outcomes: &[DeliveryOutcome]) -> Result<(), StoreError> {
        Ok(notifications::book(&mut self.connection, outcomes)?)
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        self.replaced = Replaced::default();
        let loaded = checkpoint::load_snapshot(&mut self.connection, &mut self.index);
        if loaded.is_err() {
            self.index.forget();
        }
        Ok(loaded?)
    }
}
