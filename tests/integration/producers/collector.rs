//! The OpenTelemetry Collector with its Kafka exporter, in each encoding it has.

use std::io::Write;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use whydunit::model::{Source, Timestamp};
use whydunit::simulator::{self, OutRecord, Shop};

use super::agent::{Agent, installed, until};
use super::{PATIENCE, Reader, Topic, wait_for};
use crate::support::kafka::KafkaServer;
use crate::support::ports::Port;

const TOPICS: [Topic; 10] = [
    Topic { name: "logs-proto", source: "logs" },
    Topic { name: "logs-json", source: "logs" },
    Topic { name: "logs-raw", source: "logs" },
    Topic { name: "metrics-proto", source: "metrics" },
    Topic { name: "metrics-json", source: "metrics" },
    Topic { name: "traces-proto", source: "traces" },
    Topic { name: "traces-json", source: "traces" },
    Topic { name: "traces-jaeger", source: "traces" },
    Topic { name: "traces-jaeger-json", source: "traces" },
    Topic { name: "traces-zipkin", source: "traces" },
];
const LINES: usize = 500;

/// A Kafka exporter: its name, its compression, and each signal with its encoding.
type Exporter = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const EXPORTERS: [Exporter; 5] = [
    ("proto", "gzip", &[("logs", "otlp_proto"), ("metrics", "otlp_proto"), ("traces", "otlp_proto")]),
    ("json", "zstd", &[("logs", "otlp_json"), ("metrics", "otlp_json"), ("traces", "otlp_json")]),
    ("jaeger", "none", &[("traces", "jaeger_proto")]),
    ("jaeger-json", "none", &[("traces", "jaeger_json")]),
    ("zipkin", "lz4", &[("traces", "zipkin_json")]),
];

fn configuration(brokers: &str, port: u16, file: &str) -> String {
    let mut text = format!(
        "receivers:\n  otlp:\n    protocols:\n      http:\n        endpoint: 127.0.0.1:{port}\n  filelog:\n    include: [{file}]\n    start_at: beginning\n\
         \x20   poll_interval: 100ms\nexporters:\n"
    );
    for (name, compression, signals) in EXPORTERS {
        text += &format!("  kafka/{name}:\n    brokers: [\"{brokers}\"]\n    producer:\n      compression: {compression}\n");
        for (signal, encoding) in signals {
            text += &format!("    {signal}:\n      topic: {signal}-{name}\n      encoding: {encoding}\n");
        }
    }
    text += &format!("  kafka/raw:\n    brokers: [\"{brokers}\"]\n    logs:\n      topic: logs-raw\n      encoding: raw\n");
    text += "service:\n  telemetry:\n    metrics:\n      level: none\n  pipelines:\n";
    text += "    logs:\n      receivers: [otlp]\n      exporters: [kafka/proto, kafka/json]\n";
    text += "    logs/files:\n      receivers: [filelog]\n      exporters: [kafka/raw]\n";
    text += "    metrics:\n      receivers: [otlp]\n      exporters: [kafka/proto, kafka/json]\n";
    text +=
        "    traces:\n      receivers: [otlp]\n      exporters: [kafka/proto, kafka/json, kafka/jaeger, kafka/jaeger-json, kafka/zipkin]\n";
    text
}

/// Items that were given to the collector.
#[derive(Debug, Default)]
struct Given {
    lines: u64,
    points: u64,
    spans: u64,
}

