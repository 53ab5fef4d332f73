//! Lines of text as applications, web servers and databases print them.

use super::*;
use crate::model::Severity;
use crate::model::observation::TraceId;

/// (what writes it, the line, its severity, its message where it is kept).
type Case = (&'static str, &'static str, Severity, &'static str);

#[test]
fn time_and_level_are_found_as_loggers_of_many_makes_write_them() {
    const CASES: &[Case] = &[
        ("log4j", "2026-11-23 14:02:10,214 ERROR [main] shop.Cart - no seats", Severity::High, "ERROR [main] shop.Cart - no seats"),
        (
            "logback",
            "2026-11-23T14:02:10.214Z  WARN 1 --- [main] shop.Cart : cache is cold",
            Severity::Medium,
            "WARN 1 --- [main] shop.Cart : cache is cold",
        ),
        ("python", "2026-11-23 14:02:10,214 - shop.cart - CRITICAL - no seats", Severity::Critical, "- shop.cart - CRITICAL - no seats"),
        ("env_logger", "[2026-11-23T14:02:10.214Z ERROR shop::cart] no seats", Severity::High, "ERROR shop::cart] no seats"),
        ("brackets", "[2026-11-23T14:02:10.214Z] WARN cache is cold", Severity::Medium, "WARN cache is cold"),
        ("tracing", "2026-11-23T14:02:10.214000Z ERROR shop::cart: no seats", Severity::High, "ERROR shop::cart: no seats"),
        ("serilog", "2026-11-23 15:02:10.214 +01:00 [ERR] no seats", Severity::High, "[ERR] no seats"),
        (
            "mysql",
            "2026-11-23T14:02:10.214000Z 0 [ERROR] [MY-010457] [Server] no seats",
            Severity::High,
            "0 [ERROR] [MY-010457] [Server] no seats",
        ),
        (
            "postgresql",
            "2026-11-23 14:02:10.214 UTC [17] ERROR:  relation \"seats\" does not exist",
            Severity::High,
            "ERROR:  relation \"seats\" does not exist",
        ),
        ("postgresql in Berlin", "2026-11-23 15:02:10.214 CET [17] FATAL:  out of room", Severity::Critical, "FATAL:  out of room"),
        ("klog", "E1123 14:02:10.214000      17 seats.go:12] no seats", Severity::High, "seats.go:12] no seats"),
        (
            "apache",
            "[Mon Nov 23 14:02:10.214000 2026] [proxy:error] [pid 1:tid 2] [client 10.0.0.7:4821] AH00957: no seats",
            Severity::High,
            "AH00957: no seats",
        ),
    ];
    for (make, value, severity, said) in CASES {
        let batch = decode_text(value);
        let (line, format) = only_line(&batch);
        assert_eq!((format, line.severity, message(line)), ("text", *severity, said.trim_start()), "{make}");
        assert_eq!(line.timestamp, Timestamp::from_millis(1_795_442_530_214), "{make}");
    }
}

#[test]
fn levels_without_a_time_are_found_and_the_time_is_kafkas() {
    for (value, severity) in [
        ("ERROR:root:no seats", Severity::High),
        ("fail: Shop.Cart[0] no seats", Severity::High),
        ("error: no seats", Severity::High),
        ("panic: no seats", Severity::Critical),
        ("[warn] cache is cold", Severity::Medium),
        ("<warning> cache is cold", Severity::Medium),
        ("[E] no seats", Severity::High),
        ("14:02:10.214 [main] ERROR shop.Cart - no seats", Severity::High),
        ("an error occurred", Severity::Info),
        ("config: error of no account", Severity::Info),
        ("order placed", Severity::Info),
        ("Übergabe an Lager", Severity::Info),
    ] {
        let batch = decode_text(value);
        let (line, format) = only_line(&batch);
        assert_eq!((format, line.severity, line.timestamp), ("text", severity, KAFKA_TIME), "{value}");
        assert_eq!(text(&batch, line.entity.service), "unknown");
    }
}

#[test]
fn access_lines_are_judged_by_their_status() {
    for (status, severity) in [
        (200, Severity::Info),
        (302, Severity::Info),
        (404, Severity::Low),
        (429, Severity::Medium),
        (500, Severity::High),
        (503, Severity::High),
    ] {
        let value =
            format!(r#"10.0.0.7 - ann [23/Nov/2026:15:02:10 +0100] "GET /orders/8842?q=\"x\" HTTP/1.1" {status} 123 "-" "curl/8.1""#);
        let batch = decode_text(&value);
        let (line, _) = only_line(&batch);
        assert_eq!((line.severity, line.timestamp), (severity, Timestamp::from_seconds(1_795_442_530)), "{status}");
        assert!(text(&batch, line.template).starts_with("GET /orders/*"), "{}", text(&batch, line.template));
        if severity >= Severity::Medium {
            assert_eq!(line.text.as_ref().unwrap().http_status, Some(status));
            assert!(message(line).starts_with("\"GET /orders/8842"));
        }
    }
    let batch = decode_text(r#"shop.example:443 ::1 - - [23/Nov/2026:14:02:10 +0000] "-" 408 0"#);
    assert_eq!(only_line(&batch).0.severity, Severity::Medium);
    let batch = decode_text(r#"10.0.0.7 - - [23/Nov/2026:14:02:10 +0000] "GET / HTTP/1.1" 999 1"#);
    assert_eq!(only_line(&batch).0.severity, Severity::Info, "999 is no status");
}

#[test]
fn an_error_line_of_nginx_loses_what_changes_from_line_to_line() {
    let value = "2026/11/23 14:02:10 [error] 31#31: *8842 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.7, server: shop";
    let batch = decode_text(value);
    let (line, _) = only_line(&batch);
    assert_eq!((line.severity, line.timestamp), (Severity::High, Timestamp::from_seconds(1_795_442_530)));
    assert!(message(line).starts_with("connect() failed (111: Connection refused) while connecting to upstream, client"));
}

#[test]
fn a_file_of_a_syslog_daemon_names_host_and_program() {
    let batch = decode_text("Nov 23 14:02:10 node-3 sshd[4821]: error: no seats");
    let (line, format) = only_line(&batch);
    assert_eq!((format, text(&batch, line.host), text(&batch, line.entity.service)), ("text", "node-3", "sshd"));
    assert_eq!((line.severity, message(line)), (Severity::High, "error: no seats"));
    assert_eq!(line.timestamp, Timestamp::from_seconds(1_795_442_530));
}

#[test]
fn a_stack_trace_is_one_line_with_its_stack_folded() {
    let frames: String = (0..40).map(|n| format!("\tat shop.Seats.find{n}(Seats.java:{n})\n")).collect();
    let trace = format!(
        "java.lang.IllegalStateException: none left\n{frames}Caused by: java.sql.SQLException: closed\n\tat db.Pool.take(Pool.java:1)"
    );
    for (value, said, severity) in [
        (
            format!("2026-11-23 14:02:10,214 WARN [main] shop.Cart - no seats\n{trace}"),
            "WARN [main] shop.Cart - no seats",
            Severity::Medium,
        ),
        (format!("2026-11-23 14:02:10,214 no seats\n{trace}"), "no seats", Severity::High),
        (trace.clone(), "java.lang.IllegalStateException: none left", Severity::High),
    ] {
        let batch = decode_text(&value);
        let (line, _) = only_line(&batch);
        assert_eq!((message(line), line.severity), (said, severity));
        let details = line.text.as_ref().unwrap();
        assert_eq!(details.exception_type.as_deref(), Some("java.lang.IllegalStateException"));
        let stack = details.stack.as_deref().unwrap();
        assert!(stack.contains("find0") && stack.contains("Caused by: java.sql.SQLException") && stack.lines().count() < 15, "{stack}");
    }
    let python = "Traceback (most recent call last):\n  File \"cart.py\", line 7, in add\n    raise ValueError(\"none left\")\nValueError: none left\n";
    for (value, said) in [(format!("ERROR:root:no seats\n{python}"), "ERROR:root:no seats"), (python.to_owned(), "ValueError: none left")] {
        let batch = decode_text(&value);
        let (line, _) = only_line(&batch);
        assert_eq!((message(line), line.severity), (said, Severity::High));
        assert_eq!(line.text.as_ref().unwrap().exception_type.as_deref(), Some("ValueError"));
    }
}

#[test]
fn several_lines_are_several_items_only_where_each_says_its_time() {
    let batch = decode_text(
        "2026-11-23 14:02:10 ERROR one\n  and more of it\n2026-11-23 14:02:11 ERROR two\r\n\n2026-11-23 14:02:12 ERROR three\n",
    );
    assert_eq!(batch.logs.iter().map(message).collect::<Vec<_>>(), ["ERROR one\n  and more of it", "ERROR two", "ERROR three"]);
    assert_eq!(batch.logs[2].timestamp, Timestamp::from_seconds(1_795_442_532));
    let batch = decode_text("ERROR: the query was\nSELECT 1\n2026-11-23 14:02:11 is a time of another line");
    assert!(message(only_line(&batch).0).ends_with("another line"));
    let access = r#"10.0.0.7 - - [23/Nov/2026:14:02:10 +0000] "GET / HTTP/1.1" 500 1"#;
    assert_eq!(decode_text(&[access; 3].join("\n")).logs.len(), 3);
}

#[test]
fn colours_of_a_terminal_are_taken_out_and_other_control_characters_refused_with_their_place() {
    let batch = decode_text("\u{1b}[2m2026-11-23T14:02:10Z\u{1b}[0m \u{1b}[31;1mERROR\u{1b}[0m no seats");
    let (line, _) = only_line(&batch);
    assert_eq!((message(line), line.timestamp), ("ERROR no seats", Timestamp::from_seconds(1_795_442_530)));
    let long = format!("{}\u{7}", "seat ".repeat(100));
    assert!(only_reason(&decode_text(&long)).1.contains("control character U+0007 at byte 500"));
    let mut cut = "seat ".repeat(100).into_bytes();
    cut.push(0xc3);
    let batch = decode_values(Source::Logs, "auto", &[&cut]);
    assert!(only_reason(&batch).1.contains("index 500"), "{:?}", batch.rejections);
    for value in [b"\x01\x02 hello".as_slice(), b"caf\xe9", b"hello\0", b"\x1b]0;title\x07", b"\xff\xfeh\0i\0"] {
        let batch = decode_values(Source::Logs, "auto", &[value]);
        let (class, reason) = only_reason(&batch);
        assert_eq!((class, batch.record_formats[0]), (RejectionClass::UnknownFormat, "auto"));
        assert!(reason.contains("neither JSON, OTLP protobuf, syslog, logfmt, compressed nor text"), "{reason}");
    }
    let batch = decode_values(Source::Logs, "text", &[b" \n\t "]);
    assert!(only_reason(&batch).1.contains("white space"));
}

#[test]
fn a_character_may_stand_across_the_end_of_what_is_looked_at() {
    for shift in 0..4 {
        let value = format!("{}{}", "x".repeat(shift), "\u{1f980}\u{1b}[1m".repeat(60));
        assert_eq!(only_line(&decode_text(&value)).1, "text", "{shift}");
    }
}

#[test]
fn the_same_line_is_the_same_template_bare_and_in_a_containers_wrapper() {
    let line = "2026-11-23 14:02:10,214 ERROR [main] shop.Cart - no seats on D1345 TraceID: 5b8efff798038103d269b633813fc60c";
    let bare = decode_text(line);
    let wrapped =
        decode_json(Source::Logs, &serde_json::json!({"log": format!("{line}\n"), "stream": "stderr", "time": "2026-11-23T14:02:10.3Z"}));
    let (bare, wrapped) = (only_line(&bare).0.clone(), only_line(&wrapped).0.clone());
    assert_eq!((bare.template, bare.severity, bare.trace), (wrapped.template, wrapped.severity, wrapped.trace));
    assert_eq!(bare.trace, TraceId(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c));
}

#[test]
fn times_of_1970_and_2262_are_kept_and_later_ones_are_part_of_the_message() {
    let first = decode_text("1970-01-01 00:00:01 ERROR x");
    assert_eq!(only_line(&first).0.timestamp, Timestamp::from_seconds(1));
    let last = decode_text("2262-04-11 23:47:16 ERROR x");
    assert_eq!(only_line(&last).0.timestamp, Timestamp::from_seconds(9_223_372_036));
    let beyond = decode_text("2263-01-01 00:00:00 ERROR x");
    assert_eq!((only_line(&beyond).0.timestamp, message(only_line(&beyond).0)), (KAFKA_TIME, "2263-01-01 00:00:00 ERROR x"));
}
