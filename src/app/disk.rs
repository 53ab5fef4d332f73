//! The disk under the database: fit to begin on, full, or gone.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::model::Timestamp;
use crate::model::command::{Command, CommandError, CommandOutcome};
use crate::model::entity::Alias;
use crate::model::notification::DeliveryOutcome;
use crate::model::ports::{Disk, DiskSpace, StoreError, StoreWriter, WriteBatch, WriteReport};
use crate::model::received::ReceivedRemoved;
use crate::model::retention::{Holdings, Removal, Removed};
use crate::model::snapshot::Snapshot;
use crate::settings::Settings;
use crate::store::{Options, SqliteWriter};

/// How often to look whether the database still lies where it was opened.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const MIB: f64 = 1_048_576.0;

/// What stands in the way of a database at this place, before SQLite says it in fewer words.
///
/// # Errors
/// The place, and what to do.
pub fn check_place(options: &Options) -> anyhow::Result<()> {
    let Some(path) = options.path() else { return Ok(()) };
    let folder = folder_of(path);
    anyhow::ensure!(
        !path.is_dir(),
        "store.path: {} is a folder; name a file in it, such as {}",
        path.display(),
        path.join("whydunit.db").display()
    );
    match fs::metadata(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!("store.path: there is no folder {}; make it, or set another path", folder.display())
        }
        Err(error) => anyhow::bail!("store.path: the folder {} cannot be looked into: {error}", folder.display()),
        Ok(found) => anyhow::ensure!(found.is_dir(), "store.path: {} is no folder", folder.display()),
    }
    if let Some(kind) = network_file_system(&folder) {
        anyhow::bail!(
            "store.path: {} lies on {kind}, a file system of another machine: SQLite's write-ahead log needs memory shared with it, and locks \
             that hold; set a path on a disk of this machine",
            folder.display()
        );
    }
    let writable = rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    writable.map_err(|error| {
        anyhow::anyhow!(
            "store.path: the folder {} cannot be written: {error}; the database keeps a log and a lock beside itself",
            folder.display()
        )
    })
}

/// The name of the network file system a folder lies on.
#[cfg(target_os = "linux")]
fn network_file_system(folder: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    // The lowest 32 bits: some kernels give the rest its sign.
    network_name(kind as u32)
}

#[cfg(not(target_os = "linux"))]
fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// By their magic numbers. Source: statfs(2).
#[cfg(target_os = "linux")]
const fn network_name(kind: u32) -> Option<&'static str> {
    match kind {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x00c3_6400 => Some("CephFS"),
        0x0bd0_0bd0 => Some("Lustre"),
        _ => None,
    }
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new(".")).to_owned()
}

/// The disk a file lies on.
fn disk_of(path: &Path) -> Option<Disk> {
    let disk = rustix::fs::statvfs(folder_of(path)).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    // What is kept back for root is neither free nor ours.
    Some(Disk { free: bytes(disk.f_bavail), size: bytes(disk.f_blocks.saturating_sub(disk.f_bfree.saturating_sub(disk.f_bavail))) })
}

/// The disk of the database, looked at each time.
pub fn space(options: &Options) -> DiskSpace {
    let path = options.path().map(Path::to_owned);
    Arc::new(move || path.as_deref().and_then(disk_of))
}

/// Free bytes for whoever is not root where a file lies.
fn free_bytes(path: &Path) -> Option<f64> {
    disk_of(path).map(|disk| disk.free as f64)
}

/// Free space where the database lies, as a line for a person.
pub fn report(settings: &Settings) -> String {
    let Some(path) = settings.store.path() else { return "database in memory".to_owned() };
    let place = check_place(&settings.store).err().map_or_else(String::new, |error| format!("; {error:#}"));
    match free_bytes(path) {
        Some(bytes) => format!("database {}: {:.1} GiB free{place}", path.display(), bytes / MIB / 1_024.0),
        None => format!("database {}: free space not known{place}", path.display()),
    }
}

/// A writer that says what is full or held, and what ends it.
#[derive(Debug)]
pub struct Located {
    pub inner: SqliteWriter,
    pub options: Options,
}

/// What is full or held, and what ends it.
pub fn located(error: StoreError, options: &Options) -> StoreError {
    let Some(path) = options.path() else { return error };
    match error {
        StoreError::DiskFull(said) => StoreError::DiskFull(full(options, path, &said)),
        StoreError::Busy(said) => {
            StoreError::Busy(format!("another program holds {} ({said}); it goes on by itself once that lets go", path.display()))
        }
        other => other,
    }
}

