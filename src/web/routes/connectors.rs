//! Connectors: how they fare, and what a person may tell them.

use warp::Filter;
use warp::http::StatusCode;

use super::Route;
use crate::model::command::Action;
use crate::model::connector::{ConnectorOrder, ConnectorStatus, OrderBy};
use crate::web::contract::orders::{ResetRequest, TripRequest};
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, Segment, asked, asked_with_body, json};
use crate::web::server::any_of;

pub fn routes(api: &Api) -> Route {
    let told = || warp::post().and(asked(api));
    let argued = || warp::post().and(asked_with_body(api));
    any_of([
        warp::path!("connectors").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("connectors" / Segment).and(warp::get()).and(asked(api)).then(show).boxed(),
        warp::path!("connectors" / Segment / "pause").and(told()).then(pause).boxed(),
        warp::path!("connectors" / Segment / "resume").and(told()).then(resume).boxed(),
        warp::path!("connectors" / Segment / "trip").and(argued()).then(trip).boxed(),
        warp::path!("connectors" / Segment / "reset").and(argued()).then(reset).boxed(),
    ])
}

fn find(request: &Request, name: &str) -> Result<ConnectorStatus, Problem> {
    let all = request.api.parts.status.connectors();
    all.into_iter().find(|connector| connector.name == name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("no connector named {name}"))
}

/// All connectors, each with its breaker's history and its stage as the supervisor sees it.
#[utoipa::path(get, path = "/api/v1/connectors", tag = "connectors", responses((status = 200, body = Vec<ConnectorStatus>)))]
pub async fn list(request: Request) -> Answer {
    request.no_query()?;
    json(&request.api.parts.status.connectors())
}

/// One connector.
#[utoipa::path(get, path = "/api/v1/connectors/{name}", tag = "connectors", params(("name" = String, Path)),
    responses((status = 200, body = ConnectorStatus)))]
pub async fn show(name: Segment, request: Request) -> Answer {
    request.no_query()?;
    json(&find(&request, &name.0)?)
}

/// Stops reading; nothing is lost, the lag grows. The order is given when this answers; its effect shows in the state.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/pause", tag = "connectors", params(("name" = String, Path)),
    responses((status = 202, body = ConnectorStatus)))]
pub async fn pause(name: Segment, request: Request) -> Answer {
    tell(&name.0, &request, ConnectorOrder::Pause, String::new())
}

/// Goes on reading, whatever it was paused for.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/resume", tag = "connectors", params(("name" = String, Path)),
    responses((status = 202, body = ConnectorStatus)))]
pub async fn resume(name: Segment, request: Request) -> Answer {
    tell(&name.0, &request, ConnectorOrder::Resume, String::new())
}

/// Opens the circuit breaker until it is reset: nothing is read. Who, when and why are kept.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/trip", tag = "connectors", params(("name" = String, Path)),
    request_body = TripRequest, responses((status = 202, body = ConnectorStatus)))]
pub async fn trip(name: Segment, mut request: Request) -> Answer {
    let TripRequest { reason } = TripRequest::read(request.fields().await?)?;
    tell_and_keep(&name.0, &request, ConnectorOrder::Trip, reason).await
}

/// Closes the circuit breaker and tries at once. Who, when and why are kept.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/reset", tag = "connectors", params(("name" = String, Path)),
    request_body(content = Option<ResetRequest>), responses((status = 202, body = ConnectorStatus)))]
pub async fn reset(name: Segment, mut request: Request) -> Answer {
    let ResetRequest { reason } = ResetRequest::read(request.fields_if_any().await?)?;
    tell_and_keep(&name.0, &request, ConnectorOrder::Reset, reason.unwrap_or_else(|| "no reason given".to_owned())).await
}

async fn tell_and_keep(name: &str, request: &Request, order: ConnectorOrder, reason: String) -> Answer {
    request.no_query()?;
    find(request, name)?;
    request.submit(Action::SteerConnector { name: name.to_owned(), order, reason: reason.clone() }, None).await?;
    tell(name, request, order, reason)
}

fn tell(name: &str, request: &Request, order: ConnectorOrder, reason: String) -> Answer {
    request.no_query()?;
    let status = find(request, name)?;
    let by = OrderBy { who: request.who.clone(), reason };
    if !request.api.parts.control.steer(name, order, &by) {
        // It is there, but nobody takes orders for it now.
        return Err(Problem::unavailable(format!("connector {name} is being restarted"), 2));
    }
    tracing::info!(connector = name, order = order.as_str(), who = by.who, reason = by.reason, "a person told a connector");
    let mut response = json(&status)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
