//! One open stream: from the hub to one page as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use warp::Reply;
use warp::filters::sse::Event;
use warp::reply::Response;

use super::{Hub, Subscription};
use crate::model::live::{LiveUpdate, NumberedUpdate};
use crate::model::ports::PipelineStatus;

/// Between heartbeats; a page takes a stream silent for 15 s as broken.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How soon a page comes back after a break.
const RETRY: Duration = Duration::from_secs(2);
/// Messages waiting for a page's connection.
const QUEUE_MESSAGES_MAX: usize = 64;
/// Longest wait for a page to take a message.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers `GET /api/v1/stream`. `place` is given back when the stream ends; `closing` ends it at shutdown.
pub fn open(
    hub: Hub,
    status: Arc<dyn PipelineStatus>,
    last_id: Option<&str>,
    place: OwnedSemaphorePermit,
    closing: watch::Receiver<bool>,
) -> Response {
    let subscription = hub.subscribe(last_id);
    let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
    tokio::spawn(async move {
        hub.0.open_streams.fetch_add(1, Ordering::Relaxed);
        let end = Feed { hub: hub.clone(), status, sender }.run(subscription, closing).await;
        hub.0.open_streams.fetch_sub(1, Ordering::Relaxed);
        if end == End::TooSlow {
            hub.0.dropped_streams.fetch_add(1, Ordering::Relaxed);
            tracing::info!("a page did not keep up with live updates and was let go");
        }
        drop(place);
    });
    let mut response = warp::sse::reply(ReceiverStream::new(receiver)).into_response();
    // Proxies that buffer would hold updates back.
    response.headers_mut().insert("x-accel-buffering", warp::http::HeaderValue::from_static("no"));
    response
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    PageLeft,
    TooSlow,
    Closing,
}

struct Feed {
    hub: Hub,
    status: Arc<dyn PipelineStatus>,
    sender: mpsc::Sender<Result<Event, Infallible>>,
}

impl Feed {
    async fn run(self, mut subscription: Subscription, mut closing: watch::Receiver<bool>) -> End {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => return End::Closing,
            greeted = self.greet(&mut subscription) => if let Err(end) = greeted { return end },
        }
        loop {
            let event = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => return End::Closing,
                () = self.sender.closed() => return End::PageLeft,
                update = subscription.receiver.recv() => match update {
                    Ok(update) => self.message(&update),
                    Err(RecvError::Lagged(_)) => return End::TooSlow,
                    Err(RecvError::Closed) => return End::Closing,
                },
                _ = heartbeat.tick() => self.heartbeat(),
            };
            let sent = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => return End::Closing,
                sent = self.send(event) => sent,
            };
            if let Err(end) = sent {
                return end;
            }
        }
    }

    async fn greet(&self, subscription: &mut Subscription) -> Result<(), End> {
        let mut first = Event::default().retry(RETRY);
        if let Some(reason) = subscription.reset {
            let data = serde_json::json!({ "type": "reset", "reason": reason });
            first = first.event("reset").data(data.to_string());
        }
        if subscription.missed.is_empty() {
            // A page that loses its connection before its first update can resume all the same.
            first = first.id(self.hub.id(subscription.newest));
        }
        self.send(first).await?;
        for update in std::mem::take(&mut subscription.missed) {
            self.send(self.message(&update)).await?;
        }
        Ok(())
    }

    async fn send(&self, event: Event) -> Result<(), End> {
        match self.sender.send_timeout(Ok(event), PATIENCE).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(End::TooSlow),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(End::PageLeft),
        }
    }

    fn message(&self, update: &NumberedUpdate) -> Event {
        event_of(&update.update).id(self.hub.id(update.id))
    }

    /// Without an id: the page's place among the numbered updates stays.
    fn heartbeat(&self) -> Event {
        event_of(&LiveUpdate::Heartbeat { watermark: self.status.health().watermark })
    }
}

fn event_of(update: &LiveUpdate) -> Event {
    let data = serde_json::to_string(update).unwrap_or_default();
    Event::default().event(name(update)).data(data)
}

const fn name(update: &LiveUpdate) -> &'static str {
    match update {
        LiveUpdate::InvestigationChanged { .. } => "investigation_changed",
        LiveUpdate::EventsStored { .. } => "events_stored",
        LiveUpdate::DeadLettersStored { .. } => "dead_letters_stored",
        LiveUpdate::LettersReplayed { .. } => "letters_replayed",
        LiveUpdate::NotesChanged { .. } => "notes_changed",
        LiveUpdate::NotificationsChanged { .. } => "notifications_changed",
        LiveUpdate::ConnectorsChanged => "connectors_changed",
        LiveUpdate::Heartbeat { .. } => "heartbeat",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_event_name_is_the_tag_of_the_json() {
        for update in [
            LiveUpdate::InvestigationChanged { id: "i".to_owned(), revision: 1, version: 1 },
            LiveUpdate::EventsStored { count: 1, newest: None },
            LiveUpdate::DeadLettersStored { count: 1 },
            LiveUpdate::LettersReplayed { count: 1 },
            LiveUpdate::NotesChanged { investigation_id: "i".to_owned() },
            LiveUpdate::ConnectorsChanged,
            LiveUpdate::Heartbeat { watermark: None },
        ] {
            assert_eq!(serde_json::to_value(&update).unwrap()["type"], name(&update));
        }
    }
}
