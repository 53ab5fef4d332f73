//! Settings of the store.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the database lies; in settings a path, or `memory:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Location {
    /// A file; its lock file, log and index lie beside it.
    File(PathBuf),
    /// In memory under a name, shared by all who open that name in this process, gone with the last of them.
    Memory(String),
}

const MEMORY: &str = "memory:";

impl From<String> for Location {
    fn from(text: String) -> Self {
        text.strip_prefix(MEMORY).map_or_else(|| Self::File(PathBuf::from(&text)), |name| Self::Memory(name.to_owned()))
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        match location {
            Location::File(path) => path.to_string_lossy().into_owned(),
            Location::Memory(name) => format!("{MEMORY}{name}"),
        }
    }
}

/// How hard a commit waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// Durable when a write returns.
    #[default]
    Full,
    /// Consistent always, but the newest writes may be lost with the machine's power.
    Normal,
}

impl Synchronous {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    #[serde(rename = "path")]
    pub location: Location,
    pub synchronous: Synchronous,
    /// Connections for reading: how many requests read at once; the next one waits.
    pub readers: u32,
    /// How long a request waits for a connection, and a connection for a lock, before it is told "busy".
    pub busy_timeout_ms: u32,
    /// Page cache of each reading connection; the writer's is four times as large.
    pub cache_kib: u32,
    /// How much of the file may be mapped into memory, a connection.
    pub mmap_mib: u32,
    /// Size of the write-ahead log above which readers are made to move on so that it can be emptied.
    pub wal_limit_mib: u32,
    /// Looks for damage when the database is opened; reads the whole file once.
    pub check_on_open: bool,
    /// Largest size of the database; 0 means until the disk is full.
    pub max_size_mib: u32,
    /// Copies the file before a newer version changes its schema; the copy's name has the old version.
    pub copy_before_upgrade: bool,
    /// Overwrites what is deleted; set where dead letters must keep no payloads.
    #[serde(skip)]
    pub secure_delete: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            location: Location::File(PathBuf::from("whydunit.db")),
            synchronous: Synchronous::Full,
            readers: 4,
            busy_timeout_ms: 5_000,
            cache_kib: 16_384,
            mmap_mib: 1_024,
            wal_limit_mib: 256,
            check_on_open: true,
            max_size_mib: 0,
            copy_before_upgrade: true,
            secure_delete: false,
        }
    }
}

impl Options {
    /// The defaults, on this file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { location: Location::File(path.into()), ..Self::default() }
    }

    /// The database's file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.location {
            Location::File(path) => Some(path),
            Location::Memory(_) => None,
        }
    }

    /// The defaults, in memory under this name.
    pub fn memory(name: &str) -> Self {
        Self { location: Location::Memory(name.to_owned()), ..Self::default() }
    }
}
