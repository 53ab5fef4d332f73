//! Names that mean another service.

use warp::Filter;

use super::Route;
use crate::model::command::{Action, CommandOutcome};
use crate::model::entity::Alias;
use crate::web::contract::orders::AliasRequest;
use crate::web::rejection::Answer;
use crate::web::request::{Api, Request, Segment, asked, asked_with_body, json, no_content, unexpected};
use crate::web::server::any_of;

pub fn routes(api: &Api) -> Route {
    any_of([
        warp::path!("aliases").and(warp::get()).and(asked(api)).then(list).boxed(),
        warp::path!("aliases" / Segment).and(warp::put()).and(asked_with_body(api)).then(set).boxed(),
        warp::path!("aliases" / Segment).and(warp::delete()).and(asked(api)).then(remove).boxed(),
    ])
}

/// All of them by name, those of the settings too.
#[utoipa::path(get, path = "/api/v1/aliases", tag = "aliases", responses((status = 200, body = Vec<Alias>)))]
pub async fn list(request: Request) -> Answer {
    request.no_query()?;
    json(&request.api.read(|reader| reader.aliases()).await?)
}

/// From the next batch on the name means that service; what is stored under it stays. An alias of an alias means what that one
/// means; names that would go round are refused.
#[utoipa::path(put, path = "/api/v1/aliases/{name}", tag = "aliases", params(("name" = String, Path)), request_body = AliasRequest,
    responses((status = 200, body = Alias)))]
pub async fn set(name: Segment, mut request: Request) -> Answer {
    request.no_query()?;
    let AliasRequest { service, reason } = AliasRequest::read(request.fields().await?)?;
    match request.submit(Action::SetAlias { name: name.0, service, reason }, None).await? {
        CommandOutcome::Alias(alias) => json(&alias),
        other => Err(unexpected(&other)),
    }
}

/// Takes a person's alias back; one of the settings is removed there.
#[utoipa::path(delete, path = "/api/v1/aliases/{name}", tag = "aliases", params(("name" = String, Path)), responses((status = 204)))]
pub async fn remove(name: Segment, request: Request) -> Answer {
    request.no_query()?;
    request.submit(Action::RemoveAlias { name: name.0 }, None).await?;
    Ok(no_content())
}
