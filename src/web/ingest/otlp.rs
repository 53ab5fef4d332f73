//! OTLP/HTTP: answers in the encoding of the request, refusals as `google.rpc.Status`.

use prost::Message as _;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::{Desk, answered, is_gzip, media_type, record};
use crate::model::Source;
use crate::model::received::FORMAT_HEADER;
use crate::web::rejection::Problem;
use crate::web::request::Request;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

/// `google.rpc.Status`, as far as it is used: github.com/googleapis/googleapis, google/rpc/status.proto.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match media_type(headers).as_str() {
            PROTOBUF => Ok(Self::Protobuf),
            JSON => Ok(Self::Json),
            other => Err(Problem::unsupported(format!("OTLP/HTTP is {PROTOBUF} or {JSON}, not `{other}`"))),
        }
    }

    const fn media(self) -> &'static str {
        match self {
            Self::Protobuf => PROTOBUF,
            Self::Json => JSON,
        }
    }

    const fn format(self) -> &'static str {
        match self {
            Self::Protobuf => "otlp_proto",
            Self::Json => "otlp_json",
        }
    }

    /// An `ExportLogsServiceResponse`, or its like of another signal, in which nothing is set.
    fn done(self) -> Response {
        answered(self.media(), if self == Self::Json { b"{}".to_vec() } else { Vec::new() })
    }

    fn refused(self, problem: &Problem) -> Response {
        let status = Status { code: grpc_code(problem.status), message: problem.detail.clone() };
        let body = match self {
            Self::Protobuf => status.encode_to_vec(),
            Self::Json => serde_json::to_vec(&status).unwrap_or_default(),
        };
        let mut response = answered(self.media(), body);
        *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(seconds) = problem.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// github.com/googleapis/googleapis, google/rpc/code.proto.
const fn grpc_code(status: u16) -> i32 {
    match status {
        400 | 413 | 415 => 3,
        408 => 4,
        429 => 8,
        503 => 14,
        _ => 13,
    }
}

pub(super) async fn take(desk: &Desk, request: &mut Request, source: Source) -> Response {
    let encoding = match Encoding::of(&request.headers) {
        Ok(encoding) => encoding,
        Err(problem) => {
            request.discard_rest().await;
            return warp::Reply::into_response(problem);
        }
    };
    match stored(desk, request, source, encoding).await {
        Ok(()) => encoding.done(),
        Err(problem) => {
            request.discard_rest().await;
            encoding.refused(&problem)
        }
    }
}

async fn stored(desk: &Desk, request: &mut Request, source: Source, encoding: Encoding) -> Result<(), Problem> {
    // It is inflated when it is decoded, within the bounds of a record.
    is_gzip(&request.headers)?;
    let (body, _room) = desk.body(request).await?;
    if body.is_empty() {
        // A request in which nothing is set: there is nothing to keep.
        return Ok(());
    }
    let headers = [("content-type", encoding.media()), (FORMAT_HEADER, encoding.format())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let record = record(request, source, body, headers.to_vec());
    desk.store(source, vec![record]).await
}
