//! Lines inside the wrappers of container runtimes and shippers.

use serde_json::json;

use super::*;
use crate::model::Severity;
use crate::model::observation::TraceId;

const TRACE: TraceId = TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c);

fn service_of(value: &serde_json::Value) -> String {
    let batch = decode_json(Source::Logs, value);
    text(&batch, only_line(&batch).0.entity.service).to_owned()
}

#[test]
fn dockers_json_file_is_read_without_its_line_feed() {
    let batch =
        decode_json(Source::Logs, &json!({"log": "ERROR no seats\r\n", "stream": "stderr", "time": "2026-11-23T14:02:10.214000000Z"}));
    let (line, format) = only_line(&batch);
    assert_eq!((format, line.severity, message(line)), ("json_logs", Severity::High, "ERROR no seats"));
    assert_eq!(line.timestamp, Timestamp::from_millis(1_795_442_530_214));
    let named = json!({"log": "x\n", "stream": "stdout", "time": "2026-11-23T14:02:10Z", "attrs": {"tag": "cart-1", "com.docker.compose.service": "cart"}});
    assert_eq!(service_of(&named), "cart");
}

#[test]
fn what_an_application_wrote_inside_counts_more_than_its_wrapper() {
    let json = r#"{"ts":"2026-11-23T14:02:09.5Z","level":"error","msg":"no seats","trace_id":"5b8efff798038103d269b633813fc60c","status_code":503}"#;
    let logfmt = r#"ts=2026-11-23T14:02:09.5Z level=error msg="no seats" trace_id=5b8efff798038103d269b633813fc60c status_code=503"#;
    for inner in [json.to_owned(), format!("{json}\n"), logfmt.to_owned(), json!({"log": json}).to_string()] {
        let wrapper =
            json!({"message": inner, "level": "info", "@timestamp": "2026-11-23T14:02:10Z", "kubernetes": {"container": {"name": "cart"}}});
        let batch = decode_json(Source::Logs, &wrapper);
        let (line, _) = only_line(&batch);
        assert_eq!((line.severity, line.trace, message(line)), (Severity::High, TRACE, "no seats"), "{inner}");
        assert_eq!(line.timestamp, Timestamp::from_millis(1_795_442_529_500), "{inner}");
        assert_eq!(text(&batch, line.entity.service), "cart", "{inner}");
        assert_eq!(line.text.as_ref().unwrap().http_status, Some(503), "{inner}");
    }
}

