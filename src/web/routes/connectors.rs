//! Connectors: how they fare, and what a person may tell them.

use warp::Filter;
use warp::http::StatusCode;

use super::Route;
use crate::model::connector::ConnectorStatus;
use crate::model::ports::ConnectorControl;
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, Segment, asked, json};
use crate::web::server::any_of;

pub fn routes(api: &Api) -> Route {
    let told = || warp::post().and(asked(api));
    any_of([
        warp::path!("connectors").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("connectors" / Segment).and(warp::get()).and(asked(api)).then(show).boxed(),
        warp::path!("connectors" / Segment / "pause").and(told()).then(pause).boxed(),
        warp::path!("connectors" / Segment / "resume").and(told()).then(resume).boxed(),
        warp::path!("connectors" / Segment / "reset").and(told()).then(reset).boxed(),
    ])
}

fn find(request: &Request, name: &str) -> Result<ConnectorStatus, Problem> {
    let all = request.api.parts.status.connectors();
    all.into_iter().find(|connector| connector.name == name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("no connector named {name}"))
}

/// All connectors.
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
    tell(&name.0, &request, "pause", |control, name| control.pause(name))
}

/// Goes on reading.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/resume", tag = "connectors", params(("name" = String, Path)),
    responses((status = 202, body = ConnectorStatus)))]
pub async fn resume(name: Segment, request: Request) -> Answer {
    tell(&name.0, &request, "resume", |control, name| control.resume(name))
}

/// Closes the circuit breaker and tries at once.
#[utoipa::path(post, path = "/api/v1/connectors/{name}/reset", tag = "connectors", params(("name" = String, Path)),
    responses((status = 202, body = ConnectorStatus)))]
pub async fn reset(name: Segment, request: Request) -> Answer {
    tell(&name.0, &request, "reset", |control, name| control.reset_breaker(name))
}

fn tell(name: &str, request: &Request, order: &str, give: impl Fn(&dyn ConnectorControl, &str) -> bool) -> Answer {
    request.no_query()?;
    let status = find(request, name)?;
    if !give(request.api.parts.control.as_ref(), name) {
        // It is there, but nobody takes orders for it now.
        return Err(Problem::unavailable(format!("connector {name} is being restarted"), 2));
    }
    tracing::info!(connector = name, order, who = request.who, "a person told a connector");
    let mut response = json(&status)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
