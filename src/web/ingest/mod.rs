//! The way in over HTTP: what is answered with success is durable, and read from the database like a partition of a topic.
//!
//! | method | path | takes |
//! |---|---|---|
//! | POST | `/v1/logs` `/v1/metrics` `/v1/traces` | OTLP/HTTP, protobuf and JSON |
//! | POST | `/api/v1/write` | Prometheus remote write 1.0 |
//! | POST | `/ingest/{source}` | webhooks, and any format that a topic of that source may hold |
//!
//! Bodies are stored as they come and decoded later: one that cannot be read becomes a dead letter, whatever its headers say of it.
//! A source of which too much waits is refused with `Retry-After`.

mod bodies;
mod options;
pub(super) mod otlp;
pub(super) mod remote_write;
mod signature;
pub(super) mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method, header};
use warp::path::FullPath;
use warp::reply::Response;

use super::rejection::Problem;
use super::request::{Api, Request, asked_with_body};
use crate::model::Source;
use crate::model::ports::Receiver;
use crate::model::received::{FORMAT_HEADER, Headers, NewRecord, ReceiveError};
use crate::telemetry::metrics::metrics;

pub use options::{Auto, Enabled, IngestOptions};

/// Bodies in memory at a time take as much as this many of the largest size.
const LARGEST_BODIES: usize = 8;
/// Longest wait for others' bodies to be stored.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// When to come again, seconds: by then a checkpoint has made room, or the disk is asked again.
const FULL_RETRY_S: u32 = 5;
const UNAVAILABLE_RETRY_S: u32 = 2;

/// Kept for whoever looks at a dead letter: decoders know packing by its first bytes.
const ENCODING_HEADER: &str = "content-encoding";

/// What takes records, and how much.
#[derive(Clone)]
pub struct Ingest {
    pub options: Arc<IngestOptions>,
    pub receiver: Arc<dyn Receiver>,
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest").field("options", &self.options).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Logs,
    Metrics,
    Traces,
}

/// What a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Otlp(Signal),
    RemoteWrite,
    /// `None`: of no source there is.
    Webhook(Option<Source>),
}

impl Target {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/v1/logs" => Some(Self::Otlp(Signal::Logs)),
            "/v1/metrics" => Some(Self::Otlp(Signal::Metrics)),
            "/v1/traces" => Some(Self::Otlp(Signal::Traces)),
            "/api/v1/write" => Some(Self::RemoteWrite),
            "/ingest" => Some(Self::Webhook(None)),
            other => other.strip_prefix("/ingest/").map(|name| Self::Webhook(Source::parse(name))),
        }
    }
}

/// True for paths that take records.
pub fn is_path(path: &str) -> bool {
    Target::of(path).is_some()
}

/// True where a signature or a token of its own says who sends a webhook: it is checked when the body is there.
pub fn is_vouched_for(options: &IngestOptions, path: &str, headers: &HeaderMap) -> bool {
    matches!(Target::of(path), Some(Target::Webhook(Some(_)))) && signature::claim(options, headers).is_some()
}

/// All paths that take records.
pub fn routes(api: &Api) -> BoxedFilter<(Response,)> {
    let desk = api.parts.ingest.clone().map(|ingest| Arc::new(Desk::new(ingest)));
    warp::path::full()
        .and_then(|path: FullPath| std::future::ready(Target::of(path.as_str()).ok_or_else(warp::reject::not_found)))
        .and(warp::method())
        .and(asked_with_body(api))
        .then(move |target, method, request| answer(target, method, request, desk.clone()))
        .boxed()
}

async fn answer(target: Target, method: Method, mut request: Request, desk: Option<Arc<Desk>>) -> Response {
    let answer = match (&desk, target) {
        (None, _) => Err(Problem::not_found("nothing is taken over HTTP here; the setting ingest.enabled = true changes that")),
        _ if method != Method::POST => Err(Problem::method_not_allowed("POST".to_owned())),
        (Some(desk), Target::Otlp(Signal::Logs)) => Ok(otlp::logs(desk, &mut request).await),
        (Some(desk), Target::Otlp(Signal::Metrics)) => Ok(otlp::metrics(desk, &mut request).await),
        (Some(desk), Target::Otlp(Signal::Traces)) => Ok(otlp::traces(desk, &mut request).await),
        (Some(desk), Target::RemoteWrite) => remote_write::write(desk, &mut request).await,
        (Some(desk), Target::Webhook(Some(source))) => webhook::take(desk, &mut request, source).await,
        (_, Target::Webhook(None)) => Err(Problem::not_found(format!(
            "{} is no source; there are {}",
            request.path,
            Source::ALL.map(|source| format!("/ingest/{}", source.as_str())).join(", ")
        ))),
    };
    if answer.is_err() {
        request.discard_rest().await;
    }
    answer.unwrap_or_else(warp::Reply::into_response)
}

