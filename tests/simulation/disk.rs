//! The simulated disk: SQLite in memory, which outlives the process, behind a writer that fails as it is told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use whydunit::engine::resilience::audit::audit;
use whydunit::model::Timestamp;
use whydunit::model::command::{Command, CommandError, CommandOutcome};
use whydunit::model::ports::{StoreError, StoreReader, StoreWriter, WriteBatch, WriteReport};
use whydunit::model::snapshot::Snapshot;
use whydunit::store;

use crate::broker::Broker;
use crate::faults::{Fault, Injector, Seam};
use crate::traffic::POISON;

/// A database that lives as long as this value.
#[derive(Debug)]
pub struct Database {
    options: store::Options,
    /// Never used: a database in memory lives as long as a connection to it.
    _keeper: Mutex<store::SqliteWriter>,
}

impl Database {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("simulation {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let options = store::Options { readers: 1, check_on_open: false, ..store::Options::memory(&name) };
        let keeper = store::open_writer(&options).expect("a database in memory");
        Self { options, _keeper: Mutex::new(keeper) }
    }

    pub fn reader(&self) -> Arc<dyn StoreReader> {
        Arc::new(store::open_reader(&self.options).expect("a reader"))
    }

    pub fn writer(&self, broker: &Arc<Broker>) -> Result<Disk, StoreError> {
        let (broker, injector) = (broker.clone(), broker.injector.clone());
        Ok(Disk { inner: store::open_writer(&self.options)?, broker, injector, refusals: None })
    }

    /// What `whydunit verify` would say now, each hole in a line.
    pub fn holes(&self) -> Vec<String> {
        let reader = store::open_reader(&self.options).expect("a reader");
        let facts = whydunit::app::verify::facts(&reader, false).expect("what the books are checked against");
        audit(&facts).holes.into_iter().map(|hole| format!("verify: {}", hole.found)).collect()
    }

    /// The canonical export.
    pub fn export(&self) -> String {
        let mut export = Vec::new();
        self.reader().export(&mut export).expect("an export");
        String::from_utf8(export).expect("JSON lines")
    }
}

pub struct Disk {
    inner: store::SqliteWriter,
    broker: Arc<Broker>,
    injector: Arc<Injector>,
    /// Writes still refused, and why.
    refusals: Option<(Fault, u64)>,
}

impl Disk {
    /// Nothing reaches the disk of a process that is gone; its memory is dropped before it can ask again.
    fn gone() -> StoreError {
        StoreError::Busy("the process is gone".to_owned())
    }

    fn refuse(&mut self) -> Result<(), StoreError> {
        let Some((fault, left)) = &mut self.refusals else { return Ok(()) };
        let fault = *fault;
        *left -= 1;
        if *left == 0 {
            self.refusals = None;
        }
        match fault {
            Fault::DiskFull => Err(StoreError::DiskFull("no space left, on purpose".to_owned())),
            _ => Err(StoreError::Busy("locked, on purpose".to_owned())),
        }
    }
}

impl StoreWriter for Disk {
    fn write(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, StoreError> {
        if self.injector.is_dead() {
            return Err(Self::gone());
        }
        self.refuse()?;
        if batch.events.iter().any(|event| event.title.contains(POISON[2])) {
            return Err(StoreError::Other("a constraint failed, on purpose".to_owned()));
        }
        let fault = self.injector.pass(Seam::Write);
        self.injector.tell(|| describe(batch, fault));
        match fault {
            Some(Fault::CrashBeforeCommit) => {
                self.injector.crash();
                return Err(Self::gone());
            }
            Some(fault @ (Fault::DiskFull | Fault::DiskBusy)) => {
                self.refusals = Some((fault, 1 + self.injector.below(4)));
                return self.refuse().map(|()| WriteReport::default());
            }
            Some(Fault::DiskBroken) => return Err(StoreError::Other("input/output error, on purpose".to_owned())),
            Some(Fault::DiskPanicsBeforeCommit) => panic!("the disk panics before it commits, on purpose"),
            _ => {}
        }
        let report = self.inner.write(batch, now)?;
        match fault {
            Some(fault @ (Fault::CrashAfterCommit | Fault::CrashThenCompaction)) => {
                if fault == Fault::CrashThenCompaction {
                    self.broker.compact_when_down();
                }
                self.injector.crash();
                Err(Self::gone())
            }
            Some(Fault::DiskPanicsAfterCommit) => panic!("the disk panics after it has committed, on purpose"),
            _ => Ok(report),
        }
    }

    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        if self.injector.is_dead() {
            return Err(CommandError::Unavailable("the process is gone".to_owned()));
        }
        self.inner.execute(command, now)
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        self.inner.load_snapshot()
    }
}

fn describe(batch: &WriteBatch, fault: Option<Fault>) -> String {
    let WriteBatch { events, detected, findings, letters, rows, checkpoint, .. } = batch;
    let epoch = checkpoint.as_ref().map(|checkpoint| checkpoint.epoch);
    let offsets = checkpoint.iter().flat_map(|checkpoint| &checkpoint.ledger);
    let offsets: Vec<_> = offsets.map(|row| format!("{}/{}:{}", row.partition.topic, row.partition.partition, row.next_offset)).collect();
    format!(
        "write {} events, {} findings, {} letters, {} rows, checkpoint {epoch:?} {}{}",
        events.len() + detected.len(),
        findings.len(),
        letters.len(),
        rows.len(),
        offsets.join(" "),
        fault.map_or_else(String::new, |fault| format!("  !! {fault:?}"))
    )
}
