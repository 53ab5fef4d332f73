//! Formats described in settings.

use super::*;
use crate::engine::decode::described::{self, FormatOptions};

fn options(text: &str, format: &str) -> DecodeOptions {
    let formats: BTreeMap<String, FormatOptions> = toml::from_str(text).unwrap();
    DecodeOptions { described: described::compile(&formats).unwrap(), format: format.to_owned(), ..DecodeOptions::default() }
}

fn problems(text: &str) -> Vec<(String, String)> {
    let formats: BTreeMap<String, FormatOptions> = toml::from_str(text).unwrap();
    described::compile(&formats).err().unwrap_or_default()
}

const ORDERS: &str = r#"
[orders]
source = "logs"
match = { "/kind" = "order.log", "/meta/app" = "*" }
items = "/lines"
[orders.fields]
message = "/text"
time = "/at"
severity = "/lvl"
service = "/meta/app"
environment = "production"
"#;

const RECORD: &str = r#"{"kind":"order.log","meta":{"app":"cart"},"lines":[
    {"text":"no seats left","at":1795442530,"lvl":"error"}, {"text":"fine","at":"2026-11-23T14:02:11Z","lvl":"info"}, {"at":1795442530}]}"#;

#[test]
fn log_lines_are_read_where_settings_say_they_stand() {
    let batch = decode_value(options(ORDERS, "auto"), Source::Logs, Some(RECORD.as_bytes()), &[], KAFKA_TIME);
    assert_eq!(batch.record_formats, ["orders"]);
    let shown: Vec<_> = shown::items(&batch).collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (&shown[0]["message"], &shown[0]["service"], &shown[0]["environment"]),
        (&"no seats left".into(), &"cart".into(), &"production".into())
    );
    assert_eq!((&shown[0]["severity"], &shown[0]["timestamp"]), (&"high".into(), &"2026-11-23T14:02:10.000Z".into()));
    let rejection = &batch.rejections[0];
    assert_eq!((rejection.items.as_slice(), rejection.format), ([2].as_slice(), "orders"));
    assert!(rejection.reason.contains("nothing at /text"), "{}", rejection.reason);
}

#[test]
fn auto_leaves_to_others_what_does_not_match() {
    for value in [r#"{"kind":"other","meta":{"app":"x"},"message":"m"}"#, r#"{"message":"order.log kind meta app"}"#, "plain text"] {
        let batch = decode_value(options(ORDERS, "auto"), Source::Logs, Some(value.as_bytes()), &[], KAFKA_TIME);
        assert_ne!(batch.record_formats, ["orders"], "{value}");
        assert_eq!(batch.logs.len(), 1, "{value}");
    }
    let batch = decode_value(options(ORDERS, "auto"), Source::Metrics, Some(RECORD.as_bytes()), &[], KAFKA_TIME);
    assert_ne!(batch.record_formats, ["orders"]);
}

#[test]
fn a_connector_that_names_the_format_is_told_which_pointer_does_not_fit() {
    let value = br#"{"kind":"invoice","meta":{"app":"x"}}"#;
    let batch = decode_value(options(ORDERS, "orders"), Source::Logs, Some(value), &[], KAFKA_TIME);
    let reason = &batch.rejections[0].reason;
    assert!(reason.contains("/kind") && reason.contains("invoice") && reason.contains("order.log"), "{reason}");
    let value = br#"{"kind":"order.log","meta":{"app":"x"},"lines":7}"#;
    let batch = decode_value(options(ORDERS, "orders"), Source::Logs, Some(value), &[], KAFKA_TIME);
    assert!(batch.rejections[0].reason.contains("a number at /lines"), "{}", batch.rejections[0].reason);
}