/// Where bodies are taken.
pub(super) struct Desk {
    ingest: Ingest,
    /// One permit a KiB of a body in memory.
    room: Semaphore,
}

impl Desk {
    fn new(ingest: Ingest) -> Self {
        let room = Semaphore::new(kib(ingest.options.max_body_bytes * LARGEST_BODIES) as usize);
        Self { ingest, room }
    }

    fn options(&self) -> &IngestOptions {
        &self.ingest.options
    }

    /// The body as it comes, once there is room for it; the room is given back when the permit is dropped.
    async fn body(&self, request: &mut Request) -> Result<(Vec<u8>, SemaphorePermit<'_>), Problem> {
        let limit = self.options().max_body_bytes;
        let length = request.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let expected = length.unwrap_or(limit);
        if expected > limit {
            return Err(Problem::too_large(limit));
        }
        let room = tokio::time::timeout(ROOM_WAIT, self.room.acquire_many(kib(expected))).await;
        let Ok(Ok(room)) = room else { return Err(Problem::unavailable("too many bodies are being taken at once", UNAVAILABLE_RETRY_S)) };
        Ok((request.bytes(limit).await?, room))
    }

    /// Returns once the records are durable.
    async fn store(&self, source: Source, records: Vec<NewRecord>) -> Result<(), Problem> {
        let stored = self.ingest.receiver.receive(records).await;
        let outcome = match &stored {
            Ok(()) => "stored",
            Err(ReceiveError::Full { .. }) => "full",
            Err(ReceiveError::Unavailable(_) | ReceiveError::Ending) => "unavailable",
        };
        metrics().ingest_request(source.as_str(), outcome);
        stored.map_err(|error| match error {
            ReceiveError::Full { .. } => Problem::inbox_full(format!("{error}; nothing of this request is stored"), FULL_RETRY_S),
            ReceiveError::Unavailable(_) => {
                Problem::unavailable(format!("{error}; nothing of this request is stored"), UNAVAILABLE_RETRY_S)
            }
            ReceiveError::Ending => {
                Problem::unavailable(format!("{error}; nothing of this request is stored"), UNAVAILABLE_RETRY_S).and_close()
            }
        })
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX)
}

/// One record of a request.
fn record(request: &Request, source: Source, value: Vec<u8>, headers: Headers) -> NewRecord {
    NewRecord { source, value, headers, received_at: request.now() }
}

/// A media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How the body is packed, in lower case; empty where it is not.
fn content_encoding(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = value.trim().to_ascii_lowercase();
    if name == "identity" { String::new() } else { name }
}

/// Headers of a record whose path says what it is: `format` where the media type is the one that goes with it.
fn headers_of(headers: &HeaderMap, media: &str, format: Option<&str>) -> Headers {
    let encoding = content_encoding(headers);
    let kept = [("content-type", media), (ENCODING_HEADER, &encoding), (FORMAT_HEADER, format.unwrap_or_default())];
    kept.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect()
}

/// An answer with a body.
fn answered(media: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, warp::http::HeaderValue::from_static(media));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_it_takes() {
        assert_eq!(Target::of("/v1/traces"), Some(Target::Otlp(Signal::Traces)));
        assert_eq!(Target::of("/api/v1/write"), Some(Target::RemoteWrite));
        assert_eq!(Target::of("/ingest/git"), Some(Target::Webhook(Some(Source::Git))));
        assert_eq!(Target::of("/ingest/smoke"), Some(Target::Webhook(None)));
        for other in ["/", "/v1", "/v1/logs/", "/api/v1/events", "/ingested", "/investigations"] {
            assert_eq!(Target::of(other), None, "{other}");
        }
    }
}
