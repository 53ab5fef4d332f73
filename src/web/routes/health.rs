//! How the process fares, and the document of this API.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::Filter;

use super::Route;
use crate::model::connector::Health;
use crate::web::contract::document;
use crate::web::rejection::Answer;
use crate::web::request::{Api, Request, asked, json};
use crate::web::server::any_of;

/// Health, with who says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    #[serde(flatten)]
    pub health: Health,
    /// Version of whydunit.
    pub version: String,
}

pub fn routes(api: &Api) -> Route {
    let text = Arc::new(document::openapi());
    any_of([
        warp::path!("health").and(warp::get()).and(asked(api)).then(health).boxed(),
        warp::path!("openapi.json")
            .and(warp::get())
            .and(asked(api))
            .then(move |request: Request| {
                let text = text.clone();
                async move { openapi(&request, &text) }
            })
            .boxed(),
    ])
}

/// How the process fares, for the page's header.
#[utoipa::path(get, path = "/api/v1/health", tag = "health", responses((status = 200, body = HealthView)))]
pub async fn health(request: Request) -> Answer {
    request.no_query()?;
    json(&HealthView { health: request.api.parts.status.health(), version: request.api.parts.version.to_owned() })
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "health", responses((status = 200, body = Object)))]
fn openapi(request: &Request, document: &utoipa::openapi::OpenApi) -> Answer {
    request.no_query()?;
    json(document)
}
