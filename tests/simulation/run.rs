//! Runs a world to its end: processes one after the other, each production's pipeline on one thread with simulated time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, Recipient, System};
use tokio::sync::oneshot;
use whydunit::actors::kept::Guards;
use whydunit::actors::messages::Stop;
use whydunit::actors::status::StatusBoard;
use whydunit::actors::supervisor::{self, Ending, Reports, Shutdown, Supervisor};
use whydunit::app::doors::SharedDoors;
use whydunit::app::pipeline::{self, PipelineParts, Placement, SourcePart};
use whydunit::clock;
use whydunit::engine::correlate::CorrelateOptions;
use whydunit::engine::decode::DecodeOptions;
use whydunit::engine::detect::DetectOptions;
use whydunit::engine::detect::probe::{Step, Tripwire};
use whydunit::engine::resilience::retention::RetentionOptions;
use whydunit::model::Timestamp;
use whydunit::model::command::{Action, Command};
use whydunit::model::live::LiveUpdate;
use whydunit::model::ports::{Commands, Publish, StoreWriter};

use crate::broker::{Broker, Compacted};
use crate::disk::Database;
use crate::faults::{Fault, Injector, Plan, Seam};
use crate::mutations::Mutation;
use crate::traffic::POISON;
use crate::workload::{START, World};

/// Processes of one run. Each fault ends one at most.
const MAX_PROCESSES: usize = 24;
/// Simulated time in which a process must come to its end: an hour after it has anything to wait for.
const HANGS_AFTER: Duration = Duration::from_secs(3_600);
/// Event time for which an entity only learns; short, so that small worlds open investigations.
const LEARNING_S: u32 = 60;

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    pub export: String,
    /// Records that the broker removed on the way.
    pub compacted: Compacted,
    pub injector: Arc<Injector>,
    pub processes: usize,
    /// Where the books did not close against the database, at the end of any process, however it ended.
    pub holes: Vec<String>,
}

/// How a process came to its end.
#[derive(Debug)]
enum Exit {
    /// Everything is read and stored.
    Ended,
    Shutdown,
    Crashed,
    /// It gave up; its container starts it anew.
    Failed(String),
    Hangs,
}

/// Runs `world` under `plan`.
///
/// # Errors
/// What no fault explains: a pipeline that hangs, or cannot start.
pub fn run(world: &Arc<World>, plan: &Plan, mutation: Option<Mutation>) -> Result<Outcome, String> {
    let injector = Arc::new(Injector::new(plan));
    injector.tell(|| format!("---- {plan:?}"));
    let database = Arc::new(Database::new());
    let broker = Broker::new(world, &injector, mutation);
    let mut process = Process { world: world.clone(), injector: injector.clone(), database: database.clone(), broker, mutation };
    let mut holes = Vec::new();
    for processes in 1..=MAX_PROCESSES {
        let exit = process.live();
        if mutation.is_none() {
            holes.extend(database.holes().into_iter().map(|hole| format!("after process {processes} ({exit:?}): {hole}")));
        }
        injector.tell(|| format!("process {processes}: {exit:?}"));
        match exit {
            Exit::Ended => {
                return Ok(Outcome { export: database.export(), compacted: process.broker.compacted(), injector, processes, holes });
            }
            Exit::Shutdown | Exit::Crashed => {}
            Exit::Failed(reason) if reason.contains("on purpose") || reason.starts_with("restarted 5 times") => {}
            // A stage died while it was shut down.
            Exit::Failed(reason) if reason.contains("before the last checkpoint was stored") => {}
            Exit::Failed(reason) => return Err(format!("process {processes} could not go on: {reason}")),
            Exit::Hangs => return Err(format!("process {processes} hangs")),
        }
    }
    Err(format!("not at its end after {MAX_PROCESSES} processes"))
}

struct Process {
    world: Arc<World>,
    injector: Arc<Injector>,
    database: Arc<Database>,
    broker: Arc<Broker>,
    mutation: Option<Mutation>,
}

impl Process {
    /// From start to exit; what it held in memory is gone when this returns.
    fn live(&mut self) -> Exit {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let system = System::with_tokio_rt(runtime);
        system.block_on(async {
            self.injector.start();
            self.broker.started();
            let _time = clock::start_at(Timestamp::from_seconds(START).plus_millis(self.injector.now_ms() as i64));
            let exit = self.until_exit().await;
            self.injector.end(self.injector.below(20_000));
            exit
        })
    }

