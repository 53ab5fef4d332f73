//! Opening a database: lock, settings of a connection, migrations, the look for damage.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::copies;
use super::error::{Fault, of_sqlite};
use super::options::{Location, Options};
use crate::model::ports::StoreError;

/// Each brings the schema one version on. Never changed once released; the next number is appended.
const MIGRATIONS: [&str; 12] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_parts_and_duplicates.sql"),
    include_str!("migrations/0003_replays.sql"),
    include_str!("migrations/0004_topic_ids.sql"),
    include_str!("migrations/0005_letter_bytes.sql"),
    include_str!("migrations/0006_retention.sql"),
    include_str!("migrations/0007_replay_runs.sql"),
    include_str!("migrations/0008_ahead.sql"),
    include_str!("migrations/0009_topology.sql"),
    include_str!("migrations/0010_weak_edges.sql"),
    include_str!("migrations/0011_aliases.sql"),
    include_str!("migrations/0012_received.sql"),
];

/// Marks the file as ours ("whyd").
const APPLICATION_ID: i64 = 0x7768_7964;

/// Connection URI or path of a location, and the flags it needs beside reading or writing.
pub(super) fn target(location: &Location) -> (PathBuf, OpenFlags) {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match location {
        Location::File(path) => (path.clone(), flags),
        Location::Memory(name) => {
            // The memory file system keeps one database a name, with real locks between its connections.
            let name: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
            (PathBuf::from(format!("file:/whydunit-{name}?vfs=memdb")), flags | OpenFlags::SQLITE_OPEN_URI)
        }
    }
}

/// Refuses a second process on the same database for as long as the file lives.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let cannot = |error: &dyn std::fmt::Display| StoreError::Other(format!("cannot open {}: {error}", lock_path.display()));
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&lock_path).map_err(|error| cannot(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy(format!(
            "another process has {} open (it holds {}); stop it, or give this one a database of its own",
            path.display(),
            lock_path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(cannot(&error)),
    }
}

/// A connection beside the writer's that empties the log, and does nothing else.
pub(super) fn open_for_emptying(options: &Options) -> Result<Connection, StoreError> {
    let (path, flags) = target(&options.location);
    let open = || {
        let connection = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "synchronous", options.synchronous.as_str())?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(connection)
    };
    open().map_err(|error| opening(&error, options))
}

/// Looks whether a database can be read at all: the pool of readers would try until its time is up, and say less.
pub(super) fn probe(options: &Options) -> Result<(), StoreError> {
    let (path, flags) = target(&options.location);
    let look = || {
        let connection = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_millis(u64::from(options.busy_timeout_ms)))?;
        found_in(&connection)
    };
    let found = look().map_err(|error| opening(&error, options))?;
    let version = usable(&found, MIGRATIONS.len())?;
    if version < MIGRATIONS.len() {
        return Err(StoreError::Other(format!(
            "{} has schema version {version}, and this whydunit reads {}: a start of `whydunit run` brings it up to date",
            name(options),
            MIGRATIONS.len()
        )));
    }
    Ok(())
}

/// What a file says it is.
struct Found {
    application: i64,
    version: i64,
    tables: i64,
}

fn found_in(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get(0));
    Ok(Found {
        application: number("PRAGMA application_id")?,
        version: number("PRAGMA user_version")?,
        tables: number("SELECT count(*) FROM sqlite_schema")?,
    })
}

/// The schema version of a database of ours that is not newer than `known`; 0 of an empty file.
fn usable(found: &Found, known: usize) -> Result<usize, StoreError> {
    if found.application != APPLICATION_ID && (found.version > 0 || found.tables > 0) {
        return Err(StoreError::Other("this database was not made by whydunit; choose another path".into()));
    }
    let version = usize::try_from(found.version).unwrap_or(usize::MAX);
    if version > known {
        return Err(StoreError::Other(format!(
            "the database has schema version {version}, this whydunit knows {known}: start the newer whydunit that wrote it, or choose another path"
        )));
    }
    Ok(version)
}

/// The writer's connection: created, checked, migrated.
pub(super) fn open_for_writing(options: &Options) -> Result<Connection, StoreError> {
    let (path, flags) = target(&options.location);
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = Connection::open_with_flags(&path, flags).map_err(|error| opening(&error, options))?;
    prepare_writer(&connection, options).map_err(|error| opening(&error, options))?;
    if options.check_on_open {
        check(&connection, options)?;
    }
    migrate(&mut connection, options)?;
    Ok(connection)
}

fn prepare_writer(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(u64::from(options.busy_timeout_ms)))?;
    // Holds only for a database that is made by this: retention then gives pages back to the disk.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    if matches!(options.location, Location::File(_)) {
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    }
    connection.pragma_update(None, "synchronous", options.synchronous.as_str())?;
    connection.pragma_update(None, "journal_size_limit", i64::from(options.wal_limit_mib) * 1_048_576)?;
    // No commit empties the log: see `write::log`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    if options.max_size_mib > 0 {
        connection.pragma_update_and_check(None, "max_page_count", i64::from(options.max_size_mib) * 256, |_| Ok(()))?;
    }
    prepare_common(connection, options)?;
    // Ids are hashes, so a batch touches pages all over their index: the writer gains most from a large cache.
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib) * 4)
}