#[test]
#[ignore = "needs the producers of tests/support/install.sh producers"]
fn what_a_collector_exports_in_any_encoding_is_read_item_by_item() {
    let server = KafkaServer::shared();
    let reader = Reader::start(server, &TOPICS);
    let folder = tempfile::tempdir().unwrap();
    let (port, file) = (Port::reserve(), folder.path().join("cart.log"));
    let path = folder.path().join("collector.yaml");
    std::fs::write(&path, configuration(&server.brokers(), port.number(), file.to_str().unwrap())).unwrap();
    let collector = Agent::start(&format!("'{}' --config '{}'", installed("collector/otelcol").display(), path.display()));
    let url = format!("http://127.0.0.1:{}", port.number());
    until("the collector listens", PATIENCE, || {
        ureq::get(&url).call().is_ok() || ureq::get(&url).call().is_err_and(|error| matches!(error, ureq::Error::StatusCode(_)))
    });

    let mut lines = std::fs::File::create(&file).unwrap();
    for n in 0..LINES {
        writeln!(lines, "2026-11-23 14:02:{:02},{:03} ERROR [worker-1] com.shop.Cart - no stock of item {n}", n / 10 % 60, n).unwrap();
    }
    let given = give_shop_to(&url);
    wait_for(server, "logs-raw", LINES as u64);
    collector.end();

    let raw = reader.account(server, "logs-raw");
    raw.assert_all_understood(&["text"]);
    assert_eq!(raw.items, LINES as u64);
    for (topic, format, items) in [
        ("logs-proto", "otlp_proto", given.lines),
        ("logs-json", "otlp_json", given.lines),
        ("metrics-proto", "otlp_proto", given.points),
        ("metrics-json", "otlp_json", given.points),
        ("traces-proto", "otlp_proto", given.spans),
        ("traces-json", "otlp_json", given.spans),
        ("traces-jaeger", "jaeger_proto", given.spans),
        ("traces-jaeger-json", "jaeger_json", given.spans),
        ("traces-zipkin", "zipkin_json", given.spans),
    ] {
        let account = reader.account(server, topic);
        account.assert_all_understood(&[format]);
        assert_eq!(account.items, items, "{topic}");
    }
    reader.verify();
}

/// Two minutes of the shop, as its services would send them.
fn give_shop_to(url: &str) -> Given {
    let start = Timestamp::from_seconds(1_763_388_000);
    let mut shop = Shop::new(simulator::Options { history_s: 120, fault_age_s: 60, rate: 4.0, ..Default::default() }, start).unwrap();
    let mut given = Given::default();
    for record in shop.step(start.plus_seconds(120)) {
        let path = match (record.source, items(&record)) {
            (Source::Logs, Some(lines)) => {
                given.lines += lines;
                "logs"
            }
            (Source::Metrics, Some(points)) => {
                given.points += points;
                "metrics"
            }
            (Source::Traces, Some(spans)) => {
                given.spans += spans;
                "traces"
            }
            _ => continue,
        };
        let answer = ureq::post(format!("{url}/v1/{path}")).header("content-type", "application/x-protobuf").send(&record.value[..]);
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert!(given.lines > 0 && given.points > 0 && given.spans > 0, "{given:?}");
    given
}

/// Items of an OTLP record; `None` for one in another format.
fn items(record: &OutRecord) -> Option<u64> {
    let value = record.value.as_slice();
    if value.first() == Some(&b'{') {
        return None;
    }
    let items: usize = match record.source {
        Source::Logs => {
            let request = ExportLogsServiceRequest::decode(value).ok()?;
            request.resource_logs.iter().flat_map(|resource| &resource.scope_logs).map(|scope| scope.log_records.len()).sum()
        }
        Source::Traces => {
            let request = ExportTraceServiceRequest::decode(value).ok()?;
            request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len()).sum()
        }
        Source::Metrics => {
            let request = ExportMetricsServiceRequest::decode(value).ok()?;
            let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
            scopes.flat_map(|scope| &scope.metrics).map(|metric| metric.data.as_ref().map_or(0, points)).sum()
        }
        _ => return None,
    };
    Some(items as u64)
}

fn points(data: &Data) -> usize {
    match data {
        Data::Gauge(data) => data.data_points.len(),
        Data::Sum(data) => data.data_points.len(),
        Data::Histogram(data) => data.data_points.len(),
        Data::ExponentialHistogram(data) => data.data_points.len(),
        Data::Summary(data) => data.data_points.len(),
    }
}
