//! What looks like another format, and whole records that are cut, bent or nested.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn format_of(source: Source, value: &Value) -> &'static str {
    let batch = decode_json(source, value);
    batch.record_formats[0]
}

/// One good record of each format.
fn good() -> Vec<(&'static str, Value)> {
    let repository = json!({"name": "cart", "full_name": "shop/cart"});
    vec![
        (
            "github",
            json!({"action": "created", "repository": repository, "release": {"id": 1, "tag_name": "v1", "created_at": "2026-11-23T14:00:00Z"}}),
        ),
        (
            "gitlab",
            json!({"object_kind": "release", "tag": "v1", "action": "create", "created_at": "2026-11-23 14:00:00 UTC", "project": {"name": "cart"}}),
        ),
        ("cdevents", json!({"context": {"id": "1", "source": "s", "type": "dev.cdevents.build.queued.0.2.0"}, "subject": {"id": "b"}})),
        ("cloudevents", json!({"specversion": "1.0", "id": "1", "source": "s", "type": "x.y", "data": {"a": 1}})),
        ("argocd", json!({"producer": "argocd", "app": "cart", "phase": "Running", "started_at": "2026-11-23T14:00:00Z"})),
        (
            "kubernetes",
            json!({"kind": "Event", "apiVersion": "v1", "reason": "BackOff", "involvedObject": {"kind": "Pod", "name": "cart-0"}}),
        ),
        (
            "alertmanager",
            json!({"receiver": "w", "alerts": [{"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2026-11-23T14:00:00Z"}]}),
        ),
        ("manual", json!({"title": "paged", "type": "note"})),
    ]
}

#[test]
fn each_format_is_told_by_its_shape_and_by_its_name() {
    for (format, value) in good() {
        for source in [Source::Git, Source::Ci, Source::Manual] {
            let batch = decode_json(source, &value);
            assert_eq!((batch.record_formats.as_slice(), batch.events.len()), ([format].as_slice(), 1), "{:?}", batch.rejections);
        }
        let named = decode_values(Source::Ci, format, &[value.to_string().as_bytes()]);
        assert_eq!((named.record_formats.as_slice(), named.events.len()), ([format].as_slice(), 1), "{:?}", named.rejections);
    }
}

#[test]
fn our_own_event_stays_ours_whatever_its_keys() {
    for body in [
        json!({"title": "x", "type": "ADDED", "object": "pool"}),
        json!({"title": "x", "type": "alert", "alerts": [1], "labels": {"a": "b"}}),
        json!({"title": "x", "source": "me", "type": "deploy"}),
        json!({"title": "x", "kind": "Event", "reason": "because", "app": "cart"}),
        json!({"title": "x", "context": {"type": "mine"}, "subject": {"id": 1}}),
        json!({"title": "x", "object_kind": "push"}),
        json!({"title": "x", "repository": "shop/cart", "ref": "main"}),
        json!({"title": "x", "items": [], "kind": "List of things"}),
    ] {
        let batch = decode_json(Source::Manual, &body);
        assert_eq!((batch.record_formats[0], batch.events.len()), ("manual", 1), "{body}: {:?}", batch.rejections);
    }
}

#[test]
fn log_lines_with_the_same_keys_stay_log_lines() {
    for (_, mut value) in good() {
        value["message"] = json!("a line");
        assert_eq!(format_of(Source::Logs, &value), "json_logs");
    }
}

#[test]
fn a_list_of_many_formats_is_read_one_by_one() {
    let all: Vec<Value> = good().into_iter().map(|(_, value)| value).chain([json!("no object"), json!([[]])]).collect();
    let batch = decode_json(Source::Ci, &Value::Array(all));
    assert_eq!((batch.events.len(), batch.rejections[0].items.as_slice()), (8, [8, 9].as_slice()));
    let formats: Vec<String> = batch.events.iter().map(|event| event.provenance.as_ref().unwrap().format.clone()).collect();
    assert_eq!(formats, good().iter().map(|(format, _)| *format).collect::<Vec<_>>());
}

