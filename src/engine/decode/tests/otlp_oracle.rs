//! OTLP in protobuf and JSON against opentelemetry-proto, which encodes what we decode.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, MetricsData, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event as SpanEvent;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::model::observation::PointKind;

fn text_value(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// Numbers are quarters: their JSON text is exact, so that both encodings give the same bits.
fn values() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        ".{0,12}".prop_map(Value::StringValue),
        any::<bool>().prop_map(Value::BoolValue),
        any::<i64>().prop_map(Value::IntValue),
        any::<i32>().prop_map(|quarters| Value::DoubleValue(f64::from(quarters) / 4.0)),
    ]
    .prop_map(|value| AnyValue { value: Some(value) });
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|values| AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) }),
            prop::collection::vec(("[a-z]{1,5}", inner), 0..3).prop_map(|pairs| {
                let values = pairs.into_iter().map(|(key, value)| pair(&key, value)).collect();
                AnyValue { value: Some(Value::KvlistValue(KeyValueList { values })) }
            }),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let keys = prop::sample::select(vec![
        "service.name",
        "host.name",
        "deployment.environment",
        "service.version",
        "peer.service",
        "db.system",
        "http.response.status_code",
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "colour",
        "shape",
    ]);
    prop::collection::vec((keys, values()).prop_map(|(key, value)| pair(key, value)), 0..5)
}

fn resources() -> impl Strategy<Value = Option<Resource>> {
    prop::option::of(attributes().prop_map(|attributes| Resource { attributes, ..Resource::default() }))
}

/// Ids of the right length, too short, absent, or zero.
fn ids(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => prop::collection::vec(any::<u8>(), length), 1 => Just(vec![]), 1 => Just(vec![1, 2, 3]), 1 => Just(vec![0; length])]
}

fn nanos() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1_700_000_000_000_000_000_u64..1_800_000_000_000_000_000, 1 => Just(0), 1 => Just(u64::MAX)]
}

fn spans() -> impl Strategy<Value = Span> {
    let event = (prop::sample::select(vec!["exception", "other"]), attributes()).prop_map(|(name, attributes)| SpanEvent {
        name: name.to_owned(),
        attributes,
        ..SpanEvent::default()
    });
    let status = prop::option::of((0..3, ".{0,8}").prop_map(|(code, message)| Status { code, message }));
    ((ids(16), ids(8), ids(8), ".{0,10}", 0..7), (nanos(), -5_i64..5_000_000_000), attributes(), prop::collection::vec(event, 0..2), status)
        .prop_map(|((trace_id, span_id, parent_span_id, name, kind), (start, length), attributes, events, status)| Span {
            trace_id,
            span_id,
            parent_span_id,
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: start.saturating_add_signed(length),
            attributes,
            events,
            status,
            ..Span::default()
        })
}

fn log_records() -> impl Strategy<Value = LogRecord> {
    let body = prop::option::of(prop_oneof![values(), "[A-Za-z0-9 =:]{0,60}".prop_map(|text| text_value(&text))]);
    ((nanos(), nanos(), 0..26), prop::sample::select(vec!["", "WARN", "error", "?"]), body, attributes(), (ids(16), ids(8), "[a-z.]{0,5}"))
        .prop_map(
            |(
                (time_unix_nano, observed_time_unix_nano, severity_number),
                severity_text,
                body,
                attributes,
                (trace_id, span_id, event_name),
            )| LogRecord {
                time_unix_nano,
                observed_time_unix_nano,
                severity_number,
                severity_text: severity_text.to_owned(),
                body,
                attributes,
                trace_id,
                span_id,
                event_name,
                ..LogRecord::default()
            },
        )
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![8 => any::<i32>().prop_map(|quarters| f64::from(quarters) / 4.0), 1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY])]
}

fn number_points() -> impl Strategy<Value = Vec<NumberDataPoint>> {
    let value = prop::option::of(prop_oneof![
        floats().prop_map(number_data_point::Value::AsDouble),
        (-1_000_000_i64..1_000_000).prop_map(number_data_point::Value::AsInt)
    ]);
    let point = (nanos(), value, attributes(), 0_u32..4).prop_map(|(time_unix_nano, value, attributes, flags)| NumberDataPoint {
        time_unix_nano,
        value,
        attributes,
        flags: flags / 3,
        ..NumberDataPoint::default()
    });
    prop::collection::vec(point, 0..4)
}

