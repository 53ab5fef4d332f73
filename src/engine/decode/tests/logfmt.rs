//! logfmt as Go's loggers, Grafana's programs and Heroku's router write it.

use super::*;
use crate::model::Severity;
use crate::model::observation::{SpanId, TraceId};

#[test]
fn a_line_of_gos_slog_is_read_whole() {
    let value = r#"time=2026-11-23T14:02:10.214Z level=ERROR msg="no seats left on \"D1345\"" service=seat env=production trace_id=5b8efff798038103d269b633813fc60c span_id=eee19b7ec3c1b174 host=node-3 version=1.4.2 status_code=503 err="pool: closed""#;
    let batch = decode_text(value);
    let (line, format) = only_line(&batch);
    assert_eq!((format, line.severity), ("logfmt", Severity::High));
    assert_eq!(line.timestamp, Timestamp::from_millis(1_795_442_530_214));
    assert_eq!((text(&batch, line.entity.service), text(&batch, line.entity.environment)), ("seat", "production"));
    assert_eq!((text(&batch, line.host), text(&batch, line.template)), ("node-3", "no seats left on *"));
    assert_eq!((line.trace, line.span), (TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c), SpanId(0xeee1_9b7e_c3c1_b174)));
    let details = line.text.as_ref().unwrap();
    assert_eq!(details.message, "no seats left on \"D1345\"");
    assert_eq!((details.http_status, details.version.as_deref()), (Some(503), Some("1.4.2")));
}

#[test]
fn times_in_any_spelling_and_levels_in_any_case() {
    for ts in ["1795442530.214", "1795442530214", "1795442530214000000", "2026-11-23T14:02:10.214Z", "\"2026-11-23 14:02:10,214\""] {
        let batch = decode_text(&format!("ts={ts} lvl=WARN msg=\"cache is cold\" app=cart"));
        let (line, _) = only_line(&batch);
        assert_eq!((line.timestamp, line.severity), (Timestamp::from_millis(1_795_442_530_214), Severity::Medium), "{ts}");
    }
}

#[test]
fn a_line_without_a_name_for_its_message_is_its_own_message() {
    let value = "at=error method=GET path=/cart host=shop.example status=503 some words";
    let batch = decode_text(value);
    let (line, format) = only_line(&batch);
    assert_eq!((format, text(&batch, line.template)), ("logfmt", "at error method GET path /cart host shop.example"));
    let batch = decode_text("level=error service=cart code=7");
    assert_eq!(message(only_line(&batch).0), "level=error service=cart code=7");
}

#[test]
fn a_cut_value_ends_with_the_line_and_the_first_of_two_equal_keys_counts() {
    let batch = decode_text(r#"level=error msg="no seats lef"#);
    assert_eq!(message(only_line(&batch).0), "no seats lef");
    let batch = decode_text(r#"level=error msg=first level=info msg=second"#);
    let (line, _) = only_line(&batch);
    assert_eq!((line.severity, message(line)), (Severity::High, "first"));
}

#[test]
fn several_lines_are_as_many_items_and_a_stack_stays_with_its_line() {
    let batch = decode_text("level=error msg=one\nlevel=error msg=two\n\nts=yesterday level=error msg=three\n");
    assert_eq!(batch.logs.iter().map(message).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(batch.rejections[0].items, [2]);
    let batch = decode_text("level=error msg=one\n\tat shop.Cart.add(Cart.java:7)");
    assert_eq!(message(only_line(&batch).0), "one");
}

#[test]
fn what_is_no_logfmt_is_refused_where_it_is_demanded() {
    let batch = decode_values(Source::Logs, "logfmt", &[b"just words", b"level=error msg=x\x01", b"caf\xe9=1 b=2", b"a=1"]);
    let reasons: Vec<_> = batch.rejections.iter().map(|rejection| rejection.reason.as_str()).collect();
    assert_eq!(batch.logs.len(), 1, "one pair is logfmt where it is demanded");
    assert!(
        reasons[0].contains("no key=value") && reasons[1].contains("U+0001 at byte 17") && reasons[2].contains("not UTF-8"),
        "{reasons:?}"
    );
}
