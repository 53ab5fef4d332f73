//! The recorder: what waits while a transaction is written goes with the next, and no row waits for a whole checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, Context, Handler, System};
use tokio::sync::Notify;
use whydunit::actors::broadcaster::BroadcasterStage;
use whydunit::actors::life_line::LifeLine;
use whydunit::actors::messages::{Record, Stop, StoreFailed, Stored};
use whydunit::actors::recorder::RecorderStage;
use whydunit::actors::status::StatusBoard;
use whydunit::model::command::{Command, CommandError, CommandOutcome};
use whydunit::model::live::LiveUpdate;
use whydunit::model::ports::{Publish, StoreError, StoreWriter, WriteBatch, WriteReport};
use whydunit::model::snapshot::{Checkpoint, Snapshot, StateDelta, StateEntry};
use whydunit::model::{Event, Severity, Source, Timestamp};

const PATIENCE: Duration = Duration::from_secs(120);

/// One transaction, as the store saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Transaction {
    events: usize,
    state: usize,
    checkpoint: Option<u64>,
}

/// What a store waits for before each transaction: as many as are allowed.
#[derive(Debug)]
struct Gate {
    allowed: Mutex<u32>,
    more: Condvar,
}

impl Gate {
    fn allow(&self, transactions: u32) {
        *self.allowed.lock().unwrap() = transactions;
        self.more.notify_all();
    }

    fn pass(&self) {
        let (mut allowed, late) = self.more.wait_timeout_while(self.allowed.lock().unwrap(), PATIENCE, |allowed| *allowed == 0).unwrap();
        assert!(!late.timed_out(), "the gate was never opened");
        *allowed -= 1;
    }
}

/// A store that waits for its gate and remembers.
struct SlowStore {
    gate: Arc<Gate>,
    fails: u32,
    seen: Arc<Mutex<Vec<Transaction>>>,
    news: Arc<Notify>,
}

impl StoreWriter for SlowStore {
    fn write(&mut self, batch: &WriteBatch, _: Timestamp) -> Result<WriteReport, StoreError> {
        self.gate.pass();
        if self.fails > 0 {
            self.fails -= 1;
            return Err(StoreError::DiskFull("no space".into()));
        }
        let state = batch.state.iter().flat_map(|part| &part.deltas).map(|delta| delta.entries.len()).sum();
        let checkpoint = batch.checkpoint.as_ref().map(|checkpoint| checkpoint.epoch);
        self.seen.lock().unwrap().push(Transaction { events: batch.events.len(), state, checkpoint });
        self.news.notify_one();
        Ok(WriteReport { events_stored: batch.events.len() as u64, ..WriteReport::default() })
    }

    fn execute(&mut self, _: &Command, _: Timestamp) -> Result<CommandOutcome, CommandError> {
        Ok(CommandOutcome::Done)
    }

    fn load_snapshot(&mut self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::default())
    }
}

