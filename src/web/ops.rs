//! Metrics and probes on a listener of their own: no payloads, no writes, no browser.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use warp::Filter;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::auth::Person;
use super::options::OpsOptions;
use super::rejection::Problem;
use super::request::json;
use super::server::{Admission, Listener, ServeError, Server, any_of};
use crate::model::connector::Health;
use crate::model::ports::PipelineStatus;

/// Renders all metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What `/readyz` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// `ready`, `degraded` (200, reasons tell) or `not_ready` (503).
    pub status: String,
    pub reasons: Vec<String>,
}

impl Readiness {
    pub fn of(health: &Health) -> Self {
        let status = match (health.ready, health.degraded) {
            (false, _) => "not_ready",
            (true, true) => "degraded",
            (true, false) => "ready",
        };
        Self { status: status.to_owned(), reasons: health.reasons.clone() }
    }
}

/// Serves `/metrics`, `/healthz` and `/readyz` until `shutdown` resolves.
pub async fn serve_ops(
    options: &OpsOptions,
    status: Arc<dyn PipelineStatus>,
    metrics: RenderMetrics,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Server, ServeError> {
    options.validate()?;
    let rendered = warp::path!("metrics").and(warp::get()).map(move || text(metrics(), "text/plain; version=0.0.4; charset=utf-8"));
    let alive = warp::path!("healthz").and(warp::get()).map(|| text("alive\n".to_owned(), "text/plain; charset=utf-8"));
    let ready = warp::path!("readyz").and(warp::get()).map(move || readiness(&status.health()));
    let unknown = warp::any().map(|| warp::Reply::into_response(Problem::not_found("here are GET /metrics, /healthz and /readyz")));
    let filter = any_of([rendered.boxed(), alive.boxed(), ready.boxed(), unknown.boxed()]);
    let listener = Listener {
        listen: options.listen,
        setting: "ops.listen",
        max_connections: options.max_connections,
        header_timeout: Duration::from_secs(10),
        shutdown_timeout: Duration::from_secs(1),
        admit: Arc::new(|_, _, _, _| Ok(Admission { person: Person(String::new()), budget: None })),
        closing: watch::Sender::new(false),
    };
    listener.start(filter, shutdown).await
}

fn readiness(health: &Health) -> Response {
    let mut response = match json(&Readiness::of(health)) {
        Ok(response) => response,
        Err(problem) => return warp::Reply::into_response(problem),
    };
    if !health.ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

fn text(body: String, media: &'static str) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