fn metrics() -> impl Strategy<Value = Metric> {
    let distribution = || prop::collection::vec((nanos(), 0_u64..5, prop::option::of(floats()), attributes()), 0..3);
    let data = prop_oneof![
        number_points().prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (number_points(), 0..3, any::<bool>()).prop_map(|(data_points, aggregation_temporality, is_monotonic)| Data::Sum(Sum {
            data_points,
            aggregation_temporality,
            is_monotonic
        })),
        distribution().prop_map(|points| {
            let point = |(time_unix_nano, count, sum, attributes)| HistogramDataPoint {
                time_unix_nano,
                count,
                sum,
                attributes,
                ..Default::default()
            };
            Data::Histogram(Histogram { data_points: points.into_iter().map(point).collect(), aggregation_temporality: 1 })
        }),
        distribution().prop_map(|points| {
            let point = |(time_unix_nano, count, sum, attributes)| ExponentialHistogramDataPoint {
                time_unix_nano,
                count,
                sum,
                attributes,
                ..Default::default()
            };
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: points.into_iter().map(point).collect(),
                aggregation_temporality: 2,
            })
        }),
        distribution().prop_map(|points| {
            let point = |(time_unix_nano, count, sum, attributes): (u64, u64, Option<f64>, Vec<KeyValue>)| SummaryDataPoint {
                time_unix_nano,
                count,
                sum: sum.filter(|sum| sum.is_finite()).unwrap_or(1.0),
                attributes,
                ..Default::default()
            };
            Data::Summary(Summary { data_points: points.into_iter().map(point).collect() })
        }),
    ];
    ("[a-z.]{0,8}", prop::sample::select(vec!["", "ms"]), prop::option::of(data)).prop_map(|(name, unit, data)| Metric {
        name,
        unit: unit.to_owned(),
        data,
        ..Metric::default()
    })
}

fn traces_data() -> impl Strategy<Value = TracesData> {
    let block =
        (resources(), prop::collection::vec(prop::collection::vec(spans(), 0..4), 0..3)).prop_map(|(resource, scopes)| ResourceSpans {
            resource,
            scope_spans: scopes.into_iter().map(|spans| ScopeSpans { spans, ..ScopeSpans::default() }).collect(),
            ..ResourceSpans::default()
        });
    prop::collection::vec(block, 0..3).prop_map(|resource_spans| TracesData { resource_spans })
}

fn logs_data() -> impl Strategy<Value = LogsData> {
    let block = (resources(), prop::collection::vec(prop::collection::vec(log_records(), 0..4), 0..3)).prop_map(|(resource, scopes)| {
        ResourceLogs {
            resource,
            scope_logs: scopes.into_iter().map(|log_records| ScopeLogs { log_records, ..ScopeLogs::default() }).collect(),
            ..ResourceLogs::default()
        }
    });
    prop::collection::vec(block, 0..3).prop_map(|resource_logs| LogsData { resource_logs })
}

fn metrics_data() -> impl Strategy<Value = MetricsData> {
    let block =
        (resources(), prop::collection::vec(prop::collection::vec(metrics(), 0..4), 0..3)).prop_map(|(resource, scopes)| ResourceMetrics {
            resource,
            scope_metrics: scopes.into_iter().map(|metrics| ScopeMetrics { metrics, ..ScopeMetrics::default() }).collect(),
            ..ResourceMetrics::default()
        });
    prop::collection::vec(block, 0..3).prop_map(|resource_metrics| MetricsData { resource_metrics })
}

/// Both encodings of one request, which must say the same; returns the protobuf's batch.
fn decode_both(source: Source, proto: &[u8], json: &[u8]) -> ObservationBatch {
    let ours = decode_values(source, "otlp_proto", &[proto]);
    let theirs = decode_values(source, "otlp_json", &[json]);
    assert_eq!((&ours.logs, &ours.points, &ours.spans), (&theirs.logs, &theirs.points, &theirs.spans));
    assert_eq!(ours.definitions, theirs.definitions);
    let bad = |batch: &ObservationBatch| batch.rejections.iter().map(|rejection| rejection.items.clone()).collect::<Vec<_>>();
    if ours.counts[0].records_decoded == 1 {
        assert_eq!((ours.counts[0], bad(&ours)), (theirs.counts[0], bad(&theirs)));
    }
    ours
}

fn items_of(batch: &ObservationBatch) -> u64 {
    batch.counts[0].items_decoded + batch.counts[0].items_rejected
}

fn is_time(nanos: u64) -> bool {
    nanos > 0 && nanos <= i64::MAX as u64
}

fn is_id(id: &[u8], length: usize) -> bool {
    id.len() == length && id.iter().any(|byte| *byte > 0)
}

