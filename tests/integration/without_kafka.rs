//! Without Kafka: everything comes over HTTP, and what was answered with success is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod aliases;
mod bodies;
mod ending;
mod full;
mod kept;
mod kills;
mod telemetry;
mod webhooks;

use std::time::Duration;

use ureq::http::{HeaderMap, Request};

use crate::support::process::{Home, Run};

const PATIENCE: Duration = Duration::from_secs(120);

/// Settings without a connector and without a broker.
fn settings(more: &str) -> String {
    format!(
        "[pipeline]\nhistory_teaches_s = 0\ncheckpoint_interval_s = 1\n[web]\nlisten = \"127.0.0.1:0\"\n\
         [ops]\nlisten = \"127.0.0.1:0\"\n{more}"
    )
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Sends a body; `None` where there is no answer.
fn try_send(address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
    let mut request = Request::builder().method("POST").uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    let agent: ureq::Agent = config.build().into();
    let mut response = agent.run(request.body(body).ok()?).ok()?;
    let body = response.body_mut().read_to_vec().ok()?;
    Some(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
}

fn send(run: &Run, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    try_send(run.address(), path, headers, body).unwrap_or_else(|| panic!("no answer to {path}: {}", run.said()))
}

/// A sum of a connector's books, as the last checkpoint left them.
fn booked(run: &Run, connector: &str, sum: &str) -> u64 {
    let ledger = run.api("/api/v1/ledger");
    let books = ledger["connectors"].as_array().and_then(|books| books.iter().find(|books| books["connector"] == connector).cloned());
    books.and_then(|books| books["sums"][sum].as_u64()).unwrap_or_default()
}

fn wait_booked(run: &Run, connector: &str, sum: &str, count: u64) {
    run.wait_until(&format!("{connector} has {sum} = {count}"), PATIENCE, |run| booked(run, connector, sum) >= count);
    assert_eq!(booked(run, connector, sum), count, "{connector} {sum}");
}

/// `whydunit verify` says that the books close, with brokers or without.
fn assert_closes(home: &Home) {
    for more in [&[][..], &["--connect"]] {
        let output = home.command("verify").args(more).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("The books close"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
}
