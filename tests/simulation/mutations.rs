//! Bugs planted on purpose, between the pipeline and its world: the judge must catch each.

use std::sync::Arc;

use whydunit::model::Timestamp;
use whydunit::model::command::{Command, CommandError, CommandOutcome};
use whydunit::model::ports::{StoreError, StoreWriter, WriteBatch, WriteReport};
use whydunit::model::snapshot::Snapshot;

use crate::disk::Disk;
use crate::faults::Injector;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A checkpoint is stored in a transaction of its own, before the data that waits with it.
    OffsetsBeforeData,
    /// A restart finds nothing of the detectors.
    DetectionForgotten,
    /// A restart finds nothing of the trace joins.
    TraceJoinForgotten,
    /// A restart finds nothing of the investigator.
    InvestigatorForgotten,
    /// A restart reads a few records again that its state has counted.
    RedeliveredCountedTwice,
    /// A restart goes on a little after where it stopped.
    OffsetsTooFar,
    /// Letters wait in memory for the next transaction.
    LettersHeldBack,
    /// A restart passes over a row of the inbox.
    InboxRowSkipped,
    /// The feed drops a batch when its channel is full.
    DropOnFullQueue,
    /// A topic made anew is read as if it were the old one.
    NewLifeIgnored,
}

impl Mutation {
    pub fn writer(self, disk: Disk, injector: &Arc<Injector>) -> Box<dyn StoreWriter> {
        Box::new(Mutant { mutation: self, disk, injector: injector.clone(), held: WriteBatch::default() })
    }
}

/// A writer with a bug.
struct Mutant {
    mutation: Mutation,
    disk: Disk,
    injector: Arc<Injector>,
    held: WriteBatch,
}

impl StoreWriter for Mutant {
    fn write(&mut self, batch: &WriteBatch, now: Timestamp) -> Result<WriteReport, StoreError> {
        match self.mutation {
            Mutation::OffsetsBeforeData if batch.checkpoint.is_some() => {
                let offsets = WriteBatch { checkpoint: batch.checkpoint.clone(), ..WriteBatch::default() };
                self.disk.write(&offsets, now)?;
                self.disk.write(&WriteBatch { checkpoint: None, ..batch.clone() }, now)
            }
            Mutation::LettersHeldBack => {
                let mut changed = batch.clone();
                let held = std::mem::replace(&mut self.held.letters, std::mem::take(&mut changed.letters));
                changed.letters = held;
                self.disk.write(&changed, now)
            }
            _ => self.disk.write(batch, now),
        }
    }

    fn execute(&mut self, command: &Command, now: Timestamp) -> Result<CommandOutcome, CommandError> {
        self.disk.execute(command, now)
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        let mut snapshot = self.disk.load_snapshot()?;
        let forget = |snapshot: &mut Snapshot, stage: &str| snapshot.entries.retain(|(name, _, _)| !name.starts_with(stage));
        match self.mutation {
            Mutation::DetectionForgotten => forget(&mut snapshot, "detection/"),
            Mutation::TraceJoinForgotten => forget(&mut snapshot, "trace_join/"),
            Mutation::InvestigatorForgotten => forget(&mut snapshot, "investigator"),
            Mutation::RedeliveredCountedTwice => move_offsets(&mut snapshot, |connector| connector != "inbox", -3),
            Mutation::OffsetsTooFar => move_offsets(&mut snapshot, |connector| connector != "inbox", 1),
            Mutation::InboxRowSkipped => move_offsets(&mut snapshot, |connector| connector == "inbox", 1),
            _ => {}
        }
        Ok(snapshot)
    }
}

impl Drop for Mutant {
    /// An orderly end leaves nothing in memory.
    fn drop(&mut self) {
        if !self.held.is_empty() && !self.injector.is_dead() && !std::thread::panicking() {
            let held = std::mem::take(&mut self.held);
            let _ = self.disk.write(&held, Timestamp::EPOCH);
        }
    }
}

fn move_offsets(snapshot: &mut Snapshot, is_meant: impl Fn(&str) -> bool, by: i64) {
    for row in snapshot.ledger.iter_mut().filter(|row| is_meant(&row.connector)) {
        row.next_offset = (row.next_offset + by).max(0);
    }
}