proptest! {
    #![proptest_config(seeded(200))]

    #[test]
    fn every_span_in_is_a_span_out_or_a_named_refusal(data in traces_data()) {
        let all: Vec<Span> = data.resource_spans.iter().flat_map(|block| &block.scope_spans).flat_map(|scope| scope.spans.clone()).collect();
        let batch = decode_both(Source::Traces, &data.encode_to_vec(), &serde_json::to_vec(&data).unwrap());
        prop_assert_eq!(items_of(&batch), all.len() as u64);
        let good: Vec<(u32, &Span)> = all.iter().enumerate().map(|(item, span)| (item as u32, span)).filter(|(_, span)| {
            is_id(&span.trace_id, 16) && is_id(&span.span_id, 8) && is_time(span.start_time_unix_nano) && is_time(span.end_time_unix_nano)
                && span.start_time_unix_nano <= span.end_time_unix_nano
        }).collect();
        prop_assert_eq!(batch.spans.len(), good.len());
        for (ours, (item, theirs)) in batch.spans.iter().zip(good) {
            prop_assert_eq!(ours.item, item);
            prop_assert_eq!(ours.trace.0.to_be_bytes().to_vec(), theirs.trace_id.clone());
            prop_assert_eq!(ours.span.0.to_be_bytes().to_vec(), theirs.span_id.clone());
            prop_assert_eq!(ours.end.nanos() as u64, theirs.end_time_unix_nano);
            prop_assert_eq!(text(&batch, ours.operation), if theirs.name.is_empty() { "unnamed" } else { theirs.name.as_str() });
        }
    }

    #[test]
    fn every_log_record_in_is_a_line_out_or_a_named_refusal(data in logs_data()) {
        let all: Vec<LogRecord> = data.resource_logs.iter().flat_map(|block| &block.scope_logs).flat_map(|scope| scope.log_records.clone()).collect();
        let batch = decode_both(Source::Logs, &data.encode_to_vec(), &serde_json::to_vec(&data).unwrap());
        prop_assert_eq!(items_of(&batch), all.len() as u64);
        for line in &batch.logs {
            let record = &all[line.item as usize];
            let nanos = if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
            prop_assert_eq!(line.timestamp, if nanos == 0 { KAFKA_TIME } else { Timestamp::from_nanos(nanos as i64) });
            if let Some(AnyValue { value: Some(Value::StringValue(body)) }) = &record.body {
                prop_assert_eq!(text(&batch, line.template), template::template(body));
            }
        }
    }

    #[test]
    fn every_metric_point_in_is_a_point_out_or_a_named_refusal(data in metrics_data()) {
        let all: Vec<Metric> = data.resource_metrics.iter().flat_map(|block| &block.scope_metrics).flat_map(|scope| scope.metrics.clone()).collect();
        let points = |metric: &Metric| match &metric.data {
            None => 0,
            Some(Data::Gauge(data)) => data.data_points.len(),
            Some(Data::Sum(data)) => data.data_points.len(),
            Some(Data::Histogram(data)) => data.data_points.len(),
            Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
            Some(Data::Summary(data)) => data.data_points.len(),
        };
        // A metric without a point is one bad item.
        let expected: usize = all.iter().map(|metric| points(metric).max(1)).sum();
        let proto = decode_values(Source::Metrics, "otlp_proto", &[&data.encode_to_vec()]);
        prop_assert_eq!(items_of(&proto), expected as u64);
        // JSON has no number for NaN and the infinities; where they occur only the counts are compared.
        let json = decode_values(Source::Metrics, "otlp_json", &[&serde_json::to_vec(&data).unwrap()]);
        prop_assert_eq!(items_of(&json), expected as u64);
        let text = serde_json::to_string(&data).unwrap();
        if !text.contains("null") {
            prop_assert_eq!((&proto.points, &proto.definitions), (&json.points, &json.definitions));
        }
    }

    #[test]
    fn damaged_requests_give_a_value(data in traces_data(), logs in logs_data(), metrics in metrics_data(), at in any::<prop::sample::Index>(), bits in 1_u8..) {
        for (source, mut bytes) in [(Source::Traces, data.encode_to_vec()), (Source::Logs, logs.encode_to_vec()), (Source::Metrics, metrics.encode_to_vec())] {
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
            decode_values(source, "auto", &[&bytes]);
            decode_values(source, "auto", &[&bytes[..at]]);
        }
    }
}

fn one_metric(data: Data) -> MetricsData {
    let metric = Metric { name: "queue.length".to_owned(), unit: "1".to_owned(), data: Some(data), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    MetricsData { resource_metrics: vec![ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }] }
}

fn number(value: f64, flags: u32) -> NumberDataPoint {
    NumberDataPoint { time_unix_nano: 1, value: Some(number_data_point::Value::AsDouble(value)), flags, ..NumberDataPoint::default() }
}

