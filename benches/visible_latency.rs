//! How long from a record's send to Kafka until its event is in the API, at 2,000 records a second?
//!
//! Manual events, each one event of its own, go to a real broker; the service reads them and stores them durably; every 40th is
//! asked for over HTTP until it is there, by eight askers in turn. The clock starts when the service reads: how long that takes
//! after its start, most of it the broker's making its first consumer group, is printed apart. `WHYDUNIT_BENCH_SECONDS` and
//! `WHYDUNIT_BENCH_RATE` change it.
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

/// Writes one record; the id of its event.
fn send(producer: &Producer, source_id: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let at = Timestamp::from_millis(now);
    let event = serde_json::json!({
        "type": "note", "title": format!("note {source_id}"), "timestamp": at, "service": "cart", "environment": "production",
        "source_id": source_id
    });
    let value = event.to_string();
    let record =
        OutgoingRecord { topic: TOPIC, partition: None, key: None, value: Some(value.as_bytes()), headers: &[], timestamp: Some(at) };
    producer.send(&record).unwrap();
    Event::id_of_source(Source::Manual, "note", source_id)
}

/// Sends at an even rate and tells the askers what was sent when.
fn write(producer: &Producer, rate: usize, records: usize, askers: &[SyncSender<(String, Instant)>]) {
    let began = Instant::now();
    for index in 0..records {
        let due = Duration::from_secs_f64(index as f64 / rate as f64);
        while began.elapsed() < due {
            std::thread::park_timeout(due.saturating_sub(began.elapsed()));
        }
        let id = send(producer, &format!("latency/{index}"));
        if index % ASKED_EVERY == 0 {
            askers[index / ASKED_EVERY % ASKERS].send((id, Instant::now())).unwrap();
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// Asks for an event until it is there.
fn wait_for(address: SocketAddr, id: &str, since: Instant) {
    let url = format!("http://{address}/api/v1/events/{id}");
    while ureq::get(&url).call().is_err() {
        assert!(since.elapsed() < PATIENCE, "event {id} never came");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// When each event was sent, and milliseconds until it was there.
fn ask(address: SocketAddr, sent: &Receiver<(String, Instant)>) -> Vec<(Instant, f64)> {
    let mut latencies = Vec::new();
    while let Ok((id, at)) = sent.recv() {
        wait_for(address, &id, at);
        latencies.push((at, at.elapsed().as_secs_f64() * 1e3));
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
        let started = Instant::now();
        let service = service::start(&settings).unwrap();
        let address = service.address;
        let brokers = server.brokers();
        let measured = tokio::task::spawn_blocking(move || {
            let producer = Producer::new(&kafka::Options { brokers, ..kafka::Options::default() }, None).unwrap();
            wait_for(address, &send(&producer, "first"), started);
            println!("first record in the API {:.0} ms after the service's start", started.elapsed().as_secs_f64() * 1e3);
            std::thread::scope(|scope| {
                let (senders, receivers): (Vec<_>, Vec<_>) = (0..ASKERS).map(|_| sync_channel(rate * seconds)).unzip();
                let askers: Vec<_> = receivers.into_iter().map(|receiver| scope.spawn(move || ask(address, &receiver))).collect();
                write(&producer, rate, rate * seconds, &senders);
                drop(senders);
                askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect::<Vec<_>>()
            })
        });
        print(rate, seconds, &measured.await.unwrap());
        service.run_until(std::future::ready(())).await.unwrap();
    });
}

fn print(rate: usize, seconds: usize, latencies: &[(Instant, f64)]) {
    let first = latencies.iter().map(|(at, _)| *at).min().unwrap();
    let mut worst = vec![0_f64; seconds + 1];
    for (at, ms) in latencies {
        let second = (*at - first).as_secs() as usize;
        worst[second] = worst[second].max(*ms);
    }
    let mut millis: Vec<f64> = latencies.iter().map(|(_, ms)| *ms).collect();
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{rate} records/s for {seconds} s, {} asked for: p50 {:.0} ms, p99 {:.0} ms, most {:.0} ms · load {}",
        millis.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        load.split(' ').take(3).collect::<Vec<_>>().join(" ")
    );
    println!("most of each second: {}", worst.iter().map(|ms| format!("{ms:.0}")).collect::<Vec<_>>().join(" "));
}
