//! Empties the write-ahead log into the database file beside the writer, so that no transaction waits for it.
//!
//! A thread with a connection of its own copies what is committed, by SQLite's passive checkpoint: it waits for nobody, and
//! nobody for it. It cannot let the log begin anew, because under load some pages are always younger than its pass; those few
//! the writer copies itself, the more the longer the log has become. Where a reader or the disk keeps the log growing up to its
//! limit, the writer waits, briefly.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::model::ports::StoreError;
use crate::store::connection;
use crate::store::options::{Location, Options};
use crate::telemetry::metrics::metrics;

/// Pages waiting to be copied that are worth a pass of the thread: 4 MiB.
const PASS_PAGES: u32 = 1_000;
/// Length of the log from which it should begin anew: 16 MiB.
const LONG_PAGES: u32 = 4_000;
/// Of a long log the writer copies the last part itself: at 16 MiB some milliseconds' worth.
const REST_SHARE: u32 = 8;
/// Writes between two attempts to empty a log beyond its limit.
const FORCE_EVERY: u32 = 64;
/// Longest wait for readers then.
const FORCE_WAIT: Duration = Duration::from_millis(100);
const PAGES_PER_MIB: u32 = 256;

/// The log as the writer sees it.
#[derive(Debug)]
pub(super) struct Log {
    /// None for a database in memory, which has no log.
    mover: Option<Mover>,
    limit_pages: u32,
    writes: u32,
    busy_timeout: Duration,
}

/// How long the log is and how much of it is in the file already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    pages: u32,
    copied: u32,
}

impl Extent {
    const fn rest(self) -> u32 {
        self.pages.saturating_sub(self.copied)
    }
}

impl Log {
    /// # Errors
    /// When the thread or its connection cannot be had.
    pub fn of(options: &Options) -> Result<Self, StoreError> {
        let mover = match &options.location {
            Location::File(_) => Some(Mover::start(connection::open_for_emptying(options)?)?),
            Location::Memory(_) => None,
        };
        let busy_timeout = Duration::from_millis(u64::from(options.busy_timeout_ms));
        Ok(Self { mover, limit_pages: options.wal_limit_mib.saturating_mul(PAGES_PER_MIB), writes: 0, busy_timeout })
    }

    /// Looks after the log. What cannot be done now is no error: it is tried again after the next commit.
    pub fn after_commit(&mut self, connection: &Connection) {
        let Some(mover) = &self.mover else { return };
        let Ok(extent) = checkpoint(connection, "NOOP") else { return };
        self.writes = self.writes.wrapping_add(1);
        if extent.pages > self.limit_pages && self.writes.is_multiple_of(FORCE_EVERY) {
            let _ = connection.busy_timeout(FORCE_WAIT);
            let _ = self.empty(connection);
            let _ = connection.busy_timeout(self.busy_timeout);
            return;
        }
        if mover.is_moving() {
            return;
        }
        if extent.pages >= LONG_PAGES && (1..=extent.pages / REST_SHARE).contains(&extent.rest()) {
            let began = Instant::now();
            let _ = checkpoint(connection, "PASSIVE");
            metrics().store_phase("log_rest", began.elapsed().as_secs_f64());
        } else if extent.rest() >= PASS_PAGES {
            mover.wake();
        }
    }

    /// Empties the log now; readers that are in the way make it do less.
    pub fn empty(&self, connection: &Connection) -> rusqlite::Result<()> {
        // Two cannot copy at a time, and SQLite would not wait for the other.
        let _turn = self.mover.as_ref().map(Mover::wait);
        checkpoint(connection, "TRUNCATE").map(drop)
    }
}

/// One of SQLite's checkpoints, or with `NOOP` only the look at the log.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Extent> {
    // −1 stands for "no log".
    let pages = |found: i64| u32::try_from(found).unwrap_or(0);
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| Ok(Extent { pages: pages(row.get(1)?), copied: pages(row.get(2)?) }))
}

/// The thread that copies. Ends with the value.
#[derive(Debug)]
struct Mover {
    /// One waiting wake is enough; none once the value is dropped.
    wakes: Option<SyncSender<()>>,
    /// Held during a pass.
    pass: Arc<Mutex<()>>,
    moving: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mover {
    fn start(connection: Connection) -> Result<Self, StoreError> {
        let (wakes, woken) = sync_channel(1);
        let (pass, moving) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let (turn, busy) = (Arc::clone(&pass), Arc::clone(&moving));
        let thread = std::thread::Builder::new()
            .name("store log".to_owned())
            .spawn(move || move_while_asked(&connection, &woken, &turn, &busy))
            .map_err(|error| StoreError::Other(format!("no thread to empty the database's log: {error}")))?;
        Ok(Self { wakes: Some(wakes), pass, moving, thread: Some(thread) })
    }

    fn is_moving(&self) -> bool {
        self.moving.load(Ordering::Acquire)
    }

    fn wake(&self) {
        if let Some(wakes) = &self.wakes {
            self.moving.store(true, Ordering::Release);
            // Full cannot be: it is woken only when it does not move.
            let _ = wakes.try_send(());
        }
    }

    /// Waits until no pass is under way and keeps the next one waiting.
    fn wait(&self) -> MutexGuard<'_, ()> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.wakes = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say: what it did not copy is copied later.
            let _ = thread.join();
        }
    }
}

fn move_while_asked(connection: &Connection, woken: &Receiver<()>, pass: &Mutex<()>, moving: &AtomicBool) {
    while woken.recv().is_ok() {
        let turn = pass.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        // One that cannot be made now is asked for again by the next commit.
        let _ = checkpoint(connection, "PASSIVE");
        metrics().store_phase("log", began.elapsed().as_secs_f64());
        drop(turn);
        moving.store(false, Ordering::Release);
    }
}
