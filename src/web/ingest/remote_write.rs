//! Prometheus remote write 1.0.

use warp::http::{StatusCode, header};

use super::{Desk, headers_of, media_type, record};
use crate::model::Source;
use crate::web::rejection::{Answer, Details, Problem};
use crate::web::request::{Request, no_content};

const FORMAT: &str = "prometheus_remote_write";
const VERSION_2: &str = "io.prometheus.write.v2";

/// Takes samples as Prometheus sends them: a `prometheus.WriteRequest` in one block of snappy. Success says that it is durable.
#[utoipa::path(post, path = "/api/v1/write", tag = "ingest", request_body(content(("application/x-protobuf"))),
    responses(
        (status = 204, description = "Durable."),
        (status = 400, description = "The body broke off.", body = Details, content_type = "application/problem+json"),
        (status = 401, description = "The token of web.token is missing.", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "Larger than ingest.max_body_bytes.", body = Details, content_type = "application/problem+json"),
        (status = 415, description = "Remote write 2.0, which is not read.", body = Details, content_type = "application/problem+json"),
        (status = 503, description = "Nothing can be stored now, or ingest.max_mib wait to be read.", body = Details,
            content_type = "application/problem+json", headers(("Retry-After" = u32, description = "Seconds.")))))]
pub(in crate::web) async fn write(desk: &Desk, request: &mut Request) -> Answer {
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The two sides agree on a version by this refusal, and no other.
    if content_type.contains(VERSION_2) {
        return Err(Problem::unsupported(
            "remote write 2.0 is not read: leave out protobuf_message, or set it to prometheus.WriteRequest, under remote_write",
        ));
    }
    let (body, _room) = desk.body(request).await?;
    if !body.is_empty() {
        let headers = headers_of(&request.headers, &media_type(&request.headers), Some(FORMAT));
        let record = record(request, Source::Metrics, body, headers);
        desk.store(Source::Metrics, vec![record]).await.map_err(come_again)?;
    }
    Ok(no_content())
}

/// Prometheus drops what is refused with 429 unless it is told otherwise; after a 503 it sends again.
fn come_again(problem: Problem) -> Problem {
    match problem.retry_after_s {
        Some(seconds) if problem.status == StatusCode::TOO_MANY_REQUESTS.as_u16() => Problem::unavailable(problem.detail.clone(), seconds),
        _ => problem,
    }
}
