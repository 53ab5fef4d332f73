//! Telegraf's metrics in Influx line protocol and in JSON.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::observation::PointKind;

/// Name, value, kind of each point.
fn told(batch: &ObservationBatch) -> Vec<(&str, f64, PointKind)> {
    batch.points.iter().map(|point| (text(batch, point.metric), point.value, point.kind)).collect()
}

fn lines(value: &str) -> ObservationBatch {
    decode_values(Source::Metrics, "auto", &[value.as_bytes()])
}

#[test]
fn each_field_of_a_line_is_a_point_with_host_environment_and_service() {
    let batch = lines("cpu,cpu=cpu-total,host=web-1,env=prod,service=shop usage_idle=91.5,usage_user=8.5 1795442530000000000\n");
    assert_eq!((batch.record_formats[0], batch.rejections.len()), ("influx_line", 0));
    assert_eq!(told(&batch), [("cpu_usage_idle", 91.5, PointKind::Gauge), ("cpu_usage_user", 8.5, PointKind::Gauge)]);
    let point = &batch.points[0];
    assert_eq!(point.timestamp, Timestamp::from_seconds(1_795_442_530));
    assert_eq!([point.host, point.entity.environment, point.entity.service].map(|name| text(&batch, name)), ["web-1", "prod", "shop"]);
}

