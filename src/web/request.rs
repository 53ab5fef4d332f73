//! One request on its way to its handler, and the ports a handler reaches through it.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::Response;
use warp::{Buf, Filter};

use super::Parts;
use super::auth::Person;
use super::contract::fields::Fields;
use super::contract::query::{Param, Query};
use super::options::Options;
use super::rejection::{Answer, Problem};
use crate::model::Timestamp;
use crate::model::command::{Action, Command, CommandOutcome};
use crate::model::event::Provenance;
use crate::model::ports::{StoreError, StoreReader};
use crate::model::source_record::Fetched;

const IDEMPOTENCY_KEY_CHARS_MAX: usize = 200;
/// What is read and thrown away of a refused body, at most.
const DISCARDED_BYTES_MAX: usize = 16 << 20;
/// Looks at brokers at a time.
const LOOKS_MAX: usize = 4;
/// Longest wait for one; its own limits end it soon after.
const LOOK_TIME_MAX: Duration = Duration::from_secs(20);
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

type Chunks = Pin<Box<dyn Stream<Item = Result<Vec<u8>, warp::Error>> + Send + Sync>>;

/// The ports and limits that all handlers share.
#[derive(Clone, Debug)]
pub struct Api {
    pub parts: Parts,
    pub options: Arc<Options>,
    /// One permit a blocking read; bounds threads.
    reads: Arc<Semaphore>,
    /// One permit a look at a broker, each with a client of its own.
    looks: Arc<Semaphore>,
}

impl Api {
    pub fn new(options: Arc<Options>, parts: Parts) -> Self {
        let reads = Arc::new(Semaphore::new(options.max_reads));
        Self { parts, options, reads, looks: Arc::new(Semaphore::new(LOOKS_MAX)) }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.options.timeout_ms)
    }

    /// Asks the broker for a record, on a thread for such. A broker that does not answer keeps only few of these busy.
    pub async fn fetch(&self, provenance: Provenance) -> Result<Fetched, Problem> {
        let turn = self.looks.clone().try_acquire_owned();
        let turn = turn.map_err(|_| Problem::unavailable("other source records are being read", 2))?;
        let records = self.parts.source_records.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = records.fetch(&provenance.connector, &provenance.position);
            drop(turn);
            answer
        });
        match tokio::time::timeout(LOOK_TIME_MAX, answer).await {
            Err(_) => Ok(Fetched::Unreachable("the broker did not answer in time; try again, or see the connector's state".to_owned())),
            Ok(answer) => answer.map_err(|panic| {
                tracing::error!(%panic, "a look at a broker panicked");
                Problem::internal()
            }),
        }
    }

    /// Runs a blocking read on a thread for such; waits for its turn, but not for ever.
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn StoreReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::unavailable("too many reads are under way", 2);
        let turn = tokio::time::timeout(self.timeout(), self.reads.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let reader = self.parts.reader.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = ask(reader.as_ref());
            drop(turn);
            answer
        });
        match tokio::time::timeout(self.timeout(), answer).await {
            Err(_) => Err(Problem::unavailable("the store did not answer in time", 5)),
            Ok(Err(panic)) => {
                tracing::error!(%panic, "a read of the store panicked");
                Err(Problem::internal())
            }
            Ok(Ok(answer)) => answer.map_err(Problem::from),
        }
    }
}

/// What is asked, apart from the path: made by [`asked`] and [`asked_with_body`].
pub struct Request {
    pub api: Api,
    pub who: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    body: Option<Chunks>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("path", &self.path).field("query", &self.query).finish_non_exhaustive()
    }
}

/// A request whose body, if any, is not read.
pub fn asked(api: &Api) -> BoxedFilter<(Request,)> {
    let api = api.clone();
    warp::ext::get::<Person>()
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .map(move |who: Person, path: warp::path::FullPath, query, headers| Request {
            api: api.clone(),
            who: who.0,
            path: path.as_str().to_owned(),
            query,
            headers,
            body: None,
        })
        .boxed()
}

/// A request together with its body, unread.
pub fn asked_with_body(api: &Api) -> BoxedFilter<(Request,)> {
    asked(api).and(warp::body::stream()).map(|request: Request, chunks| Request { body: Some(owned_chunks(chunks)), ..request }).boxed()
}

fn owned_chunks<B: Buf>(chunks: impl Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static) -> Chunks {
    Box::pin(chunks.map(|chunk| {
        chunk.map(|mut buffer| {
            let mut bytes = vec![0; buffer.remaining()];
            buffer.copy_to_slice(&mut bytes);
            bytes
        })
    }))
}

impl Request {
    /// The query string, checked against the tables of the route.
    pub fn query(&self, tables: &[&[Param]]) -> Result<Query, Problem> {
        Query::parse(&self.query, tables)
    }

    /// Refuses any query parameter.
    pub fn no_query(&self) -> Result<(), Problem> {
        self.query(&[]).map(drop)
    }

    pub fn now(&self) -> Timestamp {
        (self.api.parts.now)()
    }

