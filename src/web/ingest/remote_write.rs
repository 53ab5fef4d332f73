//! Prometheus remote write 1.0.

use warp::http::{StatusCode, header};

use super::{Desk, content_encoding, media_type, record};
use crate::model::Source;
use crate::model::received::FORMAT_HEADER;
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Request, no_content};

const FORMAT: &str = "prometheus_remote_write";
const VERSION_2: &str = "io.prometheus.write.v2";

pub(super) async fn take(desk: &Desk, request: &mut Request) -> Answer {
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.contains(VERSION_2) {
        return Err(Problem::unsupported(
            "remote write 2.0 is not read: leave out protobuf_message, or set it to prometheus.WriteRequest, under remote_write",
        ));
    }
    let media = media_type(&request.headers);
    if media != "application/x-protobuf" {
        return Err(Problem::unsupported(format!("remote write is application/x-protobuf, not `{media}`")));
    }
    match content_encoding(&request.headers).as_str() {
        "" | "snappy" => {}
        other => return Err(Problem::unsupported(format!("remote write is one snappy block, not `{other}`"))),
    }
    let (body, _room) = desk.body(request).await?;
    if !body.is_empty() {
        let headers = [("content-type", "application/x-protobuf"), (FORMAT_HEADER, FORMAT)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let record = record(request, Source::Metrics, body, headers.to_vec());
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
