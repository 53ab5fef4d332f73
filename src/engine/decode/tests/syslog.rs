//! syslog as daemons, devices and forwarders send it; the examples of RFC 5424 and RFC 3164 among them.

use super::*;
use crate::model::Severity;
use crate::model::observation::TraceId;

#[test]
fn the_rfcs_own_examples_are_read() {
    let with_bom = "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick on /dev/pts/8";
    let batch = decode_text(with_bom);
    let (line, format) = only_line(&batch);
    assert_eq!((format, line.severity), ("syslog", Severity::Critical));
    assert_eq!(line.timestamp, Timestamp::parse("2003-10-11T22:14:15.003Z").unwrap());
    assert_eq!((text(&batch, line.entity.service), text(&batch, line.host)), ("su", "mymachine.example.com"));
    assert_eq!(message(line), "'su root' failed for lonvick on /dev/pts/8");

    let batch = decode_text("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.");
    let (line, _) = only_line(&batch);
    assert_eq!(line.timestamp, Timestamp::parse("2003-08-24T12:14:15.000003Z").unwrap());
    assert_eq!((line.severity, line.text.is_none()), (Severity::Low, true), "a notice is counted");

    let data =
        "<163>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"]";
    let batch = decode_text(&format!("{data}[examplePriority@32473 class=\"high\"] \u{feff}An application event log entry..."));
    assert_eq!(message(only_line(&batch).0), "An application event log entry...");
    let batch = decode_text(data);
    assert!(message(only_line(&batch).0).starts_with("[exampleSDID@32473 iut"), "without a message its data say what happened");

    let batch = decode_text("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8");
    let (line, _) = only_line(&batch);
    assert_eq!(line.timestamp, Timestamp::parse("2026-10-11T22:14:15Z").unwrap());
    assert_eq!((text(&batch, line.entity.service), text(&batch, line.host)), ("su", "mymachine"));
    assert_eq!(message(line), "'su root' failed for lonvick on /dev/pts/8");
}

#[test]
fn nil_values_stand_for_nothing() {
    let batch = decode_text("<11>1 - - - - - - disk failed");
    let (line, _) = only_line(&batch);
    assert_eq!((line.timestamp, line.severity, line.host.is_none()), (KAFKA_TIME, Severity::High, true));
    assert_eq!((text(&batch, line.entity.service), message(line)), ("unknown", "disk failed"));
}

#[test]
fn structured_data_name_the_service_and_the_trace_and_never_the_message() {
    let value = r#"<11>1 2026-11-23T14:02:10Z node-3 java 17 - [meta service.name="se\"at\]" trace_id="5b8efff798038103d269b633813fc60c" event="x" time="y"][empty] no seats"#;
    let batch = decode_text(value);
    let (line, _) = only_line(&batch);
    assert_eq!((text(&batch, line.entity.service), message(line)), ("se\"at]", "no seats"));
    assert_eq!(line.trace, TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c));
    assert_eq!(line.timestamp, Timestamp::parse("2026-11-23T14:02:10Z").unwrap());
}

#[test]
fn the_older_syslog_is_read_as_its_many_senders_write_it() {
    let at = Timestamp::parse("2026-11-23T14:02:10Z").unwrap();
    for (value, host, service, said) in [
        ("<11>Nov 23 14:02:10 web-1 nginx[17]: upstream failed", "web-1", "nginx", "upstream failed"),
        ("<11>Nov 23 14:02:10 nginx[17]: upstream failed", "", "nginx", "upstream failed"),
        ("<11>Nov 23 14:02:10 root: upstream failed", "", "root", "upstream failed"),
        ("<11>Nov 23 14:02:10 web-1 upstream failed", "web-1", "unknown", "upstream failed"),
        ("<11>2026-11-23T15:02:10+01:00 web-1 nginx[17]: upstream failed", "web-1", "nginx", "upstream failed"),
        ("<11>Nov 23 2026 14:02:10 web-1 nginx: upstream failed", "web-1", "nginx", "upstream failed"),
        ("<11>Nov 23 14:02:10 web-1 nginx: upstream failed\n", "web-1", "nginx", "upstream failed"),
        ("<11>Nov 23 14:02:10 web-1 nginx: upstream failed\0", "web-1", "nginx", "upstream failed"),
        ("<11>Nov 23 14:02:10 web-1 app: level=info msg=\"upstream failed\" service=cart", "web-1", "cart", "upstream failed"),
        ("<11>Nov 23 14:02:10 web-1 app: @cee: {\"msg\":\"upstream failed\",\"service\":\"cart\"}", "web-1", "cart", "upstream failed"),
    ] {
        let batch = decode_text(value);
        let (line, format) = only_line(&batch);
        assert_eq!((format, line.timestamp), ("syslog", at), "{value}");
        assert_eq!((text(&batch, line.host), text(&batch, line.entity.service)), (host, service), "{value}");
        if !value.contains("level=info") {
            assert_eq!((line.severity, message(line)), (Severity::High, said), "{value}");
        }
    }
    let batch = decode_text("<11>no time and no host: a message all the same");
    assert_eq!(only_line(&batch).0.timestamp, KAFKA_TIME);
}

