//! One channel whose receiver has bad days; time is tokio's, paused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::model::Severity;
use crate::model::notification::{Firing, Notification, NotificationKind, Waiting};
use crate::model::ports::BoxFuture;

const NAME: &str = "webhook";

/// A notification, times it was tried, when it is tried next, and its state.
type Row = (Notification, u32, Option<Timestamp>, &'static str);

/// An outbox in memory, its books, a receiver that answers by script, and a page: all that a notifier meets.
#[derive(Default)]
struct World {
    rows: Mutex<BTreeMap<i64, Row>>,
    /// What came of the next bookings; then they succeed.
    refuses: Mutex<u32>,
    answers: Mutex<VecDeque<Result<(), String>>>,
    /// Ids as they were sent, whatever the answer.
    sent: Mutex<Vec<String>>,
    repeated: Mutex<Vec<usize>>,
    /// Where set, sending waits for it.
    gate: Mutex<Option<Arc<tokio::sync::Notify>>>,
    repeat_every_s: u32,
}

impl World {
    fn put(&self, seq: i64) {
        let now = clock::now();
        let notification = Notification {
            id: format!("one-{seq}-opened"),
            investigation_id: "one".to_owned(),
            n: 1,
            kind: NotificationKind::Opened,
            at: now,
            title: "cart fails".to_owned(),
            sentence: "cart fails since 14:00".to_owned(),
            where_sentence: String::new(),
            suspect: None,
            confidence: 0.5,
            severity: Severity::High,
            severity_at_opening: Severity::High,
            service: "cart".to_owned(),
            environment: "production".to_owned(),
            services: Vec::new(),
            started_at: now,
            recovered_at: None,
            merged_into: None,
            link: String::new(),
        };
        self.rows.lock().unwrap().insert(seq, (notification, 0, Some(now), "waiting"));
    }

    fn state(&self, seq: i64) -> &'static str {
        self.rows.lock().unwrap()[&seq].3
    }

    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl Outbox for World {
    fn due(&self, _: &str, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
        let rows = self.rows.lock().unwrap();
        let due = rows.iter().filter(|(_, (.., at, state))| *state == "waiting" && at.is_some_and(|at| at <= now));
        let outgoing = |(seq, (notification, attempts, ..)): (&i64, &Row)| Outgoing {
            seq: *seq,
            notification: notification.clone(),
            content: String::new(),
            made_at: notification.at,
            attempts: *attempts,
        };
        Ok(due.map(outgoing).take(limit as usize).collect())
    }

    fn firing(&self, _: &str, _: Timestamp, _: u32) -> Result<Vec<Firing>, StoreError> {
        let rows = self.rows.lock().unwrap();
        let delivered = rows.values().filter(|row| row.3 == "delivered");
        Ok(delivered.map(|row| Firing { notification: row.0.clone(), ended_at: None }).collect())
    }

    fn waiting(&self, _: &str) -> Result<Waiting, StoreError> {
        let rows = self.rows.lock().unwrap();
        let waiting: Vec<_> = rows.values().filter(|row| row.3 == "waiting").map(|row| row.0.at).collect();
        Ok(Waiting { count: waiting.len() as u64, oldest: waiting.into_iter().min() })
    }

    fn waiting_channels(&self) -> Result<Vec<String>, StoreError> {
        Ok(if self.waiting("")?.count > 0 { vec![NAME.to_owned()] } else { Vec::new() })
    }
}

impl DeliveryBooks for World {
    fn book(&self, outcomes: Vec<DeliveryOutcome>) -> BoxFuture<Result<(), StoreError>> {
        let mut refuses = self.refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            return Box::pin(std::future::ready(Err(StoreError::Busy("no room".to_owned()))));
        }
        for DeliveryOutcome { seq, attempts, result, .. } in outcomes {
            let mut rows = self.rows.lock().unwrap();
            let row = rows.get_mut(&seq).unwrap();
            (row.1, row.2, row.3) = match result {
                DeliveryResult::Delivered => (attempts, None, "delivered"),
                DeliveryResult::Failed { next_attempt_at, .. } => (attempts, Some(next_attempt_at), "waiting"),
                DeliveryResult::GivenUp { .. } => (attempts, None, "given_up"),
            };
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Receiver(Arc<World>);

impl Outlet for Receiver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn target(&self) -> String {
        "http://receiver".to_owned()
    }

    fn send(&self, outgoing: &Outgoing, _: Timestamp) -> BoxFuture<Result<(), String>> {
        self.0.sent.lock().unwrap().push(outgoing.notification.id.clone());
        let answer = self.0.answers.lock().unwrap().pop_front().unwrap_or(Ok(()));
        let gate = self.0.gate.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.notified().await;
            }
            answer
        })
    }

    fn repeat_every_s(&self) -> u32 {
        self.0.repeat_every_s
    }

    fn repeat(&self, firing: &[Firing], _: Timestamp) -> BoxFuture<Result<(), String>> {
        self.0.repeated.lock().unwrap().push(firing.len());
        Box::pin(std::future::ready(Ok(())))
    }

    fn check(&self) -> BoxFuture<Result<String, String>> {
        Box::pin(std::future::ready(Ok(String::new())))
    }
}

struct Nobody;

impl Publish for Nobody {
    fn publish(&self, _: LiveUpdate) {}
}

