//! The demo: simulator → in-process broker → the service, as any producer and any Kafka would be.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::service::{self, Service};
use crate::actors::status::StatusBoard;
use crate::clock;
use crate::kafka::in_process::InProcessBroker;
use crate::kafka::producer::{OutgoingRecord, Producer};
use crate::kafka::{self, SourceOptions, Start};
use crate::model::investigation::Investigation;
use crate::model::ports::{PipelineStatus, StoreReader};
use crate::model::query::{InvestigationQuery, Paging};
use crate::settings::Settings;
use crate::simulator::{self, OutRecord, Shop};

/// History before the demo's start, seconds.
const HISTORY_S: u32 = 1_200;
/// The fault is this old when the history ends, seconds.
const FAULT_AGE_S: u32 = 60;
/// The in-process broker keeps 5 MB a partition: the shop stays at most this far ahead of the reader, bytes.
const MAX_AHEAD_BYTES: u64 = 2_000_000;
/// A service that is not ready after this will not become so.
const START_PATIENCE: Duration = Duration::from_secs(10);
const LIVE_STEP: Duration = Duration::from_millis(250);

#[derive(Clone, Debug)]
pub struct Options {
    pub fault: String,
    pub seed: u64,
    pub listen: SocketAddr,
    /// `None` for a temporary one.
    pub database: Option<PathBuf>,
    /// Take free ports instead of the usual ones.
    pub free_ports: bool,
}

/// A running demo.
#[derive(Debug)]
pub struct Demo {
    service: Service,
    fault: String,
    shop: ShopThread,
    temporary: Option<PathBuf>,
    _broker: InProcessBroker,
}

/// The shop's own thread.
#[derive(Debug)]
struct ShopThread {
    stop: Arc<AtomicBool>,
    sent_bytes: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl Demo {
    /// # Errors
    /// An unknown fault, a port or database that cannot be used.
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let broker = InProcessBroker::start()?;
        for (_, topic) in simulator::TOPICS {
            broker.create_topic(topic, 1)?;
        }
        let now = clock::now();
        let shop_options = simulator::Options {
            seed: options.seed,
            fault: Some(options.fault.clone()),
            history_s: HISTORY_S,
            fault_age_s: FAULT_AGE_S,
            ..simulator::Options::default()
        };
        let shop = Shop::new(shop_options, now.plus_seconds(-i64::from(HISTORY_S)))?;
        let (database, temporary) = database(options)?;
        let settings = settings(options, broker.brokers(), database)?;
        let service = service::start(&settings)?;
        let shop = ShopThread::start(shop, &settings.kafka, service.status.clone())?;
        Ok(Self { service, fault: options.fault.clone(), shop, temporary, _broker: broker })
    }

    pub const fn address(&self) -> SocketAddr {
        self.service.address
    }

    pub fn fault(&self) -> &str {
        &self.fault
    }

    /// The first investigation, as soon as there is one.
    pub async fn first_investigation(&self, patience: Duration) -> Option<Investigation> {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        while began.elapsed() < patience {
            ticks.tick().await;
            if !self.service.status.health().ready && began.elapsed() > START_PATIENCE {
                return None;
            }
            if let Some(investigation) = first(&*self.service.reader) {
                return Some(investigation);
            }
        }
        None
    }

    /// How far each part has come, for a person whose demo found nothing.
    pub fn what_is_missing(&self) -> String {
        let health = self.service.status.health();
        let connectors = self.service.status.connectors();
        let read = connectors.iter().map(|connector| format!("{} {} records", connector.name, connector.records_total));
        let watermark = health.watermark.map_or_else(|| "none".to_owned(), |watermark| watermark.to_string());
        let sent = self.shop.sent_bytes.load(Ordering::Relaxed);
        format!(
            "the shop wrote {sent} bytes; read: {}; watermark {watermark}; {}",
            read.collect::<Vec<_>>().join(", "),
            health.reasons.join("; ")
        )
    }