/// Settings of every connection.
pub(super) fn prepare_common(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(u64::from(options.busy_timeout_ms)))?;
    connection.set_prepared_statement_cache_capacity(128);
    if options.secure_delete {
        connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib))?;
    connection.pragma_update_and_check(None, "mmap_size", i64::from(options.mmap_mib) * 1_048_576, |_| Ok(())).or_else(no_rows_is_fine)
}

/// The memory file system answers `mmap_size` with no row.
fn no_rows_is_fine(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}

fn check(connection: &Connection, options: &Options) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| opening(&error, options))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Corrupt(way_to_restore(&verdict, options))) }
}

pub(super) fn opening(error: &rusqlite::Error, options: &Options) -> StoreError {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    if matches!(error.sqlite_error_code(), Some(ReadOnly | PermissionDenied | CannotOpen)) {
        return StoreError::Other(format!(
            "the database {} or its folder cannot be written: {error}. Its volume is read-only, or the file belongs to another user; it needs a \
             place where it may keep a log and an index beside itself. To look into one as it is, copy it to such a place",
            name(options)
        ));
    }
    match of_sqlite(error) {
        StoreError::Corrupt(reason) => StoreError::Corrupt(way_to_restore(&reason, options)),
        StoreError::Other(reason) => StoreError::Other(format!("cannot open the database {}: {reason}", name(options))),
        other => other,
    }
}

fn way_to_restore(reason: &str, options: &Options) -> String {
    format!(
        "{}: {reason}. Stop whydunit, put a backup in its place with `whydunit restore BACKUP` and start again; what came after the backup \
         is read again from Kafka as far as retention reaches, and the damaged file is kept aside. Without a backup, move it with its -wal and \
         -shm aside; `sqlite3 FILE .recover` saves what can be read",
        name(options)
    )
}

fn name(options: &Options) -> String {
    match &options.location {
        Location::File(path) => path.display().to_string(),
        Location::Memory(name) => format!("in memory ({name})"),
    }
}

/// Brings the schema to the newest version, each step in its own transaction, after a copy of what is there.
fn migrate(connection: &mut Connection, options: &Options) -> Result<(), StoreError> {
    let version = usable(&found_in(connection).map_err(Fault::from)?, MIGRATIONS.len())?;
    let is_old = version > 0 && version < MIGRATIONS.len();
    if let (true, true, Some(path)) = (is_old, options.copy_before_upgrade, options.path()) {
        let copy = copies::before_upgrade(connection, path, version)?;
        tracing::info!(from = version, to = MIGRATIONS.len(), copy = %copy.display(), "the database's schema is brought up to date; what was there is copied");
    }
    apply(connection, &MIGRATIONS).map_err(StoreError::from)
}

fn apply(connection: &mut Connection, migrations: &[&str]) -> Result<(), Fault> {
    let found = usable(&found_in(connection)?, migrations.len())?;
    if found == migrations.len() {
        return Ok(());
    }
    // A table that others refer to is made anew by replacing it; within a transaction this setting cannot be changed.
    let keeps_references: bool = connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0))?;
    connection.pragma_update(None, "foreign_keys", false)?;
    let applied = apply_each(connection, migrations, found);
    connection.pragma_update(None, "foreign_keys", keeps_references)?;
    applied
}

fn apply_each(connection: &mut Connection, migrations: &[&str], found: usize) -> Result<(), Fault> {
    for (index, sql) in migrations.iter().enumerate().skip(found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", (index + 1) as i64)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_database_of_a_newer_version_is_refused_with_a_way_on() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &MIGRATIONS).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = StoreError::from(apply(&mut connection, &MIGRATIONS).unwrap_err()).to_string();
        assert!(error.contains("99") && error.contains("newer whydunit"), "{error}");
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &["CREATE TABLE a (x)"]).unwrap();
        apply(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x); nonsense"]).unwrap_err();
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!((version, tables), (1, 1));
    }

    #[test]
    fn letters_kept_from_before_say_how_many_items_were_bad_when_they_came() {
        let mut connection = Connection::open_in_memory().unwrap();
        let added = MIGRATIONS.iter().position(|sql| sql.contains("items_bad")).unwrap();
        apply(&mut connection, &MIGRATIONS[..added]).unwrap();
        let letters = [
            ("whole", "[]", 1, "waiting", 0, 0),
            ("in part", "[3,5]", 0, "waiting", 0, 2),
            ("one of three read since", "[5,7]", 0, "waiting", 1, 3),
            ("both read since", "[1,2]", 0, "replayed", 2, 2),
        ];
        for (offset, (id, bad, whole, status, read, _)) in letters.iter().enumerate() {
            connection
                .execute(
                    "INSERT INTO letters (id, connector, cluster, topic, incarnation, partition, \"offset\", error_class, error_message, format, \
                     bad_items, attempts, first_failed_at, last_failed_at, fingerprint, status, bytes, whole, items_read) \
                     VALUES (?, 'c', 'c', 't', 0, 0, ?, 'malformed', '', '', ?, 1, 0, 0, '', ?, 0, ?, ?)",
                    rusqlite::params![id, offset, bad, status, whole, read],
                )
                .unwrap();
        }
        apply(&mut connection, &MIGRATIONS).unwrap();
        for (id, .., wanted) in letters {
            let found: i64 = connection.query_row("SELECT items_bad FROM letters WHERE id = ?", [id], |row| row.get(0)).unwrap();
            assert_eq!(found, wanted, "{id}");
        }
    }

    #[test]
    fn a_foreign_database_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(apply(&mut connection, &MIGRATIONS).is_err());
    }
}
