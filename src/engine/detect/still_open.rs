//! What a snapshot of the detectors has counted and not yet written into a bucket row.

use super::detector::{CLOCK, ENTITY};
use super::entity::Entity;
use crate::model::Bucket;

/// Sums over the state entries of all shards, for whoever checks the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StillOpen {
    /// Last bucket closed; all shards close the same ones between two checkpoints.
    pub closed: Option<Bucket>,
    /// Lines, points and spans in buckets after that.
    pub items: u64,
}

impl StillOpen {
    /// Whether an entry says how far buckets are closed, and nothing else.
    pub fn is_clock(key: &[u8]) -> bool {
        key == [CLOCK]
    }

    /// Adds one entry of a detection stage.
    ///
    /// # Errors
    /// An entry of another format.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let wrong = |error: postcard::Error| format!("detection state: {error}");
        match key.first() {
            Some(&CLOCK) => self.closed = self.closed.max(Some(postcard::from_bytes(value).map_err(wrong)?)),
            Some(&ENTITY) => {
                let entity: Entity = postcard::from_bytes(value).map_err(wrong)?;
                let items = |pending: &super::pending::Pending| pending.logs.items + pending.metrics.items + pending.traces.items;
                self.items += entity.pending.values().map(items).sum::<u64>();
            }
            _ => {}
        }
        Ok(())
    }
}
