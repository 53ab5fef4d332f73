//! Any bytes on any source in any format give a value whose books balance.

use proptest::prelude::*;

use super::*;

fn sources() -> impl Strategy<Value = Source> {
    prop::sample::select(Source::ALL.to_vec())
}

fn formats() -> impl Strategy<Value = &'static str> {
    let named: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    prop::sample::select([named.as_slice(), &["auto", "auto", "no such format"]].concat())
}

/// JSON with the keys and shapes that the formats look for, in the wrong places too.
pub(super) fn known_json() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "message",
        "msg",
        "log",
        "level",
        "@timestamp",
        "time",
        "service",
        "name",
        "trace",
        "id",
        "error",
        "fields",
        "labels",
        "kubernetes",
        "host",
        "resourceLogs",
        "resourceSpans",
        "resourceMetrics",
        "resource",
        "attributes",
        "scopeLogs",
        "scopeSpans",
        "scopeMetrics",
        "logRecords",
        "spans",
        "metrics",
        "gauge",
        "sum",
        "histogram",
        "dataPoints",
        "asDouble",
        "asInt",
        "count",
        "key",
        "value",
        "stringValue",
        "intValue",
        "kvlistValue",
        "values",
        "traceId",
        "spanId",
        "startTimeUnixNano",
        "endTimeUnixNano",
        "timeUnixNano",
        "body",
        "repository",
        "ref",
        "commits",
        "deployment",
        "deployment_status",
        "workflow_run",
        "action",
        "created_at",
        "state",
        "title",
        "type",
        "data",
        "diff",
        "tags",
        "severity",
        "fields",
        "timestamp",
        "data",
        "processes",
        "process",
        "processID",
        "serviceName",
        "traceID",
        "spanID",
        "operationName",
        "references",
        "startTime",
        "duration",
        "vType",
        "vBool",
        "parentId",
        "localEndpoint",
        "shared",
        "kind",
        "__name__",
        "object_kind",
        "object_attributes",
        "project",
        "context",
        "subject",
        "content",
        "specversion",
        "source",
        "data_base64",
        "alerts",
        "receiver",
        "alertname",
        "startsAt",
        "items",
        "object",
        "involvedObject",
        "reason",
        "producer",
        "phase",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_filter("JSON", |value| value.is_finite()).prop_map(|value| format!("{value:e}")),
        Just("\"NaN\"".to_owned()),
        Just("1795442530214000000".to_owned()),
        Just("\"5b8efff798038103d269b633813fc60c\"".to_owned()),
        Just("\"eee19b7ec3c1b174\"".to_owned()),
        ".{0,20}".prop_map(|text| serde_json::Value::String(text).to_string()),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((prop::sample::select(KEYS.to_vec()), inner), 0..6).prop_map(|pairs| format!(
                "{{{}}}",
                pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect::<Vec<_>>().join(",")
            )),
        ]
    })
}

proptest! {
    #![proptest_config(seeded(400))]

    #[test]
    fn any_bytes_give_a_value(source in sources(), format in formats(), values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4)) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        decode_values(source, format, &values);
    }

    #[test]
    fn any_json_of_known_keys_gives_a_value(source in sources(), format in formats(), value in known_json()) {
        decode_values(source, format, &[value.as_bytes()]);
    }

    #[test]
    fn any_message_gives_a_template_that_never_grows(message in ".{0,400}") {
        let template = template::template(&message);
        prop_assert!(template.len() <= message.len() && template.chars().count() <= 160);
        prop_assert!(template.split(' ').count() <= 8);
        template::find_ids(&message);
    }

    #[test]
    fn any_headers_give_a_value(source in sources(), name in ".{0,20}", header in prop::collection::vec(any::<u8>(), 0..20), value in known_json()) {
        for name in [name.as_str(), "content-type", "X-GitHub-Event", "X-Gitlab-Event", "ce_type"] {
            let batch = decode_value(DecodeOptions::default(), source, Some(value.as_bytes()), &[(name, Some(&header)), ("empty", None)], KAFKA_TIME);
            assert_books(&batch);
        }
    }
}

#[test]
fn a_record_of_more_items_than_allowed_is_refused_whole_and_keeps_none() {
    let options = DecodeOptions { max_record_items: 3, ..DecodeOptions::default() };
    let decode = |source, value: &[u8]| decode_value(options.clone(), source, Some(value), &[], KAFKA_TIME);
    let scopes = |items: usize| {
        let records = b"\x12\x05\x2a\x03\x0a\x01a".repeat(items);
        [&[0x0a, records.len() as u8 + 2, 0x12, records.len() as u8], records.as_slice()].concat()
    };
    for (source, good, bad) in [
        (Source::Logs, scopes(3), scopes(4)),
        (Source::Metrics, b"m a=1,b=2,c=3 1795442530".to_vec(), b"m a=1,b=2,c=3,d=4 1795442530".to_vec()),
        (Source::Logs, b"{\"message\":\"a\"}\n".repeat(3), b"{\"message\":\"a\"}\n".repeat(4)),
    ] {
        let kept = decode(source, &good);
        assert_books(&kept);
        assert_eq!((kept.items(), kept.rejections.len()), (3, 0), "{:?}", kept.rejections);
        let refused = decode(source, &bad);
        assert_books(&refused);
        assert_eq!(refused.items(), 0);
        assert_eq!(only_reason(&refused), (RejectionClass::TooLarge, "4 items, more than max_record_items = 3"));
    }
}

#[test]
fn deep_nesting_is_refused_not_crashed_on() {
    let deep = format!("{{\"message\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for source in [Source::Metrics, Source::Traces, Source::Git, Source::Ci, Source::Manual] {
        let batch = decode_values(source, "auto", &[deep.as_bytes()]);
        assert_eq!((batch.items(), batch.rejections.len()), (0, 1));
    }
    let batch = decode_values(Source::Logs, "auto", &[deep.as_bytes()]);
    assert_eq!(batch.items() + batch.rejections.len(), 1);
    let mut any = vec![];
    for _ in 0..2_000 {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(any.len() as u64, &mut outer);
        outer.extend_from_slice(&any);
        any = outer;
    }
    for source in [Source::Logs, Source::Metrics, Source::Traces] {
        decode_values(source, "otlp_proto", &[&any]);
    }
}
