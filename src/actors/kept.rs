//! What of a connector outlives its stage, so that a stage that died is built again alone.
//!
//! A batch is handed to the shards whole or not at all: a task of its own books and sends it, which the death of the stage does
//! not touch. So the connector's books are the lowest positions that all shards have taken in, and reading goes on there. Where
//! that cannot be said (a shard did not take its part, or somebody panicked between the books and the sending), the books are
//! torn, and only the last checkpoint tells where everything stands.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::books::Books;
use super::suspects::SharedSuspects;
use crate::engine::resilience::guard::Guard;
use crate::engine::resilience::offset_ledger::OffsetLedger;
use crate::model::ledger::LedgerRow;

/// Guards of all connectors, and what is known of their records; one process long.
#[derive(Debug)]
pub struct Guards {
    letters_cap: u64,
    by_name: Mutex<BTreeMap<String, Arc<Mutex<Guard>>>>,
    /// Records that stopped a stage.
    pub suspects: SharedSuspects,
}

impl Guards {
    /// `letters_cap` in bytes, of each connector.
    pub fn new(letters_cap: u64) -> Self {
        Self { letters_cap, by_name: Mutex::new(BTreeMap::new()), suspects: SharedSuspects::default() }
    }

    pub fn of(&self, name: &str) -> Arc<Mutex<Guard>> {
        let mut guards = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        guards.entry(name.to_owned()).or_insert_with(|| Arc::new(Mutex::new(Guard::new(name, self.letters_cap)))).clone()
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

/// One build of the pipeline long, but for the guard.
pub struct Kept {
    pub books: Arc<Books>,
    guard: Arc<Mutex<Guard>>,
    sending: watch::Sender<Sending>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sending {
    under_way: u32,
    failed: bool,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("sending", &*self.sending.borrow()).finish_non_exhaustive()
    }
}

impl Kept {
    pub fn new(ledger: OffsetLedger, guard: Arc<Mutex<Guard>>) -> Arc<Self> {
        Arc::new(Self { books: Arc::new(Books::new(ledger)), guard, sending: watch::Sender::new(Sending::default()) })
    }

    pub fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on the books may say more than the shards have taken in, until the hand-over is done.
    pub fn begin(self: &Arc<Self>) -> HandOver {
        self.sending.send_modify(|sending| sending.under_way += 1);
        HandOver { kept: self.clone(), done: false }
    }

    /// Waits until nothing is under way; whether the books can be relied on.
    pub async fn settled(&self) -> bool {
        let mut sending = self.sending.subscribe();
        let failed = sending.wait_for(|sending| sending.under_way == 0).await.map_or(true, |sending| sending.failed);
        !failed && !self.books.is_torn()
    }

    /// The books as they are; `None` when they are torn.
    pub fn rows(&self) -> Option<Vec<LedgerRow>> {
        (!self.sending.borrow().failed && !self.books.is_torn()).then(|| self.books.lock().rows())
    }
}

/// Something on its way to the shards. Dropped before it is done, it leaves the books torn.
#[derive(Debug)]
pub struct HandOver {
    kept: Arc<Kept>,
    done: bool,
}

impl HandOver {
    /// There was nothing to send.
    pub fn nothing(mut self) {
        self.done = true;
    }

    /// Sends in a task of its own; `sends` says whether all took their part.
    pub fn send(self, sends: impl Future<Output = bool> + 'static) -> JoinHandle<bool> {
        actix::spawn(async move {
            // The whole of it, not the field alone: it ends with the task.
            let mut hand_over = self;
            hand_over.done = sends.await;
            hand_over.done
        })
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        self.kept.sending.send_modify(|sending| {
            sending.under_way -= 1;
            sending.failed |= !self.done;
        });
    }
}
