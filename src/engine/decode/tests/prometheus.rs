//! Prometheus's samples: remote write by an encoder of its own from the published message definitions, and the adapter's JSON.

use proptest::prelude::*;
use prost::Message;
use serde_json::json;

use super::*;
use crate::model::observation::{PointKind, RequestCount};

const AT_MS: i64 = 1_795_442_530_214;

#[derive(Clone, PartialEq, Message)]
struct PbLabel {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct PbSample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct PbExemplar {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<PbLabel>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct PbHistogram {
    #[prost(uint64, tag = "1")]
    count_int: u64,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct PbSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<PbLabel>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<PbSample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<PbExemplar>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<PbHistogram>,
}

#[derive(Clone, PartialEq, Message)]
struct PbMetadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    family: String,
}

#[derive(Clone, PartialEq, Message)]
struct PbRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<PbSeries>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<PbMetadata>,
}

fn label(name: &str, value: &str) -> PbLabel {
    PbLabel { name: name.to_owned(), value: value.to_owned() }
}

fn series(name: &str, labels: &[(&str, &str)], values: &[f64]) -> PbSeries {
    let mut all = vec![label("__name__", name), label("job", "shop/cart"), label("instance", "cart-1:8080"), label("env", "prod")];
    all.extend(labels.iter().map(|(name, value)| label(name, value)));
    let samples = values.iter().map(|&value| PbSample { value, timestamp: AT_MS }).collect();
    PbSeries { labels: all, samples, ..PbSeries::default() }
}

fn compressed(timeseries: Vec<PbSeries>) -> Vec<u8> {
    let request = PbRequest { timeseries, metadata: vec![] };
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
}

fn write(timeseries: Vec<PbSeries>) -> ObservationBatch {
    let batch = decode_values(Source::Metrics, "auto", &[&compressed(timeseries)]);
    assert_eq!(batch.record_formats, ["prometheus_remote_write"]);
    batch
}

#[test]
fn a_request_tells_service_host_environment_kind_and_unit_of_each_series() {
    let batch = write(vec![
        series("process_resident_memory_bytes", &[], &[5e8]),
        series("http_requests_total", &[("code", "200")], &[7.0]),
        series("rpc_seconds", &[("quantile", "0.99")], &[0.25]),
    ]);
    let told: Vec<(&str, f64, PointKind, &str)> =
        batch.points.iter().map(|point| (text(&batch, point.metric), point.value, point.kind, text(&batch, point.unit))).collect();
    assert_eq!(
        told,
        [
            ("process_resident_memory_bytes", 5e8, PointKind::Gauge, "By"),
            ("http_requests_total", 7.0, PointKind::CumulativeSum, ""),
            ("rpc_seconds", 0.25, PointKind::Gauge, "s"),
        ]
    );
    for point in &batch.points {
        assert_eq!(point.timestamp.nanos(), AT_MS * 1_000_000);
        assert_eq!([point.entity.service, point.entity.environment, point.host].map(|name| text(&batch, name)), ["cart", "prod", "cart-1"]);
    }
}

#[test]
fn count_and_sum_of_request_durations_say_requests_and_their_time_and_buckets_are_only_counted() {
    let name = |part: &str| format!("http_server_request_duration_seconds{part}");
    let batch = write(vec![
        series(&name("_bucket"), &[("le", "0.1"), ("http_response_status_code", "503")], &[3.0]),
        series(&name("_count"), &[("http_response_status_code", "503")], &[10.0]),
        series(&name("_sum"), &[("http_response_status_code", "503")], &[2.5]),
        series(&name("_count"), &[("http_response_status_code", "200")], &[90.0]),
    ]);
    let kinds: Vec<PointKind> = batch.points.iter().map(|point| point.kind).collect();
    assert_eq!(kinds, [PointKind::Empty, PointKind::CumulativeSum, PointKind::CumulativeSum, PointKind::CumulativeSum]);
    let requests: Vec<Option<RequestCount>> = batch.points.iter().map(|point| point.requests.as_deref().copied()).collect();
    let count = |requests, duration_ns, failed| Some(RequestCount { requests, duration_ns, failed, cumulative: true, callee: None });
    assert_eq!(requests, [None, count(10, 0, true), count(0, 2_500_000_000, true), count(90, 0, false)]);
    assert_eq!(batch.points[1].series, batch.points[2].series);
    assert_ne!(batch.points[1].series, batch.points[3].series);
}

