//! The books: what became of every record read.

use warp::Filter;

use super::Route;
use crate::model::ledger::Ledger;
use crate::web::rejection::Answer;
use crate::web::request::{Api, Request, asked, json};

pub fn routes(api: &Api) -> Route {
    warp::path!("ledger").and(warp::get()).and(asked(api)).then(show).boxed()
}

/// What became of every record, by connector and partition, as of the last checkpoint, and whether the sums close.
#[utoipa::path(get, path = "/api/v1/ledger", tag = "ledger", responses((status = 200, body = Ledger)))]
pub async fn show(request: Request) -> Answer {
    request.no_query()?;
    json(&Ledger::of(request.api.read(|reader| reader.ledger()).await?))
}