    /// The body as a JSON object to be read field by field.
    pub async fn fields(&mut self) -> Result<Fields, Problem> {
        let bytes = match self.expect_json() {
            Ok(()) => self.bytes(self.api.options.max_body_bytes).await,
            Err(problem) => Err(problem),
        };
        if bytes.is_err() {
            self.discard_rest().await;
        }
        let bytes = bytes?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| match error.line() {
            0 | 1 if bytes.is_empty() => Problem::bad_json("the body is empty; a JSON object is needed"),
            _ => Problem::bad_json(error.to_string()),
        })?;
        Fields::of(value)
    }

    /// As [`Request::fields`], but a request without a body counts as the empty object.
    pub async fn fields_if_any(&mut self) -> Result<Fields, Problem> {
        let length = self.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let none = length.map_or(!self.headers.contains_key(header::TRANSFER_ENCODING), |length| length == "0");
        if none { Fields::of(Value::Object(serde_json::Map::new())) } else { self.fields().await }
    }

    fn expect_json(&self) -> Result<(), Problem> {
        let found = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
        let essence = found.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Problem::unsupported_media(found)) }
    }

    /// Reads the body up to a limit, bytes, which is checked before the first byte where the length is known.
    pub async fn bytes(&mut self, limit: usize) -> Result<Vec<u8>, Problem> {
        let length = self.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > limit as u64) {
            return Err(Problem::too_large(limit));
        }
        let timeout = self.api.timeout();
        let Some(chunks) = self.body.as_mut() else { return Ok(Vec::new()) };
        match tokio::time::timeout(timeout, collected(chunks, limit)).await {
            Ok(bytes) => bytes,
            Err(_) => Err(Problem::timeout("the body did not arrive in time")),
        }
    }

    /// Reads on without keeping anything, within bounds: a client that is still sending when its connection closes would
    /// see a broken connection instead of the refusal.
    pub async fn discard_rest(&mut self) {
        let Some(mut chunks) = self.body.take() else { return };
        let discard = async {
            let mut bytes = 0;
            while let Some(Ok(chunk)) = chunks.next().await {
                bytes += chunk.len();
                if bytes > DISCARDED_BYTES_MAX {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_TIME_MAX, discard).await;
    }

    /// `If-Match`: the version expected; `None` when absent or `*`.
    pub fn expected_version(&self) -> Result<Option<u64>, Problem> {
        let Some(value) = self.headers.get(header::IF_MATCH) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        match bare.parse() {
            Ok(version) => Ok(Some(version)),
            Err(_) => Err(Problem::bad_parameter("If-Match", "must be an ETag as it was given, such as \"3\", or *")),
        }
    }

    /// As [`Request::expected_version`], but the header must be there.
    pub fn required_version(&self) -> Result<Option<u64>, Problem> {
        if self.headers.contains_key(header::IF_MATCH) { self.expected_version() } else { Err(Problem::version_required()) }
    }

    fn idempotency_key(&self) -> Result<Option<String>, Problem> {
        let Some(value) = self.headers.get("idempotency-key") else { return Ok(None) };
        let key = value.to_str().unwrap_or_default();
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX {
            let reason = format!("needs 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters");
            return Err(Problem::bad_parameter("Idempotency-Key", reason));
        }
        Ok(Some(key.to_owned()))
    }

    /// Hands an action to the writer and waits until it is durable.
    pub async fn submit(&self, action: Action, expected_version: Option<u64>) -> Result<CommandOutcome, Problem> {
        let command = Command { who: self.who.clone(), idempotency_key: self.idempotency_key()?, expected_version, action };
        match tokio::time::timeout(self.api.timeout(), self.api.parts.commands.submit(command)).await {
            Ok(outcome) => outcome.map_err(Problem::from),
            Err(_) => Err(Problem::unavailable(
                "the writer did not answer in time: it may or may not be stored; repeat it with the same Idempotency-Key",
                5,
            )),
        }
    }
}

async fn collected(chunks: &mut Chunks, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::bad_json(format!("the body broke off: {error}")))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// One segment of a path, percent-decoded; ids may hold `:` and other marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment(pub String);

impl FromStr for Segment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8().map_err(drop)?;
        let sound = !decoded.is_empty() && decoded.chars().count() <= 1_000 && !decoded.contains('\0');
        if sound { Ok(Self(decoded.into_owned())) } else { Err(()) }
    }
}

/// A value as JSON, 200.
pub fn json<T: Serialize>(value: &T) -> Answer {
    let bytes = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Problem::internal()
    })?;
    let mut response = Response::new(bytes.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A value that people change, with its version as ETag.
pub fn versioned<T: Serialize>(value: &T, version: u64) -> Answer {
    let mut response = json(value)?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Something new: 201 with its address.
pub fn created(mut response: Response, location: &str) -> Response {
    *response.status_mut() = StatusCode::CREATED;
    located(response, location)
}

/// Adds `Location`.
pub fn located(mut response: Response, location: &str) -> Response {
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Done, nothing to show: 204.
pub fn no_content() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The writer answered with something else than the action calls for: a defect of ours.
pub fn unexpected(outcome: &CommandOutcome) -> Problem {
    tracing::error!(?outcome, "the writer's answer does not fit the action");
    Problem::internal()
}
