//! whydunit's own traces, as a collector receives them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use warp::Filter as _;
use whydunit::kafka::Options;
use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use crate::support::kafka::KafkaServer;
use crate::support::process::Home;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const PATIENCE: Duration = Duration::from_secs(120);
/// What a batch goes through; each has a span of its own.
const STAGES: [&str; 5] = ["decode", "trace_join", "detection", "investigator", "store"];

/// A receiver of OTLP/HTTP on a free port: every span that came.
fn collector() -> (SocketAddr, Receiver<Vec<Span>>) {
    let (sender, spans) = sync_channel(1_000);
    let (bound, address) = sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let route = warp::path!("v1" / "traces").and(warp::post()).and(warp::body::bytes()).map(move |body: bytes::Bytes| {
                let request = ExportTraceServiceRequest::decode(body).expect("OTLP protobuf");
                let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                // The test may be over.
                let _ = sender.send(scopes.flat_map(|scope| scope.spans).collect());
                let answer = ExportTraceServiceResponse::default().encode_to_vec();
                warp::http::Response::builder().header("content-type", "application/x-protobuf").body(answer)
            });
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            warp::serve(route).incoming(listener).run().await;
        });
    });
    (address.recv().unwrap(), spans)
}

fn settings(server: &KafkaServer, topic: &str) -> String {
    format!(
        "[kafka]\nbrokers = \"{}\"\n[telemetry]\ntrace_share = 0.0\nlog = \"warn\"\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \
         \"127.0.0.1:0\"\n[connectors.manual]\nsource = \"manual\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n",
        server.brokers()
    )
}

fn send_notes(server: &KafkaServer, topic: &str, traceparents: &[Option<String>]) {
    let producer = Producer::new(&Options { brokers: server.brokers(), ..Options::default() }, None).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    for (index, traceparent) in traceparents.iter().enumerate() {
        let at = Timestamp::from_millis(now);
        let value = serde_json::json!({ "type": "note", "title": format!("note {index}"), "timestamp": at, "service": "cart" }).to_string();
        let headers: Vec<_> = traceparent.iter().map(|text| ("traceparent".to_owned(), text.as_bytes().to_vec())).collect();
        producer
            .send(&OutgoingRecord {
                topic,
                partition: Some(0),
                key: None,
                value: Some(value.as_bytes()),
                headers: &headers,
                timestamp: Some(at),
            })
            .unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Spans of our trace by name, once all are there.
fn trace_of(spans: &Receiver<Vec<Span>>) -> BTreeMap<String, Span> {
    let mut found = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    // They end in any order, and are sent in several parts.
    while !STAGES.iter().chain(&["batch"]).all(|name| found.contains_key(*name)) {
        let left = deadline.saturating_duration_since(Instant::now());
        let came = spans.recv_timeout(left).unwrap_or_else(|_| panic!("the trace never became whole: {:?}", found.keys()));
        found.extend(came.into_iter().filter(|span| hex(&span.trace_id) == TRACE).map(|span| (span.name.clone(), span)));
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_sampled_trace_of_a_record_is_continued_through_every_stage_and_an_unsampled_one_is_not() {
    let server = KafkaServer::shared();
    let topic = "telemetry.manual";
    server.create_topic(topic, 1, &[]);
    let unsampled = format!("00-{}-{PARENT}-00", "5".repeat(32));
    let linked = format!("00-{}-{PARENT}-01", "6".repeat(32));
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    send_notes(server, topic, &[None, Some(unsampled), Some("not a traceparent".to_owned()), Some(sampled), Some(linked)]);
    let (address, spans) = collector();
    let home = Home::new(&settings(server, topic));
    let run = home.run_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))]);
    let trace = trace_of(&spans);
    let batch = &trace["batch"];
    assert_eq!(hex(&batch.parent_span_id), PARENT);
    assert_eq!(batch.links.iter().map(|link| hex(&link.trace_id)).collect::<Vec<_>>(), ["6".repeat(32)]);
    for stage in STAGES {
        let span = &trace[stage];
        assert_eq!(hex(&span.parent_span_id), hex(&batch.span_id), "{stage} belongs to the batch");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    run.terminate();
}