    async fn until_exit(&self) -> Exit {
        let doors = SharedDoors::default();
        let stops: Stops = Arc::default();
        let (ended, ending) = oneshot::channel();
        let status = Arc::new(StatusBoard::default());
        let parts = self.parts(status.clone());
        let known_stops = stops.clone();
        let build = Box::new(move |reports: Reports| {
            let pipeline = pipeline::build(&parts, &reports)?;
            let sources = pipeline.sources.iter().map(|source| source.stop.clone());
            *known_stops.lock().unwrap_or_else(PoisonError::into_inner) = sources.chain(pipeline.stops.iter().cloned()).collect();
            Ok(pipeline)
        });
        let checkpoint_every = Duration::from_millis(self.injector.style.checkpoint_ms);
        let options = supervisor::Options { checkpoint_every, beat_every: supervisor::Options::BEAT_EVERY, until_sources_end: true };
        let supervisor = Supervisor::new(build, options, status, doors.0.clone(), ended).start();
        let asked_to_stop = Mutex::new(false);
        let ending = tokio::select! {
            biased;
            () = self.injector.crashed() => return Exit::Crashed,
            ending = ending => ending,
            () = self.timed_faults(&supervisor, &stops, &asked_to_stop) => return Exit::Crashed,
            () = self.people(doors) => return Exit::Hangs,
            () = tokio::time::sleep(HANGS_AFTER) => return Exit::Hangs,
        };
        match ending {
            Ok(Ending::Finished) if *asked_to_stop.lock().unwrap_or_else(PoisonError::into_inner) => Exit::Shutdown,
            Ok(Ending::Finished) => Exit::Ended,
            Ok(Ending::Failed(reason)) => Exit::Failed(reason),
            Err(_) => Exit::Failed("the supervisor is gone".to_owned()),
        }
    }

    /// Returns at a crash.
    async fn timed_faults(&self, supervisor: &Addr<Supervisor>, stops: &Stops, asked_to_stop: &Mutex<bool>) {
        loop {
            let fault = self.injector.timed().await;
            self.injector.tell(|| format!("!! {fault:?}"));
            match fault {
                Fault::Shutdown => {
                    *asked_to_stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
                    supervisor.do_send(Shutdown);
                }
                Fault::StageStops => {
                    let stops = stops.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(stop) = stops.get(self.injector.below(stops.len() as u64) as usize) {
                        stop.do_send(Stop);
                    }
                }
                _ => {
                    // At any step: some turns of the executor later.
                    for _ in 0..self.injector.below(40) {
                        tokio::task::yield_now().await;
                    }
                    self.injector.crash();
                    return;
                }
            }
        }
    }

    /// People write through the API and try again until they have an answer. Never returns.
    async fn people(&self, doors: SharedDoors) {
        loop {
            let next = self.broker.written.load(Ordering::Relaxed);
            let Some(event) = self.world.inbox.get(next) else { return std::future::pending().await };
            let command = Command {
                who: "ada".to_owned(),
                idempotency_key: Some(event.id.clone()),
                expected_version: None,
                action: Action::CreateEvent { event: Box::new(event.clone()) },
            };
            if doors.submit(command).await.is_ok() {
                self.broker.written.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(100 + self.injector.below(2_000))).await;
        }
    }

    fn parts(&self, status: Arc<StatusBoard>) -> PipelineParts {
        let sources = self.world.connectors.iter().enumerate().map(|(index, connector)| {
            let broker = self.broker.clone();
            SourcePart {
                name: connector.name.clone(),
                source: connector.source,
                decode: DecodeOptions::default(),
                open: Arc::new(move |offsets| broker.open(index, offsets)),
            }
        });
        let (database, broker, injector, mutation) = (self.database.clone(), self.broker.clone(), self.injector.clone(), self.mutation);
        PipelineParts {
            store_payloads: true,
            broker_records: None,
            sources: sources.collect(),
            shards: self.world.shards,
            replays_per_second: 1_000,
            retention: RetentionOptions::keeps_all(),
            detect: DetectOptions {
                learning_s: LEARNING_S,
                tripwire: self.world.poisoned.then_some(Tripwire(trip)),
                ..DetectOptions::default()
            },
            correlate: CorrelateOptions::default(),
            teach_until: None,
            open_writer: Box::new(move || {
                let disk = database.writer(&broker)?;
                Ok(match mutation {
                    Some(mutation) => mutation.writer(disk, &injector),
                    None => Box::new(disk) as Box<dyn StoreWriter>,
                })
            }),
            reader: self.database.reader(),
            publish: Arc::new(Page(self.injector.clone())),
            status,
            aliases: Default::default(),
            guards: Guards::default(),
            intake: Default::default(),
            placement: Placement::single(Arbiter::current()),
        }
    }
}

/// What no item is known to do.
fn trip(step: Step, value: &[u8]) {
    let word = match step {
        Step::Join => POISON[0],
        Step::Detect => POISON[1],
    };
    assert!(memchr::memmem::find(value, word.as_bytes()).is_none(), "an item panics its shard, on purpose");
}

type Stops = Arc<Mutex<Vec<Recipient<Stop>>>>;

/// A page that nobody looks at.
struct Page(Arc<Injector>);

impl Publish for Page {
    fn publish(&self, _: LiveUpdate) {
        assert!(self.0.pass(Seam::Publish).is_none(), "the broadcaster panics, on purpose");
    }
}