#[test]
fn habits_of_client_libraries_are_known() {
    let requests = |name: &str, labels: &[(&str, &str)]| write(vec![series(name, labels, &[4.0])]).points[0].requests.as_deref().copied();
    let failed = |name: &str, labels: &[(&str, &str)]| requests(name, labels).map(|count| count.failed);
    assert_eq!(failed("http_request_duration_seconds_count", &[("code", "502")]), Some(true));
    assert_eq!(failed("http_server_requests_seconds_count", &[("status", "404")]), Some(false));
    assert_eq!(
        failed(
            "traces_span_metrics_duration_milliseconds_count",
            &[("span_kind", "SPAN_KIND_SERVER"), ("status_code", "STATUS_CODE_ERROR")]
        ),
        Some(true)
    );
    assert_eq!(failed("traces_span_metrics_duration_milliseconds_count", &[("span_kind", "SPAN_KIND_CLIENT")]), None);
    assert_eq!(failed("db_client_operation_duration_seconds_count", &[]), None);
}

#[test]
fn calls_that_a_service_graph_counts_are_the_callers() {
    let batch = write(vec![series("traces_service_graph_request_failed_total", &[("client", "web"), ("server", "pay")], &[3.0])]);
    let point = &batch.points[0];
    let count = point.requests.as_deref().unwrap();
    assert_eq!((text(&batch, point.entity.service), count.requests, count.failed), ("web", 3, true));
    assert_eq!(text(&batch, count.callee.unwrap().service), "pay");
}

#[test]
fn what_a_node_says_of_containers_is_theirs() {
    let labels = [("container", "payment"), ("pod", "payment-7f-x2"), ("service", "kubelet")];
    let batch = write(vec![series("container_memory_working_set_bytes", &labels, &[1.0]), series("up", &labels, &[1.0])]);
    let of = |index: usize| [batch.points[index].entity.service, batch.points[index].host].map(|name| text(&batch, name));
    assert_eq!((of(0), of(1)), (["payment", "payment-7f-x2"], ["kubelet", "payment-7f-x2"]));
}

