//! Asks the API of a running whydunit.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// An answer that takes longer is none.
const WAIT: Duration = Duration::from_secs(15);

/// The JSON answer to a question, whatever its status; `hint` says what to do when nobody answers.
///
/// # Errors
/// No answer, or none in JSON.
pub fn get(url: &str, hint: &str) -> anyhow::Result<Value> {
    let request = ureq::get(url).config().http_status_as_error(false).timeout_global(Some(WAIT)).build();
    let mut answer = request.call().with_context(|| hint.to_owned())?;
    let status = answer.status();
    answer.body_mut().read_json().with_context(|| format!("{url} answered {status}, not as whydunit does. {hint}"))
}

/// Where to ask who listens at an address: who listens on every address is asked on this machine's own.
pub fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    listen
}

/// Sends a JSON body and reads the JSON answer; `hint` says what to do when nobody answers.
///
/// # Errors
/// No answer, or a refusal with its reason.
pub fn post(url: &str, token: Option<&str>, body: &Value, hint: &str) -> anyhow::Result<Value> {
    let mut request = ureq::post(url).config().http_status_as_error(false).timeout_global(Some(WAIT)).build();
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut answer = request.send_json(body).with_context(|| hint.to_owned())?;
    let status = answer.status();
    let said: Value = answer.body_mut().read_json().with_context(|| format!("{url} answered {status}, not as whydunit does. {hint}"))?;
    if !status.is_success() {
        let mut reason = said["detail"].as_str().or(said["title"].as_str()).unwrap_or("refused without a reason").to_owned();
        for error in said["errors"].as_array().into_iter().flatten() {
            let of = |key: &str| error[key].as_str().unwrap_or_default();
            reason.push_str(&format!("; {}: {}", of("field"), of("reason")));
        }
        bail!("{reason}");
    }
    Ok(said)
}