#[test]
fn what_the_inside_does_not_say_the_wrapper_does() {
    let wrapper = json!({"log": r#"{"msg":"no seats","time":"14 o'clock"}"#, "level": "error", "time": "2026-11-23T14:02:10Z", "trace_id": "5b8efff798038103d269b633813fc60c"});
    let batch = decode_json(Source::Logs, &wrapper);
    let (line, _) = only_line(&batch);
    assert_eq!((line.severity, line.trace, message(line)), (Severity::High, TRACE, "no seats"));
    assert_eq!(line.timestamp, Timestamp::from_seconds(1_795_442_530), "an unreadable time inside is no reason to refuse it");
}

#[test]
fn a_message_that_only_looks_like_json_or_logfmt_stays_a_message() {
    for said in ["{not json}", "{\"a\":1}", "{}", "{\"msg\":\"cut", "retry=3 of=5", "{\"msg\":\"a\"} and {\"msg\":\"b\"}"] {
        let batch = decode_json(Source::Logs, &json!({"message": said, "level": "error"}));
        assert_eq!(message(only_line(&batch).0), said);
    }
}

#[test]
fn wrappers_deeper_than_three_are_read_no_further() {
    let mut value = json!({"msg": "innermost", "level": "error"});
    for _ in 0..50 {
        value = json!({"msg": value.to_string().chars().take(60_000).collect::<String>(), "level": "error"});
        if value.to_string().len() > 30_000 {
            break;
        }
    }
    let batch = decode_json(Source::Logs, &value);
    assert!(message(only_line(&batch).0).starts_with("{\""), "the rest is the message as it stands");
}

#[test]
fn a_service_is_the_workload_that_kubernetes_metadata_name() {
    let pod = "cart-7d9f8b6c5d-x2x4z";
    for (what, metadata, service) in [
        (
            "the recommended label",
            json!({"labels": {"app.kubernetes.io/name": "cart", "app": "other"}, "pod_name": pod, "container_name": "main"}),
            "cart",
        ),
        ("the same with its dots replaced", json!({"labels": {"app_kubernetes_io/name": "cart", "k8s-app": "other"}}), "cart"),
        ("app", json!({"labels": {"k8s-app": "other", "app": "cart"}, "container_name": "main"}), "cart"),
        ("k8s-app", json!({"labels": {"k8s-app": "cart"}, "pod_name": "x-0", "container_name": "main"}), "cart"),
        ("Vector's labels", json!({"pod_labels": {"app": "cart"}, "pod_name": pod}), "cart"),
        ("the deployment", json!({"deployment": {"name": "cart"}, "pod": {"name": pod}, "container": {"name": "main"}}), "cart"),
        ("the deployment's name in the pod's", json!({"pod_name": pod, "container_name": "main", "namespace_name": "shop"}), "cart"),
        ("a stateful set", json!({"pod": {"name": "cart-0"}, "container": {"name": "main"}}), "cart"),
        ("the container where the pod's name says nothing", json!({"pod_name": "cart", "container_name": "main"}), "main"),
        ("nothing", json!({"namespace_name": "shop"}), "unknown"),
    ] {
        assert_eq!(service_of(&json!({"log": "x\n", "kubernetes": metadata})), service, "{what}");
    }
    let own = json!({"log": r#"{"msg":"x","service":"seat"}"#, "kubernetes": {"labels": {"app": "cart"}}});
    assert_eq!(service_of(&own), "seat", "an application knows its own name");
    let outer = json!({"log": r#"{"msg":"x","app":"seat"}"#, "service": {"name": "cart"}});
    assert_eq!(service_of(&outer), "cart", "but the more telling name counts");
}

#[test]
fn a_pod_is_the_host_and_its_flat_names_read_the_same() {
    let nested = json!({"log": "ERROR x", "kubernetes": {"pod_name": "cart-7d9f8b6c5d-x2x4z", "host": "node-3"}});
    let flat = json!({"log": "ERROR x", "kubernetes.pod_name": "cart-7d9f8b6c5d-x2x4z", "kubernetes.host": "node-3"});
    for value in [nested, flat] {
        let batch = decode_json(Source::Logs, &value);
        let (line, _) = only_line(&batch);
        assert_eq!((text(&batch, line.host), text(&batch, line.entity.service)), ("cart-7d9f8b6c5d-x2x4z", "cart"));
    }
}

#[test]
fn times_of_shippers_are_read_in_every_spelling() {
    for time in [
        json!(1795442530.214),
        json!("1795442530.214000"),
        json!(1_795_442_530_214_i64),
        json!(1_795_442_530_214_000_i64),
        json!(1_795_442_530_214_000_000_i64),
        json!(1795442530214.0),
        json!("2026-11-23T14:02:10.214Z"),
        json!("2026-11-23T15:02:10.214+01:00[Europe/Berlin]"),
        json!("2026-11-23 14:02:10.214 UTC"),
        json!("2026-11-23T14:02:10.214000000+00:00"),
    ] {
        for key in ["@timestamp", "date", "time", "timestamp"] {
            let batch = decode_json(Source::Logs, &json!({"log": "x", key: time}));
            assert_eq!(only_line(&batch).0.timestamp, Timestamp::from_millis(1_795_442_530_214), "{key} {time}");
        }
    }
    for time in [json!("NaN"), json!(0), json!(-5), json!(1e300), json!("99999999999999999999"), json!(18_000_000_000_000_000_000_u64)] {
        let batch = decode_json(Source::Logs, &json!({"log": "x", "time": time}));
        assert!(batch.logs.is_empty() && only_reason(&batch).1.contains("unreadable time"), "{time}");
    }
    let exact = json!({"log": "x", "time": 1_795_442_530_214_000_001_i64});
    assert_eq!(
        only_line(&decode_json(Source::Logs, &exact)).0.timestamp.nanos(),
        1_795_442_530_214_000_001,
        "more digits than a float holds"
    );
    let nginx = json!({"time_local": "23/Nov/2026:14:02:10 +0000", "request": "GET / HTTP/1.1", "status": "200"});
    assert_eq!(only_line(&decode_json(Source::Logs, &nginx)).0.timestamp, Timestamp::from_seconds(1_795_442_530));
}

#[test]
fn lines_of_a_runtimes_file_are_read_and_parts_put_together() {
    let batch = decode_text("2026-11-23T14:02:10.214000000Z stderr F ERROR no seats");
    let (line, format) = only_line(&batch);
    assert_eq!((format, line.severity, message(line)), ("cri", Severity::High, "ERROR no seats"));
    assert_eq!(line.timestamp, Timestamp::from_millis(1_795_442_530_214));

    let parts = "2026-11-23T14:02:10Z stderr P ERROR no \n2026-11-23T14:02:10.1Z stderr F seats\n2026-11-23T15:02:11+01:00 stdout F:x level=error msg=\"two\" service=cart\n2026-11-23T14:02:12Z stdout F \n";
    let batch = decode_text(parts);
    assert_eq!(batch.logs.iter().map(message).collect::<Vec<_>>(), ["ERROR no seats", "two"]);
    assert_eq!(text(&batch, batch.logs[1].entity.service), "cart");
    assert_eq!(batch.logs[1].timestamp, Timestamp::from_seconds(1_795_442_531));
    assert_eq!(batch.rejections[0].items, [2]);
    assert!(batch.rejections[0].reason.contains("no message"), "{:?}", batch.rejections);

    let batch = decode_text("2026-11-23T14:02:10Z stderr F {\"level\":\"error\",\"msg\":\"no seats\",\"ts\":1795442529.5}");
    assert_eq!((message(only_line(&batch).0), only_line(&batch).0.timestamp), ("no seats", Timestamp::from_millis(1_795_442_529_500)));
    let batch = decode_values(Source::Logs, "cri", &[b"hello"]);
    assert!(only_reason(&batch).1.contains("time stream tag"), "{:?}", batch.rejections);
}
