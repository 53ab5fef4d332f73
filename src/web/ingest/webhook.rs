//! `/ingest/{source}`: one record a request; of logs as text or JSON lines, one a line.

use serde::Serialize;

use super::{Desk, bodies, record, signature};
use crate::model::Source;
use crate::telemetry::metrics::metrics;
use crate::web::rejection::{Answer, Details, Problem};
use crate::web::request::{Request, json};

/// What a request came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Taken {
    /// Records stored.
    pub records: usize,
}

/// Takes a webhook, or anything that a topic of that source may hold, of any type and packing: one record, of logs as text or JSON lines
/// one a line. Success says that it is durable; what cannot be read becomes a dead letter.
#[utoipa::path(post, path = "/ingest/{source}", tag = "ingest", params(("source" = Source, Path)),
    request_body(content(("application/json"), ("application/x-www-form-urlencoded"), ("text/plain"), ("application/x-ndjson"),
        ("application/octet-stream"))),
    responses(
        (status = 200, body = Taken),
        (status = 400, description = "The body is empty, or broke off.", body = Details, content_type = "application/problem+json"),
        (status = 401, description = "The token of web.token is missing, or the signature is not right.", body = Details,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such source.", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "Larger than ingest.max_body_bytes, or more than 20,000 lines.", body = Details,
            content_type = "application/problem+json"),
        (status = 429, description = "ingest.max_mib wait to be read.", body = Details, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "Seconds."))),
        (status = 503, description = "Nothing can be stored now.", body = Details, content_type = "application/problem+json",
            headers(("Retry-After" = u32, description = "Seconds.")))))]
pub(in crate::web) async fn take(desk: &Desk, request: &mut Request, source: Source) -> Answer {
    let (body, _room) = desk.body(request).await?;
    if let Err(refused) = signature::check(desk.options(), &request.headers, &body) {
        metrics().ingest_request(source.as_str(), "refused");
        return Err(refused);
    }
    if body.is_empty() {
        return Err(Problem::bad_parameter("body", "is empty"));
    }
    // GitHub asks whether anybody is there.
    if request.headers.get("x-github-event").is_some_and(|event| event == "ping") {
        return json(&Taken { records: 0 });
    }
    let (values, headers) = bodies::values(source, &request.headers, body, desk.options().max_body_bytes)?;
    let records: Vec<_> = values.into_iter().map(|value| record(request, source, value, headers.clone())).collect();
    let taken = Taken { records: records.len() };
    if taken.records > 0 {
        desk.store(source, records).await?;
    }
    json(&taken)
}
