//! Log formats under any input: what was written comes back, and the books balance.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::model::Severity;

/// Pieces of lines as producers write them, to be put together in the wrong order too.
fn pieces() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "<34>",
        "<191>1 ",
        "<999>",
        "1 ",
        "- ",
        "Nov 23 14:02:10",
        "2026-11-23T14:02:10.214Z",
        " stderr F ",
        " stdout P ",
        "web-1 ",
        "nginx[17]: ",
        "[id a=\"b\"]",
        "[id a=\"",
        "\\\"",
        "level=error",
        " msg=\"",
        "\"",
        "=",
        " ",
        "\n",
        "\t",
        "\r\n",
        "E1123 14:02:10.2 1 a.go:1] ",
        "[23/Nov/2026:14:02:10 +0000]",
        " \"GET / HTTP/1.1\" 500 1",
        "Traceback (most recent call last):\n",
        "\tat a.B.c(B.java:1)\n",
        "Caused by: ",
        "{\"version\":\"1.1\",\"host\":\"h\",\"short_message\":\"",
        "\"}",
        "{",
        "}",
        "[",
        "]",
        "12 ",
        "*1 ",
        "\u{1b}[31m",
        "\u{feff}",
        "\0",
        "\u{85}",
        "ERROR",
        "é",
        "\u{1f980}",
        "@cee:",
        "[error] 31#31: ",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![4 => known, 1 => ".{0,6}"], 0..12).prop_map(|pieces| pieces.concat())
}

fn text_formats() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["auto", "json_logs", "gelf", "syslog", "logfmt", "cri", "text"])
}

proptest! {
    #![proptest_config(seeded(400))]

    #[test]
    fn any_pieces_of_lines_give_a_value(format in text_formats(), value in pieces(), end in 0_usize..300) {
        let bytes = value.as_bytes();
        decode_values(Source::Logs, format, &[bytes, &bytes[..end.min(bytes.len())]]);
    }

    #[test]
    fn any_bytes_behind_a_magic_number_give_a_value(
        magic in prop::sample::select(vec![
            &[0x1f_u8, 0x8b, 8][..], &[0x28, 0xb5, 0x2f, 0xfd], &[0x04, 0x22, 0x4d, 0x18], &[0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y'],
            &[0x78, 0x9c], &[0, 0, 0, 0, 7], b"<34>", b"<34>1 ", b"12 <34>",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        for source in Source::ALL {
            decode_values(source, "auto", &[&[magic, &rest].concat()]);
        }
    }

    #[test]
    fn random_bytes_of_some_length_are_never_a_log_line(bytes in prop::collection::vec(any::<u8>(), 64..300)) {
        let batch = decode_values(Source::Logs, "auto", &[&bytes]);
        prop_assert_eq!((batch.items(), batch.rejections.len()), (0, 1));
    }

    #[test]
    fn what_is_written_as_logfmt_comes_back(said in "[a-z]{1,5}[ -~é\n\t]{0,40}[a-z]", service in "[a-z][a-z0-9-]{0,20}", nanos in 1_000_000_000_000_000_000_i64..9_000_000_000_000_000_000) {
        prop_assume!(!super::super::logfmt::starts(said.as_bytes()));
        let mut line = format!("ts={nanos} level=error service={service} msg=\"");
        for c in said.chars() {
            match c {
                '"' | '\\' => line.extend(['\\', c]),
                '\n' => line.push_str("\\n"),
                c => line.push(c),
            }
        }
        line.push('"');
        let batch = decode_text(&line);
        let (found, format) = only_line(&batch);
        prop_assert_eq!((format, found.timestamp, message(found)), ("logfmt", Timestamp::from_nanos(nanos), said.as_str()));
        prop_assert_eq!(text(&batch, found.entity.service), service);
    }

    #[test]
    fn what_is_written_as_syslog_comes_back(said in "[A-Z][a-z ]{3,30}[a-z]", host in "[a-z][a-z0-9.-]{0,20}", app in "[a-zA-Z][a-zA-Z0-9._-]{0,20}", value in "[ -~é]{0,20}", priority in 0_i64..192) {
        let mut escaped = String::new();
        for c in value.chars() {
            if matches!(c, '"' | '\\' | ']') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        let line = format!("<{priority}>1 2026-11-23T14:02:10.5Z {host} {app} 17 ID [x request_id=\"{escaped}\"] {said}");
        for framed in [line.clone(), format!("{} {line}", line.len()), format!("{line}\n")] {
            let batch = decode_text(&framed);
            let (found, format) = only_line(&batch);
            prop_assert_eq!((format, found.timestamp), ("syslog", Timestamp::from_millis(1_795_442_530_500)));
            prop_assert_eq!((text(&batch, found.host), text(&batch, found.entity.service)), (host.as_str(), app.as_str()));
            if found.severity >= Severity::Medium {
                let details = found.text.as_ref().unwrap();
                prop_assert_eq!(details.message.as_str(), said.as_str());
                prop_assert_eq!(details.request_id.clone().unwrap_or_default(), value.clone());
            }
            if priority & 7 != 4 {
                let expected = [Severity::Critical, Severity::Critical, Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info, Severity::Info];
                prop_assert_eq!(found.severity, expected[(priority & 7) as usize]);
            }
        }
        let cut: String = line.chars().take(line.chars().count() / 2).collect();
        let batch = decode_text(&cut);
        prop_assert_eq!(batch.logs.len() + batch.rejections.len(), 1);
    }

    #[test]
    fn as_many_dated_lines_as_were_written_come_back(count in 1_usize..40, said in "[a-z ]{0,20}") {
        let mut value = String::new();
        for n in 0..count {
            let _ = writeln!(value, "2026-11-23 14:{:02}:10 ERROR {said}\n  more", n % 60);
        }
        let batch = decode_text(&value);
        prop_assert_eq!((batch.logs.len(), batch.rejections.len()), (count, 0));
    }
}

#[test]
fn endless_lines_keys_and_nestings_cost_no_more_than_their_length() {
    let quarter_megabyte = 1 << 18;
    for value in [
        "a=".repeat(quarter_megabyte),
        "a=1 ".repeat(quarter_megabyte / 4),
        format!("a=1 b=\"{}", "\\".repeat(quarter_megabyte)),
        format!("<11>1 - - - - - {}", "[a]".repeat(quarter_megabyte / 3)),
        format!("<11>1 - - - - - [a b=\"{}", "\\".repeat(quarter_megabyte)),
        "<11>x\n".repeat(100_000),
        "5 <11>x".repeat(100_000),
        "1 <".repeat(quarter_megabyte / 3),
        "[".repeat(200),
        format!("[main] {}", "[".repeat(quarter_megabyte)),
        "\tat a\n".repeat(quarter_megabyte / 6),
        "\u{1b}[1m".repeat(quarter_megabyte / 4),
        "2026-11-23T14:02:10Z stderr P x\n".repeat(20_000),
        format!("{{\"message\":{}}}", serde_json::Value::String("{\"message\":".repeat(10_000))),
        "\n".repeat(quarter_megabyte),
    ] {
        for format in ["auto", "json_logs", "gelf", "syslog", "logfmt", "cri", "text"] {
            decode_values(Source::Logs, format, &[value.as_bytes()]);
        }
    }
}
