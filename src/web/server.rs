//! The listener: accepts, bounds, seals and ends connections. What is answered is the filters' business.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use warp::hyper::body::Incoming;
use warp::hyper::server::conn::http1;
use warp::hyper::service::{Service, service_fn};
use warp::reply::Response;

use super::auth::{Ends, Person};
use super::limits::Budget;
use super::options::OptionError;
use super::rejection::Problem;

/// Largest request head, bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long a peer may leave bytes unacknowledged or its window shut.
#[cfg(target_os = "linux")]
const STALLED_PEER_TIMEOUT: Duration = Duration::from_secs(30);

const SECURITY_HEADERS: [(&str, &str); 7] = [
    // Styles may be inline because the component kit writes its variables into a style element; scripts never.
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Why a listener could not start.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error("cannot listen on {address} ({setting}): {reason}")]
    Bind { address: SocketAddr, setting: &'static str, reason: std::io::Error },
}

/// A running listener.
#[derive(Debug)]
pub struct Server {
    /// Where it listens; the real port where the setting said 0.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Returns when the listener has ended after its shutdown signal.
    pub async fn ended(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "listener task failed");
        }
    }
}

/// A request that may go on: who asks, and what is left of their allowance where there is one.
#[derive(Clone, Debug)]
pub struct Admission {
    pub person: Person,
    pub budget: Option<Budget>,
}

/// Decides who may ask; runs before any filter.
pub type Admit = dyn Fn(Ends, &Method, &str, &HeaderMap) -> Result<Admission, Problem> + Send + Sync;

/// What a listener needs beside its filters.
pub struct Listener {
    pub listen: SocketAddr,
    /// Name of the setting, for errors.
    pub setting: &'static str,
    pub max_connections: usize,
    pub header_timeout: Duration,
    pub shutdown_timeout: Duration,
    pub admit: Arc<Admit>,
    /// Turned to `true` when shutdown begins, so that streams end by themselves.
    pub closing: watch::Sender<bool>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("listen", &self.listen).field("setting", &self.setting).finish_non_exhaustive()
    }
}

impl Listener {
    /// Opens the port and serves until `shutdown` resolves.
    pub async fn start(
        self,
        filter: BoxedFilter<(Response,)>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Server, ServeError> {
        let failed = |reason| ServeError::Bind { address: self.listen, setting: self.setting, reason };
        let listener = TcpListener::bind(self.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let task = tokio::spawn(self.run(listener, filter, shutdown));
        Ok(Server { address, task })
    }

    async fn run(self, listener: TcpListener, filter: BoxedFilter<(Response,)>, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.max_connections));
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                // Ended connections are reaped, so that the set holds only open ones.
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listener, &places) => accepted,
            };
            let Some((stream, ends, place)) = accepted else { continue };
            let connection = self.connection(stream, ends, &filter, &graceful);
            connections.spawn(async move {
                connection.await;
                drop(place);
            });
        }
        drop(listener);
        self.closing.send_replace(true);
        // Answers under way may finish; what is still open after that (a client that never reads) is cut.
        if tokio::time::timeout(self.shutdown_timeout, graceful.shutdown()).await.is_err() {
            tracing::warn!(open = connections.len(), "connections cut at shutdown");
        }
        connections.shutdown().await;
    }

    fn connection(
        &self,
        stream: TcpStream,
        ends: Ends,
        filter: &BoxedFilter<(Response,)>,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + Send + use<> {
        let inner = TowerToHyperService::new(warp::service(filter.clone()));
        let admit = self.admit.clone();
        let service = service_fn(move |request: Request<Incoming>| sealed(request, ends, admit.clone(), inner.clone()));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let watched = graceful.watch(connection);
        async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, remote = %ends.remote, "connection ended early");
            }
        }
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Ends, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, remote)) => {
            let local = stream.local_addr().ok()?;
            tune(&stream);
            Some((stream, Ends { remote, local }, place))
        }
        Err(error) => {
            // Out of file handles or the like: wait for some to be freed instead of spinning.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Updates go out at once; a peer that takes nothing for a while, or is gone, is let go by the kernel. Without these the
/// connection works all the same.
fn tune(stream: &TcpStream) {
    let nodelay = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let patience = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(STALLED_PEER_TIMEOUT));
    #[cfg(not(target_os = "linux"))]
    let patience = std::io::Result::Ok(());
    if let Err(error) = nodelay.and(patience) {
        tracing::debug!(%error, "socket option not set");
    }
}

/// Admission before, panics caught around, problem bodies and security headers after the filters.
async fn sealed<S>(mut request: Request<Incoming>, ends: Ends, admit: Arc<Admit>, inner: S) -> Result<Response, Infallible>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let path = request.uri().path().to_owned();
    let mut budget = None;
    let mut response = match admit(ends, request.method(), &path, request.headers()) {
        Err(problem) => warp::Reply::into_response(problem),
        Ok(admission) => {
            budget = admission.budget;
            request.extensions_mut().insert(admission.person);
            answered(request, &inner).await
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.into_response_for(&path);
    }
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    if is_api(&path) {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if let Some(budget) = budget {
        budget.write(headers);
    }
    Ok(response)
}

/// True for paths of the API; all others are the page's.
pub fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// The filters' answer; a panic in one of them becomes a 500 and ends nothing else.
async fn answered<S>(mut request: Request<Incoming>, inner: &S) -> Response
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    if request.method() == Method::HEAD {
        // The server leaves the body out by itself.
        *request.method_mut() = Method::GET;
    }
    match AssertUnwindSafe(inner.call(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            tracing::error!("a handler panicked");
            warp::Reply::into_response(Problem::internal())
        }
    }
}

/// The first filter that matches.
pub fn any_of<T: Send + 'static>(filters: impl IntoIterator<Item = BoxedFilter<(T,)>>) -> BoxedFilter<(T,)> {
    let mut filters = filters.into_iter();
    let first = filters.next().unwrap_or_else(|| warp::any().and_then(|| async { Err(warp::reject::not_found()) }).boxed());
    filters.fold(first, |all, next| all.or(next).unify().boxed())
}
