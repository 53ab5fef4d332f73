//! One source and one stage after it, both pretended; time is tokio's, paused.

use std::sync::atomic::{AtomicU32, Ordering};

use actix::{Addr, AsyncContext as _, System};

use super::*;
use crate::actors::kept::{Guards, Kept};
use crate::actors::life_line::LifeLine;
use crate::engine::resilience::offset_ledger::OffsetLedger;
use crate::model::connector::BreakerState;
use crate::model::ports::PipelineStatus as _;

const BEAT: Duration = Duration::from_secs(30);

/// A stage that does nothing but be there.
struct Pretended {
    _life: LifeLine,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

/// Never takes another message, and never stops.
#[derive(Message)]
#[rtype(result = "()")]
struct Hang;

impl Actor for Pretended {
    type Context = Context<Self>;
}

impl Handler<Panic> for Pretended {
    type Result = ();
    fn handle(&mut self, _: Panic, _: &mut Self::Context) {
        panic!("a stage panics, on purpose");
    }
}

impl Handler<Hang> for Pretended {
    type Result = ();
    fn handle(&mut self, _: Hang, ctx: &mut Self::Context) {
        ctx.wait(std::future::pending::<()>().into_actor(self));
    }
}

impl Handler<Ping> for Pretended {
    type Result = ();
    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Stop> for Pretended {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Steer> for Pretended {
    type Result = ();
    fn handle(&mut self, _: Steer, _: &mut Self::Context) {}
}

impl Handler<Hold> for Pretended {
    type Result = ();
    fn handle(&mut self, _: Hold, _: &mut Self::Context) {}
}

impl Handler<Execute> for Pretended {
    type Result = Result<crate::model::command::CommandOutcome, crate::model::command::CommandError>;
    fn handle(&mut self, _: Execute, _: &mut Self::Context) -> Self::Result {
        Ok(crate::model::command::CommandOutcome::Done)
    }
}

impl Handler<BookDeliveries> for Pretended {
    type Result = Result<(), crate::model::ports::StoreError>;
    fn handle(&mut self, _: BookDeliveries, _: &mut Self::Context) -> Self::Result {
        Ok(())
    }
}

impl Handler<Receive> for Pretended {
    type Result = ();
    fn handle(&mut self, _: Receive, _: &mut Self::Context) {}
}

/// The newest of each stage, and how often each was built.
#[derive(Clone, Default)]
struct Built {
    source: Arc<Mutex<Option<Addr<Pretended>>>>,
    stage: Arc<Mutex<Option<Addr<Pretended>>>>,
    sources: Arc<AtomicU32>,
    pipelines: Arc<AtomicU32>,
    kept: Arc<Mutex<Option<Arc<Kept>>>>,
}

impl Built {
    fn source(&self) -> Addr<Pretended> {
        self.source.lock().unwrap().clone().unwrap()
    }

    fn counts(&self) -> (u32, u32) {
        (self.pipelines.load(Ordering::Relaxed), self.sources.load(Ordering::Relaxed))
    }

    fn start_source(&self, reports: &Reports, kept: &Arc<Kept>) -> SourceHandle {
        self.sources.fetch_add(1, Ordering::Relaxed);
        let source = Pretended { _life: LifeLine::new("connector/logs", reports.generation, reports.died.clone()) }.start();
        *self.source.lock().unwrap() = Some(source.clone());
        let (built, again, reports) = (self.clone(), kept.clone(), reports.clone());
        SourceHandle {
            name: "logs".to_owned(),
            stage: "connector/logs".to_owned(),
            books: SourceBooks::Connector(kept.clone()),
            stops_for_cut: false,
            hold: source.clone().recipient(),
            stop: source.clone().recipient(),
            ping: source.clone().recipient(),
            steer: Some(source.recipient()),
            committed: None,
            lone: Some(Lone { kept: kept.clone(), revive: Arc::new(move || built.start_source(&reports, &again)) }),
        }
    }

    fn start(&self, reports: &Reports, guards: &Guards) -> Pipeline {
        self.pipelines.fetch_add(1, Ordering::Relaxed);
        let stage = Pretended { _life: LifeLine::new("recorder", reports.generation, reports.died.clone()) }.start();
        *self.stage.lock().unwrap() = Some(stage.clone());
        let kept = Kept::new(OffsetLedger::default(), guards.of("logs"));
        *self.kept.lock().unwrap() = Some(kept.clone());
        Pipeline {
            sources: vec![self.start_source(reports, &kept)],
            joins: Joins::default(),
            execute: stage.clone().recipient(),
            receive: stage.clone().recipient(),
            book: stage.clone().recipient(),
            stops: vec![stage.clone().recipient()],
            pings: vec![("recorder".to_owned(), stage.recipient())],
            stages: vec!["connector/logs".to_owned(), "recorder".to_owned()],
            epoch: 0,
        }
    }
}

struct Supervised {
    built: Built,
    guards: Arc<Guards>,
    status: Arc<StatusBoard>,
    ending: oneshot::Receiver<Ending>,
}

fn supervised() -> Supervised {
    supervised_after(Vec::new())
}

/// The first builds fail, one for each of these.
fn supervised_after(mut failures: Vec<BuildError>) -> Supervised {
    let (built, guards, status) = (Built::default(), Arc::new(Guards::default()), Arc::new(StatusBoard::default()));
    status.register(crate::model::connector::ConnectorStatus::new("logs", crate::model::Source::Logs));
    let (ended, ending) = oneshot::channel();
    let options = Options { checkpoint_every: Duration::from_secs(1_000_000), beat_every: BEAT, until_sources_end: false };
    let (parts, of) = (built.clone(), guards.clone());
    let build = Box::new(move |reports: Reports| match failures.pop() {
        Some(error) => Err(error),
        None => Ok(parts.start(&reports, &of)),
    });
    Supervisor::new(build, options, status.clone(), Arc::default(), ended).start();
    Supervised { built, guards, status, ending }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn paused(test: impl Future<Output = ()>) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    System::with_tokio_rt(runtime).block_on(async {
        let _time = clock::start_at(crate::model::Timestamp::from_seconds(1_700_000_000));
        test.await;
    });
}

#[test]
fn a_connector_that_panics_is_built_again_alone_and_its_tree_says_why() {
    paused(async {
        let run = supervised();
        seconds(1).await;
        run.built.source().do_send(Panic);
        seconds(2).await;
        assert_eq!(run.built.counts(), (1, 2), "one pipeline, two connectors");
        let stage = run.status.connectors()[0].stage.clone().unwrap();
        assert_eq!((stage.alive, stage.restarts, stage.last_reason.as_deref()), (true, 1, Some("stage connector/logs panicked")));
    });
}

#[test]
fn a_connector_that_panics_again_and_again_opens_its_breaker_and_never_ends_the_process() {
    paused(async {
        let mut run = supervised();
        for _ in 0..20 {
            seconds(1).await;
            run.built.source().do_send(Panic);
        }
        seconds(1).await;
        assert_eq!(run.guards.of("logs").lock().unwrap().breaker.state(), BreakerState::Open);
        assert_eq!(run.built.counts().0, 1);
        assert!(run.ending.try_recv().is_err(), "the process goes on");
    });
}

#[test]
fn a_connector_whose_books_are_torn_takes_the_pipeline_with_it() {
    paused(async {
        let run = supervised();
        seconds(1).await;
        let kept = run.built.kept.lock().unwrap().clone().unwrap();
        drop(kept.begin());
        run.built.source().do_send(Panic);
        seconds(2).await;
        assert_eq!(run.built.counts(), (2, 2));
    });
}

#[test]
fn a_stage_that_does_not_answer_is_named_and_what_cannot_be_stopped_ends_the_process() {
    paused(async {
        let run = supervised();
        seconds(1).await;
        let stage = run.built.stage.lock().unwrap().clone().unwrap();
        stage.do_send(Hang);
        // Waits for the one after it, and is not at fault.
        run.built.source().do_send(Hang);
        seconds(BEAT.as_secs() * 6).await;
        assert!(run.status.health().reasons.iter().any(|reason| reason.contains("stage recorder is stuck")), "{:?}", run.status.health());
        match run.ending.await {
            Ok(Ending::Failed(reason)) => assert!(reason.contains("recorder is stuck") && reason.contains("does not stop"), "{reason}"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn idle_stages_are_not_stuck_and_neither_are_those_that_wait_for_a_full_disk() {
    paused(async {
        let run = supervised();
        seconds(BEAT.as_secs() * 20).await;
        assert_eq!(run.built.counts(), (1, 1));
        run.status.trouble("store", "disk full", true);
        run.built.source().do_send(Hang);
        seconds(BEAT.as_secs() * 20).await;
        assert_eq!(run.built.counts(), (1, 1));
    });
}

#[test]
fn what_passes_by_itself_keeps_a_pipeline_from_being_built_and_the_process_waiting() {
    paused(async {
        let full = || BuildError::from(crate::model::ports::StoreError::DiskFull("no room".to_owned()));
        let mut run = supervised_after(vec![full(), full(), full(), full(), full(), full()]);
        seconds(1).await;
        let health = run.status.health();
        assert!(!health.ready && health.reasons.iter().any(|reason| reason.contains("disk full: no room; reading waits")), "{health:?}");
        seconds(120).await;
        assert_eq!(run.built.counts(), (1, 1), "however often it failed before");
        assert!(run.status.health().ready && run.ending.try_recv().is_err());
    });
}

#[test]
fn what_needs_a_person_ends_the_process_with_its_reason() {
    paused(async {
        let damaged = BuildError::from(crate::model::ports::StoreError::Corrupt("row 7".to_owned()));
        let run = supervised_after(vec![damaged]);
        assert_eq!(run.ending.await, Ok(Ending::Failed("database damaged: row 7".to_owned())));
    });
}