#[test]
fn a_line_of_new_years_eve_read_after_midnight_is_last_years() {
    let mut batch = record_batch(Source::Logs, 1);
    let midnight = Timestamp::parse("2027-01-01T00:00:05Z").unwrap();
    batch.push(0, 0, Some(midnight), None, Some(b"<11>Dec 31 23:59:59 web-1 cron: failed"), &[]);
    batch.push(0, 1, None, None, Some(b"<11>Dec 31 23:59:59 web-1 cron: failed"), &[]);
    let decoded = Decoder::new(DecodeOptions::default()).decode(Arc::new(batch), midnight);
    assert_eq!(decoded.logs[0].timestamp, Timestamp::parse("2026-12-31T23:59:59Z").unwrap());
    assert!(only_reason(&decoded).1.contains("no time"), "a date without a year says nothing where Kafka has no time");
}

#[test]
fn frames_and_lines_are_as_many_items_and_a_bad_one_leaves_the_others() {
    let one = "<11>1 - - a - - - first";
    let two = "<11>1 - - b - - - sec\u{f6}nd\nwith a second line";
    let framed = format!("{} {one}{} {two}\n{} <999>bad", one.len(), two.len(), "<999>bad".len());
    let batch = decode_text(&framed);
    assert_eq!(batch.logs.iter().map(message).collect::<Vec<_>>(), ["first", "sec\u{f6}nd\nwith a second line"]);
    assert_eq!((batch.rejections[0].items.as_slice(), batch.rejections[0].class), ([2].as_slice(), RejectionClass::InvalidField));

    let batch = decode_text(&format!("{one}\n{two}\n<11>1 - - c - - - third"));
    assert_eq!(batch.logs.iter().map(message).collect::<Vec<_>>(), ["first", "sec\u{f6}nd\nwith a second line", "third"]);

    let batch = decode_text(&format!("{} {one}", one.len() + 1));
    assert!(only_reason(&batch).1.contains(&format!("a frame of {} bytes of which {} are there", one.len() + 1, one.len())));
    let batch = decode_text(&format!("{} {one}9999 <11>1 - -", one.len()));
    assert_eq!((batch.logs.len(), batch.rejections[0].items.as_slice()), (1, [1].as_slice()));
}

#[test]
fn what_is_missing_is_named_with_its_place() {
    for (value, class, words) in [
        ("<192>1 - - a - - - x", RejectionClass::InvalidField, "priority: 192"),
        ("<11>1 - - a", RejectionClass::Malformed, "APP-NAME is missing or nothing follows it, at byte 10"),
        ("<11>1 2026-99-23T14:02:10Z - a - - - x", RejectionClass::InvalidField, "unreadable TIMESTAMP"),
        ("<11>1 - - a - - [id name=\"x", RejectionClass::Malformed, "a value without its closing quote at byte 20"),
        ("<11>1 - - a - - [id name] x", RejectionClass::Malformed, "no name=\"value\" at byte 20"),
        ("<11>1 - - a - - [id", RejectionClass::Malformed, "an element without its end at byte 16"),
        ("<11>1 - - a - - x", RejectionClass::Malformed, "neither `-` nor `[` at byte 16"),
        ("<11>1 - - a - - -", RejectionClass::InvalidField, "no message"),
        ("<11>", RejectionClass::InvalidField, "no message"),
    ] {
        let batch = decode_text(value);
        let (found, reason) = only_reason(&batch);
        assert!(found == class && reason.contains(words), "{value}: {found:?} {reason}");
    }
    let batch = decode_values(Source::Logs, "auto", &[b"<11>Nov 23 14:02:10 web-1 app: caf\xe9 open"]);
    assert!(only_reason(&batch).1.contains("not UTF-8: invalid utf-8 sequence of 1 bytes from index 34"), "{:?}", batch.rejections);
    let batch = decode_values(Source::Logs, "syslog", &[b"no priority"]);
    assert!(only_reason(&batch).1.contains("no priority: starts with \"no priority\""), "{:?}", batch.rejections);
}