#[test]
fn a_record_cut_anywhere_is_refused_and_never_half_read() {
    for (format, value) in good() {
        let whole = value.to_string();
        for end in 1..whole.len() {
            let batch = decode_values(Source::Ci, "auto", &[&whole.as_bytes()[..end]]);
            assert_eq!((batch.events.len(), batch.rejections.len()), (0, 1), "{format} cut at {end}");
        }
        let mut bent = whole.into_bytes();
        let middle = bent.len() / 2;
        bent[middle] = 0xff;
        assert_eq!(decode_values(Source::Ci, "auto", &[&bent]).items(), 0);
    }
}

#[test]
fn a_webhook_sent_twice_is_one_event() {
    for (format, value) in good().into_iter().filter(|(format, _)| *format != "manual" && *format != "kubernetes") {
        let value = value.to_string();
        let batch = decode_values(Source::Ci, "auto", &[value.as_bytes(), value.as_bytes()]);
        assert_eq!(batch.events[0].id, batch.events[1].id, "{format}");
    }
}

#[test]
fn times_at_the_ends_of_the_clock_are_read_or_named() {
    let at = |text: &str| decode_json(Source::Ci, &json!({"producer": "argocd", "app": "cart", "phase": "Running", "started_at": text}));
    assert_eq!(at("1970-01-01T00:00:00Z").events[0].timestamp, Timestamp::from_seconds(0));
    assert_eq!(at("2262-04-11T23:47:16Z").events.len(), 1);
    assert!(only_reason(&at("2262-04-12T00:00:00Z")).1.contains("started_at"));
    assert!(only_reason(&at("NaN")).1.contains("started_at"));
}

/// Any value in the place of any part of a good record.
fn bent() -> impl Strategy<Value = Value> {
    let odd = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!(-1)),
        Just(json!("NaN")),
        Just(json!("0001-01-01T00:00:00Z")),
        Just(json!([[["x"]]])),
        ".{0,12}".prop_map(Value::String),
    ];
    (prop::sample::select(good()), any::<prop::sample::Index>(), odd).prop_map(|((_, mut value), index, odd)| {
        let mut paths = Vec::new();
        places(&value, String::new(), &mut paths);
        if let Some(place) = value.pointer_mut(index.get(&paths).as_str()) {
            *place = odd;
        }
        value
    })
}

fn places(value: &Value, here: String, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, format!("{here}/{key}"), out)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| places(value, format!("{here}/{index}"), out)),
        _ => {}
    }
    out.push(here);
}

proptest! {
    #![proptest_config(seeded(600))]

    #[test]
    fn a_good_record_with_one_odd_part_is_read_or_refused(value in bent(), format in prop::sample::select(vec!["auto", "named"])) {
        for (name, _) in good() {
            let format = if format == "auto" { "auto" } else { name };
            let batch = decode_values(Source::Ci, format, &[value.to_string().as_bytes()]);
            prop_assert!(batch.events.iter().all(|event| !event.title.is_empty() && event.title.chars().count() <= 300));
            prop_assert!(batch.events.iter().all(|event| event.data.to_string().len() <= 64 * 1024));
        }
    }

    #[test]
    fn a_push_gives_back_its_commits(messages in prop::collection::vec("[a-z ]{1,40}[a-z]", 1..20)) {
        let commits: Vec<Value> =
            messages.iter().enumerate().map(|(n, message)| json!({"id": format!("{n:040x}"), "message": message, "timestamp": 1_795_442_530 + n})).collect();
        for body in [
            json!({"ref": "refs/heads/main", "repository": {"name": "cart"}, "commits": commits}),
            json!({"object_kind": "push", "ref": "refs/heads/main", "project": {"path_with_namespace": "cart"}, "commits": commits}),
        ] {
            let events = events(Source::Git, &body);
            prop_assert_eq!(events.len(), messages.len());
            for (event, message) in events.iter().zip(&messages) {
                prop_assert_eq!(event.data["message"].as_str(), Some(message.trim()));
                prop_assert_eq!(event.data["branch"].as_str(), Some("main"));
            }
        }
    }
}
