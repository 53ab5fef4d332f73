//! GELF as Graylog's specification of version 1.1 and its senders write it.

use serde_json::json;

use super::*;
use crate::model::Severity;
use crate::model::observation::TraceId;

fn example() -> serde_json::Value {
    json!({"version": "1.1", "host": "example.org", "short_message": "A short message that helps you identify what is going on",
        "full_message": "Backtrace here\n\nmore stuff", "timestamp": 1385053862.3072, "level": 1,
        "_user_id": 9001, "_some_info": "foo", "_some_env_var": "bar"})
}

#[test]
fn the_specifications_example_is_read() {
    let batch = decode_json(Source::Logs, &example());
    let (line, format) = only_line(&batch);
    assert_eq!((format, line.severity), ("gelf", Severity::Critical));
    assert_eq!(line.timestamp, Timestamp::parse("2013-11-21T17:11:02.307200Z").unwrap());
    assert_eq!((text(&batch, line.host), text(&batch, line.entity.service)), ("example.org", "unknown"));
    let details = line.text.as_ref().unwrap();
    assert_eq!(details.message, "A short message that helps you identify what is going on");
    assert_eq!((details.stack.as_deref(), details.version.as_deref()), (Some("Backtrace here\nmore stuff"), None));
}

#[test]
fn fields_of_ones_own_are_found_behind_their_underscore() {
    let mut value = example();
    for (key, field) in [
        ("_service", json!("cart")),
        ("_environment", json!("production")),
        ("_trace_id", json!("5b8efff798038103d269b633813fc60c")),
        ("_version", json!("1.4.2")),
        ("_message", json!("not this")),
        ("_timestamp", json!("not this")),
    ] {
        value[key] = field;
    }
    let batch = decode_json(Source::Logs, &value);
    let (line, _) = only_line(&batch);
    assert_eq!((text(&batch, line.entity.service), text(&batch, line.entity.environment)), ("cart", "production"));
    assert_eq!(line.trace, TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c));
    assert_eq!(line.text.as_ref().unwrap().version.as_deref(), Some("1.4.2"));
    assert!(message(line).starts_with("A short message"));
}

#[test]
fn dockers_driver_names_a_container_and_levels_count_as_syslog_does() {
    let of = |level: serde_json::Value| {
        let value = json!({"version": "1.1", "host": "node-3", "short_message": "cart is empty", "timestamp": 1795442530.214,
            "level": level, "_container_name": "/shop_cart_1", "_image_name": "shop/cart:7", "_tag": "0123456789ab"});
        decode_json(Source::Logs, &value)
    };
    let batch = of(json!(3));
    let (line, _) = only_line(&batch);
    assert_eq!(text(&batch, line.entity.service), "shop_cart_1");
    assert_eq!((line.severity, line.timestamp), (Severity::High, Timestamp::from_millis(1_795_442_530_214)));
    for (level, severity) in [
        (json!(4), Severity::Medium),
        (json!(6), Severity::Info),
        (json!("3"), Severity::High),
        (json!(3.0), Severity::High),
        (json!(null), Severity::Info),
    ] {
        assert_eq!(only_line(&of(level)).0.severity, severity);
    }
}

#[test]
fn json_that_is_not_gelf_stays_json() {
    for value in [
        json!({"short_message": "x", "version": "1.1"}),
        json!({"short_message": "x", "host": "h"}),
        json!({"short_message": "x", "version": "2026.1", "host": "h"}),
        json!({"message": "x", "short_message": "y", "version": "1.1", "host": "h"}),
    ] {
        let batch = decode_json(Source::Logs, &value);
        assert_eq!(only_line(&batch).1, "json_logs", "{value}");
    }
}

#[test]
fn what_gelf_demands_and_is_missing_is_named() {
    for (value, words) in [
        (json!({"version": "1.1", "host": "h"}), "short_message is missing"),
        (json!({"version": "1.1", "short_message": "x"}), "host is missing"),
        (json!({"version": "1.1", "host": "h", "short_message": " "}), "short_message: is empty"),
        (json!({"version": "1.1", "host": "h", "short_message": {"a": 1}}), "short_message is missing"),
        (json!({"version": "1.1", "host": "h", "short_message": "x", "timestamp": "yesterday"}), "yesterday"),
        (json!({"version": "1.1", "host": "h", "short_message": "x", "timestamp": -1}), "unreadable time"),
    ] {
        let batch = decode_values(Source::Logs, "gelf", &[value.to_string().as_bytes()]);
        let (class, reason) = only_reason(&batch);
        assert!(class == RejectionClass::InvalidField && reason.contains(words), "{value}: {reason}");
    }
}

#[test]
fn messages_that_end_with_a_zero_byte_as_over_tcp_are_read_one_by_one() {
    let one = |n: u32| format!(r#"{{"version":"1.1","host":"h","short_message":"failed {n}","level":3}}"#);
    let batch = decode_text(&format!("{}\0", one(1)));
    assert_eq!(only_line(&batch).1, "gelf");
    let batch = decode_text(&format!("{}\0{{\"version\":\"1.1\",\"host\":\"h\"}}\0{}\0", one(1), one(3)));
    assert_eq!(batch.logs.iter().map(|line| (line.item, message(line))).collect::<Vec<_>>(), [(0, "failed 1"), (2, "failed 3")]);
    assert_eq!((batch.rejections[0].items.as_slice(), batch.record_formats[0]), ([1].as_slice(), "gelf"));
}
