//! The live stream.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use warp::Filter;

use super::Route;
use crate::model::live::LiveUpdate;
use crate::web::live;
use crate::web::rejection::{Answer, Problem};
use crate::web::request::{Api, Request, asked};

pub fn routes(api: &Api, places: Arc<Semaphore>, closing: &watch::Sender<bool>) -> Route {
    let closing = closing.clone();
    warp::path!("stream")
        .and(warp::get())
        .and(asked(api))
        .then(move |request: Request| {
            let (places, closing) = (places.clone(), closing.subscribe());
            async move { stream(&request, places, closing) }
        })
        .boxed()
}

/// Server-sent events: each `event` is the update's `type`, each `id` is to be sent back as `Last-Event-ID` after a
/// break. `event: reset` means too much was missed: read everything anew. Heartbeats come at least every 15 s.
#[utoipa::path(get, path = "/api/v1/stream", tag = "live",
    params(("Last-Event-ID" = Option<String>, Header, description = "Id of the last update received.")),
    responses((status = 200, body = LiveUpdate, content_type = "text/event-stream")))]
fn stream(request: &Request, places: Arc<Semaphore>, closing: watch::Receiver<bool>) -> Answer {
    request.no_query()?;
    let Ok(place) = places.try_acquire_owned() else {
        return Err(Problem::unavailable("as many live streams are open as are allowed (web.max_streams)", 5));
    };
    let last_id = request.headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let parts = &request.api.parts;
    Ok(live::stream::open(parts.live.clone(), parts.status.clone(), last_id, place, closing))
}
