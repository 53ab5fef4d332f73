//! The one writer.

pub(super) mod books;
mod events;
pub(super) mod findings;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::events::{EventIndex, Stored};
use super::connection;
use super::error::Fault;
use super::options::{Location, Options};
use super::people;
use crate::model::Timestamp;
use crate::model::command::{Command, CommandError, CommandOutcome};
use crate::model::ports::{StoreError, StoreWriter, WriteBatch, WriteReport};
use crate::model::snapshot::Snapshot;

/// The only connection that writes. Holds the database's lock file until it is dropped.
#[derive(Debug)]
pub struct SqliteWriter {
    connection: Connection,
    index: EventIndex,
    database_id: String,
    /// The log file, and the size at which it is emptied by force.
    wal: Option<(PathBuf, u64)>,
    writes: u64,
    _lock: Option<File>,
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
    let wal = match &options.location {
        Location::File(path) => {
            let mut name = path.as_os_str().to_owned();
            name.push("-wal");
            Some((PathBuf::from(name), u64::from(options.wal_limit_mib) * 1_048_576))
        }
        Location::Memory(_) => None,
    };
    Ok(SqliteWriter { connection, index: EventIndex::default(), database_id, wal, writes: 0, _lock: lock })
}

/// Drawn once, when the database is made.
fn database_id(connection: &Connection) -> Result<String, Fault> {
    let fresh = uuid::Uuid::now_v7().simple().to_string();
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('database_id', ?)", [fresh])?;
    books::meta(connection, "database_id")?.ok_or_else(|| StoreError::Corrupt("the database has lost its id".into()).into())
}

impl SqliteWriter {
    /// Names this database in Kafka group ids: two databases never share a group.
    pub fn database_id(&self) -> &str {
        &self.database_id
    }

    /// Empties the log into the file now; readers that are in the way make it do less. Called at shutdown.
    ///
    /// # Errors
    /// What the disk says.
    pub fn compact_log(&mut self) -> Result<(), StoreError> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(Fault::from)?;
        Ok(())
    }

    fn write_in(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, Fault> {
        let tx = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let mut report = WriteReport::default();
        for event in &batch.events {
            match self.index.store(&tx, event)? {
                Stored::New | Stored::Grown => report.events_stored += 1,
                Stored::SeenBefore => report.events_seen_before += 1,
            }
        }
        self.index.write_counts(&tx)?;
        books::store_rows(&tx, &batch.rows)?;
        for letter in &batch.letters {
            if books::store_letter(&tx, letter)? {
                report.letters_stored += 1;
            } else {
                report.letters_seen_before += 1;
            }
        }
        for findings in &batch.findings {
            let revised = findings::store(&tx, findings, now)?;
            if revised.changed {
                report.investigations.push((findings.id.clone(), findings.revision, revised.version));
                report.opened += u64::from(revised.opened);
            }
        }
        if let Some(checkpoint) = &batch.checkpoint {
            report.checkpoint_bytes = books::store_checkpoint(&tx, checkpoint)?;
        }
        tx.commit()?;
        Ok(report)
    }

    /// A reader that never ends keeps the log from being emptied by the automatic way; this waits for it, briefly.
    fn bound_log(&mut self) {
        self.writes += 1;
        let Some((path, limit)) = &self.wal else { return };
        if !self.writes.is_multiple_of(64) || std::fs::metadata(path).map_or(0, |file| file.len()) <= *limit {
            return;
        }
        let timeout: Result<u32, _> = self.connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0));
        let _ = self.connection.busy_timeout(Duration::from_millis(100));
        // Not being able to now is no error: it is tried again after the next 64 writes.
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _ = self.connection.busy_timeout(Duration::from_millis(u64::from(timeout.unwrap_or(5_000))));
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
        self.bound_log();
        Ok(result?)
    }

    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        Ok(people::execute(&mut self.connection, command, now)?)
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        Ok(books::load_snapshot(&self.connection)?)
    }
}
