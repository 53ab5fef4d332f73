//! A client that takes every status as an answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::Value;
use ureq::http::{HeaderMap, Request};

use super::ports::{PATIENCE, Running};

pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}: {}", self.status, self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fields that the problem names.
    pub fn fields(&self) -> Vec<String> {
        let json = self.json();
        json["errors"].as_array().map(|errors| errors.iter().map(|e| e["field"].as_str().unwrap().to_owned()).collect()).unwrap_or_default()
    }
}

impl Running {
    /// Sends a request; `path` follows `/api/v1` unless it starts with `//`, then the root.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answered {
        let url = match path.strip_prefix("//") {
            Some(rest) => format!("{}/{rest}", self.base),
            None => format!("{}/api/v1{path}", self.base),
        };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
        let agent: ureq::Agent = config.timeout_global(Some(PATIENCE)).build().into();
        let mut response = match body {
            Some(body) => agent.run(request.body(body).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        }
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = response.body_mut().read_to_string().unwrap();
        Answered { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }

    pub fn get(&self, path: &str) -> Answered {
        self.send("GET", path, &[], None)
    }

    pub fn write(&self, method: &str, path: &str, body: &str) -> Answered {
        self.send(method, path, &[("content-type", "application/json"), ("if-match", "*")], Some(body.as_bytes()))
    }

    pub fn post(&self, path: &str, body: &str) -> Answered {
        self.write("POST", path, body)
    }
}
