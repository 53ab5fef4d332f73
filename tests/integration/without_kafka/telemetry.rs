//! What a collector, a Prometheus and a shell send.

use prost::Message as _;
use whydunit::clock;
use whydunit::model::Timestamp;

use super::bodies::{GZIP, JSON, PROTOBUF, gauge_json, gzipped, log_json, log_request, remote_write, spans_json};
use super::{PATIENCE, assert_closes, booked, send, settings, wait_booked};
use crate::support::process::Home;

#[test]
fn a_collector_over_http_ends_in_counts_and_books_that_close() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let at = clock::now();
    let protobuf = log_request("cart", 3, at).encode_to_vec();
    type Sent = (&'static str, &'static [(&'static str, &'static str)], Vec<u8>);
    let sent: [Sent; 6] = [
        ("/v1/logs", &[PROTOBUF], protobuf.clone()),
        ("/v1/logs", &[PROTOBUF, GZIP], gzipped(&protobuf)),
        ("/v1/logs", &[JSON], log_json("cart", 2, at)),
        ("/v1/logs", &[JSON, GZIP], gzipped(&log_json("cart", 2, at))),
        ("/v1/traces", &[JSON], spans_json("cart", at)),
        ("/v1/metrics", &[JSON, ("content-encoding", "identity")], gauge_json("cart", at)),
    ];
    for (path, headers, body) in sent {
        let answer = send(&run, path, headers, &body);
        let expected: &[u8] = if headers.contains(&JSON) { b"{}" } else { b"" };
        assert_eq!((answer.status, answer.body.as_slice()), (200, expected), "{path} {headers:?}");
        assert_eq!(answer.header("content-type"), headers[0].1);
    }
    wait_booked(&run, "http-logs", "items_decoded", 10);
    wait_booked(&run, "http-traces", "items_decoded", 1);
    wait_booked(&run, "http-metrics", "items_decoded", 1);
    assert_eq!(booked(&run, "http-logs", "records_read"), 4);
    run.wait_until("what is read is removed", PATIENCE, |run| {
        run.metric("whydunit_ingest_waiting_bytes{connector=\"http-logs\"") == Some(0.0)
    });
    let ready = run.ops("/readyz");
    assert_eq!(ready["status"], "ready", "{ready}");
    let connectors = run.api("/api/v1/connectors");
    assert_eq!(connectors.as_array().unwrap().len(), 6, "{connectors}");
    run.terminate();
    assert_closes(&home);
}

#[test]
fn prometheus_writes_here_and_is_told_which_version_is_read() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let headers = [PROTOBUF, ("content-encoding", "snappy"), ("x-prometheus-remote-write-version", "0.1.0")];
    assert_eq!(send(&run, "/api/v1/write", &headers, &remote_write(4, clock::now())).status, 204);
    let version_2 = [("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"), ("content-encoding", "snappy")];
    let refused = send(&run, "/api/v1/write", &version_2, b"x");
    assert!(refused.status == 415 && refused.text().contains("prometheus.WriteRequest"), "{}", refused.text());
    wait_booked(&run, "http-metrics", "items_decoded", 4);
    run.terminate();
    assert_closes(&home);
}

#[test]
fn lines_of_a_shell_are_a_record_each() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let text = [("content-type", "text/plain")];
    let answer = send(&run, "/ingest/logs", &text, b"2026-11-23T14:02:10Z ERROR no seats\n\n2026-11-23T14:02:11Z ERROR no seats\n");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"records\":2}"));
    let json_lines = [("content-type", "application/x-ndjson"), GZIP];
    assert_eq!(send(&run, "/ingest/logs", &json_lines, &gzipped(b"{\"message\":\"a\"}\n{\"message\":\"b\"}")).text(), "{\"records\":2}");
    assert_eq!(send(&run, "/ingest/logs", &[JSON], b"{\"message\":\"c\"}").text(), "{\"records\":1}");
    wait_booked(&run, "http-logs", "items_decoded", 5);
    run.terminate();
    assert_closes(&home);
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_with_its_reason() {
    let home = Home::new(&settings("[decode]\nmax_record_bytes = 65536\n"));
    let run = home.run();
    let bomb = gzipped(&vec![b' '; 1 << 20]);
    for (path, headers, body) in [
        ("/v1/logs", [PROTOBUF], b"\xff\xff nothing".to_vec()),
        ("/v1/logs", [JSON], b"{\"message\": \"no OTLP\"".to_vec()),
        ("/v1/traces", [PROTOBUF], bomb),
        ("/api/v1/write", [PROTOBUF], b"no snappy".to_vec()),
        ("/ingest/git", [JSON], b"[1, 2".to_vec()),
    ] {
        let status = send(&run, path, &headers, &body).status;
        assert!(status == 200 || status == 204, "{path}: {status}");
    }
    let letters = |run: &crate::support::process::Run| run.api("/api/v1/dead-letters").as_array().cloned().unwrap_or_default();
    run.wait_until("five letters", PATIENCE, |run| letters(run).len() == 5);
    let text = serde_json::to_string(&letters(&run)).unwrap();
    for reason in ["otlp_proto", "otlp_json", "more than max_record_bytes", "remote write", "http-git"] {
        assert!(text.contains(reason), "{reason}: {text}");
    }
    assert!(letters(&run).iter().all(|letter| letter["error_message"].as_str().is_some_and(|reason| !reason.is_empty())));
    wait_booked(&run, "http-logs", "records_rejected", 2);
    run.terminate();
    assert_closes(&home);
}

