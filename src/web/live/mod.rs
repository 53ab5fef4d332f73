//! Live updates: numbered, kept for a while, fanned out to open pages.

pub mod stream;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::model::Timestamp;
use crate::model::live::{LiveUpdate, NumberedUpdate};
use crate::model::ports::Publish;

/// Updates kept for pages that come back.
pub const KEPT_UPDATES: usize = 1_000;
/// Updates a page may lie behind before its stream is ended; it comes back and resumes or re-reads.
const LAG_UPDATES_MAX: usize = 256;

/// Where stages publish and streams listen. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Start of this process, milliseconds: numbers of another life are not mistaken for ours.
    epoch: i64,
    /// Guarded together with sending, so that a subscriber sees each update exactly once.
    ring: Mutex<Ring>,
    sender: broadcast::Sender<NumberedUpdate>,
    dropped_streams: AtomicU64,
    open_streams: AtomicU64,
}

#[derive(Debug, Default)]
struct Ring {
    newest: u64,
    updates: VecDeque<NumberedUpdate>,
}

/// What a stream starts with.
#[derive(Debug)]
pub struct Subscription {
    /// `Some` when the page must read everything anew, with the reason.
    pub reset: Option<&'static str>,
    /// Number of the newest update at the time of subscribing.
    pub newest: u64,
    /// Updates since the id given, oldest first.
    pub missed: Vec<NumberedUpdate>,
    pub receiver: broadcast::Receiver<NumberedUpdate>,
}

impl Hub {
    /// `started_at` tells this process's numbers from those of earlier ones.
    pub fn new(started_at: Timestamp) -> Self {
        let (sender, _) = broadcast::channel(LAG_UPDATES_MAX);
        Self(Arc::new(Shared {
            epoch: started_at.millis(),
            ring: Mutex::new(Ring::default()),
            sender,
            dropped_streams: AtomicU64::new(0),
            open_streams: AtomicU64::new(0),
        }))
    }

    /// Streams ended because their page did not keep up.
    pub fn dropped_streams(&self) -> u64 {
        self.0.dropped_streams.load(Ordering::Relaxed)
    }

    pub fn open_streams(&self) -> u64 {
        self.0.open_streams.load(Ordering::Relaxed)
    }

    /// The SSE id of an update.
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.0.epoch)
    }

    /// Starts listening; `last_id` is the page's `Last-Event-ID`.
    pub fn subscribe(&self, last_id: Option<&str>) -> Subscription {
        let ring = self.ring();
        let receiver = self.0.sender.subscribe();
        let (reset, missed) = match last_id.map(|id| self.since(&ring, id)) {
            None => (None, Vec::new()),
            Some(Ok(missed)) => (None, missed),
            Some(Err(reason)) => (Some(reason), Vec::new()),
        };
        Subscription { reset, newest: ring.newest, missed, receiver }
    }

    fn since(&self, ring: &Ring, last_id: &str) -> Result<Vec<NumberedUpdate>, &'static str> {
        let Some((epoch, number)) = last_id.split_once('-') else { return Err("the id is none of ours") };
        let (Ok(epoch), Ok(number)) = (epoch.parse::<i64>(), number.parse::<u64>()) else { return Err("the id is none of ours") };
        if epoch != self.0.epoch || number > ring.newest {
            return Err("whydunit was restarted");
        }
        let oldest = ring.updates.front().map_or(ring.newest + 1, |update| update.id);
        if number + 1 < oldest {
            return Err("too many updates since");
        }
        Ok(ring.updates.iter().filter(|update| update.id > number).cloned().collect())
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing under this lock can leave the ring half-changed.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publish for Hub {
    fn publish(&self, update: LiveUpdate) {
        let mut ring = self.ring();
        ring.newest += 1;
        let update = NumberedUpdate { id: ring.newest, update };
        if ring.updates.len() == KEPT_UPDATES {
            ring.updates.pop_front();
        }
        ring.updates.push_back(update.clone());
        // An error only says that no page is open.
        let _ = self.0.sender.send(update);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn publish(hub: &Hub, count: u64) {
        for id in 0..count {
            hub.publish(LiveUpdate::EventsStored { count: id, newest: None });
        }
    }

    fn numbers(subscription: &Subscription) -> Vec<u64> {
        subscription.missed.iter().map(|update| update.id).collect()
    }

    #[test]
    fn a_page_that_comes_back_gets_exactly_what_it_missed() {
        let hub = Hub::new(Timestamp::from_millis(7));
        publish(&hub, 5);
        let subscription = hub.subscribe(Some("7-3"));
        assert_eq!((subscription.reset, numbers(&subscription)), (None, vec![4, 5]));
        assert_eq!(numbers(&hub.subscribe(Some("7-5"))), Vec::<u64>::new());
        assert_eq!(numbers(&hub.subscribe(None)), Vec::<u64>::new());
    }

    #[test]
    fn an_id_too_old_or_of_another_life_means_reading_anew() {
        let hub = Hub::new(Timestamp::from_millis(7));
        publish(&hub, KEPT_UPDATES as u64 + 10);
        assert!(hub.subscribe(Some("7-9")).reset.is_some());
        assert_eq!(hub.subscribe(Some("7-10")).reset, None);
        assert_eq!(hub.subscribe(Some("7-10")).missed.len(), KEPT_UPDATES);
        for foreign in ["6-1000", "7-99999", "1000", "", "7-", "-1-x", "7-18446744073709551615", "9223372036854775808-1"] {
            assert!(hub.subscribe(Some(foreign)).reset.is_some(), "{foreign}");
        }
    }

    #[test]
    fn an_update_reaches_whoever_listens_and_nobody_is_waited_for() {
        let hub = Hub::new(Timestamp::EPOCH);
        let mut subscription = hub.subscribe(None);
        publish(&hub, LAG_UPDATES_MAX as u64 * 3);
        assert!(matches!(subscription.receiver.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
    }
}
