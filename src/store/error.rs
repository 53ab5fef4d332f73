//! What SQLite's errors mean to the caller.

use rusqlite::ErrorCode;

use crate::model::command::CommandError;
use crate::model::ports::StoreError;

/// Errors inside the store: SQLite's, or one already put into the caller's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("a stored value cannot be read or written: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Command(#[from] CommandError),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sql(error) => of_sqlite(&error),
            Fault::Store(error) => error,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<Fault> for CommandError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Command(error) => error,
            other => Self::Unavailable(StoreError::from(other).to_string()),
        }
    }
}

pub(super) fn of_sqlite(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull(text),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(text),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(text),
        // A write that the system refuses for want of space reaches us as an input/output error.
        Some(ErrorCode::SystemIoFailure) if is_out_of_space(error) => StoreError::DiskFull(text),
        _ => StoreError::Other(text),
    }
}

fn is_out_of_space(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return false };
    let writing = [rusqlite::ffi::SQLITE_IOERR_WRITE, rusqlite::ffi::SQLITE_IOERR_SHMSIZE, rusqlite::ffi::SQLITE_IOERR_TRUNCATE];
    writing.contains(&failure.extended_code) && std::io::Error::last_os_error().kind() == std::io::ErrorKind::StorageFull
}

pub(super) fn bad_query(field: &str, reason: impl Into<String>) -> StoreError {
    StoreError::BadQuery { field: field.to_owned(), reason: reason.into() }
}
