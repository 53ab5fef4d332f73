//! Sums over investigations.

use warp::Filter;

use super::Route;
use crate::model::view::AnalyticsSummary;
use crate::web::contract::query::{Kind, Param, documents, param};
use crate::web::rejection::Answer;
use crate::web::request::{Api, Request, asked, json};

const RANGE: &[Param] =
    &[param("from", Kind::Time, "Opened at or after; all time when absent."), param("to", Kind::Time, "Opened before.")];

documents!(RangeParams: RANGE);

pub fn routes(api: &Api) -> Route {
    warp::path!("analytics" / "summary").and(warp::get()).and(asked(api)).then(summary).boxed()
}

/// Counts and medians over the investigations of a time.
#[utoipa::path(get, path = "/api/v1/analytics/summary", tag = "analytics", params(RangeParams),
    responses((status = 200, body = AnalyticsSummary)))]
pub async fn summary(request: Request) -> Answer {
    let query = request.query(&[RANGE])?;
    let range = query.range("from", "to")?;
    json(&request.api.read(move |reader| reader.analytics(range)).await?)
}