#[test]
fn a_staleness_marker_measured_nothing_and_other_nans_are_bad_items() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let batch = write(vec![
        series("up", &[], &[stale, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0]),
        series("rpc_seconds", &[("quantile", "0.5")], &[f64::NAN]),
    ]);
    let kinds: Vec<(u32, PointKind)> = batch.points.iter().map(|point| (point.item, point.kind)).collect();
    assert_eq!(kinds, [(0, PointKind::Empty), (4, PointKind::Gauge), (5, PointKind::Empty)]);
    assert_eq!(batch.rejections[0].items, [1, 2, 3]);
    assert!(only_reason(&batch).1.contains(r#"value of "up" is NaN"#), "{:?}", batch.rejections);
}

#[test]
fn a_native_histogram_is_the_mean_of_what_it_counted() {
    let histogram = |count_int, sum, timestamp| PbSeries {
        histograms: vec![PbHistogram { count_int, sum, schema: 3, timestamp }],
        ..series("http_server_request_duration_seconds", &[], &[])
    };
    let batch = write(vec![histogram(4, 1.0, AT_MS), histogram(0, 0.0, AT_MS), histogram(4, f64::from_bits(0x7ff0_0000_0000_0002), AT_MS)]);
    let kinds: Vec<(f64, PointKind)> = batch.points.iter().map(|point| (point.value, point.kind)).collect();
    assert_eq!(kinds, [(0.25, PointKind::HistogramMean), (0.0, PointKind::Empty), (0.0, PointKind::Empty)]);
    assert_eq!(batch.points[0].requests.as_deref().unwrap().duration_ns, 1_000_000_000);
}

#[test]
fn exemplars_are_counted_and_a_series_of_nothing_is_a_bad_item() {
    let example = PbExemplar { labels: vec![label("trace_id", "1")], value: 0.3, timestamp: AT_MS };
    let batch = write(vec![
        PbSeries { exemplars: vec![example], ..series("rpc_seconds_bucket", &[("le", "1")], &[]) },
        series("up", &[], &[]),
        PbSeries { labels: vec![label("job", "cart")], ..series("x", &[], &[1.0]) },
        series("up", &[], &[1.0]),
        PbSeries { samples: vec![PbSample { value: 1.0, timestamp: 0 }], ..series("up", &[], &[]) },
        PbSeries { samples: vec![PbSample { value: 1.0, timestamp: i64::MAX }], ..series("up", &[], &[]) },
    ]);
    assert_eq!((batch.points[0].kind, batch.points.len()), (PointKind::Empty, 2));
    assert_eq!(batch.rejections[0].items, [1, 2, 4, 5]);
    assert!(only_reason(&batch).1.contains("without a sample"), "{:?}", batch.rejections);
}

#[test]
fn a_request_that_is_not_compressed_is_no_otlp_request() {
    let request = PbRequest { timeseries: vec![series("up", &[], &[1.0])], metadata: vec![] };
    let batch = decode_values(Source::Metrics, "auto", &[&request.encode_to_vec()]);
    assert_eq!((batch.record_formats[0], batch.points.len()), ("prometheus_remote_write", 1));
}

#[test]
fn metadata_alone_is_refused_by_what_it_is() {
    let request = PbRequest { timeseries: vec![], metadata: vec![PbMetadata { kind: 1, family: "up".to_owned() }] };
    let value = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap();
    let batch = decode_values(Source::Metrics, "auto", &[&value]);
    assert_eq!(only_reason(&batch), (RejectionClass::NoItems, "metadata of 1 metrics without a sample"));
}

#[test]
fn version_2_of_remote_write_is_refused_by_name() {
    // The first symbol is the empty text; then a label name.
    let content = b"\x22\x00\x22\x08__name__\x22\x02up\x2a\x02\x0a\x00";
    let value = snap::raw::Encoder::new().compress_vec(content).unwrap();
    let batch = decode_values(Source::Metrics, "auto", &[&value]);
    assert!(only_reason(&batch).1.contains("remote write 2.0"), "{:?}", batch.rejections);
}

#[test]
fn a_block_that_would_grow_beyond_the_limit_is_refused_before_it_does() {
    let bomb = snap::raw::Encoder::new().compress_vec(&[b"\x0a".as_slice(), &vec![0; 20_000_000]].concat()).unwrap();
    assert!(bomb.len() < 2_000_000);
    let batch = decode_values(Source::Metrics, "prometheus_remote_write", &[&bomb]);
    assert_eq!(only_reason(&batch).0, RejectionClass::TooLarge);
    assert!(only_reason(&batch).1.contains("20000001 bytes once decompressed"), "{:?}", batch.rejections);
}

#[test]
fn headers_of_remote_write_need_no_other_sign() {
    let value = compressed(vec![series("up", &[], &[1.0])]);
    let headers: &[(&str, Option<&[u8]>)] = &[("Content-Type", Some(b"application/x-protobuf")), ("Content-Encoding", Some(b"snappy"))];
    let batch = decode_value(DecodeOptions::default(), Source::Metrics, Some(&value), headers, KAFKA_TIME);
    assert_eq!((batch.record_formats[0], batch.points.len()), ("prometheus_remote_write", 1));
}

#[test]
fn every_truncation_of_a_request_is_refused() {
    let value = compressed(vec![series("up", &[], &[1.0]), series("up", &[("a", "b")], &[1.0])]);
    for end in 1..value.len() {
        for format in ["auto", "prometheus_remote_write"] {
            let batch = decode_values(Source::Metrics, format, &[&value[..end]]);
            assert_eq!((batch.items(), batch.rejections.len()), (0, 1), "{format} cut at {end}");
        }
    }
}

fn adapter(value: serde_json::Value) -> serde_json::Value {
    json!({
        "labels": { "__name__": "http_requests_total", "instance": "cart-1:8080", "job": "cart", "environment": "prod" },
        "name": "http_requests_total",
        "timestamp": "2026-11-23T14:02:10Z",
        "value": value,
    })
}

#[test]
fn a_sample_of_the_kafka_adapter_is_a_point() {
    for value in [json!("1027.5"), json!(1027.5)] {
        let batch = decode_json(Source::Metrics, &adapter(value));
        assert_eq!((batch.record_formats[0], batch.rejections.len()), ("prometheus_json", 0));
        let point = &batch.points[0];
        assert_eq!((point.value, point.kind, point.timestamp), (1027.5, PointKind::CumulativeSum, Timestamp::from_seconds(1_795_442_530)));
        let texts = [point.metric, point.entity.service, point.entity.environment, point.host].map(|name| text(&batch, name));
        assert_eq!(texts, ["http_requests_total", "cart", "prod", "cart-1"]);
    }
}

#[test]
fn both_ways_of_sending_a_series_name_the_same_series() {
    let batch = decode_json(Source::Metrics, &adapter(json!("1")));
    let labels = [("instance", "cart-1:8080"), ("job", "cart"), ("environment", "prod")];
    let labels = labels.iter().map(|(name, value)| label(name, value)).chain([label("__name__", "http_requests_total")]).collect();
    let written = write(vec![PbSeries { labels, ..series("", &[], &[1.0]) }]);
    assert_eq!((batch.points[0].series, batch.points[0].metric), (written.points[0].series, written.points[0].metric));
}

#[test]
fn what_a_sample_lacks_is_named() {
    let with = |key: &str, value: serde_json::Value| {
        let mut sample = adapter(json!("1"));
        sample[key] = value;
        sample
    };
    for (sample, named) in [
        (with("value", json!("+Inf")), "is inf"),
        (with("value", json!("-Inf")), "is -inf"),
        (with("value", json!(null)), "value is missing"),
        (with("value", json!("many")), "value is no number but a text"),
        (with("value", json!([1])), "value is no number but a list"),
        (with("timestamp", json!("soon")), r#"timestamp "soon""#),
        (with("timestamp", json!(0)), "timestamp"),
        (json!({ "labels": {}, "value": "1", "timestamp": "2026-11-23T14:02:10Z" }), "name is missing"),
        (with("labels", json!([])), "not JSON of this shape"),
    ] {
        let batch = decode_json(Source::Metrics, &json!([sample, adapter(json!("1"))]));
        assert_eq!((batch.points.len(), batch.rejections[0].items.as_slice()), (1, [0].as_slice()), "{sample}");
        assert!(only_reason(&batch).1.contains(named), "{sample}: {:?}", batch.rejections);
    }
    let mut nameless = adapter(json!("1"));
    nameless.as_object_mut().unwrap().remove("name");
    assert_eq!(decode_json(Source::Metrics, &nameless).points.len(), 1, "the label says it too");
}

/// The adapter writes numbers with Go's `strconv.FormatFloat`, which gives every NaN the same three letters.
#[test]
fn a_nan_of_the_adapter_may_be_a_staleness_marker_and_measured_nothing() {
    for value in ["NaN", "nan"] {
        let batch = decode_json(Source::Metrics, &adapter(json!(value)));
        let kinds: Vec<PointKind> = batch.points.iter().map(|point| point.kind).collect();
        assert_eq!((kinds.as_slice(), batch.rejections.len()), ([PointKind::Empty].as_slice(), 0), "{value}");
    }
}

proptest! {
    #![proptest_config(seeded(200))]

    #[test]
    fn what_is_written_is_read(
        values in prop::collection::vec((any::<f64>().prop_filter("finite", |value| value.is_finite()), 1_i64..9_000_000_000_000), 1..20),
        tag in "[a-z]{0,10}",
    ) {
        let samples = values.iter().map(|&(value, timestamp)| PbSample { value, timestamp }).collect();
        let batch = write(vec![PbSeries { samples, ..series("queue_length", &[("tag", &tag)], &[]) }]);
        let read: Vec<(f64, i64)> = batch.points.iter().map(|point| (point.value, point.timestamp.nanos())).collect();
        let written: Vec<(f64, i64)> = values.iter().map(|&(value, at)| (value, at * 1_000_000)).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn a_request_with_a_wrong_byte_gives_a_value(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let request = PbRequest { timeseries: vec![series("up", &[], &[1.0]); 3], metadata: vec![] }.encode_to_vec();
        for mut value in [compressed(vec![series("up", &[], &[1.0]); 3]), request] {
            let at = at.index(value.len());
            value[at] = byte;
            for format in ["auto", "prometheus_remote_write", "otlp_proto"] {
                decode_values(Source::Metrics, format, &[&value]);
            }
        }
    }
}