/// Takes the recorder's news; told of the checkpoints that are stored.
struct Listener(Arc<Mutex<Vec<u64>>>, Arc<Notify>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Stored> for Listener {
    type Result = ();

    fn handle(&mut self, stored: Stored, _: &mut Self::Context) {
        if let Some((epoch, _)) = stored.checkpoint {
            self.0.lock().unwrap().push(epoch);
        }
        self.1.notify_one();
    }
}

impl Handler<StoreFailed> for Listener {
    type Result = ();

    fn handle(&mut self, StoreFailed(error): StoreFailed, _: &mut Self::Context) {
        panic!("{error}");
    }
}

struct Nobody;

impl Publish for Nobody {
    fn publish(&self, _: LiveUpdate) {}
}

/// A recorder on a thread of its own, and what its store and its listener saw.
struct Desk {
    recorder: Addr<RecorderStage>,
    seen: Arc<Mutex<Vec<Transaction>>>,
    checkpoints: Arc<Mutex<Vec<u64>>>,
    news: Arc<Notify>,
    gate: Arc<Gate>,
    disk: Arbiter,
}

impl Desk {
    /// `allowed` transactions pass until the gate is opened; the first `fails` find the disk full.
    fn new(allowed: u32, fails: u32) -> Self {
        let gate = Arc::new(Gate { allowed: Mutex::new(allowed), more: Condvar::new() });
        let (seen, checkpoints, news) = (Arc::default(), Arc::default(), Arc::new(Notify::new()));
        let status = Arc::new(StatusBoard::default());
        let listener = Listener(Arc::clone(&checkpoints), Arc::clone(&news)).start();
        let supervisor = Some((listener.clone().recipient(), listener.recipient()));
        let broadcaster = BroadcasterStage::new(Arc::new(Nobody), status.clone(), LifeLine::unattended()).start();
        let store = Box::new(SlowStore { gate: Arc::clone(&gate), fails, seen: Arc::clone(&seen), news: Arc::clone(&news) });
        let disk = Arbiter::new();
        let recorder = RecorderStage::start_in_arbiter(&disk.handle(), move |_| {
            let (stored, commands) = (broadcaster.clone().recipient(), broadcaster.recipient());
            RecorderStage::new(store, status, stored, commands, vec![Arc::new(Notify::new())], supervisor, LifeLine::unattended())
        });
        Self { recorder, seen, checkpoints, news, gate, disk }
    }

    /// Puts these into the recorder's mailbox, in this order, however full that is, and waits for none.
    fn post(&self, batches: impl IntoIterator<Item = WriteBatch>) {
        batches.into_iter().for_each(|batch| self.recorder.do_send(Record::from(batch)));
    }

    fn seen(&self) -> Vec<Transaction> {
        self.seen.lock().unwrap().clone()
    }

    async fn until(&self, what: impl Fn(&[Transaction]) -> bool) {
        while !what(&self.seen()) {
            tokio::time::timeout(PATIENCE, self.news.notified()).await.expect("the recorder goes on");
        }
    }
}

fn batch(name: &str, events: usize) -> WriteBatch {
    let event = |n: usize| Event::new(format!("{name}-{n}"), Timestamp::EPOCH, Source::Manual, "note", Severity::Info, "a note");
    WriteBatch { events: (0..events).map(event).collect(), ..WriteBatch::default() }
}

fn checkpoint(epoch: u64, entries: u32) -> WriteBatch {
    let entry = |n: u32| StateEntry { key: n.to_be_bytes().to_vec(), value: Some(Arc::new(n)) };
    let deltas = vec![StateDelta { stage: "detection/0".into(), entries: (0..entries).map(entry).collect() }];
    WriteBatch { checkpoint: Some(Checkpoint { epoch, deltas, ..Checkpoint::default() }), ..WriteBatch::default() }
}

#[test]
fn what_comes_while_a_transaction_is_written_goes_with_the_next_one() {
    System::new().block_on(async {
        let desk = Desk::new(0, 0);
        desk.post((0..60).map(|n| batch(&format!("batch-{n}"), 20)));
        desk.gate.allow(u32::MAX);
        desk.until(|seen| seen.iter().map(|transaction| transaction.events).sum::<usize>() == 1_200).await;
        let seen = desk.seen();
        println!("{seen:?}");
        assert!(seen.len() <= 5, "each batch by itself would be 60 transactions, this is {}", seen.len());
        assert!(seen.iter().all(|transaction| transaction.events <= 20 * 16), "and none is without bound");
        desk.disk.stop();
    });
}

#[test]
fn rows_do_not_wait_for_the_whole_of_a_checkpoint() {
    System::new().block_on(async {
        let desk = Desk::new(1, 0);
        desk.post([checkpoint(7, 5_000)]);
        desk.until(|seen| seen.len() == 1).await;
        desk.post([batch("meanwhile", 10)]);
        desk.gate.allow(u32::MAX);
        desk.until(|seen| seen.iter().any(|transaction| transaction.checkpoint.is_some())).await;
        let seen = desk.seen();
        assert_eq!(seen.iter().map(|transaction| transaction.state).sum::<usize>(), 5_000, "no entry is lost");
        assert_eq!(seen.last().unwrap().checkpoint, Some(7), "in force with its last part");
        let waited = seen.iter().position(|transaction| transaction.events > 0).expect("the rows are stored");
        assert!(waited <= 2 && seen.len() > 10, "stored with transaction {waited} of {}", seen.len());
        desk.disk.stop();
    });
}

#[test]
fn checkpoints_that_come_faster_than_they_are_written_are_made_one_and_none_starves() {
    System::new().block_on(async {
        let desk = Desk::new(1, 0);
        desk.post([checkpoint(1, 1_000)]);
        desk.until(|seen| seen.len() == 1).await;
        desk.post((2..=4).map(|epoch| checkpoint(epoch, 600)));
        desk.gate.allow(u32::MAX);
        desk.until(|_| desk.checkpoints.lock().unwrap().len() >= 2).await;
        assert_eq!(*desk.checkpoints.lock().unwrap(), [1, 4], "the first ends; the others are one");
        // All three changed the same keys.
        assert_eq!(desk.seen().iter().map(|transaction| transaction.state).sum::<usize>(), 1_600);
        desk.disk.stop();
    });
}

#[test]
fn a_stop_writes_what_is_pending_and_ends_the_checkpoint_even_after_a_full_disk() {
    System::new().block_on(async {
        let desk = Desk::new(u32::MAX, 1);
        desk.recorder.send(Record::from(checkpoint(3, 1_000))).await.unwrap();
        desk.recorder.send(Record::from(batch("last", 10))).await.unwrap();
        // The disk was full when it was first tried, before the stop.
        while *desk.gate.allowed.lock().unwrap() == u32::MAX {
            tokio::task::yield_now().await;
        }
        desk.recorder.send(Stop).await.unwrap();
        desk.until(|seen| seen.iter().any(|transaction| transaction.checkpoint.is_some())).await;
        let seen = desk.seen();
        let sums = seen.iter().fold((0, 0), |(events, state), transaction| (events + transaction.events, state + transaction.state));
        assert_eq!((sums, seen.last().unwrap().checkpoint), ((10, 1_000), Some(3)));
        desk.disk.stop();
    });
}
