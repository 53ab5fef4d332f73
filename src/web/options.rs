//! Settings of the two listeners.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Shortest bearer token accepted, in characters.
pub const TOKEN_CHARS_MIN: usize = 32;

/// Settings `web.*`: the API and the canvas.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Address and port. Anything but loopback needs `token`.
    pub listen: SocketAddr,
    /// Bearer token that every API request must carry; secret.
    #[serde(skip_serializing)]
    pub token: Option<String>,
    /// Host names under which the page may be opened, beside loopback and the listen address; no port.
    pub allowed_hosts: Vec<String>,
    /// Largest request body, bytes.
    pub max_body_bytes: usize,
    /// Open connections; further ones wait in the backlog.
    pub max_connections: usize,
    /// Open live streams; further ones get 503.
    pub max_streams: usize,
    /// Reads of the store at a time; each holds one blocking thread.
    pub max_reads: usize,
    /// API requests a minute for each principal; 0 turns the limit off.
    pub max_requests_per_minute: u32,
    /// Longest wait for a request's headers, for its body, for the store, milliseconds.
    pub timeout_ms: u64,
    /// Longest wait at shutdown for answers under way, milliseconds.
    pub shutdown_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            token: None,
            allowed_hosts: Vec::new(),
            max_body_bytes: 1 << 20,
            max_connections: 512,
            max_streams: 100,
            max_reads: 16,
            max_requests_per_minute: 6_000,
            timeout_ms: 10_000,
            shutdown_ms: 5_000,
        }
    }
}

/// The token stays out of logs and panics.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("token", &self.token.as_ref().map(|_| "<secret>"))
            .field("allowed_hosts", &self.allowed_hosts)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("max_connections", &self.max_connections)
            .field("max_streams", &self.max_streams)
            .field("max_reads", &self.max_reads)
            .field("max_requests_per_minute", &self.max_requests_per_minute)
            .field("timeout_ms", &self.timeout_ms)
            .field("shutdown_ms", &self.shutdown_ms)
            .finish()
    }
}

/// Settings `ops.*`: metrics and probes on a listener of their own, without payloads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsOptions {
    pub listen: SocketAddr,
    pub max_connections: usize,
}

impl Default for OpsOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9464)), max_connections: 64 }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{key}: {reason}")]
pub struct OptionError {
    pub key: &'static str,
    pub reason: String,
}

fn refuse(key: &'static str, reason: impl Into<String>) -> Result<(), OptionError> {
    Err(OptionError { key, reason: reason.into() })
}

impl Options {
    /// Checks what must hold before a port opens.
    pub fn validate(&self) -> Result<(), OptionError> {
        self.validate_exposure()?;
        for host in &self.allowed_hosts {
            let plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '[' | ']' | ':'));
            let port = !host.starts_with('[') && host.contains(':');
            if !plain || port {
                return refuse("web.allowed_hosts", format!("`{host}` is not a host name (no scheme, no port, no wildcard)"));
            }
        }
        for (key, value, low, high) in [
            ("web.max_body_bytes", self.max_body_bytes as u64, 1 << 10, 64 << 20),
            ("web.max_connections", self.max_connections as u64, 1, 65_536),
            ("web.max_streams", self.max_streams as u64, 1, 10_000),
            ("web.max_reads", self.max_reads as u64, 1, 256),
            ("web.timeout_ms", self.timeout_ms, 100, 300_000),
            ("web.shutdown_ms", self.shutdown_ms, 1, 60_000),
        ] {
            if !(low..=high).contains(&value) {
                return refuse(key, format!("{value} is outside {low} to {high}"));
            }
        }
        if self.max_streams >= self.max_connections {
            return refuse("web.max_streams", "must be below web.max_connections, else open pages could lock out every request");
        }
        Ok(())
    }

    fn validate_exposure(&self) -> Result<(), OptionError> {
        match &self.token {
            Some(token) if token.chars().count() < TOKEN_CHARS_MIN => {
                refuse("web.token", format!("needs at least {TOKEN_CHARS_MIN} characters"))
            }
            Some(token) if !token.bytes().all(|b| b.is_ascii_graphic()) => {
                refuse("web.token", "may hold only visible ASCII characters, no spaces")
            }
            None if !self.listen.ip().is_loopback() => refuse(
                "web.listen",
                format!(
                    "{} can be reached from other machines: set web.token ({TOKEN_CHARS_MIN} characters or more) or listen on 127.0.0.1",
                    self.listen
                ),
            ),
            _ => Ok(()),
        }
    }
}

impl OpsOptions {
    /// Checks what must hold before a port opens.
    pub fn validate(&self) -> Result<(), OptionError> {
        if !(1..=65_536).contains(&self.max_connections) {
            return refuse("ops.max_connections", format!("{} is outside 1 to 65536", self.max_connections));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn an_address_others_can_reach_is_refused_without_a_long_token() {
        let mut options = Options { listen: "0.0.0.0:8080".parse().unwrap(), ..Options::default() };
        assert_eq!(options.validate().unwrap_err().key, "web.listen");
        options.token = Some("short".to_owned());
        assert_eq!(options.validate().unwrap_err().key, "web.token");
        options.token = Some("x".repeat(32));
        assert_eq!(options.validate(), Ok(()));
    }

    #[test]
    fn every_limit_names_its_key_when_it_cannot_hold() {
        assert_eq!(Options::default().validate(), Ok(()));
        assert_eq!(OpsOptions::default().validate(), Ok(()));
        let zero = Options { max_reads: 0, ..Options::default() };
        assert_eq!(zero.validate().unwrap_err().key, "web.max_reads");
        let wild = Options { allowed_hosts: vec!["*.example.org".to_owned()], ..Options::default() };
        assert_eq!(wild.validate().unwrap_err().key, "web.allowed_hosts");
    }

    #[test]
    fn the_token_is_never_printed() {
        let options = Options { token: Some("s".repeat(40)), ..Options::default() };
        assert!(!format!("{options:?}").contains("ssss"));
        assert!(!serde_json::to_string(&options).unwrap().contains("ssss"));
    }
}
