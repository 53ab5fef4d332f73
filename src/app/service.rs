//! The service: pipeline, API and probes in one process, from settings to a clean end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter};
use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::disk::{self, Located};
use super::doors::{BrokerRecords, DryRunner, RecordDoor, RedactedCommands, RedactedRecords, SharedDoors};
use super::pipeline::{self, PipelineParts, Placement};
use super::sources::{kafka_sources, received_sources};
use super::verify;
use crate::actors::aliases::SharedAliases;
use crate::actors::kept::Guards;
use crate::actors::recorder::Intake;
use crate::actors::status::StatusBoard;
use crate::actors::supervisor::{self, Ending, Shutdown, Supervisor};
use crate::clock;
use crate::engine::{changes, correlate};
use crate::model::ports::{PipelineStatus as _, StoreReader};
use crate::settings::Settings;
use crate::store::{self, SqliteWriter};
use crate::telemetry::metrics::Exporter;
use crate::web::{self, Hub, Ingest};

/// How much longer than the drain an end may take in all, for the API's answers under way.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// A running service.
pub struct Service {
    /// Where the page and the API are.
    pub address: SocketAddr,
    /// Where `/metrics` and the probes are.
    pub ops_address: SocketAddr,
    pub reader: Arc<dyn StoreReader>,
    pub status: Arc<StatusBoard>,
    supervisor: Addr<Supervisor>,
    ending: oneshot::Receiver<Ending>,
    arbiters: Vec<Arbiter>,
    web: WebThread,
    database: disk::Opened,
    drain_timeout: Duration,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("address", &self.address).field("ops_address", &self.ops_address).finish_non_exhaustive()
    }
}

/// The API's own threads: a slow page never delays detection.
struct WebThread {
    shutdown: watch::Sender<bool>,
    /// Dropped by the thread at its end.
    ended: oneshot::Receiver<()>,
}

/// Opens the database and starts everything. Call inside an actix system.
///
/// # Errors
/// Settings, database or ports that cannot be used, each named with what to do.
pub fn start(settings: &Settings) -> anyhow::Result<Service> {
    start_on(open_writer(settings)?, settings, false)
}

/// The database, open for writing: the first step of a start.
///
/// # Errors
/// Settings and places that cannot be used; of the store, a [`StoreError`](crate::model::ports::StoreError) with its place.
pub fn open_writer(settings: &Settings) -> anyhow::Result<SqliteWriter> {
    settings.validate()?;
    anyhow::ensure!(
        !settings.connectors.is_empty() || settings.takes_http() == Some(true),
        "no connector is configured and ingest.enabled is false, so there is nothing to read. Add a connector to the file given with --config:\n\n\
         [connectors.logs]\nsource = \"logs\"\ntopics = [\"app.logs\"]\n\n`whydunit check --defaults` shows every setting."
    );
    disk::check_place(&settings.store)?;
    store::open_writer(&settings.store).with_context(|| opening(&settings.store))
}

/// Starts everything on an open database; with `forget_state` the stages begin anew with what they had learned, and nothing else
/// is lost.
///
/// # Errors
/// As [`start`].
pub fn start_on(mut writer: SqliteWriter, settings: &Settings, forget_state: bool) -> anyhow::Result<Service> {
    let database = disk::Opened::now(&settings.store);
    let database_id = writer.database_id().to_owned();
    let reader: Arc<dyn StoreReader> = Arc::new(store::open_reader(&settings.store).with_context(|| opening(&settings.store))?);

    if forget_state {
        let closed = verify::closed_through(&store::open_reader(&settings.store)?)?;
        let items = writer.forget_state(closed, clock::now()).context("forgetting the stages' state")?;
        tracing::warn!(items, "baselines, open traces and counts of open buckets are forgotten; everything else is kept");
    }

    writer.declare_aliases(&settings.entities.aliases, clock::now()).context("keeping entities.aliases of the settings")?;
    let aliases = SharedAliases::default();
    let status = Arc::new(StatusBoard::default());
    let doors = SharedDoors::default();
    let hub = Hub::new(clock::now());
    let intake = Intake::new(settings.ingest.max_bytes());
    let received = received_sources(settings, &reader, &intake, &status).context("looking for what came over HTTP")?;
    let mut sources = kafka_sources(settings, &database_id, &status);
    sources.extend(received.sources);
    let exporter = Exporter::install(status.clone(), reader.clone(), disk::space(&settings.store)).context("setting up metrics")?;
    let broker_records = Arc::new(BrokerRecords::new(settings));
    let redactor = settings.decode.redactor.clone();
    let parts = web::Parts {
        reader: reader.clone(),
        commands: Arc::new(RedactedCommands { doors: doors.clone(), redactor: redactor.clone() }),
        status: status.clone(),
        control: Arc::new(doors.clone()),
        dry_runs: Arc::new(DryRunner { sources: sources.clone(), aliases: aliases.clone(), records: broker_records.clone() }),
        source_records: Arc::new(RedactedRecords { records: broker_records.clone(), redactor }),
        explain: correlate::explain,
        join_changes: changes::changes,
        live: hub.clone(),
        ingest: received.is_taking.then(|| Ingest {
            options: Arc::new(settings.ingest.clone()),
            receiver: Arc::new(RecordDoor { doors: doors.clone(), status: status.clone() }),
        }),
        now: clock::now,
        version: env!("CARGO_PKG_VERSION"),
    };
    let (web, address, ops_address) = start_web(settings, parts, status.clone(), exporter)?;

    let arbiters: Vec<Arbiter> = (0..settings.pipeline.shards + 2).map(|_| Arbiter::new()).collect();
    let handles: Vec<_> = arbiters.iter().map(Arbiter::handle).collect();
    let [connectors, disk, shards @ ..] = handles.as_slice() else { anyhow::bail!("no threads") };
    let history_teaches_s = i64::from(settings.pipeline.history_teaches_s);
    let parts = PipelineParts {
        sources,
        shards: settings.pipeline.shards,
        replays_per_second: settings.dead_letters.replays_per_second,
        store_payloads: settings.dead_letters.store_payloads,
        broker_records: Some(broker_records.clone()),
        retention: settings.retention,
        detect: settings.detect.clone(),
        correlate: settings.correlate.clone(),
        teach_until: (history_teaches_s > 0).then(|| clock::now().plus_seconds(-history_teaches_s)),
        open_writer: reopening(settings.store.clone(), writer),
        reader: reader.clone(),
        publish: Arc::new(hub),
        status: status.clone(),
        aliases,
        guards: Guards::new(settings.dead_letters.max_bytes_per_connector()),
        intake,
        placement: Placement { connectors: connectors.clone(), shards: shards.to_vec(), disk: disk.clone() },
    };
    let (ended, ending) = oneshot::channel();
    let options = supervisor::Options {
        checkpoint_every: Duration::from_secs(u64::from(settings.pipeline.checkpoint_interval_s)),
        beat_every: supervisor::Options::BEAT_EVERY,
        until_sources_end: false,
    };
    let build = Box::new(move |reports| pipeline::build(&parts, &reports));
    let supervisor = Supervisor::new(build, options, status.clone(), doors.0, ended).start();
    let drain_timeout = Duration::from_secs(u64::from(settings.pipeline.drain_s));
    Ok(Service { address, ops_address, reader, status, supervisor, ending, arbiters, web, database, drain_timeout })
}

