//! Who calls whom.

use warp::Filter;

use super::Route;
use crate::model::topology::Topology;
use crate::web::contract::query::{Kind, Param, documents, param};
use crate::web::rejection::Answer;
use crate::web::request::{Api, Request, asked, json};

const WHICH: &[Param] = &[
    param("environment", Kind::Text, "Of this environment; of all when absent."),
    param("at", Kind::Time, "As it was then, by event time; as it is when absent."),
];

documents!(TopologyParams: WHICH);

pub fn routes(api: &Api) -> Route {
    warp::path!("topology").and(warp::get()).and(asked(api)).then(topology).boxed()
}

/// Services and the calls between them: those with a call in the half hour before.
#[utoipa::path(get, path = "/api/v1/topology", tag = "topology", params(TopologyParams),
    responses((status = 200, body = Topology)))]
pub async fn topology(request: Request) -> Answer {
    let query = request.query(&[WHICH])?;
    let (environment, at) = (query.text("environment"), query.time("at"));
    json(&request.api.read(move |reader| reader.topology(environment.as_deref(), at)).await?)
}