#[test]
fn a_refusal_says_what_to_do_instead() {
    let home = Home::new(&settings("[ingest]\nmax_body_bytes = 65536\n"));
    let run = home.run();
    let too_large = vec![b'x'; 65_537];
    let many_lines = b"x\n".repeat(20_001);
    let bomb = gzipped(&vec![b'\n'; 1 << 20]);
    let text = ("content-type", "text/plain");
    for (path, headers, body, status, says) in [
        ("/v1/logs", vec![JSON], too_large.as_slice(), 413, "65536"),
        ("/ingest/logs", vec![text], &many_lines, 413, "20000 lines"),
        ("/ingest/logs", vec![text, GZIP], &bomb, 413, "65536"),
        ("/ingest/smoke", vec![JSON], b"{}", 404, "/ingest/git"),
        ("/ingest/git", vec![JSON], b"", 400, "empty"),
        ("/v1/logs", vec![JSON, ("origin", "http://elsewhere.test")], b"{}", 403, "elsewhere"),
    ] {
        let answer = send(&run, path, &headers, body);
        assert!(answer.status == status && answer.text().contains(says), "{path} {}: {}", answer.status, answer.text());
    }
    let refused = send(&run, "/v1/logs", &[JSON], &too_large);
    let status: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(status["code"], 3, "a google.rpc.Status: {status}");
    run.terminate();
}

#[test]
fn with_a_token_it_is_needed_here_too() {
    let token = "t".repeat(32);
    let home = Home::new(&settings("").replace("[web]\n", &format!("[web]\ntoken = \"{token}\"\n")));
    let run = home.run();
    let bearer = format!("Bearer {token}");
    let body = log_json("cart", 1, clock::now());
    assert_eq!(send(&run, "/v1/logs", &[JSON], &body).status, 401);
    assert_eq!(send(&run, "/v1/logs", &[JSON, ("authorization", "Bearer wrong")], &body).status, 401);
    assert_eq!(send(&run, "/v1/logs", &[JSON, ("authorization", &bearer), ("host", "whydunit:4318")], &body).status, 200);
    run.terminate();
}

#[test]
fn what_brings_records_is_not_counted_as_questions_are() {
    let home = Home::new(&settings("").replace("[web]\n", "[web]\nmax_requests_per_minute = 5\n"));
    let run = home.run();
    for _ in 0..20 {
        assert_eq!(send(&run, "/v1/logs", &[JSON], &log_json("cart", 1, clock::now())).status, 200);
        let headers = [PROTOBUF, ("content-encoding", "snappy")];
        assert_eq!(send(&run, "/api/v1/write", &headers, &remote_write(1, clock::now())).status, 204);
    }
    run.terminate();
}

#[test]
fn sources_that_bring_nothing_hold_nobody_back() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let start = clock::now().plus_seconds(-600);
    for second in (0..120).step_by(5) {
        assert_eq!(send(&run, "/v1/logs", &[JSON], &log_json("cart", 1, start.plus_seconds(second))).status, 200);
    }
    run.wait_until("buckets close up to the newest line", PATIENCE, |run| {
        let watermark = run.api("/api/v1/health")["watermark"].as_str().and_then(Timestamp::parse);
        watermark.is_some_and(|watermark| watermark >= start.plus_seconds(90))
    });
    run.terminate();
}
