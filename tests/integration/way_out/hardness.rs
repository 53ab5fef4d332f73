//! What the server stands: strangers, slow clients, panics, nonsense.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::sync::oneshot;
use whydunit::model::ports::StoreError;
use whydunit::web::{self, OpsOptions, Options, ServeError};

use super::ports::{Memory, PATIENCE, Running, start, start_with};
use crate::support::seed::seed;

#[test]
fn every_answer_carries_the_security_headers() {
    let web = start();
    let answers =
        [web.get("/events"), web.get("/nothing"), web.send("GET", "//", &[], None), web.send("GET", "//", &[("host", "evil.test")], None)];
    for answer in answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
}

#[test]
fn with_a_token_only_who_has_it_gets_in_and_the_page_stays_public() {
    let token = "0123456789abcdef0123456789abcdef";
    let web = start_with(|options| options.token = Some(token.to_owned()));
    let with = |value: &str| web.send("GET", "/events", &[("authorization", value)], None).status;
    assert_eq!(with(&format!("Bearer {token}")), 200);
    assert_eq!(with(&format!("bearer {token}")), 200);
    for wrong in
        ["", "Bearer", "Bearer ", "Basic 0123456789abcdef0123456789abcdef", &format!("Bearer {token}0"), &format!("Bearer {}", &token[1..])]
    {
        assert_eq!(with(wrong), 401, "{wrong:?}");
    }
    assert_eq!(web.send("GET", "//investigations/known", &[], None).status, 200);
    assert_eq!(web.get("/stream").status, 401);
}

#[test]
fn an_address_with_more_requests_than_allowed_is_told_when_to_come_back() {
    let web = start_with(|options| options.max_requests_per_minute = 3);
    let first = web.get("/health");
    assert_eq!(first.header("ratelimit"), "\"default\";r=2;t=20");
    web.get("/health");
    web.get("/health");
    let refused = web.get("/health");
    assert_eq!((refused.status, refused.header("retry-after")), (429, "20"));
    assert_eq!(web.send("GET", "//", &[], None).status, 200, "the page itself is not limited");
}

#[test]
fn a_defect_behind_one_answer_ends_nothing_else() {
    let web = start();
    *web.memory.read_error.lock().unwrap() = Some(|| -> StoreError { panic!("a defect") });
    assert_eq!(web.get("/events").status, 500);
    *web.memory.read_error.lock().unwrap() = None;
    assert_eq!(web.get("/events").status, 200);
}