#[test]
fn sums_are_judged_by_rate_or_level_as_they_can_fall_or_not() {
    for (temporality, monotonic, kind) in
        [(1, true, PointKind::DeltaSum), (1, false, PointKind::DeltaSum), (2, true, PointKind::CumulativeSum), (2, false, PointKind::Gauge)]
    {
        let sum = Sum { data_points: vec![number(3.0, 0)], aggregation_temporality: temporality, is_monotonic: monotonic };
        let batch = decode_values(Source::Metrics, "auto", &[&one_metric(Data::Sum(sum)).encode_to_vec()]);
        assert_eq!((batch.points[0].kind, batch.points[0].value), (kind, 3.0));
    }
}

#[test]
fn what_measured_nothing_is_counted_and_what_is_no_number_is_refused() {
    let gauge = Gauge { data_points: vec![number(0.0, 1), number(f64::NAN, 0), number(f64::INFINITY, 0), number(2.0, 0)] };
    let batch = decode_values(Source::Metrics, "auto", &[&one_metric(Data::Gauge(gauge)).encode_to_vec()]);
    assert_eq!(
        batch.points.iter().map(|point| (point.item, point.kind)).collect::<Vec<_>>(),
        [(0, PointKind::Empty), (3, PointKind::Gauge)]
    );
    assert_eq!(batch.rejections[0].items, [1, 2]);
    assert!(batch.rejections[0].reason.contains("2 of 4 items"), "{}", batch.rejections[0].reason);
    let point = |count, sum| HistogramDataPoint { time_unix_nano: 1, count, sum, ..HistogramDataPoint::default() };
    let histogram = Histogram { data_points: vec![point(4, Some(10.0)), point(0, Some(0.0)), point(4, None)], aggregation_temporality: 1 };
    let batch = decode_values(Source::Metrics, "auto", &[&one_metric(Data::Histogram(histogram)).encode_to_vec()]);
    let kinds: Vec<_> = batch.points.iter().map(|point| (point.kind, point.value)).collect();
    assert_eq!(kinds, [(PointKind::HistogramMean, 2.5), (PointKind::Empty, 0.0), (PointKind::Empty, 0.0)]);
}

#[test]
fn metrics_without_data_and_empty_requests_are_never_silent() {
    let nothing = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"queue.length"}]}]}]}"#;
    let batch = decode_values(Source::Metrics, "auto", &[nothing]);
    assert_eq!(batch.rejections[0].items, [0]);
    assert!(batch.rejections[0].reason.contains("\"queue.length\" without data"), "{}", batch.rejections[0].reason);
    let cases: [(Source, &[u8], RejectionClass); 4] = [
        (Source::Traces, br#"{"hello":"world"}"#, RejectionClass::UnknownFormat),
        (Source::Traces, br#"{"resourceSpans":[]}"#, RejectionClass::NoItems),
        (Source::Traces, br#"{"resourceSpans":[{"scopeSpans":[{"spans":[]}]}]}"#, RejectionClass::NoItems),
        (Source::Logs, &[0x0a, 0x00], RejectionClass::NoItems),
    ];
    for (source, value, class) in cases {
        assert_eq!(only_reason(&decode_values(source, "auto", &[value])).0, class);
    }
}

#[test]
fn a_resource_behind_its_spans_still_counts() {
    let span = Span { trace_id: vec![1; 16], span_id: vec![1; 8], start_time_unix_nano: 1, end_time_unix_nano: 2, ..Span::default() };
    let scopes = ResourceSpans { scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }], ..ResourceSpans::default() };
    let resource = Resource { attributes: vec![pair("service.name", text_value("cart"))], ..Resource::default() };
    let mut block = scopes.encode_to_vec();
    block.extend(ResourceSpans { resource: Some(resource), ..ResourceSpans::default() }.encode_to_vec());
    let mut request = vec![0x0a];
    prost::encoding::encode_varint(block.len() as u64, &mut request);
    request.extend(block);
    let batch = decode_values(Source::Traces, "auto", &[&request]);
    assert_eq!(text(&batch, batch.spans[0].entity.service), "cart");
}

#[test]
fn two_hosts_of_a_metric_are_two_series_and_the_order_of_attributes_is_none() {
    let request = |host: &str, attributes: Vec<KeyValue>| {
        let point = NumberDataPoint { attributes, ..number(1.0, 0) };
        let mut data = one_metric(Data::Gauge(Gauge { data_points: vec![point] }));
        data.resource_metrics[0].resource = Some(Resource { attributes: vec![pair("host.name", text_value(host))], ..Resource::default() });
        decode_values(Source::Metrics, "auto", &[&data.encode_to_vec()]).points[0].series
    };
    let (a, b) = (pair("a", text_value("1")), pair("b", text_value("2")));
    let series = request("x", vec![a.clone(), b.clone()]);
    assert_eq!(series, request("x", vec![b.clone(), a.clone()]));
    assert_ne!(series, request("y", vec![a.clone(), b]));
    assert_ne!(series, request("x", vec![a]));
}
