//! What goes wrong and when: drawn from the seed, told at the seams between the pipeline and its simulated world.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Notify;

/// A place where the pipeline meets its world. Each is passed some number of times in a run; a fault waits for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seam {
    /// A transaction of the recorder.
    Write,
    /// A message of a feed.
    Message,
    /// A feed is opened.
    Open,
    /// A feed is told which partitions wait: right after a batch was handed on.
    HoldBack,
    /// Offsets are published to the broker.
    Commit,
    /// The page is told something.
    Publish,
    /// A millisecond passes.
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    CrashBeforeCommit,
    CrashAfterCommit,
    /// While the process is down, the broker compacts some of what it had delivered.
    CrashThenCompaction,
    CrashAtMessage,
    CrashAtTime,
    Shutdown,
    DiskFull,
    DiskBusy,
    DiskBroken,
    DiskPanicsBeforeCommit,
    DiskPanicsAfterCommit,
    StageStops,
    ConnectorPanics,
    ConnectorPanicsAtStart,
    ConnectorPanicsAfterBatch,
    BroadcasterPanics,
    FeedRefuses,
    FeedEnds,
    FeedVanishes,
    Trouble,
    Rebalance,
}

impl Fault {
    pub const ALL: [Self; 21] = [
        Self::CrashBeforeCommit,
        Self::CrashAfterCommit,
        Self::CrashThenCompaction,
        Self::CrashAtMessage,
        Self::CrashAtTime,
        Self::Shutdown,
        Self::DiskFull,
        Self::DiskBusy,
        Self::DiskBroken,
        Self::DiskPanicsBeforeCommit,
        Self::DiskPanicsAfterCommit,
        Self::StageStops,
        Self::ConnectorPanics,
        Self::ConnectorPanicsAtStart,
        Self::ConnectorPanicsAfterBatch,
        Self::BroadcasterPanics,
        Self::FeedRefuses,
        Self::FeedEnds,
        Self::FeedVanishes,
        Self::Trouble,
        Self::Rebalance,
    ];

    const fn seam(self) -> Seam {
        match self {
            Self::CrashBeforeCommit
            | Self::CrashAfterCommit
            | Self::CrashThenCompaction
            | Self::DiskFull
            | Self::DiskBusy
            | Self::DiskBroken
            | Self::DiskPanicsBeforeCommit
            | Self::DiskPanicsAfterCommit => Seam::Write,
            Self::CrashAtMessage | Self::FeedEnds | Self::FeedVanishes | Self::Trouble | Self::Rebalance => Seam::Message,
            Self::FeedRefuses | Self::ConnectorPanicsAtStart => Seam::Open,
            Self::ConnectorPanicsAfterBatch => Seam::HoldBack,
            Self::ConnectorPanics => Seam::Commit,
            Self::BroadcasterPanics => Seam::Publish,
            Self::CrashAtTime | Self::Shutdown | Self::StageStops => Seam::Time,
        }
    }
}

/// How often each seam is passed.
pub type Extent = BTreeMap<Seam, u64>;

/// How the world behaves where nothing is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub checkpoint_ms: u64,
    pub batch_records: usize,
    /// Longest wait before a batch.
    pub delay_ms: u64,
    /// Partitions are read in turn, not at random.
    pub in_turn: bool,
    /// Feeds hold back the partitions they are asked to.
    pub holds_back: bool,
}

impl Style {
    /// Large batches without delay.
    pub const CALM: Self = Self { checkpoint_ms: 5_000, batch_records: 200, delay_ms: 0, in_turn: true, holds_back: false };

    fn draw(random: &mut ChaCha8Rng) -> Self {
        Self {
            checkpoint_ms: [20, 100, 500, 2_000][random.random_range(0..4)],
            batch_records: [6, 20, 60, 200][random.random_range(0..4)],
            delay_ms: [5, 20, 100, 400][random.random_range(0..4)],
            in_turn: random.random_bool(0.3),
            holds_back: random.random_bool(0.5),
        }
    }
}

/// Faults by the passage of their seam at which they are due.
#[derive(Clone, Debug)]
pub struct Plan {
    pub style: Style,
    pub seed: u64,
    faults: Vec<(Fault, u64)>,
}

impl Plan {
    /// No fault, and the plainest world.
    pub fn calm(seed: u64) -> Self {
        Self { style: Style::CALM, seed, faults: Vec::new() }
    }

    /// No fault, in a world of the seed's style.
    pub fn undisturbed(seed: u64) -> Self {
        Self { style: Style::draw(&mut ChaCha8Rng::seed_from_u64(seed ^ 0x5717e)), seed, faults: Vec::new() }
    }

    /// [`Plan::undisturbed`] with these faults.
    pub fn with(seed: u64, faults: &[(Fault, u64)]) -> Self {
        Self { faults: faults.to_vec(), ..Self::undisturbed(seed) }
    }