struct Running {
    world: Arc<World>,
    board: Arc<ChannelBoard>,
    status: Arc<StatusBoard>,
    stop: watch::Sender<bool>,
    office: Office,
    notifier: Option<tokio::task::JoinHandle<()>>,
}

fn office(world: &Arc<World>, give_up_after_s: u32) -> Running {
    let (stop, stopped) = watch::channel(false);
    let (board, status) = (Arc::new(ChannelBoard::default()), Arc::new(StatusBoard::default()));
    status.started();
    let office = Office {
        outbox: world.clone(),
        books: world.clone(),
        board: board.clone(),
        status: status.clone(),
        publish: Arc::new(Nobody),
        give_up_after_s,
        stop: stopped,
    };
    Running { world: world.clone(), board, status, stop, office, notifier: None }
}

fn start(world: World, give_up_after_s: u32) -> Running {
    let world = Arc::new(world);
    let mut running = office(&world, give_up_after_s);
    running.notifier = Some(tokio::spawn(Notifier::new(running.office.clone(), Arc::new(Receiver(world))).run()));
    running
}

impl Running {
    /// Lets time pass until it holds; the most it may take, seconds.
    async fn until(&self, most_s: u64, holds: impl Fn(&World) -> bool) {
        let began = tokio::time::Instant::now();
        while !holds(&self.world) {
            assert!(began.elapsed() < Duration::from_secs(most_s), "not in {most_s} s; sent {:?}", self.world.sent.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn failures(count: usize) -> VecDeque<Result<(), String>> {
    (0..count).map(|_| Err("connection refused".to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_comes_back_hears_what_waited_and_the_page_said_why_it_had_to() {
    let world = World::default();
    world.answers.lock().unwrap().extend(failures(6));
    world.put(1);
    let running = start(world, 86_400);
    running.until(300, |world| world.sent() == 5).await;
    running.until(5, |_| running.board.channels()[0].breaker.state == BreakerState::Open).await;
    let health = crate::model::ports::PipelineStatus::health(&*running.status);
    assert!(health.ready && health.degraded, "the pipeline goes on: {health:?}");
    assert!(health.reasons[0].contains("telling webhook: connection refused"), "{health:?}");
    // Open for 10 s, a probe that fails, open for 20 s, and a probe that succeeds.
    running.until(120, |world| world.state(1) == "delivered").await;
    assert_eq!(running.world.sent(), 7);
    let view = running.board.channels().remove(0);
    assert_eq!((view.last_error.as_deref(), view.last_delivered_at.is_some()), (Some("connection refused"), true));
}

#[tokio::test(start_paused = true)]
async fn while_its_breaker_is_open_a_channel_is_left_alone() {
    let world = World::default();
    world.answers.lock().unwrap().extend(failures(1_000));
    (1..=50).for_each(|seq| world.put(seq));
    let running = start(world, 86_400);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    // 5 at first, then one after each wait of 10 s doubling to 5 min.
    let sent = running.world.sent();
    assert!((10..=25).contains(&sent), "{sent} attempts in an hour");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_booked_stops_the_channel_and_is_not_sent_again() {
    let world = World::default();
    *world.refuses.lock().unwrap() = 20;
    (1..=3).for_each(|seq| world.put(seq));
    let running = start(world, 86_400);
    running.until(5, |world| world.sent() == 1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(running.world.sent(), 1, "nothing more while the store takes nothing");
    running.until(60, |world| (1..=3).all(|seq| world.state(seq) == "delivered")).await;
    assert_eq!(*running.world.sent.lock().unwrap(), ["one-1-opened", "one-2-opened", "one-3-opened"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_for_its_time_is_given_up_and_the_rest_goes_on() {
    let world = World::default();
    world.answers.lock().unwrap().extend(failures(4));
    world.put(1);
    let running = start(world, 3);
    running.until(120, |world| world.state(1) == "given_up").await;
    running.world.answers.lock().unwrap().clear();
    running.world.put(2);
    running.until(400, |world| world.state(2) == "delivered").await;
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_and_books_what_is_being_sent_and_takes_nothing_more() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let world = World::default();
    *world.gate.lock().unwrap() = Some(gate.clone());
    (1..=2).for_each(|seq| world.put(seq));
    let mut running = start(world, 86_400);
    running.until(5, |world| world.sent() == 1).await;
    running.stop.send_replace(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(running.world.state(1), "waiting", "it is being sent");
    gate.notify_one();
    running.notifier.take().unwrap().await.unwrap();
    assert_eq!((running.world.state(1), running.world.state(2), running.world.sent()), ("delivered", "waiting", 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_told_again_every_minute_and_at_once_after_a_start() {
    let world = World { repeat_every_s: 60, ..World::default() };
    world.put(1);
    world.rows.lock().unwrap().get_mut(&1).unwrap().3 = "delivered";
    let running = start(world, 86_400);
    running.until(3, |world| world.repeated.lock().unwrap().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let repeated = running.world.repeated.lock().unwrap().len();
    assert!((10..=11).contains(&repeated), "{repeated} times in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_channel_that_is_no_longer_there_is_given_up() {
    let world = Arc::new(World::default());
    (1..=45).for_each(|seq| world.put(seq));
    let known = office(&world, 86_400);
    known.office.clone().give_up_strangers(vec![NAME]).await;
    assert_eq!(world.state(1), "waiting");
    known.office.give_up_strangers(vec!["kafka"]).await;
    assert!((1..=45).all(|seq| world.state(seq) == "given_up"));
}
