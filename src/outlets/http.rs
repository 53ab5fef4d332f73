//! One request, and what its answer means.

use std::time::Duration;

use ureq::http::{Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::options::Options;
use super::{Problem, options};
use crate::model::ports::BoxFuture;

/// What is read of an answer that says no, bytes.
const ANSWER_BYTES: u64 = 2_048;
/// What of it is told, characters.
const ANSWER_CHARS: usize = 200;

/// Posts to one receiver. Follows no redirect: what is signed, or carries a login, is for the address in the settings alone.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    /// # Errors
    /// A file of authorities that cannot be used.
    pub fn new(options: &Options) -> Result<Self, Problem> {
        let roots = match &options.ca_file {
            None => RootCerts::WebPki,
            Some(path) => {
                let refuse = |reason: String| ("ca_file".to_owned(), format!("{}: {reason}", path.display()));
                let text = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
                let certificates: Vec<Certificate<'static>> = parse_pem(&text)
                    .filter_map(|item| match item {
                        Ok(PemItem::Certificate(certificate)) => Some(certificate),
                        _ => None,
                    })
                    .collect();
                if certificates.is_empty() {
                    return Err(refuse("holds no certificate in PEM".to_owned()));
                }
                RootCerts::new_with_certs(&certificates)
            }
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_millis(options.timeout_ms)))
            .user_agent(concat!("whydunit/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        Ok(Self { agent: config.build().new_agent() })
    }

    /// Resolves when the receiver has answered with success, on a thread for such.
    pub fn post(&self, url: &str, headers: Vec<(&'static str, String)>, body: String) -> BoxFuture<Result<(), String>> {
        let (agent, url) = (self.agent.clone(), url.to_owned());
        blocking(move || {
            let mut request = Request::builder().method("POST").uri(&url).header("content-type", "application/json");
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let request = request.body(body).map_err(|error| error.to_string())?;
            let mut response = agent.run(request).map_err(|error| failure(&url, &error))?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            let hint =
                if status.is_redirection() { "; it redirects, and redirects are not followed: set the address it leads to" } else { "" };
            Err(format!("{} answered {status}{}{hint}", options::origin(&url), said(&mut response)))
        })
    }

    /// The body of an answer to GET, whatever its status.
    pub fn get(&self, url: &str, authorization: Option<String>) -> BoxFuture<Result<(u16, String), String>> {
        let (agent, url) = (self.agent.clone(), url.to_owned());
        blocking(move || {
            let mut request = agent.get(&url);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let mut response = request.call().map_err(|error| failure(&url, &error))?;
            let text = response.body_mut().with_config().limit(1 << 20).read_to_string().unwrap_or_default();
            Ok((response.status().as_u16(), text))
        })
    }

    /// Whether anybody answers there, whatever is answered; nothing is sent that a receiver would take.
    pub fn reach(&self, url: &str) -> BoxFuture<Result<u16, String>> {
        let (agent, url) = (self.agent.clone(), url.to_owned());
        blocking(move || agent.head(&url).call().map(|response| response.status().as_u16()).map_err(|error| failure(&url, &error)))
    }
}

/// Without the path, which may be a secret.
fn failure(url: &str, error: &ureq::Error) -> String {
    let host = options::origin(url);
    match error {
        ureq::Error::Timeout(_) => format!("{host} did not answer in time"),
        ureq::Error::HostNotFound => format!("{host}: no such host"),
        ureq::Error::BadUri(_) => format!("{host}: not an address"),
        other => format!("{host}: {other}"),
    }
}

/// The beginning of what it said.
fn said(response: &mut Response<Body>) -> String {
    let bytes = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec().unwrap_or_default();
    let text: String = String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::new() } else { format!(": {}", crate::model::event::truncate(&text, ANSWER_CHARS)) }
}

fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> BoxFuture<Result<T, String>> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(format!("the client broke: {panic}")))
    })
}

/// An address with a path after it, whatever slashes they meet with.
pub(super) fn join(url: &str, path: &str) -> String {
    format!("{}{path}", url.trim_end_matches('/'))
}