    /// The plans that have one fault less.
    pub fn without_one(&self) -> impl Iterator<Item = Self> + use<> {
        let plan = self.clone();
        (0..plan.faults.len()).map(move |index| {
            let mut smaller = plan.clone();
            smaller.faults.remove(index);
            smaller
        })
    }

    /// [`Plan::undisturbed`] with one to eight faults, each somewhere in a run that passes its seams as often as `extent` says.
    pub fn draw(seed: u64, extent: &Extent, kinds: &[Fault]) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_fa17);
        let style = Self::undisturbed(seed).style;
        let faults = (0..random.random_range(1..=8)).map(|_| {
            let fault = kinds[random.random_range(0..kinds.len())];
            let passages = extent.get(&fault.seam()).copied().unwrap_or_default().max(1);
            (fault, random.random_range(1..=passages))
        });
        Self { style, seed, faults: faults.collect() }
    }
}

/// Tells each seam what happens now. Outlives the simulated processes.
#[derive(Debug)]
pub struct Injector {
    pub style: Style,
    inner: Mutex<Inner>,
    crashed: Notify,
    trace: bool,
}

#[derive(Debug)]
struct Inner {
    random: ChaCha8Rng,
    due: Vec<(Fault, u64)>,
    passed: Extent,
    injected: BTreeMap<Fault, u64>,
    dead: bool,
    /// Simulated time before the running process.
    before_ms: u64,
    started: Option<tokio::time::Instant>,
}

impl Injector {
    pub fn new(plan: &Plan) -> Self {
        let inner = Inner {
            random: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x1a_b0a7),
            due: plan.faults.clone(),
            passed: Extent::new(),
            injected: BTreeMap::new(),
            dead: false,
            before_ms: 0,
            started: None,
        };
        let trace = std::env::var("WHYDUNIT_TRACE").is_ok_and(|value| value == "1");
        Self { style: plan.style, inner: Mutex::new(inner), crashed: Notify::new(), trace }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One passage of a seam; the fault that is due there.
    pub fn pass(&self, seam: Seam) -> Option<Fault> {
        let mut inner = self.inner();
        let passed = inner.passed.entry(seam).or_default();
        *passed += 1;
        let passed = *passed;
        let index = inner.due.iter().position(|(fault, at)| fault.seam() == seam && *at <= passed)?;
        Some(inner.inject(index))
    }

    /// Waits for the next fault that is due at a time. Never, when there is none.
    pub async fn timed(&self) -> Fault {
        let next = {
            let inner = self.inner();
            let due = inner.due.iter().filter(|(fault, _)| fault.seam() == Seam::Time).map(|(_, at)| *at).min();
            due.map(|at| Duration::from_millis(at.saturating_sub(inner.now_ms())))
        };
        let Some(wait) = next else { return std::future::pending().await };
        tokio::time::sleep(wait).await;
        let fault = self.first_timed();
        match fault {
            Some(fault) => fault,
            None => std::future::pending().await,
        }
    }

    fn first_timed(&self) -> Option<Fault> {
        let mut inner = self.inner();
        let times = inner.due.iter().enumerate().filter(|(_, (fault, _))| fault.seam() == Seam::Time);
        let first = times.min_by_key(|(_, (_, at))| *at).map(|(index, _)| index)?;
        Some(inner.inject(first))
    }

    /// The process is gone from here on, whatever its memory still does.
    pub fn crash(&self) {
        self.inner().dead = true;
        self.crashed.notify_one();
    }

    pub fn is_dead(&self) -> bool {
        self.inner().dead
    }

    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// A process starts; call inside its runtime.
    pub fn start(&self) {
        let mut inner = self.inner();
        inner.dead = false;
        inner.started = Some(tokio::time::Instant::now());
    }

    /// It ended; time goes on for `down_ms` until the next starts. Call inside its runtime.
    pub fn end(&self, down_ms: u64) {
        let mut inner = self.inner();
        inner.before_ms = inner.now_ms() + down_ms;
        inner.started = None;
        let now_ms = inner.before_ms;
        inner.passed.insert(Seam::Time, now_ms);
    }

    /// Simulated milliseconds since the first process started.
    pub fn now_ms(&self) -> u64 {
        self.inner().now_ms()
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.inner().random.random_range(0..limit.max(1))
    }

    pub fn chance(&self, probability: f64) -> bool {
        self.inner().random.random_bool(probability)
    }

    pub fn passed(&self) -> Extent {
        self.inner().passed.clone()
    }

    pub fn injected(&self) -> BTreeMap<Fault, u64> {
        self.inner().injected.clone()
    }

    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>9} ms  {}", self.now_ms(), what());
        }
    }
}

impl Inner {
    fn inject(&mut self, index: usize) -> Fault {
        let (fault, _) = self.due.swap_remove(index);
        *self.injected.entry(fault).or_default() += 1;
        fault
    }

    fn now_ms(&self) -> u64 {
        let running = self.started.map_or(0, |started| u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.before_ms + running
    }
}