#[test]
fn a_client_that_sends_half_a_request_is_not_waited_for() {
    let web = start_with(|options| options.timeout_ms = 300);
    for half in ["", "GET /api/v1/health HTTP/1.1\r\nHost: loc"] {
        let mut stream = TcpStream::connect(web.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(half.as_bytes()).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
    }
    // The head has come long before its time is up.
    let web = start_with(|options| options.timeout_ms = 3_000);
    let mut stream = TcpStream::connect(web.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn a_body_without_an_end_is_refused_at_its_limit() {
    let web = start();
    let mut stream = TcpStream::connect(web.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let deadline = Instant::now() + PATIENCE;
    while stream.write_all(chunk.as_bytes()).is_ok() {
        assert!(Instant::now() < deadline, "the server reads on for ever");
    }
    assert_eq!(web.get("/health").status, 200);
}

#[test]
fn an_address_in_use_or_too_open_is_refused_with_its_setting() {
    let web = start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ops = OpsOptions { listen: web.address().parse().unwrap(), ..OpsOptions::default() };
    let started = runtime.block_on(web::serve_ops(&ops, Arc::new(Memory::default()), Arc::new(String::new), async {}));
    let error = started.unwrap_err();
    assert!(matches!(error, ServeError::Bind { .. }));
    assert!(error.to_string().contains(web.address()) && error.to_string().contains("ops.listen"), "{error}");
    let open = Options { listen: "0.0.0.0:0".parse().unwrap(), ..Options::default() };
    assert!(open.validate().unwrap_err().to_string().starts_with("web.listen"));
}

#[test]
fn probes_and_metrics_stand_on_a_listener_of_their_own() {
    let memory = Arc::new(Memory::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ops = OpsOptions { listen: "127.0.0.1:0".parse().unwrap(), ..OpsOptions::default() };
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let metrics = Arc::new(|| "whydunit_up 1\n".to_owned());
    let server = runtime.block_on(web::serve_ops(&ops, memory.clone(), metrics, shutdown)).unwrap();
    let base = format!("http://{}", server.address);
    let get = |path: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.get(format!("{base}{path}")).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    };
    assert_eq!(get("/metrics"), (200, "whydunit_up 1\n".to_owned()));
    assert_eq!(get("/healthz").0, 200);
    memory.health.lock().unwrap().reasons = vec!["loading the snapshot".to_owned()];
    assert_eq!(get("/readyz"), (503, r#"{"status":"not_ready","reasons":["loading the snapshot"]}"#.to_owned()));
    memory.health.lock().unwrap().ready = true;
    memory.health.lock().unwrap().degraded = true;
    assert_eq!(get("/readyz"), (200, r#"{"status":"degraded","reasons":["loading the snapshot"]}"#.to_owned()));
    assert_eq!(get("/api/v1/events").0, 404, "no payloads here");
    drop(stop);
    runtime.block_on(server.ended());
}

fn runner(cases: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_be_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn answers_sensibly(web: &Running, method: &str, path: &str, body: Option<&[u8]>) -> Result<(), TestCaseError> {
    let answer = web.send(method, path, &[("content-type", "application/json"), ("if-match", "*")], body);
    prop_assert!(answer.status < 500, "{method} {path}: {} {}", answer.status, answer.text);
    if answer.status >= 400 {
        prop_assert_eq!(answer.header("content-type"), "application/problem+json");
        prop_assert!(!answer.json()["detail"].as_str().unwrap_or_default().is_empty());
    }
    Ok(())
}

const LISTS: [&str; 7] = [
    "/investigations",
    "/investigations/facets",
    "/events",
    "/events/search",
    "/dead-letters",
    "/analytics/summary",
    "/investigations/known/timeline",
];
const NAMES: [&str; 12] = ["status", "severity", "source", "from", "to", "page", "per_page", "sort", "cursor", "q", "step_s", "trace_id"];

#[test]
fn no_query_string_is_a_defect() {
    let web = start_with(|options| options.max_requests_per_minute = 0);
    let value = prop_oneof!["[ -~]{0,20}", "\\PC{0,10}", "-?[0-9]{1,20}", "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:00:00Z"];
    let name = prop_oneof![prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), "[a-z_%]{0,8}"];
    let pairs = prop::collection::vec((name, value, any::<bool>()), 0..5);
    runner(300)
        .run(&(prop::sample::select(LISTS.to_vec()), pairs), |(path, pairs)| {
            let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let raw = |text: &str| text.chars().filter(|c| c.is_ascii_graphic() && !"#\"<>\\^`{|}".contains(*c)).collect::<String>();
            let written = pairs.iter().map(|(name, value, plain)| format!("{name}={}", if *plain { raw(value) } else { encode(value) }));
            let query = written.collect::<Vec<_>>().join("&");
            answers_sensibly(&web, "GET", &format!("{path}?{query}"), None)
        })
        .unwrap();
}

#[test]
fn no_body_is_a_defect() {
    let web = start_with(|options| options.max_requests_per_minute = 0);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,20}".prop_map(Into::into),
        "(open|closed|high|confirmed|duplicate|2026-03-23T14:00:00Z)".prop_map(Into::into)
    ];
    let value = leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map("[a-z]{0,6}", inner, 0..5).prop_map(|map| serde_json::Value::Object(map.into_iter().collect()))
        ]
    });
    let field = "(title|status|tags|ids|reason|verdict|body|assigned_to|root_cause|data|metadata|timestamp|at|event_id|[a-z]{3})";
    let body = prop_oneof![
        prop::collection::btree_map(field, value, 0..6).prop_map(|map| serde_json::to_vec(&map).unwrap()),
        prop::collection::vec(any::<u8>(), 0..64)
    ];
    let paths = [
        ("POST", "/investigations"),
        ("PATCH", "/investigations/known"),
        ("POST", "/investigations/close"),
        ("POST", "/investigations/known/assign"),
        ("POST", "/investigations/known/suspects/x/verdict"),
        ("POST", "/investigations/known/notes"),
        ("POST", "/events"),
        ("DELETE", "/dead-letters/known"),
    ];
    runner(300)
        .run(&(prop::sample::select(paths.to_vec()), body), |((method, path), body)| answers_sensibly(&web, method, path, Some(&body)))
        .unwrap();
}

#[test]
fn no_bytes_on_a_socket_stop_the_server() {
    let web = start_with(|options| options.timeout_ms = 1_000);
    let line = "(GET|POST|HEAD|\\PC{1,5}) /?[ -~]{0,30} HTTP/[019].[019]\r\n([ -~]{0,20}: [ -~]{0,20}\r\n){0,4}\r\n";
    let bytes = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), line.prop_map(String::into_bytes)];
    runner(100)
        .run(&bytes, |bytes| {
            let mut stream = TcpStream::connect(web.address()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            prop_assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
            Ok(())
        })
        .unwrap();
    assert_eq!(web.get("/health").status, 200);
}
