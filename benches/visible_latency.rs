//! How long from a record's send to Kafka until its event is in the API, at 2,000 records a second?
//!
//! Manual events, each one event of its own, go to a real broker; the service reads them and stores them durably; every 40th is
//! asked for over HTTP until it is there, by eight askers in turn. `WHYDUNIT_BENCH_SECONDS` and `WHYDUNIT_BENCH_RATE` change it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, clippy::duplicate_mod)]
mod support;

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::kafka::KafkaServer;
use whydunit::app::service;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::kafka::{self, SourceOptions, Start};
use whydunit::model::{Event, Source, Timestamp};
use whydunit::settings::Settings;

const TOPIC: &str = "latency.manual";
const ASKED_EVERY: usize = 40;
const ASKERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Sends at an even rate and tells the askers what was sent when.
fn write(server: &KafkaServer, rate: usize, records: usize, askers: &[SyncSender<(String, Instant)>]) {
    let producer = Producer::new(&kafka::Options { brokers: server.brokers(), ..kafka::Options::default() }, None).unwrap();
    let began = Instant::now();
    for index in 0..records {
        let due = Duration::from_secs_f64(index as f64 / rate as f64);
        while began.elapsed() < due {
            std::thread::park_timeout(due.saturating_sub(began.elapsed()));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let at = Timestamp::from_millis(now);
        let source_id = format!("latency/{index}");
        let event = serde_json::json!({
            "type": "note", "title": format!("note {index}"), "timestamp": at, "service": "cart", "environment": "production", "source_id": source_id
        });
        let value = event.to_string();
        let record =
            OutgoingRecord { topic: TOPIC, partition: None, key: None, value: Some(value.as_bytes()), headers: &[], timestamp: Some(at) };
        producer.send(&record).unwrap();
        if index % ASKED_EVERY == 0 {
            let id = Event::id_of_source(Source::Manual, "note", &source_id);
            askers[index / ASKED_EVERY % ASKERS].send((id, Instant::now())).unwrap();
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// Milliseconds until each event is there.
fn ask(address: SocketAddr, sent: &Receiver<(String, Instant)>) -> Vec<f64> {
    let mut latencies = Vec::new();
    while let Ok((id, at)) = sent.recv() {
        let url = format!("http://{address}/api/v1/events/{id}");
        while ureq::get(&url).call().is_err() {
            assert!(at.elapsed() < PATIENCE, "event {id} never came");
            std::thread::park_timeout(Duration::from_millis(2));
        }
        latencies.push(at.elapsed().as_secs_f64() * 1e3);
    }
    latencies
}

fn settings(server: &KafkaServer, folder: &std::path::Path) -> Settings {
    let mut settings = Settings::load(None).unwrap();
    settings.kafka.brokers = server.brokers();
    settings.store.location = whydunit::store::Location::File(folder.join("whydunit.db"));
    settings.web.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.web.max_requests_per_minute = 0;
    settings.ops.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let source = SourceOptions { start: Start::Earliest, ..SourceOptions::new(Source::Manual, &[TOPIC]) };
    settings.connectors.insert("manual".to_owned(), source);
    settings
}

fn main() {
    let (rate, seconds) = (setting("WHYDUNIT_BENCH_RATE", 2_000), setting("WHYDUNIT_BENCH_SECONDS", 20));
    let server = KafkaServer::shared();
    server.create_topic(TOPIC, 3, &[]);
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(server, folder.path());
    actix::System::new().block_on(async move {
        let service = service::start(&settings).unwrap();
        let address = service.address;
        let measured = tokio::task::spawn_blocking(move || {
            std::thread::scope(|scope| {
                let (senders, receivers): (Vec<_>, Vec<_>) = (0..ASKERS).map(|_| sync_channel(rate * seconds)).unzip();
                let askers: Vec<_> = receivers.into_iter().map(|receiver| scope.spawn(move || ask(address, &receiver))).collect();
                write(server, rate, rate * seconds, &senders);
                drop(senders);
                askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect::<Vec<_>>()
            })
        });
        let mut latencies = measured.await.unwrap();
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        println!(
            "{rate} records/s for {seconds} s, {} asked for: p50 {:.0} ms, p99 {:.0} ms, most {:.0} ms",
            latencies.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        service.run_until(std::future::ready(())).await.unwrap();
    });
}
