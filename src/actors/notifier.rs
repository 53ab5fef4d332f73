//! Tells people: takes what is due from the outbox, sends it through one channel, and books what came of it.
//!
//! One of them a channel, beside the pipeline, not in it: a receiver that is slow or gone holds up neither the pipeline nor another
//! channel. What waits lies in the store, so that there is no queue here; what is sent and not yet booked when the process dies is
//! sent once more, the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::status::StatusBoard;
use crate::clock;
use crate::engine::resilience::circuit_breaker::CircuitBreaker;
use crate::engine::tell::retry::{BREAKER_THRESHOLD, after_failure};
use crate::model::Timestamp;
use crate::model::connector::BreakerState;
use crate::model::live::LiveUpdate;
use crate::model::notification::{ChannelView, DeliveryOutcome, DeliveryResult, Outgoing};
use crate::model::ports::{Channels, DeliveryBooks, Outbox, Outlet, Publish, StoreError};
use crate::telemetry::metrics::metrics;

/// How often to look for what is due: what it adds to the way of a notification.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Notifications taken at a look; the rest at the next, which follows at once.
const AT_ONCE: u32 = 20;
/// What did not come to be booked is tried again so soon; nothing more is sent meanwhile.
const BOOK_AGAIN: Duration = Duration::from_millis(500);
/// Open investigations told again, newest first: more at a time nobody reads.
const MAX_FIRING: u32 = 1_000;
/// So long an alert that a person ended is told as ended, seconds: after that it has run out by itself.
const ENDED_WITHIN_S: i64 = 600;

/// How the channels fare, kept for the page.
#[derive(Debug, Default)]
pub struct ChannelBoard {
    channels: Mutex<BTreeMap<&'static str, ChannelView>>,
}

impl ChannelBoard {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, ChannelView>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, name: &'static str, change: impl FnOnce(&mut ChannelView)) {
        let fresh = || ChannelView {
            name: name.to_owned(),
            target: String::new(),
            waiting: 0,
            oldest_waiting_at: None,
            breaker: Default::default(),
            last_delivered_at: None,
            last_error: None,
            last_error_at: None,
        };
        change(self.lock().entry(name).or_insert_with(fresh));
    }
}

impl Channels for ChannelBoard {
    fn channels(&self) -> Vec<ChannelView> {
        self.lock().values().cloned().collect()
    }
}

/// What all notifiers share.
#[derive(Clone)]
pub struct Office {
    pub outbox: Arc<dyn Outbox>,
    pub books: Arc<dyn DeliveryBooks>,
    pub board: Arc<ChannelBoard>,
    pub status: Arc<StatusBoard>,
    pub publish: Arc<dyn Publish>,
    pub give_up_after_s: u32,
    /// True once nothing more is to be sent.
    pub stop: watch::Receiver<bool>,
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Office {
    /// Also when nobody is left to say so.
    fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Waits, or less when it is to stop.
    async fn rest(&self, time: Duration) {
        let mut stop = self.stop.clone();
        // However it ends, what is to be done next shows by itself.
        let _ = tokio::time::timeout(time, stop.wait_for(|stop| *stop)).await;
    }

    /// Reads on a thread for such.
    async fn read<T: Send + 'static>(&self, ask: impl FnOnce(&dyn Outbox) -> Result<T, StoreError> + Send + 'static) -> Option<T> {
        let outbox = self.outbox.clone();
        match tokio::task::spawn_blocking(move || ask(&*outbox)).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::warn!(%error, "outbox not read; trying again");
                None
            }
            Err(panic) => {
                tracing::error!(%panic, "a read of the outbox panicked");
                None
            }
        }
    }

    /// Books it before anything else is sent; `false` when it is to stop and the store does not take it: it is sent again then.
    async fn book(&self, outcome: DeliveryOutcome) -> bool {
        loop {
            match self.books.book(vec![outcome.clone()]).await {
                Ok(()) => return true,
                Err(error) if self.is_stopped() => {
                    tracing::warn!(channel = outcome.channel, %error, "not booked; sent again, the same, after the next start");
                    return false;
                }
                Err(error) => tracing::warn!(channel = outcome.channel, %error, "not booked yet; nothing more is sent meanwhile"),
            }
            self.rest(BOOK_AGAIN).await;
        }
    }

    /// Gives up what waits for channels that are no longer in the settings.
    pub async fn give_up_strangers(self, known: Vec<&'static str>) {
        let Some(found) = self.read(|outbox| outbox.waiting_channels()).await else { return };
        for channel in found.into_iter().filter(|channel| !known.contains(&channel.as_str())) {
            let mut given_up = 0;
            loop {
                let asked = channel.clone();
                // All of them, however long they were to wait.
                let far = Timestamp::from_nanos(i64::MAX);
                let Some(due) = self.read(move |outbox| outbox.due(&asked, far, AT_ONCE)).await.filter(|due| !due.is_empty()) else {
                    break;
                };
                for outgoing in due {
                    let result = DeliveryResult::GivenUp { error: "this channel is no longer in the settings".to_owned() };
                    if !self.book(outcome(&outgoing, &channel, outgoing.attempts, result)).await {
                        return;
                    }
                    given_up += 1;
                }
            }
            metrics().delivery(&channel, "given_up", given_up);
            tracing::warn!(channel, given_up, "told nobody of what waited for a channel that is no longer in the settings");
        }
    }
}