    /// Runs until `stop`, then drains and cleans up.
    ///
    /// # Errors
    /// The reason when the pipeline could not go on.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let result = self.service.run_until(stop).await;
        self.shop.stop.store(true, Ordering::Relaxed);
        match self.shop.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the shop failed"),
            Err(_) => tracing::error!("the shop panicked"),
        }
        if let Some(folder) = &self.temporary
            && let Err(error) = std::fs::remove_dir_all(folder)
        {
            tracing::warn!(%error, folder = %folder.display(), "temporary database not removed");
        }
        result
    }
}

fn first(reader: &dyn StoreReader) -> Option<Investigation> {
    let query =
        InvestigationQuery { paging: Paging { per_page: 1, sort: "started_at".to_owned(), ..Paging::default() }, ..Default::default() };
    let page = reader.investigations(&query).ok()?;
    let id = &page.items.first()?.id;
    reader.investigation(id).ok().flatten()
}

/// (database file, temporary folder to remove).
fn database(options: &Options) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
    if let Some(database) = &options.database {
        return Ok((database.clone(), None));
    }
    let folder = std::env::temp_dir().join(format!("whydunit-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok((folder.join("whydunit.db"), Some(folder)))
}

fn settings(options: &Options, brokers: &str, database: PathBuf) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(None)?;
    brokers.clone_into(&mut settings.kafka.brokers);
    settings.store.location = crate::store::Location::File(database);
    settings.web.listen = options.listen;
    if options.free_ports {
        settings.web.listen.set_port(0);
        settings.ops.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    }
    for (source, topic) in simulator::TOPICS {
        let connector = SourceOptions { start: Start::Earliest, ..SourceOptions::new(source, &[topic]) };
        settings.connectors.insert(source.as_str().to_owned(), connector);
    }
    Ok(settings)
}

impl ShopThread {
    fn start(shop: Shop, options: &kafka::Options, status: Arc<StatusBoard>) -> anyhow::Result<Self> {
        let producer = Producer::new(options, None)?;
        let stop = Arc::new(AtomicBool::new(false));
        let sent_bytes = Arc::new(AtomicU64::new(0));
        let seller = Seller { shop, producer, status, stop: stop.clone(), sent_bytes: sent_bytes.clone() };
        let thread = std::thread::Builder::new().name("shop".to_owned()).spawn(move || seller.run())?;
        Ok(Self { stop, sent_bytes, thread })
    }
}

/// Drives the shop and writes what it says.
struct Seller {
    shop: Shop,
    producer: Producer,
    status: Arc<StatusBoard>,
    stop: Arc<AtomicBool>,
    sent_bytes: Arc<AtomicU64>,
}

impl Seller {
    fn run(mut self) -> anyhow::Result<()> {
        let end = clock::now();
        for second in (0..i64::from(HISTORY_S)).rev() {
            if self.stopped() {
                return Ok(());
            }
            let records = self.shop.step(end.plus_seconds(-second));
            self.send(&records)?;
            self.wait_for_the_reader();
        }
        while !self.stopped() {
            let records = self.shop.step(clock::now());
            self.send(&records)?;
            std::thread::sleep(LIVE_STEP);
        }
        self.producer.flush(Duration::from_secs(1))?;
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn send(&self, records: &[OutRecord]) -> anyhow::Result<()> {
        for record in records {
            let OutRecord { topic, key, value, headers, timestamp, .. } = record;
            self.producer.send(&OutgoingRecord::new(topic, key.as_deref(), Some(value), headers, *timestamp))?;
            // What the reader counts too.
            self.sent_bytes.fetch_add(record.size_bytes() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What the broker drops nobody reads: the shop waits while the reader is far behind.
    fn wait_for_the_reader(&self) {
        while !self.stopped() {
            let read: u64 = self.status.connectors().iter().map(|connector| connector.bytes_total).sum();
            if self.sent_bytes.load(Ordering::Relaxed).saturating_sub(read) < MAX_AHEAD_BYTES {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
