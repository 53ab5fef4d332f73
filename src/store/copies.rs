//! Whole copies of a database: made beside a running writer, put back in its place, and taken before its schema changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connection;
use super::error::Fault;
use super::options::Options;
use crate::model::ports::StoreError;

/// Pages copied between two looks at the progress: 1 MiB.
const PAGES_AT_ONCE: i32 = 256;
/// Files that belong to a database beside its own.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Told how many pages are copied, and of how many.
pub type Progress<'p> = dyn FnMut(u64, u64) + 'p;

/// Copies the database of one moment into a new file while others read and write it, and looks through the copy for damage.
///
/// # Errors
/// A database that cannot be read, a target that is there already or cannot be written, a copy that is damaged.
pub fn backup(options: &Options, target: &Path, progress: &mut Progress<'_>) -> Result<(), StoreError> {
    refuse_existing(target)?;
    connection::probe(options)?;
    let source = open_source(options)?;
    room_for(&source, target, "the copy")?;
    let partial = with_suffix(target, ".partial");
    let made = copy_whole(&source, &partial, progress).and_then(|()| whole(&partial));
    if let Err(error) = made {
        // What is left of it is of no use, and no harm.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    into_place(&partial, target)
}

/// Puts a backup in the place of the database and keeps what was there under another name, which it returns. `aside` names it.
///
/// # Errors
/// `Busy` while a process has the database; a backup that is damaged, foreign or of a newer schema.
pub fn restore(options: &Options, from: &Path, aside: &str, progress: &mut Progress<'_>) -> Result<Option<PathBuf>, StoreError> {
    let Some(path) = options.path() else { return Err(StoreError::Other("a database in memory cannot be restored".into())) };
    if !from.exists() {
        return Err(StoreError::Other(format!("there is no backup {}", from.display())));
    }
    let _lock = connection::lock(path)?;
    let backup = Options { location: super::Location::File(from.to_owned()), ..options.clone() };
    connection::probe(&backup)?;
    let source = open_source(&backup)?;
    room_for(&source, path, "the database")?;
    let partial = with_suffix(path, ".restoring");
    let made = copy_whole(&source, &partial, progress).and_then(|()| whole(&partial));
    if let Err(error) = made {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    let kept = path.exists().then(|| with_suffix(path, &format!(".{aside}")));
    if let Some(kept) = &kept {
        refuse_existing(kept)?;
        set_aside(path, kept)?;
    }
    into_place(&partial, path)?;
    Ok(kept)
}

/// Copies a database before its schema is changed; the copy's name has the version. Returns it.
pub(super) fn before_upgrade(connection: &Connection, path: &Path, version: usize) -> Result<PathBuf, StoreError> {
    let mut target = with_suffix(path, &format!(".schema-{version}"));
    // One that is there is of an earlier attempt, or of a database put back since: none of our business to overwrite.
    for number in 2..100 {
        if !target.exists() {
            break;
        }
        target = with_suffix(path, &format!(".schema-{version}-{number}"));
    }
    refuse_existing(&target)?;
    room_for(connection, &target, "the copy that is made before the schema is changed (or set store.copy_before_upgrade = false)")?;
    let partial = with_suffix(&target, ".partial");
    copy_whole(connection, &partial, &mut |_, _| {})?;
    into_place(&partial, &target)?;
    Ok(target)
}

fn open_source(options: &Options) -> Result<Connection, StoreError> {
    let (path, flags) = connection::target(&options.location);
    let open = || {
        let source = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        source.busy_timeout(std::time::Duration::from_millis(u64::from(options.busy_timeout_ms)))?;
        Ok(source)
    };
    open().map_err(|error| connection::opening(&error, options))
}

/// One moment of the source, page by page. The read transaction keeps that moment: without it every write of another process
/// would begin the copy anew.
fn copy_whole(source: &Connection, target: &Path, progress: &mut Progress<'_>) -> Result<(), StoreError> {
    let mut copied = || -> Result<(), Fault> {
        // Left over from one that was broken off.
        if target.exists() {
            fs::remove_file(target).map_err(|error| cannot("remove", target, &error))?;
        }
        let moment = source.unchecked_transaction()?;
        moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        connection::make_private(target);
        let mut copy = Connection::open(target)?;
        {
            let backup = Backup::new(&moment, &mut copy)?;
            while backup.step(PAGES_AT_ONCE)? != StepResult::Done {
                let pages = backup.progress();
                let total = u64::try_from(pages.pagecount).unwrap_or(0);
                progress(total - u64::try_from(pages.remaining).unwrap_or(0).min(total), total);
            }
        }
        drop(moment);
        // One file: no log that must be kept with it.
        copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        copy.close().map_err(|(_, error)| error)?;
        Ok(())
    };
    copied().map_err(|fault| match StoreError::from(fault) {
        StoreError::Other(reason) => StoreError::Other(format!("{} cannot be written: {reason}", target.display())),
        other => other,
    })
}

/// Every page, index and reference of the copy.
fn whole(path: &Path) -> Result<(), StoreError> {
    let look = || -> Result<Vec<String>, Fault> {
        let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        let mut statement = copy.prepare("PRAGMA integrity_check(3)")?;
        let found = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        Ok(found)
    };
    match look().map_err(StoreError::from)?.as_slice() {
        [only] if only == "ok" => Ok(()),
        found => Err(StoreError::Corrupt(format!("{} is damaged: {}", path.display(), found.join("; ")))),
    }
}

/// Durable under its name, or not there at all.
fn into_place(partial: &Path, target: &Path) -> Result<(), StoreError> {
    let moved = || {
        File::open(partial)?.sync_all()?;
        fs::rename(partial, target)?;
        File::open(folder_of(target))?.sync_all()
    };
    moved().map_err(|error| cannot("put into place", target, &error))
}

/// The database with its log under another name: it can be opened there.
fn set_aside(path: &Path, kept: &Path) -> Result<(), StoreError> {
    for beside in BESIDE {
        let from = with_suffix(path, beside);
        if from.exists() {
            fs::rename(&from, with_suffix(kept, beside)).map_err(|error| cannot("move", &from, &error))?;
        }
    }
    fs::rename(path, kept).map_err(|error| cannot("move", path, &error))
}

fn refuse_existing(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Err(StoreError::Other(format!("{} is there already and is not overwritten; name another file", path.display())));
    }
    let folder = folder_of(path);
    if folder.is_dir() { Ok(()) } else { Err(StoreError::Other(format!("there is no folder {}; make it first", folder.display()))) }
}

/// Refuses before it begins what would fail half way.
fn room_for(source: &Connection, target: &Path, what: &str) -> Result<(), StoreError> {
    let pages = |name: &str| source.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    let needed =
        pages("page_count").and_then(|count| Ok(count * pages("page_size")?)).map_err(|error| StoreError::from(Fault::from(error)))?;
    let folder = folder_of(target);
    let Ok(disk) = rustix::fs::statvfs(&folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1_048_576);
    Err(StoreError::DiskFull(format!(
        "{} MiB are free in {}, and {what} needs {} MiB: make room there",
        mib(free),
        folder.display(),
        mib(needed)
    )))
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")).to_owned()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> StoreError {
    let reason = format!("cannot {what} {}: {error}", path.display());
    if error.kind() == std::io::ErrorKind::StorageFull { StoreError::DiskFull(reason) } else { StoreError::Other(reason) }
}