fn outcome(outgoing: &Outgoing, channel: &str, attempts: u32, result: DeliveryResult) -> DeliveryOutcome {
    DeliveryOutcome { seq: outgoing.seq, channel: channel.to_owned(), attempts, at: clock::now(), result }
}

/// Tells one channel.
pub struct Notifier {
    office: Office,
    outlet: Arc<dyn Outlet>,
    name: &'static str,
    breaker: CircuitBreaker,
    repeated_at: Option<Timestamp>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Notifier {
    pub fn new(office: Office, outlet: Arc<dyn Outlet>) -> Self {
        let name = outlet.name();
        office.board.update(name, |view| view.target = outlet.target());
        Self { office, outlet, name, breaker: CircuitBreaker::new(BREAKER_THRESHOLD), repeated_at: None }
    }

    /// Until it is stopped; what is being sent then is sent and booked first.
    pub async fn run(mut self) {
        while !self.office.is_stopped() {
            let is_more = self.look().await;
            if !is_more {
                self.office.rest(LOOK_EVERY).await;
            }
        }
    }

    /// Sends what is due; whether there is more.
    async fn look(&mut self) -> bool {
        self.repeat().await;
        let (name, now) = (self.name, clock::now());
        let Some(waiting) = self.office.read(move |outbox| outbox.waiting(name)).await else { return false };
        let oldest_s = waiting.oldest.map_or(0.0, |oldest| now.seconds_since(oldest).max(0.0));
        metrics().deliveries_waiting(name, waiting.count, oldest_s);
        self.office.board.update(name, |view| (view.waiting, view.oldest_waiting_at) = (waiting.count, waiting.oldest));
        if waiting.count == 0 || !self.breaker.allows(now) {
            return false;
        }
        let Some(due) = self.office.read(move |outbox| outbox.due(name, now, AT_ONCE)).await else { return false };
        let (mut sent, taken) = (0, due.len());
        for outgoing in due {
            if self.office.is_stopped() || !self.breaker.allows(clock::now()) || !self.deliver(&outgoing).await {
                break;
            }
            sent += 1;
        }
        sent == taken && taken > 0
    }

    /// `false` when what came of it is not booked.
    async fn deliver(&mut self, outgoing: &Outgoing) -> bool {
        let sent = self.outlet.send(outgoing, clock::now()).await;
        let now = clock::now();
        let attempts = outgoing.attempts.saturating_add(1);
        let result = match &sent {
            Ok(()) => DeliveryResult::Delivered,
            Err(error) => after_failure(outgoing, error, now, self.office.give_up_after_s),
        };
        let id = outgoing.notification.id.as_str();
        let counted = match &result {
            DeliveryResult::Delivered => {
                tracing::info!(channel = self.name, id, attempts, "told");
                "delivered"
            }
            DeliveryResult::Failed { error, .. } => {
                tracing::warn!(channel = self.name, id, attempts, error, "not told; tried again");
                "failed"
            }
            DeliveryResult::GivenUp { error } => {
                tracing::error!(channel = self.name, id, attempts, error, "given up: nobody was told through this channel");
                "given_up"
            }
        };
        metrics().delivery(self.name, counted, 1);
        self.heard(sent, now);
        let is_booked = self.office.book(outcome(outgoing, self.name, attempts, result)).await;
        let investigation_id = outgoing.notification.investigation_id.clone();
        self.office.publish.publish(LiveUpdate::NotificationsChanged { investigation_id });
        is_booked
    }

    /// Sends what is open again, for a channel that takes what it does not hear of for over.
    async fn repeat(&mut self) {
        let (name, now, every_s) = (self.name, clock::now(), f64::from(self.outlet.repeat_every_s()));
        let is_due = every_s > 0.0 && self.repeated_at.is_none_or(|at| now.seconds_since(at) >= every_s);
        if !is_due || !self.breaker.allows(now) {
            return;
        }
        let ended_after = now.plus_seconds(-ENDED_WITHIN_S);
        let Some(firing) = self.office.read(move |outbox| outbox.firing(name, ended_after, MAX_FIRING)).await else { return };
        self.repeated_at = Some(now);
        if firing.is_empty() {
            return;
        }
        let sent = self.outlet.repeat(&firing, now).await;
        metrics().delivery(name, if sent.is_ok() { "repeated" } else { "not_repeated" }, firing.len() as u64);
        self.heard(sent, clock::now());
    }

    /// What the receiver's answer says of the channel.
    fn heard(&mut self, sent: Result<(), String>, now: Timestamp) {
        let before = self.breaker.state();
        match &sent {
            Ok(()) => self.breaker.succeeded(now),
            Err(error) => self.breaker.failed(now, error),
        }
        let after = self.breaker.state();
        let who = format!("telling {}", self.name);
        if before != after {
            tracing::warn!(channel = self.name, from = ?before, to = ?after, "breaker of a channel");
        }
        match (after, &sent) {
            (BreakerState::Open, Err(error)) => {
                self.office.status.trouble(&who, &format!("{error}; what is to be told waits and is tried again by itself"), false);
            }
            (BreakerState::Closed, Ok(())) => self.office.status.well(&who),
            _ => {}
        }
        let breaker = self.breaker.view();
        self.office.board.update(self.name, |view| {
            view.breaker = breaker;
            match sent {
                Ok(()) => view.last_delivered_at = Some(now),
                Err(error) => (view.last_error, view.last_error_at) = (Some(error), Some(now)),
            }
        });
    }
}

#[cfg(test)]
mod tests;
