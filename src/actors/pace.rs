//! Keeps sources in step: partitions far ahead of the slowest in event time wait, so that what waits for their buckets
//! to close stays bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::correlate::watermark::WatermarkTracker;
use crate::model::ports::FeedControl;
use crate::model::position::PartitionKey;

/// All feeds that run, and which of their partitions wait.
pub struct Pace {
    watermark: Arc<Mutex<WatermarkTracker>>,
    feeds: Mutex<BTreeMap<Arc<str>, Paced>>,
}

struct Paced {
    control: Arc<dyn FeedControl>,
    held: Vec<PartitionKey>,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held: Vec<_> = self.feeds().iter().map(|(connector, paced)| (connector.clone(), paced.held.len())).collect();
        f.debug_struct("Pace").field("held", &held).finish_non_exhaustive()
    }
}

impl Pace {
    pub fn new(watermark: Arc<Mutex<WatermarkTracker>>) -> Self {
        Self { watermark, feeds: Mutex::new(BTreeMap::new()) }
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Paced>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connector's feed started, with nothing held.
    pub fn started(&self, connector: &Arc<str>, control: Arc<dyn FeedControl>) {
        self.feeds().insert(connector.clone(), Paced { control, held: Vec::new() });
    }

    pub fn ended(&self, connector: &Arc<str>) {
        self.feeds().remove(connector);
    }

    /// Holds and lets go partitions of one connector: it has moved.
    pub fn keep(&self, connector: &Arc<str>) {
        if let Some(paced) = self.feeds().get_mut(connector) {
            self.keep_one(connector, paced);
        }
    }

    /// The same of all: the watermark has moved, and others may go on.
    pub fn keep_all(&self) {
        for (connector, paced) in self.feeds().iter_mut() {
            self.keep_one(connector, paced);
        }
    }

    fn keep_one(&self, connector: &Arc<str>, paced: &mut Paced) {
        let ahead = self.watermark.lock().unwrap_or_else(PoisonError::into_inner).too_far_ahead(connector, &paced.held);
        if ahead != paced.held {
            tracing::debug!(connector = &**connector, partitions = ahead.len(), "partitions held back");
            paced.control.hold_back(&ahead);
            paced.held = ahead;
        }
    }
}