#[test]
fn metrics_are_read_where_settings_say_they_stand() {
    let text = r#"
[plant]
source = "metrics"
match = { "/sensor" = "*" }
[plant.fields]
name = "/sensor"
value = "/reading/v"
unit = "Cel"
time = "/reading/t"
service = "/line"
labels = "/tags"
"#;
    let record =
        |tag: &str| format!(r#"{{"sensor":"oven","line":"bakery","reading":{{"v":"181.5","t":1795442530123}},"tags":{{"zone":"{tag}"}}}}"#);
    let decode = |value: &str| decode_value(options(text, "auto"), Source::Metrics, Some(value.as_bytes()), &[], KAFKA_TIME);
    let (left, right) = (decode(&record("left")), decode(&record("right")));
    let shown = shown::items(&left).next().unwrap();
    assert_eq!(
        (&shown["metric"], &shown["value"], &shown["unit"], &shown["service"]),
        (&"oven".into(), &181.5.into(), &"Cel".into(), &"bakery".into())
    );
    assert_eq!(shown["timestamp"], "2026-11-23T14:02:10.123Z");
    assert_ne!(left.points[0].series, right.points[0].series);
    let bad = decode(r#"{"sensor":"oven","reading":{"v":"hot"}}"#);
    assert!(bad.rejections[0].reason.contains("/reading/v"), "{}", bad.rejections[0].reason);
}

#[test]
fn changes_are_read_where_settings_say_they_stand() {
    let text = r#"
[rollouts]
source = "ci"
match = { "/tool" = "roller", "/done" = true }
[rollouts.fields]
title = "/summary"
event_type = "deployment"
time = "/finished"
service = "/target/name"
environment = "/target/stage"
source_id = "/run"
sha = "/commit"
run_id = "/run"
"#;
    let value = r#"{"tool":"roller","done":true,"summary":"cart 17 is out","finished":"2026-11-23T14:02:10Z","run":17,
        "target":{"name":"cart","stage":"prod"},"commit":"0123456789012345678901234567890123456789"}"#;
    let batch = decode_value(options(text, "auto"), Source::Ci, Some(value.as_bytes()), &[], KAFKA_TIME);
    let event = &batch.events[0];
    assert_eq!((event.event_type.as_str(), event.title.as_str(), event.source), ("deployment", "cart 17 is out", Source::Ci));
    assert_eq!(
        (event.service.as_deref(), event.environment.as_deref(), event.source_id.as_deref()),
        (Some("cart"), Some("prod"), Some("17"))
    );
    assert_eq!((&event.data["sha"], &event.data["run_id"]), (&"0123456789012345678901234567890123456789".into(), &"17".into()));
    assert_eq!(event.provenance.as_ref().unwrap().format, "rollouts");
    let bad = value.replace("2026-11-23T14:02:10Z", "soon");
    let batch = decode_value(options(text, "auto"), Source::Ci, Some(bad.as_bytes()), &[], KAFKA_TIME);
    assert!(batch.rejections[0].reason.contains("/finished"), "{}", batch.rejections[0].reason);
}

#[test]
fn what_is_wrong_with_a_description_is_named_by_its_key() {
    for (text, key) in [
        ("[gelf]\nsource='logs'\nfields={message='/m'}", "gelf"),
        ("[x]\nsource='logs'\nfields={}", "x.fields.message"),
        ("[x]\nsource='logs'\nfields={message='/m',colour='/c'}", "x.fields.colour"),
        ("[x]\nsource='logs'\nmatch={'kind'='a'}\nfields={message='/m'}", "x.match.\"kind\""),
        ("[x]\nsource='logs'\nmatch={'/kind'=1.5}\nfields={message='/m'}", "x.match.\"/kind\""),
        ("[x]\nsource='logs'\nitems='lines'\nfields={message='/m'}", "x.items"),
        ("[x]\nsource='metrics'\nfields={name='/m'}", "x.fields.value"),
        ("[x]\nsource='traces'\nfields={}", "x.source"),
        ("['a b']\nsource='logs'\nfields={message='/m'}", "a b"),
    ] {
        let found = problems(text);
        assert!(found.iter().any(|(found, _)| found == key), "{key}: {found:?}");
    }
    let many: String = (0..=described::MAX_FORMATS).map(|n| format!("[f{n}]\nsource='logs'\nfields={{message='/m'}}\n")).collect();
    assert_eq!(problems(&many).len(), 1);
    assert!(toml::from_str::<BTreeMap<String, FormatOptions>>("[x]\nsource='logs'\nfeilds={}\nfields={}").is_err());
}