fn full(options: &Options, path: &Path, said: &str) -> String {
    let limit = options.max_size_mib;
    let free = free_bytes(path).unwrap_or_default() / MIB;
    let path = path.display();
    // With room on the disk it is our own limit.
    if limit > 0 && free > 1.0 {
        format!("{path} has grown to store.max_size_mib = {limit}; start again with a higher limit")
    } else {
        format!("no room for {path}, {free:.1} MiB are free on its disk ({said}); make room there, and it goes on by itself")
    }
}

/// A database that is left alone is one file: whoever copies it then has everything.
impl Drop for Located {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Err(error) = self.inner.compact_log() {
            tracing::info!(%error, "the write-ahead log stays beside the database; copy both or neither");
        }
    }
}

impl StoreWriter for Located {
    fn write(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, StoreError> {
        self.inner.write(batch, now).map_err(|error| located(error, &self.options))
    }

    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        self.inner.execute(command, now)
    }

    fn holdings(&mut self, letters_due_before: Timestamp) -> Result<Holdings, StoreError> {
        self.inner.holdings(letters_due_before)
    }

    fn remove(&mut self, removal: &Removal, now: Timestamp) -> Result<Removed, StoreError> {
        self.inner.remove(removal, now).map_err(|error| located(error, &self.options))
    }

    fn aliases(&mut self) -> Result<Vec<Alias>, StoreError> {
        self.inner.aliases()
    }

    fn received_waiting(&mut self) -> Result<Vec<(String, u64)>, StoreError> {
        self.inner.received_waiting().map_err(|error| located(error, &self.options))
    }

    fn remove_received(&mut self) -> Result<ReceivedRemoved, StoreError> {
        self.inner.remove_received().map_err(|error| located(error, &self.options))
    }

    fn probe(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.inner.probe(bytes).map_err(|error| located(error, &self.options))
    }

    fn book_deliveries(&mut self, outcomes: &[DeliveryOutcome]) -> Result<(), StoreError> {
        self.inner.book_deliveries(outcomes).map_err(|error| located(error, &self.options))
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        self.inner.load_snapshot().map_err(|error| located(error, &self.options))
    }
}

/// Which file was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    file: Option<(PathBuf, Identity)>,
}

/// Device and number of a file: the same however it is called.
type Identity = (u64, u64);

impl Opened {
    /// The file at its place now. Call right after opening it.
    pub fn now(options: &Options) -> Self {
        Self { file: options.path().and_then(|path| Some((path.to_owned(), identity(path)?))) }
    }

    /// Resolves when the database is no longer where it was opened: what is written then goes to a file nobody will find.
    pub async fn lost(self) -> String {
        let Some((path, opened)) = self.file else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            if let Some(what) = gone(&path, opened) {
                return format!(
                    "the database {} was {what} while it was open, so nothing more is stored. Put it back with its -wal, or start on \
                     an empty one: that reads Kafka from each connector's `start`",
                    path.display()
                );
            }
        }
    }
}

/// What became of a file that is not where it was opened.
fn gone(path: &Path, opened: Identity) -> Option<&'static str> {
    match fs::metadata(path) {
        Ok(found) if (found.dev(), found.ino()) == opened => None,
        Ok(_) => Some("replaced"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("deleted or moved"),
        // A disk that does not answer is not a lost file.
        Err(_) => None,
    }
}

fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn problem(path: &Path) -> String {
        check_place(&Options::file(path)).unwrap_err().to_string()
    }

    #[test]
    fn a_place_that_cannot_hold_a_database_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_place(&Options::file(folder.path().join("whydunit.db"))).is_ok());
        assert!(check_place(&Options::file("whydunit.db")).is_ok());
        assert!(problem(folder.path()).contains("is a folder"));
        assert!(problem(&folder.path().join("a/whydunit.db")).contains("there is no folder"));
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(problem(&folder.path().join("file/whydunit.db")).contains("file"));
        assert!(problem(Path::new("/proc/self/whydunit.db")).contains("cannot be written"));
    }

    #[test]
    fn a_database_that_is_deleted_or_replaced_under_us_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whydunit.db");
        fs::write(&path, "ours").unwrap();
        let opened = identity(&path).unwrap();
        assert_eq!(gone(&path, opened), None);
        fs::rename(&path, folder.path().join("moved")).unwrap();
        assert_eq!(gone(&path, opened), Some("deleted or moved"));
        fs::write(&path, "another").unwrap();
        assert_eq!(gone(&path, opened), Some("replaced"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        let (ext4, tmpfs) = (0xef53, 0x0102_1994);
        assert_eq!((network_name(ext4), network_name(tmpfs)), (None, None));
    }
}
