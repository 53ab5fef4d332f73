//! `/api/v1`, one file a resource: filters say what is asked, handlers what is done.

pub mod analytics;
pub mod connectors;
pub mod dead_letters;
pub mod events;
pub mod health;
pub mod investigation;
pub mod investigations;
pub mod notes;
pub mod stream;

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::contract::document;
use super::rejection::{Answer, Problem};
use super::request::Api;
use super::server::any_of;

/// Everything under `/api`; unknown paths and methods end here as problems too.
pub fn routes(api: &Api, streams: Arc<Semaphore>, closing: &watch::Sender<bool>) -> BoxedFilter<(Response,)> {
    let resources = any_of([
        investigations::routes(api),
        investigation::routes(api),
        notes::routes(api),
        events::routes(api),
        connectors::routes(api),
        dead_letters::routes(api),
        analytics::routes(api),
        health::routes(api),
        stream::routes(api, streams, closing),
    ]);
    let resources = warp::path("v1").and(resources).map(warp::Reply::into_response).boxed();
    let known = Arc::new(document::Index::new(&document::openapi()));
    let refused = warp::method().and(warp::path::full()).map(move |method: warp::http::Method, path: warp::path::FullPath| {
        warp::Reply::into_response(refusal(&known, &method, path.as_str()))
    });
    warp::path("api").and(resources.or(refused).unify()).boxed()
}

/// Nothing matched: a wrong method on a known path, or an unknown path.
fn refusal(known: &document::Index, method: &warp::http::Method, path: &str) -> Problem {
    let allowed = known.methods(path);
    if allowed.is_empty() || allowed.iter().any(|allowed| *allowed == method.as_str()) {
        return Problem::not_found(format!("no path {path}; /api/v1/openapi.json lists all"));
    }
    Problem::method_not_allowed(allowed.join(", "))
}

/// A route: who matches is answered.
type Route = BoxedFilter<(Answer,)>;
