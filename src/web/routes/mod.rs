//! `/api/v1`, one file a resource: filters say what is asked, handlers what is done.

pub mod aliases;
pub mod analytics;
pub mod changes;
pub mod connectors;
pub mod dead_letters;
pub mod events;
pub mod health;
pub mod investigation;
pub mod investigations;
pub mod ledger;
pub mod notes;
pub mod notifications;
pub mod stream;
pub mod topology;

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::Method;
use warp::path::FullPath;
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
        notifications::routes(api),
        events::routes(api),
        connectors::routes(api),
        dead_letters::routes(api),
        ledger::routes(api),
        analytics::routes(api),
        changes::routes(api),
        aliases::routes(api),
        topology::routes(api),
        health::routes(api),
        stream::routes(api, streams, closing),
    ]);
    let resources = warp::path("v1").and(resources).map(warp::Reply::into_response).boxed();
    let known = Arc::new(document::Index::new(&document::openapi()));
    // Before the routes: else `DELETE /dead-letters/groups` would be taken for a dead letter named `groups`.
    let gate = warp::method().and(warp::path::full()).and_then(move |method: Method, path: FullPath| {
        let refused = refusal(&known, &method, path.as_str());
        async move { refused.map(warp::Reply::into_response).ok_or_else(warp::reject::not_found) }
    });
    // After them: an id that is no text.
    let rest = warp::path::full().map(|path: FullPath| warp::Reply::into_response(unknown(path.as_str())));
    warp::path("api").and(any_of([gate.boxed(), resources, rest.boxed()])).boxed()
}

/// What the document says against it: a path it does not know, or a method that the path does not take.
fn refusal(known: &document::Index, method: &Method, path: &str) -> Option<Problem> {
    let allowed = known.methods(path);
    match allowed.iter().any(|allowed| *allowed == method.as_str()) {
        true => None,
        false if allowed.is_empty() => Some(unknown(path)),
        false => Some(Problem::method_not_allowed(allowed.join(", "))),
    }
}

fn unknown(path: &str) -> Problem {
    Problem::not_found(format!("no path {path}; /api/v1/openapi.json lists all"))
}

/// A route: who matches is answered.
type Route = BoxedFilter<(Answer,)>;