#[test]
fn every_type_of_value_is_read_and_a_text_is_a_counted_bad_item() {
    let batch =
        lines(r#"m a=1i,b=18446744073709551615u,c=t,d=FALSE,e=-1.5e3,f="some \"words\", a=b",g=9223372036854775807i 1795442530000000000"#);
    let values: Vec<f64> = batch.points.iter().map(|point| point.value).collect();
    assert_eq!(values, [1.0, 18_446_744_073_709_551_615.0, 1.0, 0.0, -1500.0, 9_223_372_036_854_775_807.0]);
    assert_eq!(batch.rejections[0].items, [5]);
    let reason = only_reason(&batch).1;
    assert!(reason.contains(r#"field "f" of "m" is a text"#), "{reason}");
}

#[test]
fn a_value_that_is_none_is_named_and_its_neighbours_stay() {
    for bad in ["NaN", "inf", "1e999", "0x1f", "9223372036854775808i", "-1u", "", "yes", "1.2.3"] {
        let value = format!("cpu,host=a good=1 1795442530000000000\nm good=1,bad={bad},also=2 1795442530000000000");
        let batch = lines(&value);
        assert_eq!((batch.points.len(), batch.rejections[0].items.as_slice()), (3, [2].as_slice()), "{bad}: {:?}", batch.rejections);
        assert!(only_reason(&batch).1.contains(r#""bad" of "m""#), "{:?}", batch.rejections);
    }
}

#[test]
fn escapes_are_undone_in_names_and_a_text_may_hold_a_line_feed() {
    let batch = lines("my\\ disk\\,1,my\\=tag=a\\ b,host=ho\\ st free\\ space=1i,note=\"two\nlines\",path=2 1795442530000000000\ncpu a=3");
    let names: Vec<&str> = told(&batch).iter().map(|told| told.0).collect();
    assert_eq!(names, ["my disk,1_free space", "my disk,1_path", "cpu_a"]);
    assert_eq!(text(&batch, batch.points[0].host), "ho st");
    assert_eq!(batch.rejections[0].items, [1]);
}

#[test]
fn the_unit_of_a_timestamp_is_told_by_its_magnitude_and_without_one_kafka_says_it() {
    for (timestamp, nanos) in [
        ("1795442530123456789", 1_795_442_530_123_456_789),
        ("1795442530123456", 1_795_442_530_123_456_000),
        ("1795442530123", 1_795_442_530_123_000_000),
        ("1795442530", 1_795_442_530_000_000_000),
        ("9223372036854775807", i64::MAX),
        ("1", 1_000_000_000),
        ("", KAFKA_TIME.nanos()),
    ] {
        let batch = lines(&format!("cpu a=1 {timestamp}"));
        assert_eq!(batch.points[0].timestamp.nanos(), nanos, "{timestamp}");
    }
    for timestamp in ["0", "-1", "soon", "1.5", "9223372036854775808"] {
        let batch = lines(&format!("cpu a=1 {timestamp}"));
        assert_eq!(batch.points.len(), 0, "{timestamp}");
        assert!(
            only_reason(&batch).1.contains(&format!("timestamp {timestamp}")) || only_reason(&batch).1.contains(&format!("{timestamp:?}"))
        );
    }
}

#[test]
fn a_broken_line_is_named_by_its_byte_and_the_others_stay() {
    for broken in
        ["cpu", "cpu usage_idle", "cpu,host a=1", ",host=a b=1", "cpu =1", "cpu a=\"open", "cpu a=\"x\"y", "cpu a=1,", "cpu a=1,=2"]
    {
        let first = "# a comment\n\r\nmem,host=a used=1 1795442530000000000\r\n";
        let batch = lines(&format!("{first}{broken}\nmem,host=a used=2 1795442531000000000"));
        assert_eq!((batch.points.len(), batch.rejections[0].items.as_slice()), (2, [1].as_slice()), "{broken}: {:?}", batch.rejections);
        let reason = only_reason(&batch).1;
        let at: usize = reason.rsplit(' ').next().unwrap().parse().unwrap();
        assert!((first.len()..=first.len() + broken.len() + 1).contains(&at), "{broken}: {reason}");
    }
    let value = b"mem,host=a used=1\nmem,host=\xff used=1".to_vec();
    let batch = decode_values(Source::Metrics, "auto", &[&value]);
    assert!((batch.points.len(), only_reason(&batch).1.contains("not UTF-8 at byte 27")) == (1, true), "{:?}", batch.rejections);
}

#[test]
fn texts_that_only_look_like_lines_are_of_no_known_structure() {
    for value in [
        "hello world",
        "level=info msg=1",
        "ts=1 a=2",
        "up{job=\"cart\"} 1 1795442530000",
        "a.b.c 1 1795442530",
        "cpu a=b",
        "<xml a=\"1\"/>",
    ] {
        let batch = lines(value);
        assert_eq!(only_reason(&batch).0, RejectionClass::UnknownFormat, "{value}");
    }
}

#[test]
fn totals_of_usual_inputs_are_judged_by_their_rate() {
    let batch = lines(
        "net,interface=eth0 bytes_recv=5i,speed=1000i\ndiskio reads=1i,iops_in_progress=2i\nsystem load1=.5,uptime=7i,uptime_format=\" 0:00\"",
    );
    let totals: Vec<&str> = told(&batch).into_iter().filter(|told| told.2 == PointKind::CumulativeSum).map(|told| told.0).collect();
    assert_eq!(totals, ["net_bytes_recv", "diskio_reads", "system_uptime"]);
    let empty: Vec<&str> = told(&batch).into_iter().filter(|told| told.2 == PointKind::Empty).map(|told| told.0).collect();
    assert_eq!((empty, batch.rejections.len()), (vec!["system_uptime_format"], 0), "the default configuration makes no letters");
}

#[test]
fn fields_of_the_prometheus_input_go_by_prometheus_names() {
    let batch = lines(concat!(
        "prometheus,job=cart http_requests_total=7,process_open_fds=3\n",
        "http_server_request_duration_seconds,job=cart 0.5=4,+Inf=5,sum=1.5,count=5\n",
        "rpc_seconds,job=cart 0.5=0.1,0.99=0.4,sum=9,count=40\n",
        "jobs_total,job=cart counter=9\n",
        "queue_length,job=cart gauge=2",
    ));
    assert_eq!(
        told(&batch),
        [
            ("http_requests_total", 7.0, PointKind::CumulativeSum),
            ("process_open_fds", 3.0, PointKind::Gauge),
            ("http_server_request_duration_seconds", 0.0, PointKind::Empty),
            ("http_server_request_duration_seconds", 0.0, PointKind::Empty),
            ("http_server_request_duration_seconds_sum", 1.5, PointKind::CumulativeSum),
            ("http_server_request_duration_seconds_count", 5.0, PointKind::CumulativeSum),
            ("rpc_seconds", 0.1, PointKind::Gauge),
            ("rpc_seconds", 0.4, PointKind::Gauge),
            ("rpc_seconds_sum", 9.0, PointKind::CumulativeSum),
            ("rpc_seconds_count", 40.0, PointKind::CumulativeSum),
            ("jobs_total", 9.0, PointKind::CumulativeSum),
            ("queue_length", 2.0, PointKind::Gauge),
        ]
    );
    assert_ne!(batch.points[6].series, batch.points[7].series);
    assert!(batch.points[5].requests.is_some());
}

#[test]
fn json_single_batched_listed_and_line_by_line_say_the_same() {
    let metric =
        json!({ "fields": { "usage_idle": 91.5, "up": true }, "name": "cpu", "tags": { "host": "web-1" }, "timestamp": 1_795_442_530 });
    let single = metric.to_string();
    for (value, metrics) in [
        (single.clone(), 1),
        (json!({ "metrics": [metric, metric] }).to_string(), 2),
        (json!([metric, metric]).to_string(), 2),
        (format!("{single}\n{single}\n"), 2),
    ] {
        let batch = lines(&value);
        assert_eq!((batch.record_formats[0], batch.points.len(), batch.rejections.len()), ("telegraf_json", 2 * metrics, 0), "{value}");
        let told = told(&batch);
        assert!(told.contains(&("cpu_usage_idle", 91.5, PointKind::Gauge)) && told.contains(&("cpu_up", 1.0, PointKind::Gauge)));
        assert!(batch.points.iter().all(|point| point.timestamp == Timestamp::from_seconds(1_795_442_530)));
        assert_eq!(text(&batch, batch.points[0].host), "web-1");
    }
}

#[test]
fn json_times_are_read_in_any_unit() {
    for (timestamp, nanos) in [
        (json!(1_795_442_530), 1_795_442_530_000_000_000),
        (json!(1_795_442_530_123_u64), 1_795_442_530_123_000_000),
        (json!(1_795_442_530_123_456_u64), 1_795_442_530_123_456_000),
        (json!(1_795_442_530_123_456_789_u64), 1_795_442_530_123_456_789),
        (json!("2026-11-23T14:02:10Z"), 1_795_442_530_000_000_000),
        (json!(1_795_442_530.5), 1_795_442_530_500_000_000),
        (json!(null), KAFKA_TIME.nanos()),
    ] {
        let batch = decode_json(Source::Metrics, &json!({ "fields": { "a": 1 }, "name": "m", "tags": {}, "timestamp": timestamp }));
        assert_eq!(batch.points[0].timestamp.nanos(), nanos, "{timestamp}");
    }
}

#[test]
fn what_is_bad_in_a_batch_is_named_and_the_rest_stays() {
    let good = json!({ "fields": { "a": 1 }, "name": "m", "tags": {}, "timestamp": 1_795_442_530 });
    let with = |key: &str, value: serde_json::Value| {
        let mut metric = good.clone();
        metric[key] = value;
        metric
    };
    for (bad, named) in [
        (with("name", json!("")), "name is missing"),
        (with("fields", json!({})), "without fields"),
        (with("fields", json!({ "a": "words" })), r#"field "a" of "m" is a text"#),
        (with("fields", json!({ "a": null })), "is null"),
        (with("fields", json!({ "a": [1] })), "a list or an object"),
        (with("fields", json!(7)), "not JSON of this shape"),
        (with("timestamp", json!("soon")), r#"timestamp "soon""#),
        (with("timestamp", json!(0)), "timestamp"),
        (json!([]), "not JSON of this shape"),
    ] {
        let batch = decode_json(Source::Metrics, &json!({ "metrics": [good, bad, good] }));
        assert_eq!((batch.points.len(), batch.rejections[0].items.as_slice()), (2, [1].as_slice()), "{bad}: {:?}", batch.rejections);
        assert!(only_reason(&batch).1.contains(named), "{bad}: {:?}", batch.rejections);
    }
    assert_eq!(only_reason(&decode_json(Source::Metrics, &json!({ "metrics": [] }))).0, RejectionClass::NoItems);
}

#[test]
fn every_truncation_of_a_line_is_counted() {
    let value = "cpu,host=web-1 a=1i,b=\"x\",c=2.5 1795442530000000000\ncpu,host=web-2 a=3i 1795442531000000000\n";
    for end in 1..value.len() {
        let batch = lines(&value[..end]);
        assert!(
            batch.points.len() + batch.rejections.iter().map(|rejection| rejection.items.len().max(1)).sum::<usize>() >= 1,
            "cut at {end}"
        );
    }
}

fn escaped(name: &str) -> String {
    name.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
}

proptest! {
    #![proptest_config(seeded(300))]

    #[test]
    fn what_is_written_as_a_line_is_read(
        measurement in "[a-z#][a-z ,=\"é]{0,8}[a-z]", host in "[a-z][a-z ,=\"é]{0,8}[a-z]",
        fields in prop::collection::vec(("[a-z][a-z ,=é\"]{0,6}[a-z]", -1e15_f64..1e15), 1..5), time in 200_000_000_000_000_000_i64..,
    ) {
        prop_assume!(!measurement.starts_with('#') && !["prometheus", "system"].contains(&measurement.as_str()));
        let written: Vec<String> = fields.iter().map(|(key, value)| format!("{}={value}", escaped(key))).collect();
        let line = format!("{},host={} {} {time}\n", escaped(&measurement), escaped(&host), written.join(","));
        let batch = decode_values(Source::Metrics, "influx_line", &[line.as_bytes()]);
        prop_assert_eq!(batch.points.len(), fields.len(), "{:?}", batch.rejections);
        for (point, (key, value)) in batch.points.iter().zip(&fields) {
            prop_assert_eq!(point.value, *value);
            prop_assert_eq!(point.timestamp.nanos(), time);
            prop_assert_eq!(text(&batch, point.host), host.as_str());
            let name = text(&batch, point.metric);
            prop_assert!(name == format!("{measurement}_{key}") || name == measurement, "{}", name);
        }
    }

    #[test]
    fn any_signs_of_the_protocol_give_a_value(value in r#"[a1,= "\\\n#it.-]{0,60}"#) {
        for format in ["auto", "influx_line"] {
            decode_values(Source::Metrics, format, &[value.as_bytes()]);
        }
    }
}
