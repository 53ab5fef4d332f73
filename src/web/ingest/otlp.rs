//! OTLP/HTTP: answers in the encoding of the request, refusals as `google.rpc.Status`.

use prost::Message as _;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Desk, answered, headers_of, media_type, record};
use crate::model::Source;
use crate::web::rejection::{Details, Problem};
use crate::web::request::Request;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

/// `google.rpc.Status`, as far as it is used: github.com/googleapis/googleapis, google/rpc/status.proto.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, utoipa::ToSchema)]
#[schema(as = RpcStatus)]
pub struct Status {
    /// Of `google.rpc.Code`.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What happened, and what to do about it.
    #[prost(string, tag = "2")]
    pub message: String,
}

impl Encoding {
    /// `None` of a request that is neither: what it holds is looked at when it is decoded.
    fn of(media: &str) -> Option<Self> {
        match media {
            PROTOBUF => Some(Self::Protobuf),
            JSON => Some(Self::Json),
            _ => None,
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
        problem.write_wishes(response.headers_mut());
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

/// Takes logs as OpenTelemetry exporters send them: an `ExportLogsServiceRequest`, as it is or packed. Success says that it is durable.
#[utoipa::path(post, path = "/v1/logs", tag = "ingest", request_body(content(("application/x-protobuf"), ("application/json"))),
    responses(
        (status = 200, description = "Durable; in the encoding of the request.", content(("application/x-protobuf"), ("application/json"))),
        (status = 400, description = "The body broke off.", body = Status),
        (status = 401, description = "The token of web.token is missing.", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "Larger than ingest.max_body_bytes.", body = Status),
        (status = 429, description = "ingest.max_mib wait to be read.", body = Status, headers(("Retry-After" = u32, description = "Seconds."))),
        (status = 503, description = "Nothing can be stored now.", body = Status, headers(("Retry-After" = u32, description = "Seconds.")))))]
pub(in crate::web) async fn logs(desk: &Desk, request: &mut Request) -> Response {
    take(desk, request, Source::Logs).await
}

/// Takes metrics as OpenTelemetry exporters send them: an `ExportMetricsServiceRequest`, as it is or packed. Success says that it is durable.
#[utoipa::path(post, path = "/v1/metrics", tag = "ingest", request_body(content(("application/x-protobuf"), ("application/json"))),
    responses(
        (status = 200, description = "Durable; in the encoding of the request.", content(("application/x-protobuf"), ("application/json"))),
        (status = 400, description = "The body broke off.", body = Status),
        (status = 401, description = "The token of web.token is missing.", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "Larger than ingest.max_body_bytes.", body = Status),
        (status = 429, description = "ingest.max_mib wait to be read.", body = Status, headers(("Retry-After" = u32, description = "Seconds."))),
        (status = 503, description = "Nothing can be stored now.", body = Status, headers(("Retry-After" = u32, description = "Seconds.")))))]
pub(in crate::web) async fn metrics(desk: &Desk, request: &mut Request) -> Response {
    take(desk, request, Source::Metrics).await
}

/// Takes spans as OpenTelemetry exporters send them: an `ExportTraceServiceRequest`, as it is or packed. Success says that it is durable.
#[utoipa::path(post, path = "/v1/traces", tag = "ingest", request_body(content(("application/x-protobuf"), ("application/json"))),
    responses(
        (status = 200, description = "Durable; in the encoding of the request.", content(("application/x-protobuf"), ("application/json"))),
        (status = 400, description = "The body broke off.", body = Status),
        (status = 401, description = "The token of web.token is missing.", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "Larger than ingest.max_body_bytes.", body = Status),
        (status = 429, description = "ingest.max_mib wait to be read.", body = Status, headers(("Retry-After" = u32, description = "Seconds."))),
        (status = 503, description = "Nothing can be stored now.", body = Status, headers(("Retry-After" = u32, description = "Seconds.")))))]
pub(in crate::web) async fn traces(desk: &Desk, request: &mut Request) -> Response {
    take(desk, request, Source::Traces).await
}

async fn take(desk: &Desk, request: &mut Request, source: Source) -> Response {
    let media = media_type(&request.headers);
    let encoding = Encoding::of(&media);
    match stored(desk, request, source, &media, encoding).await {
        Ok(()) => encoding.unwrap_or(Encoding::Json).done(),
        Err(problem) => {
            request.discard_rest().await;
            encoding.unwrap_or(Encoding::Json).refused(&problem)
        }
    }
}

/// It is inflated when it is decoded, within the bounds of a record.
async fn stored(desk: &Desk, request: &mut Request, source: Source, media: &str, encoding: Option<Encoding>) -> Result<(), Problem> {
    let (body, _room) = desk.body(request).await?;
    if body.is_empty() {
        // A request in which nothing is set: there is nothing to keep.
        return Ok(());
    }
    let headers = headers_of(&request.headers, media, encoding.map(Encoding::format));
    let record = record(request, source, body, headers);
    desk.store(source, vec![record]).await
}
