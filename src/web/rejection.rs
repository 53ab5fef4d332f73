//! Every refusal as RFC 9457 problem details: what the caller is told, apart from what the log is told.

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::Response;

use crate::model::command::CommandError;
use crate::model::ports::StoreError;

/// What a handler answers.
pub type Answer = Result<Response, Problem>;

/// A refusal; boxed, because it stands in the error of nearly every function here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Details>);

impl Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

/// Problem details (RFC 9457), as every refusal carries them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct Details {
    /// `urn:whydunit:problem:<kind>`; stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words; the same for all problems of a kind.
    pub title: String,
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// Path of the request.
    pub instance: String,
    /// Every field or parameter at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds after which to try again; sent as `Retry-After`.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after_s: Option<u32>,
    /// Nothing more is taken on this connection; sent as `Connection: close`.
    #[serde(skip)]
    #[schema(ignore)]
    pub closes: bool,
    /// Methods that the path takes; sent as `Allow`.
    #[serde(skip)]
    #[schema(ignore)]
    pub allow: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Body field, query parameter or header.
    pub field: String,
    pub reason: String,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind: format!("urn:whydunit:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            instance: String::new(),
            errors: Vec::new(),
            retry_after_s: None,
            closes: false,
            allow: None,
        }))
    }

    pub fn bad_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-json", "The body is not JSON", detail)
    }

    /// A query parameter or header that is unknown or has an impossible value.
    pub fn bad_parameters(errors: Vec<(String, String)>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-parameter", "A parameter cannot be used", join(&errors)).with_errors(errors)
    }

    pub fn bad_parameter(field: &str, reason: impl Into<String>) -> Self {
        Self::bad_parameters(vec![(field.to_owned(), reason.into())])
    }

    /// Well-formed content whose fields break a rule.
    pub fn invalid(errors: Vec<(String, String)>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Some fields are not valid", join(&errors)).with_errors(errors)
    }

    pub fn unauthorized() -> Self {
        let detail = "send `Authorization: Bearer <token>` with the token of the setting web.token";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed", detail)
    }

    pub fn forbidden_origin(origin: &str) -> Self {
        let detail = format!("writes are taken only from whydunit's own page, not from `{origin}`");
        Self::new(StatusCode::FORBIDDEN, "foreign-origin", "The request comes from another site", detail)
    }

    pub fn unknown_host(host: &str) -> Self {
        let detail = format!("`{host}` is not a name of this server; if it should be, add it to the setting web.allowed_hosts");
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", "Unknown host name", detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("this path takes {allow}");
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The path does not take this method", detail);
        problem.0.allow = Some(allow);
        problem
    }

    pub fn timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request came too slowly", detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "The present state does not allow it", detail)
    }

    pub fn stale(expected: u64, actual: u64) -> Self {
        let detail = format!("it was changed since version {expected}: now version {actual}; read it again, then decide");
        Self::new(StatusCode::PRECONDITION_FAILED, "stale", "Somebody changed it since", detail)
    }

    pub fn too_large(limit_bytes: usize) -> Self {
        let detail = format!("a body may have at most {limit_bytes} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    /// Too much to be stored at once.
    pub fn too_many_lines(limit: usize) -> Self {
        let detail = format!("a body may have at most {limit} lines; send them in several requests");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }

    pub fn unsupported_media(found: &str) -> Self {
        let detail = format!("send `Content-Type: application/json`, not `{found}`");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media", "The body is not of a type we read", detail)
    }

    /// As [`Problem::unsupported_media`], with what to send instead.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media", "The body is not of a type we read", detail)
    }

    /// A webhook that does not prove whose it says it is.
    pub fn bad_signature(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "bad-signature", "The webhook's signature is not right", detail)
    }

    /// As much waits to be read as may.
    pub fn inbox_full(detail: impl Into<String>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "inbox-full", "Too much waits to be read", detail).retry_after(retry_after_s)
    }

    pub fn version_required() -> Self {
        let detail = "send `If-Match` with the ETag you read, or `If-Match: *` to overwrite whatever is there";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "version-required", "If-Match is required", detail)
    }

    pub fn too_many_requests(retry_after_s: u32, limit: u32) -> Self {
        let detail = format!("more than {limit} requests a minute; go on in {retry_after_s} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail);
        problem.retry_after(retry_after_s)
    }

    pub fn internal() -> Self {
        let detail = "a defect in whydunit; the log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    pub fn unavailable(detail: impl Into<String>, retry_after_s: u32) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now", detail);
        problem.retry_after(retry_after_s)
    }

    fn with_errors(mut self, errors: Vec<(String, String)>) -> Self {
        self.0.errors = errors.into_iter().map(|(field, reason)| FieldError { field, reason }).collect();
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Whoever asks is to come again on another connection, which may lead elsewhere.
    #[must_use]
    pub fn and_close(mut self) -> Self {
        self.0.closes = true;
        self
    }

    /// When and how to come again.
    pub fn write_wishes(&self, headers: &mut HeaderMap) {
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// The response to a request for `path`.
    pub fn into_response_for(mut self, path: &str) -> Response {
        path.clone_into(&mut self.0.instance);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.write_wishes(headers);
        if let Some(Ok(allow)) = self.allow.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"whydunit\""));
        }
        response
    }
}

fn join(errors: &[(String, String)]) -> String {
    errors.iter().map(|(field, reason)| format!("{field}: {reason}")).collect::<Vec<_>>().join("; ")
}

/// A response without a body: the server's outermost layer knows the path and writes it.
impl warp::Reply for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadQuery { field, reason } => Self::bad_parameter(&field, reason),
            StoreError::DiskFull(_) => Self::unavailable("the disk is full: nothing is lost, reading goes on when there is space", 30),
            StoreError::Busy(_) => Self::unavailable("the database is busy", 1),
            StoreError::Corrupt(reason) => {
                tracing::error!(reason, "database damaged");
                Self::unavailable("the database is damaged: see the log and restore a copy", 300)
            }
            StoreError::SnapshotVersion { .. } | StoreError::Other(_) => {
                tracing::error!(%error, "store read failed");
                Self::internal()
            }
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound { what, id } => Self::not_found(format!("no {what} with id {id}")),
            CommandError::Stale { expected, actual } => Self::stale(expected, actual),
            CommandError::Conflict { reason } => Self::conflict(reason),
            CommandError::Invalid { fields } => Self::invalid(fields),
            CommandError::Unavailable(reason) => Self::unavailable(format!("not stored: {reason}"), 2),
        }
    }
}
