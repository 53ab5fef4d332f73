//! Lines of one logger are read by the layout of the lines before: what they become is the same as if each were the first.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Values that could tempt a shortcut.
const VALUES: &[&str] = &[
    r#""plain""#,
    r#""""#,
    r#""an \"escaped\" one\n""#,
    r#""a\ud83d\ude00b ü""#,
    r#""lone \ud800""#,
    r#""2026-11-23T14:02:10Z""#,
    r#""error""#,
    "0",
    "-0",
    "7",
    "-12",
    "01",
    "1795442531.25",
    "1e400",
    "18446744073709551615",
    "99999999999999999999999",
    "true",
    "null",
    "nul",
    "[]",
    "[1,\"a\",{\"b\":[{}]}]",
    "{}",
    r#"{"name":"inner","id":"7"}"#,
    "{\"a\":",
    "1 ",
    " \t\"spaced\"\n",
    "NaN",
    "\u{1}",
];

/// Writes a value with its scalars replaced as the choices say; `space` stands around what is structure.
fn write(value: &Value, choices: &mut impl Iterator<Item = u8>, space: &str, out: &mut String) {
    match value {
        Value::Object(fields) => {
            out.push('{');
            for (at, (key, value)) in fields.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&format!("{space}{}:{space}", Value::from(key.as_str())));
                write(value, choices, space, out);
            }
            out.push_str(space);
            out.push('}');
        }
        other => match choices.next() {
            Some(choice) if choice < 160 => out.push_str(["\"plain\"", "\"other, and longer\"", "1795442531"][usize::from(choice) % 3]),
            Some(choice) if choice < 230 => out.push_str(VALUES[usize::from(choice) % VALUES.len()]),
            _ => out.push_str(&other.to_string()),
        },
    }
}

/// One shape of line, and what to put in for each of its records.
fn lines_of_one_shape() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let space = prop::sample::select(vec!["", "", " ", "\n  "]);
    let broken = prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>()));
    let records = prop::collection::vec((prop::collection::vec(any::<u8>(), 12), broken), 1..8);
    let shape = (properties::known_json(), properties::known_json(), any::<bool>()).prop_map(|(one, other, wrapped)| {
        let place = if wrapped { "fields" } else { "kubernetes" };
        format!(r#"{{"message":"m","service":{one},"{place}":{other},"level":"warn"}}"#)
    });
    (shape, space, records).prop_map(|(shape, space, records)| {
        let shape: Value = serde_json::from_str(&shape).unwrap_or_default();
        let render = |(choices, broken): (Vec<u8>, Option<(prop::sample::Index, u8)>)| {
            let mut text = String::new();
            write(&shape, &mut choices.into_iter().cycle(), space, &mut text);
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = broken.filter(|_| !bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        };
        records.into_iter().map(render).collect()
    })
}

fn unnumbered(batch: ObservationBatch) -> (Vec<LogLine>, Vec<Rejection>) {
    let logs = batch.logs.into_iter().map(|line| LogLine { record: 0, ..line }).collect();
    (logs, batch.rejections.into_iter().map(|letter| Rejection { record: 0, ..letter }).collect())
}

fn assert_as_if_first(records: &[&[u8]]) {
    let together = decode_values(Source::Logs, "json_logs", records);
    let formats = together.record_formats.clone();
    let mut alone = (Vec::new(), Vec::new());
    for (record, format) in records.iter().zip(&formats) {
        let one = decode_values(Source::Logs, "json_logs", &[record]);
        assert_eq!(one.record_formats, [*format], "{}", String::from_utf8_lossy(record));
        let (logs, rejections) = unnumbered(one);
        alone.0.extend(logs);
        alone.1.extend(rejections);
    }
    assert_eq!(unnumbered(together), alone, "{:?}", records.iter().map(|record| String::from_utf8_lossy(record)).collect::<Vec<_>>());
}

#[test]
fn a_line_is_the_same_behind_lines_of_its_shape() {
    let records = prop::collection::vec(lines_of_one_shape(), 1..4).prop_map(|shapes| shapes.concat());
    let records = records.prop_flat_map(|records| prop_oneof![Just(records.clone()), Just(records).prop_shuffle()]);
    proptest!(seeded(300), |(records in records)| {
        assert_as_if_first(&records.iter().map(Vec::as_slice).collect::<Vec<_>>());
    });
}

#[test]
fn what_only_nearly_fits_is_read_for_itself() {
    let first = br#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a","service":"cart","n":1}"#.as_slice();
    for other in [
        r#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a","service":"cart","n":1} "#,
        r#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a","service":"cart","n":1"#,
        r#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a","service":"cart","n":1,"x":2}"#,
        r#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a","service":"cart","n":12 3}"#,
        r#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a","service":{"name":"inner"},"n":1}"#,
        r#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a\",\"service":"cart","n":1}"#,
        "{\"time\":\"2026-11-23T14:02:10Z\",\"level\":\"info\",\"message\":\"a\tb\",\"service\":\"cart\",\"n\":1}",
        r#"{"time":"2026-11-23T14:02:10Z","level":"info","message":"a","service":"cart","n":1}{"message":"b"}"#,
        r#"{"time":"2026-11-23T14:02:10Z","level":null,"message":"error: a","service":[],"n":{}}"#,
    ] {
        assert_as_if_first(&[first, first, other.as_bytes(), first]);
    }
}

#[test]
fn wrapped_fields_keep_their_rank_and_their_place() {
    let line = |service: &str, inner: &str| {
        format!(
            r#"{{"message":"a","fields":{{"service":"{service}","level":"warn"}},"kubernetes":{{"pod":{{"name":"cart-7d4b9c6f5-x2x4z"}},"labels":{{"app":"{inner}"}}}}}}"#
        )
    };
    let lines: Vec<String> = [("cart", "x"), ("seat", "y"), ("", "pay"), ("cart", "")].map(|(service, inner)| line(service, inner)).into();
    assert_as_if_first(&lines.iter().map(String::as_bytes).collect::<Vec<_>>());
}

#[test]
fn more_shapes_than_are_remembered_are_all_read() {
    let shape = |n: usize| format!(r#"{{"message":"m{n}","key{}":{n},"service":"cart"}}"#, n * n % 97);
    let lines: Vec<String> = (0..900).map(shape).collect();
    let batch = decode_values(Source::Logs, "auto", &lines.iter().map(String::as_bytes).collect::<Vec<_>>());
    assert_eq!(batch.logs.len(), lines.len());
    assert!(batch.rejections.is_empty());
}
