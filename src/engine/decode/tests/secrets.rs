//! What leaves a decoder holds no secret, wherever in a record one stood.

use serde_json::json;

use super::*;
use crate::model::symbol_of;

const SECRET: &str = "hunter2x9Zq";

/// Everything of a batch but the records it was made from.
fn told(mut batch: ObservationBatch) -> String {
    batch.records = Arc::new(record_batch(Source::Logs, 1));
    format!("{batch:?}")
}

#[test]
fn no_kind_of_line_keeps_a_secret() {
    for level in ["info", "warn", "error"] {
        let line = json!({ "level": level, "service": "cart", "message": format!("login failed password={SECRET} for bob"),
            "stack_trace": format!("java.lang.IllegalStateException: token={SECRET}\n\tat shop.Cart.pay(Cart.java:12)"),
            "request_id": format!("token={SECRET}"), "host": format!("secret={SECRET}") });
        let told = told(decode_json(Source::Logs, &line));
        assert!(!told.contains(SECRET) && told.contains("redacted"), "{told}");
    }
    let text = decode_text(&format!("2026-11-23 14:02:10,214 ERROR cart: Authorization: Bearer {SECRET}"));
    assert!(!told(text.clone()).contains(SECRET), "{text:?}");
}

#[test]
fn a_template_keeps_its_symbol_and_loses_its_secret() {
    let batch = decode_json(Source::Logs, &json!({ "level": "info", "message": format!("login password={SECRET} for bob") }));
    let symbol = batch.logs[0].template;
    assert_eq!(symbol, symbol_of(template::template(&format!("login password={SECRET} for bob")).as_bytes()));
    let text = batch.definitions.iter().find(|definition| definition.symbol == symbol).map(|definition| definition.text.to_string());
    assert_eq!(text.as_deref(), Some("login password redacted authorization for bob"));
}

#[test]
fn spans_metrics_changes_and_alerts_keep_none_either() {
    let span = json!([{ "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "id": "00f067aa0ba902b7", "timestamp": 1_795_442_531_000_000_u64,
        "duration": 1000, "name": format!("GET /login?token={SECRET}"), "localEndpoint": { "serviceName": "cart" },
        "tags": { "error": format!("password={SECRET} refused") } }]);
    let alert = json!({ "version": "4", "groupKey": "g", "status": "firing", "receiver": "r", "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "", "alerts": [{ "status": "firing", "labels": { "alertname": "A", "service": "cart" },
        "annotations": { "summary": format!("url https://u:{SECRET}@db/"), "password": SECRET }, "startsAt": "2026-11-23T14:02:10Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "f" }] });
    let push = json!({ "ref": "refs/heads/main", "before": "a", "after": "b", "repository": { "name": "cart", "full_name": "shop/cart" },
        "commits": [{ "id": "0123456789012345678901234567890123456789", "message": format!("rotate\n\napi_key={SECRET}"),
        "timestamp": "2026-11-23T14:02:10Z", "author": { "name": "a" }, "modified": [format!("conf/secret={SECRET}.env")] }],
        "sender": { "login": "a" } });
    let note = json!({ "type": "note", "title": format!("token: {SECRET}"), "timestamp": "2026-11-23T14:02:10Z", "tags": [format!("pwd={SECRET}")],
        "data": { "description": format!("cookie: sid={SECRET}") } });
    for (source, value) in [(Source::Traces, &span), (Source::Ci, &alert), (Source::Git, &push), (Source::Manual, &note)] {
        let batch = decode_json(source, value);
        let items = batch.items();
        let told = told(batch);
        assert!(items > 0 && !told.contains(SECRET), "{source:?}: {told}");
    }
}

#[test]
fn the_reason_of_a_dead_letter_quotes_no_secret() {
    let note = json!({ "type": "note", "title": "t", "timestamp": format!("password={SECRET}") });
    let batch = decode_json(Source::Manual, &note);
    assert_eq!(batch.rejections.len(), 1);
    assert!(!batch.rejections[0].reason.contains(SECRET), "{}", batch.rejections[0].reason);
}

#[test]
fn with_redaction_off_texts_stay_as_they_came() {
    let options = crate::engine::redact::RedactOptions { enabled: false, ..Default::default() };
    let options = DecodeOptions { redactor: Arc::new(Redactor::new(&options)), ..DecodeOptions::default() };
    let line = json!({ "level": "error", "message": format!("password={SECRET}") }).to_string();
    let batch = decode_value(options, Source::Logs, Some(line.as_bytes()), &[], KAFKA_TIME);
    assert_eq!(message(&batch.logs[0]), format!("password={SECRET}"));
}

/// A million lines, one in fifty of them an error with its text: `cargo test --release --lib -- --ignored --nocapture redaction_costs`.
#[test]
#[ignore = "a measurement"]
fn redaction_costs_next_to_nothing_where_no_text_is_kept() {
    let time = |enabled: bool| {
        let options = crate::engine::redact::RedactOptions { enabled, ..Default::default() };
        let options =
            DecodeOptions { redactor: Arc::new(Redactor::new(&options)), format: "json_logs".to_owned(), ..DecodeOptions::default() };
        let mut decoder = Decoder::new(options);
        let mut batch = record_batch(Source::Logs, 1);
        for offset in 0..500 {
            let level = if offset % 50 == 0 { "error" } else { "info" };
            let message = format!("GET /orders/{offset} answered 200 in {}ms for tenant t{}", offset % 90, offset % 7);
            let line = json!({ "timestamp": "2026-11-23T14:02:10Z", "level": level, "service": "cart", "message": message }).to_string();
            batch.push(0, offset, Some(KAFKA_TIME), None, Some(line.as_bytes()), &[]);
        }
        let batch = Arc::new(batch);
        let began = std::time::Instant::now();
        for _ in 0..2_000 {
            assert_eq!(decoder.decode(batch.clone(), KAFKA_TIME).logs.len(), 500);
        }
        began.elapsed().as_secs_f64()
    };
    let (mut off, mut on): (Vec<f64>, Vec<f64>) = (0..5).map(|_| (time(false), time(true))).unzip();
    off.sort_by(f64::total_cmp);
    on.sort_by(f64::total_cmp);
    println!("a million lines: {:.3} s without, {:.3} s with redaction (medians of five)", off[2], on[2]);
    assert!(on[2] < off[2] * 1.5, "{off:?} {on:?}");
}
