//! `/ingest/{source}`: one record a request; of logs as text or JSON lines, one a line.

use serde::Serialize;

use super::{Desk, bodies, record, signature};
use crate::model::Source;
use crate::telemetry::metrics::metrics;
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Request, json};

/// What a request came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Taken {
    /// Records stored.
    pub records: usize,
}

pub(super) async fn take(desk: &Desk, request: &mut Request, source: Source) -> Answer {
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
