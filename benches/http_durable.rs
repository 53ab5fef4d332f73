//! How many OTLP/HTTP requests a second are answered 200, which means durable, and what share is that of a handler that only reads?
//!
//! Eight clients post OTLP/HTTP protobuf logs over connections they keep, to the service with a database file and to a bare warp handler
//! that reads the body and answers 200: the same bytes, in turn, three pairs, a ratio is their median. The next of a pair begins when the
//! service has decoded what it took; how fast it does is printed apart. `WHYDUNIT_BENCH_CLIENTS` and `WHYDUNIT_BENCH_LINES` (lines a
//! request; else 10 and 500) change it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use warp::Filter as _;
use warp::http::header::CONTENT_TYPE;
use whydunit::app::service;
use whydunit::clock;
use whydunit::model::Timestamp;
use whydunit::model::ports::PipelineStatus;
use whydunit::settings::Settings;

const PROTOBUF: &str = "application/x-protobuf";
const PAIRS: usize = 3;
/// Lines of a round, in requests of any size.
const ROUND_LINES: usize = 400_000;
const MAX_REQUESTS: usize = 8_000;
const SERVICES: usize = 40;
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn setting(name: &str) -> Option<usize> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(any_value::Value::StringValue(value)) }), ..KeyValue::default() }
}

/// Lines of one service, each with words and attributes of its own; two of a hundred are errors.
fn body(number: usize, lines: usize, at: Timestamp) -> Vec<u8> {
    let line = |index: usize| {
        let n = number * lines + index;
        let (severity_text, severity_number) = if n.is_multiple_of(50) { ("ERROR", 17) } else { ("INFO", 9) };
        let text = format!("order {n} packed by station {} in {} ms", n % 50, n * 7 % 900);
        LogRecord {
            time_unix_nano: u64::try_from(at.nanos()).unwrap(),
            severity_text: severity_text.to_owned(),
            severity_number,
            body: Some(AnyValue { value: Some(any_value::Value::StringValue(text)) }),
            attributes: vec![attribute("http.route", format!("/orders/{}", n % 20)), attribute("customer.id", format!("c-{n}"))],
            ..LogRecord::default()
        }
    };
    let service = attribute("service.name", format!("service-{}", number % SERVICES));
    let resource = Resource { attributes: vec![service, attribute("host.name", format!("node-{}", number % 7))], ..Resource::default() };
    let scope_logs = vec![ScopeLogs { log_records: (0..lines).map(line).collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn post(agent: &ureq::Agent, url: &str, body: &[u8]) -> u16 {
    let answer = agent.post(url).header(CONTENT_TYPE, PROTOBUF).send(body).unwrap();
    let status = answer.status().as_u16();
    answer.into_body().read_to_vec().unwrap();
    status
}

/// Seconds until all bodies were answered 200.
fn send(address: SocketAddr, bodies: &[Vec<u8>], clients: usize) -> f64 {
    let (url, next, began) = (format!("http://{address}/v1/logs"), AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_eq!(post(&agent, &url, body), 200);
                }
            });
        }
    });
    began.elapsed().as_secs_f64()
}

/// A handler that reads a body and keeps nothing, on as many threads as the service has for its page.
fn bare() -> SocketAddr {
    let (told, address) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let read = warp::post().and(warp::path!("v1" / "logs")).and(warp::body::bytes());
            let answer = read.map(|body: bytes::Bytes| {
                std::hint::black_box(body.len());
                warp::reply::with_header("", CONTENT_TYPE, PROTOBUF)
            });
            warp::serve(answer).incoming(listener).run().await;
        });
    });
    address.recv().unwrap()
}

fn settings(folder: &std::path::Path) -> Settings {
    let mut settings = Settings::load(None).unwrap();
    settings.store.location = whydunit::store::Location::File(folder.join("whydunit.db"));
    settings.web.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.ops.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    // A round fits: what is measured is not the refusal.
    settings.ingest.max_mib = 4_096;
    settings
}

fn decoded(status: &dyn PipelineStatus) -> u64 {
    status.connectors().iter().map(|connector| connector.items_total).sum()
}

fn wait_decoded(status: &dyn PipelineStatus, items: u64) {
    let began = Instant::now();
    while decoded(status) < items {
        assert!(began.elapsed() < PATIENCE, "{} of {items} decoded", decoded(status));
        std::thread::park_timeout(LOOK_EVERY);
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Requests of one size.
fn measure(durable: SocketAddr, bare: SocketAddr, status: &dyn PipelineStatus, clients: usize, lines: usize) {
    let requests = (ROUND_LINES / lines).min(MAX_REQUESTS);
    let (mut ours, mut theirs, mut ratios, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..PAIRS {
        let at = clock::now();
        let bodies: Vec<_> = (0..requests).map(|number| body(number, lines, at)).collect();
        bytes = bodies.iter().map(Vec::len).sum();
        let (before, began) = (decoded(status), Instant::now());
        let durable_s = send(durable, &bodies, clients);
        wait_decoded(status, before + (requests * lines) as u64);
        whole.push(began.elapsed().as_secs_f64());
        let bare_s = send(bare, &bodies, clients);
        ratios.push(bare_s / durable_s);
        ours.push(durable_s);
        theirs.push(bare_s);
    }
    let (ours, theirs, whole, mib) = (median(ours), median(theirs), median(whole), bytes as f64 / f64::from(1 << 20));
    let items = (requests * lines) as f64;
    println!(
        "{lines} lines a request, {:.1} KiB: durable {:.0} requests/s, {:.0} lines/s, {:.1} MiB/s · only read {:.0} requests/s, {:.1} MiB/s · ratio \
         {:.2} · with decoding to its end {:.0} lines/s · load {}",
        bytes as f64 / requests as f64 / 1_024.0,
        requests as f64 / ours,
        items / ours,
        mib / ours,
        requests as f64 / theirs,
        mib / theirs,
        median(ratios),
        items / whole,
        std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
    );
}

fn main() {
    let clients = setting("WHYDUNIT_BENCH_CLIENTS").unwrap_or(8);
    let sizes = setting("WHYDUNIT_BENCH_LINES").map_or(vec![10, 500], |lines| vec![lines]);
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let bare = bare();
    actix::System::new().block_on(async move {
        let service = service::start(&settings).unwrap();
        let (durable, status) = (service.address, service.status.clone());
        println!("{clients} clients, {PAIRS} pairs, store.synchronous = {:?}", settings.store.synchronous);
        let measured = tokio::task::spawn_blocking(move || {
            sizes.into_iter().for_each(|lines| measure(durable, bare, status.as_ref(), clients, lines));
        });
        measured.await.unwrap();
        service.run_until(std::future::ready(())).await.unwrap();
    });
}
