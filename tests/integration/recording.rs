//! The recorder: what waits while a transaction is written goes with the next, and no row waits for a whole checkpoint.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
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

/// One transaction, as the store saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Transaction {
    events: usize,
    state: usize,
    checkpoint: Option<u64>,
}

/// A store that takes its time and remembers.
struct SlowStore {
    takes: Duration,
    fails: u32,
    seen: Arc<Mutex<Vec<Transaction>>>,
    news: Arc<Notify>,
}

impl StoreWriter for SlowStore {
    fn write(&mut self, batch: &WriteBatch, _: Timestamp) -> Result<WriteReport, StoreError> {
        std::thread::sleep(self.takes);
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
    disk: Arbiter,
}

impl Desk {
    fn new(takes: Duration, fails: u32) -> Self {
        let (seen, checkpoints, news) = (Arc::default(), Arc::default(), Arc::new(Notify::new()));
        let status = Arc::new(StatusBoard::default());
        let listener = Listener(Arc::clone(&checkpoints), Arc::clone(&news)).start();
        let supervisor = Some((listener.clone().recipient(), listener.recipient()));
        let broadcaster = BroadcasterStage::new(Arc::new(Nobody), status.clone(), LifeLine::unattended()).start();
        let store = Box::new(SlowStore { takes, fails, seen: Arc::clone(&seen), news: Arc::clone(&news) });
        let disk = Arbiter::new();
        let recorder = RecorderStage::start_in_arbiter(&disk.handle(), move |_| {
            let (stored, commands) = (broadcaster.clone().recipient(), broadcaster.recipient());
            RecorderStage::new(store, status, stored, commands, vec![Arc::new(Notify::new())], supervisor, LifeLine::unattended())
        });
        Self { recorder, seen, checkpoints, news, disk }
    }

    fn seen(&self) -> Vec<Transaction> {
        self.seen.lock().unwrap().clone()
    }

    async fn until(&self, what: impl Fn(&[Transaction]) -> bool) {
        while !what(&self.seen()) {
            tokio::time::timeout(Duration::from_secs(20), self.news.notified()).await.expect("the recorder goes on");
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
        let desk = Desk::new(Duration::from_millis(50), 0);
        let mut sends = Vec::new();
        for n in 0..60 {
            sends.push(actix::spawn(desk.recorder.send(Record::from(batch(&format!("batch-{n}"), 20)))));
        }
        desk.until(|seen| seen.iter().map(|transaction| transaction.events).sum::<usize>() == 1_200).await;
        let seen = desk.seen();
        println!("{seen:?}");
        assert!(seen.len() <= 12, "each batch by itself would be 60 transactions, this is {}", seen.len());
        assert!(seen.iter().all(|transaction| transaction.events <= 20 * 16), "and none is without bound");
        desk.disk.stop();
    });
}

#[test]
fn rows_do_not_wait_for_the_whole_of_a_checkpoint() {
    System::new().block_on(async {
        let desk = Desk::new(Duration::from_millis(20), 0);
        desk.recorder.send(Record::from(checkpoint(7, 5_000))).await.unwrap();
        desk.recorder.send(Record::from(batch("meanwhile", 10))).await.unwrap();
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
        let desk = Desk::new(Duration::from_millis(20), 0);
        desk.recorder.send(Record::from(checkpoint(1, 1_000))).await.unwrap();
        desk.until(|seen| !seen.is_empty()).await;
        for epoch in 2..=4 {
            desk.recorder.send(Record::from(checkpoint(epoch, 600))).await.unwrap();
        }
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
        let desk = Desk::new(Duration::from_millis(5), 1);
        desk.recorder.send(Record::from(checkpoint(3, 1_000))).await.unwrap();
        desk.recorder.send(Record::from(batch("last", 10))).await.unwrap();
        desk.recorder.send(Stop).await.unwrap();
        desk.until(|seen| seen.iter().any(|transaction| transaction.checkpoint.is_some())).await;
        let seen = desk.seen();
        let sums = seen.iter().fold((0, 0), |(events, state), transaction| (events + transaction.events, state + transaction.state));
        assert_eq!((sums, seen.last().unwrap().checkpoint), ((10, 1_000), Some(3)));
        desk.disk.stop();
    });
}