/// Gives the writer that is open already first, and opens a new one after each rebuild, without looking for damage again.
fn reopening(options: store::Options, first: SqliteWriter) -> pipeline::OpenWriter {
    let options = store::Options { check_on_open: false, ..options };
    let first = Mutex::new(Some(first));
    Box::new(move || {
        let open = first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let inner = open.map_or_else(|| store::open_writer(&options), Ok).map_err(|error| disk::located(error, &options))?;
        Ok(Box::new(Located { inner, options: options.clone() }))
    })
}

fn opening(options: &store::Options) -> String {
    format!("opening the database {}", String::from(options.location.clone()))
}

fn start_web(
    settings: &Settings,
    parts: web::Parts,
    status: Arc<StatusBoard>,
    exporter: Exporter,
) -> anyhow::Result<(WebThread, SocketAddr, SocketAddr)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("web").enable_all().build()?;
    let (shutdown, receiver) = watch::channel(false);
    let (started, addresses) = std::sync::mpsc::sync_channel(1);
    let (alive, ended) = oneshot::channel();
    let (web, ops) = (settings.web.clone(), settings.ops.clone());
    std::thread::Builder::new().name("web".to_owned()).spawn(move || {
        let _alive: oneshot::Sender<()> = alive;
        runtime.block_on(async {
            let servers = async {
                let api = web::serve(&web, parts, stopped(receiver.clone())).await?;
                let ops = web::serve_ops(&ops, status, Arc::new(move || exporter.render()), stopped(receiver)).await?;
                anyhow::Ok((api, ops))
            };
            let servers = servers.await;
            let answer = servers.as_ref().map(|(api, ops)| (api.address, ops.address)).map_err(ToString::to_string);
            // Nobody listens when the start was given up.
            let _ = started.send(answer);
            if let Ok((api, ops)) = servers {
                api.ended().await;
                ops.ended().await;
            }
        });
    })?;
    let (api, ops) = addresses.recv().context("the API's thread ended before it began")?.map_err(anyhow::Error::msg)?;
    Ok((WebThread { shutdown, ended }, api, ops))
}

/// Resolves when told to stop, or when nobody is left to tell.
async fn stopped(mut receiver: watch::Receiver<bool>) {
    let _ = receiver.wait_for(|stop| *stop).await;
}

impl Service {
    /// Waits for the first of: a signal, `stop`, or the pipeline giving up; then drains and ends.
    ///
    /// # Errors
    /// The reason when the pipeline could not go on.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let ending = tokio::select! {
            biased;
            ending = &mut self.ending => Some(ending.unwrap_or(Ending::Finished)),
            () = stop => None,
            reason = self.database.clone().lost() => Some(Ending::Failed(reason)),
        };
        let began = Instant::now();
        let ending = match ending {
            Some(ending) => ending,
            None => self.drain().await,
        };
        self.web.shutdown.send_replace(true);
        self.arbiters.iter().for_each(|arbiter| {
            arbiter.stop();
        });
        // Its end is an error here too: nothing was sent.
        if tokio::time::timeout((self.drain_timeout + LAST_ANSWERS).saturating_sub(began.elapsed()), &mut self.web.ended).await.is_err() {
            tracing::warn!("answers under way were cut");
        }
        match ending {
            Ending::Finished => Ok(()),
            Ending::Failed(reason) => anyhow::bail!("{reason}"),
        }
    }

    async fn drain(&mut self) -> Ending {
        if tokio::time::timeout(self.drain_timeout, self.supervisor.send(Shutdown)).await.is_ok() {
            return (&mut self.ending).await.unwrap_or(Ending::Finished);
        }
        let reasons = self.status.health().reasons.join("; ");
        tracing::warn!(reasons, "not drained in time; what is not stored is read again at the next start");
        Ending::Finished
    }
}

/// Reads a database without running the pipeline.
///
/// # Errors
/// A database that is not there or cannot be read.
pub fn open_reader(settings: &Settings) -> anyhow::Result<store::SqliteReader> {
    store::open_reader(&settings.store).with_context(|| opening(&settings.store))
}
