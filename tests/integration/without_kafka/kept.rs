//! Whatever is sent to a source is kept: read where it can be, else a dead letter with its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde_json::Value;
use whydunit::clock;

use super::bodies::{GZIP, JSON, PROTOBUF, gzipped, log_json, log_request};
use super::{PATIENCE, assert_closes, send, settings, wait_booked};
use crate::support::process::{Home, Run};

/// What `curl -d` and `--data-binary` say of a body when nobody tells them otherwise.
const CURL: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The dead letters of a connector once there are so many, the oldest first.
fn letters(run: &Run, connector: &str, count: usize) -> Vec<Value> {
    let all = |run: &Run| {
        let letters = run.api("/api/v1/dead-letters").as_array().cloned().unwrap_or_default();
        let mut ours: Vec<_> = letters.into_iter().filter(|letter| letter["connector"] == connector).collect();
        ours.sort_by_key(|letter| letter["offset"].as_i64());
        ours
    };
    run.wait_until(&format!("{count} letters of {connector}"), PATIENCE, |run| all(run).len() == count);
    all(run)
        .iter()
        .map(|letter| run.post(&format!("/api/v1/dead-letters/{}/reveal", letter["id"].as_str().unwrap()), &Value::Null))
        .collect()
}

fn bytes(letter: &Value) -> Vec<u8> {
    STANDARD.decode(letter["value_base64"].as_str().unwrap()).unwrap()
}

#[test]
fn bytes_that_are_no_json_sent_as_curl_sends_them_wait_as_dead_letters_with_their_bytes() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let sent: [&[u8]; 4] = [b"\x00\x01 no json", b"deploy=done&by=ada", b"payload=%7Bnot+json", b"payload="];
    for body in sent {
        let answer = send(&run, "/ingest/git", &[CURL], body);
        assert_eq!((answer.status, answer.text().as_str()), (200, "{\"records\":1}"), "{}", String::from_utf8_lossy(body));
    }
    let letters = letters(&run, "http-git", sent.len());
    for (letter, body) in letters.iter().zip(sent) {
        assert_eq!(bytes(letter), body, "{letter}");
        assert!(letter["error_message"].as_str().is_some_and(|reason| !reason.is_empty()), "{letter}");
    }
    run.terminate();
    assert_closes(&home);
}

#[test]
fn what_curl_sends_without_a_content_type_of_its_own_is_read_for_what_it_is() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let note = br#"{"type": "note", "title": "flag turned on", "service": "cart"}"#;
    assert_eq!(send(&run, "/ingest/manual", &[CURL], note).status, 200);
    run.wait_until("its event", PATIENCE, |run| run.api("/api/v1/events?source=manual").to_string().contains("flag turned on"));

    let lines = b"2026-11-23T14:02:10Z ERROR no seats\n\n[2026-11-23T14:02:11Z] ERROR \x1b[31mno seats\x1b[0m\r\n";
    assert_eq!(send(&run, "/ingest/logs", &[CURL], lines).text(), "{\"records\":2}", "a record a line");
    assert_eq!(send(&run, "/ingest/logs", &[], b"one line\nand another").text(), "{\"records\":2}");
    let pretty = b"{\n  \"message\": \"a\"\n}\n{\n  \"message\": \"b\"\n}\n";
    assert_eq!(send(&run, "/ingest/logs", &[CURL], pretty).text(), "{\"records\":1}", "JSON is not cut at its line ends");
    let protobuf = log_request("cart", 3, clock::now()).encode_to_vec();
    assert_eq!(send(&run, "/ingest/logs", &[CURL], &protobuf).text(), "{\"records\":1}", "nor is protobuf");
    wait_booked(&run, "http-logs", "items_decoded", 9);
    assert_eq!(send(&run, "/v1/logs", &[CURL], &log_json("cart", 2, clock::now())).status, 200);
    wait_booked(&run, "http-logs", "items_decoded", 11);
    assert_eq!(run.api("/api/v1/dead-letters").as_array().map(Vec::len), Some(0));
    run.terminate();
    assert_closes(&home);
}

#[test]
fn a_body_packed_in_any_way_is_kept_and_read_where_it_can_be_unpacked() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let at = clock::now();
    let zstd = zstd::encode_all(log_request("cart", 4, at).encode_to_vec().as_slice(), 3).unwrap();
    assert_eq!(send(&run, "/v1/logs", &[PROTOBUF, ("content-encoding", "zstd")], &zstd).status, 200);
    wait_booked(&run, "http-logs", "items_decoded", 4);

    let brotli: &[u8] = b"\x8b\x02\x80{\"message\":1}\x03";
    for (path, headers, body) in [
        ("/v1/logs", [JSON, ("content-encoding", "br")], brotli),
        ("/v1/logs", [("content-type", "application/grpc"), ("te", "trailers")], b"\x00\x00\x00\x00\x07nothing"),
        ("/ingest/logs", [("content-type", "text/plain"), GZIP], &gzipped(b"cut short\nin its midst")[..20]),
    ] {
        let answer = send(&run, path, &headers, body);
        assert_eq!(answer.status, 200, "{path} {headers:?}: {}", answer.text());
    }
    let of_logs = letters(&run, "http-logs", 3);
    assert_eq!(bytes(&of_logs[0]), brotli, "{}", of_logs[0]);
    assert!(of_logs[0]["headers"].to_string().contains("\"br\""), "how it is packed is kept: {}", of_logs[0]);
    assert!(of_logs[2]["error_message"].to_string().contains("gzip"), "{}", of_logs[2]);

    let write = send(&run, "/api/v1/write", &[JSON, ("content-encoding", "br")], b"{}");
    assert_eq!(write.status, 204, "{}", write.text());
    assert!(letters(&run, "http-metrics", 1)[0]["error_message"].to_string().contains("remote write"));
    run.terminate();
    assert_closes(&home);
}
